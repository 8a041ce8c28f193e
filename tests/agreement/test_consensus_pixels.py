"""Plurality and majority of votes: counted one by one, as SimpleITK's LabelVoting."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.agreement.consensus_pixels import UNDECIDED, majority, plurality
from segdata.agreement.votes import ABSENT, UNLABELLED, collect_votes
from tests.agreement.pattern_maps import pattern_maps
from tests.generators.panels import panel

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


def test_three_annotators_of_one_picture() -> None:
    drawn = panel("aab\n.bb", "aaa\n.bb", "abb\n..b")
    votes = collect_votes(drawn.batch, drawn.annotators, drawn.categories)
    (patterns,) = pattern_maps(drawn, votes)
    category = plurality(votes.vote).category[patterns]
    assert category.tolist() == [[0, 0, 1], [UNLABELLED, 1, 1]]
