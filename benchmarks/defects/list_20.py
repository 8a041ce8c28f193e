"""A twentieth list of defects, committed before any was tried: what users report of tools, and what scripts leave out.

As in the lists before, the docstring of each function is what the owner of the dataset would expect to be told. A
thread `owner/name#1` is on GitHub, and is where somebody met it.
"""

import base64
import json
import re
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from benchmarks.defects import planting
from benchmarks.defects.drawn_datasets import HEIGHT, WIDTH, picture_bytes, write_raster
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, json_defect, parts_defect

# COCO.


@json_defect("a part of one point in the middle of the image", "exporter", "files", "coco", "gbm")
def middle_points(content: Json, rng: np.random.Generator) -> None:
    """jsbroks/coco-annotator#526. Some outlines have a further part of one point: the middle of the image."""
    sizes = {image["id"]: [image["width"] / 2, image["height"] / 2] for image in content["images"]}
    for one in content["annotations"][::12]:
        if isinstance(one["segmentation"], list):
            one["segmentation"].append(sizes[one["image_id"]])


@json_defect("boxes measured from the lower side", "exporter", "files", "coco", "gbm")
def from_below(content: Json, rng: np.random.Generator) -> None:
    """labelflow/labelflow#309. y of the boxes counts from the lower side of the image, outlines from the upper."""
    heights = {image["id"]: image["height"] for image in content["images"]}
    for one in content["annotations"]:
        x, y, width, height = one["bbox"]
        one["bbox"] = [x, heights[one["image_id"]] - y - height, width, height]


@json_defect("paths of a tool's storage before the names of images", "exporter", "files", "coco", "gbm")
def storage_paths(content: Json, rng: np.random.Generator) -> None:
    """HumanSignal/label-studio#9366. Read as meant, or named: ../../label-studio/data/media/upload/3/NAME."""
    for image in content["images"]:
        image["file_name"] = f"../../label-studio/data/media/upload/3/{image['file_name']}"


@annotation_defect("no area in any annotation", "exporter", "files", "coco", "gbm")
def without_area(one: Json) -> None:
    """cocodataset/cocoapi#318. Training and pycocotools' evaluation stop at the first annotation without area."""
    del one["area"]


@annotation_defect("no iscrowd in any annotation", "exporter", "files", "gbm")
def without_iscrowd(one: Json) -> None:
    """cocodataset/cocoapi#374. Read as meant, or named: pycocotools' evaluation stops without iscrowd."""
    del one["iscrowd"]


@json_defect("the first category has the id 0", "exporter", "files", "coco")
def category_zero(content: Json, rng: np.random.Generator) -> None:
    """open-edge-platform/datumaro#156. Programs that keep 0 for the background lose "person"."""
    for one in [*content["categories"], *content["annotations"]]:
        key = "category_id" if "category_id" in one else "id"
        one[key] = 0 if one[key] == 1 else one[key]


@json_defect("compressed runs once more in base64", "exporter", "files", "coco", "gbm")
def base64_runs(content: Json, rng: np.random.Generator) -> None:
    """snuailab/waffle_hub#310. Read as meant, or named: counts are the base64 of what COCO has there."""
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    for one in content["annotations"]:
        if isinstance(one["segmentation"], list):
            runs = planting.encode_rle(planting.draw_rings(planting.points(one), *sizes[one["image_id"]]))
            one["segmentation"] = runs | {"counts": base64.b64encode(runs["counts"].encode()).decode()}


@json_defect("coordinates below 0 wrapped to 65535", "exporter", "files", "coco", "gbm")
def wrapped(content: Json, rng: np.random.Generator) -> None:
    """Points at the left and upper side lie 65535 px away: they were a little below 0, in 16 bits without a sign."""
    planting.map_points(content, lambda ring, _: np.where(ring < 1, 65535 + ring, ring))
    planting.fit_boxes(content)


@json_defect("a character without width in a category's name in the second half", "merge", "files", "coco", "taco")
def without_width(content: Json, rng: np.random.Generator) -> None:
    """There are two categories that look alike; one has a zero-width space."""
    chosen, first = planting.half(content), content["categories"][0]
    last = max(one["id"] for one in content["categories"]) + 1
    content["categories"].append(first | {"id": last, "name": first["name"] + "\u200b"})
    for one in content["annotations"]:
        if one["category_id"] == first["id"] and one["image_id"] in chosen:
            one["category_id"] = last


@annotation_defect("ids of annotations as UUIDs", "exporter", "files", "coco", "gbm")
def uuids(one: Json) -> None:
    """Ids are texts like 0000002a-5f1c-4b7e-9d3a-...: COCO asks for numbers, and pycocotools compares them with 0."""
    one["id"] = f"{one['id']:08x}-5f1c-4b7e-9d3a-8c2f6a1e7b40"


@json_defect("images as a dictionary by id", "exporter", "files", "coco", "gbm")
def images_by_id(content: Json, rng: np.random.Generator) -> None:
    """Read as meant, or named: "images" is {"1": {...}} in place of a list."""
    content["images"] = {str(image["id"]): image for image in content["images"]}


@json_defect("outlines that begin in the middle of their object", "exporter", "files", "coco", "gbm")
def from_the_middle(content: Json, rng: np.random.Generator) -> None:
    """The point that marks an object is the first of its outline: each has a notch to its middle."""
    planting.map_points(content, lambda ring, _: np.concatenate([[ring.mean(0)], ring]))


@json_defect("sizes of images with a unit", "exporter", "files", "coco", "gbm")
def with_unit(content: Json, rng: np.random.Generator) -> None:
    """Width and height are "640 px"."""
    for image in content["images"]:
        image.update({name: f"{image[name]} px" for name in ("width", "height")})


@json_defect("the last object of each image left out", "exporter", "pictures", "coco", "gbm")
def last_left_out(content: Json, rng: np.random.Generator) -> None:
    """A loop ended one object too early: each image lacks one."""
    last = {one["image_id"]: one["id"] for one in content["annotations"]}
    content["annotations"] = [one for one in content["annotations"] if one["id"] != last[one["image_id"]]]


@json_defect("objects on the line between two annotators' halves twice", "annotator", "files", "gbm")
def middle_line(content: Json, rng: np.random.Generator) -> None:
    """Two people labelled a half of each image; both drew what lies across the middle."""
    widths = {image["id"]: image["width"] for image in content["images"]}
    across = [
        one
        | {"segmentation": [(np.array(ring) + rng.normal(0, 1, len(ring))).tolist() for ring in one["segmentation"]]}
        for one in content["annotations"]
        if one["bbox"][0] < widths[one["image_id"]] / 2 < one["bbox"][0] + one["bbox"][2]
    ]
    planting.add_annotations(content, across)
    planting.fit_boxes(content)


@defect("images of train listed in val, without labels", "merge", "files", "splits")
def listed_in_val(copy: Copy, rng: np.random.Generator) -> None:
    """Val lists all images of train as well; they look as if nothing was on them."""
    _, train, path, val = copy.train_and_val()
    last = max(image["id"] for image in [*train["images"], *val["images"]])
    val["images"] += [image | {"id": last + 1 + k} for k, image in enumerate(train["images"])]
    path.write_text(json.dumps(val))


# YOLO.


@defect("paths of data.yaml below a folder that is not there", "exporter", "files", "beach")
def below_project(copy: Copy, rng: np.random.Generator) -> None:
    """roboflow/notebooks#82. Read as meant, or named: train is project/images/train, val is ../images/val."""
    path = copy.root / "data.yaml"
    text = path.read_text().replace("path: .\n", "").replace("train: ", "train: project/")
    path.write_text(text.replace("val: ", "val: ../"))


@defect("label files beside the pictures", "exporter", "files", "yolo", "beach")
def beside_pictures(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant, or named: no folder is called labels."""
    for path in sorted(copy.root.rglob("labels/**/*.txt")):
        target = str(path.relative_to(copy.root)).replace("labels", "images", 1)
        shutil.move(path, copy.root / target)


@parts_defect(
    "outlines whose first point is also the last", "exporter", "files", "yolo", "beach", each=Copy.change_lines
)
def closed_outlines(line: str) -> str:
    """Read as meant: the point that closes an outline is listed twice."""
    return " ".join([*line.split(), *line.split()[1:3]])


@defect("line ends lost", "exporter", "files", "yolo", "beach")
def one_line(copy: Copy, rng: np.random.Generator) -> None:
    """All objects of a picture are in one line."""
    for path in sorted(copy.root.rglob("labels/**/*.txt")):
        path.write_text(path.read_text().replace("\n", " "))


@defect("lists of pictures with paths of another computer", "exporter", "files", "beach")
def lists_of_paths(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant, or named: train is train.txt, whose lines are /home/ann/beach/images/train/0001.jpg."""
    path = copy.root / "data.yaml"
    for split in ("train", "val"):
        names = [
            f"/home/ann/beach/images/{split}/{one.name}" for one in sorted((copy.root / "images" / split).iterdir())
        ]
        (copy.root / f"{split}.txt").write_text("\n".join(names) + "\n")
        path.write_text(path.read_text().replace(f"{split}: images/{split}", f"{split}: {split}.txt"))


# Masks.


@defect("the background of class masks is the first class", "label map", "files", "voc lists")
def background_is_first(copy: Copy, rng: np.random.Generator) -> None:
    """cvat-ai/cvat#1736. The list of labels began with crab: everything that nobody labelled is crab."""
    copy.relabel(sorted(copy.root.glob("SegmentationClass/*.png")), lambda values: np.where(values == 0, 1, values))


@defect("names of half of the masks end in _mask", "merge", "files", "camvid", "walls")
def suffix_in_half(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant, or named: half of the masks are called NAME_mask.png, the others as their pictures."""
    for path in (copy.masks or sorted(copy.root.glob("masks/*.png")))[::2]:
        path.rename(path.with_name(f"{path.stem}_mask.png"))


@defect("two versions of a third of the masks", "merge", "files", "camvid", "walls")
def two_versions(copy: Copy, rng: np.random.Generator) -> None:
    """For these images there are NAME.png and NAME_v2.png, which differ: nobody knows which holds."""
    for path in (copy.masks or sorted(copy.root.glob("masks/*.png")))[::3]:
        shutil.copy(path, target := path.with_name(f"{path.stem}_v2.png"))
        copy.put(target, ndimage.median_filter(copy.array(path), 5))


@parts_defect(
    "objects counted from 0, so that the first is background", "exporter", "pictures", "ids",
    each=lambda copy, change: copy.relabel(copy.masks, change),
)  # fmt: skip
def counted_from_zero(values: Array) -> Array:
    """Each image lacks one object: its number is 0."""
    return np.maximum(values, 1) - np.uint16(1)


@parts_defect(
    "lumen painted as wall in every fifth mask", "annotator", "pictures", "walls",
    each=lambda copy, change: copy.relabel(sorted(copy.root.glob("masks/*.png"))[::5], change),
)  # fmt: skip
def painted_as_wall(values: Array) -> Array:
    """In these images there is no lumen: walls are filled."""
    return np.where(values == 2, 1, values)


@defect("one object's mask at half the size of its picture", "resize", "files", "bowl")
def half_size_object(copy: Copy, rng: np.random.Generator) -> None:
    """In every third image one of the masks is half as wide and high as the others."""
    for folder in sorted(copy.root.glob("*/masks"))[::3]:
        path = sorted(folder.iterdir())[1]
        copy.put(path, copy.array(path)[::2, ::2])


def _segments(copy: Copy, change: Callable[[Json], Any]) -> None:
    def change_each(content: Json) -> None:
        for own in content["annotations"]:
            for segment in own["segments_info"]:
                change(segment)

    copy.change_documents(change_each, "panoptic_examples.json")


@parts_defect("boxes of segments as two corners", "exporter", "files", "panoptic", each=_segments)
def corners_of_segments(one: Json) -> None:
    """Bbox of the segments is x1, y1, x2, y2."""
    x, y, width, height = one["bbox"]
    one["bbox"] = [x, y, x + width, y + height]


# Tools.


def _first_shapes(copy: Copy, change: Callable[[Json], Any]) -> None:
    copy.change_documents(lambda content: change(content["shapes"][0]))


@parts_defect("bitmaps that are called polygons", "exporter", "files", "labelme", "labelme video", each=_first_shapes)
def called_polygons(shape: Json) -> None:
    """wkentaro/labelme#1553. A shape of two points with a bitmap says polygon: its pixels are in "mask"."""
    bitmap, low, high = planting.as_mask(shape)
    shape.update(points=[low.tolist(), high.tolist()], mask=picture_bytes(bitmap > 0), shape_type="polygon")


@parts_defect("circles without a radius", "annotator", "files", "labelme", "labelme video", each=_first_shapes)
def no_radius(shape: Json) -> None:
    """wkentaro/labelme#2031. The point on the rim is the middle: an accidental click."""
    shape.update(points=[shape["points"][0]] * 2, shape_type="circle")


@parts_defect("shapes whose label is null", "exporter", "files", "labelme", "labelme video", each=_first_shapes)
def null_label(shape: Json) -> None:
    """One shape of each file has no label."""
    shape["label"] = None


@parts_defect("a project of VIA 3", "exporter", "files", "kudzu", each=Copy.change_documents)
def via_three(content: Json) -> None:
    """Named: the file is of VIA 3, which has regions as metadata of views."""
    images = list(content.get("_via_img_metadata", content).values())
    content.clear()
    content.update(
        project={"pid": "__VIA_PROJECT_ID__", "rev": "1", "pname": "kudzu", "data_format_version": "3.1.1"},
        config={}, attribute={"1": {"aname": "class", "type": 4, "options": {"0": "kudzu"}}},
        file={str(k): {"fid": str(k), "fname": one["filename"], "type": 2, "loc": 1} for k, one in enumerate(images)},
        view={str(k): {"fid_list": [str(k)]} for k in range(len(images))},
        metadata={
            f"{k}_{n}": {"vid": str(k), "flg": 0, "z": [], "av": {"1": "0"}, "xy": [7, *np.stack([
                region["shape_attributes"]["all_points_x"], region["shape_attributes"]["all_points_y"]
            ], 1).reshape(-1).tolist()]}
            for k, one in enumerate(images)
            for n, region in enumerate(one["regions"])
            if "all_points_x" in region["shape_attributes"]
        },
    )  # fmt: skip


@defect("points parted by blanks", "exporter", "files", "cvat")
def blanks_between(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant, or named: points are "10.00 20.00 30.00 40.00" in place of "10.00,20.00;30.00,40.00"."""
    spaced = re.compile(r'points="[^"]*"')
    copy.change_cvat(slice(None), lambda text: spaced.sub(lambda m: re.sub("[,;]", " ", m[0]), text))


@defect("two images under one name", "merge", "files", "cvat")
def one_name(copy: Copy, rng: np.random.Generator) -> None:
    """The third image has the name of the second: one picture has the labels of two, another none."""
    copy.change_cvat(slice(2, 3), lambda text: text.replace('name="003.jpg"', 'name="002.jpg"'))


@parts_defect("bitmaps without data", "exporter", "files", "lemons", each=Copy.change_documents)
def no_data(content: Json) -> None:
    """The first object of each picture has a bitmap whose data is an empty text."""
    if content.get("objects"):
        content["objects"][0]["bitmap"]["data"] = ""


@parts_defect(
    "outlines turned in percent of a picture that is not square", "exporter", "pictures", "studio",
    each=lambda copy, change: copy.change_results(slice(None, None, 2), change),
)  # fmt: skip
def turned_in_percent(region: Json) -> None:
    """HumanSignal/label-studio#2293. Outlines of every second task are squeezed: they were turned in percent."""
    ring, angle = np.array(region["value"]["points"]), np.pi / 2
    turn, wide = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]), np.array([WIDTH, HEIGHT])
    upright = ring.mean(0) + (ring - ring.mean(0)) * wide @ turn.T / wide
    region["value"]["points"] = (ring.mean(0) + (upright - ring.mean(0)) @ turn).tolist()


@defect("the export without details of regions", "exporter", "files", "studio")
def json_min(copy: Copy, rng: np.random.Generator) -> None:
    """Named, or read as meant: JSON-MIN, whose tasks have "label" in place of "annotations"."""
    content: Any = copy.load()  # a list of tasks
    tasks = [
        {"id": task["id"], "image": task["data"]["image"], "label": [
            region["value"] | {name: region[name] for name in ("original_width", "original_height")}
            for region in task["annotations"][0]["result"]
        ]}
        for task in content
    ]  # fmt: skip
    (copy.root / str(copy.document)).write_text(json.dumps(tasks))


def _features(copy: Copy, change: Callable[[list[Json]], Any]) -> None:
    copy.change_documents(lambda content: change(content["features"]), "*.geojson")


@parts_defect("objects whose geometry is null", "exporter", "files", "slides", each=_features)
def null_geometry(features: list[Json]) -> None:
    """azavea/raster-vision#1325. One object of each slide has no outline."""
    features[0]["geometry"] = None


@parts_defect("open rings in lists of one polygon", "exporter", "files", "slides", each=_features)
def open_rings(features: list[Json]) -> None:
    """TissUUmaps/TissUUmaps#49. Read as meant: MultiPolygons of one polygon, without the point that closes it."""
    for one in features:
        rings = [ring[:-1] for ring in one["geometry"]["coordinates"]]
        one["geometry"] = {"type": "MultiPolygon", "coordinates": [rings]}


@parts_defect("each object as annotation and as detection", "exporter", "files", "slides", each=_features)
def detections_too(features: list[Json]) -> None:
    """Everything is there twice, once as what a program detected."""
    features += [
        one | {"id": one["id"][::-1], "properties": one["properties"] | {"objectType": "detection"}} for one in features
    ]


@defect("rasters of labels without a place", "exporter", "files", "rasters")
def no_place(copy: Copy, rng: np.random.Generator) -> None:
    """radiantearth/mlhub-tutorials#27. Labels have neither coordinates nor their system; their images have both."""
    for path in sorted(copy.root.glob("masks/*.tif")):
        values = copy.array(path)
        path.unlink()
        Image.fromarray(values).save(path)


@defect("-9999 for no data, without a sign", "exporter", "files", "rasters")
def unsigned_nodata(copy: Copy, rng: np.random.Generator) -> None:
    """The left side of these masks is 55537, which is -9999 in 16 bits without a sign: it is no class."""
    for k, path in enumerate(sorted(copy.root.glob("masks/*.tif"))):
        values = copy.array(path).astype(np.uint16)
        values[:, :20] = 55537
        path.unlink()
        write_raster(path, values, k + 1)


def _change_rows(copy: Copy, change: Callable[[list[str]], list[str]]) -> None:
    path = copy.root / "train.csv"
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *change(rows)]) + "\n")


@parts_defect("runs as a list in brackets", "exporter", "files", "sheet", each=_change_rows)
def bracketed(rows: list[str]) -> list[str]:
    """Read as meant, or named: runs are "[1001, 3, 1241, 5]"."""
    split = [row.split(",") for row in rows]
    return [",".join([name, f'"[{runs.replace(" ", ", ")}]"', *rest]) for name, runs, *rest in split]


@parts_defect("1 1 for no object", "exporter", "files", "sheet", each=_change_rows)
def one_one(rows: list[str]) -> list[str]:
    """Half of the images have a row "1 1": not an object of one pixel, but that a class has no object there."""
    names = sorted({row.split(",")[0] for row in rows})
    return rows + [f"{name},1 1,{WIDTH},{HEIGHT},kelp" for name in names[::2]]


@parts_defect("numbers of images and objects of a former release", "merge", "files", "lvis", each=Copy.change_documents)
def former_counts(content: Json) -> None:
    """image_count and instance_count of the categories, and so their frequency, are not those of this file."""
    for one in content["categories"]:
        one.update(image_count=3, instance_count=5, frequency="r")


# Videos.


@json_defect("tracks that end at their last keyframe", "tracker", "pictures", "vis")
def last_keyframe(content: Json, rng: np.random.Generator) -> None:
    """cvat-ai/cvat#2129. Half of the tracks end at the tenth frame; their objects are still there."""
    planting.change_tracks(content["annotations"][::2], lambda values: values[:10] + [None] * (len(values) - 10))


@json_defect("the first mask of each track is a box", "tracker", "files", "vis")
def prompt_boxes(content: Json, rng: np.random.Generator) -> None:
    """A track begins with the box that was drawn to start the tracker, not with an outline."""
    for one in content["annotations"]:
        if one["bboxes"][0]:
            x, y, width, height = (int(v) for v in one["bboxes"][0])
            box = np.zeros((HEIGHT, WIDTH), np.uint8)
            box[y : y + height, x : x + width] = 1
            one["segmentations"][0], one["areas"][0] = planting.encode_rle(box), int(box.sum())


@defect("a cut within a video, over which tracks go on", "tracker", "pictures", "vis")
def cut(copy: Copy, rng: np.random.Generator) -> None:
    """From the eighth frame on the first video shows another scene; its tracks are those of the first scene."""
    for k in range(7, 14):
        shutil.copy(copy.root / f"JPEGImages/dive_2/{k:05d}.jpg", copy.root / f"JPEGImages/dive_1/{k:05d}.jpg")


@defect("the first frames cut from the pictures alone", "exporter", "files", "mots")
def cut_beginning(copy: Copy, rng: np.random.Generator) -> None:
    """wosdetc/challenge#15. A video lacks its first three pictures: its labels are three frames late."""
    paths = sorted((copy.root / "images/0001").iterdir())
    for path, later in zip(paths, paths[3:], strict=False):
        shutil.copy(later, path)
    for path in paths[-3:]:
        path.unlink()


@defect("rows in the order of tracks", "exporter", "files", "mots")
def by_track(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant: rows are sorted by the number of the object, not by frames."""
    for path in sorted(copy.root.glob("instances_txt/*.txt")):
        rows = path.read_text().splitlines()
        path.write_text("\n".join(sorted(rows, key=lambda row: int(row.split()[1]))) + "\n")


# Volumes.


@defect("cases numbered as if they were channels", "exporter", "files", "nnunet", "organs")
def as_channels(copy: Copy, rng: np.random.Generator) -> None:
    """MIC-DKFZ/nnUNet#193. Files are case_0001.nii.gz: nnU-Net takes them for channels of one case."""
    for path in sorted([*copy.root.glob("imagesTr/*"), *copy.root.glob("labelsTr/*")]):
        stem, number = path.name.split(".")[0].removesuffix("_0000").rsplit("_", 1)
        path.rename(path.with_name(f"{stem}_{int(number):04d}.nii.gz"))


def _list_cases(copy: Copy, labels: str, channel: str) -> None:
    names = [path.name.removesuffix(".nii.gz") for path in sorted(copy.root.glob("labelsTr/*"))]
    pairs = [{"image": f"./imagesTr/{name}{channel}.nii.gz", "label": f"./{labels}/{name}.nii.gz"} for name in names]
    copy.change_dataset_json(lambda content: content.update(training=pairs))


@defect("dataset.json lists labels of another folder", "merge", "files", "nnunet", "organs")
def second_folder(copy: Copy, rng: np.random.Generator) -> None:
    """MIC-DKFZ/nnUNet#188. dataset.json names labelsTr2, which is there; nnU-Net reads labelsTr without a word."""
    shutil.copytree(copy.root / "labelsTr", copy.root / "labelsTr2")
    copy.change_labels(lambda values: np.where(ndimage.binary_erosion(values > 0), values, 0).astype(values.dtype))
    _list_cases(copy, "labelsTr2", "_0000")


@defect("dataset.json lists images with their channel", "exporter", "files", "nnunet", "organs")
def with_channel(copy: Copy, rng: np.random.Generator) -> None:
    """MIC-DKFZ/nnUNet#820. Read as meant: names with _0000 are those of the files."""
    _list_cases(copy, "labelsTr", "_0000")


@defect("a channel that no case has", "exporter", "files", "nnunet", "organs")
def no_such_channel(copy: Copy, rng: np.random.Generator) -> None:
    """dataset.json lists two channels; all cases have one."""
    copy.change_dataset_json(lambda content: content.update(channel_names={"0": "CT", "1": "PET"}))


@parts_defect(
    "every other slice as the union of its neighbours", "volume", "nothing", "scans", "organs",
    each=lambda copy, change: copy.change_labels(change, range(0, 12, 3)),
)  # fmt: skip
def union_of_neighbours(values: Array) -> Array:
    """These slices were not labelled, but filled in: they have what either neighbour has."""
    new = values.copy()
    new[:, :, 1:-1:2] = np.maximum(values[:, :, :-2:2], values[:, :, 2::2])[:, :, : new[:, :, 1:-1:2].shape[2]]
    return new


@parts_defect("bits in a fractional DICOM segmentation", "exporter", "files", "dicom", each=Copy.change_segmentation)
def fractional_bits(data: Any) -> None:  # Any: pydicom's datasets
    """dcmjs-org/dcmjs#309. Values are 0 and 1 where the file says shares of 255: nothing is above a threshold."""
    bits = np.unpackbits(np.frombuffer(data.PixelData, np.uint8), bitorder="little")
    n = data.Rows * data.Columns * int(data.NumberOfFrames)
    data.PixelData = bits[:n].tobytes() + b"\0" * (n % 2)
    data.SegmentationType, data.SegmentationFractionalType, data.MaximumFractionalValue = "FRACTIONAL", "OCCUPANCY", 255
    data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7


@parts_defect("a frame more than the pixels have", "exporter", "files", "dicom", each=Copy.change_segmentation)
def one_frame_more(data: Any) -> None:  # Any: pydicom's datasets
    """NumberOfFrames is one too high."""
    data.NumberOfFrames = int(data.NumberOfFrames) + 1


@parts_defect("bits of each byte in the other order", "exporter", "files", "dicom", each=Copy.change_segmentation)
def reversed_bits(data: Any) -> None:  # Any: pydicom's datasets
    """Each eight pixels of a row are mirrored: the border of the organ is a comb."""
    bits = np.unpackbits(np.frombuffer(data.PixelData, np.uint8), bitorder="little")
    data.PixelData = np.packbits(bits, bitorder="big").tobytes()
