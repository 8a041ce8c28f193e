"""URIs below a folder are written so that it can be moved; whatever is read back is the same file and part."""

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.paths import (
    PairBy,
    absolute_channels,
    absolute_uri,
    local_file,
    pairing_keys,
    relative_channels,
    relative_uri,
    slice_uri,
    split_from_path,
    varying_names,
)

ROOT = Path("/data/set")
NAMES = st.lists(
    st.text("aä #%=k3.:", min_size=1, max_size=8).filter(lambda n: n.strip(". ") == n != ""), min_size=1, max_size=3
)


@given(NAMES, st.sampled_from(["plain", "", "#k=3", "#xywh=1,2,30,40"]), st.sampled_from([ROOT, Path("/elsewhere")]))
def test_what_is_written_is_read_again(parts: list[str], form: str, base: Path) -> None:
    path = base.joinpath(*parts)
    uri = str(path) if form == "plain" else path.as_uri() + form
    written = relative_uri(uri, ROOT)
    assert absolute_uri(written, ROOT) == uri
    assert local_file(uri) == path
    moved = absolute_uri(written, Path("/moved"))
    expected = Path("/moved").joinpath(*parts)
    if base == ROOT and written is not None and not written.startswith("/"):
        assert local_file(moved) == expected


@pytest.mark.parametrize("uri", [None, "s3://bucket/a.png", "https://a.org/a.nii#k=3"])
def test_what_is_elsewhere_stays_as_it_is(uri: str | None) -> None:
    assert relative_uri(uri, ROOT) == absolute_uri(uri, ROOT) == uri


def test_channels() -> None:
    channels = [{"uri": slice_uri(ROOT / "a.nii", 2), "name": "T1", "modality": None}, {"uri": None, "name": "T2"}]
    written = relative_channels(channels, ROOT)
    assert [each["uri"] for each in written] == ["a.nii#k=2", None]
    assert list(absolute_channels(written, ROOT)) == channels
    assert relative_channels(None, ROOT) is None


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (["drive/01_manual1.gif", "drive/02_manual1.gif", "drive/10_manual1.gif"], ["01", "02", "10"]),
        (["seg_1/0001", "seg_1/0002"], ["0001", "0002"]),
        (["a/x.png", "b/x.png"], ["a", "b"]),
        (["only.png"], [""]),
        ([], []),
    ],
)
def test_what_varies_is_what_tells_images_apart(images: list[str], expected: list[str]) -> None:
    assert varying_names(images) == expected


@given(st.lists(st.from_regex(r"[a-z]{1,4}[0-9]{1,3}", fullmatch=True), min_size=2, max_size=8, unique=True))
def test_a_folder_and_an_ending_in_common_change_nothing(names: list[str]) -> None:
    assert varying_names([f"one/{name}_a.png" for name in names]) == varying_names(
        [f"other/{name}_b.gif" for name in names]
    )


@given(st.lists(st.integers(0, 9999), min_size=2, max_size=9, unique=True))
def test_numbers_stay_whole(numbers: list[int]) -> None:
    """However many there are: a dataset of two frames pairs with one of two thousand."""
    assert varying_names([f"a/{number:04}.png" for number in numbers]) == [f"{number:04}" for number in numbers]


@pytest.mark.parametrize("by", ["stem", "name", "varying"])
def test_what_several_have_in_common_pairs_nothing(by: PairBy) -> None:
    assert len(set(pairing_keys(["a/x.png", "a/x.jpg", "b/y.png"], by))) == 3


def test_an_id_that_is_there_twice_is_counted() -> None:
    assert pairing_keys(["x", "x", "y"], "id") == [("x", 0), ("x", 1), ("y", 0)]


@given(st.lists(st.sampled_from(["train", "Val", "a", ".", "..", "", "test.png", "b2017"]), max_size=5).map("/".join))
def test_the_split_of_a_path_is_its_innermost_split_folder(path: str) -> None:
    splits = [part.lower() for part in PurePosixPath(path).parts[:-1] if part in ("train", "Val")]
    assert split_from_path(path) == (splits[-1] if splits else None)


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("train2017", "train"), ("val2014", "val"), ("Training", "train"), ("testing", "test"),
        ("validation", "val"), ("train_images", "train"), ("images-val", "val"), ("test_masks", "test"),
        ("trainset", "train"), ("training_set", "train"), ("test-dev2017", "test-dev"), ("TrainData", None),
        ("train_val", None), ("trainval", None), ("trains", None), ("testbed", None), ("test_bench", None),
        ("train_station", None), ("2017", None), ("set", None), ("a_train", None), ("contest", None),
    ],
)  # fmt: skip
def test_a_folder_is_a_split_only_where_nothing_else_is_in_its_name(folder: str, split: str | None) -> None:
    assert split_from_path(f"a/{folder}/b.png") == split
