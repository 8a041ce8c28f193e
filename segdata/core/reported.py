"""Reported: what readers met under a code, for the rules that pass it on."""

import json
from collections.abc import Iterator
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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


def is_lossy(tables: Tables) -> NDArray[np.bool_]:
    """(n_segments,) whether the segment's mask is one that its storage changed (SEG010): its details mean nothing."""
    lossy = tables.defects.loc[tables.defects["code"] == "SEG010", "image"].dropna()
    image: NDArray[np.bool_] = tables.images["image_id"].isin(lossy).to_numpy()
    return image[tables.segments["image"]]


def was_reported(tables: Tables, code: str) -> NDArray[np.bool_]:
    """(n_segments,) whether a defect of this code names the segment, so that no other rule need speak of it."""
    rows = tables.defects[tables.defects["code"] == code]
    told = {(text(image), each) for image, ids in zip(rows["image"], rows["segments"], strict=True) for each in ids}
    segments = tables.segments
    if not told:
        return np.zeros(len(segments), bool)
    number = segments["segment_id"].astype("Int64").astype("string")
    own = segments["source_id"].map(json.dumps, na_action="ignore").astype("string").fillna(number)
    image = tables.images["image_id"].to_numpy()[segments["image"]]
    named: NDArray[np.bool_] = pd.MultiIndex.from_arrays([image, own]).isin(sorted(told, key=str))
    return named


def text(value: object) -> str | None:
    """A text cell; None for a missing one."""
    return value if isinstance(value, str) else None


def _count(value: object) -> int | None:
    """A whole number that may be missing."""
    return None if pd.isna(value) else int(cast(float, value))  # type: ignore[call-overload]  # a scalar
