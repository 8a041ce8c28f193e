"""Defects that annotators and exporters make, planted."""

# ruff: noqa: D103 - the decorator says what each function plants
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmarks.defects import planting
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, json_defect

# What annotators do.


@json_defect("an object outlined twice, 1 px apart", "annotator", "files", "coco", "gbm")
def twice(content: Json, rng: np.random.Generator) -> None:
    for number, one in enumerate(
        planting.some([a for a in content["annotations"] if a["area"] > 400 and list(planting.points(a))], rng, 2)
    ):
        ring = (np.array(next(planting.points(one))).reshape(-1, 2) + rng.uniform(-1, 1, 2)).reshape(-1).tolist()
        content["annotations"].append(one | {"id": 10**8 + number, "segmentation": [ring]})
    planting.fit_boxes(content)


@json_defect("a point of an outline dragged far away", "annotator", "files", "coco", "gbm")
def spike(content: Json, rng: np.random.Generator) -> None:
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    for one in planting.some(
        [a for a in content["annotations"] if 400 < a["area"] < 9000 and list(planting.points(a))], rng, 2
    ):
        ring = one["segmentation"][0]
        width, height = sizes[one["image_id"]]
        ring[4], ring[5] = (width - 10 if ring[4] < width / 2 else 10), (height - 10 if ring[5] < height / 2 else 10)
    planting.fit_boxes(content)


@json_defect("the points of an outline in a wrong order", "annotator", "files", "coco", "gbm")
def scrambled(content: Json, rng: np.random.Generator) -> None:
    for one in planting.some(
        [a for a in content["annotations"] if a["area"] > 400 and any(len(r) >= 24 for r in planting.points(a))], rng, 2
    ):
        for ring in planting.points(one):
            corners = np.array(ring).reshape(-1, 2)
            ring[:] = corners[rng.permutation(len(corners))].reshape(-1).tolist()
    planting.fit_boxes(content)


@json_defect("an outline of three accidental clicks", "annotator", "files", "coco", "gbm")
def clicks(content: Json, rng: np.random.Generator) -> None:
    one = planting.some([a for a in content["annotations"] if list(planting.points(a))], rng, 1)[0]
    x, y = one["bbox"][:2]
    content["annotations"].append(one | {"id": 10**8, "segmentation": [[x + 5, y + 5, x + 7, y + 5, x + 6, y + 6]]})
    planting.fit_boxes(content)


@json_defect("boxes instead of outlines in a tenth of the images", "annotator", "files", "coco", "gbm")
def boxes(content: Json, rng: np.random.Generator) -> None:
    ids = set(planting.some([image["id"] for image in content["images"]], rng, len(content["images"]) // 10))
    for one in content["annotations"]:
        if one["image_id"] in ids and list(planting.points(one)):
            x, y, w, h = one["bbox"]
            one["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    planting.fit_boxes(content)


@json_defect("snapped to a grid of 8 px in half of the images", "annotator", "files", "coco", "gbm")
def snapped(content: Json, rng: np.random.Generator) -> None:
    planting.map_points(
        content, lambda xy, image: np.round(xy / 8) * 8, planting.of_images(content, planting.half(content))
    )
    planting.fit_boxes(content)


@json_defect("outlines 3 px too wide in half of the images", "annotator", "files", "coco", "gbm")
def wide(content: Json, rng: np.random.Generator) -> None:

    def grow(xy: Array, image: Json) -> Array:
        centre = xy.mean(0)
        away = xy - centre
        moved: Array = xy + 3 * away / np.maximum(np.hypot(*away.T)[:, None], 1e-9)
        return moved

    planting.map_points(content, grow, planting.of_images(content, planting.half(content)))
    planting.fit_boxes(content)


@json_defect("the labels of one image also on the next", "annotator", "files", "coco", "gbm")
def left_over(content: Json, rng: np.random.Generator) -> None:
    counts = Counter(a["image_id"] for a in content["annotations"] if list(planting.points(a)))
    ids = [image["id"] for image in content["images"] if counts[image["id"]] > 2]
    a, b = planting.some(ids, rng, 2)
    kept = [one for one in content["annotations"] if one["image_id"] != b]
    copies = [one | {"id": 10**8 + k, "image_id": b} for k, one in enumerate(x for x in kept if x["image_id"] == a)]
    content["annotations"] = kept + copies


@json_defect("the labels of two images exchanged", "annotator", "pictures", "coco", "gbm")
def exchanged(content: Json, rng: np.random.Generator) -> None:
    counts = Counter(a["image_id"] for a in content["annotations"])
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    ids = [id_ for id_ in sizes if counts[id_] > 2]
    a, b = planting.some([(a, b) for a in ids for b in ids if a < b and sizes[a] == sizes[b]], rng, 1)[0]
    for one in content["annotations"]:
        one["image_id"] = {a: b, b: a}.get(one["image_id"], one["image_id"])


@json_defect("two objects far apart under one id", "annotator", "files", "coco", "gbm")
def joined(content: Json, rng: np.random.Generator) -> None:
    by_image: dict[tuple[int, int], list[Json]] = {}
    for one in content["annotations"]:
        if list(planting.points(one)) and one["area"] > 300:
            by_image.setdefault((one["image_id"], one["category_id"]), []).append(one)
    a, b = planting.some(
        planting.some([several for several in by_image.values() if len(several) > 2], rng, 1)[0], rng, 2
    )
    a["segmentation"] = [*planting.points(a), *planting.points(b)]
    content["annotations"].remove(b)
    planting.fit_boxes(content)


@json_defect("single objects marked as crowd", "annotator", "files", "coco")
def crowds(content: Json, rng: np.random.Generator) -> None:
    for one in planting.some([a for a in content["annotations"] if list(planting.points(a))], rng, 5):
        one["iscrowd"] = 1


MASKS = ("camvid", "camseq", "tissue")


def paint(copy: Copy, path: Path, where: NDArray[np.bool_], like: tuple[int, int]) -> None:
    """Give pixels the value of another."""
    values = copy.array(path).copy()
    values[where] = values[like]
    copy.put(path, values)


@defect("a whole mask filled with one class", "annotator", "files", *MASKS)
def filled(copy: Copy, rng: np.random.Generator) -> None:
    path = planting.some(copy.masks, rng, 1)[0]
    values = copy.array(path)
    paint(copy, path, np.ones(values.shape[:2], bool), (values.shape[0] // 2, values.shape[1] // 2))


@defect("a fill that leaks over a third of the image", "annotator", "pictures", *MASKS)
def leaked(copy: Copy, rng: np.random.Generator) -> None:
    path = planting.some(copy.masks, rng, 1)[0]
    values = copy.array(path)
    where = np.zeros(values.shape[:2], bool)
    where[values.shape[0] // 3 : 2 * values.shape[0] // 3] = True
    paint(copy, path, where, (values.shape[0] // 2, values.shape[1] // 3))


@defect("only the brush's rim of an object, not filled", "annotator", "files", "osvos", "ids")
def hollow(copy: Copy, rng: np.random.Generator) -> None:
    from scipy.ndimage import binary_erosion

    path = copy.masks[len(copy.masks) // 4]
    values = copy.array(path).copy()
    ids, counts = np.unique(values[values > 0], return_counts=True)
    big = values == ids[counts.argmax()]
    values[binary_erosion(big, iterations=3)] = 0
    copy.put(path, values)


@defect("an eraser's streak through an image", "annotator", "files", "camvid", "ids", "osvos")
def streak(copy: Copy, rng: np.random.Generator) -> None:
    path = copy.masks[len(copy.masks) // 2]
    values = copy.array(path).copy()
    canvas = Image.new("L", values.shape[1::-1])
    y, x = (np.nonzero(values)[k].mean() for k in (0, 1))
    ImageDraw.Draw(canvas).line([(x - 150, y - 20), (x + 150, y + 20)], fill=1, width=2)
    values[np.array(canvas) > 0] = 11 if copy.root.name == "camvid" else 0
    copy.put(path, values)


@defect("strokes of a brush of 2 px beside the objects", "annotator", "files", "osvos", "camseq", "tissue")
def stray(copy: Copy, rng: np.random.Generator) -> None:
    path = copy.masks[len(copy.masks) // 2]
    values = copy.array(path).copy()
    flat = values.reshape(-1, values.shape[2]) if values.ndim == 3 else values.reshape(-1)
    kinds, counts = np.unique(flat, axis=0, return_counts=True)
    value = kinds[np.argsort(counts)[-2]]
    for _ in range(6):
        y, x = (int(rng.integers(5, side - 5)) for side in values.shape[:2])
        values[y : y + 2, x : x + 2] = value
    copy.put(path, values)


# What exporters do.


@annotation_defect("boxes as two corners", "exporter", "files", "coco", "gbm", "taco")
def corners(one: Json) -> None:
    x, y, w, h = one["bbox"]
    one["bbox"] = [x, y, x + w, y + h]


@json_defect("boxes as shares of the image", "exporter", "files", "coco", "gbm")
def shares(content: Json, rng: np.random.Generator) -> None:
    images = {image["id"]: image for image in content["images"]}
    for one in content["annotations"]:
        image = images[one["image_id"]]
        one["bbox"] = (np.array(one["bbox"]) / ([image["width"], image["height"]] * 2)).tolist()


@json_defect("polygons as shares of the image", "exporter", "files", "coco", "gbm")
def polygon_shares(content: Json, rng: np.random.Generator) -> None:
    planting.map_points(content, lambda xy, image: xy / [image["width"], image["height"]])


@json_defect("x and y exchanged, boxes too", "exporter", "pictures", "coco", "gbm")
def turned(content: Json, rng: np.random.Generator) -> None:
    planting.map_points(content, lambda xy, image: xy[:, ::-1])
    planting.fit_boxes(content)


@json_defect("x and y exchanged in the polygons alone", "exporter", "files", "coco", "taco")
def turned_alone(content: Json, rng: np.random.Generator) -> None:
    planting.map_points(content, lambda xy, image: xy[:, ::-1])


def encode(copy: Copy, swap: bool) -> None:
    """Annotations as uncompressed RLE: counts row by row, or a size of (width, height)."""
    content = copy.load()
    images = {image["id"]: image for image in content["images"]}
    for one in content["annotations"]:
        rings = list(planting.points(one))
        if not rings:
            continue
        image = images[one["image_id"]]
        mask = planting.draw_rings(rings, image["width"], image["height"])
        values = mask.reshape(-1) if not swap else mask.T.reshape(-1)
        cuts = np.flatnonzero(np.diff(values)) + 1
        counts = np.diff(np.concatenate([[0], cuts, [len(values)]])).tolist()
        size = [image["height"], image["width"]]
        one["segmentation"] = {"counts": [0, *counts] if values[0] else counts, "size": size[::-1] if swap else size}
        one["area"] = int(mask.sum())
    copy.save(content)


@defect("RLE whose counts go row by row", "exporter", "files", "coco", "gbm")
def by_rows(copy: Copy, rng: np.random.Generator) -> None:
    encode(copy, swap=False)


@defect("RLE whose size is width and height", "exporter", "files", "coco")
def swapped_size(copy: Copy, rng: np.random.Generator) -> None:
    encode(copy, swap=True)


@annotation_defect("areas are those of the boxes", "exporter", "files", "coco", "gbm")
def box_areas(one: Json) -> None:
    one["area"] = one["bbox"][2] * one["bbox"][3]


@json_defect("each annotation on the image after its own", "exporter", "pictures", "coco", "gbm")
def next_image(content: Json, rng: np.random.Generator) -> None:
    ids = [image["id"] for image in content["images"]]
    after = dict(zip(ids, [*ids[1:], ids[0]], strict=True))
    for one in content["annotations"]:
        one["image_id"] = after[one["image_id"]]


@annotation_defect("category ids one too low", "exporter", "files", "coco")
def zero_based(one: Json) -> None:
    one["category_id"] -= 1


@json_defect("width and height of the images exchanged", "exporter", "files", "coco", "taco")
def swapped_sides(content: Json, rng: np.random.Generator) -> None:
    for image in content["images"]:
        image["width"], image["height"] = image["height"], image["width"]


@json_defect("annotation ids start again for each image", "exporter", "files", "coco", "gbm")
def restart(content: Json, rng: np.random.Generator) -> None:
    counts = Counter[int]()
    for one in content["annotations"]:
        counts[one["image_id"]] += 1
        one["id"] = counts[one["image_id"]]


@defect("at most a few objects of an image are exported", "exporter", "files", "coco", "gbm")
def capped(copy: Copy, rng: np.random.Generator) -> None:
    content = copy.load()
    counts = Counter[int]()
    kept = []
    most = 5 if copy.root.name == "coco" else 100
    for one in content["annotations"]:
        counts[one["image_id"]] += 1
        if counts[one["image_id"]] <= most:
            kept.append(one)
    content["annotations"] = kept
    copy.save(content)


@json_defect("only every fourth point of the outlines", "exporter", "pictures", "coco", "gbm")
def decimated(content: Json, rng: np.random.Generator) -> None:
    for one in content["annotations"]:
        if list(planting.points(one)):
            one["segmentation"] = [
                np.array(r).reshape(-1, 2)[::4].reshape(-1).tolist() if len(r) >= 24 else r
                for r in planting.points(one)
            ]
    planting.fit_boxes(content)


@annotation_defect("only the first part of objects of several parts", "exporter", "files", "coco", "taco")
def first_part(one: Json) -> None:
    if len(list(planting.points(one))) > 1:
        one["segmentation"] = one["segmentation"][:1]


@json_defect("polygons closed with a point at 0, 0", "exporter", "files", "coco", "gbm")
def to_origin(content: Json, rng: np.random.Generator) -> None:
    for one in planting.some([a for a in content["annotations"] if list(planting.points(a))], rng, 5):
        one["segmentation"][0] += [0, 0]
    planting.fit_boxes(content)


@json_defect("all annotations of one image lost", "exporter", "nothing", "coco", "gbm")
def lost(content: Json, rng: np.random.Generator) -> None:
    id_ = planting.some([image["id"] for image in content["images"]], rng, 1)[0]
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] != id_]


@defect("masks saved as JPEG and back", "exporter", "files", "camvid", "tissue", "camseq")
def recompressed(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks[:3]:
        Image.fromarray(copy.array(path)).save(path.with_suffix(".jpg"), quality=90)
        copy.put(path, np.array(Image.open(path.with_suffix(".jpg"))))
        path.with_suffix(".jpg").unlink()


@defect("masks shrunken and enlarged with interpolation", "resize", "files", "camvid", "ids", "tissue", "camseq")
def interpolated(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks[:3]:
        values = copy.array(path)
        if values.dtype == np.uint16:
            new = np.array(Image.fromarray(values.astype(np.float32)).resize((300, 300), Image.Resampling.BILINEAR)
                           .resize(values.shape[1::-1], Image.Resampling.BILINEAR)).astype(np.uint16)  # fmt: skip
        else:
            wide_, high = values.shape[1], values.shape[0]
            new = np.array(Image.fromarray(values).resize((wide_ // 2, high // 2), Image.Resampling.BILINEAR)
                           .resize((wide_, high), Image.Resampling.BILINEAR))  # fmt: skip
        copy.put(path, new)


@defect("masks enlarged four times without interpolation", "resize", "files", "camvid", "ids", "tissue", "osvos")
def blocky(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks[:3]:
        values = copy.array(path)
        small = values[::4, ::4]
        copy.put(path, np.repeat(np.repeat(small, 4, 0), 4, 1)[: values.shape[0], : values.shape[1]])


@defect("category ids one higher in a fifth of the masks", "label map", "files", "camvid", "osvos")
def raised(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks[:: 5 if copy.root.name == "camvid" else 10][1:9]:
        values = copy.array(path)
        copy.put(path, np.where(values < 11, values + 1, values) if copy.root.name == "camvid"
                 else np.where(values > 0, values + 1, 0))  # fmt: skip


@defect("instance ids modulo 64", "exporter", "files", "ids")
def wrapped(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks:
        values = copy.array(path)
        copy.put(path, np.where(values > 0, values % 64, 0).astype(np.uint16))


@defect("instance ids cut to 8 bits", "exporter", "files", "ids")
def cut(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks:
        values = (copy.array(path) & 255).astype(np.uint8)
        path.unlink()
        Image.fromarray(values).save(path)


@defect("red and blue exchanged", "exporter", "files", "camseq")
def blue(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks:
        copy.put(path, copy.array(path)[:, :, ::-1].copy())


@defect("red and blue exchanged in two masks", "exporter", "files", "camseq")
def blue_two(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks[4:6]:
        copy.put(path, copy.array(path)[:, :, ::-1].copy())


def turn(copy: Copy, change: Callable[[Array], Array], which: slice) -> None:
    """Turn masks."""
    for path in copy.masks[which]:
        copy.put(path, np.ascontiguousarray(change(copy.array(path))))


@defect("one mask upside down", "exporter", "pictures", "camvid", "camseq", "tissue", "osvos", "ids")
def flipped(copy: Copy, rng: np.random.Generator) -> None:
    turn(copy, lambda values: values[::-1], slice(3, 4))


@defect("one mask mirrored left to right", "exporter", "pictures", "camvid", "camseq", "tissue", "osvos", "ids")
def mirrored(copy: Copy, rng: np.random.Generator) -> None:
    turn(copy, lambda values: values[:, ::-1], slice(3, 4))


@defect("all masks mirrored left to right", "exporter", "pictures", "camvid", "camseq", "ids")
def all_mirrored(copy: Copy, rng: np.random.Generator) -> None:
    turn(copy, lambda values: values[:, ::-1], slice(None))


@defect("all masks with rows and columns exchanged", "exporter", "pictures", "ids")
def transposed(copy: Copy, rng: np.random.Generator) -> None:
    turn(copy, lambda values: values.T, slice(None))


@defect("all masks 5 px too far right", "exporter", "pictures", "camvid", "camseq", "ids")
def shifted(copy: Copy, rng: np.random.Generator) -> None:
    turn(copy, lambda values: np.concatenate([values[:, :5], values[:, :-5]], 1), slice(None))


@defect("masks rolled around by 40 columns", "exporter", "files", "osvos", "ids", "camvid")
def rolled(copy: Copy, rng: np.random.Generator) -> None:
    turn(copy, lambda values: np.roll(values, 40, 1), slice(3, 5))


@defect("each mask with the name of the next image", "exporter", "pictures", "camvid", "ids")
def off_by_one(copy: Copy, rng: np.random.Generator) -> None:
    arrays = [copy.array(path) for path in copy.masks]
    for path, values in zip(copy.masks, [arrays[-1], *arrays[:-1]], strict=True):
        copy.put(path, values)


@defect("the masks of two images exchanged", "exporter", "pictures", "camvid", "ids", "tissue")
def two_exchanged(copy: Copy, rng: np.random.Generator) -> None:
    a, b = copy.masks[1], copy.masks[-2]
    one, other = copy.array(a), copy.array(b)
    copy.put(a, other)
    copy.put(b, one)


@defect("the mask of one image also for another", "exporter", "files", "camvid", "ids", "camseq", "tissue")
def same_mask(copy: Copy, rng: np.random.Generator) -> None:
    a, b = copy.masks[1], copy.masks[-2]
    copy.put(b, copy.array(a))


@defect("a border of 2 px without labels in a quarter of the masks", "exporter", "files", "camvid", "camseq", "tissue")
def border(copy: Copy, rng: np.random.Generator) -> None:
    void: Any = {"camvid": 11, "camseq": (0, 0, 0), "tissue": 255}[copy.root.name]
    for path in copy.masks[::4]:
        values = copy.array(path).copy()
        values[:2] = values[-2:] = values[:, :2] = values[:, -2:] = void
        copy.put(path, values)


@defect("a mask file of half its bytes", "exporter", "files", "camvid", "tissue")
def truncated(copy: Copy, rng: np.random.Generator) -> None:
    path = copy.masks[1]
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])


@defect("masks without any label", "exporter", "files", "ids", "osvos", "tissue", "camvid")
def blank(copy: Copy, rng: np.random.Generator) -> None:
    value = {"tissue": 255, "camvid": 11}.get(copy.root.name, 0)
    for path in copy.masks[5:6]:
        copy.put(path, np.full_like(copy.array(path), value))


@defect("values stretched to 0 to 255 in one mask", "exporter", "files", "camvid", "osvos")
def stretched(copy: Copy, rng: np.random.Generator) -> None:
    path = copy.masks[5]
    values = copy.array(path)
    copy.put(path, (values.astype(int) * 255 // values.max()).astype(np.uint8))
