"""Judge: run the selected rules over the measured tables, and turn what they found into findings."""

import datetime
import fnmatch
from collections.abc import Iterable
from typing import TypeVar

from segdata.core.config import Config
from segdata.core.defect import Defect
from segdata.core.finding import Box, Finding, Found, Severity
from segdata.core.profile import Profile
from segdata.core.rule import Family, Rule, Tables, rules
from segdata.core.settings import FILE, codes_of, options, severities, suppressions

T = TypeVar("T", Finding, Defect)


def selected(config: Config, select: str | Iterable[str] = (), ignore: str | Iterable[str] = ()) -> list[Rule]:
    """The rules that run: chosen by code, prefix of codes or name, by the caller or else in the configuration.

    Raises SegdataError for words that stand for no rule, anywhere in the configuration too, and for options in it
    that do not exist.
    """
    severity = severities(config)
    options(config)
    suppressions(config)
    by_caller, by_config = codes_of(select, "select"), codes_of(config.select, f"{FILE}: select")
    chosen = by_caller or by_config or rules().keys()
    left_out = codes_of(ignore, "ignore") | codes_of(config.ignore, f"{FILE}: ignore")
    return [
        rule
        for code, rule in rules().items()
        if code in chosen and code not in left_out and severity.get(code) != "off"
    ]


def needed(chosen: list[Rule], profile: Profile) -> frozenset[Family]:
    """The families that must be measured for those of the rules that speak of such a dataset.

    Gaps are only looked for where every pixel is expected to be labelled: elsewhere the background is one.
    """
    families = frozenset(family for rule in chosen if rule.applies(profile) for family in rule.needs)
    return families if profile.is_exhaustive else families - {"gaps"}


def judge(tables: Tables, chosen: list[Rule], config: Config) -> list[Finding]:
    """What the rules find, in a fixed order; `unsuppressed` leaves out what the configuration accepts."""
    stamp = _Stamp(tables)
    given, severity = options(config), severities(config)
    findings = []
    for rule in chosen:
        if not rule.applies(tables.profile):
            continue
        word = severity.get(rule.code)
        for found in rule.check(tables, **given.get(rule.code, {})):
            findings.append(stamp.finding(rule, found, word if word != "off" else None))
    return sorted(findings, key=Finding.order)


def unsuppressed(findings: Iterable[T], config: Config) -> list[T]:
    """The findings, or defects, without those that the configuration suppresses."""
    today = datetime.date.today()
    accepted = [(codes, each) for codes, each in suppressions(config) if each.until is None or today <= each.until]
    return [
        finding
        for finding in findings
        if not any(
            finding.code in codes
            and (each.image is None or fnmatch.fnmatch(finding.image or "", each.image))
            and (each.category is None or each.category == finding.category)
            for codes, each in accepted
        )
    ]


def errors_among(defects: Iterable[Defect], config: Config) -> list[Defect]:
    """The defects that a validation under this configuration would call errors."""
    severity = severities(config)
    own = {rule.code: rule.severity for rule in selected(config)}
    return [
        defect
        for defect in unsuppressed(defects, config)
        if defect.code in own and (severity.get(defect.code) or defect.severity or own[defect.code]) == "error"
    ]


class _Stamp:
    """Fills in what follows from the rows that a rule names: image, annotator, ids, category, place."""

    def __init__(self, tables: Tables) -> None:
        self._categories = {each.id: each.name for each in reversed(tables.profile.taxonomy.categories)}
        self._categories |= tables.profile.unknown_names
        self._several = len({name for name in tables.annotations["annotator"].tolist() if name is not None}) > 1
        self._images, self._annotations, self._segments = tables.images, tables.annotations, tables.segments

    def finding(self, rule: Rule, found: Found, severity: Severity | None) -> Finding:
        """The finding that `found` by `rule` becomes; `severity` is the configuration's word, which goes last."""
        image_row, annotator, bbox, category = found.image, found.annotator, found.bbox, found.category
        file, place, annotation = found.file, found.place, found.annotation
        if found.segments:
            first = found.segments[0]
            annotation = int(self._segments.cell("annotation", first))
            category = category or self._categories.get(self._segments.cell("category_id", first))
            file, place = file or self._segments.cell("file", first), place or self._segments.cell("place", first)
            if bbox is None and len(found.segments) == 1:
                bbox = self._box(first)
        if annotation is not None:
            image_row = int(self._annotations.cell("image", annotation))
            annotator = self._annotations.cell("annotator", annotation)
        return Finding(
            code=rule.code,
            rule=rule.name,
            severity=severity or found.severity or rule.severity,
            message=found.message,
            image=found.image_id if image_row is None else self._images.cell("image_id", image_row),
            annotator=annotator if self._several else None,
            segments=found.ids or tuple(self._source_id(row) for row in found.segments),
            category=category,
            bbox=None if bbox is None else (int(bbox[0]), int(bbox[1]), int(bbox[2]), int(bbox[3])),
            pixels=None if found.pixels is None else int(found.pixels),
            score=found.score,
            file=file,
            line=found.line,
            place=place,
            fix=rule.fix,
        )

    def _source_id(self, row: int) -> int | str:
        """The segment's id as its source has it."""
        own: str | None = self._segments.cell("source_id", row)
        return int(self._segments.cell("segment_id", row)) if own is None else own

    def _box(self, row: int) -> Box | None:
        """The segment's box; None where it has no pixels."""
        x, y, width, height = (int(self._segments.cell(name, row)) for name in ("x", "y", "width", "height"))
        return (x, y, width, height) if width > 0 else None
