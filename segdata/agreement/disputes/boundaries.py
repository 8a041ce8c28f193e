"""Boundaries: matched segments whose outlines part."""

import numpy as np

from segdata.agreement.disputes.rows import Rows
from segdata.core.annotator_pairs import AnnotatorPairs


def of_boundaries(opposed: AnnotatorPairs, gold: int | None) -> Rows:
    """Matched segments whose boundaries part, of those who stand apart from more than half of the others."""
    surfaces = opposed.surfaces
    rows = np.flatnonzero(surfaces["match"] >= 0) if len(surfaces) else np.empty(0, np.int64)
    if not len(rows):
        return Rows.of("boundary", rows, rows)
    match, pair = surfaces["match"][rows], surfaces["pair"][rows]
    with np.errstate(invalid="ignore", divide="ignore"):
        near = (surfaces["near_a"] + surfaces["near_b"])[rows] / (surfaces["edge_a"] + surfaces["edge_b"])[rows]
    sides, first = [], opposed.is_first_pass
    for mine, other in (("a", "b"), ("b", "a")):
        kept = (opposed.pairs[mine][pair] != gold) & first[opposed.pairs["a"][pair]] & first[opposed.pairs["b"][pair]]
        kept &= True if gold is None else opposed.pairs[other][pair] == gold
        sides.append(
            np.stack(
                [
                    opposed.pairs[f"annotation_{mine}"][pair],
                    opposed.matches[mine][match],
                    opposed.matches[other][match],
                    np.arange(len(rows)),
                ]
            )[:, kept]
        )
    annotation, segment, other, row = np.concatenate(sides, axis=1)
    order = np.lexsort((near[row], segment))
    starts = np.flatnonzero(np.diff(segment[order], prepend=-1))
    n = np.diff(np.append(starts, len(order)))
    # The middle one of what each of the others says, the better of two: to stand apart takes more than half of them.
    middle = order[starts + n // 2]
    two = opposed.is_first_pass.sum() == 2 and gold is None
    middle = middle[middle < len(sides[0][0])] if two else middle
    n_others = n[: len(middle)] if not two else np.ones(len(middle), np.int64)
    return Rows.of(
        "boundary",
        annotation[middle],
        segment[middle],
        other=other[middle],
        category=surfaces["category"][rows][row[middle]],
        others=n_others,
        near=near[row[middle]],
        distance=surfaces["hd95"][rows][row[middle]],
    )
