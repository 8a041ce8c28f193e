"""Small datasets of ADE20K."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segdata import Dataset, read
from segdata.core.batch import Batch, concatenate_batches
from segdata.core.finding import Defect
from segdata.testing.pictures import masks_of_runs

CAR, PERSON, WHEEL = 401, 1831, 3035
NAMES = {CAR: "car, auto", PERSON: "person, individual", WHEEL: "wheel"}
Object = dict[str, Any]  # Any: JSON


def encode_colours(classes: object, blue: object) -> np.ndarray[Any, Any]:
    """The colours of a mask, as loadAde20K takes them apart: class R / 10 * 256 + G, instance B."""
    index, key = np.array(classes), np.array(blue)
    return np.stack([index // 256 * 10, index % 256, key], axis=2).astype(np.uint8)


def save(path: Path, pixels: object) -> Path:
    """An image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(pixels, np.uint8)).save(path)
    return path


def make_object(id_: int, category: int, **keys: Any) -> Object:
    """An object of a JSON file, with `keys` beside."""
    return {"id": id_, "name": NAMES[category], "name_ndx": category, "raw_name": NAMES[category], **keys}


def write_document(root: Path, *objects: Object, stem: str = "ADE_train_00000001", **keys: Any) -> Path:
    """The JSON file of an image."""
    path = root / f"{stem}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    said = {"filename": f"{Path(stem).name}.jpg", "object": list(objects), **keys}
    path.write_text(json.dumps({"annotation": said}), encoding="utf-8")
    return path


def write_scene(
    root: Path, classes: object, blue: object, *objects: Object, stem: str = "ADE_train_00000001", **levels: Any
) -> None:
    """The mask of an image, the image and its JSON file; `parts_1` … are (classes, blue) of the parts."""
    save(root / f"{stem}_seg.png", encode_colours(classes, blue))
    save(root / f"{stem}.jpg", np.zeros((*np.array(classes).shape, 3)))
    write_document(root, *objects, stem=stem)
    for level, (index, key) in levels.items():
        save(root / f"{stem}_{level}.png", encode_colours(index, key))


def write_object_mask(root: Path, id_: int, pixels: object, stem: str = "ADE_train_00000001") -> str:
    """The mask of a single object; its name in the JSON file."""
    name = f"{Path(stem).name}/instance_{id_:03d}_{Path(stem).name}.png"
    save((root / stem).parent / name, pixels)
    return name


def open_dataset(root: Path, **options: Any) -> tuple[Dataset, Batch, list[Defect]]:
    """A dataset, its images, and its defects without informations."""
    dataset = read(root, **options)
    batch = concatenate_batches(list(dataset.batches(1)))
    batch.runs.checked(*batch.segment_size)
    defects = [*dataset.source.defects, *batch.defects]
    return dataset, batch, [each for each in defects if each.severity != "info"]


def segment_pixels(dataset: Dataset, batch: Batch) -> dict[int, tuple[str, list[tuple[int, int]]]]:
    """Segment id -> category and pixels as (x, y), row by row."""
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    return {
        row["segment_id"]: (
            dataset.profile.name_of(row["category_id"]),
            [(x, y) for y, x in np.argwhere(mask).tolist()],
        )
        for row, mask in zip(batch.segments.to_pylist(), masks, strict=True)
    }


def attributes_by_id(batch: Batch) -> dict[int, Mapping[str, object]]:
    """Segment id -> attributes."""
    return {
        row["segment_id"]: {name: json.loads(value) for name, value in row["attributes"] or ()}
        for row in batch.segments.to_pylist()
    }
