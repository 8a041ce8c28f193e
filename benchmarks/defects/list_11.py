"""An eleventh list of defects, committed before any was tried: numbers and names, splits, tiles, tracks that go wrong.

As in the lists before, the docstring of each function is what the owner of the dataset would expect to be told. One
more dataset is drawn: tiles that overlap, named by row and column.
"""

import gzip
import json
import xml.etree.ElementTree as ET
from typing import Any

import nibabel
import numpy as np
from PIL import Image
from scipy import ndimage

from benchmarks.defects import planting
from benchmarks.defects.drawn_datasets import HEIGHT, WIDTH, Made
from benchmarks.defects.planting import Array, Copy, Json, defect, drawn_base, json_defect

_TILE = (144, 192)  # rows, columns; two by two of them overlap in a scene


@drawn_base("tiles")
def _tiles(made: Made) -> None:
    for k, scene in made.scenes(16):
        for row in range(2):
            for column in range(2):
                y, x = row * (HEIGHT - _TILE[0]), column * (WIDTH - _TILE[1])
                part = slice(y, y + _TILE[0]), slice(x, x + _TILE[1])
                name = f"field{k:02d}_r{row}_c{column}.png"
                made.image(f"images/{name}", scene.picture[part])
                made.image(f"masks/{name}", scene.numbers[part].astype(np.uint16))


# What scripts export.


@json_defect("ids of annotations that begin with 0", "exporter", "files", "coco", "gbm")
def first_is_zero(content: Json, rng: np.random.Generator) -> None:
    """An annotation has the id 0, which pycocotools takes for "not matched": it always counts as missed."""
    for number, one in enumerate(content["annotations"]):
        one["id"] = number


@json_defect("the size of the first image for all images", "exporter", "files", "coco", "splits")
def one_size(content: Json, rng: np.random.Generator) -> None:
    """Width and height are those of the first image everywhere, or, where all are one size, of its preview."""
    first = content["images"][0]
    share = 1 if len({image["width"] for image in content["images"]}) > 1 else 2
    size = {name: first[name] // share for name in ("width", "height")}
    for image in content["images"]:
        image.update(size)


@json_defect("carriage returns at the end of file names", "exporter", "files", "coco", "gbm")
def carriage_returns(content: Json, rng: np.random.Generator) -> None:
    """File names end with a carriage return: they were read from a list that Windows wrote."""
    for image in content["images"]:
        image["file_name"] += "\r"


@defect("annotations, not images, divided among train and val", "exporter", "files", "splits")
def divided_annotations(copy: Copy, rng: np.random.Generator) -> None:
    """Each image is in both lists, with one object in four in val and the others in train."""
    first, train, second, val = copy.train_and_val()
    for folder in ("train", "val"):
        for path in sorted((copy.root / folder).iterdir()):
            other = copy.root / ("val" if folder == "train" else "train") / path.name
            if not other.exists():
                other.write_bytes(path.read_bytes())
    images, annotations = train["images"] + val["images"], train["annotations"] + val["annotations"]
    for number, one in enumerate(annotations):
        one["id"] = number + 1
    for path, content, chosen in ((first, train, (1, 2, 3)), (second, val, (0,))):
        content["images"] = images
        content["annotations"] = [one for one in annotations if one["id"] % 4 in chosen]
        path.write_text(json.dumps(content))


@json_defect("a part of an object listed with the object next to it", "exporter", "files", "coco", "taco")
def other_part(content: Json, rng: np.random.Generator) -> None:
    """The second part of these objects is a part of another object of the same category in the image."""
    several = [one for one in content["annotations"] if len(list(planting.points(one))) > 1]
    for one in planting.some(several, rng, 30):
        others = [
            each
            for each in content["annotations"]
            if each["image_id"] == one["image_id"] and each["category_id"] == one["category_id"]
            and each is not one and list(planting.points(each))
        ]  # fmt: skip
        if others:
            others[0]["segmentation"].append(one["segmentation"].pop())
    planting.fit_boxes(content)


@json_defect("points of outlines sorted by their angle", "exporter", "files", "coco", "gbm")
def sorted_points(content: Json, rng: np.random.Generator) -> None:
    """In half of the images the points go around the middle of their object, so that bays become teeth."""
    chosen = {image["id"] for image in content["images"][::2]}

    def by_angle(ring: Array, _: Json) -> Array:
        x, y = (ring - ring.mean(0)).T
        return np.asarray(ring[np.argsort(np.arctan2(y, x))])

    planting.map_points(content, by_angle, lambda one: one["image_id"] in chosen)
    planting.fit_boxes(content)


@defect("runs of pictures of half the size in some rows", "exporter", "files", "sheet")
def runs_of_previews(copy: Copy, rng: np.random.Generator) -> None:
    """The runs of five images count the pixels of a picture of half the height and width."""
    path = copy.root / "train.csv"
    head, *rows = path.read_text().splitlines()
    chosen = sorted({row.split(",")[0] for row in rows})[:5]
    new = []
    for row in rows:
        name, runs, *rest = row.split(",")
        if name in chosen:
            pairs = np.array(runs.split(), int).reshape(-1, 2)
            flat = np.zeros(WIDTH * HEIGHT, int)
            for start, length in pairs.tolist():
                flat[start - 1 : start - 1 + length] = 1
            small = flat.reshape(WIDTH, HEIGHT)[::2, ::2].reshape(-1)
            edges = np.flatnonzero(np.diff(np.concatenate([[0], small, [0]]))).reshape(-1, 2)
            runs = " ".join(f"{start + 1} {stop - start}" for start, stop in edges.tolist())
        new.append(",".join([name, runs, *rest]))
    path.write_text("\n".join([head, *new]) + "\n")


@defect("classTitle of one class and classId of another", "exporter", "files", "lemons")
def title_and_id(copy: Copy, rng: np.random.Generator) -> None:
    """The objects of two images have the title of one class and the number of the other."""
    ids = {one["title"]: one["id"] for one in json.loads((copy.root / "meta.json").read_text())["classes"]}
    for path in sorted(copy.root.glob("*/ann/*.json"))[:2]:
        content = json.loads(path.read_text())
        for one in content["objects"]:
            one["classId"] = next(id_ for title, id_ in ids.items() if title != one["classTitle"])
        path.write_text(json.dumps(content))


@defect("pictures cut off in the middle of their file", "exporter", "files", "coco", "gbm")
def cut_pictures(copy: Copy, rng: np.random.Generator) -> None:
    """Of six pictures only the first half of the bytes is there: a download broke off."""
    for path in sorted(copy.own_images().iterdir())[::4][:6]:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])


@defect("each object of each frame has a number of its own", "exporter", "files", "mots")
def numbers_per_frame(copy: Copy, rng: np.random.Generator) -> None:
    """No number lives longer than a frame: detections were exported, not tracks."""
    for path in sorted(copy.root.glob("instances_txt/*.txt")):
        rows = [row.split(" ") for row in path.read_text().splitlines()]
        for number, row in enumerate(rows):
            row[1] = str(int(row[2]) * 1000 + number)
        path.write_text("".join(" ".join(row) + "\n" for row in rows))


@defect("names several times in a list, from oversampling", "exporter", "files", "voc lists")
def repeated_names(copy: Copy, rng: np.random.Generator) -> None:
    """Train.txt has three of its names four times."""
    path = copy.root / "ImageSets/Segmentation/train.txt"
    names = path.read_text().splitlines()
    path.write_text("\n".join(names + names[:3] * 3) + "\n")


@defect("file names that differ in case alone", "exporter", "files", "coco", "gbm")
def case_alone(copy: Copy, rng: np.random.Generator) -> None:
    """Two pictures are a.jpg and A.JPG: on other computers one of them overwrites the other."""
    content = copy.load()
    folder = copy.own_images()
    first, second = (content["images"][k] for k in (2, 7))
    name = first["file_name"].rpartition("/")[2]
    (folder / second["file_name"].rpartition("/")[2]).rename(folder / name.upper())
    second["file_name"] = second["file_name"].rpartition("/")[0] + "/" * ("/" in second["file_name"]) + name.upper()
    copy.save(content)


@defect("files named .nii.gz that are not compressed, and one the other way round", "exporter", "files", "organs")
def false_endings(copy: Copy, rng: np.random.Generator) -> None:
    """Two label files end in .gz and are not compressed; one is compressed twice."""
    first, second, third = sorted(copy.root.glob("labelsTr/*.nii.gz"))[3:6]
    for path in (first, second):
        path.write_bytes(gzip.decompress(path.read_bytes()))
    third.write_bytes(gzip.compress(third.read_bytes()))


@defect("two places of one volume in its header: qform and sform disagree", "volume", "files", "spleen", "organs")
def two_places(copy: Copy, rng: np.random.Generator) -> None:
    """The qform of a label file is mirrored and moved, the sform right: readers choose one or the other."""
    path = sorted([*copy.root.rglob("labelsTr/*.nii.gz"), *copy.root.rglob("*seg*.nii.gz")])[0]
    volume: Any = nibabel.load(path)
    other = volume.affine @ np.diag([-1.0, 1.0, 1.0, 1.0])
    other[:3, 3] += 40
    new: Any = nibabel.Nifti1Image(np.asanyarray(volume.dataobj), volume.affine, volume.header)  # type: ignore[no-untyped-call]
    new.set_qform(other, code=1)
    new.set_sform(volume.affine, code=1)
    path.unlink()
    nibabel.save(new, path)


@defect("labels of tiles named by column and row, pictures by row and column", "exporter", "pictures", "tiles")
def column_and_row(copy: Copy, rng: np.random.Generator) -> None:
    """The labels of r0_c1 are those of r1_c0 in all fields, and the reverse."""
    for path in sorted(copy.root.glob("masks/*_r0_c1.png")):
        planting.exchange_files(path, path.with_name(path.name.replace("r0_c1", "r1_c0")))


# Merges, splits and label maps.


@json_defect("categories named car_x and car_y by a join of tables", "merge", "files", "coco", "taco")
def joined_names(content: Json, rng: np.random.Generator) -> None:
    """The most frequent category is there twice, once with _x and once with _y behind its name."""
    ids = [one["category_id"] for one in content["annotations"]]
    usual = max(set(ids), key=ids.count)
    category = next(one for one in content["categories"] if one["id"] == usual)
    other = max(one["id"] for one in content["categories"]) + 1
    content["categories"].append(category | {"id": other, "name": category["name"] + "_y"})
    category["name"] += "_x"
    for one in [one for one in content["annotations"] if one["category_id"] == usual][::2]:
        one["category_id"] = other


@defect("a category that only val has", "merge", "files", "splits")
def only_in_val(copy: Copy, rng: np.random.Generator) -> None:
    """Train has no object of the second category, val has all of them."""
    path, content, _, _ = copy.train_and_val()
    content["annotations"] = [one for one in content["annotations"] if one["category_id"] != 2]
    path.write_text(json.dumps(content))


@defect("tiles that overlap and disagree", "merge", "files", "tiles")
def tiles_disagree(copy: Copy, rng: np.random.Generator) -> None:
    """In three tiles half of the objects are missing that the tile beside them has at the same place."""
    for number in (3, 8, 13):
        path = copy.root / f"masks/field{number:02d}_r0_c0.png"
        values = copy.array(path)
        here = np.unique(values[values > 0])
        copy.put(path, np.where(np.isin(values, here[::2]), 0, values))


@defect("objects of training pictures pasted into pictures of val", "augmentation", "files", "splits")
def pasted_objects(copy: Copy, rng: np.random.Generator) -> None:
    """Each picture of val has an object of a picture of train, with its pixels and its outline, elsewhere."""
    _, train, path, val = copy.train_and_val()
    names = {image["id"]: image["file_name"] for image in train["images"]}
    for image, one in zip(val["images"], planting.some(train["annotations"], rng, len(val["images"])), strict=True):
        x, y, width, height = (int(value) for value in one["bbox"])
        new_x, new_y = int(rng.integers(0, max(WIDTH - width, 1))), int(rng.integers(0, max(HEIGHT - height, 1)))
        target = copy.root / "val" / image["file_name"]
        with Image.open(copy.root / "train" / names[one["image_id"]]) as source, Image.open(target) as picture:
            pasted = picture.copy()
            pasted.paste(source.crop((x, y, x + width, y + height)), (new_x, new_y))
        target.unlink()
        pasted.save(target, quality=92)
        ring = np.array(one["segmentation"][0]).reshape(-1, 2) - (x, y) + (new_x, new_y)
        moved = one | {"id": 10**6 + len(val["annotations"]), "image_id": image["id"]}
        val["annotations"].append(moved | {"segmentation": [ring.reshape(-1).tolist()]})
    planting.fit_boxes(val)
    path.write_text(json.dumps(val))


@defect("values mapped one after another, so that three classes became one", "label map", "files", "camvid", "tissue")
def chained(copy: Copy, rng: np.random.Generator) -> None:
    """In a third of the masks the second and third class of the image are the fourth: 1 to 2, then 2 to 3, ..."""
    for path in copy.masks[::3]:
        values = copy.array(path)
        _, *present = np.unique(values).tolist()
        copy.put(path, np.where(np.isin(values, present[1:3]), present[min(3, len(present) - 1)], values))


# What annotators and their tools do.


@defect("shapes called test and asdf", "annotator", "files", "labelme")
def trials(copy: Copy, rng: np.random.Generator) -> None:
    """Two files have a shape that somebody drew to try the tool, with the label that came to mind."""
    for path, label in zip(sorted(copy.root.glob("*.json"))[:2], ("test", "asdf"), strict=True):
        content = json.loads(path.read_text())
        ring = [[12, 12], [60, 20], [40, 70]]
        content["shapes"].append(content["shapes"][0] | {"label": label, "points": ring, "group_id": None})
        path.write_text(json.dumps(content))


@json_defect("an object saved with the next image", "annotator", "pictures", "gbm", "splits")
def saved_late(content: Json, rng: np.random.Generator) -> None:
    """One object of each of six images is listed with the image after it, where nothing of it is to be seen."""
    ids = [image["id"] for image in content["images"]]
    for k in (2, 5, 8, 11, 14, 17)[: len(ids) // 3 - 1]:
        own = [one for one in content["annotations"] if one["image_id"] == ids[k]]
        if own:
            max(own, key=lambda one: one["area"])["image_id"] = ids[k + 1]


@defect("objects chosen by a wand, full of small holes", "annotator", "files", "ids", "camvid")
def wand(copy: Copy, rng: np.random.Generator) -> None:
    """In four masks a tenth of the pixels within the objects lacks, one by one."""
    for path in copy.masks[1::5][:4]:
        values = copy.array(path)
        inside = ndimage.minimum_filter(values, 3) == ndimage.maximum_filter(values, 3)
        lost = inside & (rng.uniform(size=values.shape) < 0.1)
        copy.put(path, np.where(lost, 11 if values.dtype == np.uint8 else 0, values))


@defect("an attribute as yes, Yes, true and 1", "annotator", "files", "cvat")
def spelt_attribute(copy: Copy, rng: np.random.Generator) -> None:
    """The attribute "wet" has four spellings of yes and three of no."""
    path = copy.root / "annotations.xml"
    tree = ET.parse(path)
    spellings = ("yes", "no", "yes", "No", "no", "Yes", "true", "no", "1", "false")
    for number, polygon in enumerate(tree.getroot().iter("polygon")):
        ET.SubElement(polygon, "attribute", name="wet").text = spellings[number % len(spellings)]
    tree.write(path)


@defect("labels of pictures that were rectified, on pictures that were not", "resize", "pictures", "camvid", "gbm")
def other_lens(copy: Copy, rng: np.random.Generator) -> None:
    """Labels fit in the middle and are up to 3 % of the width off at the rim: the lens was corrected in one only."""

    def bent(at: Array, size: Array) -> Array:
        from_middle = (at - size / 2) / (size.max() / 2)
        return np.asarray(size / 2 + (at - size / 2) * (1 - 0.06 * (from_middle**2).sum(-1, keepdims=True)))

    if copy.document:
        content = copy.load()
        planting.map_points(content, lambda ring, image: bent(ring, np.array([image["width"], image["height"]])))
        planting.fit_boxes(content)
        copy.save(content)
        return
    for path in copy.masks:
        values = copy.array(path)
        at = np.stack(np.meshgrid(np.arange(values.shape[1]), np.arange(values.shape[0])), -1).astype(float)
        x, y = np.moveaxis(bent(at, np.array(values.shape[::-1])).round().astype(int), -1, 0)
        copy.put(path, values[y, x])


# Videos and volumes.


@defect("what left the image stays as a sliver at its border", "tracker", "files", "osvos")
def sliver(copy: Copy, rng: np.random.Generator) -> None:
    """From the middle on object 2 is a strip of 3 px at the right border, in all frames to the end."""
    paths = copy.frames()
    for path in paths[len(paths) // 2 :]:
        values = copy.array(path)
        new = np.where(values == 2, 0, values)
        height = len(new)
        new[height // 3 : height // 2, -3:] = 2
        copy.put(path, new)


@defect("one track three frames late", "tracker", "files", "osvos")
def late_track(copy: Copy, rng: np.random.Generator) -> None:
    """From frame 10 on object 1 is where it was three frames before; the others are right."""
    paths = copy.frames()
    before = [copy.array(path) == 1 for path in paths]
    for k in range(10, len(paths)):
        values = copy.array(paths[k])
        new = np.where(values == 1, 0, values)
        copy.put(paths[k], np.where((new == 0) & before[k - 3], 1, new))


@defect("masks that grow by a pixel with each frame", "tracker", "files", "osvos")
def growing(copy: Copy, rng: np.random.Generator) -> None:
    """Object 1 is wider all around by as many pixels as frames have passed: each frame was made from the last."""
    for k, path in enumerate(copy.frames()):
        values = copy.array(path)
        wider = ndimage.distance_transform_edt(values != 1) <= k
        copy.put(path, np.where((values == 0) & wider, 1, values))


@defect("two videos joined to one", "merge", "files", "osvos")
def two_videos(copy: Copy, rng: np.random.Generator) -> None:
    """From the middle on the frames are those of another video, whose objects go on with the same numbers."""
    paths = copy.frames()
    other = sorted({path.parent for path in copy.masks} - {paths[0].parent})[0]
    for path, source in zip(paths[len(paths) // 2 :], sorted(other.glob("*.png")), strict=False):
        copy.put(path, copy.array(source))


@defect("every other slice 4 px aside", "volume", "files", "spleen", "tissue")
def interleaved(copy: Copy, rng: np.random.Generator) -> None:
    """The labels of odd slices are 4 px further right: the scan was interleaved, and somebody moved between."""

    def aside(values: Array) -> Array:
        new = values.copy()
        new[:, :, 1::2] = np.roll(values[:, :, 1::2], 4, 0)
        return new

    copy.change_volume(aside)
