"""Judge: which rules run, with which options and severities, and what their findings say."""

import datetime
from dataclasses import replace

import pytest

from segdata.core.batch import replace_column
from segdata.core.config import Config, Override, Suppression
from segdata.core.errors import SegdataError
from segdata.core.finding import Defect, Finding, Severity
from segdata.core.rule import find_rule, rules
from segdata.core.rule_runner import needed_families, reader_errors, run_rules, select_rules
from segdata.measure.measure import measure_source
from segdata.testing.pictures import PictureDataset, draw_picture

DAY = datetime.date(2026, 5, 17)
SPECKLED = """
aaaaaaaaaaaaaaaaaa...
aaaaaaaaaaaaaaaaaa.a.
aaaaaaaaaaaaaaaaaa...
"""


def found(config: Config, picture: str = SPECKLED) -> list[Finding]:
    drawing = draw_picture(picture)
    chosen = select_rules(config)
    tables = measure_source(drawing, needed_families(chosen, drawing.profile), jobs=1)
    return list(run_rules(tables, chosen, config, DAY).findings)


def test_a_finding_says_whose_and_where() -> None:
    (finding,) = found(Config(select=("SEG106",)))
    assert (finding.code, finding.rule, finding.severity) == ("SEG106", "speck", "info")
    assert (finding.bbox, finding.pixels, finding.category) == ((19, 1, 1, 1), 1, "a")
    assert finding.image is not None
    assert finding.annotator is None  # there is only one


WORDS = ("SEG106", "seg106", "SEG10", "SEG", "speck", "Speck")  # each speaks of the rule


@pytest.mark.parametrize("severity", ["error", "info"])
@pytest.mark.parametrize("word", WORDS)
def test_the_configuration_has_the_last_word_on_severity(word: str, severity: Severity) -> None:
    (finding,) = found(Config(select=("speck",), severity={word: severity}))
    assert finding.severity == severity


@pytest.mark.parametrize("word", WORDS)
def test_every_key_takes_codes_prefixes_and_names(word: str) -> None:
    assert "SEG106" in {each.code for each in found(Config(select=(word,)))}
    for silent in (
        Config(select=("SEG106",), ignore=(word,)),
        Config(select=("SEG106",), severity={word: "off"}),
        Config(select=("SEG106",), rules={word: {"min_pixels": 1}}),
        Config(select=("SEG106",), suppress=(Suppression(word, "known"),)),
    ):
        assert found(silent) == []


def test_the_narrower_word_goes_before() -> None:
    one: Severity
    for one, wide in (("error", "off"), ("info", "error")):
        for severity in ({"speck": one, "SEG1": wide}, {"SEG1": wide, "SEG106": one}):
            (finding,) = found(Config(select=("SEG106",), severity=severity))  # type: ignore[arg-type]  # of Severity
            assert finding.severity == one
    assert found(Config(select=("SEG106",), rules={"SEG106": {"min_pixels": 1}, "SEG1": {"min_pixels": 9}})) == []


@pytest.mark.parametrize("key", ["select", "ignore", "severity", "rules", "suppress"])
@pytest.mark.parametrize("word", ["SEG9", "specc", ""])
def test_a_word_for_no_rule_is_an_error_in_every_key(key: str, word: str) -> None:
    value = {
        "severity": {word: "info"},
        "rules": {word: {}},
        "suppress": (Suppression(word, "known"),),
    }.get(key, (word,))
    with pytest.raises(SegdataError, match=f"segdata.yaml: {key}: no rule has the code or name '{word}'") as error:
        select_rules(Config(**{key: value}), select="SEG106")  # type: ignore[arg-type]  # the value is the key's
    hint = "; did you mean 'speck'?" if word == "specc" else "; `segdata rules` lists all rules"
    assert str(error.value).endswith(hint)  # of codes none is suggested: those that look alike mean other things


def test_one_word_may_stand_for_itself() -> None:
    assert [each.code for each in select_rules(Config(), select="speck")] == ["SEG106"]
    assert select_rules(Config(), "SEG1", "SEG10") == select_rules(Config(), ["SEG1"], ["SEG10"])


def test_errors_among_defects_are_what_a_validation_calls_errors() -> None:
    wrong = Defect("SEG007", "dangling", image="a.png")
    mild = Defect("SEG007", "dangling", severity="info")
    assert reader_errors([wrong, mild], Config()) == [wrong]
    assert reader_errors([wrong, mild], Config(severity={"SEG007": "error"})) == [wrong, mild]
    for accepted in (
        Config(severity={"SEG007": "warning"}),
        Config(severity={"SEG0": "off"}),
        Config(ignore=("dangling-reference",)),
        Config(suppress=(Suppression("SEG007", "known", image="*.png"),)),
    ):
        assert reader_errors([wrong, mild], accepted) == []


def test_suppressions_end_and_have_a_place() -> None:
    day = DAY
    assert found(Config(select=("SEG106",), suppress=(Suppression("SEG106", "known", image="*", until=day),))) == []
    expired = Suppression("SEG106", "known", until=day - datetime.timedelta(days=1))
    elsewhere = Suppression("SEG106", "known", image="other/*")
    for loud in (expired, elsewhere):
        assert len(found(Config(select=("SEG106",), suppress=(loud,)))) == 1


def test_a_suppression_that_ended_or_matches_nothing_is_found_and_its_place_told() -> None:
    ended = Suppression("SEG106", "known", until=DAY - datetime.timedelta(days=1))
    elsewhere = Suppression("speck", "glass", image="other/*")
    used = Suppression("SEG1", "known", image="*")
    stale = [each for each in found(Config(suppress=(ended, used, elsewhere))) if each.code == "SEG019"]
    assert [(each.file, each.place, each.severity) for each in stale] == [
        ("segdata.yaml", "/suppress/0", "warning"),
        ("segdata.yaml", "/suppress/2", "warning"),
    ]
    assert "(known) ended on 2026-05-16" in stale[0].message
    assert "(glass) matches no finding" in stale[1].message
    # Nobody can say so of rules that did not run.
    assert found(Config(select=("SEG019", "SEG107"), suppress=(elsewhere,))) == []


def test_overrides_speak_of_their_scope_and_the_later_goes_before() -> None:
    def severities(*overrides: Override) -> list[Severity]:
        return [each.severity for each in found(Config(select=("SEG106",), overrides=overrides))]

    mild = Override(severity={"SEG1": "warning"})
    assert severities(mild) == ["warning"]
    assert severities(mild, Override(category="a", severity={"speck": "error"})) == ["error"]
    assert severities(mild, Override(category="b", severity={"speck": "error"})) == ["warning"]
    assert severities(Override(annotator="x", ignore=("SEG1",))) == ["info"]
    assert severities(Override(image="*", ignore=("SEG1",))) == []
    assert severities(Override(select=("SEG107",))) == []
    assert severities(Override(select=("SEG107",)), Override(severity={"SEG106": "warning"})) == ["warning"]


def test_overrides_know_a_single_annotator_whom_reports_leave_out() -> None:
    drawing = draw_picture(SPECKLED)
    batch = replace(drawing.batch, annotations=replace_column(drawing.batch.annotations, "annotator", ["anna"]))
    config = Config(select=("SEG106",), overrides=(Override(annotator="anna", severity={"SEG106": "error"}),))
    chosen = select_rules(config)
    tables = measure_source(PictureDataset(drawing.profile, batch), needed_families(chosen, drawing.profile), jobs=1)
    (finding,) = run_rules(tables, chosen, config).findings
    assert (finding.severity, finding.annotator) == ("error", None)


def test_overrides_name_words_for_no_rule() -> None:
    for key, value in (("select", ("SEG9",)), ("ignore", ("SEG9",)), ("severity", {"SEG9": "info"})):
        with pytest.raises(SegdataError, match=f"segdata.yaml: overrides, entry 1: {key}: no rule has"):
            select_rules(Config(overrides=(Override(**{key: value}),)))  # type: ignore[arg-type]  # the value is the key's


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (Config(select=("SEG9",)), "no rule has the code or name 'SEG9'"),
        (Config(ignore=("speckk",)), "did you mean 'speck'"),
        (Config(severity={"SEG999": "error"}), "SEG999"),
        (Config(select=("SEG106",), rules={"SEG106": {"min_pixel": 3}}), "did you mean 'min_pixels'"),
        (Config(select=("SEG106",), rules={"SEG106": {"min_pixels": "3"}}), "must be a value like 8, it is '3'"),
        (Config(select=("SEG106",), rules={"SEG106": {"min_pixels": True}}), "must be a value like 8, it is True"),
        (Config(select=("SEG114",), rules={"SEG103": {"x": 3}}), "has no option 'x'"),
        (Config(rules={"SEG1": {"min_pixel": 3}}), "no rule of 'SEG1' has an option 'min_pixel'; did you mean"),
        (Config(rules={"SEG1": {"min_pixels": "3"}}), "must be a value like"),
    ],
)
def test_misuse_is_named(config: Config, problem: str) -> None:
    with pytest.raises(SegdataError, match=problem):
        found(config)


def test_rules_are_found_by_code_and_by_name() -> None:
    assert find_rule("seg106") is find_rule("speck") is rules()["SEG106"]
    with pytest.raises(SegdataError, match="`segdata rules` lists all rules"):
        find_rule("SEG1066")
    with pytest.raises(SegdataError, match="did you mean 'speck'"):
        find_rule("specks")


def test_findings_are_sorted_worst_first() -> None:
    every = found(Config(), SPECKLED)
    assert every == sorted(every, key=Finding.order)
    ranks = [("error", "warning", "info").index(each.severity) for each in every]
    assert ranks == sorted(ranks)


def test_only_what_the_selected_rules_need_is_measured() -> None:
    profile = draw_picture(SPECKLED).profile
    assert needed_families(select_rules(Config(select=("SEG105",))), profile) == frozenset()
    assert "parts" in needed_families(select_rules(Config(select=("SEG106",))), profile)


def test_an_opt_in_rule_runs_where_it_is_selected_or_named() -> None:
    opt_in = {code for code, rule in rules("validate").items() if rule.opt_in}
    assert opt_in == {"SEG110", "SEG113", "SEG117", "SEG120", "SEG357"}

    def chosen(config: Config | None = None, select: str | tuple[str, ...] = ()) -> set[str]:
        return {rule.code for rule in select_rules(config or Config(), select)} & opt_in

    assert chosen() == set()
    assert chosen(Config(severity={"SEG1": "info"})) == set()
    assert chosen(Config(severity={"flicker": "info"})) == {"SEG357"}
    assert chosen(Config(severity={"SEG357": "off"})) == set()
    assert chosen(Config(rules={"flicker": {"min_pixels": 5}})) == {"SEG357"}
    assert chosen(Config(select=("SEG357",))) == {"SEG357"}
    assert chosen(select="SEG") == opt_in
