"""The HTML report: whole and well-formed, every finding in it as it was, nothing from the data is markup or code."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segdata
from segdata.core.finding import SEVERITIES, Finding
from segdata.core.rule import rules
from segdata.core.validation import Validation
from segdata.report.findings import ReportContext
from segdata.report.html.findings import MAX_LISTED_FINDINGS, render_findings
from segdata.report.reference_pages import page_paragraph
from tests.report.html.page import Page

SAMPLE = Path(__file__).parents[3] / "sample_data" / "semantic"
ASKED = ReportContext(segdata.read(SAMPLE).profile, list(rules().values()), ["street"])
HOSTILE = "a</script><!--<script>alert('1')</script>\"'&amp;\u2028`x`\udc80"
PICTURE = "data:image/jpeg;base64,AAAA"

texts = st.text(max_size=12) | st.sampled_from([HOSTILE, "]]>", "{{ x }}", "\x00\r\n"])
findings = st.builds(
    Finding,
    code=st.sampled_from(["SEG001", "SEG106", "SEG101", "XYZ9"]),
    rule=texts,
    severity=st.sampled_from(SEVERITIES),
    message=texts,
    image=st.none() | texts,
    annotator=st.none() | texts,
    segments=st.lists(st.integers(0, 99) | texts, max_size=2).map(tuple),
    category=st.none() | texts,
    bbox=st.none() | st.tuples(*4 * [st.integers(0, 99)]),
    pixels=st.none() | st.integers(0, 9999),
    score=st.none() | st.floats(),
    file=st.none() | texts,
    place=st.none() | texts,
)
many = st.lists(findings, max_size=6).map(lambda each: Validation("d", 1, 1, tuple(sorted(each, key=Finding.order))))


def written(validation: Validation, **more: Any) -> str:  # what is read back from the file
    return render_findings(validation, ASKED, **more).encode("utf-8", "backslashreplace").decode("utf-8")


def listed(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Page(text).within["script"][0])
    return found


def again(row: list[Any], columns: list[str]) -> tuple[str, Finding]:
    state, *values = row
    fields = dict(zip(columns[1:], values, strict=True))
    for name in ("segments", "bbox", "images", "categories"):
        fields[name] = fields[name] if fields[name] is None else tuple(fields[name])
    return state, Finding(**fields)


def finite(finding: Finding) -> Finding:
    return finding if finding.score is None or math.isfinite(finding.score) else replace(finding, score=None)


@given(many, many)
@settings(max_examples=60)
def test_every_finding_is_in_the_page_as_it_is(now: Validation, before: Validation) -> None:
    data = listed(written(now))
    assert [again(row, data["columns"]) for row in data["rows"]] == [("new", finite(each)) for each in now.findings]
    compared = now.against(before.findings)
    assert compared.baseline is not None
    data = listed(written(compared))
    states = {"new": compared.findings, "unchanged": compared.baseline.known, "fixed": compared.baseline.fixed}
    expected = [(state, finite(each)) for state, some in states.items() for each in some]
    assert [again(row, data["columns"]) for row in data["rows"]] == expected


@given(texts, many)
@settings(max_examples=60)
def test_what_the_data_say_adds_no_element(name: str, found: Validation) -> None:
    """The same report with harmless texts has the same tags."""
    harmless = [
        replace(each, message="m", image=each.image and "i", category=each.category and "c", annotator=None)
        for each in found.findings
    ]
    allowed = {tag for tag, _ in Page(written(replace(found, findings=tuple(harmless)))).tags} | {"aside", "ul", "h3"}
    page = Page(written(replace(found, dataset=name)))
    assert {tag for tag, _ in page.tags} <= allowed | {"code", "em", "strong", "b", "span", "li", "a"}
    assert sum(tag == "script" for tag, _ in page.tags) == 2
    assert not any(key.startswith("on") for _, attributes in page.tags for key in attributes)


def test_nothing_is_loaded() -> None:
    """No address in any attribute or style, and a policy that forbids the browser to load what is no `data:` URI."""
    finding = Finding(code="SEG106", rule="speck", severity="error", message=HOSTILE, image="http://x/a.png")
    text = written(Validation("d", 1, 1, (finding,)), thumbnails={finding: PICTURE})
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "base")
        assert not {"src", "srcset", "action", "background"} & attributes.keys()
        assert (attributes.get("href") or "#").startswith("#")
    policy = next(each["content"] for tag, each in page.tags if "http-equiv" in each)
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert not any(word in page.within["style"][0] for word in ("url(", "@import", "http"))
    assert "http" not in page.within["script"][1]


def test_the_head_says_how_it_went() -> None:
    error = Finding(code="SEG101", rule="gap", severity="error", message="m", image="a", pixels=7, category="road")
    warning = replace(error, code="SEG106", rule="speck", severity="warning", image="b")
    failed = Page(written(Validation("d", 5, 9, (error, replace(error, image="c"), warning))))
    assert failed.within["h2"][0] == "Failed: 2 errors"
    first, second = (" ".join(each.split()) for each in failed.within["li"][:2])
    assert first.startswith("SEG101 gap 2 in 2 images, 14 px Pixels are unlabelled")
    assert second.startswith("SEG106 speck 1 in 1 image, 7 px A stray part")
    assert Page(written(Validation("d", 5, 9, (warning,)))).within["h2"][0] == "Passed, 1 warning"
    assert '<section class="verdict warning">' in written(Validation("d", 5, 9, (warning,)))
    assert '<section class="verdict good">' in written(Validation("d", 5, 9, (replace(warning, severity="info"),)))
    unasked = render_findings(Validation("d", 5, 9, (warning,)), msgspec.structs.replace(ASKED, fail_on="never"))
    assert Page(unasked).within["h2"][0] == "Found: 1 warning"
    assert Page(written(Validation("d", 5, 9, ()))).within["h2"][0] == "Nothing found"
    compared = Validation("d", 5, 9, (error, warning)).against([warning, replace(warning, image="gone")])
    page = Page(written(compared))
    assert page.within["h2"][0] == "Failed: 1 new error"
    assert " ".join(page.within["p"][3].split()) == "Since the baseline: 1 new 1 fixed 1 unchanged"


@pytest.mark.parametrize(
    ("image", "pixels", "shown"),
    [("a.png", 4, "1 in 1 image, 4 px"), (None, 4, "1 finding, 4 px"), (None, None, "1 finding")],
)
def test_a_rule_says_how_much_it_found(image: str | None, pixels: int | None, shown: str) -> None:
    finding = Finding(code="SEG102", rule="overlap", severity="info", message="m", image=image, pixels=pixels)
    (much,) = re.findall(r'class="much">(.*)</span>', written(Validation("d", 1, 1, (finding,))))
    assert re.sub(r"<[^>]*>", "", much) == shown


def test_the_rules_say_why_and_what_to_do() -> None:
    data = listed(
        written(Validation("d", 1, 1, (Finding(code="SEG106", rule="speck", severity="error", message="m"),)))
    )
    said = data["rules"]["SEG106"]
    assert said["why"].startswith("one stray pixel stretches the bounding box, and becomes an instance of its own when")
    assert said["remedy"].startswith("look at some with `--overlays`.")


def test_a_command_breaks_between_its_words_alone() -> None:
    """A narrow screen would end a line after the dashes of an option."""
    finding = Finding(code="SEG106", rule="speck", severity="error", message="m")
    page = written(Validation("d", 1, 1, (finding,)))
    assert "<code><span>--fail-on</span> <span>error</span></code>" in page
    assert re.search("<code>[^<]*--", page) is None


@pytest.mark.parametrize("code", list(rules()))
def test_every_page_has_a_reason_and_a_remedy(code: str) -> None:
    for heading in ("Why", "Remedy"):
        said = page_paragraph(rules()[code].page, heading)
        assert said.endswith((".", ")")), said
        assert said[:40] in " ".join(rules()[code].page.split())
        assert "Options:" not in said


def test_a_picture_is_of_its_finding_and_the_list_may_end_early() -> None:
    some = [Finding(code="SEG106", rule="speck", severity="error", message=str(n), image="a") for n in range(4)]
    found = Validation("d", 1, 1, tuple(some))
    pictures = {some[3]: PICTURE + "3", some[1]: PICTURE + "1"}
    data = listed(written(found, thumbnails=pictures))
    shown = {int(row): data["pictures"][place] for row, place in data["picture_of"].items()}
    assert shown == {3: PICTURE + "3", 1: PICTURE + "1"}
    short = render_findings(found, msgspec.structs.replace(ASKED, max_findings=2))
    assert len(listed(short)["rows"]) == 2
    assert "2 more findings not listed" in " ".join(short.split())
    assert "segdata validate street --format json" in re.sub("</?span>", "", short)
    assert Page(short).within["h2"][0] == "Failed: 4 errors"


def test_a_large_report_has_a_share_of_every_rule_and_names_the_json() -> None:
    many = [Finding(code="SEG106", rule="speck", severity="warning", message=str(n), image=str(n)) for n in range(9000)]
    few = [replace(many[0], code="SEG107", rule="pinhole", message=str(n)) for n in range(20)]
    text = written(Validation("d", 9000, 1, (*many, *few)))
    rows = listed(text)["rows"]
    assert len(rows) == MAX_LISTED_FINDINGS
    assert sum(row[1] == "SEG107" for row in rows) == 20
    assert f"{9020 - MAX_LISTED_FINDINGS:,} more findings not listed here" in " ".join(text.split())
    assert "segdata validate street --format json" in re.sub("</?span>", "", text)
    everything = render_findings(
        Validation("d", 9000, 1, (*many, *few)), msgspec.structs.replace(ASKED, max_findings=9020)
    )
    assert len(listed(everything)["rows"]) == 9020
