"""`--verify`: what was written is read back, and nothing may differ but the losses that were counted."""

import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

import segdata
from segdata.api.in_memory import from_arrays
from segdata.core import format as formats_module
from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.errors import SegdataError
from segdata.core.format import Format, find_format, formats
from segdata.core.losses import LossCounter
from segdata.core.profile import Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.store.diff.compare import check_losses, first_annotations
from segdata.testing.strategies import datasets
from tests.generators.sample.dataset import make
from tests.memory import SMALL, dataset, small

WRITTEN = [name for name, each in formats().items() if each.write is not None]
Change = Callable[[Batch], Batch]


@pytest.mark.parametrize("name", WRITTEN)
@settings(max_examples=10)
@given(data=datasets())
def test_whatever_is_converted_differs_by_counted_losses_alone(name: str, data: tuple[Profile, list[Batch]]) -> None:
    with tempfile.TemporaryDirectory() as folder, suppress(SegdataError):  # refused: nothing was written
        done = segdata.convert(dataset(*data), Path(folder) / "made", to=name, verify=True, jobs=1)
        assert done.proof is not None
        assert done.proof.holds, (done.proof.unexplained, done.losses)
        if not done.losses:
            assert done.verified == done.n_segments == done.proof.difference.n_same


def test_what_is_left_of_one_may_be_taken_for_another_that_is_hidden(tmp_path: Path) -> None:
    """Three overlap, and lose their ids; what is left of the largest is more like the smallest."""
    masks = np.zeros((3, 4, 2), bool)
    masks[0, 2:, 1] = masks[1] = masks[2, :3] = True
    made = from_arrays({"a.png": [(mask, 1) for mask in masks]}, Taxonomy(categories=(Category(id=1, name="car"),)))
    batch = made.source.load(np.arange(1))
    ids = replace_column(batch.segments, "segment_id", [0, 1, 2**24])
    done = segdata.convert(
        dataset(made.profile, [replace(batch, segments=ids)]), tmp_path / "made", to="davis", verify=True
    )
    assert {"overlap", "segment-id"} <= {each.kind for each in done.losses}
    assert done.proof is not None
    assert done.proof.difference.counts["segment-missing"].pixels == 8
    assert done.proof.holds, done.proof.unexplained


def test_what_is_left_of_one_is_not_taken_for_another_that_is_hidden_where_ids_are_kept(tmp_path: Path) -> None:
    """Three overlap; what is left of the second has exactly the pixels of the third, of which nothing is left."""
    masks = np.array([[[0, 1]], [[1, 1]], [[1, 0]]], bool)
    made = from_arrays({"a.png": [(mask, 1) for mask in masks]}, Taxonomy(categories=(Category(id=1, name="car"),)))
    batch = made.source.load(np.arange(1))
    ids = replace_column(batch.segments, "segment_id", [0, 1, 2**24])
    done = segdata.convert(
        dataset(made.profile, [replace(batch, segments=ids)]), tmp_path / "made", to="ade20k", verify=True
    )
    assert "segment-id" not in {each.kind for each in done.losses}
    assert done.proof is not None
    assert done.proof.holds, done.proof.unexplained


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify")
    make(folder, seed=1, images=2, only=("clean",))
    return folder / "clean"


def careless(name: str, change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the writer of a format change what it writes, and say nothing."""
    honest = find_format(name)

    def write(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, **options: Any) -> None:
        assert honest.write is not None
        honest.write(profile, map(change, batches), target, losses, **options)

    known: dict[str, Format] = {**formats(), name: replace(honest, write=write)}
    monkeypatch.setattr(formats_module, "formats", lambda: known)


def without_last(batch: Batch) -> Batch:
    return batch.take_segments(np.arange(max(batch.n_segments - 1, 0)))


def shorter(batch: Batch) -> Batch:
    """One pixel less."""
    if batch.n_segments == 0:
        return batch
    longest = int(np.argmax(batch.runs.length))
    length = batch.runs.length.copy()
    length[longest] -= 1
    return replace(batch, runs=replace(batch.runs, length=length))


def recategorised(batch: Batch) -> Batch:
    ids = batch.segments["category_id"].to_pylist()
    other = [id_ for id_ in ids if id_ != ids[0]]
    return (
        replace(batch, segments=replace_column(batch.segments, "category_id", [*other[:1], *ids[1:]]))
        if other
        else batch
    )


def scored(batch: Batch) -> Batch:
    return replace(batch, segments=replace_column(batch.segments, "score", [0.5] * batch.n_segments))


def without_an_image(batch: Batch) -> Batch:
    return batch.take_images(np.arange(batch.images.num_rows - 1))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (without_last, "segment-missing"),
        (shorter, "pixels"),
        (recategorised, "category"),
        (scored, "score"),
        (without_an_image, "image-missing"),
    ],
)
@pytest.mark.parametrize("to", ["canonical", "coco-instances"])
def test_a_careless_writer_is_caught(
    clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, change: Change, kind: str
) -> None:
    careless(to, change, monkeypatch)
    done = segdata.convert(clean / "instances", tmp_path / "made", to=to, verify=True, jobs=1)
    assert done.proof is not None
    assert not done.proof.holds
    assert kind in {line.partition(":")[0] for line in done.proof.unexplained}
    assert kind in {each.kind for each in done.proof.changes}
    assert done.target.exists(), "it is kept, to be looked at"


@pytest.mark.parametrize("change", [without_last, shorter, recategorised])
@pytest.mark.parametrize("to", ["colour-masks", "coco-panoptic", "instance-ids"])
def test_counted_losses_excuse_no_more_than_they_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, change: Change
) -> None:
    """Masks lose overlaps and annotators, and an honest writer is believed; one that loses more on top is not."""
    data = small()
    honest = segdata.convert(data, tmp_path / "honest", to=to, verify=True)
    assert honest.losses
    assert honest.proof is not None
    assert honest.proof.holds, honest.proof.unexplained
    careless(to, lambda batch: change(first_annotations(batch)), monkeypatch)
    done = segdata.convert(data, tmp_path / "careless", to=to, verify=True)
    assert done.proof is not None
    assert not done.proof.holds


def test_the_first_annotation_of_each_image_is_what_one_annotation_formats_keep() -> None:
    first = first_annotations(SMALL)
    assert first.annotations["annotator"].to_pylist() == ["anna", "anna", "anna"]
    assert first.segments["segment_id"].to_pylist() == [1, 2, 7]
    assert first.segments["annotation"].to_pylist() == [0, 0, 1]
    np.testing.assert_array_equal(first.runs.areas(3), SMALL.runs.areas(4)[[0, 1, 3]])
    turned = replace(SMALL, annotations=replace_column(SMALL.annotations, "annotator", [None, "bob", "anna", None]))
    assert first_annotations(concatenate_batches([turned])).annotations["annotator"].to_pylist() == [None, "anna", None]
    assert first_annotations(Batch.empty()).annotations.num_rows == 0


def test_rings_that_a_writer_adds_are_no_loss(clean: Path, tmp_path: Path) -> None:
    """Polygons are another way to write the pixels."""
    segdata.convert(clean / "instances", tmp_path / "c")
    part = next((tmp_path / "c").glob("r0001/segments/*.parquet"))
    table = pq.ParquetFile(part).read()
    at = table.schema.get_field_index("rings")
    pq.write_table(table.set_column(at, "rings", pa.nulls(len(table), table.schema.field(at).type)), part)
    found = segdata.diff(tmp_path / "c", clean / "instances")
    assert found.same
    assert set(found.quiet) == {"rings-added"}
    assert check_losses(found, []).holds
