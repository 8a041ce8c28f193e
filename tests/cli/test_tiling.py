"""`segdata tile` and `crop`: sizes as people type them."""

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

import segdata

Run = Callable[..., Result]


def test_tiles_and_back(run: Run, masks: Path, tmp_path: Path) -> None:
    done = run("tile", masks, tmp_path / "tiles", "--size", "16x12", "--overlap", "4")
    assert done.exit_code == 0
    assert "from 18 images" in done.stdout
    assert run("tile", tmp_path / "tiles", tmp_path / "whole", "--back").exit_code == 0
    assert run("diff", masks, tmp_path / "whole").exit_code == 0


def test_a_box(run: Run, masks: Path, tmp_path: Path) -> None:
    assert run("crop", masks, tmp_path / "crops", "--box", "8,4,16,16").exit_code == 0
    assert segdata.read(tmp_path / "crops").segments["area"].tolist() == [256, 256]
    assert run("crop", masks, tmp_path / "cars", "--around", "car", "--no-images").exit_code == 0
    assert segdata.read(tmp_path / "cars").images["uri"].isna().all()


def test_misuse_is_one_line(run: Run, masks: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for words, said in (
        (("tile", masks, out, "--size", "big"), "is not N or WIDTHxHEIGHT"),
        (("tile", masks, out, "--size", "0"), "at least one pixel"),
        (("tile", masks, out, "--size", "8", "--overlap", "8"), "cannot overlap by 8"),
        (("tile", masks, out, "--tiles", masks), "--tiles needs --back"),
        (("tile", masks, out, "--back"), "nothing says what"),
        (("crop", masks, out), "either --box"),
        (("crop", masks, out, "--box", "1,2,3"), "is not X,Y,W,H"),
    ):
        done = run(*words)
        assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1), words
        assert said in done.stderr
        assert not out.exists()
