"""Parts, holes and skipped slices of volumes against dense arrays and scipy.ndimage in three dimensions."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage

from segdata.core.rule import Family, Tables
from segdata.core.runs import Ints
from segdata.measure.measure import measure_source
from tests.generators.sequences import SequenceDataset, sequence_dataset

FAMILIES: frozenset[Family] = frozenset({"shapes", "parts", "holes", "volumes"})
CORNERS = np.ones((3, 3, 3), bool)
Labels = NDArray[np.int64]


def volumes(categories: int = 2) -> st.SearchStrategy[Labels]:
    """Small volumes (slices, height, width) of labels, 0 is nothing: noise, mostly full or mostly empty."""
    size = st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6))
    fill = st.sampled_from([st.integers(0, categories), st.sampled_from([0, 1, 1, 1]), st.sampled_from([0, 0, 0, 1])])
    return st.tuples(size, fill).flatmap(lambda drawn: arrays(np.int64, drawn[0], elements=drawn[1]))


def measured(labels: Labels, **how: object) -> Tables:
    return measure_source(sequence_dataset(labels, kind="volume", **how), FAMILIES, jobs=1)


@settings(max_examples=50)
@given(volumes())
def test_solids_are_the_parts_that_scipy_finds(labels: Labels) -> None:
    tables = measured(labels)
    category = tables.segments["category_id"][tables.solids["segment"]]
    for label in np.unique(labels[labels > 0]):
        mine = tables.solids.take(category == label)
        part, _ = ndimage.label(labels == label)
        region, _ = ndimage.label(labels == label, CORNERS)
        expected = Counter()
        for number in range(1, part.max() + 1):
            inside = part == number
            cluster = int((region == region[inside][0]).sum())
            expected[int(inside.sum()), cluster, int(inside.any(axis=(1, 2)).sum())] += 1
        assert Counter(mine.lines("area", "cluster", "slices")) == expected
        assert set(mine["whole"].tolist()) == {int((labels == label).sum())}


@settings(max_examples=35)
@given(volumes())
def test_cavities_are_what_scipy_finds_closed_all_round(labels: Labels) -> None:
    tables = measured(labels)
    category = tables.segments["category_id"][tables.cavities["segment"]]
    for label in np.unique(labels[labels > 0]):
        found = tables.cavities.take(category == label)
        outside, _ = ndimage.label(np.pad(labels != label, 1, constant_values=True), CORNERS)
        closed = [np.flatnonzero(outside == number) for number in range(2, outside.max() + 1)]
        around = np.pad(labels, 1).reshape(-1)
        expected = Counter((len(each), not around[each].any()) for each in closed)
        # A hole is empty as a whole where each slice of it is, and so it is here: nothing else fills a part of one.
        assert Counter(found["area"].tolist()) == Counter(area for area, _ in expected.elements())
        for area, empty in found.lines("area", "empty"):
            assert not empty or (area, True) in expected


@settings(max_examples=40)
@given(volumes(1))
def test_a_skip_is_over_and_under_what_is_missing(labels: Labels) -> None:
    tables = measured(labels)
    expected = Counter()
    for at in range(1, len(labels) - 1):
        below, here, above = (ndimage.label(labels[k] == 1)[0] for k in (at - 1, at, at + 1))
        for a in range(1, below.max() + 1):
            for b in range(1, above.max() + 1):
                shared, either = (below == a) & (above == b), (below == a) | (above == b)
                if shared.any() and not here[either].any():
                    expected[at, int(shared.sum()), int(min((below == a).sum(), (above == b).sum()))] += 1
    found = tables.skips.beside(image=tables.annotations["image"][tables.skips["annotation"]])
    assert Counter(found.lines("image", "shared", "smaller")) == expected


def chopped(source: SequenceDataset, draw: st.DataObject) -> list[Ints]:
    """The images in any order, in any portions."""
    order = draw.draw(st.permutations(range(len(source.image_ids))))
    cuts = sorted(draw.draw(st.sets(st.integers(1, len(order)))))
    return [np.array(piece, np.int64) for piece in np.split(np.array(order), cuts) if len(piece)]


@settings(max_examples=15)
@given(volumes(), st.data())
def test_nothing_depends_on_chunks_or_jobs(labels: Labels, data: st.DataObject) -> None:
    source = sequence_dataset(np.concatenate([labels] * 4), kind="volume")
    whole = measure_source(source, FAMILIES, jobs=1)
    cut = measure_source(replace(source, portions=chopped(source, data)), FAMILIES, jobs=2)
    for name in ("solids", "cavities", "skips"):
        told = [
            Counter(getattr(each, name).lines(*(column for column in getattr(each, name).names if column in ROWLESS)))
            for each in (whole, cut)
        ]
        assert told[0] == told[1]


ROWLESS = ("area", "cluster", "slices", "whole", "empty", "shared", "smaller")


def test_a_slice_that_nobody_annotated_parts_what_is_above_and_below() -> None:
    labels = np.ones((3, 2, 2), np.int64)
    assert measured(labels).solids["area"].tolist() == [12]
    apart = measured(labels, unannotated=(1,))
    assert apart.solids["area"].tolist() == [4, 4]
    assert apart.solids["whole"].tolist() == [8, 8]
    assert len(apart.skips) == 0


def test_tracks_are_things_of_their_own() -> None:
    labels = np.array([[[1, 1, 2]], [[2, 1, 1]]])
    tables = measured(labels, tracked=True)
    assert sorted(tables.solids.lines("area", "whole")) == [(1, 2), (1, 2), (4, 4)]


@pytest.mark.parametrize("axis", [1, 2])
def test_mirrored_volumes_have_the_same_solids(axis: int) -> None:
    labels = np.random.default_rng(5).integers(0, 3, (6, 9, 9))
    one, other = measured(labels), measured(np.flip(labels, axis))
    assert Counter(one.solids.lines("area", "cluster")) == Counter(other.solids.lines("area", "cluster"))
    assert Counter(one.cavities["area"].tolist()) == Counter(other.cavities["area"].tolist())


@pytest.mark.parametrize("least", [-0.02, -0.1])
@pytest.mark.parametrize("seed", range(5))
def test_caves_that_reach_out_of_a_sponge_are_no_cavities(seed: int, least: float) -> None:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(8, 14, 16)), 1)
    labels = (noise > least).astype(np.int64)
    tables = measure_source(sequence_dataset(labels, kind="volume"), frozenset({"shapes", "volumes"}), jobs=1)
    number, n = ndimage.label(np.pad(labels == 0, 1, constant_values=True), CORNERS)
    assert sorted(tables.cavities["area"].tolist()) == sorted(int((number == k).sum()) for k in range(2, n + 1))
