"""Disputed: the disputes of one kind that are large enough to look at, for the rules that tell them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from segdata.core.rule import Tables

_NAMES = ("annotation", "segment", "other", "category", "called", "support", "others", "n", "near", "distance", "share")


class Dispute(NamedTuple):
    """One row of `segdata.core.opposed.Judged.disputes`; `category` and `called` are names, `area` is in pixels.

    `whose` is the annotator whose segment is shown, None where there is none.
    """

    annotation: int
    segment: int
    other: int
    category: str
    called: str
    support: int
    others: int
    n: int
    near: float
    distance: float
    share: float
    area: int
    whose: str | None

    @property
    def shown(self) -> tuple[int, ...]:
        """Rows of the segments to look at."""
        return tuple(row for row in (self.segment, self.other) if row >= 0)

    @property
    def backing(self) -> str:
        """Who stands against the annotator, in words."""
        if self.others == 1:
            return self.whose or "the other"
        if self.support < 0:
            return "most others"
        return f"{self.support} of {self.others} others"


def disputed(tables: Tables, kind: str, min_pixels: int, min_share: float = 0.0) -> Iterator[Dispute]:
    """The disputes of a kind about segments of at least `min_pixels`.

    Of what is not counted, regions of which `min_share` or more are in dispute.
    """
    if tables.judged is None or tables.opposed is None:
        return
    disputes = tables.judged.disputes
    names: list[Any] = [*(each.name for each in tables.opposed.categories), ""]  # Any: texts; -1 is the last
    segments, annotations = tables.segments, tables.annotations
    for row in np.flatnonzero(disputes["kind"] == kind).tolist():
        cell = {name: disputes.cell(name, row) for name in _NAMES}
        segment, pixels = cell["segment"], disputes.cell("pixels", row)
        area = pixels if pixels >= 0 else int(segments["area"][segment]) if segment >= 0 else 0
        if area < min_pixels or cell["share"] < min_share:
            continue
        whose = annotations["annotator"][segments["annotation"][segment]] if segment >= 0 else None
        called = {"category": names[cell["category"]], "called": names[cell["called"]]}
        yield Dispute(**(cell | called), area=area, whose=whose)
