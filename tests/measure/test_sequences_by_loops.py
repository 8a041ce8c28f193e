"""Tables of videos and volumes whose labels are blobs with parts and holes, against dense masks and scipy."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from segdata.core.rule import Family, Tables
from segdata.measure.measure import measure_source
from tests.generators.sequences import sequence_dataset

Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]
SEEDS = range(12)


def blobs(seed: int, n: int = 6, size: tuple[int, int] = (24, 31), fine: float = 1.5, steady: float = 1.2) -> Labels:
    """Labels 0 to 3 that change from frame to frame, with specks."""
    rng = np.random.default_rng(seed)
    noise = np.stack([ndimage.gaussian_filter(rng.normal(size=(n, *size)), (steady, fine, fine)) for _ in range(4)])
    labels = noise.argmax(axis=0)
    specks = rng.random(labels.shape) < 0.03
    labels[specks] = rng.integers(0, 4, int(specks.sum()))
    labels[rng.integers(n)][labels[0] == 2] = 0
    return np.asarray(labels, np.int64)


def measured(labels: Labels, *families: Family, **how: Any) -> Tables:  # Any: arguments of `sequence_dataset`
    return measure_source(sequence_dataset(labels, **how), frozenset(families), jobs=1)


def box_of(mask: Mask) -> tuple[int, int, int, int]:
    y, x = np.nonzero(mask)
    return int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["video", "volume"])
def test_how_labels_go_on_counts_each_category_and_track_but_void(seed: int, kind: str) -> None:
    labels = blobs(seed)
    if seed % 3 == 0:
        labels[2] = 0
    tables = measured(labels, "succession", kind=kind, tracked=seed % 2 == 0, void=(3,))
    expected = Counter()
    pairs = [(k, 1, labels[k - 1], labels[k]) for k in range(1, 6)]
    pairs += [(k, 2, labels[k - 1], labels[k + 1]) for k in range(1, 5)]
    for k, lag, one, other in pairs:
        shared = sum(int(((one == label) & (other == label)).sum()) for label in (1, 2))
        either = sum(int(((one == label) | (other == label)).sum()) for label in (1, 2))
        expected[k, lag, shared, either] += 1
    assert Counter(tables.succession.lines("annotation", "lag", "shared", "either")) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_stray_parts_have_the_box_of_the_largest(seed: int) -> None:
    labels = blobs(seed, fine=2.5, steady=2.0)
    tables = measured(labels, "frames", tracked=True)
    segments = tables.segments
    names = ("stray", "stray_x", "stray_y", "stray_width", "stray_height")
    n_stray = 0
    for before, segment, after, *found in tables.turns.lines("before", "segment", "after", *names):
        frame, label = int(segments["annotation"][segment]), int(segments["category_id"][segment])
        assert [int(segments["annotation"][row]) for row in (before, after)] == [frame - 1, frame + 1]
        ends = [labels[k] == label for k in (frame - 1, frame + 1)]
        centres = [np.array(ndimage.center_of_mass(one)) for one in ends]
        steps = [np.rint(np.round((centres[0] + centres[1]) / 2 - own, 9)).astype(int) for own in centres]
        ends = [np.roll(np.pad(one, 40), step, axis=(0, 1)) for one, step in zip(ends, steps, strict=True)]
        here = np.pad(labels[frame] == label, 40)
        part, n = ndimage.label(here, np.ones((3, 3)))
        stray = [part == k for k in range(1, n + 1) if n > 1 and not ((part == k) & (ends[0] | ends[1])).any()]
        if not stray:
            assert found == [0] * 5
            continue
        n_stray += 1
        most = max(int(one.sum()) for one in stray)
        boxes = [(x - 40, y - 40, w, h) for x, y, w, h in (box_of(one) for one in stray if one.sum() == most)]
        assert found[0] == most
        assert tuple(found[1:]) in boxes
    assert n_stray > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_flickers_have_a_box_and_are_of_a_part(seed: int) -> None:
    labels = blobs(seed, fine=4, steady=0.5, size=(40, 50))
    labels[labels == 0] = 1
    tables = measured(labels, "frames")
    expected = Counter()
    for frame in range(1, 5):
        before, here, after = labels[frame - 1 : frame + 2]
        for around in (1, 2, 3):
            core = ndimage.binary_erosion((before == around) & (after == around) & (here != around), np.ones((5, 5)))
            for shown in (1, 2, 3):
                part, n = ndimage.label(here == shown)
                for k in range(1, n + 1):
                    if (core & (part == k)).any():
                        own = core & (part == k)
                        expected[frame, shown, around, int(own.sum()), *box_of(own), int((part == k).sum())] += 1
    shown = tables.segments["category_id"][tables.flickers["segment"]]
    columns = ("annotation", "shown", "category_id", "area", "x", "y", "width", "height", "part")
    assert Counter(tables.flickers.beside(shown=shown).lines(*columns)) == expected
    assert expected


@pytest.mark.parametrize("seed", SEEDS)
def test_solids_cavities_and_skips_have_boxes(seed: int) -> None:
    labels = blobs(seed, n=7, fine=1.0, steady=0.8, size=(12, 15))
    tables = measured(labels, "shapes", "parts", "holes", "volumes", kind="volume")
    box = ("x", "y", "width", "height")
    category = tables.segments["category_id"]
    for label in (1, 2, 3):
        solid, n = ndimage.label(labels == label)
        found = tables.solids.take(category[tables.solids["segment"]] == label)
        assert Counter(found["area"].tolist()) == Counter((solid == k).sum() for k in range(1, n + 1))
        slice_of = tables.segments["annotation"][found["segment"]]
        for area, *own, at in found.beside(at=slice_of).lines("area", *box, "at"):
            assert (area, at, tuple(own)) in [one for k in range(1, n + 1) for one in _largest_parts(solid == k)]
    skips = Counter()
    for k in range(1, 6):
        for label in (1, 2, 3):
            below, here, above = (ndimage.label(labels[j] == label)[0] for j in (k - 1, k, k + 1))
            for a in range(1, below.max() + 1):
                for b in np.unique(above[(below == a) & (above > 0)]).tolist():
                    shared, either = (below == a) & (above == b), (below == a) | (above == b)
                    if not here[either].any():
                        size = min(int((below == a).sum()), int((above == b).sum()))
                        skips[k, label, int(shared.sum()), size, *box_of(shared)] += 1
    label_of = category[tables.skips["before"]]
    found = tables.skips.beside(label=label_of)
    assert Counter(found.lines("annotation", "label", "shared", "smaller", *box)) == skips
    owner = tables.segments["annotation"]
    assert (owner[tables.skips["before"]] == tables.skips["annotation"] - 1).all()
    assert (owner[tables.skips["after"]] == tables.skips["annotation"] + 1).all()


def _largest_parts(solid: Mask) -> list[tuple[int, int, tuple[int, ...]]]:
    """The voxels of a solid, the slice that has the largest part of it, and the part's box; several if as large."""
    parts = []
    for at, own in enumerate(solid):
        part, n = ndimage.label(own)
        parts += [(int((part == k).sum()), at, box_of(part == k)) for k in range(1, n + 1)]
    most = max(size for size, *_ in parts)
    return [(int(solid.sum()), at, box) for size, at, box in parts if size == most]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_frame_with_all_segments_of_the_one_before_repeats_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = blobs(seed, n=8)
    for k in rng.permutation(np.arange(1, 8))[:4]:
        labels[k] = labels[k - 1]
    for k in rng.permutation(np.arange(1, 8))[:2]:
        y, x = rng.integers(0, 24), rng.integers(0, 31)
        labels[k, y, x] = (labels[k, y, x] + 1) % 4
    labels[0] = labels[1] if seed % 2 else 0
    expected = [(k, k - 1) for k in range(1, 8) if (labels[k] == labels[k - 1]).all() and labels[k].any()]
    assert list(measured(labels, "frames").still.lines("annotation", "of")) == expected
