"""A twenty-fifth list of defects, committed before any was tried: what users report of tools, 23 of 31 in public.

As in the lists before, the docstring of each function is what the owner of the dataset would expect to be told;
`owner/name#1` is a thread on GitHub.
"""

import itertools
import re
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from benchmarks.defects import planting
from benchmarks.defects.drawn_datasets import HEIGHT, WIDTH
from benchmarks.defects.list_21 import change_features, change_table
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, json_defect, parts_defect

# COCO.


@json_defect("the objects of one image on every image", "exporter", "files", "gbm", "cells")
def one_for_all(content: Json, rng: np.random.Generator) -> None:
    """roboflow/supervision#285. All images have the same objects: those of the last one, under ids of their own."""
    last = content["images"][-1]["id"]
    own = [one for one in content["annotations"] if one["image_id"] == last]
    content["annotations"] = []
    numbers = itertools.count(1)
    for image in content["images"]:
        content["annotations"] += [one | {"id": next(numbers), "image_id": image["id"]} for one in own]


@json_defect("outlines of a third of the images with a quarter of their points", "exporter", "pictures", "coco", "gbm")
def crooked(content: Json, rng: np.random.Generator) -> None:
    """roboflow/supervision#369. Outlines of these images are crooked: they were approximated by few points."""
    chosen = {image["id"] for image in content["images"][::3]}
    planting.map_points(
        content, lambda ring, _image: ring[::4] if len(ring) >= 16 else ring, planting.of_images(content, chosen)
    )
    planting.fit_boxes(content)


@annotation_defect("boxes alone", "exporter", "files", "coco", "gbm")
def boxes_alone(one: Json) -> None:
    """IDEA-Research/Grounded-Segment-Anything#306. No annotation has a segmentation: masks were not exported."""
    del one["segmentation"]


@json_defect("a category _background_ with the number 0, without objects", "exporter", "files", "coco", "gbm")
def listed_background(content: Json, rng: np.random.Generator) -> None:
    """facebookresearch/detectron2#585. Named, or read as meant: `_background_` is listed and no object has it."""
    content["categories"].insert(0, {"id": 0, "name": "_background_", "supercategory": ""})


# YOLO.


def _numbers(line: str) -> tuple[str, Array]:
    number, *values = line.split()
    return number, np.array(values, float).reshape(-1, 2)


def _as_line(number: str, values: Array) -> str:
    return " ".join([number, *(f"{value:.6f}" for value in values.reshape(-1).tolist())])


@parts_defect("points as shares of their object's box", "exporter", "files", "yolo", "beach", each=Copy.change_lines)
def of_own_box(line: str) -> str:
    """ultralytics/yolov5#10149. Each object fills its image: points were divided by the size of the object."""
    number, points = _numbers(line)
    low, high = points.min(0), points.max(0)
    return _as_line(number, (points - low) / np.maximum(high - low, 1e-6))


# Label Studio.


@defect("rectangles drawn upwards, of negative height", "annotator", "files", "studio")
def upwards(copy: Copy, rng: np.random.Generator) -> None:
    """HumanSignal/label-studio#3140. Read as meant, or named: y is the lower side and the height is negative."""

    def change(region: Json) -> None:
        points = np.array(region["value"]["points"])
        (x, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
        label = region["value"]["polygonlabels"]
        region["value"] = {"x": x, "y": bottom, "width": right - x, "height": top - bottom, "rotation": 0}
        region["type"] = "rectanglelabels"
        region["value"]["rectanglelabels"] = label

    copy.change_results(slice(None, None, 2), change)


@defect("annotations of twenty minutes without a region", "exporter", "files", "studio")
def lost_regions(copy: Copy, rng: np.random.Generator) -> None:
    """HumanSignal/label-studio#668. Somebody worked on these tasks for twenty minutes, and no region was saved."""

    def empty(content: Any) -> None:  # Any: a list of tasks
        for k, task in enumerate(content):
            for own in task["annotations"]:
                own["lead_time"] = 300.0 + 10 * k if k % 3 else 1178.574
                own["result"] = own["result"] if k % 3 else []

    copy.change_documents(empty)


@defect("pictures turned in the tool by a quarter", "annotator", "files", "studio")
def turned_in_tool(copy: Copy, rng: np.random.Generator) -> None:
    """HumanSignal/label-studio-frontend#151. Read as meant, or named: image_rotation is 90 in every second task."""

    def change(region: Json) -> None:
        region["image_rotation"] = 90

    copy.change_results(slice(None, None, 2), change)


@defect("labels of regions under the key of another tool", "exporter", "files", "studio")
def under_labels(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant, or named: polygons have "labels" in place of "polygonlabels" in half of the tasks."""

    def change(region: Json) -> None:
        region["value"]["labels"] = region["value"].pop("polygonlabels")

    copy.change_results(slice(None, None, 2), change)


# Other tools.


@parts_defect("no size of the image", "exporter", "files", "labelme",
              each=lambda copy, change: copy.change_documents(change))  # fmt: skip
def no_size(content: Json) -> None:
    """CVHub520/X-AnyLabeling#477. Read as meant, or named: imageHeight and imageWidth are missing."""
    del content["imageHeight"], content["imageWidth"]


@defect("pictures that EXIF turns, labels as they are shown", "exporter", "files", "labelme")
def exif_turned(copy: Copy, rng: np.random.Generator) -> None:
    """wkentaro/labelme#1529. Read as meant, or named: sizes and points are those of the turned picture."""
    for path in sorted(copy.root.glob("*.jpg")):
        with Image.open(path) as opened:
            turned = opened.transpose(Image.Transpose.ROTATE_90)
        exif = Image.Exif()
        exif[274] = 6
        path.unlink()
        turned.save(path, exif=exif, quality=92)

    def without_data(content: Json) -> None:
        content["imageData"] = None

    copy.change_documents(without_data)


@parts_defect("names of shapes in another case than in the list", "exporter", "files", "cvat",
              each=lambda copy, change: copy.change_cvat(slice(1, None, 2), change))  # fmt: skip
def other_case(text: str) -> str:
    """The list has "crab"; in half of the images shapes are "Crab"."""
    return re.sub(r'label="(\w)', lambda found: f'label="{found[1].upper()}', text)


@parts_defect("polygons nested as deep as a ring", "exporter", "files", "slides", each=change_features)
def too_flat(one: Json) -> None:
    """Read as meant, or named: coordinates of a Polygon are its points, without the list of rings."""
    (one["geometry"]["coordinates"],) = one["geometry"]["coordinates"]


@defect("sizes of files as -1 in all keys", "exporter", "files", "kudzu")
def unknown_sizes(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant: VIA writes -1 where the picture was an address."""

    def change(content: Json) -> None:
        records = list(content.items())
        content.clear()
        for _key, image in records:
            content[f"{image['filename']}-1"] = image | {"size": -1}

    copy.change_documents(change)


# Tables of runs.


@parts_defect("a run that ends behind the last pixel", "exporter", "files", "sheet", each=change_table)
def behind_last(rows: list[str]) -> list[str]:
    """neptune-ai/open-solution-salt-identification#31. The last run of a row goes on for 3 px behind the image."""
    cells = rows[4].split(",")
    cells[1] += f" {WIDTH * HEIGHT - 1} 5"
    return [*rows[:4], ",".join(cells), *rows[5:]]


@parts_defect("columns in another order", "exporter", "files", "sheet", each=change_table)
def other_columns(rows: list[str]) -> list[str]:
    """minerva-ml/open-solution-data-science-bowl-2018#48. Read as meant: the runs come before the image."""
    return [",".join([cells[1], cells[0], *cells[2:]]) for cells in (row.split(",") for row in rows)]


# Masks.


@defect("a bar of the foreground over some masks", "exporter", "pictures", "camvid", "vessels", "walls")
def bar(copy: Copy, rng: np.random.Generator) -> None:
    """MIC-DKFZ/nnUNet#1247. Every fourth mask has a bar as wide as a tenth of the image at its right side."""
    for path in (copy.masks or sorted(copy.root.glob("masks/*.png")))[::4]:
        values = copy.array(path).copy()
        values[:, -values.shape[1] // 10 :] = 255 if values.max() == 255 and len(np.unique(values)) == 2 else 1
        copy.put(path, values)


@defect("masks of zeros in a third of the images", "exporter", "files", "camvid", "ids", "walls")
def zeros(copy: Copy, rng: np.random.Generator) -> None:
    """ryouchinsa/Rectlabel-support#254. Files were moved while the tool was open: these masks are 0 everywhere."""
    for path in (copy.masks or sorted(copy.root.glob("masks/*.png")))[::3]:
        copy.put(path, np.zeros_like(copy.array(path)))


@defect("all objects above the twelfth under its number", "exporter", "files", "ids")
def last_number(copy: Copy, rng: np.random.Generator) -> None:
    """napari/napari#8200. The tool counts no further: the last number of each mask has several objects."""
    for path in copy.masks:
        values = copy.array(path)
        copy.put(path, np.minimum(values, 12).astype(values.dtype))


@defect("the overlap of two objects as a third", "exporter", "files", "ids")
def overlap_as_third(copy: Copy, rng: np.random.Generator) -> None:
    """stardist/stardist#185. Where two objects lay on each other there is a narrow object of its own number."""
    for path in copy.masks:
        values = copy.array(path)
        wide = ndimage.grey_dilation(values, (7, 7))
        meeting = (values > 0) & (wide > values)
        parts, _ = ndimage.label(meeting)
        values = np.where(parts > 0, int(values.max()) + parts, values)
        copy.put(path, values.astype(np.uint16))


@defect("ids as TIFF of signed 32 bits", "exporter", "files", "ids")
def signed_tiff(copy: Copy, rng: np.random.Generator) -> None:
    """ndev-kit/napari-ndev#6. Read as meant."""
    for path in copy.masks:
        values = copy.array(path)
        path.unlink()
        Image.fromarray(values.astype(np.int32)).save(path.with_suffix(".tif"))


@defect("a line of one cell along an inner border of rasters", "exporter", "pictures", "rasters")
def line_of_cells(copy: Copy, rng: np.random.Generator) -> None:
    """UM-RMRS/raster_tools#45. A column of cells has the class of a polygon that only touches its chunk."""
    for path in sorted(copy.root.glob("masks/*.tif"))[::2]:
        _change_raster(path, _line)


def _line(values: Array) -> Array:
    values = values.copy()
    values[60:180, WIDTH // 2] = 2
    return values


@defect("labels where the file of the picture has no data", "merge", "files", "rasters")
def no_data_below(copy: Copy, rng: np.random.Generator) -> None:
    """NRCan/geo-deep-learning#465. The right third of every second raster is 0, its value for no data; labels go on."""
    for path in sorted(copy.root.glob("images/*.tif"))[::2]:
        _change_raster(path, _blank, no_data="0")


def _blank(values: Array) -> Array:
    values = values.copy()
    values[:, -WIDTH // 3 :] = 0
    return values


def _change_raster(path: Any, change: Any, no_data: str | None = None) -> None:  # Any: a path, and a function
    with Image.open(path) as opened:
        values = np.array(opened)
        tags: Any = opened.tag_v2  # type: ignore[attr-defined]  # of TIFF images
    if no_data is not None:
        tags[42113] = no_data
    path.unlink()
    Image.fromarray(change(values)).save(path, tiffinfo=tags, compression="tiff_deflate")


@defect("a layer that also holds the objects of another", "merge", "files", "planes")
def layer_of_both(copy: Copy, rng: np.random.Generator) -> None:
    """The layer of shells has the crabs, too, in half of the images."""
    for path in sorted(copy.root.glob("masks/shell/*.png"))[::2]:
        other = copy.array(copy.root / "masks/crab" / path.name)
        copy.put(path, np.maximum(copy.array(path), other))


@defect("all objects with the number 0", "exporter", "files", "cityscapes")
def number_zero(copy: Copy, rng: np.random.Generator) -> None:
    """Objects of a class are one in each image: instanceIds has 26000 for every car."""
    for path in sorted(copy.root.glob("gtFine/*/*/*_instanceIds.png")):
        values = copy.array(path).astype(np.uint16)
        copy.put(path, np.where(values >= 1000, values // 1000 * 1000, values).astype(np.uint16))


# Videos.


@defect("scattered specks far from the object in some frames", "annotator", "files", "osvos", "rvos")
def scattered(copy: Copy, rng: np.random.Generator) -> None:
    """LingyiHongfd/LVOS#11. Every seventh frame has a dozen specks of the first object in a corner."""
    for path in copy.frames()[::7]:
        values = copy.array(path).copy()
        for y, x in rng.integers(5, 60, (12, 2)).tolist():
            values[y : y + 3, x : x + 3] = 1
        copy.put(path, values)


@defect("numbers of objects of another class than the column says", "exporter", "files", "mots")
def other_class(copy: Copy, rng: np.random.Generator) -> None:
    """The class is 1 where the number of the object is 2003: the two contradict each other."""
    for path in sorted(copy.root.glob("instances_txt/*.txt")):
        rows = [row.split(" ") for row in path.read_text().splitlines()]
        path.write_text("".join(" ".join([*row[:2], "1", *row[3:]]) + "\n" for row in rows))


# Volumes.


@defect("the third axis of labels' headers turned, values not", "volume", "files", "nnunet", "organs")
def turned_axis(copy: Copy, rng: np.random.Generator) -> None:
    """pyushkevich/itksnap#87. By their headers labels lie below their scans."""
    copy.change_labels(np.copy, place=lambda affine: np.asarray(affine @ np.diag([1, 1, -1, 1])))


@defect("structures as balls in a third of the cases", "annotator", "pictures", "organs", "scans")
def balls(copy: Copy, rng: np.random.Generator) -> None:
    """The first structure of these cases is a ball of one size, as a tool sets it, and nobody adjusted it."""

    def put_ball(values: Array) -> Array:
        middle = np.argwhere(values == 1).mean(0)
        grid = np.indices(values.shape).reshape(3, -1).T
        within = (((grid - middle) / [8, 8, 3]) ** 2).sum(1).reshape(values.shape) < 1
        values = np.where(values == 1, 0, values)
        values[within] = 1
        return values.astype(np.uint8)

    copy.change_labels(put_ball, range(0, 12, 3))


@parts_defect("frames from the first slice of the scan on", "exporter", "files", "dicom",
              each=Copy.change_segmentation)  # fmt: skip
def from_first_slice(data: Any) -> None:  # Any: pydicom's datasets
    """ImagingDataCommons/highdicom#214. The segment lies on the first slices: empty ones before it were dropped."""
    frames = data.PerFrameFunctionalGroupsSequence
    places = [frame.PlanePositionSequence[0].ImagePositionPatient for frame in frames]
    step = abs(float(places[1][2]) - float(places[0][2]))
    for place in places:
        place[2] = float(place[2]) - 4 * step


@parts_defect("frames from the top to the bottom", "exporter", "files", "dicom", each=Copy.change_segmentation)
def descending(data: Any) -> None:  # Any: pydicom's datasets
    """ivmartel/dwv#2290. Read as meant: frames come in descending order, each with its place."""
    size = data.Rows * data.Columns
    bits = np.unpackbits(np.frombuffer(data.PixelData, np.uint8), bitorder="little")[: size * data.NumberOfFrames]
    turned = bits.reshape(data.NumberOfFrames, size)[::-1]
    data.PixelData = np.packbits(turned.reshape(-1), bitorder="little").tobytes()
    data.PerFrameFunctionalGroupsSequence = list(data.PerFrameFunctionalGroupsSequence)[::-1]
