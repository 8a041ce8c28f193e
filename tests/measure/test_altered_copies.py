"""Mirrored and cropped copies in another split are found, whatever the window; other pictures are not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageOps

import segdata
from segdata.core.table import Table
from segdata.measure.tables.altered_copies import (
    CROPPED,
    MAX_ALTERED_IMAGES,
    MIRRORED,
    OVERLAPPING,
    altered_images,
)


def scene(seed: int) -> Image.Image:
    """Blobs of all sizes, as in photographs: the finer, the fainter."""
    random = np.random.default_rng(seed)
    grey = np.zeros((240, 320))
    for cells in (4, 8, 16, 32, 64):
        blobs = Image.fromarray(random.normal(0, 1, (cells, cells + cells // 3)).astype(np.float32))
        grey += np.asarray(blobs.resize((320, 240), Image.Resampling.BICUBIC)) * 40 / np.sqrt(cells)
    return Image.fromarray(np.clip(grey + 120, 0, 255).astype(np.uint8))


def altered(folder: Path, pictures: dict[str, Image.Image]) -> list[tuple[str, str, int, float]]:
    """Image, the one it is from, how, and the share of it; names begin with the split."""
    uris = []
    for name, picture in pictures.items():
        path = folder / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, quality=80)
        uris.append(str(path))
    names = list(pictures)
    width, height = (list(sides) for sides in zip(*(picture.size for picture in pictures.values()), strict=True))
    part = [name.partition("/")[0] for name in names]
    table = Table.of(pa.table({"uri": uris, "part": part, "width": width, "height": height}))
    pairs = altered_images(table, 2)
    return [
        (names[image], names[of], int(how), float(share))
        for image, of, how, share in zip(pairs["image"], pairs["of"], pairs["how"], pairs["share"], strict=True)
    ]


@pytest.mark.parametrize("change", [ImageOps.mirror, ImageOps.flip, lambda picture: picture.rotate(180)])
def test_mirrored_copies_are_found(tmp_path: Path, change: Callable[[Image.Image], Image.Image]) -> None:
    pictures = {f"train/{seed}": scene(seed) for seed in range(6)}
    ((image, of, how, _),) = altered(tmp_path, {**pictures, "val/x": change(scene(3))})
    assert (image, of, how) == ("val/x", "train/3", MIRRORED)


@pytest.mark.parametrize("seed", range(8))
def test_crops_are_found_wherever_they_are(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    width, height = random.uniform(0.6, 0.9, 2)
    height = float(np.clip(height, width - 0.1, width + 0.1))
    left, top = random.uniform(0, 1 - width), random.uniform(0, 1 - height)
    box = tuple(round(edge) for edge in (left * 320, top * 240, (left + width) * 320, (top + height) * 240))
    pictures = {f"train/{number}": scene(number) for number in range(6)}
    found = altered(tmp_path, {"val/x": scene(seed % 6).crop(box), **pictures})
    assert [row[:3] for row in found] == [("val/x", f"train/{seed % 6}", CROPPED)]
    assert found[0][3] == pytest.approx(width * height, abs=0.06)


@pytest.mark.parametrize(("x", "y"), [(100, 0), (-100, 0), (0, 90), (60, -60), (-130, 40)])
def test_windows_of_one_picture_that_overlap_are_found(tmp_path: Path, x: int, y: int) -> None:
    """Tiles of one picture, one in train and one in val, show a part of each other."""
    wide = scene(3).resize((640, 480), Image.Resampling.BICUBIC)
    tiles = [wide.crop((left, top, left + 200, top + 150)) for left, top in ((200, 150), (200 + x, 150 + y))]
    others = {f"train/{seed}": scene(seed).crop((0, 0, 200, 150)) for seed in range(4, 10)}
    ((image, of, how, share),) = altered(tmp_path, {"train/x": tiles[0], **others, "val/y": tiles[1]})
    assert (image, of, how) == ("val/y", "train/x", OVERLAPPING)
    assert share == pytest.approx((1 - abs(x) / 200) * (1 - abs(y) / 150), abs=0.03)


def test_a_pattern_that_repeats_is_no_overlap(tmp_path: Path) -> None:
    """Two pictures of one grid fit at each shift by a mesh."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:150, :200]
    grid = np.where((x % 20 < 3) | (y % 20 < 3), 40, 200)
    pictures = {
        f"{split}/{k}": Image.fromarray(
            np.clip(np.roll(grid, (k * 7, k * 9), (0, 1)) + random.normal(0, 8, grid.shape), 0, 255).astype(np.uint8)
        )
        for k, split in enumerate(("train", "val", "train", "val"))
    }
    assert [row for row in altered(tmp_path, pictures) if row[2] == OVERLAPPING] == []


def test_other_pictures_and_copies_within_a_split_are_not_found(tmp_path: Path) -> None:
    pictures = {f"{('train', 'val')[number % 2]}/{number}": scene(number) for number in range(30)}
    assert altered(tmp_path, {**pictures, "train/x": ImageOps.mirror(scene(0))}) == []


def test_one_frame_around_all_images_makes_no_copies(tmp_path: Path) -> None:
    """The round field of a fundus camera is in every image."""
    y, x = np.mgrid[:240, :320]
    inside = (y - 120) ** 2 + (x - 160) ** 2 < 110**2
    pictures = {
        f"{('train', 'val')[number % 2]}/{number}": Image.fromarray(np.where(inside, np.asarray(scene(number)), 0))
        for number in range(12)
    }
    assert altered(tmp_path, pictures) == []


def test_too_many_images_are_not_decoded() -> None:
    n = MAX_ALTERED_IMAGES + 1
    sizes = {"width": [64] * n, "height": [64] * n}
    table = Table.of(pa.table({"uri": ["/nowhere.png"] * n, "part": ["train", *["val"] * (n - 1)], **sizes}))
    assert len(altered_images(table, 1)["image"]) == 0


def test_the_rule_names_what_was_cropped_and_mirrored(tmp_path: Path) -> None:
    for name, picture in {
        "train/a": scene(1),
        "train/b": scene(2),
        "val/c": ImageOps.mirror(scene(1)),
        "val/d": scene(2).crop((30, 20, 290, 220)),
        "val/e": scene(3).crop((0, 0, 200, 150)),
        "train/f": scene(3).crop((60, 60, 260, 210)),
    }.items():
        image, mask = (tmp_path / kind / f"{name}.png" for kind in ("images", "masks"))
        for path in (image, mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(image)
        Image.fromarray(np.ones(picture.size[::-1], np.uint8)).save(mask)
    (tmp_path / "taxonomy.yaml").write_text("categories: [{id: 1, name: a}]\n")
    found = {one.image: one for one in segdata.validate(tmp_path, select="SEG304").findings}
    assert found.keys() == {"val/c.png", "val/d.png", "val/e.png"}
    assert found["val/e.png"].message.startswith("shows 42% of train/f.png, shifted, as overlapping tiles")
    assert found["val/c.png"].message.startswith("is the mirror image of train/a.png")
    assert found["val/d.png"].message.startswith("shows 6")
    assert {one.severity for one in found.values()} == {"warning"}
