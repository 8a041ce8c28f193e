"""Left-out labels: an image almost without labels is told from one in which the model sees what is not there."""

from dataclasses import replace

import numpy as np
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st

from segdata.core.runs import Flags, Ints
from segdata.noise.appearance import GreyImage
from segdata.noise.candidates import find_candidates
from segdata.noise.left_out import SeenParts, describe_seen_parts, left_out_probability
from segdata.noise.predictor import ImagePrediction
from segdata.noise.segments import SegmentSet
from tests.generators.oracle import blobs, oracle_evidence

THINGS = np.array([False, True])
SEEDS = st.integers(0, 10_000)


def seen(rng: np.random.Generator, real: int, false: int, labelled: int | None = None, alike: float = 0.0) -> SeenParts:
    """An image in which a model sees real things, of which the first have labels, and things that are not there.

    The latter differ from the former by four standard deviations; less by `alike`.
    """
    is_real = np.arange(real + false) < real
    x = rng.normal(0, 1, (real + false, 3)) + np.where(is_real, 2.0, -2.0 + 4 * alike)[:, None] / np.sqrt(3)
    with_label = np.arange(real + false) < (real if labelled is None else labelled)
    one = np.ones(real + false, np.int64)
    none = np.empty(0, np.int64)
    return SeenParts(x, one, 50 * one, with_label, with_label, ~with_label, none, none)


def probability(pages: list[SeenParts], known: Flags | None = None) -> list[np.ndarray]:
    n = len(pages)
    every = np.ones(n, bool) if known is None else known
    return left_out_probability(pages, np.arange(n) % 5, every, np.array([True, True]))


@settings(max_examples=15, deadline=None)
@any_of(SEEDS, st.integers(1, 3), st.integers(5, 20))
def test_an_image_of_few_things_is_no_image_almost_without_labels(seed: int, few: int, false: int) -> None:
    rng = np.random.default_rng(seed)
    pages = [seen(rng, int(rng.integers(3, 9)), int(rng.poisson(1))) for _ in range(30)]
    pages.append(seen(rng, few, false))  # one label, and ten dry leaves that the model takes for plants
    assert not any(one.any() for one in probability(pages))


@settings(max_examples=15, deadline=None)
@any_of(SEEDS)
def test_it_is_quiet_where_false_predictions_differ_much_between_images(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.negative_binomial(0.3, 0.05, 40)  # mean 6, of which a few images have most
    pages = [seen(rng, int(rng.integers(1, 12)), int(n)) for n in counts]
    assert not any(one.any() for one in probability(pages))


@settings(max_examples=15, deadline=None)
@any_of(SEEDS, st.integers(15, 60))
def test_what_was_left_out_of_an_image_is_found(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    pages = [seen(rng, 15, int(rng.negative_binomial(1, 0.3))) for _ in range(12)]
    pages.append(seen(rng, n, 3, labelled=2))
    result = probability(pages)
    assert not any(one.any() for one in result[:-1])
    assert result[-1][2:n].mean() > 0.2  # few images tell how alike parts of one image are
    assert result[-1][2:n].mean() > result[-1][n:].mean()
    assert (result[-1][:2] == 0).all()
    assert not probability(pages, known=np.arange(13) < 12)[-1].any()


@settings(max_examples=10, deadline=None)
@any_of(SEEDS, st.integers(20, 60))
def test_crumbs_of_stuff_are_not_left_out_of_an_image_whose_stuff_has_its_label(seed: int, crumbs: int) -> None:
    """A net of membranes is one part with a label; that it has many pieces to a model says nothing of its label."""
    rng = np.random.default_rng(seed)
    pages = [replace(seen(rng, crumbs, 5, labelled=4), area=np.append(9000, np.full(crumbs + 4, 30))) for _ in range(7)]
    assert not any(one.any() for one in probability(pages))


def test_where_the_real_and_the_false_look_the_same_nothing_is_left_out() -> None:
    rng = np.random.default_rng(0)
    pages = [seen(rng, 10, 10, alike=1.0) for _ in range(12)] + [seen(rng, 2, 12, alike=1.0)]
    assert not any(one.any() for one in probability(pages))


def test_too_little_to_learn_from_says_nothing() -> None:
    no = np.zeros(0, np.int64)
    nowhere = np.zeros(0, bool)
    nothing = SeenParts(np.zeros((0, 3)), no, no, nowhere, nowhere, nowhere, no, no)
    assert [len(one) for one in probability([nothing, nothing])] == [0, 0]
    rng = np.random.default_rng(0)
    assert not probability([seen(rng, 2, 9, labelled=1), nothing])[0].any()


@settings(max_examples=10, deadline=None)
@any_of(SEEDS)
def test_regions_name_the_things_that_have_no_label(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clean = blobs(rng, height=130, n=20)
    prediction = oracle_evidence(clean, THINGS, rng)
    some: SegmentSet = clean.take(np.arange(len(clean) // 2))
    candidates = find_candidates(some, prediction, THINGS)
    page = describe_seen_parts(prediction, some, candidates, None)
    named: Ints = page.region[page.region >= 0]
    assert len(named) == len(candidates.regions)
    assert not page.labelled[named].any()
    assert (~page.labelled).sum() == len(named)
    assert np.isfinite(page.x).all()


def test_an_image_in_which_nothing_is_predicted_has_no_parts() -> None:
    clean = blobs(np.random.default_rng(0), height=40, width=50, n=3)
    nothing = np.zeros((2, 40, 50), np.float32)
    nothing[0] = 1
    prediction = ImagePrediction.from_probabilities(nothing)
    candidates = find_candidates(clean, prediction, THINGS)
    page = describe_seen_parts(prediction, clean, candidates, GreyImage(np.zeros((50, 40), np.float32)))
    assert page.x.shape == (0, 10)
    assert (page.region == -1).all()
