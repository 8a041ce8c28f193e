"""A fifteenth list of defects, committed before any was tried: what tools were reported for, and scripts around them.

As in the lists before, the docstring of each function is what the owner of the dataset would expect to be told. A
thread `owner/name#1` is on GitHub, and is where somebody met it.
"""

import json
import re
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image, ImageEnhance
from pycocotools import mask as rle
from scipy import ndimage

from benchmarks.defects import planting
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, json_defect

# COCO.


@defect("points outside of the crop deleted, not clipped", "augmentation", "files", "coco", "gbm")
def points_deleted(copy: Copy, rng: np.random.Generator) -> None:
    """albumentations-team/albumentations#1873. Objects at the left side are cut off along slanted lines."""
    folder, content = copy.own_images(), copy.load()
    for image in content["images"]:
        cut = image["width"] // 4
        with Image.open(folder / image["file_name"]) as picture:
            cropped = picture.crop((cut, 0, *picture.size))
        cropped.save(folder / image["file_name"])
        image["width"] -= cut
    cuts = {image["id"]: image["width"] // 3 for image in content["images"]}
    kept = []
    for one in content["annotations"]:
        if isinstance(one["segmentation"], list):
            rings = [np.array(ring, float).reshape(-1, 2) - (cuts[one["image_id"]], 0) for ring in one["segmentation"]]
            rings = [ring[ring[:, 0] >= 0] for ring in rings]
            one["segmentation"] = [ring.reshape(-1).tolist() for ring in rings if len(ring) > 2]
            if one["segmentation"]:
                kept.append(one)
    content["annotations"] = kept
    planting.fit_boxes(content)
    copy.save(content)


@annotation_defect(
    "outlines through the centres of the outermost pixels, areas of the masks", "exporter", "files", "coco", "gbm"
)
def through_centres(one: Json) -> None:
    """jsbroks/imantics#43. Outlines are a pixel smaller than the masks that areas and boxes were taken from."""
    rings = [np.floor(np.array(ring, float).reshape(-1, 2)) for ring in planting.points(one)]
    if rings:
        corners = np.concatenate(rings)
        low, high = corners.min(0), corners.max(0)
        width, height = (high + 2).astype(int).tolist()
        one["segmentation"] = [ring.reshape(-1).tolist() for ring in rings]
        one["area"] = int(planting.draw_rings(planting.points(one), width, height).sum())  # with the outline itself
        one["bbox"] = [*low.tolist(), *(high - low + 1).tolist()]


@json_defect("each part of an object as an object of its own", "exporter", "nothing", "coco", "taco")
def parts_as_objects(content: Json, rng: np.random.Generator) -> None:
    """HumanSignal/label-studio-sdk#478. Objects of several parts are several objects, each with its own id."""
    number = max(one["id"] for one in content["annotations"])
    made = []
    for one in content["annotations"]:
        if isinstance(one["segmentation"], list):
            for ring in one["segmentation"]:
                number += 1
                made.append(one | {"id": number, "segmentation": [ring]})
        else:
            made.append(one)
    content["annotations"] = made
    planting.fit_boxes(content)


@defect("runs of a mask with a row more than the image", "exporter", "files", "coco")
def row_too_many(copy: Copy, rng: np.random.Generator) -> None:
    """cvat-ai/cvat#9316. The size of the runs is not the image's; named, at these objects."""
    content = copy.load()
    images = {image["id"]: image for image in content["images"]}
    for one in content["annotations"][::5]:
        image = images[one["image_id"]]
        if isinstance(one["segmentation"], list):
            one["segmentation"] = planting.encode_rle(
                planting.draw_rings(planting.points(one), image["width"], image["height"] + 1)
            )
    copy.save(content)


@defect("runs of a mask with a row more than the image", "exporter", "files", "cvat")
def row_too_many_in_cvat(copy: Copy, rng: np.random.Generator) -> None:
    """cvat-ai/cvat#9316. The masks reach a row below their image; named, at these objects."""
    (path,) = copy.root.glob("*.xml")
    width, height = 60, 41
    runs = ", ".join(["0", str(width * height)])
    mask = f'<mask label="crab" occluded="0" rle="{runs}" left="100" top="200" width="{width}" height="{height}" z_order="0"></mask>'  # noqa: E501
    text = path.read_text()
    for number in (2, 6, 9):
        head = re.search(rf'<image id="{number}"[^>]*>', text)
        assert head
        text = text[: head.end()] + mask + text[head.end() :]
    path.write_text(text)


@annotation_defect("all objects marked as crowd", "exporter", "files", "coco", "gbm")
def all_crowd(one: Json) -> None:
    """facebookresearch/detectron2#5027. Training leaves every object out, since all are crowds."""
    one["iscrowd"] = 1


@annotation_defect("boxes and areas as text", "exporter", "files", "coco", "gbm")
def numbers_as_text(one: Json) -> None:
    """Boxes and areas are text, which pycocotools cannot compare; named as that."""
    one["area"] = str(one["area"])
    one["bbox"] = [str(value) for value in one["bbox"]]


@annotation_defect("parts joined by a line there and back", "exporter", "files", "coco", "taco")
def bridges(one: Json) -> None:
    """ultralytics/JSON2YOLO#24. The parts are one ring now, which touches itself; no pixels changed."""
    rings = [np.array(ring, float).reshape(-1, 2) for ring in planting.points(one)]
    if len(rings) > 1:
        whole = rings[0]
        for ring in rings[1:]:
            far = np.linalg.norm(whole[:, None] - ring[None], axis=2)
            at, to = np.unravel_index(far.argmin(), far.shape)
            turned = np.roll(ring, -to, axis=0)
            whole = np.concatenate([whole[: at + 1], turned, turned[:1], whole[at:]])
        one["segmentation"] = [whole.reshape(-1).tolist()]


@json_defect("crumbs of masks as objects of their own", "exporter", "files", "coco", "gbm")
def crumbs(content: Json, rng: np.random.Generator) -> None:
    """VIPriors/vipriors-challenges-toolkit#31. Beside every third object lies one of a few pixels, of its category."""
    more = []
    for one in content["annotations"][::3]:
        rings = list(planting.points(one))
        if rings:
            corner = np.array(rings[0], float).reshape(-1, 2).max(0) + rng.uniform(-6, 3, 2)
            ring = corner + np.array([(0, 0), (2, 0), (2, 1.5), (0, 1.5)])
            more.append(one | {"segmentation": [ring.reshape(-1).tolist()]})
    planting.add_annotations(content, more)
    planting.fit_boxes(content)


@defect("pictures saved again as PNG within a split, labelled anew", "merge", "pictures", "coco")
def again_as_png(copy: Copy, rng: np.random.Generator) -> None:
    """Six pictures are there twice, pixel by pixel, under two names and formats, with outlines that differ by 1 px."""
    folder, content = copy.own_images(), copy.load()
    number, last = (max(one["id"] for one in content[key]) for key in ("images", "annotations"))
    for image in content["images"][3:45:8]:
        number += 1
        name = f"{Path(image['file_name']).stem}_edited.png"
        with Image.open(folder / image["file_name"]) as picture:
            picture.save(folder / name)
        content["images"].append(image | {"id": number, "file_name": name})
        for one in [one for one in content["annotations"] if one["image_id"] == image["id"]]:
            last += 1
            new = one | {"id": last, "image_id": number}
            if isinstance(one["segmentation"], list):
                new["segmentation"] = [
                    (np.array(ring, float) + rng.uniform(-1, 1, len(ring))).tolist() for ring in one["segmentation"]
                ]
            content["annotations"].append(new)
    copy.save(content)


@defect("pictures saved again as PNG within a split, labelled anew", "merge", "pictures", "beach")
def again_as_png_in_yolo(copy: Copy, rng: np.random.Generator) -> None:
    """Three pictures are there twice, pixel by pixel, under two names and formats, and outlines differ by 1 px."""
    for path in sorted((copy.root / "images/train").glob("*.jpg"))[1:8:3]:
        with Image.open(path) as picture:
            picture.save(path.with_name(f"{path.stem}_edited.png"))
        rows = []
        for row in (copy.root / f"labels/train/{path.stem}.txt").read_text().split("\n"):
            if row.strip():
                kind, *values = row.split()
                moved = np.array(values, float) + rng.uniform(-0.003, 0.003, len(values))
                rows.append(" ".join([kind, *(f"{value:.6f}" for value in moved)]))
        (copy.root / f"labels/train/{path.stem}_edited.txt").write_text("\n".join(rows))


@defect("brighter copies of training pictures in val", "augmentation", "pictures", "splits")
def brighter_in_val(copy: Copy, rng: np.random.Generator) -> None:
    """The set was augmented before it was split: val has brighter copies of pictures of train, with their labels."""
    _, train, path, val = copy.train_and_val()
    number = max(one["id"] for one in [*train["annotations"], *val["annotations"]])
    for image in train["images"][:4]:
        name = image["file_name"].replace(".", "_aug.")
        with Image.open(copy.root / "train" / image["file_name"]) as picture:
            ImageEnhance.Brightness(picture).enhance(1.25).save(copy.root / "val" / name, quality=90)
        val["images"].append(image | {"id": image["id"] + 1000, "file_name": name})
        for one in [one for one in train["annotations"] if one["image_id"] == image["id"]]:
            number += 1
            val["annotations"].append(one | {"id": number, "image_id": image["id"] + 1000})
    path.write_text(json.dumps(val))


@defect("brighter copies of training pictures in val", "augmentation", "pictures", "yolo")
def brighter_in_valid(copy: Copy, rng: np.random.Generator) -> None:
    """The set was augmented before it was split: valid has brighter copies of pictures of train, with their labels."""
    for path in sorted((copy.root / "train/images").iterdir())[:4]:
        with Image.open(path) as picture:
            copied = ImageEnhance.Brightness(picture.convert("RGB")).enhance(1.25)
        copied.save(copy.root / "valid/images" / f"{path.stem}_aug.jpg", quality=90)
        text = (copy.root / "train/labels" / f"{path.stem}.txt").read_text()
        (copy.root / "valid/labels" / f"{path.stem}_aug.txt").write_text(text)


# YOLO and LabelMe.


@defect("label files of the second half empty", "exporter", "files", "yolo", "beach")
def empty_files(copy: Copy, rng: np.random.Generator) -> None:
    """CVHub520/X-AnyLabeling#933. Half of the label files have 0 bytes: the names of their classes were not listed."""
    paths = sorted(copy.root.rglob("labels/**/*.txt"))
    for path in paths[len(paths) // 2 :]:
        path.write_text("")


@defect("one group number for shapes of two classes", "annotator", "files", "labelme", "labelme video")
def group_of_two(copy: Copy, rng: np.random.Generator) -> None:
    """A group is one object of several parts; here its parts are of two classes, so that it is no object."""

    def change(content: Json) -> None:
        for shape in content["shapes"]:
            shape["group_id"] = 7

    copy.change_documents(change)


# Masks.


@defect("a row of specks along the right side", "annotator", "files", "camvid", "ids")
def specks_at_side(copy: Copy, rng: np.random.Generator) -> None:
    """HumanSignal/label-studio#6694. In some masks labels of 2 px lie along the right side, below each other."""
    for path in copy.masks[4::6]:
        values = copy.array(path)
        kind = values.max() if copy.root.name == "ids" else 8
        values[3::11, -2:] = kind
        copy.put(path, values)


def _reduced(values: Array) -> Array:
    return np.where((values == 0) | (values == 255), 255, values - 1).astype(np.uint8)


@defect("all values one lower and 0 as 255, in one part of the masks", "label map", "files", "camvid")
def zero_reduced(copy: Copy, rng: np.random.Generator) -> None:
    """ViTAE-Transformer/ViTAE-Transformer-Remote-Sensing#9. One folder has been reduced by one label, the other not."""
    first = copy.masks[0].parent
    for path in copy.masks:
        if path.parent != first:
            copy.put(path, _reduced(copy.array(path)))


@defect("all values one lower and 0 as 255, in one part of the masks", "label map", "files", "voc lists")
def zero_reduced_in_val(copy: Copy, rng: np.random.Generator) -> None:
    """The masks of val have been reduced by one label: background is void, and each class is the one before."""
    for stem in (copy.root / "ImageSets/Segmentation/val.txt").read_text().split():
        path = copy.root / f"SegmentationClass/{stem}.png"
        copy.put(path, _reduced(copy.array(path)))


@defect("palette masks saved as grey: brightness in place of numbers", "exporter", "files", "voc lists", "osvos")
def brightness_of_palette(copy: Copy, rng: np.random.Generator) -> None:
    """MouseLand/cellpose#446. Some masks have the brightness of their colours as values, and no palette."""
    for path in (copy.masks or sorted(copy.root.glob("SegmentationClass/*.png")))[1::5]:
        with Image.open(path) as mask:
            grey = mask.convert("RGB").convert("L")
        path.unlink()
        grey.save(path)


@defect("masks a pixel narrower than their images", "exporter", "files", "camvid", "ids")
def narrower(copy: Copy, rng: np.random.Generator) -> None:
    """commaai/comma10k#1952. Every fifth mask was saved from a canvas on a scaled screen."""
    for path in copy.masks[::5]:
        copy.put(path, np.ascontiguousarray(copy.array(path)[:, :-1]))


def _two_masks(copy: Copy) -> tuple[list[Path], list[Path]]:
    """The masks of classes and those of objects, in one order."""
    if copy.root.name == "cityscapes":
        kinds = sorted(copy.root.rglob("*_labelIds.png"))
        return kinds, [path.with_name(path.name.replace("labelIds", "instanceIds")) for path in kinds]
    kinds = sorted(copy.root.glob("SegmentationClass/*.png"))
    return kinds, [path.parent.with_name("SegmentationObject") / path.name for path in kinds]


@defect("masks of classes are all zero, those of objects are not", "exporter", "files", "cityscapes", "voc lists")
def zero_classes(copy: Copy, rng: np.random.Generator) -> None:
    """open-edge-platform/datumaro#325. The masks of classes have nothing, where objects have numbers."""
    for path in _two_masks(copy)[0]:
        copy.put(path, np.zeros_like(copy.array(path)))


@defect("masks of classes and of objects exchanged", "exporter", "files", "cityscapes", "voc lists")
def two_folders_exchanged(copy: Copy, rng: np.random.Generator) -> None:
    """uml-marine-robotics/MassMIND#5. What is named as classes holds numbers of objects, and the other way round."""
    for first, second in zip(*_two_masks(copy), strict=True):
        kept = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(kept)


@defect("objects that the masks of objects lack", "exporter", "files", "cityscapes", "voc lists")
def lacking_objects(copy: Copy, rng: np.random.Generator) -> None:
    """mcahny/vps#26. In every third image two objects have a class and no number."""
    for kinds, numbers in list(zip(*_two_masks(copy), strict=True))[::3]:
        values, classes = copy.array(numbers), copy.array(kinds)
        present = [
            value for value in np.unique(values[classes > 0]).tolist() if value > (999 if values.max() > 999 else 0)
        ]
        for value in present[:2]:
            inside = values == value
            values[inside] = classes[inside] if values.max() > 999 else 0
        copy.put(numbers, values)


@defect("numbers of objects without the class before them", "exporter", "files", "cityscapes")
def number_alone(copy: Copy, rng: np.random.Generator) -> None:
    """open-edge-platform/datumaro#342. Objects are 0, 1, 2, where the format has 24000, 24001, 26002."""
    for path in _two_masks(copy)[1]:
        values = copy.array(path)
        copy.put(path, np.where(values > 999, values % 1000, values).astype(np.uint16))


@defect("numbers of objects without the class before them", "exporter", "files", "mots")
def number_alone_in_rows(copy: Copy, rng: np.random.Generator) -> None:
    """The objects of the text files are 1 and 2, where the format has 1001 and 2002."""
    for path in sorted(copy.root.glob("instances_txt/*.txt")):
        rows = [row.split(" ") for row in path.read_text().splitlines()]
        path.write_text("\n".join(" ".join([row[0], str(int(row[1]) % 1000), *row[2:]]) for row in rows) + "\n")


@defect("one object under a class that nothing else has", "annotator", "pictures", "cityscapes")
def class_of_one(copy: Copy, rng: np.random.Generator) -> None:
    """mcordts/cityscapesScripts#24. A car is a tunnel, in one image, and no other image has a tunnel."""
    kinds, numbers = _two_masks(copy)
    values, classes = copy.array(numbers[5]), copy.array(kinds[5])
    inside = values == values.max()
    classes[inside], values[inside] = 16, 16
    copy.put(kinds[5], classes)
    copy.put(numbers[5], values)


@json_defect("one object under a class that nothing else has", "annotator", "pictures", "coco")
def class_of_one_in_coco(content: Json, rng: np.random.Generator) -> None:
    """A person is a category that no other annotation has."""
    used = {one["category_id"] for one in content["annotations"]}
    free = next(one["id"] for one in content["categories"] if one["id"] not in used)
    people = [one for one in content["annotations"] if one["category_id"] == 1]
    people[7]["category_id"] = free


# Videos.


@defect("labels at another frame rate", "tracker", "files", "osvos")
def other_rate(copy: Copy, rng: np.random.Generator) -> None:
    """cilinyan/VISA#9. Frame n has the labels of frame 2n: labels run twice as fast, and end in the middle."""
    paths = copy.frames()
    values = [copy.array(path) for path in paths]
    for k, path in enumerate(paths):
        copy.put(path, values[2 * k] if 2 * k < len(values) else np.zeros_like(values[0]))


@json_defect("labels at another frame rate", "tracker", "files", "vis")
def other_rate_of_tracks(content: Json, rng: np.random.Generator) -> None:
    """Frame n has the labels of frame 2n: labels run twice as fast, and end in the middle."""
    planting.change_tracks(content["annotations"], lambda values: [*values[::2], *([None] * (len(values) // 2))])


@json_defect("tracks longer than their video", "tracker", "files", "vis")
def longer(content: Json, rng: np.random.Generator) -> None:
    """wangxiao5791509/TNL2K_evaluation_toolkit#2. Some tracks have two frames more than the video."""
    planting.change_tracks(content["annotations"][::4], lambda values: values + values[-2:])


@defect("tracks longer than their video", "tracker", "files", "mots")
def longer_rows(copy: Copy, rng: np.random.Generator) -> None:
    """The text files go on for two frames that have no picture."""
    for path in sorted(copy.root.glob("instances_txt/*.txt")):
        rows = [row.split(" ", 1) for row in path.read_text().splitlines()]
        last = max(int(number) for number, _ in rows)
        more = [f"{last + k} {rest}" for k in (1, 2) for number, rest in rows if int(number) == last]
        path.write_text(path.read_text() + "\n".join(more) + "\n")


@annotation_defect("labels of one video under the name of another", "merge", "pictures", "vis")
def videos_exchanged(one: Json) -> None:
    """CAMMA-public/cholectrack20#10. Two videos have the labels of each other."""
    one["video_id"] = {1: 2, 2: 1}.get(one["video_id"], one["video_id"])


@defect("labels of one video under the name of another", "merge", "pictures", "mots")
def text_files_exchanged(copy: Copy, rng: np.random.Generator) -> None:
    """Two videos have the labels of each other."""
    first, second = sorted(copy.root.glob("instances_txt/*.txt"))[:2]
    kept = first.read_text()
    first.write_text(second.read_text())
    second.write_text(kept)


def _collapsed(pixels: Array, share: float) -> Array:
    """An outline between two keyframes whose points are matched half a turn apart: it shrinks to its middle."""
    rows, columns = np.nonzero(pixels)
    if not len(rows):
        return pixels
    scale = max(abs(1 - 2 * share), 0.05)
    middle = np.array([rows.mean(), columns.mean()])
    shrunken: Array = (
        ndimage.affine_transform(pixels.astype(np.uint8), np.eye(2) / scale, middle - middle / scale, order=0) > 0
    )
    return shrunken


@defect("an outline that shrinks and grows between two keyframes", "tracker", "files", "osvos")
def shrinks(copy: Copy, rng: np.random.Generator) -> None:
    """One track was interpolated with points matched wrongly: it shrinks to a point and grows again within 8 frames."""
    for k, path in enumerate(copy.frames()[8:15], 1):

        def change(values: Array, share: float = k / 8) -> Array:
            new = np.where(values == 1, 0, values)
            new[_collapsed(values == 1, share) & (new == 0)] = 1
            return new

        copy.relabel([path], change)


@json_defect("an outline that shrinks and grows between two keyframes", "tracker", "files", "vis")
def track_shrinks(content: Json, rng: np.random.Generator) -> None:
    """In each video one track shrinks to a point and grows again within 8 frames."""
    first = {one["video_id"]: one for one in reversed(content["annotations"])}
    for one in first.values():
        for k in range(4, 11):
            if one["segmentations"][k]:
                pixels = _collapsed(rle.decode(one["segmentations"][k]) > 0, (k - 3) / 8)
                one["segmentations"][k] = planting.encode_rle(pixels)
                one["areas"][k] = int(pixels.sum())
                one["bboxes"][k] = rle.toBbox(one["segmentations"][k]).tolist()


# Volumes.


@defect("two names for one number in the list of labels", "label map", "files", "scans", "nnunet")
def one_number(copy: Copy, rng: np.random.Generator) -> None:
    """wasserth/TotalSegmentator#468. The list gives one number to two classes, and none to the highest value."""

    def change(content: Json) -> None:
        *_, before, last = content["labels"]
        content["labels"][last] = content["labels"][before]

    copy.change_dataset_json(change)


@defect("half of an organ under the number of another", "annotator", "files", "scans", "organs")
def half_of_organ(copy: Copy, rng: np.random.Generator) -> None:
    """wasserth/TotalSegmentator#394. In two cases the upper slices of an organ have the number of another organ."""
    for number in (2, 7):
        path, image, values = copy.labels_of_case(number)
        inside = values == 1
        slices = np.flatnonzero(inside.any((0, 1)))
        inside[:, :, : slices[len(slices) // 2]] = False
        values[inside] = 2
        planting.write_volume(path, values, image.affine)


@defect("labels where a turned scan has no data", "resize", "pictures", "scans", "nnunet")
def no_data(copy: Copy, rng: np.random.Generator) -> None:
    """wasserth/TotalSegmentator#34. Labels lie in a corner of the scan that is one constant value."""
    for number in (1, 3):
        path = sorted(copy.root.glob("imagesTr/*_0000.nii.gz"))[number]
        image: Any = nibabel.load(path)
        values = np.asanyarray(image.dataobj).copy()
        x, y = np.mgrid[: values.shape[0], : values.shape[1]]
        values[(x / values.shape[0] + y / values.shape[1]) < 0.75] = -1024
        planting.write_volume(path, values, image.affine)


@defect("labels of all volumes two voxels aside", "resize", "pictures", "scans", "organs")
def two_aside(copy: Copy, rng: np.random.Generator) -> None:
    """Project-MONAI/MONAILabel#649. Labels are two voxels off in x and y everywhere."""
    copy.change_labels(lambda values: np.roll(values, (2, 2), (0, 1)))


@defect("empty slices left out and added at the end", "volume", "pictures", "scans")
def empty_to_end(copy: Copy, rng: np.random.Generator) -> None:
    """QIICR/dcmqi#513. In three cases labels begin on the first slice, as many slices too low as were empty."""
    for number in (4, 9, 15):
        path, image, values = copy.labels_of_case(number)
        first = int(np.flatnonzero(values.any((0, 1)))[0])
        planting.write_volume(path, np.roll(values, -first, axis=2), image.affine)


@defect("empty slices left out and added at the end", "volume", "pictures", "spleen")
def empty_to_end_of_one(copy: Copy, rng: np.random.Generator) -> None:
    """The labels begin on the first slice, as many slices too low as were empty."""
    copy.change_volume(lambda values: np.roll(values, -int(np.flatnonzero(values.any((0, 1)))[0]), axis=2))


@defect("headers that differ by rounding alone", "volume", "files", "scans", "organs")
def rounded_headers(copy: Copy, rng: np.random.Generator) -> None:
    """MIC-DKFZ/nnUNet#1287. Nothing: the places differ by a millionth of a voxel."""
    copy.change_labels(np.copy, place=lambda affine: affine + rng.normal(0, 1e-7, (4, 4)) * (np.arange(4) < 3)[:, None])


# Scripts.


@json_defect(
    "objects of one category joined over all images by a group-by without the image", "merge", "files", "coco", "gbm"
)
def joined_over_images(content: Json, rng: np.random.Generator) -> None:
    """In the second half each image has the objects of its neighbour of the same category, beside its own."""
    behind = sorted(planting.half(content))
    own = defaultdict(list)
    for one in content["annotations"]:
        own[one["image_id"]].append(one)
    for here, there in pairwise(behind):
        kinds = {one["category_id"] for one in own[here]}
        planting.add_annotations(
            content, [one | {"image_id": here} for one in own[there] if one["category_id"] in kinds]
        )


@json_defect("ids of annotations as large as a hash", "exporter", "files", "coco", "gbm")
def hashes_as_ids(content: Json, rng: np.random.Generator) -> None:
    """Ids are above 2^53: a program that reads numbers as floats joins some of them. Read as meant, or named."""
    for number, one in enumerate(content["annotations"]):
        one["id"] = 2**60 + 8 * planting.some(range(1, 1 << 16), rng, 1)[0] * (1 << 20) + number
