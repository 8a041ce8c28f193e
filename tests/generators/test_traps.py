"""Every trap: what must come out of it does, whether it lies in reading or in writing."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from segdata import Dataset, convert, read, validate
from segdata.core.errors import SegdataError
from segdata.testing.pictures import masks_of_runs
from tests.generators.traps.__main__ import write_trap
from tests.generators.traps.trap import Trap, TrueSegment, Truth, traps


@pytest.mark.parametrize("trap", traps(), ids=lambda each: f"{each.code}-{each.name}")
def test_trap(trap: Trap, tmp_path: Path) -> None:
    truth = write_trap(trap, tmp_path)
    if truth.refused is not None:
        with pytest.raises(SegdataError, match=re.escape(truth.refused)):
            found_in(opened(trap, truth, tmp_path), truth.segments)
        return
    dataset = opened(trap, truth, tmp_path)
    segments = sorted(map(repr, found_in(dataset, truth.segments)))
    assert segments == sorted(repr(said(each)) for each in truth.segments)
    result = validate(dataset)
    codes = {finding.code for finding in result.findings}
    assert set(truth.findings) <= codes, [finding.message for finding in result.findings]
    met = {finding.code for finding in result.findings if finding.severity != "info" and finding.code < "SEG020"}
    assert met <= set(truth.findings), [finding.message for finding in result.findings]


def opened(trap: Trap, truth: Truth, folder: Path) -> Dataset:
    """The dataset of a trap; where the trap is in writing, what was written of it."""
    dataset = read(folder / "data" / truth.open, format=trap.format, options=truth.read)
    if truth.to is None:
        return dataset
    convert(dataset, folder / "written", to=truth.to, write_options=truth.write)
    return read(folder / "written", format=truth.to)


def said(segment: TrueSegment) -> tuple[object, ...]:
    mask = segment.mask
    return (
        segment.image,
        segment.category,
        mask.shape,
        mask.nonzero()[0].tolist(),
        mask.nonzero()[1].tolist(),
        segment.iscrowd,
        segment.track,
        segment.annotator,
        None if segment.attributes is None else sorted((key, repr(value)) for key, value in segment.attributes.items()),
    )


def found_in(dataset: Dataset, wanted: Sequence[TrueSegment]) -> list[tuple[object, ...]]:
    """The segments as `said` has them; what does not matter to any of the wanted ones is None."""
    matters = {
        name: any(getattr(each, name) is not None for each in wanted)
        for name in ("iscrowd", "track", "annotator", "attributes")
    }
    rows = []
    for batch in dataset:
        masks = masks_of_runs(batch.runs, *batch.segment_size)
        images = batch.images["image_id"].to_pylist()
        annotators = batch.annotations["annotator"].to_pylist()
        for row, (mask, segment) in enumerate(zip(masks, batch.segments.to_pylist(), strict=True)):
            attributes = sorted((key, repr(json.loads(value))) for key, value in segment["attributes"] or ())
            rows.append(
                (
                    images[batch.segment_image[row]],
                    dataset.profile.name_of(segment["category_id"]),
                    mask.shape,
                    mask.nonzero()[0].tolist(),
                    mask.nonzero()[1].tolist(),
                    bool(segment["iscrowd"]) if matters["iscrowd"] else None,
                    segment["track_id"] if matters["track"] else None,
                    annotators[batch.segment_annotation[row]] if matters["annotator"] else None,
                    attributes if matters["attributes"] else None,
                )
            )
    return rows
