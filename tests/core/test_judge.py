"""Judge: which rules run, with which options and severities, and what their findings say."""

import datetime

import pytest

from segdata.core.config import Config, Suppression
from segdata.core.errors import SegdataError
from segdata.core.finding import Finding
from segdata.core.judge import judge, needed, selected
from segdata.core.rule import rule_named, rules
from segdata.measure.measure import measure
from segdata.testing.pictures import drawn

SPECKLED = """
aaaaaaaaaaaaaaaaaa..
aaaaaaaaaaaaaaaaaa.a
aaaaaaaaaaaaaaaaaa..
"""


def found(config: Config, picture: str = SPECKLED) -> list[Finding]:
    drawing = drawn(picture)
    chosen = selected(config)
    return judge(measure(drawing, needed(chosen, drawing.profile), jobs=1), chosen, config)


def test_a_finding_says_whose_and_where() -> None:
    (finding,) = found(Config(select=("SEG106",)))
    assert (finding.code, finding.rule, finding.severity) == ("SEG106", "speck", "warning")
    assert (finding.bbox, finding.pixels, finding.category) == ((19, 1, 1, 1), 1, "a")
    assert finding.image is not None
    assert finding.annotator is None  # there is only one


@pytest.mark.parametrize(("word", "severity"), [("error", "error"), ("info", "info")])
def test_the_configuration_has_the_last_word_on_severity(word: str, severity: str) -> None:
    (finding,) = found(Config(select=("speck",), severity={"SEG106": word}))  # type: ignore[dict-item]  # one of them
    assert finding.severity == severity


def test_off_ignore_and_suppress_silence_a_rule() -> None:
    day = datetime.date.today()
    for silent in (
        Config(select=("SEG106",), severity={"SEG106": "off"}),
        Config(select=("SEG106",), ignore=("speck",)),
        Config(select=("SEG106",), suppress=(Suppression("SEG106", "known", image="*", until=day),)),
        Config(select=("SEG106",), rules={"SEG106": {"min_pixels": 1}}),
        Config(select=("SEG106",), rules={"speck": {"min_pixels": 1}}),
    ):
        assert found(silent) == []
    expired = Suppression("SEG106", "known", until=day - datetime.timedelta(days=1))
    elsewhere = Suppression("SEG106", "known", image="other/*")
    for loud in (expired, elsewhere):
        assert len(found(Config(select=("SEG106",), suppress=(loud,)))) == 1


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (Config(select=("SEG9",)), "no rule has the code or name 'SEG9'"),
        (Config(ignore=("speckk",)), "did you mean 'speck'"),
        (Config(severity={"SEG999": "error"}), "SEG999"),
        (Config(select=("SEG106",), rules={"SEG106": {"min_pixel": 3}}), "did you mean 'min_pixels'"),
        (Config(select=("SEG106",), rules={"SEG106": {"min_pixels": "3"}}), "must be like 8, it is '3'"),
        (Config(select=("SEG106",), rules={"SEG106": {"min_pixels": True}}), "must be like 8, it is True"),
        (Config(select=("SEG114",), rules={"SEG103": {"x": 3}}), "has no option 'x'"),
    ],
)
def test_misuse_is_named(config: Config, problem: str) -> None:
    with pytest.raises(SegdataError, match=problem):
        found(config)


def test_rules_are_found_by_code_and_by_name() -> None:
    assert rule_named("seg106") is rule_named("speck") is rules()["SEG106"]
    with pytest.raises(SegdataError, match="did you mean"):
        rule_named("SEG1066")


def test_findings_are_sorted_worst_first() -> None:
    every = found(Config(), SPECKLED)
    assert every == sorted(every, key=Finding.order)
    ranks = [("error", "warning", "info").index(each.severity) for each in every]
    assert ranks == sorted(ranks)


def test_only_what_the_selected_rules_need_is_measured() -> None:
    profile = drawn(SPECKLED).profile
    assert needed(selected(Config(select=("SEG105",))), profile) == frozenset()
    assert "parts" in needed(selected(Config(select=("SEG106",))), profile)
