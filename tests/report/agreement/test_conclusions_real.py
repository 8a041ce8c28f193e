"""Conclusions on real annotators: a reader whose file is mirrored, and two observers of vessels."""

from pathlib import Path

from segdata.api.agreement import compare_annotators
from segdata.report.agreement.conclusions import conclusions


def test_of_three_readers_the_second_is_mirrored(real_data: Path) -> None:
    folder = real_data / "nifti_three_readers"
    found = compare_annotators([(f"reader {k}", folder / f"seg_{k}.nii.gz") for k in (1, 2, 3)], resamples=100)
    first, second, *_ = conclusions(found.agreement, found.tables)
    assert first.head == "reader 2: the labels are mirrored"
    assert second.head == "IoU 0.26 over 3 annotators, 1 volume of 256 slices"
    assert "without them 0.69" in second.said
    assert second.act.startswith("Add images of other sequences")
