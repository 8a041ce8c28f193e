"""Plurality and majority of votes: counted one by one, as SimpleITK's LabelVoting, and painted back."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.agreement.consensus.majority import UNDECIDED, majority, plurality
from segdata.agreement.consensus.painting import painted
from segdata.agreement.pixels.voting import ABSENT, UNLABELLED, voted
from segdata.testing.dense import masks_of_runs
from segdata.testing.panels import Panel, panel, panels

ballots = st.integers(1, 5).flatmap(
    lambda n: st.lists(st.lists(st.integers(-2, 2), min_size=n, max_size=n), min_size=1, max_size=8)
)


@given(ballots)
def test_votes_are_counted(rows: list[list[int]]) -> None:
    most, more = plurality(np.array(rows)), majority(np.array(rows))
    for k, row in enumerate(rows):
        count = Counter(vote for vote in row if vote != ABSENT).most_common()
        if not count:
            assert most.category[k] == UNDECIDED
            assert np.isnan(most.support[k])
            continue
        tie = len(count) > 1 and count[1][1] == count[0][1]
        assert most.category[k] == (UNDECIDED if tie else count[0][0])
        np.testing.assert_allclose(most.support[k], count[0][1] / sum(n for _, n in count))
        half = 2 * count[0][1] > sum(n for _, n in count)
        assert more.category[k] == (count[0][0] if half else UNDECIDED)


@given(ballots, st.integers(0, 99))
def test_order_of_annotators_does_not_matter(rows: list[list[int]], seed: int) -> None:
    votes = np.array(rows)
    order = np.random.default_rng(seed).permutation(votes.shape[1])
    np.testing.assert_array_equal(plurality(votes).category, plurality(votes[:, order]).category)


@given(ballots, st.lists(st.integers(0, 3), min_size=5, max_size=5))
def test_weights_are_repeated_annotators(rows: list[list[int]], weight: list[int]) -> None:
    votes = np.array(rows)
    weight = weight[: votes.shape[1]]
    repeated = np.repeat(votes, weight, axis=1)
    np.testing.assert_array_equal(plurality(votes, weight).category, plurality(repeated).category)


@pytest.mark.parametrize("seed", range(3))
def test_as_label_voting(seed: int) -> None:
    sitk = pytest.importorskip("SimpleITK")
    votes = np.random.default_rng(seed).integers(0, 4, (200, 4))
    images = [sitk.GetImageFromArray(row.reshape(10, 20).astype(np.uint8)) for row in votes.T]
    wanted = sitk.GetArrayFromImage(sitk.LabelVoting(images, 9)).ravel().astype(int)
    found = plurality(votes).category
    np.testing.assert_array_equal(np.where(found == UNDECIDED, 9, found), wanted)


def test_a_known_vote() -> None:
    votes = np.array([list("0112"), list("0121"), list("0220")], int).T
    assert plurality(votes).category.tolist() == [0, 1, 2, UNDECIDED]


@settings(max_examples=40)
@given(panels(annotators=3))
def test_what_is_painted_is_what_was_decided(drawn: Panel) -> None:
    """Every pixel gets the decision on its own votes; runs are sorted, apart and as long as they can be."""
    votes = voted(drawn.batch, drawn.annotators, drawn.categories)
    category = plurality(votes.vote).category
    found = painted(votes, category)
    height, width = (side[found.image] for side in drawn.batch.image_size)
    found.runs.checked(height, width)
    wanted = {}
    frame, x, y = votes.line.lower(votes.pieces.start)
    for i, n in enumerate(votes.pieces.end - votes.pieces.start):
        code = category[votes.pieces.owner[i]]
        if code != UNLABELLED:
            size = tuple(int(side[frame[i]]) for side in drawn.batch.image_size)
            mask = wanted.setdefault((int(frame[i]), int(code)), np.zeros(size, bool))
            mask[y[i] : y[i] + n, x[i]] = True
    keys = list(zip(found.image.tolist(), found.category.tolist(), strict=True))
    assert keys == sorted(wanted)
    for key, mask in zip(keys, masks_of_runs(found.runs, height, width), strict=True):
        np.testing.assert_array_equal(mask, wanted[key])
    end = found.runs.start + found.runs.length
    touching = (found.runs.owner[1:] == found.runs.owner[:-1]) & (found.runs.start[1:] == end[:-1])
    assert not (touching & (found.runs.start[1:] % height[found.runs.owner[1:]] != 0)).any()


def test_three_annotators_of_one_picture() -> None:
    drawn = panel("aab\n.bb", "aaa\n.bb", "abb\n..b")
    votes = voted(drawn.batch, drawn.annotators, drawn.categories)
    found = painted(votes, plurality(votes.vote).category)
    masks = masks_of_runs(found.runs, *(side[found.image] for side in drawn.batch.image_size))
    assert found.category.tolist() == [0, 1]
    assert masks[0].tolist() == [[True, True, False], [False, False, False]]
    assert masks[1].tolist() == [[False, False, True], [False, True, True]]
