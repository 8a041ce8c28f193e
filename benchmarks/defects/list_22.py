"""A twenty-second list of defects, committed before any was tried: merges, tables, tiles, headers and what tools keep.

As in the lists before, the docstring of each function is what the owner of the dataset would expect to be told.
"""

import gzip
import json
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from benchmarks.defects import planting
from benchmarks.defects.drawn_datasets import HEIGHT, NAMES, WIDTH
from benchmarks.defects.list_21 import (
    change_features,
    change_items,
    change_masks,
    change_panoptic,
    change_points,
    change_regions,
    change_shapes,
    change_table,
    change_yaml,
)
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, json_defect, parts_defect

# COCO and LVIS.


@json_defect("boxes as two corners in the second half", "merge", "files", "coco", "gbm")
def half_corners(content: Json, rng: np.random.Generator) -> None:
    """From the middle on boxes are x1, y1, x2, y2: two sources were joined."""
    chosen = planting.half(content)
    for one in content["annotations"]:
        if one["image_id"] in chosen:
            x, y, width, height = one["bbox"]
            one["bbox"] = [x, y, x + width, y + height]


@json_defect("categories as one-hot vectors", "exporter", "files", "coco", "gbm")
def one_hot(content: Json, rng: np.random.Generator) -> None:
    """category_id is [0, 1, 0, ...]: what a network was trained with."""
    ids = [one["id"] for one in content["categories"]]
    for one in content["annotations"]:
        one["category_id"] = [int(one["category_id"] == number) for number in ids]


@json_defect("a blank behind the names of images", "exporter", "files", "coco", "gbm")
def blank_behind(content: Json, rng: np.random.Generator) -> None:
    """No picture has such a name; without the blank all are there."""
    for image in content["images"]:
        image["file_name"] += " "


@json_defect("one category for all objects of six images in a row", "annotator", "pictures", "coco", "taco")
def stuck_category(content: Json, rng: np.random.Generator) -> None:
    """The choice of the category stayed at the most frequent one."""
    kinds = [one["category_id"] for one in content["annotations"]]
    ids = {image["id"] for image in content["images"][8:14]}
    for one in content["annotations"]:
        if one["image_id"] in ids:
            one["category_id"] = max(set(kinds), key=kinds.count)


@json_defect("sizes of images rounded to tens", "exporter", "files", "coco", "gbm")
def rounded_sizes(content: Json, rng: np.random.Generator) -> None:
    """Width and height are not those of the pictures."""
    for image in content["images"]:
        image.update({key: round(image[key] / 10 - 0.3) * 10 for key in ("width", "height")})


@json_defect("a placeholder annotation in each image", "exporter", "files", "coco", "gbm")
def placeholders(content: Json, rng: np.random.Generator) -> None:
    """Each image has an annotation without outline, box and category, which the tool kept for the next object."""
    empty = {"segmentation": [], "bbox": [], "area": 0, "iscrowd": 0, "category_id": None}
    planting.add_annotations(content, [empty | {"image_id": image["id"]} for image in content["images"]])


@json_defect("categories named by their ids", "exporter", "files", "coco", "taco")
def names_are_ids(content: Json, rng: np.random.Generator) -> None:
    """Names are "1", "2", "3": the list of names was lost."""
    for one in content["categories"]:
        one["name"] = str(one["id"])


@json_defect("coordinates that end at 255", "exporter", "files", "coco", "gbm")
def ends_at_255(content: Json, rng: np.random.Generator) -> None:
    """Points were kept in bytes: what lies further to the right or below lies on the line 255."""
    planting.map_points(content, lambda ring, _: ring.clip(0, 255).round())
    planting.fit_boxes(content)


@json_defect("outer objects without their inner ones in half of the images", "annotator", "files", "cells")
def cells_as_rings(content: Json, rng: np.random.Generator) -> None:
    """In half of the images cells have a hole where their nucleus lies, in the others they have none."""
    chosen = planting.half(content)
    for image in chosen:
        own = [one for one in content["annotations"] if one["image_id"] == image]
        inner = planting.draw_rings((ring for one in own if one["category_id"] == 2 for ring in planting.points(one)),
                                    WIDTH, HEIGHT)  # fmt: skip
        for one in own:
            if one["category_id"] == 1:
                pixels = planting.draw_rings(planting.points(one), WIDTH, HEIGHT) & ~inner & 1
                one.update(segmentation=planting.encode_rle(pixels), area=int(pixels.sum()))


@json_defect("absent categories by name", "exporter", "files", "lvis")
def absent_names(content: Json, rng: np.random.Generator) -> None:
    """LVIS: neg_category_ids lists names, which the evaluation never meets."""
    names = {one["id"]: one["name"] for one in content["categories"]}
    for image in content["images"]:
        image["neg_category_ids"] = [names[number] for number in image["neg_category_ids"]]


@json_defect("no lists of absent categories", "exporter", "files", "lvis")
def no_absent(content: Json, rng: np.random.Generator) -> None:
    """LVIS: images lack neg_category_ids, without which the evaluation stops."""
    for image in content["images"]:
        del image["neg_category_ids"]


@defect("a category that val lacks", "merge", "files", "splits", "voc lists")
def lacking_in_val(copy: Copy, rng: np.random.Generator) -> None:
    """Val has no object of the second category, train has many: it is never evaluated."""
    if copy.document:
        _, _, path, content = copy.train_and_val()
        content["annotations"] = [one for one in content["annotations"] if one["category_id"] != 2]
        path.write_text(json.dumps(content))
        return
    for stem in (copy.root / "ImageSets/Segmentation/val.txt").read_text().split():
        mask = copy.root / f"SegmentationClass/{stem}.png"
        objects = copy.root / f"SegmentationObject/{stem}.png"
        gone = copy.array(mask) == 2
        for path in (mask, objects):
            copy.put(path, np.where(gone, 0, copy.array(path)))


# Panoptic.


def _segments(copy: Copy, change: Callable[[Json], Any]) -> None:
    change_panoptic(copy, lambda one: [change(segment) for segment in one["segments_info"]])


@parts_defect("all stuff as crowds", "exporter", "files", "panoptic", each=_segments)
def stuff_as_crowd(segment: Json) -> None:
    """Segments of stuff have iscrowd 1, and the evaluation leaves them out."""
    segment["iscrowd"] = int(segment["category_id"] >= 92)


@parts_defect("ids of segments as text", "exporter", "files", "panoptic", each=_segments)
def text_ids(segment: Json) -> None:
    """Read as meant, or named: id is "3937500"."""
    segment["id"] = str(segment["id"])


@parts_defect("boxes of segments on a grid from 1", "off by one", "files", "panoptic", each=_segments)
def boxes_from_one(segment: Json) -> None:
    """Each box begins one pixel further to the right and below than its segment, as in MATLAB."""
    x, y, width, height = segment["bbox"]
    segment["bbox"] = [x + 1, y + 1, width, height]


# YOLO.


@defect("lines that end as on an old Macintosh", "exporter", "files", "yolo", "beach")
def old_line_ends(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant, or named: the carriage return is the only line end."""
    for path in sorted(copy.root.rglob("labels/**/*.txt")):
        path.write_bytes(path.read_bytes().replace(b"\r", b"").replace(b"\n", b"\r"))


@defect("the image's name before the class in each line", "exporter", "files", "yolo", "beach")
def name_first(copy: Copy, rng: np.random.Generator) -> None:
    """Lines are "0001.jpg 0 0.41 ...": one table was cut into files."""
    for path in sorted(copy.root.rglob("labels/**/*.txt")):
        lines = path.read_text().splitlines()
        path.write_text("".join(f"{path.stem}.jpg {line}\n" for line in lines if line.strip()))


@parts_defect("notes behind a hash in the lines", "annotator", "files", "yolo", "beach", each=Copy.change_lines)
def notes(line: str) -> str:
    """Read as meant, or named: "# checked" follows the points."""
    return f"{line} # checked"


@parts_defect("paths with backslashes in data.yaml", "exporter", "files", "beach", each=change_yaml)
def backslashes(text: str) -> str:
    r"""Read as meant, or named: train is images\\train."""
    return text.replace("images/", "images\\")


@parts_defect("numbers of names as text in data.yaml", "exporter", "files", "beach", each=change_yaml)
def text_numbers(text: str) -> str:
    """Read as meant: names has the keys "0", "1" and "2"."""
    return re.sub(r"^  (\d+):", r'  "\1":', text, flags=re.MULTILINE)


@parts_defect("shares of a square of 640 whatever the size", "resize", "pictures", "beach", each=Copy.change_lines)
def of_640(line: str) -> str:
    """Pixels were divided by 640: all labels lie in the upper left part, too small."""
    number, *values = line.split()
    sizes = (WIDTH / 640, HEIGHT / 640)
    return " ".join([number, *(f"{float(value) * sizes[k % 2]:.6f}" for k, value in enumerate(values))])


# Masks.


def _some_masks(copy: Copy, every: int, change: Callable[[Array], Array]) -> None:
    for path in (copy.masks or sorted(copy.root.glob("masks/*.png")))[::every]:
        copy.put(path, change(copy.array(path)))


@defect("a rectangle erased from each third mask", "augmentation", "files", "camvid", "ids", "walls")
def erased(copy: Copy, rng: np.random.Generator) -> None:
    """Random erasing was applied to masks alone: a rectangle without labels lies at another place in each."""

    def erase(values: Array) -> Array:
        high, wide = (side // 4 for side in values.shape)
        y, x = rng.integers(high, 2 * high), rng.integers(wide, 2 * wide)
        values[y : y + high, x : x + wide] = 0
        return values

    _some_masks(copy, 3, erase)


@defect("the file's name burnt into each mask", "exporter", "files", "camvid", "ids")
def burnt_names(copy: Copy, rng: np.random.Generator) -> None:
    """Letters of the first class stand in the upper left corner of all masks."""

    def burn(path: Path) -> None:
        letters = Image.new("1", copy.array(path).shape[::-1])
        ImageDraw.Draw(letters).text((4, 4), path.stem, fill=1)
        copy.put(path, np.where(np.array(letters), 1, copy.array(path)).astype(copy.array(path).dtype))

    change_masks(copy, burn)


@defect("the left half again, mirrored, as the right half of some masks", "augmentation", "files", "camvid", "ids", "walls")  # fmt: skip  # noqa: E501
def mirrored_half(copy: Copy, rng: np.random.Generator) -> None:
    """Every fourth mask is symmetric, as no picture is: its right half was filled up by reflection."""

    def reflect(values: Array) -> Array:
        half = values.shape[1] // 2
        values[:, -half:] = values[:, :half][:, ::-1]
        return values

    _some_masks(copy, 4, reflect)


@defect("values in the upper byte in a fifth of the masks", "exporter", "files", "ids", "walls")
def upper_byte(copy: Copy, rng: np.random.Generator) -> None:
    """These masks are 256, 512, 768 where the others are 1, 2, 3."""
    for path in (copy.masks or sorted(copy.root.glob("masks/*.png")))[::5]:
        values = copy.array(path).astype(np.uint16) * np.uint16(256)
        path.unlink()
        Image.fromarray(values).save(path)


@defect("one class grown over its neighbours in half of the masks", "annotator", "pictures", "camvid", "walls")
def grown_class(copy: Copy, rng: np.random.Generator) -> None:
    """In half of the masks the second class is 4 px wider on all sides, at the cost of what lies beside it."""
    _some_masks(copy, 2, lambda values: np.where(ndimage.binary_dilation(values == 2, iterations=4), 2, values))


@defect("lists of splits with the folder before the names", "exporter", "files", "voc lists")
def listed_paths(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant, or named: train.txt has JPEGImages/2012_000001.jpg."""
    for path in copy.root.glob("ImageSets/Segmentation/*.txt"):
        path.write_text("".join(f"JPEGImages/{stem}.jpg\n" for stem in path.read_text().split()))


@defect("two objects in one mask of an object", "annotator", "files", "bowl")
def two_in_one(copy: Copy, rng: np.random.Generator) -> None:
    """In every second image the first mask has the second object as well, whose file is gone."""
    for folder in sorted(copy.root.glob("*/masks"))[::2]:
        first, second, *_ = sorted(folder.iterdir())
        copy.put(first, copy.array(first) | copy.array(second))
        second.unlink()


@defect("masks of one category numbered from 0, others from 1", "merge", "pictures", "planes")
def layer_from_zero(copy: Copy, rng: np.random.Generator) -> None:
    """In one folder each mask has the name of the image before: the last image lacks one, and one lacks an image."""
    for path in sorted((copy.root / f"masks/{NAMES[0]}").iterdir()):
        path.rename(path.with_stem(f"{int(path.stem) - 1:03d}"))


def _change_tags(copy: Copy, change: Callable[[Any], Any]) -> None:  # Any: Pillow's tags
    for path in sorted(copy.root.glob("masks/*.tif")):
        with Image.open(path) as opened:
            opened.load()
            tags: Any = opened.tag_v2  # type: ignore[attr-defined]  # of TIFF images
        change(tags)
        values = copy.array(path)
        path.unlink()
        Image.fromarray(values).save(path, tiffinfo=tags, compression="tiff_deflate")


@parts_defect("labels in the next zone of UTM", "exporter", "files", "rasters", each=_change_tags)
def next_zone(tags: Any) -> None:  # Any: Pillow's tags
    """Masks say zone 34, their images zone 33: by their places they lie six degrees apart."""
    tags[34735] = tuple(32634 if value == 32633 else value for value in tags[34735])


@parts_defect("places of middles in labels, of corners in images", "exporter", "files", "rasters", each=_change_tags)
def middles(tags: Any) -> None:  # Any: Pillow's tags
    """Masks say that a place is the middle of a pixel: they lie half a pixel beside their images."""
    tags[34735] = (1, 1, 0, 3, *tags[34735][4:8], 1025, 0, 1, 2, *tags[34735][12:])


@defect("rows and columns exchanged in the names of masks", "exporter", "pictures", "tiles")
def exchanged_tiles(copy: Copy, rng: np.random.Generator) -> None:
    """Masks of upper right and lower left tiles have each other's name."""
    for upper in sorted(copy.root.glob("masks/*_r0_c1.png")):
        planting.exchange_files(upper, upper.with_name(upper.name.replace("_r0_c1", "_r1_c0")))


# Tools.


@parts_defect("classes in the description of shapes", "annotator", "files", "labelme", each=change_shapes)
def in_description(shape: Json) -> None:
    """All labels are "object", and the description says what it is."""
    shape.update(label="object", description=shape["label"])


@parts_defect("null as the last point of each ring", "exporter", "files", "labelme", each=change_shapes)
def null_point(shape: Json) -> None:
    """The last point of each ring is null."""
    shape["points"].append(None)


def _change_bitmaps(copy: Copy, change: Callable[[bytes], bytes]) -> None:
    def change_all(content: Json) -> None:
        for one in content.get("objects", []):
            if "bitmap" in one:
                one["bitmap"]["data"] = b64encode(change(b64decode(one["bitmap"]["data"]))).decode()

    copy.change_documents(change_all)


@parts_defect("bitmaps packed with gzip", "exporter", "files", "lemons", each=_change_bitmaps)
def gzip_bitmaps(data: bytes) -> bytes:
    """Read as meant, or named: the data of bitmaps is gzip, not zlib."""
    return gzip.compress(zlib.decompress(data))


@parts_defect("outlines with a third number at each point", "exporter", "files", "kudzu", each=change_regions)
def three_lists(region: Json) -> None:
    """Read as meant: regions have all_points_z beside x and y."""
    region["shape_attributes"]["all_points_z"] = [0] * len(region["shape_attributes"].get("all_points_x", []))


@parts_defect("all regions under one id", "exporter", "files", "studio",
              each=lambda copy, change: copy.change_results(slice(None), change))  # fmt: skip
def one_region_id(region: Json) -> None:
    """Ids of regions are all "r1": the tool takes them for one region with many results."""
    region["id"] = "r1"


@parts_defect("decimal commas in points", "exporter", "files", "cvat", each=change_points)
def decimal_commas(text: str) -> str:
    """Points are 12,50,30,25;...: four numbers where two are meant."""
    return text.replace(".", ",")


@defect("labels that the task spells with a capital", "merge", "files", "cvat")
def capitals(copy: Copy, rng: np.random.Generator) -> None:
    """The list of the task has Crab, objects are crab."""
    for path in copy.root.glob("*.xml"):
        path.write_text(re.sub(r"<name>(\w)", lambda match: f"<name>{match[1].upper()}", path.read_text()))


@parts_defect("points as shares of the image", "exporter", "files", "datumaro", each=change_items)
def shares(one: Json) -> None:
    """Points run from 0 to 1, where pixels are asked for."""
    one["points"] = [value / (HEIGHT if k % 2 else WIDTH) for k, value in enumerate(one["points"])]


@parts_defect("names in place of numbers of labels", "exporter", "files", "datumaro", each=change_items)
def names_for_numbers(one: Json) -> None:
    """label_id is "crab" in place of 0."""
    one["label_id"] = NAMES[one["label_id"]]


@defect("all items of train also in val", "merge", "files", "datumaro")
def also_in_val(copy: Copy, rng: np.random.Generator) -> None:
    """annotations/val.json is a copy of train.json: what is trained on is what is evaluated on."""
    (copy.root / "annotations/val.json").write_text((copy.root / "annotations/train.json").read_text())


@parts_defect("points with a height", "exporter", "files", "slides", each=change_features)
def with_height(one: Json) -> None:
    """Read as meant: coordinates are x, y, 0."""
    one["geometry"]["coordinates"] = [[[*point, 0] for point in ring] for ring in one["geometry"]["coordinates"]]


@parts_defect("outlines as closed lines", "annotator", "files", "slides", each=change_features)
def closed_lines(one: Json) -> None:
    """Objects are LineStrings that end where they begin: drawn with the tool for lines."""
    one["geometry"] = {"type": "LineString", "coordinates": one["geometry"]["coordinates"][0]}


@parts_defect("semicolons between columns", "exporter", "files", "sheet", each=change_table)
def semicolons(rows: list[str]) -> list[str]:
    """Read as meant, or named: a spreadsheet of another country wrote it."""
    return [row.replace(",", ";") for row in rows]


@parts_defect("lines of commas alone behind the last row", "exporter", "files", "sheet", each=change_table)
def empty_rows(rows: list[str]) -> list[str]:
    """Read as meant, or named: a spreadsheet kept empty rows."""
    return [*rows, *[",,,,"] * 20]


@parts_defect("columns named in capitals", "exporter", "files", "sheet", each=change_table)
def capital_columns(rows: list[str]) -> list[str]:
    """Read as meant, or named: ID, ANNOTATION, WIDTH, HEIGHT, CELL_TYPE."""
    return [rows[0].upper(), *rows[1:]]


# Videos.


@annotation_defect("areas of all frames are those of the first", "exporter", "files", "vis")
def first_areas(one: Json) -> None:
    """Areas do not follow their masks."""
    one["areas"] = [next(area for area in one["areas"] if area) if area else None for area in one["areas"]]


@annotation_defect("boxes of a track a frame late", "tracker", "files", "vis")
def late_boxes(one: Json) -> None:
    """Each box is that of the frame before."""
    one["bboxes"] = [one["bboxes"][0], *one["bboxes"][:-1]]


@json_defect("lengths of videos one too low", "exporter", "files", "vis")
def short_length(content: Json, rng: np.random.Generator) -> None:
    """Length is 13 where 14 frames are listed; programs leave the last frame out."""
    for video in content["videos"]:
        video["length"] -= 1


@defect("a class under another number in every third frame", "tracker", "files", "camseq")
def flickering_class(copy: Copy, rng: np.random.Generator) -> None:
    """Where two neighbouring frames have the one class, the frame between has the other."""
    colours: Iterable[tuple[int, ...]] = sorted(
        {tuple(colour) for path in copy.masks[:1] for colour in copy.array(path).reshape(-1, 3).tolist()}
    )
    first, second, *_ = colours

    def change(values: Array) -> Array:
        return np.where((values == first).all(2)[..., None], np.array(second, np.uint8), values)

    _some_masks(copy, 3, change)


# Volumes.


def _rewrite(path: Path, change: Callable[[Any], Any]) -> None:  # Any: nibabel's images
    image: Any = nibabel.load(path)
    values = np.asanyarray(image.dataobj)
    written: Any = nibabel.Nifti1Image(values, image.affine, image.header)  # type: ignore[no-untyped-call]
    change(written)
    path.unlink()
    nibabel.save(written, path)


@defect("an intercept of 1 in the headers of some labels", "volume", "files", "nnunet", "organs")
def intercept(copy: Copy, rng: np.random.Generator) -> None:
    """Read with their headers, all values of these cases are one higher: background is 1."""
    for path in sorted(copy.root.glob("labelsTr/*.nii.gz"))[::3]:
        content = bytearray(gzip.decompress(path.read_bytes()))
        content[112:120] = np.array([1, 1], "<f4").tobytes()  # scl_slope, scl_inter
        path.write_bytes(gzip.compress(bytes(content)))


@defect("two places in one header that contradict each other", "volume", "files", "nnunet", "organs")
def two_places(copy: Copy, rng: np.random.Generator) -> None:
    """In every third case qform mirrors the labels against sform: programs differ in which they read."""

    def mirror(image: Any) -> None:  # Any: nibabel's images
        image.set_qform(image.affine @ np.diag([-1.0, 1, 1, 1]), code=1)
        image.set_sform(image.affine, code=1)

    for path in sorted(copy.root.glob("labelsTr/*.nii.gz"))[::3]:
        _rewrite(path, mirror)


@parts_defect("regions of labels without their order", "exporter", "files", "nnunet", each=Copy.change_dataset_json)
def regions_without_order(content: Json) -> None:
    """A label is [1, 2], a region, and regions_class_order is missing: nnU-Net stops."""
    content["labels"] = {"background": 0, "animal": [1, 2], "crab": 1, "kelp": 3}


@defect("labels rolled along the slices", "volume", "pictures", "scans", "organs")
def rolled(copy: Copy, rng: np.random.Generator) -> None:
    """In some cases the labels lie three slices higher than the scan, and what left it at the top is at the bottom."""
    copy.change_labels(lambda values: np.roll(values, 3, axis=2), range(0, 12, 4))


@parts_defect("rows and columns transposed in a DICOM segmentation", "exporter", "files", "dicom",
              each=Copy.change_segmentation)  # fmt: skip
def transposed(data: Any) -> None:  # Any: pydicom's datasets
    """The orientation names columns first, the pixels do not: labels are mirrored along the diagonal."""
    plane = data.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    plane.ImageOrientationPatient = [0, 1, 0, 1, 0, 0]


@parts_defect(
    "places of frames rounded to ten millimetres", "exporter", "files", "dicom", each=Copy.change_segmentation
)
def rounded_places(data: Any) -> None:  # Any: pydicom's datasets
    """Positions end in 0: frames lie beside the slices of the scan, up to 5 mm."""
    for frame in data.PerFrameFunctionalGroupsSequence:
        place = frame.PlanePositionSequence[0]
        place.ImagePositionPatient = [round(float(v), -1) for v in place.ImagePositionPatient]
