"""Rows: disputes of one kind as columns, and who is held against whom."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.runs import Ints

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
COLUMNS = (
    "kind",
    "annotation",
    "segment",
    "other",
    "category",
    "called",
    "support",
    "others",
    "n",
    "pixels",
    "share",
    "near",
    "distance",
)
_SHARES = ("share", "near", "distance")


@dataclass(frozen=True, slots=True)
class Rows:
    """Some disputes of one kind; see `segdata.agreement.disputes.disputes`."""

    kind: str
    annotation: Ints
    segment: Ints
    other: Ints
    category: Ints
    called: Ints
    support: Ints
    others: Ints
    n: Ints
    pixels: Ints
    share: Floats
    near: Floats
    distance: Floats

    @staticmethod
    def of(kind: str, annotation: Ints, segment: Ints, **columns: "Ints | Floats") -> "Rows":
        """Columns that are not given are -1, or NaN."""
        n = len(annotation)
        blank = {name: np.full(n, np.nan) if name in _SHARES else np.full(n, -1, np.int64) for name in COLUMNS[3:]}
        return Rows(kind, annotation, segment, **(blank | columns))  # type: ignore[arg-type]  # each of its own type


def annotations_of(opposed: AnnotatorPairs) -> Ints:
    """(n_cases, n_annotators) rows of annotations; of a volume's, the first. -1: none."""
    rows = np.full((len(opposed.cases), len(opposed.annotators)), -1, np.int64)
    for side in ("a", "b"):
        rows[opposed.pairs["case"], opposed.pairs[side]] = opposed.pairs[f"annotation_{side}"]
    return rows


def held_against(i: int, n_annotators: int, gold: int | None) -> Flags:
    """(n_annotators,) whom annotator i is held against."""
    number = np.arange(n_annotators)
    whom: Flags = number != i if gold is None else number == gold
    return whom
