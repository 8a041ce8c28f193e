"""segdata draft: by classical means, by a model's results, by networks trained on what is annotated."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

import segdata
from segdata.core.taxonomy import Category, Taxonomy

Run = Callable[..., Result]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three images: two discs, nothing, and a file that is none."""
    y, x = np.mgrid[:60, :80]
    discs = 40 + 150 * (((x - 20) ** 2 + (y - 20) ** 2 < 100) | ((x - 55) ** 2 + (y - 35) ** 2 < 144))
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(discs.astype(np.uint8)).save(folder / "a.png")
    Image.fromarray(np.full((60, 80), 9, np.uint8)).save(folder / "b.png")
    (folder / "c.png").write_bytes((folder / "a.png").read_bytes()[:100])
    return folder


def test_a_draft_is_a_models_and_says_how(run: Run, photos: Path, tmp_path: Path) -> None:
    found = run("draft", photos, tmp_path / "out", "--category", "coin", "--option", "waist=0.3")
    assert found.exit_code == 1  # of one image nothing can be read
    assert "drafted 2 segments on 3 images" in found.output
    assert "nothing was found on 1 image" in found.output
    assert "SEG001 c.png" in found.output
    made = segdata.read(tmp_path / "out")
    assert made.segments["category"].tolist() == ["coin", "coin"]
    rows = made.annotations
    assert rows["image_id"].tolist() == ["a.png", "b.png"]
    assert set(rows["source"]) == {"model"}
    assert set(rows["stage"]) == {"drafted"}
    assert set(rows["annotator"]) == {"draft-watershed"}
    said = dict(rows["attributes"][0])
    assert (json.loads(said["method"]), json.loads(said["waist"])) == ("watershed", 0.3)
    assert "drafted by watershed" in run("history", tmp_path / "out").output


def test_of_a_dataset_only_what_nobody_annotated_is_drafted(run: Run, photos: Path, tmp_path: Path) -> None:
    (photos / "c.png").unlink()
    taxonomy = Taxonomy(categories=(Category(id=1, name="coin"),))
    half = segdata.from_arrays({"b.png": [(np.ones((60, 80), bool), "coin")]}, taxonomy, images=photos)
    segdata.convert(half, tmp_path / "half.json", to="coco-instances")
    document = json.loads((tmp_path / "half.json").read_text())
    assert len(document["images"]) == 1
    segdata.convert(half, tmp_path / "half")
    whole = run("draft", tmp_path / "half", tmp_path / "out")
    assert whole.exit_code == 2
    assert "every image is annotated" in whole.output


def test_of_a_folder_with_masks_only_what_nobody_annotated_is_drafted(run: Run, photos: Path, tmp_path: Path) -> None:
    (photos / "c.png").unlink()
    root = tmp_path / "data"
    (root / "masks").mkdir(parents=True)
    photos.rename(root / "images")
    Image.fromarray(np.eye(60, 80, dtype=np.uint8)).save(root / "masks" / "b.png")
    found = run("draft", root, tmp_path / "out")
    assert "on 1 image" in found.output
    assert segdata.read(tmp_path / "out").images["image_id"].tolist() == ["a.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "watershd"], "watershed"),
        (["--option", "waste=1"], "waist"),
        (["--method", "kmeans", "--category", "coin"], "leave out --category"),
        (["--model", "--predictions", "x.json"], "either --model or --predictions"),
        (["--precision", "0.8"], "--precision works with --model only"),
        (["--confidence", "0.8", "--model"], "--confidence works with --predictions only"),
        (["--method", "watershed", "--model"], "--method works with neither --model nor --predictions"),
        (["--option", "waist=1", "--predictions", "x.json"], "--option works with neither --model nor --predictions"),
    ],
)
def test_misuse_is_said_and_nothing_is_written(
    run: Run, photos: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    found = run("draft", photos, tmp_path / "out", *words)
    assert found.exit_code == 2
    assert said in found.output
    assert not (tmp_path / "out").exists()


def test_a_folder_without_images(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found = run("draft", tmp_path / "empty", tmp_path / "out")
    assert (found.exit_code, "no image files" in found.output) == (2, True)


def test_results_of_a_model_become_a_draft_with_void(run: Run, photos: Path, tmp_path: Path) -> None:
    told = {"images": [{"id": 1, "file_name": "a.png", "width": 80, "height": 60}], "annotations": []}
    (tmp_path / "image_info.json").write_text(json.dumps(told | {"categories": [{"id": 1, "name": "coin"}]}))
    square = [10, 10, 20, 10, 20, 20, 10, 20]
    results = [
        {"image_id": 1, "category_id": 1, "segmentation": [square], "score": 0.9},
        {"image_id": 1, "category_id": 1, "segmentation": [[each + 5 for each in square]], "score": 0.2},
    ]
    (tmp_path / "results.json").write_text(json.dumps(results))
    found = run("draft", photos, tmp_path / "out", "--predictions", tmp_path / "results.json")
    assert found.exit_code == 0, found.output
    assert "1 segment with a score below 0.5 became void" in found.output
    made = segdata.read(tmp_path / "out").segments
    assert made["category"].tolist() == ["coin", "void"]
    assert made["area"].tolist() == [100, 75]
    assert made["score"].tolist()[0] == 0.9
