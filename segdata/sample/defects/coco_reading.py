"""Reading defects of a COCO instances file and of its images."""

from collections.abc import Iterator
from itertools import pairwise

from PIL import Image

from segdata.sample.defects.registry import seeds
from segdata.sample.defects.site import Defect, Site
from segdata.sample.write import Json, rle

SET = "coco_reading"


@seeds(SET)
def unreadable_file(site: Site) -> Iterator[Defect]:
    """SEG001: an image cut in the middle, and one without a byte."""
    for share, what in ((0.4, "image cut off after 40 % of its bytes"), (0, "image file of 0 bytes")):
        shot = site.take()
        path = site.path("images", shot)
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        yield site.defect("SEG001", what, file=f"images/{path.name}", image=path.name)


@seeds(SET)
def missing_file(site: Site) -> Iterator[Defect]:
    """SEG002: an image that is gone, and one whose file name differs in case only."""
    gone, renamed = site.path("images", site.take()), site.path("images", site.take())
    gone.unlink()
    yield site.defect("SEG002", "image file does not exist", file=f"images/{gone.name}", image=gone.name)
    renamed.rename(renamed.with_suffix(".JPG"))
    what = f"file is named {renamed.stem}.JPG"
    yield site.defect("SEG002", what, file=f"images/{renamed.name}", image=renamed.name)


@seeds(SET)
def size_mismatch(site: Site) -> Iterator[Defect]:
    """SEG003: an image declared twice as large as it is; its annotations still lie inside both frames."""
    shot = site.take()
    image = _entry(site, shot.name)
    height, width = shot.picture.labels.shape
    image |= {"width": 2 * width, "height": 2 * height}
    kept = [
        a for a in site.document["annotations"] if a["image_id"] != image["id"] or isinstance(a["segmentation"], list)
    ]
    site.document["annotations"] = kept
    what = f"declared {2 * width}x{2 * height}, the file is {width}x{height}"
    yield site.defect("SEG003", what, file=f"images/{image['file_name']}", image=image["file_name"])


@seeds(SET)
def exif_rotated(site: Site) -> Iterator[Defect]:
    """SEG012: an image that viewers turn by 180 degrees."""
    path = site.path("images", site.take())
    with Image.open(path) as image:
        exif = image.getexif()
        exif[0x0112] = 3
        image.save(path, quality=88, subsampling=0, exif=exif)
    yield site.defect(
        "SEG012", "EXIF orientation 3 (turned by 180 degrees)", file=f"images/{path.name}", image=path.name
    )


@seeds(SET)
def unsafe_path(site: Site) -> Iterator[Defect]:
    """SEG015: an image path that leaves the dataset."""
    image = _entry(site, site.take().name)
    safe = image["file_name"]  # what a reader makes of it: the name cannot be used as it stands
    image["file_name"] = f"../../{safe}"
    site.taken.add(image["file_name"].removesuffix(".jpg"))
    yield site.defect("SEG015", "path leaves the dataset's root", file="instances.json", image=safe)


@seeds(SET)
def duplicate_image_id(site: Site) -> Iterator[Defect]:
    """SEG008: an image entry given twice."""
    image = _entry(site, site.take().name)
    site.document["images"].append(dict(image))
    yield site.defect("SEG008", f"image id {image['id']} twice", file="instances.json", image=image["file_name"])


@seeds(SET)
def orphan_file(site: Site) -> Iterator[Defect]:
    """SEG011: an image file that the JSON does not name."""
    Image.fromarray(site.shots[0].picture.image[:, ::-1]).save(site.folder / "images" / "orphan.jpg", quality=88)
    yield site.defect("SEG011", "no entry names this image", file="images/orphan.jpg", image="orphan.jpg")


@seeds(SET)
def malformed_annotation(site: Site) -> Iterator[Defect]:
    """SEG004: a field missing, of the wrong type, not a number, and out of range."""
    missing, wrong, nan, crowd = _next(site, 4)
    for annotation, what in (
        (missing, "category_id is missing"), (wrong, "segmentation is a string"), (nan, "bbox holds NaN"),
        (crowd, "iscrowd is 7"),
    ):  # fmt: skip
        yield site.defect("SEG004", what, **site.about(annotation))
    del missing["category_id"]
    wrong["segmentation"] = "polygon"
    nan["bbox"][2] = float("nan")
    crowd["iscrowd"] = 7


@seeds(SET)
def malformed_rle(site: Site) -> Iterator[Defect]:
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


@seeds(SET)
def malformed_polygon(site: Site) -> Iterator[Defect]:
    """SEG006: too few points, an odd count, NaN, no area, a box passed off as a polygon."""
    shapes: tuple[tuple[str, list[float]], ...] = (
        ("polygon of a single point", [10, 10]),
        ("odd count of 7 numbers", [10, 10, 40, 10, 40, 40, 20]),
        ("NaN among the coordinates", [10, 10, 40, 10, 40, float("nan")]),
        ("three points on a line", [10, 10, 20, 20, 40, 40]),
        ("a box of four numbers", [10, 10, 30, 30]),
    )
    for annotation, (what, ring) in zip(_next(site, len(shapes)), shapes, strict=True):
        annotation["segmentation"] = [ring]
        yield site.defect("SEG006", what, **site.about(annotation))


@seeds(SET)
def dangling_reference(site: Site) -> Iterator[Defect]:
    """SEG007: an annotation of an image that is not there, and one of an unknown category."""
    of_image, of_category = _next(site, 2)
    about = site.about(of_image) | {"image": None}
    of_image["image_id"] = 9999
    yield site.defect("SEG007", "image_id 9999 does not exist", **about)
    of_category["category_id"] = 77
    yield site.defect("SEG007", "category_id 77 does not exist", **site.about(of_category))


@seeds(SET)
def duplicate_annotation_id(site: Site) -> Iterator[Defect]:
    """SEG008: an annotation id on two annotations."""
    found = list(site.annotations())
    first, second = next((a, b) for a, b in pairwise(found) if a["image_id"] == b["image_id"])
    site.taken -= {annotation["id"] for annotation in found} - {first["id"], second["id"]}
    second["id"] = first["id"]
    yield site.defect("SEG008", f"annotation id {first['id']} twice", **site.about(second))


@seeds(SET)
def stale_measure(site: Site) -> Iterator[Defect]:
    """SEG013: an area half as large again as the pixels, and a box that slipped."""
    of_area, of_box = _next(site, 2)
    true_area = of_area["area"]
    of_area["area"] = true_area * 3 // 2
    yield site.defect(
        "SEG013", f"area {of_area['area']} declared", pixels=true_area, bbox=of_area["bbox"], **site.about(of_area)
    )
    x, y, width, height = of_box["bbox"]
    of_box["bbox"] = [max(x - 12, 0), y + 9, width, height]
    what = f"bbox {of_box['bbox']} declared"
    yield site.defect("SEG013", what, pixels=of_box["area"], bbox=[x, y, width, height], **site.about(of_box))


def _next(site: Site, count: int) -> list[Json]:
    """That many untouched annotations of at least 60 pixels."""
    found = site.annotations(lambda annotation: annotation["area"] >= 60)
    return [next(found) for _ in range(count)]


def _entry(site: Site, name: str) -> Json:
    return next(image for image in site.document["images"] if image["file_name"] == f"{name}.jpg")
