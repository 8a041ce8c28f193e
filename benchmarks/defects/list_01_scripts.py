"""Defects that merge scripts, label maps and resizing make, planted."""

# ruff: noqa: D103 - the decorator says what each function plants
import shutil
from collections import Counter
from collections.abc import Callable

import numpy as np
from PIL import Image

from benchmarks.defects import planting
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, json_defect

# What merge scripts do.


@json_defect("a COCO file joined with itself, new ids", "merge", "files", "coco", "gbm")
def doubled(content: Json, rng: np.random.Generator) -> None:
    content["annotations"] += [one | {"id": one["id"] + 10**9} for one in content["annotations"][:200]]


@json_defect("an image twice in the JSON, under two ids", "merge", "files", "coco", "gbm")
def image_twice(content: Json, rng: np.random.Generator) -> None:
    for image in content["images"][:3]:
        content["images"].append(image | {"id": image["id"] + 10**8})
    ids = {image["id"] for image in content["images"][:3]}
    content["annotations"] += [one | {"id": one["id"] + 10**9, "image_id": one["image_id"] + 10**8}
                               for one in content["annotations"] if one["image_id"] in ids]  # fmt: skip


@json_defect("a category under two spellings", "merge", "files", "coco", "taco")
def spelling(content: Json, rng: np.random.Generator) -> None:
    counts = Counter(one["category_id"] for one in content["annotations"])
    old = counts.most_common(1)[0][0]
    category = next(each for each in content["categories"] if each["id"] == old)
    content["categories"].append(category | {"id": 9999, "name": category["name"].replace(" ", "_").capitalize() + "s"})
    for one in content["annotations"][len(content["annotations"]) // 2 :]:
        one["category_id"] = 9999 if one["category_id"] == old else one["category_id"]


@json_defect("annotations of another set on images of this one", "merge", "files", "coco", "taco")
def foreign(content: Json, rng: np.random.Generator) -> None:
    ids = [image["id"] for image in content["images"]]
    rest = [one for one in content["annotations"] if rng.random() < 0.1]
    for one in rest:
        one["image_id"] = int(rng.choice(ids))


@annotation_defect("no polygons in a third of the annotations", "merge", "files", "coco", "gbm", every=3)
def no_polygons(one: Json) -> None:
    one["segmentation"] = []


@defect("category ids of the second half in another order", "merge", "pictures", "coco", "taco", "camvid")
def permuted(copy: Copy, rng: np.random.Generator) -> None:
    if copy.document is None:
        table = np.arange(256)
        table[:11] = np.roll(np.arange(11), 3)
        for path in copy.masks[len(copy.masks) // 2 :]:
            copy.put(path, table[copy.array(path)])
        return
    content = copy.load()
    ids = [category["id"] for category in content["categories"]]
    new = dict(zip(ids, rng.permutation(ids).tolist(), strict=True))
    for one in content["annotations"]:
        if one["image_id"] in planting.half(content):
            one["category_id"] = new[one["category_id"]]
    copy.save(content)


@json_defect("a category renamed in the second half", "label map", "files", "coco", "taco")
def renamed(content: Json, rng: np.random.Generator) -> None:
    old = Counter(one["category_id"] for one in content["annotations"]).most_common(1)[0][0]
    content["categories"].append({"id": 9999, "name": "human being", "supercategory": "x"})
    later = planting.half(content)
    for one in content["annotations"]:
        if one["image_id"] in later and one["category_id"] == old:
            one["category_id"] = 9999


@defect("a category no longer drawn in the second half", "label map", "files", "camvid", "camseq", "coco")
def dropped(copy: Copy, rng: np.random.Generator) -> None:
    if copy.document is not None:
        content = copy.load()
        old = Counter(one["category_id"] for one in content["annotations"]).most_common(1)[0][0]
        later = planting.half(content)
        content["annotations"] = [
            one for one in content["annotations"] if one["image_id"] not in later or one["category_id"] != old
        ]
        copy.save(content)
        return
    paths = copy.masks
    values = copy.array(paths[0])
    old, new = (8, 1) if values.ndim == 2 else ((64, 0, 128), (128, 0, 0))
    for path in paths[len(paths) // 2 :]:
        values = copy.array(path).copy()
        values[(values == old) if values.ndim == 2 else (values == old).all(-1)] = new
        copy.put(path, values)


@defect("void painted as the first category in half of the masks", "label map", "files", "camvid", "tissue")
def void_zero(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks[1::2]:
        values = copy.array(path).copy()
        values[values == (11 if copy.root.name == "camvid" else 255)] = 0
        copy.put(path, values)


@defect("two categories exchanged in one mask", "label map", "pictures", "camvid", "tissue")
def exchanged_ids(copy: Copy, rng: np.random.Generator) -> None:
    values = copy.array(copy.masks[3])
    a, b = (0, 3) if copy.root.name == "camvid" else (64, 255)
    copy.put(copy.masks[3], np.where(values == a, b, np.where(values == b, a, values)).astype(np.uint8))


# Wrong sizes and places.


@defect("images halved, labels not", "resize", "files", "coco", "ids")
def halved(copy: Copy, rng: np.random.Generator) -> None:
    folder = copy.root / ("train2017" if copy.document else "images")
    target = folder.resolve()
    folder.unlink()
    folder.mkdir()
    for path in sorted(target.iterdir()):
        with Image.open(path) as image:
            image.resize((image.width // 2, image.height // 2)).save(folder / path.name)


@json_defect("polygons and boxes at half the scale", "resize", "files", "coco", "gbm", "taco")
def half_scale(content: Json, rng: np.random.Generator) -> None:
    planting.map_points(content, lambda xy, image: xy / 2)
    planting.fit_boxes(content)


@json_defect("x scaled by 0.9, y not", "resize", "pictures", "coco", "gbm")
def squeezed(content: Json, rng: np.random.Generator) -> None:
    planting.map_points(content, lambda xy, image: xy * [0.9, 1])
    planting.fit_boxes(content)


@json_defect("all polygons and boxes 40 px lower", "resize", "pictures", "coco", "gbm")
def letterbox(content: Json, rng: np.random.Generator) -> None:
    planting.map_points(
        content, lambda xy, image: np.minimum(xy + np.array([0, 40]), [image["width"], image["height"]])
    )
    planting.fit_boxes(content)


@json_defect("all polygons and boxes mirrored", "resize", "pictures", "coco", "gbm")
def mirrored_polygons(content: Json, rng: np.random.Generator) -> None:
    planting.map_points(content, lambda xy, image: [image["width"], 0] + xy * [-1, 1])
    planting.fit_boxes(content)


@json_defect("all polygons 1 px off, boxes not", "off by one", "files", "coco", "gbm", "taco")
def one_off(content: Json, rng: np.random.Generator) -> None:
    planting.map_points(content, lambda xy, image: xy + 1)


def rewrite_yolo(copy: Copy, change: Callable[[int, Array], tuple[int, Array]]) -> None:
    """Change class and points of each row of the training labels."""
    for path in sorted((copy.root / "train/labels").glob("*.txt")):
        rows = []
        for line in path.read_text().splitlines():
            first, *rest = line.split()
            kind, xy = change(int(first), np.array(rest, float).reshape(-1, 2))
            rows.append(" ".join([str(kind), *(f"{value:.6f}" for value in xy.reshape(-1))]))
        path.unlink()
        path.write_text("\n".join(rows))


@defect("YOLO classes from 1", "off by one", "files", "yolo")
def yolo_classes(copy: Copy, rng: np.random.Generator) -> None:
    rewrite_yolo(copy, lambda kind, xy: (kind + 1, xy))


@defect("YOLO coordinates in pixels", "exporter", "files", "yolo")
def yolo_pixels(copy: Copy, rng: np.random.Generator) -> None:
    rewrite_yolo(copy, lambda kind, xy: (kind, xy * 640))


@defect("YOLO coordinates clipped at 0.5", "resize", "files", "yolo")
def yolo_clipped(copy: Copy, rng: np.random.Generator) -> None:
    rewrite_yolo(copy, lambda kind, xy: (kind, np.minimum(xy, 0.5)))


@defect("YOLO boxes among outlines", "exporter", "files", "yolo")
def yolo_boxes(copy: Copy, rng: np.random.Generator) -> None:
    path = sorted((copy.root / "train/labels").glob("*.txt"))[2]
    rows = [np.array(line.split()[1:], float).reshape(-1, 2) for line in path.read_text().splitlines()]
    path.unlink()
    boxes = [[*(r.min(0) + r.max(0)) / 2, *np.ptp(r, axis=0)] for r in rows]
    path.write_text("\n".join("0 " + " ".join(f"{value:.6f}" for value in box) for box in boxes))


@defect("an image of train also in valid", "merge", "files", "yolo")
def leak(copy: Copy, rng: np.random.Generator) -> None:
    image = sorted((copy.root / "train/images").iterdir())[0]
    label = copy.root / "train/labels" / f"{image.stem}.txt"
    with Image.open(image) as picture:
        picture.resize((picture.width * 9 // 10, picture.height * 9 // 10)).save(
            copy.root / "valid/images/new.jpg", quality=80
        )
    shutil.copy(label, copy.root / "valid/labels/new.txt")
