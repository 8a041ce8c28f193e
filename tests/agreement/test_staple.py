"""STAPLE: known values, SimpleITK, and annotators of known skill that are found again."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from segdata.agreement.staple import StapleResult, decide_by_staple, disputed_fields, staple
from segdata.agreement.votes import ABSENT, UNDECIDED, UNLABELLED, collect_votes, plurality
from tests.agreement.pattern_maps import pattern_maps
from tests.generators.panels import Panel, panel, panel_of_masks, panels


def of_masks(*masks: np.ndarray) -> StapleResult:
    says = np.stack([mask.ravel() for mask in masks], axis=1).astype(bool)
    return staple(says, np.ones_like(says), np.ones(len(says)))


def square(top: int) -> np.ndarray:
    mask = np.zeros((8, 8), bool)
    mask[top : top + 4, 1:5] = True
    return mask


def test_known_values() -> None:
    found = of_masks(*(np.array(list(row), int) for row in ("001110", "001100", "011110")))
    np.testing.assert_allclose(found.probability, [0, 0, 1, 1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(found.sensitivity, [[1, 2 / 3, 1]], atol=1e-6)
    np.testing.assert_allclose(found.specificity, [[1, 1, 2 / 3]], atol=1e-6)


def test_a_square_that_one_of_three_moved() -> None:
    found = of_masks(square(1), square(2), square(1))
    np.testing.assert_array_equal((found.probability > 0.5).reshape(8, 8), square(1))
    np.testing.assert_allclose(found.sensitivity, [[1, 0.75, 1]], atol=1e-6)
    np.testing.assert_allclose(found.specificity, [[1, 11 / 12, 1]], atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_as_simple_itk(seed: int) -> None:
    sitk = pytest.importorskip("SimpleITK")
    rng = np.random.default_rng(seed)
    truth = rng.random((20, 20)) < 0.4
    masks = [np.where(rng.random((20, 20)) < 0.1 + 0.05 * k, ~truth, truth) for k in range(4)]
    oracle = sitk.STAPLEImageFilter()
    oracle.SetForegroundValue(1)
    wanted = sitk.GetArrayFromImage(oracle.Execute([sitk.GetImageFromArray(each.astype(np.uint8)) for each in masks]))
    found = of_masks(*masks)
    np.testing.assert_allclose(found.probability, wanted.ravel(), atol=1e-5)
    np.testing.assert_allclose(found.sensitivity[0], oracle.GetSensitivity(), atol=1e-5)
    np.testing.assert_allclose(found.specificity[0], oracle.GetSpecificity(), atol=1e-5)


def test_annotators_of_known_skill_are_found_again() -> None:
    rng = np.random.default_rng(0)
    sensitivity, specificity = np.array([0.95, 0.8, 0.7, 0.9]), np.array([0.9, 0.95, 0.85, 0.99])
    truth = rng.random(40_000) < 0.3
    right = np.where(truth[:, None], sensitivity, specificity)
    says = (rng.random((40_000, 4)) < right) == truth[:, None]
    found = staple(says, np.ones_like(says), np.ones(40_000))
    np.testing.assert_allclose(found.sensitivity[0], sensitivity, atol=0.02)
    np.testing.assert_allclose(found.specificity[0], specificity, atol=0.02)
    votes = (says.sum(axis=1) > 2) == truth
    assert ((found.probability > 0.5) == truth).mean() > votes.mean()


@settings(max_examples=10)
@given(st.integers(0, 10_000))
def test_patterns_are_repeated_pixels_and_fields_are_apart(seed: int) -> None:
    """Annotators who are mostly right; some did not judge some pixels."""
    rng = np.random.default_rng(seed)
    truth = rng.random(80) < 0.4
    says, there = truth[:, None] ^ (rng.random((80, 4)) < 0.15), rng.random((80, 4)) < 0.9
    each = staple(says, there, np.ones(80))
    rows, which, n = np.unique(np.hstack([says & there, there]), axis=0, return_inverse=True, return_counts=True)
    few = staple(rows[:, :4], rows[:, 4:], n)
    np.testing.assert_allclose(few.probability[which.reshape(-1)], each.probability, atol=1e-5)
    np.testing.assert_allclose(few.sensitivity, each.sensitivity, atol=1e-5)
    two = staple(np.tile(says, (2, 1)), np.tile(there, (2, 1)), np.repeat([1, 3], 80), np.repeat([0, 1], 80))
    other = staple(says, there, np.full(80, 3))
    np.testing.assert_array_equal(two.probability, np.append(each.probability, other.probability))
    np.testing.assert_array_equal(two.specificity, np.vstack([each.specificity, other.specificity]))


patterns = st.lists(st.tuples(*[st.integers(0, 1)] * 3, st.integers(1, 30)), min_size=1, max_size=8)


@given(patterns)
def test_annotators_who_agree_are_believed(rows: list[tuple[int, ...]]) -> None:
    says = np.repeat(np.array(rows)[:, :1] == 1, 3, axis=1)
    found = staple(says, np.ones_like(says), np.array(rows)[:, 3])
    np.testing.assert_allclose(found.probability, says[:, 0], atol=1e-6)
    np.testing.assert_allclose(found.sensitivity[0], 1.0 if says.any() else np.nan)
    np.testing.assert_allclose(found.specificity[0], 1.0 if not says.all() else np.nan)


def test_nothing_to_judge() -> None:
    nobody = np.zeros((0, 2), bool)
    assert staple(nobody, nobody, np.zeros(0)).probability.tolist() == []
    unseen = staple(np.array([[True, False]]), np.array([[True, False]]), [4])
    np.testing.assert_array_equal(unseen.sensitivity, [[1, np.nan]])


def region(says: np.ndarray, there: np.ndarray, margin: int) -> np.ndarray:
    """The field of one category in one image, from (H, W, R) masks."""
    yes = says & there
    core = yes.any(axis=2) & (~says & there).any(axis=2)
    return ndimage.binary_dilation(core, np.ones((2 * margin + 1, 2 * margin + 1)))


@settings(max_examples=25)
@given(panels(annotators=3), st.integers(0, 2))
def test_fields_are_dilated_masks(drawn: Panel, margin: int) -> None:
    case = np.zeros(drawn.batch.images.num_rows, np.int64)  # all images are one case
    votes = collect_votes(replace(drawn, cases=case))
    found = disputed_fields(votes, margin)
    maps = pattern_maps(drawn, votes)
    judged = (votes.vote != ABSENT) & (votes.vote != 3)
    disputed = set()
    for code in range(3):
        says = (votes.vote == code) & judged
        if (says.any(axis=1) & (~says & judged).any(axis=1)).any():
            disputed.add(code)
            near = np.zeros(len(votes.pixels), int)
            for flat in maps:
                if (flat >= 0).any():
                    inside = region(says[flat], judged[flat], margin)
                    near += np.bincount(flat[inside], minlength=len(near))
            unit = found.category.tolist().index(code)
            mine = found.field == unit
            assert sorted(found.pattern[mine].tolist()) == list(range(len(near)))
            np.testing.assert_array_equal(found.pixels[mine], near[found.pattern[mine]])
            np.testing.assert_array_equal(found.says[mine], (votes.vote == code)[found.pattern[mine]])
    assert set(found.category.tolist()) == disputed


@settings(max_examples=20)
@given(panels(annotators=3))
def test_what_all_say_is_so(drawn: Panel) -> None:
    """And what is decided was said by somebody."""
    votes = collect_votes(drawn)
    category, support = decide_by_staple(votes)
    same = plurality(votes.vote).support == 1
    calm = ~np.isin(votes.case, disputed_fields(votes).case)
    np.testing.assert_array_equal(category[same & calm], votes.vote[same & calm].max(axis=1))
    assert all(code in (*row, UNDECIDED) for code, row in zip(category.tolist(), votes.vote.tolist(), strict=True))
    assert ((support >= 0) & (support <= 1)).all()


@settings(max_examples=20)
@given(panels(annotators=1))
def test_one_annotator_is_right(drawn: Panel) -> None:
    votes = collect_votes(drawn)
    np.testing.assert_array_equal(decide_by_staple(votes).category, votes.vote[:, 0])


@settings(max_examples=30)
@given(st.integers(0, 1000))
def test_one_category_is_plain_staple(seed: int) -> None:
    """In its field, the likely pixels are those more likely than not."""
    rng = np.random.default_rng(seed)
    truth = ndimage.gaussian_filter(rng.normal(size=(16, 16)), 2) > 0
    texts = [
        "\n".join("".join("a" if each else "." for each in row) for row in truth ^ (rng.random((16, 16)) < 0.1))
        for _ in range(3)
    ]
    drawn = panel(*texts)
    votes = collect_votes(drawn)
    found, of = decide_by_staple(votes), disputed_fields(votes)
    plain = staple(of.says, of.present, of.pixels)
    likely = np.zeros(len(votes.pixels))
    likely[of.pattern] = plain.probability
    np.testing.assert_array_equal(found.category == 0, likely > 0.5)
    assert (plain.sensitivity + plain.specificity > 1).all()  # better than chance, also where the truth has few pixels


def simulated(seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """True labels (48, 48), -1 to 2, and those of three annotators of unlike skill."""
    rng = np.random.default_rng(seed)
    field = np.stack([ndimage.gaussian_filter(each, 5) for each in rng.normal(size=(4, 48, 48))])
    noise = [np.stack([ndimage.gaussian_filter(each, 2) for each in rng.normal(size=(4, 48, 48))]) for _ in range(3)]
    said = [field + share * each for share, each in zip((0.1, 0.3, 0.5), noise, strict=True)]
    return field.argmax(axis=0) - 1, [each.argmax(axis=0) - 1 for each in said]


def decided(maps: list[np.ndarray]) -> np.ndarray:
    """(H, W) what is decided of each pixel."""
    layers = [[[(code, flat == code) for code in range(3)]] for flat in maps]
    drawn = panel_of_masks([maps[0].shape], layers, ["stuff"] * 3)
    votes = collect_votes(drawn)
    return decide_by_staple(votes).category[pattern_maps(drawn, votes)[0]]


def test_skill_counts_for_more_than_numbers() -> None:
    """Nearer to the truth than a vote, and as near as SimpleITK's STAPLE of all labels together."""
    sitk = pytest.importorskip("SimpleITK")
    right = []
    for seed in range(4):
        truth, maps = simulated(seed)
        oracle = sitk.MultiLabelSTAPLEImageFilter()
        likely = oracle.Execute([sitk.GetImageFromArray((each + 1).astype(np.uint8)) for each in maps])
        most = plurality(np.stack([each.ravel() for each in maps], axis=1)).category.reshape(truth.shape)
        answers = decided(maps), sitk.GetArrayFromImage(likely).astype(int) - 1, most
        right.append([(each == truth).mean() for each in answers])
    mine, oracles, voters = np.mean(right, axis=0)
    assert mine > voters
    assert mine > oracles - 0.01


def test_order_of_annotators_does_not_matter() -> None:
    _, maps = simulated(9)
    np.testing.assert_array_equal(decided(maps), decided(maps[::-1]))


def test_categories_that_all_are_wrong_about_unlike() -> None:
    """Two say a, one b; the pixel that only one left out is no gap."""
    drawn = panel("aaabbb", "aaabbb", "aabbb.")
    votes = collect_votes(drawn)
    (patterns,) = pattern_maps(drawn, votes)
    assert decide_by_staple(votes, margin=1).category[patterns].tolist() == [[0, 0, 0, 1, 1, 1]]


def test_two_who_differ_leave_it_undecided() -> None:
    drawn = panel("aa..", "a..a")
    votes = collect_votes(drawn)
    category = decide_by_staple(votes).category
    differ = votes.vote[:, 0] != votes.vote[:, 1]
    assert set(category[differ].tolist()) == {UNDECIDED}
    assert set(category[~differ].tolist()) == {0, UNLABELLED}
