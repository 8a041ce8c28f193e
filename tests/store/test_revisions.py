"""History: nothing is lost by going back; what is deleted is what was said, and a crash leaves the dataset whole."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import segdata
from segdata.core.errors import SegdataError
from segdata.store import manifest as manifests
from segdata.store.revision_reader import _positions
from segdata.store.revisions import history, prune, restore, revise

SAMPLE = Path(__file__).parents[2] / "sample_data" / "panoptic"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A dataset of three revisions, whose images are in the splits a, b and c."""
    root = tmp_path / "d"
    segdata.convert(SAMPLE, root)
    names = segdata.read(root).image_ids
    for split in ("b", "c"):
        revise(root, {}, f"all in {split}", [{"split": split}], images={"split": dict.fromkeys(names, split)})
    return root


def split_of(root: Path | str) -> set[str | None]:
    return set(segdata.read(root).images["split"])


def test_every_revision_can_be_read_and_made_current(data: Path) -> None:
    assert [(each.name, each.parent, each.current) for each in history(data)] == [
        ("r0001", None, False),
        ("r0002", "r0001", False),
        ("r0003", "r0002", True),
    ]
    assert split_of(f"{data}@r0002") == {"b"}
    assert restore(data, "r0002") == "r0003"
    assert split_of(data) == {"b"}
    assert split_of(f"{data}@r0003") == {"c"}
    assert revise(data, {}, "again", [], images={}) == "r0004"
    assert [each.parent for each in history(data)][-1] == "r0002"


def test_any_two_can_be_compared(data: Path) -> None:
    found = segdata.diff(f"{data}@r0002", f"{data}@r0003")
    assert list(found.telling) == ["image-details"]
    assert (found.a.files, found.b.files) == (f"{data}@r0002", f"{data}@r0003")
    assert segdata.diff(f"{data}@r0003", data, strict=True).same


def test_counts_and_bytes(data: Path) -> None:
    past, whole = history(data), segdata.read(data)
    assert {(each.images, each.segments) for each in past} == {(len(whole), len(whole.segments))}
    assert all(0 < each.own < each.size for each in past)


@pytest.mark.parametrize(("keep", "left"), [(1, ["r0003"]), (2, ["r0002", "r0003"]), (5, ["r0001", "r0002", "r0003"])])
def test_prune_keeps_the_last(data: Path, keep: int, left: list[str]) -> None:
    before = segdata.hash_of(data)
    assert prune(data, keep, dry_run=True) == prune(data, keep)
    assert [each.name for each in history(data)] == left
    assert sorted(path.name for path in data.iterdir() if path.is_dir()) == left
    assert segdata.hash_of(data) == before
    assert list(segdata.validate(data, select=["SEG0"]).findings) == []


def test_prune_keeps_the_current_and_deletes_what_was_never_finished(data: Path) -> None:
    restore(data, "r0001")
    shutil.copytree(data / "r0001", data / "r0009")
    size = sum(path.stat().st_size for path in (data / "r0009").rglob("*") if path.is_file())
    found = prune(data)
    assert (found.revisions, found.unfinished) == (("r0002",), ("r0009",))
    assert found.size > size
    assert [each.name for each in history(data)] == ["r0001", "r0003"]
    assert segdata.read(data).images["split"].isna().all()


def test_what_is_freed_is_what_no_other_has(data: Path) -> None:
    own = {each.name: each.own for each in history(data)}
    assert prune(data, 2).size == own["r0001"]


def test_what_cannot_be_is_said(data: Path) -> None:
    before = manifests.load(data)
    with pytest.raises(SegdataError, match="r0001, r0002, r0003"):
        restore(data, "r0007")
    shutil.rmtree(data / "r0001")
    with pytest.raises(SegdataError, match="no files any more"):
        restore(data, "r0001")
    assert [(each.present, each.images is None) for each in history(data)] == [(False, True), *[(True, False)] * 2]
    with pytest.raises(SegdataError, match="at least the current"):
        prune(data, 0)
    with pytest.raises(SegdataError, match="only a canonical dataset"):
        segdata.history(SAMPLE)
    with pytest.raises(SegdataError, match="does not exist"):
        segdata.read(data.with_name("none@r0001"))
    assert manifests.load(data) == before


@given(st.lists(st.sampled_from(["a", "b", "c", None])), st.lists(st.sampled_from(["a", "b", None])), st.booleans())
def test_positions_are_those_of_the_first_equal_value(
    values: list[str | None], among: list[str | None], cut: bool
) -> None:
    stored = pa.chunked_array([among[:2], among[2:]], pa.string()) if cut else pa.array(among, pa.string())
    expected = [among.index(value) if value in among else -1 for value in values]
    assert _positions(pa.array(values, pa.string()), stored).tolist() == expected
