"""A thirteenth list of defects, committed before any was tried: parts of a set that a script or a person changed.

As in the lists before, the docstring of each function is what the owner of the dataset would expect to be told.
"""

import json
from typing import Any

import cv2
import numpy as np

from benchmarks.defects import planting
from benchmarks.defects.planting import Array, Copy, Json, defect, json_defect

# Polygons.


@json_defect("labels of every fifth picture mirrored", "augmentation", "pictures", "coco", "gbm")
def every_fifth_mirrored(content: Json, rng: np.random.Generator) -> None:
    """In these pictures the labels are mirrored left to right."""
    ids = {image["id"] for image in content["images"][::5]}
    planting.map_points(
        content,
        lambda rows, image: rows * (-1, 1) + (image["width"], 0),
        lambda annotation: annotation["image_id"] in ids,
    )
    planting.fit_boxes(content)


@json_defect("polygons reduced to a third of their points", "exporter", "nothing", "coco", "taco")
def thinned(content: Json, rng: np.random.Generator) -> None:
    """Outlines of the second half have a third of the points, and cut corners."""
    behind = planting.half(content)
    planting.map_points(
        content, lambda rows, _: rows[::3] if len(rows) >= 12 else rows, lambda one: one["image_id"] in behind
    )
    planting.fit_boxes(content)


@json_defect("points rounded to multiples of 8", "exporter", "files", "coco", "taco", "gbm")
def coarse_grid(content: Json, rng: np.random.Generator) -> None:
    """All points lie on a grid of 8 pixels."""
    planting.map_points(content, lambda rows, _: np.round(rows / 8) * 8)
    planting.fit_boxes(content)


@json_defect("one category left out in every third image", "annotator", "files", "coco", "taco")
def category_left_out(content: Json, rng: np.random.Generator) -> None:
    """The most frequent category has no objects in a third of the images."""
    used = [one["category_id"] for one in content["annotations"]]
    most = max(set(used), key=used.count)
    ids = {image["id"] for image in content["images"][::3]}
    content["annotations"] = [
        one for one in content["annotations"] if one["category_id"] != most or one["image_id"] not in ids
    ]


@json_defect("all objects of an image in one annotation", "exporter", "files", "coco", "gbm")
def merged_annotation(content: Json, rng: np.random.Generator) -> None:
    """In four images the objects of a category are the parts of one annotation."""
    ids = {image["id"] for image in content["images"][3::10]}
    first: dict[tuple[int, int], Json] = {}
    kept = []
    for one in content["annotations"]:
        if one["image_id"] not in ids or one["iscrowd"] or not isinstance(one["segmentation"], list):
            kept.append(one)
            continue
        key = one["image_id"], one["category_id"]
        if key in first:
            first[key]["segmentation"] += one["segmentation"]
        else:
            first[key] = one
            kept.append(one)
    content["annotations"] = kept
    planting.fit_boxes(content)


@json_defect("labels of one image also at the next, beside its own", "merge", "pictures", "coco", "gbm")
def added_to_next(content: Json, rng: np.random.Generator) -> None:
    """Three images have the objects of the image before them too."""
    images = content["images"]
    more = []
    for place in (5, 15, 25):
        for one in content["annotations"]:
            if one["image_id"] == images[place]["id"] and isinstance(one["segmentation"], list):
                more.append(one | {"image_id": images[place + 1]["id"]})
    planting.add_annotations(content, more)


@json_defect("images and labels sorted apart in the last quarter", "merge", "pictures", "coco", "gbm")
def sorted_apart(content: Json, rng: np.random.Generator) -> None:
    """From some image on each has the labels of the next one."""
    ids = [image["id"] for image in content["images"]]
    behind = ids[3 * len(ids) // 4 :]
    following = dict(zip(behind, [*behind[1:], behind[0]], strict=True))
    for one in content["annotations"]:
        one["image_id"] = following.get(one["image_id"], one["image_id"])


@json_defect("category ids one higher in the second half of the images", "label map", "pictures", "coco", "taco")
def one_higher(content: Json, rng: np.random.Generator) -> None:
    """In the second half each object has the category that follows its own in the list."""
    behind = planting.half(content)
    ids = sorted(category["id"] for category in content["categories"])
    following = dict(zip(ids, [*ids[1:], ids[0]], strict=True))
    for one in content["annotations"]:
        if one["image_id"] in behind:
            one["category_id"] = following[one["category_id"]]


# Masks of classes and of objects.


def _every(copy: Copy, start: int, step: int, change: Any) -> None:  # Any: changes an array
    for path in copy.masks[start::step]:
        copy.put(path, change(copy.array(path)))


@defect("every other row of some masks empty", "exporter", "files", "camvid", "ids", "osvos")
def interlaced(copy: Copy, rng: np.random.Generator) -> None:
    """Some masks have every other row as background: they were read from interlaced frames."""

    def change(values: Array) -> Array:
        new = values.copy()
        new[1::2] = 0
        return new

    _every(copy, 2, 9, change)


@defect("the two fields of a frame apart by four pixels", "exporter", "files", "camvid", "ids")
def fields_apart(copy: Copy, rng: np.random.Generator) -> None:
    """Odd rows of some masks are four pixels to the right: outlines are combs."""

    def change(values: Array) -> Array:
        new = values.copy()
        new[1::2, 4:] = values[1::2, :-4]
        return new

    _every(copy, 1, 9, change)


@defect("all values of one mask one higher", "label map", "files", "camvid", "camseq")
def one_mask_higher(copy: Copy, rng: np.random.Generator) -> None:
    """In one mask of many each class has the number of the next."""
    path = copy.masks[4]
    values = copy.array(path)
    if values.ndim == 3:
        colours = np.unique(np.concatenate([copy.array(one).reshape(-1, 3) for one in copy.masks]), axis=0)
        code = (values.astype(np.int64) @ (65536, 256, 1))[..., None] == colours.astype(np.int64) @ (65536, 256, 1)
        copy.put(path, np.roll(colours, -1, axis=0)[code.argmax(-1)].astype(np.uint8))
    else:
        copy.put(path, np.minimum(values + 1, 11))


@defect("masks of another split's images of the same size", "merge", "pictures", "camvid")
def other_split(copy: Copy, rng: np.random.Generator) -> None:
    """Three masks of val have the content of masks of train."""
    train, val = (sorted(copy.root.glob(f"{name}annot/*.png")) for name in ("train", "val"))
    for source, target in zip(train[:3], val[:3], strict=False):
        copy.put(target, copy.array(source))


@defect("masks of one half 3 px thinner", "annotator", "nothing", "ids", "camvid")
def thinner(copy: Copy, rng: np.random.Generator) -> None:
    """Objects of the second half are 3 pixels thinner all around."""

    def change(values: Array) -> Array:
        new = np.zeros_like(values)
        for value in np.unique(values[values > 0]).tolist():
            new[cv2.erode((values == value).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0] = value
        return new

    _every(copy, len(copy.masks) // 2, 1, change)


@defect("things painted over by the stuff behind them", "exporter", "pictures", "camvid", "camseq")
def painted_over(copy: Copy, rng: np.random.Generator) -> None:
    """In every fourth mask cars are road: the order of painting was turned around."""
    for path in copy.masks[::4]:
        values = copy.array(path)
        if values.ndim == 3:
            values[(values == (64, 0, 128)).all(-1)] = (128, 64, 128)
        else:
            values[values == 8] = 3
        copy.put(path, values)


@defect("the upper half of some masks from the mask before", "exporter", "pictures", "camvid", "ids", "osvos")
def half_of_another(copy: Copy, rng: np.random.Generator) -> None:
    """A buffer was not emptied: the upper half of some masks is that of the mask before."""
    paths = copy.masks
    for place in range(3, len(paths), 10):
        values, before = copy.array(paths[place]), copy.array(paths[place - 1])
        if values.shape == before.shape:
            rows = len(values) // 2
            copy.put(paths[place], np.concatenate([before[:rows], values[rows:]]))


@defect("masks cut off below, the rest zero", "exporter", "files", "camvid", "ids", "rvos")
def cut_below(copy: Copy, rng: np.random.Generator) -> None:
    """The last third of some masks is empty: writing was interrupted."""

    def change(values: Array) -> Array:
        new = values.copy()
        new[2 * len(new) // 3 :] = 0
        return new

    _every(copy, 2, 8, change)


@defect("ids of objects modulo 256", "exporter", "nothing", "ids")
def wrapped(copy: Copy, rng: np.random.Generator) -> None:
    """Objects 257 and on have the ids of the first ones: two objects far apart are one."""

    def change(values: Array) -> Array:
        count = int(values.max())
        return np.where(values > count // 2, values - count // 2, values).astype(values.dtype)

    _every(copy, 0, 2, change)


@defect("salt and pepper in one mask of many", "exporter", "files", "camvid", "osvos")
def noisy_mask(copy: Copy, rng: np.random.Generator) -> None:
    """One mask has single pixels of other values all over."""
    path = copy.masks[7]
    values = copy.array(path)
    spots = rng.random(values.shape) < 0.02
    values[spots] = rng.choice(np.unique(values), int(spots.sum()))
    copy.put(path, values)


@defect("a frame's labels twice as far to the right", "tracker", "files", "osvos", "rvos")
def stretched_frame(copy: Copy, rng: np.random.Generator) -> None:
    """Frame 10 is stretched across by a factor of two, about its left side."""
    path = copy.frames()[10]
    values = copy.array(path)
    copy.put(path, np.repeat(values, 2, axis=1)[:, : values.shape[1]])


# Lists and tables.


@defect("class column one too high in one label file of several", "label map", "files", "yolo")
def one_file_higher(copy: Copy, rng: np.random.Generator) -> None:
    """One file has class 1, which the list of names does not have."""
    path = sorted(copy.root.rglob("labels/**/*.txt"))[3]
    lines = path.read_text().splitlines()
    path.write_text("\n".join(" ".join(["1", *line.split()[1:]]) for line in lines if line.strip()))


@defect("x and y exchanged in some label files", "exporter", "pictures", "yolo")
def exchanged_some(copy: Copy, rng: np.random.Generator) -> None:
    """In every fourth file x and y are exchanged."""
    for path in sorted(copy.root.rglob("labels/**/*.txt"))[::4]:
        lines = []
        for line in path.read_text().splitlines():
            head, *numbers = line.split()
            turned = [number for x, y in zip(numbers[::2], numbers[1::2], strict=True) for number in (y, x)]
            lines.append(" ".join([head, *turned]))
        path.write_text("\n".join(lines))


@defect("coordinates with a comma for the decimal point", "exporter", "files", "yolo")
def decimal_comma(copy: Copy, rng: np.random.Generator) -> None:
    """Numbers are written as 0,5."""
    copy.change_lines(lambda line: line.replace(".", ","))


@defect("labels of one image for two names", "annotator", "files", "labelme")
def second_name(copy: Copy, rng: np.random.Generator) -> None:
    """In one file all shapes have the label that only other pictures should have."""
    path = sorted(copy.root.rglob("*.json"))[1]
    content = json.loads(path.read_text())
    for shape in content["shapes"]:
        shape["label"] = "object"
    path.write_text(json.dumps(content))


@json_defect("pixels of segments that the list gives to another", "exporter", "files", "panoptic")
def list_rotated(content: Json, rng: np.random.Generator) -> None:
    """The ids in the list of one image are moved by one: each segment has the category, box and area of another."""
    several = content["annotations"][0]["segments_info"]
    ids = [one["id"] for one in several]
    for one, id_ in zip(several, [*ids[1:], ids[0]], strict=True):
        one["id"] = id_


@defect("vessels of the other eye's picture", "merge", "pictures", "vessels")
def other_eye(copy: Copy, rng: np.random.Generator) -> None:
    """Two masks are exchanged."""
    planting.exchange_files(copy.masks[2], copy.masks[6])
