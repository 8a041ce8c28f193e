"""ADE20K: regions of all levels are segments, and each finds what is said of it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image

from segdata import convert, diff, read
from segdata.core.batch import Batch, replace_column
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import detect, find_format
from segdata.core.profile import Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import Details, datasets
from tests.formats.ade.scenes import (
    CAR,
    NAMES,
    PERSON,
    WHEEL,
    attributes_by_id,
    encode_colours,
    make_object,
    open_dataset,
    save,
    segment_pixels,
    write_document,
    write_object_mask,
    write_scene,
)

WITHOUT_OVERLAPS = Details(overlaps=False, several=False)
EXACT = Details(overlaps=False, several=False, extras=False)


@settings(max_examples=40)
@given(dataset=datasets())
def test_only_what_was_counted_is_lost(
    tmp_path_factory: pytest.TempPathFactory, dataset: tuple[Profile, list[Batch]]
) -> None:
    assert_round_trip(find_format("ade20k"), *dataset, tmp_path_factory.mktemp("law"))


@settings(max_examples=30)
@given(dataset=datasets(WITHOUT_OVERLAPS))
def test_what_json_files_hold_comes_back(
    tmp_path_factory: pytest.TempPathFactory, dataset: tuple[Profile, list[Batch]]
) -> None:
    assert_round_trip(find_format("ade20k"), *dataset, tmp_path_factory.mktemp("law"))


@settings(max_examples=30)
@given(dataset=datasets(EXACT))
def test_segments_on_levels_of_their_own_lose_no_pixel(
    tmp_path_factory: pytest.TempPathFactory, dataset: tuple[Profile, list[Batch]]
) -> None:
    """The second segment of each annotation becomes a part of the first."""
    profile, batches = dataset
    losses = assert_round_trip(
        find_format("ade20k"), profile, [_with_parts(batch) for batch in batches], tmp_path_factory.mktemp("law")
    )
    assert {loss.kind for loss in losses.listed()} <= {"empty-segment", "attributes"}


def _with_parts(batch: Batch) -> Batch:
    attributes: list[object] = []
    ids, annotation = batch.segments["segment_id"].to_pylist(), batch.segment_annotation.tolist()
    empty = (batch.runs.areas(batch.n_segments) == 0).tolist()
    for row in range(batch.n_segments):
        whole = row - 1
        is_part = row > 0 and annotation[whole] == annotation[row] and attributes[whole] is None
        is_part = is_part and not empty[row] and not empty[whole]
        attributes.append([("part_level", "1"), ("part_of", str(ids[whole]))] if is_part else None)
    return replace(batch, segments=replace_column(batch.segments, "attributes", attributes))


def test_objects_and_parts_are_segments_with_what_the_json_says(tmp_path: Path) -> None:
    """The wheel lies on the car: both have its pixels."""
    write_scene(
        tmp_path,
        [[CAR, CAR, PERSON]],
        [[128, 128, 255]],
        make_object(4, CAR, occluded="yes", crop="0", attributes="parked", depth_ordering_rank=2),
        make_object(2, PERSON, attributes=[], occluded=[]),
        make_object(9, WHEEL, parts={"part_level": 1, "ispartof": 4, "hasparts": []}),
        parts_1=([[0, WHEEL, 0]], [[0, 255, 0]]),
    )
    dataset, batch, defects = open_dataset(tmp_path)
    assert segment_pixels(dataset, batch) == {
        4: (NAMES[CAR], [(0, 0), (1, 0)]),
        2: (NAMES[PERSON], [(2, 0)]),
        9: (NAMES[WHEEL], [(1, 0)]),
    }
    assert attributes_by_id(batch) == {
        4: {"occluded": True, "crop": False, "attributes": "parked", "depth_ordering_rank": 2},
        2: {},
        9: {"part_level": 1, "part_of": 4},
    }
    assert [(each.id, each.name) for each in dataset.taxonomy.categories] == sorted(NAMES.items())
    assert batch.images["image_id"].to_pylist() == ["ADE_train_00000001.jpg"]
    assert defects == []


def test_two_of_a_class_are_told_apart_by_polygons(tmp_path: Path) -> None:
    """Where they have no masks of their own; the first is half hidden."""
    squares = {5: [2, 4], 3: [0, 3]}
    objects = [
        make_object(id_, CAR, polygon={"x": [left, right, right, left], "y": [0, 0, 2, 2]})
        for id_, (left, right) in squares.items()
    ]
    write_scene(tmp_path, [[CAR] * 4] * 2, [[128, 128, 255, 255]] * 2, *objects)
    dataset, batch, defects = open_dataset(tmp_path)
    assert {id_: pixels[0][0] for id_, (_, pixels) in segment_pixels(dataset, batch).items()} == {3: 0, 5: 2}
    assert set(attributes_by_id(batch)[3]) == {"polygon"}
    assert defects == []


def test_hidden_pixels_are_an_attribute_and_masks_may_stay_closed(tmp_path: Path) -> None:
    name = write_object_mask(tmp_path, 1, [[255, 128, 0]])
    write_scene(tmp_path, [[CAR, 0, 0]], [[255, 0, 0]], make_object(1, CAR, instance_mask=name))
    _, batch, _ = open_dataset(tmp_path)
    assert attributes_by_id(batch)[1]["amodal"] == {"size": [1, 3], "counts": "021"}
    assert attributes_by_id(open_dataset(tmp_path, options={"instances": "no"})[1])[1] == {}
    with pytest.raises(SegdataError, match="instances is 'maybe'"):
        read(tmp_path, options={"instances": "maybe"})


def test_masks_and_json_that_disagree(tmp_path: Path) -> None:
    """A region that the JSON lacks keeps its class; an object without region is no segment."""
    write_scene(tmp_path, [[CAR, PERSON]], [[128, 255]], make_object(1, CAR), make_object(2, CAR))
    own = write_object_mask(tmp_path, 1, [[255, 0]])
    write_document(tmp_path, make_object(1, CAR, instance_mask=own), make_object(2, CAR), stem="ADE_train_00000001")
    write_scene(tmp_path, [[PERSON]], [[255]], make_object(1, PERSON), stem="ADE_train_00000002")
    dataset, batch, defects = open_dataset(tmp_path)
    first = batch.take_images(np.array([0]))
    assert segment_pixels(dataset, first) == {1: (NAMES[CAR], [(0, 0)]), 2: (NAMES[PERSON], [(1, 0)])}
    assert [(each.code, each.pixels, each.place) for each in defects] == [("SEG014", 1, "x=1, y=0")]
    infos = [each for each in batch.defects if each.severity == "info"]
    assert [(each.code, each.segments) for each in infos] == [("SEG014", (2,))]


def test_atr_files_number_objects_by_their_blue(tmp_path: Path) -> None:
    """Of three numbers the second is hidden: blue 255 / 3 and 255 are the first and the third."""
    save(tmp_path / "training/a_seg.png", encode_colours([[7, 9, 7]], [[85, 255, 0]]))
    save(tmp_path / "training/a_parts_1.png", encode_colours([[8, 0, 0]], [[255, 0, 0]]))
    lines = [
        '001 # 0 # 0 # car, auto # auto # "red, parked"',
        '002 # 0 # 1 # tree # tree # ""',
        '003 # 0 # 1 # person # man # ""',
        '001 # 1 # 0 # wheel # wheel # ""',
    ]
    (tmp_path / "training/a_atr.txt").write_text("\n".join(lines) + "\n")
    assert detect(tmp_path) == "ade20k"
    dataset, batch, defects = open_dataset(tmp_path)
    assert segment_pixels(dataset, batch) == {
        1: ("car, auto", [(0, 0)]),
        3: ("person", [(1, 0)]),
        1001: ("wheel", [(0, 0)]),
    }
    assert attributes_by_id(batch) == {
        1: {"occluded": False, "raw_name": "auto", "attributes": ["red", "parked"]},
        3: {"occluded": True, "raw_name": "man"},
        1001: {"occluded": False, "raw_name": "wheel", "part_level": 1, "part_of": 1},
    }
    assert batch.images["split"].to_pylist() == ["train"]
    assert [(each.code, each.pixels) for each in defects] == [("SEG009", 1)], "class 7 without instance is not named"


def test_a_taxonomy_names_classes_where_no_file_does(tmp_path: Path) -> None:
    save(tmp_path / "a_seg.png", encode_colours([[CAR, 5]], [[128, 255]]))
    with pytest.raises(UnreadableError, match="write taxonomy"):
        read(tmp_path, format="ade20k")
    taxonomy = Taxonomy(categories=(Category(id=CAR, name="car"),))
    dataset, batch, defects = open_dataset(tmp_path, format="ade20k", taxonomy=taxonomy)
    assert segment_pixels(dataset, batch) == {1: ("car", [(0, 0)])}
    assert [(each.code, each.place, each.pixels) for each in defects] == [("SEG009", "x=1, y=0", 1)]


def test_one_index_with_two_names_is_inconsistent(tmp_path: Path) -> None:
    write_scene(tmp_path, [[CAR]], [[255]], make_object(1, CAR), stem="a")
    write_scene(tmp_path, [[CAR]], [[255]], make_object(1, CAR) | {"name": "automobile"}, stem="b")
    dataset, _, defects = open_dataset(tmp_path)
    assert [(each.code, each.file, each.place) for each in defects] == [
        ("SEG202", "b.json", "/annotation/object/0/name")
    ]
    assert [each.name for each in dataset.taxonomy.categories] == [NAMES[CAR], "automobile"], "names go before indices"


def test_a_single_file_is_its_image(tmp_path: Path) -> None:
    for stem in ("a", "b"):
        write_scene(tmp_path, [[CAR]], [[255]], make_object(1, CAR), stem=stem)
    assert detect(tmp_path / "a.json") == "ade20k"
    assert read(tmp_path / "a.json").image_ids == ["a.jpg"]


def test_images_without_mask_are_not_annotated(tmp_path: Path) -> None:
    write_scene(tmp_path, [[CAR]], [[255]], make_object(1, CAR), stem="a")
    save(tmp_path / "b.jpg", np.zeros((1, 1, 3)))
    _, batch, defects = open_dataset(tmp_path)
    assert batch.annotation_image.tolist() == [0]
    assert [(each.code, each.image) for each in defects] == [("SEG011", "b.jpg")]


def test_written_masks_are_what_load_ade20k_takes_apart(tmp_path: Path) -> None:
    """Class R / 10 * 256 + G, blue spread over the objects of a level; what other programs need is in the JSON."""
    own = write_object_mask(tmp_path / "in", 1, [[255, 128, 0]])
    part = make_object(7, WHEEL, parts={"part_level": 1, "ispartof": 1})
    write_scene(
        tmp_path / "in",
        [[CAR, PERSON, 0]],
        [[100, 200, 0]],
        make_object(1, CAR, instance_mask=own),
        make_object(2, PERSON),
        part,
        parts_1=([[WHEEL, 0, 0]], [[3, 0, 0]]),
    )
    convert(tmp_path / "in", tmp_path / "out", to="ade20k")
    for name, classes, blue in (
        ("seg", [[CAR, PERSON, 0]], [[128, 255, 0]]),
        ("parts_1", [[WHEEL, 0, 0]], [[255, 0, 0]]),
    ):
        pixels = np.asarray(Image.open(tmp_path / f"out/ADE_train_00000001_{name}.png"))
        assert ((pixels[:, :, 0] / 10).astype(int) * 256 + pixels[:, :, 1]).tolist() == classes
        assert pixels[:, :, 2].tolist() == blue
    listed = json.loads((tmp_path / "out/ADE_train_00000001.json").read_text())["annotation"]["object"]
    assert [each["parts"] for each in listed] == [
        {"hasparts": [7], "ispartof": [], "part_level": 0},
        {"hasparts": [], "ispartof": [], "part_level": 0},
        {"hasparts": [], "ispartof": 1, "part_level": 1},
    ]
    mask = np.asarray(Image.open(tmp_path / "out" / listed[0]["instance_mask"]))
    assert mask.tolist() == [[255, 128, 0]]
    assert {"attributes", "occluded", "crop", "raw_name", "polygon"} <= listed[0].keys()
    assert diff(tmp_path / "in", tmp_path / "out").same


@pytest.mark.parametrize("id_", [0, 6656])
def test_ids_beyond_red_and_green_are_refused(tmp_path: Path, id_: int) -> None:
    write_scene(tmp_path / "in", [[CAR]], [[255]], make_object(1, CAR))
    taxonomy = Taxonomy(categories=(Category(id=id_, name="x"),))
    with pytest.raises(SegdataError, match=f"has id {id_}"):
        convert(tmp_path / "in", tmp_path / "out", to="ade20k", taxonomy=taxonomy)


def test_more_objects_than_blue_can_number_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.arange(1, 257, dtype=np.uint16)[None]).save(tmp_path / "a.png")
    (tmp_path / "segdata.yaml").write_text("instance_ids: {category: nucleus}\n")
    with pytest.raises(SegdataError, match="has 256 objects on one level"):
        convert(tmp_path, tmp_path / "out", to="ade20k", format="instance-ids")


def test_datumaro_fixture(real_data: Path) -> None:
    """Red values are no multiples of 10 and own masks hold 1, but the JSON has the classes. A door lies on the car."""
    root = real_data / "peer_fixtures/datumaro/ade20k2020_dataset/dataset"
    assert detect(root) == "ade20k"
    dataset, batch, defects = open_dataset(root)
    assert batch.images["image_id"].to_pylist() == ["training/street/1.jpg", "validation/2.jpg"]
    assert batch.images["split"].to_pylist() == ["train", "val"]
    shown = segment_pixels(dataset, batch.take_images(np.array([0])))
    columns = {name.partition(",")[0]: sorted({x for x, _ in pixels}) for name, pixels in shown.values()}
    assert columns == {"car": [2, 3, 4], "person": [1], "door": [3, 4]}
    assert attributes_by_id(batch.take_images(np.array([1])))[3]["part_of"] == 2, "the rim is a part of the door"
    assert {each.code for each in defects} == {"SEG009", "SEG010"}
