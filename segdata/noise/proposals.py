"""Proposals: the correction that `flag` suggests for a candidate. A reviewer accepts it; nothing changes by itself.

A stuff segment covers its whole category in an image, so deleting or redrawing one of its parts redraws the segment.
Added or redrawn pixels lie on top: in labels without overlaps they replace those of other segments.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from segdata.core.runs import Ints, Runs
from segdata.noise.candidates import ImageCandidates
from segdata.noise.error_types import ErrorType
from segdata.noise.features import centres
from segdata.noise.mask_morphology import translate
from segdata.noise.neighbours import NEAR, neighbour_pairs
from segdata.noise.predictor import ImagePrediction
from segdata.noise.segments import UNLABELLED, SegmentPixels, SegmentSet, overlaps, runs_of_pixels, split_into_parts

ProposedAction = Literal["add", "delete", "rename", "redraw", "split", "join"]
_MIN_PIECE_PIXELS = 8  # pixels of a piece


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed correction of a candidate.

    Attributes
    ----------
    action : "add" a segment, "delete" this one, "rename" or "redraw" it, "split" it, or "join" it with another
    category : of what is proposed; 0: nothing
    pieces : the proposed segments' pixels, none for "delete"; owners are the pieces
    n_pieces : how many there are
    joins : the given segment to join it with, -1: none
    iou : of what was given with what is proposed, all pieces together; 1 where only the category changes
    """

    action: ProposedAction
    category: int
    pieces: Runs
    n_pieces: int
    joins: int
    iou: float


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
    segment = candidates.annotated.take(np.array([number]))
    category = int(segment.category[0])
    if type_ == "shift" and any(move):
        sides = (np.full(1, side, np.int64) for side in (segment.height, segment.width, *move))
        pieces = translate(segment.runs, *sides)
        if pieces.areas(1)[0]:
            return Proposal("redraw", category, pieces, 1, -1, _iou(segment, pieces))
        return Proposal("delete", UNLABELLED, Runs.empty(), 0, -1, 0.0)
    if type_ == "extra":
        return Proposal("delete", UNLABELLED, Runs.empty(), 0, -1, 0.0)
    if type_ == "category":
        return Proposal("rename", _most_probable_other(segment, prediction), segment.runs, 1, -1, 1.0)
    if type_ == "merge":
        pieces, n = _split_segment(segment, prediction.instance, prediction)
        return Proposal("split", category, pieces, n, -1, _iou(segment, pieces))
    if type_ == "split" and (neighbour := _joining_segment(candidates, number, given, prediction)) >= 0:
        parts = [
            SegmentPixels.of_runs(runs, 1)
            for runs in (segment.runs, given.runs.take(np.array([neighbour]), len(given)))
        ]
        pixel_numbers = np.concatenate([pixels.at for pixels in parts])
        union = runs_of_pixels(pixel_numbers, np.zeros(len(pixel_numbers), np.int64), given.height)
        return Proposal("join", category, union, 1, neighbour, _iou(segment, union))
    return _propose_redraw(segment, prediction, alike=alike)


def propose_for_region(candidates: ImageCandidates, number: int, prediction: ImagePrediction) -> Proposal:
    """The proposal for a region: the segment that the model predicts there."""
    segment = candidates.regions.take(np.array([number]))
    category = int(segment.category[0])
    action: ProposedAction = (
        "add" if candidates.label[number] == UNLABELLED else "delete" if category == UNLABELLED else "rename"
    )
    labelled = 0.0 if candidates.label[number] == UNLABELLED else 1.0
    return Proposal(action, category, segment.runs, 1, -1, labelled)


def _most_probable_other(segment: SegmentSet, prediction: ImagePrediction) -> int:
    """The most probable category other than its own and than nothing."""
    pixels = SegmentPixels.of_runs(segment.runs, 1)
    mean = prediction.probability[:, pixels.at].mean(axis=1)
    mean[[UNLABELLED, int(segment.category[0])]] = -1.0
    return int(mean.argmax())


def _propose_redraw(segment: SegmentSet, prediction: ImagePrediction, *, alike: bool) -> Proposal:
    """Redraw as the best fitting predicted segment, of its category if `alike`; delete it if it overlaps none."""
    predicted = prediction.predicted
    overlap = overlaps(segment, predicted)
    fits = predicted.category[overlap.b] == segment.category[0] if alike else np.ones(len(overlap.b), bool)
    if not fits.any():
        return Proposal("delete", UNLABELLED, Runs.empty(), 0, -1, 0.0)
    iou = fits * overlap.pixels / (segment.areas[0] + predicted.areas[overlap.b] - overlap.pixels)
    best = int(overlap.b[iou.argmax()])
    return Proposal(
        "redraw",
        int(predicted.category[best]),
        predicted.runs.take(np.array([best]), len(predicted)),
        1,
        -1,
        float(iou.max()),
    )


def _split_segment(segment: SegmentSet, instance: Ints, prediction: ImagePrediction) -> tuple[Runs, int]:
    """The segment cut along predicted edges: a watershed from the parts of predicted segments inside it.

    `instance` (width * height,) are their numbers; -1: none. If fewer than two are inside, the seeds are the deepest
    places that a waist separates.
    Source: Meyer (1994), Signal Processing 38(1), 113-125.
    """
    from scipy.ndimage import distance_transform_edt, label
    from skimage.segmentation import watershed

    pixels = SegmentPixels.of_runs(segment.runs, 1)
    shape = (segment.width, segment.height)
    mask = np.zeros(segment.width * segment.height, bool)
    mask[pixels.at] = True
    marker = np.zeros(mask.size, np.int32)
    inside = instance[pixels.at]
    number, row, count = np.unique(inside, return_inverse=True, return_counts=True)
    large = (number >= 0) & (count >= max(_MIN_PIECE_PIXELS, 0.1 * len(pixels.at)))
    marker[pixels.at] = np.where(large, np.cumsum(large), 0)[row.reshape(-1)]
    depth = distance_transform_edt(np.pad(mask.reshape(shape), 1))[1:-1, 1:-1]
    if large.sum() < 2:
        for share in np.arange(0.9, 0.1, -0.1):  # from where least is left: two that are apart
            parts, n = label(depth > share * depth.max())
            if n >= 2:
                marker = parts.ravel().astype(np.int32)
                break
    landscape = prediction.edge.reshape(shape) - depth / max(float(depth.max()), 1.0)
    cut = watershed(  # type: ignore[no-untyped-call]  # scikit-image has no types
        landscape, marker.reshape(shape), mask=mask.reshape(shape)
    ).ravel()[pixels.at]
    names, row = np.unique(cut, return_inverse=True)
    return runs_of_pixels(pixels.at, row.reshape(-1).astype(np.int64), segment.height), len(names)


def _joining_segment(candidates: ImageCandidates, number: int, given: SegmentSet, prediction: ImagePrediction) -> int:
    """The given segment beside it, of its category, that shares most pixels with the predicted one that holds it."""
    segment = candidates.annotated.take(np.array([number]))
    overlap = overlaps(segment, prediction.predicted)
    if not len(overlap.b):
        return -1
    holder = prediction.predicted.take(overlap.b[[overlap.pixels.argmax()]].astype(np.int64))
    alike = np.flatnonzero(given.category == segment.category[0])
    same_category = given.take(alike)
    pairs, _ = neighbour_pairs(same_category, same_category.grown(NEAR))
    own_row = int(np.searchsorted(alike, candidates.row[number]))
    beside = np.append(pairs.b[pairs.a == own_row], pairs.a[pairs.b == own_row])
    inside = overlaps(same_category, holder)
    fits = np.isin(inside.a, beside)
    return int(alike[inside.a[fits][inside.pixels[fits].argmax()]]) if fits.any() else -1


def _iou(segment: SegmentSet, pieces: Runs) -> float:
    count: Ints = np.zeros(segment.width * segment.height, np.int64)
    for runs in (segment.runs, pieces):
        count[np.unique(SegmentPixels.of_runs(runs, 1).at)] += 1
    return float((count == 2).sum() / max(int((count > 0).sum()), 1))


_MIN_HELD_SHARE = 0.5  # the share of a thing within another that makes it a part of that


@dataclass(frozen=True, slots=True)
class ProposedEdit(Proposal):
    """A proposal in terms of one whole segment of an image.

    Attributes
    ----------
    segment : the given segment that it changes; -1: none
    whole : whether all of that segment is wrong
    gone : whether nothing replaces the wrong pixels
    """

    segment: int
    whole: bool
    gone: bool = False

    def seam(self, height: int, width: int) -> int:
        """Pixel edges along which the proposed pieces touch; 0 if there is only one."""
        if self.n_pieces < 2:
            return 0
        pixels = SegmentPixels.of_runs(self.pieces, self.n_pieces)
        canvas = np.full(width * height, -1, np.int64)
        canvas[pixels.at] = pixels.of
        number = canvas.reshape(width, height)
        return sum(
            int(((a != b) & (a >= 0) & (b >= 0)).sum())
            for a, b in ((number[1:], number[:-1]), (number[:, 1:], number[:, :-1]))
        )

    def way(self, segment: SegmentSet, given: SegmentSet) -> tuple[float, float]:
        """Pixels to the right and down from the wrong to the proposed pixels; 0 unless there is one of each.

        `segment` is the wrong part: all of `segment`, or a part of it, whose other parts stay.
        """
        if self.n_pieces != 1:
            return 0.0, 0.0
        pieces = SegmentPixels.of_runs(self.pieces, 1).at
        if self.segment >= 0 and not self.whole:
            unchanged = np.setdiff1d(_segment_pixels(given, self.segment), _segment_pixels(segment, 0))
            pieces = np.setdiff1d(pieces, unchanged)
        if not len(pieces):
            return 0.0, 0.0
        proposed = runs_of_pixels(pieces, np.zeros(len(pieces), np.int64), segment.height)
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
    return (
        _redraw_beside_others(proposal, row, given)
        if proposal.action == "redraw"
        else _edit_whole_segment(proposal, row)
    )


def _redraw_beside_others(proposal: Proposal, row: int, given: SegmentSet) -> ProposedEdit:
    """A thing redrawn without the other things that the model merges with it, whose positions are not in doubt."""
    redrawn = SegmentSet.of(proposal.pieces, np.array([1]), given.height, given.width)
    overlap = overlaps(given, redrawn)
    other_rows = overlap.a[(overlap.pixels > _MIN_HELD_SHARE * given.areas[overlap.a]) & (overlap.a != row)]
    if not len(other_rows):
        return _edit_whole_segment(proposal, row)
    other_pixels = SegmentPixels.of_runs(given.runs.take(other_rows, len(given)), len(other_rows)).at
    before, remaining = _segment_pixels(given, row), np.setdiff1d(_segment_pixels(redrawn, 0), other_pixels)
    amended = _edit_redrawn(row, proposal.category, before, _nearest_part(remaining, before, given), given.height)
    return _edit_whole_segment(proposal, row) if amended.action == "delete" else replace(amended, whole=True)


def _nearest_part(pixels: Ints, others: Ints, given: SegmentSet) -> Ints:
    """The connected part of some pixels that shares most with others."""
    if not len(pixels):
        return pixels
    parts, owner = split_into_parts(
        runs_of_pixels(pixels, np.zeros(len(pixels), np.int64), given.height), given.height, 1
    )
    pixels_of_parts = SegmentPixels.of_runs(parts, len(owner))
    shares = pixels_of_parts.sums(np.isin(pixels_of_parts.at, others))
    return np.sort(pixels_of_parts.at[pixels_of_parts.of == int(shares.argmax())])


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
    part = _segment_pixels(candidates.annotated, number)
    segment_pixels = _segment_pixels(given, row)
    if type_ in ("merge", "split"):
        joined = type_ == "split"
        after = (
            np.union1d(segment_pixels, _gap_pixels(candidates, number))
            if joined
            else np.setdiff1d(segment_pixels, _seam_pixels(candidates, number, prediction))
        )
        if len(after) != len(segment_pixels):
            return _edit_redrawn(row, int(given.category[row]), segment_pixels, after, given.height)
        type_ = "boundary"
    proposal = propose_for_annotated(candidates, number, type_, given, prediction, move, alike=True)
    if len(part) == len(segment_pixels) and proposal.action != "join":
        return _edit_whole_segment(proposal, row)
    if proposal.action == "rename":
        return ProposedEdit("add", proposal.category, proposal.pieces, 1, -1, 0.0, row, False)
    unchanged = np.setdiff1d(segment_pixels, part)
    edited = np.union1d(unchanged, np.unique(SegmentPixels.of_runs(proposal.pieces, max(proposal.n_pieces, 1)).at))
    amended = _edit_redrawn(row, int(given.category[row]), segment_pixels, edited, given.height)
    return replace(amended, gone=proposal.action == "delete")


def _seam_pixels(candidates: ImageCandidates, row: int, prediction: ImagePrediction) -> Ints:
    """The pixels along which a part falls into several, where the model or a waist separates them.

    Holes count as inside: for two rings drawn as one, the seam is the place where they touch.
    """
    from scipy.ndimage import binary_fill_holes

    segment = candidates.annotated.take(np.array([row]))
    part = _segment_pixels(candidates.annotated, row)
    mask = np.zeros(segment.width * segment.height, bool)
    mask[part] = True
    inside = np.flatnonzero(binary_fill_holes(mask.reshape(segment.width, segment.height)))
    runs = runs_of_pixels(inside, np.zeros(len(inside), np.int64), segment.height)
    full = SegmentSet.of(runs, segment.category, segment.height, segment.width)
    alike = np.append(prediction.predicted.category == segment.category[0], False)
    pieces = SegmentPixels.of_runs(
        *_split_segment(full, np.where(alike[prediction.instance], prediction.instance, -1), prediction)
    )
    number = np.full(mask.size, -1, np.int64)
    number[pieces.at] = pieces.of
    field = number.reshape(segment.width, segment.height)
    seam = np.zeros(field.shape, bool)
    for before, after in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        seam[before] |= (field[before] != field[after]) & (field[before] >= 0) & (field[after] >= 0)
    return np.flatnonzero(seam.ravel() & mask)


def _gap_pixels(candidates: ImageCandidates, number: int) -> Ints:
    """The pixels between a part and others of its category, at most 4 px from one to the other."""
    annotated = candidates.annotated
    alike = annotated.take(np.flatnonzero(annotated.category == annotated.category[number]))
    merged = SegmentSet.of(alike.runs, np.ones(len(alike), np.int64), annotated.height, annotated.width)
    labelled = np.flatnonzero(merged.categories())
    runs = runs_of_pixels(labelled, np.zeros(len(labelled), np.int64), annotated.height)
    union = SegmentSet.of(runs, merged.category[:1], annotated.height, annotated.width)
    closed = SegmentSet.of(union.grown(NEAR), merged.category[:1], annotated.height, annotated.width).grown(-NEAR)
    surroundings = annotated.take(np.array([number])).grown(2 * NEAR)
    return np.intersect1d(
        np.setdiff1d(SegmentPixels.of_runs(closed, 1).at, labelled), SegmentPixels.of_runs(surroundings, 1).at
    )


def edit_region(
    candidates: ImageCandidates, number: int, given: SegmentSet, prediction: ImagePrediction
) -> ProposedEdit:
    """The edit for region `number`, where label and prediction differ."""
    proposal = propose_for_region(candidates, number, prediction)
    if candidates.label[number] == UNLABELLED:
        return _edit_whole_segment(proposal, -1)
    region = candidates.regions.take(np.array([number]))
    overlap = overlaps(region, given)
    of_label = given.category[overlap.b] == candidates.label[number]
    if not of_label.any():
        return _edit_whole_segment(Proposal("add", proposal.category, proposal.pieces, 1, -1, 0.0), -1)
    row = int(overlap.b[of_label][overlap.pixels[of_label].argmax()])
    if proposal.category != UNLABELLED:
        return ProposedEdit("add", proposal.category, proposal.pieces, 1, -1, 0.0, row, False)
    segment_pixels = _segment_pixels(given, row)
    return _edit_redrawn(
        row,
        int(given.category[row]),
        segment_pixels,
        np.setdiff1d(segment_pixels, _segment_pixels(region, 0)),
        given.height,
    )


def _edit_whole_segment(proposal: Proposal, row: int) -> ProposedEdit:
    return ProposedEdit(
        proposal.action, proposal.category, proposal.pieces, proposal.n_pieces, proposal.joins, proposal.iou, row, True,
        proposal.action == "delete",
    )  # fmt: skip


def _edit_redrawn(row: int, category: int, before: Ints, after: Ints, height: int) -> ProposedEdit:
    """A segment with other pixels; deleted if none are left."""
    if not len(after):
        return ProposedEdit("delete", UNLABELLED, Runs.empty(), 0, -1, 0.0, row, False, True)
    runs = runs_of_pixels(after, np.zeros(len(after), np.int64), height)
    n_shared = len(np.intersect1d(before, after))
    return ProposedEdit("redraw", category, runs, 1, -1, n_shared / (len(before) + len(after) - n_shared), row, False)


def _segment_pixels(segments: SegmentSet, row: int) -> Ints:
    """The pixels of one segment, in order."""
    return np.asarray(SegmentPixels.of_runs(segments.runs.take(np.array([row]), len(segments)), 1).at, np.int64)
