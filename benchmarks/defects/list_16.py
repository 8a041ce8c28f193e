"""A sixteenth list of defects, committed before any was tried: units, names, files beside files, formats less tried.

As in the lists before, the docstring of each function is what the owner of the dataset would expect to be told. A
thread `owner/name#1` is on GitHub, and is where somebody met it.
"""

import json
import uuid
from collections.abc import Callable

import numpy as np
import yaml
from PIL import Image, ImageDraw
from scipy import ndimage

from benchmarks.defects import planting
from benchmarks.defects.drawn_datasets import COLOURS, HEIGHT, NAMES, WIDTH, Made, write_raster
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, drawn_base, json_defect

# Drawn datasets, sound.


@drawn_base("slides")
def _slides(made: Made) -> None:
    for k, scene in made.scenes():
        made.image(f"region_{k:02d}.png", scene.picture)
        features = [_feature(one.ring, NAMES[one.category], COLOURS[one.category]) for one in scene.things]
        made.text(f"region_{k:02d}.geojson", {"type": "FeatureCollection", "features": features})


def _feature(ring: Array, name: str | None, colour: tuple[int, int, int] = (0, 0, 0)) -> Json:
    """An annotation of QuPath."""
    known = {} if name is None else {"classification": {"name": name, "color": list(colour)}}
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, str(ring.tolist()))),
        "geometry": {"type": "Polygon", "coordinates": [[*ring.tolist(), ring[0].tolist()]]},
        "properties": {"objectType": "annotation", **known},
    }


@drawn_base("rasters")
def _rasters(made: Made) -> None:
    for k, scene in made.scenes():
        for folder, values in (("images", scene.picture), ("masks", scene.classes)):
            path = made.root / folder / f"tile_{k:02d}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_raster(path, values, k)
    names = "".join(f"  - {{id: {k + 1}, name: {name}}}\n" for k, name in enumerate(NAMES))
    made.text("taxonomy.yaml", f"categories:\n{names}unlabelled: 0\n")


@drawn_base("bowl")
def _bowl(made: Made) -> None:
    for k, scene in made.scenes():
        stem = f"{k * 7919:032x}"
        made.image(f"{stem}/images/{stem}.png", scene.picture)
        for n, one in enumerate(scene.things):
            made.image(f"{stem}/masks/{k:02d}{n:06x}.png", (one.pixels * 255).astype(np.uint8))


@drawn_base("planes")
def _planes(made: Made) -> None:
    for k, scene in made.scenes():
        made.image(f"images/{k:03d}.png", scene.picture)
        for n, name in enumerate(NAMES):
            made.image(f"masks/{name}/{k:03d}.png", ((scene.classes == n + 1) * 255).astype(np.uint8))


# Units of coordinates.


@json_defect("points in thousandths of the image, as language models give them", "exporter", "files", "coco")
def thousandths(content: Json, rng: np.random.Generator) -> None:
    """simular-ai/Agent-S#91. Points and boxes run to 1000 on both axes, whatever the size of the image."""
    planting.map_points(content, lambda ring, image: np.round(ring / [image["width"], image["height"]] * 1000))
    planting.fit_boxes(content)


@defect("points in thousandths of the image, as language models give them", "exporter", "files", "kudzu")
def thousandths_in_via(copy: Copy, rng: np.random.Generator) -> None:
    """Points run to 1000 on both axes, whatever the size of the image."""
    for path in copy.root.glob("*/via_region_data.json"):
        content = json.loads(path.read_text())
        for image in content.get("_via_img_metadata", content).values():
            with Image.open(path.parent / image["filename"]) as picture:
                size = picture.size
            for region in image["regions"]:
                shape = region["shape_attributes"]
                for key, length in zip(("all_points_x", "all_points_y"), size, strict=True):
                    shape[key] = [round(value / length * 1000) for value in shape[key]]
        path.write_text(json.dumps(content))


@json_defect("coordinates of the map in place of pixels", "exporter", "files", "gbm")
def map_coordinates(content: Json, rng: np.random.Generator) -> None:
    """mayrajeo/geo2ml#12. Eastings and northings in metres: no point is inside of its image."""
    planting.map_points(content, lambda ring, _: ring * [0.5, -0.5] + [615463.25, 2302274.0])
    planting.fit_boxes(content)


def _scale(region: Json, x: float, y: float) -> None:
    region["value"]["points"] = (np.array(region["value"]["points"]) * [x, y]).tolist()


@defect("coordinates of some tasks a hundred times too large", "exporter", "files", "studio")
def hundredfold(copy: Copy, rng: np.random.Generator) -> None:
    """HumanSignal/label-studio#2702. In two tasks percent were multiplied by 100 again."""
    copy.change_results(slice(3, None, 5), lambda region: _scale(region, 100, 100))


@defect("pixels where the tool has percent", "exporter", "files", "studio")
def pixels_as_percent(copy: Copy, rng: np.random.Generator) -> None:
    """HumanSignal/label-studio-ml-backend#166. The tasks that a model labelled first have points in pixels."""
    copy.change_results(slice(1, None, 3), lambda region: _scale(region, WIDTH / 100, HEIGHT / 100))


@defect("shares of 1 where the tool has percent", "exporter", "files", "studio")
def shares_as_percent(copy: Copy, rng: np.random.Generator) -> None:
    """HumanSignal/label-studio#1897. The tasks that a model labelled first have points from 0 to 1."""
    copy.change_results(slice(1, None, 3), lambda region: _scale(region, 0.01, 0.01))


@annotation_defect("perimeters in place of areas", "exporter", "files", "coco", "gbm")
def perimeters(one: Json) -> None:
    """A script took arcLength for contourArea."""
    rings = [np.array(ring, float).reshape(-1, 2) for ring in planting.points(one)]
    if rings:
        one["area"] = float(sum(np.linalg.norm(ring - np.roll(ring, 1, 0), axis=1).sum() for ring in rings))


@annotation_defect("boxes as y, x, height, width", "exporter", "files", "coco", "gbm")
def boxes_by_rows(one: Json) -> None:
    """Boxes have rows before columns, polygons have not."""
    x, y, width, height = one["bbox"]
    one["bbox"] = [y, x, height, width]


# Numbers and names.


@json_defect("the position in the list of images in place of their id", "exporter", "files", "coco", "splits")
def positions(content: Json, rng: np.random.Generator) -> None:
    """Image ids of annotations count the list of images from 0, and the list has other ids."""
    place = {image["id"]: number for number, image in enumerate(content["images"])}
    for one in content["annotations"]:
        one["image_id"] = place[one["image_id"]]


def _rename_in_second_half(content: Json, change: Callable[[str], str]) -> None:
    """Annotations of the second half get categories whose names are changed."""
    last = max(one["id"] for one in content["categories"])
    new = {}
    for one in list(content["categories"]):
        if change(one["name"]) != one["name"]:
            last += 1
            new[one["id"]] = last
            content["categories"].append(one | {"id": last, "name": change(one["name"])})
    behind = planting.half(content)
    for one in content["annotations"]:
        if one["image_id"] in behind:
            one["category_id"] = new.get(one["category_id"], one["category_id"])


@json_defect("names as a web page writes them: traffic&nbsp;light", "exporter", "files", "coco", "taco")
def web_names(content: Json, rng: np.random.Generator) -> None:
    """In the second half names have &nbsp; for a blank and &amp; for &."""
    _rename_in_second_half(content, lambda name: name.replace("&", "&amp;").replace(" ", "&nbsp;"))


@json_defect("quotation marks around names in the second half", "merge", "files", "coco", "taco")
def quoted_names(content: Json, rng: np.random.Generator) -> None:
    """In the second half names are read with the quotation marks of a table: "person"."""
    _rename_in_second_half(content, '"{}"'.format)


@json_defect("names cut after ten characters in the second half", "merge", "files", "coco", "taco")
def cut_names(content: Json, rng: np.random.Generator) -> None:
    """In the second half names went through a shapefile, which keeps ten characters."""
    _rename_in_second_half(content, lambda name: name[:10])


@json_defect("a category called nan", "exporter", "files", "coco", "taco")
def called_nan(content: Json, rng: np.random.Generator) -> None:
    """Some objects had no class in a table, and are of the category "nan" now."""
    number = max(one["id"] for one in content["categories"]) + 1
    content["categories"].append({"id": number, "name": "nan", "supercategory": "none"})
    for one in content["annotations"][::12]:
        one["category_id"] = number


@defect("a category called nan", "exporter", "files", "labelme", "labelme video")
def called_undefined(copy: Copy, rng: np.random.Generator) -> None:
    """SixK/coco-annotator-ng#5. One shape in each file is labelled "undefined", which a script wrote."""
    copy.change_documents(lambda content: content["shapes"][-1].update(label="undefined"))


@json_defect("a root of all categories as a category of its own", "exporter", "files", "coco", "gbm")
def root_category(content: Json, rng: np.random.Generator) -> None:
    """roboflow/rf-detr#1303. A category without objects is the parent of all; training counts it as a class."""
    for one in content["categories"]:
        one["supercategory"] = "objects"
    content["categories"].insert(0, {"id": 0, "name": "objects", "supercategory": "none"})


@defect("data.yaml numbers its names from 1, label files from 0", "label map", "files", "beach")
def names_from_one(copy: Copy, rng: np.random.Generator) -> None:
    """The first class has no name, and the last name no object."""
    _rename_beach(copy, {k + 1: name for k, name in enumerate(NAMES)})


@defect("numbers in front of names: 0 crab", "label map", "files", "beach")
def numbered_names(copy: Copy, rng: np.random.Generator) -> None:
    """The names were copied from a list with numbers: "0 crab", "1 shell"."""
    _rename_beach(copy, {k: f"{k} {name}" for k, name in enumerate(NAMES)})


def _rename_beach(copy: Copy, names: dict[int, str]) -> None:
    path = copy.root / "data.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"names": names}))


@defect("class -1 in some lines", "exporter", "files", "yolo", "beach")
def class_minus_one(copy: Copy, rng: np.random.Generator) -> None:
    """A look-up that found nothing gave -1."""
    for path in sorted(copy.root.rglob("labels/**/*.txt"))[::4]:
        first, *others = path.read_text().splitlines()
        path.write_text("\n".join([" ".join(["-1", *first.split()[1:]]), *others]) + "\n")


@defect("a region with two labels", "annotator", "files", "studio")
def two_labels(copy: Copy, rng: np.random.Generator) -> None:
    """In some tasks one region is a crab and a shell at once."""
    copy.change_results(slice(2, None, 4), lambda region: region["value"].update(polygonlabels=["crab", "shell"]))


@defect("regions without a label", "annotator", "files", "studio")
def no_labels(copy: Copy, rng: np.random.Generator) -> None:
    """In some tasks regions were drawn with no label chosen."""
    copy.change_results(slice(2, None, 4), lambda region: region["value"].update(polygonlabels=[]))


@defect("a class as check boxes, of which some regions have two", "annotator", "files", "kudzu")
def check_boxes(copy: Copy, rng: np.random.Generator) -> None:
    """The attribute holds {"kudzu": true}; every tenth region has {"kudzu": true, "grass": true}."""
    for path in copy.root.glob("*/via_region_data.json"):
        content = json.loads(path.read_text())
        regions = [r for image in content.get("_via_img_metadata", content).values() for r in image["regions"]]
        for number, region in enumerate(regions):
            chosen = {"kudzu": True} | ({"grass": True} if number % 10 == 0 else {})
            region["region_attributes"] = {"plant": chosen}
        path.write_text(json.dumps(content))


@json_defect("isthing as true and false", "exporter", "files", "panoptic")
def booleans(content: Json, rng: np.random.Generator) -> None:
    """Read as meant: true for 1, false for 0."""
    for one in content["categories"]:
        one["isthing"] = bool(one["isthing"])


# Files beside files.


@json_defect("the signature of an address behind file names", "exporter", "files", "coco", "splits")
def signed_addresses(content: Json, rng: np.random.Generator) -> None:
    """labelflow/labelflow#946. File names end with "?X-Amz-Expires=604800&X-Amz-Signature=...", files do not."""
    for number, image in enumerate(content["images"]):
        image["file_name"] += f"?X-Amz-Expires=604800&X-Amz-Signature={number * 7919:016x}"


@defect("pictures converted to JPEG, names in the JSON not", "exporter", "files", "gbm")
def converted(copy: Copy, rng: np.random.Generator) -> None:
    """The files are .jpg, the JSON says .png."""
    for path in sorted(copy.own_images().iterdir()):
        with Image.open(path) as picture:
            picture.convert("RGB").save(path.with_suffix(".jpg"), quality=95)
        path.unlink()


@defect("links to pictures that lead nowhere", "merge", "files", "coco", "camvid")
def dead_links(copy: Copy, rng: np.random.Generator) -> None:
    """Every fifth picture is a link into a folder that was not copied."""
    paths = sorted((copy.root / "train").iterdir()) if copy.masks else sorted(copy.own_images().iterdir())
    for path in paths[::5]:
        path.unlink()
        path.symlink_to(f"/mnt/storage/raw/{path.name}")


@defect("two pictures of one stem, one label file", "merge", "files", "beach")
def one_stem(copy: Copy, rng: np.random.Generator) -> None:
    """ryouchinsa/Rectlabel-support#84. a.jpg and a.png are different pictures; the labels of one are gone."""
    folder = copy.root / "images/train"
    first, second = sorted(folder.glob("*.jpg"))[:6:2], sorted(folder.glob("*.jpg"))[1:6:2]
    for kept, other in zip(first, second, strict=True):
        with Image.open(other) as picture:
            picture.save(kept.with_suffix(".png"))
        other.unlink()
        (copy.root / f"labels/train/{other.stem}.txt").unlink()


@defect("label files called .TXT", "exporter", "files", "yolo", "beach")
def upper_case(copy: Copy, rng: np.random.Generator) -> None:
    """Half of the label files have an extension that Windows finds and Linux does not."""
    paths = sorted(copy.root.rglob("labels/**/*.txt"))
    for path in paths[len(paths) // 2 :]:
        path.rename(path.with_suffix(".TXT"))


@defect("an object a line in place of a list", "exporter", "files", "studio")
def json_lines(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant, or named: each line is the JSON of one task."""
    path = copy.root / "export.json"
    path.write_text("".join(json.dumps(task) + "\n" for task in json.loads(path.read_text())))


@defect("a document appended to one that was there", "merge", "files", "coco", "taco")
def appended(copy: Copy, rng: np.random.Generator) -> None:
    """A script opened the file to append: two documents, one behind the other."""
    path = copy.root / str(copy.document)
    path.write_text(path.read_text() * 2)


@defect("sizes that are null", "exporter", "files", "labelme", "labelme video")
def null_sizes(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant: the sizes are those of the pictures."""
    copy.change_documents(lambda content: content.update(imageHeight=None, imageWidth=None))


# Masks.


@defect("palettes put in order by an optimizer, values with them", "exporter", "files", "voc lists", "osvos")
def palettes_in_order(copy: Copy, rng: np.random.Generator) -> None:
    """wvanbergen/chunky_png#16. In each mask values are counted as they come; its palette has the right colours."""
    for path in (copy.masks or sorted(copy.root.glob("SegmentationClass/*.png")))[1::2]:
        with Image.open(path) as mask:
            values, palette = np.array(mask), np.array(mask.getpalette()).reshape(-1, 3)
        used, first = np.unique(values, return_index=True)
        order = used[np.argsort(first)]
        place = np.zeros(256, np.uint8)
        place[order] = np.arange(len(order))
        new = Image.fromarray(place[values])
        new.putpalette(palette[order].astype(np.uint8).reshape(-1).tolist())
        path.unlink()
        new.save(path)


_VIRIDIS = np.array([(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)])


@defect("masks in the colours of a plot, each over its own range", "exporter", "files", "camvid", "walls")
def plotted(copy: Copy, rng: np.random.Generator) -> None:
    """Matplotlib's imsave coloured each mask from its lowest to its highest value, so that colours change meaning."""
    for path in copy.masks or sorted(copy.root.glob("masks/*.png")):
        values = copy.array(path).astype(float)
        share = (values - values.min()) / max(np.ptp(values), 1)
        colours = [np.interp(share, np.linspace(0, 1, 5), _VIRIDIS[:, channel]) for channel in range(3)]
        path.unlink()
        Image.fromarray(np.stack(colours, 2).round().astype(np.uint8)).save(path)


@defect("the label -1 as 255 and as 65535", "label map", "files", "cityscapes")
def wrapped(copy: Copy, rng: np.random.Generator) -> None:
    """Licence plates, whose id is -1, were written without a sign."""
    for path in sorted(copy.root.rglob("*_labelIds.png"))[::3]:
        numbers = path.with_name(path.name.replace("labelIds", "instanceIds"))
        values, ids = copy.array(path), copy.array(numbers)
        rows, columns = np.nonzero(values == values.max())
        plate = np.s_[int(rows.mean()) : int(rows.mean()) + 6, int(columns.mean()) : int(columns.mean()) + 14]
        values[plate], ids[plate] = 255, 65535
        copy.put(path, values)
        copy.put(numbers, ids)


@defect("nodata is the number of a class", "exporter", "files", "rasters")
def nodata_of_class(copy: Copy, rng: np.random.Generator) -> None:
    """Every third raster of labels declares 1, which is the first class, as nodata: GIS and GDAL leave it out."""
    for path in sorted(copy.root.glob("masks/*.tif"))[::3]:
        write_raster(path, copy.array(path), int(path.stem[-2:]), nodata="1")


@defect("rasters of labels stored from south to north", "exporter", "files", "rasters")
def south_up(copy: Copy, rng: np.random.Generator) -> None:
    """They lie right in a GIS, and upside down where rows are read."""
    for path in sorted(copy.root.glob("masks/*.tif"))[::3]:
        write_raster(path, np.ascontiguousarray(copy.array(path)[::-1]), int(path.stem[-2:]), north_up=False)


@defect("a mask of all objects among masks of one object", "exporter", "files", "bowl")
def union(copy: Copy, rng: np.random.Generator) -> None:
    """HumanSignal/label-studio#3892. In every third image a file holds all objects together."""
    for folder in sorted(copy.root.iterdir())[::3]:
        together = np.max([copy.array(path) for path in sorted(folder.glob("masks/*.png"))], axis=0)
        Image.fromarray(together).save(folder / "masks/all.png")


@defect("the masks of one class are copies of another's", "exporter", "files", "planes")
def copied_class(copy: Copy, rng: np.random.Generator) -> None:
    """Labelbox/labelbox-custom-labeling-apps#138. In every third image kelp has the mask of crab."""
    for path in sorted(copy.root.glob("masks/kelp/*.png"))[::3]:
        path.write_bytes((path.parent.with_name("crab") / path.name).read_bytes())


@defect("unsure pixels as 127 in masks of 0 and 255", "annotator", "files", "planes", "bowl")
def unsure(copy: Copy, rng: np.random.Generator) -> None:
    """Half of the masks have a rim of 127: a threshold cuts it off, "not 0" keeps it."""
    for path in sorted(copy.root.rglob("masks/**/*.png"))[::2]:
        values = copy.array(path)
        inside = values > 0
        values[inside & ~ndimage.binary_erosion(inside, iterations=3)] = 127
        copy.put(path, values)


# Shapes.


@defect("a hole outside of its outline", "exporter", "files", "slides")
def hole_outside(copy: Copy, rng: np.random.Generator) -> None:
    """In every second file a polygon has a hole that lies beside it."""

    def change(content: Json) -> None:
        rings = content["features"][0]["geometry"]["coordinates"]
        other = np.array(content["features"][1]["geometry"]["coordinates"][0])
        rings.append((other.mean(0) + 0.4 * (other - other.mean(0)))[::-1].tolist())

    for path in sorted(copy.root.glob("*.geojson"))[::2]:
        copy.change_documents(change, path.name)


@defect("the rectangle that was to be searched, among the objects", "annotator", "files", "slides")
def searched(copy: Copy, rng: np.random.Generator) -> None:
    """In every third file an annotation without a class is the rectangle around all objects."""

    def change(content: Json) -> None:
        corners = np.concatenate([one["geometry"]["coordinates"][0] for one in content["features"]])
        (left, top), (right, bottom) = corners.min(0) - 6, corners.max(0) + 6
        ring = np.array([(left, top), (right, top), (right, bottom), (left, bottom)]).clip(0, (WIDTH, HEIGHT))
        content["features"].insert(0, _feature(ring, None))

    for path in sorted(copy.root.glob("*.geojson"))[::3]:
        copy.change_documents(change, path.name)


@json_defect("objects that stop short of the border", "annotator", "files", "coco", "gbm")
def short_of_border(content: Json, rng: np.random.Generator) -> None:
    """No outline reaches the border: the tool's canvas ended 2 to 6 px before it. Cut objects tell that."""

    def change(ring: Array, image: Json) -> Array:
        margin = rng.uniform(2, 6)
        clipped: Array = ring.clip(margin, np.array([image["width"], image["height"]]) - margin)
        return clipped

    planting.map_points(content, change)
    planting.fit_boxes(content)


@defect("objects that stop short of the border", "annotator", "files", "ids")
def masks_short_of_border(copy: Copy, rng: np.random.Generator) -> None:
    """No object reaches the border: the tool's canvas ended 2 to 6 px before it. Cut objects tell that."""
    for path in copy.masks:
        values = copy.array(path)
        rows, columns = np.indices(values.shape)
        far = np.minimum.reduce([rows, columns, values.shape[0] - 1 - rows, values.shape[1] - 1 - columns])
        margins = rng.integers(2, 7, int(values.max()) + 1)
        values[far < margins[values]] = 0
        copy.put(path, values)


# Tables of runs.


def _change_rows(copy: Copy, change: Callable[[int, list[str]], list[str]]) -> None:
    path = copy.root / "train.csv"
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *(",".join(change(k, row.split(","))) for k, row in enumerate(rows))]) + "\n")


@defect("runs counted from the end of the run before", "exporter", "files", "sheet")
def relative_runs(copy: Copy, rng: np.random.Generator) -> None:
    """kaggle.com: SIIM-ACR Pneumothorax. Each start is a distance, so that all runs lie in the first columns."""

    def change(_: int, cells: list[str]) -> list[str]:
        starts, lengths = np.array(cells[1].split(), int).reshape(-1, 2).T
        starts = np.diff(starts, prepend=0) - np.concatenate([[0], lengths[:-1]])
        return [cells[0], " ".join(f"{a} {b}" for a, b in zip(starts, lengths, strict=True)), *cells[2:]]

    _change_rows(copy, change)


@defect("-1 for no object", "exporter", "files", "sheet")
def minus_one(copy: Copy, rng: np.random.Generator) -> None:
    """kaggle.com: SIIM-ACR Pneumothorax. Read as meant: two images without objects, whose runs are -1."""
    path = copy.root / "train.csv"
    head, *rows = path.read_text().splitlines()
    empty = sorted({row.split(",")[0] for row in rows})[2:9:6]
    rows = [row for row in rows if row.split(",")[0] not in empty]
    path.write_text("\n".join([head, *rows, *(f"{stem},-1,{WIDTH},{HEIGHT}," for stem in empty)]) + "\n")


# Videos and volumes.


@defect("frames counted from 1, pictures from 0", "tracker", "files", "mots")
def frames_from_one(copy: Copy, rng: np.random.Generator) -> None:
    """open-edge-platform/datumaro#560. All labels are a frame late, and the last frame has no picture."""
    for path in sorted(copy.root.glob("instances_txt/*.txt")):
        rows = [row.split(" ", 1) for row in path.read_text().splitlines()]
        path.write_text("\n".join(f"{int(number) + 1} {rest}" for number, rest in rows) + "\n")


@json_defect("the first frames without labels: propagated forward only", "tracker", "files", "vis")
def forward_only(content: Json, rng: np.random.Generator) -> None:
    """In one video the first five frames have nothing; then all tracks begin at once."""
    of_second = [one for one in content["annotations"] if one["video_id"] == 2]
    planting.change_tracks(of_second, lambda values: [None] * 5 + values[5:])


@defect("the first frames without labels: propagated forward only", "tracker", "files", "osvos")
def forward_only_in_masks(copy: Copy, rng: np.random.Generator) -> None:
    """In one video the first six masks have nothing; then all tracks begin at once."""
    for path in copy.frames()[:6]:
        copy.put(path, np.zeros_like(copy.array(path)))


@defect("a number to ignore that is not the highest", "label map", "files", "nnunet")
def ignore_in_middle(copy: Copy, rng: np.random.Generator) -> None:
    """MIC-DKFZ/nnUNet#2884. nnU-Net ignores a label only if its number is the highest."""
    labels = {"background": 0, "crab": 1, "ignore": 2, "kelp": 3}
    copy.change_dataset_json(lambda content: content.update(labels=labels))


@defect("labels listed as number: name", "label map", "files", "nnunet", "scans")
def number_first(copy: Copy, rng: np.random.Generator) -> None:
    """MIC-DKFZ/nnUNet#2674. Version 2 wants name: number, and says that it finds no background."""

    def change(content: Json) -> None:
        content["labels"] = {str(value): name for name, value in content["labels"].items()}

    copy.change_dataset_json(change)


@defect("a fourth axis of one", "volume", "files", "scans", "organs")
def fourth_axis(copy: Copy, rng: np.random.Generator) -> None:
    """Read as meant: the labels of some cases have a time axis of one moment."""
    for number in (1, 5):
        path, image, values = copy.labels_of_case(number)
        planting.write_volume(path, values[..., None], image.affine)


@defect("labels compressed along the slices: drawn on voxels of one length", "volume", "pictures", "organs")
def rescaled(copy: Copy, rng: np.random.Generator) -> None:
    """smistad/annotationweb#53. In two cases the labels are compressed along the slices, and end before the organ."""
    for number in (2, 6):
        path, image, values = copy.labels_of_case(number)
        squeezed = np.zeros_like(values)
        short = ndimage.zoom(values, (1, 1, 0.6), order=0)
        squeezed[:, :, : short.shape[2]] = short
        planting.write_volume(path, squeezed, image.affine)


@defect("a bar of 12 rows added above pictures, labels not moved", "resize", "pictures", "beach")
def watermarked(copy: Copy, rng: np.random.Generator) -> None:
    """In every third picture a bar of 12 rows was added above; the shares are those of the picture without it."""
    for path in sorted((copy.root / "images/train").glob("*.jpg"))[::3]:
        with Image.open(path) as picture:
            canvas = Image.new("RGB", (picture.width, picture.height + 12), (20, 20, 20))
            canvas.paste(picture, (0, 12))
        ImageDraw.Draw(canvas).text((4, 0), "cam 2", fill=(240, 240, 240))
        canvas.save(path, quality=92)
