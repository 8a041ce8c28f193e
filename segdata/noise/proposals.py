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
    found: ImageCandidates,
    at: int,
    type_: ErrorType,
    given: SegmentSet,
    prediction: ImagePrediction,
    move: tuple[int, int] = (0, 0),
    *,
    alike: bool = False,
) -> Proposal:
    """The proposal for annotated candidate `at`, if it is wrong in this way.

    `move`: pixels to the right and down by which all labels of the image would have to move. `alike`: redraw it only as
    a segment of its own category.
    """
    one = found.annotated.take(np.array([at]))
    category = int(one.category[0])
    if type_ == "shift" and any(move):
        sides = (np.full(1, side, np.int64) for side in (one.height, one.width, *move))
        pieces = translate(one.runs, *sides)
        if pieces.areas(1)[0]:
            return Proposal("redraw", category, pieces, 1, -1, _iou(one, pieces))
        return Proposal("delete", UNLABELLED, Runs.empty(), 0, -1, 0.0)
    if type_ == "extra":
        return Proposal("delete", UNLABELLED, Runs.empty(), 0, -1, 0.0)
    if type_ == "category":
        return Proposal("rename", _most_probable_other(one, prediction), one.runs, 1, -1, 1.0)
    if type_ == "merge":
        pieces, n = _split_segment(one, prediction.instance, prediction)
        return Proposal("split", category, pieces, n, -1, _iou(one, pieces))
    if type_ == "split" and (other := _joining_segment(found, at, given, prediction)) >= 0:
        both = [SegmentPixels.of_runs(each, 1) for each in (one.runs, given.runs.take(np.array([other]), len(given)))]
        at_ = np.concatenate([pixels.at for pixels in both])
        union = runs_of_pixels(at_, np.zeros(len(at_), np.int64), given.height)
        return Proposal("join", category, union, 1, other, _iou(one, union))
    return _propose_redraw(one, prediction, alike=alike)


def propose_for_region(found: ImageCandidates, at: int, prediction: ImagePrediction) -> Proposal:
    """The proposal for a region: the segment that the model predicts there."""
    one = found.regions.take(np.array([at]))
    category = int(one.category[0])
    action: ProposedAction = (
        "add" if found.label[at] == UNLABELLED else "delete" if category == UNLABELLED else "rename"
    )
    labelled = 0.0 if found.label[at] == UNLABELLED else 1.0
    return Proposal(action, category, one.runs, 1, -1, labelled)


def _most_probable_other(one: SegmentSet, prediction: ImagePrediction) -> int:
    """The most probable category other than its own and than nothing."""
    pixels = SegmentPixels.of_runs(one.runs, 1)
    mean = prediction.probability[:, pixels.at].mean(axis=1)
    mean[[UNLABELLED, int(one.category[0])]] = -1.0
    return int(mean.argmax())


def _propose_redraw(one: SegmentSet, prediction: ImagePrediction, *, alike: bool) -> Proposal:
    """Redraw as the best fitting predicted segment, of its category if `alike`; delete it if it overlaps none."""
    seen = prediction.predicted
    met = overlaps(one, seen)
    fits = seen.category[met.b] == one.category[0] if alike else np.ones(len(met.b), bool)
    if not fits.any():
        return Proposal("delete", UNLABELLED, Runs.empty(), 0, -1, 0.0)
    iou = fits * met.pixels / (one.areas[0] + seen.areas[met.b] - met.pixels)
    best = int(met.b[iou.argmax()])
    return Proposal(
        "redraw", int(seen.category[best]), seen.runs.take(np.array([best]), len(seen)), 1, -1, float(iou.max())
    )


def _split_segment(one: SegmentSet, instance: Ints, prediction: ImagePrediction) -> tuple[Runs, int]:
    """The segment cut along predicted edges: a watershed from the parts of predicted segments inside it.

    `instance` (width * height,) are their numbers; -1: none. If fewer than two are inside, the seeds are the deepest
    places that a waist separates.
    Source: Meyer (1994), Signal Processing 38(1), 113-125.
    """
    from scipy.ndimage import distance_transform_edt, label
    from skimage.segmentation import watershed

    pixels = SegmentPixels.of_runs(one.runs, 1)
    shape = (one.width, one.height)
    mask = np.zeros(one.width * one.height, bool)
    mask[pixels.at] = True
    marker = np.zeros(mask.size, np.int32)
    inside = instance[pixels.at]
    number, row, count = np.unique(inside, return_inverse=True, return_counts=True)
    large = (number >= 0) & (count >= max(_MIN_PIECE_PIXELS, 0.1 * len(pixels.at)))
    marker[pixels.at] = np.where(large, np.cumsum(large), 0)[row.reshape(-1)]
    depth = distance_transform_edt(np.pad(mask.reshape(shape), 1))[1:-1, 1:-1]
    if large.sum() < 2:
        for share in np.arange(0.9, 0.1, -0.1):  # from where least is left: two that are apart
            found, n = label(depth > share * depth.max())
            if n >= 2:
                marker = found.ravel().astype(np.int32)
                break
    landscape = prediction.edge.reshape(shape) - depth / max(float(depth.max()), 1.0)
    cut = watershed(  # type: ignore[no-untyped-call]  # scikit-image has no types
        landscape, marker.reshape(shape), mask=mask.reshape(shape)
    ).ravel()[pixels.at]
    names, row = np.unique(cut, return_inverse=True)
    return runs_of_pixels(pixels.at, row.reshape(-1).astype(np.int64), one.height), len(names)


def _joining_segment(found: ImageCandidates, at: int, given: SegmentSet, prediction: ImagePrediction) -> int:
    """The given segment beside it, of its category, that shares most pixels with the predicted one that holds it."""
    one = found.annotated.take(np.array([at]))
    held = overlaps(one, prediction.predicted)
    if not len(held.b):
        return -1
    whole = prediction.predicted.take(held.b[[held.pixels.argmax()]].astype(np.int64))
    alike = np.flatnonzero(given.category == one.category[0])
    others = given.take(alike)
    met, _ = neighbour_pairs(others, others.grown(NEAR))
    me = int(np.searchsorted(alike, found.row[at]))
    beside = np.append(met.b[met.a == me], met.a[met.b == me])
    inside = overlaps(others, whole)
    fits = np.isin(inside.a, beside)
    return int(alike[inside.a[fits][inside.pixels[fits].argmax()]]) if fits.any() else -1


def _iou(one: SegmentSet, pieces: Runs) -> float:
    whole: Ints = np.zeros(one.width * one.height, np.int64)
    for runs in (one.runs, pieces):
        whole[np.unique(SegmentPixels.of_runs(runs, 1).at)] += 1
    return float((whole == 2).sum() / max(int((whole > 0).sum()), 1))


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
        of = canvas.reshape(width, height)
        return sum(int(((a != b) & (a >= 0) & (b >= 0)).sum()) for a, b in ((of[1:], of[:-1]), (of[:, 1:], of[:, :-1])))

    def way(self, one: SegmentSet, given: SegmentSet) -> tuple[float, float]:
        """Pixels to the right and down from the wrong to the proposed pixels; 0 unless there is one of each.

        `one` is the wrong part: all of `segment`, or a part of it, whose other parts stay.
        """
        if self.n_pieces != 1:
            return 0.0, 0.0
        pieces = SegmentPixels.of_runs(self.pieces, 1).at
        if self.segment >= 0 and not self.whole:
            rest = np.setdiff1d(_segment_pixels(given, self.segment), _segment_pixels(one, 0))
            pieces = np.setdiff1d(pieces, rest)
        if not len(pieces):
            return 0.0, 0.0
        proposed = runs_of_pixels(pieces, np.zeros(len(pieces), np.int64), one.height)
        right, down = (centres(proposed, 1, one.height) - centres(one.runs, 1, one.height))[0].tolist()
        return right, down


def edit_thing(
    found: ImageCandidates,
    at: int,
    type_: ErrorType,
    given: SegmentSet,
    prediction: ImagePrediction,
    move: tuple[int, int] = (0, 0),
) -> ProposedEdit:
    """The edit of annotated thing `at`, if it is wrong in this way; if it cannot be split, it is redrawn.

    `move`: as of `segdata.noise.proposals.propose_for_annotated`.
    """
    proposal = propose_for_annotated(found, at, type_, given, prediction, move)
    if type_ == "shift" and any(move):
        return _edit_whole_segment(proposal, int(found.row[at]))
    if proposal.action == "split" and proposal.n_pieces < 2:
        proposal = propose_for_annotated(found, at, "boundary", given, prediction)
    row = int(found.row[at])
    return (
        _redraw_beside_others(proposal, row, given)
        if proposal.action == "redraw"
        else _edit_whole_segment(proposal, row)
    )


def _redraw_beside_others(proposal: Proposal, row: int, given: SegmentSet) -> ProposedEdit:
    """A thing redrawn without the other things that the model merges with it, whose positions are not in doubt."""
    seen = SegmentSet.of(proposal.pieces, np.array([1]), given.height, given.width)
    met = overlaps(given, seen)
    others = met.a[(met.pixels > _MIN_HELD_SHARE * given.areas[met.a]) & (met.a != row)]
    if not len(others):
        return _edit_whole_segment(proposal, row)
    taken = SegmentPixels.of_runs(given.runs.take(others, len(given)), len(others)).at
    before, left = _segment_pixels(given, row), np.setdiff1d(_segment_pixels(seen, 0), taken)
    amended = _edit_redrawn(row, proposal.category, before, _nearest_part(left, before, given), given.height)
    return _edit_whole_segment(proposal, row) if amended.action == "delete" else replace(amended, whole=True)


def _nearest_part(pixels: Ints, near: Ints, given: SegmentSet) -> Ints:
    """The connected part of some pixels that shares most with others."""
    if not len(pixels):
        return pixels
    parts, of = split_into_parts(runs_of_pixels(pixels, np.zeros(len(pixels), np.int64), given.height), given.height, 1)
    each = SegmentPixels.of_runs(parts, len(of))
    shares = each.sums(np.isin(each.at, near))
    return np.sort(each.at[each.of == int(shares.argmax())])


def edit_part(
    found: ImageCandidates,
    at: int,
    type_: ErrorType,
    given: SegmentSet,
    prediction: ImagePrediction,
    move: tuple[int, int] = (0, 0),
) -> ProposedEdit:
    """The edit of a part of stuff, if it is wrong in this way."""
    row = int(found.row[at])
    part = _segment_pixels(found.annotated, at)
    whole = _segment_pixels(given, row)
    if type_ in ("merge", "split"):
        joined = type_ == "split"
        after = (
            np.union1d(whole, _gap_pixels(found, at))
            if joined
            else np.setdiff1d(whole, _seam_pixels(found, at, prediction))
        )
        if len(after) != len(whole):
            return _edit_redrawn(row, int(given.category[row]), whole, after, given.height)
        type_ = "boundary"
    proposal = propose_for_annotated(found, at, type_, given, prediction, move, alike=True)
    if len(part) == len(whole) and proposal.action != "join":
        return _edit_whole_segment(proposal, row)
    if proposal.action == "rename":
        return ProposedEdit("add", proposal.category, proposal.pieces, 1, -1, 0.0, row, False)
    rest = np.setdiff1d(whole, part)
    kept = np.union1d(rest, np.unique(SegmentPixels.of_runs(proposal.pieces, max(proposal.n_pieces, 1)).at))
    amended = _edit_redrawn(row, int(given.category[row]), whole, kept, given.height)
    return replace(amended, gone=proposal.action == "delete")


def _seam_pixels(found: ImageCandidates, at: int, prediction: ImagePrediction) -> Ints:
    """The pixels along which a part falls into several, where the model or a waist separates them.

    Holes count as inside: for two rings drawn as one, the seam is the place where they touch.
    """
    from scipy.ndimage import binary_fill_holes

    one = found.annotated.take(np.array([at]))
    part = _segment_pixels(found.annotated, at)
    mask = np.zeros(one.width * one.height, bool)
    mask[part] = True
    inside = np.flatnonzero(binary_fill_holes(mask.reshape(one.width, one.height)))
    runs = runs_of_pixels(inside, np.zeros(len(inside), np.int64), one.height)
    full = SegmentSet.of(runs, one.category, one.height, one.width)
    alike = np.append(prediction.predicted.category == one.category[0], False)
    pieces = SegmentPixels.of_runs(
        *_split_segment(full, np.where(alike[prediction.instance], prediction.instance, -1), prediction)
    )
    of = np.full(mask.size, -1, np.int64)
    of[pieces.at] = pieces.of
    field = of.reshape(one.width, one.height)
    seam = np.zeros(field.shape, bool)
    for here, there in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        seam[here] |= (field[here] != field[there]) & (field[here] >= 0) & (field[there] >= 0)
    return np.flatnonzero(seam.ravel() & mask)


def _gap_pixels(found: ImageCandidates, at: int) -> Ints:
    """The pixels between a part and others of its category, at most 4 px from one to the other."""
    drawn = found.annotated
    alike = drawn.take(np.flatnonzero(drawn.category == drawn.category[at]))
    one = SegmentSet.of(alike.runs, np.ones(len(alike), np.int64), drawn.height, drawn.width)
    at_all = np.flatnonzero(one.categories())
    runs = runs_of_pixels(at_all, np.zeros(len(at_all), np.int64), drawn.height)
    union = SegmentSet.of(runs, one.category[:1], drawn.height, drawn.width)
    closed = SegmentSet.of(union.grown(NEAR), one.category[:1], drawn.height, drawn.width).grown(-NEAR)
    near = drawn.take(np.array([at])).grown(2 * NEAR)
    return np.intersect1d(np.setdiff1d(SegmentPixels.of_runs(closed, 1).at, at_all), SegmentPixels.of_runs(near, 1).at)


def edit_region(found: ImageCandidates, at: int, given: SegmentSet, prediction: ImagePrediction) -> ProposedEdit:
    """The edit for region `at`, where label and prediction differ."""
    proposal = propose_for_region(found, at, prediction)
    if found.label[at] == UNLABELLED:
        return _edit_whole_segment(proposal, -1)
    region = found.regions.take(np.array([at]))
    under = overlaps(region, given)
    of_label = given.category[under.b] == found.label[at]
    if not of_label.any():
        return _edit_whole_segment(Proposal("add", proposal.category, proposal.pieces, 1, -1, 0.0), -1)
    row = int(under.b[of_label][under.pixels[of_label].argmax()])
    if proposal.category != UNLABELLED:
        return ProposedEdit("add", proposal.category, proposal.pieces, 1, -1, 0.0, row, False)
    whole = _segment_pixels(given, row)
    return _edit_redrawn(
        row, int(given.category[row]), whole, np.setdiff1d(whole, _segment_pixels(region, 0)), given.height
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
    both = len(np.intersect1d(before, after))
    return ProposedEdit("redraw", category, runs, 1, -1, both / (len(before) + len(after) - both), row, False)


def _segment_pixels(drawn: SegmentSet, row: int) -> Ints:
    """The pixels of one segment, in order."""
    return np.asarray(SegmentPixels.of_runs(drawn.runs.take(np.array([row]), len(drawn)), 1).at, np.int64)
