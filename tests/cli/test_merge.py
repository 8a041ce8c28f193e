"""`segdata merge`: says what was renamed."""

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


def test_misuse_is_one_line(run: Run, masks: Path, tmp_path: Path) -> None:
    for words, said in (
        ((masks, tmp_path / "out"), "needs two datasets"),
        ((masks, masks, tmp_path / "out", "--taxonomy-map", "x=y"), "is not DATA=MAP"),
        ((masks, masks, tmp_path / "out", "--taxonomy-map", f"{masks}=none.yaml"), "none.yaml"),
    ):
        done = run("merge", *words)
        assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
        assert said in done.stderr
