"""`segdata merge`: says what was renamed."""

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Run = Callable[..., Result]


def test_two_annotators(run: Run, masks: Path, tmp_path: Path) -> None:
    for name in ("anna", "bob"):
        run("convert", masks, tmp_path / name, "--annotator", name)
    done = run("merge", tmp_path / "anna", tmp_path / "bob", tmp_path / "both")
    assert done.exit_code == 0
    assert "2 images merged with those of another dataset" in done.stdout
    assert "from 2 images, 8 segments" in " ".join(done.stdout.split())


def test_the_defects_of_either_dataset_can_be_listed(run: Run, tmp_path: Path) -> None:
    document: dict[str, object] = {"images": [{"id": 1, "file_name": "a.png", "width": 9, "height": 9}]}
    document["categories"] = [{"id": 1, "name": "car"}]
    ring = [0, 0, 5, 0, 5, 5]
    for name, ids in (("a", [1]), ("b", [1, 1])):  # an id twice: SEG008
        annotations = [{"id": id_, "image_id": 1, "category_id": 1, "segmentation": [ring]} for id_ in ids]
        (tmp_path / f"{name}.json").write_text(json.dumps(document | {"annotations": annotations}))
    done = run("merge", tmp_path / "a.json", tmp_path / "b.json", tmp_path / "both")
    hint = done.stdout.partition("to list all of them:\n")[2].split()
    assert [word for word in hint if word.endswith(".json")] == [str(tmp_path / "a.json"), str(tmp_path / "b.json")]


def test_misuse_is_one_line(run: Run, masks: Path, tmp_path: Path) -> None:
    for words, said in (
        ((masks, tmp_path / "out"), "needs two datasets"),
        ((masks, masks, tmp_path / "out", "--taxonomy-map", "x=y"), "is not DATA=MAP"),
        ((masks, masks, tmp_path / "out", "--taxonomy-map", f"{masks}=none.yaml"), "none.yaml"),
    ):
        done = run("merge", *words)
        assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
        assert said in done.stderr
