"""A twenty-first list of defects, committed before any was tried: what exporters, annotators and augmentation leave.

As in the lists before, the docstring of each function is what the owner of the dataset would expect to be told.
"""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image
from scipy import ndimage

from benchmarks.defects import planting
from benchmarks.defects.drawn_datasets import HEIGHT, NAMES, WIDTH, Made, write_raster
from benchmarks.defects.planting import (
    Copy,
    Json,
    defect,
    drawn_base,
    json_defect,
    parts_defect,
)


@drawn_base("datumaro", "annotations/train.json")
def _datumaro(made: Made) -> None:
    items = []
    for k, scene in made.scenes():
        made.image(f"images/train/dive_{k}.jpg", scene.picture, quality=92)
        drawn = [
            {"id": n, "type": "polygon", "attributes": {}, "group": 0, "label_id": one.category, "z_order": 0,
             "points": one.ring.reshape(-1).tolist()}
            for n, one in enumerate(scene.things)
        ]  # fmt: skip
        image = {"path": f"dive_{k}.jpg", "size": [HEIGHT, WIDTH]}
        items.append({"id": f"dive_{k}", "annotations": drawn, "attr": {"frame": k}, "image": image})
    labels = [{"name": name, "parent": "", "attributes": []} for name in NAMES]
    categories = {"label": {"labels": labels, "attributes": []}}
    made.text("annotations/train.json", {"info": {}, "categories": categories, "items": items})


# COCO and LVIS.


@json_defect("boxes of a detector beside outlines drawn by hand", "merge", "files", "coco", "gbm")
def detector_boxes(content: Json, rng: np.random.Generator) -> None:
    """Boxes are a few pixels beside the outlines: they come from another source."""
    for one in content["annotations"]:
        one["bbox"] = (np.array(one["bbox"]) + rng.normal(0, 4, 4)).clip(1).round(1).tolist()


@json_defect("objects of several parts as crowds of runs", "exporter", "files", "coco", "taco")
def parts_as_crowds(content: Json, rng: np.random.Generator) -> None:
    """Each single object of two or more parts is a crowd: the script wrote runs, and iscrowd with them."""
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    for one in content["annotations"]:
        if isinstance(one["segmentation"], list) and len(one["segmentation"]) > 1:
            pixels = planting.draw_rings(planting.points(one), *sizes[one["image_id"]])
            one.update(segmentation=planting.encode_rle(pixels), iscrowd=1)


@json_defect("second and further parts measured from the corner of the box", "exporter", "files", "coco", "taco")
def parts_from_corner(content: Json, rng: np.random.Generator) -> None:
    """Parts behind the first lie near the upper left corner, outside of their boxes."""
    for one in content["annotations"]:
        if isinstance(one["segmentation"], list):
            first, *rest = one["segmentation"]
            moved = [(np.array(ring).reshape(-1, 2) - one["bbox"][:2]).reshape(-1).tolist() for ring in rest]
            one["segmentation"] = [first, *moved]


@json_defect("an attribute left at its default in the second half", "annotator", "files", "coco", "gbm")
def default_attribute(content: Json, rng: np.random.Generator) -> None:
    """Occluded is true for a third of the objects in the first half, and never in the second: nobody set it."""
    chosen = planting.half(content)
    for one in content["annotations"]:
        one["attributes"] = {"occluded": bool(one["image_id"] not in chosen and rng.uniform() < 0.35)}


@json_defect("all categories not exhaustive in all images", "exporter", "files", "lvis")
def never_exhaustive(content: Json, rng: np.random.Generator) -> None:
    """LVIS: every image lists every category as not exhaustively annotated, so that nothing is ever a false alarm."""
    for image in content["images"]:
        image["not_exhaustive_category_ids"] = [one["id"] for one in content["categories"]]


@json_defect("frequencies as words", "exporter", "files", "lvis")
def frequency_words(content: Json, rng: np.random.Generator) -> None:
    """LVIS: frequency is "common" in place of "c"; the evaluation finds no category of any group."""
    for one in content["categories"]:
        one["frequency"] = "common"


@json_defect("two sources that each lack a class of the other", "merge", "files", "coco", "taco")
def partly_labelled(content: Json, rng: np.random.Generator) -> None:
    """The two halves label different classes: the two most frequent are each missing in one half of the images."""
    chosen = planting.half(content)
    kinds = [one["category_id"] for one in content["annotations"]]
    first, second = sorted(set(kinds), key=kinds.count)[-2:]
    content["annotations"] = [
        one for one in content["annotations"] if one["category_id"] != (first if one["image_id"] in chosen else second)
    ]


@json_defect("every tenth object under the next category of the list", "annotator", "nothing", "coco", "taco")
def next_category(content: Json, rng: np.random.Generator) -> None:
    """Some objects have a wrong category: the key beside the right one was pressed."""
    ids = [one["id"] for one in content["categories"]]
    for one in content["annotations"][::10]:
        one["category_id"] = ids[(ids.index(one["category_id"]) + 1) % len(ids)]


@json_defect("outlines that include a shadow in half of the images", "annotator", "pictures", "coco", "gbm")
def with_shadow(content: Json, rng: np.random.Generator) -> None:
    """In half of the images outlines go on to the lower right, with what their objects cast."""
    planting.map_points(
        content,
        lambda ring, image: (ring + 12 * ((ring - ring.mean(0)).sum(1) > 0)[:, None]).clip(
            0, [image["width"], image["height"]]
        ),
        planting.of_images(content, planting.half(content)),
    )
    planting.fit_boxes(content)


@json_defect("labels of every third image four pixels lower", "exporter", "pictures", "coco", "gbm")
def four_lower(content: Json, rng: np.random.Generator) -> None:
    """A third of the images have labels that are 4 px too low."""
    chosen = {image["id"] for image in content["images"][::3]}
    planting.map_points(content, lambda ring, _: ring + np.array([0, 4]), planting.of_images(content, chosen))
    planting.fit_boxes(content)


@json_defect("labels two percent too large", "resize", "pictures", "coco", "gbm")
def two_percent(content: Json, rng: np.random.Generator) -> None:
    """All labels were scaled by 1.02 about the upper left corner: the lower right is up to 12 px aside."""
    planting.map_points(content, lambda ring, image: (ring * 1.02).clip(0, [image["width"], image["height"]]))
    planting.fit_boxes(content)


def _change_pictures(copy: Copy, every: int, change: Callable[[Image.Image, int], Image.Image]) -> None:
    content, folder = copy.load(), copy.own_images()
    for k, image in enumerate(content["images"][::every]):
        path = folder / Path(image["file_name"]).name
        with Image.open(path) as opened:
            changed = change(opened.convert("RGB"), k)
        changed.save(path, quality=95)


@defect("pictures shrunk onto a grey canvas, labels as before", "augmentation", "pictures", "coco", "gbm")
def zoomed_out(copy: Copy, rng: np.random.Generator) -> None:
    """In every second image the picture takes 0.7 of its frame, and labels do not follow."""

    def shrink(picture: Image.Image, k: int) -> Image.Image:
        canvas = Image.new("RGB", picture.size, (114, 114, 114))
        small = picture.resize((int(picture.width * 0.7), int(picture.height * 0.7)))
        canvas.paste(small, ((picture.width - small.width) // 2, (picture.height - small.height) // 2))
        return canvas

    _change_pictures(copy, 2, shrink)


@defect("pictures and labels turned in opposite directions", "augmentation", "pictures", "gbm")
def turned_apart(copy: Copy, rng: np.random.Generator) -> None:
    """In a third of the images the picture was turned to the left and its labels to the right."""
    _change_pictures(copy, 3, lambda picture, k: picture.transpose(Image.Transpose.ROTATE_180))


@defect("a patch of the next picture pasted, without its labels", "augmentation", "pictures", "gbm")
def patch_of_next(copy: Copy, rng: np.random.Generator) -> None:
    """A quarter of every second picture is of another one; the labels below it are those of what it covers."""
    before: list[Image.Image] = []

    def paste(picture: Image.Image, k: int) -> Image.Image:
        source = before[-1] if before else picture.transpose(Image.Transpose.ROTATE_180)
        before.append(picture.copy())
        wide, high = picture.width // 2, picture.height // 2
        picture.paste(source.resize(picture.size).crop((0, 0, wide, high)), (wide // 2, high // 2))
        return picture

    _change_pictures(copy, 2, paste)


@defect("pictures warped, labels not", "augmentation", "pictures", "gbm")
def warped(copy: Copy, rng: np.random.Generator) -> None:
    """Every second picture has an elastic deformation of some 15 px that its labels lack."""

    def warp(picture: Image.Image, k: int) -> Image.Image:
        values = np.array(picture)
        y, x = np.mgrid[: values.shape[0], : values.shape[1]]
        shift = 15 * np.sin(2 * np.pi * (y + x) / 180 + k)
        moved = [ndimage.map_coordinates(values[..., c], [y + shift, x - shift], order=1) for c in range(3)]
        return Image.fromarray(np.stack(moved, 2).astype(np.uint8))

    _change_pictures(copy, 2, warp)


# YOLO.


def change_yaml(copy: Copy, change: Callable[[str], str]) -> None:
    """Change the text of data.yaml."""
    path = copy.root / "data.yaml"
    path.write_text(change(path.read_text()))


@parts_defect("names of classes as one text", "exporter", "files", "beach", each=change_yaml)
def names_as_text(text: str) -> str:
    """Read as meant, or named: names is "crab, shell, kelp"."""
    return text[: text.index("names:")] + f'names: "{", ".join(NAMES)}"\n'


@parts_defect("no names of classes", "exporter", "files", "beach", each=change_yaml)
def no_names(text: str) -> str:
    """data.yaml has only nc: classes have no names."""
    return text[: text.index("names:")] + "nc: 3\n"


def _percent(line: str) -> str:
    number, *values = line.split()
    return " ".join([number, *(f"{float(value) * 100:.4f}" for value in values)])


@parts_defect("coordinates in percent in half of the label files", "merge", "files", "yolo", "beach",
              each=lambda copy, change: [
                  path.write_text("\n".join(map(change, path.read_text().splitlines())))
                  for path in sorted(copy.root.rglob("labels/**/*.txt"))[::2]
              ])  # fmt: skip
def in_percent(line: str) -> str:
    """These files count to 100 where others count to 1."""
    return _percent(line) if line.strip() else line


@defect("null characters behind the lines of label files", "exporter", "files", "yolo", "beach")
def null_characters(copy: Copy, rng: np.random.Generator) -> None:
    """A computer stopped while it wrote: some files end in characters of value 0."""
    for path in sorted(copy.root.rglob("labels/**/*.txt"))[::4]:
        path.write_bytes(path.read_bytes() + b"\0" * 64)


@defect("the last line of label files cut off", "exporter", "files", "yolo", "beach")
def cut_line(copy: Copy, rng: np.random.Generator) -> None:
    """The last object of some files lacks the second half of its points."""
    for path in sorted(copy.root.rglob("labels/**/*.txt"))[::4]:
        if lines := path.read_text().splitlines():
            values = lines[-1].split()
            path.write_text("\n".join([*lines[:-1], " ".join(values[: len(values) // 2 // 2 * 2])]))


@defect("a cache of the training program among the labels", "exporter", "files", "yolo", "beach")
def training_cache(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant: labels.cache is no label file."""
    for folder in {path.parent for path in copy.root.rglob("labels/**/*.txt")}:
        (folder.parent / f"{folder.name}.cache").write_bytes(b"\x93NUMPY\x01\x00" + bytes(range(200)))


# Masks.


def change_masks(copy: Copy, change: Callable[[Path], Any]) -> None:
    """Apply `change` to the path of each mask."""
    for path in copy.masks or sorted(copy.root.glob("masks/*.png")):
        change(path)


@parts_defect("numbers of classes in the red channel alone", "exporter", "files", "camvid", "walls", each=change_masks)
def red_alone(path: Path) -> None:
    """Read as meant, or named: masks are RGB, green and blue are 0."""
    with Image.open(path) as opened:
        values = np.array(opened)
    Image.fromarray(np.stack([values, 0 * values, 0 * values], 2)).save(path)


@defect("picture and mask side by side in the mask's file", "exporter", "files", "camvid", "walls")
def side_by_side(copy: Copy, rng: np.random.Generator) -> None:
    """Every fifth mask file has the picture at its left: it is twice as wide."""
    for path in (copy.masks or sorted(copy.root.glob("masks/*.png")))[::5]:
        values = copy.array(path)
        copy.put(path, np.concatenate([np.full_like(values, 90), values], 1))


@defect("values times 20, to be seen, in a fifth of the masks", "annotator", "files", "camvid", "walls")
def times_twenty(copy: Copy, rng: np.random.Generator) -> None:
    """In these masks 20 is 1, 40 is 2 and so on."""
    for path in (copy.masks or sorted(copy.root.glob("masks/*.png")))[::5]:
        copy.put(path, copy.array(path) * np.uint8(20))


@defect("masks with an EXIF turn that their pictures lack", "exporter", "files", "camvid", "ids")
def turned_masks(copy: Copy, rng: np.random.Generator) -> None:
    """Every fourth mask says that it is to be turned by 180 degrees; programs differ in whether they do."""
    for path in copy.masks[::4]:
        with Image.open(path) as opened:
            exif = Image.Exif()
            exif[274] = 3
            opened.load()
            opened.save(path, exif=exif)


@defect("some masks of objects are black", "exporter", "files", "bowl")
def black_objects(copy: Copy, rng: np.random.Generator) -> None:
    """In every third image one object's mask has no pixel."""
    for folder in sorted(copy.root.glob("*/masks"))[::3]:
        path = sorted(folder.iterdir())[0]
        copy.put(path, 0 * copy.array(path))


@defect("rasters of labels at the places of other tiles", "exporter", "files", "rasters")
def other_places(copy: Copy, rng: np.random.Generator) -> None:
    """Each label raster lies some 320 m and more east of its image."""
    for k, path in enumerate(sorted(copy.root.glob("masks/*.tif"))):
        values = copy.array(path)
        path.unlink()
        write_raster(path, values, 2 * (k + 1) + 2)


def change_panoptic(copy: Copy, change: Callable[[Json], Any]) -> None:
    """Change the record of each image of COCO panoptic."""
    copy.change_documents(lambda content: [change(one) for one in content["annotations"]], "panoptic_examples.json")


@parts_defect("stuff left out of the list of segments", "exporter", "files", "panoptic", each=change_panoptic)
def stuff_not_listed(one: Json) -> None:
    """The PNGs have segments of stuff that the JSON does not list."""
    one["segments_info"] = [segment for segment in one["segments_info"] if segment["category_id"] < 92]


@parts_defect("areas of segments are those of their boxes", "exporter", "files", "panoptic", each=change_panoptic)
def areas_of_boxes(one: Json) -> None:
    """Area of each segment is width times height of its box."""
    for segment in one["segments_info"]:
        segment["area"] = segment["bbox"][2] * segment["bbox"][3]


# Tools.


def change_shapes(copy: Copy, change: Callable[[Json], Any]) -> None:
    """Change each shape of LabelMe."""
    copy.change_documents(lambda content: [change(shape) for shape in content["shapes"]])


@parts_defect("shapes without a type, of an old version", "exporter", "files", "labelme", "labelme video",
              each=change_shapes)  # fmt: skip
def no_shape_type(shape: Json) -> None:
    """Read as meant: LabelMe 3 wrote no shape_type; all shapes are polygons."""
    del shape["shape_type"]


def change_regions(copy: Copy, change: Callable[[Json], Any]) -> None:
    """Change each region of VIA."""

    def change_all(content: Json) -> None:
        for image in content.get("_via_img_metadata", content).values():
            for region in image["regions"]:
                change(region)

    copy.change_documents(change_all)


@parts_defect("shapes as JSON within text", "exporter", "files", "kudzu", each=change_regions)
def shapes_as_text(region: Json) -> None:
    """Read as meant, or named: shape_attributes is the text of VIA's CSV."""
    region["shape_attributes"] = json.dumps(region["shape_attributes"])


@parts_defect("x and y of regions as decimals in text", "exporter", "files", "kudzu", each=change_regions)
def decimals_in_text(region: Json) -> None:
    """Read as meant, or named: all_points_x is ["12.0", "15.0"]."""
    shape = region["shape_attributes"]
    for key in ("all_points_x", "all_points_y"):
        if key in shape:
            shape[key] = [f"{value:.1f}" for value in shape[key]]


@parts_defect("bitmaps with the head of a web address", "exporter", "files", "lemons", each=Copy.change_documents)
def data_address(content: Json) -> None:
    """Read as meant, or named: data begins with data:image/png;base64,."""
    for one in content.get("objects", []):
        if "bitmap" in one:
            one["bitmap"]["data"] = "data:image/png;base64," + one["bitmap"]["data"]


@parts_defect("polygons that were not closed in the tool", "annotator", "files", "studio",
              each=lambda copy, change: copy.change_results(slice(None, None, 3), change))  # fmt: skip
def not_closed(region: Json) -> None:
    """These polygons say closed: false: their annotator had not finished."""
    region["value"]["closed"] = False


@defect("annotations under the name of an old version", "exporter", "files", "studio")
def completions(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant, or named: tasks have "completions" in place of "annotations"."""
    content: Any = copy.load()  # a list of tasks
    for task in content:
        task["completions"] = task.pop("annotations")
    (copy.root / str(copy.document)).write_text(json.dumps(content))


def change_points(copy: Copy, change: Callable[[str], str]) -> None:
    """Change the points of outlines in every second image of CVAT."""
    copy.change_cvat(
        slice(None, None, 2), lambda text: re.sub(r'points="([^"]*)"', lambda m: f'points="{change(m[1])}"', text)
    )


@parts_defect("a semicolon behind the last point", "exporter", "files", "cvat", each=change_points)
def last_semicolon(text: str) -> str:
    """Read as meant, or named."""
    return text + ";"


@parts_defect("polygons of two points", "annotator", "files", "cvat", each=change_points)
def two_points(text: str) -> str:
    """Every second image has outlines that end at their second point."""
    return ";".join(text.split(";")[:2])


def change_items(copy: Copy, change: Callable[[Json], Any]) -> None:
    """Change each annotation of Datumaro's items."""
    copy.change_documents(lambda content: [change(one) for item in content["items"] for one in item["annotations"]])


@parts_defect("numbers of labels counted from 1", "exporter", "files", "datumaro", each=change_items)
def labels_from_one(one: Json) -> None:
    """label_id is one too high; the last label is not in the list."""
    one["label_id"] += 1


@parts_defect("label_id null for some", "annotator", "files", "datumaro", each=change_items)
def no_label(one: Json) -> None:
    """The first object of each image has no label."""
    if one["id"] == 0:
        one["label_id"] = None


@parts_defect("sizes as width and height", "exporter", "files", "datumaro",
              each=lambda copy, change: copy.change_documents(
                  lambda content: [change(item["image"]) for item in content["items"]]))  # fmt: skip
def width_first(image: Json) -> None:
    """Size is [width, height] in place of [height, width]."""
    image["size"] = image["size"][::-1]


def change_features(copy: Copy, change: Callable[[Json], Any]) -> None:
    """Change each feature of GeoJSON."""
    copy.change_documents(lambda content: [change(one) for one in content["features"]], "*.geojson")


@parts_defect("rows before columns", "exporter", "files", "slides", each=change_features)
def rows_first(one: Json) -> None:
    """Coordinates are y, x; pictures are wider than high, so that some objects lie below them."""
    one["geometry"]["coordinates"] = [[point[::-1] for point in ring] for ring in one["geometry"]["coordinates"]]


@parts_defect("classifications as text", "exporter", "files", "slides", each=change_features)
def classification_text(one: Json) -> None:
    """Read as meant, or named: classification is "crab" in place of a dictionary with its name."""
    one["properties"]["classification"] = one["properties"]["classification"]["name"]


def change_table(copy: Copy, change: Callable[[list[str]], list[str]]) -> None:
    """Change the rows of a table."""
    path = copy.root / "train.csv"
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


@parts_defect("a column of row numbers without a name", "exporter", "files", "sheet", each=change_table)
def row_numbers(rows: list[str]) -> list[str]:
    """Read as meant: pandas wrote its index as the first column."""
    return [f"{k - 1 if k else ''},{row}" for k, row in enumerate(rows)]


@parts_defect("every row twice", "merge", "files", "sheet", each=change_table)
def rows_twice(rows: list[str]) -> list[str]:
    """Each object is there twice."""
    return [*rows, *rows[1:]]


# Videos.


@json_defect("a video listed twice, each with half of the tracks", "merge", "files", "vis")
def video_twice(content: Json, rng: np.random.Generator) -> None:
    """The first video has two ids; every second of its tracks belongs to the second, so that each lacks objects."""
    content["videos"].append(content["videos"][0] | {"id": 9})
    own = [one for one in content["annotations"] if one["video_id"] == content["videos"][0]["id"]]
    for one in own[::2]:
        one["video_id"] = 9


@defect("numbers of objects that disagree with their class", "exporter", "files", "mots")
def other_class(copy: Copy, rng: np.random.Generator) -> None:
    """Objects 1000 to 1999 are of class 1, these say 2: programs read the one or the other."""
    for path in sorted(copy.root.glob("instances_txt/*.txt")):
        rows = [row.split(" ") for row in path.read_text().splitlines()]
        path.write_text("\n".join(" ".join([*row[:2], str(3 - int(row[2])), *row[3:]]) for row in rows) + "\n")


@defect("each label that of the frame before, in every other frame", "tracker", "files", "osvos", "camseq")
def every_other_late(copy: Copy, rng: np.random.Generator) -> None:
    """Labels move at every second frame: a film of 30 pictures a second was labelled at 15."""
    paths = copy.frames()
    for path, before in zip(paths[1::2], paths[::2], strict=False):
        copy.put(path, copy.array(before))


# Volumes.


def _third_of_cases(copy: Copy, change: Callable[[Path], Any]) -> None:
    for path in sorted(copy.root.glob("labelsTr/*"))[::3]:
        change(path)


@parts_defect(
    "labels stored in another orientation than their scan",
    "volume",
    "files",
    "nnunet",
    "organs",
    each=_third_of_cases,
)
def other_orientation(path: Path) -> None:
    """The same place, other axes: nnU-Net compares voxel by voxel, where these are mirrored."""
    image: Any = nibabel.load(path)
    values = np.asanyarray(image.dataobj)[::-1].copy()
    affine = image.affine.copy()
    affine[:, 3] += affine[:, 0] * (values.shape[0] - 1)
    affine[:, 0] *= -1
    planting.write_volume(path, values, affine)


@defect("one organ left out in one case", "annotator", "pictures", "scans", "organs")
def organ_left_out(copy: Copy, rng: np.random.Generator) -> None:
    """All other cases have the organ; here somebody forgot it."""
    copy.change_labels(lambda values: np.where(values == 2, 0, values).astype(values.dtype), [5])


@defect("labels named with the number of a channel", "exporter", "files", "nnunet", "organs")
def named_channel(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant, or named: labelsTr has case_001_0000.nii.gz; nnU-Net finds no label."""
    for path in sorted(copy.root.glob("labelsTr/*.nii.gz")):
        path.rename(path.with_name(path.name.replace(".nii.gz", "_0000.nii.gz")))


@defect("volumes compressed twice", "exporter", "files", "nnunet", "organs")
def compressed_twice(copy: Copy, rng: np.random.Generator) -> None:
    """Named: these .nii.gz hold another gzip file."""
    for path in sorted(copy.root.glob("labelsTr/*.nii.gz"))[::3]:
        path.write_bytes(gzip.compress(path.read_bytes()))


@parts_defect("segments of a DICOM segmentation numbered from 0", "exporter", "files", "dicom",
              each=Copy.change_segmentation)  # fmt: skip
def segments_from_zero(data: Any) -> None:  # Any: pydicom's datasets
    """The standard counts segments from 1."""
    for item in data.SegmentSequence:
        item.SegmentNumber = int(item.SegmentNumber) - 1
    for frame in data.PerFrameFunctionalGroupsSequence:
        for one in frame.SegmentIdentificationSequence:
            one.ReferencedSegmentNumber = int(one.ReferencedSegmentNumber) - 1


@parts_defect("two frames of a DICOM segmentation at one place", "exporter", "files", "dicom",
              each=Copy.change_segmentation)  # fmt: skip
def same_place(data: Any) -> None:  # Any: pydicom's datasets
    """The second frame of the segment lies where the first does; a slice in between has none."""
    first, second = list(data.PerFrameFunctionalGroupsSequence)[:2]
    first_place, second_place = first.PlanePositionSequence[0], second.PlanePositionSequence[0]
    second_place.ImagePositionPatient = first_place.ImagePositionPatient


@parts_defect("a DICOM segmentation whose rows lie closer than its scan's", "exporter", "files", "dicom",
              each=Copy.change_segmentation)  # fmt: skip
def closer_rows(data: Any) -> None:  # Any: pydicom's datasets
    """The distance of rows is half of that of columns, which no slice of the scan has."""
    measures = data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    measures.PixelSpacing = [float(measures.PixelSpacing[0]) / 2, measures.PixelSpacing[1]]
