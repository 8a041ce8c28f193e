"""A twenty-third list of defects, committed before any was tried: what users report of tools, 25 of 39 in public.

As in the lists before, the docstring of each function is what the owner of the dataset would expect to be told;
`owner/name#1` is a thread on GitHub.
"""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.defects import planting
from benchmarks.defects.drawn_datasets import HEIGHT, WIDTH
from benchmarks.defects.list_21 import change_features, change_panoptic, change_regions, change_yaml
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, json_defect, parts_defect

# COCO.


@annotation_defect("boxes that begin left of the image", "exporter", "files", "coco", "gbm", every=3)
def boxes_below_zero(one: Json) -> None:
    """voxel51/fiftyone#4421. Boxes begin at -3, outlines do not: programs cut from the right end of the image."""
    one["bbox"][2] += one["bbox"][0] + 3
    one["bbox"][0] = -3.0


@json_defect("outlines that begin at the last point of the one before", "exporter", "files", "coco", "gbm")
def begins_at_last(content: Json, rng: np.random.Generator) -> None:
    """q-viper/image-baker#18. Each outline of an image has a spike to the last point of the object before."""
    ends: dict[int, list[float]] = {}
    for one in content["annotations"]:
        rings = list(planting.points(one))
        if rings:
            end = rings[-1][-2:]
            one["segmentation"] = [[*ends.get(one["image_id"], []), *rings[0]], *rings[1:]]
            ends[one["image_id"]] = end


@annotation_defect("the four numbers of the box as the outline", "exporter", "files", "coco", "gbm")
def box_as_outline(one: Json) -> None:
    """tensorpack/tensorpack#1041. The segmentation is [[x, y, width, height]], two points."""
    one["segmentation"] = [list(one["bbox"])]


@json_defect("all images have the id 0", "exporter", "files", "coco", "gbm")
def id_zero(content: Json, rng: np.random.Generator) -> None:
    """neuroinformatics-unit/ethology#40. A tool made ids of names: all annotations belong to every image."""
    for image in content["images"]:
        image["id"] = 0
    for one in content["annotations"]:
        one["image_id"] = 0


@json_defect("numbers of categories without COCO's gaps, the list with them", "label map", "files", "coco")
def without_gaps(content: Json, rng: np.random.Generator) -> None:
    """zhiheLu/CWT-for-FSS#18. Ids run from 1 to 80 where the list runs to 90: many objects have another's name."""
    places = {one["id"]: k for k, one in enumerate(sorted(content["categories"], key=lambda one: one["id"]), 1)}
    for one in content["annotations"]:
        one["category_id"] = places[one["category_id"]]


@json_defect("areas at half the size in half of the images", "merge", "files", "coco", "gbm")
def half_areas(content: Json, rng: np.random.Generator) -> None:
    """Areas of these images are a quarter of what their outlines have: they were counted on a preview."""
    chosen = planting.half(content)
    for one in content["annotations"]:
        if one["image_id"] in chosen:
            one["area"] /= 4


@parts_defect("segments without box and area", "exporter", "files", "panoptic", each=change_panoptic)
def no_box_and_area(one: Json) -> None:
    """cocodataset/panopticapi#57. No segment has bbox and area, which training programs ask for."""
    for segment in one["segments_info"]:
        del segment["bbox"], segment["area"]


# YOLO.


@defect("a classes.txt in another order than data.yaml", "exporter", "files", "beach")
def other_order(copy: Copy, rng: np.random.Generator) -> None:
    """HumanSignal/label-studio#6416. The two lists of names contradict each other."""
    (copy.root / "classes.txt").write_text("kelp\ncrab\nshell\n")


@defect("a classes.txt of one name among the labels", "annotator", "files", "beach")
def one_name(copy: Copy, rng: np.random.Generator) -> None:
    """HumanSignal/labelImg#707. The tool wrote the list anew with the only class of its last picture."""
    (copy.root / "labels/val/classes.txt").write_text("kelp\n")


@defect("lines with a class alone", "exporter", "files", "yolo", "beach")
def class_alone(copy: Copy, rng: np.random.Generator) -> None:
    """ultralytics/ultralytics#5039. Every third line has no points."""
    numbers = itertools.count()
    copy.change_lines(lambda line: line if next(numbers) % 3 else line.split()[0])


@parts_defect(
    "x as a share of the height, y of the width", "exporter", "files", "yolo", "beach", each=Copy.change_lines
)
def exchanged_sides(line: str) -> str:
    """GreatV/labelme2yolo#14. Numbers are above 1 to the right, and nothing lies in the lower part."""
    number, *values = line.split()
    shares = (WIDTH / HEIGHT, HEIGHT / WIDTH)
    return " ".join([number, *(f"{float(value) * shares[k % 2]:.6f}" for k, value in enumerate(values))])


@parts_defect("answers about the image among the classes", "exporter", "files", "beach", each=change_yaml)
def answers(text: str) -> str:
    """HumanSignal/label-studio-converter#243. Names 3 to 5 are "good", "blurred" and "skip", which no object has."""
    return f"{text}  3: good\n  4: blurred\n  5: skip\n"


@defect("label files of val all the same", "exporter", "files", "beach")
def same_labels(copy: Copy, rng: np.random.Generator) -> None:
    """All pictures of val have the labels of the first: a loop wrote one list."""
    first, *others = sorted(copy.root.glob("labels/val/*.txt"))
    for path in others:
        path.write_text(first.read_text())


# Masks.


@defect("a frame of one pixel of the first class around some masks", "exporter", "files", "camvid", "walls")
def framed(copy: Copy, rng: np.random.Generator) -> None:
    """Every third mask has a frame as wide as a pixel: it was cut from a drawing with a border."""

    def frame(path: Path) -> None:
        values = np.pad(copy.array(path)[1:-1, 1:-1], 1, constant_values=1)
        copy.put(path, values)

    paths = iter((copy.masks or sorted(copy.root.glob("masks/*.png")))[::3])
    for path in paths:
        frame(path)


@defect("masks of 0 and 1 in half of the images", "merge", "files", "bowl")
def zero_and_one(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant, or named: objects are 255 in the others."""
    for folder in sorted(copy.root.glob("*/masks"))[::2]:
        for path in folder.iterdir():
            copy.put(path, copy.array(path) // 255)


@defect("a tile of another field under the name of one", "exporter", "pictures", "tiles")
def other_field(copy: Copy, rng: np.random.Generator) -> None:
    """The mask of the second field's first tile is that of the third field."""
    first, second = sorted(copy.root.glob("masks/*_r0_c0.png"))[1:3]
    first.write_bytes(second.read_bytes())


@defect("pixels of masks half as wide as those of their images", "exporter", "files", "rasters")
def other_resolution(copy: Copy, rng: np.random.Generator) -> None:
    """Masks say 0.25 m a pixel, images 0.5 m: by their places masks cover a quarter of their images."""

    def halve(path: Path) -> None:
        with Image.open(path) as opened:
            opened.load()
            tags: Any = opened.tag_v2  # type: ignore[attr-defined]  # of TIFF images
        tags[33550] = (0.25, 0.25, 0.0)
        values = copy.array(path)
        path.unlink()
        Image.fromarray(values).save(path, tiffinfo=tags, compression="tiff_deflate")

    for path in sorted(copy.root.glob("masks/*.tif")):
        halve(path)


# Tools.


@parts_defect("objects called __background__", "annotator", "files", "labelme",
              each=lambda copy, change: copy.change_documents(change))  # fmt: skip
def background_objects(content: Json) -> None:
    """yatengLG/ISAT_with_segment_anything#236. The first object of each image has the name of what is no object."""
    content["shapes"][0]["label"] = "__background__"


@defect("a downloaded copy of a label file beside it", "merge", "files", "labelme")
def downloaded_copy(copy: Copy, rng: np.random.Generator) -> None:
    """2011_000003 (1).json is an older state of 2011_000003.json, for the same picture."""
    path = sorted(copy.root.glob("*.json"))[0]
    content = json.loads(path.read_text())
    content["shapes"] = content["shapes"][:-1]
    path.with_name(f"{path.stem} (1).json").write_text(json.dumps(content))


@defect("the number of the object as its class", "annotator", "files", "kudzu")
def object_number(copy: Copy, rng: np.random.Generator) -> None:
    """matterport/Mask_RCNN#1337. Regions of each image are called 1, 2, 3: no image has two of a class."""

    def number(content: Json) -> None:
        for image in content.get("_via_img_metadata", content).values():
            for k, region in enumerate(image["regions"], 1):
                region["region_attributes"] = {"name": str(k)}

    copy.change_documents(number)


@parts_defect("circles without a unit: radius as text with px", "exporter", "files", "kudzu", each=change_regions)
def radius_text(region: Json) -> None:
    """Read as meant, or named: regions are circles whose r is "12 px"."""
    xs, ys = region["shape_attributes"].get("all_points_x", [50]), region["shape_attributes"].get("all_points_y", [50])
    region["shape_attributes"] = {"name": "circle", "cx": sum(xs) // len(xs), "cy": sum(ys) // len(ys), "r": "12 px"}


@defect("masks whose width is one too small", "exporter", "files", "cvat")
def narrow_masks(copy: Copy, rng: np.random.Generator) -> None:
    """cvat-ai/cvat#7943. Widths were counted from corner to corner: rows of the mask slip to the side."""

    def as_masks(text: str) -> str:
        lines = []
        for one in text.splitlines():
            if "<polygon" not in one:
                lines.append(one)
                continue
            label, points = one.split('label="')[1].split('"')[0], one.split('points="')[1].split('"')[0]
            ring = [float(value) for pair in points.split(";") for value in pair.split(",")]
            lines.append(_mask_element(label, planting.draw_rings([ring], WIDTH, HEIGHT)))
        return "\n".join(lines)

    copy.change_cvat(slice(None, None, 2), as_masks)


def _mask_element(label: str, pixels: Array) -> str:
    rows, columns = np.nonzero(pixels)
    top, left, bottom, right = rows.min(), columns.min(), rows.max(), columns.max()
    flat = pixels[top : bottom + 1, left : right + 1].reshape(-1)
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], edges, [len(flat)]])).tolist()
    counts = ", ".join(map(str, [0, *runs] if flat[0] else runs))
    return (f'<mask label="{label}" occluded="0" rle="{counts}" left="{left}" top="{top}" width="{right - left}" '
            f'height="{bottom - top + 1}" z_order="0"></mask>')  # fmt: skip


@defect("objects without a label in every second image", "annotator", "files", "cvat")
def empty_label(copy: Copy, rng: np.random.Generator) -> None:
    """The first object has label="", which the tool shows as no label."""
    copy.change_cvat(slice(None, None, 2), lambda text: text.replace('label="', 'label="" was="', 1))


@parts_defect("holes as further parts", "exporter", "files", "slides", each=change_features)
def holes_as_parts(one: Json) -> None:
    """choosehappy/HistoQC#258. The hole of each object is a polygon of its MultiPolygon: it is filled."""
    (ring,) = one["geometry"]["coordinates"]
    middle = np.mean(ring, axis=0)
    hole = (middle + (np.array(ring) - middle) * 0.4).tolist()
    one["geometry"] = {"type": "MultiPolygon", "coordinates": [[ring], [hole]]}


@parts_defect("colours of classes as one number", "exporter", "files", "slides", each=change_features)
def colour_number(one: Json) -> None:
    """Read as meant: QuPath 0.3 wrote colorRGB, a negative number."""
    known = one["properties"]["classification"]
    red, green, blue = known.pop("color")
    known["colorRGB"] = (255 << 24 | red << 16 | green << 8 | blue) - (1 << 32)


def _change_rows(copy: Copy, change: Any) -> None:  # Any: a function of a row's cells
    path = copy.root / "train.csv"
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *(",".join(change(row.split(","))) for row in rows)]) + "\n")


@parts_defect("width and height exchanged in the table", "exporter", "files", "sheet", each=_change_rows)
def exchanged_columns(cells: list[str]) -> list[str]:
    """Runs were counted along the true height; with the exchanged sides all masks are torn."""
    return [*cells[:2], cells[3], cells[2], *cells[4:]]


@parts_defect("runs of no pixel between the others", "exporter", "files", "sheet", each=_change_rows)
def empty_runs(cells: list[str]) -> list[str]:
    """Read as meant, or named: "12 4 16 0 20 5"."""
    start, length, *others = cells[1].split()
    return [cells[0], " ".join([start, length, str(int(start) + int(length)), "0", *others]), *cells[2:]]


# Videos.


@json_defect("gaps of tracks filled with the mask before", "tracker", "files", "vis")
def filled_gaps(content: Json, rng: np.random.Generator) -> None:
    """voxel51/fiftyone#1352. Where an object was gone for four frames its last mask stays, and then it jumps."""

    def hold(values: list[Any]) -> list[Any]:
        return [*values[:5], *[values[4]] * 4, *values[9:]]

    planting.change_tracks(content["annotations"][::3], hold)


def _change_mots(copy: Copy, change: Any) -> None:  # Any: a function of a row's cells
    for path in sorted(copy.root.glob("instances_txt/*.txt")):
        path.write_text("".join(" ".join(change(row.split(" "))) + "\n" for row in path.read_text().splitlines()))


@parts_defect("numbers of frames as before the film was thinned", "tracker", "files", "mots", each=_change_mots)
def thinned(cells: list[str]) -> list[str]:
    """cvat-ai/cvat#764. Labels are of frames 0, 5, 10 ... where pictures are 0, 1, 2: most have no picture."""
    return [str(int(cells[0]) * 5), *cells[1:]]


@parts_defect("height and width exchanged in the rows", "exporter", "files", "mots", each=_change_mots)
def exchanged_sizes(cells: list[str]) -> list[str]:
    """Runs have as many pixels, but masks are torn, and no picture has this size."""
    return [*cells[:3], cells[4], cells[3], *cells[5:]]


# Volumes.


@defect("organs numbered anew in each case", "exporter", "pictures", "organs", "scans")
def numbered_anew(copy: Copy, rng: np.random.Generator) -> None:
    """Slicer/Slicer#5044. Cases without the first organ have the number of the first for the second."""
    copy.change_labels(lambda values: np.where(values > 1, values - 1, 0).astype(values.dtype), range(0, 12, 4))


@parts_defect("no labels in dataset.json", "exporter", "files", "nnunet", "organs", each=Copy.change_dataset_json)
def labels_empty(content: Json) -> None:
    """MIC-DKFZ/nnUNet#946. The list of labels is empty."""
    content["labels"] = {}


@defect("numbers of labels that are not consecutive", "label map", "files", "nnunet", "organs")
def with_gap(copy: Copy, rng: np.random.Generator) -> None:
    """MIC-DKFZ/nnUNet#1183. The last label is 4 where 3 would follow, in files and list: nnU-Net stops."""
    content = json.loads((copy.root / "dataset.json").read_text())
    last = max(content["labels"].values())
    copy.change_labels(lambda values: np.where(values == last, 7, values).astype(values.dtype))
    copy.change_dataset_json(
        lambda content: content["labels"].update({n: 7 for n, v in content["labels"].items() if v == last})
    )


@parts_defect("numTraining two too high", "exporter", "files", "nnunet", "organs", each=Copy.change_dataset_json)
def too_many(content: Json) -> None:
    """dataset.json counts two cases more than there are: files were lost."""
    content["numTraining"] += 2


@defect("a hole in the shape of a box in the organs of some cases", "volume", "files", "organs", "scans")
def box_hole(copy: Copy, rng: np.random.Generator) -> None:
    """wasserth/TotalSegmentator#194. A block of the network's window is empty, with straight sides."""

    def erase(values: Array) -> Array:
        middle = np.argwhere(values == 1).mean(0).astype(int)
        values[tuple(slice(max(at - reach, 0), at + reach) for at, reach in zip(middle, (5, 5, 2), strict=True))] = 0
        return values

    copy.change_labels(erase, range(0, 12, 4))


@parts_defect("a distance of slices that contradicts the places of frames", "exporter", "files", "dicom",
              each=Copy.change_segmentation)  # fmt: skip
def other_distance(data: Any) -> None:  # Any: pydicom's datasets
    """ivmartel/dwv#1677. SpacingBetweenSlices is 5 where frames lie 1 mm apart: volumes are five times too high."""
    data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices = 5.0


@parts_defect("segments numbered from 7", "exporter", "files", "dicom", each=Copy.change_segmentation)
def numbered_from_seven(data: Any) -> None:  # Any: pydicom's datasets
    """QIICR/dcmqi#69. DICOM asks for 1, 2, 3; programs that count them do not find the segment."""
    data.SegmentSequence[0].SegmentNumber = 7
    for frame in data.PerFrameFunctionalGroupsSequence:
        frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 7


@parts_defect("the segment's number in the shared groups", "exporter", "files", "dicom", each=Copy.change_segmentation)
def shared_number(data: Any) -> None:  # Any: pydicom's datasets
    """QIICR/dcmqi#428. Read as meant: all frames are of one segment, which is said once."""
    for frame in data.PerFrameFunctionalGroupsSequence:
        said = frame.SegmentIdentificationSequence
        del frame.SegmentIdentificationSequence
    data.SharedFunctionalGroupsSequence[0].SegmentIdentificationSequence = said


@parts_defect("no reference to the series of the scan", "exporter", "files", "dicom", each=Copy.change_segmentation)
def no_reference(data: Any) -> None:  # Any: pydicom's datasets
    """OHIF/Viewers#4030. Read as meant: frames have their place, and the same frame of reference."""
    del data.ReferencedSeriesSequence
