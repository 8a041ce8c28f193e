"""SARIF 2.1.0: the findings for code scanning services and editors.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0, 27 March 2020.
"""

import json
import math
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import segdata
from segdata.core.finding import Finding
from segdata.core.rule import Rule
from segdata.core.validation import Validation, finding_key
from segdata.report.catalogue import paragraph
from segdata.report.location import Site, uri

LEVELS = {"error": "error", "warning": "warning", "info": "note"}
Json = dict[str, Any]  # Any: JSON


def to_sarif(validation: Validation, rules: Sequence[Rule], site: Site) -> str:
    """The report as a SARIF log of one run; the same input gives the same text.

    `rules` are those that ran. The place in the image is an attachment: the image file with the finding's rectangle.
    With a baseline, findings are `new` or `unchanged`, and those of it that are not there any more `absent`.
    """
    codes = [rule.code for rule in rules]
    results = [_result(each, "new", codes, site) for each in validation.findings]
    if validation.baseline is not None:
        results += [_result(each, "unchanged", codes, site) for each in validation.baseline.known]
        results += [_result(each, "absent", codes, site) for each in validation.baseline.fixed]
    else:
        results = [{key: value for key, value in each.items() if key != "baselineState"} for each in results]
    driver = {
        "name": "segdata",
        "version": segdata.__version__,
        "semanticVersion": segdata.__version__,
        "rules": [_rule(rule) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True}],
        "results": results,
        "properties": {"images": validation.n_images, "segments": validation.n_segments},
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def fingerprint(finding: Finding) -> str:
    """What a finding is known by again after ids were renumbered, as 32 hexadecimal digits."""
    return blake2b(repr(finding_key(finding)).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _rule(rule: Rule) -> Json:
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": paragraph(rule.page, "Why") or rule.summary},
        "help": {"text": rule.page, "markdown": f"```text\n{rule.page}\n```"},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
    }


def _result(finding: Finding, state: str, codes: Sequence[str], site: Site) -> Json:
    message = finding.message if finding.image is None else f"{finding.image}: {finding.message}"
    found: Json = {"ruleId": finding.code}
    if finding.code in codes:
        found["ruleIndex"] = codes.index(finding.code)
    physical: Json = {"artifactLocation": {"uri": uri(site.file(finding))}}
    if finding.line is not None:
        physical["region"] = {"startLine": finding.line}
    location: Json = {"physicalLocation": physical}
    if logical := _logical(finding):
        location["logicalLocations"] = logical
    found |= {"level": LEVELS[finding.severity], "message": {"text": message}, "locations": [location]}
    image = site.image(finding)
    if image is not None and finding.bbox is not None:
        left, top, width, height = finding.bbox
        area = {"left": left, "top": top, "right": left + width, "bottom": top + height}
        rectangle = {**area, "message": {"text": finding.message}}
        found["attachments"] = [{"artifactLocation": {"uri": uri(image)}, "rectangles": [rectangle]}]
    found["partialFingerprints"] = {"segdata/v1": fingerprint(finding)}
    found["baselineState"] = state
    if properties := dict(_properties(finding)):
        found["properties"] = properties
    return found


def _logical(finding: Finding) -> list[Json]:
    """The image, and the place in the file, as names."""
    found: list[Json] = []
    if finding.image is not None:
        found.append({"name": finding.image, "kind": "resource"})
    if finding.place is not None:
        found.append({"fullyQualifiedName": finding.place, "kind": "element"})
    return found


def _properties(finding: Finding) -> Iterable[tuple[str, object]]:
    for name in ("annotator", "category", "pixels", "fix"):
        if (value := getattr(finding, name)) is not None:
            yield name, value
    if finding.score is not None and math.isfinite(finding.score):
        yield "rank", finding.score
    if finding.segments:
        yield "segments", list(finding.segments)
