"""Summary: what is in a dataset, per category and as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from segdata.core.profile import Profile
from segdata.core.rule import Tables

QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}


@dataclass(frozen=True, slots=True)
class Summary:
    """What is in a dataset.

    Attributes
    ----------
    dataset : as the user named it
    profile : what is known of it as a whole
    facts : name -> number or text: images, annotations, annotators, segments, crowds, labelled share, sizes …
    categories : one row per category of the taxonomy and per id that it lacks: id, name, kind, images, segments,
        pixels, share (of the labelled pixels), and quantiles of the segments' areas in pixels
    content_hash : of the labels; None when it was not asked for
    raster_rules : rule -> how many segments have polygons, how many of them have other pixels when they are drawn by
        that rule, and how many pixels those gain or lose; empty when it was not asked for
    """

    dataset: str
    profile: Profile
    facts: dict[str, Any]  # Any: numbers and texts, for people
    categories: pd.DataFrame
    content_hash: str | None = None
    raster_rules: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)

    def __repr__(self) -> str:
        counts = ", ".join(f"{self.facts.get(name, 0)} {name}" for name in ("images", "annotations", "segments"))
        return f"Summary({self.dataset!r}: {counts}, {len(self.categories)} categories)"


def summarise(dataset: str, tables: Tables, content_hash: str | None = None) -> Summary:
    """The summary of measured tables; no family beyond the rows is needed."""
    return Summary(dataset, tables.profile, _facts(tables), _categories(tables), content_hash)


def _facts(tables: Tables) -> dict[str, Any]:  # Any: numbers and texts, for people
    images, annotations, segments = (
        table.to_pandas() for table in (tables.images, tables.annotations, tables.segments)
    )
    sizes = (images["width"].astype(str) + "x" + images["height"].astype(str)).value_counts()
    total = int((images["width"].astype("int64") * images["height"].astype("int64")).sum())
    return {
        "images": len(images),
        "annotated images": int(annotations["image"].nunique()),
        "annotations": len(annotations),
        "annotators": int(annotations["annotator"].nunique(dropna=True)),
        "empty annotations": int((annotations["n_segments"] == 0).sum()),
        "segments": len(segments),
        "crowd segments": int(segments["iscrowd"].sum()),
        "pixels of all images": total,
        "image sizes": ", ".join(f"{size} ({count})" for size, count in sizes.head(5).items())
        + (f", {len(sizes) - 5} more" if len(sizes) > 5 else ""),
        "splits": ", ".join(f"{name} ({count})" for name, count in images["split"].value_counts().items()) or "none",
    }


def _categories(tables: Tables) -> pd.DataFrame:
    known = {category.id: category for category in reversed(tables.profile.taxonomy.categories)}
    segments = tables.segments.to_pandas()
    ids = [*dict.fromkeys([category.id for category in tables.profile.taxonomy.categories])]
    ids += sorted(set(segments["category_id"].unique().tolist()) - set(ids))
    grouped = segments.groupby("category_id")
    area = grouped["area"]
    frame = pd.DataFrame(
        {
            "id": ids,
            "name": [known[each].name if each in known else f"(id {each})" for each in ids],
            "kind": [known[each].kind if each in known else "unknown" for each in ids],
            "images": grouped["image"].nunique().reindex(ids, fill_value=0).to_numpy(),
            "segments": grouped.size().reindex(ids, fill_value=0).to_numpy(),
            "pixels": area.sum().reindex(ids, fill_value=0).to_numpy(),
        }
    )
    frame["share"] = frame["pixels"] / max(int(frame["pixels"].sum()), 1)
    for name, quantile in QUANTILES.items():
        values = area.quantile(quantile) if len(segments) else pd.Series(dtype=float)
        frame[f"area_{name}"] = values.reindex(ids).to_numpy() if len(values) else np.full(len(ids), np.nan)
    return frame
