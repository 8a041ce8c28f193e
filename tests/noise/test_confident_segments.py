"""Sure: what is below the confidence becomes void, as far as nobody else claims it; nothing else changes."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from segdata.api.in_memory import from_arrays
from segdata.core.batch import Batch, replace_column
from segdata.core.profile import Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shared.taxonomies import name_metadata
from segdata.noise.confident_labels import add_void_category, keep_confident, mark_drafted

VOID = 9


def _batch(masks: list[list[np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]], scores: list[float | None]) -> Batch:
    labels = {f"{at}.png": [(mask, "car") for mask in each] for at, each in enumerate(masks)}
    dataset = from_arrays(labels, ["car", "tree"])
    batch = dataset.source.load(np.arange(len(masks)))
    segments = replace_column(batch.segments, "score", pa.array(scores, pa.float64()))
    return Batch(batch.images, batch.annotations, segments, batch.runs, batch.defects)


@given(st.integers(0, 2**31), st.lists(st.integers(0, 3), min_size=1, max_size=3))
def test_pixel_by_pixel(seed: int, counts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    masks = [list(rng.random((count + 1, 5, 7)) < 0.4) for count in counts]
    scores = [float(each) if each > 0.1 else None for each in rng.random(sum(map(len, masks)))]
    batch = _batch(masks, scores)
    found, n_unsure = keep_confident(batch, 0.5, VOID)
    assert n_unsure == sum(score is not None and score < 0.5 for score in scores)
    at = 0
    for image, each in enumerate(masks):
        mine = scores[at : at + len(each)]
        at += len(each)
        keep = [mask for mask, score in zip(each, mine, strict=True) if score is None or score >= 0.5]
        drop = [mask for mask, score in zip(each, mine, strict=True) if score is not None and score < 0.5]
        void = np.any([np.zeros((5, 7), bool), *drop], axis=0) & ~np.any([np.zeros((5, 7), bool), *keep], axis=0)
        rows = np.flatnonzero(found.segment_image == image)
        pixels = [_mask(found, row) for row in rows.tolist()]
        category = found.segments["category_id"].to_numpy()[rows].tolist()
        assert category == [1] * len(keep) + [VOID] * bool(void.any())
        for ours, theirs in zip(pixels, [*keep, *([void] if void.any() else [])], strict=True):
            assert np.array_equal(ours, theirs)
        ids = found.segments["segment_id"].to_numpy()[rows]
        assert len(set(ids.tolist())) == len(ids)


def _mask(batch: Batch, row: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    flat = np.zeros(35, bool)
    runs = batch.runs.take(np.array([row]), batch.n_segments)
    for start, length in zip(runs.start.tolist(), runs.length.tolist(), strict=True):
        flat[start : start + length] = True
    return flat.reshape(7, 5).T


def test_a_sure_model_changes_nothing() -> None:
    batch = _batch([[np.ones((5, 7), bool)]], [0.9])
    assert keep_confident(batch, 0.5, VOID) == (batch, 0)


def test_drafts_are_a_models() -> None:
    found = mark_drafted(_batch([[np.ones((5, 7), bool)]], [0.9]))
    assert (found.annotations["source"].to_pylist(), found.annotations["stage"].to_pylist()) == (["model"], ["drafted"])


def test_the_void_of_a_taxonomy_is_used_and_else_made() -> None:
    car, ignored = Category(id=4, name="car"), Category(id=2, name="ignored", kind="void")
    assert add_void_category(_profile(car, ignored))[1] == 2
    made, id_ = add_void_category(_profile(car))
    assert (id_, made.by_name()["void"].kind) == (5, "void")
    made, _ = add_void_category(_profile(Category(id=4, name="void")))
    assert [each.name for each in made.categories] == ["void", "void_5"]


def test_the_void_that_is_made_is_no_category_that_the_taxonomy_lacks() -> None:
    unknown = replace(_profile(Category(id=4, name="car")), metadata=name_metadata({5: "void", 6: "moon"}, {}))
    made, id_ = add_void_category(unknown)
    assert (id_, made.categories[-1].name) == (7, "void_7")


def _profile(*categories: Category) -> Profile:
    return from_arrays({}, Taxonomy(categories=categories)).profile
