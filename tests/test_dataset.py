"""The public API: a `Dataset` with the commands as methods, and results that render themselves as the commands do."""

import inspect
import json
import operator
import pydoc
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import segdata
from segdata.api.read import ReadOptions
from segdata.api.result import Result
from segdata.cli.main import NAMES, main
from tests.generators.sample.dataset import make

# Commands that are not about one dataset.
NO_METHOD = {"demo", "init", "rules", "explain", "formats"}


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    make(folder, seed=1, images=4, only=("clean",))
    return folder


@pytest.fixture(scope="module")
def annotators() -> dict[str, segdata.Dataset]:
    square = np.zeros((24, 32), np.uint8)
    square[4:16, 4:16] = 1
    shifted = np.roll(square, 2, axis=1)
    return {
        name: segdata.from_arrays({"a.png": first, "b.png": second}, ["car"], name=name)
        for name, first, second in (("ann", square, shifted), ("ben", shifted, shifted))
    }


def printed(*words: object) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code in (0, 1), done.output
    return done.stdout


def test_every_command_is_a_method_of_the_same_name() -> None:
    missing = {name for name in NAMES if not hasattr(segdata.Dataset, name)}
    assert missing == NO_METHOD


def test_every_method_is_documented_and_says_what_its_parameters_are() -> None:
    for owner in (segdata.Dataset, segdata.DatasetReview):
        for name, method in inspect.getmembers(owner, inspect.isfunction):
            if name.startswith("_"):
                continue
            text = inspect.getdoc(method)
            assert text, name
            own = {"jobs", "progress"}
            for parameter in set(inspect.signature(method).parameters) - {"self"} - own:
                assert parameter in text or parameter in (inspect.getdoc(owner) or ""), f"{name}: {parameter}"


def test_methods_take_what_the_functions_take() -> None:
    for name in ("validate", "convert", "split", "filter", "tile", "crop", "untile", "remap", "diff", "pilot", "flag"):
        _, *function = inspect.signature(getattr(segdata, name)).parameters.values()
        own, *method = inspect.signature(getattr(segdata.Dataset, name)).parameters.values()
        assert own.name == "self"
        function = [each for each in function if each.kind is not each.VAR_KEYWORD]
        assert [(each.name, each.kind) for each in method] == [(each.name, each.kind) for each in function], name
        for shown, given in zip(method, function, strict=True):  # functions are shown by their names
            assert callable(given.default) or shown.default == given.default, (name, given.name)
    compared = inspect.signature(segdata.Dataset.agreement).parameters
    assert {"others", "name", "gold", "confidence", "tolerance_mm", "jobs"} <= set(compared)
    assert compared["resamples"].default == 2000
    assert not set(compared) & set(ReadOptions.__annotations__)


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (("validate",), lambda data: data.validate()),
        (("info",), lambda data: data.info()),
        (("pilot",), lambda data: data.pilot()),
        (("report",), lambda data: data.report()),
    ],
    ids=lambda each: each[0] if isinstance(each, tuple) else "",
)
def test_json_is_what_the_command_prints(
    words: tuple[str, ...], call: Callable[[segdata.Dataset], Result], street: Path
) -> None:
    path = street / "clean" / "instances"
    result = call(segdata.read(path))
    text = result.to_json()  # type: ignore[attr-defined]  # each of these has it
    assert text.rstrip("\n") == printed(*words, path, "--format", "json").rstrip("\n")
    assert isinstance(result.table(), pd.DataFrame)  # type: ignore[attr-defined]  # as above


def test_a_comparison_as_json_html_and_table(annotators: dict[str, segdata.Dataset], tmp_path: Path) -> None:
    for name, data in annotators.items():
        data.convert(tmp_path / name)
    ann, ben = (segdata.read(tmp_path / name) for name in annotators)
    found = ann.agreement({"ben": ben}, name="ann", resamples=100)
    words = [f"{name}={tmp_path / name}" for name in ("ann", "ben")]
    assert found.to_json() == printed("agreement", *words, "--resamples", 100, "--format", "json")
    assert found.to_html().startswith("<!doctype html>")
    assert {"annotator_a", "annotator_b"} <= set(found.table())
    cards = ann.scorecard({"ben": ben}, name="ann")
    assert len(cards.table()) >= 2
    assert cards.to_html().startswith("<!doctype html>")
    assert json.loads(ann.evaluate(ben).to_json())["models"]
    assert len(ann.diff(ben).table()) == sum(count.n for count in ann.diff(ben).counts.values())


def test_results_with_an_html_report(street: Path) -> None:
    data = segdata.read(street / "clean" / "instances")
    for result in (data.validate(), data.info(), data.report()):
        assert result.to_html().startswith("<!doctype html>")


def test_fixes_and_revisions(tmp_path: Path) -> None:
    field = np.ones((20, 20), np.uint8)
    field[3, 3] = 0  # a pinhole
    segdata.from_arrays({"a.png": field}, ["grass"]).convert(tmp_path / "set")
    data = segdata.read(tmp_path / "set")
    assert data.fix(unsafe=True, dry_run=True).revision is None
    done = data.fix(unsafe=True)
    assert done.revision == "r0002"
    assert done.table()["code"].tolist() == [finding.code for finding in done.findings]
    assert [each.name for each in data.history()] == ["r0001", "r0002"]
    assert json.loads(data.history().to_json())["revisions"][1]["current"]
    assert data.restore("r0001") == "r0002"


def test_a_split_is_read_and_trained_on(tmp_path: Path) -> None:
    fields = {f"{split}/{k}.png": np.full((4, 6), 1, np.uint8) for split in ("train", "val") for k in range(2)}
    data = segdata.from_arrays(fields, ["grass"])
    assert data.maps(split="train").image_ids == ["train/0.png", "train/1.png"]
    with pytest.raises(segdata.SegdataError, match=r"no image is in the split 'test'; the splits are train, val"):
        data.maps(split="test")
    torch = pytest.importorskip("torch")
    train = data.torch(split="train", images=False)
    table = data.info().table().set_index("name")
    weight = torch.tensor([table["weight"][name] for name in train.categories], dtype=torch.float32)
    assert len(train) == 2
    assert weight.tolist() == [1.0]


def test_several_datasets_as_one(tmp_path: Path) -> None:
    one, other = (
        segdata.from_arrays({f"{name}.png": np.ones((4, 6), np.uint8)}, ["grass"], name=name) for name in ("a", "b")
    )
    assert one.merge(other, tmp_path / "both").written.n_images == 2
    review = segdata.read(tmp_path / "both").review
    assert review.report().to_json()
    assert review.decide([]) == 0


@pytest.mark.parametrize("owner", ["validate", "agreement", "review.report"])
def test_a_misspelt_keyword_names_the_method(annotators: dict[str, segdata.Dataset], owner: str) -> None:
    """And not `read`, which takes the options of functions."""
    method: Callable[..., object] = operator.attrgetter(owner)(annotators["ann"])
    with pytest.raises(
        TypeError,
        match=rf"{owner.rpartition('.')[2]}\(\) got an unexpected keyword argument 'jbos'; did you mean 'jobs'",
    ):
        method(jbos=1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda data: data.evaluate(data, name="m", confidence=2), "confidence is 2, it must be from 0.5 to 0.999"),
        (lambda data: data.agreement({"b": data}, resamples=0), "resamples is 0, it must be 1 or more"),
        (lambda data: data.validate(jobs=-1), "jobs is -1, it must be 0 or more"),
        (lambda data: data.history(), "ann: only a canonical dataset has revisions"),
        (lambda data: segdata.from_arrays({"a": np.ones((2, 2))}, ["x"], images="none"), "none: no such folder"),
    ],
)
def test_wrong_values_are_refused_in_words(
    annotators: dict[str, segdata.Dataset], call: Callable[[segdata.Dataset], object], words: str
) -> None:
    with pytest.raises(segdata.SegdataError, match=words):
        call(annotators["ann"])


def test_help_is_readable() -> None:
    """Types without their modules, functions by name, and no parameter that is `self` in a method."""
    page = pydoc.plain(pydoc.render_doc(segdata.Dataset))
    page = re.sub(r",\n[ |]+", ", ", re.sub(r"\(\n[ |]+", "(", page))  # Python 3.13 divides long signatures
    methods = page[: page.index("Readonly properties")].partition("acceptance(self")[2]
    assert "collections.abc" not in methods
    assert "<function" not in methods
    assert "agreement(self, others: Data | Mapping[str, Data]" in methods
    assert " data : " not in methods
    assert "if this dataset has" in methods
