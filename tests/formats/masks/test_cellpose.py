"""Cellpose's _seg.npy files: pixels as Cellpose counts them, nothing is run, and what is written comes back.

The layout is that of cellpose.io.masks_flows_to_seg, version 4.2.1: `saved` writes its keys in its order. If Cellpose
is installed, its own function writes and reads.
"""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

import segdata
from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.format import detect, find_format
from segdata.core.losses import LossCounter
from segdata.core.profile import Profile
from segdata.formats.masks.cellpose_files import PickledArray, read_pickled_dictionary
from segdata.testing.pictures import masks_of_runs
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import Details, datasets


def saved(path: Path, masks: np.ndarray, /, **more: Any) -> Path:
    """A file with the keys of masks_flows_to_seg; its flows are larger than what a pickle holds in one frame."""
    flows = [np.zeros((1, 200, 200, 3), np.uint8), np.zeros((3, 200, 200), np.float32)]
    content = {"outlines": masks, "masks": masks, "chan_choose": [0, 0], "ismanual": np.zeros(masks.max(), bool)}
    content |= {"filename": f"C:\\data\\{path.name.removesuffix('_seg.npy')}.png", "flows": flows, "diameter": np.nan}
    np.save(path, content | more)  # type: ignore[arg-type] # as Cellpose saves it
    return path


def pixels(dataset: segdata.Dataset) -> list[np.ndarray]:
    """The numbers of each image, as Cellpose has them."""
    painted = []
    for batch in dataset:
        ids = batch.segments["segment_id"].to_pylist()
        height, width = batch.image_size
        canvas = [np.zeros(size, np.int64) for size in zip(height.tolist(), width.tolist(), strict=True)]
        for mask, id_, image in zip(
            masks_of_runs(batch.runs, *batch.segment_size), ids, batch.segment_image, strict=True
        ):
            canvas[image][mask] = id_
        painted += canvas
    return painted


@settings(max_examples=40)
@given(datasets(Details()))
def test_what_is_written_comes_back(
    tmp_path_factory: pytest.TempPathFactory, made: tuple[Profile, list[Batch]]
) -> None:
    assert_round_trip(find_format("cellpose"), *made, tmp_path_factory.mktemp("c"))


@given(
    arrays(
        st.sampled_from([np.dtype(name) for name in ("u2", "u4", "i4", "i8", ">u2")]),
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        elements=st.integers(0, 5),
    ),
    st.sampled_from(["C", "F"]),
    st.sampled_from([2, 3, 4]),
)
def test_each_number_is_a_segment(
    tmp_path_factory: pytest.TempPathFactory, masks: np.ndarray, order: Any, protocol: int
) -> None:
    path = saved(tmp_path_factory.mktemp("c") / "a_seg.npy", np.asarray(masks, order=order))
    content = np.load(path, allow_pickle=True)
    with path.open("wb") as file:  # other versions of NumPy write other protocols
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
        pickle.dump(content, file, protocol=protocol)
    (read,) = pixels(segdata.read(path.parent, format="cellpose"))
    assert read.tolist() == masks.tolist()


def test_large_arrays_stay_in_the_file(tmp_path: Path) -> None:
    masks = (np.arange(300 * 400) % 7).reshape(300, 400).astype(np.uint16)
    content = read_pickled_dictionary(saved(tmp_path / "a_seg.npy", masks))
    array = content["masks"]
    assert isinstance(array, PickledArray)
    assert not isinstance(array.data, bytes)
    assert (array.decode(tmp_path / "a_seg.npy") == masks).all()


def test_names_pictures_and_category(tmp_path: Path) -> None:
    masks = np.zeros((6, 8), np.uint16)
    masks[1:3, 1:4], masks[4, 5:7] = 3, 7
    saved(tmp_path / "a_seg.npy", masks, ismanual=np.array([0, 0, 1, 0, 0, 0, 0], bool))
    for name in ("a.png", "a_cp_masks.png", "a_flows.tif", "b.png"):
        Image.new("L", (8, 6)).save(tmp_path / name)
    assert detect(tmp_path) == "cellpose"
    dataset = segdata.read(tmp_path, options={"category": "nucleus"})
    assert list(dataset.images["image_id"]) == ["a.png", "b.png"]
    assert [(each.code, each.image) for each in dataset.source.defects] == [("SEG011", "b.png")]
    assert dataset.segments[["segment_id", "category", "area", "source"]].to_numpy().tolist() == [
        [3, "nucleus", 6, "human"],
        [7, "nucleus", 2, "model"],
    ]


def test_a_volume_has_an_image_for_each_plane(tmp_path: Path) -> None:
    masks = np.zeros((3, 4, 5), np.uint16)
    masks[0, 1, 1:3], masks[1, 1, 1], masks[1, 3, 3] = 1, 1, 2
    saved(tmp_path / "v_seg.npy", masks)
    dataset = segdata.read(tmp_path)
    assert list(dataset.images["image_id"]) == [f"v.png/{plane:04d}" for plane in range(3)]
    assert [read.tolist() for read in pixels(dataset)] == masks.tolist()
    assert dataset.segments["track_id"].tolist() == [1, 1, 2]


def test_a_pickle_runs_nothing(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return (os.mkdir, (str(tmp_path / "touched"),))

    masks = np.array([[0, 1]], np.uint16)
    saved(tmp_path / "a_seg.npy", masks, manual_changes=[Bomb(), Path("x"), np.float32(1)])
    assert len(segdata.read(tmp_path).segments) == 1
    assert not (tmp_path / "touched").exists()


HUGE = b"\x80\x04" + pickle.LONG_BINPUT + b"\xff\xff\xff\x7f" + b"."


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda data: data[:-300], "SEG001", "no NumPy file, or cut off"),
        (lambda data: data[:200], "SEG001", "no NumPy file, or cut off"),
        (lambda data: b"", "SEG001", "no NumPy file, or cut off"),
        (lambda data: data[:128] + HUGE, "SEG001", "no NumPy file, or cut off"),
        (lambda data: data[:128] + b"\x80\x04B\xff\xff\xff\xff.", "SEG001", "bytes early"),
    ],
)
def test_a_damaged_file_is_named_and_the_others_are_read(tmp_path: Path, change: Any, code: str, words: str) -> None:
    data = saved(tmp_path / "a_seg.npy", np.array([[0, 1]], np.uint16)).read_bytes()
    (tmp_path / "b_seg.npy").write_bytes(change(data))
    dataset = segdata.read(tmp_path, format="cellpose")
    defects = [defect for batch in dataset for defect in batch.defects]
    assert [(each.code, each.file) for each in defects] == [(code, "b_seg.npy")]
    assert words in defects[0].message
    assert len(dataset.segments) == 1


@pytest.mark.parametrize(
    ("masks", "code", "words"),
    [
        (np.array([[0.5, 1]]), "SEG004", "whole numbers from 0"),
        (np.array([[-1, 1]]), "SEG004", "from -1 to 1"),
        (np.zeros((1, 0), np.uint8), "SEG004", "which no image has"),
        (np.zeros(4, np.uint8), "SEG001", "two axes"),
        (np.array([[{}]]), "SEG001", "array of objects"),
        ([[1]], "SEG001", "has no array 'masks'; it has chan_choose"),
    ],
)
def test_masks_that_are_none(tmp_path: Path, masks: Any, code: str, words: str) -> None:
    saved(tmp_path / "a_seg.npy", np.array([[0, 1]], np.uint16))
    saved(tmp_path / "b_seg.npy", np.array([[0, 1]], np.uint16), masks=masks)
    dataset = segdata.read(tmp_path, format="cellpose")
    defects = [defect for batch in dataset for defect in batch.defects]
    assert [(each.code, each.file) for each in defects] == [(code, "b_seg.npy")]
    assert words in defects[0].message


def test_an_ambiguous_category_is_refused_with_the_remedy(tmp_path: Path) -> None:
    saved(tmp_path / "a_seg.npy", np.array([[0, 1]], np.uint16))
    (tmp_path / "taxonomy.yaml").write_text("categories: [{id: 1, name: cell}, {id: 2, name: debris}]")
    with pytest.raises(SegdataError, match="give --read-option category=cell"):
        segdata.read(tmp_path)
    assert segdata.read(tmp_path, options={"category": "debris"}).segments["category_id"].tolist() == [2]


@settings(max_examples=10)
@given(datasets(Details(overlaps=False)))
def test_cellpose_reads_what_is_written(tmp_path_factory: pytest.TempPathFactory, made: Any) -> None:
    """As its io.imread does: `np.load(...).item()["masks"]`; and with the program's keys."""
    profile, batches = made
    assume(any(batch.annotations.num_rows for batch in batches))
    target = tmp_path_factory.mktemp("c") / "written"
    write = find_format("cellpose").write
    assert write is not None
    write(profile, iter(batches), target, LossCounter())
    for path in target.rglob("*_seg.npy"):
        content = np.load(path, allow_pickle=True).item()
        assert {"masks", "outlines", "chan_choose", "ismanual", "filename", "flows"} <= content.keys()
        numbers = np.setdiff1d(np.unique(content["masks"]), [0])
        assert content["masks"].dtype in (np.uint16, np.uint32)
        assert sorted(content["segdata"][:, 0].tolist()) == numbers.tolist()
        assert len(content["ismanual"]) == content["masks"].max()


def test_cellpose_itself(tmp_path: Path) -> None:
    """What cellpose saves is read, and what is written cellpose loads for training."""
    io = pytest.importorskip("cellpose.io", exc_type=ImportError)
    rng = np.random.default_rng(0)
    masks = np.kron(rng.integers(0, 9, (30, 40)), np.ones((7, 9), int)).astype(np.uint16)
    flows = [np.zeros((*masks.shape, 3), np.uint8), np.zeros((2, *masks.shape), "f4"), np.zeros(masks.shape, "f4")]
    Image.fromarray(masks.astype(np.uint8)).save(tmp_path / "a.png")
    io.masks_flows_to_seg(masks, masks, flows, str(tmp_path / "a.png"))
    dataset = segdata.read(tmp_path)
    assert (pixels(dataset)[0] == masks).all()
    segdata.convert(tmp_path, tmp_path / "out", to="cellpose", copy_images=True)
    _, labels, names = io.load_images_labels(str(tmp_path / "out"), mask_filter="_seg.npy")
    assert [Path(name).name for name in names] == ["a.png"]
    assert (labels[0] == masks).all()
