"""Pictures as datasets on disk: colour masks, instance ids, layers, COCO instances and COCO panoptic."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco

from tests.generators.sample.canvas import Segment
from tests.generators.sample.scene import Picture
from tests.generators.sample.taxonomy import LEAVES, THINGS, VOID, Category, write_taxonomy

Mask = NDArray[np.bool_]

# Directions 0 right, 1 down, 2 left, 3 up: the inside lies to the right of the way.
STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))


def rings(mask: Mask) -> list[list[int]]:
    """All closed outlines of a mask, outer ones and holes, as flat lists x0, y0, x1, y1, ...

    Coordinates are pixel corners: pixel (x, y) covers [x, x + 1) times [y, y + 1). Parts are 4-connected.
    """
    leaving = _edges(mask)
    outlines = []
    while leaving:
        vertex = next(iter(leaving))
        outlines.append(_walk(leaving, vertex))
    return outlines


def _edges(mask: Mask) -> dict[tuple[int, int], list[int]]:
    """The directions in which border edges leave each pixel corner."""
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1]
    borders = (
        (inside & ~padded[:-2, 1:-1], 0, 0), (inside & ~padded[1:-1, 2:], 1, 0),
        (inside & ~padded[2:, 1:-1], 1, 1), (inside & ~padded[1:-1, :-2], 0, 1),
    )  # fmt: skip
    leaving: dict[tuple[int, int], list[int]] = {}
    for direction, (edge, right, down) in enumerate(borders):
        rows, columns = np.nonzero(edge)
        for corner in zip((columns + right).tolist(), (rows + down).tolist(), strict=True):
            leaving.setdefault(corner, []).append(direction)
    return leaving


def _walk(leaving: dict[tuple[int, int], list[int]], start: tuple[int, int]) -> list[int]:
    """Follow edges from a corner until the way closes, taking them out; corners where it turns are the ring."""
    first = direction = leaving[start][0]
    corner, ring = start, list[int]()
    while True:
        leaving[corner].remove(direction)
        if not leaving[corner]:
            del leaving[corner]
        corner = (corner[0] + STEPS[direction][0], corner[1] + STEPS[direction][1])
        choices = leaving.get(corner, []) + [first] * (corner == start)
        # Where two pixels touch at a corner only, a right turn stays on the same pixel.
        right = (direction + 1) % 4
        ahead = right if right in choices else choices[0]
        if ahead != direction:
            ring += corner
        if corner == start and ahead == first:
            return ring
        direction = ahead


def n_parts(mask: Mask) -> int:
    """The number of 4-connected parts of a mask."""
    return int(cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[0]) - 1


DIVISOR = 1000
_VOID_ID = 255
Json = dict[str, Any]  # Any: a JSON object


class NamedPicture(NamedTuple):
    """A picture under its name, `street001`; the image file is `<name>.jpg`."""

    name: str
    picture: Picture


def write_png(path: Path, pixels: NDArray[Any]) -> None:
    """Save an array as PNG: (h, w) uint8 or uint16, or (h, w, 3) uint8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, compress_level=6)


def write_json(path: Path, document: object) -> None:
    """Save JSON: one line, or NaN and all, as json writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")


def write_config(folder: Path, **keys: object) -> None:
    """Write segdata.yaml."""
    (folder / "segdata.yaml").write_text(yaml.safe_dump(keys, sort_keys=False), encoding="utf-8")


def write_images(folder: Path, shots: Iterable[NamedPicture]) -> None:
    """Write the images as JPEG into `folder`/images."""
    for shot in shots:
        path = folder / "images" / f"{shot.name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(shot.picture.image).save(path, quality=88, subsampling=0)


def box_of(mask: NDArray[np.bool_]) -> list[int]:
    """`[x, y, width, height]` of the pixels of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]


def colour_mask(picture: Picture) -> NDArray[np.uint8]:
    """The colour mask of a picture, (height, width, 3)."""
    colours = np.array([(0, 0, 0), *(segment.category.color for segment in picture.segments)], np.uint8)
    return np.asarray(colours[picture.labels])


def _instance_id_mask(picture: Picture) -> NDArray[np.uint16]:
    """Instance ids, (height, width): category x 1000 + track; stuff is track 0, void is 255."""
    values = [0]
    for segment in picture.segments:
        values.append(_VOID_ID if segment.category is VOID else segment.category.id * DIVISOR + segment.track)
    return np.asarray(np.array(values, np.uint16)[picture.labels])


def panoptic_ids(segments: Sequence[Segment]) -> list[int]:
    """An id for each segment, unique and near its category's colour, so that the PNG is good to look at."""
    ids: list[int] = []
    for segment in segments:
        red, green, blue = segment.category.color
        while (packed := red + 256 * green + 65536 * blue) in ids:
            red, green, blue = (red + 23) % 256, (green + 41) % 256, (blue + 11) % 256
        ids.append(packed)
    return ids


def write_semantic(folder: Path, shots: Sequence[NamedPicture]) -> None:
    """Colour masks."""
    write_images(folder, shots)
    write_taxonomy(folder / "taxonomy.yaml", unlabelled=[0, 0, 0])
    write_config(folder, coverage="exhaustive", overlap="forbid")
    for shot in shots:
        write_png(folder / "masks" / f"{shot.name}.png", colour_mask(shot.picture))


def write_instance_ids(folder: Path, shots: Sequence[NamedPicture], **more: object) -> None:
    """16-bit PNG with category x 1000 + instance; `more` goes into segdata.yaml."""
    write_images(folder, shots)
    write_taxonomy(folder / "taxonomy.yaml", unlabelled=0)
    write_config(
        folder,
        coverage="exhaustive",
        overlap="forbid",
        instance_ids={"divisor": DIVISOR, "background": 0, "void": _VOID_ID},
        **more,
    )
    for shot in shots:
        write_png(folder / "masks" / f"{shot.name}.png", _instance_id_mask(shot.picture))


def write_layers(folder: Path, shots: Sequence[NamedPicture]) -> None:
    """One binary mask for each category that an image shows."""
    write_images(folder, shots)
    write_taxonomy(folder / "taxonomy.yaml")
    write_config(
        folder, coverage="exhaustive", overlap="forbid", layers={"pattern": "{stem}_{category}.png", "threshold": 128}
    )
    for shot in shots:
        categories = np.array([0, *(segment.category.id for segment in shot.picture.segments)])[shot.picture.labels]
        for category in LEAVES:
            if (inside := categories == category.id).any():
                write_png(
                    folder / "masks" / f"{shot.name}_{category.name}.png", inside.astype(np.uint8) * np.uint8(255)
                )


def _coco_categories(categories: Iterable[Category]) -> list[Json]:
    """The categories as COCO panoptic writes them."""
    return [
        {
            "id": category.id, "name": category.name, "supercategory": category.parent or category.name,
            "color": list(category.color), "isthing": int(category.kind == "thing"),
        }
        for category in categories
    ]  # fmt: skip


def _coco_images(shots: Sequence[NamedPicture]) -> list[Json]:
    """The images of a COCO file, with ids 1, 2, ..."""
    return [
        {
            "id": number,
            "file_name": f"{shot.name}.jpg",
            "width": shot.picture.image.shape[1],
            "height": shot.picture.image.shape[0],
        }
        for number, shot in enumerate(shots, start=1)
    ]


def rle(mask: NDArray[np.bool_], compressed: bool = True) -> Json:
    """A mask as COCO RLE; the counts as a string, or as a list of integers."""
    if compressed:
        packed = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
        return {"size": [int(side) for side in packed["size"]], "counts": packed["counts"].decode("ascii")}
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.r_[0, changes, flat.size]).tolist()
    # COCO counts begin with background, so a set first pixel means a leading 0.
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


def segmentation(mask: NDArray[np.bool_], crowd: bool = False) -> Json | list[list[int]]:
    """Polygons if they can hold the mask, compressed RLE if it has holes, plain RLE for a crowd."""
    if crowd:
        return rle(mask, compressed=False)
    outlines = rings(mask)
    return outlines if len(outlines) == n_parts(mask) else rle(mask)


def _instances_document(shots: Sequence[NamedPicture]) -> Json:
    """The COCO instances file of the things in some pictures."""
    annotations: list[Json] = []
    for number, (_, picture) in enumerate(shots, start=1):
        for label, segment in enumerate(picture.segments, start=1):
            if segment.category.kind != "thing":
                continue
            mask = picture.mask(label)
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": number, "category_id": segment.category.id,
                    "segmentation": segmentation(mask, segment.crowd), "area": int(mask.sum()), "bbox": box_of(mask),
                    "iscrowd": int(segment.crowd),
                }
            )  # fmt: skip
    return {"images": _coco_images(shots), "annotations": annotations, "categories": _coco_categories(THINGS)}


def write_instances(folder: Path, shots: Sequence[NamedPicture]) -> None:
    """COCO instances: things only."""
    write_images(folder, shots)
    write_taxonomy(folder / "taxonomy.yaml", THINGS)
    write_config(folder, coverage="sparse", overlap="forbid")
    write_json(folder / "instances.json", _instances_document(shots))


def write_panoptic(folder: Path, shots: Sequence[NamedPicture], listed: Sequence[NamedPicture] = ()) -> None:
    """COCO panoptic: JSON and PNG; `listed` are all images, if some have no annotation."""
    listed = listed or shots
    numbers = {shot.name: number for number, shot in enumerate(listed, start=1)}
    write_images(folder, listed)
    write_taxonomy(folder / "taxonomy.yaml")
    write_config(folder, coverage="exhaustive", overlap="forbid")
    annotations = []
    for name, picture in shots:
        ids = panoptic_ids(picture.segments)
        write_png(folder / "panoptic" / f"{name}.png", packed_png(np.array([0, *ids])[picture.labels]))
        infos = [_segment_info(picture, label, number) for label, number in enumerate(ids, start=1)]
        annotations.append({"image_id": numbers[name], "file_name": f"{name}.png", "segments_info": infos})
    document = {"images": _coco_images(listed), "annotations": annotations, "categories": _coco_categories(LEAVES)}
    write_json(folder / "panoptic.json", document)


def _segment_info(picture: Picture, label: int, number: int) -> Json:
    mask, segment = picture.mask(label), picture.segments[label - 1]
    return {
        "id": number, "category_id": segment.category.id, "area": int(mask.sum()), "bbox": box_of(mask),
        "iscrowd": int(segment.crowd),
    }  # fmt: skip


def packed_png(ids: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Panoptic ids (h, w) as RGB (h, w, 3): id = R + 256 G + 65536 B."""
    return np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8)
