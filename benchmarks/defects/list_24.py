"""A twenty-fourth list of defects, committed before any was tried: what users report of tools, 32 of 38 in public.

As in the lists before, the docstring of each function is what the owner of the dataset would expect to be told;
`owner/name#1` is a thread on GitHub.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from benchmarks.defects import planting
from benchmarks.defects.list_21 import change_masks, change_panoptic, change_table
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, json_defect, parts_defect

# COCO.


@json_defect("points cut to whole numbers, boxes not", "exporter", "files", "coco", "gbm")
def cut_points(content: Json, rng: np.random.Generator) -> None:
    """roboflow/supervision#2593. Outlines lie up to a pixel left of and above their boxes: they were cut."""
    planting.map_points(content, lambda ring, _image: np.floor(ring))


@json_defect("runs that begin with two zeros", "exporter", "files", "coco")
def double_zeros(content: Json, rng: np.random.Generator) -> None:
    """cocodataset/cocoapi#477. Read as meant: 0, 0, 12, 4 are sound counts, of which a program makes wrong boxes."""
    images = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    for one in content["annotations"][::4]:
        if isinstance(one["segmentation"], list):
            width, height = images[one["image_id"]]
            flat = planting.draw_rings(planting.points(one), width, height).T.reshape(-1).astype(int)
            edges = np.flatnonzero(np.diff(flat, prepend=0)).tolist()
            counts = np.diff([0, *edges, len(flat)]).tolist()
            one["segmentation"] = {"size": [height, width], "counts": [0, 0, *counts]}


@json_defect("no annotation of a category that two tasks share", "exporter", "nothing", "coco", "taco")
def shared_category(content: Json, rng: np.random.Generator) -> None:
    """jsbroks/coco-annotator#342. The most frequent category is listed, and no object has it."""
    kinds = [one["category_id"] for one in content["annotations"]]
    most = max(set(kinds), key=kinds.count)
    content["annotations"] = [one for one in content["annotations"] if one["category_id"] != most]


@annotation_defect("boxes two pixels within their outlines", "exporter", "files", "coco", "gbm")
def boxes_within(one: Json) -> None:
    """voxel51/fiftyone#2847. Points lie outside of their boxes on each side."""
    x, y, width, height = one["bbox"]
    one["bbox"] = [x + 2, y + 2, max(width - 4, 1), max(height - 4, 1)]


@json_defect("runs without the last row and column of each object", "exporter", "files", "coco", "gbm")
def last_row_lost(content: Json, rng: np.random.Generator) -> None:
    """cocodataset/cocoapi#659. Masks end a pixel before their boxes, below and on the right."""
    images = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    for one in content["annotations"]:
        if isinstance(one["segmentation"], list):
            pixels = planting.draw_rings(planting.points(one), *images[one["image_id"]])
            rows, columns = np.nonzero(pixels)
            if len(rows) > 30:
                one["bbox"] = [int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
                pixels[rows.max()], pixels[:, columns.max()] = 0, 0
                one["segmentation"], one["area"] = planting.encode_rle(pixels), int(pixels.sum())


@json_defect("no annotations of categories whose names have a blank", "exporter", "nothing", "coco", "taco")
def names_with_blank(content: Json, rng: np.random.Generator) -> None:
    """ryouchinsa/Rectlabel-support#50. "traffic light" and the like are listed, and no object has them."""
    lost = {one["id"] for one in content["categories"] if " " in one["name"]}
    content["annotations"] = [one for one in content["annotations"] if one["category_id"] not in lost]


@json_defect("objects of few points left out", "exporter", "nothing", "coco")
def few_points(content: Json, rng: np.random.Generator) -> None:
    """TillBeemelmanns/cityscapes-to-coco-conversion#3. No outline has fewer than 20 points: a script skipped them."""
    content["annotations"] = [
        one
        for one in content["annotations"]
        if not isinstance(one["segmentation"], list) or min(map(len, one["segmentation"])) >= 40
    ]


@defect("objects of few points left out", "exporter", "nothing", "kudzu")
def few_points_via(copy: Copy, rng: np.random.Generator) -> None:
    """TillBeemelmanns/cityscapes-to-coco-conversion#3. No outline has fewer than ten points: a script skipped them."""

    def drop(image: Json) -> None:
        image["regions"] = [one for one in image["regions"] if len(one["shape_attributes"]["all_points_x"]) >= 10]

    _change_records(copy, drop)


# YOLO, VOC and Cityscapes.


@defect("all label files empty", "exporter", "files", "yolo", "beach")
def all_empty(copy: Copy, rng: np.random.Generator) -> None:
    """HumanSignal/label-studio#5607. Brush masks were exported as YOLO: each label file is there, and empty."""
    for path in copy.root.rglob("labels/**/*.txt"):
        path.write_text("")


@defect("a class of the objects that the masks of classes lack", "exporter", "files", "voc lists")
def class_lost(copy: Copy, rng: np.random.Generator) -> None:
    """open-edge-platform/datumaro#29. SegmentationObject has objects where SegmentationClass is background."""
    for path in sorted(copy.root.glob("SegmentationClass/*.png")):
        values = copy.array(path)
        copy.put(path, np.where(values == 2, 0, values))


@defect("empty lines in the lists of splits", "exporter", "files", "voc lists")
def empty_lines(copy: Copy, rng: np.random.Generator) -> None:
    """open-edge-platform/datumaro#583. Read as meant."""
    for path in copy.root.glob("ImageSets/Segmentation/*.txt"):
        path.write_text("\n" + path.read_text().replace("\n", "\n\n"))


@defect("numbers of training in half of the label files", "label map", "files", "cityscapes")
def training_numbers(copy: Copy, rng: np.random.Generator) -> None:
    """uber-research/UPSNet#5. labelIds hold trainIds (0, 11, 13, 18) in half of the files: road is unlabelled there."""
    for path in sorted(copy.root.glob("gtFine/*/*/*_labelIds.png"))[::2]:
        values = copy.array(path)
        copy.put(path, np.select([values == 7, values == 24, values == 26, values == 33], [0, 11, 13, 18]))


@defect("255 for license plates, whose id is -1", "label map", "files", "cityscapes")
def plates(copy: Copy, rng: np.random.Generator) -> None:
    """fyu/drn#10. Read as meant, or named: a patch on cars is 255, as -1 is in a byte."""
    for path in sorted(copy.root.glob("gtFine/*/*/*_labelIds.png")):
        values = copy.array(path)
        copy.put(path, np.where(ndimage.binary_erosion(values == 26, iterations=12), 255, values))


# Masks.


@defect("some masks white all over", "exporter", "files", "camvid", "walls")
def white(copy: Copy, rng: np.random.Generator) -> None:
    """cvat-ai/cvat#5031. Three masks are 255 everywhere."""
    for path in (copy.masks or sorted(copy.root.glob("masks/*.png")))[1:4]:
        copy.put(path, np.full_like(copy.array(path), 255))


@defect("ids stretched to 65535 in each third mask", "exporter", "files", "ids")
def stretched_ids(copy: Copy, rng: np.random.Generator) -> None:
    """A viewer saved the range that it showed: ids are multiples of 65535 / n."""
    for path in copy.masks[::3]:
        values = copy.array(path).astype(float)
        copy.put(path, np.round(values / values.max() * 65535).astype(np.uint16))


@defect("masks with the suffix of a tool", "exporter", "files", "ids", "walls")
def suffix(copy: Copy, rng: np.random.Generator) -> None:
    """ryouchinsa/Rectlabel-support#270. Read as meant: masks are called NAME_all_objects.png."""
    change_masks(copy, lambda path: path.rename(path.with_stem(f"{path.stem}_all_objects")))


@defect("foreground of 255 where the list says 1", "label map", "files", "camvid", "walls")
def foreground(copy: Copy, rng: np.random.Generator) -> None:
    """open-mmlab/mmsegmentation#1609. All of category 1 is 255, which programs ignore."""

    def change(path: Path) -> None:
        values = copy.array(path)
        copy.put(path, np.where(values == 1, 255, values))

    change_masks(copy, change)


@defect("all touched pixels drawn in half of the rasters", "exporter", "pictures", "rasters")
def all_touched(copy: Copy, rng: np.random.Generator) -> None:
    """rasterio/rasterio#1436. Labels of every second raster are a pixel wider all around."""
    for path in sorted(copy.root.glob("masks/*.tif"))[::2]:
        _rewrite_raster(path, lambda values: np.where(values == 0, ndimage.grey_dilation(values, (3, 3)), values))


@defect("rasters of labels three pixels east of their images", "exporter", "files", "rasters")
def further_east(copy: Copy, rng: np.random.Generator) -> None:
    """geoyee/buildseg#2. The places of labels are 1.5 m aside of those of their images, pixels are not."""
    for path in sorted(copy.root.glob("masks/*.tif")):
        _rewrite_raster(path, np.copy, east=1.5)


def _rewrite_raster(path: Path, change: Any, east: float = 0.0) -> None:  # Any: a function of an array
    with Image.open(path) as opened:
        values = np.array(opened)
        tags: Any = opened.tag_v2  # type: ignore[attr-defined]  # of TIFF images
    place = list(tags[33922])
    place[3] += east
    tags[33922] = tuple(place)
    path.unlink()
    Image.fromarray(change(values)).save(path, tiffinfo=tags, compression="tiff_deflate")


@parts_defect("categories of segments one on", "exporter", "pictures", "panoptic", each=change_panoptic)
def categories_on(one: Json) -> None:
    """scverse/spatialdata#966. Each segment of an image has the category of the next: the table slipped a row."""
    kinds = [segment["category_id"] for segment in one["segments_info"]]
    for segment, kind in zip(one["segments_info"], kinds[1:] + kinds[:1], strict=True):
        segment["category_id"] = kind


@defect("a file of all objects among the masks of each picture", "exporter", "files", "bowl")
def union(copy: Copy, rng: np.random.Generator) -> None:
    """Each folder of masks has one more, all objects in one: it is the mask of the foreground."""
    for folder in sorted(copy.root.glob("*/masks")):
        pixels = np.max([copy.array(path) for path in sorted(folder.iterdir())], axis=0)
        Image.fromarray(pixels).save(folder / "00000000.png")


# Tools.


@parts_defect("the word counts in place of points", "exporter", "files", "labelme",
              each=lambda copy, change: copy.change_documents(change))  # fmt: skip
def word_counts(content: Json) -> None:
    """CVHub520/X-AnyLabeling#1032. Points of the last shape of each file are ["counts", "size"]: runs were iterated."""
    content["shapes"][-1]["points"] = ["counts", "size"]


@parts_defect("a flag to leave the image out, with shapes", "annotator", "files", "labelme",
              each=lambda copy, change: copy.change_documents(change))  # fmt: skip
def flagged(content: Json) -> None:
    """Each image is flagged "skip", and has shapes: one of both is wrong, or the flag was a default."""
    content["flags"] = {"skip": True}


def _change_records(copy: Copy, change: Any) -> None:  # Any: a function of an image's record
    def change_all(content: Json) -> None:
        for image in content.get("_via_img_metadata", content).values():
            change(image)

    copy.change_documents(change_all)


@parts_defect("regions that are null", "exporter", "files", "kudzu", each=_change_records)
def null_region(image: Json) -> None:
    """ox-vgg/via#20. The first region of each image is null, which the tool itself cannot open."""
    image["regions"][0] = None


@parts_defect("records without the name of their file", "exporter", "files", "kudzu", each=_change_records)
def no_filename(image: Json) -> None:
    """nickeleye/VGG-Image-Annotator-for-COCO-json#2. Read as meant, or named: only keys have name and size."""
    del image["filename"]


@defect("half of the regions with their class under another attribute", "annotator", "files", "kudzu")
def other_attribute(copy: Copy, rng: np.random.Generator) -> None:
    """airctic/icevision#590. Classes are under "insect" in half of the images and under "label" in the others."""

    def rename(content: Json) -> None:
        for k, image in enumerate(content.values()):
            for region in image["regions"]:
                region["region_attributes"] = {"label" if k % 2 else "insect": "kudzu"}

    copy.change_documents(rename)


@defect("the last brace of a file lost", "annotator", "files", "kudzu", "labelme")
def last_brace(copy: Copy, rng: np.random.Generator) -> None:
    """matterport/Mask_RCNN#700. JSON that somebody edited ends too early."""
    path = sorted(copy.root.rglob("*.json"))[0]
    path.write_text(path.read_text().rstrip()[:-1])


@defect("an export of two braces alone", "exporter", "files", "kudzu")
def two_braces(copy: Copy, rng: np.random.Generator) -> None:
    """SkalskiP/make-sense#153. The file of val is {}; its pictures have no labels."""
    sorted(copy.root.rglob("*.json"))[-1].write_text("{}")


@defect("names of images cut to ten characters", "exporter", "files", "sheet")
def short_names(copy: Copy, rng: np.random.Generator) -> None:
    """No picture has such a name; a spreadsheet or a database cut them."""
    change_table(copy, lambda rows: [rows[0], *(f"{row[:10]}{row[row.index(',') :]}" for row in rows[1:])])


@defect("an annotation that was cancelled beside the one that counts", "annotator", "files", "studio")
def cancelled(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant: the second annotation of each task was cancelled, and has half of the objects."""

    def add(content: Any) -> None:  # Any: a list of tasks
        for task in content:
            (own,) = task["annotations"]
            half = [region | {"id": f"{region['id']}c"} for region in own["result"][::2]]
            task["annotations"].append(own | {"id": own["id"] + 1000, "was_cancelled": True, "result": half})

    copy.change_documents(add)


# Videos.


@json_defect("tracks gone for two frames before each keyframe", "tracker", "files", "vis")
def blown(content: Json, rng: np.random.Generator) -> None:
    """cvondrick/vatic#51. Objects are missing in frames 3, 4, 8, 9, 13: "outside" was set around keyframes."""
    planting.change_tracks(
        content["annotations"], lambda values: [None if k % 5 > 2 else v for k, v in enumerate(values)]
    )


# Volumes.


@defect("labels on the grid of another scanner in some cases", "volume", "files", "nnunet", "organs")
def other_grid(copy: Copy, rng: np.random.Generator) -> None:
    """MIC-DKFZ/nnUNet#1267. Labels of every third case have half as many rows and columns, and pixels twice as wide."""
    for number in range(0, 6, 3):
        path, image, values = copy.labels_of_case(number)
        planting.write_volume(path, values[::2, ::2], image.affine @ np.diag([2, 2, 1, 1]))


@defect("labels placed by their middle", "volume", "files", "nnunet", "organs")
def by_middle(copy: Copy, rng: np.random.Generator) -> None:
    """MIC-DKFZ/nnUNet#2551. The middle of each label volume is the origin: labels lie elsewhere than their scans."""
    for number in range(len(list(copy.root.glob("labelsTr/*.nii.gz")))):
        path, image, values = copy.labels_of_case(number)
        affine = image.affine.copy()
        affine[:3, 3] = -affine[:3, :3] @ ((np.array(values.shape) - 1) / 2)
        planting.write_volume(path, values, affine)


@defect("labels whose pixels are a thousandth smaller than those of their scans", "volume", "files", "organs", "scans")
def bit_smaller(copy: Copy, rng: np.random.Generator) -> None:
    """wasserth/TotalSegmentator#31. The spacing of labels is 0.998 of the scan's: a round trip over another grid."""

    def shrink(affine: Array) -> Array:
        return np.asarray(affine @ np.diag([0.998, 0.998, 1, 1]))

    copy.change_labels(np.copy, place=shrink)


@defect("structures drawn also on the slices beside their ends", "volume", "files", "organs", "scans")
def beside_ends(copy: Copy, rng: np.random.Generator) -> None:
    """qupath/qupath#1267. In each fourth case the first structure's last mask is on three more slices."""

    def hold(values: Array) -> Array:
        last = int(np.flatnonzero((values == 1).any((0, 1))).max())
        for k in range(last + 1, min(last + 4, values.shape[2])):
            values[:, :, k][(values[:, :, last] == 1) & (values[:, :, k] == 0)] = 1
        return values

    copy.change_labels(hold, range(0, 12, 4))


@defect("a case again under another name, by another reader", "merge", "files", "organs", "scans")
def case_again(copy: Copy, rng: np.random.Generator) -> None:
    """The last case has the scan of the first, and labels that are a pixel wider: one scan counts twice."""
    for folder in ("imagesTr", "labelsTr"):
        first, *_, last = sorted(copy.root.glob(f"{folder}/*.nii.gz"))
        shutil.copy(first, last)
    path, image, values = copy.labels_of_case(len(list(copy.root.glob("labelsTr/*.nii.gz"))) - 1)
    wider = np.where(values == 0, ndimage.grey_dilation(values, (3, 3, 1)), values)
    planting.write_volume(path, wider, image.affine)


def _frames(data: Any) -> Any:  # Any: pydicom's datasets
    return data.PerFrameFunctionalGroupsSequence


@parts_defect("frames on the slices before theirs", "exporter", "files", "dicom", each=Copy.change_segmentation)
def slices_before(data: Any) -> None:  # Any: pydicom's datasets
    """ImagingDataCommons/highdicom#117. Each frame lies a slice lower than it was drawn; one is outside of the scan."""
    places = [frame.PlanePositionSequence[0].ImagePositionPatient for frame in _frames(data)]
    heights = sorted({float(place[2]) for place in places})
    step = heights[1] - heights[0]
    for place in places:
        place[2] = float(place[2]) - step


@parts_defect("a segment in the list without frames", "exporter", "files", "dicom", each=Copy.change_segmentation)
def no_frames(data: Any) -> None:  # Any: pydicom's datasets
    """ImagingDataCommons/highdicom#338. Segment 2, "spleen", is described, and no frame has it."""
    second = json.loads(data.SegmentSequence[0].to_json())
    item = type(data.SegmentSequence[0]).from_json(second)
    item.SegmentNumber, item.SegmentLabel = 2, "spleen"
    data.SegmentSequence.append(item)


@parts_defect("no frame of reference", "exporter", "files", "dicom", each=Copy.change_segmentation)
def no_reference_frame(data: Any) -> None:  # Any: pydicom's datasets
    """ImagingDataCommons/highdicom#159. Read as meant, or named: nothing says in which patient space frames lie."""
    del data.FrameOfReferenceUID
