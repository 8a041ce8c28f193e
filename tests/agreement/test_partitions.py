"""How annotators part pixels into segments, held against scikit-learn, scikit-image and the definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import variation_of_information as their_information
from sklearn.metrics import adjusted_rand_score

from segdata.agreement.contingency import measure_partitions
from segdata.agreement.metrics.adjusted_rand import adjusted_rand
from segdata.agreement.metrics.segmentation_covering import segmentation_covering
from segdata.agreement.metrics.variation_of_information import variation_of_information
from segdata.agreement.paired_segments import AnnotatorPair, pair_annotators
from tests.generators.panels import Layers, panel_of_masks

Labels = np.ndarray
COLUMNS = ("squares_both", "squares_a", "squares_b", "pixels")
LOGS = ("logs_both", "logs_a", "logs_b", "pixels")
COVERED = ("covered_a", "area_a", "covered_b", "area_b")


def layers(labels: Labels, categories: Labels) -> Layers:
    """Each label's pixels under its category; 0 is no label."""
    return [(int(categories[label]), labels == label) for label in np.unique(labels).tolist() if label]


def compared(first: list[Labels], second: list[Labels], categories: Labels, kinds: tuple[str, ...]) -> AnnotatorPair:
    sizes = [labels.shape for labels in first]
    drawn = [[layers(labels, categories) for labels in side] for side in (first, second)]
    (pair,) = pair_annotators(panel_of_masks(sizes, drawn, kinds))
    return pair


def covering(first: Labels, second: Labels) -> float:
    """The covering of the first by the second, by the definition."""
    total, every = 0.0, 0
    for label in np.unique(first[first > 0]).tolist():
        region = first == label
        others = [second == other for other in np.unique(second[second > 0]).tolist()]
        total += region.sum() * max((float((region & o).sum() / (region | o).sum()) for o in others), default=0.0)
        every += int(region.sum())
    return total / every if every else 0.0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(0, 5))
def test_the_measures_are_those_of_other_packages(seed: int, n_images: int, n_labels: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = (
        [rng.integers(0, n_labels + 1, (rng.integers(2, 7), 5)) for _ in range(n_images)] for _ in range(2)
    )
    second = [np.where(rng.random(a.shape) < 0.6, a, np.resize(b, a.shape)) for a, b in zip(first, second, strict=True)]
    categories = np.append(0, rng.integers(0, 2, n_labels))
    found = measure_partitions(compared(first, second, categories, ("thing", "thing")))
    of_image = {key: k for k, key in enumerate(zip(found["pair"].tolist(), found["category"].tolist(), strict=True))}
    ours = adjusted_rand(*(found[name] for name in COLUMNS))
    bits = variation_of_information(*(found[name] for name in LOGS))
    covered = segmentation_covering(*(found[name] for name in COVERED))
    for image, (a, b) in enumerate(zip(first, second, strict=True)):
        for category in (0, 1):
            of_a, of_b = (np.where((side > 0) & (categories[side] == category), side, 0) for side in (a, b))
            k = of_image.pop((image, category), None)
            assert (k is None) == (not of_a.any() and not of_b.any())
            if k is None:
                continue
            if np.isnan(ours[k]):
                assert len(np.unique(of_a)) == len(np.unique(of_b)) == 1 or of_a.size == len(np.unique(of_a))
            else:
                assert ours[k] == pytest.approx(adjusted_rand_score(of_a.ravel(), of_b.ravel()), abs=1e-12)
            # scikit-image names the parts by the first image: H(second | first), H(first | second)
            assert sorted([bits.split[k], bits.merge[k]]) == pytest.approx(sorted(their_information(of_a, of_b)))
            assert covered[k] == pytest.approx((covering(of_a, of_b) + covering(of_b, of_a)) / 2)
    assert not of_image


def test_split_and_merge_are_told_apart() -> None:
    whole, halves = np.ones((4, 4), int), np.repeat([[1, 1, 2, 2]], 4, axis=0)
    found = measure_partitions(compared([whole], [halves], np.array([0, 0, 0]), ("thing",)))
    bits = variation_of_information(*(found[name] for name in LOGS))
    assert (float(bits.split[0]), float(bits.merge[0])) == (1.0, 0.0)
    found = measure_partitions(compared([halves], [whole], np.array([0, 0, 0]), ("thing",)))
    bits = variation_of_information(*(found[name] for name in LOGS))
    assert (float(bits.split[0]), float(bits.merge[0])) == (0.0, 1.0)


def test_swapping_annotators_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    first, second = ([rng.integers(0, 4, (6, 6)) for _ in range(3)] for _ in range(2))
    there = measure_partitions(compared(first, second, np.zeros(4, int), ("thing",)))
    back = measure_partitions(compared(second, first, np.zeros(4, int), ("thing",)))
    for names, function in ((COLUMNS, adjusted_rand), (COVERED, segmentation_covering)):
        assert np.allclose(*(function(*(found[name] for name in names)) for found in (there, back)))


def test_what_is_void_for_either_does_not_count() -> None:
    a = np.array([[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 3, 3]])
    b = np.array([[1, 1, 1, 2], [1, 1, 1, 2], [2, 2, 1, 1]])
    categories = np.array([0, 0, 0, 1])
    found = measure_partitions(compared([a], [b], categories, ("thing", "void")))
    kept = a != 3
    assert found["pixels"].tolist() == [kept.sum()]
    ours = adjusted_rand(*(found[name] for name in COLUMNS))
    assert ours[0] == pytest.approx(adjusted_rand_score(a[kept], b[kept]))


def test_stuff_and_class_masks_have_no_partitions() -> None:
    a, b = np.array([[1, 1, 2, 2]]), np.array([[1, 2, 2, 2]])
    assert not len(measure_partitions(compared([a], [b], np.array([0, 0, 0]), ("stuff",)))["pair"])
    pair = compared([a], [b], np.array([0, 0, 0]), ("thing",))
    assert not len(measure_partitions(pair, is_counted=False)["pair"])


def test_what_another_category_covers_plays_no_part() -> None:
    """Nuclei upon cells: each category has the partition that it would have by itself."""
    rng = np.random.default_rng(4)
    cells, nuclei = ([rng.integers(0, 4, (8, 9)) for _ in range(2)] for _ in range(2))
    sides = [
        [[(0, mine == k) for k in (1, 2, 3)] + [(1, other == k) for k in (1, 2, 3)]]
        for mine, other in zip(cells, nuclei, strict=True)
    ]
    (pair,) = pair_annotators(panel_of_masks([(8, 9)], sides, ("thing", "thing")))
    found = measure_partitions(pair)
    for category, (a, b) in enumerate((cells, nuclei)):
        alone = measure_partitions(compared([a], [b], np.zeros(4, int), ("thing",)))
        for name in set(found) - {"category"}:
            assert found[name][category] == pytest.approx(alone[name][0]), name


def test_of_segments_of_one_category_the_one_drawn_last_has_a_pixel() -> None:
    wide, narrow = np.array([[True, True, True, False]]), np.array([[False, False, True, True]])
    sides = [[[(0, wide), (0, narrow)]], [[(0, wide & ~narrow), (0, narrow)]]]
    (pair,) = pair_annotators(panel_of_masks([(1, 4)], sides, ("thing",)))
    found = measure_partitions(pair)
    assert (found["area_a"].tolist(), found["covered_a"].tolist()) == ([4.0], [4.0])


def test_what_rounding_leaves_is_nothing() -> None:
    """One segment on all pixels, whose sums are off by the last bit."""
    n = 2000
    squares = float(np.nextafter(float(n * n), 0))
    assert np.isnan(adjusted_rand(squares, squares, squares, n))
    found = variation_of_information(np.nextafter(2.0, 3), 2.0, 2.0, 2)
    assert [float(bits) for bits in found] == [0, 0, 0]
    assert float(segmentation_covering([1.0], [1], [1.0], [1])[0]) == 1
