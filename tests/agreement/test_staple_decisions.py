"""Fields against dense masks that are dilated, and what is decided in them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from segdata.agreement.consensus_pixels import UNDECIDED, plurality
from segdata.agreement.staple import EXTENTS, Extent, decide_by_staple, disputed_fields, staple
from segdata.agreement.votes import ABSENT, UNLABELLED, collect_votes
from segdata.core.errors import SegdataError
from tests.agreement.pattern_maps import pattern_maps
from tests.generators.panels import Panel, panel, panel_of_masks, panels


def region(says: np.ndarray, there: np.ndarray, extent: Extent, margin: int) -> np.ndarray:
    """The field of one category in one image, from (H, W, R) masks."""
    yes = says & there
    core = yes.any(axis=2) & ((~says & there).any(axis=2) if extent == "band" else True)
    if extent == "image":
        return np.ones(core.shape, bool)
    if extent == "box" and core.any():
        rows, columns = (np.flatnonzero(core.any(axis=axis)) for axis in (1, 0))
        core[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return ndimage.binary_dilation(core, np.ones((2 * margin + 1, 2 * margin + 1)))


@settings(max_examples=60)
@given(panels(annotators=3), st.sampled_from(EXTENTS), st.integers(0, 2))
def test_fields_are_dilated_masks(drawn: Panel, extent: Extent, margin: int) -> None:
    case = np.zeros(drawn.batch.images.num_rows, np.int64)  # all images are one case
    votes = collect_votes(drawn.batch, drawn.annotators, drawn.categories, case=case)
    found = disputed_fields(votes, extent, margin)
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
                    inside = region(says[flat], judged[flat], extent, margin)
                    near += np.bincount(flat[inside], minlength=len(near))
            unit = found.category.tolist().index(code)
            mine = found.field == unit
            assert sorted(found.pattern[mine].tolist()) == list(range(len(near)))
            np.testing.assert_array_equal(found.pixels[mine], near[found.pattern[mine]])
            np.testing.assert_array_equal(found.says[mine], (votes.vote == code)[found.pattern[mine]])
    assert set(found.category.tolist()) == disputed


@settings(max_examples=40)
@given(panels(annotators=3), st.sampled_from(EXTENTS))
def test_what_all_say_is_so(drawn: Panel, extent: Extent) -> None:
    """And what is decided was said by somebody."""
    votes = collect_votes(drawn.batch, drawn.annotators, drawn.categories)
    category, support = decide_by_staple(votes, extent).decided
    same = plurality(votes.vote).support == 1
    calm = ~np.isin(votes.case, disputed_fields(votes, extent).case)
    np.testing.assert_array_equal(category[same & calm], votes.vote[same & calm].max(axis=1))
    assert all(code in (*row, UNDECIDED) for code, row in zip(category.tolist(), votes.vote.tolist(), strict=True))
    assert ((support >= 0) & (support <= 1)).all()


@settings(max_examples=20)
@given(panels(annotators=1))
def test_one_annotator_is_right(drawn: Panel) -> None:
    votes = collect_votes(drawn.batch, drawn.annotators, drawn.categories)
    np.testing.assert_array_equal(decide_by_staple(votes).decided.category, votes.vote[:, 0])


@settings(max_examples=30)
@given(st.integers(0, 1000), st.sampled_from(EXTENTS))
def test_one_category_is_plain_staple(seed: int, extent: Extent) -> None:
    """In its field, the likely pixels are those more likely than not."""
    rng = np.random.default_rng(seed)
    truth = ndimage.gaussian_filter(rng.normal(size=(16, 16)), 2) > 0
    texts = [
        "\n".join("".join("a" if each else "." for each in row) for row in truth ^ (rng.random((16, 16)) < 0.1))
        for _ in range(3)
    ]
    drawn = panel(*texts)
    votes = collect_votes(drawn.batch, drawn.annotators, drawn.categories)
    found, of = decide_by_staple(votes, extent), disputed_fields(votes, extent)
    plain = staple(of.says, of.there, of.pixels)
    likely = np.zeros(len(votes.pixels))
    likely[of.pattern] = plain.probability
    np.testing.assert_array_equal(found.decided.category == 0, likely > 0.5)
    np.testing.assert_allclose(found.sensitivity, plain.sensitivity, atol=1e-6)
    assert ((found.sensitivity > 0.5) & (found.specificity > 0.5)).all()


def simulated(seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """True labels (48, 48), -1 to 2, and those of three annotators of unlike skill."""
    rng = np.random.default_rng(seed)
    field = np.stack([ndimage.gaussian_filter(each, 5) for each in rng.normal(size=(4, 48, 48))])
    noise = [np.stack([ndimage.gaussian_filter(each, 2) for each in rng.normal(size=(4, 48, 48))]) for _ in range(3)]
    said = [field + share * each for share, each in zip((0.1, 0.3, 0.5), noise, strict=True)]
    return field.argmax(axis=0) - 1, [each.argmax(axis=0) - 1 for each in said]


def decided(maps: list[np.ndarray], extent: Extent) -> np.ndarray:
    """(H, W) what is decided of each pixel."""
    layers = [[[(code, flat == code) for code in range(3)]] for flat in maps]
    drawn = panel_of_masks([maps[0].shape], layers, ["stuff"] * 3)
    votes = collect_votes(drawn.batch, drawn.annotators, drawn.categories)
    return decide_by_staple(votes, extent).decided.category[pattern_maps(drawn, votes)[0]]


@pytest.mark.parametrize("extent", EXTENTS)
def test_skill_counts_for_more_than_numbers(extent: Extent) -> None:
    """Nearer to the truth than a vote, and as near as SimpleITK's STAPLE of all labels together."""
    sitk = pytest.importorskip("SimpleITK")
    right = []
    for seed in range(4):
        truth, maps = simulated(seed)
        oracle = sitk.MultiLabelSTAPLEImageFilter()
        likely = oracle.Execute([sitk.GetImageFromArray((each + 1).astype(np.uint8)) for each in maps])
        most = plurality(np.stack([each.ravel() for each in maps], axis=1)).category.reshape(truth.shape)
        answers = decided(maps, extent), sitk.GetArrayFromImage(likely).astype(int) - 1, most
        right.append([(each == truth).mean() for each in answers])
    mine, oracles, voters = np.mean(right, axis=0)
    assert mine > voters
    assert mine > oracles - 0.01


@pytest.mark.parametrize("extent", EXTENTS)
def test_order_of_annotators_does_not_matter(extent: Extent) -> None:
    _, maps = simulated(9)
    np.testing.assert_array_equal(decided(maps, extent), decided(maps[::-1], extent))


def test_categories_that_all_are_wrong_about_unlike() -> None:
    """Two say a, one b; the pixel that only one left out is no gap."""
    drawn = panel("aaabbb", "aaabbb", "aabbb.")
    votes = collect_votes(drawn.batch, drawn.annotators, drawn.categories)
    (patterns,) = pattern_maps(drawn, votes)
    assert decide_by_staple(votes, margin=1).decided.category[patterns].tolist() == [[0, 0, 0, 1, 1, 1]]


def test_two_who_differ_leave_it_undecided() -> None:
    drawn = panel("aa..", "a..a")
    votes = collect_votes(drawn.batch, drawn.annotators, drawn.categories)
    category = decide_by_staple(votes).decided.category
    differ = votes.vote[:, 0] != votes.vote[:, 1]
    assert set(category[differ].tolist()) == {UNDECIDED}
    assert set(category[~differ].tolist()) == {0, UNLABELLED}


def test_an_unknown_extent() -> None:
    drawn = panel("a", ".")
    with pytest.raises(SegdataError, match="extent"):
        disputed_fields(collect_votes(drawn.batch, drawn.annotators, drawn.categories), "everything")  # type: ignore[arg-type]  # wrong
