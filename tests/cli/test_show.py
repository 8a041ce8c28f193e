"""`segdata show`: pictures of images."""

from collections.abc import Callable
from pathlib import Path

from click.testing import Result
from PIL import Image

Run = Callable[..., Result]


def test_one_image_as_one_file(run: Run, masks: Path, tmp_path: Path) -> None:
    target = tmp_path / "picture.png"
    result = run("show", masks, "a", "--findings", "--output", target)
    assert (result.exit_code, result.stdout) == (0, f"{target}\n")
    with Image.open(target) as image:
        assert image.getpixel((2, image.height // 4)) != (255, 255, 255)
    assert [path.name for path in tmp_path.glob("*.png")] == ["picture.png"]


def test_many_images_in_a_folder(run: Run, masks: Path, tmp_path: Path) -> None:
    result = run("show", masks, "a.png", "b.png", "--output", tmp_path / "seen")
    assert result.stdout.splitlines() == [str(tmp_path / "seen" / f"{name}.png") for name in "ab"]
    assert run("show", masks, "a.png", "b.png", "--output", tmp_path / "one.png").exit_code == 2


def test_findings_change_the_picture(run: Run, masks: Path, tmp_path: Path) -> None:
    run("show", masks, "a", "--output", tmp_path / "without.png")
    run("show", masks, "a", "--findings", "--output", tmp_path / "with.png")
    assert (tmp_path / "without.png").read_bytes() != (tmp_path / "with.png").read_bytes()


def test_an_unknown_image_names_the_nearest(run: Run, masks: Path) -> None:
    result = run("show", masks, "c.png")
    assert (result.exit_code, "did you mean '" in result.stderr) == (2, True)


def test_an_image_without_a_file_is_drawn_on_grey(run: Run, coco: Path, tmp_path: Path) -> None:
    target = tmp_path / "x.png"
    assert run("show", coco, "x.png", "--output", target).exit_code == 0
    with Image.open(target) as image:
        assert image.getpixel((1, 1)) == (150, 150, 150)
