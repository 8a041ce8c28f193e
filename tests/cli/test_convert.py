"""`segdata convert`: what is written, what is lost, what could not be read."""

import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
from click.testing import Result
from PIL import Image

Run = Callable[..., Result]


def test_nothing_is_lost_to_a_canonical_dataset(run: Run, masks: Path, tmp_path: Path) -> None:
    result = run("convert", masks, tmp_path / "out", "--verify", "--annotator", "anna")
    assert result.exit_code == 0
    assert "verified: 4 of 4 segments" in result.stdout
    assert "lost: nothing" in result.stdout
    assert run("validate", tmp_path / "out").exit_code == 1  # the same gap


def test_and_back_to_the_same_pixels(run: Run, masks: Path, tmp_path: Path) -> None:
    assert run("convert", masks, tmp_path / "a").exit_code == 0
    assert run("convert", tmp_path / "a", tmp_path / "b", "--to", "colour-masks", "--copy-images").exit_code == 0
    (again,) = tmp_path.glob("b/**/masks/a.png")
    with Image.open(masks / "masks" / "a.png") as before, Image.open(again) as after:
        np.testing.assert_array_equal(np.asarray(before.convert("RGB")), np.asarray(after.convert("RGB")))


def test_images_that_cannot_be_copied_are_told(run: Run, masks: Path, tmp_path: Path) -> None:
    next((masks / "images").iterdir()).unlink()
    said = run("convert", masks, tmp_path / "out", "--copy-images").stdout
    assert "1 image not copied, no file is known" in said


def test_a_loss_that_must_not_be_writes_nothing(run: Run, coco: Path, tmp_path: Path) -> None:
    result = run("convert", coco, tmp_path / "out", "--to", "colour-masks", "--on-loss", "error")
    assert (result.exit_code, (tmp_path / "out").exists()) == (1, False)
    assert "not written" in result.stdout
    assert "instance: " in result.stdout


def test_coco_files_do_not_say_where_images_are_and_the_report_does(run: Run, masks: Path, tmp_path: Path) -> None:
    target = tmp_path / "coco" / "coco.json"
    said = " ".join(run("convert", masks, target, "--to", "coco-instances").stdout.replace("\\\n", " ").split())
    proposed = shlex.split(said.partition("To read the file with its images: segdata ")[2])
    assert proposed == ["validate", str(target), "--images", str(masks / "images")]
    assert "none of the 2 image files was found" not in run(*proposed).stdout
    copied = run("convert", masks, tmp_path / "whole", "--to", "coco-instances", "--copy-images").stdout
    assert "not copied" not in copied


def test_what_is_lost_and_what_was_never_read_are_two_lists(run: Run, coco: Path, tmp_path: Path) -> None:
    text = run("convert", coco, tmp_path / "out", "--to", "colour-masks").stdout
    unread, _, unheld = text.partition("lost, since colour-masks cannot hold it\n")
    assert unread.startswith("lost, since it could not be read\n  unreadable: 1 defect")
    assert unheld.startswith("  ")
    assert "unreadable" not in unheld
    assert "cannot hold it" not in run("convert", coco, tmp_path / "canonical").stdout


def test_what_could_not_be_read_is_said(run: Run, coco: Path, tmp_path: Path) -> None:
    result = run("convert", coco, tmp_path / "out")
    assert result.exit_code == 1
    assert "1 image, 60 segments" in result.stdout  # all the rest is written
    assert "SEG007" in result.stdout
    assert "1 error: the affected labels may be missing or changed in" in " ".join(result.stdout.split())
    assert f"segdata validate {coco}" in result.stdout.replace(" \\\n     ", "")
    quiet = run("convert", coco, tmp_path / "other", "--on-loss", "allow").stdout
    assert "unreadable" in result.stdout
    assert "unreadable" not in quiet


def test_accepted_defects_do_not_fail(run: Run, coco: Path, tmp_path: Path) -> None:
    (coco.parent / "segdata.yaml").write_text("severity: {dangling-reference: warning}\n")
    result = run("convert", coco, tmp_path / "out")
    assert result.exit_code == 0
    assert "SEG007" in result.stdout
    assert "everything else is written" not in result.stdout


def test_a_target_that_exists_is_left_alone(run: Run, masks: Path) -> None:
    result = run("convert", masks, masks)
    assert (result.exit_code, "exists already" in result.stderr) == (2, True)
