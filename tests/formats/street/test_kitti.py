"""KITTI semantics: value = label id * 256 + number, with the labels of Cityscapes."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segdata import convert, read
from segdata.core.errors import UnreadableError
from segdata.core.format import FileProbe, detect
from segdata.formats.shared.mask_files import decode_mask
from segdata.formats.street import kitti
from tests.formats.street.scenes import load_batch, load_defects, save, save_picture, segment_rows, value_image

SAMPLE = "peer_fixtures/datumaro/kitti_dataset/kitti_segmentation"


def test_the_upper_byte_is_the_label(tmp_path: Path) -> None:
    save(
        tmp_path / "training/instance/000000_10.png", [[0, 7 * 256, 26 * 256, 26 * 256 + 1, 26 * 256 + 2, 23 * 256 + 1]]
    )
    save_picture(tmp_path / "training/image_2/000000_10.png")
    save_picture(tmp_path / "testing/image_2/000000_10.png")
    assert detect(tmp_path) == "kitti"
    dataset = read(tmp_path)
    batch = load_batch(dataset)
    assert segment_rows(batch, "segment_id", "category_id", "iscrowd") == [
        (1792, 7, False),
        (5889, 23, False),
        (6656, 26, True),
        (6657, 26, False),
        (6658, 26, False),
    ]
    assert dataset.image_ids == ["testing/image_2/000000_10.png", "training/image_2/000000_10.png"]
    assert batch.annotations["image"].to_pylist() == [1], "nobody has labelled the images for testing"
    assert batch.images["split"].to_pylist() == ["testing", "training"]
    assert (dataset.profile.task, load_defects(dataset)) == ("panoptic", [])


def test_numbers_of_stuff_are_joined_unless_asked_for(tmp_path: Path) -> None:
    """The devkit says that buildings may be numbered, and that Cityscapes' classes with instances count."""
    save(tmp_path / "training/instance/a.png", [[11 * 256 + 1, 11 * 256 + 2, 11 * 256]])
    save(tmp_path / "training/semantic/a.png", [[11, 11, 11]], np.uint8)
    batch = load_batch(read(tmp_path))
    assert segment_rows(batch, "segment_id") == [(2816,)]
    assert batch.runs.areas(1).tolist() == [3]
    numbered = load_batch(read(tmp_path, options={"stuff": "numbered"}))
    assert segment_rows(numbered, "segment_id") == [(2816,), (2817,), (2818,)]


def test_semantic_masks(tmp_path: Path) -> None:
    """Alone they are a semantic dataset; beside instances the regions of things are crowds."""
    save(tmp_path / "training/semantic/a.png", [[0, 7, 26]], np.uint8)
    save_picture(tmp_path / "training/image_2/a.png", 1, 3)
    dataset = read(tmp_path)
    assert dataset.profile.task == "semantic"
    assert segment_rows(load_batch(dataset), "segment_id", "iscrowd") == [(7, False), (26, False)]
    save(tmp_path / "training/instance/b.png", [[26 * 256 + 1]])
    assert segment_rows(load_batch(read(tmp_path)), "segment_id", "iscrowd") == [(7, False), (26, True), (6657, False)]
    only = load_batch(read(tmp_path, options={"labels": "semantic"}))
    assert segment_rows(only, "segment_id", "iscrowd") == [(7, False), (26, False)]


def test_one_split_may_be_opened(tmp_path: Path) -> None:
    save(tmp_path / "data/instance/a.png", [[7 * 256]])
    save_picture(tmp_path / "data/image_2/a.png", 1, 1)
    assert detect(tmp_path / "data") == "kitti"
    assert read(tmp_path / "data").image_ids == ["image_2/a.png"]


def test_images_elsewhere(tmp_path: Path) -> None:
    """In a folder for each split, or in one for all."""
    save(tmp_path / "in/training/instance/a.png", [[7 * 256]])
    save(tmp_path / "in/training/semantic/a.png", [[7]], np.uint8)
    save_picture(tmp_path / "split/training/a.png", 1, 1)
    save_picture(tmp_path / "all/a.png", 1, 1)
    save_picture(tmp_path / "all/b.png", 1, 1)
    for folder, file in (("split", "training/a.png"), ("all", "a.png")):
        dataset = read(tmp_path / "in", images=tmp_path / folder)
        assert dataset.image_ids == ["training/image_2/a.png"]
        assert load_batch(dataset).images["uri"].to_pylist() == [(tmp_path / folder / file).as_posix()]


def test_two_images_of_one_name(tmp_path: Path) -> None:
    """The mask is that of the first; the other one is not forgotten."""
    save(tmp_path / "training/instance/a.png", [[7 * 256]])
    for name in ("a.jpg", "a.png"):
        save_picture(tmp_path / f"training/image_2/{name}", 1, 1)
    dataset = read(tmp_path)
    assert dataset.image_ids == ["training/image_2/a.jpg", "training/image_2/a.png"]
    assert [(each.code, each.image) for each in load_defects(dataset)] == [("SEG011", "training/image_2/a.png")]


def test_other_datasets_of_kitti_are_not_taken_for_it(tmp_path: Path) -> None:
    save_picture(tmp_path / "training/image_2/000000.png")
    (tmp_path / "training/label_2").mkdir()
    (tmp_path / "training/label_2/000000.txt").write_text("Car 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n")
    assert kitti.detect(FileProbe(tmp_path)) is None
    with pytest.raises(UnreadableError, match="no labels in the places where this format keeps them"):
        read(tmp_path, format="kitti")


def test_datumaro_s_sample(real_data: Path) -> None:
    dataset = read(real_data / SAMPLE)
    named = [dataset.profile.name_of(each) for (each,) in segment_rows(load_batch(dataset), "category_id")]
    assert named == ["out of roi", "truck", "truck", "out of roi", "wall", "train"]
    assert load_defects(dataset) == []


def test_a_semantic_dataset_that_was_written_is_recognised(tmp_path: Path) -> None:
    save(tmp_path / "in/training/semantic/a.png", [[7, 26]], np.uint8)
    save_picture(tmp_path / "in/training/image_2/a.png", 1, 2)
    convert(tmp_path / "in", tmp_path / "out", to="kitti")
    assert detect(tmp_path / "out") == "kitti"
    assert [path.parent.name for path in (tmp_path / "out").rglob("*.png")] == ["semantic"]
    dataset = read(tmp_path / "out")
    assert (dataset.profile.task, dataset.image_ids) == ("semantic", ["training/image_2/a.png"])
    assert segment_rows(load_batch(dataset), "segment_id", "iscrowd") == [(7, False), (26, False)]


LABELS = st.sampled_from([0, 7, 23, 24, 26])


@settings(max_examples=25)
@given(label=arrays(np.uint16, (3, 4), elements=LABELS), number=arrays(np.uint16, (3, 4), elements=st.integers(0, 3)))
def test_what_is_written_is_what_the_devkit_reads(
    tmp_path_factory: pytest.TempPathFactory, label: np.ndarray, number: np.ndarray
) -> None:
    """Instance // 256 is the semantic image, and of things instance % 256 are the same numbers; stuff has one."""
    folder = tmp_path_factory.mktemp("kitti")
    number = np.where(label > 23, number, 0)
    save(folder / "in/training/instance/a.png", label * 256 + number)
    (folder / "in/training/image_2").mkdir()
    save_picture(folder / "in/training/image_2/a.png", 3, 4)
    convert(folder / "in", folder / "out", to="kitti", on_loss="error")
    instance, semantic = (
        decode_mask(folder / f"out/training/{kind}/a.png").values for kind in ("instance", "semantic")
    )
    np.testing.assert_array_equal(semantic, label)
    np.testing.assert_array_equal(instance, label * 256 + number)
    np.testing.assert_array_equal(value_image(load_batch(read(folder / "out"))), np.where(label > 0, instance, 0))
