"""The HTML report of an agreement: whole, well-formed, self-contained, and with every figure that it promises."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest

from segdata.agreement.contrasts import stratify_by_names
from segdata.agreement.estimates import ImageAgreement, Resampling
from segdata.agreement.planning import plan_sample_sizes
from segdata.agreement.scores import Score
from segdata.agreement.summary import summarise_agreement
from segdata.api.agreement import AgreementRun
from segdata.api.evaluate import scorecard_of_agreement
from segdata.core.finding import Finding
from segdata.core.taxonomy import Category
from segdata.report.agreement.annotators import ReportedBias
from segdata.report.agreement.charts import (
    ChartRow,
    ChartValue,
    Confusion,
    confusion_chart,
    offsets_chart,
    shares_chart,
)
from segdata.report.agreement.conclusions import conclusions
from segdata.report.agreement.html import (
    AgreementPictures,
    draw_pictures,
    forest_plot,
    image_histograms,
    render_agreement,
)
from tests.generators.agreement_tables import simulate_two_annotators, tables_of_maps
from tests.report.html.page import Page

Compare = Callable[..., AgreementRun]
TYPED = ["agreement", "anna=a", "ben=b"]
HIGHS = ((0, 0.4), (1, 0.3), (2, 0.35), (3, 0.9))
NOTHING = AgreementPictures((), {})
HOSTILE = "</script><script>alert(1)</script>\"'<b>&amp;"


def made(compared: AgreementRun) -> Page:
    drawn = draw_pictures(compared.dataset, compared.tables, compared.agreement.findings, 1)
    return Page(render_agreement(compared.agreement, compared.tables, drawn, TYPED))


def headings(page: Page) -> list[str]:
    return page.within["h2"]


def test_the_conclusions_are_on_top_in_their_words(habits: AgreementRun) -> None:
    page = made(habits)
    assert headings(page)[0] == "What to know, and what to do"
    told = conclusions(habits.agreement, habits.tables)
    assert page.within["h3"][: len(told)] == [each.head for each in told]
    items = [" ".join(each.split()) for each in page.within["li"]]
    for item, each in zip(items, told, strict=True):
        assert each.details in item
        assert each.act in item


def test_every_figure_is_there(habits: AgreementRun) -> None:
    page = made(habits)
    assert headings(page) == [
        "What to know, and what to do",
        "Where they agree least",
        "Annotator by annotator",
        "Image by image",
        "By category, the least agreed first",
        "Confusion of categories",
        "Who draws larger, who smaller",
        "Who misses, adds or confuses",
        "Why pixels are disputed",
        "Findings",
    ]
    cells = page.within["td"]
    for pair in habits.agreement.pairs:
        assert cells.count(f"{pair.scores['iou'].value:.2f}") >= 2
    drawn = [each for tag, each in page.tags if tag == "img"]
    assert len(drawn) == 18  # three panes of six images
    assert all((each["src"] or "").startswith("data:image/jpeg;base64,") for each in drawn)
    assert all(each["alt"] for each in drawn)


def test_the_findings_are_listed_as_they_are(habits: AgreementRun) -> None:
    page = made(habits)
    data: dict[str, Any] = json.loads(page.within["script"][0])
    message = data["columns"].index("message")
    assert [row[message] for row in data["rows"]] == [each.message for each in habits.agreement.findings]
    assert data["show"] is None
    pictured = {int(row) for row in data["picture_of"]}
    image = data["columns"].index("image")
    assert pictured == {number for number, row in enumerate(data["rows"]) if row[image] is not None}


def test_portions_and_plans(habits: AgreementRun) -> None:
    opposed, how = simulate_two_annotators(np.random.default_rng(0), 12), Resampling(n_draws=50)
    names = np.empty(12, object)
    names[:] = ["x", "y"] * 6
    found = summarise_agreement(
        opposed, how, by=stratify_by_names(opposed, "site", names, how), plan=plan_sample_sizes(opposed, 0.1, how)
    )
    page = Page(
        render_agreement(found, replace(habits.tables, annotator_pairs=opposed, assessment=None), NOTHING, TYPED)
    )
    assert "By site" in headings(page)
    assert "How much must be labelled twice" in headings(page)
    assert "Who draws larger, who smaller" not in headings(page)
    assert "Annotator by annotator" not in headings(page)  # of two the conclusion says it


def test_undefined_is_a_dash(compare: Compare) -> None:
    empty, full = np.zeros((8, 8), np.uint8), np.ones((8, 8), np.uint8)
    page = made(compare({"anna": [empty, full], "ben": [empty, full], "carl": [full, full]}))
    text = " ".join(each for each in page.within["body"])
    assert not re.search(r"\bnan\b|\bNone\b", text)


def test_nothing_to_compare_is_a_page_too(compare: Compare) -> None:
    empty = np.zeros((8, 8), np.uint8)
    page = made(compare({"anna": [empty], "ben": [empty]}))
    assert page.within["h3"][:2] == ["No annotator drew anything", "Nothing to compare in 2 annotators, 1 image"]


def test_names_add_no_element(habits: AgreementRun) -> None:
    """The same report with hostile names has the same tags."""
    plain = made(habits)
    opposed = habits.tables.annotator_pairs
    assert opposed is not None
    hostile = {name: f"{name}{HOSTILE}" for name in habits.agreement.annotators}
    found = habits.agreement
    renamed = msgspec.structs.replace(
        found,
        annotators=tuple(hostile.values()),
        pairs=tuple(msgspec.structs.replace(each, a=hostile[each.a], b=hostile[each.b]) for each in found.pairs),
        annotator_bias=tuple(
            msgspec.structs.replace(each, annotator=hostile[each.annotator]) for each in found.annotator_bias
        ),
        findings=tuple(_renamed(each, hostile) for each in found.findings),
    )
    tables = replace(habits.tables, annotator_pairs=replace(opposed, annotators=renamed.annotators))
    page = Page(render_agreement(renamed, tables, NOTHING, TYPED))
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in plain.tags}
    assert sum(tag == "script" for tag, _ in page.tags) == 2
    assert not any(key.startswith("on") for _, attributes in page.tags for key in attributes)
    assert HOSTILE in page.within["h1"][0]


def _renamed(finding: Finding, names: dict[str, str]) -> Finding:
    return replace(finding, annotator=names.get(finding.annotator or "", finding.annotator), message=HOSTILE)


def test_nothing_is_loaded(habits: AgreementRun) -> None:
    page = made(habits)
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "base")
        assert (attributes.get("href") or "#").startswith("#")
        assert (attributes.get("src") or "data:").startswith("data:")
    policy = next(each["content"] for tag, each in page.tags if "http-equiv" in each)
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert not any(word in page.within["style"][0] for word in ("url(", "@import", "http"))


def test_the_same_input_gives_the_same_text(habits: AgreementRun) -> None:
    drawn = draw_pictures(habits.dataset, habits.tables, habits.agreement.findings, 2)
    again = draw_pictures(habits.dataset, habits.tables, habits.agreement.findings, 1)
    assert render_agreement(habits.agreement, habits.tables, drawn, TYPED) == render_agreement(
        habits.agreement, habits.tables, again, TYPED
    )


@pytest.mark.parametrize(("fail_on", "said"), [("error", "{}, none of level error"), ("warning", "failed: {}")])
def test_the_verdict(habits: AgreementRun, fail_on: Any, said: str) -> None:
    page = Page(render_agreement(habits.agreement, habits.tables, NOTHING, TYPED, fail_on))
    assert said.format(f"{len(habits.agreement.findings)} findings") in page.within["p"][1]


def test_each_annotator_has_a_section(habits: AgreementRun) -> None:
    """Volume and score of everybody, and their own worst examples with the guideline's sentence."""
    scored = scorecard_of_agreement(habits.agreement, habits.tables)
    drawn = draw_pictures(habits.dataset, habits.tables, [], 1, scored.cards)
    page = Page(render_agreement(habits.agreement, habits.tables, drawn, TYPED, cards=scored))
    assert [each.strip() for each in page.within["h3"][-4:]] == ["anna", "ben", "carl", "dora"]
    assert sum("12 images" in each for each in page.within["dd"]) == 4
    examples = [each for card in scored.cards for each in card.worst]
    assert len(page.within["figcaption"]) == 6 + len(examples)
    assert len(drawn.examples) == len({(card.annotator, each) for card in scored.cards for each in card.worst})
    assert any("Everything on four wheels." in each for each in page.within["blockquote"])


def test_two_without_a_reference_have_no_examples(compare: Compare) -> None:
    masks = np.ones((8, 8), np.uint8)
    found = compare({"anna": [masks], "ben": [np.where(np.eye(8), 2, masks).astype(np.uint8)]})
    assert not any(card.worst for card in scorecard_of_agreement(found.agreement, found.tables).cards)


CATEGORIES = [Category(id=1, name="road", kind="stuff"), Category(id=2, name="car", kind="stuff")]


def habit(who: str, value: float, low: float, high: float, stands: bool = False) -> ReportedBias:
    return ReportedBias(who, "car", "offset", Score(value, low, high, 9, 0), 0.0, 0.5, stands)


def test_intervals_on_one_axis() -> None:
    some = [habit("a", 1.0, 0.5, 1.5, True), habit("b", -1.0, -1.5, -0.5), habit("b", 30.0, 29.0, 31.0)]
    found = forest_plot(some, ["a", "b"], 9)
    assert found is not None
    assert [each.annotator for each in found.rows] == ["a", "b", "b"]
    (mark,) = found.rows[0].values
    assert mark is not None
    assert (mark.low, mark.value, mark.high, mark.stands) == (0.5, 1.0, 1.5, True)
    assert found.n_more == 0


def test_what_is_beyond_the_axis_is_marked() -> None:
    some = [habit("a", 0.1 * k, 0.1 * k - 0.1, 0.1 * k + 0.1) for k in range(-9, 10)]
    found = forest_plot([*some, habit("a", -80.0, -90.0, -70.0)], ["a"], 99)
    assert found is not None
    assert found.end == 1
    chart = offsets_chart(found.rows, found.end, "px")
    assert (chart.count(">◀<"), chart.count("<circle")) == (1, 19)


def test_those_that_stand_are_shown_before_larger_ones() -> None:
    found = forest_plot([habit("a", 5.0, -9.0, 20.0), habit("b", 0.3, 0.2, 0.4, True)], ["a", "b"], 1)
    assert found is not None
    assert [each.annotator for each in found.rows] == ["b"]
    assert found.n_more == 1


def test_without_intervals_there_is_a_dot() -> None:
    found = forest_plot([habit("a", 0.2, math.nan, math.nan)], ["a"], 9)
    assert found is not None
    chart = offsets_chart(found.rows, found.end, "px")
    assert chart.count("<circle") == 1
    assert ">+0.20<" in chart
    assert forest_plot([], ["a"], 9) is None


def test_histograms_count_every_image() -> None:
    rng = np.random.default_rng(0)
    drawn = [[rng.integers(0, 2, (5, 6)) for _ in range(7)] for _ in range(3)]
    images = ImageAgreement.from_pairs(tables_of_maps(drawn, CATEGORIES))
    rows = image_histograms(images, ["a", "b", "c"])
    assert [each.name for each in rows] == ["all", "a", "b", "c"]
    for row in rows:
        assert sum(int(bar.title.split()[0]) for bar in row.bars) == row.n == 7
        assert max(bar.height for bar in row.bars) == 100
        assert row.median == f"{row.middle / 100:.2f}"
    one = ImageAgreement.from_pairs(tables_of_maps([each[:1] for each in drawn], CATEGORIES))
    assert image_histograms(one, ["a", "b", "c"]) == []


def test_confusion_says_the_shares_of_rows() -> None:
    one, two = np.array([[0, 0, 0, 1]]), np.array([[0, 0, 1, 1]])
    chart = confusion_chart(Confusion.from_pairs(tables_of_maps([[one], [two]], CATEGORIES)))
    drawn = ElementTree.fromstring(chart)
    texts = ["".join(each.itertext()) for each in drawn.iter("text")]
    assert [each for each in texts if each.endswith("%")] == ["80%", "20%", "33%", "67%"]
    assert {"one annotator says", "the other annotator says"} <= set(texts)
    assert [each.get("class") for each in drawn.iter("rect")] == ["same", "other", "other", "same"]
    titles = [each.text for each in drawn.iter("title")]
    assert titles[1] == "of the pixels that one calls road the other calls 20% car"


def test_charts_hold_what_they_show() -> None:
    """Names, cells and the intervals of most rows lie inside; arrows say that an interval goes on."""
    few = confusion_chart(Confusion(("a", "b"), np.array([[999.2, 0.8], [1, 1]]), np.zeros(2, bool)))
    box = [float(side) for side in re.findall(r'viewBox="0 0 (\d+) (\d+)"', few)[0]]
    assert box[1] >= 7 * len("one annotator says")
    assert "99.9%" in few
    rows = [ChartRow("a", "#000", str(k), (ChartValue(0.1, 0.05, high, 0.1, False, "10%"),)) for k, high in HIGHS]
    shares = shares_chart(rows, ("misses",))
    assert shares.count("›") == 1
    assert ">40%<" in shares
    text = "−0.96 [−0.98, −0.94]"
    mark = ChartValue(-0.96, -0.98, -0.94, math.nan, True, text)
    offsets = offsets_chart([ChartRow("a", "#000", "car", (mark,))], 1, "px")
    (width,) = re.findall(r'viewBox="0 0 (\d+) ', offsets)
    (left,) = re.findall(rf'class="bold" x="([\d.]+)"[^>]*>{re.escape(text)}<', offsets)
    assert float(left) + 6.8 * len(text) <= float(width)
