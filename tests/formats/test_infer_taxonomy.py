"""Drafted taxonomies name what is in the data, and guess void only where it looks like it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata.api.taxonomy import infer_taxonomy
from segdata.core.errors import UnreadableError
from segdata.core.taxonomy import dump_taxonomy, parse_taxonomy
from segdata.formats.shared.writing import voc_color


def save(path: Path, values: object, palette: list[int] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.array(values, np.uint8))
    if palette:
        picture.putpalette(palette)
    picture.save(path)


def test_colours(tmp_path: Path) -> None:
    save(tmp_path / "masks/a.png", [[(0, 0, 0), (9, 8, 7), (9, 8, 7), (224, 224, 192)]])
    drafted = infer_taxonomy(tmp_path)
    assert [(each.name, each.rgb, each.kind) for each in drafted.categories] == [
        ("category_1", (0, 0, 0), "stuff"),
        ("category_2", (9, 8, 7), "stuff"),
        ("void", (224, 224, 192), "void"),
    ]
    assert drafted.categories[1].definition == "drafted: in 1 of 1 masks, 50.00 % of their pixels"
    assert parse_taxonomy(dump_taxonomy(drafted)) == drafted


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 0, 0, 1, 1, 255], "void"),
        ([0, 0, 0, 255, 255, 255], "stuff"),  # foreground
        ([0, 1, 255, 255, 255, 255], "stuff"),  # too much to be a border
        ([0, 0, 0, 0, 223, 255], "stuff"),  # one of many spread greys
    ],
)
def test_255_is_void_only_as_a_rare_border(tmp_path: Path, values: list[int], kind: str) -> None:
    save(tmp_path / "masks/a.png", [values])
    assert infer_taxonomy(tmp_path).by_id()[255].kind == kind


def test_palette_gives_ids_and_colours(tmp_path: Path) -> None:
    save(tmp_path / "masks/a.png", [[0, 3]], [channel for index in range(256) for channel in voc_color(index)])
    assert [(each.id, each.rgb) for each in infer_taxonomy(tmp_path).categories] == [(0, (0, 0, 0)), (3, (128, 128, 0))]


def test_names_come_from_a_colour_table(tmp_path: Path) -> None:
    save(tmp_path / "masks/a.png", [[(1, 2, 3), (1, 2, 3)]])
    (tmp_path / "label_colors.txt").write_text("1 2 3 road\n9 9 9 moon\n")
    found = [(each.name, each.definition) for each in infer_taxonomy(tmp_path).categories]
    assert found == [("road", "drafted: in 1 of 1 masks, 100.00 % of their pixels"), ("moon", "drafted: in no mask")]


def test_names_come_from_coco(tmp_path: Path) -> None:
    categories = [{"id": 3, "name": "sky", "isthing": 0, "color": [1, 2, 3]}, {"id": 8, "name": "cat"}]
    (tmp_path / "x.json").write_text(json.dumps({"images": [], "annotations": [], "categories": categories}))
    for root in (tmp_path, tmp_path / "x.json"):
        found = [(each.id, each.name, each.kind, each.rgb) for each in infer_taxonomy(root).categories]
        assert found == [(3, "sky", "stuff", (1, 2, 3)), (8, "cat", "thing", None)]


def test_coco_keeps_its_groups(tmp_path: Path) -> None:
    """A taxonomy.yaml beside the file goes before it, so nothing may be missing."""
    categories = [{"id": 3, "name": "car", "supercategory": "vehicle"}, {"id": 4, "name": "ignored"}]
    for name in ("train.json", "val.json"):
        document = {"images": [], "annotations": [], "categories": categories}
        (tmp_path / name).write_text(json.dumps(document))
    found = [(each.name, each.parent, each.kind) for each in infer_taxonomy(tmp_path).categories]
    assert found == [("car", "vehicle", "thing"), ("ignored", None, "void")]
    document = {"images": [], "annotations": [], "categories": categories[:1]}
    (tmp_path / "val.json").write_text(json.dumps(document))
    with pytest.raises(UnreadableError, match=r"differ.* train.json, val.json"):
        infer_taxonomy(tmp_path)


def test_black_that_covers_most_of_most_masks_is_background(tmp_path: Path) -> None:
    for name, values in (("a", [0, 0, 0, 3]), ("b", [0, 0, 0, 5]), ("c", [3, 3, 3, 5])):
        save(tmp_path / f"masks/{name}.png", [values])
    assert [each.name for each in infer_taxonomy(tmp_path).categories] == ["background", "category_3", "category_5"]
    save(tmp_path / "masks/b.png", [[3, 3, 3, 0]])
    assert [each.name for each in infer_taxonomy(tmp_path).categories] == ["category_0", "category_3", "category_5"]


def photograph(side: int = 40) -> object:
    return np.random.default_rng(0).integers(0, 60, (side, side))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"a.png": [[1]], "b.jpg": [[1] * 20] * 20}, "1 of 2 files is JPEG"),
        ({"x_labelIds.png": [[1]], "x_color.png": [[(1, 2, 3)]]}, "several ways .8 bits, colours."),
        ({"masks/a.png": [[1]], "images/b.png": [[1]]}, "the mask does not have the name of the image"),
        ({"a.png": photograph()}, "photographs"),
        ({"masks/a.png": [list(range(201))]}, "201 different values"),
    ],
)
def test_what_are_no_categories_is_refused_with_the_reason(
    tmp_path: Path, files: dict[str, object], reason: str
) -> None:
    for name, values in files.items():
        save(tmp_path / name, values)
    with pytest.raises(UnreadableError, match=reason):
        infer_taxonomy(tmp_path)


def test_instance_ids_are_refused(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.array([[0, 1, 300]], np.uint16)).save(tmp_path / "masks" / "a.png")
    with pytest.raises(UnreadableError, match=r"ids of instances.*instance_ids: {category"):
        infer_taxonomy(tmp_path)


def test_names_come_from_layers(tmp_path: Path) -> None:
    save(tmp_path / "a_axon.png", [[1]])
    (tmp_path / "segdata.yaml").write_text('layers: {pattern: "{stem}_{category}.png"}\n')
    assert [each.name for each in infer_taxonomy(tmp_path).categories] == ["axon"]


def test_nothing_to_draft_from(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="no masks"):
        infer_taxonomy(tmp_path)
    save(tmp_path / "a.png", np.random.default_rng(0).integers(0, 255, (40, 40, 3)))
    with pytest.raises(UnreadableError, match="no categories"):
        infer_taxonomy(tmp_path)


def test_camvid11(real_data: Path) -> None:
    drafted = infer_taxonomy(real_data / "camvid11")
    assert [each.id for each in drafted.categories] == list(range(12))
