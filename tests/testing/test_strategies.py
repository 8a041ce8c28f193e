"""Random datasets keep the promises of their types, and their switches do what they say."""

import numpy as np
from hypothesis import given, settings

from segdata.core.batch import Batch, concatenate_batches
from segdata.core.overlay import SweepRuns, union_by_frame
from segdata.core.profile import Profile
from segdata.testing.pictures import masks_of_runs, runs_of_masks
from segdata.testing.strategies import Details, datasets

Dataset = tuple[Profile, list[Batch]]


def multiple(batch: Batch) -> int:
    """Pixels that several segments of an annotation claim."""
    line = batch.annotation_line
    return int(union_by_frame(SweepRuns.from_runs(batch.runs, line, batch.segment_annotation), line).multiple.sum())


@given(dataset=datasets())
def test_random_datasets_keep_every_promise(dataset: Dataset) -> None:
    whole = concatenate_batches(dataset[1])
    whole.runs.checked(*whole.segment_size)
    images = whole.images["image_id"].to_pylist()
    assert images == sorted(set(images))
    assert (np.diff(whole.annotation_image) >= 0).all()
    assert (np.diff(whole.segment_annotation) >= 0).all()
    assert set(whole.segments["category_id"].to_pylist()) <= set(dataset[0].taxonomy.by_id())


@given(dataset=datasets())
def test_runs_and_masks_are_inverse(dataset: Dataset) -> None:
    for batch in dataset[1]:
        again = runs_of_masks(masks_of_runs(batch.runs, *batch.segment_size))
        np.testing.assert_array_equal(again.start, batch.runs.start)
        np.testing.assert_array_equal(again.owner, batch.runs.owner)


@given(dataset=datasets(Details(overlaps=False, several=False, extras=False, void=False)))
def test_switches(dataset: Dataset) -> None:
    whole = concatenate_batches(dataset[1])
    assert multiple(whole) == 0
    assert len(set(whole.annotation_image.tolist())) == whole.annotations.num_rows
    assert dataset[0].taxonomy.void_ids == ()
    assert whole.segments["attributes"].null_count == whole.n_segments
    assert whole.images["split"].null_count == whole.images.num_rows


def test_what_matters_occurs() -> None:
    """Overlaps, several annotators, images that nobody annotated, and empty segments are all drawn."""
    seen: set[str] = set()

    @settings(max_examples=150, derandomize=True, database=None)
    @given(dataset=datasets())
    def look(dataset: Dataset) -> None:
        whole = concatenate_batches(dataset[1])
        annotated = np.bincount(whole.annotation_image, minlength=whole.images.num_rows)
        facts = {
            "overlap": multiple(whole) > 0,
            "several": bool((annotated > 1).any()),
            "not annotated": bool((annotated == 0).any()),
            "empty": bool((whole.runs.areas(whole.n_segments) == 0).any()),
            "two batches": all(each.n_segments > 1 for each in dataset[1][1:]) and len(dataset[1]) == 2,
        }
        seen.update(name for name, holds in facts.items() if holds)

    look()
    assert seen == {"overlap", "several", "not annotated", "empty", "two batches"}
