"""An eighteenth list of defects, committed before any was tried: what half works, between tools and on its way.

As in the lists before, the docstring of each function is what the owner of the dataset would expect to be told. A
thread `owner/name#1` is on GitHub, and is where somebody met it.
"""

import gzip
import json
import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image
from pycocotools import mask as rle
from scipy import ndimage

from benchmarks.defects import planting
from benchmarks.defects.drawn_datasets import COLOURS, HEIGHT, NAMES, WIDTH, Made, draw, write_raster
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, drawn_base, json_defect

# A drawn dataset, sound.


@drawn_base("voc rims")
def _voc_rims(made: Made) -> None:
    """VOC, whose objects have a rim of void."""
    palette = [*np.array([(0, 0, 0), *COLOURS]).reshape(-1).tolist(), *[0] * 753, 224, 224, 192]
    stems: dict[str, list[str]] = {"train": [], "val": []}
    for k, scene in made.scenes(24):
        stem = f"2012_{k:06d}"
        made.image(f"JPEGImages/{stem}.jpg", scene.picture, quality=92)
        things = scene.classes > 0
        values = np.where(ndimage.binary_dilation(things, iterations=2) & ~things, 255, scene.classes)
        mask = Image.fromarray(values.astype(np.uint8))
        mask.putpalette(palette)
        (made.root / "SegmentationClass").mkdir(exist_ok=True)
        mask.save(made.root / f"SegmentationClass/{stem}.png")
        stems["val" if k % 4 == 0 else "train"].append(stem)
    for split, listed in stems.items():
        made.text(f"ImageSets/Segmentation/{split}.txt", "\n".join(listed) + "\n")
    rows = [f"{name}:{','.join(map(str, c))}::" for name, c in zip(NAMES, COLOURS, strict=True)]
    made.text("labelmap.txt", "\n".join(["# label:color_rgb:parts:actions", "background:0,0,0::", *rows]) + "\n")


# COCO.


@json_defect("runs of a crop under the size of the image", "exporter", "files", "coco")
def runs_of_crop(content: Json, rng: np.random.Generator) -> None:
    """cvat-ai/cvat#6487. Runs count the pixels of the object's box, the size is that of the image."""
    images = {image["id"]: image for image in content["images"]}
    for one in content["annotations"][::5]:
        if isinstance(one["segmentation"], list):
            image = images[one["image_id"]]
            pixels = planting.draw_rings(planting.points(one), image["width"], image["height"])
            rows, columns = np.nonzero(pixels)
            if len(rows):
                crop = pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].T.reshape(-1)
                edges = np.flatnonzero(np.diff(crop.astype(int), prepend=0)).tolist()
                counts = np.diff([0, *edges, len(crop)]).tolist()
                one["segmentation"] = {"size": [image["height"], image["width"]], "counts": counts}


@json_defect("both halves of a divided object under the first half's category", "exporter", "nothing", "coco")
def divided(content: Json, rng: np.random.Generator) -> None:
    """cvat-ai/cvat#11026. Objects were divided by a line, and the second half lost its own category."""
    more = []
    for one in content["annotations"][::7]:
        for ring in list(planting.points(one))[:1]:
            middle = len(ring) // 4 * 2
            if len(ring) > 16:
                one["segmentation"][0] = ring[: middle + 2]
                more.append(one | {"segmentation": [[*ring[middle:], *ring[:2]]]})
    planting.add_annotations(content, more)
    planting.fit_boxes(content)


@annotation_defect("category ids as text", "exporter", "files", "coco", "gbm")
def categories_as_text(one: Json) -> None:
    """Annotations have "3" where the list of categories has 3: look-ups fail, or the objects vanish."""
    one["category_id"] = str(one["category_id"])


@annotation_defect("paths of mask files in place of outlines", "exporter", "files", "coco", "gbm", every=5)
def paths_as_outlines(one: Json) -> None:
    """Every fifth segmentation is the name of a PNG."""
    one["segmentation"] = f"masks/{one['id']}.png"


@annotation_defect("iscrowd null", "exporter", "files", "coco", "gbm")
def crowd_null(one: Json) -> None:
    """Read as meant, or named: iscrowd is null in place of 0."""
    if not one.get("iscrowd"):
        one["iscrowd"] = None


@json_defect("names with the project before them in the second half", "merge", "files", "coco", "taco")
def project_in_names(content: Json, rng: np.random.Generator) -> None:
    """Categories are there twice: "person" and "zoo/person"."""
    behind, last = planting.half(content), max(one["id"] for one in content["categories"])
    numbers = {one["id"]: last + 1 + k for k, one in enumerate(content["categories"])}
    content["categories"] += [one | {"id": numbers[one["id"]], "name": f"zoo/{one['name']}"}
                              for one in content["categories"]]  # fmt: skip
    for one in content["annotations"]:
        if one["image_id"] in behind:
            one["category_id"] = numbers[one["category_id"]]


@json_defect("names in another language in the second half", "merge", "nothing", "coco")
def other_language(content: Json, rng: np.random.Generator) -> None:
    """Some categories are there twice: "person" and "persona", "dog" and "perro"."""
    words = {"person": "persona", "car": "coche", "dog": "perro", "chair": "silla", "bottle": "botella"}
    behind, last = planting.half(content), max(one["id"] for one in content["categories"])
    numbers = {}
    for one in list(content["categories"]):
        if one["name"] in words:
            last += 1
            numbers[one["id"]] = last
            content["categories"].append(one | {"id": last, "name": words[one["name"]]})
    for one in content["annotations"]:
        if one["image_id"] in behind:
            one["category_id"] = numbers.get(one["category_id"], one["category_id"])


@json_defect("the second half of the points lost in a tenth of the objects", "annotator", "pictures", "coco", "gbm")
def half_outlines(content: Json, rng: np.random.Generator) -> None:
    """Outlines were closed half-way around: a straight line cuts the object."""
    for one in planting.some(content["annotations"], rng, len(content["annotations"]) // 10):
        for k, ring in enumerate(list(planting.points(one))):
            if len(ring) > 16:
                one["segmentation"][k] = ring[: len(ring) // 4 * 2]
    planting.fit_boxes(content)


@json_defect("neighbours of one category as one object", "annotator", "pictures", "coco")
def neighbours_joined(content: Json, rng: np.random.Generator) -> None:
    """Two people beside each other are one annotation of two parts."""
    last: dict[tuple[int, int], Json] = {}
    kept = []
    for one in content["annotations"]:
        key = one["image_id"], one["category_id"]
        if isinstance(one["segmentation"], list) and key in last:
            last.pop(key)["segmentation"] += one["segmentation"]
        else:
            kept.append(one)
            if isinstance(one["segmentation"], list):
                last[key] = one
    content["annotations"] = kept
    planting.fit_boxes(content)


@json_defect("objects whose outline is a rectangle of the picture's middle", "annotator", "files", "coco", "gbm")
def middles(content: Json, rng: np.random.Generator) -> None:
    """The tool's suggestion, the middle half of the picture, was saved in a fifth of the images beside the objects."""
    more = []
    for image in content["images"][::5]:
        x, y = image["width"] / 4, image["height"] / 4
        ring = [x, y, 3 * x, y, 3 * x, 3 * y, x, 3 * y]
        category = content["categories"][0]["id"]
        more.append({"image_id": image["id"], "category_id": category, "segmentation": [ring], "iscrowd": 0})
    planting.add_annotations(content, more)
    planting.fit_boxes(content)


@defect("an older version of the annotations beside the new one", "merge", "files", "coco")
def older_version(copy: Copy, rng: np.random.Generator) -> None:
    """instances_train2017_old.json has the same images with fewer objects: it must not count as more images."""
    content = copy.load()
    content["annotations"] = content["annotations"][::2]
    (copy.root / "annotations/instances_train2017_old.json").write_text(json.dumps(content))


@defect("a comma behind the last element", "exporter", "files", "coco", "gbm")
def last_comma(copy: Copy, rng: np.random.Generator) -> None:
    """The file was edited by hand, and is no JSON any more; the place is to be named."""
    path = copy.root / str(copy.document)
    text = path.read_text().rstrip()
    path.unlink()
    path.write_text(text[:-1] + ",}")


@defect("the text of a Python dictionary in place of JSON", "exporter", "files", "coco", "gbm")
def python_text(copy: Copy, rng: np.random.Generator) -> None:
    """The file has single quotation marks: str() was written, not json.dumps()."""
    content = copy.load()
    path = copy.root / str(copy.document)
    path.unlink()
    path.write_text(str(content))


@defect("JSON that was packed, under its old name", "exporter", "files", "coco", "gbm")
def packed(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant, or named: the bytes are gzip's, the extension is .json."""
    path = copy.root / str(copy.document)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(gzip.compress(data))


@defect("pictures that end in the middle", "exporter", "files", "coco", "gbm")
def cut_pictures(copy: Copy, rng: np.random.Generator) -> None:
    """Every fifth picture has half of its bytes: its lower half is grey, or does not open."""
    for path in sorted(copy.own_images().iterdir())[::5]:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@defect("WebP under the name of JPEG", "exporter", "files", "coco")
def webp(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant: every third picture is a WebP called .jpg."""
    for path in sorted(copy.own_images().iterdir())[::3]:
        with Image.open(path) as picture:
            values = picture.convert("RGB")
        values.save(path, "WEBP")


@defect("pictures blended in pairs, with the labels of one", "augmentation", "pictures", "gbm")
def blended(copy: Copy, rng: np.random.Generator) -> None:
    """Every fourth picture is half of the next one (mixup); the objects of that are not labelled."""
    paths = sorted(copy.own_images().iterdir())
    for path, other in list(pairwise(paths))[::4]:
        with Image.open(path) as first, Image.open(other) as second:
            mixed = Image.blend(first.convert("RGB"), second.convert("RGB").resize(first.size), 0.5)
        mixed.save(path)


@defect("windows that overlap by half, in train and in val", "merge", "files", "splits")
def windows(copy: Copy, rng: np.random.Generator) -> None:
    """stefyste/RIAWELC#2. Each picture of val shares its left half with a picture of train."""
    path, content, val_path, val = copy.train_and_val()
    for image in val["images"]:
        (copy.root / "val" / image["file_name"]).unlink()
    val["images"], val["annotations"] = [], []
    for k, image in enumerate(content["images"][:6]):
        scene = draw(np.random.default_rng(900 + k), 2 * WIDTH, HEIGHT)
        for split, listed, x in (("train", content, 0), ("val", val, WIDTH // 2)):
            number = image["id"] if split == "train" else 500 + k
            name = image["file_name"] if split == "train" else f"dive_{number}.jpg"
            window = scene.picture[:, x : x + WIDTH]
            Image.fromarray(window).save(copy.root / split / name, quality=92)
            listed["annotations"] = [one for one in listed["annotations"] if one["image_id"] != number]
            if split == "val":
                val["images"].append(image | {"id": number, "file_name": name})
            for thing in scene.things:
                ring = np.clip(thing.ring - [x, 0], 0, [WIDTH, HEIGHT])
                if np.ptp(ring[:, 0]) > 8:
                    one = {"image_id": number, "category_id": thing.category + 1, "iscrowd": 0}
                    listed["annotations"].append(one | {"segmentation": [ring.reshape(-1).tolist()]})
    for target, listed in ((path, content), (val_path, val)):
        listed["annotations"] = [one | {"id": k + 1} for k, one in enumerate(listed["annotations"])]
        planting.fit_boxes(listed)
        target.write_text(json.dumps(listed))


@defect("copies of pictures across and within splits under new names", "merge", "files", "splits")
def exact_copies(copy: Copy, rng: np.random.Generator) -> None:
    """tqwei05/PlantSeg#11. Three pictures of train are in val and three again in train, byte for byte."""
    path, content, val_path, val = copy.train_and_val()
    for k, image in enumerate(content["images"][:6]):
        split, listed = ("val", val) if k % 2 else ("train", content)
        name = f"leaf_{k}.jpg"
        shutil.copy(copy.root / "train" / image["file_name"], copy.root / split / name)
        listed["images"].append(image | {"id": 700 + k, "file_name": name})
        own = [one for one in content["annotations"] if one["image_id"] == image["id"]]
        moved = [
            one
            | {"image_id": 700 + k, "segmentation": [(np.array(ring) + 1).tolist() for ring in planting.points(one)]}
            for one in own
        ]
        planting.add_annotations(listed, moved)
    for target, listed in ((path, content), (val_path, val)):
        planting.fit_boxes(listed)
        target.write_text(json.dumps(listed))


# YOLO.


@defect("the name of the class and pixels, glued together", "exporter", "files", "yolo", "beach")
def glued(copy: Copy, rng: np.random.Generator) -> None:
    """ultralytics/ultralytics#3285. Lines begin with "shell160 77": no number of a class, and pixels."""

    def change(line: str) -> str:
        number, *shares = line.split()
        pixels = [str(round(float(v) * (WIDTH, HEIGHT)[k % 2])) for k, v in enumerate(shares)]
        return f"{NAMES[int(number) % 3]}{' '.join(pixels)}"

    copy.change_lines(change)


@defect("coordinates as ratios with a percent sign", "exporter", "files", "beach")
def percent_signs(copy: Copy, rng: np.random.Generator) -> None:
    """Numbers are written as 12.5%: no tool reads them."""
    copy.change_lines(lambda line: " ".join([line.split()[0], *(f"{float(v) * 100:.3f}%" for v in line.split()[1:])]))


@defect("first and last point of each outline exchanged with the next line", "exporter", "files", "beach")
def first_and_last(copy: Copy, rng: np.random.Generator) -> None:
    """Lines were wrapped: each object has the last point of the one before it as its first."""
    for path in sorted(copy.root.rglob("labels/**/*.txt")):
        rows = [line.split() for line in path.read_text().splitlines()]
        ends = [row[-2:] for row in rows]
        rows = [[row[0], *end, *row[1:-2]] for row, end in zip(rows, [ends[-1], *ends], strict=False)]
        path.write_text("\n".join(map(" ".join, rows)) + "\n")


# Masks.


@defect("masks saved at the zoom of the browser", "exporter", "files", "camvid", "ids")
def zoomed(copy: Copy, rng: np.random.Generator) -> None:
    """commaai/comma10k#847. Every fifth mask is a quarter larger than its picture on both sides."""
    for path in copy.masks[::5]:
        values = copy.array(path)
        rows, columns = (np.arange(int(n * 1.25)) * 4 // 5 for n in values.shape)
        copy.put(path, values[rows][:, columns])


@defect("masks overwritten by photographs of another size", "merge", "files", "camvid", "voc lists")
def photographs(copy: Copy, rng: np.random.Generator) -> None:
    """HKUSTCV/FSS-1000#23. Two masks are photographs in colour."""
    scene = draw(np.random.default_rng(18), 200, 150)
    for path in (copy.masks or sorted(copy.root.glob("SegmentationClass/*.png")))[3:12:6]:
        path.unlink()
        Image.fromarray(scene.picture).save(path)


@defect("soft masks of 0 to 255 in place of black and white", "exporter", "files", "planes", "vessels", "bowl")
def soft(copy: Copy, rng: np.random.Generator) -> None:
    """hzlsaber/SIDA#25. Half of the masks have all values from 0 to 255: nobody cut them at a threshold."""
    for path in (copy.masks or sorted(copy.root.glob("*/masks/*.png")) or sorted(copy.root.glob("masks/*/*.png")))[::2]:
        copy.put(path, ndimage.gaussian_filter((copy.array(path) > 0) * 255.0, 1.5).astype(np.uint8))


@defect("void rims of val written as background", "label map", "files", "voc rims")
def rims(copy: Copy, rng: np.random.Generator) -> None:
    """meetps/pytorch-semseg#23. Objects have a rim of 255 in train and none in val, where it became background."""
    for stem in (copy.root / "ImageSets/Segmentation/val.txt").read_text().split():
        path = copy.root / f"SegmentationClass/{stem}.png"
        values = copy.array(path)
        copy.put(path, np.where(values == 255, 0, values))


@defect("grey masks as three equal channels", "exporter", "files", "camvid", "walls")
def three_channels(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant, or named: every second mask has its values in red, green and blue."""
    for path in (copy.masks or sorted(copy.root.glob("masks/*.png")))[::2]:
        values = np.repeat(copy.array(path)[:, :, None], 3, 2)
        path.unlink()
        Image.fromarray(values).save(path)


@defect("masks as numbers between 0 and 1", "exporter", "files", "walls")
def as_fractions(copy: Copy, rng: np.random.Generator) -> None:
    """Masks are TIFFs of floats, divided by 255 as if they were pictures."""
    for path in sorted(copy.root.glob("masks/*.png")):
        values = copy.array(path).astype(np.float32) / 255
        path.unlink()
        Image.fromarray(values).save(path.with_suffix(".tif"))


@defect("values modulo 16, from PNGs of four bits", "exporter", "files", "cityscapes")
def four_bits(copy: Copy, rng: np.random.Generator) -> None:
    """In val ids keep their lower four bits: 24 became 8, 33 became 1, which are other classes."""
    for path in sorted(copy.root.glob("gtFine/val/*/*_labelIds.png")):
        copy.put(path, copy.array(path) & 15)


@defect("grey bars of letterboxed pictures in the masks, as 114", "resize", "files", "camvid")
def letterbox(copy: Copy, rng: np.random.Generator) -> None:
    """Every third mask has bars of 114 above and below: the colour of the picture's padding."""
    for path in copy.masks[::3]:
        values = copy.array(path)
        values[:30], values[-30:] = 114, 114
        copy.put(path, values)


@defect("rectangles cut out of masks, pictures whole", "augmentation", "pictures", "camvid", "ids")
def cut_out(copy: Copy, rng: np.random.Generator) -> None:
    """Every third mask has three squares without labels: cutout went over masks alone."""
    for path in copy.masks[::3]:
        values = copy.array(path)
        side = min(values.shape) // 6
        for _ in range(3):
            y, x = rng.integers(0, values.shape[0] - side), rng.integers(0, values.shape[1] - side)
            values[y : y + side, x : x + side] = 0
        copy.put(path, values)


@defect("masks turned by half a turn against their pictures", "augmentation", "pictures", "ids", "walls")
def half_turn(copy: Copy, rng: np.random.Generator) -> None:
    """Every fifth mask was turned by 90 degrees one way, its picture the other way."""
    for path in (copy.masks or sorted(copy.root.glob("masks/*.png")))[::5]:
        copy.put(path, copy.array(path)[::-1, ::-1].copy())


@defect("the first row of each tile twice", "resize", "pictures", "camvid", "ids")
def doubled_rows(copy: Copy, rng: np.random.Generator) -> None:
    """Every third mask was put together from bands of 32 rows, whose first row is there twice: labels sink."""
    for path in copy.masks[::3]:
        values = copy.array(path)
        rows = np.concatenate([np.r_[k, np.arange(k, min(k + 32, len(values)))] for k in range(0, len(values), 32)])
        copy.put(path, values[rows[: len(values)]])


@defect("thin things lost by an opening of the masks", "exporter", "pictures", "camvid")
def opened(copy: Copy, rng: np.random.Generator) -> None:
    """In half of the masks poles and whatever is thinner than 5 px became what lies around."""
    for path in copy.masks[::2]:
        values = copy.array(path)
        stays = np.zeros(values.shape, bool)
        for value in np.unique(values):
            stays |= ndimage.binary_opening(values == value, np.ones((5, 5)))
        nearest = ndimage.distance_transform_edt(~stays, return_distances=False, return_indices=True)
        copy.put(path, values[tuple(nearest)])


@defect("centre lines in place of vessels", "annotator", "pictures", "vessels")
def centre_lines(copy: Copy, rng: np.random.Generator) -> None:
    """Half of the masks have lines of one pixel, the others vessels of their width."""
    for path in copy.masks[::2]:
        depth = ndimage.distance_transform_edt(copy.array(path) > 0)
        ridge = (depth > 0) & (depth >= ndimage.maximum_filter(depth, 3))
        copy.put(path, ridge * np.uint8(copy.array(path).max()))


@defect("names shortened as an old file system does", "merge", "files", "camvid")
def short_names(copy: Copy, rng: np.random.Generator) -> None:
    """Masks are called 0001TP~1.PNG: none has a picture."""
    for k, path in enumerate(copy.masks[::4]):
        path.rename(path.with_name(f"{path.stem[:6].upper()}~{k % 9 + 1}{k // 9}.PNG"))


@defect("extensions twice: .png.png", "merge", "files", "camvid", "voc lists")
def twice_png(copy: Copy, rng: np.random.Generator) -> None:
    """Every fourth mask has no picture, for its name ends in .png.png."""
    for path in (copy.masks or sorted(copy.root.glob("SegmentationClass/*.png")))[::4]:
        path.rename(path.with_name(path.name + ".png"))


# Tools.


@defect("lines of strokes among polygons", "annotator", "files", "labelme", "labelme video")
def strokes(copy: Copy, rng: np.random.Generator) -> None:
    """CVHub520/X-AnyLabeling#1302. The first shape of each file is an open line, which exports leave out."""
    copy.change_documents(lambda content: content["shapes"][0].update(shape_type="linestrip"))


@defect("images that their annotator marked as unusable", "annotator", "files", "labelme video")
def unusable(copy: Copy, rng: np.random.Generator) -> None:
    """Three files say {"blurred": true, "skip": true} and have shapes nevertheless."""
    for path in sorted(copy.root.rglob("*.json"))[:3]:
        copy.change_documents(lambda content: content.update(flags={"blurred": True, "skip": True}), path.name)


@defect("polylines among polygons", "annotator", "files", "kudzu")
def polylines(copy: Copy, rng: np.random.Generator) -> None:
    """Some regions are open lines: they have no inside."""

    def change(content: Json) -> None:
        for image in list(content.get("_via_img_metadata", content).values())[::3]:
            regions = image["regions"]
            for region in list(regions.values() if isinstance(regions, dict) else regions)[:1]:
                region["shape_attributes"]["name"] = "polyline"

    copy.change_documents(change)


@defect("points dragged out of the picture", "annotator", "files", "studio")
def dragged_out(copy: Copy, rng: np.random.Generator) -> None:
    """HumanSignal/label-studio#5481. In some tasks points lie 6 percent beyond the border."""

    def change(region: Json) -> None:
        region["value"]["points"][0] = [106.0, 50.0]

    copy.change_results(slice(2, None, 4), change)


@defect("width and height exchanged in regions", "exporter", "files", "studio")
def exchanged_sides(copy: Copy, rng: np.random.Generator) -> None:
    """Regions of some tasks have original_width and original_height exchanged: converters scale by them."""
    copy.change_results(slice(1, None, 3), lambda region: region.update(original_width=HEIGHT, original_height=WIDTH))


@defect("micrometres in place of pixels", "exporter", "files", "slides")
def micrometres(copy: Copy, rng: np.random.Generator) -> None:
    """In half of the files coordinates are micrometres, of 0.25 a pixel: all objects lie in the upper left corner."""
    for path in sorted(copy.root.glob("*.geojson"))[::2]:
        content = json.loads(path.read_text())
        for one in content["features"]:
            rings = one["geometry"]["coordinates"]
            one["geometry"]["coordinates"] = [(np.array(ring) * 0.25).tolist() for ring in rings]
        path.write_text(json.dumps(content))


@defect("labels half a pixel aside, as points and areas differ", "exporter", "files", "rasters")
def half_pixel(copy: Copy, rng: np.random.Generator) -> None:
    """Every second raster of labels lies half a pixel east of its picture, by the places in the files."""
    for path in sorted(copy.root.glob("masks/*.tif"))[::2]:
        write_raster(path, copy.array(path), int(path.stem[-2:]) + 1 / (2 * WIDTH))


@defect("polygons of a job at the width of its preview", "resize", "files", "cvat")
def of_preview(copy: Copy, rng: np.random.Generator) -> None:
    """In every fourth image x and y are those of a picture of 256 px width, within the border."""

    def smaller(match: re.Match[str]) -> str:
        pairs = [pair.split(",") for pair in match[1].split(";")]
        return 'points="' + ";".join(f"{float(x) * 0.8:.2f},{float(y) * 0.8:.2f}" for x, y in pairs) + '"'

    copy.change_cvat(slice(1, None, 4), lambda image: re.sub(r'points="([^"]+)"', smaller, image))


@defect("ends in place of lengths", "exporter", "files", "sheet")
def ends_of_runs(copy: Copy, rng: np.random.Generator) -> None:
    """Runs are pairs of first and last pixel: objects flow over into the columns behind."""

    def ends(match: re.Match[str]) -> str:
        values = [int(v) for v in match[0][1:-1].split()]
        pairs = zip(values[::2], values[1::2], strict=True)
        return "," + " ".join(f"{start} {start + length - 1}" for start, length in pairs) + ","

    path = copy.root / "train.csv"
    path.write_text(re.sub(r",\d+ [\d ]+,", ends, path.read_text()))


# Videos.


@defect("class and number exchanged in the columns", "exporter", "files", "mots")
def exchanged_columns(copy: Copy, rng: np.random.Generator) -> None:
    """In one video the second column is the class and the third the number of the object."""
    path = sorted(copy.root.glob("instances_txt/*.txt"))[1]
    rows = [line.split(" ") for line in path.read_text().splitlines()]
    path.write_text("\n".join(" ".join([row[0], row[2], row[1], *row[3:]]) for row in rows) + "\n")


@json_defect("runs of another size than their video", "exporter", "files", "vis")
def other_size(content: Json, rng: np.random.Generator) -> None:
    """In one video the runs are of pictures of half the size."""

    def smaller(drawn: Any) -> Any:  # Any: compressed RLE, or None
        return planting.encode_rle(rle.decode(drawn)[::2, ::2]) if drawn else None

    for one in content["annotations"]:
        if one["video_id"] == 2:
            one["segmentations"] = [smaller(drawn) for drawn in one["segmentations"]]


@json_defect("annotation ids that begin again in each video", "exporter", "files", "vis")
def again_in_each_video(content: Json, rng: np.random.Generator) -> None:
    """Tracks of three videos have the ids 1, 2, 3: look-ups by id find the last video's."""
    seen: dict[int, int] = {}
    for one in content["annotations"]:
        seen[one["video_id"]] = seen.get(one["video_id"], 0) + 1
        one["id"] = seen[one["video_id"]]


@json_defect("one track of two objects: first the one, then the other", "tracker", "files", "vis")
def two_visits(content: Json, rng: np.random.Generator) -> None:
    """EGO4D/audio-visual#5. A track stops after four frames and goes on at another object's place after the tenth."""
    by_video: dict[int, list[Json]] = {}
    for one in content["annotations"]:
        by_video.setdefault(one["video_id"], []).append(one)
    for first, second, *_ in by_video.values():
        for key in ("segmentations", "areas", "bboxes"):
            first[key] = [*first[key][:4], *[None] * 6, *second[key][10:]]
        planting.change_tracks([second], lambda values: [*values[:10], *[None] * 4])


# Volumes.


@defect("labels turned by half a turn, headers as they were", "volume", "pictures", "scans", "organs")
def turned_volumes(copy: Copy, rng: np.random.Generator) -> None:
    """nipy/nibabel#1229. In two cases rows and columns of the labels run the other way than in the scan."""
    copy.change_labels(lambda values: values[::-1, ::-1].copy(), (2, 5))


@defect("values cut off in place of rounded", "volume", "files", "nnunet", "scans")
def cut_values(copy: Copy, rng: np.random.Generator) -> None:
    """nipreps/petprep#152. In two cases 1.9999 became 1: a third of the voxels have the number below their own."""

    def change(values: Array) -> Array:
        lower = (np.random.default_rng(18).random(values.shape) < 0.33) & (values > 0)
        return (values - lower).astype(np.uint8)

    copy.change_labels(change, (1, 4))


@defect("values a hair beside whole numbers", "volume", "files", "nnunet", "organs")
def beside_whole(copy: Copy, rng: np.random.Generator) -> None:
    """nipy/nibabel#1229. Read as meant, or named: labels are 2.000031 in place of 2 in two cases."""
    for number in (1, 4):
        path, image, values = copy.labels_of_case(number)
        path.unlink()
        written = nibabel.Nifti1Image(values * np.float32(1.0000155), image.affine)  # type: ignore[no-untyped-call]
        nibabel.save(written, path)


@defect("labels on the grid before the scan was resampled", "volume", "files", "nnunet", "scans")
def other_grid(copy: Copy, rng: np.random.Generator) -> None:
    """spine-generic/data-multi-subject#190. In one case the labels have other voxels than the scan."""
    path, image, values = copy.labels_of_case(2)
    finer = values.repeat(2, 0).repeat(2, 1)
    planting.write_volume(path, finer, image.affine @ np.diag([0.5, 0.5, 1, 1]))


@defect("a segment of a DICOM segmentation without a label", "exporter", "files", "dicom")
def no_label(copy: Copy, rng: np.random.Generator) -> None:
    """The label of a segment is empty: no one can tell what was segmented."""

    def change(data: Any) -> None:  # Any: pydicom's datasets
        data.SegmentSequence[0].SegmentLabel = ""

    copy.change_segmentation(change)


@defect("the other channel is a copy of the first in some cases", "exporter", "files", "scans", "organs")
def copied_channel(copy: Copy, rng: np.random.Generator) -> None:
    """Two channels are listed; in three of the cases the second is the first one once more."""
    copy.change_documents(lambda content: content.update(channel_names={"0": "CT", "1": "PET"}), "dataset.json")
    for k, path in enumerate(sorted(copy.root.glob("imagesTr/*_0000.nii.gz"))):
        image: Any = nibabel.load(path)
        values = np.asanyarray(image.dataobj)
        other = values if k % 4 == 0 else (1000 - values // 2).astype(values.dtype)
        target = Path(str(path).replace("_0000.nii.gz", "_0001.nii.gz"))
        nibabel.save(nibabel.Nifti1Image(other, image.affine), target)  # type: ignore[no-untyped-call]
