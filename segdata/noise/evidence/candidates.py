"""Candidates: what might be wrong in an image, all of it, before anything is said about how likely that is."""

from dataclasses import dataclass

import numpy as np

from segdata.core.runs import Ints, Runs
from segdata.noise.evidence.drawn import UNLABELLED, VOID, Drawn, Flags, Pixels, of_map, parts_of, shared
from segdata.noise.evidence.evidence import Evidence

LEAST = 16  # pixels below which a part is nothing that anybody would look at
LABELLED = 0.5  # the share of a predicted segment that must be labelled, for it not to be missing


@dataclass(frozen=True, slots=True)
class Candidates:
    """What may be wrong in one image.

    Attributes
    ----------
    drawn : what was annotated: things as they are, of other segments each part
    row : (n,) the given segment that each is, or is a part of
    regions : what was not annotated so, with the category that the model sees (0: nothing)
    label : (m,) the category that the region was given; 0: none
    """

    drawn: Drawn
    row: Ints
    regions: Drawn
    label: Ints


def candidates(given: Drawn, evidence: Evidence, things: Flags) -> Candidates:
    """Every annotated thing or part, every predicted thing hardly labelled, every region that was given otherwise.

    `things` (K,) says which categories are countable. A part where the model sees another category than was given is
    only one if somewhere it is more than two pixels thick, since honest outlines differ by one; and not if it is nearly
    the same as an annotated part, as nothing need be looked at twice. Void is nowhere a candidate.
    """
    drawn, row = _annotated(given, things)
    missing = _missing(given, evidence, things)
    apart, label = _otherwise(given, evidence, things)
    other = np.flatnonzero(~_alike(apart, drawn))
    apart, label = apart.take(other), label[other]
    regions = Drawn(
        Runs.concatenate([missing.runs, apart.runs], [len(missing), len(apart)]),
        np.append(missing.category, apart.category),
        np.append(missing.score, apart.score),
        given.height,
        given.width,
    )
    return Candidates(drawn, row, regions, np.append(np.zeros(len(missing), np.int64), label))


def _annotated(given: Drawn, things: Flags) -> tuple[Drawn, Ints]:
    countable = things[np.maximum(given.category, 0)]
    seen = given.category != VOID
    whole = np.flatnonzero(seen & countable & (given.areas > 0))
    rest = np.flatnonzero(seen & ~countable)
    parts, of = parts_of(given.runs.take(rest, len(given)), given.height, len(rest))
    large = np.flatnonzero(parts.areas(len(of)) >= LEAST)
    row = np.append(whole, rest[of[large]])
    runs = Runs.concatenate([given.runs.take(whole, len(given)), parts.take(large, len(of))], [len(whole), len(large)])
    return Drawn(runs, given.category[row], given.score[row], given.height, given.width), row


def _missing(given: Drawn, evidence: Evidence, things: Flags) -> Drawn:
    """Predicted things of which less than half is labelled as any thing, or void."""
    seen = evidence.predicted
    countable = np.flatnonzero(things[seen.category] & (seen.areas >= LEAST))
    found = seen.take(countable)
    labelled = given.take(np.flatnonzero((given.category == VOID) | things[np.maximum(given.category, 0)]))
    covered = Drawn.of(labelled.runs, np.ones(len(labelled), np.int64), given.height, given.width)
    taken = of_map(covered.categories(), given.height, given.width)
    met = shared(found, taken)  # of the union, so that overlapping segments count once
    share = np.bincount(met.a, met.pixels, len(found)) / np.maximum(found.areas, 1)
    return found.take(np.flatnonzero(share < LABELLED))


def _otherwise(given: Drawn, evidence: Evidence, things: Flags) -> tuple[Drawn, Ints]:
    """Parts where the model sees one category and another was given, neither of them a thing."""
    label, best, n = given.categories(), evidence.best, len(evidence.probability)
    differs = (label != best) & (label != VOID) & ~things[best] & ~things[np.maximum(label, 0)]
    code = np.where(differs, label * n + best, -1)
    found = of_map(code, given.height, given.width, blank=-1)
    inside = Pixels.of_runs(found.runs, len(found))
    core = np.bincount(inside.of[_inner(code, given.height)[inside.at]], minlength=len(found))
    found = found.take(np.flatnonzero((core > 0) & (found.areas >= LEAST)))
    seen = found.category % n
    sure = np.where(seen == UNLABELLED, 1.0, found.score)
    return Drawn(found.runs, seen, sure, given.height, given.width), found.category // n


def _alike(regions: Drawn, drawn: Drawn) -> Flags:
    """(m,) whether a region has more than half in common (IoU) with what was annotated."""
    met = shared(regions, drawn)
    iou = met.pixels / (regions.areas[met.a] + drawn.areas[met.b] - met.pixels)
    return np.bincount(met.a[iou > LABELLED], minlength=len(regions)) > 0


def _inner(code: Ints, height: int) -> Flags:
    """(width * height,) the pixels whose four neighbours are of the same value; the frame ends nothing."""
    field = code.reshape(-1, height)
    inner = np.ones(field.shape, bool)
    for axis in (0, 1):
        same = np.diff(field, axis=axis) == 0
        one, other = (np.s_[:-1], np.s_[1:]) if axis == 0 else (np.s_[:, :-1], np.s_[:, 1:])
        inner[one] &= same
        inner[other] &= same
    return inner.ravel()
