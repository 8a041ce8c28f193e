"""Filter: a dataset of what meets the conditions, and a word on what was dropped."""

from pathlib import Path

import pytest

import segdata
from segdata.core.errors import SegdataError

SAMPLE = Path(__file__).parents[2] / "sample_data" / "panoptic"


def test_filter_nothing_is_identical(tmp_path: Path) -> None:
    found = segdata.filter(SAMPLE, tmp_path / "all")
    assert (found.images, found.annotations, found.segments, found.pixels) == (0, 0, 0, 0)
    assert segdata.diff(SAMPLE, tmp_path / "all", strict=True).same


def test_a_category_stays_pixel_by_pixel(tmp_path: Path) -> None:
    whole = segdata.read(SAMPLE)
    name = whole.segments["category"].value_counts().index[0]
    found = segdata.filter(SAMPLE, tmp_path / "one", category=name, copy_images=True)
    before = whole.segments[whole.segments["category"] == name]
    after = segdata.read(tmp_path / "one").segments
    assert after["counts"].tolist() == before["counts"].tolist()
    assert found.segments == len(whole.segments) - len(before)
    assert found.pixels == int(whole.segments["area"].sum() - before["area"].sum())
    assert found.written.not_copied == ()
    assert "filtered: (category in" in (tmp_path / "one" / "dataset.yaml").read_text().replace("\n    ", " ")


def test_findings_choose_images(tmp_path: Path) -> None:
    first, *others = segdata.read(SAMPLE).image_ids
    found = [
        segdata.Finding(code=code, rule="speck", severity="warning", message="", image=image)
        for code, image in (("SEG106", first), *(("SEG101", other) for other in others))
    ]
    segdata.filter(SAMPLE, tmp_path / "flagged", finding="seg106", findings=found)
    assert segdata.read(tmp_path / "flagged").image_ids == [first]


def test_misuse_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    for given, said in (
        ({"category": "caar"}, "no category 'caar'"),
        ({"where": "aera > 3"}, "no column 'aera'"),
        ({"where": "category > 3"}, "cannot be evaluated"),
        ({"finding": "SEG101"}, "needs a report"),
        ({"min_area": 10**12}, "no image"),
    ):
        with pytest.raises(SegdataError, match=said):
            segdata.filter(SAMPLE, tmp_path / "out", **given)  # type: ignore[arg-type]  # of several types
        assert list(tmp_path.iterdir()) == []
