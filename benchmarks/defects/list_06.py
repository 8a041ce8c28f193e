"""A sixth list of defects, committed before any was tried: what errata of public datasets and users' threads tell.

The docstring of each function is what the owner of the dataset would expect to be told; `source` names the thread where
a kind was found, the others are known from label pipelines. Half of the kinds are planted in real datasets, half in
drawn ones, in formats of which there is no real sample.
"""

import base64
import io
import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image
from scipy import ndimage

from benchmarks.defects import planting
from benchmarks.defects.drawn_datasets import COLOURS, HEIGHT, NAMES, WIDTH, Made, annotation, document, draw, line
from benchmarks.defects.planting import Array, Copy, Json, defect, drawn_base, json_defect

# Drawn datasets, sound.

LABELS = {"background": 0} | {name: k + 1 for k, name in enumerate(NAMES)}


@drawn_base("splits", "annotations/instances_train.json")
def _splits(made: Made) -> None:
    images: dict[str, list[Json]] = {"train": [], "val": []}
    annotations: dict[str, list[Json]] = {"train": [], "val": []}
    for k, scene in made.scenes(24):
        split = "val" if k % 4 == 0 else "train"
        made.image(f"{split}/dive_{k}.jpg", scene.picture, quality=92)
        images[split].append({"id": k, "file_name": f"dive_{k}.jpg", "width": WIDTH, "height": HEIGHT})
        annotations[split] += [annotation(one, k) for one in scene.things]
    for split, listed in images.items():
        made.text(f"annotations/instances_{split}.json", document(listed, annotations[split]))


@drawn_base("cameras", "annotations.json")
def _cameras(made: Made) -> None:
    images, annotations = [], []
    for k, scene in made.scenes(20):
        name = f"cam_{'ab'[k % 2]}/{k // 2:04d}.jpg"
        made.image(f"images/{name}", scene.picture, quality=92)
        images.append({"id": k, "file_name": name, "width": WIDTH, "height": HEIGHT})
        annotations += [annotation(one, k) for one in scene.things]
    made.text("annotations.json", document(images, annotations))


@drawn_base("lvis", "lvis_v1_train.json")
def _lvis(made: Made) -> None:
    images, annotations = [], []
    for k, scene in made.scenes(20):
        made.image(f"train2017/{k:012d}.jpg", scene.picture, quality=92)
        drawn = {one.category + 1 for one in scene.things}
        url = f"http://images.cocodataset.org/train2017/{k:012d}.jpg"
        more = {"neg_category_ids": sorted({1, 2, 3} - drawn), "not_exhaustive_category_ids": [], "coco_url": url}
        images.append({"id": k, "width": WIDTH, "height": HEIGHT, "license": 1, "flickr_url": url} | more)
        annotations += [annotation(one, k) for one in scene.things]
    content = document(images, annotations)
    for one in annotations:
        del one["iscrowd"]
    for one in content["categories"]:
        own = [a for a in content["annotations"] if a["category_id"] == one["id"]]
        one |= {"synset": f"{one['name']}.n.01", "synonyms": [one["name"]], "def": one["name"], "frequency": "c"}
        one |= {"instance_count": len(own), "image_count": len({a["image_id"] for a in own})}
        del one["supercategory"]
    for one in content["annotations"]:
        one.pop("iscrowd", None)
    made.text("lvis_v1_train.json", content)


@drawn_base("cityscapes")
def _cityscapes(made: Made) -> None:
    ids = np.array([7, 24, 26, 33], np.uint8)
    for k, scene in made.scenes(16):
        split, stem = ("val" if k % 4 == 0 else "train"), f"aachen_{k:06d}_000019"
        made.image(f"leftImg8bit/{split}/aachen/{stem}_leftImg8bit.png", scene.picture)
        made.image(f"gtFine/{split}/aachen/{stem}_gtFine_labelIds.png", ids[scene.classes])
        wide = ids[scene.classes].astype(np.uint16) * np.where(scene.numbers > 0, 1000, 1) + scene.numbers
        made.image(f"gtFine/{split}/aachen/{stem}_gtFine_instanceIds.png", wide.astype(np.uint16))


@drawn_base("nnunet")
def _nnunet(made: Made) -> None:
    made.nnunet(lambda _k, classes, affine: (classes, affine), LABELS)


@drawn_base("channels")
def _channels(made: Made) -> None:
    made.nnunet(lambda _k, classes, affine: (classes, affine), LABELS)
    for path in sorted(made.root.glob("imagesTr/*_0000.nii.gz")):
        shutil.copy(path, path.with_name(path.name.replace("_0000", "_0001")))
    content = json.loads((made.root / "dataset.json").read_text())
    made.text("dataset.json", content | {"channel_names": {"0": "T1", "1": "T2"}})


@drawn_base("organs")
def _organs(made: Made) -> None:
    y, x, z = np.mgrid[:80, :96, :10]
    for k in range(1, 13):
        grey, labels = made.rng.normal(40, 12, y.shape), np.zeros(y.shape, np.uint8)
        for value, middle in ((1, 26), (2, 70)):
            at = middle + made.rng.uniform(-4, 4), 40 + made.rng.uniform(-6, 6), 4.2
            inside = ((x - at[0]) / 12) ** 2 + ((y - at[1]) / 17) ** 2 + ((z - at[2]) / 4) ** 2 < made.rng.uniform(
                0.8, 1
            )
            labels[inside], grey[inside] = value, grey[inside] + 120
        made.nifti(f"imagesTr/kidney_{k:03d}_0000.nii.gz", grey.astype(np.int16), np.diag([0.8, 0.8, 3.0, 1.0]))
        made.nifti(f"labelsTr/kidney_{k:03d}.nii.gz", labels, np.diag([0.8, 0.8, 3.0, 1.0]))
    names = {"background": 0, "kidney_left": 1, "kidney_right": 2}
    made.text(
        "dataset.json", {"channel_names": {"0": "CT"}, "labels": names, "numTraining": 12, "file_ending": ".nii.gz"}
    )


@drawn_base("sheet")
def _sheet(made: Made) -> None:
    rows = ["id,annotation,width,height,cell_type"]
    for k, scene in made.scenes():
        name = f"{1732000000000 + k * 7919:015d}"
        made.image(f"train/{name}.png", scene.picture.mean(2).astype(np.uint8))
        for one in scene.things:
            edges = np.flatnonzero(np.diff(np.concatenate([[0], one.pixels.T.reshape(-1).astype(int), [0]])))
            runs = " ".join(f"{start + 1} {stop - start}" for start, stop in edges.reshape(-1, 2).tolist())
            rows.append(f"{name},{runs},{WIDTH},{HEIGHT},{NAMES[one.category]}")
    made.text("train.csv", "\n".join(rows) + "\n")


@drawn_base("voc lists")
def _voc_lists(made: Made) -> None:
    palette = np.array([(0, 0, 0), *COLOURS], np.uint8).reshape(-1).tolist()
    stems: dict[str, list[str]] = {"train": [], "val": []}
    for k, scene in made.scenes(16):
        stem = f"2012_{k:06d}"
        made.image(f"JPEGImages/{stem}.jpg", scene.picture, quality=92)
        for folder, values in (("SegmentationClass", scene.classes), ("SegmentationObject", scene.numbers)):
            path = made.root / folder / f"{stem}.png"
            path.parent.mkdir(exist_ok=True)
            mask = Image.fromarray(values.astype(np.uint8))
            mask.putpalette(palette if folder.endswith("Class") else [v for n in range(20) for v in (n * 12, 40, 90)])
            mask.save(path)
        stems["val" if k % 4 == 0 else "train"].append(stem)
    for split, listed in stems.items():
        made.text(f"ImageSets/Segmentation/{split}.txt", "\n".join(listed) + "\n")
    rows = [
        f"{name}:{','.join(map(str, c))}::"
        for name, c in zip(("background", *NAMES), [(0, 0, 0), *COLOURS], strict=True)
    ]
    made.text("labelmap.txt", "\n".join(["# label:color_rgb:parts:actions", *rows]) + "\n")


@drawn_base("studio", "export.json")
def _studio(made: Made) -> None:
    tasks = []
    for k, scene in made.scenes():
        made.image(f"images/{k:03d}.jpg", scene.picture, quality=92)
        result = [
            {"id": f"r{k}{n}", "type": "polygonlabels", "from_name": "label", "to_name": "image", "image_rotation": 0,
             "original_width": WIDTH, "original_height": HEIGHT,
             "value": {"points": (one.ring / [WIDTH, HEIGHT] * 100).tolist(), "polygonlabels": [NAMES[one.category]]}}
            for n, one in enumerate(scene.things)
        ]  # fmt: skip
        own = {"id": k, "completed_by": 1, "was_cancelled": False, "result": result}
        tasks.append({"id": k, "data": {"image": f"/data/upload/1/{k:03d}.jpg"}, "annotations": [own]})
    made.text("export.json", tasks)


@drawn_base("beach")
def _beach(made: Made) -> None:
    made.yolo(lambda one, _: line(one.category, one.ring))


# COCO.


@defect("category ids from 0 in train and from 1 in val", "exporter", "files", "splits")
def from_zero_and_one(copy: Copy, rng: np.random.Generator) -> None:
    """The two files number the same names differently; training code that reads ids mixes the classes."""
    path, content, _, _ = copy.train_and_val()
    for one in [*content["categories"]]:
        one["id"] -= 1
    for one in content["annotations"]:
        one["category_id"] -= 1
    path.write_text(json.dumps(content))


@json_defect("supercategories in a circle", "exporter", "files", "coco", "taco")
def super_circle(content: Json, rng: np.random.Generator) -> None:
    """These categories are each other's parents."""
    first, second = content["categories"][:2]
    first["supercategory"], second["supercategory"] = second["name"], first["name"]


@json_defect("boxes of -1, -1, 1, 1 where the tool had none", "exporter", "files", "coco", "gbm")
def no_boxes(content: Json, rng: np.random.Generator) -> None:
    """ZhaoJ9014/Multi-Human-Parsing#17. Some boxes are no boxes, and leave the image."""
    for one in planting.some(content["annotations"], rng, len(content["annotations"]) // 10):
        one["bbox"] = [-1, -1, 1, 1]


def _tiles(copy: Copy, change: Callable[[Json, int, int, int], list[Json]]) -> None:
    """Cut the first 12 images into four tiles; `change` gives what of an annotation goes on a tile."""
    content = copy.load()
    folder = copy.own_images()
    images: list[Json] = []
    annotations: list[Json] = []
    kept = content["images"][:12]
    for image in kept:
        path = folder / Path(image["file_name"]).name
        size = image["width"] // 2
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        own = [one for one in content["annotations"] if one["image_id"] == image["id"]]
        for x, y in ((0, 0), (size, 0), (0, size), (size, size)):
            name = f"{path.stem}_{x}_{y}.png"
            picture.crop((x, y, x + size, y + size)).save(folder / name)
            new = len(images) + 1
            images.append(image | {"id": new, "file_name": name, "width": size, "height": size})
            for one in own:
                left, top, width, height = one["bbox"]
                if left < x + size and left + width > x and top < y + size and top + height > y:
                    for part in change(one, x, y, size):
                        annotations.append(part | {"id": len(annotations) + 1, "image_id": new})
        path.unlink()
    for path in list(folder.iterdir()):
        if path.name not in {one["file_name"] for one in images}:
            path.unlink()
    copy.save(content | {"images": images, "annotations": annotations})


@defect("tiles of images with the coordinates of the whole image", "tiling", "files", "gbm")
def unshifted_tiles(copy: Copy, rng: np.random.Generator) -> None:
    """zcablii/SARDet_100K#19. Labels of tiles keep the coordinates of the whole image: most lie outside."""
    _tiles(copy, lambda one, x, y, size: [one])


def _clip(ring: Array, x: int, y: int, size: int) -> Array:
    """Sutherland and Hodgman's clipping of a ring to a tile."""
    ring = ring - [x, y]
    for axis, limit, sign in ((0, 0, 1), (0, size, -1), (1, 0, 1), (1, size, -1)):
        kept = []
        for a, b in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            inside = sign * (np.array([a, b])[:, axis] - limit) >= 0
            if inside[0]:
                kept.append(a)
            if inside[0] != inside[1]:
                kept.append(a + (b - a) * (limit - a[axis]) / (b[axis] - a[axis]))
        if not kept:
            return np.zeros((0, 2))
        ring = np.array(kept)
    return ring


@defect("slivers of objects that a tile's border cut, each an object", "tiling", "files", "gbm")
def slivers(copy: Copy, rng: np.random.Generator) -> None:
    """Objects of a few pixels lie along the borders of images: what was left of neighbours' objects."""

    def cut(one: Json, x: int, y: int, size: int) -> list[Json]:
        clipped = [_clip(np.array(ring).reshape(-1, 2), x, y, size) for ring in planting.points(one)]
        rings = [ring for ring in clipped if len(ring) > 2]
        if not rings:
            return []
        corners = np.concatenate(rings)
        low, high = corners.min(0), corners.max(0)
        area = sum(abs(np.dot(r[:, 0], np.roll(r[:, 1], 1)) - np.dot(r[:, 1], np.roll(r[:, 0], 1))) / 2 for r in rings)
        new = {"segmentation": [r.reshape(-1).tolist() for r in rings], "bbox": [*low.tolist(), *(high - low).tolist()]}
        return [one | new | {"area": float(area)}]

    _tiles(copy, cut)


@defect("images of train saved again in val, with another person's labels", "merge", "files", "splits")
def other_labels(copy: Copy, rng: np.random.Generator) -> None:
    """These images are in train and val, and their labels differ."""
    _, train, path, val = copy.train_and_val()
    for image in planting.some(train["images"], rng, 3):
        name = f"copy_of_{image['id']}.jpg"
        with Image.open(copy.root / "train" / image["file_name"]) as picture:
            picture.save(copy.root / "val" / name, quality=70)
        val["images"].append(image | {"id": 100 + image["id"], "file_name": name})
        own = [one for one in train["annotations"] if one["image_id"] == image["id"]]
        for one in own[1:]:
            ring = np.array(one["segmentation"][0]).reshape(-1, 2)
            smaller = ring.mean(0) + 0.9 * (ring - ring.mean(0))
            low, high = smaller.min(0), smaller.max(0)
            new = {"id": 1000 + one["id"], "image_id": 100 + image["id"], "area": one["area"] * 0.81}
            box = [*low.tolist(), *(high - low).tolist()]
            val["annotations"].append(one | new | {"segmentation": [smaller.reshape(-1).tolist()], "bbox": box})
    path.write_text(json.dumps(val))


@defect("enlarged crops of training images in val", "augmentation", "files", "splits")
def crops_in_val(copy: Copy, rng: np.random.Generator) -> None:
    """These images of val are parts of images of train."""
    _, train, path, val = copy.train_and_val()
    for image in planting.some(train["images"], rng, 3):
        name = f"aug_{image['id']}.jpg"
        left, top, width, height = 20, 15, int(WIDTH * 0.8), int(HEIGHT * 0.8)
        with Image.open(copy.root / "train" / image["file_name"]) as picture:
            part = picture.crop((left, top, left + width, top + height)).resize((WIDTH, HEIGHT))
        part.save(copy.root / "val" / name, quality=92)
        val["images"].append(image | {"id": 100 + image["id"], "file_name": name})
        for one in [one for one in train["annotations"] if one["image_id"] == image["id"]]:
            ring = (np.array(one["segmentation"][0]).reshape(-1, 2) - [left, top]) / 0.8
            ring = ring.clip(0, [WIDTH, HEIGHT])
            low, high = ring.min(0), ring.max(0)
            if (high - low).min() > 6:
                new = {"id": 1000 + one["id"], "image_id": 100 + image["id"]}
                x, y = ring.T
                area = float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)
                box = {"bbox": [*low.tolist(), *(high - low).tolist()], "area": area}
                val["annotations"].append(one | new | box | {"segmentation": [ring.reshape(-1).tolist()]})
    path.write_text(json.dumps(val))


@json_defect("ids of 18 digits, rounded by JavaScript", "exporter", "files", "coco", "gbm")
def rounded_ids(content: Json, rng: np.random.Generator) -> None:
    """Ids above 2^53 are rounded, so that several annotations have one."""
    for k, one in enumerate(content["annotations"]):
        one["id"] = int(float(583920174650000000 + 7 * k))


@json_defect("leading zeros of file names lost", "exporter", "files", "coco")
def lost_zeros(content: Json, rng: np.random.Generator) -> None:
    """Names lack the zeros that the files have: 391895.jpg is 000000391895.jpg."""
    for image in content["images"]:
        image["file_name"] = image["file_name"].lstrip("0")


@defect("file names as of a URL, with %20 for a blank", "exporter", "files", "coco", "gbm")
def percent_names(copy: Copy, rng: np.random.Generator) -> None:
    """Names are those of a URL: their %20 is a blank in the files' names."""
    content = copy.load()
    folder = copy.own_images()
    for image in content["images"]:
        path = folder / Path(image["file_name"]).name
        path.rename(path.with_name(f"dive {path.name}"))
        image["file_name"] = image["file_name"].replace(path.name, f"dive%20{path.name}")
    copy.save(content)


@defect("x and y exchanged in a third of the images", "exporter", "pictures", "gbm", "yolo")
def third_exchanged(copy: Copy, rng: np.random.Generator) -> None:
    """mlcaepiee/SimUAV#2. In these images x and y are exchanged."""
    if copy.root.name == "yolo":
        for path in sorted(copy.root.rglob("labels/*.txt"))[::3]:
            rows = [row.split() for row in path.read_text().splitlines() if row.strip()]
            turned = [
                " ".join([row[0], *(v for x, y in zip(row[1::2], row[2::2], strict=True) for v in (y, x))])
                for row in rows
            ]
            path.write_text("\n".join(turned) + "\n")
        return
    content = copy.load()
    chosen = {image["id"] for image in content["images"][::3]}
    planting.map_points(content, lambda p, _: p[:, ::-1], lambda one: one["image_id"] in chosen)
    for one in content["annotations"]:
        if one["image_id"] in chosen:
            x, y, w, h = one["bbox"]
            one["bbox"] = [y, x, h, w]
    copy.save(content)


def _mask_runs(one: Json, height: int, width: int) -> Array:
    from pycocotools import mask

    decoded: Array = mask.decode(mask.merge(mask.frPyObjects(one["segmentation"], height, width)))
    return decoded


@json_defect("RLE of the object's box, not of the image", "exporter", "files", "coco", "gbm")
def runs_of_box(content: Json, rng: np.random.Generator) -> None:
    """The runs are of the object's box: their size is that of the box."""
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    for one in content["annotations"]:
        if list(planting.points(one)):
            pixels = _mask_runs(one, *sizes[one["image_id"]])
            rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
            if len(rows):
                cut = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
                edges = np.flatnonzero(np.diff(np.concatenate([[0], cut.T.reshape(-1)]))).tolist()
                one["segmentation"] = {"size": list(cut.shape), "counts": np.diff([0, *edges, cut.size]).tolist()}


@defect("backslashes doubled in compressed RLE", "exporter", "files", "coco", "gbm")
def doubled_backslashes(copy: Copy, rng: np.random.Generator) -> None:
    """The text of these runs was escaped twice: each backslash is doubled."""
    from pycocotools import mask

    content = copy.load()
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    for one in content["annotations"]:
        if list(planting.points(one)):
            runs = mask.encode(np.asfortranarray(_mask_runs(one, *sizes[one["image_id"]])))
            counts = runs["counts"].decode().replace("\\", "\\\\")
            one["segmentation"] = {"size": list(runs["size"]), "counts": counts}
    copy.save(content)


@json_defect("LVIS: categories listed as absent that are annotated", "merge", "files", "lvis")
def annotated_negatives(content: Json, rng: np.random.Generator) -> None:
    """These images are said not to have categories that are annotated on them."""
    for image in content["images"][::3]:
        image["neg_category_ids"] = [1, 2, 3]


@defect("an empty list of categories", "exporter", "files", "coco", "gbm")
def no_categories(copy: Copy, rng: np.random.Generator) -> None:
    """The file has no categories; one finding, before its consequences."""
    copy.save(copy.load() | {"categories": []})


@defect("a file of results, with scores, in place of the annotations", "merge", "files", "coco", "gbm")
def results_for_labels(copy: Copy, rng: np.random.Generator) -> None:
    """The file is a model's results file, not the dataset's annotations."""
    content = copy.load()
    rows = [
        {k: one[k] for k in ("image_id", "category_id", "segmentation", "bbox")} | {"score": 0.9}
        for one in content["annotations"]
    ]
    path = copy.root / str(copy.document)
    path.unlink()
    path.write_text(json.dumps(rows))


@json_defect("each object has the mask of all of its category in the image", "exporter", "files", "coco", "gbm")
def category_masks(content: Json, rng: np.random.Generator) -> None:
    """Objects of a category have one and the same mask in each image: a semantic mask for every object."""
    groups: dict[tuple[int, int], list[Json]] = {}
    for one in content["annotations"]:
        if list(planting.points(one)):
            groups.setdefault((one["image_id"], one["category_id"]), []).append(one)
    for group in groups.values():
        rings = [ring for one in group for ring in one["segmentation"]]
        for one in group:
            one["segmentation"] = rings


@json_defect("folders of two cameras lost from the file names, which are equal", "merge", "files", "cameras")
def lost_folders(content: Json, rng: np.random.Generator) -> None:
    """Two images have one name, and two files: the folders are missing in the names."""
    for image in content["images"]:
        image["file_name"] = Path(image["file_name"]).name


@defect("runs cut at 255 characters by a column of a database", "exporter", "files", "sheet")
def cut_cells(copy: Copy, rng: np.random.Generator) -> None:
    """Cells end after 255 characters, in the middle of the runs."""
    path = copy.root / "train.csv"
    head, *rows = path.read_text().splitlines()
    cut = [",".join(cell[:255] for cell in row.split(",")) for row in rows]
    path.write_text("\n".join([head, *cut]) + "\n")


@defect("names of images turned into numbers by a spreadsheet", "exporter", "files", "sheet")
def spreadsheet_ids(copy: Copy, rng: np.random.Generator) -> None:
    """Names such as 1.73E+12 are not those of the files: a spreadsheet took them for numbers."""
    path = copy.root / "train.csv"
    head, *rows = path.read_text().splitlines()

    numbers = [f"{float(row.split(',')[0]):.2E}" for row in rows]
    cells = [",".join([number, *row.split(",")[1:]]) for number, row in zip(numbers, rows, strict=True)]
    path.write_text("\n".join([head, *cells]) + "\n")


# Masks.


@defect("training ids in the masks of val, ids in those of train", "merge", "files", "cityscapes")
def training_ids(copy: Copy, rng: np.random.Generator) -> None:
    """The masks of val hold training ids, not ids: they contradict the instance ids beside them."""
    values = np.full(256, 255, np.uint8)
    for value, new in {7: 0, 24: 11, 26: 13, 33: 18}.items():
        values[value] = new
    for path in sorted(copy.root.glob("gtFine/val/*/*_labelIds.png")):
        copy.put(path, values[copy.array(path)])


@defect("masks a column narrower than their images", "exporter", "files", "camvid", "ids")
def narrower(copy: Copy, rng: np.random.Generator) -> None:
    """commaai/comma10k#1952. These masks are one pixel narrower than their images."""
    for path in copy.masks[:4]:
        copy.put(path, copy.array(path)[:, :-1])


@defect("some masks in colours among masks of indices", "exporter", "files", "camvid", "osvos")
def coloured(copy: Copy, rng: np.random.Generator) -> None:
    """sssdddwww2/vspw_dataset_download#2. These masks are pictures in colours, not indices."""
    colours = rng.integers(30, 250, (256, 3)).astype(np.uint8)
    colours[0] = 0
    for path in copy.masks[3:8]:
        values = copy.array(path)
        path.unlink()
        Image.fromarray(colours[values]).save(path)


@defect("palette masks read as grey: 38, 75, 113 for 1, 2, 3", "exporter", "files", "voc", "osvos")
def greyed(copy: Copy, rng: np.random.Generator) -> None:
    """Values are the brightness of the palette's colours, not its indices."""
    for path in sorted([*copy.root.glob("SegmentationClass/*.png")] or copy.masks):
        with Image.open(path) as image:
            grey = np.array(image.convert("RGB").convert("L"))
        path.unlink()
        Image.fromarray(grey).save(path)


@defect("bytes of 16-bit ids in the other order in some masks", "exporter", "files", "ids")
def byte_order(copy: Copy, rng: np.random.Generator) -> None:
    """Ids of these masks are all multiples of 256: the two bytes are exchanged."""
    for path in copy.masks[2:7]:
        copy.put(path, copy.array(path).byteswap())


@defect("masks saved as a plot, with margins and smoothed colours", "exporter", "files", "camvid", "ids")
def plotted(copy: Copy, rng: np.random.Generator) -> None:
    """These masks are screenshots of a plot: another size, a white margin and colours between."""
    for path in copy.masks[:5]:
        values = copy.array(path).astype(float)
        ramp = (255 * values / max(values.max(), 1)).astype(np.uint8)
        coloured = np.dstack([ramp, 255 - ramp, np.full_like(ramp, 90), np.full_like(ramp, 255)])
        canvas = Image.new("RGBA", (640, 480), "white")
        canvas.paste(Image.fromarray(coloured).resize((496, 370), Image.Resampling.BICUBIC), (80, 58))
        path.unlink()
        canvas.save(path)


@defect("the picture shines through some masks: overlays saved as masks", "exporter", "files", "camseq", "camvid")
def overlays(copy: Copy, rng: np.random.Generator) -> None:
    """These masks are overlays of picture and mask."""
    for path in copy.masks[:4]:
        values = copy.array(path)
        name = path.name.replace("_L", "")
        (source,) = (
            p
            for p in [copy.root / "images" / name, path.parent.with_name(path.parent.name.removesuffix("annot")) / name]
            if p.exists()
        )
        with Image.open(source) as picture:
            pixels = np.array(picture.convert("RGB" if values.ndim == 3 else "L"))
        copy.put(path, ((values.astype(int) + pixels) // 2).astype(np.uint8))


@defect("some pictures overwritten by their masks", "exporter", "files", "camvid", "ids")
def mask_for_picture(copy: Copy, rng: np.random.Generator) -> None:
    """These images are their own masks."""
    if copy.root.name == "ids":
        folder = copy.own_images()
        for path in copy.masks[:4]:
            (target,) = folder.glob(f"{path.stem}.*")
            target.unlink()
            shutil.copy(path, target.with_suffix(".png"))
        return
    for path in copy.masks[:4]:
        shutil.copy(path, path.parent.with_name(path.parent.name.removesuffix("annot")) / path.name)


@defect("labels where images are blank, without data", "exporter", "pictures", "gbm", "camvid")
def no_data(copy: Copy, rng: np.random.Generator) -> None:
    """wasserth/TotalSegmentator#34. Objects lie where these images are black."""
    if copy.root.name == "gbm":
        folder = copy.own_images()
        paths = sorted(folder.glob("*.png"))[:8]
    else:
        paths = [p.parent.with_name(p.parent.name.removesuffix("annot")) / p.name for p in copy.masks[:8]]
    for path in paths:
        values = copy.array(path).copy()
        values[:, : values.shape[1] // 2] = 0
        copy.put(path, values)


@defect("masks of 0 and 1 among masks of 0 and 255", "merge", "files", "vessels")
def ones_and_255(copy: Copy, rng: np.random.Generator) -> None:
    """Half of the masks are 0 and 1: all black in a viewer; or they are read as meant."""
    for path in copy.masks[::2]:
        with Image.open(path) as image:
            values = np.array(image.convert("L"))
        path.unlink()
        Image.fromarray((values > 0).astype(np.uint8)).save(path)


@defect("turned copies whose black corners carry the first class", "augmentation", "pictures", "camvid")
def black_corners(copy: Copy, rng: np.random.Generator) -> None:
    """In these images the corners are empty, and labelled with the first class."""
    for path in copy.masks[:6]:
        picture = path.parent.with_name(path.parent.name.removesuffix("annot")) / path.name
        with Image.open(picture) as image:
            turned = image.convert("RGB").rotate(15, Image.Resampling.BILINEAR)
        turned.save(picture.with_name(f"{path.stem}_rot15.png"))
        with Image.open(path) as mask:
            mask.rotate(15, Image.Resampling.NEAREST).save(path.with_name(f"{path.stem}_rot15.png"))


# Videos and volumes.


@defect("labels at twice the pace of the frames, then the last one", "tracker", "pictures", "camseq")
def pace(copy: Copy, rng: np.random.Generator) -> None:
    """cilinyan/VISA#9. Labels are those of later and later frames; the last ones are all alike."""
    paths = copy.frames()
    arrays = [copy.array(path) for path in paths]
    for k, path in enumerate(paths):
        copy.put(path, arrays[min(2 * k, len(arrays) - 1)])


@defect("one mask of a video with an alpha channel", "exporter", "files", "osvos", "rvos")
def with_alpha(copy: Copy, rng: np.random.Generator) -> None:
    """megvii-research/video_analyst#156. One mask has a second channel."""
    path = copy.masks[5]
    values = copy.array(path)
    path.unlink()
    Image.merge("LA", [Image.fromarray(values.astype(np.uint8)), Image.new("L", values.shape[::-1], 255)]).save(path)


@defect("slices of another scan behind the last, not labelled", "volume", "pictures", "spleen")
def appended(copy: Copy, rng: np.random.Generator) -> None:
    """neheller/kits19#6. The last slices show again what was labelled before, without labels."""
    path = next(p for p in copy.root.rglob("*_ct.nii.gz"))
    image: Any = nibabel.load(path)
    values = np.asanyarray(image.dataobj)
    path.unlink()
    nibabel.save(type(image)(np.concatenate([values, values], 2), image.affine, image.header), path)
    copy.change_volume(lambda v: np.concatenate([v, np.zeros_like(v)], 2))


@defect("another number for the label in the top slices", "volume", "files", "spleen", "tissue")
def renumbered_top(copy: Copy, rng: np.random.Generator) -> None:
    """MIRACLE-Center/CTSpine1K#15. From one slice on all of this structure has another number."""

    def change(v: Array) -> Array:
        v = v.copy()
        values = np.unique(v[v > 0])
        top = v[:, :, v.shape[2] * 3 // 5 :]
        new = values[1] if len(values) > 1 else values[0] + 1
        top[top == values[0]] = new
        return v

    copy.change_volume(change)


@defect("labels as one channel a class, four dimensions", "volume", "files", "spleen", "nnunet")
def one_hot(copy: Copy, rng: np.random.Generator) -> None:
    """Project-MONAI/MONAI#7185. Labels have a fourth dimension, a channel for each class."""
    for path in sorted([*copy.root.glob("labelsTr/*.nii.gz"), *copy.root.glob("derivatives/**/*.nii.gz")]):
        image: Any = nibabel.load(path)
        values = np.asanyarray(image.dataobj).astype(np.uint8)
        stacked = np.stack([values == k for k in range(int(values.max()) + 1)], 3).astype(np.uint8)
        path.unlink()
        nibabel.save(nibabel.Nifti1Image(stacked, image.affine), path)  # type: ignore[no-untyped-call]


@defect("labels numbered 2, 3, 4 where the list has 1, 2, 3, in some cases", "label map", "files", "nnunet")
def numbered_on(copy: Copy, rng: np.random.Generator) -> None:
    """MIC-DKFZ/nnUNet#2500. These cases hold 4, which the list has not, and no 1."""
    for number in (1, 4):
        path, image, values = copy.labels_of_case(number)
        planting.write_volume(path, np.where(values > 0, values + 1, 0).astype(np.uint8), image.affine)


@defect("left and right exchanged in one case", "annotator", "files", "organs")
def left_right(copy: Copy, rng: np.random.Generator) -> None:
    """In this case left and right are on the other sides than in all others."""
    path, image, values = copy.labels_of_case(5)
    planting.write_volume(path, np.array([0, 2, 1], np.uint8)[values], image.affine)


@defect("the labels of two cases exchanged", "merge", "pictures", "organs", "nnunet")
def exchanged_cases(copy: Copy, rng: np.random.Generator) -> None:
    """The labels of these two cases do not fit their images, but each other's."""
    (first, image, values), (second, _, others) = copy.labels_of_case(1), copy.labels_of_case(3)
    planting.write_volume(first, others, image.affine)
    planting.write_volume(second, values, image.affine)


@defect("a case without its second channel", "merge", "files", "channels")
def lost_channel(copy: Copy, rng: np.random.Generator) -> None:
    """A case lacks the channel T2; which."""
    sorted(copy.root.glob("imagesTr/*_0001.nii.gz"))[2].unlink()


@defect("cases for the test that are also for training", "merge", "files", "organs")
def test_is_training(copy: Copy, rng: np.random.Generator) -> None:
    """These volumes are in the training set and in the test set."""
    (copy.root / "imagesTs").mkdir()
    for path in sorted(copy.root.glob("imagesTr/*"))[:3]:
        shutil.copy(path, copy.root / "imagesTs" / path.name.replace("kidney_0", "kidney_1"))


# YOLO.


def _coordinates(copy: Copy, change: Callable[[Array], Array]) -> None:
    def one(row: str) -> str:
        number, *rest = row.split()
        return " ".join([number, *(f"{v:.9g}" for v in change(np.array(rest, float)).tolist())])

    copy.change_lines(one)


@defect("coordinates of 1.0000005 at the borders", "exporter", "files", "beach", "yolo")
def just_over(copy: Copy, rng: np.random.Generator) -> None:
    """SkalskiP/make-sense#171. Points lie a millionth outside: named, or read as meant."""
    _coordinates(copy, lambda v: np.where(v > 0.97, 1.0000005, v))


@defect("nc and names of data.yaml disagree", "label map", "files", "beach")
def other_count(copy: Copy, rng: np.random.Generator) -> None:
    """roboflow/roboflow-100-benchmark#45. data.yaml counts 5 classes and names 3."""
    path = copy.root / "data.yaml"
    path.write_text(f"nc: 5\n{path.read_text()}")


@defect("classes.txt in another order than data.yaml", "label map", "files", "beach")
def two_orders(copy: Copy, rng: np.random.Generator) -> None:
    """classes.txt and data.yaml give the same names other numbers."""
    (copy.root / "classes.txt").write_text("\n".join(sorted(NAMES, reverse=True)) + "\n")


@defect("val of data.yaml points to train", "merge", "files", "beach")
def val_points_to_train(copy: Copy, rng: np.random.Generator) -> None:
    """All images of val are those of train."""
    path = copy.root / "data.yaml"
    path.write_text(path.read_text().replace("val: images/val", "val: images/train"))


@defect("coordinates divided by the image's size twice", "exporter", "files", "beach", "yolo")
def divided_twice(copy: Copy, rng: np.random.Generator) -> None:
    """All labels are within a pixel of the upper left corner: they were divided twice."""
    _coordinates(copy, lambda v: v / np.resize([WIDTH, HEIGHT], len(v)))


@defect("label files in UTF-16", "exporter", "files", "beach", "yolo")
def utf_16(copy: Copy, rng: np.random.Generator) -> None:
    """These label files are text in UTF-16, which training code does not read."""
    for path in sorted(copy.root.rglob("labels/**/*.txt"))[::2]:
        path.write_bytes(path.read_text().encode("utf-16"))


@defect("turned boxes in place of outlines", "exporter", "files", "beach", "yolo")
def turned_boxes(copy: Copy, rng: np.random.Generator) -> None:
    """roboflow/supervision#1576. All outlines are turned rectangles: boxes, no masks."""

    def turned(v: Array) -> Array:
        ring = v.reshape(-1, 2)
        middle = ring.mean(0)
        axes = np.linalg.svd(ring - middle, full_matrices=False)[2]
        along = (ring - middle) @ axes.T
        low, high = along.min(0), along.max(0)
        corners = np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])
        box: Array = (corners @ axes + middle).clip(0, 1).reshape(-1)
        return box

    _coordinates(copy, turned)


# VOC, VIA, Supervisely, COCO panoptic, Label Studio.


@defect("names with extensions in ImageSets", "exporter", "files", "voc lists")
def listed_extensions(copy: Copy, rng: np.random.Generator) -> None:
    """The lists name files where stems are expected: nothing is in a split, or read as meant."""
    for path in copy.root.glob("ImageSets/*/*.txt"):
        path.write_text("".join(f"{row}.jpg\n" for row in path.read_text().split()))


@defect("masks of objects exchanged between two images", "merge", "files", "voc lists", "cityscapes")
def exchanged_objects(copy: Copy, rng: np.random.Generator) -> None:
    """The objects of these two images do not fit their classes: they are each other's."""
    paths = sorted([*copy.root.glob("SegmentationObject/*.png"), *copy.root.glob("gtFine/train/*/*_instanceIds.png")])
    planting.exchange_files(paths[1], paths[2])


@defect("the class in another attribute in half of the images", "annotator", "files", "kudzu")
def other_attribute(copy: Copy, rng: np.random.Generator) -> None:
    """Half of the regions name their class in another attribute."""
    (path,) = (copy.root / "train").glob("*.json")
    content = json.loads(path.read_text())
    for entry in list(content.values())[::2]:
        for region in entry["regions"]:
            region["region_attributes"] = {"Class": "kudzu"}
    path.write_text(json.dumps(content))


@defect("an image twice in VIA, since its file's size changed", "annotator", "files", "kudzu")
def second_entry(copy: Copy, rng: np.random.Generator) -> None:
    """Two entries are of one image file, with different regions."""
    (path,) = (copy.root / "train").glob("*.json")
    content = json.loads(path.read_text())
    for entry in list(content.values())[:3]:
        content[f"{entry['filename']}{entry['size'] + 911}"] = entry | {
            "size": entry["size"] + 911,
            "regions": entry["regions"][1:],
        }
    path.write_text(json.dumps(content))


@defect("alpha of bitmaps lost, so that they are full boxes", "exporter", "files", "lemons")
def lost_alpha(copy: Copy, rng: np.random.Generator) -> None:
    """All masks are their boxes."""
    for path in sorted(copy.root.rglob("ann/*.json")):
        content = json.loads(path.read_text())
        for one in content["objects"]:
            with Image.open(io.BytesIO(zlib.decompress(base64.b64decode(one["bitmap"]["data"])))) as bitmap:
                full = Image.new("1", bitmap.size, 1)
            buffer = io.BytesIO()
            full.save(buffer, "PNG")
            one["bitmap"]["data"] = base64.b64encode(zlib.compress(buffer.getvalue())).decode()
        path.write_text(json.dumps(content))


@defect("two segments of one id and two categories", "exporter", "files", "panoptic")
def one_colour(copy: Copy, rng: np.random.Generator) -> None:
    """facebookresearch/MaskFormer#32. Two segments share an id, so that nobody knows whose the pixels are."""
    content = copy.load()
    for one in content["annotations"]:
        first, second = one["segments_info"][:2]
        path = next(p for p in copy.masks if p.name == one["file_name"])
        values = copy.array(path).copy()
        old = [second["id"] & 255, second["id"] >> 8 & 255, second["id"] >> 16]
        values[(values == old).all(2)] = [first["id"] & 255, first["id"] >> 8 & 255, first["id"] >> 16]
        copy.put(path, values)
        second["id"] = first["id"]
    copy.save(content)


@json_defect("categories without isthing", "exporter", "files", "panoptic")
def no_isthing(content: Json, rng: np.random.Generator) -> None:
    """Nothing says which categories are things, which evaluation needs."""
    for one in content["categories"]:
        one.pop("isthing", None)


@defect("work that annotators cancelled among the annotations", "exporter", "files", "studio")
def cancelled(copy: Copy, rng: np.random.Generator) -> None:
    """These annotations were cancelled: left out, or said to be there; not mixed with the others."""
    content: Any = copy.load()
    for task in content[::2]:
        kept = task["annotations"][0]
        result = [one | {"id": f"c{one['id']}"} for one in kept["result"][:3]]
        task["annotations"].append(kept | {"id": 500 + task["id"], "was_cancelled": True, "result": result})
    copy.save(content)


@defect("holes of objects drawn shut where others lie inside", "exporter", "files", "tissue", "camvid")
def filled(copy: Copy, rng: np.random.Generator) -> None:
    """Objects within others are gone: regions were drawn without their holes."""
    for path in copy.masks[:5]:
        values = copy.array(path).copy()
        for value in np.unique(values):
            values[ndimage.binary_fill_holes(values == value)] = value
        copy.put(path, values)


def _scenes_of_one(copy: Copy) -> None:
    """A folder of the same beach, drawn as `draw` does."""
    rng = np.random.default_rng(3)
    for k in range(3):
        Image.fromarray(draw(rng).picture).save(copy.root / f"images/train/beach_{k}.jpg")


@defect("pictures that were added and never labelled, without label files", "merge", "files", "beach")
def added_pictures(copy: Copy, rng: np.random.Generator) -> None:
    """These pictures have no label file: not labelled, or without objects, which nothing says."""
    _scenes_of_one(copy)
