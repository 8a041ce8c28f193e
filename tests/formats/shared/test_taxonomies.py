"""Taxonomies from colour tables and presets."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata import read, validate
from segdata.core.errors import SegdataError
from segdata.formats.shared.colour_tables import (
    find_colour_table,
    load_colour_table,
    load_preset,
    outside_preset,
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
    path.write_text(f"{header}\nroad,1,2,3\n".replace(",", ";"))  # as spreadsheets write where a comma is decimal
    assert load_colour_table(path).categories[0].rgb == (1, 2, 3)


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("label_colors.txt", "1 2 3 a\n1 2 x b\n", "label_colors.txt:2"),
        ("label_colors.txt", "1 2 300 a\n", "label_colors.txt:1"),
        ("classes.csv", "name,r,g,b\na,1,2,999\n", "classes.csv:2"),
        ("classes.csv", "foo\na\n", "classes.csv:2"),
        ("_classes.csv", "Pixel Value, Class\nx, cat\n", "_classes.csv:2"),
        ("label_classes.json", "[]", "label_classes.json: no categories"),
        ("label_classes.json", '[{"png_index": "a", "name": "b"}]', "label_classes.json: is no list of classes"),
        ("label_classes.json", '[{"png_index": 1}]', "label_classes.json: class 1 has no name"),
        ("label_classes.json", '[{"png_index": [1, 2, 300], "name": "b"}]', "not three values from 0 to 255"),
        ("label_classes.json", '[{"png_index": 1, "name": "a"}, {"png_index": [1, 2, 3], "name": "b"}]', "mixes"),
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
    assert named(tmp_path / "other") == ["category_0", "category_3", "category_11"]
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


def test_one_name_in_twenty_may_be_another() -> None:
    names = [Path(f"labels/0016E5_{number:05}_L.png") for number in range(59)]
    assert preset_from_names([*names, Path("labels/copy.png")], True) == "camvid32"
    assert outside_preset([*names, Path("labels/copy.png")]) == [Path("labels/copy.png")]
    assert preset_from_names([*names[:18], Path("labels/copy.png")], True) is None


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


META = {
    "labels": ["background", "road", "ignore"],
    "label_map": {"0": "background", "1": "road", "2": "ignore"},
    "segmentation_colors": [[0, 0, 0], [128, 64, 128], [7, 7, 7]],
    "background_label": "0",
}


def test_dataset_meta_is_read_as_datumaro_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "dataset_meta.json"
    path.write_text(json.dumps(META))
    categories = load_colour_table(path).categories
    assert [(each.id, each.name, each.rgb, each.kind) for each in categories] == [
        (0, "background", (0, 0, 0), "stuff"),
        (1, "road", (128, 64, 128), "stuff"),
        (2, "ignore", (7, 7, 7), "void"),
    ]
    theirs = pytest.importorskip("datumaro.util.meta_file_util", exc_type=ImportError)
    assert {each.name: each.rgb for each in categories} == theirs.parse_meta_file(str(path))


@pytest.mark.parametrize("coloured", [True, False])
def test_dataset_meta_names_the_values_of_masks(tmp_path: Path, coloured: bool) -> None:
    (tmp_path / "masks").mkdir()
    ids = np.array([[0, 1], [1, 2]], np.uint8)
    colors = np.array(META["segmentation_colors"], np.uint8)
    Image.fromarray(colors[ids] if coloured else ids).save(tmp_path / "masks/a.png")
    meta = META if coloured else {"labels": META["labels"]}
    (tmp_path / "dataset_meta.json").write_text(json.dumps(meta))
    segments = read(tmp_path).segments
    assert dict(zip(segments["category"], segments["area"], strict=True)) == {"background": 1, "road": 2, "ignore": 1}


def _mask(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.array([[0, 1], [1, 2]], np.uint8)).save(path)


def test_tables_of_splits_name_the_values_of_masks(tmp_path: Path) -> None:
    """As Roboflow exports semantic masks: a table in each split."""
    for split in ("train", "valid"):
        _mask(tmp_path / split / f"{split}_mask.png")
        Image.new("RGB", (2, 2)).save(tmp_path / split / f"{split}.jpg")
        (tmp_path / split / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, cat\n2, dog\n")
    data = read(tmp_path)
    assert set(data.segments["category"]) == {"background", "cat", "dog"}
    assert sorted(data.images["split"]) == ["train", "val"]
    (tmp_path / "valid/_classes.csv").write_text("Pixel Value, Class\n0, background\n1, dog\n2, cat\n")
    with pytest.raises(SegdataError, match=r"train/_classes.csv and .*valid/_classes.csv differ"):
        read(tmp_path)


def test_label_classes_of_hasty_name_the_values_of_masks(tmp_path: Path) -> None:
    """https://hasty.ai/docs/userdocs/export-formats/semantic-segmentation-png-images."""
    _mask(tmp_path / "masks/a.png")
    items = [{"png_index": 2, "class_name": "bed", "color": "#4df3ceff"}, {"png_index": 1, "class_name": "wall"}]
    (tmp_path / "label_classes.json").write_text(json.dumps(items))
    segments = read(tmp_path).segments
    assert dict(zip(segments["category"], segments["area"], strict=True)) == {"wall": 2, "bed": 1}


def test_label_classes_of_hasty_name_the_colours_of_masks(tmp_path: Path) -> None:
    """Exports of coloured masks have three values as `png_index`, and call the name `name`."""
    (tmp_path / "masks").mkdir()
    pixels = np.array([[[0, 0, 0], [206, 169, 23]], [[206, 169, 23], [7, 8, 9]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "masks/a.png")
    items = [{"png_index": [206, 169, 23], "name": "scan"}, {"png_index": [7, 8, 9], "name": "rim"}]
    (tmp_path / "masks/label_classes.json").write_text(json.dumps(items))
    segments = read(tmp_path).segments
    assert dict(zip(segments["category"], segments["area"], strict=True)) == {"scan": 2, "rim": 1}


def test_masks_of_a_tool_that_names_a_colour_for_unlabelled_pixels_have_no_gaps(tmp_path: Path) -> None:
    """Black is "unlabelled" in Hasty's masks, so neither a gap (SEG101) nor a band along the border (SEG130)."""
    (tmp_path / "masks").mkdir()
    for number in range(12):
        pixels = np.zeros((60, 80, 3), np.uint8)
        pixels[5:40, 8 + number : 60] = (206, 169, 23)
        Image.fromarray(pixels).save(tmp_path / f"masks/{number}.png")
    (tmp_path / "label_classes.json").write_text('[{"png_index": [206, 169, 23], "name": "scan"}]')
    opened = read(tmp_path)
    assert opened.profile.coverage.value == "sparse"
    assert {finding.code for finding in validate(opened).findings}.isdisjoint({"SEG101", "SEG130"})
    (tmp_path / "taxonomy.yaml").write_text(
        "unlabelled: [0, 0, 0]\ncategories: [{id: 1, name: scan, color: [206, 169, 23]}]"
    )
    assert read(tmp_path).profile.coverage.value == "exhaustive"  # what a person wrote down


@pytest.mark.parametrize(
    ("values", "names", "expected"),
    [
        ([0, 1, 2], ["background", "road", "tree"], {0: "background", 1: "road", 2: "tree"}),
        ([0, 1, 2, 255], ["road", "tree"], {1: "road", 2: "tree"}),
        ([0, 1], ["road", "tree", "car"], {0: "road", 1: "tree"}),
        ([0, 1, 5], ["road", "tree"], {0: "category_0", 1: "category_1", 5: "category_5"}),
    ],
)
def test_names_in_lines_are_numbered_as_the_masks_are(
    values: list[int], names: list[str], expected: dict[int, str], tmp_path: Path
) -> None:
    """From 0, or from 1 where 0 has no name; another list is none of these masks."""
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.repeat(np.array([values], np.uint8), 4, axis=0)).save(tmp_path / "masks/a.png")
    (tmp_path / "classes.txt").write_text("".join(f"{name}\n" for name in names))
    opened = read(tmp_path)
    void = {category.id for category in opened.taxonomy.categories if category.kind == "void"}
    segments = opened.segments[~opened.segments["category_id"].isin(void)]
    assert dict(zip(segments["category_id"], segments["category"], strict=True)) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no list of labels"),
        ("{}", "neither labels nor a label_map"),
        ('{"labels": 7}', "is no list of labels"),
        ('{"label_map": {"a": "b"}}', "is no list of labels"),
        (
            '{"label_map": {"4": "b"}, "segmentation_colors": [[1, 2, 3]]}',
            "4 'b' has none of the 1 segmentation_colors",
        ),
        ('{"label_map": {"0": "b"}, "segmentation_colors": [[1, 2, 300]]}', "not three values from 0 to 255"),
    ],
)
def test_a_broken_dataset_meta_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "dataset_meta.json"
    path.write_text(text)
    with pytest.raises(SegdataError, match=words) as raised:
        load_colour_table(path)
    assert str(path) in str(raised.value)


def test_a_table_between_the_dataset_and_its_masks(tmp_path: Path) -> None:
    """As CamVid's: `CamVid/class_dict.csv` beside folders of splits; the folder above is what people name."""
    masks(tmp_path, "CamVid/train_labels", "a", [[0, 1]])
    (tmp_path / "CamVid/class_dict.csv").write_text("name,r,g,b\nsky,9,8,7\nroad,1,2,3\n")
    found = find_colour_table(tmp_path, tmp_path / "CamVid/train_labels")
    assert found == tmp_path / "CamVid/class_dict.csv"
    assert find_colour_table(tmp_path / "CamVid/train_labels", tmp_path / "CamVid/train_labels") is None
