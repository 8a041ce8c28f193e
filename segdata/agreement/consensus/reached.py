"""Reached: the consensus of all annotators on the images of a batch, and the pixels on which there is none."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.consensus.estimated import estimated
from segdata.agreement.consensus.instances import Things, instance_consensus
from segdata.agreement.consensus.layers import Strips, apart
from segdata.agreement.consensus.majority import UNDECIDED, Decided, majority
from segdata.agreement.consensus.method import Method
from segdata.agreement.instances.everyone import everyone
from segdata.agreement.instances.members import clustered
from segdata.agreement.instances.overlapping import by_category, union
from segdata.agreement.opposite import Flags, cases_of, outside
from segdata.agreement.pixels.voting import UNLABELLED, Votes, voted
from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.config import Overlap
from segdata.core.overlay import SweepRuns
from segdata.core.runs import Ints, NumberLine, Runs
from segdata.core.taxonomy import Category

Floats = NDArray[np.float64]
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Reached:
    """n segments that are agreed on, in the order of their images, and what is not.

    Attributes
    ----------
    image : (n,) row of the batch's images
    category : (n,) position in the list of categories
    crowd : (n,)
    support : (n,) the share of annotators who have the segment, or of its pixels the mean share of votes (STAPLE: the
        mean probability); NaN of what is void for want of consensus
    iou : (n,) the mean IoU of every two annotators who have it; NaN where no two have
    track : (n,) number of the thing in the batch; -1: no thing
    runs : the pixels; `runs.owner` is the row here
    votes : what everybody said of every pixel
    undecided : the pixels that somebody labelled, and that got no category; `undecided.owner` is the pattern of votes
    n_rejected : things that too few annotators drew
    n_disputed : things about which annotators are at odds: of half, or under categories of equal weight
    """

    image: Ints
    category: Ints
    crowd: Flags
    support: Floats
    iou: Floats
    track: Ints
    runs: Runs
    votes: Votes
    undecided: SweepRuns
    n_rejected: int
    n_disputed: int

    def __len__(self) -> int:
        return len(self.image)


def reach(
    batch: Batch,
    annotators: Sequence[str],
    categories: Sequence[Category],
    method: Method,
    *,
    asked: Flags | None = None,
    volumes: frozenset[str] = frozenset(),
    overlap: Overlap = "allow",
    void: int | None = None,
) -> Reached:
    """What annotators agree on; their order changes nothing.

    Parameters
    ----------
    batch : annotations by these annotators, at most one by each on an image
    categories : every category id of the batch is among them
    method : how; its instances are things of volumes or images, and all else is decided pixel by pixel
    asked, volumes : as for `segdata.agreement.opposite.opposites`
    overlap : with ``forbid`` no two segments share pixels
    void : the category (position) of pixels that get no other; None: they are unlabelled

    Who was not asked for a category, or did not annotate an image, has no say.
    """
    case = np.unique(cases_of(batch, volumes), return_inverse=True)[1].reshape(-1)
    votes = voted(batch, annotators, categories, case=case, asked=asked)
    things: Things | None = None
    if method.name == "staple":
        decided = _sure(estimated(votes).decided, method.least)
        strips = Strips.of(votes, decided)
    else:
        decided = majority(votes.vote, least=method.least)
        strips = _by_layers(batch, annotators, categories, method, case, asked)
    if method.name == "instances" and annotators:
        every = everyone(batch, annotators, categories, case=case, asked=asked, volumes=volumes)
        countable = np.array([each.kind == "thing" for each in categories], bool)
        found = clustered(every, countable)
        things = instance_consensus(every, found, least=method.least, exclusive=overlap == "forbid")
    is_void = np.array([each.kind == "void" for each in categories], bool)
    first = strips if overlap == "forbid" else strips.but(np.flatnonzero(~is_void))
    alone = _agreed(things, votes.line, first)
    open_ = np.flatnonzero(decided.category[votes.pieces.owner] != UNLABELLED)
    pieces = SweepRuns(votes.pieces.start[open_], votes.pieces.end[open_], votes.pieces.owner[open_])
    undecided = outside(pieces, _united([strips.start, alone.start], [strips.end, alone.end]))
    if void is not None:
        strips = Strips.joined([strips, Strips.bare(undecided, void)])
    return _segments(strips, alone, things, votes, undecided, method)


def _sure(decided: Decided, least: float) -> Decided:
    """What is surer than `least`."""
    sure = decided.support > least + _ROUNDING
    return Decided(np.where(sure, decided.category, UNDECIDED), decided.support)


def _by_layers(
    batch: Batch,
    annotators: Sequence[str],
    categories: Sequence[Category],
    method: Method,
    case: Ints,
    asked: Flags | None,
) -> Strips:
    """The pixels of categories by majority; of things only crowds, where things are decided one by one."""
    known = np.array([each.id for each in categories], np.int64)
    order = np.argsort(known, kind="stable")
    code = order[np.searchsorted(known[order], batch.segments["category_id"].to_numpy())]
    void = np.array([each.kind == "void" for each in categories], bool)
    thing = np.array([each.kind == "thing" for each in categories], bool)[code] & (method.name == "instances")
    crowd = batch.segments["iscrowd"].fill_null(False).to_numpy(zero_copy_only=False).astype(bool) & thing
    found: list[Strips] = []
    for chosen, is_crowd in ((~thing, False), (crowd | void[code], True)):
        if is_crowd and not crowd.any():
            continue
        for rows in apart(batch, code, chosen, void[code]):
            votes = voted(batch.take_segments(rows), annotators, categories, case=case, asked=asked)
            strips = Strips.of(votes, majority(votes.vote, least=method.least), crowd=is_crowd)
            found.append(strips.but(np.flatnonzero(void)) if found else strips)
    return Strips.joined(found)


def _agreed(things: Things | None, line: NumberLine, first: Strips) -> SweepRuns:
    """The pixels of things that are agreed on; `owner` is the row of the things' segments. Strips go before them."""
    if things is None:
        return SweepRuns(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32))
    side = SweepRuns.of(things.runs, line, things.image)
    kept = things.is_agreed[things.thing[side.owner]]
    agreed = SweepRuns(side.start[kept], side.end[kept], side.owner[kept])
    return outside(agreed, _united([first.start], [first.end]))


def _united(start: list[Ints], end: list[Ints]) -> SweepRuns:
    """The pixels of strips that come in any order, each once."""
    first, last = np.concatenate(start), np.concatenate(end)
    order = np.argsort(first, kind="stable")
    return union(SweepRuns(first[order], last[order], np.zeros(len(order), np.int32)))


def _segments(
    strips: Strips, alone: SweepRuns, things: Things | None, votes: Votes, undecided: SweepRuns, method: Method
) -> Reached:
    """Strips of one image, category and crowd as one segment, and things."""
    line = votes.line
    n_codes = max(len(votes.categories), 1)
    key = (line.frame_of(strips.start) * n_codes + strips.code) * 2 + strips.crowd
    keys, which = np.unique(key, return_inverse=True)
    which, n = which.reshape(-1), len(keys)
    length = (strips.end - strips.start).astype(np.float64)
    support, iou = (_mean(which, length, value, n) for value in (strips.support, strips.iou))
    rows, of = np.unique(alone.owner, return_inverse=True)
    columns = {
        "image": keys // 2 // n_codes,
        "category": keys // 2 % n_codes,
        "crowd": keys % 2 > 0,
        "support": support,
        "iou": iou,
        "track": np.full(n, -1),
    }
    n_rejected = n_disputed = 0
    if things is not None:
        thing = things.thing[rows]
        of_things = {
            "image": things.image[rows],
            "category": things.category[thing],
            "crowd": np.zeros(len(rows), bool),
            "support": things.support[thing],
            "iou": things.iou[thing],
            "track": thing,
        }
        columns = {name: np.concatenate([each, of_things[name]]) for name, each in columns.items()}
        rejected = ~things.is_agreed & (things.support < 1 - method.least)
        n_rejected, n_disputed = int(rejected.sum()), int((~things.is_agreed & ~rejected).sum())
    start, end = np.concatenate([strips.start, alone.start]), np.concatenate([strips.end, alone.end])
    owner = np.concatenate([which, n + of.reshape(-1)])
    order = np.lexsort((columns["track"], columns["crowd"], columns["category"], columns["image"]))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    columns = {name: each[order] for name, each in columns.items()}
    runs = _runs(start, end, rank[owner], line)
    return Reached(**columns, runs=runs, votes=votes, undecided=undecided, n_rejected=n_rejected, n_disputed=n_disputed)


def _mean(which: Ints, length: Floats, value: Floats, n: int) -> Floats:
    """(n,) the mean of values over pixels; NaN where they are."""
    known = np.isfinite(value)
    total = np.bincount(which[known], (value * length)[known], n)
    weight = np.bincount(which[known], length[known], n)
    return np.asarray(np.divide(total, weight, out=np.full(n, np.nan), where=weight > 0))


def _runs(start: Ints, end: Ints, owner: Ints, line: NumberLine) -> Runs:
    """Strips on the line, each under an owner, as runs."""
    order = np.argsort(start, kind="stable")
    start, end, owner = start[order], end[order], owner[order]
    room = int(end.max(initial=0)) + 1
    side = by_category(SweepRuns(start, end, np.arange(len(start), dtype=np.int32)), owner, room)
    place, length, _ = kernels.cover(side.start, side.end)
    of, place = np.divmod(place, room)
    image, x, y = line.lower(place)
    return Runs(x * line.height[image] + y, length, of.astype(np.int32))
