"""What cannot be compared: one clear line, the right exit code, no traceback."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.api.agreement import agree
from segdata.cli.main import main
from segdata.core.errors import SegdataError
from segdata.core.taxonomy import Category, Taxonomy

TAXONOMY = """\
unlabelled: 0
categories:
  - {id: 1, name: road, kind: stuff}
  - {id: 2, name: car, kind: thing}
"""
ROADS = Taxonomy(categories=(Category(id=1, name="road", kind="stuff"), Category(id=2, name="car")))
RNG = np.random.default_rng(0)
TRUTH = [np.kron(RNG.integers(1, 3, (3, 4)), np.ones((6, 6), int)).astype(np.uint8) for _ in range(6)]
Made = Callable[..., str]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Writes a folder of masks: the truth, changed; returns its path."""

    def make(name: str, change: Callable[[np.ndarray], np.ndarray] = np.asarray, *, called: str = "{}.png") -> str:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "taxonomy.yaml").write_text(TAXONOMY)
        for k, labels in enumerate(TRUTH):
            Image.fromarray(change(labels).astype(np.uint8)).save(folder / called.format(k))
        return str(folder)

    return make


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["agreement", *words, "--resamples", "100", "--format", "json"])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return int(ended.value.code or 0), out, err


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    code, out, err = said(capsys, *words)
    assert (code, out, len(err.strip().splitlines())) == (2, "", 1)
    return err


def test_one_annotator_only(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert "only anna annotated these images" in refused(capsys, f"anna={made('a')}")


def test_no_image_in_common(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    words = f"a={made('a')}", f"b={made('b', called='{0}{0}_other.png')}", "--pair", "id"
    assert "no image is in two datasets, by id: a has 0.png, 1.png, 2.png and 3 more" in refused(capsys, *words)


def test_every_image_of_another_size(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    err = refused(capsys, f"a={made('a')}", f"b={made('b', lambda labels: labels[:-1])}")
    assert "no image has the same size in two datasets; 0.png: 24 x 17 px here, 24 x 18 px in the first" in err


def test_nothing_drawn_by_one_is_disagreement(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, f"a={made('a')}", f"b={made('b', np.zeros_like)}")
    assert code == 0
    assert '"iou": {"value": 0.0,' in out


def test_nothing_drawn_by_anybody_is_undefined(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, f"a={made('a', np.zeros_like)}", f"b={made('b', np.zeros_like)}")
    assert code == 0
    assert '"iou": {"value": null,' in out


def test_a_category_that_one_never_draws(made: Made) -> None:
    found = agree({"a": made("a"), "b": made("b", lambda labels: np.where(labels == 2, 0, labels))}, resamples=100)
    values = {each.category: each.scores["iou"].value for each in found.categories}
    assert values == {"road": 1.0, "car": 0.0}


def test_a_broken_file_is_told_with_whose_it_is_and_the_others_are_compared(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, broken = made("whole"), made("broken")
    (Path(broken) / "3.png").write_bytes(b"\x89PNG nonsense")
    code, out, _ = said(capsys, f"ben={broken}", f"a={whole}", f"b={made('other')}")
    assert code == 1
    (line,) = (line for line in out.splitlines() if '"code": "SEG0' in line)
    assert '"image": "3.png", "annotator": "ben"' in line
    assert "SEG411" not in out
    found = agree([("ben", broken), ("a", whole)], resamples=100)
    assert (found.images, found.overall.iou.value) == (5, 1.0)


def test_folders_of_the_same_name_are_two_annotators(made: Made) -> None:
    named = [(None, made("anna/masks")), (None, made("ben/masks"))]
    assert agree(named, resamples=100).annotators == ("anna/masks", "ben/masks")


def test_many_instances_of_one_image_take_no_table_of_all_pairs() -> None:
    """10,000 of each annotator: a table of all pairs would have 100,000,000 cells."""
    side = 400
    ids = np.arange(1, 10_001).reshape(100, 100).repeat(4, axis=0).repeat(4, axis=1)
    ids[:, 3::4] = 0
    other = np.roll(ids, 1, axis=1)
    categories = dict.fromkeys(range(1, 10_001), "car")
    one, two = (segdata.from_arrays({"0.png": (each, categories)}, ROADS) for each in (ids, other))
    assert ids.shape == (side, side)
    found = agree({"a": one, "b": two}, resamples=100, select=["SEG410"])
    assert found.overall.iou.value == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("data", [[], [("a", "nowhere")]])
def test_nothing_to_compare(data: list[tuple[str, str]]) -> None:
    with pytest.raises(SegdataError):
        agree(data)
