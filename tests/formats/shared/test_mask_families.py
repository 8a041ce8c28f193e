"""Photographs and their masks, in the layouts of public datasets and in layouts made up at random."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import segdata
from benchmarks.first_contact.layouts import (
    ANEW,
    FRESH,
    HEIGHT,
    HELD_OUT,
    KNOWN,
    REFUSALS,
    WIDTH,
    Archive,
    Layout,
    judge,
)
from segdata.core.errors import SegdataError
from segdata.formats.shared.mask_families import find_family
from segdata.formats.shared.mask_layouts import find_layouts

REFUSED = {  # several masks of each image, and nothing that tells which are meant
    "chase_db1": "{stem}_{annotator}.png",
    "phenobench": "--read-option masks=",
    "cwfid": "annotations --images ",
    "isaid": "--read-option masks=",
    "cod10k": "--read-option masks=",
    "stare": "segdata agreement labels-ah=",
    "agriculture_vision": "--read-option masks=",
    **REFUSALS,
}
BY_LAYERS = ("celebamask", "montgomery", "idrid", "endovis")


@pytest.mark.parametrize("layout", [*KNOWN, *ANEW, *HELD_OUT, *FRESH], ids=lambda layout: layout.__name__)
def test_public_layouts_are_read_right_or_refused_with_a_remedy(tmp_path: Path, layout: Layout) -> None:
    made = Archive(tmp_path / layout.__name__)
    layout(made)
    said = judge(made)
    if layout.__name__ == "glas":
        assert said.startswith("read as instance-ids")
    elif layout.__name__ in REFUSED:
        assert said.startswith("refused")
        assert REFUSED[layout.__name__] in said
    else:
        assert said.startswith("read as layers" if layout.__name__ in BY_LAYERS else "read as")


def test_a_chosen_kind_is_read(tmp_path: Path) -> None:
    made = Archive(tmp_path / "cod10k")
    next(layout for layout in HELD_OUT if layout.__name__ == "cod10k")(made)
    data = segdata.read(made.root, options={"masks": "GT_Object"})
    assert len(data.images) == 8
    assert {int(area) for area in data.segments["area"]} <= set.union(*made.areas.values())
    with pytest.raises(SegdataError, match="no masks with 'no such word' in their paths belong to images"):
        segdata.read(made.root, options={"masks": "no such word"})


def test_an_image_without_the_photograph_in_colour_that_the_others_have(tmp_path: Path) -> None:
    made = Archive(tmp_path)
    for k in range(5):
        if k < 4:
            made.photo(f"photos/{k}.jpg")
        Image.new("L", (WIDTH, HEIGHT), 90).save(_made(tmp_path / f"infrared/{k}.jpg"))
        made.save(f"masks/{k}.png", made.blobs().astype(np.uint8))
    family = find_family(tmp_path)
    assert family is not None
    assert sorted(family.masks) == ["infrared/4.jpg", *(f"photos/{k}.jpg" for k in range(4))]


@pytest.mark.parametrize(("first", "second", "is_chosen"), [("IR", "VI", True), ("a", "b", False)])
def test_pictures_of_visible_light_beside_infrared_ones(
    tmp_path: Path, first: str, second: str, is_chosen: bool
) -> None:
    """Both are saved with three channels, so that their names tell which has the colours."""
    made = Archive(tmp_path)
    for k in range(4):
        made.photo(f"{first}/{k}.png")
        made.photo(f"{second}/{k}.png")
        made.save(f"label/{k}.png", made.blobs().astype(np.uint8))
    family = find_family(tmp_path)
    assert (family is not None and sorted(family.masks) == [f"{second}/{k}.png" for k in range(4)]) == is_chosen


def _made(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    return path


def test_layers_whose_mask_is_in_alpha(tmp_path: Path) -> None:
    made = Archive(tmp_path)
    for k in range(4):
        made.photo(f"images/{k}.jpg")
        for name in ("car", "traffic_light"):
            layer = np.full((HEIGHT, WIDTH, 4), 255, np.uint8)
            layer[:, :, 3] = made.blobs().astype(np.uint8) * 255
            made.save(f"masks/{k}_{name}.png", layer)
    data = segdata.read(tmp_path)
    assert sorted(set(data.segments["category"])) == ["car", "traffic_light"]
    assert len(data.segments) == 8
    assert data.segments["area"].max() < HEIGHT * WIDTH


def test_layers_of_two_annotators(tmp_path: Path) -> None:
    made = Archive(tmp_path / "chase_db1")
    KNOWN[0](made)
    (made.root / "segdata.yaml").write_text("layers: {pattern: '{stem}_{annotator}.png', category: vessel}\n")
    data = segdata.read(made.root)
    assert len(data.images) == 8
    assert sorted(set(data.annotations["annotator"])) == ["1stHO", "2ndHO"]
    assert len(data.annotations) == len(data.segments) == 16


WORD = st.sampled_from(("photo", "orig", "cam", "lbl", "ref", "drawn", "zz", "out"))


@settings(max_examples=15, deadline=None)
@given(
    words=st.lists(WORD, min_size=4, max_size=4, unique=True),
    in_folder=st.booleans(),
    cases=st.integers(1, 3),
    padded=st.booleans(),
)
def test_words_on_one_side_alone_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], in_folder: bool, cases: int, padded: bool
) -> None:
    """Whatever folders and affixes are called, masks are found to their images, or nothing is."""
    made = Archive(tmp_path_factory.mktemp("made"))
    for case in range(cases):
        for k in range(2):
            number = f"{k:03d}" if padded else str(k)
            folder = [f"case{case}", words[0]] if in_folder else [f"case{case}"]
            image = "/".join([*folder, f"s{k}_{words[1]}.jpg"])
            made.photo(image)
            mask = "/".join([f"case{case}", *([words[2]] if in_folder else []), f"s{int(number)}_{words[3]}.png"])
            made.mask(mask, image)
            assert made.areas[image]
    family = find_family(made.root)
    assert family is not None
    assert {image: mask.rpartition("/")[2][:2] for image, mask in family.masks.items()} == {
        image: image.rpartition("/")[2][:2] for image in made.areas
    }
    assert all(image.partition("/")[0] == mask.partition("/")[0] for image, mask in family.masks.items())


def test_masks_of_another_size_belong_to_no_image(tmp_path: Path) -> None:
    made = Archive(tmp_path / "d")
    for k in range(3):
        made.photo(f"one/x{k}.jpg")
        made.save(f"two/y_{k}/x{k}.png", np.eye(64, dtype=np.uint8))
    assert find_family(made.root) is None


def test_blurred_photographs_beside_layers_in_folders(tmp_path: Path) -> None:
    """Photographs out of focus have few runs; beside PNG masks, JPEG files are the photographs nevertheless."""
    made = Archive(tmp_path)
    for k in range(6):
        shades = np.linspace(0, 250 - 9 * k, HEIGHT).astype(np.uint8)
        made.save(f"images/{k}.jpg", np.repeat(shades[:, None], WIDTH, axis=1).repeat(3).reshape(HEIGHT, WIDTH, 3))
        for name in ("body", "windshield"):
            made.save(f"masks/{name}/{k}.png", made.blobs(0.1).astype(np.uint8) * 255)
        made.photo(f"visualizations/{k}.jpg")
    data = segdata.read(tmp_path)
    assert (data.profile.format, len(data.images)) == ("layers", 6)
    assert [category.name for category in data.taxonomy.categories] == ["body", "windshield"]


def test_previews_of_masks_are_no_rivals(tmp_path: Path) -> None:
    made = Archive(tmp_path)
    for k in range(4):
        made.photo(f"images/{k}.jpg")
        classes = made.classes()
        made.save(f"masks/{k}.png", classes)
        made.save(f"masks_colorized_preview/{k}.png", np.stack([classes * 80] * 3, axis=2))
    (layout,) = find_layouts(tmp_path)
    assert layout.masks == tmp_path / "masks"


def test_words_before_the_number_tell_masks(tmp_path: Path) -> None:
    """As data_0001.tiff beside truth_0001.tiff."""
    made = Archive(tmp_path)
    for k in range(3):
        made.photo(f"data_000{k}.png")
        made.save(f"truth_000{k}.png", made.blobs(0.1).astype(np.uint8))
    family = find_family(tmp_path)
    assert family is not None
    assert family.masks == {f"data_000{k}.png": f"truth_000{k}.png" for k in range(3)}


def test_pictures_of_a_program_beside_a_family_are_no_images(tmp_path: Path) -> None:
    """Three uploads of a web page were images without masks (SEG011)."""
    made = Archive(tmp_path)
    for k in range(4):
        made.photo(f"patches/train/{k}.jpg")
        Image.new("L", (WIDTH, HEIGHT), 255 * (k % 2)).save(_made(tmp_path / f"patches/train/{k}.png"))
    made.photo("patches/train/9.jpg")
    made.photo("web/static/upload.jpg")
    data = segdata.read(tmp_path)
    stray = {(found.severity, found.message) for found in data.validate(select="SEG011").findings}
    assert len(data.images) == 5
    assert stray == {
        ("warning", "an image without mask"),
        ("info", "1 image in folders where none has labels (web/static): not read"),
    }
