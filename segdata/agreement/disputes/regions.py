"""Regions: of what is not counted, where an annotator says something else than the others for the larger part."""

from dataclasses import dataclass

import numpy as np

from segdata.agreement.disputes.rows import Flags, Rows, annotations_of, held_against
from segdata.agreement.habits.tallies import ABSENT, Votes, row_mode, votes_of
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Ints, unique_inverse


@dataclass(frozen=True, slots=True)
class _Shown:
    """Segments (rows) of regions: the first one of each key, `code` (n,) ascending."""

    code: Ints
    segment: Ints

    @staticmethod
    def of(code: Ints, segment: Ints) -> "_Shown":
        """The first segment of each key among (m,)."""
        found, first = np.unique(code, return_index=True)
        return _Shown(found, segment[first])

    def at(self, code: Ints) -> Ints:
        """(k,) the segments of keys; -1: there is none."""
        place = np.searchsorted(self.code, code)
        known = np.append(self.code, -1)[place] == code
        return np.where(known, np.append(self.segment, -1)[place], -1)


def of_regions(opposed: AnnotatorPairs, gold: int | None) -> list[Rows]:
    """Of what is not counted: regions of which an annotator says something else for the larger part.

    A region is what more than half of the others give one category in a case; `share` of it is missed or called
    otherwise. Extra is what one gives a category, and more than half of the others give none.
    """
    if not len(opposed.patterns):
        return []
    said, case = votes_of(opposed), opposed.patterns["case"]
    annotations, wide, n_annotators = annotations_of(opposed), len(opposed.categories), said.shape[1]
    code, who, segment = _segments_of(opposed)
    anybodys, own = _Shown.of(code, segment), _Shown.of(code * n_annotators + who, segment)
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
            cell, which = unique_inverse((case[rows] * wide + of[rows]).astype(np.int64, copy=False))
            pixels, total = (
                np.bincount(which, weight, len(cell))
                for weight in (opposed.patterns["pixels"][rows] * hit[rows], opposed.patterns["pixels"][rows])
            )
            others_in = np.zeros(len(cell), np.int64)
            np.maximum.at(others_in, which, n[rows])
            some = np.flatnonzero(pixels)
            at, category = np.divmod(cell[some], wide)
            found.append(
                Rows.of(
                    kind,
                    annotations[at, i],
                    own.at(cell[some] * n_annotators + i) if kind == "extra" else anybodys.at(cell[some]),
                    category=category,
                    others=others_in[some],
                    pixels=pixels[some].astype(np.int64),
                    share=pixels[some] / total[some],
                )
            )
    return found


def _told(said: Votes, i: int) -> Flags:
    """(n,) whether annotator i is the first of those present: what two call otherwise is told once."""
    first: Flags = np.argmax(said > ABSENT, axis=1) == i
    return first


def _segments_of(opposed: AnnotatorPairs) -> tuple[Ints, Ints, Ints]:
    """Segments (rows) that are not counted: case * n_categories + category of each, who drew it, and the segment."""
    pairs, wide, columns = opposed.pairs, len(opposed.categories), []
    for side in ("a", "b"):
        segment, category = opposed.matches[side], opposed.matches[f"category_{side}"]
        rows = np.flatnonzero((segment >= 0) & ~opposed.countable[category])
        pair = opposed.matches["pair"][rows]
        columns.append((pairs["case"][pair] * wide + category[rows], pairs[side][pair], segment[rows]))
    code, who, segment = (np.concatenate(each) for each in zip(*columns, strict=True))
    return code, who, segment
