"""A fourteenth list of defects, committed before any was tried: what one step of a tool chain gets wrong.

As in the lists before, the docstring of each function is what the owner of the dataset would expect to be told. A
thread `owner/name#1` is on GitHub, and is where somebody met it.
"""

import json
import re
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as rle
from scipy import ndimage

from benchmarks.defects import planting
from benchmarks.defects.drawn_datasets import picture_bytes
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, json_defect

# COCO.


@annotation_defect("areas of all annotations are 0", "exporter", "files", "coco", "gbm")
def zero_areas(one: Json) -> None:
    """The areas contradict the outlines (SEG013), as one finding; COCO's scores by size are void."""
    one["area"] = 0


@json_defect("images listed again with ./ before their names", "merge", "files", "coco", "gbm")
def listed_with_dot(content: Json, rng: np.random.Generator) -> None:
    """Eight files are images twice, under two ids, each with half of the objects."""
    number = max(image["id"] for image in content["images"])
    for image in content["images"][:8]:
        number += 1
        content["images"].append(image | {"id": number, "file_name": f"./{image['file_name']}"})
        own = [one for one in content["annotations"] if one["image_id"] == image["id"]]
        for one in own[::2]:
            one["image_id"] = number


@json_defect("line breaks at the end of the names of categories", "exporter", "files", "coco", "taco")
def names_with_breaks(content: Json, rng: np.random.Generator) -> None:
    """A list of names was read line by line: names end in a line break, and equal no name of another set."""
    for category in content["categories"]:
        category["name"] += "\n"


@defect("val has the labels of the first images of train", "exporter", "pictures", "splits")
def labels_of_train(copy: Copy, rng: np.random.Generator) -> None:
    """cvat-ai/cvat#7938. The labels of val lie on other pictures, and are those of train, pixel by pixel."""
    _, train, path, val = copy.train_and_val()
    ids = dict(zip([one["id"] for one in train["images"]], [one["id"] for one in val["images"]], strict=False))
    val["annotations"] = [
        one | {"image_id": ids[one["image_id"]]} for one in train["annotations"] if one["image_id"] in ids
    ]
    path.write_text(json.dumps(val))


@json_defect("objects as first saved, beside themselves as updated", "annotator", "files", "coco", "gbm")
def saved_and_updated(content: Json, rng: np.random.Generator) -> None:
    """HumanSignal/label-studio#337. In a fifth of the images each object is there twice, once a tenth smaller."""
    ids = {image["id"] for image in content["images"][2::5]}
    more = []
    for one in content["annotations"]:
        if one["image_id"] in ids and isinstance(one["segmentation"], list):
            rings = [np.array(ring, float).reshape(-1, 2) for ring in one["segmentation"]]
            middle = np.concatenate(rings).mean(0)
            smaller = [((ring - middle) * 0.9 + middle).reshape(-1).tolist() for ring in rings]
            more.append(one | {"segmentation": smaller, "area": one["area"] * 0.81})
    for one in more:
        corners = np.concatenate([np.array(ring).reshape(-1, 2) for ring in one["segmentation"]])
        one["bbox"] = [*corners.min(0).tolist(), *(corners.max(0) - corners.min(0)).tolist()]
    planting.add_annotations(content, more)


@defect("pictures saved again, with the objects under another category", "merge", "files", "coco")
def under_other_category(copy: Copy, rng: np.random.Generator) -> None:
    """jhl-Det/CVA-Net#12. Five pictures are there twice, and the two copies disagree about the categories."""
    folder, content = copy.own_images(), copy.load()
    ids = sorted(category["id"] for category in content["categories"])
    following = dict(zip(ids, [*ids[1:], ids[0]], strict=True))
    number = max(image["id"] for image in content["images"])
    for image in content["images"][4:44:8]:
        number += 1
        name = f"copy_{image['file_name']}"
        with Image.open(folder / image["file_name"]) as picture:
            picture.convert("RGB").save(folder / name, quality=85)
        content["images"].append(image | {"id": number, "file_name": name})
        own = [one for one in content["annotations"] if one["image_id"] == image["id"]]
        again = [one | {"image_id": number, "category_id": following[one["category_id"]]} for one in own]
        planting.add_annotations(content, again)
    copy.save(content)


@json_defect("objects of n parts n times, each time with all parts", "exporter", "files", "coco", "taco")
def once_for_each_part(content: Json, rng: np.random.Generator) -> None:
    """Objects of several parts are there several times, pixel by pixel (SEG104)."""
    planting.add_annotations(content, [one for one in content["annotations"] for _ in list(planting.points(one))[1:]])


# YOLO.


@defect("a byte order mark before the first line of label files", "exporter", "files", "yolo", "beach")
def byte_order_mark(copy: Copy, rng: np.random.Generator) -> None:
    """The files begin with bytes that are no number; either read as meant, or named as what they are."""
    for path in sorted(copy.root.rglob("labels/**/*.txt")):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())


@defect("commas between the numbers of some label files", "exporter", "files", "yolo", "beach")
def commas(copy: Copy, rng: np.random.Generator) -> None:
    """Every fourth file separates its numbers with commas, which no reader of YOLO takes; named with file and line."""
    for path in sorted(copy.root.rglob("labels/**/*.txt"))[::4]:
        path.write_text(path.read_text().replace(" ", ","))


@defect("label files of val in the folder of train", "merge", "files", "beach")
def in_other_folder(copy: Copy, rng: np.random.Generator) -> None:
    """The pictures of val have no labels, and labels of train have no picture: they lie in the other folder."""
    for path in sorted((copy.root / "labels/val").glob("*.txt")):
        path.rename(copy.root / "labels/train" / path.name)


@defect("names of label files cut at their first dot", "exporter", "files", "beach")
def cut_at_dot(copy: Copy, rng: np.random.Generator) -> None:
    """Pictures are named dive.0001.jpg, and a split has one label file, dive.txt: no picture has labels."""
    for path in [*copy.root.rglob("images/*/*.jpg"), *copy.root.rglob("labels/*/*.txt")]:
        path.rename(path.with_name("dive.txt" if path.suffix == ".txt" else f"dive.{path.name}"))


# Masks.


@defect("values of each mask counted anew from what it has", "label map", "pictures", "camvid", "voc lists")
def counted_anew(copy: Copy, rng: np.random.Generator) -> None:
    """wkentaro/labelme#479. The same class has another value in each mask; values above some number hardly occur."""
    for path in copy.masks or sorted(copy.root.glob("SegmentationClass/*.png")):
        values = copy.array(path)
        kept = [value for value in np.unique(values).tolist() if value != 255]
        if path.parent.name == "SegmentationClass":
            table = np.arange(256, dtype=np.uint8)
            table[kept] = np.arange(len(kept))
            copy.put(path, table[values])
        else:
            copy.put(path, np.searchsorted(kept, values).astype(np.uint8))


@defect("some masks saved with one bit, so that all classes are one", "exporter", "files", "camvid", "tissue")
def one_bit(copy: Copy, rng: np.random.Generator) -> None:
    """Every eighth mask has two values and a depth of one bit, where others have many and eight bits."""
    for path in copy.masks[1::8]:
        values = copy.array(path)
        path.unlink()
        Image.fromarray(values > 0).save(path)


@defect("rows of some masks each a pixel further to the right", "exporter", "pictures", "camvid", "ids")
def wrong_stride(copy: Copy, rng: np.random.Generator) -> None:
    """Some masks lean to the right by one pixel each row: written with the width of another image."""
    for path in copy.masks[2::8]:
        values = copy.array(path)
        flat = np.concatenate([np.pad(values, ((0, 0), (0, 1)), mode="edge").reshape(-1)])
        copy.put(path, flat[: values.size].reshape(values.shape))


@defect("each pixel of some masks three times in a row", "exporter", "files", "camvid", "ids", "camseq")
def three_times(copy: Copy, rng: np.random.Generator) -> None:
    """Three channels were read as one: the left third of these masks is stretched over the whole width."""
    for path in copy.masks[3::8]:
        values = copy.array(path)
        copy.put(path, np.repeat(values, 3, axis=1)[:, : values.shape[1]])


@defect("masks numbered by their names as text: 1, 10, 11, 2", "exporter", "pictures", "camvid", "ids")
def numbered_as_text(copy: Copy, rng: np.random.Generator) -> None:
    """Most masks belong to another picture: they were sorted as text, pictures as numbers."""
    paths = [path for path in copy.masks if path.parent == copy.masks[0].parent]
    order = sorted(range(len(paths)), key=lambda k: str(k + 1))
    contents = [paths[k].read_bytes() for k in order]
    for path, content in zip(paths, contents, strict=True):
        path.unlink()
        path.write_bytes(content)


@defect("slices of one patient in train and in val, by their names", "merge", "files", "voc lists")
def patients_in_both(copy: Copy, rng: np.random.Generator) -> None:
    """Names are patient and slice, and each patient has slices in train and in val: the splits leak."""
    names = {f"2012_{k:06d}": f"TCGA_CS_{4940 + k // 6}_1996{(k // 6) % 9 + 1:02d}09_{k % 6 + 1}" for k in range(1, 17)}
    for path in sorted(path for path in copy.root.rglob("*") if path.is_file()):
        if path.suffix == ".txt":
            path.write_text(re.sub(r"2012_\d+", lambda match: names[match[0]], path.read_text()))
        elif path.stem in names:
            path.rename(path.with_name(names[path.stem] + path.suffix))


# Panoptic PNGs.


@defect("the third byte of the ids lost from the PNGs", "exporter", "files", "panoptic")
def lost_byte(copy: Copy, rng: np.random.Generator) -> None:
    """The PNG has ids that the list lacks, and the list has ids that the PNG lacks (SEG014)."""
    for path in copy.masks:
        values = copy.array(path)
        values[..., 2] = 0
        copy.put(path, values)


@annotation_defect("annotations name their PNG as .jpg", "exporter", "files", "panoptic")
def png_as_jpg(one: Json) -> None:
    """The file that an annotation names is not there, and one of the same stem is; said so, with the place."""
    one["file_name"] = one["file_name"].replace(".png", ".jpg")


# Tools.


@defect("bitmaps of LabelMe's masks smaller than their boxes", "exporter", "files", "labelme")
def bitmap_and_box(copy: Copy, rng: np.random.Generator) -> None:
    """Masks of half the resolution in boxes of the full one: the sizes disagree, at these shapes."""

    def change(content: Json) -> None:
        for shape in content["shapes"]:
            pixels, low, high = planting.as_mask(shape)
            shape["shape_type"], shape["points"] = "mask", [low.tolist(), high.tolist()]
            shape["mask"] = picture_bytes(pixels[::2, ::2] > 0)

    copy.change_documents(change)


@defect("images of a task in two subsets, the second without labels", "merge", "files", "cvat")
def two_subsets(copy: Copy, rng: np.random.Generator) -> None:
    """Four images are in train and in validation, and only train has their labels: a leak, and images without."""
    (path,) = copy.root.glob("*.xml")
    text = re.sub(r'(<image id="\d+" name="[^"]+")', r'\1 subset="Train"', path.read_text())
    heads = re.findall(r"<image [^>]+>", text)[:4]
    again = "".join(
        re.sub(r'id="\d+"', f'id="{900 + k}"', head).replace("Train", "Validation") + "</image>\n"
        for k, head in enumerate(heads)
    )
    path.write_text(text.replace("</annotations>", again + "</annotations>"))


@defect("boxes drawn from right to left, with negative sizes", "annotator", "files", "kudzu")
def negative_boxes(copy: Copy, rng: np.random.Generator) -> None:
    """These regions have a negative width and height: no pixels, or those of the box that was meant, but named."""

    def change(content: Json) -> None:
        for entry in list(content.values())[:5]:
            for region in entry["regions"]:
                shape = region["shape_attributes"]
                x, y = shape["all_points_x"], shape["all_points_y"]
                region["shape_attributes"] = {
                    "name": "rect", "x": max(x), "y": max(y),
                    "width": min(x) - max(x), "height": min(y) - max(y),
                }  # fmt: skip

    copy.change_documents(change)


# Videos.


@defect("a part of an object under a new number in one frame", "tracker", "files", "osvos")
def new_number(copy: Copy, rng: np.random.Generator) -> None:
    """TRI-ML/VOST#6. One frame has a number that no other frame has (SEG359)."""

    def change(values: Array) -> Array:
        new, columns = values.copy(), np.flatnonzero((values == 1).any(0))
        new[:, : int(np.median(columns))][values[:, : int(np.median(columns))] == 1] = 9
        return new

    copy.relabel(copy.frames()[12:13], change)


@defect("of each frame of the second half only the last object", "exporter", "files", "osvos", "rvos")
def only_the_last(copy: Copy, rng: np.random.Generator) -> None:
    """AljazBozic/DeepDeform#4. All tracks but one end at the same frame, though the video goes on."""
    paths = copy.frames()
    copy.relabel(paths[len(paths) // 2 :], lambda values: np.where(values == values.max(), values, 0))


@json_defect("two tracks on one object from some frame on", "tracker", "files", "vis")
def on_one_object(content: Json, rng: np.random.Generator) -> None:
    """In each video a track jumps to the object of another one and stays there, on the same pixels (SEG354, SEG104)."""
    for video in content["videos"]:
        first, second = [one for one in content["annotations"] if one["video_id"] == video["id"]][:2]
        for key in ("segmentations", "areas", "bboxes"):  # of two tracks at once
            first[key][7:] = second[key][7:]


@annotation_defect("a track that is everything but its object in one frame", "tracker", "files", "vis", every=5)
def inverted_frame(one: Json) -> None:
    """In frame 6 of a track inside and outside are exchanged (SEG132, SEG354)."""
    pixels = 1 - rle.decode(one["segmentations"][6])
    one["segmentations"][6] = planting.encode_rle(pixels)
    one["areas"][6], one["bboxes"][6] = int(pixels.sum()), [0, 0, pixels.shape[1], pixels.shape[0]]


# Volumes.


@defect("labels resampled as if they were brightness", "resize", "files", "scans", "nnunet")
def as_brightness(copy: Copy, rng: np.random.Generator) -> None:
    """In some cases each organ lies in thin shells of the classes of lower numbers, which are nowhere else so."""
    for number in (1, 4):
        path, image, values = copy.labels_of_case(number)
        smooth: Any = ndimage.zoom(ndimage.zoom(values.astype(float), (0.5, 0.5, 1), order=1), (2, 2, 1), order=1)
        new = np.zeros_like(values)
        new[: smooth.shape[0], : smooth.shape[1]] = np.round(smooth)[: values.shape[0], : values.shape[1]]
        planting.write_volume(path, new, image.affine)


@defect("an organ that fills its whole slice on one slice", "annotator", "files", "scans", "spleen")
def fills_slice(copy: Copy, rng: np.random.Generator) -> None:
    """A fill leaked: on one slice the organ is the whole picture."""

    def change(values: Array) -> Array:
        new = values.copy()
        middle = int(np.median(np.flatnonzero((values > 0).any((0, 1)))))
        slice_ = new[:, :, middle]
        slice_[slice_ == 0] = values[values > 0].min()
        return new

    if copy.root.name == "spleen":
        copy.change_volume(change)
    else:
        path, image, values = copy.labels_of_case(3)
        planting.write_volume(path, change(values), image.affine)


@defect("frames of a DICOM segmentation at the places of each other", "exporter", "pictures", "dicom")
def reversed_frames(copy: Copy, rng: np.random.Generator) -> None:
    """ImagingDataCommons/highdicom#330. The labels of the first slice are at the last one."""

    def change(data: Any) -> None:  # Any: pydicom's datasets
        groups = data.PerFrameFunctionalGroupsSequence
        positions = [group.PlanePositionSequence for group in groups]
        for group, position in zip(groups, positions[::-1], strict=True):
            group.PlanePositionSequence = position

    copy.change_segmentation(change)


@defect("frames of a DICOM segmentation under a number that it lacks", "exporter", "files", "dicom")
def unknown_number(copy: Copy, rng: np.random.Generator) -> None:
    """A frame refers to segment 7, which is not described: named, with the frame."""

    def change(data: Any) -> None:  # Any: pydicom's datasets
        group = data.PerFrameFunctionalGroupsSequence[1]
        group.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 7

    copy.change_segmentation(change)
