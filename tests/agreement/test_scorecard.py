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
from segdata.agreement.scorecard import AnnotatorCard, Scorecard
from segdata.api.scorecard import scorecard
from segdata.core.batch import Batch, replace_column
from segdata.core.config import Config, Gold
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
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
    assert max(map(len, text.splitlines())) <= 80


def test_a_distance_is_no_score() -> None:
    with pytest.raises(SegdataError, match="metric hd95 is a distance"):
        scorecard({"a": drawn(WORK), "b": drawn(WORK)}, metric="hd95")
    with pytest.raises(SegdataError, match="gold: no annotator 'c'"):
        scorecard({"a": drawn(WORK), "b": drawn(WORK)}, gold="c")
