"""The HTML report of findings, and the data for its template."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from markupsafe import Markup

import segdata
from segdata.core.dataset import OpenDataset
from segdata.core.errors import count_noun
from segdata.core.finding import SEVERITIES, Correction, Finding, Severity
from segdata.core.rule import rules
from segdata.core.validation import Validation
from segdata.report.findings import ReportContext, group_by_rule
from segdata.report.html import asset, template
from segdata.report.pictures.scene import choose_findings, draw_thumbnails, fair_share
from segdata.report.reference_pages import page_paragraph

FIELDS = tuple(Finding.__dataclass_fields__)
_MAX_NAMES_LISTED = 6  # of each kind
MAX_LISTED_FINDINGS = 5_000  # findings in the file, unless the user sets a number; more make browsers slow


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """The findings of one rule and severity for the overview, with texts from the rule's page."""

    code: str
    name: str
    severity: Severity
    texts: Mapping[str, str]
    findings: int
    images: int
    pixels: int

    @staticmethod
    def from_findings(findings: Sequence[Finding]) -> "RuleGroup":
        """Summarise the findings of one rule and severity."""
        first = findings[0]
        return RuleGroup(
            code=first.code,
            name=first.rule,
            severity=first.severity,
            texts=_rule_texts(first.code),
            findings=len(findings),
            images=len({name for finding in findings for name in finding.all_images}),
            pixels=sum(finding.pixels or 0 for finding in findings),
        )


Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]
"""Number of images -> a block in which a function reports how many more are done."""


def findings_html(
    dataset: OpenDataset,
    validation: Validation,
    context: ReportContext,
    hashes: Mapping[Finding, str],
    *,
    pictures: int = 200,
    statements: Sequence[str] = (),
    jobs: int = 0,
    progress: Progress = lambda total: nullcontext(lambda done: None),
) -> str:
    """The report as one HTML file, with pictures of the worst findings of each rule, `pictures` at most.

    See `render_findings`. Pillow's limit on image sizes is the caller's business.
    """
    listed = tuple(listed_findings(validation.findings, context))
    pictured_findings = choose_findings(dataset, replace(validation, findings=listed), pictures, context.max_findings)
    stand_in = {_middle(validation.members[finding]): finding for finding in listed if finding in validation.members}
    findings_shown = list(dict.fromkeys([*stand_in, *pictured_findings]))[:pictures]
    with progress(len({finding.image for finding in findings_shown})) as advance:
        painted = draw_thumbnails(
            dataset, [finding for finding in findings_shown if finding.image is not None], jobs, advance
        )
    thumbnails = {stand_in.get(finding, finding): picture for finding, picture in painted.items()}
    return render_findings(validation, context, thumbnails, hashes, statements)


def listed_findings(findings: Sequence[Finding], context: ReportContext) -> Sequence[Finding]:
    """The findings that the file lists, in order: as many as the user requested, else a fair share of every rule's."""
    if context.max_findings is not None:
        return findings[: context.max_findings]
    return fair_share(findings, MAX_LISTED_FINDINGS)


def _middle(findings: Sequence[Finding]) -> Finding:
    """The finding whose picture represents all of them."""
    return sorted(findings, key=lambda finding: (finding.image is not None, finding.pixels or 0))[len(findings) // 2]


def render_findings(
    validation: Validation,
    context: ReportContext,
    thumbnails: Mapping[Finding, str] | None = None,
    hashes: Mapping[Finding, str] | None = None,
    statements: Sequence[str] = (),
) -> str:
    """The report as one HTML file; the same input gives the same text.

    `thumbnails`: pictures of findings as `data:` URIs, those of each rule in the order to show them in.
    `hashes`: hashes of the labels of findings, see `segdata.core.label_hash`; with them the page takes decisions.
    `statements`: paragraphs about the whole dataset. `context.max_findings` limits the list, not the counts. The text
    may contain characters that Unicode cannot encode: write it with `backslashreplace`.
    """
    provisional = context.profile.provisional
    statements = [*statements, *([] if provisional is None else [f"Provisional taxonomy (SEG219): {provisional}"])]
    pictures = thumbnails or {}
    known_findings = () if validation.baseline is None else validation.baseline.known
    drawable = [finding for finding in (*validation.findings, *known_findings) if finding.all_images]
    states = _states(validation, context)
    n_unlisted = sum(len(findings) for _, findings, _ in states) - sum(len(listed) for _, _, listed in states)
    groups = [RuleGroup.from_findings(group) for group in group_by_rule(validation.findings)]
    return template("report.html").render(
        validation=validation,
        context=context,
        statements=statements,
        groups=groups,
        verdict=_verdict(validation, context),
        severities=[(severity, validation.count(severity)) for severity in SEVERITIES],
        n_images=len({name for finding in validation.findings for name in finding.all_images}),
        affected=list(_affected_fields(validation.findings)),
        n_pictures=sum(finding in pictures for finding in drawable),
        n_drawable=len(drawable),
        n_unlisted=n_unlisted,
        all_listed_by=" ".join(["segdata", context.command, *context.typed, *context.selection, "--format json"]),
        version=segdata.__version__,
        data=_data(validation, context, groups, pictures, hashes),
        style=asset("report.css"),
        script=asset("decide.js") + asset("report.js"),
    )


def _verdict(validation: Validation, context: ReportContext) -> tuple[str, str]:
    if not validation.findings:
        return "good", "Nothing new" if validation.baseline else "Nothing found"
    worst = validation.findings[0].severity
    text = count_noun(validation.count(worst), f"{'new ' if validation.baseline else ''}{worst}")
    if context.fail_on == "never":  # no pass or fail
        return worst, f"Found: {text}"
    if validation.fails(context.fail_on):
        return worst, f"Failed: {text}"
    return "good" if worst == "info" else worst, f"Passed, {text}"


def _affected_fields(findings: Sequence[Finding]) -> Iterator[tuple[str, str, list[tuple[str, int, float]], int]]:
    """The categories, annotators and images with most findings, if there are several of a kind.

    For each kind its field and heading, its names with number of findings and share of the largest number, and the
    number of other names.
    """
    for field, heading in (("category", "Categories"), ("annotator", "Annotators"), ("image", "Images")):
        count = Counter(value for finding in findings if (value := getattr(finding, field)) is not None)
        most = count.most_common(_MAX_NAMES_LISTED)
        if len(count) > 1 and most[0][1] > 1:
            yield field, heading, [(name, n, n / most[0][1]) for name, n in most], len(count) - len(most)


def _states(validation: Validation, context: ReportContext) -> list[tuple[str, Sequence[Finding], Sequence[Finding]]]:
    """The states of findings (new, known, …), each with all of its findings, and those that are listed."""
    states: list[tuple[str, Sequence[Finding]]] = [("new", validation.findings)]
    if validation.baseline is not None:
        states += [("unchanged", validation.baseline.known), ("fixed", validation.baseline.fixed)]
    return [(state, findings, listed_findings(findings, context)) for state, findings in states]


def _data(
    validation: Validation,
    context: ReportContext,
    groups: Sequence[RuleGroup],
    pictures: Mapping[Finding, str],
    hashes: Mapping[Finding, str] | None,
) -> Markup:
    shown = [(state, listed) for state, _, listed in _states(validation, context)]
    show = " ".join(["segdata", "show", *context.typed])
    baseline = validation.baseline is not None
    return findings_data(validation.dataset, shown, groups, pictures, show=show, baseline=baseline, hashes=hashes)


def findings_data(
    dataset: str,
    states: Sequence[tuple[str, Sequence[Finding]]],
    groups: Sequence[RuleGroup],
    pictures: Mapping[Finding, str],
    *,
    show: str | None = None,
    baseline: bool = False,
    hashes: Mapping[Finding, str] | None = None,
) -> Markup:
    """The findings as JSON, escaped for a script: a row each, of `state` and the fields of a finding.

    `groups` are in the order of the list; `show` is the beginning of the command that shows an image (None: there is
    none); `baseline`: whether findings have different states; with `hashes` each row has one.
    """
    place = {finding: number for number, finding in enumerate(pictures)}
    rows: list[list[Any]] = []  # Any: JSON
    of_rows: dict[int, int] = {}
    for state, findings in states:
        for finding in findings:
            if state != "fixed" and finding in pictures:
                of_rows[len(rows)] = place[finding]
            label_hash = [] if hashes is None else [hashes.get(finding, "")]
            rows.append([state, *(_json_value(getattr(finding, name)) for name in FIELDS), *label_hash])
    codes = {row[1] for row in rows}
    data: dict[str, Any] = {  # Any: JSON
        "version": 1,
        "dataset": dataset,
        "show": show,
        "baseline": baseline,
        "order": [[group.severity, group.code] for group in groups],
        "rules": {code: _rule_texts(code) for code in sorted(codes)},
        "columns": ["state", *FIELDS, *([] if hashes is None else ["imprint"])],
        "rows": rows,
        "pictures": list(pictures.values()),
        "picture_of": of_rows,
    }
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _rule_texts(code: str) -> dict[str, str]:
    """The texts of a rule's page for the head of its findings."""
    rule = rules().get(code)
    page = "" if rule is None else rule.page
    summary = "" if rule is None else rule.summary
    return {"summary": summary, "why": page_paragraph(page, "Why"), "remedy": page_paragraph(page, "Remedy")}


def _json_value(value: object) -> object:
    if isinstance(value, Correction):
        return msgspec.to_builtins(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
