"""Consensus of things: things that enough annotators drew, with the pixels and category that most of them chose."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segdata.agreement.annotator_pairs import Flags, uncovered_runs
from segdata.agreement.consensus_pixels import UNDECIDED, plurality
from segdata.agreement.instance_clusters import PanelSegments, SegmentClusters, member_rows
from segdata.agreement.instance_matching import category_lines, union_of_runs
from segdata.agreement.votes import ABSENT
from segdata.core import kernels
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Ints, Runs

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class InstanceConsensus:
    """C things, whether agreed on or not, and their n segments: one for each image that a thing is on.

    Attributes
    ----------
    case : (C,) that each thing is in
    category : (C,) position in the list of categories, or `UNDECIDED` of a tie
    drawn_by : (C,) how many annotators have it
    judged_by : (C,) how many have a say: who called the place void or a crowd, or was not asked, has none
    iou : (C,) mean of those of every two who have it; NaN of one
    is_agreed : (C,) enough have it and it has a category; the others are for someone to settle
    thing : (n,) of each segment, ascending
    image : (n,) row of the batch's images
    runs : the pixels; `runs.owner` is the segment
    """

    case: Ints
    category: Ints
    drawn_by: Ints
    judged_by: Ints
    iou: Floats
    is_agreed: Flags
    thing: Ints
    image: Ints
    runs: Runs

    @property
    def support(self) -> Floats:
        """(C,) the share, of those who have a say, who have it, in (0, 1]."""
        return self.drawn_by / self.judged_by


def instance_consensus(
    every: PanelSegments,
    found: SegmentClusters,
    *,
    least: float = 0.5,
    weight: ArrayLike | None = None,
    exclusive: bool = False,
) -> InstanceConsensus:
    """What everyone's clusters come to; the order of annotators changes nothing.

    A thing is agreed on if more than the share `least` of the annotators who have a say drew it. Its pixels are those
    that more than half of its members have: of two members, both. Its category is the one that most give it, each with
    their `weight` (R,), by default all the same.

    With `exclusive`, things that are agreed on share no pixels: what several claim goes to the one with more votes
    there, of equals to the one that more annotators drew, then to the first.
    """
    members = member_rows(every, found.number)
    n, n_annotators = len(found), len(every.asked)
    case = np.zeros(n, np.int64)
    in_one = np.flatnonzero(found.number >= 0)
    of = found.number[in_one]
    case[of] = every.drawn.case[in_one]
    first = np.searchsorted(case, members["case"])  # a cluster's number begins anew in every case
    says = np.full((n, n_annotators), ABSENT, np.int64)
    drew = members["segment"] >= 0
    says[(first + members["cluster"])[drew], members["annotator"][drew]] = members["category"][drew]
    drawn_by = np.bincount(of, minlength=n)
    judged_by = np.bincount(first + members["cluster"], minlength=n)
    category = plurality(says, weight).category
    is_agreed = (drawn_by > least * judged_by) & (category != UNDECIDED)
    kept = found.number[every.clear.owner] >= 0
    owner = found.number[every.clear.owner[kept]].astype(np.int32)
    pieces, votes = _majority_pixels(SweepRuns(every.clear.start[kept], every.clear.end[kept], owner), drawn_by)
    room = int(pieces.end.max(initial=0)) + 1
    line = category_lines(pieces, np.arange(n), room)
    if exclusive:
        line = uncovered_runs(line, _lost_pixels(pieces, votes, drawn_by, is_agreed, room))
    thing, image, runs = _image_segments(every, line, room)
    return InstanceConsensus(
        case, category, drawn_by, judged_by, _mean_iou(found, drawn_by), is_agreed, thing, image, runs
    )


def _majority_pixels(side: SweepRuns, size: Ints) -> tuple[SweepRuns, Ints]:
    """The pixels that more than half of each cluster's `size` members have, in pieces, and the votes for each piece.

    `side.owner` is the cluster; members of one may share pixels. Pieces are in the order of the line.
    """
    own = np.concatenate([side.owner, side.owner])
    place = np.concatenate([side.start, side.end])
    step = np.repeat(np.array([1, -1], np.int64), len(side.start))
    order = np.lexsort((place, own))
    own, place, votes = own[order], place[order], step[order].cumsum()
    end = np.append(place[1:], 0)
    kept = np.flatnonzero((2 * votes > size[own]) & (end > place))
    kept = kept[np.argsort(place[kept], kind="stable")]
    return SweepRuns(place[kept], end[kept], own[kept]), votes[kept]


def _lost_pixels(pieces: SweepRuns, votes: Ints, drawn_by: Ints, is_agreed: Flags, room: int) -> SweepRuns:
    """The pixels that things lose to others, on the line of `category_lines`."""
    agreed = np.flatnonzero(is_agreed[pieces.owner])
    start, end = pieces.start[agreed], pieces.end[agreed]
    one, other, place, length = kernels.strips_within(start, end, np.arange(len(agreed), dtype=np.int32))
    i, j = agreed[one], agreed[other]
    thing_i, thing_j = pieces.owner[i], pieces.owner[j]
    ahead = np.stack([votes[i] - votes[j], drawn_by[thing_i] - drawn_by[thing_j], thing_j - thing_i])
    decisive = np.take_along_axis(ahead, (ahead != 0).argmax(axis=0)[None], axis=0)[0]
    loser = np.where(decisive > 0, thing_j, thing_i)
    lost = category_lines(SweepRuns(place, place + length, np.arange(len(place), dtype=np.int32)), loser, room)
    return union_of_runs(lost)


def _image_segments(every: PanelSegments, line: SweepRuns, room: int) -> tuple[Ints, Ints, Runs]:
    """Thing and image of each segment, and the pixels, from pieces on the line of `category_lines`."""
    start, length, _ = kernels.cover(line.start, line.end)
    thing, place = np.divmod(start, room)
    image, x, y = every.line.lower(place)
    n_images = max(len(every.line.base), 1)
    key, owner = np.unique(thing * n_images + image, return_inverse=True)
    runs = Runs(x * every.line.height[image] + y, length, owner.reshape(-1).astype(np.int32))
    return key // n_images, key % n_images, runs


def _mean_iou(found: SegmentClusters, drawn_by: Ints) -> Floats:
    """(C,) the mean IoU of every two members; those that share no pixels have 0."""
    same = found.number[found.i] == found.number[found.j]
    total = np.bincount(found.number[found.i[same]], weights=found.iou[same], minlength=len(drawn_by))
    pairs = drawn_by * (drawn_by - 1) / 2
    return np.where(pairs > 0, total / np.maximum(pairs, 1), np.nan)
