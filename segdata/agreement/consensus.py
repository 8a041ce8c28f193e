"""Consensus: merge the annotations of several annotators into one, and find regions on which they do not agree."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

import msgspec
import numpy as np
import pyarrow as pa

from segdata.agreement.comparison import person_name
from segdata.agreement.instance_clusters import (
    InstanceConsensus,
    cluster_segments,
    collect_panel_segments,
    instance_consensus,
)
from segdata.agreement.instance_matching import category_lines, union_of_runs
from segdata.agreement.paired_segments import PanelBatch, category_positions, uncovered_runs
from segdata.agreement.staple import decide_by_staple
from segdata.agreement.votes import (
    ABSENT,
    UNDECIDED,
    UNLABELLED,
    DecidedStrips,
    PixelDecision,
    PixelVotes,
    category_layers,
    collect_votes,
    majority,
)
from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.config import Overlap
from segdata.core.errors import SegdataError, check_choice
from segdata.core.overlay import SweepRuns
from segdata.core.profile import Task
from segdata.core.runs import Flags, Floats, Ints, NumberLine, Runs, positions_in
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_SEGMENTS, make_table
from segdata.core.statistics import ratio

MethodName = Literal["majority", "staple", "instances"]
METHOD_CHOICES = ("auto", "majority", "staple", "instances")


@dataclass(frozen=True, slots=True)
class ConsensusMethod:
    """The method of a consensus."""

    # ``majority`` and ``staple`` decide pixel by pixel; ``instances`` decides things one by one, and by majority the
    # pixels of all else
    name: MethodName = "majority"
    # the share of annotators (STAPLE: the probability) that a decision must exceed, from 0.5 up to 1
    least: float = 0.5

    @staticmethod
    def from_name(name: str, task: Task, least: float = 0.5) -> "ConsensusMethod":
        """The method of one of `METHOD_CHOICES`; ``auto`` is majority for semantic data, and instances for all other.

        Raises SegdataError for other names, for a `least` that is no majority, and for instances of semantic data.
        """
        check_choice("method", name, METHOD_CHOICES)
        if not 0.5 <= least < 1:
            raise SegdataError(f"min_support {least:g}: is 0.5 or more, and less than 1")
        if name == "instances" and task == "semantic":
            raise SegdataError("method 'instances': semantic data have none; choose majority or staple")
        if name == "auto":
            return ConsensusMethod("majority" if task == "semantic" else "instances", least)
        return ConsensusMethod(cast("MethodName", name), least)


MAJORITY = ConsensusMethod()


@dataclass(frozen=True, slots=True)
class ReachedConsensus:
    """n agreed segments, in the order of their images, and the pixels without a consensus."""

    image: Ints  # (n,) row of the batch's images
    category: Ints  # (n,) position in the list of categories
    crowd: Flags  # (n,)
    # (n,) the share of annotators who have the segment, or of its pixels the mean share of votes (STAPLE: the mean
    # probability); NaN of what is void for want of consensus
    support: Floats
    iou: Floats  # (n,) the mean IoU of every two annotators who have it; NaN where no two have
    track: Ints  # (n,) number of the thing in the batch; -1: no thing
    runs: Runs  # the pixels; `runs.owner` is the row here
    votes: PixelVotes  # the votes on every pixel
    # the pixels that somebody labelled, and that got no category; `undecided.owner` is the pattern of votes
    undecided: SweepRuns
    n_rejected: int  # things that too few annotators drew
    n_disputed: int  # things about which annotators are at odds: of half, or under categories of equal weight

    def __len__(self) -> int:
        return len(self.image)


def reach_consensus(
    images: PanelBatch, method: ConsensusMethod, *, overlap: Overlap = "allow", void: int | None = None
) -> ReachedConsensus:
    """Compute the consensus of annotators; their order does not matter.

    With the method ``instances``, things of images or volumes are decided one by one, and all else pixel by pixel. With
    `overlap` ``forbid`` no two segments share pixels. `void` is the category (position) of undecided pixels; None: they
    are unlabelled. An annotator who was not asked for a category, or did not annotate an image, has no vote there.
    """
    categories, votes = images.categories, collect_votes(images)
    things: InstanceConsensus | None = None
    if method.name == "staple":
        decided = _decide_above(decide_by_staple(votes), method.least)
        strips = DecidedStrips.from_decision(votes, decided)
    else:
        decided = majority(votes.vote, least=method.least)
        strips = _decide_by_layers(images, method)
    if method.name == "instances" and images.annotators:
        panel_segments = collect_panel_segments(images)
        countable = np.array([category.kind == "thing" for category in categories], bool)
        clusters = cluster_segments(panel_segments, countable)
        things = instance_consensus(panel_segments, clusters, least=method.least, exclusive=overlap == "forbid")
    is_void = np.array([category.kind == "void" for category in categories], bool)
    preceding = strips if overlap == "forbid" else strips.without(np.flatnonzero(~is_void))
    thing_pixels = _agreed_pixels(things, votes.line, preceding)
    labelled = np.flatnonzero(decided.category[votes.pieces.owner] != UNLABELLED)
    pieces = votes.pieces.take(labelled)
    undecided = uncovered_runs(
        pieces, _union_of_strips([strips.start, thing_pixels.start], [strips.end, thing_pixels.end])
    )
    if void is not None:
        strips = DecidedStrips.concatenate([strips, DecidedStrips.bare(undecided, void)])
    return _join_segments(strips, thing_pixels, things, votes, undecided, method)


_ROUNDING = 1e-6  # a probability that exceeds the limit by less may be equal to it


def _decide_above(decided: PixelDecision, least: float) -> PixelDecision:
    sure = decided.support > least + _ROUNDING
    return PixelDecision(np.where(sure, decided.category, UNDECIDED), decided.support)


def _decide_by_layers(images: PanelBatch, method: ConsensusMethod) -> DecidedStrips:
    """Decide the pixels of categories by majority; of things only crowds, if things are decided one by one."""
    batch, categories = images.batch, images.categories
    code = category_positions(batch.segment_category, categories)
    void = np.array([category.kind == "void" for category in categories], bool)
    thing = np.array([category.kind == "thing" for category in categories], bool)[code] & (method.name == "instances")
    crowd = batch.segment_is_crowd & thing
    layers: list[DecidedStrips] = []
    for in_layer, is_crowd in ((~thing, False), (crowd | void[code], True)):
        if is_crowd and not crowd.any():
            continue
        for rows in category_layers(batch, code, in_layer, void[code]):
            votes = collect_votes(replace(images, batch=batch.take_segments(rows)))
            strips = DecidedStrips.from_decision(votes, majority(votes.vote, least=method.least), crowd=is_crowd)
            layers.append(strips.without(np.flatnonzero(void)) if layers else strips)
    return DecidedStrips.concatenate(layers)


def _agreed_pixels(things: InstanceConsensus | None, line: NumberLine, preceding: DecidedStrips) -> SweepRuns:
    """The pixels of agreed things; `owner` is the row of the things' segments. Strips `preceding` take precedence."""
    if things is None:
        return SweepRuns(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32))
    side = SweepRuns.from_runs(things.runs, line, things.image)
    kept = things.is_agreed[things.thing[side.owner]]
    agreed = side.take(kept)
    return uncovered_runs(agreed, _union_of_strips([preceding.start], [preceding.end]))


def _union_of_strips(start: list[Ints], end: list[Ints]) -> SweepRuns:
    """The union of strips in any order."""
    first, last = np.concatenate(start), np.concatenate(end)
    order = np.argsort(first, kind="stable")
    return union_of_runs(SweepRuns(first[order], last[order], np.zeros(len(order), np.int32)))


def _join_segments(
    strips: DecidedStrips,
    thing_pixels: SweepRuns,
    things: InstanceConsensus | None,
    votes: PixelVotes,
    undecided: SweepRuns,
    method: ConsensusMethod,
) -> ReachedConsensus:
    """Join strips of one image, category and crowd flag to one segment, and append the things."""
    line = votes.line
    n_codes = max(len(votes.categories), 1)
    key = (line.frame_of(strips.start) * n_codes + strips.code) * 2 + strips.crowd
    keys, inverse = np.unique(key, return_inverse=True)
    n = len(keys)
    length = (strips.end - strips.start).astype(np.float64)
    support, iou = (_mean_over_pixels(inverse, length, value, n) for value in (strips.support, strips.iou))
    rows, thing_of = np.unique(thing_pixels.owner, return_inverse=True)
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
        thing_columns = {
            "image": things.image[rows],
            "category": things.category[thing],
            "crowd": np.zeros(len(rows), bool),
            "support": things.support[thing],
            "iou": things.iou[thing],
            "track": thing,
        }
        columns = {name: np.concatenate([column, thing_columns[name]]) for name, column in columns.items()}
        rejected = ~things.is_agreed & (things.support < 1 - method.least)
        n_rejected, n_disputed = int(rejected.sum()), int((~things.is_agreed & ~rejected).sum())
    start, end = np.concatenate([strips.start, thing_pixels.start]), np.concatenate([strips.end, thing_pixels.end])
    owner = np.concatenate([inverse, n + thing_of])
    order = np.lexsort((columns["track"], columns["crowd"], columns["category"], columns["image"]))
    rank = positions_in(order, len(order))
    columns = {name: column[order] for name, column in columns.items()}
    runs = _strips_to_runs(start, end, rank[owner], line)
    return ReachedConsensus(
        **columns, runs=runs, votes=votes, undecided=undecided, n_rejected=n_rejected, n_disputed=n_disputed
    )


def _mean_over_pixels(group: Ints, length: Floats, value: Floats, n: int) -> Floats:
    """(n,) the mean of `value` over pixels by group; NaN where no value is defined."""
    defined = np.isfinite(value)
    total = np.bincount(group[defined], (value * length)[defined], n)
    weight = np.bincount(group[defined], length[defined], n)
    return ratio(total, weight)


def _strips_to_runs(start: Ints, end: Ints, owner: Ints, line: NumberLine) -> Runs:
    """Convert strips on the line, each with an owner, to runs."""
    order = np.argsort(start, kind="stable")
    start, end, owner = start[order], end[order], owner[order]
    room = int(end.max(initial=0)) + 1
    side = category_lines(SweepRuns(start, end, np.arange(len(start), dtype=np.int32)), owner, room)
    place, length, _ = kernels.cover(side.start, side.end)
    owner_of, place = np.divmod(place, room)
    image, x, y = line.lower(place)
    return Runs(x * line.height[image] + y, length, owner_of.astype(np.int32))


def voters(batch: Batch, least: int = 2) -> Flags:
    """(n_annotations,) whether an annotation counts: first passes, on images with `least` annotators or more.

    ``anna (2)`` is the second pass of anna if the image has her first.
    """
    names = batch.annotations["annotator"].to_pylist()
    image = batch.annotation_image
    annotated = set(zip(image.tolist(), names, strict=True))
    further = [
        person_name(name) != name and (image_of, person_name(name)) in annotated
        for image_of, name in zip(image.tolist(), names, strict=True)
    ]
    first = ~np.array(further, bool)
    n_voters = np.bincount(image[first], minlength=batch.images.num_rows)
    return first & (n_voters[image] >= least)


CONSENSUS_NAME = "consensus"


def consensus_annotations(
    batch: Batch,
    consensus: ReachedConsensus,
    ids: Ints,
    *,
    name: str = CONSENSUS_NAME,
    instances: bool = True,
    deep: Sequence[bool] = (),
) -> Batch:
    """A batch of the images with one consensus annotation each, for images that a voter annotated.

    Parameters
    ----------
    batch : the annotations that the consensus was computed from
    ids : (n_categories,) the id of each category; -1: its segments are left out
    instances : number segments in each image; else their ids are those of their categories
    deep : (n_images,) whether an image is a slice of a volume, in which a thing has the same track in all slices

    Segments have their support as `score`, and the mean IoU of annotators as the attribute ``mean_iou``.
    """
    annotators: dict[int, list[str]] = {}
    for image, annotator in zip(
        batch.annotation_image.tolist(), batch.annotations["annotator"].to_pylist(), strict=True
    ):
        annotators.setdefault(image, []).append(annotator)
    images = sorted(annotators)
    row = positions_in(images, batch.images.num_rows)
    annotations = make_table(
        BATCH_ANNOTATIONS,
        len(images),
        image=pa.array(images, pa.int32()),
        annotator=[name] * len(images),
        source=["consensus"] * len(images),
        attributes=[[("annotators", json.dumps(sorted(annotators[image]), ensure_ascii=False))] for image in images],
    )
    kept = np.flatnonzero(ids[consensus.category] >= 0)
    image = consensus.image[kept]
    first = np.searchsorted(image, image)
    number = np.arange(len(kept)) - first + 1 if instances else ids[consensus.category[kept]]
    is_tracked = (consensus.track[kept] >= 0) & np.array(deep, bool)[image] if len(deep) else np.zeros(len(kept), bool)
    segments = make_table(
        BATCH_SEGMENTS,
        len(kept),
        annotation=pa.array(row[image].astype(np.int32)),
        segment_id=pa.array(number),
        category_id=pa.array(ids[consensus.category[kept]]),
        iscrowd=pa.array(consensus.crowd[kept]),
        track_id=pa.array(consensus.track[kept] + 1, mask=~is_tracked),
        score=pa.array(consensus.support[kept], from_pandas=True),
        source=["consensus"] * len(kept),
        attributes=[
            None if value != value else [("mean_iou", f"{value:.4g}")] for value in consensus.iou[kept].tolist()
        ],
    )
    return Batch(batch.images, annotations, segments, consensus.runs.take(kept, len(consensus)))


NO_CATEGORY_NAME = "(nothing)"


class RegionVote(msgspec.Struct, frozen=True):
    """The number of pixels of a region that an annotator gives a category."""

    category: str
    pixels: int


class UndecidedRegion(msgspec.Struct, frozen=True):
    """A connected region (also by corners) without a consensus.

    Attributes
    ----------
    image : id of the image
    bbox : x, y, width, height in pixels
    pixels : of the region
    votes : ``said`` in JSON: annotator of the image -> the categories that they give its pixels, most pixels first
    """

    image: str
    bbox: tuple[int, int, int, int]
    pixels: int
    votes: dict[str, list[RegionVote]] = msgspec.field(name="said")


class UndecidedReport(msgspec.Struct, frozen=True):
    """The regions without a consensus, ordered by size within each image."""

    version: Literal[1]
    regions: tuple[UndecidedRegion, ...]


def number_regions(consensus: ReachedConsensus) -> Ints:
    """(n_strips,) the connected region, from 0, of each undecided strip, in the order of the images."""
    image, x, top = consensus.votes.line.lower(consensus.undecided.start)
    bottom = top + (consensus.undecided.end - consensus.undecided.start)
    return kernels.parts(x, top, bottom, image.astype(np.int32), True)[0]


def undecided_regions(batch: Batch, consensus: ReachedConsensus, annotators: Sequence[str]) -> list[UndecidedRegion]:
    """The regions without a consensus of each image, largest first; `annotators` are those who voted."""
    region = number_regions(consensus)
    image, x, top = consensus.votes.line.lower(consensus.undecided.start)
    length = consensus.undecided.end - consensus.undecided.start
    n = int(region.max(initial=-1)) + 1
    _, *box = kernels.extents(region.astype(np.int32), x, top, top + length, n)
    pixels = np.bincount(region, length, n).astype(np.int64)
    region_image = np.zeros(n, np.int64)
    region_image[region] = image
    votes = _votes_by_region(consensus, region, length, annotators)
    names = batch.images["image_id"].to_pylist()
    columns = (column.tolist() for column in (region_image, *box, pixels))
    regions = [
        UndecidedRegion(names[image], tuple(bbox), area, region_votes)
        for (image, *bbox, area), region_votes in zip(zip(*columns, strict=True), votes, strict=True)
    ]
    order = np.lexsort((box[1], box[0], -pixels, region_image)).tolist()
    return [regions[row] for row in order]


def _votes_by_region(
    consensus: ReachedConsensus, region: Ints, length: Ints, annotators: Sequence[str]
) -> list[dict[str, list[RegionVote]]]:
    """For each region, the categories that each annotator gives its pixels."""
    votes = consensus.votes
    cells, inverse = np.unique(
        np.stack([region, consensus.undecided.owner.astype(np.int64)]), axis=1, return_inverse=True
    )
    pixels = np.bincount(inverse, length).astype(np.int64)
    names = {code: category.name for code, category in enumerate(votes.categories)} | {UNLABELLED: NO_CATEGORY_NAME}
    by_region: list[dict[str, list[RegionVote]]] = [{} for _ in range(int(region.max(initial=-1)) + 1)]
    for k, name in enumerate(annotators):
        vote = votes.vote[cells[1], k]
        has_voted = vote != ABSENT
        key, key_of_pixels = np.unique(np.stack([cells[0][has_voted], vote[has_voted]]), axis=1, return_inverse=True)
        amount = np.bincount(key_of_pixels, pixels[has_voted], key.shape[1]).astype(np.int64)
        for cell in np.lexsort((key[1], -amount, key[0])).tolist():
            region_vote = RegionVote(names[int(key[1, cell])], int(amount[cell]))
            by_region[int(key[0, cell])].setdefault(name, []).append(region_vote)
    return by_region
