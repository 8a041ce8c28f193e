"""Small datasets in the layouts of Cityscapes, KITTI and Mapillary Vistas, and what their own scripts make of them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from segdata import Dataset
from segdata.core.batch import Batch, concatenate_batches
from segdata.core.finding import Defect
from segdata.core.format import find_format
from segdata.core.losses import Loss, LossCounter
from segdata.formats.shared.images import image_limits

# A few labels of Cityscapes, as its table has them: id, and whether it has instances.
CITYSCAPES_IDS = {
    "unlabeled": (0, False),
    "road": (7, False),
    "sky": (23, False),
    "person": (24, True),
    "car": (26, True),
}
VISTAS_CONFIG = {
    "labels": [
        {"color": [165, 42, 42], "instances": True, "readable": "Bird", "name": "animal--bird", "evaluate": True},
        {"color": [128, 64, 128], "instances": False, "readable": "Road", "name": "flat--road", "evaluate": True},
        {"color": [0, 0, 142], "instances": True, "readable": "Car", "name": "object--car", "evaluate": True},
        {"color": [120, 10, 10], "instances": False, "readable": "Unclear", "name": "unclear", "evaluate": False},
        {"color": [0, 0, 0], "instances": False, "readable": "Unlabeled", "name": "void--unlabeled", "evaluate": False},
    ],
    "version": "1.2",
    "mapping": "public",
    "folder_structure": "{split}/{content}/{key:.{22}}.{ext}",
}


def save(path: Path, values: object, dtype: type = np.uint16) -> Path:
    """Write a grey PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, dtype)).save(path)
    return path


def save_picture(path: Path, height: int = 1, width: int = 6) -> Path:
    """Write a photograph."""
    return save(path, np.zeros((height, width, 3)), np.uint8)


def save_polygons(path: Path, objects: Sequence[Mapping[str, object]], height: int = 20, width: int = 30) -> Path:
    """Write a JSON file of polygons."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"imgHeight": height, "imgWidth": width, "objects": list(objects)}))
    return path


def instance_image(objects: Iterable[Mapping[str, object]], height: int = 20, width: int = 30) -> np.ndarray:
    """What json2instanceImg makes of polygons, by its description: instances are counted by label, groups are not."""
    image = Image.new("I", (width, height), 0)
    draw = ImageDraw.Draw(image)
    count = dict.fromkeys(CITYSCAPES_IDS, 0)
    for each in objects:
        label = str(each["label"])
        name = label if label in CITYSCAPES_IDS else label.removesuffix("group")
        if each.get("deleted") or name not in CITYSCAPES_IDS:
            continue
        value, has_instances = CITYSCAPES_IDS[name]
        if has_instances and name == label:
            value = value * 1000 + count[name]
            count[name] += 1
        draw.polygon([(x, y) for x, y in each["polygon"]], fill=value)  # type: ignore[attr-defined]  # pairs
    return np.asarray(image)


def write_dataset(dataset: Dataset, target: Path, to: str, **options: object) -> list[Loss]:
    """Write a dataset in a format with options of its writer; what was lost."""
    losses, format_ = LossCounter(), find_format(to)
    assert format_.write is not None
    assert options.keys() <= format_.write_options.keys()
    format_.write(dataset.profile, dataset.batches(in_order=True), target, losses, **options)
    return losses.listed()


def load_batch(dataset: Dataset) -> Batch:
    """All of a dataset, its runs checked."""
    with image_limits():
        batch = concatenate_batches(list(dataset))
    batch.runs.checked(*batch.segment_size)
    return batch


def segment_rows(batch: Batch, *names: str) -> list[tuple[object, ...]]:
    """Some columns of the segments, row by row."""
    return list(zip(*(batch.segments[name].to_pylist() for name in names), strict=True))


def load_defects(dataset: Dataset) -> list[Defect]:
    """All that was met."""
    return [*dataset.source.defects, *load_batch(dataset).defects]


def value_image(batch: Batch, image: int = 0) -> np.ndarray:
    """The segment id of every pixel of an image, 0 where there is none."""
    height, width = (int(side[image]) for side in batch.image_size)
    pixels = np.zeros(height * width, np.int64)
    ids = batch.segments["segment_id"].to_numpy()
    mine = batch.segment_image[batch.runs.owner] == image
    for start, length, owner in zip(
        batch.runs.start[mine], batch.runs.length[mine], batch.runs.owner[mine], strict=True
    ):
        pixels[start : start + length] = ids[owner]
    return pixels.reshape(width, height).T
