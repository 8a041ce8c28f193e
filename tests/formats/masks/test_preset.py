"""Presets: classes that files tell by their names, and those that are asked for."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata import read
from segdata.core.errors import SegdataError
from segdata.formats.masks.colourtable import load_colour_table
from segdata.formats.masks.preset import implied, preset, preset_names

CAMVID11 = [
    "Sky",
    "Building",
    "Pole",
    "Road",
    "Pavement",
    "Tree",
    "SignSymbol",
    "Fence",
    "Car",
    "Pedestrian",
    "Bicyclist",
    "Unlabelled",
]


def masks(root: Path, folder: str, stem: str, values: object) -> None:
    """A mask, grey or RGB as its shape is, and its image."""
    pixels = np.array(values, np.uint8)
    for name in (folder, folder.removesuffix("annot").replace("masks", "images")):
        (root / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / name / f"{stem}.png")


def named(root: Path, **options: str) -> list[str]:
    dataset = read(root, options=options)
    return [dataset.profile.name_of(each) for batch in dataset for each in batch.segments["category_id"].to_pylist()]


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_a_sound_taxonomy(name: str) -> None:
    taxonomy = preset(name)
    assert len(taxonomy.by_id()) == len(taxonomy.by_name().keys() - {a for c in taxonomy.categories for a in c.aliases})
    assert len(taxonomy.void_ids) == 1


def test_sceneparse_reduced_is_one_less() -> None:
    whole, less = preset("sceneparse150").by_name(), preset("sceneparse150-reduced").by_name()
    assert {name: (each.id - 1) % 256 for name, each in whole.items()} == {name: each.id for name, each in less.items()}
    assert (whole["other objects"].id, less["other objects"].id, whole["flag"].id) == (0, 255, 150)


def test_camvid_is_told_by_the_names_of_its_frames(tmp_path: Path) -> None:
    masks(tmp_path / "grey", "trainannot", "0006R0_f01350", [[0, 3, 11]])
    masks(tmp_path / "rgb", "trainannot", "0016E5_07959", [[(128, 64, 128), (0, 0, 0)]])
    masks(tmp_path / "other", "trainannot", "frame1", [[0, 3, 11]])
    assert named(tmp_path / "grey") == ["Sky", "Road", "Unlabelled"]
    assert named(tmp_path / "rgb") == ["Road", "Void"]
    with pytest.raises(SegdataError, match="--read-option preset=camvid11"):
        named(tmp_path / "other")
    assert named(tmp_path / "other", preset="camvid11") == ["Sky", "Road", "Unlabelled"]


def test_a_taxonomy_goes_before_names_and_forbids_a_preset(tmp_path: Path) -> None:
    masks(tmp_path, "trainannot", "0006R0_f01350", [[1, 1]])
    (tmp_path / "taxonomy.yaml").write_text("categories: [{id: 1, name: house}]\n")
    assert named(tmp_path) == ["house"]
    with pytest.raises(SegdataError, match="give one of them"):
        named(tmp_path, preset="camvid11")


def test_an_unknown_preset_names_the_nearest(tmp_path: Path) -> None:
    masks(tmp_path, "masks", "a", [[1]])
    with pytest.raises(SegdataError, match="did you mean 'camvid32'"):
        named(tmp_path, preset="camvid3")


def test_some_names_alone_tell_nothing() -> None:
    assert implied([], True) is None
    assert implied([Path("0006R0_f01350.png"), Path("x.png")], True) is None
    assert implied([Path("labels/0006R0_f01350.png")], False) is None, "which of CamVid's numberings?"
    assert implied([Path("ADE_val_00000001.png")], True) is None


def test_camvid11(real_data: Path) -> None:
    """Ids as the authors' own colours have them, and pixels as measured."""
    dataset = read(real_data / "camvid11")
    assert [each.name for each in dataset.taxonomy.categories] == CAMVID11
    palette = np.asarray(Image.open(real_data / "camvid11/camvid11_palette.png").convert("RGB"))[0]
    assert [each.rgb for each in dataset.taxonomy.categories] == [tuple(color) for color in palette[:12].tolist()]
    pixels = dict.fromkeys(range(12), 0)
    for batch in dataset:
        areas = batch.runs.areas(batch.n_segments).tolist()
        for id_, area in zip(batch.segments["category_id"].to_pylist(), areas, strict=True):
            pixels[id_] += area
    assert (pixels[3], pixels[9], pixels[11]) == (2_060_840, 35_610, 222_547)


def test_camvid32_is_the_colour_table(real_data: Path) -> None:
    table = load_colour_table(real_data / "camseq32/label_colors.txt")
    assert {(each.id, each.name, each.rgb) for each in table.categories} == {
        (each.id, each.name, each.rgb) for each in preset("camvid32").categories
    }


def test_datumaros_camvid_fixture(real_data: Path) -> None:
    assert sorted(set(named(real_data / "peer_fixtures/datumaro/camvid_dataset"))) == [
        "Animal", "Archway", "Bicyclist", "Bridge", "Child", "Road", "Sky", "Tree",
    ]  # fmt: skip
