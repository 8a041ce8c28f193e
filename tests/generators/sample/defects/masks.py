"""Defects of colour masks: files that cannot be read, values without a meaning, and shapes."""

from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image

from tests.generators.sample import writers
from tests.generators.sample.defects.coco import core_of
from tests.generators.sample.defects.seeding import (
    Mask,
    SeededDataset,
    SeededDefect,
    nearest_colour,
    remove_specks,
    seeds_defect,
)
from tests.generators.sample.taxonomy import LEAVES, PERSON, POLE, ROAD, SKY, VOID, Category
from tests.generators.sample.writers import NamedPicture

READING = "mask_reading"


@seeds_defect(READING)
def unreadable_file(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG001: a mask cut in the middle, a mask without a byte."""
    for share, note in ((0.5, "mask cut off after half of its bytes"), (0, "mask file of 0 bytes")):
        shot = site.take()
        path = site.path("masks", shot)
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        yield site.defect("SEG001", note, file=f"masks/{path.name}", image=f"{shot.name}.jpg")


@seeds_defect(READING)
def size_mismatch(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG003: a mask of half the size of its image."""
    shot = site.take()
    small = remove_specks(site.pixels("masks", shot)[::2, ::2])
    writers.write_png(site.path("masks", shot), small)
    height, width = shot.picture.labels.shape
    note = f"mask {small.shape[1]}x{small.shape[0]}, image {width}x{height}"
    yield site.defect("SEG003", note, file=f"masks/{shot.name}.png", image=f"{shot.name}.jpg")


@seeds_defect(READING)
def unknown_value(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG009: a road in a purple that the taxonomy does not have."""
    shot = site.take()
    mask = site.pixels("masks", shot)
    road = (mask == ROAD.color).all(axis=-1)
    mask[road] = (140, 70, 140)
    writers.write_png(site.path("masks", shot), mask)
    note = "colour [140, 70, 140] is not in the taxonomy; road is nearest"
    yield site.covering("SEG009", note, road, file=f"masks/{shot.name}.png", image=f"{shot.name}.jpg")


@seeds_defect(READING)
def lossy_mask(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG010: a mask saved as JPEG, and one that was scaled down and up with interpolation."""
    shot = site.take()
    mask = site.pixels("masks", shot)
    Image.fromarray(mask).save(site.path("masks", shot).with_suffix(".jpg"), quality=90)
    site.path("masks", shot).unlink()
    with Image.open(site.path("masks", shot).with_suffix(".jpg")) as saved:
        is_changed = ~_known(np.array(saved))
    yield site.covering("SEG010", "mask is a JPEG", is_changed, file=f"masks/{shot.name}.jpg", image=f"{shot.name}.jpg")
    shot = site.take()
    mask = cv2.GaussianBlur(site.pixels("masks", shot), (0, 0), 0.7)
    writers.write_png(site.path("masks", shot), mask)
    note = "borders are anti-aliased into colours of no category"
    yield site.covering("SEG010", note, ~_known(mask), file=f"masks/{shot.name}.png", image=f"{shot.name}.jpg")


@seeds_defect(READING)
def orphan_file(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG011: an image without its mask, and a mask without its image."""
    without_mask, without_image = site.take(), site.take()
    site.path("masks", without_mask).unlink()
    yield site.defect(
        "SEG011", "image without a mask", file=f"images/{without_mask.name}.jpg", image=f"{without_mask.name}.jpg"
    )
    site.path("images", without_image).unlink()
    yield site.defect("SEG011", "mask without an image", file=f"masks/{without_image.name}.png")


@seeds_defect(READING)
def mixed_encoding(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG016: one mask is a palette image, where all others are RGB."""
    shot = site.take()
    ids = np.array([0, *(segment.category.id for segment in shot.picture.segments)], np.uint8)[shot.picture.labels]
    save_palette(site, shot.name, ids, {category.id: category.color for category in LEAVES})
    yield site.defect("SEG016", "palette PNG among RGB PNGs", file=f"masks/{shot.name}.png", image=f"{shot.name}.jpg")


def save_palette(site: SeededDataset, name: str, ids: np.ndarray, colours: dict[int, tuple[int, int, int]]) -> None:
    """Write category ids as a palette PNG whose palette shows these colours."""
    image = Image.fromarray(ids, mode=None)
    image.putpalette([value for index in range(256) for value in colours.get(index, (0, 0, 0))])
    image.save(site.folder / "masks" / f"{name}.png")


def _known(mask: np.ndarray) -> np.ndarray:
    """Which pixels have a colour of the taxonomy, or none (black)."""
    packed = mask.astype(np.int64) @ np.array([1, 256, 65536])
    return np.isin(packed, [0, *(np.dot(category.color, [1, 256, 65536]) for category in LEAVES)])


SHAPES = "mask_shapes"


def _where(mask: np.ndarray, category: Category) -> Mask:
    return np.asarray((mask == category.color).all(axis=-1))


def _about(shot: NamedPicture, category: Category | None = None) -> dict[str, object]:
    segments = {"category": category.name, "segments": [category.id]} if category else {}
    return {"file": f"masks/{shot.name}.png", "image": f"{shot.name}.jpg", **segments}


def _largest(mask: Mask) -> Mask:
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    return np.asarray(parts == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()))


@seeds_defect(SHAPES)
def gap(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG101: a patch of road that nobody labelled."""
    shot = site.take()
    mask = site.pixels("masks", shot)
    patch = core_of(_where(mask, ROAD), 9) & _where(mask, ROAD)
    mask[patch] = 0
    writers.write_png(site.path("masks", shot), mask)
    yield site.covering("SEG101", "unlabelled pixels", patch, **_about(shot))


@seeds_defect(SHAPES)
def speck(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG106: a stray piece of pole, 2 x 2 pixels, on the road near the lower edge of the frame."""
    shot = site.take(lambda shot: any(s.category is POLE for s in shot.picture.segments))
    mask = site.pixels("masks", shot)
    stray = np.zeros(mask.shape[:2], bool)
    stray[-4:-2, mask.shape[1] // 2 : mask.shape[1] // 2 + 2] = True
    mask[stray] = POLE.color
    writers.write_png(site.path("masks", shot), mask)
    yield site.covering("SEG106", "stray part", stray, **_about(shot, POLE))


@seeds_defect(SHAPES)
def pinhole(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG107: two pixels in the sky that nobody labelled; they are a gap as well."""
    shot = site.take()
    mask = site.pixels("masks", shot)
    hole = core_of(_where(mask, SKY), 0)
    hole |= np.roll(hole, 1, axis=1)
    mask[hole] = 0
    writers.write_png(site.path("masks", shot), mask)
    yield site.covering("SEG107", "hole of a few pixels", hole, **_about(shot, SKY))
    yield site.covering("SEG101", "unlabelled pixels", hole, **_about(shot))


@seeds_defect(SHAPES)
def hairline(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG111: an unlabelled line one pixel wide where road meets what stands on it; it is a gap as well."""
    shot = site.take()
    mask = site.pixels("masks", shot)
    road = _where(mask, ROAD)
    line = _largest(road & cv2.dilate((~road).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool))
    mask[line] = 0
    writers.write_png(site.path("masks", shot), mask)
    yield site.covering("SEG111", "a line of unlabelled pixels along the border of road", line, **_about(shot))
    yield site.covering("SEG101", "unlabelled pixels", line, **_about(shot))


@seeds_defect(SHAPES)
def blocky_boundary(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG118: a mask that was drawn six times smaller and enlarged."""
    shot = site.take()
    mask = site.pixels("masks", shot)
    height, width = mask.shape[:2]
    blocky = np.ascontiguousarray(mask[3::6, 3::6].repeat(6, axis=0).repeat(6, axis=1)[:height, :width])
    changed = (blocky != mask).any(axis=-1)
    writers.write_png(site.path("masks", shot), blocky)
    yield site.covering("SEG118", "enlarged six times", changed, **_about(shot))


@seeds_defect("thin_lines")
def broken_thin(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG119: posts, which the taxonomy calls thin, with pieces missing, as if drawn dashed."""
    declared = site.folder / "taxonomy.yaml"
    declared.write_text(
        declared.read_text("utf-8").replace(f"name: {POLE.name}\n", f"name: {POLE.name}\n  thin: true\n")
    )
    shot = site.take(lambda shot: any(s.category is POLE for s in shot.picture.segments))
    mask = site.pixels("masks", shot)
    pole = _where(mask, POLE)
    dashed = remove_specks(nearest_colour(mask, pole & (np.arange(mask.shape[0]) // 9 % 2 == 0)[:, None], pole))
    writers.write_png(site.path("masks", shot), dashed)
    changed = (dashed != mask).any(axis=-1)
    yield site.covering("SEG119", "pieces of the posts are missing", changed, **_about(shot, POLE))


@seeds_defect(SHAPES)
def too_much_void(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG210: all that is not sky or road given up as void."""
    shot = site.take(lambda shot: any(s.category is PERSON for s in shot.picture.segments))
    mask = site.pixels("masks", shot)
    mask[~_where(mask, SKY) & ~_where(mask, ROAD)] = VOID.color
    writers.write_png(site.path("masks", shot), mask)
    void = _where(mask, VOID)
    yield site.covering("SEG210", f"void is {void.mean():.0%} of the image", void, **_about(shot, VOID))
