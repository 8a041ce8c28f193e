"""Probabilities in NumPy archives: segments and scores, counted pixel by pixel."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from segdata import read
from segdata.core.batch import concatenate_batches
from segdata.core.config import Option
from segdata.core.dataset import OpenDataset
from segdata.core.errors import UnreadableError
from segdata.core.format import detect
from segdata.testing.pictures import masks_of_runs

Array = NDArray[np.floating]


def softmax(shape: tuple[int, ...], seed: int = 0, dtype: type = np.float32) -> Array:
    """Random probabilities that add up to 1 along the first axis."""
    odds = np.exp(np.random.default_rng(seed).normal(size=shape))
    normal: Array = (odds / odds.sum(axis=0)).astype(dtype)
    return normal


def save(path: Path, **named: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **named)
    return path


def found(data: OpenDataset) -> dict[tuple[str, str], tuple[list[list[bool]], float]]:
    """Image and category of every segment, its mask and score."""
    batch = concatenate_batches(list(data))
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    names, scores = batch.images["image_id"].to_pylist(), batch.segments["score"].to_pylist()
    ids = batch.segments["category_id"].to_pylist()
    return {
        (names[batch.segment_image[k]], data.profile.name_of(ids[k])): (mask.tolist(), scores[k])
        for k, mask in enumerate(masks)
    }


@settings(max_examples=30)
@given(
    p=arrays(np.float32, st.tuples(*[st.integers(1, 5)] * 3), elements=st.floats(0, 1, width=16)),
    threshold=st.none() | st.floats(0, 1, width=16),
)
def test_each_class_is_one_segment(tmp_path_factory: pytest.TempPathFactory, p: Array, threshold: float | None) -> None:
    """The pixels where it is the likeliest, or above the threshold; the score is the mean of its probability there."""
    path = save(tmp_path_factory.mktemp("npz") / "a.npz", probabilities=p)
    options: dict[str, Option] = {"classes": "first"}
    if threshold is not None or len(p) == 1:
        options["threshold"] = threshold or 0.0
    ours = found(read(path, format="npz", options=options))
    expected = {}
    for k, of_class in enumerate(p):
        mask = of_class > options["threshold"] if "threshold" in options else p.argmax(axis=0) == k
        if mask.any():
            expected["a.npz", str(k)] = mask.tolist(), pytest.approx(float(of_class[mask].mean(dtype=np.float64)))
    assert ours == expected


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_axis_of_the_classes_adds_up_to_one(tmp_path: Path, axis: int, dtype: type) -> None:
    p = softmax((3, 4, 5), dtype=dtype)
    data = read(save(tmp_path / "a.npz", softmax=np.moveaxis(p, 0, axis)))
    assert data.images[["height", "width"]].values.tolist() == [[4, 5]]
    assert data.segments["area"].tolist() == np.bincount(p.argmax(axis=0).ravel(), minlength=3).tolist()


def test_names_in_the_archive(tmp_path: Path) -> None:
    """They also tell the axis, where only one has as many entries."""
    p = softmax((3, 4, 5)) * 0.5
    data = read(save(tmp_path / "a.npz", arr_0=p, class_names=np.array(["sky", "car", "tree"])), format="npz")
    assert sorted(data.segments["category"]) == ["car", "sky", "tree"]


def test_what_nnunet_writes_of_a_volume(tmp_path: Path) -> None:
    """Slices are images and frames; background is unlabelled."""
    p = softmax((3, 2, 4, 5), dtype=np.float16)
    save(tmp_path / "case_001.npz", probabilities=p)
    labels = {"background": 0, "liver": 1, "tumour": 2}
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels, "file_ending": ".nii.gz"}))
    data = read(tmp_path, format="npz")
    assert data.image_ids == ["case_001/0000", "case_001/0001"]
    assert data.images[["sequence", "frame"]].values.tolist() == [["case_001", 0], ["case_001", 1]]
    label = p.argmax(axis=0)
    assert {key: np.array(mask).sum() for key, (mask, _) in found(data).items()} == {
        (f"case_001/{k:04}", name): (label[k] == value).sum()
        for k in range(2)
        for name, value in labels.items()
        if value and (label[k] == value).any()
    }


def test_regions_of_nnunet_have_its_own_threshold(tmp_path: Path) -> None:
    """Channel k is the k-th region; they contain one another."""
    p = np.stack([np.full((2, 3), 0.9), np.full((2, 3), 0.4), np.eye(2, 3)]).astype(np.float32)
    save(tmp_path / "a.npz", probabilities=p)
    labels = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3}
    content = {"labels": labels, "regions_class_order": [1, 2, 3], "file_ending": ".nii.gz"}
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    data = read(tmp_path, format="npz", options={"classes": "first"})
    assert data.profile.overlap.value == "allow"
    assert {name: np.array(mask).sum() for (_, name), (mask, _) in found(data).items()} == {"whole": 6, "enhancing": 2}


def test_a_taxonomy_has_the_numbers_of_classes_for_ids(tmp_path: Path) -> None:
    save(tmp_path / "a.npz", probabilities=softmax((3, 8, 8)))
    (tmp_path / "taxonomy.yaml").write_text(
        "unlabelled: 0\ncategories:\n  - {id: 1, name: road}\n  - {id: 7, name: sky}\n"
    )
    data = read(tmp_path, format="npz")
    assert data.segments["category"].tolist() == ["road", "2"], "the taxonomy has no 2"
    assert data.profile.coverage.value == "sparse"


def test_provenance_and_images(tmp_path: Path) -> None:
    save(tmp_path / "a.npz", probabilities=softmax((2, 4, 5)))
    Image.new("RGB", (5, 4)).save(tmp_path / "a.png")
    data = read(tmp_path, annotator="net")
    assert data.image_ids == ["a.png"]
    assert data.annotations[["annotator", "source"]].values.tolist() == [["net", "model"]]
    assert data.segments["place"].tolist() == ["class 0", "class 1"]
    assert data.source.defects == ()


def test_threads_share_a_volume(tmp_path: Path) -> None:
    path = save(tmp_path / "v.npz", probabilities=softmax((3, 9, 6, 7)))
    save(tmp_path / "w.npz", probabilities=softmax((3, 9, 6, 7), 1))
    source = read(path.parent, format="npz").source
    alone = [source.load(np.array([row])).segments["score"].to_pylist() for row in range(18)]
    with ThreadPoolExecutor(4) as pool:
        rows = [np.array([row]) for row in (*range(0, 18, 2), *range(1, 18, 2))]
        together = [batch.segments["score"].to_pylist() for batch in pool.map(source.load, rows)]
    assert together == alone[::2] + alone[1::2]


def test_it_is_detected_by_the_arrays_name(tmp_path: Path) -> None:
    """Beside label files it is not what a folder means."""
    save(tmp_path / "a.npz", other=np.arange(3), probabilities=softmax((2, 4, 5)))
    assert detect(tmp_path) == "npz"
    assert detect(tmp_path / "a.npz") == "npz"


@pytest.mark.parametrize(
    ("named", "options", "said"),
    [
        ({"probabilities": np.ones((2, 3), np.float32)}, {}, "give --read-option threshold=0.5"),
        ({"a": softmax((2, 3, 4)), "b": softmax((2, 3, 4))}, {}, "give --read-option key=NAME"),
        ({"a": np.zeros((2, 3, 4), np.uint8)}, {}, "no array of probabilities"),
        ({"a": softmax((2, 3, 4))}, {"key": "b"}, "has no array 'b'; it has a"),
        ({"a": softmax((2, 3, 4)) / 2}, {}, "give --read-option classes=first"),
        ({"a": softmax((2, 3, 4))}, {"classes": "middle"}, "first or last is expected"),
        ({"a": softmax((2, 3, 4))}, {"threshold": "high"}, "a number is expected"),
        ({"a": softmax((2, 3, 4))}, {"unlabelled": 2}, "the classes are 0 to 1"),
        ({"a": softmax((2, 3, 4)), "names": np.array(["x"])}, {"classes": "first"}, "has 1: x"),
        ({}, {}, "no arrays"),
    ],
)
def test_what_nothing_tells_is_asked_for(
    tmp_path: Path, named: dict[str, Any], options: dict[str, Option], said: str
) -> None:
    save(tmp_path / "a.npz", **named)
    with pytest.raises(UnreadableError, match=said):
        read(tmp_path, format="npz", options=options)
