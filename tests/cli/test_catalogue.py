"""`segdata rules` and `segdata explain`."""

import json
from collections.abc import Callable

from click.testing import Result

from segdata.core.rule import rules

Run = Callable[..., Result]


def test_every_rule_is_listed(run: Run) -> None:
    text = run("rules").stdout
    assert [line.split()[0] for line in text.splitlines() if line.startswith("SEG")] == list(rules())
    assert max(map(len, text.splitlines())) <= 80
    listed = json.loads(run("rules", "--format", "json").stdout)
    assert [each["code"] for each in listed] == list(rules())
    assert listed[list(rules()).index("SEG106")]["options"] == rules()["SEG106"].options


def test_every_rule_is_explained(run: Run) -> None:
    for code, rule in rules().items():
        text = run("explain", code).stdout
        assert text.startswith(f"{code} {rule.name}\n{rule.severity} by default")
        assert max(map(len, text.splitlines())) <= 80, code
        assert all(f"{name}: " in " ".join(text.split()) for name in rule.options)


def test_the_severity_shown_is_the_one_that_holds(run: Run) -> None:
    text = run("explain", "SEG106").stdout
    assert "  severity: {SEG106: info}  # or error, warning, off\n" in text


def test_pictures_stand_as_they_are(run: Run) -> None:
    page = rules()["SEG106"].page
    drawn = [line for line in page.splitlines() if line.startswith("    ")]
    assert drawn
    assert set(drawn) <= set(run("explain", "speck").stdout.splitlines())


def test_an_unknown_name_names_the_nearest(run: Run) -> None:
    result = run("explain", "spekc")
    assert (result.exit_code, "'speck'" in result.stderr) == (2, True)
