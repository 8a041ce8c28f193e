"""CI reports: findings as SARIF, JUnit XML, GitHub annotations and GitLab code quality.

Sources: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0, 27 March 2020. The report of Apache
Ant's JUnit task, as Jenkins and GitLab read it. GitHub Docs, "Workflow commands for GitHub Actions". GitLab Docs,
"Code Quality", the report format (a subset of the Code Climate specification).
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from posixpath import normpath
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import segdata
from segdata.core.errors import count_noun
from segdata.core.finding import SEVERITIES, Finding
from segdata.core.rule import Rule
from segdata.core.validation import FailOn, Validation, finding_identity, finding_key
from segdata.report.reference_pages import page_paragraph


@dataclass(frozen=True, slots=True)
class DatasetFiles:
    """The files of a dataset, for reports that name files and lines."""

    data: Path  # the dataset, as the user named it
    is_folder: bool  # whether `data` is a folder; the files of findings are below it, else beside it
    here: Path  # paths below this folder are relative to it
    images: Mapping[str, str] = field(default_factory=dict)  # image_id -> its file, if known

    def file(self, finding: Finding) -> str:
        """The file of a finding, else the dataset itself."""
        below = self.data if self.is_folder else self.data.parent
        return self.path(self.data if finding.file is None else below / finding.file)

    def image(self, finding: Finding) -> str | None:
        """The image file of a finding; the image id if no file is known; None for a finding about the dataset."""
        if finding.image is None:
            return None
        file = self.images.get(finding.image)
        return finding.image if file is None or "://" in file else self.path(Path(file))

    def path(self, file: Path) -> str:
        """A file as a POSIX path, relative to `here` if it lies below that."""
        absolute = normpath((self.here / file).as_posix())
        root = normpath(self.here.as_posix()).rstrip("/") + "/"
        return absolute.removeprefix(root)


def uri_reference(path: str) -> str:
    """A POSIX path as a URI reference.

    >>> uri_reference("a b/ä.png"), uri_reference("/data/a.png")
    ('a%20b/%C3%A4.png', 'file:///data/a.png')
    """
    quoted = quote(path.encode("utf-8", "surrogateescape"))
    return f"file://{quoted}" if path.startswith("/") else quoted


SARIF_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
Json = dict[str, Any]  # Any: JSON


def to_sarif(validation: Validation, rules: Sequence[Rule], site: DatasetFiles) -> str:
    """The report as a SARIF log of one run; the same input gives the same text.

    `rules` are those that ran. The position in the image is an attachment: the image file with the finding's rectangle.
    With a baseline, findings are `new`, `unchanged`, or `absent` (only in the baseline).
    """
    codes = [rule.code for rule in rules]
    results = [_sarif_result(finding, "new", codes, site) for finding in validation.findings]
    if validation.baseline is not None:
        results += [_sarif_result(finding, "unchanged", codes, site) for finding in validation.baseline.known]
        results += [_sarif_result(finding, "absent", codes, site) for finding in validation.baseline.fixed]
    else:
        results = [{key: value for key, value in result.items() if key != "baselineState"} for result in results]
    driver = {
        "name": "segdata",
        "version": segdata.__version__,
        "semanticVersion": segdata.__version__,
        "rules": [_sarif_rule(rule) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True}],
        "results": results,
        "properties": {"images": validation.n_images, "segments": validation.n_segments},
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def fingerprints(finding: Finding) -> dict[str, str]:
    """The fingerprints of a finding by version, each of 32 hexadecimal digits; renumbered ids change none.

    For a finding without a box, the first version depends on the words of its message, the second does not.
    """
    keys = {"segdata/v1": finding_key(finding), "segdata/v2": finding_identity(finding)}
    return {
        version: blake2b(repr(key).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        for version, key in keys.items()
    }


def _sarif_rule(rule: Rule) -> Json:
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": page_paragraph(rule.page, "Why") or rule.summary},
        "help": {"text": rule.page, "markdown": f"```text\n{rule.page}\n```"},
        "defaultConfiguration": {"level": SARIF_LEVELS[rule.severity]},
    }


def _sarif_result(finding: Finding, state: str, codes: Sequence[str], site: DatasetFiles) -> Json:
    message = finding.message if finding.image is None else f"{finding.image}: {finding.message}"
    result: Json = {"ruleId": finding.code}
    if finding.code in codes:
        result["ruleIndex"] = codes.index(finding.code)
    physical: Json = {"artifactLocation": {"uri": uri_reference(site.file(finding))}}
    if finding.line is not None:
        physical["region"] = {"startLine": finding.line}
    location: Json = {"physicalLocation": physical}
    if logical := _logical(finding):
        location["logicalLocations"] = logical
    result |= {"level": SARIF_LEVELS[finding.severity], "message": {"text": message}, "locations": [location]}
    image = site.image(finding)
    if image is not None and finding.bbox is not None:
        left, top, width, height = finding.bbox
        area = {"left": left, "top": top, "right": left + width, "bottom": top + height}
        rectangle = {**area, "message": {"text": finding.message}}
        result["attachments"] = [{"artifactLocation": {"uri": uri_reference(image)}, "rectangles": [rectangle]}]
    result["partialFingerprints"] = fingerprints(finding)
    result["baselineState"] = state
    if properties := dict(_properties(finding)):
        result["properties"] = properties
    return result


def _logical(finding: Finding) -> list[Json]:
    locations: list[Json] = []
    if finding.image is not None:
        locations.append({"name": finding.image, "kind": "resource"})
    if finding.place is not None:
        locations.append({"fullyQualifiedName": finding.place, "kind": "element"})
    return locations


def _properties(finding: Finding) -> Iterable[tuple[str, object]]:
    for name in ("annotator", "category", "pixels", "fix"):
        if (value := getattr(finding, name)) is not None:
            yield name, value
    if finding.score is not None and math.isfinite(finding.score):
        yield "rank", finding.score
    if finding.segments:
        yield "segments", list(finding.segments)


GITLAB_SEVERITIES = {"error": "major", "warning": "minor", "info": "info"}


def to_gitlab(validation: Validation, site: DatasetFiles) -> str:
    """The findings as a code quality report; each has a unique fingerprint that survives renumbered ids."""
    alike: Counter[str] = Counter()
    lines = []
    for finding in validation.findings:
        mark = fingerprints(finding)["segdata/v2"]
        alike[mark] += 1
        unique = blake2b(f"{mark} {alike[mark]}".encode(), digest_size=16).hexdigest()
        entry = {
            "description": finding.message if finding.image is None else f"{finding.image}: {finding.message}",
            "check_name": f"{finding.code} {finding.rule}",
            "fingerprint": unique,
            "severity": GITLAB_SEVERITIES[finding.severity],
            "location": {"path": site.file(finding), "lines": {"begin": finding.line or 1}},
        }
        lines.append(json.dumps(entry, ensure_ascii=False))
    return "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"


_CONTROL = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")  # control characters; line ends are escaped
GITHUB_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def to_github(validation: Validation, site: DatasetFiles) -> str:
    """One command per finding, worst first, since GitHub shows ten of each severity, and a summary line."""
    counts = [count_noun(count, severity) for severity in SEVERITIES if (count := validation.count(severity))]
    summary = f"segdata: {', '.join(counts) or 'nothing found'} in {count_noun(validation.n_images, 'image')}"
    return "\n".join([*_github_commands(validation, site), summary, ""])


def _github_commands(validation: Validation, site: DatasetFiles) -> Iterator[str]:
    for finding in validation.findings:
        place = {"file": site.file(finding), "line": finding.line, "title": f"{finding.code} {finding.rule}"}
        texts = {key: _escape_data(str(value)) for key, value in place.items() if value is not None}
        properties = ",".join(f"{key}={text.replace(':', '%3A').replace(',', '%2C')}" for key, text in texts.items())
        yield f"::{GITHUB_COMMANDS[finding.severity]} {properties}::{_escape_data(_github_message(finding))}"


def _github_message(finding: Finding) -> str:
    box = finding.bbox and "x {}, y {}, {} x {} px".format(*finding.bbox)
    where = ", ".join(part for part in (finding.image, box, finding.category, finding.annotator) if part)
    return f"{finding.message} ({where})" if where else finding.message


def _escape_data(text: str) -> str:
    text = _CONTROL.sub("\ufffd", text)
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # characters that XML 1.0 forbids


def to_junit(validation: Validation, rules: Sequence[Rule], fail_on: FailOn) -> str:
    """The report as JUnit XML. Findings at or above `fail_on` fail an image; milder ones go to its output."""
    root = ElementTree.Element("testsuites", name="segdata")
    totals = [0, 0]
    for code, name in _suite_names(validation, rules).items():
        findings = sorted((finding for finding in validation.findings if finding.code == code), key=_subject)
        suite = ElementTree.SubElement(root, "testsuite", name=f"{code} {name}")
        cases = [(subject, list(group)) for subject, group in groupby(findings, _subject)] or [("dataset", [])]
        failed = [_add_case(suite, code, subject, group, fail_on) for subject, group in cases]
        counts = (len(cases), sum(failed))
        totals = [totals[0] + counts[0], totals[1] + counts[1]]
        _set_counts(suite, *counts)
    _set_counts(root, *totals)
    ElementTree.indent(root, " ")
    text: str = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _suite_names(validation: Validation, rules: Sequence[Rule]) -> dict[str, str]:
    """Code -> name of the rules that ran, and of any other rule with findings."""
    names = {rule.code: rule.name for rule in rules} | {finding.code: finding.rule for finding in validation.findings}
    return dict(sorted(names.items()))


def _add_case(
    suite: ElementTree.Element, code: str, subject: str, findings: Sequence[Finding], fail_on: FailOn
) -> bool:
    case = ElementTree.SubElement(suite, "testcase", classname=code, name=_clean_xml(subject))
    failing_severities = () if fail_on == "never" else SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    failing = [finding for finding in findings if finding.severity in failing_severities]
    mild = [finding for finding in findings if finding.severity not in failing_severities]
    if failing:
        more = f" and {count_noun(len(failing) - 1, 'more finding')}" if len(failing) > 1 else ""
        failure = ElementTree.SubElement(
            case, "failure", type=failing[0].severity, message=_clean_xml(failing[0].message + more)
        )
        failure.text = "\n".join(map(_junit_line, failing))
    if mild:
        ElementTree.SubElement(case, "system-out").text = "\n".join(map(_junit_line, mild))
    return bool(failing)


def _junit_line(finding: Finding) -> str:
    where = [finding.file, finding.line and f"line {finding.line}", finding.place]
    box = finding.bbox and "at x {}, y {}, {} x {} px".format(*finding.bbox)
    author = finding.annotator and f"by {finding.annotator}"
    rest = ", ".join(str(part) for part in (finding.category, box, author, *where) if part)
    return _clean_xml(f"{finding.severity}: {finding.message}" + (f" ({rest})" if rest else ""))


def _subject(finding: Finding) -> str:
    return finding.image or finding.file or "dataset"


def _clean_xml(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)


def _set_counts(element: ElementTree.Element, tests: int, failures: int) -> None:
    element.attrib |= {"tests": str(tests), "failures": str(failures), "errors": "0"}
