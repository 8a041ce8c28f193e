"""Reported: what readers met under a code, for the rules that pass it on."""

import json
from collections.abc import Iterator
from typing import cast

import pandas as pd

from segdata.core.finding import Box, Found, Severity
from segdata.core.rule import Tables


def reported(tables: Tables, code: str) -> Iterator[Found]:
    """The defects that readers met under this code, as they reported them."""
    rows = tables.defects[tables.defects["code"] == code]
    for defect in rows.itertuples():
        yield Found(
            str(defect.message),
            ids=tuple(json.loads(each) for each in cast("list[str]", defect.segments)),
            image_id=text(defect.image),
            annotator=text(defect.annotator),
            bbox=None if defect.bbox is None else cast(Box, tuple(cast("list[int]", defect.bbox))),
            pixels=_count(defect.pixels),
            category=text(defect.category),
            severity=cast(Severity | None, text(defect.severity)),
            file=text(defect.file),
            place=text(defect.place),
            line=_count(defect.line),
        )


def text(value: object) -> str | None:
    """A text cell; None for a missing one."""
    return value if isinstance(value, str) else None


def _count(value: object) -> int | None:
    """A whole number that may be missing."""
    return None if pd.isna(value) else int(cast(float, value))  # type: ignore[call-overload]  # a scalar
