"""Defects of COCO instances: files that cannot be read, references, shapes and overlap."""

from collections.abc import Iterator
from itertools import pairwise

import cv2
import numpy as np
from PIL import Image

from tests.generators.sample.defects.seeding import Mask, SeededDataset, SeededDefect, seeds_defect
from tests.generators.sample.taxonomy import BUS, CAR, SIGN
from tests.generators.sample.writers import Json, rings, rle, segmentation

READING = "coco_reading"


@seeds_defect(READING)
def unreadable_file(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG001: an image cut in the middle, and one without a byte."""
    for share, note in ((0.4, "image cut off after 40 % of its bytes"), (0, "image file of 0 bytes")):
        shot = site.take()
        path = site.path("images", shot)
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        yield site.defect("SEG001", note, file=f"images/{path.name}", image=path.name)


@seeds_defect(READING)
def missing_file(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG002: an image that is gone, and one whose file name differs in case only."""
    removed, renamed = site.path("images", site.take()), site.path("images", site.take())
    removed.unlink()
    yield site.defect("SEG002", "image file does not exist", file=f"images/{removed.name}", image=removed.name)
    renamed.rename(renamed.with_suffix(".JPG"))
    note = f"file is named {renamed.stem}.JPG"
    yield site.defect("SEG002", note, file=f"images/{renamed.name}", image=renamed.name)


@seeds_defect(READING)
def size_mismatch(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG003: an image declared twice as large as it is; its annotations still lie inside both frames."""
    shot = site.take()
    image = _entry(site, shot.name)
    height, width = shot.picture.labels.shape
    image |= {"width": 2 * width, "height": 2 * height}
    kept_annotations = [
        a for a in site.document["annotations"] if a["image_id"] != image["id"] or isinstance(a["segmentation"], list)
    ]
    site.document["annotations"] = kept_annotations
    note = f"declared {2 * width}x{2 * height}, the file is {width}x{height}"
    yield site.defect("SEG003", note, file=f"images/{image['file_name']}", image=image["file_name"])


@seeds_defect(READING)
def exif_rotated(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG012: an image that viewers turn by 180 degrees."""
    path = site.path("images", site.take())
    with Image.open(path) as image:
        exif = image.getexif()
        exif[0x0112] = 3
        image.save(path, quality=88, subsampling=0, exif=exif)
    yield site.defect(
        "SEG012", "EXIF orientation 3 (turned by 180 degrees)", file=f"images/{path.name}", image=path.name
    )


@seeds_defect(READING)
def unsafe_path(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG015: an image path that leaves the dataset."""
    image = _entry(site, site.take().name)
    safe = image["file_name"]  # what a reader makes of it: the name cannot be used as it stands
    image["file_name"] = f"../../{safe}"
    site.taken.add(image["file_name"].removesuffix(".jpg"))
    yield site.defect("SEG015", "path leaves the dataset's root", file="instances.json", image=safe)


@seeds_defect(READING)
def duplicate_image_id(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG008: an image entry given twice."""
    image = _entry(site, site.take().name)
    site.document["images"].append(dict(image))
    yield site.defect("SEG008", f"image id {image['id']} twice", file="instances.json", image=image["file_name"])


@seeds_defect(READING)
def orphan_file(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG011: an image file that the JSON does not name."""
    Image.fromarray(site.shots[0].picture.image[:, ::-1]).save(site.folder / "images" / "orphan.jpg", quality=88)
    yield site.defect("SEG011", "no entry names this image", file="images/orphan.jpg", image="orphan.jpg")


@seeds_defect(READING)
def malformed_annotation(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG004: a field missing, of the wrong type, not a number, and out of range."""
    missing, values, nan, crowd = _next(site, 4)
    for annotation, note in (
        (missing, "category_id is missing"), (values, "segmentation is a string"), (nan, "bbox holds NaN"),
        (crowd, "iscrowd is 7"),
    ):  # fmt: skip
        yield site.defect("SEG004", note, **site.about(annotation))
    del missing["category_id"]
    values["segmentation"] = "polygon"
    nan["bbox"][2] = float("nan")
    crowd["iscrowd"] = 7


@seeds_defect(READING)
def malformed_rle(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG005: counts that end too early, a negative count, a string that no encoder writes."""
    short, negative, garbage = _next(site, 3)
    for annotation in (short, negative):
        annotation["segmentation"] = rle(site.mask_of(annotation), compressed=False)
    short["segmentation"]["counts"][-1] -= 7
    yield site.defect("SEG005", "counts sum to 7 less than height x width", **site.about(short))
    counts = negative["segmentation"]["counts"]
    counts[1], counts[0] = -counts[1], counts[0] + 2 * counts[1]
    yield site.defect("SEG005", "a count is negative", **site.about(negative))
    garbage["segmentation"] = rle(site.mask_of(garbage)) | {"counts": "~~ no counts ~~"}
    yield site.defect("SEG005", "counts '~~ no counts ~~' cannot be decoded", **site.about(garbage))


@seeds_defect(READING)
def malformed_polygon(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG006: too few points, an odd count, NaN, no area, a box passed off as a polygon."""
    shapes: tuple[tuple[str, list[float]], ...] = (
        ("polygon of a single point", [10, 10]),
        ("odd count of 7 numbers", [10, 10, 40, 10, 40, 40, 20]),
        ("NaN among the coordinates", [10, 10, 40, 10, 40, float("nan")]),
        ("three points on a line", [10, 10, 20, 20, 40, 40]),
        ("a box of four numbers", [10, 10, 30, 30]),
    )
    for annotation, (note, ring) in zip(_next(site, len(shapes)), shapes, strict=True):
        annotation["segmentation"] = [ring]
        yield site.defect("SEG006", note, **site.about(annotation))


@seeds_defect(READING)
def dangling_reference(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG007: an annotation of an image that is not there, and one of an unknown category."""
    of_image, of_category = _next(site, 2)
    about = site.about(of_image) | {"image": None}
    of_image["image_id"] = 9999
    yield site.defect("SEG007", "image_id 9999 does not exist", **about)
    of_category["category_id"] = 77
    yield site.defect("SEG007", "category_id 77 does not exist", **site.about(of_category))


@seeds_defect(READING)
def duplicate_annotation_id(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG008: an annotation id on two annotations."""
    annotations = list(site.annotations())
    first, second = next((a, b) for a, b in pairwise(annotations) if a["image_id"] == b["image_id"])
    site.taken -= {annotation["id"] for annotation in annotations} - {first["id"], second["id"]}
    second["id"] = first["id"]
    yield site.defect("SEG008", f"annotation id {first['id']} twice", **site.about(second))


@seeds_defect(READING)
def stale_measure(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG013: an area half as large again as the pixels, and a box that slipped."""
    of_area, of_box = _next(site, 2)
    true_area = of_area["area"]
    of_area["area"] = true_area * 3 // 2
    yield site.defect(
        "SEG013", f"area {of_area['area']} declared", pixels=true_area, bbox=of_area["bbox"], **site.about(of_area)
    )
    x, y, width, height = of_box["bbox"]
    of_box["bbox"] = [max(x - 12, 0), y + 9, width, height]
    note = f"bbox {of_box['bbox']} declared"
    yield site.defect("SEG013", note, pixels=of_box["area"], bbox=[x, y, width, height], **site.about(of_box))


def _next(site: SeededDataset, count: int) -> list[Json]:
    """That many untouched annotations of at least 60 pixels."""
    annotations = site.annotations(lambda annotation: annotation["area"] >= 60)
    return [next(annotations) for _ in range(count)]


def _entry(site: SeededDataset, name: str) -> Json:
    return next(image for image in site.document["images"] if image["file_name"] == f"{name}.jpg")


SHAPES = "coco_shapes"


def solid(site: SeededDataset, category: int = CAR.id, min_pixels: int = 400) -> Json:
    """An untouched annotation of a category that is in one part, without holes, and away from the frame."""

    def fits(annotation: Json) -> bool:
        if (
            annotation["category_id"] != category
            or annotation["area"] < min_pixels
            or not isinstance(annotation["segmentation"], list)
        ):
            return False
        (x, y, width, height), image = annotation["bbox"], site.image_of(annotation)
        inside = x > 0 and y > 0 and x + width < image["width"] and y + height < image["height"]
        return inside and len(annotation["segmentation"]) == 1

    return next(site.annotations(fits))


def core_of(mask: Mask, radius: int) -> Mask:
    """A square of 2 x radius + 1 pixels about the point that is deepest inside the mask."""
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    square = np.zeros_like(mask)
    square[max(row - radius, 0) : row + radius + 1, max(column - radius, 0) : column + radius + 1] = True
    return square


def disc_in(mask: Mask, radius: int) -> Mask:
    """The pixels of a mask within a radius of the point that is deepest inside."""
    disc = np.zeros(mask.shape, np.uint8)
    rows, columns = np.nonzero(core_of(mask, 0))
    cv2.circle(disc, (int(columns[0]), int(rows[0])), radius, 1, -1)
    return np.asarray(disc.astype(bool) & mask)


@seeds_defect(SHAPES)
def filled_hole(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG018: an inner ring given as a second polygon, which COCO's union fills."""
    annotation = solid(site, min_pixels=700)
    inner = core_of(site.mask_of(annotation), 4)
    annotation["segmentation"] += rings(inner)
    yield site.covering("SEG018", "a ring inside another is filled", inner, **site.about(annotation))


@seeds_defect(SHAPES)
def duplicate_segment(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG104: the same car twice, and a car that is also called a bus."""
    first, second = solid(site), solid(site)
    twin, bus = site.add(first), site.add(second, category_id=BUS.id)
    for annotation, copy, note in (
        (first, twin, "the same segment twice"),
        (second, bus, "one shape as car and as bus"),
    ):
        about = site.about(annotation) | {"segments": [annotation["id"], copy["id"]]}
        yield site.covering("SEG104", note, site.mask_of(annotation), **about)


@seeds_defect(SHAPES)
def empty_segment(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG105: an RLE without a set pixel."""
    annotation = solid(site)
    site.redraw(annotation, rle(np.zeros_like(site.mask_of(annotation)), compressed=False))
    yield site.defect("SEG105", "no pixel is set", pixels=0, **site.about(annotation))


@seeds_defect(SHAPES)
def speck(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG106: a stray part of 6 pixels far from its car."""
    annotation = solid(site)
    mask = site.mask_of(annotation)
    stray = np.zeros_like(mask)
    stray[6:9, 10:12] = True
    site.redraw(annotation, segmentation(mask | stray))
    yield site.covering("SEG106", "stray part", stray, **site.about(annotation))


@seeds_defect(SHAPES)
def pinhole(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG107: a hole of 3 pixels inside a car."""
    annotation = solid(site)
    mask = site.mask_of(annotation)
    hole = core_of(mask, 0)
    hole |= np.roll(hole, 1, axis=1) | np.roll(hole, -1, axis=1)
    site.redraw(annotation, rle(mask & ~hole))
    yield site.covering("SEG107", "hole of a few pixels", hole, **site.about(annotation))


@seeds_defect(SHAPES)
def nested_segment(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG110: a car drawn inside a car."""
    annotation = solid(site, min_pixels=700)
    inner = core_of(site.mask_of(annotation), 6) & site.mask_of(annotation)
    nested = site.add(annotation)
    site.redraw(nested, segmentation(inner))
    about = site.about(annotation) | {"segments": [annotation["id"], nested["id"]]}
    yield site.covering("SEG110", "a segment inside another of its category", inner, **about)


@seeds_defect(SHAPES)
def coarse_outline(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG113: a car outlined by a handful of points."""
    annotation = solid(site, min_pixels=600)
    ring = np.array(annotation["segmentation"][0], np.float32).reshape(-1, 1, 2)
    coarse = cv2.approxPolyDP(ring, 0.04 * float(cv2.arcLength(ring, True)), True).ravel().tolist()
    mask = site.redraw(annotation, [coarse])
    yield site.covering("SEG113", f"{len(coarse) // 2} vertices", mask, **site.about(annotation))


@seeds_defect(SHAPES)
def self_intersection(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG114: a ring whose points were clicked in the wrong order."""
    annotation = solid(site)
    x, y, width, height = annotation["bbox"]
    crossed = [x, y, x + width, y + height, x + width, y, x, y + height]
    mask = site.redraw(annotation, [crossed])
    yield site.covering("SEG114", "the ring crosses itself", mask, **site.about(annotation))


@seeds_defect(SHAPES)
def out_of_frame(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG115: a car pushed over the right edge of the image."""
    annotation = solid(site)
    mask_before, image = site.mask_of(annotation), site.image_of(annotation)
    x, _, width, _ = annotation["bbox"]
    push = image["width"] - x - width // 2
    ring = np.array(annotation["segmentation"][0], dtype=float).reshape(-1, 2) + np.array([push, 0])
    mask = site.redraw(annotation, [ring.ravel().tolist()])
    outside = int(mask_before.sum()) - int(mask.sum())
    note = f"vertices reach {push - (image['width'] - x - width)} px beyond the right edge"
    yield site.defect("SEG115", note, pixels=outside, bbox=annotation["bbox"], **site.about(annotation))


@seeds_defect(SHAPES)
def frame_filling_thing(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG117: a bus that fills all but the corners of the image."""
    annotation = next(site.annotations(lambda annotation: annotation["category_id"] == BUS.id))
    width, height = site.image_of(annotation)["width"], site.image_of(annotation)["height"]
    corners = [9, 0, width - 9, 0, width, 9, width, height - 9, width - 9, height, 9, height, 0, height - 9, 0, 9]
    mask = site.redraw(annotation, [corners])
    yield site.covering("SEG117", "a thing over nearly the whole frame", mask, **site.about(annotation))


@seeds_defect(SHAPES)
def box_mask(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG112: every sign is its own bounding box."""
    signs = list(site.annotations(lambda annotation: annotation["category_id"] == SIGN.id))
    for annotation in signs:
        x, y, width, height = annotation["bbox"]
        site.redraw(annotation, [[x, y, x + width, y, x + width, y + height, x, y + height]])
    total = sum(annotation["area"] for annotation in signs)
    note = f"{len(signs)} of {len(signs)} signs are exact rectangles"
    segments = [annotation["id"] for annotation in signs]
    yield site.defect("SEG112", note, file="instances.json", segments=segments, category=SIGN.name, pixels=total)


OVERLAP = "coco_overlap"


@seeds_defect(OVERLAP)
def overlap(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG102: a car that was drawn over its neighbour."""
    for car, neighbour in _neighbours(site):
        shared = _grown(site.mask_of(car), 4) & site.mask_of(neighbour)
        if 40 <= shared.sum() < 0.5 * neighbour["area"]:
            site.redraw(car, segmentation(site.mask_of(car) | shared))
            yield site.covering("SEG102", "pixels claimed by two segments", shared, **_about_pair(site, car, neighbour))
            return


@seeds_defect(OVERLAP)
def hairline(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG111: a line one pixel wide that belongs to both of two things that touch."""
    for car, neighbour in _neighbours(site):
        line = _grown(site.mask_of(car), 1) & site.mask_of(neighbour)
        if line.sum() >= 14:
            site.redraw(car, segmentation(site.mask_of(car) | line))
            about = _about_pair(site, car, neighbour)
            yield site.covering("SEG111", "a line of doubly claimed pixels along the border", line, **about)
            return


def _neighbours(site: SeededDataset) -> Iterator[tuple[Json, Json]]:
    """A car and another thing of the same image, image by image; each image is taken as it is tried."""
    for image in site.document["images"]:
        things = [a for a in site.document["annotations"] if a["image_id"] == image["id"] and not a["iscrowd"]]
        stem = image["file_name"].rpartition(".")[0]
        if stem in site.taken:
            continue
        cars = [thing for thing in things if thing["category_id"] == CAR.id and thing["area"] > 300]
        for car, neighbour in ((car, neighbour) for car in cars for neighbour in things if neighbour is not car):
            site.taken.add(stem)
            yield car, neighbour


def _grown(mask: Mask, pixels: int) -> Mask:
    kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel), dtype=bool)


def _about_pair(site: SeededDataset, car: Json, neighbour: Json) -> Json:
    return site.about(car) | {"segments": sorted([car["id"], neighbour["id"]])}


@seeds_defect("broken_json")
def truncated_json(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG001: the JSON is cut off after two thirds of its bytes."""
    path = site.folder / "instances.json"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    yield site.defect("SEG001", "JSON cut off after two thirds of its bytes", file="instances.json")
