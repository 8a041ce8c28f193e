"""Overlay: what is marked is seen, at its place and enlarged."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from segdata.core.batch import replace_column
from segdata.core.finding import Finding
from segdata.report.pictures.canvas import BackgroundImage, View
from segdata.report.pictures.overlays import draw_overlay
from segdata.testing.pictures import PictureDataset, draw_picture

FindingsIn = Callable[[PictureDataset, str], list[Finding]]
# A car with a stray pixel at x=37, y=2; an image pixel is 8 canvas pixels.
PICTURE = "\n".join(
    ["." * 40, *["." * 4 + "a" * 24 + "." * 9 + ("a" if row == 1 else ".") + ".." for row in range(12)]]
)
STRIPES = [(255, 235, 0), (15, 15, 15)]


def stripes(picture: Image.Image) -> np.ndarray:
    """Where a picture is striped yellow or black."""
    pixels = np.asarray(picture)
    return np.logical_or.reduce([(pixels == color).all(axis=2) for color in STRIPES])


def test_a_stray_pixel_is_striped_at_its_place_and_in_an_inset(findings_in: FindingsIn) -> None:
    drawing = draw_picture(PICTURE)
    found = findings_in(drawing, "SEG106")
    seen = stripes(draw_overlay(drawing.batch, drawing.profile, found))
    assert seen[2 * 8 : 3 * 8, 37 * 8 : 38 * 8].all()
    assert seen[: 13 * 8, : 36 * 8].sum() == 0
    assert seen[13 * 8 + 12 :, :640].sum() > 64  # enlarged: more canvas pixels than in the whole picture
    assert stripes(draw_overlay(drawing.batch, drawing.profile))[: 13 * 8, :320].sum() == 0


def test_segments_are_drawn_over_the_image(tmp_path: Path) -> None:
    Image.fromarray(np.full((13, 40, 3), 100, np.uint8)).save(tmp_path / "a.png")
    drawing = draw_picture(PICTURE)
    batch = drawing.batch
    batch = type(batch)(
        replace_column(batch.images, "uri", [str(tmp_path / "a.png")]), batch.annotations, batch.segments, batch.runs
    )
    picture = draw_overlay(batch, drawing.profile)
    assert picture.getpixel((4, 4)) == (100, 100, 100)
    assert picture.getpixel((10 * 8, 6 * 8)) != (100, 100, 100)


def test_an_image_of_another_size_is_stretched_and_said() -> None:
    ground = BackgroundImage(Image.new("RGB", (3, 2)), 3, 2)
    assert ground.render(View(-1, 0, 3, 2, 1.0))[:, 0].tolist() == [[45] * 3] * 2


def test_ground_says_why_there_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    assert BackgroundImage.from_uri(None, 4, 4).note == "no image file"
    assert BackgroundImage.from_uri(str(tmp_path / "none.png"), 4, 4).note == "the image file is not here"
    assert BackgroundImage.from_uri(str(tmp_path / "broken.png"), 4, 4).note.startswith("the image cannot be decoded")
    Image.new("L", (8, 4)).save(tmp_path / "other.png")
    stretched = BackgroundImage.from_uri(str(tmp_path / "other.png"), 4, 4)
    assert stretched.note == "the image file is 8 x 4 px: stretched to fit the labels"
    assert stretched.render(View.whole(4, 4)).shape == (32, 32, 3)


def test_deep_grey_images_are_seen(tmp_path: Path) -> None:
    ramp = np.linspace(1000, 3000, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    seen = BackgroundImage.from_uri(str(tmp_path / "deep.png"), 64, 64).render(View(0, 0, 64, 64, 1.0))
    assert (int(seen.min()), int(seen.max())) == (0, 255)


def test_the_same_picture_every_time(findings_in: FindingsIn) -> None:
    drawing = draw_picture(PICTURE)
    found = findings_in(drawing, "SEG106")
    first, second = (draw_overlay(drawing.batch, drawing.profile, found) for _ in range(2))
    np.testing.assert_array_equal(np.asarray(first), np.asarray(second))


def test_many_findings_and_an_empty_annotation_can_be_drawn(findings_in: FindingsIn) -> None:
    drawing = draw_picture("....\n....")
    finding = Finding(code="SEG312", rule="unannotated-image", severity="warning", message="m " * 300, image="1.png")
    picture = draw_overlay(drawing.batch, drawing.profile, [finding] * 100)
    assert picture.height < 2000
