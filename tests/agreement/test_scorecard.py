"""Scorecards: volume, time, what passed, scores, trends and the worst examples, from datasets whose truth is known."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

import segdata
from segdata.agreement import plugin
from segdata.agreement.estimates import Resampling
from segdata.agreement.scorecard import AnnotatorCard, ImageScores, Scorecard, ScoreTrend, score_trend
from segdata.api.evaluate import scorecard
from segdata.core.batch import Batch, replace_column
from segdata.core.config import Config, Gold
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.runs import Floats, Ints
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shared.derived_sources import AlteredSource
from segdata.report.console import Console
from segdata.report.scorecard import COLUMNS, scorecard_csv, scorecard_json, scorecard_text

CATEGORIES = Taxonomy(
    categories=(
        Category(id=1, name="car", definition="A motor car.", boundary_rule="Along the bodywork."),
        Category(id=2, name="bus", definition="Of nine seats or more."),
        Category(id=3, name="void", kind="void"),
    )
)
Things = Sequence[tuple[NDArray[np.bool_], str]]


def box(x: int, y: int, wide: int = 20, high: int = 20) -> NDArray[np.bool_]:
    found = np.zeros((50, 60), bool)
    found[y : y + high, x : x + wide] = True
    return found


def drawn(images: Mapping[str, Things], annotator: str | None = None, **columns: Sequence[object]) -> OpenDataset:
    """Columns of the annotations have a value for each image."""
    found = segdata.from_arrays({name: list(each) for name, each in images.items()}, CATEGORIES, annotator=annotator)
    order = {name: k for k, name in enumerate(images)}

    def alter(batch: Batch) -> Batch:
        names = batch.images["image_id"].take(batch.annotations["image"]).to_pylist()
        annotations = batch.annotations
        for column, values in columns.items():
            annotations = replace_column(annotations, column, [values[order[name]] for name in names])
        return replace(batch, annotations=annotations)

    return replace(found, source=AlteredSource(found.source, alter))


def card_of(found: Scorecard, name: str) -> AnnotatorCard:
    return next(each for each in found.cards if each.annotator == name)


TRUTH: dict[str, Things] = {f"{k}.png": [(box(5, 5), "car"), (box(30, 20), "bus")] for k in range(4)}
WORK: dict[str, Things] = {
    "0.png": [(box(5, 5), "car"), (box(30, 20), "bus")],
    "1.png": [(box(10, 5), "car"), (box(30, 20), "bus"), (box(0, 45, 5, 5), "void")],
    "2.png": [(box(5, 5), "car")],
    "3.png": [(box(5, 5), "bus"), (box(30, 20), "bus")],
}


def test_volume_time_and_what_passed() -> None:
    stages = ["accepted", "accepted", "adjudicated", "annotated"]
    ben = drawn(WORK, seconds=[20.0, 60.0, None, 10.0], stage=stages)
    found = scorecard({"gold": drawn(TRUTH), "ben": ben}, gold="gold", resamples=100)
    assert [each.annotator for each in found.cards] == ["ben"]
    card = found.cards[0]
    assert (card.images, card.segments, card.timed, card.seconds) == (4, 7, 3, 90.0)
    assert (card.seconds_per_image, card.seconds_per_segment) == (20.0, 10.0)
    assert (card.passed.value, card.passed.n) == (2 / 3, 3)
    assert card.passed.low < 2 / 3 < card.passed.high
    # Car: 1, 15 / 25, 1, 0; bus: 1, 1, 0, and half where a car is called one.
    assert card.score.value == pytest.approx(((1 + 0.6 + 1 + 0) / 4 + (1 + 1 + 0 + 0.5) / 4) / 2)


def test_worst_examples_come_with_their_cause_and_the_guideline() -> None:
    found = scorecard({"gold": drawn(TRUTH), "ben": drawn(WORK)}, gold="gold", resamples=100)
    worst = found.cards[0].worst
    assert [(each.image, each.category, each.cause, each.other) for each in worst] == [
        ("2.png", "bus", "missed", "gold"),
        ("3.png", "car", "confused", "gold"),
        ("1.png", "car", "boundary", "gold"),
    ]
    assert [each.guideline for each in worst] == ["Of nine seats or more.", "A motor car.", "Along the bodywork."]
    assert [each.pixels for each in worst] == [400, 400, 200]
    assert len(scorecard({"gold": drawn(TRUTH), "ben": drawn(WORK)}, worst=1).cards[0].worst) == 1


def test_nobody_is_shown_somebody_elses_error() -> None:
    """Carl alone is wrong about images 1 to 3: these are his examples, and no examples of anna and ben."""
    found = scorecard({"anna": drawn(TRUTH), "ben": drawn(TRUTH), "carl": drawn(WORK)}, resamples=100)
    assert [each.image for each in card_of(found, "carl").worst] == ["2.png", "3.png", "1.png"]
    assert not card_of(found, "anna").worst
    assert not card_of(found, "ben").worst


def test_where_all_differ_nobody_is_shown() -> None:
    works = [{"0.png": [(box(k * 9, 5), "car")]} for k in range(3)]
    found = scorecard(dict(zip("abc", map(drawn, works), strict=True)), resamples=100)
    assert not any(card.worst for card in found.cards)


def test_of_four_more_than_half_of_the_others_are_a_majority() -> None:
    """Dora differs from all, carl from anna and ben alone; against two of three others he is wrong, too."""
    carl, dora = {"0.png": [(box(15, 5), "car")]}, {"0.png": [(box(40, 30), "car")]}
    right = {"0.png": [(box(5, 5), "car")]}
    found = scorecard(
        {"anna": drawn(right), "ben": drawn(right), "carl": drawn(carl), "dora": drawn(dora)}, resamples=100
    )
    assert [bool(card_of(found, who).worst) for who in ("anna", "ben", "carl", "dora")] == [False, False, True, True]
    assert {each.other for each in card_of(found, "carl").worst} <= {"anna", "ben"}


@pytest.mark.parametrize("n", [2, 3])
def test_two_halves_that_differ_are_nobodys_examples(n: int) -> None:
    """Two against two, or three against three, of whom some have the car and some have none."""
    other = {"0.png": [(box(40, 30), "bus")]}
    work = {f"{side}{k}": drawn(drawing) for side, drawing in (("a", TRUTH), ("b", other)) for k in range(n)}
    assert not any(card.worst for card in scorecard(work, resamples=100).cards)
    outvoted = scorecard({**work, "a9": drawn(TRUTH)}, resamples=100)
    assert {card.annotator for card in outvoted.cards if card.worst} == {f"b{k}" for k in range(n)}


def test_without_a_reference_everybody_is_held_against_the_others() -> None:
    data = {"anna": drawn(TRUTH), "ben": drawn(WORK), "carl": drawn(TRUTH)}
    found = scorecard(data, resamples=100)
    assert found.gold is None
    ben, anna = card_of(found, "ben"), card_of(found, "anna")
    assert anna.score.value == pytest.approx((ben.score.value + 1) / 2)
    assert {each.other for each in ben.worst} <= {"anna", "carl"}
    assert card_of(scorecard({**data, "anna": replace(data["anna"], config=Config(gold=Gold(name="carl")))}), "ben")


def test_what_a_review_left_alone_has_passed() -> None:
    after = {**WORK, "1.png": TRUTH["1.png"]}
    found = scorecard(drawn(after, "ben"), before=drawn(WORK, "ben"), resamples=100)
    (card,) = found.cards
    assert (card.passed.value, card.passed.n) == (3 / 4, 4)
    assert np.isnan(card.score.value)
    unnamed = scorecard(drawn(after), before=drawn(WORK), resamples=100)
    assert unnamed.cards[0].passed.value == 3 / 4
    with pytest.raises(SegdataError, match="compared with one dataset, not with 2"):
        scorecard({"a": drawn(WORK), "b": drawn(WORK)}, before=drawn(WORK))


def test_trends_that_stand() -> None:
    """Ben gets better month by month, Carl does not."""
    names = [f"{k:02d}.png" for k in range(24)]
    truth = drawn({name: [(box(5, 5), "car")] for name in names})
    created = [f"2026-{1 + k // 4:02d}-15" for k in range(24)]
    rng = np.random.default_rng(0)
    ben, carl = (
        drawn({name: [(box(5 + int(shift), 5), "car")] for name, shift in zip(names, by, strict=True)}, created=created)
        for by in (10 - np.arange(24) // 3, rng.integers(2, 6, 24))
    )
    found = scorecard({"gold": truth, "ben": ben, "carl": carl}, gold="gold", resamples=200)
    first, second = card_of(found, "ben"), card_of(found, "carl")
    assert (first.stands, second.stands) == (True, False)
    assert first.trend.low > 0
    assert first.trend.same_images
    assert len(first.trend.months) == 6
    assert "more than chance" in scorecard_text(found, Console())


def test_reports() -> None:
    found = scorecard({"gold": drawn(TRUTH), "ben": drawn(WORK, seconds=[20.0] * 4)}, gold="gold", resamples=100)
    (line,) = csv.DictReader(io.StringIO(scorecard_csv(found)))
    assert tuple(line) == COLUMNS
    assert (line["annotator"], line["seconds_per_image"], line["against"], line["passed"]) == ("ben", "20", "gold", "")
    assert line["worst"].startswith("2.png: bus 0.00; 3.png: car 0.00")
    plain = json.loads(scorecard_json(found))
    assert plain["cards"][0]["trend"]["p"] is None
    assert plain["cards"][0]["worst"][2]["guideline"] == "Along the bodywork."
    text = scorecard_text(found, Console())
    assert "guideline: Of nine seats or more." in text
    assert "IoU against gold" in text
    assert "annotator  images  segments  s/image  s/segment  score" in text  # nothing was reviewed: no column `passed`
    assert max(map(len, text.splitlines())) <= 80


def test_a_distance_is_no_score() -> None:
    with pytest.raises(SegdataError, match="metric hd95 is lower for those who agree more"):
        scorecard({"a": drawn(WORK), "b": drawn(WORK)}, metric="hd95")
    with pytest.raises(SegdataError, match="no metric 'dcie'; did you mean 'dice'"):
        scorecard({"a": drawn(WORK), "b": drawn(WORK)}, metric="dcie")
    with pytest.raises(SegdataError, match="gold: no annotator 'c'"):
        scorecard({"a": drawn(WORK), "b": drawn(WORK)}, gold="c")


def test_a_metric_of_a_plugin_is_a_score(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jaccard's index of all pixels under another name is what it is under ours, and its complement is no score."""
    monkeypatch.setattr(plugin, "_REGISTRY", dict(plugin._REGISTRY))

    def jaccard(both: np.ndarray, area_a: np.ndarray, area_b: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(both / (area_a + area_b - both))

    amounts = ("both", "area_a", "area_b")
    plugin.metric("own_jaccard", takes=amounts, higher_is_better=True, source="none")(jaccard)
    plugin.metric("own_gap", takes=amounts, higher_is_better=False, source="none")(lambda **of: 1 - jaccard(**of))
    named = {"gold": drawn(TRUTH), "ben": drawn(WORK)}
    own, iou = (scorecard(named, gold="gold", resamples=100, metric=name) for name in ("own_jaccard", "iou_micro"))
    assert own.metric == "own_jaccard"
    assert own.cards[0].score.value == pytest.approx(iou.cards[0].score.value)
    assert own.cards[0].worst == iou.cards[0].worst
    with pytest.raises(SegdataError, match="metric own_gap is lower"):
        scorecard(named, metric="own_gap")


JANUARY = 2026 * 12
FEW = Resampling(n_draws=200)


def scores(
    rng: np.random.Generator, skill: Floats, *, hard: bool, shared: bool, sorts: int = 1, n_others: int = 2
) -> tuple[ImageScores, int, Ints]:
    """60 images in 6 months by annotator 0 of this skill a month, and by others, against 9, the reference.

    `hard`: images become harder, by 0.05 a month. `shared`: all did the same images. `sorts`: of images; the months
    of the later ones are those of the later sorts, which are harder.
    """
    month = np.repeat(np.arange(6), 10)
    sort = month * sorts // 6
    image = -0.05 * month * hard - 0.2 * sort * (sorts > 1) + rng.normal(0, 0.05, 60)
    value = [0.8 + skill[month] + image + rng.normal(0, 0.03, 60)]
    value += [0.75 + image + rng.normal(0, 0.03, 60) for _ in range(n_others)]
    n = 1 + n_others
    who = np.stack([np.repeat(np.arange(n), 60), np.full(60 * n, 9)])
    case = np.tile(np.arange(60), n) + (0 if shared else 60 * who[0])
    scored = ImageScores(np.concatenate(value), who, case, 0 * case, case, np.tile(sort, n))
    return scored, 0, np.where(who[0] == 0, np.tile(month, n) + JANUARY, -1)


def of(seed: int, slope: float, **more: bool | int) -> ScoreTrend:
    rng = np.random.default_rng(seed)
    return score_trend(*scores(rng, slope * np.arange(6), **more), FEW, 9)  # type: ignore[arg-type]  # as scores has them


def test_an_annotator_who_gets_better_on_shared_images_is_found() -> None:
    """Images get harder meanwhile: the scores themselves fall."""
    found = of(1, 0.03, hard=True, shared=True)
    assert found.same_images
    assert found.low < 0.03 < found.high
    assert found.p < 0.01
    assert [each.month for each in found.months] == [f"2026-0{k}" for k in range(1, 7)]
    assert found.months[0].score > found.months[-1].score
    assert found.months[0].beyond < 0 < found.months[-1].beyond


def test_harder_images_are_no_trend_where_others_had_them_too() -> None:
    """At a level of 5 % about one in twenty is called a trend."""
    p = np.array([of(seed, 0.0, hard=True, shared=True).p for seed in range(30)])
    assert (p < 0.05).sum() <= 6  # more have a chance of 0.001


def test_who_stays_the_same_beside_one_who_changes_has_no_trend() -> None:
    """Nor is it told who changes where there is one other, and the images may have changed as well."""
    for n_others in (1, 2):
        scored, _, month = scores(
            np.random.default_rng(4), 0.04 * np.arange(6), hard=False, shared=True, n_others=n_others
        )
        months = np.where(scored.annotators[0] == 1, np.roll(month, 60), -1)
        assert score_trend(scored, 1, months, FEW, 9).p > 0.05
        assert score_trend(scored, 0, month, FEW, 9).p < 0.01
    harder = scores(np.random.default_rng(4), 0.04 * np.arange(6), hard=True, shared=True, n_others=1)
    assert score_trend(*harder, FEW, 9).p > 0.05


def test_two_without_a_reference() -> None:
    """The scores of their pair have a trend, and nobody knows whose it is; with a third it shows."""
    rng = np.random.default_rng(0)
    month = np.repeat(np.arange(6), 10)
    case = np.tile(np.arange(60), 3)
    who = np.repeat([[0, 0, 1], [1, 2, 2]], 60, axis=1)  # 0 becomes better, so both pairs with 0 do
    value = np.tile(0.02 * month, 3) * (who[0] == 0) + 0.7 + rng.normal(0, 0.02, 180)
    every = ImageScores(value, who, case, 0 * case, case, 0 * case)
    months = np.tile(month, 3) + JANUARY
    two = every.take(who.sum(axis=0) == 1)
    assert np.isnan(score_trend(two, 0, months[:60], FEW).p)
    assert np.isnan(score_trend(two, 1, months[:60], FEW).p)
    assert score_trend(every, 0, months, FEW).p < 0.01
    assert score_trend(every, 1, months, FEW).p > 0.05


def test_harder_sorts_of_images_are_no_trend_where_nobody_had_the_same() -> None:
    p = np.array([of(seed, 0.0, hard=False, shared=False, sorts=2).p for seed in range(30)])
    assert (p < 0.05).sum() <= 6
    found = of(3, -0.06, hard=False, shared=False, sorts=2)
    assert not found.same_images
    assert found.p < 0.01
    assert found.high < 0


def test_categories_that_are_harder_are_no_trend() -> None:
    """The annotator is bad at cars, and the later months have more of these."""
    rng = np.random.default_rng(0)
    month = np.repeat(np.arange(6), 20)
    car = rng.random(120) < month / 5
    value = np.where(car, 0.5, 0.9) + rng.normal(0, 0.02, 120)
    case = np.arange(120)
    scored = ImageScores(value, np.stack([0 * case, 0 * case + 9]), case, car.astype(np.int64), case, 0 * case)
    found = score_trend(scored, 0, month + JANUARY, FEW, 9)
    assert found.p > 0.05
    assert abs(found.slope) < 0.01
    assert found.months[0].score - found.months[-1].score > 0.3


def test_one_month_or_few_clusters_say_nothing() -> None:
    case = np.arange(12)
    value = np.linspace(0, 1, 12)
    scored = ImageScores(value, np.stack([0 * case, 0 * case + 9]), case, 0 * case, case, 0 * case)
    once = score_trend(scored, 0, 0 * case + JANUARY, FEW, 9)
    assert np.isnan([once.slope, once.p]).all()
    assert once.months[0].images == 12
    nowhere = score_trend(scored, 0, 0 * case - 1, FEW, 9)
    assert nowhere.months == ()
    few = ImageScores(value, scored.annotators, case, 0 * case, case // 3, 0 * case)
    found = score_trend(few, 0, JANUARY + case // 3, FEW, 9)
    assert found.slope == pytest.approx(3 / 11)
    assert np.isnan(found.p)
