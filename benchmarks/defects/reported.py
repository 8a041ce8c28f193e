"""Defects and layouts that people reported in public threads of the tools they label and train with, rebuilt small.

Run as ``python -m benchmarks.defects.reported FOLDER [NAME ...]``: it builds each case in FOLDER, with drawn pictures,
and prints what `segdata validate` says of it, and `segdata convert` where `convert` is set. The list was taken from the
results of a search of such threads, without kinds that the earlier lists of planted defects have, and committed before
any case was tried.
"""

# ruff: noqa: D103 - the decorator says what each function builds
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from benchmarks.defects.drawn_datasets import (
    HEIGHT,
    NAMES,
    REPORTED,
    WIDTH,
    Array,
    Json,
    Made,
    Scene,
    Thing,
    annotation,
    document,
    draw,
    line,
    picture_bytes,
    reported,
)


@reported(
    "SwinTransformer/Swin-Transformer-Object-Detection#162",
    "objects drawn as rectangles have no outline (segmentation is an empty list): which, and what to do",
)
def empty_segmentation(made: Made) -> None:
    content, _ = made.coco()
    for one in content["annotations"]:
        if one["category_id"] == 2:
            one["segmentation"] = []
    made.text("result.json", content)


@reported("cocodataset/cocoapi#348", "rings of two points: pycocotools takes the list for boxes and stops")
def two_point_rings(made: Made) -> None:
    content, _ = made.coco()
    for one in content["annotations"][::9]:
        x, y = one["segmentation"][0][:2]
        one["segmentation"].insert(0, [x, y, x, y + 5])
    made.text("annotations.json", content)


@reported("roboflow/supervision#205", "segmentation is a flat list of numbers and has to be a list of such lists")
def flat_polygons(made: Made) -> None:
    content, _ = made.coco()
    for one in content["annotations"]:
        one["segmentation"] = one["segmentation"][0]
    made.text("export_coco.json", content)


@reported("kili-technology/kili-python-sdk#1751", "segmentation is nested once too deep")
def deep_polygons(made: Made) -> None:
    content, _ = made.coco()
    for one in content["annotations"]:
        one["segmentation"] = [one["segmentation"]]
    made.text("annotations.json", content)


@reported(
    "open-mmlab/mmdetection#804", "annotations lack area and iscrowd, without which pycocotools does not evaluate"
)
def no_area(made: Made) -> None:
    content, _ = made.coco()
    for one in content["annotations"]:
        del one["area"], one["iscrowd"]
    made.text("annotations.json", content)


@reported(
    "HumanSignal/label-studio#6608",
    "photos with an EXIF rotation were labelled as they are shown; width and height are those of the stored pixels",
)
def exif_sizes(made: Made) -> None:
    images, annotations = [], []
    for k in range(1, 13):
        turned = k % 2 == 0
        scene = draw(made.rng, HEIGHT, WIDTH) if turned else draw(made.rng)
        exif = Image.Exif()
        exif[0x0112] = 6 if turned else 1
        pixels = np.rot90(scene.picture) if turned else scene.picture  # what the camera stores
        made.image(f"images/photo{k}.jpg", np.ascontiguousarray(pixels), quality=92, exif=exif)
        images.append({"id": k, "file_name": f"images/photo{k}.jpg", "width": WIDTH, "height": HEIGHT})
        annotations += [annotation(one, k) for one in scene.things]
    made.text("result.json", document(images, annotations))


@reported(
    "open-edge-platform/datumaro#1160", "two categories have one name, of which only one is used (Roboflow's project)"
)
def same_names(made: Made) -> None:
    content, _ = made.coco("train")
    for one in content["annotations"]:
        one["category_id"] = min(one["category_id"], 2)
    content["categories"] = [
        {"id": 0, "name": "fish", "supercategory": "none"},
        {"id": 1, "name": "fish", "supercategory": "fish"},
        {"id": 2, "name": "lobster trap", "supercategory": "fish"},
    ]
    made.text("train/_annotations.coco.json", content)


@reported(
    "waspinator/pycococreator#26",
    "the masks of dive_10, _11, _12 were also taken for those of dive_1: it has the objects of four images",
)
def prefix_names(made: Made) -> None:
    content, _ = made.coco()
    extra = [one | {"image_id": 1} for one in content["annotations"] if one["image_id"] >= 10]
    made.text("annotations.json", document(content["images"], [*extra, *content["annotations"]]))


def brush_rle(pixels: Array) -> list[int]:
    """Label Studio's own run lengths of an RGBA picture, as bytes."""
    flat = np.repeat(pixels.reshape(-1).astype(int) * 255, 4)
    bits = f"{len(flat):032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    edges = np.flatnonzero(np.diff(flat)) + 1
    for start, stop in zip([0, *edges.tolist()], [*edges.tolist(), len(flat)], strict=True):
        while start < stop:
            length = min(stop - start, 65536)
            bits += f"111{length - 1:016b}{flat[start]:08b}"
            start += length
    bits += "0" * (-len(bits) % 8)
    return [int(bits[k : k + 8], 2) for k in range(0, len(bits), 8)]


@reported("HumanSignal/label-studio#5899", "counts are Label Studio's brush encoding, no run lengths of COCO")
def brush_counts(made: Made) -> None:
    content, scenes = made.coco()
    things = [one for scene in scenes for one in scene.things]
    for one, thing in zip(content["annotations"], things, strict=True):
        one["segmentation"] = {"counts": brush_rle(thing.pixels), "size": [HEIGHT, WIDTH]}
    made.text("annotations.json", content)


@reported("pytorch/vision#2740", "boxes that were drawn from the right or from below have a negative width or height")
def negative_boxes(made: Made) -> None:
    content, _ = made.coco()
    for k, one in enumerate(content["annotations"]):
        x, y, w, h = one["bbox"]
        if k % 4 == 0:
            one["bbox"] = [x + w, y + h, -w, -h]
    made.text("annotations.json", content)


@reported("facebookresearch/detectron2#217", "segments_info is empty everywhere: the pixels have no category")
def no_segments_info(made: Made) -> None:
    images, annotations = [], []
    for k, scene in made.scenes():
        made.image(f"images/image_{k}.jpg", scene.picture, quality=92)
        numbers = scene.numbers.astype(np.uint8)
        made.image(
            f"masks/image_{k}_mask.png", np.dstack([numbers * 20, np.zeros_like(numbers), np.zeros_like(numbers)])
        )
        images.append({"id": k, "file_name": f"image_{k}.jpg", "width": WIDTH, "height": HEIGHT})
        annotations.append({"image_id": k, "file_name": f"image_{k}_mask.png", "segments_info": []})
    categories = [{"id": k + 1, "name": name, "isthing": 1} for k, name in enumerate(NAMES)]
    made.text("train.json", {"images": images, "annotations": annotations, "categories": categories})


@reported("ultralytics/ultralytics#1008", "two lines are boxes among polygons: Ultralytics then drops all polygons")
def mixed_boxes(made: Made) -> None:
    def write(one: Thing, k: int) -> str:
        x, y, w, h = one.box
        if k in (3, 8) and x < 60:
            return (
                f"{one.category} {(x + w / 2) / WIDTH:.6f} {(y + h / 2) / HEIGHT:.6f} {w / WIDTH:.6f} {h / HEIGHT:.6f}"
            )
        return line(one.category, one.ring)

    made.yolo(write)


@reported("ultralytics/ultralytics#3285", "lines begin with names and have pixels, where numbers and shares are needed")
def yolo_names_and_pixels(made: Made) -> None:
    made.yolo(
        lambda one, _: f"{NAMES[one.category].upper()} " + " ".join(map(str, one.ring.round().astype(int).reshape(-1)))
    )


@reported("obss/sahi#524", "classes are 1 to 3 where names are 0 to 2: 3 has no name, and the others are one off")
def yolo_from_one(made: Made) -> None:
    made.yolo(lambda one, _: line(one.category + 1, one.ring))


@reported("ultralytics/JSON2YOLO#24", "the parts of an object were put one behind the other: lines cross between them")
def joined_parts(made: Made) -> None:
    def write(one: Thing, _: int) -> str:
        middle = one.ring[:, 0].mean()
        left, right = one.ring[one.ring[:, 0] < middle - 6], one.ring[one.ring[:, 0] > middle + 6]
        return line(one.category, np.concatenate([left, right]))

    made.yolo(write)


@reported("MIC-DKFZ/nnUNet#2404", "labels have soft edges: 0 to 255 instead of 0 and 1")
def soft_labels(made: Made) -> None:
    for k, scene in made.scenes():
        made.image(f"imagesTr/VSL_{k:03d}_0000.png", scene.picture)
        soft = ndimage.gaussian_filter((scene.classes > 0) * 255.0, 0.8)
        made.image(f"labelsTr/VSL_{k:03d}.png", soft.astype(np.uint8))
    made.text(
        "dataset.json",
        {
            "channel_names": {"0": "R", "1": "G", "2": "B"},
            "labels": {"background": 0, "vessel": 1},
            "numTraining": 12,
            "file_ending": ".png",
        },
    )


LABELS = {"background": 0} | {name: k + 1 for k, name in enumerate(NAMES)}


@reported("MIC-DKFZ/nnUNet#1913", "two labels have another voxel spacing than their images: which, by how much")
def other_spacing(made: Made) -> None:
    def change(k: int, classes: Array, affine: Array) -> tuple[Array, Array]:
        return classes, np.diag([0.9766, 0.9766, 3.0, 1.0]) if k in (2, 5) else affine

    made.nnunet(change, LABELS)


@reported(
    "spinalcordtoolbox/spinalcordtoolbox#3229", "labels are 3.0000457 and 1.9999 after resampling, no whole numbers"
)
def nearly_whole(made: Made) -> None:
    def change(k: int, classes: Array, affine: Array) -> tuple[Array, Array]:
        values = classes.astype(np.float64)
        return (values * 1.0000152588 if k in (3, 4) else values), affine

    made.nnunet(change, LABELS)


@reported("cvat-ai/cvat#6274", "half of the masks have colours that labelmap.txt does not have, others in each frame")
def undeclared_colours(made: Made) -> None:
    colours = np.array([(0, 0, 0), (250, 50, 83), (61, 61, 245), (50, 183, 250)], np.uint8)
    stems = []
    for k, scene in made.scenes():
        stem = f"frame_{k:06d}"
        made.image(f"JPEGImages/{stem}.jpg", scene.picture, quality=92)
        odd = np.concatenate([colours[:1], made.rng.integers(40, 250, (3, 3)).astype(np.uint8)])
        made.image(f"SegmentationClass/{stem}.png", (odd if k % 2 else colours)[scene.classes])
        objects = np.array(
            [[128 * (n >> c & 1) + 64 * (n >> c + 3 & 1) for c in range(3)] for n in range(64)], np.uint8
        )
        made.image(f"SegmentationObject/{stem}.png", objects[scene.numbers])
        stems.append(stem)
    rows = [
        f"{name}:{','.join(map(str, c))}::" for name, c in zip(("background", *NAMES), colours.tolist(), strict=True)
    ]
    made.text("labelmap.txt", "\n".join(["# label:color_rgb:parts:actions", *rows]) + "\n")
    made.text("ImageSets/Segmentation/default.txt", "\n".join(stems) + "\n")


def cvat_head(kind: str) -> str:
    """The beginning of CVAT's XML, to its labels."""
    labels = "".join(
        f"<label><name>{name}</name><color>#c0{k}080</color><type>any</type><attributes/></label>"
        for k, name in enumerate(NAMES)
    )
    size = f"<original_size><width>{WIDTH}</width><height>{HEIGHT}</height></original_size>"
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta><task><id>1</id>'
        f"<size>12</size><mode>{kind}</mode><labels>{labels}</labels>{size}</task></meta>"
    )


def cvat_mask(one: Thing) -> tuple[list[int], tuple[int, int, int, int]]:
    """CVAT's run lengths, and left, top, width, height."""
    rows, columns = np.flatnonzero(one.pixels.any(1)), np.flatnonzero(one.pixels.any(0))
    cut = one.pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], cut.reshape(-1)]))).tolist()
    runs = np.diff([0, *edges, cut.size]).tolist()
    return runs, (int(columns[0]), int(rows[0]), cut.shape[1], cut.shape[0])


@reported("cvat-ai/cvat#9460", "two masks have more pixels in their runs than in their box")
def long_runs(made: Made) -> None:
    parts = [cvat_head("annotation")]
    for k, scene in made.scenes():
        made.image(f"images/{k:03d}.jpg", scene.picture, quality=92)
        parts.append(f'<image id="{k - 1}" name="{k:03d}.jpg" width="{WIDTH}" height="{HEIGHT}">')
        for n, one in enumerate(scene.things):
            runs, (left, top, width, height) = cvat_mask(one)
            if (k, n) in {(4, 1), (7, 2)}:
                runs = [*runs[:-2], runs[-2] + 9 * width, runs[-1]]
            parts.append(
                f'<mask label="{NAMES[one.category]}" source="manual" occluded="0" rle="{", ".join(map(str, runs))}" '
                f'left="{left}" top="{top}" width="{width}" height="{height}" z_order="0"></mask>'
            )
        parts.append("</image>")
    made.text("annotations.xml", "\n".join([*parts, "</annotations>"]))


@reported(
    "cvat-ai/cvat#5399",
    "tracks were never ended: the last outline stays to the end though the object has left",
)
def unended_tracks(made: Made) -> None:
    scene = draw(made.rng)
    sand = draw(np.random.default_rng(1)).picture[:40, :40].mean((0, 1))
    frames = 20
    pictures = [np.clip(sand + made.rng.normal(0, 8, (HEIGHT, WIDTH, 3)), 0, 255) for _ in range(frames)]
    parts = [cvat_head("interpolation")]
    for n, one in enumerate(scene.things):
        step, last = made.rng.uniform(-4, 4, 2), int(made.rng.integers(8, 13))
        rows = []
        for k in range(frames):
            shift = np.round(step * min(k, last))
            points = ";".join(f"{x:.2f},{y:.2f}" for x, y in (one.ring + shift).tolist())
            state = f'frame="{k}" keyframe="{int(k in (0, last))}" outside="0" occluded="0"'
            rows.append(f'<polygon {state} points="{points}" z_order="0"></polygon>')
            if k <= last:
                moved = ndimage.shift(one.pixels.astype(np.uint8), shift[::-1], order=0) > 0
                pictures[k][moved] = one.category * 60 + np.array([60, 30, 90])
        parts.append(f'<track id="{n}" label="{NAMES[one.category]}" source="manual">{"".join(rows)}</track>')
    for k, picture in enumerate(pictures):
        made.image(f"images/frame_{k:06d}.png", picture.astype(np.uint8))
    made.text("annotations.xml", "\n".join([*parts, "</annotations>"]))


@reported("MouseLand/cellpose#805", "masks are 0 and 255, so that all cells of an image are one object")
def binary_cells(made: Made) -> None:
    for k, scene in made.scenes():
        made.image(f"train/cells_{k:03d}.tif", scene.picture.mean(2).astype(np.uint8))
        made.image(f"train/cells_{k:03d}_masks.tif", (scene.numbers > 0).astype(np.uint8) * 255)


@reported("mcordts/cityscapesScripts#32", "instanceIds were saved with 8 bits: ids of 24000 and more are cut off")
def short_instance_ids(made: Made) -> None:
    ids = np.array([0, 24, 26, 33], np.uint8)
    for k, scene in made.scenes():
        split, stem = ("val" if k % 4 == 0 else "train"), f"aachen_{k:06d}_000019"
        made.image(f"leftImg8bit/{split}/aachen/{stem}_leftImg8bit.png", scene.picture)
        made.image(f"gtFine/{split}/aachen/{stem}_gtFine_labelIds.png", ids[scene.classes])
        wide = ids[scene.classes].astype(np.uint16) * np.where(scene.numbers > 0, 1000, 1) + scene.numbers
        made.image(f"gtFine/{split}/aachen/{stem}_gtFine_instanceIds.png", wide.astype(np.uint8))


@reported(
    "smhassanerfani/atlantis#17",
    "masks have 1 to 4 where the list of labels has 0 to 3: all are one off, 4 has no name",
)
def labels_one_off(made: Made) -> None:
    for k, scene in made.scenes():
        made.image(f"images/train/{k}.jpg", scene.picture, quality=92)
        made.image(f"masks/train/{k}.png", scene.classes + 1)
    made.text("labels_info.json", [{"id": k, "name": name} for k, name in enumerate(("beach", *NAMES))])


@reported("openimages/dataset#92", "masks have another resolution than the images, by a common factor")
def openimages_sizes(made: Made) -> None:
    codes = ("/m/0n28_", "/m/06_fw", "/m/0xyz1")
    rows = ["MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks"]
    for k, scene in made.scenes():
        name = f"{k:016x}"
        made.image(f"train/{name}.jpg", scene.picture, quality=92)
        for n, one in enumerate(scene.things):
            path = f"{name}_{codes[one.category].replace('/', '')}_{n:08x}.png"
            factor = 1 if k % 6 == 0 else 1.5625
            mask = Image.fromarray(one.pixels.astype(np.uint8) * 255)
            mask = mask.resize((round(WIDTH * factor), round(HEIGHT * factor)), Image.Resampling.NEAREST)
            made.image(f"train-masks/{path}", np.array(mask) > 0)
            x, y, w, h = np.array(one.box) / [WIDTH, HEIGHT, WIDTH, HEIGHT]
            rows.append(f"{path},{name},{codes[one.category]},{n:08x},{x:.6f},{x + w:.6f},{y:.6f},{y + h:.6f},0.9,")
    made.text("train-annotations-object-segmentation.csv", "\n".join(rows) + "\n")
    made.text("class-descriptions-boxable.csv", "".join(f"{c},{n}\n" for c, n in zip(codes, NAMES, strict=True)))


def labelme(scene: Scene, name: str, **more: object) -> Json:
    """A LabelMe file."""
    shapes = [
        {
            "label": NAMES[one.category],
            "points": one.ring.tolist(),
            "group_id": None,
            "shape_type": "polygon",
            "flags": {},
        }
        for one in scene.things
    ]
    return {
        "version": "5.1.1",
        "flags": {},
        "shapes": shapes,
        "imagePath": name,
        "imageData": None,
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
    } | more


@reported(
    "wkentaro/labelme#885", "imageData is the picture before it was made smaller; LabelMe opens that one, not the file"
)
def old_image_data(made: Made) -> None:
    for k, scene in made.scenes():
        small = np.array(Image.fromarray(scene.picture).resize((WIDTH // 2, HEIGHT // 2)))
        made.image(f"{k:03d}.jpg", small, quality=92)
        content = labelme(
            scene,
            f"{k:03d}.jpg",
            imageData=picture_bytes(scene.picture),
            imageHeight=HEIGHT // 2,
            imageWidth=WIDTH // 2,
        )
        for shape in content["shapes"]:
            shape["points"] = (np.array(shape["points"]) / 2).tolist()
        made.text(f"{k:03d}.json", content)


@reported("matterport/Mask_RCNN#503", "half of the regions are rectangles where outlines are meant")
def via_rectangles(made: Made) -> None:
    content: Json = {}
    for k, scene in made.scenes():
        made.image(f"flowers/train/file{k}.jpg", scene.picture, quality=92)
        regions = []
        for n, one in enumerate(scene.things):
            x, y, w, h = (round(v) for v in one.box)
            polygon = {
                "name": "polygon",
                "all_points_x": one.ring[:, 0].round().astype(int).tolist(),
                "all_points_y": one.ring[:, 1].round().astype(int).tolist(),
            }
            shape = {"name": "rect", "x": x, "y": y, "width": w, "height": h} if n % 2 else polygon
            regions.append({"shape_attributes": shape, "region_attributes": {"name": NAMES[one.category]}})
        size = (made.root / f"flowers/train/file{k}.jpg").stat().st_size
        content[f"file{k}.jpg{size}"] = {
            "filename": f"file{k}.jpg",
            "size": size,
            "regions": regions,
            "file_attributes": {},
        }
    made.text("flowers/train/via_region_data.json", content)


@reported(
    "wkentaro/labelme#813", "_background_ drawn inside an object is its hole and no object of its own", convert="coco"
)
def background_holes(made: Made) -> None:
    for k, scene in made.scenes():
        made.image(f"{k:03d}.jpg", scene.picture, quality=92)
        content = labelme(scene, f"{k:03d}.jpg")
        for one in scene.things[::3]:
            hole = one.ring.mean(0) + 0.4 * (one.ring - one.ring.mean(0))
            content["shapes"].append(
                {
                    "label": "_background_",
                    "points": hole.tolist(),
                    "group_id": None,
                    "shape_type": "polygon",
                    "flags": {},
                }
            )
        made.text(f"{k:03d}.json", content)


@reported("supervisely/supervisely#731", "meta.json lacks the list of classes")
def meta_without_classes(made: Made) -> None:
    for k, scene in made.scenes():
        made.image(f"ds/img/{k:03d}.jpg", scene.picture, quality=92)
        objects = [
            {
                "id": 100 * k + n,
                "classId": one.category,
                "classTitle": NAMES[one.category],
                "geometryType": "polygon",
                "tags": [],
                "points": {"exterior": one.ring.round().astype(int).tolist(), "interior": []},
            }
            for n, one in enumerate(scene.things)
        ]
        made.text(
            f"ds/ann/{k:03d}.jpg.json",
            {"description": "", "tags": [], "size": {"height": HEIGHT, "width": WIDTH}, "objects": objects},
        )
    made.text("meta.json", {"tags": [], "projectType": "images"})


@reported(
    "https://www.kaggle.com/c/sartorius-cell-instance-segmentation/discussion/278936",
    "the runs go row by row, where the competition's page says column by column: which way they were read",
)
def runs_by_rows(made: Made) -> None:
    rows = ["id,annotation,width,height,cell_type"]
    for k, scene in made.scenes():
        name = f"{k:012x}"
        made.image(f"train/{name}.png", scene.picture.mean(2).astype(np.uint8))
        for one in scene.things:
            edges = np.flatnonzero(np.diff(np.concatenate([[0], one.pixels.reshape(-1).astype(int), [0]]))).reshape(
                -1, 2
            )
            runs = " ".join(f"{start + 1} {stop - start}" for start, stop in edges.tolist())
            rows.append(f"{name},{runs},{WIDTH},{HEIGHT},{NAMES[one.category]}")
    made.text("train.csv", "\n".join(rows) + "\n")


# Layouts


@reported(
    "open-edge-platform/datumaro#1630", "reads: a COCO file for each image, in Annotations beside Images", layout=True
)
def coco_per_image(made: Made) -> None:
    content, _ = made.coco("Images")
    for image in content["images"]:
        own = [one | {"image_id": 1} for one in content["annotations"] if one["image_id"] == image["id"]]
        name = Path(image["file_name"]).stem
        made.text(f"Annotations/{name}.json", document([image | {"id": 1}], own))


@reported(
    "HarborYuan/ovsam#44", "reads: SA-1B, a JSON beside each image, folders named in train.txt and val.txt", layout=True
)
def sa1b(made: Made) -> None:
    content, scenes = made.coco("unused")
    for image, scene in zip(content["images"], scenes, strict=True):
        folder = f"sa_{20 + image['id'] % 3:06d}"
        number = 223750 + image["id"]
        made.image(f"sam/{folder}/sa_{number}.jpg", scene.picture, quality=92)
        annotations = []
        for n, one in enumerate(scene.things):
            edges = np.flatnonzero(np.diff(np.concatenate([[False], one.pixels.T.reshape(-1)]))).tolist()
            counts = np.diff([0, *edges, one.pixels.size]).tolist()
            annotations.append(
                {
                    "id": number * 10 + n,
                    "segmentation": {"size": [HEIGHT, WIDTH], "counts": counts},
                    "bbox": one.box,
                    "area": int(one.pixels.sum()),
                    "predicted_iou": 0.95,
                    "stability_score": 0.97,
                    "crop_box": [0, 0, WIDTH, HEIGHT],
                    "point_coords": [one.ring.mean(0).tolist()],
                }
            )
        about = {"image_id": number, "width": WIDTH, "height": HEIGHT, "file_name": f"sa_{number}.jpg"}
        made.text(f"sam/{folder}/sa_{number}.json", {"image": about, "annotations": annotations})
    made.text("sam/train.txt", "sa_000020\nsa_000021\n")
    made.text("sam/val.txt", "sa_000022\n")
    for path in (made.root / "unused").iterdir():
        path.unlink()
    (made.root / "unused").rmdir()


@reported("MouseLand/cellpose#396", "reads: brabra_image.tiff with brabra_masks.tiff", layout=True)
def tiff_pairs(made: Made) -> None:
    for k, scene in made.scenes():
        made.image(f"cell/{'test' if k > 9 else 'train'}/brabra{k}_image.tiff", scene.picture.mean(2).astype(np.uint8))
        made.image(f"cell/{'test' if k > 9 else 'train'}/brabra{k}_masks.tiff", scene.numbers)


@reported("MouseLand/cellpose#1064", "reads: images in a folder, their masks in a folder masks below it", layout=True)
def masks_below(made: Made) -> None:
    for k, scene in made.scenes(10):
        made.image(f"training/image{k}.tif", scene.picture.mean(2).astype(np.uint8))
        made.image(f"training/masks/image{k}_mask.tif", scene.numbers)


@reported(
    "ultralytics/JSON2YOLO#39",
    "refused as Labelbox's export, whose masks are on the net: what to export instead",
    layout=True,
)
def labelbox_export(made: Made) -> None:
    rows = []
    for k, scene in made.scenes():
        made.image(f"images/{k}.jpg", scene.picture, quality=92)
        objects = [
            {
                "featureId": f"f{k}{n}",
                "schemaId": "s1",
                "color": "#1CE6FF",
                "title": NAMES[one.category],
                "value": NAMES[one.category],
                "instanceURI": f"https://api.labelbox.com/masks/f{k}{n}",
            }
            for n, one in enumerate(scene.things)
        ]
        rows.append(
            {
                "ID": f"c{k}",
                "DataRow ID": f"d{k}",
                "Labeled Data": f"https://storage.example/{k}.jpg",
                "Label": {"objects": objects, "classifications": [], "relationships": []},
                "Created By": "a@example.org",
                "Project Name": "beach",
                "External ID": f"{k}.jpg",
                "Skipped": False,
            }
        )
    made.text("export.json", rows)


@reported("v7labs/darwin-py#423", "reads V7's JSON, or is refused as that: what to export instead", layout=True)
def darwin(made: Made) -> None:
    for k, scene in made.scenes():
        made.image(f"images/{k}.jpg", scene.picture, quality=92)
        annotations = [
            {
                "id": f"a{k}{n}",
                "name": NAMES[one.category],
                "slot_names": ["0"],
                "bounding_box": dict(zip("xywh", one.box, strict=True)),
                "polygon": {"paths": [[{"x": x, "y": y} for x, y in one.ring.tolist()]]},
            }
            for n, one in enumerate(scene.things)
        ]
        slots = [
            {
                "type": "image",
                "slot_name": "0",
                "width": WIDTH,
                "height": HEIGHT,
                "source_files": [{"file_name": f"{k}.jpg"}],
            }
        ]
        made.text(
            f"releases/latest/annotations/{k}.json",
            {
                "version": "2.0",
                "schema_ref": "https://darwin-public.s3.eu-west-1.amazonaws.com/darwin_json/2.0/schema.json",
                "item": {"name": f"{k}.jpg", "path": "/", "slots": slots},
                "annotations": annotations,
            },
        )


@reported(
    "ryouchinsa/Rectlabel-support#268",
    "reads: masks of classes and of objects, and one of all, in one folder",
    layout=True,
)
def rectlabel_masks(made: Made) -> None:
    for k, scene in made.scenes():
        made.image(f"images/{k:012d}.jpg", scene.picture, quality=92)
        made.image(f"masks/{k:012d}_all_objects.png", scene.numbers.astype(np.uint8) * 20)
        for category in sorted({one.category for one in scene.things}):
            made.image(
                f"masks/{k:012d}_class_{NAMES[category]}.png", (scene.classes == category + 1).astype(np.uint8) * 255
            )
        for n, one in enumerate(scene.things):
            made.image(f"masks/{k:012d}_object{n}.png", one.pixels.astype(np.uint8) * 255)


@reported("ultralytics/ultralytics#11268", "reads masks/train and masks/val, with the names of data.yaml", layout=True)
def yaml_with_masks(made: Made) -> None:
    for k, scene in made.scenes():
        split = "val" if k % 4 == 0 else "train"
        made.image(f"images/{split}/{k}.jpg", scene.picture, quality=92)
        made.image(f"masks/{split}/{k}.png", scene.classes)
    names = "".join(f"  {k}: {name}\n" for k, name in enumerate(("beach", *NAMES)))
    made.text(
        "data.yaml",
        "path: /content/drive/Documents/app/coco\n\ntrain: images/train\nval: images/val\n\nmasks:\n"
        f"  train: masks/train\n  val: masks/val\n\nnc: 4\n\nnames:\n{names}",
    )


@reported(
    "open-mmlab/mmsegmentation#2471",
    "reads colour masks without a list of colours, and says how to name them",
    layout=True,
)
def bare_colours(made: Made) -> None:
    palette = np.array([(0, 255, 100), (0, 128, 150), (255, 128, 50), (255, 0, 0)], np.uint8)
    for k, scene in made.scenes():
        made.image(f"img_dir/train/{k}.png", scene.picture)
        made.image(f"ann_dir/train/{k}.png", palette[scene.classes])


@reported(
    "MIC-DKFZ/nnUNet#240", "reads a Decathlon task with the hidden ._ files of macOS, which are no labels", layout=True
)
def hidden_files(made: Made) -> None:
    made.nnunet(lambda _k, classes, affine: (classes, affine), LABELS)
    for path in sorted(made.root.rglob("*.nii.gz")):
        path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(200))
    training = [
        {"image": f"./imagesTr/case_{k:03d}.nii.gz", "label": f"./labelsTr/case_{k:03d}.nii.gz"} for k in range(1, 7)
    ]
    for path in sorted(made.root.glob("imagesTr/*_0000.nii.gz")):
        path.rename(path.with_name(path.name.replace("_0000", "")))
    made.text(
        "dataset.json",
        {
            "name": "beach",
            "modality": {"0": "CT"},
            "labels": {str(v): k for k, v in LABELS.items()},
            "numTraining": 6,
            "training": training,
            "test": [],
        },
    )


def main(folder: Path, names: list[str]) -> None:
    """Build the cases and print what the user reads."""
    for one in REPORTED:
        name = one.build.__name__
        if names and name not in names:
            continue
        made = Made(folder / name)
        one.build(made)
        print(
            f"\n{'=' * 100}\n## {name} [{'layout' if one.layout else 'defect'}, {one.thread}]\n   to tell: {one.told}",
            flush=True,
        )
        commands = [["validate", name]]
        if one.convert:
            commands.append(["convert", name, f"{name}.out.json", "--to", one.convert])
        for command in commands:
            run = [sys.executable, "-m", "segdata", *command]
            done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=folder)
            print(f"$ segdata {' '.join(command)}\n{done.stdout}{done.stderr}-> exit {done.returncode}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2:])
