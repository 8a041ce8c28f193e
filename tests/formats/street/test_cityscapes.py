"""Cityscapes: every value is the label and the instance that its own scripts mean, from masks and from polygons."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata import convert, read
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import detect
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shared.mask_files import decode_mask
from tests.formats.street.scenes import (
    instance_image,
    load_batch,
    load_defects,
    save,
    save_picture,
    save_polygons,
    segment_rows,
    value_image,
    write_dataset,
)

BASE = "aachen_000000_000019"
LABELS = f"gtFine/train/aachen/{BASE}_gtFine"
IMAGE = f"leftImg8bit/train/aachen/{BASE}_leftImg8bit.png"
IMAGE_ID = f"train/aachen/{BASE}_leftImg8bit.png"
SAMPLE = "peer_fixtures/datumaro/cityscapes_dataset/dataset"


def test_instance_ids_are_labels_groups_and_numbers(tmp_path: Path) -> None:
    save(tmp_path / f"{LABELS}_instanceIds.png", [[0, 7, 26, 26000, 26001, 4]])
    save_picture(tmp_path / IMAGE)
    assert detect(tmp_path) == "cityscapes"
    dataset = read(tmp_path)
    batch = load_batch(dataset)
    assert segment_rows(batch, "segment_id", "category_id", "iscrowd", "place") == [
        (4, 4, False, "value 4"),
        (7, 7, False, "value 7"),
        (26, 26, True, "value 26"),
        (26000, 26, False, "value 26000"),
        (26001, 26, False, "value 26001"),
    ]
    assert batch.images.select(["image_id", "split"]).to_pylist() == [{"image_id": IMAGE_ID, "split": "train"}]
    assert batch.annotations["encoding"].to_pylist() == ["grey 16 bit"]
    assert (dataset.profile.task, dataset.taxonomy.void_ids, load_defects(dataset)) == (
        "panoptic",
        (1, 2, 3, 4, 5, 6),
        [],
    )


@pytest.mark.parametrize(
    ("root", "image_id"),
    [
        ("", IMAGE_ID),
        ("gtFine", IMAGE_ID),
        ("gtFine/train", IMAGE_ID),
        ("gtFine/train/aachen", IMAGE_ID),
        (f"{LABELS}_instanceIds.png", IMAGE_ID),
    ],
)
def test_any_folder_of_it_may_be_opened(tmp_path: Path, root: str, image_id: str) -> None:
    save(tmp_path / f"{LABELS}_instanceIds.png", [[7] * 6])
    save_picture(tmp_path / IMAGE)
    save_picture(tmp_path / "leftImg8bit/test/bonn/bonn_000000_000001_leftImg8bit.png")
    batch = load_batch(read(tmp_path / root))
    images = batch.images.select(["image_id", "uri"]).to_pylist()
    assert {"image_id": image_id, "uri": (tmp_path / IMAGE).as_posix()} in images
    assert len(images) == (2 if root in ("", "gtFine") else 1), "of a part only the images of that part"
    assert batch.defects == ()


def test_folders_are_shown_as_the_dataset_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both relative, or both absolute."""
    save(tmp_path / "city" / f"{LABELS}_instanceIds.png", [[7] * 6])
    save_picture(tmp_path / "city" / IMAGE)
    monkeypatch.chdir(tmp_path)
    for root, top in (("city", Path("city")), (tmp_path / "city", tmp_path / "city"), ("city/gtFine", Path("city"))):
        assert read(root).profile.places == {"labels": str(top / "gtFine"), "images": str(top / "leftImg8bit")}


def test_labels_beside_their_images(tmp_path: Path) -> None:
    save(tmp_path / "a_gtFine_labelIds.png", [[7] * 6], np.uint8)
    save_picture(tmp_path / "a_leftImg8bit.png")
    dataset = read(tmp_path)
    assert (dataset.image_ids, dataset.profile.task, load_defects(dataset)) == (["a_leftImg8bit.png"], "semantic", [])


def test_a_folder_below_that_of_the_type_is_a_split(tmp_path: Path) -> None:
    """Datumaro leaves out the city; elsewhere the only folder is that of a city."""
    for folder in ("a/gtFine/mine", "b/bonn", "c/val"):
        save(tmp_path / folder / "x_gtFine_labelIds.png", [[7]], np.uint8)
    splits = [load_batch(read(tmp_path / root)).images["split"].to_pylist() for root in "abc"]
    assert splits == [["mine"], [None], ["val"]]


def test_the_same_labels_twice(tmp_path: Path) -> None:
    for root in ("data", "data_copy"):
        save(tmp_path / root / f"{LABELS}_labelIds.png", [[7 if root == "data" else 8]], np.uint8)
    dataset = read(tmp_path)
    found = [(each.code, each.file) for each in load_defects(dataset) if each.severity is None]
    assert found == [("SEG008", f"data_copy/{LABELS}_labelIds.png")]
    assert segment_rows(load_batch(dataset), "segment_id") == [(7,)]


def test_without_images_there_are_still_image_ids(tmp_path: Path) -> None:
    save(tmp_path / f"{LABELS}_labelIds.png", [[7] * 6], np.uint8)
    dataset = read(tmp_path)
    assert dataset.image_ids == [IMAGE_ID]
    assert [(each.code, each.severity) for each in load_defects(dataset)] == [("SEG002", "info")]


def test_files_that_stay_alone(tmp_path: Path) -> None:
    """Images of a split without any labels are not labelled yet; of a split with labels one was forgotten."""
    save(tmp_path / f"{LABELS}_labelIds.png", [[7] * 6], np.uint8)
    save(tmp_path / "gtFine/val/x/x_000000_000001_gtFine_labelIds.png", [[7]], np.uint8)
    for name in ("train/aachen/aachen_000000_000020", "train/aachen/" + BASE, "test/bonn/bonn_000000_000001"):
        save_picture(tmp_path / f"leftImg8bit/{name}_leftImg8bit.png")
    dataset = read(tmp_path)
    found = [(each.code, each.file) for each in load_defects(dataset)]
    assert found == [
        ("SEG011", "leftImg8bit/train/aachen/aachen_000000_000020_leftImg8bit.png"),
        ("SEG011", "gtFine/val/x/x_000000_000001_gtFine_labelIds.png"),
    ]
    assert load_batch(dataset).annotations.num_rows == 2


def test_each_image_is_read_from_the_best_that_it_has(tmp_path: Path) -> None:
    """Beside instance ids the regions of things in label ids are crowds: nothing tells the instances apart."""
    folder = tmp_path / "gtFine/train/x"
    save(folder / "a_gtFine_instanceIds.png", [[26000, 7]])
    save(folder / "a_gtFine_labelIds.png", [[23, 23]], np.uint8)
    save(folder / "b_gtFine_labelIds.png", [[26, 7]], np.uint8)
    dataset = read(tmp_path)
    assert segment_rows(load_batch(dataset), "segment_id", "iscrowd") == [
        (7, False),
        (26000, False),
        (7, False),
        (26, True),
    ]
    only = read(tmp_path, options={"labels": "labelIds"})
    assert only.profile.task == "semantic"
    assert segment_rows(load_batch(only), "segment_id", "iscrowd") == [(23, False), (7, False), (26, False)]
    with pytest.raises(UnreadableError, match="no labels of the kind 'polygons'; there are instanceIds, labelIds"):
        read(tmp_path, options={"labels": "polygons"})
    with pytest.raises(SegdataError, match="labels is 'colour'"):
        read(tmp_path, options={"labels": "colour"})


def test_an_image_without_the_labels_asked_for_is_said(tmp_path: Path) -> None:
    save(tmp_path / "gtFine/train/x/a_gtFine_instanceIds.png", [[7]])
    save(tmp_path / "gtFine/train/x/b_gtFine_labelIds.png", [[7]], np.uint8)
    dataset = read(tmp_path, options={"labels": "instanceIds"})
    (said,) = [each for each in load_defects(dataset) if each.severity is None]
    assert (said.code, said.file) == ("SEG002", "gtFine/train/x/b_gtFine_labelIds.png")
    assert load_batch(dataset).annotations.num_rows == 1


def test_train_ids_are_mapped_back(tmp_path: Path) -> None:
    """What is ignored may have been anything: it is void, and no label of Cityscapes."""
    save(tmp_path / f"{LABELS}_labelTrainIds.png", [[0, 13, 18, 255]], np.uint8)
    dataset = read(tmp_path)
    assert segment_rows(load_batch(dataset), "segment_id", "category_id") == [(7, 7), (26, 26), (33, 33), (255, 255)]
    ignored = dataset.taxonomy.by_id()[255]
    assert (ignored.name, ignored.kind) == ("ignore", "void")
    taxonomy = Taxonomy(categories=(Category(id=1, name="road"), Category(id=2, name="unclear", kind="void")))
    mine = read(tmp_path, taxonomy=taxonomy)
    named = [mine.profile.name_of(each) for (each,) in segment_rows(load_batch(mine), "category_id")]
    assert sorted(named) == ["bicycle", "car", "road", "unclear"]


def test_coarse_labels_are_sparse_and_come_second(tmp_path: Path) -> None:
    coarse = f"gtCoarse/train/aachen/{BASE}_gtCoarse_instanceIds.png"
    save(tmp_path / coarse, [[26000, 7]])
    save(tmp_path / "gtCoarse/train_extra/bonn/bonn_000000_000001_gtCoarse_instanceIds.png", [[7, 7]])
    save(tmp_path / f"{LABELS}_instanceIds.png", [[23, 23]])
    batch = load_batch(read(tmp_path))
    assert segment_rows(batch, "segment_id") == [(23,), (7,)]
    assert batch.annotations["coverage"].to_pylist() == [None, "sparse"]
    only = load_batch(read(tmp_path, options={"gt": "gtCoarse"}))
    assert segment_rows(only, "segment_id") == [(7,), (26000,), (7,)]


def test_a_taxonomy_of_the_user_is_by_name(tmp_path: Path) -> None:
    save(tmp_path / f"{LABELS}_instanceIds.png", [[7, 26001, 23]])
    taxonomy = Taxonomy(
        categories=(Category(id=1, name="automobile", aliases=("car",)), Category(id=7, name="sky", kind="stuff"))
    )
    dataset = read(tmp_path, taxonomy=taxonomy)
    batch = load_batch(dataset)
    ids = [id_ for _, id_ in segment_rows(batch, "segment_id", "category_id")]
    assert [dataset.profile.name_of(id_) for id_ in ids] == ["road", "sky", "automobile"]
    assert ids[1:] == [7, 1]
    assert ids[0] not in taxonomy.by_id()
    own = read(tmp_path, taxonomy=taxonomy, options={"ids": "taxonomy"})
    assert segment_rows(load_batch(own), "category_id") == [(7,)]
    assert {(each.code, each.pixels) for each in load_defects(own) if each.code == "SEG009"} == {("SEG009", 1)}
    with pytest.raises(UnreadableError, match="ids=taxonomy needs a taxonomy"):
        read(tmp_path, options={"ids": "taxonomy"})


def test_categories_of_several_labels_are_one_segment_unless_numbered(tmp_path: Path) -> None:
    save(tmp_path / f"{LABELS}_instanceIds.png", [[7, 8, 26001, 27001, 26, 27]])
    taxonomy = Taxonomy(
        categories=(
            Category(id=1, name="ground", kind="stuff", aliases=("road", "sidewalk")),
            Category(id=2, name="vehicle", aliases=("car", "truck")),
        )
    )
    batch = load_batch(read(tmp_path, taxonomy=taxonomy))
    assert segment_rows(batch, "segment_id", "category_id", "iscrowd") == [
        (7, 1, False),
        (26, 2, True),
        (26001, 2, False),
        (27001, 2, False),
    ]
    assert batch.runs.areas(4).tolist() == [2, 2, 1, 1]


def test_stuff_with_the_number_of_an_object_is_told(tmp_path: Path) -> None:
    save(tmp_path / f"{LABELS}_instanceIds.png", [[7, 8001, 8001, 26001, 26000, 23, 1024]])
    (defect,) = [each for each in load_defects(read(tmp_path)) if each.code == "SEG206"]
    message = "value 8001 is that of an object, and 'sidewalk' is stuff: its value is 8"
    assert (defect.severity, defect.pixels, defect.message) == ("warning", 2, message)


def test_labels_of_its_own(tmp_path: Path) -> None:
    """As Datumaro and CVAT write them: ids are the lines of label_colors.txt, and names have no spaces."""
    (tmp_path / "label_colors.txt").write_text("0 0 0 background\n250 170 30 trafficlight\n1 2 3 tram\n")
    save(tmp_path / f"{LABELS}_instanceIds.png", [[0, 1, 2001, 2]])
    dataset = read(tmp_path)
    assert segment_rows(load_batch(dataset), "category_id", "iscrowd") == [(1, False), (2, True), (2, False)]
    assert [(each.name, each.kind) for each in dataset.taxonomy.categories] == [
        ("trafficlight", "stuff"),
        ("tram", "thing"),
    ]


RING = st.lists(st.tuples(st.integers(-5, 35), st.integers(-5, 25)), min_size=3, max_size=6)
OBJECTS = st.lists(
    st.fixed_dictionaries(
        {
            "label": st.sampled_from(["road", "sky", "car", "cargroup", "person", "skygroup", "license plate"]),
            "polygon": RING,
        },
        optional={"deleted": st.sampled_from([0, 1])},
    ),
    max_size=8,
)


@settings(max_examples=35)
@given(objects=OBJECTS)
def test_polygons_are_drawn_as_by_json2instance_img(
    tmp_path_factory: pytest.TempPathFactory, objects: list[dict[str, object]]
) -> None:
    root = tmp_path_factory.mktemp("polygons")
    save_polygons(root / "a_gtFine_polygons.json", objects)
    batch = load_batch(read(root))
    np.testing.assert_array_equal(value_image(batch), instance_image(objects))


def test_objects_keep_their_rings_where_nothing_covers_them(tmp_path: Path) -> None:
    square = [[1, 1], [4, 1], [4, 4], [1, 4]]
    far = [[10, 10], [14, 10], [14, 12]]
    objects = [
        {"label": "car", "polygon": square},
        {"label": "car", "polygon": far},
        {"label": "road", "polygon": [[2, 2], [8, 2], [8, 8]]},
        {"label": "sky", "polygon": [[20, 0], [29, 0], [29, 5]]},
        {"label": "sky", "polygon": [[20, 10], [29, 10], [29, 15]]},
    ]
    save_polygons(tmp_path / "a_gtFine_polygons.json", objects)
    dataset = read(tmp_path)
    segments = segment_rows(load_batch(dataset), "segment_id", "rings", "place")
    assert [(id_, rings is None, place) for id_, rings, place in segments] == [
        (7, False, "/objects/2"),
        (23, False, "/objects/3"),
        (26000, True, "/objects/0"),
        (26001, False, "/objects/1"),
    ]
    assert segments[3][1] == [[10.5, 10.5, 14.5, 10.5, 14.5, 12.5]], "vertices are the centres of pixels"
    assert len(segments[1][1]) == 2  # type: ignore[arg-type]  # rings
    assert dataset.profile.raster_rule == "pil"


def test_datumaro_s_sample(real_data: Path) -> None:
    dataset = read(real_data / SAMPLE)
    batch = load_batch(dataset)
    assert load_defects(dataset) == []
    assert [dataset.profile.name_of(each) for (each,) in segment_rows(batch, "category_id")] == [
        *("out of roi", "truck", "truck"),
        *("out of roi", "wall", "train"),
        *("out of roi", "person"),
        *("out of roi", "ego vehicle"),
    ]
    assert batch.images["split"].to_pylist() == ["test", "test", "train", "val"]


def test_what_is_written_is_what_cityscapes_would_have(tmp_path: Path) -> None:
    """Label ids are those of the instance ids; the official scripts look for files two folders deep."""
    for name, values in (("a", [[0, 7, 26, 26000, 26003, 4]]), ("b", [[23, 23, 24007, 0, 0, 0]])):
        save(tmp_path / f"in/gtFine/val/bonn/bonn_000000_00000{name}_gtFine_instanceIds.png", values)
    assert write_dataset(read(tmp_path / "in"), tmp_path / "out", "cityscapes", trainids="yes") == []
    for name in ("a", "b"):
        stem = f"gtFine/val/bonn/bonn_000000_00000{name}_gtFine"
        instances, labels, trained = (
            decode_mask(tmp_path / f"out/{stem}_{what}.png").values
            for what in ("instanceIds", "labelIds", "labelTrainIds")
        )
        before = decode_mask(tmp_path / f"in/{stem}_instanceIds.png").values
        np.testing.assert_array_equal(instances, before)
        assert (instances.dtype, labels.dtype) == (np.uint16, np.uint8)
        np.testing.assert_array_equal(labels, np.where(before < 1000, before, before // 1000))
        train_id = {0: 255, 4: 255, 7: 0, 23: 10, 24: 11, 26: 13}
        np.testing.assert_array_equal(trained, np.vectorize(train_id.__getitem__)(labels))
    again = read(tmp_path / "out", options={"labels": "labelIds"})
    assert segment_rows(load_batch(again), "segment_id") == [(4,), (7,), (26,), (23,), (24,)]


def test_categories_that_cityscapes_lacks_are_refused_by_name(tmp_path: Path) -> None:
    save(tmp_path / "in/masks/a.png", [[1, 2, 3]], np.uint8)
    taxonomy = Taxonomy(
        categories=(
            Category(id=1, name="car"),
            Category(id=2, name="kerb"),
            Category(id=3, name="mess", kind="void"),
            Category(id=4, name="tree"),
        )
    )
    source = read(tmp_path / "in", taxonomy=taxonomy)
    with pytest.raises(
        SegdataError, match="Cityscapes has its own labels, and the taxonomy has others: 'kerb', 'tree'"
    ):
        convert(source, tmp_path / "out", to="cityscapes")
    assert not (tmp_path / "out").exists()
    losses = write_dataset(source, tmp_path / "out", "cityscapes", unknown="drop")
    assert [(loss.kind, loss.count, loss.pixels) for loss in losses if loss.pixels] == [
        ("category", 1, 1),
        ("void", 1, 1),
    ]
    assert segment_rows(load_batch(read(tmp_path / "out")), "segment_id", "category_id") == [(1, 1)]


def test_of_a_semantic_dataset_no_instances_are_made_up(tmp_path: Path) -> None:
    """Nothing says whether the pixels of cars are one car."""
    save(tmp_path / "in/masks/a.png", [[1, 1, 0]], np.uint8)
    taxonomy = Taxonomy(categories=(Category(id=1, name="car"),), unlabelled=0)
    convert(read(tmp_path / "in", taxonomy=taxonomy), tmp_path / "out", to="cityscapes")
    assert [path.name for path in (tmp_path / "out").rglob("*.png")] == ["a_gtFine_labelIds.png"]
    dataset = read(tmp_path / "out")
    assert dataset.profile.task == "semantic"
    assert segment_rows(load_batch(dataset), "segment_id", "iscrowd") == [(1, False)]


def test_options_of_the_writer_are_checked(tmp_path: Path) -> None:
    save(tmp_path / f"in/{LABELS}_instanceIds.png", [[7]])
    for name, value in (("trainids", "maybe"), ("unknown", "keep")):
        with pytest.raises(SegdataError, match=f"{name} is '{value}'"):
            write_dataset(read(tmp_path / "in"), tmp_path / "out", "cityscapes", **{name: value})


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        ([[7, 26, 26, 4, 4, 0]], None),
        ([[0, 13, 13, 255, 255, 255]], "6 pixels with another label than in"),
        ([[7, 26, 26, 4, 4, 7]], "1 pixel with another label than in"),
        ([[7, 26]], "the label ids do not fit"),
    ],
)
def test_label_ids_beside_instance_ids_are_the_same(
    tmp_path: Path, beside: list[list[int]], message: str | None
) -> None:
    save(tmp_path / f"{LABELS}_instanceIds.png", [[7, 26000, 26001, 4, 4, 0]])
    save(tmp_path / f"{LABELS}_labelIds.png", beside, np.uint8)
    save_picture(tmp_path / IMAGE)
    defects = load_defects(read(tmp_path))
    assert [defect.code for defect in defects] == ([] if message is None else ["SEG014"])
    assert all(str(message) in defect.message for defect in defects)
    assert all(str(defect.file).endswith("_labelIds.png") for defect in defects)
