"""Colour tables of CamVid, CVAT and CSV files become taxonomies, or errors with file and line."""

from pathlib import Path

import pytest

from segdata.core.errors import SegdataError
from segdata.formats.masks.colourtable import beside, load_colour_table


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
    path = beside(real_data / "camseq32")
    assert path is not None
    taxonomy = load_colour_table(path)
    assert len(taxonomy.categories) == 32
    assert taxonomy.by_color()[(128, 64, 128)].name == "Road"
    assert [each.name for each in taxonomy.categories if each.kind == "void"] == ["Void"]
