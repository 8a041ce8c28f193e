"""A ninth list of defects, committed before any was tried: inside and outside, objects that exports lose or join.

As in the lists before, the docstring of each function is what the owner of the dataset would expect to be told, and
names the thread where a kind was found. Two more datasets are drawn: cells with nuclei, and vessels with walls.
"""

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from benchmarks.defects import planting
from benchmarks.defects.drawn_datasets import HEIGHT, WIDTH, Made
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, drawn_base, json_defect

# Drawn datasets, sound.


def _rings(made: Made, n: int, reach: tuple[float, float]) -> list[tuple[Array, float]]:
    """Middles (2,) and radii of circles that lie apart in an image."""
    cells = made.rng.permutation(12)[:n]
    step = np.array([WIDTH / 4, HEIGHT / 3])
    middles = [(np.array([cell % 4, cell // 4]) + 0.5) * step + made.rng.uniform(-4, 4, 2) for cell in cells.tolist()]
    return [(middle, made.rng.uniform(*reach)) for middle in middles]


def _ring(made: Made, middle: Array, radius: float) -> Array:
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    wave = 1 + made.rng.normal(0, 0.03, 24)
    return np.asarray(np.round(middle + radius * wave[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), 2))


def _ground(made: Made, level: float) -> Array:
    noise = ndimage.gaussian_filter(made.rng.normal(size=(HEIGHT, WIDTH)), 5)
    return np.asarray(level + 250 * noise)


def _within(ring: Array) -> Array:
    return planting.draw_rings([ring.reshape(-1).tolist()], WIDTH, HEIGHT) > 0


@drawn_base("cells", "annotations.json")
def _cells(made: Made) -> None:
    images: list[Json] = []
    annotations: list[Json] = []
    for k in range(1, 31):
        grey = _ground(made, 40)
        for middle, radius in _rings(made, int(made.rng.integers(5, 10)), (24, 33)):
            cell = _ring(made, middle, radius)
            nucleus = _ring(made, middle + made.rng.normal(0, 3, 2), radius * made.rng.uniform(0.3, 0.5))
            for category, ring, level in ((1, cell, 60), (2, nucleus, 80)):
                grey[_within(ring)] += level
                annotations.append({"id": len(annotations) + 1, "image_id": k, "category_id": category, "iscrowd": 0,
                                    "segmentation": [ring.reshape(-1).tolist()]})  # fmt: skip
        picture = np.clip(grey + made.rng.normal(0, 4, grey.shape), 0, 255).astype(np.uint8)
        made.image(f"images/field_{k:03d}.png", picture)
        images.append({"id": k, "file_name": f"field_{k:03d}.png", "width": WIDTH, "height": HEIGHT})
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(("cell", "nucleus"))]
    content = {"images": images, "annotations": annotations, "categories": categories}
    planting.fit_boxes(content)
    made.text("annotations.json", content)


@drawn_base("walls")
def _walls(made: Made) -> None:
    for k in range(1, 31):
        grey, values = _ground(made, 90), np.zeros((HEIGHT, WIDTH), np.uint8)
        for middle, radius in _rings(made, int(made.rng.integers(4, 9)), (22, 32)):
            for value, ring, level in (
                (1, _ring(made, middle, radius), 200),
                (2, _ring(made, middle, radius * made.rng.uniform(0.5, 0.7)), 30),
            ):
                values[_within(ring)], grey[_within(ring)] = value, level
        picture = np.clip(grey + made.rng.normal(0, 4, grey.shape), 0, 255).astype(np.uint8)
        made.image(f"images/section_{k:03d}.png", picture)
        made.image(f"masks/section_{k:03d}.png", values)
    made.text("taxonomy.yaml", "categories:\n  - {id: 0, name: background}\n  - {id: 1, name: wall}\n  - {id: 2, name: lumen}\nunlabelled: 0\n")  # fmt: skip  # noqa: E501


# Inside and outside.


@json_defect("objects outside of what they lie in everywhere else", "annotator", "files", "cells")
def nucleus_outside(content: Json, rng: np.random.Generator) -> None:
    """In these two images one nucleus lies outside of any cell, in which all others lie."""
    for image in (7, 19):
        own = [one for one in content["annotations"] if one["image_id"] == image]
        taken = np.array([np.array(one["segmentation"][0]).reshape(-1, 2).mean(0) for one in own])
        spots = np.array([(x, y) for x in range(40, WIDTH, 80) for y in range(40, HEIGHT, 80)])
        free = spots[np.linalg.norm(spots[:, None] - taken, axis=2).min(1).argmax()]
        nucleus = own[1]
        ring = np.array(nucleus["segmentation"][0]).reshape(-1, 2)
        nucleus["segmentation"] = [(ring - ring.mean(0) + free).reshape(-1).tolist()]
    planting.fit_boxes(content)


@defect("the names of outer and inner exchanged in two images", "annotator", "files", "cells", "walls")
def inside_out(copy: Copy, rng: np.random.Generator) -> None:
    """In two images the outer ones lie inside the inner ones: the names were exchanged."""
    if copy.document:
        content = copy.load()
        for one in content["annotations"]:
            if one["image_id"] in (5, 23):
                one["category_id"] = 3 - one["category_id"]
        copy.save(content)
        return
    for path in sorted(copy.root.glob("masks/*.png"))[4:23:18]:
        values = copy.array(path)
        copy.put(path, np.array([0, 2, 1], np.uint8)[values])


@defect("an inner structure without the outer one around it", "annotator", "files", "cells", "walls")
def without_outer(copy: Copy, rng: np.random.Generator) -> None:
    """In two images some inner structures have no outer one around them; all others have."""
    if copy.document:
        content = copy.load()
        for image in (9, 26):
            gone = next(one for one in content["annotations"] if one["image_id"] == image and one["category_id"] == 1)
            content["annotations"].remove(gone)
        copy.save(content)
        return
    for path in sorted(copy.root.glob("masks/*.png"))[8:26:17]:
        values = copy.array(path)
        parts, _ = ndimage.label(values > 0)
        chosen = parts == parts[values == 2][0]
        copy.put(path, np.where(chosen & (values == 1), 0, values).astype(np.uint8))


@defect("things that lie in others painted over by these", "exporter", "files", "faces", "cells")
def painted_over(copy: Copy, rng: np.random.Generator) -> None:
    """cvat-ai/cvat#9709. A third of the images lack all objects that lie in others, which the other images have."""
    content = copy.load()
    inner = (2, 3, 4, 5) if copy.root.name == "faces" else (2,)
    content["annotations"] = [
        one for one in content["annotations"] if one["image_id"] % 3 or one["category_id"] not in inner
    ]
    copy.save(content)


@json_defect("each object also as two parts of itself, of the same class", "exporter", "files", "gbm", "taco")
def whole_and_parts(content: Json, rng: np.random.Generator) -> None:
    """Each object of these images is there three times: whole, and its left and right part, as SAM proposes them."""
    chosen = {image["id"] for image in content["images"][::4]}
    number = 10**12
    for one in [one for one in content["annotations"] if one["image_id"] in chosen]:
        for side in (-1, 1):
            rings = [np.array(ring).reshape(-1, 2) for ring in planting.points(one)]
            middle = np.concatenate(rings)[:, 0].mean() if rings else 0
            parts = [ring[side * (ring[:, 0] - middle) >= 0] for ring in rings]
            if rings and all(len(part) > 3 for part in parts):
                number += 1
                content["annotations"].append(
                    one | {"id": number, "segmentation": [p.reshape(-1).tolist() for p in parts]}
                )
    planting.fit_boxes(content)


@json_defect("a crowd over objects that are annotated one by one", "annotator", "files", "coco")
def crowd_over_all(content: Json, rng: np.random.Generator) -> None:
    """In some images a crowd covers people who are also annotated one by one: they count twice, or not at all."""
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    by_image: dict[int, list[Json]] = {}
    for one in content["annotations"]:
        if one["category_id"] == 1 and not one["iscrowd"]:
            by_image.setdefault(one["image_id"], []).append(one)
    several = [image for image, own in by_image.items() if len(own) >= 3]
    for k, image in enumerate(several[:6]):
        canvas = Image.new("1", sizes[image])
        for one in by_image[image]:
            for ring in planting.points(one):
                ImageDraw.Draw(canvas).polygon([tuple(p) for p in np.array(ring).reshape(-1, 2).tolist()], fill=1)
        pixels = ndimage.binary_dilation(np.array(canvas), iterations=2).T.reshape(-1).astype(int)
        counts = np.diff(np.concatenate([[0], np.flatnonzero(np.diff(pixels)) + 1, [len(pixels)]])).tolist()
        runs = {"size": list(sizes[image][::-1]), "counts": [0, *counts] if pixels[0] else counts}
        y, x = np.nonzero(np.reshape(pixels, sizes[image]).T)
        box = [int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1]
        content["annotations"].append({"id": 10**12 + k, "image_id": image, "category_id": 1, "iscrowd": 1,
                                       "area": int(pixels.sum()), "bbox": box, "segmentation": runs})  # fmt: skip


# Objects that exports join, cut or repeat.


@defect("one class written as another where both occur", "exporter", "pictures", "camvid", "voc lists")
def swallowed_class(copy: Copy, rng: np.random.Generator) -> None:
    """cvat-ai/cvat#9848. In half of the masks that had both, the pixels of one class have the number of another."""
    low, high = (9, 10) if copy.root.name == "camvid" else (1, 2)
    paths = copy.masks if copy.pattern else sorted(copy.root.glob("SegmentationClass/*.png"))
    both = [path for path in paths if {low, high} <= set(np.unique(copy.array(path)).tolist())]
    for path in both[::2]:
        values = copy.array(path)
        copy.put(path, np.where(values == high, low, values).astype(np.uint8), None)


@defect("all objects of a class as one, in a third of the images", "exporter", "files", "gbm", "ids", "coco")
def one_of_each_class(copy: Copy, rng: np.random.Generator) -> None:
    """A third of the images have one object of each class at most, of many parts; the others have many."""
    if copy.pattern:
        for path in copy.masks[::3]:
            copy.put(path, (copy.array(path) > 0).astype(np.uint16))
        return
    content = copy.load()
    chosen = {image["id"] for image in content["images"][::3]}
    kept: dict[tuple[int, int], Json] = {}
    rest = []
    for one in content["annotations"]:
        key = one["image_id"], one["category_id"]
        if one["image_id"] not in chosen or one["iscrowd"]:
            rest.append(one)
        elif key in kept:
            kept[key]["segmentation"] += one["segmentation"]
        else:
            kept[key] = one
    content["annotations"] = [*rest, *kept.values()]
    planting.fit_boxes(content)
    copy.save(content)


@json_defect("objects where two tiles overlap as two halves that overlap", "exporter", "files", "gbm")
def overlapping_halves(content: Json, rng: np.random.Generator) -> None:
    """Objects across the middle are there as two parts, cut straight 16 px left and right of it, which overlap."""
    middle = {image["id"]: image["width"] / 2 for image in content["images"]}
    result = []
    for one in content["annotations"]:
        ring = np.array(one["segmentation"][0]).reshape(-1, 2)
        edge = middle[one["image_id"]]
        if ring[:, 0].min() < edge - 16 and ring[:, 0].max() > edge + 16:
            for k, (low, high) in enumerate(((0, edge + 8), (edge - 8, 10**6))):
                part = np.stack([ring[:, 0].clip(low, high), ring[:, 1]], 1)
                new = {"id": one["id"] + 10**12 * k, "segmentation": [part.reshape(-1).tolist()]}
                result.append(one | new)
        else:
            result.append(one)
    content["annotations"] = result
    planting.fit_boxes(content)


@defect("each half of the objects on one of two copies of an image", "merge", "files", "coco", "gbm")
def two_halves(copy: Copy, rng: np.random.Generator) -> None:
    """These four images are there twice, each time with half of the objects."""
    content, folder = copy.load(), copy.own_images()
    for n, image in enumerate(content["images"][3:7]):
        path = folder / Path(image["file_name"]).name
        name = f"copy_{path.name}"
        (folder / name).write_bytes(path.read_bytes())
        content["images"].append(image | {"id": 10**9 + n, "file_name": name})
        for one in [one for one in content["annotations"] if one["image_id"] == image["id"]][::2]:
            one["image_id"] = 10**9 + n
    copy.save(content)


@json_defect("labels of an image again on another, mirrored", "merge", "files", "coco", "gbm")
def mirrored_labels(content: Json, rng: np.random.Generator) -> None:
    """The labels of these images are those of another one, mirrored; their own are lost."""
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    own: dict[int, list[Json]] = {}
    for one in content["annotations"]:
        own.setdefault(one["image_id"], []).append(one)
    full = [image for image, several in own.items() if len(several) >= 6]
    pairs = [(a, b) for a, b in zip(full[::2], full[1::2], strict=False) if sizes[a] == sizes[b]][:3]
    for number, (source, target) in enumerate(pairs):
        content["annotations"] = [one for one in content["annotations"] if one["image_id"] != target]
        for n, one in enumerate(own[source]):
            if isinstance(one["segmentation"], list):
                rings = [
                    np.array([sizes[source][0], 0]) + np.array(r).reshape(-1, 2) * [-1, 1] for r in planting.points(one)
                ]
                new = {"id": 10**12 + 1000 * number + n, "image_id": target}
                content["annotations"].append(one | new | {"segmentation": [r.reshape(-1).tolist() for r in rings]})
    planting.fit_boxes(content)


# Outlines.


@json_defect("outlines that go around their object twice", "exporter", "files", "coco", "gbm")
def two_laps(content: Json, rng: np.random.Generator) -> None:
    """A tenth of the outlines go around their object twice: some programs take the inside for outside."""
    for one in planting.some(content["annotations"], rng, len(content["annotations"]) // 10):
        if isinstance(one["segmentation"], list):
            one["segmentation"] = [ring + ring for ring in planting.points(one)]


@json_defect("outlines cut off behind their 15th point", "exporter", "files", "coco", "gbm")
def cut_outlines(content: Json, rng: np.random.Generator) -> None:
    """No outline has more than 15 points, and very many have exactly 15: the rest is cut off, straight."""
    for one in content["annotations"]:
        if isinstance(one["segmentation"], list):
            one["segmentation"] = [ring[:30] for ring in planting.points(one)]
    planting.fit_boxes(content)


@defect("circles as polygons of their middle and a point of the rim", "exporter", "files", "labelme")
def two_point_circles(copy: Copy, rng: np.random.Generator) -> None:
    """These polygons have two points: they were circles."""
    for path in sorted(copy.root.glob("*.json")):
        content = json.loads(path.read_text())
        for shape in content["shapes"][::2]:
            ring = np.array(shape["points"])
            shape["points"] = [ring.mean(0).tolist(), ring[0].tolist()]
        path.write_text(json.dumps(content))


@defect("bitmaps whose inside and outside are exchanged within their box", "exporter", "files", "lemons")
def inverted_bitmaps(copy: Copy, rng: np.random.Generator) -> None:
    """Half of the bitmaps are the corners of their box around an empty middle: they are inverted."""
    for path in sorted(copy.root.rglob("ann/*.json")):
        content = json.loads(path.read_text())
        for one in content["objects"][::2]:
            with Image.open(io.BytesIO(zlib.decompress(base64.b64decode(one["bitmap"]["data"])))) as bitmap:
                alpha = np.array(bitmap.convert("RGBA"))[:, :, 3]
            buffer = io.BytesIO()
            Image.fromarray(np.where(alpha > 0, 0, 255).astype(np.uint8)).convert("1").save(buffer, "PNG")
            one["bitmap"]["data"] = base64.b64encode(zlib.compress(buffer.getvalue())).decode()
        path.write_text(json.dumps(content))


# Masks.


@defect("the same pixel labelled in every mask", "exporter", "files", "camvid", "ids")
def hot_pixel(copy: Copy, rng: np.random.Generator) -> None:
    """One pixel has the same label in every mask, whatever is there."""
    for path in copy.masks:
        values = copy.array(path)
        values[101, 77] = 10 if copy.root.name == "camvid" else values.max() + 1
        copy.put(path, values)


@defect("a frame of one pixel of the first class around a third of the masks", "exporter", "files", "camvid", "ids")
def framed(copy: Copy, rng: np.random.Generator) -> None:
    """A third of the masks have a frame of one pixel, as a plot draws it."""
    for path in copy.masks[::3]:
        values = copy.array(path)
        label = 0 if copy.root.name == "camvid" else values.max() + 1
        values[[0, -1]], values[:, [0, -1]] = label, label
        copy.put(path, values)


@defect("masks of a network, 14 by 14 cells in each box", "exporter", "files", "ids")
def network_masks(copy: Copy, rng: np.random.Generator) -> None:
    """The objects of half of the masks are made of blocks, another size in each object."""
    for path in copy.masks[::2]:
        values = copy.array(path)
        result = np.zeros_like(values)
        for number, at in enumerate(ndimage.find_objects(values), 1):
            if at is not None:
                own = Image.fromarray(((values[at] == number) * 255).astype(np.uint8))
                small = own.resize((7, 7), Image.Resampling.BOX)
                coarse = np.array(small.resize(own.size, Image.Resampling.NEAREST)) > 127
                result[at][coarse] = number
        copy.put(path, result)


@defect("one colour a little off in some masks", "exporter", "files", "camseq")
def off_colour(copy: Copy, rng: np.random.Generator) -> None:
    """In four masks the colour of road differs by one from that of the list: another version of the tool."""
    for path in copy.masks[3:7]:
        values = copy.array(path)
        is_road = (values == [128, 64, 128]).all(2)
        values[is_road] = [129, 64, 128]
        copy.put(path, values)


# Lists, names and numbers.


@defect("stuff with a number of an object", "exporter", "files", "cityscapes")
def numbered_stuff(copy: Copy, rng: np.random.Generator) -> None:
    """VIPSeg-Dataset/VIPSeg-Dataset#1. Road is stuff, and has the number of an object, 7001, in these images."""
    for path in sorted(copy.root.glob("gtFine/*/*/*instanceIds.png"))[::3]:
        values = copy.array(path)
        copy.put(path, np.where(values == 7, 7001, values).astype(np.uint16))


@defect("class and object masks that disagree about an object", "annotator", "files", "cityscapes", "voc lists")
def disagreeing(copy: Copy, rng: np.random.Generator) -> None:
    """In these masks an object has one class in the mask of classes and another in that of objects, or two classes."""
    for path in sorted(copy.root.glob("gtFine/*/*/*labelIds.png"))[::3]:
        numbers = copy.array(path.with_name(path.name.replace("labelIds", "instanceIds")))
        one = numbers[numbers >= 1000][0]
        values = copy.array(path)
        copy.put(path, np.where(numbers == one, 24 + (values == 24) * 2, values).astype(np.uint8))
    for path in sorted(copy.root.glob("SegmentationClass/*.png"))[::3]:
        numbers = copy.array(copy.root / "SegmentationObject" / path.name)
        values = copy.array(path)
        half = (numbers == 1) & (np.arange(WIDTH) < np.nonzero(numbers == 1)[1].mean())
        copy.put(path, np.where(half, values % 3 + 1, values).astype(np.uint8))


@json_defect("one object under a category that nothing else has", "annotator", "files", "coco", "taco")
def lonely_category(content: Json, rng: np.random.Generator) -> None:
    """mcordts/cityscapesScripts#24. A single object has a category that nothing else has; another was meant."""
    used = {one["category_id"] for one in content["annotations"]}
    free = next((one["id"] for one in content["categories"] if one["id"] not in used), None)
    if free is None:
        free = 999
        content["categories"].append({"id": free, "name": "tunnel", "supercategory": "tunnel"})
    content["annotations"][11]["category_id"] = free


@annotation_defect("areas of segments as counted on a preview of half the size", "exporter", "files", "panoptic")
def preview_areas(one: Json) -> None:
    """The areas of segments_info are a quarter of those in the PNGs."""
    for segment in one["segments_info"]:
        segment["area"] //= 4


@json_defect("file names under the addresses of other images", "merge", "files", "coco")
def other_address(content: Json, rng: np.random.Generator) -> None:
    """The coco_url of ten images names another image than their file_name: rows were joined by position."""
    images = content["images"][10:20]
    urls = [image["coco_url"] for image in images]
    for image, url in zip(images, [*urls[1:], urls[0]], strict=True):
        image["coco_url"] = url


@json_defect(
    "LVIS: a category that an image lacks, and whose objects are not all drawn there", "exporter", "files", "lvis"
)
def lacking_and_partial(content: Json, rng: np.random.Generator) -> None:
    """These images say of a category both that it is absent and that not all of its objects are drawn."""
    for image in content["images"]:
        image["not_exhaustive_category_ids"] = image["neg_category_ids"][:1]


@defect("height and width exchanged in the lines of MOTS", "exporter", "files", "mots")
def mots_sizes(copy: Copy, rng: np.random.Generator) -> None:
    """Height and width are exchanged, so that the runs mean other pixels."""
    for path in sorted(copy.root.glob("instances_txt/*.txt")):
        rows = [row.split(" ") for row in path.read_text().splitlines()]
        path.write_text("".join(" ".join([*row[:3], row[4], row[3], row[5]]) + "\n" for row in rows))


@json_defect("the names of a video's frames in another order than its labels", "exporter", "files", "vis")
def shuffled_names(content: Json, rng: np.random.Generator) -> None:
    """The frames of two videos are listed in the order 0, 1, 10, 11, 12, 13, 2 …, their labels are not."""
    for video in content["videos"][:2]:
        names = video["file_names"]
        video["file_names"] = sorted(names, key=lambda name: str(int(Path(name).stem)))


@defect("a track's number used again for another object", "tracker", "files", "vis", "mots")
def number_again(copy: Copy, rng: np.random.Generator) -> None:
    """EGO4D/audio-visual#5. A number that one object has first is that of another object later, elsewhere."""
    if copy.document:
        content = copy.load()
        for video in (1, 2):
            first, second = [one for one in content["annotations"] if one["video_id"] == video][:2]
            for name in ("segmentations", "areas", "bboxes"):
                first[name] = [*first[name][:6], None, None, *second[name][8:]]
                second[name] = second[name][:8] + [None] * (len(second[name]) - 8)
        copy.save(content)
        return
    for path in sorted(copy.root.glob("instances_txt/*.txt"))[:2]:
        rows = [row.split(" ") for row in path.read_text().splitlines()]
        names = sorted({row[1] for row in rows if row[2] == "1"})
        if len(names) < 2:
            continue
        first, second = names[:2]
        kept = [row for row in rows if not (row[1] == first and int(row[0]) >= 6)]
        for row in kept:
            if row[1] == second and int(row[0]) >= 8:
                row[1] = first
        path.write_text("".join(" ".join(row) + "\n" for row in kept))


@defect("half of the rows name images with their extension", "merge", "files", "sheet")
def mixed_extensions(copy: Copy, rng: np.random.Generator) -> None:
    """Half of the rows name images as a.png, the others as a: a loader finds one half."""
    path = copy.root / "train.csv"
    head, *rows = path.read_text().splitlines()
    rows = [row.replace(",", ".png,", 1) if k % 2 else row for k, row in enumerate(rows)]
    path.write_text("\n".join([head, *rows]) + "\n")


@defect("regions that leave a value out", "label map", "files", "nnunet")
def partial_regions(copy: Copy, rng: np.random.Generator) -> None:
    """The labels of dataset.json name regions, none of which has value 3, which occurs."""
    path = copy.root / "dataset.json"
    content = json.loads(path.read_text())
    content |= {"labels": {"background": 0, "whole": [1, 2], "core": 2}, "regions_class_order": [1, 2]}
    path.write_text(json.dumps(content))


@defect("file_ending names another ending than the files have", "exporter", "files", "nnunet")
def other_ending(copy: Copy, rng: np.random.Generator) -> None:
    """dataset.json says .nii, the files end in .nii.gz: a trainer finds no case."""
    path = copy.root / "dataset.json"
    path.write_text(path.read_text().replace(".nii.gz", ".nii"))


@defect("one picture in two tasks, under addresses with other tokens", "merge", "files", "studio")
def two_tokens(copy: Copy, rng: np.random.Generator) -> None:
    """Three pictures are in two tasks each, under addresses that differ behind the question mark, labelled twice."""
    tasks: Any = copy.load()
    for k, task in enumerate(tasks):
        task["data"]["image"] += f"?token={k}"
    for k, task in enumerate(tasks[:3]):
        own = task["annotations"][0]
        result = [one | {"id": f"again{k}{n}"} for n, one in enumerate(own["result"][1:])]
        again = {"id": 100 + k, "data": {"image": task["data"]["image"].replace("token=", "token=9")}}
        tasks.append(again | {"annotations": [own | {"id": 100 + k, "result": result}]})
    copy.save(tasks)


# Volumes.


@defect("an organ that goes on behind its end", "annotator", "pictures", "scans", "spleen")
def beyond_its_end(copy: Copy, rng: np.random.Generator) -> None:
    """wasserth/TotalSegmentator#245. The last labelled slice is repeated, smaller each time, on three further ones."""

    def continued(values: Array) -> Array:
        used = np.flatnonzero((values == 1).any((0, 1)))
        last = values[:, :, used[-1]] == 1
        for k in range(1, 4):
            if used[-1] + k < values.shape[2]:
                last = ndimage.binary_erosion(last)
                values[:, :, used[-1] + k][last] = 1
        return values

    if copy.root.name == "scans":
        copy.change_case(5, lambda values, is_label: continued(values) if is_label else values)
    else:
        copy.change_volume(continued)


@annotation_defect("a mask of a track that is its bounding box in some frames", "tracker", "files", "vis", every=2)
def boxes_between(one: Json) -> None:
    """Between keyframes the masks of these tracks are boxes."""
    for k in range(1, len(one["segmentations"]), 3):
        if one["segmentations"][k]:
            x, y, width, height = (int(v) for v in one["bboxes"][k])
            pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
            pixels[y : y + height, x : x + width] = 1
            one["segmentations"][k], one["areas"][k] = planting.encode_rle(pixels), int(pixels.sum())


@json_defect("some objects shifted to the corner of their picture", "exporter", "files", "coco", "gbm")
def to_the_corner(content: Json, rng: np.random.Generator) -> None:
    """The outlines of a tenth of the images begin at 0, 0: the offset of a crop was subtracted."""
    chosen = {image["id"] for image in content["images"][::10]}
    low: dict[int, Array] = {}
    for one in content["annotations"]:
        if one["image_id"] in chosen:
            for ring in planting.points(one):
                corner = np.array(ring).reshape(-1, 2).min(0)
                low[one["image_id"]] = np.minimum(low.get(one["image_id"], corner), corner)
    planting.map_points(content, lambda p, image: p - low[image["id"]], lambda one: one["image_id"] in low)
    planting.fit_boxes(content)
