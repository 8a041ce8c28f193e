"""A seventh list of defects, committed before any was tried: threads about public datasets, and what pipelines break.

As in the sixth list, the docstring of each function is what the owner of the dataset would expect to be told, and names
the thread where a kind was found. Three more formats are drawn: CVAT's XML, YouTube-VIS, and MOTS as text.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image, ImageEnhance
from pycocotools import mask as rle
from scipy import ndimage

from benchmarks.defects import planting
from benchmarks.defects.drawn_datasets import HEIGHT, NAMES, WIDTH, Made, Thing, draw
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, drawn_base, json_defect
from benchmarks.defects.reported import cvat_head

# Drawn datasets, sound.


@drawn_base("cvat")
def _cvat(made: Made) -> None:
    parts = [cvat_head("annotation")]
    for k, scene in made.scenes(16):
        made.image(f"images/{k:03d}.jpg", scene.picture, quality=92)
        parts.append(f'<image id="{k - 1}" name="{k:03d}.jpg" width="{WIDTH}" height="{HEIGHT}">')
        for one in scene.things:
            ring = ";".join(f"{x:.2f},{y:.2f}" for x, y in one.ring.tolist())
            parts.append(f'<polygon label="{NAMES[one.category]}" occluded="0" points="{ring}" z_order="0"></polygon>')
        parts.append("</image>")
    made.text("annotations.xml", "\n".join([*parts, "</annotations>"]))


def _film(made: Made, frames: int) -> Iterator[tuple[Array, list[tuple[Thing, Array]]]]:
    """Pictures of things that move, and the pixels of each thing."""
    scene = draw(made.rng)
    sand = ndimage.gaussian_filter(made.rng.normal(size=(HEIGHT, WIDTH, 3)), (5, 5, 0))
    sand = np.array([170, 150, 120]) + 60 * sand / np.abs(sand).max()
    steps = made.rng.uniform(-2.5, 2.5, (len(scene.things), 2))
    for k in range(frames):
        picture = sand + made.rng.normal(0, 4, sand.shape)
        drawn: list[tuple[Thing, Array]] = []
        for one, step in zip(scene.things, steps, strict=True):
            pixels = ndimage.shift(one.pixels.astype(np.uint8), np.round(step * k), order=0) > 0
            for _, others in drawn:
                pixels &= ~others
            colours = scene.picture[one.pixels]
            picture[pixels] = colours[np.arange(pixels.sum()) % len(colours)]
            drawn.append((one, pixels))
        yield np.clip(picture, 0, 255).astype(np.uint8), drawn


@drawn_base("vis", "train.json")
def _vis(made: Made) -> None:
    videos: list[Json] = []
    annotations: list[Json] = []
    for video in range(1, 4):
        names, tracks = [], dict[int, list[Json | None]]()
        for k, (picture, things) in enumerate(_film(made, 14)):
            names.append(f"dive_{video}/{k:05d}.jpg")
            made.image(f"JPEGImages/{names[-1]}", picture, quality=92)
            for n, (_, pixels) in enumerate(things):
                tracks.setdefault(n, []).append(planting.encode_rle(pixels) if pixels.any() else None)
        kinds = [one.category + 1 for one, _ in things]
        videos.append({"id": video, "width": WIDTH, "height": HEIGHT, "length": len(names), "file_names": names})
        for n, drawn in tracks.items():
            annotations.append({
                "id": len(annotations) + 1, "video_id": video, "category_id": kinds[n], "iscrowd": 0,
                "width": WIDTH, "height": HEIGHT, "segmentations": drawn,
                "areas": [int(rle.area(one)) if one else None for one in drawn],
                "bboxes": [rle.toBbox(one).tolist() if one else None for one in drawn],
            })  # fmt: skip
    categories = [{"id": k + 1, "name": name, "supercategory": "beach"} for k, name in enumerate(NAMES)]
    made.text("train.json", {"videos": videos, "annotations": annotations, "categories": categories})


@drawn_base("mots")
def _mots(made: Made) -> None:
    for video in range(3):
        rows = []
        for k, (picture, things) in enumerate(_film(made, 14)):
            made.image(f"images/{video:04d}/{k:06d}.png", picture)
            for n, (one, pixels) in enumerate(things):
                kind = one.category % 2 + 1
                if pixels.any():
                    runs = planting.encode_rle(pixels)["counts"]
                    rows.append(f"{k} {kind * 1000 + n} {kind} {HEIGHT} {WIDTH} {runs}")
        made.text(f"instances_txt/{video:04d}.txt", "\n".join(rows) + "\n")


# COCO.


@json_defect("in each image all objects have the category of the first", "exporter", "files", "coco", "taco")
def first_category(content: Json, rng: np.random.Generator) -> None:
    """cvat-ai/cvat#9848. No image has objects of two categories: an exporter reused the first."""
    first: dict[int, int] = {}
    for one in content["annotations"]:
        one["category_id"] = first.setdefault(one["image_id"], one["category_id"])


@json_defect("names in place of category ids", "exporter", "files", "coco", "gbm")
def category_names(content: Json, rng: np.random.Generator) -> None:
    """category_id holds names of categories, not ids."""
    names = {one["id"]: one["name"] for one in content["categories"]}
    for one in content["annotations"]:
        one["category_id"] = names[one["category_id"]]


@json_defect("file names in place of image ids in the annotations", "exporter", "files", "coco", "gbm")
def image_names(content: Json, rng: np.random.Generator) -> None:
    """image_id holds names of files, not ids."""
    names = {image["id"]: image["file_name"] for image in content["images"]}
    for one in content["annotations"]:
        one["image_id"] = names[one["image_id"]]


@annotation_defect("ids as decimals, as pandas writes them", "exporter", "files", "coco", "gbm")
def decimal_ids(one: Json) -> None:
    """Ids are 391895.0: read as meant, or named."""
    for key in ("id", "image_id", "category_id"):
        one[key] = float(one[key])


@json_defect("NaN where pandas had no outline", "exporter", "files", "coco", "gbm")
def nan_outlines(content: Json, rng: np.random.Generator) -> None:
    """These annotations have no outline: NaN, which is no JSON."""
    for one in planting.some(content["annotations"], rng, len(content["annotations"]) // 10):
        one["segmentation"] = float("nan")


@annotation_defect("outlines as JSON within text", "exporter", "files", "coco", "gbm")
def text_outlines(one: Json) -> None:
    """The outlines are text that holds JSON: they were encoded twice."""
    one["segmentation"] = json.dumps(one["segmentation"])


@json_defect("images without width and height", "exporter", "files", "coco", "gbm")
def no_sizes(content: Json, rng: np.random.Generator) -> None:
    """The images have no sizes: read from their files, or said."""
    for image in content["images"]:
        del image["width"], image["height"]


@json_defect("the labels of two images are those of a picture twice as large", "resize", "pictures", "coco", "gbm")
def two_scaled(content: Json, rng: np.random.Generator) -> None:
    """R3ab/ttpla_dataset#1. The labels of these two images lie in a quarter of them, and not on objects."""
    chosen = {image["id"] for image in content["images"][3:5]}
    planting.map_points(content, lambda p, _: p / 2, lambda one: one["image_id"] in chosen)
    planting.fit_boxes(content)


@defect("images of the folder that the JSON lacks", "merge", "files", "splits")
def unlisted(copy: Copy, rng: np.random.Generator) -> None:
    """bdd100k/bdd100k#210. These images are in the folder and not in the JSON: not labelled, or lost."""
    path, content, _, _ = copy.train_and_val()
    lost = {image["id"] for image in content["images"][2:6]}
    content["images"] = [image for image in content["images"] if image["id"] not in lost]
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] not in lost]
    path.write_text(json.dumps(content))


@defect("augmented copies of one picture in train and in val, by their names", "augmentation", "files", "splits")
def rf_copies(copy: Copy, rng: np.random.Generator) -> None:
    """Pictures of train and val come of one source: their names differ by Roboflow's hash alone."""
    train_path, train, val_path, val = copy.train_and_val()
    for path, content, split in ((train_path, train, "train"), (val_path, val, "val")):
        for image in content["images"]:
            old = copy.root / split / image["file_name"]
            image["file_name"] = f"{old.stem}_jpg.rf.{rng.bytes(16).hex()}.jpg"
            old.rename(old.with_name(image["file_name"]))
        path.write_text(json.dumps(content))
    number = 2000
    for image in planting.some(train["images"], rng, 4):
        stem = image["file_name"].split(".rf.")[0]
        name = f"{stem}.rf.{rng.bytes(16).hex()}.jpg"
        with Image.open(copy.root / "train" / image["file_name"]) as picture:
            turned = picture.rotate(180 / np.pi * 0.2, Image.Resampling.BILINEAR)
        ImageEnhance.Color(ImageEnhance.Brightness(turned).enhance(0.7)).enhance(0.3).save(copy.root / "val" / name)
        val["images"].append(image | {"id": 100 + image["id"], "file_name": name})
        middle, turn = (
            np.array([WIDTH, HEIGHT]) / 2,
            np.array([[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]]),
        )
        for one in [one for one in train["annotations"] if one["image_id"] == image["id"]]:
            ring = (np.array(one["segmentation"][0]).reshape(-1, 2) - middle) @ turn + middle
            new = {"id": number, "image_id": 100 + image["id"], "segmentation": [ring.clip(0, [WIDTH, HEIGHT]).reshape(-1).tolist()]}  # fmt: skip  # noqa: E501
            val["annotations"].append(one | new)
            number += 1
    planting.fit_boxes(val)
    val_path.write_text(json.dumps(val))


@json_defect("regions to be ignored as a category of things", "merge", "files", "coco")
def ignored_things(content: Json, rng: np.random.Generator) -> None:
    """VisualComputingInstitute/TrackR-CNN#65. A category is called DontCare: its regions are no objects."""
    number = max(one["id"] for one in content["categories"]) + 1
    content["categories"].append({"id": number, "name": "DontCare", "supercategory": "other"})
    for one in planting.some(content["annotations"], rng, 30):
        one["category_id"] = number


# YOLO.


@defect("label files exported twice into the same files", "exporter", "files", "beach", "yolo")
def appended_lines(copy: Copy, rng: np.random.Generator) -> None:
    """Each line of these files is there twice: the second export was appended."""
    for path in sorted(copy.root.rglob("labels/**/*.txt"))[::2]:
        path.write_text(path.read_text().rstrip("\n") + "\n" + path.read_text())


@defect("names in place of class numbers", "exporter", "files", "beach", "yolo")
def class_names(copy: Copy, rng: np.random.Generator) -> None:
    """Lines begin with names of classes, not with their numbers."""
    names = NAMES if copy.root.name == "beach" else ("crop",)
    copy.change_lines(lambda row: " ".join([names[int(row.split()[0])], *row.split()[1:]]))


@defect("lines of keypoints, with visibilities, among outlines", "exporter", "files", "beach")
def keypoints(copy: Copy, rng: np.random.Generator) -> None:
    """Half of the files hold boxes with keypoints and visibilities, not outlines."""
    for path in sorted(copy.root.rglob("labels/**/*.txt"))[::2]:
        rows = []
        for row in path.read_text().splitlines():
            number, *rest = row.split()
            ring = np.array(rest, float).reshape(-1, 2)
            low, high = ring.min(0), ring.max(0)
            values = [*((low + high) / 2), *(high - low)]
            for x, y in ring[::4]:
                values += [x, y, 2]
            rows.append(" ".join([number, *(f"{v:.6g}" for v in values)]))
        path.write_text("\n".join(rows) + "\n")


# Masks.


@defect("some masks of images that are not there, and as many images without masks", "merge", "files", "camvid", "cityscapes")  # fmt: skip  # noqa: E501
def other_names(copy: Copy, rng: np.random.Generator) -> None:
    """bdd100k/bdd100k#103. These images have no mask, and these masks no image."""
    for path in (copy.masks if copy.pattern else sorted(copy.root.glob("gtFine/train/*/*.png")))[4:12]:
        path.rename(path.with_name(path.name.replace("_0", "_9", 1)))


PAGE = "<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>\n"


def _label_files(copy: Copy) -> list[Path]:
    return copy.masks if copy.pattern else sorted([*copy.root.glob("labelsTr/*"), *copy.root.glob("*.json")])[:5]


@defect("pages of a web server in place of some files", "merge", "files", "camvid", "organs", "labelme")
def web_pages(copy: Copy, rng: np.random.Generator) -> None:
    """These files are pages of a web server: the download failed."""
    for path in _label_files(copy)[1:4]:
        if path.name != "dataset.json":
            path.write_text(PAGE)


@defect("files of no bytes", "merge", "files", "camvid", "ids", "organs", "labelme")
def no_bytes(copy: Copy, rng: np.random.Generator) -> None:
    """These files are empty: the disk was full, or the copy was interrupted."""
    for path in _label_files(copy)[1:4]:
        if path.name != "dataset.json":
            path.write_bytes(b"")


@defect("two classes of one colour in the list of colours", "label map", "files", "camseq", "voc lists")
def same_colour(copy: Copy, rng: np.random.Generator) -> None:
    """isl-org/DPT#92. Two classes have one colour, so that nobody knows whose pixels these are."""
    if copy.root.name == "camseq":
        path = copy.root / "label_colors.txt"
        rows = path.read_text().splitlines()
        first, second = (next(k for k, row in enumerate(rows) if name in row) for name in ("Building", "Road"))
        rows[second] = " ".join([*rows[first].split()[:3], rows[second].split()[-1]])
    else:
        path = copy.root / "labelmap.txt"
        rows = path.read_text().splitlines()
        rows[3] = ":".join([rows[3].split(":")[0], *rows[2].split(":")[1:]])
    path.write_text("\n".join(rows) + "\n")


@defect("void borders around the objects of half of the masks", "merge", "files", "voc lists")
def void_borders(copy: Copy, rng: np.random.Generator) -> None:
    """Half of the masks have borders of void (255) around objects, the others have none: two guidelines."""
    for path in sorted(copy.root.glob("SegmentationClass/*.png"))[::2]:
        values = copy.array(path)
        numbers = copy.array(copy.root / "SegmentationObject" / path.name)
        edge = ndimage.grey_dilation(numbers, 5) != ndimage.grey_erosion(numbers, 5)
        for one, own in ((path, values), (copy.root / "SegmentationObject" / path.name, numbers)):
            with Image.open(one) as image:
                palette = image.getpalette() or []
            mask = Image.fromarray(np.where(edge, 255, own).astype(np.uint8))
            mask.putpalette(palette + [0] * (765 - len(palette)) + [224, 224, 192])  # else a short one cuts the values
            one.unlink()
            mask.save(one)


@defect("ids of a single pixel", "exporter", "files", "ids")
def pixel_ids(copy: Copy, rng: np.random.Generator) -> None:
    """HeylenJonas/KITTI3D-Instance-Segmentation-Devkit#3. These objects are single pixels."""
    for path in copy.masks[:8]:
        values = copy.array(path).copy()
        for k in range(3):
            values[tuple(rng.integers(0, values.shape))] = 900 + k
        copy.put(path, values)


@defect("panoptic PNGs reduced to 32 colours by an optimizer", "exporter", "files", "panoptic")
def reduced_colours(copy: Copy, rng: np.random.Generator) -> None:
    """These masks have a palette and colours that are no ids of segments any more."""
    for path in copy.masks:
        with Image.open(path) as image:
            small = image.convert("RGB").quantize(16)
        path.unlink()
        small.save(path)


# VOC, LabelMe, Supervisely, Label Studio, CVAT.


@defect("a list of another release: most of its names are not here", "merge", "files", "voc lists")
def other_release(copy: Copy, rng: np.random.Generator) -> None:
    """val.txt names images that are not here; and which images are in no list."""
    path = copy.root / "ImageSets/Segmentation/val.txt"
    path.write_text("".join(f"2007_{k:06d}\n" for k in range(32, 60, 4)))


@defect("numbers of objects in their labels: person1, person2", "annotator", "files", "labelme")
def numbered_labels(copy: Copy, rng: np.random.Generator) -> None:
    """Labels carry numbers of objects, so that each is a class of its own."""
    for path in sorted(copy.root.glob("*.json")):
        content = json.loads(path.read_text())
        for k, shape in enumerate(content["shapes"]):
            shape["label"] += str(k + 1)
        path.write_text(json.dumps(content))


@defect("two JSON files of one image", "merge", "files", "labelme", "labelme video")
def second_file(copy: Copy, rng: np.random.Generator) -> None:
    """These two files are of one image, with different shapes."""
    path = sorted(copy.root.glob("*.json"))[0]
    content = json.loads(path.read_text())
    content["shapes"] = content["shapes"][1:]
    path.with_name(f"{path.stem}_old.json").write_text(json.dumps(content))


@defect("height and width exchanged in Supervisely's sizes", "exporter", "files", "lemons")
def exchanged_sizes(copy: Copy, rng: np.random.Generator) -> None:
    """The sizes of these images are exchanged."""
    for path in sorted(copy.root.rglob("ann/*.json")):
        content = json.loads(path.read_text())
        size = content["size"]
        content["size"] = {"height": size["width"], "width": size["height"]}
        path.write_text(json.dumps(content))


def _tasks(copy: Copy, change: Callable[[Json], None]) -> None:
    content: Any = copy.load()
    for task in content[::3]:
        change(task)
    copy.save(content)


@defect("pictures that were turned in the tool while they were labelled", "annotator", "pictures", "studio")
def turned_tasks(copy: Copy, rng: np.random.Generator) -> None:
    """These pictures were labelled turned by 90 degrees: image_rotation says so."""

    def turn(task: Json) -> None:
        for one in task["annotations"][0]["result"]:
            one["image_rotation"] = 90
            one["value"]["points"] = [[100 - y, x] for x, y in one["value"]["points"]]

    _tasks(copy, turn)


@defect("tasks with a model's predictions and no annotation", "merge", "files", "studio")
def only_predictions(copy: Copy, rng: np.random.Generator) -> None:
    """These tasks have predictions alone: nobody labelled them."""

    def predict(task: Json) -> None:
        task["predictions"] = [{"id": task["id"], "model_version": "v1", "result": task["annotations"][0]["result"]}]
        task["annotations"] = []

    _tasks(copy, predict)


@defect("a second person's annotation of some tasks", "annotator", "files", "studio")
def second_person(copy: Copy, rng: np.random.Generator) -> None:
    """Two people annotated these tasks: told apart, not each object twice."""

    def annotate(task: Json) -> None:
        first = task["annotations"][0]
        again = json.loads(json.dumps(first)) | {"id": 900 + task["id"], "completed_by": 2}
        for one in again["result"]:
            one["id"] = f"s{one['id']}"
            one["value"]["points"] = (np.array(one["value"]["points"]) + rng.normal(0, 0.3, (28, 2))).tolist()
        task["annotations"].append(again)

    _tasks(copy, annotate)


@defect("frames where two jobs of a task overlap, labelled twice", "exporter", "files", "cvat")
def overlapping_jobs(copy: Copy, rng: np.random.Generator) -> None:
    """These images are there twice, with the same objects a pixel apart: two jobs overlap."""
    path = copy.root / "annotations.xml"
    text = path.read_text()
    blocks = re.findall(r"<image .*?</image>", text, re.DOTALL)[4:7]
    moved = [
        re.sub(r"(\d+\.\d\d),(\d+\.\d\d)", lambda p: f"{float(p[1]) + 0.8:.2f},{float(p[2]) - 0.6:.2f}", block)
        for block in blocks
    ]
    path.write_text(text.replace(blocks[-1], "\n".join([blocks[-1], *moved])))


# Videos.


@json_defect("lists of a track one frame shorter than their video", "exporter", "files", "vis")
def shorter_lists(content: Json, rng: np.random.Generator) -> None:
    """The lists of these tracks have 13 entries, their video has 14 frames: which frame is missing, nobody knows."""
    planting.change_tracks(content["annotations"][::2], lambda values: values[1:])


@json_defect("lists of tracks longer than their video", "exporter", "files", "vis")
def longer_lists(content: Json, rng: np.random.Generator) -> None:
    """wangxiao5791509/TNL2K_evaluation_toolkit#2. These tracks go on after the last frame of their video."""
    video = content["videos"][1]
    video["file_names"], video["length"] = video["file_names"][:-3], video["length"] - 3


@defect("an object under another class in some frames", "tracker", "files", "mots")
def other_class(copy: Copy, rng: np.random.Generator) -> None:
    """One object is a car in some frames and a pedestrian in others, under ids of one number."""
    path = copy.root / "instances_txt/0001.txt"
    rows = [row.split(" ", 5) for row in path.read_text().splitlines()]
    for row in rows:
        if row[1] == rows[1][1] and 4 <= int(row[0]) < 8:
            row[2] = "1" if row[2] == "2" else "2"
            row[1] = f"{row[2]}{row[1][1:]}"
    path.write_text("\n".join(" ".join(row) for row in rows) + "\n")


@defect("two objects under one id in a frame", "tracker", "files", "mots")
def shared_id(copy: Copy, rng: np.random.Generator) -> None:
    """waymo-research/waymo-open-dataset#570. Two lines of a frame have one id."""
    path = copy.root / "instances_txt/0001.txt"
    rows = [row.split(" ", 5) for row in path.read_text().splitlines()]
    groups: dict[str, list[str]] = {}
    for row in rows:
        if row[0] == "0":
            groups.setdefault(row[2], []).append(row[1])
    first, second = next(ids for ids in groups.values() if len(ids) > 1)[:2]
    for row in rows:
        if row[1] == second and 4 <= int(row[0]) < 8:
            row[1] = first
    path.write_text("\n".join(" ".join(row) for row in rows) + "\n")


# Volumes.


def _image(copy: Copy, number: int) -> tuple[Path, Any, Array]:
    path = sorted(copy.root.glob("imagesTr/*_0000.nii.gz"))[number]
    image: Any = nibabel.load(path)
    return path, image, np.asanyarray(image.dataobj)


@defect("the image of a case in place of its labels", "merge", "files", "nnunet", "organs")
def image_for_label(copy: Copy, rng: np.random.Generator) -> None:
    """The label file of this case is its image."""
    (source, _, _), (target, _, _) = _image(copy, 2), copy.labels_of_case(2)
    shutil.copy(source, target)


@defect("the labels of a case in place of its image", "merge", "files", "nnunet", "organs")
def label_for_image(copy: Copy, rng: np.random.Generator) -> None:
    """The image of this case is its label file."""
    (target, _, _), (source, _, _) = _image(copy, 2), copy.labels_of_case(2)
    shutil.copy(source, target)


@defect("a structure far from its place in one case", "annotator", "pictures", "organs")
def wrong_place(copy: Copy, rng: np.random.Generator) -> None:
    """wasserth/TotalSegmentator#245. In this case the left kidney lies where the image shows none."""
    path, image, values = copy.labels_of_case(4)
    moved = np.roll(values == 1, 34, axis=0)
    planting.write_volume(
        path, np.where(moved & (values == 0), 1, np.where(values == 1, 0, values)).astype(np.uint8), image.affine
    )


@defect("one scan under two names, with different labels", "merge", "files", "organs")
def scan_twice(copy: Copy, rng: np.random.Generator) -> None:
    """These two cases are one scan, labelled differently."""
    source, image, _ = _image(copy, 3)
    shutil.copy(source, source.with_name("kidney_013_0000.nii.gz"))
    path, image, values = copy.labels_of_case(3)
    grown = ndimage.grey_dilation(values, (5, 5, 1))
    nibabel.save(nibabel.Nifti1Image(grown, image.affine), path.with_name("kidney_013.nii.gz"))  # type: ignore[no-untyped-call]
    meta = json.loads((copy.root / "dataset.json").read_text())
    (copy.root / "dataset.json").write_text(json.dumps(meta | {"numTraining": 13}))


@defect("dataset.json counts cases that are not there", "merge", "files", "organs", "nnunet")
def lost_cases(copy: Copy, rng: np.random.Generator) -> None:
    """dataset.json says more training cases than there are: some were lost."""
    for number in (1, 1):
        _image(copy, number)[0].unlink()
        copy.labels_of_case(number)[0].unlink()


@defect("a label header turned by ten degrees", "volume", "files", "organs", "nnunet")
def turned_header(copy: Copy, rng: np.random.Generator) -> None:
    """MIC-DKFZ/nnUNet#2526. The labels of this case have another direction than their image."""
    path, image, values = copy.labels_of_case(2)
    c, s = np.cos(np.pi / 18), np.sin(np.pi / 18)
    turn = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    planting.write_volume(path, values, turn @ image.affine)


# Runs in tables.


@defect("two tables one behind the other, with both heads", "merge", "files", "sheet")
def second_head(copy: Copy, rng: np.random.Generator) -> None:
    """A line in the middle is the head of a second table: two files were joined as text."""
    path = copy.root / "train.csv"
    head, *rows = path.read_text().splitlines()
    middle = len(rows) // 2
    path.write_text("\n".join([head, *rows[:middle], head, *rows[middle:]]) + "\n")


@defect("runs that count pixels from 0", "exporter", "pictures", "sheet")
def from_zero(copy: Copy, rng: np.random.Generator) -> None:
    """All starts are one too low; where a run starts with 0, or a column's end wraps, files tell it."""
    path = copy.root / "train.csv"
    head, *rows = path.read_text().splitlines()
    changed = []
    for row in rows:
        cells = row.split(",")
        numbers = cells[1].split()
        numbers[::2] = [str(int(n) - 1) for n in numbers[::2]]
        changed.append(",".join([cells[0], " ".join(numbers), *cells[2:]]))
    path.write_text("\n".join([head, *changed]) + "\n")
