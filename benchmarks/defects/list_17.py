"""A seventeenth list of defects, committed before any was tried: what exporters leave, files of another kind.

As in the lists before, the docstring of each function is what the owner of the dataset would expect to be told. A
thread `owner/name#1` is on GitHub, and is where somebody met it.
"""

import base64
import json
import math
import re
import zlib
from itertools import pairwise
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pycocotools import mask as rle
from scipy import ndimage, spatial

from benchmarks.defects import planting
from benchmarks.defects.drawn_datasets import NAMES, picture_bytes, write_raster
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, json_defect

# COCO.


@json_defect("each object of some images a second time, without an outline", "exporter", "files", "coco", "gbm")
def without_outline(content: Json, rng: np.random.Generator) -> None:
    """cvat-ai/cvat#5496. In a quarter of the images each object is there twice: once with an outline, once as a box."""
    ids = {image["id"] for image in content["images"][1::4]}
    own = [one for one in content["annotations"] if one["image_id"] in ids]
    planting.add_annotations(
        content, [one | {"segmentation": [], "bbox": [v + 0.5 for v in one["bbox"]]} for one in own]
    )


@json_defect("counts of runs as the points of an outline", "exporter", "files", "coco")
def counts_as_points(content: Json, rng: np.random.Generator) -> None:
    """cvat-ai/cvat#6014. These segmentations are runs that a script put into a list of polygons."""
    images = {image["id"]: image for image in content["images"]}
    for one in content["annotations"][::6]:
        if isinstance(one["segmentation"], list):
            image = images[one["image_id"]]
            flat = planting.draw_rings(planting.points(one), image["width"], image["height"]).T.reshape(-1)
            edges = np.flatnonzero(np.diff(flat.astype(int))) + 1
            counts = np.diff(np.concatenate([[0], edges, [len(flat)]]))
            one["segmentation"] = [counts.tolist()]


@annotation_defect("outlines one list deeper than COCO has them", "exporter", "files", "coco", "gbm")
def one_list_deeper(one: Json) -> None:
    """kili-technology/kili-python-sdk#1751. Read as meant, or named: segmentation is [[[x, y, ...]]]."""
    if isinstance(one["segmentation"], list):
        one["segmentation"] = [[ring] for ring in one["segmentation"]]


@annotation_defect("parts of two points beside outlines", "exporter", "files", "coco", "gbm", every=8)
def two_points(one: Json) -> None:
    """cocodataset/cocoapi#348. A tracer left parts of two points, on which pycocotools fails."""
    for ring in list(planting.points(one))[:1]:
        x, y = ring[:2]
        one["segmentation"].insert(0, [x, y, x, y + 5])


@json_defect("points averaged with their neighbours", "exporter", "nothing", "coco", "gbm")
def averaged(content: Json, rng: np.random.Generator) -> None:
    """voxel51/fiftyone#4553. Corners are rounded off and thin ends are gone."""
    planting.map_points(
        content, lambda ring, _: ndimage.uniform_filter1d(ring, 5, axis=0, mode="wrap")[::2] if len(ring) > 9 else ring
    )
    planting.fit_boxes(content)


@annotation_defect(
    "outlines of a single pixel, boxes and areas of the whole", "exporter", "files", "coco", "gbm", every=10
)
def pixel_outlines(one: Json) -> None:
    """cvat-ai/cvat#7520. These masks had a pixel apart, and the tracer kept that pixel alone."""
    if isinstance(one["segmentation"], list):
        x, y = one["bbox"][0] + 1, one["bbox"][1] + 1
        one["segmentation"] = [[x, y, x + 1, y, x + 1, y + 1, x, y + 1]]


@json_defect("objects drawn with a brush left out", "exporter", "pictures", "coco")
def brushed_left_out(content: Json, rng: np.random.Generator) -> None:
    """cvat-ai/cvat#8739. Every third object is not labelled: it was a mask, and the format took polygons alone."""
    del content["annotations"][::3]


@defect("objects drawn with a brush left out", "exporter", "pictures", "beach")
def brushed_lines_left_out(copy: Copy, rng: np.random.Generator) -> None:
    """Every third object is not labelled: it was a mask, and the format took polygons alone."""
    for path in sorted(copy.root.rglob("labels/**/*.txt")):
        lines = path.read_text().splitlines(keepends=True)
        del lines[::3]
        path.write_text("".join(lines))


@json_defect("objects under the old category as well as under the new one", "annotator", "files", "coco")
def old_and_new(content: Json, rng: np.random.Generator) -> None:
    """In a tenth of the images each object is there twice, under two categories."""
    ids = [one["id"] for one in content["categories"]]
    following = dict(zip(ids, [*ids[1:], ids[0]], strict=True))
    chosen = {image["id"] for image in content["images"][3::10]}
    own = [one for one in content["annotations"] if one["image_id"] in chosen]
    planting.add_annotations(content, [one | {"category_id": following[one["category_id"]]} for one in own])


@defect("objects under the old category as well as under the new one", "annotator", "files", "cvat")
def old_and_new_in_cvat(copy: Copy, rng: np.random.Generator) -> None:
    """In some images each object is there twice, under two labels."""
    following = dict(zip(NAMES, [*NAMES[1:], NAMES[0]], strict=True))

    def again(match: re.Match[str]) -> str:
        return match[0] + re.sub(r'label="(\w+)"', lambda name: f'label="{following[name[1]]}"', match[0])

    copy.change_cvat(slice(2, None, 5), lambda image: re.sub(r"<polygon.*?</polygon>", again, image))


@defect("objects under the old category as well as under the new one", "annotator", "files", "lemons")
def old_and_new_in_supervisely(copy: Copy, rng: np.random.Generator) -> None:
    """In one image each object is there twice, under two classes."""
    path = sorted(copy.root.rglob("ann/*.json"))[2]
    other = {"lemon": "kiwi", "kiwi": "lemon"}

    def change(content: Json) -> None:
        content["objects"] += [
            {key: value for key, value in one.items() if key not in ("id", "classId")}
            | {"classTitle": other[one["classTitle"]]}
            for one in content["objects"]
        ]

    copy.change_documents(change, path.name)


@json_defect("categories of the annotation before", "exporter", "nothing", "coco", "taco")
def categories_before(content: Json, rng: np.random.Generator) -> None:
    """Each object has the category of the one before it in the list: two columns were sorted apart by a row."""
    categories = [one["category_id"] for one in content["annotations"]]
    for one, category in zip(content["annotations"], [categories[-1], *categories], strict=False):
        one["category_id"] = category


@json_defect("objects of several parts as the hull of all parts", "exporter", "pictures", "coco", "taco")
def hull_of_parts(content: Json, rng: np.random.Generator) -> None:
    """Objects of several parts, and those alone, cover what lies between their parts."""
    for one in content["annotations"]:
        if isinstance(one["segmentation"], list) and len(one["segmentation"]) > 1:
            corners = np.concatenate([np.array(ring).reshape(-1, 2) for ring in one["segmentation"]])
            one["segmentation"] = [corners[spatial.ConvexHull(corners).vertices].reshape(-1).tolist()]
    planting.fit_boxes(content)


@annotation_defect("NaN among the points", "exporter", "files", "gbm", every=300)
def not_numbers(one: Json) -> None:
    """A spline had no solution at some points of these outlines."""
    if isinstance(one["segmentation"], list):
        one["segmentation"][0][4:6] = [math.nan, math.nan]


@defect("NaN among the points", "exporter", "files", "yolo", "beach")
def not_numbers_in_yolo(copy: Copy, rng: np.random.Generator) -> None:
    """Points of some lines are "nan"."""
    for path in sorted(copy.root.rglob("labels/**/*.txt"))[::4]:
        first, *others = path.read_text().splitlines() or [""]
        words = first.split()
        words[3:5] = ["nan", "nan"]
        path.write_text("\n".join([" ".join(words), *others]) + "\n")


@json_defect("categories called ?? and TODO", "annotator", "files", "coco")
def called_todo(content: Json, rng: np.random.Generator) -> None:
    """Notes of annotators, not categories: these objects still have to be named."""
    last = max(one["id"] for one in content["categories"])
    content["categories"] += [{"id": last + 1, "name": "??"}, {"id": last + 2, "name": "TODO"}]
    for k, one in enumerate(content["annotations"][::15]):
        one["category_id"] = last + 1 + k % 2


@defect("categories called ?? and TODO", "annotator", "files", "labelme", "labelme video")
def labelled_todo(copy: Copy, rng: np.random.Generator) -> None:
    """Notes of annotators, not labels: these objects still have to be named."""
    copy.change_documents(lambda content: content["shapes"][0].update(label="??"))


@json_defect("the last object of each image again, a little aside", "augmentation", "files", "gbm")
def last_again(content: Json, rng: np.random.Generator) -> None:
    """whynotw/rotational-data-augmentation-yolo#1. A loop ran once too often: the last object is there twice."""
    last = {one["image_id"]: one for one in content["annotations"]}
    more = [
        one | {"segmentation": [(np.array(ring) + 1.5).tolist() for ring in one["segmentation"]]}
        for one in last.values()
    ]
    planting.add_annotations(content, more)
    planting.fit_boxes(content)


@defect("the last object of each image again, a little aside", "augmentation", "files", "beach")
def last_line_again(copy: Copy, rng: np.random.Generator) -> None:
    """A loop ran once too often: the last object is there twice."""
    for path in sorted(copy.root.rglob("labels/**/*.txt")):
        number, *shares = path.read_text().splitlines()[-1].split()
        path.write_text(path.read_text() + " ".join([number, *(f"{float(v) + 0.005:.6f}" for v in shares)]) + "\n")


# YOLO, VOC, files.


@defect("a head line in label files", "exporter", "files", "yolo", "beach")
def head_line(copy: Copy, rng: np.random.Generator) -> None:
    """Each file begins with the names of its columns."""
    for path in sorted(copy.root.rglob("labels/**/*.txt")):
        path.write_text("class x1 y1 x2 y2\n" + path.read_text())


@defect("lists that were never emptied: each file has the lines of all before", "exporter", "files", "yolo", "beach")
def never_emptied(copy: Copy, rng: np.random.Generator) -> None:
    """A variable outside of the loop: files grow, and objects lie where other pictures have them."""
    for folder in {path.parent for path in copy.root.rglob("labels/**/*.txt")}:
        text = ""
        for path in sorted(folder.glob("*.txt")):
            text += path.read_text().rstrip("\n") + "\n"
            path.write_text(text)


@defect("a head line in the lists of splits", "exporter", "files", "voc lists")
def head_of_lists(copy: Copy, rng: np.random.Generator) -> None:
    """The first line is "filename", which is no image."""
    for path in sorted(copy.root.glob("ImageSets/Segmentation/*.txt")):
        path.write_text("filename\n" + path.read_text())


@defect("names of the list of val also in the list of train", "merge", "files", "voc lists")
def val_in_train(copy: Copy, rng: np.random.Generator) -> None:
    """Images of val are in train as well."""
    folder = copy.root / "ImageSets/Segmentation"
    (folder / "train.txt").write_text((folder / "train.txt").read_text() + (folder / "val.txt").read_text())


@defect("older copies of masks in a folder of checkpoints", "merge", "files", "camvid", "voc lists")
def checkpoints(copy: Copy, rng: np.random.Generator) -> None:
    """A notebook kept copies in .ipynb_checkpoints; nothing of them is a mask of the dataset."""
    paths = copy.masks or sorted(copy.root.glob("SegmentationClass/*.png"))
    for path in paths[:4]:
        target = path.parent / ".ipynb_checkpoints" / f"{path.stem}-checkpoint.png"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())


@defect("older copies of label files in a folder of checkpoints", "merge", "files", "yolo", "beach")
def checkpoints_of_labels(copy: Copy, rng: np.random.Generator) -> None:
    """A notebook kept copies in .ipynb_checkpoints; nothing of them is a label file of the dataset."""
    for path in sorted(copy.root.rglob("labels/**/*.txt"))[:4]:
        target = path.parent / ".ipynb_checkpoints" / f"{path.stem}-checkpoint.txt"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())


@defect("pictures with the labels drawn in, beside the masks", "exporter", "files", "walls", "voc lists")
def overlays(copy: Copy, rng: np.random.Generator) -> None:
    """Previews called NAME_overlay.png lie in the folder of masks."""
    for path in sorted([*copy.root.glob("masks/*.png"), *copy.root.glob("SegmentationClass/*.png")]):
        with Image.open(path) as mask:
            preview = mask.convert("RGB")
        preview.save(path.with_name(f"{path.stem}_overlay.png"))


@defect("red and blue of the pictures exchanged in half of them", "exporter", "pictures", "coco", "gbm")
def pictures_as_bgr(copy: Copy, rng: np.random.Generator) -> None:
    """Half of the pictures were saved with red and blue exchanged."""
    chosen, folder = planting.half(copy.load()), copy.own_images()
    for image in copy.load()["images"]:
        if image["id"] in chosen:
            path = folder / image["file_name"]
            with Image.open(path) as picture:
                values = np.array(picture.convert("RGB"))[:, :, ::-1]
            Image.fromarray(np.ascontiguousarray(values)).save(path)


# Masks.


@defect("a legend of all classes in the corner of masks", "exporter", "files", "camvid", "walls")
def legend(copy: Copy, rng: np.random.Generator) -> None:
    """A third of the masks have the same row of squares, one of each class, in a corner."""
    for path in (copy.masks or sorted(copy.root.glob("masks/*.png")))[::3]:
        values = copy.array(path)
        for k, value in enumerate(range(int(values.max()) + 1)):
            values[4 + 12 * k : 14 + 12 * k, 4:14] = value
        copy.put(path, values)


@defect("soft masks dithered to black and white", "exporter", "files", "vessels", "planes")
def dithered(copy: Copy, rng: np.random.Generator) -> None:
    """Borders are a pattern of single pixels in half of the masks: grey was dithered, not cut at a threshold."""
    for path in (copy.masks or sorted(copy.root.glob("masks/*/*.png")))[::2]:
        soft = ndimage.gaussian_filter((copy.array(path) > 0) * 255.0, 2)
        black_and_white = Image.fromarray(soft.astype(np.uint8)).convert("1")  # Pillow dithers
        copy.put(path, np.array(black_and_white).astype(np.uint8) * 255)


@defect("tiles put together by columns, not by rows", "resize", "pictures", "camvid", "ids")
def by_columns(copy: Copy, rng: np.random.Generator) -> None:
    """Every fourth mask was put together from three by three tiles in the other order."""
    for path in copy.masks[1::4]:
        values = copy.array(path)
        height, width = values.shape[0] // 3, values.shape[1] // 3
        new = values.copy()
        for row in range(3):
            for column in range(3):
                new[row * height : (row + 1) * height, column * width : (column + 1) * width] = values[
                    column * height : (column + 1) * height, row * width : (row + 1) * width
                ]
        copy.put(path, new)


@defect("a page for each class in a mask", "exporter", "files", "walls")
def pages(copy: Copy, rng: np.random.Generator) -> None:
    """talmolab/sleap-io#421. Masks are TIFFs of two pages, one for each class; most readers see the first alone."""
    for path in sorted(copy.root.glob("masks/*.png")):
        values = copy.array(path)
        first, second = (Image.fromarray(((values == k) * k).astype(np.uint8)) for k in (1, 2))
        first.save(path.with_suffix(".tif"), save_all=True, append_images=[second])
        path.unlink()


@defect("one object's mask saved under two names", "annotator", "files", "bowl")
def saved_twice(copy: Copy, rng: np.random.Generator) -> None:
    """In every third image an object is there twice, pixel by pixel."""
    for folder in sorted(copy.root.iterdir())[::3]:
        path = sorted(folder.glob("masks/*.png"))[0]
        path.with_name("again.png").write_bytes(path.read_bytes())


@defect("panoptic PNGs of a single channel", "exporter", "files", "panoptic")
def single_channel(copy: Copy, rng: np.random.Generator) -> None:
    """bytedance/coconut_cvpr2024#45. The PNGs are grey: the second and third byte of each id are gone."""
    for path in copy.masks:
        values = copy.array(path)[:, :, 0]
        path.unlink()
        Image.fromarray(values).save(path)


@defect("masks at the place of the tile beside", "exporter", "files", "rasters")
def next_place(copy: Copy, rng: np.random.Generator) -> None:
    """Every third raster of labels lies a tile east of its picture, by the places in the two files."""
    for path in sorted(copy.root.glob("masks/*.tif"))[::3]:
        write_raster(path, copy.array(path), int(path.stem[-2:]) + 1)


# Tools.


@defect("masks of shapes as bytes of 0 and 255", "exporter", "files", "labelme")
def byte_masks(copy: Copy, rng: np.random.Generator) -> None:
    """wkentaro/labelme#1569. Read as meant: masks are PNGs of 0 and 255, and their boxes are no whole numbers."""

    def change(content: Json) -> None:
        for shape in content["shapes"]:
            pixels, low, high = planting.as_mask(shape)
            shape |= {"shape_type": "mask", "mask": picture_bytes(pixels * 255)}
            shape["points"] = [low.astype(float).tolist(), high.astype(float).tolist()]

    copy.change_documents(change)


@defect("a preview of the picture within the file", "exporter", "files", "labelme", "labelme video")
def embedded_preview(copy: Copy, rng: np.random.Generator) -> None:
    """ImageData holds a picture of half the size: the points fit the file beside it, not the picture within."""
    for path in sorted(copy.root.glob("*.json")):
        with Image.open(path.with_suffix(".jpg")) as picture:
            small = np.array(picture.convert("RGB").resize((picture.width // 2, picture.height // 2)))
        content = json.loads(path.read_text())
        path.write_text(json.dumps(content | {"imageData": picture_bytes(small)}))


@defect("regions as a dictionary, as VIA 1 wrote them", "exporter", "files", "kudzu")
def older_regions(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant: regions of val are {"0": ..., "1": ...}."""

    def change(content: Json) -> None:
        for image in content.get("_via_img_metadata", content).values():
            image["regions"] = {str(k): region for k, region in enumerate(image["regions"])}

    copy.change_documents(change, "val/*.json")


@defect("boxes with a rotation", "annotator", "files", "cvat")
def turned_boxes(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant, or named: in a third of the images objects are boxes that were turned in the tool."""

    def as_box(match: re.Match[str]) -> str:
        ring = np.array([[float(v) for v in pair.split(",")] for pair in match[2].split(";")])
        (left, top), (right, bottom) = ring.min(0), ring.max(0)
        return (
            f'<box label="{match[1]}" occluded="0" xtl="{left:.2f}" ytl="{top:.2f}" xbr="{right:.2f}" '
            f'ybr="{bottom:.2f}" rotation="30.0" z_order="0"></box>'
        )

    polygon = r'<polygon label="(\w+)" occluded="0" points="([^"]+)"[^>]*></polygon>'
    copy.change_cvat(slice(1, None, 3), lambda image: re.sub(polygon, as_box, image))


@defect("bitmaps as plain PNGs", "exporter", "files", "lemons")
def plain_bitmaps(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant, or named: bitmaps are PNGs in base64 that nobody compressed."""

    def change(content: Json) -> None:
        for one in content["objects"]:
            if "bitmap" in one:
                data = zlib.decompress(base64.b64decode(one["bitmap"]["data"]))
                one["bitmap"]["data"] = base64.b64encode(data).decode()

    copy.change_documents(change, "ann/*.json")


@defect("the list of classes says polygon, the objects are bitmaps", "exporter", "files", "lemons")
def other_geometry(copy: Copy, rng: np.random.Generator) -> None:
    """meta.json has another shape for each class than the annotations: an import refuses them."""
    path = copy.root / "meta.json"
    content = json.loads(path.read_text())
    for one in content["classes"]:
        one["shape"] = "polygon"
    path.write_text(json.dumps(content))


@defect("annotation files without the extension of their image in the name", "exporter", "files", "lemons")
def without_extension(copy: Copy, rng: np.random.Generator) -> None:
    """Named, or read as meant: IMG_1.json in place of IMG_1.jpeg.json."""
    for path in sorted(copy.root.rglob("ann/*.json"))[::2]:
        path.rename(path.with_name(f"{path.name.split('.')[0]}.json"))


@json_defect("categories listed as absent that no list has", "exporter", "files", "lvis")
def unknown_absent(content: Json, rng: np.random.Generator) -> None:
    """neg_category_ids and not_exhaustive_category_ids name categories that do not exist."""
    for image in content["images"][::3]:
        image["neg_category_ids"] = [*image["neg_category_ids"], 99]
        image["not_exhaustive_category_ids"] = [98]


# Videos.


@defect("labels held from one keyframe to the next", "tracker", "files", "osvos", "rvos")
def held(copy: Copy, rng: np.random.Generator) -> None:
    """Nothing was interpolated: labels stand still for five frames, then jump."""
    paths = copy.frames()
    values = [copy.array(path) for path in paths]
    for k, path in enumerate(paths):
        copy.put(path, values[k - k % 5])


@json_defect("labels held from one keyframe to the next", "tracker", "files", "vis")
def held_tracks(content: Json, rng: np.random.Generator) -> None:
    """Nothing was interpolated: labels stand still for five frames, then jump."""
    planting.change_tracks(content["annotations"], lambda values: [values[k - k % 5] for k in range(len(values))])


@annotation_defect("boxes and areas of some frames missing", "exporter", "files", "vis", every=2)
def no_boxes(one: Json) -> None:
    """Some frames have an outline and neither box nor area."""
    for key in ("areas", "bboxes"):
        one[key][3:6] = [None] * 3


@json_defect("an object labelled from the middle of its video on", "annotator", "pictures", "vis")
def late(content: Json, rng: np.random.Generator) -> None:
    """LingyiHongfd/LVOS#2. In each video one object is in the picture from the first frame, labelled from the sixth."""
    first = {one["video_id"]: one for one in reversed(content["annotations"])}
    planting.change_tracks(first.values(), lambda values: [None] * 5 + values[5:])


@defect("rows of another video in the same file", "merge", "files", "mots")
def two_videos(copy: Copy, rng: np.random.Generator) -> None:
    """One file has the rows of two videos, whose numbers of objects are the same."""
    first, second, *_ = sorted(copy.root.glob("instances_txt/*.txt"))
    first.write_text(first.read_text() + second.read_text())


@json_defect("each object of a video a second time in its later half", "merge", "files", "vis")
def second_time(content: Json, rng: np.random.Generator) -> None:
    """Two jobs of a video overlap: the objects of the later half are there twice, under two ids, almost alike."""
    more = []
    for one in content["annotations"]:
        again = json.loads(json.dumps(one))
        for k, drawn in enumerate(one["segmentations"]):
            pixels = np.zeros((one["height"], one["width"]), bool)
            if drawn and k >= 7:
                pixels = ndimage.binary_dilation(rle.decode(drawn) > 0)
            again["segmentations"][k] = planting.encode_rle(pixels) if pixels.any() else None
            rows, columns = np.nonzero(pixels)
            again["areas"][k] = int(pixels.sum()) or None
            again["bboxes"][k] = (
                [int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
                if pixels.any()
                else None
            )
        more.append(again)
    planting.add_annotations(content, more)


# Volumes.


@defect("a DICOM segmentation mirrored front to back", "exporter", "pictures", "dicom")
def front_to_back(copy: Copy, rng: np.random.Generator) -> None:
    """wasserth/TotalSegmentator#598. Rows run the other way than in the scan, in each frame."""

    def change(data: Any) -> None:  # Any: pydicom's datasets
        bits = np.unpackbits(np.frombuffer(data.PixelData, np.uint8), bitorder="little")
        shape = int(data.NumberOfFrames), data.Rows, data.Columns
        mirrored = bits[: math.prod(shape)].reshape(shape)[:, ::-1]
        packed = np.packbits(mirrored.reshape(-1), bitorder="little").tobytes()
        data.PixelData = packed + b"\0" * (len(packed) % 2)

    copy.change_segmentation(change)


def _groups(data: Any) -> list[Any]:  # Any: pydicom's datasets
    return [*data.SharedFunctionalGroupsSequence, *data.PerFrameFunctionalGroupsSequence]


@defect("the distances of pixels doubled in a DICOM segmentation", "exporter", "files", "dicom")
def doubled_spacing(copy: Copy, rng: np.random.Generator) -> None:
    """The segmentation has other distances between pixels than the scan that it refers to."""

    def change(data: Any) -> None:  # Any: pydicom's datasets
        for group in _groups(data):
            for measures in group.get("PixelMeasuresSequence", []):
                measures.PixelSpacing = [2 * float(v) for v in measures.PixelSpacing]

    copy.change_segmentation(change)


@defect("a DICOM segmentation in another frame of reference than its scan", "exporter", "files", "dicom")
def other_frame(copy: Copy, rng: np.random.Generator) -> None:
    """The places of segmentation and scan cannot be compared: their frames of reference differ."""

    def change(data: Any) -> None:  # Any: pydicom's datasets
        data.FrameOfReferenceUID = "1.2.826.0.1.3680043.8.498.1"

    copy.change_segmentation(change)


@defect("a segment of a DICOM segmentation described twice", "exporter", "files", "dicom")
def described_twice(copy: Copy, rng: np.random.Generator) -> None:
    """Two descriptions have one number, and different labels."""

    def change(data: Any) -> None:  # Any: pydicom's datasets
        again = pydicom.Dataset()
        again.update(data.SegmentSequence[0])
        again.SegmentLabel = "Spleen"
        data.SegmentSequence.append(again)

    copy.change_segmentation(change)


@defect("labels within a box alone, as a patch was cut", "volume", "files", "scans")
def within_patch(copy: Copy, rng: np.random.Generator) -> None:
    """In three cases labels end at planes: what lies outside of the patch was lost."""
    copy.change_labels(_cut, (4, 12, 20))


@defect("labels within a box alone, as a patch was cut", "volume", "files", "spleen")
def within_patch_of_one(copy: Copy, rng: np.random.Generator) -> None:
    """Labels end at planes: what lies outside of the patch was lost."""
    copy.change_volume(_cut)


def _cut(values: Array) -> Array:
    """Labels without what lies beyond three quarters of their extent in x and y."""
    new = values.copy()
    for axis in (0, 1):
        used = np.flatnonzero(values.any(tuple({0, 1, 2} - {axis})))
        end = used[0] + 3 * len(used) // 4
        new[(slice(None),) * axis + (slice(end, None),)] = 0
    return new


@defect("a marker of the tool at one place in all cases", "exporter", "files", "scans", "organs")
def marker(copy: Copy, rng: np.random.Generator) -> None:
    """A cube of three voxels of the first class, at the same place in each case."""

    def change(values: Array) -> Array:
        values[4:7, 4:7, 1:4] = 1
        return values

    copy.change_labels(change)


@defect("numbers of labels with a gap", "label map", "files", "nnunet", "scans")
def gap_of_numbers(copy: Copy, rng: np.random.Generator) -> None:
    """nnU-Net wants numbers without gaps: the last class is 9."""
    last = max(json.loads((copy.root / "dataset.json").read_text())["labels"].values())

    def change(content: Json) -> None:
        content["labels"] = {name: 9 if value == last else value for name, value in content["labels"].items()}

    copy.change_dataset_json(change)
    copy.change_labels(lambda values: np.where(values == last, 9, values).astype(np.uint8))


@defect("some cases smoothed slice by slice, in the wrong direction", "volume", "pictures", "scans", "spleen")
def striped(copy: Copy, rng: np.random.Generator) -> None:
    """Labels were drawn on sagittal slices of every third position, and hold for three: they have steps in x."""

    def change(values: Array) -> Array:
        new: Array = values[np.arange(values.shape[0]) // 3 * 3]
        return new

    if copy.root.name == "spleen":
        copy.change_volume(change)
        return
    copy.change_labels(change, (3, 9, 15))


# Annotators.


@json_defect("whole objects outlined in half of the images, visible parts in the others", "annotator", "files", "cells")
def whole_and_visible(content: Json, rng: np.random.Generator) -> None:
    """In half of the images cells have a hole where their nucleus is; in the others they go on below it."""
    behind = planting.half(content)
    own = content["annotations"]
    for cell, nucleus in pairwise(own):
        if cell["category_id"] == 1 and nucleus["category_id"] == 2 and cell["image_id"] in behind:
            cell["segmentation"].append(nucleus["segmentation"][0][::-1])


@json_defect("outlines with a loop at the double click that ended them", "annotator", "files", "coco", "gbm")
def double_click(content: Json, rng: np.random.Generator) -> None:
    """Every sixth outline ends in three points within a pixel, the last of which lies behind the first."""
    for one in planting.some(content["annotations"], rng, len(content["annotations"]) // 6):
        for ring in planting.points(one):
            x, y = ring[:2]
            ring += [x + 0.4, y + 0.3, x - 0.3, y + 0.4, x + 0.2, y - 0.3]


@json_defect("a corner of each picture named as an object, by a logo", "annotator", "files", "coco")
def logo(content: Json, rng: np.random.Generator) -> None:
    """A mark in the corner of half of the pictures is labelled as a person: one outline at one place."""
    behind = planting.half(content)
    ring = [4, 4, 44, 6, 46, 20, 30, 24, 5, 18]
    person = next(one["id"] for one in content["categories"] if one["name"] == "person")
    more = [
        {"image_id": image["id"], "category_id": person, "segmentation": [ring], "iscrowd": 0}
        for image in content["images"]
        if image["id"] in behind
    ]
    planting.add_annotations(content, more)
    planting.fit_boxes(content)
