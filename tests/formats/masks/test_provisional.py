"""Masks without a taxonomy are read as they probably are meant, and the reading says so."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFilter

import segdata
from segdata.cli.main import main
from segdata.core.errors import SegdataError
from segdata.core.finding import Finding
from segdata.core.taxonomy import Taxonomy
from segdata.formats.masks.mask_values import _are_near, _inner_shares, find_shades
from segdata.formats.masks.provisional import (
    MaskValues,
    ValueCounts,
    are_ids,
    count_values,
    propose_id_rule,
    propose_taxonomy,
)
from segdata.testing.pictures import masks_of_runs

Pixels = NDArray[np.generic]

SIDE = 192


def save(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def regions(seed: int, values: list[int], side: int = 48) -> NDArray[np.uint8]:
    """A mask of rectangles, one for each value, on 0."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((side, side), np.uint8)
    for number, value in enumerate(values):
        x = 1 + number * (side - 2) // len(values)
        y = int(rng.integers(1, side // 2))
        mask[y : y + side // 3, x : x + max((side - 2) // len(values) - 1, 1)] = value
    return mask


def photograph(seed: int, side: int = 48) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def counts_of(*masks: Pixels) -> ValueCounts:
    rows = []
    for number, mask in enumerate(masks):
        value, area = np.unique(mask, return_counts=True)
        runs = np.array([int((np.diff((mask == item).astype(int), axis=0, prepend=0) == 1).sum()) for item in value])
        rows.append(MaskValues(Path(f"{number}.png"), value.astype(np.int64), area, runs, mask.size, False, None))
    return ValueCounts.count(rows)


def described(taxonomy: Taxonomy) -> list[tuple[int, str, str]]:
    return [(category.id, category.name, category.kind) for category in taxonomy.categories]


def findings(root: Path, *codes: str) -> list[Finding]:
    return list(segdata.validate(root, select=codes).findings)


@pytest.mark.parametrize("level", [1, 128, 200, 255])
def test_binary_masks_are_foreground_and_nothing(tmp_path: Path, level: int) -> None:
    for number in range(3):
        save(tmp_path / f"masks/{number}.png", regions(number, [level]))
    data = segdata.read(tmp_path)
    assert described(data.taxonomy) == [(level, "foreground", "stuff")]
    assert (data.taxonomy.unlabelled, data.profile.coverage.value, data.profile.taxonomy_declared) == (
        0, "sparse", False,
    )  # fmt: skip
    (notice,) = findings(tmp_path, "SEG101", "SEG219")
    assert (notice.code, notice.severity) == ("SEG219", "info")
    assert f"value {level} is read as foreground, 0 as not labelled; `segdata init" in notice.message


def test_white_on_black_in_colour_is_binary_too(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"masks/{number}.png", np.repeat(regions(number, [255])[:, :, None], 3, axis=2))
    data = segdata.read(tmp_path)
    assert [(category.name, category.rgb) for category in data.taxonomy.categories] == [("foreground", (255, 255, 255))]
    assert len(data.segments) == 3
    assert int(data.segments["area"].max()) < 48 * 48 / 2


def test_255_beside_classes_is_void() -> None:
    masks = [regions(number, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) for number in range(3)]
    for mask in masks:
        mask[24:] = 255  # half of it: nobody drew there
        mask[-1, -12:] = np.arange(12)
    kinds = {category.id: category.kind for category in propose_taxonomy(counts_of(*masks)).taxonomy.categories}
    assert kinds == {**dict.fromkeys(range(12), "stuff"), 255: "void"}


@pytest.mark.parametrize("levels", [[127, 255], [85, 170, 255], [32, 64, 96, 128, 159, 191, 223, 255]])
def test_255_of_spread_greys_is_a_category(levels: list[int]) -> None:
    masks = [regions(number, levels) for number in range(4)]
    kinds = [category.kind for category in propose_taxonomy(counts_of(*masks)).taxonomy.categories]
    assert kinds == ["stuff"] * (len(levels) + 1)


def test_a_value_of_one_pixel_in_one_mask_of_sixty_is_reported(tmp_path: Path) -> None:
    for number in range(60):
        mask = regions(number, [1, 2, 3])
        if number == 33:
            mask[0, 5] = 77
        save(tmp_path / f"masks/{number:02}.png", mask)
    assert [category.id for category in segdata.read(tmp_path).taxonomy.categories] == [0, 1, 2, 3]
    slip, notice = findings(tmp_path, "SEG009", "SEG219")
    assert (slip.severity, slip.image, slip.pixels) == ("warning", "33.png", 1)
    assert "value 77 is in no other mask, probably by mistake: 1 px, the first at x=5, y=0" in slip.message
    assert notice.code == "SEG219"


def test_a_region_in_one_mask_of_sixty_is_a_category_and_mentioned(tmp_path: Path) -> None:
    for number in range(60):
        save(tmp_path / f"masks/{number:02}.png", regions(number, [1, 2, 9] if number == 33 else [1, 2]))
    assert [category.id for category in segdata.read(tmp_path).taxonomy.categories] == [0, 1, 2, 9]
    rare, _ = findings(tmp_path, "SEG009", "SEG219")
    assert (rare.severity, "value 9 occurs in one of 60 masks, 33.png" in rare.message) == ("info", True)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=12, unique=True), st.integers(1, 9))
def test_every_value_of_few_masks_becomes_a_category(values: list[int], n_masks: int) -> None:
    masks = [np.repeat(np.array(values, np.uint8)[None], 4, axis=0)] * n_masks
    taxonomy = propose_taxonomy(counts_of(*masks)).taxonomy
    expected = set(values) - ({0} if set(values) <= {0, 1} else set())
    assert {category.id for category in taxonomy.categories} == expected or values == [0]
    assert all(category.kind != "void" for category in taxonomy.categories)


def test_smoothed_binary_masks_are_cut_at_half_and_reported(tmp_path: Path) -> None:
    for number in range(4):
        sharp = Image.fromarray(regions(number, [255], 96))
        save(tmp_path / f"masks/{number}.png", np.asarray(sharp.resize((41, 41), Image.Resampling.BICUBIC)))
    data = segdata.read(tmp_path)
    assert described(data.taxonomy) == [(255, "foreground", "stuff")]
    reported = findings(tmp_path, "SEG009", "SEG010")
    assert [(finding.code, finding.severity) for finding in reported] == [("SEG010", "warning")] * 4
    assert "in a binary mask" in reported[0].message
    areas = [int((np.asarray(Image.open(path)) >= 128).sum()) for path in sorted((tmp_path / "masks").iterdir())]
    assert data.segments["area"].tolist() == areas
    segdata_files = segdata.init(tmp_path)
    assert all(file.exists() for file in segdata_files)
    assert segdata.read(tmp_path).segments["area"].tolist() == areas, "the draft reads alike"


@pytest.mark.parametrize(("usual", "odd"), [(1, 255), (255, 1), (200, 1), (1, 128)])
def test_one_of_many_binary_masks_is_stored_with_another_value(tmp_path: Path, usual: int, odd: int) -> None:
    for number in range(6):
        save(tmp_path / f"masks/{number}.png", regions(number, [odd if number == 4 else usual]))
    data = segdata.read(tmp_path)
    assert described(data.taxonomy) == [(usual, "foreground", "stuff")]
    assert data.segments["area"].tolist() == [int((regions(number, [1]) > 0).sum()) for number in range(6)]
    (stored,) = findings(tmp_path, "SEG009", "SEG010")
    assert (stored.image, stored.severity, "the others 0 and" in stored.message) == ("4.png", "warning", True)


@pytest.mark.parametrize("odd", [0, 7])
@pytest.mark.parametrize("usual", [1, 255])
def test_an_empty_or_odd_mask_among_binary_ones_can_be_read(usual: int, odd: int, tmp_path: Path) -> None:
    for number in range(40):
        save(tmp_path / f"masks/{number:02}.png", regions(number, [odd if number == 4 else usual]))
    assert findings(tmp_path, "SEG001") == []
    assert len(segdata.read(tmp_path).segments) >= 39


def test_empty_masks_say_nothing_about_the_foreground() -> None:
    masks = [np.zeros((48, 48), np.uint8)] * 40 + [regions(1, [255])]
    assert described(propose_taxonomy(counts_of(*masks)).taxonomy) == [(255, "foreground", "stuff")]


def test_many_greys_that_no_taxonomy_has_are_one_finding(tmp_path: Path) -> None:
    save(tmp_path / "masks/a.png", np.arange(90, dtype=np.uint8).reshape(9, 10))
    (tmp_path / "taxonomy.yaml").write_text(
        "categories:\n" + "".join(f"  - {{id: {i}, name: c{i}}}\n" for i in range(50))
    )
    (finding,) = findings(tmp_path, "SEG009", "SEG010")
    assert (finding.code, "40 values are not in the taxonomy (40 px)" in finding.message) == ("SEG010", True)


def test_a_photograph_among_masks_is_called_a_picture(tmp_path: Path) -> None:
    """Photographs beside a `labelmap.txt` were said to be smoothed masks, though no colour is near to a known one."""
    noise = np.random.default_rng(0).integers(60, 200, (40, 40, 3), np.uint8)
    save(tmp_path / "masks/a.png", noise)
    (tmp_path / "taxonomy.yaml").write_text("categories:\n  - {id: 1, name: car, color: '#ff0000'}\n")
    (finding,) = findings(tmp_path, "SEG010")
    assert "this is a picture rather than a mask" in finding.message


def test_a_smoothed_mask_among_sharp_ones_is_an_error_of_its_own(tmp_path: Path) -> None:
    colors = np.array([(0, 0, 0), (255, 0, 0), (0, 0, 255)], np.uint8)
    for k in range(4):
        discs = [np.hypot(*(np.indices((SIDE, SIDE)) - at)) < 40 for at in (50 + k, 140)]
        picture = Image.fromarray(colors[discs[0] + 2 * discs[1]])
        (picture.filter(ImageFilter.GaussianBlur(0.7)) if k == 2 else picture).save(tmp_path / f"{k}.png")
    (tmp_path / "taxonomy.yaml").write_text(
        "categories:\n"
        + "".join(f"  - {{id: {i}, name: c{i}, color: {color.tolist()}}}\n" for i, color in enumerate(colors))
    )
    (finding,) = findings(tmp_path, "SEG009", "SEG010")
    assert (finding.code, finding.severity, finding.image, finding.file) == ("SEG010", "error", "2.png", "2.png")


@pytest.mark.parametrize(
    ("kind", "severity", "reason"),
    [
        ("map of saliency", "info", "the greys fill areas"),
        ("enlarged", "warning", "it was smoothed"),
        ("blurred lines", "warning", "it was smoothed"),
        ("254 beside 255", "info", "next to black or white"),
        ("all 249", "info", "next to black or white"),
        ("255 beside 254", "info", "value beside 0 and 254 in a binary mask"),
    ],
)
def test_greys_that_say_nothing_of_storage_are_an_info(tmp_path: Path, kind: str, severity: str, reason: str) -> None:
    """Maps of saliency, and a few pixels of 254 beside 255, were said to be smoothed or compressed."""
    y, x = np.indices((SIDE, SIDE))
    for k in range(6):
        disc = Image.fromarray(np.where(np.hypot(y - 90, x - 80 - k) < 40, 255, 0).astype(np.uint8))
        if kind == "map of saliency":
            peaks = [np.hypot(y - at, x - 60 - 9 * k) for at in (60, 130)]
            mask = np.minimum(sum(300 * np.exp(-((r / 15) ** 2)) for r in peaks), 255)
        elif kind == "enlarged":
            mask = np.asarray(disc.resize((24, 24)).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        elif kind == "blurred lines":
            lines = Image.fromarray(np.where(np.hypot(y, x + k) % 40 < 9, 255, 0).astype(np.uint8))
            mask = np.asarray(lines.filter(ImageFilter.GaussianBlur(1.2)))
        else:
            whites = {"254 beside 255": (255, 254), "255 beside 254": (254, 255), "all 249": (255, 249)}[kind]
            mask = np.where(np.array(disc) > 0, np.where(k == 3 if kind == "all 249" else y == 90, *whites[::-1]), 0)
        save(tmp_path / f"masks/{k}.png", mask.astype(np.uint8))
    reported = findings(tmp_path, "SEG009", "SEG010")
    assert {(finding.code, finding.severity) for finding in reported} == {("SEG010", severity)}
    assert all(reason in finding.message for finding in reported)
    if kind == "map of saliency":
        text = "categories: [{id: 255, name: a, kind: stuff}]\nunlabelled: 0\n"
        (tmp_path / "taxonomy.yaml").write_text(text)
        assert {finding.severity for finding in findings(tmp_path, "SEG010")} == {"error"}


def test_remains_of_pictures_are_refused_with_the_colours_that_were_drawn(tmp_path: Path) -> None:
    """The message says what to write, and what it says to write is read."""
    for number in range(4):
        mask = np.zeros((200, 100, 3), np.uint8)
        mask[10:40, 10 + number : 40] = (0, 0, 255)
        mask[-8:, :, 0], mask[-8:, :, 1] = 80 + np.arange(100), 130 + 9 * number  # the sky of a photograph
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / f"masks/{number}.png")
    with pytest.raises(SegdataError) as refused:
        segdata.read(tmp_path)
    assert "values hold 96.0 % of the masks: colour (0, 0, 0), colour (0, 0, 255); the others" in str(refused.value)
    listed = "{id: 1, name: paper, color: [0, 0, 0]}, {id: 2, name: sign, color: [0, 0, 255]}"
    (tmp_path / "taxonomy.yaml").write_text(f"categories: [{listed}]")
    assert len(segdata.read(tmp_path)) == 4


def test_greys_of_a_wide_soft_mask_are_no_categories(tmp_path: Path) -> None:
    """Every 17th grey of a gradient was a category, to which compression was said to have added the others."""
    y, x = np.indices((SIDE, SIDE))
    for k in range(4):
        mask = 255 * np.exp(-((np.hypot(y - 90, x - 80 - k) / 60) ** 2))
        save(tmp_path / f"masks/{k}.png", mask.astype(np.uint8))
    with pytest.raises(SegdataError, match="different values in the masks are no categories"):
        segdata.read(tmp_path)


def test_what_init_drafts_of_smoothed_masks_makes_no_error(tmp_path: Path) -> None:
    colors = np.array([(0, 0, 0), (255, 0, 0), (0, 0, 255)], np.uint8)
    for k in range(8):
        discs = [np.hypot(*(np.indices((SIDE, SIDE)) - at)) < 40 for at in (50 + k, 140)]
        picture = Image.fromarray(colors[discs[0] + 2 * discs[1]])
        (picture.filter(ImageFilter.GaussianBlur(0.7)) if k in (3, 5) else picture).save(tmp_path / f"{k}.png")
    guessed = findings(tmp_path, "SEG009", "SEG010")
    segdata.init(tmp_path)
    assert "options: {smoothed: nearest}" in (tmp_path / "segdata.yaml").read_text()
    drafted = findings(tmp_path, "SEG009", "SEG010")
    assert [(found.code, found.severity) for found in drafted] == [("SEG010", "warning")]
    assert "in 2 of 8 masks" in drafted[0].message
    assert [found.message for found in drafted] == [found.message for found in guessed]
    with pytest.raises(SegdataError, match="smoothed must be nearest, it is 'no'"):
        segdata.read(tmp_path, options={"smoothed": "no"})


def test_what_init_drafts_of_smoothed_binary_masks_makes_no_error(tmp_path: Path) -> None:
    for k in range(4):
        disc = np.hypot(*(np.indices((SIDE, SIDE)) - (50 + k))) < 12
        picture = Image.fromarray(np.where(disc, 255, 0).astype(np.uint8))
        picture.filter(ImageFilter.GaussianBlur(2.5)).save(tmp_path / f"{k}.png")
    guessed = findings(tmp_path, "SEG009", "SEG010")
    assert {found.severity for found in guessed} == {"warning"}
    segdata.init(tmp_path)
    assert [found.severity for found in findings(tmp_path, "SEG009", "SEG010")] == ["warning"] * len(guessed)
    (tmp_path / "segdata.yaml").unlink()
    assert {found.severity for found in findings(tmp_path, "SEG009", "SEG010")} == {"error"}


def test_16_bit_ids_are_instances_of_one_category(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"masks/{number}.png", regions(number, [1, 2, 3, 4]).astype(np.uint16) * (300 + number))
    data = segdata.read(tmp_path)
    assert (data.profile.format, data.profile.task) == ("instance-ids", "instance")
    assert (described(data.taxonomy), len(data.segments)) == ([(1, "object", "thing")], 12)
    (notice,) = findings(tmp_path, "SEG009", "SEG219")
    assert "each value but 0 is read as an instance of one category, object" in notice.message


def test_category_times_1000_plus_number_is_seen() -> None:
    street = np.array([7, 11, *range(24000, 24007), *range(26000, 26012), 33000])
    setting, taxonomy, _ = propose_id_rule(counts_of(street))
    assert (setting.divisor, [category.id for category in taxonomy.categories]) == (1000, [7, 11, 24, 26, 33])
    assert [category.kind for category in taxonomy.categories] == ["stuff", "stuff", "thing", "thing", "thing"]


@given(st.integers(1, 5000), st.integers(1, 9))
@settings(max_examples=50)
def test_running_ids_have_no_divisor(n_ids: int, step: int) -> None:
    setting, _, _ = propose_id_rule(counts_of(np.arange(0, n_ids * step, step)))
    assert (setting.divisor, setting.category) == (None, "object")


@pytest.mark.parametrize("seed", range(40))
def test_random_ids_have_no_divisor(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = rng.choice(np.arange(1, int(rng.choice([800, 3000, 60_000]))), int(rng.integers(5, 300)), replace=False)
    assert propose_id_rule(counts_of(np.append(ids, 0)))[0].divisor is None


def test_8_bit_ids_are_told_from_categories(tmp_path: Path) -> None:
    for number in range(6):
        save(tmp_path / f"ids/masks/{number}.png", regions(number, list(range(1, 12 + number))))
        save(tmp_path / f"classes/masks/{number}.png", regions(number, list(range(1, 12))))
    assert segdata.read(tmp_path / "ids").profile.format == "instance-ids"
    assert segdata.read(tmp_path / "classes").profile.format == "colour-masks"
    segdata.init(tmp_path / "ids")
    assert segdata.read(tmp_path / "ids").profile.format == "instance-ids"
    assert not are_ids(counts_of(np.arange(12), np.arange(12), np.arange(12)))


@pytest.mark.parametrize(
    ("name", "odd", "code"),
    [
        ("Copy of 3 (1).png", regions(9, [1, 2]), "SEG011"),  # a mask without image
        ("legend.png", photograph(0), "SEG009"),
        ("thumb.jpg", photograph(1), "SEG009"),
        ("deep.png", regions(3, [1, 2]).astype(np.uint16), "SEG016"),
    ],
)
def test_one_odd_file_of_sixty_is_a_finding(tmp_path: Path, name: str, odd: Pixels, code: str) -> None:
    """Wherever it is in the order of names, and whether or not images lie beside the masks."""
    for number in range(59):
        save(tmp_path / f"masks/{number:02}.png", regions(number, [1, 2, 3]))
        if code == "SEG011":
            save(tmp_path / f"images/{number:02}.jpg", photograph(number))
    for place in (f"masks/{name}", f"masks/00 {name}"):
        save(tmp_path / place, odd)
        result = segdata.validate(tmp_path, select=["SEG0"])
        assert result.n_images == 60
        assert code in {finding.code for finding in result.findings if finding.severity == "warning"}
        (tmp_path / place).unlink()


def test_an_odd_file_in_a_folder_of_masks_alone(tmp_path: Path) -> None:
    for number in range(59):
        save(tmp_path / f"{number:02}.png", regions(number, [1, 2, 3]))
    save(tmp_path / "00.thumb.jpg", photograph(1))
    (odd,) = [finding for finding in findings(tmp_path, "SEG009") if finding.file == "00.thumb.jpg"]
    assert (odd.severity, "most others hold ids" in odd.message) == ("warning", True)


@pytest.mark.parametrize(("suffix", "n_orphans"), [("jpg", 2), ("JPG", 2), ("tif", 2), ("bmp", 2)])
def test_masks_beside_images_of_the_same_name(tmp_path: Path, suffix: str, n_orphans: int) -> None:
    for number in range(9):
        save(tmp_path / f"set/{number}.png", regions(number, [1, 2, 3]))
        save(tmp_path / f"set/{number}.{suffix}", photograph(number))
    save(tmp_path / "set/x.png", regions(1, [1]))
    save(tmp_path / f"set/y.{suffix}", photograph(1))
    data = segdata.read(tmp_path)
    assert (len(data), data.images["uri"].notna().sum()) == (11, 10)
    assert len(findings(tmp_path, "SEG011")) == n_orphans
    assert [category.id for category in data.taxonomy.categories] == [0, 1, 2, 3]


def test_photographs_alone_are_no_masks(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / f"{number}.png", photograph(number))
        save(tmp_path / f"{number}.jpg", photograph(number))
    with pytest.raises(segdata.SegdataError):
        segdata.read(tmp_path)


def test_colours_that_jpeg_made_are_called_so(tmp_path: Path) -> None:
    for seed in range(3):
        colours = np.array([(0, 0, 0), (200, 30, 40), (20, 180, 90), (60, 60, 220)], np.uint8)[regions(seed, [1, 2, 3])]
        for folder, pixels in (("masks", colours), ("images", photograph(seed))):
            save(tmp_path / folder / f"{seed}.jpg", pixels)
    with pytest.raises(SegdataError, match=r"JPEG files, whose compression made .* save them as PNG"):
        segdata.read(tmp_path)


@pytest.mark.parametrize(
    "kind", ["greys as JPEG", "colours as JPEG", "smoothed colours", "a palette of greys", "palettes by frequency"]
)
def test_what_compression_and_smoothing_leave_belongs_to_the_nearest_level(tmp_path: Path, kind: str) -> None:
    colors = np.array([(0, 0, 0), (128, 128, 128), (230, 230, 230)], np.uint8)
    if "colours" in kind:
        colors = np.array([(0, 0, 0), (255, 0, 0), (0, 0, 255)], np.uint8)
    drawn = {}
    for k in range(4):
        discs = [np.hypot(*(np.indices((SIDE, SIDE)) - at)) < 40 for at in (50 + k, 140)]
        drawn[f"{k}"] = discs[0] + 2 * discs[1]
        picture = Image.fromarray(colors[drawn[f"{k}"]])
        if kind.endswith("JPEG"):
            picture.convert("RGB" if "colours" in kind else "L").save(tmp_path / f"{k}.jpg", quality=75, subsampling=0)
        elif "palettes" in kind:  # each file has its own, its first colour the most frequent
            smooth = np.asarray(picture.convert("L").filter(ImageFilter.GaussianBlur(0.7)))
            greys, row, n_pixels = np.unique(smooth, return_inverse=True, return_counts=True)
            order = np.argsort(-n_pixels + k * (greys == 230) * SIDE**2)
            indices = Image.fromarray(np.argsort(order).astype(np.uint8)[row].reshape(smooth.shape), "P")
            indices.putpalette(np.repeat(greys[order], 3).tobytes())
            indices.save(tmp_path / f"{k}.png")
        elif "palette" in kind:
            indices = Image.fromarray(np.asarray(picture.convert("L").filter(ImageFilter.GaussianBlur(0.7))), "P")
            indices.putpalette(np.repeat(np.arange(256, dtype=np.uint8), 3).tobytes())
            indices.save(tmp_path / f"{k}.png")
        else:
            picture.filter(ImageFilter.GaussianBlur(0.7)).save(tmp_path / f"{k}.png")
    opened = segdata.read(tmp_path, format="colour-masks")
    assert len(opened.profile.taxonomy.categories) == 3
    (defect,) = [found for found in opened.source.defects if found.code == "SEG010"]
    assert "each is read as the nearest of 3" in defect.message
    n_differing = 0
    for batch in opened:
        images = batch.images["image_id"].take(pa.array(batch.segment_image)).to_pylist()
        rank = np.unique(batch.segments["category_id"].to_numpy(), return_inverse=True)[1]
        for image, level, mask in zip(images, rank, masks_of_runs(batch.runs, *batch.segment_size), strict=True):
            n_differing += int((mask != (drawn[image.partition(".")[0]] == level)).sum())
    assert n_differing < 0.02 * 4 * SIDE**2  # outlines move a little
    # the draft that init writes of them reads them in the same way
    segdata.init(tmp_path, format="colour-masks")
    declared = segdata.read(tmp_path, format="colour-masks")
    assert declared.profile.taxonomy_declared
    assert opened.diff(declared).same
    assert {found.code for found in declared.source.defects} == {found.code for found in opened.source.defects} - {
        "SEG219"
    }
    for severity in ("warning", "error"):
        findings = segdata.validate(tmp_path, format="colour-masks").findings
        assert [found.severity for found in findings if found.code in {"SEG009", "SEG010"}] == [severity]
        (tmp_path / "segdata.yaml").unlink(missing_ok=True)  # without its option the taxonomy alone is declared


@pytest.mark.parametrize("n_palette", [1, 4])
def test_palettes_beside_colours_are_read_by_the_colours_that_they_show(tmp_path: Path, n_palette: int) -> None:
    colors = np.array([(0, 0, 0), (250, 10, 10), (10, 10, 250)], np.uint8)
    drawn = {f"{k}.png": regions(k, [0, 1, 2]) for k in range(5)}
    for k, (name, values) in enumerate(drawn.items()):
        (tmp_path / "masks").mkdir(exist_ok=True)
        if k < n_palette:
            picture = Image.fromarray(values.astype(np.uint8), "P")
            picture.putpalette(colors.tobytes())
        else:
            picture = Image.fromarray(colors[values])
        picture.save(tmp_path / "masks" / name)
    opened = segdata.read(tmp_path)
    assert len(opened.profile.taxonomy.categories) == 3
    for batch in opened:
        names = batch.images["image_id"].take(pa.array(batch.segment_image)).to_pylist()
        for name, category, mask in zip(
            names,
            batch.segments["category_id"].to_pylist(),
            masks_of_runs(batch.runs, *batch.segment_size),
            strict=True,
        ):
            color = opened.profile.taxonomy.by_id()[category].rgb
            assert (mask == (colors[drawn[name]] == color).all(axis=2)).all()
    assert not findings(tmp_path, "SEG009")
    # the draft that init writes reads them in the same way
    segdata.init(tmp_path)
    assert opened.diff(segdata.read(tmp_path)).same


def test_ids_of_many_classes_are_no_greys_of_few(tmp_path: Path) -> None:
    for k in range(4):
        save(tmp_path / f"{k}.png", regions(k, list(range(0, 60, 1 + k)), side=96))
    assert len(segdata.read(tmp_path, format="colour-masks").profile.taxonomy.categories) > 30


def test_masks_that_are_all_empty(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"masks/{number}.png", np.zeros((9, 9), np.uint8))
    (notice,) = findings(tmp_path, "SEG219")
    assert "every mask holds 0 alone" in notice.message
    assert len(segdata.read(tmp_path).segments) == 0


def test_the_provisional_reading_is_in_every_report(tmp_path: Path) -> None:

    save(tmp_path / "masks/a.png", regions(1, [255]))
    for form, text in (
        ("text", "provisional taxonomy (SEG219)"),
        ("json", '"SEG219"'),
        ("html", "Provisional taxonomy"),
    ):
        assert text in CliRunner().invoke(main, ["validate", str(tmp_path), "--format", form]).output


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("drive/1st_manual", [255]),
        ("drive/2nd_manual", [1]),
        ("drive/mask", [255]),
        ("magnetic_tile", [255]),
        ("vnc_sstem/membranes", [1]),
        ("vnc_sstem/mitochondria", [255]),
        ("vnc_sstem/labels", [0, 32, 64, 96, 128, 159, 191, 223, 255]),
        ("stardist_nuclei", [1]),
    ],
)
def test_real_masks_without_a_setting(real_data: Path, name: str, ids: list[int]) -> None:
    data = segdata.read(real_data / name)
    assert [category.id for category in data.taxonomy.categories] == ids
    assert all(category.kind != "void" for category in data.taxonomy.categories)
    assert data.profile.provisional


def test_one_palette_among_greys_is_no_broken_taxonomy(tmp_path: Path) -> None:
    for k in range(5):
        save(tmp_path / f"images/{k}.jpg", photograph(k))
        save(tmp_path / f"masks/{k}.png", regions(k, [1]))
    Image.fromarray(regions(7, [1])).save(tmp_path / "masks/thumbs.gif")  # its palette is a ramp of greys
    report = segdata.validate(tmp_path)
    assert not [each for each in report.findings if each.severity == "error"]
    assert "SEG011" in {each.code for each in report.findings}


def test_few_numbers_are_ids_if_each_is_one_part(tmp_path: Path) -> None:
    def numbered(seed: int, pieces: int) -> NDArray[np.uint8]:
        mask = np.zeros((48, 48), np.uint8)
        for number in range(1, 4 + seed % 5):
            for piece in range(pieces):
                mask[6 * number - 4 : 6 * number, 2 + 12 * piece : 8 + 12 * piece] = number
        return mask

    def counts(folder: Path, pieces: int) -> ValueCounts:
        for seed in range(40):
            save(folder / f"{seed}.png", numbered(seed, pieces))
        return count_values(sorted(folder.iterdir()))

    assert are_ids(counts(tmp_path / "ids", 1))
    assert not are_ids(counts(tmp_path / "categories", 3))


def test_a_divisor_without_a_taxonomy_is_read_and_drafted(tmp_path: Path) -> None:
    """`init` writes the taxonomy that a divisor in segdata.yaml needs; void and background are as the setting says."""
    data = tmp_path / "data"
    (data / "masks").mkdir(parents=True)
    for number in range(2):
        ids = np.full((20, 30), 255, np.uint16)
        ids[2:6, 2:6], ids[8:12, 2:6], ids[14:18, 2:20], ids[:2] = 301, 302, 7, 250
        Image.fromarray(ids).save(data / "masks" / f"{number}.png")
    (data / "segdata.yaml").write_text("instance_ids: {divisor: 100, background: 255, void: 250}\n")
    read = segdata.read(data)
    assert [(each.id, each.kind) for each in read.taxonomy.categories] == [(3, "thing"), (7, "stuff"), (250, "void")]
    _, taxonomy = segdata.init(data, tmp_path / "project")
    config = data / "segdata.yaml"
    again = segdata.read(data, taxonomy=taxonomy, config=config)
    assert again.profile.provisional is None
    assert [batch.n_segments for batch in again] == [batch.n_segments for batch in read]
    (data / "segdata.yaml").write_text("instance_ids: {divisor: 0}\n")
    with pytest.raises(SegdataError, match="divisor is 0"):
        segdata.read(data)


def test_a_reader_has_as_many_threads_as_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread is the caller's own: no pool is made to look at the values of masks."""
    for k in range(3):
        save(tmp_path / f"{k}.png", np.full((8, 8), k, np.uint8))

    def no_pool(*_: object, **__: object) -> None:
        raise AssertionError("a pool of threads")

    monkeypatch.setattr("segdata.core.executor.ThreadPoolExecutor", no_pool)
    assert segdata.validate(tmp_path, jobs=1).findings
    with pytest.raises(AssertionError, match="a pool of threads"):
        segdata.validate(tmp_path, jobs=2)


def test_palettes_that_were_converted_to_grey_are_named(tmp_path: Path) -> None:
    """38, 75 and 113 for 1, 2 and 3; other ids are left alone, and a taxonomy says what values mean."""
    for name, values in {"grey": (0, 38, 75, 113), "ids": (0, 38, 75, 112)}.items():
        (tmp_path / name).mkdir()
        for k in range(3):
            mask = np.repeat(np.repeat(np.array([values], np.uint8), 20, 0), 10, 1)
            Image.fromarray(np.roll(mask, k, 1)).save(tmp_path / name / f"{k}.png")
    messages = {
        name: [
            one.message for one in segdata.validate(tmp_path / name, select="SEG219").findings if one.severity != "info"
        ]
        for name in ("grey", "ids")
    }
    assert messages["ids"] == []
    (message,) = messages["grey"]
    assert message.startswith("the values 38, 75, 113 are the greys of the first colours of VOC's")


def dots(seed: int, value: int, side: int = 48) -> NDArray[np.uint16]:
    """A 16-bit mask of many small parts of one value."""
    mask = np.zeros((side, side), np.uint16)
    mask[2 + seed :: 6, 3::6] = value
    return mask


@pytest.mark.parametrize(("masks", "format"), [
    ([dots(seed, 1) for seed in range(3)], "colour-masks"),  # one value in many places
    ([regions(seed, [1]).astype(np.uint16) * 65535 for seed in range(3)], "colour-masks"),  # white
    ([regions(seed, [1]).astype(np.uint16) for seed in range(3)], "instance-ids"),  # one object in each
    ([regions(seed, [1, 2]).astype(np.uint16) for seed in range(3)], "instance-ids"),
])  # fmt: skip
def test_wide_masks_of_one_value_are_binary(tmp_path: Path, masks: list[Pixels], format: str) -> None:
    for number, mask in enumerate(masks):
        save(tmp_path / f"masks/{number}.png", mask)
        save(tmp_path / f"images/{number}.png", photograph(number))
    profile = segdata.read(tmp_path).profile
    assert profile.format == format
    assert (profile.task == "semantic") == (format == "colour-masks")


@pytest.mark.parametrize("whites", [(1, 65535), (255, 65535), (1, 255), (65535, 1)])
def test_binary_masks_of_two_programs_are_one_foreground(tmp_path: Path, whites: tuple[int, int]) -> None:
    """Half of the masks stored with another white, as an export of 16 bits beside one of 1 bit."""
    for number in range(12):
        white = whites[number < 5]
        mask = (regions(number, [1, 1]) * np.uint16(white)).astype(np.uint16 if white > 255 else np.uint8)
        save(tmp_path / f"masks/{number}.png", mask)
        save(tmp_path / f"images/{number}.png", photograph(number))
    data = segdata.read(tmp_path)
    assert described(data.taxonomy) == [(whites[0], "foreground", "stuff")]
    areas = [int((regions(number, [1, 1]) > 0).sum()) for number in range(12)]
    assert sorted(data.segments["area"].tolist()) == sorted(areas)
    assert {(found.code, found.severity) for found in findings(tmp_path, "SEG009", "SEG010")} == {("SEG010", "warning")}


def test_255_beside_1_in_two_masks_is_void(tmp_path: Path) -> None:
    masks = [regions(1, [1])] * 10 + [regions(2, [255])] * 2
    assert described(propose_taxonomy(counts_of(*masks)).taxonomy)[-1][2] == "void"


@pytest.mark.parametrize(
    ("colors", "first"),
    [
        ([(128, 0, 0), (0, 128, 0)], "background"),
        ([(128, 0, 0), (0, 128, 0), (224, 224, 192)], "background"),
        ([(128, 0, 0), (0, 128, 128)], "category_1"),  # not the first ones of VOC's palette
        ([(250, 0, 0), (0, 250, 0)], "category_1"),
    ],
)
def test_black_of_vocs_palette_is_the_background(
    tmp_path: Path, colors: list[tuple[int, int, int]], first: str
) -> None:
    """Also where most pixels have another colour, as in a picture that is full of beans."""
    palette = np.array([(0, 0, 0), *colors], np.uint8)
    for number in range(3):
        mask = np.ones((48, 48), np.uint8)
        mask[:, :6] = 0
        mask[:9, 9:] = 2
        mask[:9, 20:30] = len(colors)
        save(tmp_path / f"{number}.png", palette[mask])
    assert segdata.read(tmp_path).taxonomy.categories[0].name == first


def test_a_table_makes_categories_of_wide_values(tmp_path: Path) -> None:
    """As Datumaro's fixture of Kaggle: 16-bit masks beside labelmap.csv."""
    (tmp_path / "labelmap.csv").write_text("name,r,g,b\nbackground,0,0,0\ncat,255,0,0\ndog,0,255,0\n")
    for number in range(3):
        save(tmp_path / f"masks/{number}.png", regions(number, [1, 2]).astype(np.uint16))
        save(tmp_path / f"images/{number}.png", photograph(number))
    dataset = segdata.read(tmp_path)
    assert dataset.profile.format == "colour-masks"
    assert described(dataset.profile.taxonomy) == [(0, "background", "stuff"), (1, "cat", "stuff"), (2, "dog", "stuff")]


@pytest.mark.parametrize("n_coloured", [1, 2, 3])
def test_greys_stored_as_colours_are_read_with_greys(tmp_path: Path, n_coloured: int) -> None:
    for number in range(4):
        mask = regions(number, [255])
        save(tmp_path / f"masks/{number}.png", np.dstack([mask] * 3) if number < n_coloured else mask)
        save(tmp_path / f"images/{number}.png", photograph(number))
    dataset = segdata.read(tmp_path)
    assert described(dataset.profile.taxonomy) == [(255, "foreground", "stuff")]
    assert len(dataset.segments) == 4
    assert not [finding for finding in segdata.validate(dataset).findings if finding.code == "SEG009"]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.booleans(), st.booleans())
def test_the_inner_pixels_of_levels_are_those_of_a_loop(seed: int, n: int, has_colors: bool, near: bool) -> None:
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 256, (6, 3))
    values = rng.choice(drawn, (9, 7)) + rng.integers(0, 20, (9, 7, 1))
    levels = drawn[:n] * (1 if has_colors else [1, 0, 0])  # some pixels are near, some are too far by their noise
    channels = np.minimum(values, 255) * (1 if has_colors else [1, 0, 0])
    packed = channels @ [1, 1 << 8, 1 << 16]
    is_near = np.array(
        [[any(max(abs(level - pixel)) <= 16 for level in levels) for pixel in line] for line in channels]
    )
    assert (_are_near(packed, levels) == is_near).all()
    with TemporaryDirectory() as folder:
        Image.fromarray((channels if has_colors else packed).astype(np.uint8)).save(f"{folder}/a.png")
        counts = count_values([Path(folder, "a.png")])
        (share,) = _inner_shares(counts, [levels], near=near)
    wanted = is_near == near
    inner = sum(bool(wanted[y - 1 : y + 2, x - 1 : x + 2].all()) for y in range(1, 8) for x in range(1, 6))
    assert share == pytest.approx(inner / max(int(wanted.sum()), 1))


def shaded(rng: np.random.Generator, steps: np.ndarray) -> list[np.ndarray]:
    """Masks of categories of the greys 0, 60 to 90 and 150 to 180, each drawn in one grey that differs by mask."""
    masks = []
    for _ in range(400):
        mask = np.zeros((20, 20), np.uint8)
        mask[2:8, 2:18], mask[10:18, 2:18] = 75 + rng.choice(steps), 165 + rng.choice(steps)
        masks.append(mask)
    return masks


def test_categories_of_several_greys_of_which_a_mask_has_one_are_read_by_the_usual_one(tmp_path: Path) -> None:
    masks = shaded(np.random.default_rng(2), np.repeat(np.arange(-3, 4), [1, 6, 30, 60, 40, 8, 1]))
    for number, mask in enumerate(masks):
        Image.fromarray(mask).save(tmp_path / f"{number}.png")
    dataset = segdata.read(tmp_path)
    assert [category.id for category in dataset.taxonomy.categories] == [0, 75, 165]
    assert len(list(dataset.validate(select=["SEG009"]).findings)) == 0
    (told,) = findings(tmp_path, "SEG010")
    assert (told.severity, "15 values are read as the nearest of 3 (0, 75, 165)" in told.message) == ("warning", True)
    segdata.init(tmp_path)
    drafted = segdata.read(tmp_path)
    assert [category.id for category in drafted.taxonomy.categories] == [0, 75, 165]
    assert not [found for found in findings(tmp_path, "SEG009", "SEG010") if found.severity == "error"]


def test_ids_that_were_chosen_are_no_shades_of_each_other() -> None:
    """Kinds of two groups, of which an image has one each: none is rarer, the further it is from another."""
    masks = shaded(np.random.default_rng(2), np.repeat(np.arange(-3, 4), [20, 3, 30, 5, 40, 8, 30]))
    assert find_shades(counts_of(*masks)) is None
    both = [np.where(mask == 75, np.arange(20) % 7 + 72, mask).astype(np.uint8) for mask in masks]
    assert find_shades(counts_of(*both)) is None  # of which a mask has all


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_objects_black_on_white_are_told_with_what_makes_them_foreground(tmp_path: Path, mode: str) -> None:
    for number in range(4):
        mask = np.full((40, 50), 255, np.uint8)
        mask[10 : 20 + number, 10:30] = 0
        Image.fromarray(mask).convert(mode).save(tmp_path / f"{number}.png")
    told = findings(tmp_path, "SEG219")[0]
    assert told.severity == "info"
    assert "fills more than half of 4 of 4 masks" in told.message
    segdata.init(tmp_path)
    drafted = tmp_path / "taxonomy.yaml"
    changes = re.findall(r"`(\w+): (.+?)`", told.message)
    text = drafted.read_text()
    for key, value in changes:
        text = re.sub(rf"(?<!#) ?\b{key}: (\[[^]]*\]|\d+)", f" {key}: {value}", text)
    drafted.write_text(text.replace("\n unlabelled", "\nunlabelled"))
    areas = segdata.read(tmp_path).source.load(np.arange(4)).runs
    assert int(areas.length.sum()) == sum(20 * (10 + number) for number in range(4))


@pytest.mark.parametrize("drawn", [(0, 9, 0, 20), (6, 30, 6, 30), (0, 26, 6, 30)])
def test_large_objects_white_on_black_are_not_told(tmp_path: Path, drawn: tuple[int, int, int, int]) -> None:
    """Some that are small, and some that reach less than the whole frame."""
    top, bottom, left, right = drawn
    for number in range(4):
        mask = np.zeros((30, 30), np.uint8)
        mask[top:bottom, left:right] = 255
        Image.fromarray(mask).save(tmp_path / f"{number}.png")
    assert len(findings(tmp_path, "SEG219")) == 1


def test_black_and_white_with_the_remains_of_a_picture_are_a_foreground(tmp_path: Path) -> None:
    """A cut-out saved with its smoothed outline in colour: white is the object, black is not labelled."""
    rng = np.random.default_rng(3)
    for number in range(6):
        mask = np.zeros((80, 80, 3), np.uint8)
        mask[10:60, 20 : 60 + number] = 255
        mask[10:60, 20] = rng.integers(0, 255, (50, 3))
        Image.fromarray(mask).save(tmp_path / f"{number}.png")
    dataset = segdata.read(tmp_path)
    assert described(dataset.taxonomy) == [(255, "foreground", "stuff")]
    assert dataset.taxonomy.unlabelled_color == (0, 0, 0)
    assert {found.code for found in findings(tmp_path, "SEG009", "SEG010")} == {"SEG010"}
    assert len(dataset.segments) == 6
