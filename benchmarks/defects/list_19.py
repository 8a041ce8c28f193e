"""A nineteenth list of defects, committed before any was tried: what users report of their tools, and slips near these.

As in the lists before, the docstring of each function is what the owner of the dataset would expect to be told. A
thread `owner/name#1` is on GitHub, and is where somebody met it.
"""

import json
import re
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from PIL import Image
from pycocotools import mask as rle
from pydicom.uid import generate_uid
from scipy import ndimage

from benchmarks.defects import planting
from benchmarks.defects.drawn_datasets import HEIGHT, NAMES, WIDTH, draw, write_raster
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, json_defect

# COCO.


@annotation_defect("the id of each annotation is that of its image", "exporter", "files", "coco", "gbm")
def id_of_image(one: Json) -> None:
    """PaddlePaddle/models#3710. Ids repeat within images; look-ups keep one object of each image."""
    one["id"] = one["image_id"]


@annotation_defect("all annotations have the id 0", "exporter", "files", "coco", "gbm")
def all_zero(one: Json) -> None:
    """cvat-ai/cvat#2155. Every annotation has the id 0."""
    one["id"] = 0


@annotation_defect("boxes that begin at the first point of the outline", "exporter", "files", "coco", "gbm")
def first_point_boxes(one: Json) -> None:
    """cvat-ai/cvat#8307. Width and height of the boxes are right, x and y are those of the first point."""
    for ring in list(planting.points(one))[:1]:
        one["bbox"] = [*ring[:2], *one["bbox"][2:]]


@json_defect("boxes of negative height and outlines of two points after resizing", "resize", "files", "coco", "gbm")
def negative_boxes(content: Json, rng: np.random.Generator) -> None:
    """norlab-ulaval/logpiles_segmentation#3. Small objects shrank to two points; their boxes go upwards."""
    sizes = [one["area"] for one in content["annotations"]]
    for one in content["annotations"]:
        if one["area"] <= np.quantile(sizes, 0.1) and isinstance(one["segmentation"], list):
            x, y, width, height = one["bbox"]
            one["segmentation"] = [[x, y, x + width, y + height]]
            one["bbox"] = [x, y + height, width, -height]


@annotation_defect("no box in some annotations", "exporter", "files", "coco", "gbm", every=6)
def without_box(one: Json) -> None:
    """facebookresearch/maskrcnn-benchmark#480. Trainers stop at the first annotation without bbox."""
    del one["bbox"]


@annotation_defect("an empty ring in place of each outline", "exporter", "files", "coco", "gbm")
def empty_rings(one: Json) -> None:
    """facebookresearch/maskrcnn-benchmark#809. Segmentation is [[]] throughout: boxes alone."""
    one["segmentation"] = [[]]


@json_defect("letters of a name as categories", "exporter", "files", "gbm")
def letters(content: Json, rng: np.random.Generator) -> None:
    """open-mmlab/mmsegmentation#3505. Classes were given as "nucleus", not as a list with it: n, u, c, l, e, u, s."""
    content["categories"] = [{"id": k + 1, "name": letter} for k, letter in enumerate("nucleus")]


@annotation_defect("points as x and y by name", "exporter", "files", "coco", "gbm")
def named_points(one: Json) -> None:
    """Outlines are lists of {"x": 1, "y": 2}, as other tools have them: read, or named."""
    if isinstance(one["segmentation"], list):
        one["segmentation"] = [
            [{"x": x, "y": y} for x, y in zip(ring[::2], ring[1::2], strict=True)] for ring in one["segmentation"]
        ]


@annotation_defect("category ids within lists", "exporter", "files", "coco", "gbm")
def listed_categories(one: Json) -> None:
    """category_id is [3] in place of 3."""
    one["category_id"] = [one["category_id"]]


@annotation_defect("counts of runs as decimals", "exporter", "files", "coco")
def decimal_counts(one: Json) -> None:
    """Read as meant: uncompressed runs are 12.0, 3.0."""
    if isinstance(one["segmentation"], dict) and isinstance(one["segmentation"]["counts"], list):
        one["segmentation"]["counts"] = [float(n) for n in one["segmentation"]["counts"]]


@json_defect("annotations within their images", "exporter", "files", "coco", "gbm")
def nested_annotations(content: Json, rng: np.random.Generator) -> None:
    """Each image has its list of annotations; the list of the document is empty."""
    own = defaultdict(list)
    for one in content["annotations"]:
        own[one["image_id"]].append(one)
    for image in content["images"]:
        image["annotations"] = own[image["id"]]
    content["annotations"] = []


@json_defect("two sources numbered alike: names of both, pictures of one", "merge", "files", "coco", "gbm")
def numbered_alike(content: Json, rng: np.random.Generator) -> None:
    """Images of the second source have file names of the first: each picture has the labels of two."""
    n = len(content["images"]) // 2
    for first, second in zip(content["images"][:n], content["images"][n:], strict=False):
        second["file_name"] = first["file_name"]


@json_defect("a category for every image that it was seen in", "exporter", "files", "coco")
def category_per_image(content: Json, rng: np.random.Generator) -> None:
    """The list of categories was built anew for each image: "person" is there thirty times, each with its id."""
    names = {one["id"]: one["name"] for one in content["categories"]}
    numbers: dict[tuple[int, int], int] = {}
    for one in content["annotations"]:
        one["category_id"] = numbers.setdefault((one["image_id"], one["category_id"]), len(numbers) + 1)
    content["categories"] = [{"id": n, "name": names[category]} for (_, category), n in numbers.items()]


@json_defect("outlines closed across the image in a tenth of the objects", "annotator", "files", "coco", "gbm")
def across(content: Json, rng: np.random.Generator) -> None:
    """The last click went to the upper left corner: a spike from the object to 0, 0."""
    for one in planting.some(content["annotations"], rng, len(content["annotations"]) // 10):
        for ring in planting.points(one):
            ring += [0, 0]
    planting.fit_boxes(content)


@json_defect("all objects of two images in the middle, at a tenth of their size", "resize", "files", "coco", "gbm")
def shrunken(content: Json, rng: np.random.Generator) -> None:
    """The labels of two images are a tenth as large, around the middle of the image."""
    ids = {image["id"] for image in content["images"][4:6]}

    def smaller(ring: Array, image: Json) -> Array:
        middle = np.array([image["width"], image["height"]]) / 2
        return middle + (ring - middle) / 10

    planting.map_points(content, smaller, lambda one: one["image_id"] in ids)
    planting.fit_boxes(content)


@json_defect("objects of the second annotator as crowds of one ring each", "merge", "files", "gbm")
def crowd_rings(content: Json, rng: np.random.Generator) -> None:
    """In the second half all objects of an image are one crowd with their rings as its segmentation."""
    ids, kept = planting.half(content), []
    joined: dict[int, Json] = {}
    for one in content["annotations"]:
        if one["image_id"] not in ids:
            kept.append(one)
        elif one["image_id"] in joined:
            joined[one["image_id"]]["segmentation"] += one["segmentation"]
        else:
            joined[one["image_id"]] = one | {"iscrowd": 1, "segmentation": list(one["segmentation"])}
    content["annotations"] = kept + list(joined.values())
    planting.fit_boxes(content)


@defect("mosaics of four pictures with the labels of the first", "augmentation", "pictures", "gbm")
def mosaics(copy: Copy, rng: np.random.Generator) -> None:
    """Every fifth picture is four pictures at half size; only the objects of the upper left are labelled."""
    folder, content = copy.own_images(), copy.load()
    names = [image["file_name"] for image in content["images"]]
    ids = {image["id"] for image in content["images"][::5]}
    for k, image in list(enumerate(content["images"]))[::5]:
        wide, high = image["width"], image["height"]
        canvas = Image.new("RGB", (wide, high))
        for j, (x, y) in enumerate(((0, 0), (wide // 2, 0), (0, high // 2), (wide // 2, high // 2))):
            name = image["file_name"] if j == 0 else names[(k + 7 * j + 1) % len(names)]
            with Image.open(folder / name) as picture:
                canvas.paste(picture.convert("RGB").resize((wide // 2, high // 2)), (x, y))
        canvas.save(folder / image["file_name"])
    planting.map_points(content, lambda ring, _: ring / 2, lambda one: one["image_id"] in ids)
    planting.fit_boxes(content)
    copy.save(content)


@defect("black pictures where the download failed", "merge", "files", "coco", "gbm")
def black_pictures(copy: Copy, rng: np.random.Generator) -> None:
    """Every eighth picture is black, as a placeholder; its labels are there."""
    for path in sorted(copy.own_images().iterdir())[::8]:
        with Image.open(path) as picture:
            black = Image.new(picture.mode, picture.size)
        black.save(path)


@defect("tiles of pictures drawn at random for train and val", "merge", "files", "splits")
def random_tiles(copy: Copy, rng: np.random.Generator) -> None:
    """Tiles with an overlap of a third, of four pictures, were split at random."""
    path, content, val_path, val = copy.train_and_val()
    for split, listed in (("train", content), ("val", val)):
        for image in listed["images"]:
            (copy.root / split / image["file_name"]).unlink()
        listed["images"], listed["annotations"] = [], []
    number = 0
    for k in range(4):
        scene = draw(np.random.default_rng(190 + k), 2 * WIDTH, 2 * HEIGHT)
        for x in range(0, WIDTH + 1, WIDTH // 2):
            for y in range(0, HEIGHT + 1, HEIGHT // 2):
                number += 1
                split, listed = ("val", val) if rng.random() < 0.3 else ("train", content)
                name = f"scene{k}_{x}_{y}.jpg"
                Image.fromarray(scene.picture[y : y + HEIGHT, x : x + WIDTH]).save(copy.root / split / name, quality=92)
                listed["images"].append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
                for thing in scene.things:
                    ring = np.clip(thing.ring - [x, y], 0, [WIDTH, HEIGHT])
                    if min(np.ptp(ring, axis=0)) > 8:
                        one = {"image_id": number, "category_id": thing.category + 1, "iscrowd": 0}
                        listed["annotations"].append(one | {"segmentation": [ring.reshape(-1).tolist()]})
    for target, listed in ((path, content), (val_path, val)):
        listed["annotations"] = [one | {"id": k + 1} for k, one in enumerate(listed["annotations"])]
        planting.fit_boxes(listed)
        target.write_text(json.dumps(listed))


# YOLO.


@defect("a number of the object between class and points", "exporter", "files", "yolo", "beach")
def object_numbers(copy: Copy, rng: np.random.Generator) -> None:
    """ultralytics/yolov5#11476. Lines are "0 1952 0.76 0.49 ...": each has a value too many."""
    numbers = iter(range(1952, 10**6))
    copy.change_lines(lambda line: " ".join([line.split()[0], str(next(numbers)), *line.split()[1:]]))


@defect("all numbers as 1.000000e+00", "exporter", "files", "yolo", "beach")
def savetxt(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant: np.savetxt wrote classes and coordinates."""
    copy.change_lines(lambda line: " ".join(f"{float(v):.18e}" for v in line.split()))


@defect("tabs and two blanks between numbers", "exporter", "files", "yolo", "beach")
def blanks(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant."""
    copy.change_lines(lambda line: line.replace(" ", "\t", 1).replace(" ", "  "))


@defect("the names of COCO's 80 classes in data.yaml", "label map", "files", "beach")
def default_names(copy: Copy, rng: np.random.Generator) -> None:
    """The list was left as the tool has it: classes 0 to 2 are called person, bicycle, car, and 77 never occur."""
    path = copy.root / "data.yaml"
    head = path.read_text().split("names:")[0]
    names = ["person", "bicycle", "car", *(f"class{k}" for k in range(3, 80))]
    path.write_text(head + "names:\n" + "".join(f"  {k}: {name}\n" for k, name in enumerate(names)))


@defect("shares of the padded square in place of the picture", "resize", "files", "beach")
def padded_square(copy: Copy, rng: np.random.Generator) -> None:
    """Y was divided by the width, not by the height: labels end at three quarters of the picture."""

    def change(line: str) -> str:
        number, *shares = line.split()
        return " ".join([number, *(f"{float(v) * (1, HEIGHT / WIDTH)[k % 2]:.6f}" for k, v in enumerate(shares))])

    copy.change_lines(change)


@defect("labels of train for pictures of test, which has none of its own", "merge", "files", "beach")
def labels_of_train(copy: Copy, rng: np.random.Generator) -> None:
    """Pictures of val have the label files of the first pictures of train under their names."""
    sources = sorted((copy.root / "labels/train").glob("*.txt"))
    for path, source in zip(sorted((copy.root / "labels/val").glob("*.txt")), sources, strict=False):
        path.write_text(source.read_text())


# Masks.


@defect("masks halved as pictures are, with smoothing", "resize", "files", "camvid")
def smoothed_masks(copy: Copy, rng: np.random.Generator) -> None:
    """Half of the masks were halved and enlarged again with bilinear interpolation of the numbers."""
    for path in copy.masks[::2]:
        values = copy.array(path)
        small = Image.fromarray(values).resize((values.shape[1] // 2, values.shape[0] // 2), Image.Resampling.BILINEAR)
        copy.put(path, np.array(small.resize(values.shape[::-1], Image.Resampling.BILINEAR)))


@defect("small parts removed from half of the masks", "exporter", "files", "camvid")
def small_parts_removed(copy: Copy, rng: np.random.Generator) -> None:
    """Parts under 100 px became what lies around, by an exporter's filter; the other half of the masks has them."""
    for path in copy.masks[1::2]:
        values = copy.array(path)
        stays = np.zeros(values.shape, bool)
        for value in np.unique(values):
            parts, _ = ndimage.label(values == value)
            sizes = np.bincount(parts.reshape(-1))
            sizes[0] = 0
            stays |= sizes[parts] >= 100
        nearest = ndimage.distance_transform_edt(~stays, return_distances=False, return_indices=True)
        copy.put(path, values[tuple(nearest)])


@defect("objects whose number is their class", "exporter", "files", "voc lists")
def numbers_of_classes(copy: Copy, rng: np.random.Generator) -> None:
    """SegmentationObject is a copy of SegmentationClass: touching or not, objects of a class are one."""
    for path in sorted((copy.root / "SegmentationObject").glob("*.png")):
        shutil.copy(copy.root / "SegmentationClass" / path.name, path)


@defect("lists of images with 1 and -1 behind the names", "exporter", "files", "voc lists")
def class_lists(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant, or named: lists are those of VOC's classes, "2012_000001 -1"."""
    for path in sorted((copy.root / "ImageSets/Segmentation").glob("*.txt")):
        path.write_text("".join(f"{name} {(-1, 1)[k % 2]:2d}\n" for k, name in enumerate(path.read_text().split())))


@defect("masks of half of the layers inverted", "exporter", "files", "planes")
def inverted_layer(copy: Copy, rng: np.random.Generator) -> None:
    """In the folder of one class black and white are exchanged."""
    for path in sorted((copy.root / "masks/shell").glob("*.png")):
        copy.put(path, 255 - copy.array(path))


@defect("one object's mask in the folder of the next picture", "merge", "files", "bowl")
def mask_of_next(copy: Copy, rng: np.random.Generator) -> None:
    """In four pictures the first object's mask was moved to the next picture's folder, where it lies on nothing."""
    folders = sorted(path for path in copy.root.iterdir() if path.is_dir())
    for folder, other in zip(folders[:8:2], folders[1:9:2], strict=True):
        path = sorted((folder / "masks").glob("*.png"))[0]
        path.rename(other / "masks" / path.name)


@defect("rasters of labels ten metres east of their images", "exporter", "files", "rasters")
def moved_rasters(copy: Copy, rng: np.random.Generator) -> None:
    """azavea/raster-vision#1739. Extents of labels and images differ; pixel by pixel they do not belong together."""
    for k, path in enumerate(sorted((copy.root / "masks").glob("*.tif")), 1):
        with Image.open(path) as mask:
            values = np.roll(np.array(mask), -20, axis=1)
        path.unlink()
        write_raster(path, values, k + 20 / WIDTH)


# Tools.


@defect("outlines in another unit for each zoom", "annotator", "pictures", "slides")
def zoomed(copy: Copy, rng: np.random.Generator) -> None:
    """nickdelgrosso/ABBA-QuPath-RegistrationAnalysis#9. Every fifth slide's outlines are at half their scale."""
    for path in sorted(copy.root.glob("*.geojson"))[::5]:
        content = json.loads(path.read_text())
        for one in content["features"]:
            one["geometry"]["coordinates"] = (np.array(one["geometry"]["coordinates"]) / 2).tolist()
        path.write_text(json.dumps(content))


@defect("outlines relative to the box of the tissue", "exporter", "pictures", "slides")
def tissue_box(copy: Copy, rng: np.random.Generator) -> None:
    """qupath/qupath#820. All outlines are 30 px too far left and 22 too high, as if the slide began there."""
    for path in sorted(copy.root.glob("*.geojson")):
        content = json.loads(path.read_text())
        for one in content["features"]:
            one["geometry"]["coordinates"] = (np.array(one["geometry"]["coordinates"]) - [30, 22]).tolist()
        path.write_text(json.dumps(content))


@defect("classes that their tool ignores", "annotator", "files", "slides")
def ignored_classes(copy: Copy, rng: np.random.Generator) -> None:
    """In QuPath a name that ends in * is to be ignored: "kelp*" is no category of things, it should be void."""
    copy.change_documents(
        lambda content: [
            one["properties"]["classification"].update(name="Ignore*")
            for one in content["features"]
            if one["properties"]["classification"]["name"] == "kelp"
        ],
        "*.geojson",
    )


@defect("classes with what the classifier added", "exporter", "files", "slides")
def derived_classes(copy: Copy, rng: np.random.Generator) -> None:
    """In half of the slides "crab" is "crab: Positive" and "crab: Negative": one class, divided by a measurement."""
    for k, path in enumerate(sorted(copy.root.glob("*.geojson"))):
        content = json.loads(path.read_text())
        for n, one in enumerate(content["features"] if k % 2 else []):
            one["properties"]["classification"]["name"] += (": Negative", ": Positive")[n % 2]
        path.write_text(json.dumps(content))


@defect("objects copied from frame to frame, and not adjusted", "annotator", "files", "cvat")
def propagated(copy: Copy, rng: np.random.Generator) -> None:
    """cvat-ai/cvat#5399. Two objects of one image are on the four that follow, to the pixel."""
    (path,) = copy.root.glob("*.xml")
    text = path.read_text()
    images = re.findall(r"<image .*?</image>", text, re.DOTALL)
    polygons = "".join(re.findall(r"<polygon .*?</polygon>", images[3], re.DOTALL)[:2])
    for image in images[4:8]:
        text = text.replace(image, image.replace("</image>", polygons + "</image>"))
    path.write_text(text)


@defect("labels without their first letter in some images", "exporter", "files", "cvat")
def first_letter(copy: Copy, rng: np.random.Generator) -> None:
    """In a quarter of the images labels are "rab", "hell" and "elp"."""
    copy.change_cvat(slice(1, None, 4), lambda image: re.sub(r'label="\w', 'label="', image))


@defect("sizes of other files in VIA", "merge", "files", "kudzu")
def other_sizes(copy: Copy, rng: np.random.Generator) -> None:
    """Pictures were saved again at three quarters of their size after they were labelled; labels are as before."""
    for path in sorted((copy.root / "train").glob("*.jpg"))[::2]:
        with Image.open(path) as picture:
            small = picture.resize((picture.width * 3 // 4, picture.height * 3 // 4))
        small.save(path)


@defect("origins of bitmaps with x and y exchanged", "exporter", "files", "lemons")
def exchanged_origins(copy: Copy, rng: np.random.Generator) -> None:
    """Bitmaps lie at [y, x]: some beyond the picture, the others beside their objects."""
    copy.change_documents(
        lambda content: [
            one["bitmap"].update(origin=one["bitmap"]["origin"][::-1]) for one in content.get("objects", ())
        ],
        "ds1/ann/*.json",
    )


@defect("two labels for each region, one of a former list", "annotator", "files", "studio")
def former_labels(copy: Copy, rng: np.random.Generator) -> None:
    """Regions of the first tasks are called Crab_v1, those of the later ones crab."""
    copy.change_results(
        slice(0, 5),
        lambda region: region["value"].update(
            polygonlabels=[f"{name.capitalize()}_v1" for name in region["value"]["polygonlabels"]]
        ),
    )


@defect("regions of the picture before it was exchanged", "merge", "pictures", "studio")
def exchanged_pictures(copy: Copy, rng: np.random.Generator) -> None:
    """The pictures of three tasks are those of other scenes, uploaded under the old names."""
    for number in (2, 6, 9):
        scene = draw(np.random.default_rng(1900 + number))
        Image.fromarray(scene.picture).save(copy.root / f"images/{number:03d}.jpg", quality=92)


# Tables.


@defect("runs sorted as text", "exporter", "files", "sheet")
def sorted_runs(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant, or named: pairs of start and length are in the order of their text, "1001 3" before "99 4"."""
    _change_runs(copy, lambda pairs: sorted(pairs, key=lambda pair: f"{pair[0]} {pair[1]}"))


@defect("runs of which every second is lost", "exporter", "files", "sheet")
def every_second_run(copy: Copy, rng: np.random.Generator) -> None:
    """Objects of a third of the rows have stripes: each second column is missing."""
    _change_runs(copy, lambda pairs: pairs[::2], slice(1, None, 3))


def _change_runs(copy: Copy, change: Any, rows: slice = slice(1, None)) -> None:  # Any: a function of pairs
    """Change the pairs of start and length of some rows."""
    path = copy.root / "train.csv"
    lines = path.read_text().splitlines()
    new = []
    for line in lines[rows]:
        name, runs, *rest = line.split(",")
        pairs = change([tuple(pair) for pair in np.array(runs.split(), int).reshape(-1, 2).tolist()])
        new.append(",".join([name, " ".join(f"{start} {length}" for start, length in pairs), *rest]))
    lines[rows] = new
    path.write_text("\n".join(lines) + "\n")


@defect("paths of another computer in the column of names", "exporter", "files", "sheet")
def paths_in_table(copy: Copy, rng: np.random.Generator) -> None:
    r"""Read as meant, or named: "C:\data\cells\000001.png" where a name is."""
    path = copy.root / "train.csv"
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *(f"C:\\data\\cells\\train\\{row}" for row in rows)]) + "\n")


# Videos.


@json_defect("a track that stays to the end as it was last drawn", "tracker", "files", "vis")
def stays_to_the_end(content: Json, rng: np.random.Generator) -> None:
    """cvat-ai/cvat#5399. The first track of each video has its mask of the sixth frame in all that follow."""
    first = {one["video_id"]: one for one in reversed(content["annotations"])}
    for one in first.values():
        for key in ("segmentations", "areas", "bboxes"):
            one[key] = one[key][:6] + [one[key][5]] * (len(one[key]) - 6)


@json_defect("two objects that meet go on as one", "tracker", "files", "vis")
def joined_tracks(content: Json, rng: np.random.Generator) -> None:
    """From the eighth frame on the second track of each video is part of the first, and ends."""
    by_video: dict[int, list[Json]] = defaultdict(list)
    for one in content["annotations"]:
        by_video[one["video_id"]].append(one)
    for first, second, *_ in by_video.values():
        for k in range(8, len(first["segmentations"])):
            masks = [one["segmentations"][k] for one in (first, second)]
            if all(masks):
                both = planting.encode_rle(np.maximum(*(rle.decode(mask) for mask in masks)))
                first["segmentations"][k], first["areas"][k] = both, int(rle.area(both))
                first["bboxes"][k] = rle.toBbox(both).tolist()
            for key in ("segmentations", "areas", "bboxes"):
                second[key][k] = None


@defect("frames counted from 1 in one video", "exporter", "files", "mots")
def frames_from_one(copy: Copy, rng: np.random.Generator) -> None:
    """The labels of one video are a frame late; the last are of a frame that is not there."""
    path = copy.root / "instances_txt/0001.txt"
    rows = [row.split(" ", 1) for row in path.read_text().splitlines()]
    path.write_text("".join(f"{int(frame) + 1} {rest}\n" for frame, rest in rows))


# Volumes.


@defect("labels one higher than their list", "label map", "files", "nnunet", "organs")
def one_higher(copy: Copy, rng: np.random.Generator) -> None:
    """MIC-DKFZ/nnUNet#2500. Values are 0, 2, 3, 4 where dataset.json lists 0 to 3."""
    copy.change_labels(lambda values: np.where(values > 0, values + 1, 0).astype(values.dtype))


@defect("no background among the labels of dataset.json", "label map", "files", "nnunet", "organs")
def no_background(copy: Copy, rng: np.random.Generator) -> None:
    """MIC-DKFZ/nnUNet#2893. nnU-Net asks for a label called background with the value 0."""
    copy.change_dataset_json(lambda content: content["labels"].pop("background", None))


@defect("labels cropped to what is labelled, with their origin", "exporter", "files", "nnunet", "organs")
def minimum_extent(copy: Copy, rng: np.random.Generator) -> None:
    """Slicer/Slicer#5323. The files of labels are smaller than their scans; the header says where they lie."""
    for number in (1, 3):
        path, image, values = copy.labels_of_case(number)
        low, high = np.argwhere(values).min(0), np.argwhere(values).max(0) + 1
        affine = image.affine.copy()
        affine[:3, 3] += affine[:3, :3] @ low
        planting.write_volume(path, values[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], affine)


@defect("one organ cut off by the box of another", "exporter", "pictures", "scans")
def cut_by_box(copy: Copy, rng: np.random.Generator) -> None:
    """Slicer/Slicer#5093. In every fourth case all labels end at the box of the first organ."""

    def change(values: Array) -> Array:
        low, high = np.argwhere(values == 1).min(0), np.argwhere(values == 1).max(0) + 1
        kept = np.zeros_like(values)
        inside = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        kept[inside] = values[inside]
        return kept

    copy.change_labels(change, range(0, 24, 4))


@defect("a case as .nii and as .nii.gz", "merge", "files", "nnunet", "organs")
def packed_twice(copy: Copy, rng: np.random.Generator) -> None:
    """Labels of two cases are there twice, an older version without packing beside the new one."""
    for number in (0, 2):
        path, image, values = copy.labels_of_case(number)
        older = np.where(ndimage.binary_erosion(values > 0), values, 0).astype(values.dtype)
        nibabel.save(nibabel.Nifti1Image(older, image.affine), path.with_suffix(""))  # type: ignore[no-untyped-call]


@defect("labels as colours in NIfTI", "exporter", "files", "nnunet")
def coloured_volume(copy: Copy, rng: np.random.Generator) -> None:
    """One case has three bytes for each voxel, as a viewer saves what it shows."""
    path, image, values = copy.labels_of_case(2)
    colours = np.zeros(values.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    colours["R"], colours["G"] = values * 80, values * 40
    path.unlink()
    nibabel.save(nibabel.Nifti1Image(colours, image.affine), path)  # type: ignore[no-untyped-call]


@defect("a DICOM segmentation that refers to another series", "exporter", "files", "dicom")
def another_series(copy: Copy, rng: np.random.Generator) -> None:
    """The images that it names as its source are none of those beside it."""

    def change(data: Any) -> None:  # Any: pydicom's datasets
        for series in data.get("ReferencedSeriesSequence", ()):
            series.SeriesInstanceUID = generate_uid(entropy_srcs=["series"])
            for k, one in enumerate(series.ReferencedInstanceSequence):
                one.ReferencedSOPInstanceUID = generate_uid(entropy_srcs=["image", str(k)])
        for frame in data.PerFrameFunctionalGroupsSequence:
            for derived in frame.get("DerivationImageSequence", ()):
                for k, one in enumerate(derived.get("SourceImageSequence", ())):
                    one.ReferencedSOPInstanceUID = generate_uid(entropy_srcs=["image", str(k)])

    copy.change_segmentation(change)


@defect("a DICOM segmentation without the pixels' place", "exporter", "files", "dicom")
def placeless(copy: Copy, rng: np.random.Generator) -> None:
    """Frames have no position: nobody knows which slice they are of."""

    def change(data: Any) -> None:  # Any: pydicom's datasets
        for frame in data.PerFrameFunctionalGroupsSequence:
            if "PlanePositionSequence" in frame:
                del frame.PlanePositionSequence

    copy.change_segmentation(change)


@defect("two videos of one scene, the second mirrored, in train and val", "augmentation", "pictures", "splits")
def mirrored_split(copy: Copy, rng: np.random.Generator) -> None:
    """Each picture of val is one of train, mirrored and a little darker, with its labels."""
    _, content, val_path, val = copy.train_and_val()
    own = defaultdict(list)
    for one in content["annotations"]:
        own[one["image_id"]].append(one)
    val["annotations"] = []
    for image, source in zip(val["images"], content["images"], strict=False):
        with Image.open(copy.root / "train" / source["file_name"]) as picture:
            mirrored = np.array(picture)[:, ::-1] * 0.85
        Image.fromarray(mirrored.astype(np.uint8)).save(copy.root / "val" / image["file_name"], quality=90)
        for one in own[source["id"]]:
            ring = np.array(one["segmentation"][0]).reshape(-1, 2) * [-1, 1] + [WIDTH, 0]
            moved = {"id": len(val["annotations"]) + 1, "image_id": image["id"]}
            val["annotations"].append(one | moved | {"segmentation": [ring.reshape(-1).tolist()]})
    planting.fit_boxes(val)
    val_path.write_text(json.dumps(val))


@defect("the list of names of another project", "label map", "files", "lemons")
def other_project(copy: Copy, rng: np.random.Generator) -> None:
    """meta.json lists crab, shell and kelp; objects are lemons and kiwis."""
    path = Path(copy.root / "meta.json")
    content = json.loads(path.read_text())
    for one, name in zip(content["classes"], NAMES, strict=False):
        one["title"] = name
    path.write_text(json.dumps(content))


@defect("pages of a DICOM file under the extension of NIfTI", "merge", "files", "organs")
def dicom_as_nifti(copy: Copy, rng: np.random.Generator) -> None:
    """One label file is DICOM under a name that ends in .nii.gz."""
    path = sorted(copy.root.glob("labelsTr/*.nii.gz"))[4]
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["one"])
    data.file_meta.MediaStorageSOPClassUID = pydicom.uid.SegmentationStorage
    data.PatientName = "Anonymous"
    path.unlink()
    data.save_as(path, enforce_file_format=True)
