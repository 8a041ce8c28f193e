"""A twelfth list of defects, committed before any was tried: what teams and their scripts do wrong in one batch.

As in the lists before, the docstring of each function is what the owner of the dataset would expect to be told.
"""

import json
import shutil
from typing import Any

import cv2
import numpy as np
from PIL import Image

from benchmarks.defects import planting
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, json_defect

# Merged exports, and categories.


@json_defect("two exports in one list, whose images are both numbered from 1", "merge", "files", "coco", "taco")
def numbered_twice(content: Json, rng: np.random.Generator) -> None:
    """Two images have each id, so that annotations belong to either."""
    n = (len(content["images"]) + 1) // 2
    new = {image["id"]: number % n + 1 for number, image in enumerate(content["images"])}
    for image in content["images"]:
        image["id"] = new[image["id"]]
    for one in content["annotations"]:
        one["image_id"] = new[one["image_id"]]


@json_defect("numbers of a list without gaps, where the list of categories has gaps", "label map", "files", "coco")
def without_gaps(content: Json, rng: np.random.Generator) -> None:
    """Category ids are 1 to 80, in the order of a list whose own ids go up to 90 and leave ten out."""
    ids = sorted(category["id"] for category in content["categories"])
    for one in content["annotations"]:
        one["category_id"] = ids.index(one["category_id"]) + 1


def _second_names(copy: Copy, change: Any, most: int = 3) -> None:  # Any: changes a name
    """The most frequent categories have a second name in the second half of the images."""
    content = copy.load()
    ids = [image["id"] for image in content["images"]]
    behind = set(ids[len(ids) // 2 :])
    used = [one["category_id"] for one in content["annotations"]]
    several = [
        category
        for category in sorted(content["categories"], key=lambda each: -used.count(each["id"]))
        if change(category["name"]) != category["name"]
    ]
    for number, category in enumerate(several[:most]):
        second = 5000 + number
        content["categories"].append(category | {"id": second, "name": change(category["name"])})
        for one in content["annotations"]:
            if one["category_id"] == category["id"] and one["image_id"] in behind:
                one["category_id"] = second
    copy.save(content)


@defect("words of a category's name in another order in the second half", "merge", "files", "coco", "taco")
def other_order(copy: Copy, rng: np.random.Generator) -> None:
    """Two categories have the same words: "plastic bag", "bag, plastic"."""

    def turned(name: str) -> str:
        words = name.split()
        return f"{words[-1]}, {' '.join(words[:-1])}" if len(words) > 1 else name

    _second_names(copy, turned)


@defect("letters of another alphabet in a category's name in the second half", "annotator", "files", "coco", "taco")
def other_alphabet(copy: Copy, rng: np.random.Generator) -> None:
    """Two names look the same: a letter of one is Cyrillic."""
    _second_names(copy, lambda name: name.replace("c", "\u0441", 1).replace("a", "\u0430", 1))


@defect("names read in another encoding: Ã© for é", "exporter", "files", "coco", "labelme")
def other_encoding(copy: Copy, rng: np.random.Generator) -> None:
    """Names of categories have two or three wrong letters in place of one: they were UTF-8, read as Latin-1."""

    def change(name: str) -> str:
        return name.replace("e", "\u00e9").encode().decode("cp1252")

    if copy.document:
        content = copy.load()
        for category in content["categories"]:
            category["name"] = change(category["name"])
        copy.save(content)
    else:
        copy.change_documents(lambda one: [shape.update(label=change(shape["label"])) for shape in one["shapes"]])


@defect("categories called NAME_copy and NAME_old", "annotator", "files", "coco", "labelme")
def copied_names(copy: Copy, rng: np.random.Generator) -> None:
    """A name that a tool gave to a copy, and one from before a class was split, are categories beside their own."""
    if copy.document:
        content = copy.load()
        used = [one["category_id"] for one in content["annotations"]]
        first, second, *_ = sorted(content["categories"], key=lambda each: -used.count(each["id"]))
        for number, (category, suffix) in enumerate(((first, "_copy"), (second, "_old"))):
            content["categories"].append(category | {"id": 6000 + number, "name": category["name"] + suffix})
            own = [one for one in content["annotations"] if one["category_id"] == category["id"]]
            for one in planting.some(own, rng, 6):
                one["category_id"] = 6000 + number
        copy.save(content)
    else:

        def change(one: Json) -> None:
            for shape in one["shapes"][1::2]:
                shape["label"] += "_copy"

        copy.change_documents(change)


@defect("numbers of classes in place of their names in half of the files", "merge", "files", "labelme", "kudzu")
def numbers_for_names(copy: Copy, rng: np.random.Generator) -> None:
    """Some labels are numbers, others names."""
    if (copy.root / "train").is_dir():

        def renumber(one: Json) -> None:
            for entry in list(one.values())[::2]:
                for region in entry["regions"]:
                    region["region_attributes"] = dict.fromkeys(region["region_attributes"], "0")

        copy.change_documents(renumber, "*/*.json")
        return
    names: dict[str, int] = {}
    for number, path in enumerate(sorted(copy.root.glob("*.json"))):
        content = json.loads(path.read_text())
        for shape in content["shapes"]:
            index = names.setdefault(shape["label"], len(names))
            shape["label"] = str(index) if number % 2 else shape["label"]
        path.write_text(json.dumps(content))


@defect("classes counted from 1 in the label files of one batch", "merge", "files", "yolo", "beach")
def batch_from_one(copy: Copy, rng: np.random.Generator) -> None:
    """A third of the label files count classes from 1, the others from 0."""
    for path in sorted(copy.root.rglob("labels/**/*.txt"))[::3]:
        rows = [row.split(" ", 1) for row in path.read_text().splitlines() if row.strip()]
        path.write_text("".join(f"{int(name) + 1} {rest}\n" for name, rest in rows))


@defect("a class dropped, and the numbers above it moved down, in half of the masks", "label map", "files", "camvid")
def moved_down(copy: Copy, rng: np.random.Generator) -> None:
    """In half of the masks the classes from tree on have the number before their own, and nothing has the last."""
    for path in copy.masks[::2]:
        values = copy.array(path)
        copy.put(path, np.where((values >= 5) & (values < 11), values - 1, values))


# Coordinates.


@annotation_defect("boxes with a margin of a tenth, as for crops", "exporter", "files", "coco", "gbm")
def wide_boxes(one: Json) -> None:
    """Boxes are a tenth of their side wider on each side than what they hold."""
    x, y, width, height = one["bbox"]
    one["bbox"] = [x - width / 10, y - height / 10, width * 1.2, height * 1.2]


@json_defect("all x before all y", "exporter", "files", "coco", "gbm")
def columns_of_points(content: Json, rng: np.random.Generator) -> None:
    """Outlines are lists of all x and then all y."""
    planting.map_points(content, lambda ring, _: ring.T.reshape(-1, 2))


@defect("all x before all y", "exporter", "files", "yolo")
def columns_of_shares(copy: Copy, rng: np.random.Generator) -> None:
    """Outlines are lists of all x and then all y."""

    def change(line: str) -> str:
        name, *values = line.split()
        return " ".join([name, *values[::2], *values[1::2]])

    copy.change_lines(change)


@json_defect("outlines that begin with the y of their first point", "exporter", "files", "coco", "gbm")
def one_value_late(content: Json, rng: np.random.Generator) -> None:
    """A slice begins one value too late: x and y of all points are exchanged and of two points."""
    planting.map_points(content, lambda ring, _: np.roll(ring.reshape(-1), -1)[:-2].reshape(-1, 2))


@json_defect("outlines filled up with -1 to one length", "exporter", "files", "coco", "gbm")
def filled_up(content: Json, rng: np.random.Generator) -> None:
    """All outlines have as many points as the longest, the last of which are -1, -1: take these away."""
    longest = max(len(ring) for one in content["annotations"] for ring in planting.points(one))

    def change(ring: Array, _: Json) -> Array:
        return np.concatenate([ring, np.full((longest // 2 - len(ring), 2), -1.0)])

    planting.map_points(content, change)


@json_defect("both sides of a drawn line as two objects", "exporter", "files", "coco", "gbm")
def both_sides(content: Json, rng: np.random.Generator) -> None:
    """Contours were taken of drawn outlines: each object is there twice, once some pixels smaller than once."""
    images = {image["id"]: image for image in content["images"]}
    chosen = {image["id"] for image in content["images"][::3]}
    more: list[Json] = []
    for one in content["annotations"]:
        rings = list(planting.points(one))
        if one["image_id"] in chosen and len(rings) == 1 and one["area"] > 600:
            drawn = planting.draw_rings(rings, images[one["image_id"]]["width"], images[one["image_id"]]["height"])
            inner = cv2.erode(drawn, np.ones((7, 7), np.uint8))
            found, _ = cv2.findContours(inner, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            if found:
                ring = max(found, key=len).reshape(-1).astype(float).tolist()
                more.append(one | {"id": 10**8 + len(more), "segmentation": [ring]})
    content["annotations"] += more
    planting.fit_boxes(content)


@defect("shares of y of the width, of x of the height", "exporter", "pictures", "yolo", "beach")
def other_side(copy: Copy, rng: np.random.Generator) -> None:
    """Width and height were exchanged when shares were computed."""
    with Image.open(next(path for path in sorted(copy.root.rglob("images/**/*.*")) if path.is_file())) as image:
        width, height = image.size

    def change(line: str) -> str:
        name, *values = line.split()
        shares = np.array(values, float).reshape(-1, 2) * [width / height, height / width]
        return " ".join([name, *(f"{value:.6f}" for value in shares.reshape(-1))])

    copy.change_lines(change)


@json_defect("labels of one batch as much too low as a tool's bar is high", "annotator", "pictures", "gbm")
def bar_high(content: Json, rng: np.random.Generator) -> None:
    """In a third of the images all labels are 24 px too low."""
    chosen = {image["id"] for image in content["images"][::3]}
    planting.map_points(content, lambda ring, _: ring + np.array([0, 24]), lambda one: one["image_id"] in chosen)
    planting.fit_boxes(content)


@defect("labels of one batch as much too low as a tool's bar is high", "annotator", "pictures", "camvid")
def bar_high_masks(copy: Copy, rng: np.random.Generator) -> None:
    """In a third of the masks all labels are 24 px too low."""
    for path in copy.masks[::3]:
        values = copy.array(path)
        new = np.full_like(values, 11)
        new[24:] = values[:-24]
        copy.put(path, new)


@defect("pictures that a script turned upright, their labels not", "resize", "pictures", "coco", "gbm")
def turned_pictures(copy: Copy, rng: np.random.Generator) -> None:
    """Six pictures were turned by 90 degrees after they had been labelled."""
    content = copy.load()
    (linked,) = (path for path in copy.root.iterdir() if path.is_symlink())
    source = linked.resolve()
    linked.unlink()
    shutil.copytree(source, linked)
    for image in content["images"][::6][:6]:
        path = linked / image["file_name"].rpartition("/")[2]
        with Image.open(path) as picture:
            turned = picture.transpose(Image.Transpose.ROTATE_90)
        turned.save(path)


@json_defect("void, which is 0, listed as a segment", "exporter", "files", "panoptic")
def void_listed(content: Json, rng: np.random.Generator) -> None:
    """The segments of each image begin with one of id 0, the void of the PNGs, under the first category."""
    for one in content["annotations"]:
        first = {"id": 0, "category_id": content["categories"][0]["id"], "iscrowd": 0, "bbox": [0, 0, 9, 9], "area": 81}
        one["segments_info"].insert(0, first)


# Masks, tables, videos, volumes.


@defect("the background has the number 1 in some masks of objects", "exporter", "files", "ids")
def first_is_ground(copy: Copy, rng: np.random.Generator) -> None:
    """In these masks the background is object 1, and the objects follow."""
    for path in copy.masks[::4]:
        copy.put(path, copy.array(path) + np.uint16(1))


@defect("masks cut to the part that has labels", "exporter", "files", "ids", "osvos")
def trimmed(copy: Copy, rng: np.random.Generator) -> None:
    """Some masks end where their labels end, and are smaller than their images."""
    for path in copy.masks[2::6]:
        values = copy.array(path)
        rows, columns = np.flatnonzero(values.any(1)), np.flatnonzero(values.any(0))
        if len(rows):
            copy.put(path, np.ascontiguousarray(values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]))


@defect("masks of the field of view in place of vessels", "merge", "files", "vessels")
def field_of_view(copy: Copy, rng: np.random.Generator) -> None:
    """Two masks are those of the eye's disk, from the folder beside."""
    for path in copy.masks[1:8:5]:
        shutil.copy(copy.root / "mask" / f"{path.name[:2]}_test_mask.gif", path)


@defect("one column of a table sorted alone", "merge", "pictures", "sheet")
def sorted_column(copy: Copy, rng: np.random.Generator) -> None:
    """The runs are sorted, what stands beside them is not: runs of all images are at other images."""
    path = copy.root / "train.csv"
    head, *rows = path.read_text().splitlines()
    cells = [row.split(",") for row in rows]
    runs = sorted((row[1] for row in cells), key=lambda each: (len(each), each))
    path.write_text(
        "\n".join([head, *(",".join([row[0], own, *row[2:]]) for row, own in zip(cells, runs, strict=True))]) + "\n"
    )


@defect("two tracks under one id from the middle on", "tracker", "files", "osvos", "rvos")
def one_of_two(copy: Copy, rng: np.random.Generator) -> None:
    """From frame 12 on the second object has the id of the first."""
    for path in copy.frames()[12:]:
        values = copy.array(path)
        copy.put(path, np.where(values == 2, 1, values))


def _in_corner(values: Array) -> Array:
    """Half as wide and high, at the origin."""
    new = np.zeros_like(values)
    small = values[::2, ::2]
    new[: small.shape[0], : small.shape[1]] = small
    return new


@defect("labels of a scan at half the resolution, in its corner", "resize", "files", "spleen", "organs")
def half_scan(copy: Copy, rng: np.random.Generator) -> None:
    """The labels are half as wide and high as the organ, and nearer to the origin."""
    if (copy.root / "imagesTr").is_dir():
        for number in (2, 7):
            copy.change_case(number, lambda values, is_label: _in_corner(values) if is_label else values)
    else:
        copy.change_volume(_in_corner)


@defect("rows and columns exchanged in a volume of labels", "exporter", "pictures", "spleen", "organs")
def turned_labels(copy: Copy, rng: np.random.Generator) -> None:
    """Rows and columns of the labels are exchanged, and the header is that of the scan."""

    def change(values: Array, is_label: bool = True) -> Array:
        side = min(values.shape[:2])
        new = values.copy()
        new[:side, :side] = values[:side, :side].swapaxes(0, 1)
        return new if is_label else values

    if (copy.root / "imagesTr").is_dir():
        for number in (2, 7):
            copy.change_case(number, change)
    else:
        copy.change_volume(change)
