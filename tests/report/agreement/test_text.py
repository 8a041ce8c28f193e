"""The text report of an agreement: conclusions first, in lines that fit, with every table it promises."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from segdata.agreement.contrasts import stratify_by_names
from segdata.agreement.estimates import Resampling
from segdata.agreement.planning import plan_sample_sizes
from segdata.agreement.summary import Agreement, summarise_agreement
from segdata.api.agreement import AgreementRun
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.report.agreement.text import agreement_text
from segdata.report.console import Console, display_width
from tests.generators.agreement_tables import simulate_two_annotators

Compare = Callable[..., AgreementRun]
TYPED = ["agreement", "anna=a", "ben=b"]


def opposed_of(compared: AgreementRun) -> AnnotatorPairs:
    assert compared.tables.annotator_pairs is not None
    return compared.tables.annotator_pairs


def test_conclusions_come_first_and_tables_after(habits: AgreementRun) -> None:
    text = agreement_text(habits.agreement, habits.tables, TYPED, Console())
    order = [
        "agreement: IoU",
        "annotator: carl",
        "→ Teach carl",
        "annotator by annotator: IoU above the diagonal",
        "by category, the least agreed first",
        "significant deviations, corrected for all tests",
        "the images that agree least",
        "findings\n",
        "–: undefined",
        "next\n",
    ]
    places = [text.index(each) for each in order]
    assert places == sorted(places)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_sentences_fit(habits: AgreementRun, width: int) -> None:
    text = agreement_text(habits.agreement, habits.tables, TYPED, Console(width))
    head = text[: text.index("annotator by annotator")]
    assert all(display_width(line) <= width for line in head.splitlines())
    assert width < 80 or all(display_width(line) <= width for line in text.splitlines())


def test_many_annotators_are_listed_by_pairs(compare: Compare) -> None:
    rng = np.random.default_rng(0)
    masks = {f"annotator {k}": [rng.integers(1, 3, (8, 8)).astype(np.uint8) for _ in range(3)] for k in range(9)}
    compared = compare(masks)
    text = agreement_text(compared.agreement, compared.tables, TYPED, Console())
    assert "the 10 of 36 pairs that agree least" in text
    assert all(display_width(line) <= 80 for line in text.splitlines())


def test_portions_and_plans(habits: AgreementRun) -> None:
    opposed, how = simulate_two_annotators(np.random.default_rng(0), 12), Resampling(n_draws=50)
    names = np.empty(12, object)
    names[:] = ["x", "y"] * 6
    found = summarise_agreement(
        opposed, how, by=stratify_by_names(opposed, "site", names, how), plan=plan_sample_sizes(opposed, 0.1, how)
    )
    text = agreement_text(found, replace(habits.tables, annotator_pairs=opposed, assessment=None), TYPED, Console())
    assert "\nby site\n" in text
    assert "images that intervals of ±0.1 take" in text
    assert "--plan 0.02" not in text
    assert "\nplan: Label " in text
    assert text.count(" twice for ") == 1  # one plan, not several


def test_the_verdict(habits: AgreementRun) -> None:
    found: Agreement = habits.agreement
    passed = agreement_text(found, habits.tables, TYPED, Console())
    assert f"passed: {len(found.findings)} findings (--fail-on error)" in passed
    assert "failed: " in agreement_text(found, habits.tables, TYPED, Console(), "warning")
    assert "no findings" in agreement_text(msgspec.structs.replace(found, findings=()), habits.tables, TYPED, Console())


def test_scores_without_intervals_are_not_said_to_have_them(habits: AgreementRun) -> None:
    found: Agreement = habits.agreement
    few = msgspec.structs.replace(found, intervals=msgspec.structs.replace(found.intervals, clusters=5))
    enough = msgspec.structs.replace(found, intervals=msgspec.structs.replace(found.intervals, clusters=6))
    assert "[ ]: 95% intervals; scores have none, since there are 5 sequences" in agreement_text(
        few, habits.tables, TYPED, Console()
    )
    assert "resamples of 6 sequences" in agreement_text(enough, habits.tables, TYPED, Console())


def test_names_cannot_move_the_cursor(compare: Compare) -> None:
    masks = [np.ones((6, 6), np.uint8)] * 2
    compared = compare({"a\x1b[2J": masks, "b": masks})
    assert "\x1b" not in agreement_text(compared.agreement, compared.tables, TYPED, Console())
