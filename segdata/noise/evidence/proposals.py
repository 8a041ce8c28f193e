"""Proposals: what a suspected segment should rather be, for a reviewer to accept. Nothing changes by itself."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from segdata.core.runs import Ints, Runs
from segdata.core.strokes import moved
from segdata.noise.evidence.candidates import Candidates
from segdata.noise.evidence.depth import NEAR
from segdata.noise.evidence.drawn import UNLABELLED, Drawn, Pixels, runs_of_pixels, shared
from segdata.noise.evidence.evidence import Evidence
from segdata.noise.evidence.neighbours import pairs
from segdata.noise.types import Type

Action = Literal["add", "delete", "rename", "redraw", "split", "join"]
LEAST = 8  # pixels of a piece


@dataclass(frozen=True, slots=True)
class Proposal:
    """What to do.

    Attributes
    ----------
    action : "add" a segment, "delete" this one, "rename" or "redraw" it, "split" it, or "join" it with another
    category : of what is proposed; 0: nothing
    pieces : the proposed segments' pixels, none for "delete"; owners are the pieces
    n_pieces : how many there are
    joins : the given segment to join it with, -1: none
    iou : of what was given with what is proposed, all pieces together; 1 where only the category changes
    """

    action: Action
    category: int
    pieces: Runs
    n_pieces: int
    joins: int
    iou: float


def for_drawn(
    found: Candidates,
    at: int,
    type_: Type,
    given: Drawn,
    evidence: Evidence,
    move: tuple[int, int] = (0, 0),
    *,
    alike: bool = False,
) -> Proposal:
    """What annotated candidate `at` should be, if it is wrong in this way.

    `move`: pixels to the right and down by which all labels of the image would have to be moved. `alike`: it is redrawn
    only as something of its own category.
    """
    one = found.drawn.take(np.array([at]))
    category = int(one.category[0])
    if type_ == "shift" and any(move):
        sides = (np.full(1, side, np.int64) for side in (one.height, one.width, *move))
        pieces = moved(one.runs, *sides)
        if pieces.areas(1)[0]:
            return Proposal("redraw", category, pieces, 1, -1, _iou(one, pieces))
        return Proposal("delete", UNLABELLED, Runs.empty(), 0, -1, 0.0)
    if type_ == "extra":
        return Proposal("delete", UNLABELLED, Runs.empty(), 0, -1, 0.0)
    if type_ == "category":
        return Proposal("rename", _believed(one, evidence), one.runs, 1, -1, 1.0)
    if type_ == "merge":
        pieces, n = pieces_of(one, evidence.instance, evidence)
        return Proposal("split", category, pieces, n, -1, _iou(one, pieces))
    if type_ == "split" and (other := _partner(found, at, given, evidence)) >= 0:
        both = [Pixels.of_runs(each, 1) for each in (one.runs, given.runs.take(np.array([other]), len(given)))]
        at_ = np.concatenate([pixels.at for pixels in both])
        union = runs_of_pixels(at_, np.zeros(len(at_), np.int64), given.height)
        return Proposal("join", category, union, 1, other, _iou(one, union))
    return _redrawn(one, evidence, alike=alike)


def for_region(found: Candidates, at: int, evidence: Evidence) -> Proposal:
    """What should be where nobody annotated so: the segment that the model sees there."""
    one = found.regions.take(np.array([at]))
    category = int(one.category[0])
    action: Action = "add" if found.label[at] == UNLABELLED else "delete" if category == UNLABELLED else "rename"
    labelled = 0.0 if found.label[at] == UNLABELLED else 1.0
    return Proposal(action, category, one.runs, 1, -1, labelled)


def _believed(one: Drawn, evidence: Evidence) -> int:
    """The category other than its own, and than nothing, in which the model believes most."""
    pixels = Pixels.of_runs(one.runs, 1)
    mean = evidence.probability[:, pixels.at].mean(axis=1)
    mean[[UNLABELLED, int(one.category[0])]] = -1.0
    return int(mean.argmax())


def _redrawn(one: Drawn, evidence: Evidence, *, alike: bool) -> Proposal:
    """As the predicted segment that fits best, of its category if `alike`; delete what shares pixels with none."""
    seen = evidence.predicted
    met = shared(one, seen)
    fits = seen.category[met.b] == one.category[0] if alike else np.ones(len(met.b), bool)
    if not fits.any():
        return Proposal("delete", UNLABELLED, Runs.empty(), 0, -1, 0.0)
    iou = fits * met.pixels / (one.areas[0] + seen.areas[met.b] - met.pixels)
    best = int(met.b[iou.argmax()])
    return Proposal(
        "redraw", int(seen.category[best]), seen.runs.take(np.array([best]), len(seen)), 1, -1, float(iou.max())
    )


def pieces_of(one: Drawn, instance: Ints, evidence: Evidence) -> tuple[Runs, int]:
    """The segment cut where the model sees an edge: a watershed from what is left of the predicted segments inside.

    `instance` (width * height,) are their numbers, -1: none. Where fewer than two are inside, from the deepest places
    that a waist sets apart.
    Source: Meyer (1994), Signal Processing 38(1), 113-125.
    """
    from scipy.ndimage import distance_transform_edt, label
    from skimage.segmentation import watershed

    pixels = Pixels.of_runs(one.runs, 1)
    shape = (one.width, one.height)
    mask = np.zeros(one.width * one.height, bool)
    mask[pixels.at] = True
    marker = np.zeros(mask.size, np.int32)
    inside = instance[pixels.at]
    number, row, count = np.unique(inside, return_inverse=True, return_counts=True)
    large = (number >= 0) & (count >= max(LEAST, 0.1 * len(pixels.at)))
    marker[pixels.at] = np.where(large, np.cumsum(large), 0)[row.reshape(-1)]
    depth = distance_transform_edt(np.pad(mask.reshape(shape), 1))[1:-1, 1:-1]
    if large.sum() < 2:
        for share in np.arange(0.9, 0.1, -0.1):  # from where least is left: two that are apart
            found, n = label(depth > share * depth.max())
            if n >= 2:
                marker = found.ravel().astype(np.int32)
                break
    landscape = evidence.edge.reshape(shape) - depth / max(float(depth.max()), 1.0)
    cut = watershed(  # type: ignore[no-untyped-call]  # scikit-image has no types
        landscape, marker.reshape(shape), mask=mask.reshape(shape)
    ).ravel()[pixels.at]
    names, row = np.unique(cut, return_inverse=True)
    return runs_of_pixels(pixels.at, row.reshape(-1).astype(np.int64), one.height), len(names)


def _partner(found: Candidates, at: int, given: Drawn, evidence: Evidence) -> int:
    """The given segment beside it, of its category, that shares most pixels with the predicted one that holds it."""
    one = found.drawn.take(np.array([at]))
    held = shared(one, evidence.predicted)
    if not len(held.b):
        return -1
    whole = evidence.predicted.take(held.b[[held.pixels.argmax()]].astype(np.int64))
    alike = np.flatnonzero(given.category == one.category[0])
    others = given.take(alike)
    met, _ = pairs(others, others.grown(NEAR))
    me = int(np.searchsorted(alike, found.row[at]))
    beside = np.append(met.b[met.a == me], met.a[met.b == me])
    inside = shared(others, whole)
    fits = np.isin(inside.a, beside)
    return int(alike[inside.a[fits][inside.pixels[fits].argmax()]]) if fits.any() else -1


def _iou(one: Drawn, pieces: Runs) -> float:
    whole: Ints = np.zeros(one.width * one.height, np.int64)
    for runs in (one.runs, pieces):
        whole[np.unique(Pixels.of_runs(runs, 1).at)] += 1
    return float((whole == 2).sum() / max(int((whole > 0).sum()), 1))
