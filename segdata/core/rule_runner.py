"""Rule runner: run the selected rules over the measured tables, and complete their row findings to findings."""

import datetime
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from math import inf
from typing import Any, TypeVar

import msgspec

from segdata.core.config import Config
from segdata.core.errors import SegdataError
from segdata.core.executor import run_ordered
from segdata.core.finding import Defect, Finding, RowFinding, sort_findings
from segdata.core.profile import Profile
from segdata.core.reductions import Part, combine_requests, run_part
from segdata.core.rule import Command, Family, Request, Rule, Tables, rules
from segdata.core.rule_settings import (
    CONFIG_FILE,
    RuleSeverity,
    check_config,
    configured_codes,
    configured_options,
    configured_overrides,
    configured_severities,
    configured_suppressions,
    match_codes,
)
from segdata.core.safe_text import message_line
from segdata.core.strata import number_names
from segdata.core.table import Table

T = TypeVar("T", Finding, Defect)
EXPIRED_SUPPRESSION = "SEG019"  # reports on the suppressions, so it runs last
_MIN_SEGMENTS_FOR_THREADS = 50_000  # with fewer, starting threads takes longer than it saves


def select_rules(
    config: Config,
    select: str | Iterable[str] = (),
    ignore: str | Iterable[str] = (),
    command: Command = "validate",
) -> list[Rule]:
    """Select the rules of a command to run, by code, prefix or name, from the caller or else from the configuration.

    If nothing is selected, all rules run, without opt-in rules that the configuration does not name.
    Raises SegdataError for words that match no rule, here or in the configuration, and for unknown options in the
    configuration.
    """
    check_config(config)
    severity = configured_severities(config)
    installed = rules(command)
    codes = match_codes(select, "select") or configured_codes(config, "select") or _default_codes(config, installed)
    if select and codes and codes.isdisjoint(installed):
        other = rules()[min(codes)]
        raise SegdataError(f"{other.code} is a rule of `segdata {other.command}`, not of `segdata {command}`")
    left_out = match_codes(ignore, "ignore") | configured_codes(config, "ignore")
    return [
        rule
        for code, rule in installed.items()
        if code in codes and code not in left_out and severity.get(code) != "off"
    ]


def _default_codes(config: Config, installed: Mapping[str, Rule]) -> frozenset[str]:
    """The codes of the installed rules, without opt-in rules to which the configuration gives no severity or option."""
    named = {word.lower() for word in (*config.severity, *config.rules)}
    return frozenset(
        code for code, rule in installed.items() if not rule.opt_in or named & {code.lower(), rule.name.lower()}
    )


def needed_families(rules: list[Rule], profile: Profile) -> frozenset[Family]:
    """The families to measure for the rules that apply to the dataset.

    Gaps are measured only if every pixel must be labelled: elsewhere all background would be a gap.
    """
    families = frozenset(family for rule in rules if rule.applies(profile) for family in rule.needs)
    return families if profile.is_exhaustive else families - {"gaps"}


class RuleResults(msgspec.Struct, frozen=True):
    """The findings of the rules, most severe first; `suppressed` counts findings that the configuration accepts."""

    findings: tuple[Finding, ...]
    suppressed: int = 0


def find_by_rule(
    tables: Tables,
    rules: Iterable[Rule],
    config: Config,
    jobs: int = 1,
    known: Mapping[str, list[Finding]] | None = None,
) -> dict[str, list[Finding]]:
    """Code -> findings of each rule that applies, before severities, overrides and suppressions.

    Rules run in `jobs` threads (0: one per core) if there are many segments; the result does not depend on it. Rules
    with `known` findings do not run again. The rule about suppressions is left out: it needs the findings of the
    others.
    """
    known, builder, options = known or {}, _FindingBuilder(tables), configured_options(config)
    applicable = [rule for rule in rules if rule.applies(tables.profile) and rule.code != EXPIRED_SUPPRESSION]

    def found_by(rule: Rule) -> list[Finding]:
        if rule.code in known:
            return known[rule.code]
        with _named_in_errors(rule):
            return builder.findings(rule, rule.check(tables, **options.get(rule.code, {})))

    findings = run_ordered(
        found_by, applicable, jobs if len(tables.segments) >= _MIN_SEGMENTS_FOR_THREADS else 1, ahead=inf
    )
    return {rule.code: rule_findings for rule, rule_findings in zip(applicable, findings, strict=True)}


class PartFindings(msgspec.Struct, frozen=True):
    """The findings of a rule in a part of a dataset, and its request to the other parts; see `Outcome`."""

    findings: list[Finding]
    request: Request | None = None


FoundInPart = dict[str, PartFindings]  # by the rules' codes
Answers = Mapping[str, Sequence[Table]]  # by the rules' codes


def find_in_part(
    tables: Tables,
    rules: Iterable[Rule],
    config: Config,
    answers: Answers,
    whole: Tables | None = None,
) -> FoundInPart:
    """Code -> findings of each rule in one part of a dataset, given the answers to its requests, by code.

    `whole`: the tables of the whole dataset, in the leading part; see `segdata.core.reductions`.
    """
    builder, options = _FindingBuilder(whole or tables), configured_options(config)
    by_code = {}
    for rule in rules:
        check = partial(rule.check, **options.get(rule.code, {}))
        with _named_in_errors(rule):
            outcome = run_part(check, tables, Part(whole, answers.get(rule.code, ())))
            waits = outcome.request is not None and outcome.request.keys is not None
            by_code[rule.code] = PartFindings(
                [] if waits else builder.findings(rule, outcome.findings), outcome.request
            )
    return by_code


@contextmanager
def _named_in_errors(rule: Rule) -> Iterator[None]:
    """Add to errors of the block the rule, and the line of its module that raised them."""
    try:
        yield
    except SegdataError:
        raise
    except Exception as error:
        frames = traceback.walk_tb(error.__traceback__)
        lines = [line for frame, line in frames if frame.f_globals.get("__name__") == rule.check.__module__]
        error.add_note(f"in rule {rule.code} of {rule.check.__module__}{f', line {lines[-1]}' if lines else ''}")
        raise


def combine_parts(
    part_findings: Sequence[FoundInPart],
    begins: Sequence[Mapping[str, int]],
    run: Callable[[Answers, Sequence[str], Sequence[str]], Sequence[FoundInPart]],
) -> dict[str, list[Finding]]:
    """Run rules on a dataset in parts until all requests are answered; returns code -> findings.

    Parameters
    ----------
    part_findings : what they find in the leading part and in each of the others, without any answer
    begins : of each part the first row of each table in the whole dataset
    run : takes the answers so far, the codes of the rules that go on in all parts, and of those that do in the leading
        one, and returns what they find now: in the leading part, and, if there are codes of the first kind, in each
    """
    parts, answers = [dict(part) for part in part_findings], dict[str, list[Table]]()
    while True:
        waiting, led = list[str](), list[str]()
        for code in parts[0]:
            requests = [part[code].request for part in parts]
            asked = next((request for request in requests if request is not None), None)
            if asked is not None:
                answers.setdefault(code, []).append(combine_requests(requests, begins))
                led.append(code)
                waiting += [code] * (asked.keys is not None)
        if not led:
            return {code: [finding for part in parts for finding in part[code].findings] for code in parts[0]}
        for part in parts[1:]:
            part |= {code: PartFindings(part[code].findings) for code in led}
        for part, more in zip(parts, run(answers, waiting, led), strict=False):
            part |= more


def run_rules(
    tables: Tables,
    rules: list[Rule],
    config: Config,
    today: datetime.date | None = None,
    jobs: int = 1,
    known: Mapping[str, list[Finding]] | None = None,
) -> RuleResults:
    """Run the rules over the tables, then apply the configuration; `today` decides which suppressions have expired.

    `jobs`, `known`: see `find_by_rule`.
    """
    stamp, control = _FindingBuilder(tables), _FindingControl(config, today)
    applicable = [rule for rule in rules if rule.applies(tables.profile)]
    findings = chain.from_iterable(find_by_rule(tables, applicable, config, jobs, known).values())
    ruled = list(filter(None, map(control.apply_severity, findings)))
    kept = control.drop_suppressed(ruled)
    n_suppressed = len(ruled) - len(kept)
    for last in [rule for rule in applicable if rule.code == EXPIRED_SUPPRESSION]:
        stale = control.stale(_codes_not_run(applicable, tables.profile)) if config.suppress else ()
        with_stale = replace(tables, defects=tables.defects + stale)
        kept += filter(None, map(control.apply_severity, stamp.findings(last, last.check(with_stale))))
    named = kept if stamp.several else [_without_annotator(finding) for finding in kept]
    return RuleResults(tuple(sort_findings(named)), n_suppressed)


def _without_annotator(finding: Finding) -> Finding:
    """The finding without its annotator, for a dataset that has only one."""
    return finding if finding.annotator is None else replace(finding, annotator=None)


def reader_errors(defects: Iterable[Defect], config: Config) -> list[Defect]:
    """The defects that a validation with this configuration reports as errors."""
    control = _FindingControl(config)
    own = {rule.code: rule.severity for rule in select_rules(config)}
    return [
        defect
        for defect in control.drop_suppressed(defects)
        if defect.code in own and (control.severity_of(defect) or defect.severity or own[defect.code]) == "error"
    ]


def _codes_not_run(applicable: list[Rule], profile: Profile) -> frozenset[str]:
    """The codes of rules that apply to such a dataset but do not run."""
    return frozenset(code for code, rule in rules().items() if rule.applies(profile) and rule not in applicable)


class _FindingControl:
    """Applies the configuration to single findings: severities, overrides and suppressions."""

    def __init__(self, config: Config, today: datetime.date | None = None) -> None:
        self._today = today or datetime.date.today()
        self._severities, self._overrides = configured_severities(config), configured_overrides(config)
        self._suppressions = configured_suppressions(config)
        self._used: set[int] = set()

    def severity_of(self, finding: Finding | Defect) -> RuleSeverity | None:
        """The severity that the configuration gives a finding; None without one."""
        configured = self._severities.get(finding.code)
        for scope, severity in self._overrides:
            if finding.code in severity and scope.holds(finding):
                configured = severity[finding.code]
        return configured

    def apply_severity(self, finding: Finding) -> Finding | None:
        """The finding with its configured severity; None if it is off."""
        severity = self.severity_of(finding)
        return None if severity == "off" else finding if severity is None else replace(finding, severity=severity)

    def drop_suppressed(self, findings: Iterable[T]) -> list[T]:
        """The findings or defects without those that a suppression accepts."""
        if not self._suppressions:
            return list(findings)
        return [finding for finding in findings if not self._is_suppressed(finding)]

    def stale(self, not_run: frozenset[str]) -> tuple[Defect, ...]:
        """The suppressions that have expired, and those that match nothing though none of their codes is `not_run`."""
        defects = []
        for position, (codes, suppression) in enumerate(self._suppressions):
            if suppression.until is not None and suppression.until < self._today:
                wrong = f"ended on {suppression.until}"
            elif not codes & not_run and position not in self._used:
                wrong = "matches no finding"
            else:
                continue
            message = f"the suppression of {suppression.code} ({suppression.reason}) {wrong}"
            defects.append(Defect(EXPIRED_SUPPRESSION, message, file=CONFIG_FILE, place=f"/suppress/{position}"))
        return tuple(defects)

    def _is_suppressed(self, finding: Finding | Defect) -> bool:
        hits = [
            position
            for position, (codes, suppression) in enumerate(self._suppressions)
            if finding.code in codes
            and (suppression.until is None or self._today <= suppression.until)
            and suppression.holds(finding)
        ]
        self._used.update(hits)
        return bool(hits)


_SEGMENT_COLUMNS = (
    "annotation",
    "category_id",
    "file",
    "place",
    "x",
    "y",
    "width",
    "height",
    "segment_id",
    "source_id",
)
Rows = dict[int, tuple[Any, ...]]  # Any: as the columns


class _FindingBuilder:
    """Completes row findings with image, annotator, ids, category and place of their rows."""

    def __init__(self, tables: Tables) -> None:
        self._categories = {category.id: category.name for category in reversed(tables.profile.taxonomy.categories)}
        self._categories |= tables.profile.unknown_names
        self.several = len(number_names(tables.annotations.texts("annotator"))[0]) > 1
        self._tables = tables

    def findings(self, rule: Rule, row_findings: Iterable[RowFinding]) -> list[Finding]:
        """Complete the row findings of a rule; all rows are looked up at once."""
        every = list(row_findings)
        segments = self._tables.segments.rows({row for finding in every for row in finding.segments}, *_SEGMENT_COLUMNS)
        owners = {finding.annotation for finding in every} | {row for row, *_ in segments.values()}
        annotation_rows = {row for row in owners if row is not None}
        annotations = self._tables.annotations.rows(annotation_rows, "image", "annotator", "file")
        images = {finding.image for finding in every} | {image for image, _, _ in annotations.values()}
        ids = self._tables.images.rows({row for row in images if row is not None}, "image_id")
        return [self._finding(rule, finding, segments, annotations, ids) for finding in every]

    def _finding(self, rule: Rule, reported: RowFinding, segments: Rows, annotations: Rows, images: Rows) -> Finding:
        """Complete one row finding, from the cells of the rows that it names."""
        image_row, annotator, bbox, category = reported.image, reported.annotator, reported.bbox, reported.category
        file, place, annotation, ids = reported.file, reported.place, reported.annotation, reported.ids
        if reported.segments:
            row, *others = reported.segments
            own, category_id, own_file, own_place, x, y, width, height, segment_id, source_id = segments[row]
            ids = ids or (_source_id(segment_id, source_id), *(_source_id(*segments[row][-2:]) for row in others))
            annotation = own if annotation is None else annotation
            category = category or self._categories.get(category_id)
            file, place = file or own_file, place or own_place
            if bbox is None and len(reported.segments) == 1 and width > 0:  # without pixels there is no box
                bbox = (x, y, width, height)
        if annotation is not None:
            image_row, annotator, own_file = annotations[annotation]
            file = file or own_file
        return Finding(
            code=rule.code,
            rule=rule.name,
            severity=reported.severity or rule.severity,
            message=message_line(reported.message),
            image=reported.image_id if image_row is None else images[image_row][0],
            annotator=annotator,
            segments=ids,
            category=category,
            bbox=None if bbox is None else (int(bbox[0]), int(bbox[1]), int(bbox[2]), int(bbox[3])),
            pixels=None if reported.pixels is None else int(reported.pixels),
            score=reported.score,
            score_range=reported.score_range,
            file=file,
            line=reported.line,
            place=place,
            fix=rule.fix if reported.is_fixable else None,
            correction=reported.correction,
            kind=reported.kind,
        )


def _source_id(segment_id: int, source_id: str | None) -> int | str:
    return int(segment_id) if source_id is None else source_id
