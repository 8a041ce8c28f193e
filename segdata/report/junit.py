"""JUnit XML: a rule is a suite, an image with findings a test case; most CI services show it.

Source: the report of Apache Ant's JUnit task, as Jenkins and GitLab read it.
"""

import re
from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree

from segdata.core.errors import count_noun
from segdata.core.finding import SEVERITIES, Finding
from segdata.core.rule import Rule
from segdata.core.validation import FailOn, Validation

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML 1.0 cannot hold


def to_junit(validation: Validation, rules: Sequence[Rule], fail_on: FailOn) -> str:
    """The report as JUnit XML. An image fails a rule by findings at or above `fail_on`; milder ones are its output."""
    root = ElementTree.Element("testsuites", name="segdata")
    totals = [0, 0]
    for code, name in _names(validation, rules).items():
        mine = sorted((each for each in validation.findings if each.code == code), key=_subject)
        suite = ElementTree.SubElement(root, "testsuite", name=f"{code} {name}")
        cases = [(subject, list(group)) for subject, group in groupby(mine, _subject)] or [("dataset", [])]
        failed = [_case(suite, code, subject, group, fail_on) for subject, group in cases]
        counts = (len(cases), sum(failed))
        totals = [totals[0] + counts[0], totals[1] + counts[1]]
        _count(suite, *counts)
    _count(root, *totals)
    ElementTree.indent(root, " ")
    text: str = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _names(validation: Validation, rules: Sequence[Rule]) -> dict[str, str]:
    """Code -> name of the rules that ran, and of any that spoke beside them."""
    named = {rule.code: rule.name for rule in rules} | {each.code: each.rule for each in validation.findings}
    return dict(sorted(named.items()))


def _case(suite: ElementTree.Element, code: str, subject: str, findings: Sequence[Finding], fail_on: FailOn) -> bool:
    """Add one test case; returns whether it failed."""
    case = ElementTree.SubElement(suite, "testcase", classname=code, name=_clean(subject))
    bad = () if fail_on == "never" else SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    failing = [each for each in findings if each.severity in bad]
    mild = [each for each in findings if each.severity not in bad]
    if failing:
        more = f" and {count_noun(len(failing) - 1, 'more finding')}" if len(failing) > 1 else ""
        failure = ElementTree.SubElement(
            case, "failure", type=failing[0].severity, message=_clean(failing[0].message + more)
        )
        failure.text = "\n".join(map(_line, failing))
    if mild:
        ElementTree.SubElement(case, "system-out").text = "\n".join(map(_line, mild))
    return bool(failing)


def _line(finding: Finding) -> str:
    where = [finding.file, finding.line and f"line {finding.line}", finding.place]
    box = finding.bbox and "at x {}, y {}, {} x {} px".format(*finding.bbox)
    who = finding.annotator and f"by {finding.annotator}"
    rest = ", ".join(str(part) for part in (finding.category, box, who, *where) if part)
    return _clean(f"{finding.severity}: {finding.message}" + (f" ({rest})" if rest else ""))


def _subject(finding: Finding) -> str:
    return finding.image or finding.file or "dataset"


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)


def _count(element: ElementTree.Element, tests: int, failures: int) -> None:
    element.attrib |= {"tests": str(tests), "failures": str(failures), "errors": "0"}
