"""Datasets in memory for the tests of what FiftyOne shows, and what it shows of them."""

from typing import Any

import numpy as np
import pandas as pd

import segdata
from segdata.core.finding import Finding
from segdata.core.taxonomy import Category, Taxonomy

Masks = dict[int, np.ndarray[Any, Any]]
TAXONOMY = Taxonomy(
    categories=(
        Category(id=0, name="road", kind="stuff", color=(128, 64, 128)),
        Category(id=1, name="car", kind="thing", color=(0, 0, 142)),
    )
)
ROAD, CAR = 0, 1


def noise(seed: int, height: int, width: int, share: float) -> np.ndarray[Any, Any]:
    """A mask of single pixels, the worst that a box and a run can have."""
    return np.random.default_rng(seed).random((height, width)) < share


def made(
    drawn: dict[tuple[str, str | None], list[tuple[int, np.ndarray[Any, Any]]]],
    size: tuple[int, int] = (37, 53),
    *,
    task: str = "panoptic",
    uris: dict[str, str] | None = None,
    **images: Any,
) -> segdata.Dataset:
    """A dataset of annotations: (image, annotator) -> category and mask of each segment."""
    names = sorted({image for image, _ in drawn})
    table = {"image_id": names, "height": size[0], "width": size[1], **images}
    if uris:
        table["uri"] = [uris.get(name) for name in names]
    rows = [
        {"image_id": image, "annotator": who, "segment_id": number, "category_id": category, "mask": mask}
        for (image, who), segments in drawn.items()
        for number, (category, mask) in enumerate(segments, start=1)
    ]
    people = pd.DataFrame([{"image_id": image, "annotator": who} for image, who in drawn])
    columns = ["image_id", "annotator", "segment_id", "category_id", "mask"]
    return segdata.from_frames(
        pd.DataFrame(table),
        pd.DataFrame(rows, columns=columns),
        people,
        taxonomy=TAXONOMY,
        task=task,  # type: ignore[arg-type]
    )


def masks_of(sample: Any, field: str, size: tuple[int, int]) -> Masks:
    """The masks that FiftyOne's own code makes of a field, by the segments' ids."""
    height, width = size
    return {
        int(each.segment_id): each.to_segmentation(frame_size=(width, height), target=1).mask.astype(bool)
        for each in sample[field].detections
    }


def load(data: segdata.Dataset, name: str, *findings: Finding, **more: Any) -> Any:
    return segdata.browse(data, findings=findings, name=name, jobs=1, **more).dataset


def gap(image: str, **more: Any) -> Finding:
    return Finding(code="SEG101", rule="gap", severity="error", message="a gap", image=image, **more)
