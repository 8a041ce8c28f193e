"""A fourth list of defects, committed before any was tried: more formats, kinds that the other three lists have not."""

# ruff: noqa: D103 - the decorator says what each function plants
import base64
import json
import shutil
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.defects import planting
from benchmarks.defects.planting import Array, Copy, Json, annotation_defect, defect, json_defect

# COCO.


@annotation_defect("one polygon twice in one annotation", "exporter", "files", "coco", "gbm")
def ring_twice(one: Json) -> None:
    for ring in list(planting.points(one))[:1]:
        one["segmentation"].append(list(ring))


@defect("RLE that begins with the object, so that masks are inverted", "exporter", "files", "coco", "gbm")
def inverted_runs(copy: Copy, rng: np.random.Generator) -> None:
    from pycocotools import mask

    content = copy.load()
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    for one in content["annotations"]:
        if list(planting.points(one)):
            size = sizes[one["image_id"]]
            flat = 1 - mask.decode(mask.merge(mask.frPyObjects(one["segmentation"], *size))).T.ravel()
            edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [1 - flat[-1]]])))
            counts = np.diff(np.concatenate([[0], edges])).tolist()
            one["segmentation"] = {"size": list(size), "counts": counts}
    copy.save(content)


@annotation_defect("areas in another unit, a hundredth", "exporter", "files", "coco", "gbm")
def other_unit(one: Json) -> None:
    one["area"] /= 100


@json_defect("numbers of images instead of their names", "exporter", "files", "coco", "gbm")
def numbers_for_names(content: Json, rng: np.random.Generator) -> None:
    for image in content["images"]:
        image["file_name"] = f"{image['id']}.jpg"


@json_defect("width and height of a preview of a quarter", "exporter", "files", "coco", "gbm")
def preview_size(content: Json, rng: np.random.Generator) -> None:
    for image in content["images"]:
        image["width"], image["height"] = image["width"] // 4, image["height"] // 4


@json_defect("each part of an object as an annotation of its own, same id", "exporter", "files", "coco", "taco")
def parts_of_one_id(content: Json, rng: np.random.Generator) -> None:
    apart = []
    for one in content["annotations"]:
        apart += [one | {"segmentation": [ring]} for ring in planting.points(one)] or [one]
    content["annotations"] = apart


@json_defect("category names in the wrong encoding", "exporter", "files", "coco", "taco")
def mojibake(content: Json, rng: np.random.Generator) -> None:
    for one in content["categories"][:8]:
        one["name"] = f"{one['name']} für Café".encode().decode("latin-1")


@json_defect("an empty category name", "exporter", "files", "coco", "taco")
def nameless(content: Json, rng: np.random.Generator) -> None:
    content["categories"][0]["name"] = ""


@defect("a JSON that ends in the middle", "exporter", "files", "coco", "gbm")
def cut_json(copy: Copy, rng: np.random.Generator) -> None:
    text = json.dumps(copy.load())
    path = copy.root / str(copy.document)
    path.unlink()
    path.write_text(text[: len(text) * 2 // 3])


@defect("val is a copy of train under another name", "merge", "files", "coco")
def val_is_train(copy: Copy, rng: np.random.Generator) -> None:
    path = copy.root / str(copy.document)
    shutil.copy(path, path.with_name("instances_val2017.json"))


@defect("a picture saved under the names of three others", "merge", "files", "coco", "gbm")
def overwritten(copy: Copy, rng: np.random.Generator) -> None:
    (linked,) = (path for path in copy.root.iterdir() if path.is_symlink())
    source = linked.resolve()
    linked.unlink()
    shutil.copytree(source, linked)
    pictures = sorted(linked.glob("*.*"))
    for path in pictures[1:4]:
        shutil.copy(pictures[0], path)


@json_defect("boxes of objects where polygons of some are the boxes' diagonals", "exporter", "files", "coco", "gbm")
def diagonals(content: Json, rng: np.random.Generator) -> None:
    for one in planting.some(content["annotations"], rng, 12):
        if list(planting.points(one)):
            x, y, w, h = one["bbox"]
            one["segmentation"] = [[x, y, x + w, y + h, x, y]]


@json_defect("the first object of each image carries the points of all", "exporter", "files", "coco", "gbm")
def all_in_first(content: Json, rng: np.random.Generator) -> None:
    first: dict[int, Json] = {}
    for one in content["annotations"]:
        rings = list(planting.points(one))
        head = first.setdefault(one["image_id"], one)
        if head is not one and isinstance(head["segmentation"], list):
            head["segmentation"] = head["segmentation"] + rings
    planting.fit_boxes(content)


@json_defect("one class for everything in half of the images", "label map", "files", "coco", "taco")
def single_class(content: Json, rng: np.random.Generator) -> None:
    images = planting.half(content)
    for one in content["annotations"]:
        if one["image_id"] in images:
            one["category_id"] = content["categories"][0]["id"]


# Tools: LabelMe, VIA, Supervisely.


@defect("the path of another computer in imagePath", "annotator", "files", "labelme", "labelme video")
def foreign_path(copy: Copy, rng: np.random.Generator) -> None:
    copy.change_documents(lambda one: one.update(imagePath="C:\\Users\\anna\\" + one["imagePath"]))


@defect("imageHeight and imageWidth exchanged", "exporter", "files", "labelme", "labelme video")
def labelme_size(copy: Copy, rng: np.random.Generator) -> None:
    copy.change_documents(lambda one: one.update(imageHeight=one["imageWidth"], imageWidth=one["imageHeight"]))


@defect("the picture in a file is another one", "annotator", "files", "labelme", "labelme video")
def foreign_data(copy: Copy, rng: np.random.Generator) -> None:
    paths = sorted(copy.root.glob("*.json"))
    other = json.loads(paths[-1].read_text())["imagePath"]
    content = json.loads(paths[0].read_text())
    content["imageData"] = base64.b64encode((copy.root / other).read_bytes()).decode()
    paths[0].write_text(json.dumps(content))


@defect("points in percent of the image", "exporter", "files", "labelme", "labelme video")
def percent(copy: Copy, rng: np.random.Generator) -> None:
    def change(one: Json) -> None:
        for shape in one["shapes"]:
            shape["points"] = [[100 * x / one["imageWidth"], 100 * y / one["imageHeight"]] for x, y in shape["points"]]

    copy.change_documents(change)


@defect("polygons that the tool calls rectangles", "exporter", "files", "labelme")
def called_rectangle(copy: Copy, rng: np.random.Generator) -> None:
    copy.change_documents(lambda one: [shape.update(shape_type="rectangle") for shape in one["shapes"]])


@defect("a value more in all_points_x than in all_points_y", "exporter", "files", "kudzu")
def uneven_points(copy: Copy, rng: np.random.Generator) -> None:
    def change(one: Json) -> None:
        for entry in list(one.values())[:4]:
            for region in entry["regions"][:1]:
                region["shape_attributes"]["all_points_x"].append(5)

    copy.change_documents(change)


@defect("points as text", "exporter", "files", "kudzu")
def points_as_text(copy: Copy, rng: np.random.Generator) -> None:
    def change(one: Json) -> None:
        for entry in one.values():
            for region in entry["regions"]:
                shape = region["shape_attributes"]
                shape["all_points_x"] = [str(x) for x in shape["all_points_x"]]

    copy.change_documents(change)


@defect("x and y exchanged in VIA", "exporter", "pictures", "kudzu")
def via_exchanged(copy: Copy, rng: np.random.Generator) -> None:
    def change(one: Json) -> None:
        for entry in one.values():
            for region in entry["regions"]:
                shape = region["shape_attributes"]
                shape["all_points_x"], shape["all_points_y"] = shape["all_points_y"], shape["all_points_x"]

    copy.change_documents(change)


@defect("origins of bitmaps lost", "exporter", "pictures", "lemons")
def origin_lost(copy: Copy, rng: np.random.Generator) -> None:
    def change(one: Json) -> None:
        for shape in one["objects"]:
            if "bitmap" in shape:
                shape["bitmap"]["origin"] = [0, 0]

    copy.change_documents(change, "ann/*.json")


@defect("a class that meta.json has not", "label map", "files", "lemons")
def unlisted_class(copy: Copy, rng: np.random.Generator) -> None:
    copy.change_documents(lambda one: [shape.update(classTitle="citron") for shape in one["objects"][:1]], "ann/*.json")


# YOLO.


@defect("confidences at the end of lines", "exporter", "files", "yolo")
def confidence(copy: Copy, rng: np.random.Generator) -> None:
    copy.change_lines(lambda line: f"{line} 0.{rng.integers(50, 99)}")


@defect("label files called a.jpg.txt", "exporter", "files", "yolo")
def double_extension(copy: Copy, rng: np.random.Generator) -> None:
    for path in sorted(copy.root.rglob("labels/*.txt")):
        path.rename(path.with_name(f"{path.stem}.jpg.txt"))


@defect("the label files of half of the images empty", "exporter", "files", "yolo")
def half_empty(copy: Copy, rng: np.random.Generator) -> None:
    paths = sorted(copy.root.rglob("labels/*.txt"))
    for path in planting.some(paths, rng, len(paths) // 2):
        path.write_text("")


# Masks.


@defect("a scale bar burnt into the masks", "annotator", "files", "camvid", "tissue", "ids")
def scale_bar(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks[:4]:
        values = copy.array(path).copy()
        values[-20:-14, 20:140] = values.max()
        copy.put(path, values)


@defect("the last 40 columns repeat the one before them", "resize", "files", "camvid", "ids", "tissue")
def replicated(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks[:5]:
        values = copy.array(path).copy()
        values[:, -40:] = values[:, -41:-40]
        copy.put(path, values)


@defect("values changed by a gamma curve", "exporter", "files", "camvid", "tissue")
def gamma(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks[:5]:
        values = copy.array(path)
        copy.put(path, np.round(255 * (values / 255) ** 0.45).astype(np.uint8))


@defect("the middle quarter of some masks from the next mask", "exporter", "files", "camvid", "ids", "tissue")
def foreign_window(copy: Copy, rng: np.random.Generator) -> None:
    paths = copy.masks
    arrays = [copy.array(path) for path in paths[:6]]
    for path, values, other in zip(paths[:5], arrays, arrays[1:], strict=False):
        height, width = values.shape[:2]
        window = slice(height // 4, height * 3 // 4), slice(width // 4, width * 3 // 4)
        if other.shape == values.shape:
            mixed = values.copy()
            mixed[window] = other[window]
            copy.put(path, mixed)


@defect("a turned copy of a training image and its mask in val", "merge", "files", "camvid")
def turned_copy(copy: Copy, rng: np.random.Generator) -> None:
    for folder, target in (("train", "val"), ("trainannot", "valannot")):
        path = sorted((copy.root / folder).glob("*.png"))[0]
        with Image.open(path) as image:
            turned = image.transpose(Image.Transpose.ROTATE_90)
        turned.save(copy.root / target / "turned_0001.png")


# COCO panoptic.


@json_defect("the segments of another image", "exporter", "files", "panoptic")
def foreign_segments(content: Json, rng: np.random.Generator) -> None:
    first, second = content["annotations"]
    first["segments_info"], second["segments_info"] = second["segments_info"], first["segments_info"]


@defect("red and blue of panoptic PNGs exchanged", "exporter", "files", "panoptic")
def panoptic_bgr(copy: Copy, rng: np.random.Generator) -> None:
    for path in copy.masks:
        copy.put(path, copy.array(path)[:, :, ::-1].copy())


@defect("two segments with the pixels of one", "exporter", "files", "panoptic")
def joined_segments(copy: Copy, rng: np.random.Generator) -> None:
    path = copy.masks[0]
    values = copy.array(path).copy()
    colours = np.unique(values.reshape(-1, 3), axis=0)
    values[(values == colours[1]).all(2)] = colours[2]
    copy.put(path, values)


# Videos and volumes.


@defect("ids one lower after an object has left", "tracker", "files", "osvos", "rvos")
def compacted(copy: Copy, rng: np.random.Generator) -> None:
    copy.relabel(copy.frames()[12:], lambda v: np.where(v > 1, v - 1, np.where(v == 1, 0, v)))


@defect("every other row from the frame before", "tracker", "files", "osvos", "camseq")
def interlaced(copy: Copy, rng: np.random.Generator) -> None:
    paths = copy.frames()
    arrays = [copy.array(path) for path in paths]
    for path, before, values in zip(paths[1:], arrays, arrays[1:], strict=False):
        mixed = values.copy()
        mixed[1::2] = before[1::2]
        copy.put(path, mixed)


@defect("labels scaled to 1/255 in the header", "volume", "files", "spleen")
def scaled_header(copy: Copy, rng: np.random.Generator) -> None:
    def change(v: Array) -> Array:
        scaled: Array = (v / 255).astype(np.float32)
        return scaled

    copy.change_volume(change)


@defect("the origin half a volume off", "volume", "files", "spleen")
def other_origin(copy: Copy, rng: np.random.Generator) -> None:
    import nibabel

    (path,) = sorted((copy.root / "derivatives").rglob("*.nii.gz"))
    image: Any = nibabel.load(path)  # its types lack what NIfTI files have
    affine = image.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ (np.array(image.shape[:3]) / 2)
    copy.change_volume(lambda v: v, affine)


@defect("a ring of another class around the organ", "volume", "files", "spleen", "tissue")
def halo(copy: Copy, rng: np.random.Generator) -> None:
    from scipy import ndimage

    def change(v: Array) -> Array:
        v = v.copy()
        first = np.unique(v[v > 0])[0]
        ring = ndimage.binary_dilation(v == first, iterations=1) & (v == 0)
        v[ring] = first + 1
        return v

    copy.change_volume(change)
