"""Taxonomies from colour tables and presets."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata import read
from segdata.core.errors import SegdataError
from segdata.formats.shared.taxonomies import (
    find_colour_table,
    load_colour_table,
    load_preset,
    preset_from_names,
    preset_names,
)


def test_camvid_with_spaces_a_tab_and_no_final_newline(tmp_path: Path) -> None:
    path = tmp_path / "label_colors.txt"
    path.write_text("64 128 64\tAnimal\n0 0 192\tSide walk\n0 0 0\tVoid")
    taxonomy = load_colour_table(path)
    assert [(each.id, each.name, each.rgb, each.kind) for each in taxonomy.categories] == [
        (0, "Animal", (64, 128, 64), "stuff"),
        (1, "Side walk", (0, 0, 192), "stuff"),
        (2, "Void", (0, 0, 0), "void"),
    ]


def test_cvat_labelmap(tmp_path: Path) -> None:
    path = tmp_path / "labelmap.txt"
    path.write_text("# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:250,50,83:wheel,door:\n")
    assert [(each.id, each.name, each.rgb) for each in load_colour_table(path).categories] == [
        (0, "background", (0, 0, 0)),
        (1, "car", (250, 50, 83)),
    ]


@pytest.mark.parametrize("header", ["name,r,g,b", "Class, red, green, blue"])
def test_csv(tmp_path: Path, header: str) -> None:
    path = tmp_path / "class_dict.csv"
    path.write_text(f"{header}\nroad, 1, 2, 3\n")
    assert [(each.id, each.name, each.rgb) for each in load_colour_table(path).categories] == [(0, "road", (1, 2, 3))]
    path.write_text(f"{header},id\nroad,1,2,3,17\n")
    assert load_colour_table(path).categories[0].id == 17


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("label_colors.txt", "1 2 3 a\n1 2 x b\n", "label_colors.txt:2"),
        ("label_colors.txt", "1 2 300 a\n", "label_colors.txt:1"),
        ("classes.csv", "name,r,g,b\na,1,2,999\n", "classes.csv:2"),
        ("classes.csv", "foo\na\n", "classes.csv:2"),
        ("labelmap.txt", "", "labelmap.txt:1"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, name: str, text: str, where: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SegdataError, match=where):
        load_colour_table(tmp_path / name)


def test_camseq32(real_data: Path) -> None:
    path = find_colour_table(real_data / "camseq32")
    assert path is not None
    taxonomy = load_colour_table(path)
    assert len(taxonomy.categories) == 32
    assert taxonomy.by_color()[(128, 64, 128)].name == "Road"
    assert [each.name for each in taxonomy.categories if each.kind == "void"] == ["Void"]


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
    taxonomy = load_preset(name)
    assert len(taxonomy.by_id()) == len(taxonomy.by_name().keys() - {a for c in taxonomy.categories for a in c.aliases})
    assert len(taxonomy.void_ids) == 1


def test_sceneparse_reduced_is_one_less() -> None:
    whole, less = load_preset("sceneparse150").by_name(), load_preset("sceneparse150-reduced").by_name()
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
    assert preset_from_names([], True) is None
    assert preset_from_names([Path("0006R0_f01350.png"), Path("x.png")], True) is None
    assert preset_from_names([Path("labels/0006R0_f01350.png")], False) is None, "which of CamVid's numberings?"
    assert preset_from_names([Path("ADE_val_00000001.png")], True) is None


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
        (each.id, each.name, each.rgb) for each in load_preset("camvid32").categories
    }


def test_datumaros_camvid_fixture(real_data: Path) -> None:
    assert sorted(set(named(real_data / "peer_fixtures/datumaro/camvid_dataset"))) == [
        "Animal", "Archway", "Bicyclist", "Bridge", "Child", "Road", "Sky", "Tree",
    ]  # fmt: skip
