"""`segdata remap`: categories by name, and what is lost is counted."""

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

import segdata

Run = Callable[..., Result]


def test_join_and_drop(run: Run, masks: Path, tmp_path: Path) -> None:
    assert run("remap", masks, tmp_path / "one", "--rename", "car=road").exit_code == 0
    one = segdata.read(tmp_path / "one").segments
    assert one["category"].tolist() == ["road", "road"]
    assert one["area"].tolist() == [24 * 32 - 4, 24 * 32]
    done = run("remap", masks, tmp_path / "two", "--drop", "car")
    assert "lost by the taxonomy map\n  mapped: 2 dropped segments" in done.stdout
    assert "categories mapped: car -> None" in (tmp_path / "two" / "dataset.yaml").read_text().replace("\n    ", " ")


def test_misuse_is_one_line(run: Run, masks: Path, tmp_path: Path) -> None:
    for words, said in (
        ((), "give --rename or --drop"),
        (("--rename", "car"), "is not OLD=NEW"),
        (("--rename", "cra=x"), "cra"),
        (("--drop", "car", "--map", "m.yaml"), "or --map"),
    ):
        done = run("remap", masks, tmp_path / "out", *words)
        assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1), words
        assert said in done.stderr
