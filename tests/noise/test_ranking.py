"""Scores: planted mistakes come out on top, whatever the seed, and more of them than by the mean of pixels."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from segdata.core.runs import Flags
from segdata.noise import ranking
from segdata.noise.calibration import assign_folds, recalibrate
from segdata.noise.corruptions import CorruptionRates, corrupt_labels, match_corruptions
from segdata.noise.error_types import TYPES
from segdata.noise.evaluation import EvaluatedRanking, auroc, detection_quality
from segdata.noise.features import softmin
from segdata.noise.novelty import MODEL_FREE
from segdata.noise.predictor import ImagePrediction
from segdata.noise.proposals import propose_for_annotated, propose_for_region
from segdata.noise.ranking import (
    EVIDENCE_PER_LABEL,
    FAIR_ODDS,
    LIKELY_ODDS,
    STRONG_EVIDENCE,
    ImageFeatures,
    RankedCandidates,
    corrupted_copies,
    image_features,
    rank_candidates,
)
from segdata.noise.segments import VOID, SegmentSet, runs_of_pixels
from segdata.noise.thresholds import CategoryTrust, candidates_above, category_trust, flag_thresholds, judged_candidates
from tests.generators.oracle import blobs, oracle_evidence, patches
from tests.noise.moved import moved_by

THINGS, STUFF = np.array([False, True]), np.zeros(4, bool)
Case = tuple[
    RankedCandidates, EvaluatedRanking, list[ImageFeatures], list[tuple[SegmentSet, SegmentSet, ImagePrediction]]
]


@cache
def case(seed: int, stuff: bool = False, n_images: int = 5) -> Case:
    """Images with planted mistakes, a model that errs elsewhere, and what comes out."""
    things: Flags = STUFF if stuff else THINGS
    looks, pages, truths, found = [], [], [], []
    for at in range(n_images):
        rng = np.random.default_rng([seed, at])
        clean = patches(rng, height=130) if stuff else blobs(rng, height=130, n=32)
        prediction = oracle_evidence(clean, things, rng, errors=0.02)
        given, truth = corrupt_labels(clean, things, CorruptionRates(0.1 if stuff else 0.05), rng)
        looks.append(image_features(given, prediction, things, rng))
        found.append(match_corruptions(looks[-1].candidates, given, truth, things))
        pages.append((clean, given, prediction))
        truths.append(truth)
    result = rank_candidates(looks)
    first = np.cumsum([0, *map(len, truths)])
    mistake = [np.where(f[s] >= 0, f[s] + n, -1) for s in (0, 1) for f, n in zip(found, first, strict=False)]
    image = np.repeat(np.arange(n_images), np.diff(first))
    names = [name for truth in truths for name in truth.types]
    return (
        result,
        EvaluatedRanking(result.probability, result.image, np.concatenate(mistake), names, image, n_images),
        looks,
        pages,
    )


@pytest.mark.parametrize(("seed", "stuff"), [(0, False), (1, False), (2, False), (0, True), (1, True)])
def test_planted_mistakes_come_out_on_top(seed: int, stuff: bool) -> None:
    result, ranked, _, _ = case(seed, stuff)
    wrong = ranked.mistake >= 0
    learnt, pixels = auroc(result.probability, wrong)[0], auroc(result.doubt, wrong)[0]
    assert learnt > (0.75 if stuff else pixels)  # of parts, unlike of things, pixels tell all that there is
    n = int(wrong.sum())
    top = np.argsort(-result.probability, kind="stable")[:n]
    assert wrong[top].mean() > min(3 * wrong.mean(), 0.5)


def test_the_same_seed_gives_the_same_scores() -> None:
    one, other = (case.__wrapped__(0, n_images=2)[0] for _ in range(2))
    np.testing.assert_array_equal(one.probability, other.probability)
    np.testing.assert_array_equal(one.type, other.type)


@pytest.mark.parametrize("seed", range(3))
def test_probabilities_are_about_right(seed: int) -> None:
    result, ranked, _, _ = case(seed)
    n = int((ranked.mistake >= 0).sum())
    assert 0.4 * n < result.probability.sum() < 3 * n
    assert detection_quality(result.held_out, n_draws=10).errors == len(result.held_out.mistake_type)


def test_types_are_told() -> None:
    result, ranked, _, _ = case(1)
    right = [
        ranked.mistake_type[ranked.mistake[at]] == TYPES[int(result.type[at].argmax())]
        for at in np.flatnonzero(ranked.mistake >= 0)
    ]
    assert np.mean(right) > 2 / len(TYPES)
    np.testing.assert_allclose(result.type.sum(axis=1), 1)


def test_verdicts_move_probabilities_but_not_their_order() -> None:
    result = case(2)[0]
    rows = np.argsort(-result.probability)[:40]
    odds = result.reported_odds
    after = recalibrate(odds[rows], np.zeros(40, np.int64)).probability(odds)
    assert after[rows].mean() < result.probability[rows].mean()
    order = np.argsort(result.probability, kind="stable")
    assert (np.diff(after[order]) >= -1e-12).all()


def test_the_range_of_a_probability_holds_it_and_narrows_with_decisions() -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(-1, 2, 400)
    wrong = rng.random(400) < 1 / (1 + np.exp(-odds))
    width = np.full(400, np.inf)
    for n in (0, 20, 400):
        calibration = recalibrate(odds[:n], wrong[:n])
        low, high = calibration.probability_range(odds)
        drawn = np.quantile(calibration.draws(odds, 4000), [0.025, 0.975], axis=0)
        np.testing.assert_allclose([low, high], drawn, atol=0.05)  # the same by simulation
        assert ((low <= calibration.probability(odds)) & (calibration.probability(odds) <= high)).all()
        assert (high - low).mean() < width.mean()
        width = high - low
    assert width.max() < 0.25


def test_where_the_model_knows_nothing_labels_are_judged_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, looks, _ = case(0)
    monkeypatch.setattr(ranking, "informed_images", lambda fits, alike: np.arange(len(fits)) != 0)
    table, regions = looks[0].given

    def odds_with_noise(columns: Flags) -> NDArray[np.float64]:
        """The log odds of the labels of the image that is not known, with noise in some of their features."""
        noise = np.random.default_rng(0).normal(size=table.x.shape) * columns
        ranked = rank_candidates([replace(looks[0], given=(replace(table, x=table.x + noise), regions)), *looks[1:]])
        return ranked.odds[(ranked.image == 0) & (ranked.row >= 0)]

    is_free = np.isin(looks[0].names[0], MODEL_FREE)
    usual = odds_with_noise(np.zeros_like(is_free))
    np.testing.assert_array_equal(odds_with_noise(~is_free), usual)
    assert (odds_with_noise(is_free) != usual).any()


def test_images_with_mistakes_are_worse() -> None:
    result, _, _, pages = case(0)
    score = result.images()
    assert score.shape == (len(pages),)
    assert ((score >= 0) & (score <= 1)).all()
    row = int(score.argmin())
    worst = np.flatnonzero(result.image == row)[:3]
    altered = result.odds.copy()
    altered[worst] = 9.0
    assert replace(result, odds=altered).images()[row] > score[row]


def test_an_image_is_as_bad_as_its_labels_or_what_lacks_one() -> None:
    result, _, _, pages = case(0, stuff=True)
    thin = np.isin(np.arange(len(result)), result.thin)
    for row in range(len(pages)):
        inside = (result.image == row) & ~thin
        for which in (result.row >= 0, result.row < 0):
            wrong = replace(result, odds=np.where(inside & which, 30.0, result.odds))
            assert (inside & which).any()
            assert wrong.images().argmax() == row


def test_an_image_is_no_worse_for_many_correct_labels() -> None:
    result, _, _, _ = case(0)
    alike = replace(result, odds=np.full(len(result), -4.0), bare=result.bare[:0], colours=None)
    counted = np.bincount(result.image[(result.row >= 0) | ~np.isin(np.arange(len(result)), result.thin)])
    one_wrong = alike.odds.copy()
    fullest = int(counted.argmax())
    one_wrong[np.flatnonzero(alike.image == (fullest + 1) % len(counted))[0]] = 2.0
    score = replace(alike, odds=one_wrong).images()
    assert score.argmax() == (fullest + 1) % len(counted)


def test_in_images_that_the_model_does_not_know_its_regions_mean_nothing() -> None:
    result, _, _, pages = case(0)
    n = len(pages)
    unknown = np.arange(n) % 3 == 0
    half = replace(result, informed=np.where(unknown, 0.0, 1.0), move=np.zeros((n, 2), np.int64))
    score = half.images()
    inside = unknown[half.image] & (half.row < 0)
    for regions in (-9.0, 9.0):
        other = replace(half, odds=np.where(inside, regions, half.odds))
        np.testing.assert_array_equal(other.images(), score)


def test_regions_that_the_model_cannot_judge_mean_nothing_but_labels_do() -> None:
    result, _, _, _ = case(0)
    is_region = result.row < 0
    known = result.known_images[result.image]
    np.testing.assert_array_equal(result.images(known), result.images())
    score = result.images(known & ~is_region)
    without = replace(result, odds=np.where(is_region, 9.0, result.odds))
    np.testing.assert_array_equal(without.images(known & ~is_region), score)
    assert (without.images() != score).any()
    row = int(score.argmin())
    worse = np.where((result.image == row) & ~is_region, 9.0, result.odds)
    assert replace(result, odds=worse).images(np.zeros(len(result), bool)).argmax() == row


def test_softmin_is_that_of_the_paper() -> None:
    """Labels and probabilities for which cleanlab 2.9.0 gives 0.10702486."""
    label = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 1]])
    p = np.array([[0.1, 0.2, 0.9], [0.3, 0.8, 0.9], [0.95, 0.1, 0.6]])
    ones = np.flatnonzero(label.T)
    given = SegmentSet.from_runs(runs_of_pixels(ones, np.zeros(len(ones), np.int64), 3), np.ones(1), 3, 3)
    assert softmin(given, ImagePrediction.from_probabilities(np.stack([1 - p, p]))) == pytest.approx(
        0.10702486, abs=1e-6
    )
    void = SegmentSet.from_runs(runs_of_pixels(np.arange(9), np.zeros(9, np.int64), 3), np.full(1, VOID), 3, 3)
    assert np.isnan(softmin(void, ImagePrediction.from_probabilities(np.stack([1 - p, p]))))


def test_images_of_a_group_share_a_fold() -> None:
    assert assign_folds(np.array([7, 2, 7, 5])).tolist() == [0, 1, 0, 2]


def test_one_image_and_no_mistakes_are_survived() -> None:
    clean = blobs(np.random.default_rng(0), n=3)
    prediction = oracle_evidence(clean, THINGS, np.random.default_rng(0))
    for rates in (CorruptionRates(), CorruptionRates(0.0, ("missing",))):
        result = rank_candidates([image_features(clean, prediction, THINGS, np.random.default_rng(0), rates)])
        assert np.isfinite(result.probability).all()


def test_a_model_that_is_too_weak_says_so() -> None:
    looks = []
    for at in range(3):
        rng = np.random.default_rng(at)
        clean, other = (blobs(rng, height=110, n=20) for _ in range(2))
        looks.append(image_features(clean, oracle_evidence(other, THINGS, rng), THINGS, rng))
    result = rank_candidates(looks)
    weak = category_trust(result, ["nothing", "cell"], np.zeros(2))
    assert weak[0].reason is not None
    assert "cell" in weak[0].reason
    assert len(candidates_above(result, weak, flag_thresholds(result, 2))) == 0


def test_a_category_that_occurs_nowhere_is_not_trusted() -> None:
    result = replace(case(0)[0], iou=np.array([1.0, np.nan]))
    (trust,) = category_trust(result, ["nothing", "cell"], np.zeros(2))
    assert trust.reason is not None
    assert "cell occurs nowhere" in trust.reason
    assert len(candidates_above(result, [trust])) == 0


@pytest.mark.parametrize("weak", [0.1, 0.4])
def test_nothing_is_reported_that_names_a_category_for_which_the_model_is_too_weak(weak: float) -> None:
    """Each category may be labelled, or seen where nothing or another one is labelled; the model knows a, not b."""
    result = case(0)[0]
    named = [(0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]  # as labelled, and as seen
    rows = np.arange(2 * len(named))
    category, seen = np.array(named * 2).T
    is_region = rows >= len(named)
    one = {name: getattr(result, name)[rows] for name in ("image", "candidate", "odds", "type", "doubt")}
    every = replace(
        result, **one, row=np.where(is_region, -1, rows), category=category, seen=np.where(is_region, seen, -1),
        believed=seen, probability=0.9 - 0.01 * rows, thin=rows[:0], bare=rows[is_region & (category > 0)],
    )  # fmt: skip
    known = [
        CategoryTrust(category=name, iou=iou, auroc=0.9, injected=99, threshold=0.0, reason=reason)
        for name, iou, reason in (("a", 0.9, None), ("b", weak, "too weak"))
    ]
    kept = np.flatnonzero((category < 2) & (seen < 2))
    np.testing.assert_array_equal(np.flatnonzero(judged_candidates(every, known)), kept)
    np.testing.assert_array_equal(candidates_above(every, known), kept)
    unknown = replace(every, informed=np.zeros(len(result.informed)))
    assert not judged_candidates(unknown, known).any()


def test_an_iou_that_misses_the_limit_does_not_read_as_the_limit() -> None:
    (trust,) = category_trust(replace(case(0)[0], iou=np.array([1.0, 0.4979])), ["nothing", "cell"], np.zeros(2))
    assert trust.reason == ("the model is too weak for cell: IoU 0.49 with the given labels; at least 0.5 is needed")


def test_what_is_flagged_is_above_its_threshold() -> None:
    result, ranked, _, _ = case(0)
    trust = category_trust(result, ["nothing", "cell"], np.zeros(2))
    assert trust[0].reason is None
    rows = candidates_above(result, trust, flag_thresholds(result, 2))
    assert (np.diff(result.probability[rows]) <= 0).all()
    assert (ranked.mistake[rows] >= 0).mean() > 0.5


def test_what_may_lack_a_label_counts_for_more_where_the_evidence_is_strong() -> None:
    """The same candidates are listed, those that may lack a label earlier."""
    result = replace(case(0)[0], bare=np.empty(0, np.int64))
    regions = np.flatnonzero(result.row < 0)
    bare = replace(result, bare=regions)
    raised = np.zeros(len(result), bool)
    raised[regions] = result.strong[regions]
    assert 0 < raised.sum() < len(regions)
    np.testing.assert_array_equal(bare.reported_odds > result.reported_odds, raised)
    np.testing.assert_array_equal(bare.reported_odds[~raised], result.odds[~raised])
    trust, threshold = category_trust(result, ["nothing", "cell"], np.zeros(2)), flag_thresholds(result, 2)
    first, again = (set(candidates_above(each, trust, threshold).tolist()) for each in (result, bare))
    assert first == again


@pytest.mark.parametrize("rarer", [0.0, 2.0])
def test_only_strong_evidence_or_what_is_likely_is_flagged(rarer: float) -> None:
    """Any threshold of P is as low as it gets; a few of the labels are wrong, or hardly any."""
    result = case(0)[0]
    prior = result.prior * float(np.exp(-rarer))
    result = replace(result, odds=result.odds - rarer, prior=prior)
    trust = category_trust(result, ["nothing", "cell"], np.zeros(2))
    odds, n_labels = np.exp(result.odds), int((result.row >= 0).sum())
    assert EVIDENCE_PER_LABEL * n_labels < STRONG_EVIDENCE
    flagged = np.zeros(len(result), bool)
    flagged[candidates_above(result, trust, np.zeros(2))] = True
    needed = max(EVIDENCE_PER_LABEL * n_labels * prior, FAIR_ODDS)
    np.testing.assert_array_equal(flagged, (odds >= needed) | (odds >= LIKELY_ODDS))
    assert 0 < flagged.sum() < len(result) / 4
    many = replace(result, **{  # a large set, in which the same labels count many times
        name: np.tile(getattr(result, name), 5)
        for name in ("image", "row", "candidate", "category", "seen", "odds", "probability", "doubt", "believed")
    })  # fmt: skip
    strong = candidates_above(many, trust, np.zeros(2)) % len(result)
    assert set(strong.tolist()) == set(np.flatnonzero(odds >= min(STRONG_EVIDENCE * prior, LIKELY_ODDS)).tolist())
    assert len(set(strong.tolist())) > 0


@pytest.mark.parametrize("seed", range(2))
def test_proposals_are_nearer_to_the_truth_than_what_was_given(seed: int) -> None:
    result, ranked, looks, pages = case(seed)
    better = []
    for row in np.flatnonzero(ranked.mistake >= 0):
        _, given, prediction = pages[result.image[row]]
        found, at, name = (
            looks[result.image[row]].candidates,
            int(result.candidate[row]),
            ranked.mistake_type[ranked.mistake[row]],
        )
        if result.row[row] < 0:
            proposal = propose_for_region(found, at)
            assert proposal.action == "add"
        else:
            proposal = propose_for_annotated(found, at, name, given, prediction)
            assert 0 <= proposal.iou <= 1
        if name in ("extra", "merge", "split"):
            better.append(proposal.action == {"extra": "delete", "merge": "split", "split": "join"}[name])
        if proposal.action == "split":
            assert proposal.pieces.areas(proposal.n_pieces).sum() == found.annotated.areas[at]
    assert np.mean(better) > 0.8


@pytest.mark.parametrize("stuff", [False, True])
def test_labels_of_an_image_that_all_lie_beside_come_first_and_are_moved_back(stuff: bool) -> None:
    things, looks, pages, bad = STUFF if stuff else THINGS, [], [], 2
    for at in range(4):
        rng = np.random.default_rng([7, at])
        clean = patches(rng, height=130, width=130) if stuff else blobs(rng, height=130, n=32)
        prediction = oracle_evidence(clean, things, rng, errors=0.02)
        given = moved_by(clean, 6, -4) if at == bad else clean
        looks.append(image_features(given, prediction, things, rng))
        pages.append((given, prediction))
    result = rank_candidates(looks)
    assert np.flatnonzero(result.move.any(axis=1)).tolist() == [bad]
    np.testing.assert_allclose(result.move[bad], (-6, 4), atol=1)
    astray = (result.image == bad) & (result.row >= 0)
    assert (result.probability[astray] > 0.9).all()
    assert result.images().argmax() == bad
    assert {TYPES[at] for at in result.type[astray].argmax(axis=1)} == {"shift"}
    right, down = result.move[bad].tolist()
    given, prediction = pages[bad]
    back = moved_by(looks[bad].candidates.annotated, right, down)
    for row in result.candidate[astray].tolist():
        proposal = propose_for_annotated(looks[bad].candidates, row, "shift", given, prediction, (right, down))
        np.testing.assert_array_equal(proposal.pieces.start, back.runs.take(np.array([row]), len(back)).start)


def test_a_place_without_a_label_counts_for_more_the_more_its_colours_are_those_of_what_is_seen() -> None:
    """Evidence of 1 is usual, and so is what nothing is known of; other candidates do not change.

    Nothing is known of the colours of a category that has no label in the image.
    """
    result = replace(case(0)[0], bare=np.empty(0, np.int64), colours=None)
    regions = np.flatnonzero(result.row < 0)

    def odds(evidence: float) -> NDArray[np.float64]:
        return replace(result, bare=regions, colours=np.full(len(result), evidence)).reported_odds

    strong = regions[result.strong[regions]]
    unknown = replace(result, bare=regions).reported_odds
    np.testing.assert_array_equal(odds(np.nan), unknown)
    np.testing.assert_allclose(odds(1.0), unknown)
    np.testing.assert_allclose((odds(1.75) - unknown)[strong], 0.75)
    np.testing.assert_allclose((odds(-0.5) - unknown)[strong], -1.5)
    others = np.setdiff1d(np.arange(len(result)), strong)
    np.testing.assert_array_equal(odds(-0.5)[others], result.odds[others])
    elsewhere = replace(result, bare=regions, colours=np.full(len(result), -0.5), seen=np.where(result.row < 0, 0, -1))
    np.testing.assert_array_equal(elsewhere.reported_odds, unknown)


def test_a_large_set_needs_fewer_corrupted_copies_of_an_image() -> None:
    """5,000 images with five labels each were corrupted six times each, and learning took longer than all else."""
    rng = np.random.default_rng(0)
    clean = blobs(rng, height=60, n=5)
    prediction = oracle_evidence(clean, THINGS, rng)
    n_candidates = [
        len(image_features(clean, prediction, THINGS, np.random.default_rng(1), max_copies=n).corrupted[0].x)
        for n in (corrupted_copies(100), corrupted_copies(25_000))
    ]
    assert n_candidates[0] > 4 * n_candidates[1] > 0
