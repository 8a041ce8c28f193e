"""Thumbnails: some of every rule, where the finding is, the same bytes whatever the number of threads."""

import base64
import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import segdata
from segdata.core.batch import Batch, replace_column
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.finding import Finding
from segdata.core.finding_location import FindingLocation
from segdata.core.validation import Validation
from segdata.report.pictures import overlays
from segdata.report.pictures.scene import PANE, choose_findings, draw_thumbnails, spread_over_rules, thumbnail_view
from segdata.testing.pictures import draw_picture

TAXONOMY = """\
unlabelled: [0, 0, 0]
categories:
  - {id: 1, name: road, color: [128, 64, 128], kind: stuff}
  - {id: 2, name: car, color: [0, 0, 142], kind: thing}
"""


def finding(code: str, image: str | None, pixels: int, severity: str = "warning") -> Finding:
    return Finding(code=code, rule="r", severity=severity, message="m", image=image, pixels=pixels)


some = st.lists(st.builds(finding, st.sampled_from("ABC"), st.sampled_from(["x", "y"]), st.integers(0, 9)), max_size=20)


@given(some, st.integers(0, 12))
def test_every_rule_has_about_as_many(findings: list[Finding], most: int) -> None:
    chosen = spread_over_rules(findings, most)
    assert len(chosen) == min(most, len(findings))
    assert not Counter(map(id, chosen)) - Counter(map(id, findings))
    there, shown_ = (Counter(each.code for each in of) for of in (findings, chosen))
    full = min((shown_[code] for code in there if shown_[code] < there[code]), default=0)
    assert all(shown_[code] <= full + 1 for code in there if full and shown_[code] > full)


def test_worst_first_and_one_of_each_image() -> None:
    every = [finding("B", "x", 9), finding("B", "x", 8), finding("B", "y", 1), finding("A", "x", 1, "error")]
    assert spread_over_rules(every, 3) == [every[3], every[0], every[2]]
    ranked = [
        replace(finding("A", name, pixels), score=score) for name, pixels, score in (("x", 9, 0.2), ("y", 1, 0.8))
    ]
    assert spread_over_rules(ranked, 2) == ranked[::-1]


@pytest.fixture
def gaps(tmp_path: Path) -> OpenDataset:
    """Three images 400 px wide: a single unlabelled pixel, a large unlabelled area, and one without its file."""
    for name, hole in (("a", (300, 20, 1, 1)), ("b", (40, 30, 200, 60)), ("c", (0, 0, 5, 5))):
        mask = np.full((120, 400, 3), (128, 64, 128), np.uint8)
        x, y, width, height = hole
        mask[y : y + height, x : x + width] = 0
        for folder, pixels in (("images", np.full((120, 400, 3), 90, np.uint8)), ("masks", mask)):
            path = tmp_path / folder / f"{name}.png"
            path.parent.mkdir(exist_ok=True)
            if (folder, name) != ("images", "c"):
                Image.fromarray(pixels).save(path)
    (tmp_path / "taxonomy.yaml").write_text(TAXONOMY)
    (tmp_path / "segdata.yaml").write_text("coverage: exhaustive\nselect: [SEG101]\n")
    return segdata.read(tmp_path)


def decoded(uri: str) -> np.ndarray:
    head, _, data = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_a_picture_shows_the_image_and_the_finding(gaps: OpenDataset) -> None:
    found = segdata.validate(gaps).findings
    pictures = {each.image: decoded(uri) for each, uri in draw_thumbnails(gaps, found).items()}
    assert sorted(pictures) == ["a.png", "b.png", "c.png"]
    for name in ("a.png", "b.png"):
        assert pictures[name].shape == (PANE, 2 * PANE + 4, 3)
        left, right = pictures[name][:, :PANE].astype(int), pictures[name][:, PANE + 4 :].astype(int)
        yellow = [
            ((each[:, :, 0] > 180) & (each[:, :, 1] > 160) & (each[:, :, 2] < 90)).sum() for each in (left, right)
        ]
        assert yellow[0] == 0  # nothing is painted over the image on the left
        assert yellow[1] > 20
    assert pictures["c.png"].shape == (PANE, PANE, 3)  # nothing to show on the left


def test_few_pixels_are_enlarged_and_large_findings_are_whole(gaps: OpenDataset) -> None:
    size = (120, 400)
    near = thumbnail_view(FindingLocation(np.empty(0, np.int64), box=(300, 20, 1, 1)), size)
    assert near.scale >= 8
    far = thumbnail_view(FindingLocation(np.empty(0, np.int64), box=(40, 30, 200, 60)), size)
    assert (far.x <= 40, far.x + far.width >= 240, far.y <= 30, far.y + far.height >= 90) == (True,) * 4
    whole = thumbnail_view(FindingLocation(np.empty(0, np.int64)), size)
    assert (whole.x, whole.width) == (0, 400)


@given(st.tuples(st.integers(1, 900), st.integers(1, 900)), st.data())
def test_every_view_fits_its_pane(size: tuple[int, int], data: st.DataObject) -> None:
    x, y = data.draw(st.integers(0, size[1] - 1)), data.draw(st.integers(0, size[0] - 1))
    box = (x, y, data.draw(st.integers(1, size[1] - x)), data.draw(st.integers(1, size[0] - y)))
    view = thumbnail_view(FindingLocation(np.empty(0, np.int64), box=box), size)
    assert 1 <= len(view.columns) <= PANE
    assert 1 <= len(view.rows) <= PANE
    middle_x, middle_y = box[0] + box[2] / 2, box[1] + box[3] / 2
    assert view.x <= middle_x <= view.x + view.width
    assert view.y <= middle_y <= view.y + view.height


def test_threads_change_nothing(gaps: OpenDataset) -> None:
    found = segdata.validate(gaps).findings
    assert list(draw_thumbnails(gaps, found, jobs=1).items()) == list(draw_thumbnails(gaps, found, jobs=3).items())


def test_new_findings_come_first_and_those_not_listed_have_none(gaps: OpenDataset) -> None:
    found = segdata.validate(gaps)
    assert len(choose_findings(gaps, found, 2)) == 2
    compared = found.against([found.findings[0]])
    assert isinstance(compared, Validation)
    assert choose_findings(gaps, compared, 9) == [*spread_over_rules(compared.findings, 9), found.findings[0]]
    assert len(choose_findings(gaps, found, 9, listed=1)) == 1
    assert draw_thumbnails(gaps, [finding("SEG101", None, 1), finding("SEG101", "gone", 1)]) == {}


def dataset(n_images: int) -> OpenDataset:
    drawing = draw_picture("\n\n".join(["aa\naa"] * n_images))
    return OpenDataset(drawing, drawing.profile, Config())


def pictured_finding(image: str | None) -> Finding:
    return Finding(code="SEG106", rule="speck", severity="warning", message="m", image=image, bbox=(0, 0, 1, 1))


def test_each_image_with_findings_is_drawn_once(tmp_path: Path) -> None:
    found = [pictured_finding("2.png"), pictured_finding("2.png"), pictured_finding(None), pictured_finding("gone.png")]
    assert overlays.draw_findings(dataset(3), found, tmp_path) == f"1 picture in {tmp_path}"
    assert [path.name for path in tmp_path.iterdir()] == ["2.png"]


def test_every_image_has_a_file_of_its_own(tmp_path: Path) -> None:
    """`a.png` keeps its name, unless the picture of an image `a` has it."""
    drawing = draw_picture("aa\naa\n\nbb\nbb\n\ncc\ncc\n\ncc\ncc\n\ncc\ncc")
    images = ("a/b.png", "a__b.png", "../c.png", "a/b.jpg", "a/b.jpg.png")
    names = {f"{number}.png": name for number, name in enumerate(images, 1)}

    class Renamed:
        profile = drawing.profile
        image_ids = tuple(names.values())

        def load(self, rows: object) -> Batch:
            batch = drawing.load(rows)
            return replace(
                batch, images=replace_column(batch.images, "image_id", [names[batch.images["image_id"][0].as_py()]])
            )

    data = OpenDataset(Renamed(), drawing.profile, Config())
    files = [path for name in names.values() for path in overlays.draw_image(data, name, (), tmp_path / "seen")]
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")} == {
        "seen/a/b.png", "seen/a/b.jpg.png", "seen/a/b.jpg.png.png", "seen/a__b.png", "seen/..%2Fc.png",
    }  # fmt: skip
    assert len(files) == 5


def test_no_more_than_fifty_are_drawn_and_it_is_said(tmp_path: Path) -> None:
    data = dataset(53)
    said = overlays.draw_findings(data, [pictured_finding(name) for name in data.image_ids], tmp_path)
    assert len(list(tmp_path.iterdir())) == overlays.MOST == 50
    assert said.endswith("; 3 more images with findings not drawn")


def test_images_are_found_by_id_or_end() -> None:
    data = dataset(2)
    assert overlays.find_image(data, "1.png") == "1.png"
    assert overlays.find_image(data, "2") == "2.png"
    assert overlays.find_image(data, "images/2.png") == "2.png"
    with pytest.raises(SegdataError, match="no image '7'"):
        overlays.find_image(data, "7")
