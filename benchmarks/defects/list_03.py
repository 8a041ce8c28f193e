"""A third list of defects, committed before any was tried, after rules had been made for two others."""

# ruff: noqa: D103 - the decorator says what each function plants
import shutil
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from benchmarks.defects import planting
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, json_defect

# Polygons and their JSON.


@annotation_defect("boxes as centre and size", "exporter", "files", "coco", "gbm")
def centred_boxes(one: Json) -> None:
    x, y, w, h = one["bbox"]
    one["bbox"] = [x + w / 2, y + h / 2, w, h]


@json_defect("the list of categories sorted by name and numbered anew, annotations not", "label map", "nothing", "coco")
def sorted_categories(content: Json, rng: np.random.Generator) -> None:
    ids = [one["id"] for one in content["categories"]]
    content["categories"].sort(key=lambda one: one["name"])
    for one, id_ in zip(content["categories"], ids, strict=True):
        one["id"] = id_


@annotation_defect("holes as further filled rings", "exporter", "files", "coco", "gbm")
def filled_holes(one: Json) -> None:
    for ring in list(planting.points(one))[:1]:
        xy = np.array(ring).reshape(-1, 2)
        if one["area"] > 400:
            one["segmentation"].append((xy.mean(0) + 0.4 * (xy - xy.mean(0))).reshape(-1).tolist())


@json_defect("extensions of images in another case in the JSON", "exporter", "files", "coco", "gbm")
def upper_extension(content: Json, rng: np.random.Generator) -> None:
    for image in content["images"]:
        stem, _, extension = image["file_name"].rpartition(".")
        image["file_name"] = f"{stem}.{extension.upper()}"


@json_defect("predictions of low score among the labels", "merge", "files", "coco", "gbm")
def low_scores(content: Json, rng: np.random.Generator) -> None:
    added = []
    for one in content["annotations"][::4]:
        if list(planting.points(one)):
            ring = (np.array(one["segmentation"][0]).reshape(-1, 2) + rng.normal(0, 25, 2)).clip(0).reshape(-1).tolist()
            score = float(rng.uniform(0.02, 0.2))
            added.append(one | {"id": one["id"] + 10**9, "segmentation": [ring], "score": score})
    content["annotations"] += added
    planting.fit_boxes(content)


@json_defect("three jittered copies of each object of some images", "exporter", "files", "coco", "gbm")
def no_suppression(content: Json, rng: np.random.Generator) -> None:
    ids = {image["id"] for image in content["images"][:4]}
    for one in content["annotations"][:]:
        if one["image_id"] in ids and list(planting.points(one)):
            for k in (1, 2):
                rings = [
                    (np.array(ring) + rng.normal(0, 1.5, len(ring))).clip(0).tolist() for ring in one["segmentation"]
                ]
                content["annotations"].append(one | {"id": one["id"] + k * 10**9, "segmentation": rings})
    planting.fit_boxes(content)


@json_defect("coordinates wrapped at 256", "exporter", "files", "coco", "gbm")
def wrapped(content: Json, rng: np.random.Generator) -> None:
    planting.map_points(content, lambda xy, image: xy % 256)
    planting.fit_boxes(content)


@defect("an EXIF turn in some images that labels do not follow", "exporter", "files", "coco")
def exif_turn(copy: Copy, rng: np.random.Generator) -> None:
    linked = copy.root / "train2017"
    source = linked.resolve()
    linked.unlink()
    shutil.copytree(source, linked)
    for path in sorted(linked.glob("*.jpg"))[:6]:
        with Image.open(path) as image:
            exif = image.getexif()
            exif[0x0112] = 6
            pixels = image.copy()
        pixels.save(path, exif=exif)


@json_defect("objects of one category 30 px too low", "exporter", "pictures", "coco")
def one_category_low(content: Json, rng: np.random.Generator) -> None:
    planting.map_points(content, lambda xy, image: xy + np.array([0, 30]), lambda one: one["category_id"] == 1)
    planting.fit_boxes(content)


def _ring(xy: Array) -> list[list[float]]:
    return [xy.reshape(-1).tolist()]


@defect("convex hulls instead of outlines in half of the images", "annotator", "files", "coco", "gbm")
def hulls(copy: Copy, rng: np.random.Generator) -> None:
    from scipy.spatial import ConvexHull, QhullError

    content = copy.load()
    chosen = planting.of_images(content, planting.half(content))
    for one in content["annotations"]:
        rings = [np.array(ring).reshape(-1, 2) for ring in planting.points(one)]
        if chosen(one) and rings:
            xy = np.concatenate(rings)
            try:
                one["segmentation"] = _ring(xy[ConvexHull(xy).vertices])
            except QhullError:
                continue
    planting.fit_boxes(content)
    copy.save(content)


@json_defect("ellipses instead of outlines in half of the images", "annotator", "files", "coco", "gbm")
def ellipses(content: Json, rng: np.random.Generator) -> None:
    chosen = planting.of_images(content, planting.half(content))
    turn = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    for one in content["annotations"]:
        if chosen(one) and list(planting.points(one)):
            x, y, w, h = one["bbox"]
            one["segmentation"] = _ring(
                np.column_stack([x + w / 2 * (1 + np.cos(turn)), y + h / 2 * (1 + np.sin(turn))])
            )
    planting.fit_boxes(content)


@json_defect("some objects under the name of their supercategory", "label map", "files", "coco", "taco")
def supercategory_used(content: Json, rng: np.random.Generator) -> None:
    parent = content["categories"][1]["supercategory"]
    children = {one["id"] for one in content["categories"] if one["supercategory"] == parent}
    content["categories"].append({"id": 9999, "name": parent, "supercategory": parent})
    for one in content["annotations"]:
        if one["category_id"] in children and rng.random() < 0.5:
            one["category_id"] = 9999


@json_defect("objects under 24 x 24 px left out", "exporter", "files", "coco", "gbm")
def no_small(content: Json, rng: np.random.Generator) -> None:
    content["annotations"] = [one for one in content["annotations"] if one["area"] >= 576]


@json_defect("null as the category of some", "exporter", "files", "coco", "gbm")
def null_category(content: Json, rng: np.random.Generator) -> None:
    for one in planting.some(content["annotations"], rng, 10):
        one["category_id"] = None


@annotation_defect("outlines as a flat list", "exporter", "files", "coco", "gbm")
def flat_outlines(one: Json) -> None:
    for ring in list(planting.points(one))[:1]:
        one["segmentation"] = ring


@annotation_defect("outlines as lists of x, y pairs", "exporter", "files", "coco", "gbm")
def paired_outlines(one: Json) -> None:
    if isinstance(one["segmentation"], list):
        one["segmentation"] = [np.array(ring).reshape(-1, 2).tolist() for ring in one["segmentation"]]


@defect("RLE counts as the text of Python bytes", "exporter", "files", "coco")
def bytes_repr(copy: Copy, rng: np.random.Generator) -> None:
    from pycocotools import mask

    content = copy.load()
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    for one in content["annotations"][::5]:
        if list(planting.points(one)):
            rle = mask.merge(mask.frPyObjects(one["segmentation"], *sizes[one["image_id"]]))
            one["segmentation"] = {"size": list(rle["size"]), "counts": str(rle["counts"])}
    copy.save(content)


# YOLO text files.


@defect("YOLO classes as decimals, 0.0", "exporter", "files", "yolo")
def decimal_class(copy: Copy, rng: np.random.Generator) -> None:
    copy.change_lines(lambda line: line.replace(line.split()[0], f"{line.split()[0]}.0", 1) if line.strip() else line)


@defect("the images and labels of valid also in test", "merge", "files", "yolo")
def valid_in_test(copy: Copy, rng: np.random.Generator) -> None:
    for kind in ("images", "labels"):
        for path in sorted((copy.root / "valid" / kind).iterdir()):
            shutil.copy(path, copy.root / "test" / kind / path.name)


# Class masks and instance ids.


@defect("classes added up where they overlap (1 + 2 = 3)", "exporter", "files", "camvid", "tissue")
def summed(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks[:5]:
        values = copy.array(path).astype(int)
        present = [one for one in np.unique(values).tolist() if one]
        if len(present) > 1:
            first, second = planting.some(present, rng, 2)
            near = ndimage.binary_dilation(values == first, iterations=3) & (values == second)
            values[near] += first
        copy.put(path, np.minimum(values, 255).astype(np.uint8))


@defect("values of 8 bits stretched to 16 (times 257)", "exporter", "files", "camvid", "tissue")
def stretched(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks[:5]:
        values = copy.array(path).astype(np.uint16) * 257
        path.unlink()
        Image.fromarray(values).save(path)


@defect("foreground and background exchanged in some masks", "exporter", "files", "vessels")
def inverted(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks[:3]:
        copy.put(path, 255 - np.where(copy.array(path) > 0, 255, 0).astype(np.uint8), "L")


@defect("the padding by reflection kept at the bottom", "resize", "files", "camvid", "ids")
def reflected(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks[:6]:
        values = copy.array(path).copy()
        values[-48:] = values[-96:-48][::-1]
        copy.put(path, values)


@defect("masks smoothed by a majority filter of 9 px", "exporter", "files", "camvid", "tissue")
def majority(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks[: len(copy.masks) // 2]:
        values = copy.array(path)
        present = np.unique(values)
        votes = np.stack([ndimage.uniform_filter((values == one).astype(float), 9) for one in present])
        copy.put(path, present[votes.argmax(0)].astype(np.uint8))


@defect("a random class in one pixel of a hundred", "exporter", "files", "camvid", "tissue")
def salted(copy: Copy, rng: np.random.Generator) -> None:
    path = copy.masks[len(copy.masks) // 2]
    values = copy.array(path).copy()
    spots = rng.random(values.shape) < 0.01
    values[spots] = rng.choice(np.unique(values), spots.sum())
    copy.put(path, values)


@defect("half of a mask at a quarter of the resolution", "resize", "files", "camvid", "ids")
def half_coarse(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks[:3]:
        values = copy.array(path).copy()
        middle = values.shape[1] // 2 // 4 * 4
        coarse = values[::4, :middle:4].repeat(4, 0).repeat(4, 1)[: len(values)]
        values[: len(coarse), :middle] = coarse
        copy.put(path, values)


@defect("small objects missing in the last quarter of the images", "annotator", "files", "gbm", "ids")
def tired(copy: Copy, rng: np.random.Generator) -> None:
    if copy.document is None:
        for path in copy.masks[len(copy.masks) * 3 // 4 :]:
            values = copy.array(path)
            copy.put(path, np.where(np.bincount(values.ravel())[values] < 400, 0, values).astype(np.uint16))
        return
    content = copy.load()
    ids = [image["id"] for image in content["images"]]
    last = set(ids[len(ids) * 3 // 4 :])
    content["annotations"] = [
        one for one in content["annotations"] if one["image_id"] not in last or one["area"] >= 400
    ]
    copy.save(content)


@defect("ids numbered anew in each half of a mask", "exporter", "files", "ids")
def numbered_by_tile(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks:
        values = copy.array(path).astype(np.uint16)
        middle = values.shape[1] // 2
        for part in (values[:, :middle], values[:, middle:]):
            present = np.unique(part[part > 0])
            table = np.zeros(65536, np.uint16)
            table[present] = np.arange(1, len(present) + 1)
            part[:] = table[part]
        copy.put(path, values)


@defect("background with an id of its own", "exporter", "files", "ids")
def numbered_background(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks:
        copy.put(path, (copy.array(path) + 1).astype(np.uint16))


@defect("borders of objects with an id of their own", "exporter", "files", "ids")
def numbered_borders(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks:
        values = copy.array(path).astype(np.uint16)
        edge = (values > 0) & (ndimage.minimum_filter(values, 3) != ndimage.maximum_filter(values, 3))
        values[edge] = 65535
        copy.put(path, values)


@defect("a mask of ids reduced to 0 and 1", "exporter", "files", "ids")
def one_bit(copy: Copy, rng: np.random.Generator) -> None:
    path = copy.masks[len(copy.masks) // 2]
    copy.put(path, (copy.array(path) > 0).astype(np.uint16))


@defect("copies named (1) beside masks", "merge", "files", "camvid", "ids")
def downloaded_twice(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks[:4]:
        shutil.copy(path, path.with_name(f"{path.stem} (1).png"))


# Videos and volumes.


@defect("a track with the id of another from the middle on", "tracker", "files", "osvos", "rvos")
def swallowed(copy: Copy, rng: np.random.Generator) -> None:
    copy.relabel(copy.frames()[12:], lambda v: np.where(v == 2, 1, v))


@defect("an id that alternates between two numbers", "tracker", "files", "osvos", "rvos")
def alternating(copy: Copy, rng: np.random.Generator) -> None:
    copy.relabel(copy.frames()[1::2], lambda v: np.where(v == 2, 60, v))


@defect("every fifth label dropped, the rest renumbered", "tracker", "files", "osvos", "camseq")
def other_rate(copy: Copy, rng: np.random.Generator) -> None:
    paths = copy.frames()
    arrays = [copy.array(path) for k, path in enumerate(paths) if k % 5 != 4]
    for path, values in zip(paths, arrays, strict=False):
        copy.put(path, values)
    for path in paths[len(arrays) :]:
        path.unlink()


@defect("a frame with the labels of another video", "tracker", "files", "osvos", "rvos")
def foreign_frame(copy: Copy, rng: np.random.Generator) -> None:
    copy.put(copy.frames()[10], copy.array(copy.frames("drift-chicane")[10]))


@defect("a mask three times as large for one frame", "tracker", "files", "osvos")
def swollen(copy: Copy, rng: np.random.Generator) -> None:
    def swell(values: Array) -> Array:
        grown = values == 1
        while grown.sum() < 3 * (values == 1).sum():
            grown = ndimage.binary_dilation(grown, iterations=2)
        return np.where(grown & (values == 0), 1, values)

    copy.relabel([copy.frames()[12]], swell)


@defect("the distance of slices lost", "volume", "files", "spleen")
def spacing_lost(copy: Copy, rng: np.random.Generator) -> None:
    import nibabel

    (path,) = sorted((copy.root / "derivatives").rglob("*.nii.gz"))
    image: Any = nibabel.load(path)  # its types lack what NIfTI files have
    affine = image.affine.copy()
    affine[:3, 2] /= np.linalg.norm(affine[:3, 2])
    copy.change_volume(lambda v: v, affine)


@defect("the last labelled slice repeated to the end", "volume", "files", "spleen")
def repeated_end(copy: Copy, rng: np.random.Generator) -> None:
    def repeat(v: Array) -> Array:
        v = v.copy()
        last = int(np.flatnonzero(v.any(axis=(0, 1))).max())
        v[:, :, last:] = v[:, :, last : last + 1]
        return v

    copy.change_volume(repeat)


@defect("every other slice mirrored", "volume", "files", "spleen", "tissue")
def alternately_mirrored(copy: Copy, rng: np.random.Generator) -> None:
    def mirror(v: Array) -> Array:
        v = v.copy()
        v[:, :, ::2] = v[::-1, :, ::2]
        return v

    copy.change_volume(mirror)
