"""Regions: of what is not counted, where an annotator says something else than the others for the larger part."""

import numpy as np

from segdata.agreement.disputes.rows import Flags, Rows, annotations_of, held_against
from segdata.agreement.habits.tallies import ABSENT, row_mode, votes_of
from segdata.core.opposed import Opposed
from segdata.core.runs import Ints


def of_regions(opposed: Opposed, gold: int | None) -> list[Rows]:
    """Of what is not counted: regions of which an annotator says something else for the larger part.

    A region is what more than half of the others give one category in a case; `share` of it is missed or called
    otherwise. Extra is what one gives a category, and more than half of the others give none.
    """
    if not len(opposed.patterns):
        return []
    said, case = votes_of(opposed), opposed.patterns["case"]
    annotations, shown = annotations_of(opposed), _segments_of(opposed)
    found = []
    for i in range(said.shape[1]):
        if i == gold:
            continue
        others = said[:, held_against(i, said.shape[1], gold)]
        n = (others > ABSENT).sum(axis=1)
        called, count = row_mode(others)
        mine = said[:, i]
        clear = (mine > ABSENT) & (n > 0) & (2 * count > n)
        sure = (n > 1) | (gold is not None)
        for kind, rows, hit, of in (
            ("missed", clear & (called >= 0), mine == -1, called),
            ("extra", mine >= 0, clear & sure & (called == -1), mine),
            ("category", clear & (called >= 0) & (sure | _told(said, i)), (mine >= 0) & (mine != called), called),
        ):
            rows = np.flatnonzero(rows & ~opposed.countable[of])
            cell, which = np.unique(np.stack([case[rows], of[rows]]), axis=1, return_inverse=True)
            pixels, total = (
                np.bincount(which.reshape(-1), weight, cell.shape[1])
                for weight in (opposed.patterns["pixels"][rows] * hit[rows], opposed.patterns["pixels"][rows])
            )
            others_in = np.zeros(cell.shape[1], np.int64)
            np.maximum.at(others_in, which.reshape(-1), n[rows])
            some = np.flatnonzero(pixels)
            at, category = cell[0][some], cell[1][some]
            found.append(
                Rows.of(
                    kind,
                    annotations[at, i],
                    np.array(
                        [
                            shown.get((a, c, i if kind == "extra" else -1), -1)
                            for a, c in zip(at.tolist(), category.tolist(), strict=True)
                        ],
                        np.int64,
                    ),
                    category=category,
                    others=others_in[some],
                    pixels=pixels[some].astype(np.int64),
                    share=pixels[some] / total[some],
                )
            )
    return found


def _told(said: Ints, i: int) -> Flags:
    """(n,) whether annotator i is the first of those present: what two call otherwise is told once."""
    first: Flags = np.argmax(said > ABSENT, axis=1) == i
    return first


def _segments_of(opposed: Opposed) -> dict[tuple[int, int, int], int]:
    """A segment (row) by case, category and annotator, and by case, category and -1."""
    rows: dict[tuple[int, int, int], int] = {}
    pairs = opposed.pairs
    for side in ("a", "b"):
        matches = opposed.matches.take(
            (opposed.matches[side] >= 0) & ~opposed.countable[opposed.matches[f"category_{side}"]]
        )
        pair = matches["pair"]
        columns = (pairs["case"][pair], matches[f"category_{side}"], pairs[side][pair], matches[side])
        for case, category, annotator, segment in zip(*(each.tolist() for each in columns), strict=True):
            rows.setdefault((case, category, annotator), segment)
            rows.setdefault((case, category, -1), segment)
    return rows
