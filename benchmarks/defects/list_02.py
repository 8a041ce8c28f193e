"""A second list of defects, written after rules had been made for the first: what is found at once is held out."""

# ruff: noqa: D103 - the decorator says what each function plants
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
from PIL import Image

from benchmarks.defects import planting
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, json_defect

# Polygons and their JSON.


@json_defect("the objects of the image before are also on each image", "annotator", "files", "gbm")
def piled_up(content: Json, rng: np.random.Generator) -> None:
    by_image = defaultdict(list)
    for one in content["annotations"]:
        by_image[one["image_id"]].append(one)
    ids = [image["id"] for image in content["images"]]
    for before, image in pairwise(ids):
        content["annotations"] += [one | {"id": one["id"] + 10**8, "image_id": image} for one in by_image[before]]


@json_defect("each object's box also as a polygon of its own", "exporter", "files", "coco", "gbm")
def box_beside(content: Json, rng: np.random.Generator) -> None:
    for one in content["annotations"][:]:
        x, y, w, h = one["bbox"]
        ring = [x, y, x + w, y, x + w, y + h, x, y + h]
        content["annotations"].append(one | {"id": one["id"] + 10**9, "segmentation": [ring], "area": w * h})


@json_defect("the whole image as one more object, named background", "exporter", "files", "coco", "gbm")
def background_object(content: Json, rng: np.random.Generator) -> None:
    content["categories"].append({"id": 9999, "name": "background", "supercategory": "none"})
    for k, image in enumerate(content["images"]):
        w, h = image["width"], image["height"]
        content["annotations"].append({
            "id": 10**8 + k, "image_id": image["id"], "category_id": 9999, "iscrowd": 0, "area": w * h,
            "bbox": [0, 0, w, h], "segmentation": [[0, 0, w, 0, w, h, 0, h]],
        })  # fmt: skip


@json_defect("the boxes belong to the annotation before", "exporter", "files", "coco", "gbm")
def boxes_off(content: Json, rng: np.random.Generator) -> None:
    boxes = [one["bbox"] for one in content["annotations"]]
    for one, box in zip(content["annotations"], boxes[-1:] + boxes[:-1], strict=True):
        one["bbox"] = box


@json_defect("an export that stops at a page's end: no labels on the last third", "exporter", "files", "coco", "gbm")
def paginated(content: Json, rng: np.random.Generator) -> None:
    ids = [image["id"] for image in content["images"]]
    last = set(ids[-len(ids) // 3 :])
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] not in last]


@json_defect("annotations of images that the JSON lost", "merge", "files", "coco", "gbm")
def lost_images(content: Json, rng: np.random.Generator) -> None:
    del content["images"][::10]


@json_defect("two categories of one name", "merge", "files", "coco", "taco")
def same_name(content: Json, rng: np.random.Generator) -> None:
    first, second = content["categories"][:2]
    second["name"] = first["name"]


@annotation_defect("ids of images as text in the annotations", "exporter", "files", "coco", "gbm")
def text_ids(one: Json) -> None:
    one["image_id"] = str(one["image_id"])


@json_defect("paths of images with backslashes of another computer", "exporter", "files", "coco", "gbm")
def backslashes(content: Json, rng: np.random.Generator) -> None:
    for image in content["images"]:
        image["file_name"] = "C:\\data\\" + image["file_name"].replace("/", "\\")


@json_defect("each point of an outline twice", "exporter", "files", "coco", "gbm")
def points_twice(content: Json, rng: np.random.Generator) -> None:
    planting.map_points(content, lambda xy, image: np.repeat(xy, 2, axis=0))


@json_defect("coordinates rounded to tens", "exporter", "files", "coco", "gbm")
def tens(content: Json, rng: np.random.Generator) -> None:
    planting.map_points(content, lambda xy, image: np.round(xy, -1))
    planting.fit_boxes(content)


@json_defect("labels of the letterboxed image: its margin not subtracted", "resize", "pictures", "coco")
def letterboxed(content: Json, rng: np.random.Generator) -> None:

    def add_margin(xy: Array, image: Json) -> Array:
        side = max(image["width"], image["height"])
        return xy + np.array([side - image["width"], side - image["height"]]) / 2

    planting.map_points(content, add_margin)
    planting.fit_boxes(content)


@json_defect("labels moved by another random crop in each image", "resize", "pictures", "gbm")
def random_crop(content: Json, rng: np.random.Generator) -> None:
    offset = {image["id"]: rng.integers(8, 60, 2) for image in content["images"]}
    planting.map_points(
        content, lambda xy, image: np.clip(xy - offset[image["id"]], 0, [image["width"], image["height"]])
    )
    planting.fit_boxes(content)
    content["annotations"] = [one for one in content["annotations"] if one["area"] > 0]


@json_defect("labels not turned with the images by ten degrees", "resize", "pictures", "gbm")
def turned(content: Json, rng: np.random.Generator) -> None:
    c, s = np.cos(np.radians(10)), np.sin(np.radians(10))

    def turn(xy: Array, image: Json) -> Array:
        middle = np.array([image["width"], image["height"]]) / 2
        turned_xy: Array = np.clip((xy - middle) @ np.array([[c, s], [-s, c]]) + middle, 0, 2 * middle)
        return turned_xy

    planting.map_points(content, turn)
    planting.fit_boxes(content)


@json_defect("every second image's labels mirrored", "resize", "pictures", "gbm")
def half_mirrored(content: Json, rng: np.random.Generator) -> None:
    ids = {image["id"] for image in content["images"][::2]}
    planting.map_points(content, lambda xy, image: np.abs(xy - [image["width"], 0]), lambda one: one["image_id"] in ids)
    planting.fit_boxes(content)


@json_defect("an outline of one object closed by the first point of the next", "exporter", "files", "coco", "gbm")
def chained(content: Json, rng: np.random.Generator) -> None:
    by_image = defaultdict(list)
    for one in content["annotations"]:
        if list(planting.points(one)):
            by_image[one["image_id"]].append(one)
    for several in by_image.values():
        for one, other in pairwise(several):
            one["segmentation"][0] += other["segmentation"][0][:2]
    planting.fit_boxes(content)


# YOLO text files.


@defect("a decimal comma in the YOLO files", "exporter", "files", "yolo")
def decimal_comma(copy: Copy, rng: np.random.Generator) -> None:
    copy.change_lines(lambda line: line.replace(".", ","))


@defect("YOLO coordinates as y, x", "exporter", "pictures", "yolo")
def yolo_swapped(copy: Copy, rng: np.random.Generator) -> None:
    def swap(line: str) -> str:
        first, *rest = line.split()
        return " ".join([first, *(value for pair in zip(rest[1::2], rest[::2], strict=False) for value in pair)])

    copy.change_lines(swap)


@defect("a value lost from some YOLO lines", "exporter", "files", "yolo")
def yolo_odd(copy: Copy, rng: np.random.Generator) -> None:
    copy.change_lines(lambda line: line.rpartition(" ")[0] if rng.random() < 0.1 else line)


@defect("YOLO labels beside images of another upper case", "exporter", "files", "yolo")
def yolo_case(copy: Copy, rng: np.random.Generator) -> None:
    for path in sorted(copy.root.rglob("labels/*.txt"))[::3]:
        path.rename(path.with_name(path.stem.swapcase() + ".txt"))


# Class masks and instance ids.


@defect("each mask with a palette order of its own", "exporter", "files", "camvid", "camseq")
def own_palette(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks[::2]:
        values = copy.array(path)
        if values.ndim == 3:
            flat = values.reshape(-1, 3)
            colours, index = np.unique(flat, axis=0, return_inverse=True)
            copy.put(path, colours[rng.permutation(len(colours))][index.reshape(-1)].reshape(values.shape))
        else:
            table = np.arange(256)
            known = np.unique(values)
            table[known] = known[rng.permutation(len(known))]
            copy.put(path, table[values])


@defect("the lower third of a mask never written", "exporter", "files", "camvid", "camseq", "ids", "tissue")
def unfinished(copy: Copy, rng: np.random.Generator) -> None:
    path = copy.masks[len(copy.masks) // 2]
    values = copy.array(path).copy()
    values[len(values) * 2 // 3 :] = 0
    copy.put(path, values)


@defect("a tile of a mask blank", "exporter", "files", "camvid", "ids", "tissue")
def blank_tile(copy: Copy, rng: np.random.Generator) -> None:
    path = copy.masks[len(copy.masks) // 2]
    values = copy.array(path).copy()
    values[128:256, 128:256] = 0
    copy.put(path, values)


@defect("two tiles of a mask exchanged", "exporter", "files", "camvid", "ids", "tissue")
def tiles_exchanged(copy: Copy, rng: np.random.Generator) -> None:
    path = copy.masks[len(copy.masks) // 2]
    values = copy.array(path).copy()
    a, b = values[0:128, 0:128].copy(), values[128:256, 256:384].copy()
    values[0:128, 0:128], values[128:256, 256:384] = b, a
    copy.put(path, values)


@defect("every other row of a mask lost", "exporter", "files", "camvid", "ids", "osvos", "tissue")
def interlaced(copy: Copy, rng: np.random.Generator) -> None:
    path = copy.masks[len(copy.masks) // 2]
    values = copy.array(path).copy()
    values[::2] = 0
    copy.put(path, values)


@defect("a mask rolled by half its width and height", "exporter", "files", "camvid", "ids", "tissue")
def half_rolled(copy: Copy, rng: np.random.Generator) -> None:
    path = copy.masks[len(copy.masks) // 2]
    values = copy.array(path)
    copy.put(path, np.roll(values, (len(values) // 2, values.shape[1] // 2), (0, 1)))


@defect("objects cut in two ids along the tiles' seams", "exporter", "files", "ids")
def seams(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks:
        values = copy.array(path).astype(np.uint16)
        right = np.zeros(values.shape, bool)
        right[:, 256:] = True
        crossing = [one for one in np.unique(values[:, 255]).tolist() if one and (values[:, 256] == one).any()]
        for k, one in enumerate(crossing):
            values[right & (values == one)] = 2000 + k
        copy.put(path, values)


@defect("instance ids clipped at 63", "exporter", "files", "ids")
def clipped_ids(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks:
        copy.put(path, np.minimum(copy.array(path), 63).astype(np.uint16))


@defect("the ids of all touching objects joined", "exporter", "files", "ids")
def touching_joined(copy: Copy, rng: np.random.Generator) -> None:
    from scipy import ndimage

    for path in copy.masks:
        copy.put(path, ndimage.label(copy.array(path) > 0)[0].astype(np.uint16))


@defect("a gap of 2 px between all classes of some masks", "annotator", "files", "camvid", "tissue")
def gaps(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks[:3]:
        values = copy.array(path).copy()
        edge = np.zeros(values.shape, bool)
        edge[:, 1:] |= values[:, 1:] != values[:, :-1]
        edge[1:] |= values[1:] != values[:-1]
        edge[:-1] |= edge[1:]
        values[edge] = 11 if copy.root.name == "camvid" else 0
        copy.put(path, values)


@defect("the right third of some images not annotated", "annotator", "files", "ids", "coco", "gbm")
def stopped(copy: Copy, rng: np.random.Generator) -> None:
    if copy.document is None:
        for path in copy.masks[:4]:
            values = copy.array(path).copy()
            values[:, values.shape[1] * 2 // 3 :] = 0
            copy.put(path, values)
        return
    content = copy.load()
    ids = {image["id"]: image["width"] for image in content["images"][:4]}
    content["annotations"] = [
        one for one in content["annotations"]
        if one["image_id"] not in ids or one["bbox"][0] + one["bbox"][2] / 2 < ids[one["image_id"]] * 2 / 3
    ]  # fmt: skip
    copy.save(content)


@defect("hidden files of a file manager among the masks", "exporter", "files", "camvid", "ids")
def hidden_files(copy: Copy, rng: np.random.Generator) -> None:
    folder = copy.masks[0].parent
    for path in copy.masks[:5]:
        path.with_name("._" + path.name).write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X" + bytes(160))
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(512))


@defect("a mirrored copy of a training image and its mask in val", "merge", "files", "camvid")
def mirrored_leak(copy: Copy, rng: np.random.Generator) -> None:
    folders = sorted({path.parent for path in copy.masks})
    source = sorted(folders[0].glob("*.png"))[3]
    for folder in (folders[1], folders[1].with_name(folders[1].name.removesuffix("annot"))):
        origin = source if folder.name.endswith("annot") else source.parent.with_name(
            source.parent.name.removesuffix("annot")) / source.name  # fmt: skip
        with Image.open(origin) as image:
            image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "copy_of.png")


# Videos and volumes.


@defect("frames in the order of their names as text", "tracker", "files", "osvos", "camseq")
def lexical(copy: Copy, rng: np.random.Generator) -> None:
    paths = copy.frames()
    arrays = [copy.array(path) for path in paths]
    order = sorted(range(len(paths)), key=str)
    for path, k in zip(paths, order, strict=True):
        copy.put(path, arrays[k])


@defect("each label held for two frames", "tracker", "files", "osvos", "camseq")
def held(copy: Copy, rng: np.random.Generator) -> None:
    paths = copy.frames()
    for before, path in zip(paths[::2], paths[1::2], strict=False):
        copy.put(path, copy.array(before))


@defect("ids in each frame by size", "tracker", "files", "osvos", "rvos")
def sorted_ids(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.frames():
        values = copy.array(path)
        table = np.arange(256)
        counts = Counter(values[(values > 0) & (values < 255)].tolist())
        for k, (one, _) in enumerate(counts.most_common(), 1):
            table[one] = k
        copy.put(path, table[values])


@defect("labels a frame late from the middle on", "tracker", "pictures", "osvos", "camseq")
def late(copy: Copy, rng: np.random.Generator) -> None:
    paths = copy.frames()
    paths = paths[len(paths) // 2 :]
    arrays = [copy.array(path) for path in paths]
    for path, values in zip(paths[1:], arrays, strict=False):
        copy.put(path, values)


@defect("three frames of half the size", "tracker", "files", "osvos", "camseq")
def small_frames(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.frames()[6:9]:
        copy.put(path, np.ascontiguousarray(copy.array(path)[::2, ::2]))


@defect("one slice with rows and columns exchanged", "volume", "files", "tissue")
def slice_transposed(copy: Copy, rng: np.random.Generator) -> None:
    def change(v: Array) -> Array:
        v = v.copy()
        v[:, :, v.shape[2] // 2] = v[:, :, v.shape[2] // 2].T
        return v

    copy.change_volume(change)


@defect("every slice twice", "volume", "files", "spleen", "tissue")
def slices_twice(copy: Copy, rng: np.random.Generator) -> None:
    copy.change_volume(lambda v: v[:, :, np.arange(v.shape[2]) // 2 * 2])


@defect("one slice shifted by 20 px", "volume", "files", "spleen", "tissue")
def slice_shifted(copy: Copy, rng: np.random.Generator) -> None:
    def change(v: Array) -> Array:
        v = v.copy()
        v[:, :, v.shape[2] // 2] = np.roll(v[:, :, v.shape[2] // 2], 20, 0)
        return v

    copy.change_volume(change)


@defect("one slice ten pixels too wide all around", "volume", "files", "spleen")
def slice_swollen(copy: Copy, rng: np.random.Generator) -> None:
    from scipy import ndimage

    def change(v: Array) -> Array:
        v = v.copy()
        k = int(np.flatnonzero(v.any((0, 1))).mean())
        v[:, :, k] = ndimage.binary_dilation(v[:, :, k] > 0, iterations=10)
        return v

    copy.change_volume(change)


@defect("left and right exchanged in half of the slices", "volume", "files", "tissue")
def half_exchanged(copy: Copy, rng: np.random.Generator) -> None:
    def change(v: Array) -> Array:
        v = v.copy()
        first, second = (value for value, _ in Counter(v.reshape(-1).tolist()).most_common(3)[1:])
        part = v[:, :, v.shape[2] // 2 :]
        one, other = part == first, part == second
        part[one], part[other] = second, first
        return v

    copy.change_volume(change)
