"""Small datasets in VOC's layout."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segdata import Dataset, read
from segdata.core.batch import Batch, concatenate_batches
from segdata.core.finding import Defect
from segdata.formats.voc.classes import OBJECT_PALETTE, palette_image
from segdata.testing.pictures import masks_of_runs


def save(path: Path, values: object, palette: bytes | None = OBJECT_PALETTE) -> None:
    """A palette mask; a grey one without a palette."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.array(values, np.uint8)
    (Image.fromarray(pixels) if palette is None else palette_image(pixels, palette)).save(path)


def write_scene(root: Path, classes: object, objects: object = None, stem: str = "2007_000001") -> None:
    """The masks of one image, and the image."""
    save(root / f"SegmentationClass/{stem}.png", classes)
    if objects is not None:
        save(root / f"SegmentationObject/{stem}.png", objects)
    path = root / f"JPEGImages/{stem}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", np.array(classes).shape[::-1]).save(path)


def write_boxes(root: Path, *objects: str, stem: str = "2007_000001", size: tuple[int, int] | None = None) -> Path:
    """The XML file of an image with these objects; `size` is width and height."""
    path = root / f"Annotations/{stem}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    said = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    path.write_text(f"<annotation>{said}{''.join(objects)}</annotation>", encoding="utf-8")
    return path


def object_element(name: str, box: tuple[float, float, float, float], more: str = "") -> str:
    """An object of an XML file; the box is xmin, ymin, xmax, ymax."""
    sides = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    sides_ = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    return f"<object><name>{name}</name>{more}<bndbox>{sides_}</bndbox></object>"


def open_dataset(root: Path, **options: Any) -> tuple[Dataset, Batch, list[Defect]]:
    """A dataset, its images, and its defects without informations."""
    dataset = read(root, **options)
    batch = concatenate_batches(list(dataset.batches(1)))
    batch.runs.checked(*batch.segment_size)
    defects = [*dataset.source.defects, *batch.defects]
    return dataset, batch, [each for each in defects if each.severity != "info"]


def segment_pixels(dataset: Dataset, batch: Batch) -> dict[int, tuple[str, list[tuple[int, int]], bool]]:
    """Segment id -> category, pixels as (x, y) row by row, and whether it is a crowd."""
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    return {
        row["segment_id"]: (
            dataset.profile.name_of(row["category_id"]),
            [(x, y) for y, x in np.argwhere(mask).tolist()],
            bool(row["iscrowd"]),
        )
        for row, mask in zip(batch.segments.to_pylist(), masks, strict=True)
    }
