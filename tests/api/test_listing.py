"""Listing: a row for everything that was drawn, as a table and as CSV."""

from pathlib import Path

import pandas as pd
import pytest

import segdata
from segdata.core.errors import SegdataError

SAMPLE = Path(__file__).parents[2] / "sample_data" / "panoptic"


def test_rows_are_the_segments_with_pixels(tmp_path: Path) -> None:
    rows, segments = segdata.objects(SAMPLE), segdata.read(SAMPLE).segments
    drawn = segments[segments["area"] > 0]
    assert rows["area_px"].sum() == drawn["area"].sum()
    assert sorted(zip(rows["image_id"], rows["segment_id"], strict=True)) == sorted(
        zip(drawn["image_id"], drawn["segment_id"].astype(str), strict=True)
    )
    assert (rows["feret_px"] <= rows["perimeter_px"]).all()
    assert segdata.write_objects(SAMPLE, tmp_path / "new" / "o.csv", jobs=2) == len(rows)
    read = pd.read_csv(tmp_path / "new" / "o.csv", dtype={"segment_id": str})
    assert list(read.columns) == list(rows.columns)
    pd.testing.assert_series_equal(read["length_px"], rows["length_px"])
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "o.csv"]


def test_a_target_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SegdataError, match="cannot be written"):
        segdata.write_objects(SAMPLE, tmp_path / "file" / "o.csv")
