"""An eighth list of defects, committed before any was tried: sides and places, padding, what an export keeps.

As in the seventh list, the docstring of each function is what the owner of the dataset would expect to be told, and
names the thread where a kind was found. Two more datasets are drawn: scans of four organs, and faces.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image, ImageDraw
from pycocotools import mask as rle
from scipy import ndimage

from benchmarks.defects import planting
from benchmarks.defects.drawn_datasets import HEIGHT, WIDTH, Made
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, drawn_base, json_defect

# Drawn datasets, sound.

ORGANS = ("liver", "spleen", "kidney_left", "kidney_right")
_MIDDLES = ((0.3, 0.45, 9), (0.78, 0.5, 9), (0.68, 0.7, 6), (0.34, 0.72, 6))  # x, y, slice; x grows to the left
_REACHES = ((0.19, 0.22, 4), (0.08, 0.1, 3), (0.07, 0.09, 4), (0.07, 0.09, 4))


@drawn_base("scans")
def _scans(made: Made) -> None:
    x, y, z = np.mgrid[:72, :64, :16]
    for k in range(1, 25):
        grey, labels = made.rng.normal(40, 12, x.shape), np.zeros(x.shape, np.uint8)
        body = made.rng.uniform(-3, 3, 3) * (1, 1, 0.4)
        for value, (middle, reach) in enumerate(zip(_MIDDLES, _REACHES, strict=True), 1):
            at = np.array(middle) * (72, 64, 1) + body + made.rng.normal(0, 1.2, 3) * (1, 1, 0.4)
            size = np.array(reach) * (72, 64, 1) * made.rng.uniform(0.85, 1.15, 3)
            inside = sum(((v - a) / s) ** 2 for v, a, s in zip((x, y, z), at, size, strict=True)) < 1
            labels[inside & (labels == 0)], grey[inside] = value, grey[inside] + 60 + 20 * value
        affine = np.diag([-2.0, -2.0, 5.0, 1.0])
        made.nifti(f"imagesTr/scan_{k:03d}_0000.nii.gz", grey.astype(np.int16), affine)
        made.nifti(f"labelsTr/scan_{k:03d}.nii.gz", labels, affine)
    names = {"background": 0} | {name: k + 1 for k, name in enumerate(ORGANS)}
    made.text("dataset.json", {"channel_names": {"0": "CT"}, "labels": names, "numTraining": 24, "file_ending": ".nii.gz"})  # fmt: skip  # noqa: E501


FACE = ("face", "left_eye", "right_eye", "nose", "mouth", "hair", "hat")
_FACE_COLOURS = ((215, 170, 140), (70, 90, 140), (70, 90, 140), (190, 130, 110), (170, 60, 70), (80, 50, 30), (60, 120, 60))  # fmt: skip  # noqa: E501


@drawn_base("faces", "annotations.json")
def _faces(made: Made) -> None:
    images: list[Json] = []
    annotations: list[Json] = []
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    for k in range(1, 37):
        ground = ndimage.gaussian_filter(made.rng.normal(size=(HEIGHT, WIDTH, 3)), (6, 6, 0))
        canvas = Image.fromarray(np.clip(made.rng.uniform(60, 200, 3) + 500 * ground, 0, 255).astype(np.uint8))
        at, scale = np.array([WIDTH, HEIGHT]) * made.rng.uniform(0.42, 0.58, 2), made.rng.uniform(0.8, 1.15)
        parts = [(5, (0, -40), (64, 50)), (0, (0, 0), (55, 75)), (1, (22, -15), (10, 6)), (2, (-22, -15), (10, 6)),
                 (3, (0, 8), (8, 14)), (4, (0, 38), (20, 7))]  # fmt: skip
        if made.rng.uniform() < 0.3:
            parts.append((6, (0, -70), (60, 16)))
        for category, middle, reach in parts:
            wave = 1 + made.rng.normal(0, 0.03, 24)
            ring = np.stack([np.cos(angle), np.sin(angle)], 1) * reach * wave[:, None] * scale
            ring = np.round(at + scale * np.array(middle) + made.rng.normal(0, 2, 2) + ring, 2).clip(0, [WIDTH, HEIGHT])
            colour = tuple(int(v) for v in np.clip(np.array(_FACE_COLOURS[category]) + made.rng.normal(0, 8), 0, 255))
            ImageDraw.Draw(canvas).polygon([tuple(p) for p in ring.tolist()], fill=colour)
            annotations.append({"id": len(annotations) + 1, "image_id": k, "category_id": category + 1, "iscrowd": 0,
                                "segmentation": [ring.reshape(-1).tolist()]})  # fmt: skip
        picture = np.array(canvas) + made.rng.normal(0, 4, (HEIGHT, WIDTH, 3))
        made.image(f"images/face_{k:03d}.jpg", np.clip(picture, 0, 255).astype(np.uint8), quality=92)
        images.append({"id": k, "file_name": f"face_{k:03d}.jpg", "width": WIDTH, "height": HEIGHT})
    categories = [{"id": k + 1, "name": name, "supercategory": "head"} for k, name in enumerate(FACE)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    planting.fit_boxes(content)
    made.text("annotations.json", content)


# Volumes.


@defect("mirrored copies in which left is still called left", "augmentation", "files", "scans")
def mirrored_scans(copy: Copy, rng: np.random.Generator) -> None:
    """In these three cases left and right are on the other sides: they were mirrored, and the names not exchanged."""
    for number in (3, 11, 19):
        copy.change_case(number, lambda values, _: values[::-1])


@defect("a case whose slices are upside down, image and labels", "volume", "files", "scans", "organs")
def reversed_case(copy: Copy, rng: np.random.Generator) -> None:
    """BAAI-DCAI/M3D#51. In this case the slices come in the other order than in all others, under the same header."""
    copy.change_case(5, lambda values, _: values[:, :, ::-1])


@defect("the last slices once more behind the last, image and labels", "exporter", "files", "scans", "organs")
def appended_slices(copy: Copy, rng: np.random.Generator) -> None:
    """The last three slices of this case repeat the three before them."""
    copy.change_case(5, lambda values, _: np.concatenate([values[:, :, :-1], values[:, :, -4:-1]], axis=2))


@defect("a block of slices in reverse order", "exporter", "files", "scans", "spleen")
def reversed_block(copy: Copy, rng: np.random.Generator) -> None:
    """The labels of these slices are in reverse order: they jump at both ends of the block."""

    def turn(values: Array) -> Array:
        values = values.copy()
        drawn = np.flatnonzero((values > 0).any((0, 1)))
        low = drawn[len(drawn) // 4]
        values[:, :, low : low + 5] = values[:, :, low : low + 5][:, :, ::-1].copy()
        return values

    if copy.root.name == "spleen":
        copy.change_volume(turn)
    else:
        copy.change_case(5, lambda values, is_label: turn(values) if is_label else values)


@defect("two organs under each other's names in one case", "annotator", "files", "scans")
def exchanged_organs(copy: Copy, rng: np.random.Generator) -> None:
    """wasserth/TotalSegmentator#268. In this case the liver is called spleen, and the spleen liver."""
    copy.change_case(7, lambda values, is_label: np.array([0, 2, 1, 3, 4])[values] if is_label else values)


@defect("the distances of one case in centimetres", "volume", "files", "scans", "organs")
def centimetres(copy: Copy, rng: np.random.Generator) -> None:
    """The voxels of this case are ten times smaller than those of the others."""
    affine = nibabel.load(sorted(copy.root.glob("labelsTr/*.nii.gz"))[4]).affine.copy()  # type: ignore[attr-defined]
    affine[:3] /= 10
    copy.change_case(4, lambda values, _: values, affine)


# Places.


@annotation_defect("left and right under each other's names in two images", "annotator", "files", "faces")
def exchanged_eyes(one: Json) -> None:
    """SensorsINI/DHP19#23. In these two images left and right eye are on each other's sides."""
    if one["image_id"] in (8, 21) and one["category_id"] in (2, 3):
        one["category_id"] = 5 - one["category_id"]


@defect("mirrored copies in which left is still called left", "augmentation", "files", "faces")
def mirrored_faces(copy: Copy, rng: np.random.Generator) -> None:
    """In these three images left and right are on the other sides: they were mirrored, and the names not exchanged."""
    content = copy.load()
    chosen = {4, 15, 27}
    for image in content["images"]:
        if image["id"] in chosen:
            path = copy.root / "images" / image["file_name"]
            with Image.open(path) as picture:
                picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path, quality=92)
    planting.map_points(content, lambda p, _: np.array([WIDTH, 0]) + p * [-1, 1], lambda one: one["image_id"] in chosen)
    planting.fit_boxes(content)
    copy.save(content)


@defect("pictures upside down together with their labels", "merge", "files", "faces")
def turned_faces(copy: Copy, rng: np.random.Generator) -> None:
    """These two images are upside down, other than all others."""
    content = copy.load()
    chosen = {9, 30}
    for image in content["images"]:
        if image["id"] in chosen:
            path = copy.root / "images" / image["file_name"]
            with Image.open(path) as picture:
                picture.transpose(Image.Transpose.ROTATE_180).save(path, quality=92)
    planting.map_points(content, lambda p, _: np.array([WIDTH, HEIGHT]) - p, lambda one: one["image_id"] in chosen)
    planting.fit_boxes(content)
    copy.save(content)


def _pairs(copy: Copy) -> list[tuple[Path, Path]]:
    """Masks of CamVid and their pictures."""
    return [(path, path.parent.with_name(path.parent.name.removesuffix("annot")) / path.name) for path in copy.masks]


def _change_pairs(copy: Copy, rows: slice, change: Callable[[Array, bool], Array]) -> None:
    """Change picture and mask alike; `change` takes values and whether they are a mask."""
    for mask, picture in _pairs(copy)[rows]:
        copy.put(mask, change(copy.array(mask), True))
        with Image.open(picture) as image:
            values = np.array(image)
        Image.fromarray(change(values, False)).save(picture)


@defect("pictures upside down together with their labels", "merge", "files", "camvid")
def turned_streets(copy: Copy, rng: np.random.Generator) -> None:
    """These three images are upside down, other than all others."""
    _change_pairs(copy, slice(5, 20, 5), lambda values, _: np.ascontiguousarray(values[::-1, ::-1]))


@json_defect("a part beside its whole", "annotator", "files", "faces")
def nose_outside(content: Json, rng: np.random.Generator) -> None:
    """In these two images the mouth lies beside the face, in which it lies in all others."""
    planting.map_points(
        content, lambda p, _: p + np.array([80, 30]), lambda one: one["image_id"] in (6, 24) and one["category_id"] == 5
    )
    planting.fit_boxes(content)


# Padding, and what pictures and labels lose at their borders.


@defect("padded pictures whose padding carries the first class", "resize", "files", "camvid")
def letterbox(copy: Copy, rng: np.random.Generator) -> None:
    """dmlc/gluon-cv#1111. Rows above and below these pictures are black padding, and labelled as sky."""

    def pad(values: Array, is_mask: bool) -> Array:
        small = values[::2, ::2] if is_mask else np.array(Image.fromarray(values).resize((240, 180)))
        result = np.zeros_like(values)
        result[90:270, 120:360] = small
        return result

    _change_pairs(copy, slice(2, 30, 4), pad)


@defect("turned pictures with black corners whose labels were continued", "augmentation", "files", "camvid")
def continued_labels(copy: Copy, rng: np.random.Generator) -> None:
    """mdbloice/Augmentor#165. The corners of these pictures are black, and labelled as what is next to them."""

    def turn(values: Array, is_mask: bool) -> Array:
        if is_mask:
            return np.asarray(ndimage.rotate(values, 17, reshape=False, order=0, mode="nearest"))
        return np.asarray(ndimage.rotate(values, 17, (0, 1), reshape=False, order=1, mode="constant", cval=0))

    _change_pairs(copy, slice(2, 30, 4), turn)


@defect("labels below parts of pictures that were blacked out", "exporter", "files", "camvid", "gbm")
def blacked_out(copy: Copy, rng: np.random.Generator) -> None:
    """Rectangles of these pictures are black, and the objects below are still labelled."""
    folder = copy.own_images() if copy.document else None
    paths = sorted(folder.iterdir()) if folder else [picture for _, picture in _pairs(copy)]
    for path in paths[3:9]:
        with Image.open(path) as image:
            values = np.array(image)
        x, y = (int(rng.integers(size // 8, size // 2)) for size in (values.shape[1], values.shape[0]))
        values[y : y + values.shape[0] // 3, x : x + values.shape[1] // 3] = 0
        Image.fromarray(values).save(path)


@defect("mosaics of four pictures with the labels of the first", "augmentation", "pictures", "gbm")
def mosaics(copy: Copy, rng: np.random.Generator) -> None:
    """Three quarters of these pictures show nuclei, and have no labels."""
    content, folder = copy.load(), copy.own_images()
    images = content["images"]
    sources = [np.array(Image.open(folder / Path(one["file_name"]).name).convert("RGB").resize((256, 256))) for one in images]  # fmt: skip  # noqa: E501
    for k in range(2, 14):
        four = [sources[k], *(sources[n] for n in rng.permutation(len(images))[:3])]
        picture = np.concatenate([np.concatenate(four[:2], axis=1), np.concatenate(four[2:], axis=1)], axis=0)
        Image.fromarray(picture).save(folder / Path(images[k]["file_name"]).name)
    chosen = {images[k]["id"] for k in range(2, 14)}
    planting.map_points(content, lambda p, _: p / 2, lambda one: one["image_id"] in chosen)
    planting.fit_boxes(content)
    copy.save(content)


@defect("labels of pictures before their centre was cropped and enlarged", "resize", "pictures", "coco", "gbm")
def before_crop(copy: Copy, rng: np.random.Generator) -> None:
    """The labels of a third of the images are too near to the centre: the pictures are an enlarged crop."""
    content, folder = copy.load(), copy.own_images()
    for image in content["images"][::3]:
        path = folder / Path(image["file_name"]).name
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        size = np.array(picture.size)
        low, high = (np.round(size * share).astype(int).tolist() for share in (0.1, 0.9))
        picture.crop((*low, *high)).resize(picture.size, Image.Resampling.BILINEAR).save(path)
    copy.save(content)


@defect("a strip at the right and the bottom without labels, up to a multiple of 64", "exporter", "files", "ids", "camvid")  # fmt: skip  # noqa: E501
def strip(copy: Copy, rng: np.random.Generator) -> None:
    """A strip of 32 px at the right and the bottom of every third mask has no labels."""
    for path in copy.masks[::3]:
        values = copy.array(path)
        nothing = 11 if copy.root.name == "camvid" else 0
        values[-32:], values[:, -32:] = nothing, nothing
        copy.put(path, values)


@defect("objects that touch the border left out", "exporter", "files", "ids", "gbm")
def cleared_border(copy: Copy, rng: np.random.Generator) -> None:
    """In half of the images no object touches the border, in the other half many do."""
    if copy.pattern:
        for path in copy.masks[::2]:
            values = copy.array(path)
            edge = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
            copy.put(path, np.where(np.isin(values, edge), 0, values).astype(values.dtype))
        return
    content = copy.load()
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"][::2]}

    def touches(one: Json) -> bool:
        if one["image_id"] not in sizes:
            return False
        x, y, width, height = one["bbox"]
        return bool(min(x, y) < 1 or x + width > sizes[one["image_id"]][0] - 1 or y + height > sizes[one["image_id"]][1] - 1)  # fmt: skip  # noqa: E501

    content["annotations"] = [one for one in content["annotations"] if not touches(one)]
    copy.save(content)


# What an export keeps of an image.


def _class_masks(copy: Copy) -> list[Path]:
    if copy.pattern:
        return copy.masks
    return sorted(copy.root.glob("SegmentationClass/*.png")) or sorted(copy.root.glob("gtFine/*/*/*labelIds.png"))


@defect("only the largest part of each class in half of the masks", "exporter", "files", "camvid", "voc lists")
def largest_part(copy: Copy, rng: np.random.Generator) -> None:
    """CVHub520/X-AnyLabeling#177. In half of the masks each class has one part, in the other half many."""
    for path in _class_masks(copy)[::2]:
        values = copy.array(path)
        nothing = 11 if copy.root.name == "camvid" else 0
        result = np.full_like(values, nothing)
        for value in np.unique(values[values != nothing]):
            parts, _ = ndimage.label(values == value)
            result[parts == np.bincount(parts.ravel())[1:].argmax() + 1] = value
        copy.put(path, result)


@defect("only the most frequent class of each mask in a quarter of the masks", "exporter", "files", "camvid", "voc lists")  # fmt: skip  # noqa: E501
def largest_class(copy: Copy, rng: np.random.Generator) -> None:
    """cvat-ai/cvat#2032. A quarter of the masks have one class, the others several."""
    for path in _class_masks(copy)[::4]:
        values = copy.array(path)
        nothing = 11 if copy.root.name == "camvid" else 0
        most = np.bincount(values[values != nothing]).argmax()
        copy.put(path, np.where(values == most, values, nothing).astype(values.dtype))


@json_defect("only objects of the first class of each image in a third of the images", "exporter", "files", "coco", "taco", "faces")  # fmt: skip  # noqa: E501
def first_class(content: Json, rng: np.random.Generator) -> None:
    """A third of the images have objects of one class alone, far more than of the others."""
    chosen = {image["id"] for image in content["images"][::3]}
    first: dict[int, int] = {}
    for one in content["annotations"]:
        first.setdefault(one["image_id"], one["category_id"])
    content["annotations"] = [
        one for one in content["annotations"]
        if one["image_id"] not in chosen or one["category_id"] == first[one["image_id"]]
    ]  # fmt: skip


@defect("classes counted from the other end in five masks", "label map", "files", "camvid", "camseq")
def other_end(copy: Copy, rng: np.random.Generator) -> None:
    """The channels of these masks were in reverse: sky is called bicyclist, and so on."""
    if copy.root.name == "camvid":
        for path in copy.masks[3:28:5]:
            values = copy.array(path)
            copy.put(path, np.where(values < 11, 10 - values.astype(int), 11).astype(np.uint8))
        return
    rows = (copy.root / "label_colors.txt").read_text().splitlines()
    colours = np.array([[int(v) for v in row.split()[:3]] for row in rows if row.strip()])
    keys = colours @ [65536, 256, 1]
    order = np.argsort(keys)
    for path in copy.masks[3:8]:
        values = copy.array(path).astype(int) @ [65536, 256, 1]
        number = order[np.searchsorted(keys[order], values)]
        copy.put(path, colours[::-1][number].astype(np.uint8))


@json_defect("the supercategory drawn as well, for each object of some images", "annotator", "files", "coco")
def both_levels(content: Json, rng: np.random.Generator) -> None:
    """Each object of these images is there twice, as what it is and as what that is a kind of."""
    parents = {one["id"]: one["supercategory"] for one in content["categories"]}
    numbers: dict[str, int] = {}
    for name in dict.fromkeys(parents.values()):
        numbers[name] = next((one["id"] for one in content["categories"] if one["name"] == name), 200 + len(numbers))
    names = {one["name"] for one in content["categories"]}
    content["categories"] += [{"id": number, "name": name} for name, number in numbers.items() if name not in names]
    chosen = {image["id"] for image in content["images"][::5]}
    own = [one for one in content["annotations"] if one["image_id"] in chosen and not one["iscrowd"]]
    for one in own:
        jittered = [(np.array(ring) + rng.normal(0, 0.7, len(ring))).clip(0).tolist() for ring in planting.points(one)]
        new = {"id": 10**13 + one["id"], "category_id": numbers[parents[one["category_id"]]], "segmentation": jittered}
        content["annotations"].append(one | new)
    planting.fit_boxes(content)


# Files of tools.


@defect("background as the first of the names, so that each class has the name before its own", "label map", "files", "beach")  # fmt: skip  # noqa: E501
def shifted_names(copy: Copy, rng: np.random.Generator) -> None:
    """The names begin with background, whose objects are outlined, and the last class has none."""
    path = copy.root / "data.yaml"
    head, _ = path.read_text().split("names:")
    listed = "".join(f"  {k}: {name}\n" for k, name in enumerate(("background", "crab", "shell", "kelp")))
    path.write_text(f"{head}names:\n{listed}")


@defect("shares of the longer side, not of width and height", "exporter", "files", "beach")
def longer_side(copy: Copy, rng: np.random.Generator) -> None:
    """All y are too small: they were divided by the width."""

    def shrink(row: str) -> str:
        number, *rest = row.split()
        ring = np.array(rest, float).reshape(-1, 2) * [1, HEIGHT / WIDTH]
        return f"{number} " + " ".join(f"{v:.6f}" for v in ring.reshape(-1).tolist())

    copy.change_lines(shrink)


@json_defect("points as x, y and a visibility", "exporter", "files", "coco", "gbm")
def visibilities(content: Json, rng: np.random.Generator) -> None:
    """Each third number of these outlines is a visibility, not a coordinate."""
    for one in planting.some(content["annotations"], rng, len(content["annotations"]) // 5):
        if isinstance(one["segmentation"], list):
            rings = [np.array(ring).reshape(-1, 2) for ring in planting.points(one)]
            one["segmentation"] = [np.insert(ring, 2, 2, axis=1).reshape(-1).tolist() for ring in rings]


@defect("open lines in place of closed outlines", "annotator", "files", "kudzu", "labelme", "studio")
def open_lines(copy: Copy, rng: np.random.Generator) -> None:
    """These outlines are lines, which have no area: nobody closed them."""
    if copy.document:
        tasks: Any = copy.load()
        for task in tasks[::2]:
            for one in task["annotations"][0]["result"]:
                one["value"]["closed"] = False
        copy.save(tasks)
        return
    for path in sorted(copy.root.rglob("*.json")):
        content = json.loads(path.read_text())
        for shape in content.get("shapes", [])[::2]:
            shape["shape_type"] = "linestrip"
        for image in (content if "shapes" not in content else {}).values():
            regions = image.get("regions", []) if isinstance(image, dict) else []
            for region in (list(regions.values()) if isinstance(regions, dict) else regions)[::2]:
                region["shape_attributes"]["name"] = "polyline"
        path.write_text(json.dumps(content))


@defect("row and column of bitmaps' origins exchanged", "exporter", "files", "lemons")
def exchanged_origins(copy: Copy, rng: np.random.Generator) -> None:
    """The origins of these bitmaps are exchanged: some leave the picture, the others lie beside their fruit."""
    for path in sorted(copy.root.rglob("ann/*.json")):
        content = json.loads(path.read_text())
        for one in content["objects"]:
            one["bitmap"]["origin"].reverse()
        path.write_text(json.dumps(content))


@defect("a label that the task's list has not", "annotator", "files", "cvat")
def unlisted_label(copy: Copy, rng: np.random.Generator) -> None:
    """The task's list of labels lacks the label of some shapes: it was renamed later."""
    path = copy.root / "annotations.xml"
    text = path.read_text()
    head, *images = text.split("<image ")
    images[3:8] = [one.replace('label="crab"', 'label="krabbe"') for one in images[3:8]]
    path.write_text("<image ".join([head, *images]))


@defect("numbers of objects that begin again with each class", "exporter", "files", "voc lists")
def restarting_numbers(copy: Copy, rng: np.random.Generator) -> None:
    """Objects of different classes share a number in these images."""
    for path in sorted(copy.root.glob("SegmentationObject/*.png"))[::2]:
        numbers, classes = copy.array(path), copy.array(copy.root / "SegmentationClass" / path.name)
        result = np.zeros_like(numbers)
        for value in np.unique(classes[classes > 0]):
            for k, number in enumerate(np.unique(numbers[(classes == value) & (numbers > 0)]), 1):
                result[(classes == value) & (numbers == number)] = k
        copy.put(path, result, "P")


@defect("runs that go row by row, in half of the images", "exporter", "pictures", "sheet")
def row_runs(copy: Copy, rng: np.random.Generator) -> None:
    """The runs of half of the images go row by row, those of the others column by column."""
    path = copy.root / "train.csv"
    head, *rows = path.read_text().splitlines()
    names = sorted({row.split(",")[0] for row in rows})[::2]
    changed = []
    for row in rows:
        cells = row.split(",")
        if cells[0] in names:
            values = np.zeros(WIDTH * HEIGHT, np.uint8)
            for start, length in np.array(cells[1].split(), int).reshape(-1, 2).tolist():
                values[start - 1 : start - 1 + length] = 1
            pixels = values.reshape(WIDTH, HEIGHT).T.reshape(-1).astype(int)
            edges = np.flatnonzero(np.diff(np.concatenate([[0], pixels, [0]])))
            cells[1] = " ".join(f"{a + 1} {b - a}" for a, b in edges.reshape(-1, 2).tolist())
        changed.append(",".join(cells))
    path.write_text("\n".join([head, *changed]) + "\n")


@defect("stuff in several segments of an image", "exporter", "files", "panoptic")
def split_stuff(copy: Copy, rng: np.random.Generator) -> None:
    """Stuff has one segment in an image; here each half of it is one."""
    content = copy.load()
    things = {one["id"] for one in content["categories"] if one["isthing"]}
    for one in content["annotations"]:
        (path,) = copy.root.glob(f"panoptic_examples/{one['file_name']}")
        values = np.array(Image.open(path).convert("RGB")).astype(int)
        numbers = values @ [1, 256, 65536]
        for segment in [s for s in one["segments_info"] if s["category_id"] not in things][:3]:
            right = (numbers == segment["id"]) & (np.arange(numbers.shape[1]) > segment["bbox"][0] + segment["bbox"][2] / 2)  # fmt: skip  # noqa: E501
            new = segment["id"] + 1
            values[right] = new & 255, new >> 8 & 255, new >> 16
            for number, pixels in ((segment["id"], (numbers == segment["id"]) & ~right), (new, right)):
                y, x = np.nonzero(pixels)
                box = [int(v) for v in (x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1)]
                part = segment | {"id": int(number), "area": int(pixels.sum()), "bbox": box}
                if number == new:
                    one["segments_info"].append(part)
                else:
                    segment |= part
        Image.fromarray(values.astype(np.uint8)).save(path)
    copy.save(content)


# Videos.


@annotation_defect("outlines that collapse between two keyframes", "tracker", "pictures", "vis", every=3)
def collapsing(one: Json) -> None:
    """dalboris/vpaint#87. Between its keyframes this track shrinks to a part of its object and grows again: points were joined in the wrong order."""  # noqa: E501
    for k, depth in ((3, 4), (4, 8), (5, 10), (6, 8), (7, 4)):
        if one["segmentations"][k]:
            pixels = ndimage.binary_erosion(rle.decode(one["segmentations"][k]) > 0, iterations=depth)
            drawn = planting.encode_rle(pixels) if pixels.any() else None
            one["segmentations"][k] = drawn
            one["areas"][k] = int(rle.area(drawn)) if drawn else None
            one["bboxes"][k] = rle.toBbox(drawn).tolist() if drawn else None
