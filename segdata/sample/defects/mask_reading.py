"""Reading defects of colour masks."""

from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image

from segdata.sample import write
from segdata.sample.defects.crumbs import without_crumbs
from segdata.sample.defects.registry import seeds
from segdata.sample.defects.site import Defect, Site
from segdata.sample.taxonomy import LEAVES, ROAD

SET = "mask_reading"


@seeds(SET)
def unreadable_file(site: Site) -> Iterator[Defect]:
    """SEG001: a mask cut in the middle, a mask without a byte."""
    for share, what in ((0.5, "mask cut off after half of its bytes"), (0, "mask file of 0 bytes")):
        shot = site.take()
        path = site.path("masks", shot)
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        yield site.defect("SEG001", what, file=f"masks/{path.name}", image=f"{shot.name}.jpg")


@seeds(SET)
def size_mismatch(site: Site) -> Iterator[Defect]:
    """SEG003: a mask of half the size of its image."""
    shot = site.take()
    small = without_crumbs(site.pixels("masks", shot)[::2, ::2])
    write.write_png(site.path("masks", shot), small)
    height, width = shot.picture.labels.shape
    what = f"mask {small.shape[1]}x{small.shape[0]}, image {width}x{height}"
    yield site.defect("SEG003", what, file=f"masks/{shot.name}.png", image=f"{shot.name}.jpg")


@seeds(SET)
def unknown_value(site: Site) -> Iterator[Defect]:
    """SEG009: a road in a purple that the taxonomy does not have."""
    shot = site.take()
    mask = site.pixels("masks", shot)
    road = (mask == ROAD.color).all(axis=-1)
    mask[road] = (140, 70, 140)
    write.write_png(site.path("masks", shot), mask)
    what = "colour [140, 70, 140] is not in the taxonomy; road is nearest"
    yield site.covering("SEG009", what, road, file=f"masks/{shot.name}.png", image=f"{shot.name}.jpg")


@seeds(SET)
def lossy_mask(site: Site) -> Iterator[Defect]:
    """SEG010: a mask saved as JPEG, and one that was scaled down and up with interpolation."""
    shot = site.take()
    mask = site.pixels("masks", shot)
    Image.fromarray(mask).save(site.path("masks", shot).with_suffix(".jpg"), quality=90)
    site.path("masks", shot).unlink()
    with Image.open(site.path("masks", shot).with_suffix(".jpg")) as saved:
        off = ~_known(np.array(saved))
    yield site.covering("SEG010", "mask is a JPEG", off, file=f"masks/{shot.name}.jpg", image=f"{shot.name}.jpg")
    shot = site.take()
    mask = cv2.GaussianBlur(site.pixels("masks", shot), (0, 0), 0.7)
    write.write_png(site.path("masks", shot), mask)
    what = "borders are anti-aliased into colours of no category"
    yield site.covering("SEG010", what, ~_known(mask), file=f"masks/{shot.name}.png", image=f"{shot.name}.jpg")


@seeds(SET)
def orphan_file(site: Site) -> Iterator[Defect]:
    """SEG011: an image without its mask, and a mask without its image."""
    lonely, other = site.take(), site.take()
    site.path("masks", lonely).unlink()
    yield site.defect("SEG011", "image without a mask", file=f"images/{lonely.name}.jpg", image=f"{lonely.name}.jpg")
    site.path("images", other).unlink()
    yield site.defect("SEG011", "mask without an image", file=f"masks/{other.name}.png")


@seeds(SET)
def mixed_encoding(site: Site) -> Iterator[Defect]:
    """SEG016: one mask is a palette image, where all others are RGB."""
    shot = site.take()
    ids = np.array([0, *(segment.category.id for segment in shot.picture.segments)], np.uint8)[shot.picture.labels]
    save_palette(site, shot.name, ids, {category.id: category.color for category in LEAVES})
    yield site.defect("SEG016", "palette PNG among RGB PNGs", file=f"masks/{shot.name}.png", image=f"{shot.name}.jpg")


def save_palette(site: Site, name: str, ids: np.ndarray, colours: dict[int, tuple[int, int, int]]) -> None:
    """Write category ids as a palette PNG whose palette shows these colours."""
    image = Image.fromarray(ids, mode=None)
    image.putpalette([value for index in range(256) for value in colours.get(index, (0, 0, 0))])
    image.save(site.folder / "masks" / f"{name}.png")


def _known(mask: np.ndarray) -> np.ndarray:
    """Which pixels have a colour of the taxonomy, or none (black)."""
    packed = mask.astype(np.int64) @ np.array([1, 256, 65536])
    return np.isin(packed, [0, *(np.dot(category.color, [1, 256, 65536]) for category in LEAVES)])
