"""Proposals: the correction that `flag` suggests for a candidate. A reviewer accepts it; nothing changes by itself.

A stuff segment covers its whole category in an image, so deleting or redrawing one of its parts redraws the segment.
Added or redrawn pixels lie on top: in labels without overlaps they replace those of other segments.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from segdata.core.errors import import_extra
from segdata.core.runs import Ints, Runs
from segdata.noise.candidates import ImageCandidates
from segdata.noise.error_types import ErrorType
from segdata.noise.features import centres
from segdata.noise.neighbours import NEAR, neighbour_pairs
from segdata.noise.predictor import ImagePrediction
from segdata.noise.segments import (
    ADJACENT,
    UNLABELLED,
    SegmentPixels,
    SegmentSet,
    overlaps,
    runs_of_pixels,
    split_into_parts,
    translate,
)

ProposedAction = Literal["add", "delete", "rename", "redraw", "split", "join"]
_MIN_PIECE_PIXELS = 8  # pixels of a piece
_MIN_SEEN = 0.5  # the probability of its category from which the model sees a segment
_MIN_HELD_SHARE = 0.5  # the share of a thing within another that makes it a part of that


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed correction of a candidate."""

    # "add" a segment, "delete" this one, "rename" or "redraw" it, "split" it, or "join" it with another
    action: ProposedAction
    category: int = UNLABELLED  # of what is proposed
    pieces: Runs = field(default_factory=Runs.empty)  # the proposed segments' pixels; owners are the pieces
    n_pieces: int = 0
    joins: int = -1  # the given segment to join it with, -1: none
    iou: float = 0.0  # of what was given with what is proposed, all pieces together; 1 where only the category changes


def propose_for_annotated(
    candidates: ImageCandidates,
    number: int,
    type_: ErrorType,
    given: SegmentSet,
    prediction: ImagePrediction,
    move: tuple[int, int] = (0, 0),
    *,
    alike: bool = False,
) -> Proposal:
    """The proposal for annotated candidate `number`, if it is wrong in this way.

    `move`: pixels to the right and down by which all labels of the image would have to move. `alike`: redraw it only as
    a segment of its own category.
    """
    segment = candidates.annotated.row(number)
    category = int(segment.category[0])
    if type_ == "shift" and any(move):
        sides = (np.full(1, side, np.int64) for side in (segment.height, segment.width, *move))
        pieces = translate(segment.runs, *sides)
        if pieces.areas(1)[0]:
            return Proposal("redraw", category, pieces, 1, iou=_iou(segment, pieces))
        return Proposal("delete")
    if type_ == "extra":
        return Proposal("delete")
    if type_ == "category":
        return Proposal("rename", _most_probable_other(segment, prediction), segment.runs, 1, iou=1.0)
    if type_ == "merge":
        pieces, n = _split_segment(segment, prediction.instance, prediction)
        return Proposal("split", category, pieces, n, iou=_iou(segment, pieces))
    if type_ == "split" and (neighbour := _joining_segment(candidates, number, given, prediction)) >= 0:
        both = np.append(segment.pixels().index, given.pixels_of(neighbour))
        union = runs_of_pixels(both, 0, given.height)
        return Proposal("join", category, union, 1, neighbour, _iou(segment, union))
    return _propose_redraw(segment, prediction, alike=alike)


def propose_for_region(candidates: ImageCandidates, number: int) -> Proposal:
    """The proposal for a region: the segment that the model predicts there."""
    segment = candidates.regions.row(number)
    category = int(segment.category[0])
    if candidates.label[number] == UNLABELLED:
        return Proposal("add", category, segment.runs, 1)
    return Proposal("delete" if category == UNLABELLED else "rename", category, segment.runs, 1, iou=1.0)


def _most_probable_other(segment: SegmentSet, prediction: ImagePrediction) -> int:
    """The most probable category other than its own and than nothing."""
    mean = prediction.probability[:, segment.pixels().index].mean(axis=1)
    mean[[UNLABELLED, int(segment.category[0])]] = -1.0
    return int(mean.argmax())


MIN_PROPOSAL_IOU = 0.1  # below, a proposal is about something else than the segment


def _propose_redraw(segment: SegmentSet, prediction: ImagePrediction, *, alike: bool) -> Proposal:
    """Redraw as the best fitting predicted segment, of its category if `alike`.

    If that segment hardly overlaps this one, there are two cases: this one holds several predicted segments, and is
    split into them; or it is a speck on one or on none, and is deleted. The bound is that of TIDE, below which a
    detection is no localisation error of an object (Bolya, Foley, Hays and Hoffman 2020, ECCV, 558-573).
    """
    predicted = prediction.predicted
    overlap = overlaps(segment, predicted)
    fits = predicted.category[overlap.b] == segment.category[0] if alike else np.ones(len(overlap.b), bool)
    if not fits.any():
        return Proposal("delete")
    iou = fits * overlap.pixels / (segment.areas[0] + predicted.areas[overlap.b] - overlap.pixels)
    best = int(overlap.b[iou.argmax()])
    if iou.max() < MIN_PROPOSAL_IOU:
        held: Ints = overlap.b[fits & (overlap.pixels > _MIN_HELD_SHARE * predicted.areas[overlap.b])].astype(np.int64)
        pieces = predicted.take(held)
        share = _iou(segment, pieces.runs)
        if len(held) < 2 or share < MIN_PROPOSAL_IOU or alike:
            return Proposal("delete")
        return Proposal("split", int(segment.category[0]), pieces.runs, len(held), iou=share)
    return Proposal("redraw", int(predicted.category[best]), predicted.row(best).runs, 1, iou=float(iou.max()))


def _split_segment(segment: SegmentSet, instance: Ints, prediction: ImagePrediction) -> tuple[Runs, int]:
    """The segment cut along predicted edges: a watershed from the parts of predicted segments inside it.

    `instance` (width * height,) are their numbers; -1: none. If fewer than two are inside, the seeds are the deepest
    places that a waist separates.
    Source: Meyer (1994), Signal Processing 38(1), 113-125.
    """
    from scipy.ndimage import distance_transform_edt, label

    watershed = import_extra("skimage.segmentation", "torch", "scikit-image").watershed
    pixels = segment.pixels().index
    mask = segment.mask()
    marker = np.zeros(mask.shape, np.int32)
    number, row, count = np.unique(instance[pixels], return_inverse=True, return_counts=True)
    large = (number >= 0) & (count >= max(_MIN_PIECE_PIXELS, 0.1 * len(pixels)))
    marker.ravel()[pixels] = np.where(large, np.cumsum(large), 0)[row]
    depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    if large.sum() < 2:
        for share in np.arange(0.9, 0.1, -0.1):  # from where least is left: two that are apart
            parts, n = label(depth > share * depth.max())
            if n >= 2:
                marker = parts.astype(np.int32)
                break
    landscape = prediction.edge.reshape(mask.shape) - depth / max(float(depth.max()), 1.0)
    cut = watershed(landscape, marker, mask=mask)
    names, row = np.unique(cut.ravel()[pixels], return_inverse=True)
    return runs_of_pixels(pixels, row.astype(np.int64), segment.height), len(names)


def _joining_segment(candidates: ImageCandidates, number: int, given: SegmentSet, prediction: ImagePrediction) -> int:
    """The given segment beside it, of its category, that shares most pixels with the predicted one that holds it."""
    segment = candidates.annotated.row(number)
    overlap = overlaps(segment, prediction.predicted)
    if not len(overlap.b):
        return -1
    holder = prediction.predicted.row(int(overlap.b[overlap.pixels.argmax()]))
    alike = np.flatnonzero(given.category == segment.category[0])
    same_category = given.take(alike)
    pairs, _ = neighbour_pairs(same_category, same_category.grown(NEAR))
    own_row = int(np.searchsorted(alike, candidates.row[number]))
    beside = np.append(pairs.b[pairs.a == own_row], pairs.a[pairs.b == own_row])
    inside = overlaps(same_category, holder)
    fits = np.isin(inside.a, beside)
    return int(alike[inside.a[fits][inside.pixels[fits].argmax()]]) if fits.any() else -1


def is_piece(segment: SegmentSet, given: SegmentSet, prediction: ImagePrediction) -> bool:
    """Whether a given segment can be a piece of another one, rather than extra.

    The model sees its category there (mean probability of half or more), and no other given segment covers half of it,
    as the original of a copy would.
    """
    is_predicted = prediction.probability[int(segment.category[0]), segment.pixels().index].mean() >= _MIN_SEEN
    covered = overlaps(segment, given).pixels > _MIN_HELD_SHARE * segment.areas[0]
    return bool(is_predicted and covered.sum() <= 1)  # one is the segment itself


def _iou(segment: SegmentSet, pieces: Runs) -> float:
    count: Ints = np.zeros(segment.width * segment.height, np.int64)
    for runs in (segment.runs, pieces):
        count[np.unique(SegmentPixels.of_runs(runs, 1).index)] += 1
    return float((count == 2).sum() / max(int((count > 0).sum()), 1))


@dataclass(frozen=True, slots=True)
class ProposedEdit(Proposal):
    """A proposal in terms of one whole segment of an image."""

    segment: int = -1  # the given segment that it changes; -1: none
    whole: bool = True  # whether all of that segment is wrong
    gone: bool = False  # whether nothing replaces the wrong pixels

    def seam(self, height: int, width: int) -> int:
        """Pixel edges along which the proposed pieces touch; 0 if there is only one."""
        if self.n_pieces < 2:
            return 0
        pixels = SegmentPixels.of_runs(self.pieces, self.n_pieces)
        canvas = np.full(width * height, -1, np.int64)
        canvas[pixels.index] = pixels.owner
        number = canvas.reshape(width, height)
        sides = ((number[before], number[after]) for before, after in ADJACENT)
        return sum(int(((a != b) & (a >= 0) & (b >= 0)).sum()) for a, b in sides)

    def way(self, segment: SegmentSet, given: SegmentSet) -> tuple[float, float]:
        """Pixels to the right and down from the wrong to the proposed pixels; 0 unless there is one of each.

        `segment` is the wrong part: all of `segment`, or a part of it, whose other parts stay.
        """
        if self.n_pieces != 1:
            return 0.0, 0.0
        pieces = SegmentPixels.of_runs(self.pieces, 1).index
        if self.segment >= 0 and not self.whole:
            unchanged = np.setdiff1d(given.pixels_of(self.segment), segment.pixels_of(0))
            pieces = np.setdiff1d(pieces, unchanged)
        if not len(pieces):
            return 0.0, 0.0
        proposed = runs_of_pixels(pieces, 0, segment.height)
        right, down = (centres(proposed, 1, segment.height) - centres(segment.runs, 1, segment.height))[0].tolist()
        return right, down


def edit_thing(
    candidates: ImageCandidates,
    number: int,
    type_: ErrorType,
    given: SegmentSet,
    prediction: ImagePrediction,
    move: tuple[int, int] = (0, 0),
) -> ProposedEdit:
    """The edit of annotated thing `number`, if it is wrong in this way; if it cannot be split, it is redrawn.

    `move`: as of `segdata.noise.proposals.propose_for_annotated`.
    """
    proposal = propose_for_annotated(candidates, number, type_, given, prediction, move)
    if type_ == "shift" and any(move):
        return _edit_whole_segment(proposal, int(candidates.row[number]))
    if proposal.action == "split" and proposal.n_pieces < 2:
        proposal = propose_for_annotated(candidates, number, "boundary", given, prediction)
    row = int(candidates.row[number])
    if proposal.action != "redraw":
        return _edit_whole_segment(proposal, row)
    amended = _redraw_beside_others(proposal, row, given)
    return amended if amended.iou >= MIN_PROPOSAL_IOU else _edit_whole_segment(Proposal("delete"), row)


def _redraw_beside_others(proposal: Proposal, row: int, given: SegmentSet) -> ProposedEdit:
    """A thing redrawn without the other things that the model merges with it, whose positions are not in doubt."""
    redrawn = given.same_image(proposal.pieces, 1)
    overlap = overlaps(given, redrawn)
    other_rows = overlap.a[(overlap.pixels > _MIN_HELD_SHARE * given.areas[overlap.a]) & (overlap.a != row)]
    if not len(other_rows):
        return _edit_whole_segment(proposal, row)
    before = given.pixels_of(row)
    remaining = np.setdiff1d(redrawn.pixels_of(0), given.take(other_rows).pixels().index)
    amended = _edit_redrawn(row, proposal.category, before, _nearest_part(remaining, before, given), given.height)
    return _edit_whole_segment(proposal, row) if amended.action == "delete" else replace(amended, whole=True)


def _nearest_part(pixels: Ints, others: Ints, given: SegmentSet) -> Ints:
    """The connected part of some pixels that shares most with others."""
    if not len(pixels):
        return pixels
    parts, owner = split_into_parts(runs_of_pixels(pixels, 0, given.height), given.height, 1)
    pixels_of_parts = SegmentPixels.of_runs(parts, len(owner))
    shares = pixels_of_parts.sums(np.isin(pixels_of_parts.index, others))
    return np.sort(pixels_of_parts.index[pixels_of_parts.owner == int(shares.argmax())])


def edit_part(
    candidates: ImageCandidates,
    number: int,
    type_: ErrorType,
    given: SegmentSet,
    prediction: ImagePrediction,
    move: tuple[int, int] = (0, 0),
) -> ProposedEdit:
    """The edit of a part of stuff, if it is wrong in this way."""
    row = int(candidates.row[number])
    part, segment_pixels = candidates.annotated.pixels_of(number), given.pixels_of(row)
    if type_ in ("merge", "split"):
        if type_ == "split":
            after = np.union1d(segment_pixels, _gap_pixels(candidates, number))
        else:
            after = np.setdiff1d(segment_pixels, _seam_pixels(candidates, number, prediction))
        if len(after) != len(segment_pixels):
            return _edit_redrawn(row, int(given.category[row]), segment_pixels, after, given.height)
        type_ = "boundary"
    proposal = propose_for_annotated(candidates, number, type_, given, prediction, move, alike=True)
    if len(part) == len(segment_pixels) and proposal.action != "join":
        return _edit_whole_segment(proposal, row)
    if proposal.action == "rename":
        return ProposedEdit("add", proposal.category, proposal.pieces, 1, segment=row, whole=False)
    unchanged = np.setdiff1d(segment_pixels, part)
    edited = np.union1d(unchanged, np.unique(SegmentPixels.of_runs(proposal.pieces, max(proposal.n_pieces, 1)).index))
    amended = _edit_redrawn(row, int(given.category[row]), segment_pixels, edited, given.height)
    return replace(amended, gone=proposal.action == "delete")


def _seam_pixels(candidates: ImageCandidates, row: int, prediction: ImagePrediction) -> Ints:
    """The pixels along which a part falls into several, where the model or a waist separates them.

    Holes count as inside: for two rings drawn as one, the seam is the place where they touch.
    """
    from scipy.ndimage import binary_fill_holes

    segment = candidates.annotated.row(row)
    mask = segment.mask()
    full = segment.same_image(runs_of_pixels(np.flatnonzero(binary_fill_holes(mask)), 0, segment.height), 1)
    alike = np.append(prediction.predicted.category == segment.category[0], False)
    pieces = SegmentPixels.of_runs(
        *_split_segment(full, np.where(alike[prediction.instance], prediction.instance, -1), prediction)
    )
    number = np.full(mask.shape, -1, np.int64)
    number.ravel()[pieces.index] = pieces.owner
    seam = np.zeros(mask.shape, bool)
    for before, after in ADJACENT:
        seam[before] |= (number[before] != number[after]) & (number[before] >= 0) & (number[after] >= 0)
    return np.flatnonzero(seam & mask)


def _gap_pixels(candidates: ImageCandidates, number: int) -> Ints:
    """The pixels between a part and others of its category, at most 4 px from one to the other."""
    annotated = candidates.annotated
    alike = annotated.take(np.flatnonzero(annotated.category == annotated.category[number]))
    labelled = np.unique(alike.pixels().index)
    union = annotated.same_image(runs_of_pixels(labelled, 0, annotated.height), 1)
    closed = annotated.same_image(union.grown(NEAR), 1).grown(-NEAR)
    surroundings = annotated.row(number).grown(2 * NEAR)
    return np.intersect1d(
        np.setdiff1d(SegmentPixels.of_runs(closed, 1).index, labelled),
        SegmentPixels.of_runs(surroundings, 1).index,
    )


def edit_region(candidates: ImageCandidates, number: int, given: SegmentSet) -> ProposedEdit:
    """The edit for region `number`, where label and prediction differ."""
    proposal = propose_for_region(candidates, number)
    if candidates.label[number] == UNLABELLED:
        return _edit_whole_segment(proposal, -1)
    region = candidates.regions.row(number)
    overlap = overlaps(region, given)
    of_label = given.category[overlap.b] == candidates.label[number]
    if not of_label.any():
        return ProposedEdit("add", proposal.category, proposal.pieces, 1)
    row = int(overlap.b[of_label][overlap.pixels[of_label].argmax()])
    if proposal.category != UNLABELLED:
        return ProposedEdit("add", proposal.category, proposal.pieces, 1, segment=row, whole=False)
    before = given.pixels_of(row)
    return _edit_redrawn(row, int(given.category[row]), before, np.setdiff1d(before, region.pixels_of(0)), given.height)


def _edit_whole_segment(proposal: Proposal, row: int) -> ProposedEdit:
    return ProposedEdit(
        proposal.action, proposal.category, proposal.pieces, proposal.n_pieces, proposal.joins, proposal.iou, row, True,
        proposal.action == "delete",
    )  # fmt: skip


def _edit_redrawn(row: int, category: int, before: Ints, after: Ints, height: int) -> ProposedEdit:
    """A segment with other pixels; deleted if none are left."""
    if not len(after):
        return ProposedEdit("delete", segment=row, whole=False, gone=True)
    n_shared = len(np.intersect1d(before, after))
    iou = n_shared / (len(before) + len(after) - n_shared)
    return ProposedEdit("redraw", category, runs_of_pixels(after, 0, height), 1, iou=iou, segment=row, whole=False)
