"""The simulator: errors in whole datasets, and the truth of each."""

from pathlib import Path

import numpy as np
import pytest

import segdata
from segdata.core.batch import Batch, concatenate_batches
from segdata.core.dataset import OpenDataset
from segdata.noise.corruptions import CorruptionRates
from segdata.noise.error_types import KINDS, CorruptionKind
from segdata.testing.noise import InjectedError, inject_errors

SAMPLE = Path(segdata.__file__).parent.parent / "sample_data"


def whole(data: OpenDataset) -> Batch:
    return concatenate_batches(list(data.batches(1)))


def segments(batch: Batch) -> dict[tuple[str, int], tuple[int, frozenset[int]]]:
    """Category and pixels by image and id."""
    names = batch.images["image_id"].to_pylist()
    ids, categories = (batch.segments[name].to_pylist() for name in ("segment_id", "category_id"))
    found = {}
    for row in range(batch.n_segments):
        runs = batch.runs.take(np.array([row]), batch.n_segments)
        at = np.concatenate([np.arange(s, s + n) for s, n in zip(runs.start, runs.length, strict=True)])
        found[names[batch.segment_image[row]], ids[row]] = (categories[row], frozenset(at.tolist()))
    return found


@pytest.fixture(scope="module")
def panoptic() -> OpenDataset:
    return segdata.read(SAMPLE / "panoptic")


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_the_truth_tells_changes_much(panoptic: OpenDataset, kind: CorruptionKind) -> None:
    data, errors = inject_errors(panoptic, 2, CorruptionRates(0.2, (kind,)))
    assert errors
    batch = whole(data)
    batch.runs.checked(*batch.segment_size)
    clean, seeded_data = segments(whole(panoptic)), segments(batch)
    assert len(seeded_data) == batch.n_segments  # ids are unique
    told = {(each.image, id_) for each in errors for id_ in (*each.segments, *each.clean_segments)}
    for key, (category, pixels) in seeded_data.items():
        if key not in clean:
            assert key in told
        elif key not in told:
            covered = frozenset().union(
                *(seeded_data[other][1] for other in told & seeded_data.keys() if other[0] == key[0])
            )
            assert category == clean[key][0]
            assert clean[key][1] - pixels <= covered  # nothing is lost but to a segment that the truth tells of


def test_the_same_seed_gives_the_same_dataset(panoptic: OpenDataset) -> None:
    one, other = inject_errors(panoptic, 3), inject_errors(panoptic, 3)
    assert one[1] == other[1]
    assert segments(whole(one[0])) == segments(whole(other[0]))
    assert inject_errors(panoptic, 4)[1] != one[1]


def test_images_that_no_lot_fell_on_are_as_they_were(panoptic: OpenDataset) -> None:
    data, errors = inject_errors(panoptic, 5, share=0.0)
    assert errors == []
    assert segments(whole(data)) == segments(whole(panoptic))


def test_the_truth_has_what_a_report_needs(panoptic: OpenDataset) -> None:
    _, errors = inject_errors(panoptic, 6, CorruptionRates(0.2))
    for each in errors:
        assert isinstance(each, InjectedError)
        row = each.row()
        assert row["code"].startswith("SEG50")
        assert each.pixels <= each.bbox[2] * each.bbox[3]
        assert each.type == "missing" or each.segments
        assert each.type == "extra" or each.clean_segments


def test_shares_are_those_that_were_asked_for(real_data: Path) -> None:
    clean = segdata.read(real_data / "gbm40_nuclei")
    _, errors = inject_errors(clean, 7, CorruptionRates(0.05, ("missing",)))
    n = whole(clean).n_segments
    assert len(errors) == pytest.approx(0.05 * n, rel=0.2)
