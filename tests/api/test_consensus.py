"""A consensus as a dataset: what it holds, says and leaves out, whole or not at all."""

import json
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import segdata
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.taxonomy import Category, Taxonomy
from segdata.testing.pictures import PictureDataset, masks_of_runs
from tests.generators.annotators import ErrorRates, SimulatedAnnotator, simulate_annotator
from tests.generators.schemas import json_schemas
from tests.generators.sequences import sequence_dataset

STREET = Taxonomy(categories=(Category(id=7, name="road", kind="stuff"), Category(id=9, name="car")))
HAZY = Taxonomy(categories=(*STREET.categories, Category(id=3, name="haze", kind="void")))
Boxes = Sequence[tuple[str, int, int, int, int]]  # category, left, top, right, bottom


def drawn(taxonomy: Taxonomy = STREET, **images: Boxes) -> OpenDataset:
    """Images of 10 x 8 pixels with rectangles."""
    labels = {}
    for name, boxes in images.items():
        labels[f"{name}.png"] = []
        for category, left, top, right, bottom in boxes:
            mask = np.zeros((8, 10), bool)
            mask[top:bottom, left:right] = True
            labels[f"{name}.png"].append((mask, category))
    return segdata.from_arrays(labels, taxonomy)


def shown(data: OpenDataset) -> dict[tuple[str, str, bytes], float | None]:
    """(image, category, pixels) -> score."""
    found = {}
    for batch in data.batches(1):
        masks = masks_of_runs(batch.runs, *batch.segment_size)
        names = batch.images["image_id"].to_pylist()
        rows = zip(batch.segment_image.tolist(), batch.segments["category_id"].to_pylist(), masks, strict=True)
        for (image, id_, mask), score in zip(rows, batch.segments["score"].to_pylist(), strict=True):
            found[names[image], data.profile.name_of(id_), mask.tobytes()] = score
    return found


def box(left: int, top: int, right: int, bottom: int) -> bytes:
    mask = np.zeros((8, 10), bool)
    mask[top:bottom, left:right] = True
    return mask.tobytes()


CAR, OTHER = ("car", 1, 1, 4, 4), ("car", 6, 1, 9, 4)


def test_what_most_drew_with_its_support(tmp_path: Path) -> None:
    people = {
        "anna": drawn(a=[CAR, OTHER], b=[CAR]),
        "ben": drawn(a=[CAR], b=[OTHER]),
        "carl": drawn(a=[CAR, ("car", 1, 5, 3, 7)], b=[CAR]),
    }
    done = segdata.consensus(people, tmp_path / "out", resamples=100)
    made = segdata.read(tmp_path / "out")
    assert shown(made) == {("a.png", "car", box(1, 1, 4, 4)): 1.0, ("b.png", "car", box(1, 1, 4, 4)): 2 / 3}
    assert (done.images, done.segments, done.drawn, done.rejected, done.without_consensus.regions) == (2, 2, 8, 3, 0)
    assert done.annotators == ("anna", "ben", "carl")
    annotations = made.annotations
    assert set(annotations["annotator"]) == set(annotations["source"]) == {"consensus"}
    assert dict(annotations["attributes"][0]) == {"annotators": '["anna", "ben", "carl"]'}
    assert dict(made.segments["attributes"][0]) == {"mean_iou": "1"}
    assert made.segments["segment_id"].tolist() == [1, 1]
    assert made.segments["category_id"].tolist() == [9, 9]  # as the first dataset calls it
    told = json.loads(made.profile.metadata["consensus"])
    assert (told["annotators"], told["method"], told["min_support"]) == (["anna", "ben", "carl"], "instances", 0.5)
    assert len(told["of"]) == 3
    assert [each.annotator for each in done.against_others] == ["anna", "ben", "carl"]


def test_what_is_undecided_is_void(tmp_path: Path) -> None:
    people = {"anna": drawn(a=[CAR, OTHER]), "ben": drawn(a=[CAR])}
    done = segdata.consensus(people, tmp_path / "out", leave_one_out=False)
    made = segdata.read(tmp_path / "out")
    assert shown(made) == {("a.png", "car", box(1, 1, 4, 4)): 1.0, ("a.png", "undecided", box(6, 1, 9, 4)): None}
    assert (
        done.without_consensus.category,
        done.without_consensus.is_new,
        done.disputed,
        done.without_consensus.regions,
    ) == ("undecided", True, 1, 1)
    assert (done.without_consensus.pixels, done.without_consensus.of_pixels) == (9, 18)
    assert [each.kind for each in made.taxonomy.categories] == ["stuff", "thing", "void"]
    assert {(loss.of, loss.count, loss.pixels) for loss in done.losses} == {("things", 1, 0), ("regions", 1, 9)}
    assert not done.against_others


def test_a_void_category_that_there_is(tmp_path: Path) -> None:
    """It takes what is undecided, in one segment with what all call void."""
    haze = ("haze", 0, 6, 10, 8)
    people = {"anna": drawn(HAZY, a=[CAR, haze]), "ben": drawn(HAZY, a=[haze])}
    done = segdata.consensus(people, tmp_path / "out", leave_one_out=False)
    assert (done.without_consensus.category, done.without_consensus.is_new) == ("haze", False)
    ((image, category, mask),) = shown(segdata.read(tmp_path / "out"))
    assert (image, category) == ("a.png", "haze")
    assert np.frombuffer(mask, bool).sum() == 9 + 20


def test_what_is_undecided_is_listed(tmp_path: Path) -> None:
    people = {"anna": drawn(a=[CAR, OTHER]), "ben": drawn(a=[CAR, ("road", 6, 1, 9, 4)]), "carl": drawn(b=[])}
    done = segdata.consensus(people, tmp_path / "out", undecided="list", leave_one_out=False)
    made = segdata.read(tmp_path / "out")
    assert list(shown(made)) == [("a.png", "car", box(1, 1, 4, 4))]
    assert (done.without_consensus.category, len(made.taxonomy.categories)) == (None, 2)
    lines = (tmp_path / "out" / "undecided.csv").read_text("utf-8").splitlines()
    assert lines == ["image,x,y,width,height,pixels,anna,ben", "a.png,6,1,3,3,9,car,road"]
    report = json.loads((tmp_path / "out" / "undecided.json").read_text("utf-8"))
    jsonschema.validate(report, json_schemas()["undecided"])
    (region,) = report["regions"]
    assert region["said"] == {
        "anna": [{"category": "car", "pixels": 9}],
        "ben": [{"category": "road", "pixels": 9}],
    }


def test_images_of_one_annotator_have_no_consensus(tmp_path: Path) -> None:
    people = {"anna": drawn(a=[CAR], b=[CAR]), "ben": drawn(a=[CAR], c=[])}
    done = segdata.consensus(people, tmp_path / "out", leave_one_out=False)
    made = segdata.read(tmp_path / "out")
    assert done.alone == ("b.png", "c.png")
    assert made.image_ids == ["a.png", "b.png", "c.png"]
    assert made.annotations["image_id"].tolist() == ["a.png"]


def test_semantic_data_by_staple(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = np.kron(rng.integers(1, 3, (4, 5)), np.ones((8, 8), int))
    sloppy = [np.where(rng.random(truth.shape) < rate, 3 - truth, truth) for rate in (0.05, 0.3, 0.3)]
    known = Taxonomy(categories=(Category(id=1, name="road", kind="stuff"), Category(id=2, name="sky", kind="stuff")))
    people = {name: segdata.from_arrays({"a.png": each}, known) for name, each in zip("abc", sloppy, strict=True)}
    right = {}
    for method in ("majority", "staple"):
        segdata.consensus(people, tmp_path / method, method=method, leave_one_out=False)
        found = segdata.read(tmp_path / method).maps().semantic(0)
        right[method] = float((found + 1 == truth).mean())
    assert right["staple"] > right["majority"] > 0.8
    assert segdata.read(tmp_path / "staple").profile.task == "semantic"


@pytest.mark.parametrize("jobs", [1, 3])
def test_the_same_whatever_the_threads_and_the_order(tmp_path: Path, jobs: int) -> None:
    truth = drawn(**{f"i{k:02}": [CAR, OTHER, ("road", 0, 5, 10, 8)] for k in range(12)})
    people = {
        name: simulate_annotator(truth, SimulatedAnnotator(ErrorRates(jitter=1, misses=0.2)), k, name)
        for k, name in enumerate("abc")
    }
    one = segdata.consensus(people, tmp_path / "one", jobs=1, resamples=100)
    other = segdata.consensus(dict(reversed(people.items())), tmp_path / "other", jobs=jobs, resamples=100)
    assert shown(segdata.read(tmp_path / "one")) == shown(segdata.read(tmp_path / "other"))
    assert repr(one.against_others) == repr(other.against_others)  # NaN is not NaN


def test_one_annotator_is_no_consensus(tmp_path: Path) -> None:
    with pytest.raises(SegdataError, match="two annotators or more"):
        segdata.consensus({"anna": drawn(a=[CAR])}, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_nothing_half_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("segdata.store.revision_writer.write_sequences", full)
    with pytest.raises((OSError, SegdataError), match="No space left"):
        segdata.consensus({"anna": drawn(a=[CAR]), "ben": drawn(a=[CAR])}, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_target_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(SegdataError, match="exists already"):
        segdata.consensus({"anna": drawn(a=[CAR]), "ben": drawn(a=[CAR])}, tmp_path / "out")


def test_a_thing_of_a_volume_is_one_in_all_slices(tmp_path: Path) -> None:
    """Two of three see it from the first to the last slice; one of them calls the first slice nothing."""
    solid = np.zeros((6, 8, 9), np.int64)
    solid[:, 1:4, 1:5] = 1
    solid[2:, 5:7, 5:8] = 2
    shorter = np.where((solid == 1) & (np.arange(6) < 1)[:, None, None], 0, solid)
    people: dict[str, OpenDataset] = {}
    for name, labels in (("anna", solid), ("ben", shorter), ("carl", np.where(solid == 2, 0, solid))):
        film = sequence_dataset(labels, kind="volume", tracked=True, task="instance")
        profile = people["anna"].profile if people else film.profile  # all were asked for both categories
        people[name] = OpenDataset(PictureDataset(profile, film.batch), profile, Config())
    done = segdata.consensus(people, tmp_path / "out", resamples=100)
    made = segdata.read(tmp_path / "out")
    of = made.segments.groupby("category")
    assert of["track_id"].nunique().to_dict() == {"c1": 1, "c2": 1}
    assert of["image_id"].nunique().to_dict() == {"c1": 6, "c2": 4}
    assert of["score"].unique().map(list).to_dict() == {"c1": [1.0], "c2": [2 / 3]}
    assert done.rejected == done.disputed == 0
    assert [each.kind for each in made.profile.sequences] == ["volume"]
