"""A fifth list of defects, committed before any was tried: tools, copies between computers, augmentation."""

# ruff: noqa: D103 - the decorator says what each function plants
import json
import unicodedata
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from benchmarks.defects import planting
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, json_defect


@annotation_defect("outlines from the corner of their own box, as of a crop", "exporter", "files", "coco", "gbm")
def cropped_points(one: Json) -> None:
    x, y = one["bbox"][:2]
    if rings := list(planting.points(one)):
        one["segmentation"] = [(np.array(r).reshape(-1, 2) - [x, y]).reshape(-1).tolist() for r in rings]


@json_defect("one outline pasted in place of each object of some images", "annotator", "files", "coco", "gbm")
def pasted_outline(content: Json, rng: np.random.Generator) -> None:
    by_image: dict[int, list[Json]] = {}
    for one in content["annotations"]:
        if list(planting.points(one)):
            by_image.setdefault(one["image_id"], []).append(one)
    for image in planting.some([key for key, group in by_image.items() if len(group) >= 6], rng, 5):
        group = by_image[image]
        first = group[0]
        ring = np.array(first["segmentation"][0]).reshape(-1, 2)
        for one in group[1:]:
            moved = ring + np.round(np.array(one["bbox"][:2]) - first["bbox"][:2])
            one["segmentation"] = [moved.reshape(-1).tolist()]
    planting.fit_boxes(content)


@defect("accents in names of images composed in the JSON, decomposed on the disk", "merge", "files", "coco", "gbm")
def decomposed_names(copy: Copy, rng: np.random.Generator) -> None:
    content = copy.load()
    folder = copy.own_images()
    for image in content["images"]:
        name = f"Café_{Path(image['file_name']).name}"
        path = folder / Path(image["file_name"]).name
        path.rename(path.with_name(unicodedata.normalize("NFD", name)))
        image["file_name"] = image["file_name"].replace(path.name, unicodedata.normalize("NFC", name))
    copy.save(content)


@defect(
    "mirrored, brighter copies of images with the outlines of the originals",
    "augmentation",
    "files",
    "coco",
    "gbm",
)
def unmirrored_copies(copy: Copy, rng: np.random.Generator) -> None:
    content = copy.load()
    folder = copy.own_images()
    number = max(one["id"] for one in content["annotations"])
    top = max(image["id"] for image in content["images"])
    for image in planting.some(content["images"], rng, 10):
        path = folder / Path(image["file_name"]).name
        top += 1
        name = f"{path.stem}_aug{path.suffix}"
        with Image.open(path) as picture:
            ImageEnhance.Brightness(ImageOps.mirror(picture.convert("RGB"))).enhance(1.1).save(path.with_name(name))
        new = image | {"id": top, "file_name": image["file_name"].replace(path.name, name)}
        content["images"].append(new)
        for one in [one for one in content["annotations"] if one["image_id"] == image["id"]]:
            number += 1
            content["annotations"].append(one | {"id": number, "image_id": top})
    copy.save(content)


@defect("a class called no, which YAML reads as false", "label map", "files", "yolo")
def false_name(copy: Copy, rng: np.random.Generator) -> None:
    path = copy.root / "data.yaml"
    path.write_text(path.read_text().replace("0: crop", "0: no\n  1: yes"))


@defect("Git LFS pointers in place of some files", "merge", "files", "camvid", "ids", "yolo", "labelme")
def pointers(copy: Copy, rng: np.random.Generator) -> None:
    paths = copy.masks if copy.pattern else sorted([*copy.root.rglob("labels/*.txt"), *copy.root.glob("*.json")])
    for path in planting.some(paths, rng, max(2, len(paths) // 8)):
        size = path.stat().st_size
        path.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d7a' * 16}\nsize {size}\n")


@defect("the folders of class masks and object masks exchanged", "exporter", "files", "voc")
def exchanged_folders(copy: Copy, rng: np.random.Generator) -> None:
    (copy.root / "SegmentationClass").rename(copy.root / "kept")
    (copy.root / "SegmentationObject").rename(copy.root / "SegmentationClass")
    (copy.root / "kept").rename(copy.root / "SegmentationObject")


@json_defect("all categories marked as things", "exporter", "files", "panoptic")
def all_things(content: Json, rng: np.random.Generator) -> None:
    for one in content["categories"]:
        one["isthing"] = 1


@defect("a JSON started from a copy of another: imagePath names the other image", "annotator", "files",
        "labelme", "labelme video")  # fmt: skip
def kept_path(copy: Copy, rng: np.random.Generator) -> None:
    first, second = sorted(copy.root.glob("*.json"))[:2]
    content = json.loads(second.read_text())
    content["imagePath"] = json.loads(first.read_text())["imagePath"]
    second.write_text(json.dumps(content))


@defect("one group_id for all shapes of an image", "annotator", "files", "labelme", "labelme video")
def one_group(copy: Copy, rng: np.random.Generator) -> None:
    for path in sorted(copy.root.glob("*.json")):
        content = json.loads(path.read_text())
        for shape in content["shapes"]:
            shape["group_id"] = 1
        path.write_text(json.dumps(content))


@defect("NaN as the background", "volume", "files", "spleen")
def nan_background(copy: Copy, rng: np.random.Generator) -> None:
    def change(v: Array) -> Array:
        holed: Array = np.where(v == 0, np.nan, v).astype(np.float32)
        return holed

    copy.change_volume(change)


@defect("the last third of a video without labels", "annotator", "files", "osvos", "camseq")
def unfinished(copy: Copy, rng: np.random.Generator) -> None:
    paths = copy.frames()
    for path in paths[len(paths) * 2 // 3 :]:
        copy.put(path, np.zeros_like(copy.array(path)))
