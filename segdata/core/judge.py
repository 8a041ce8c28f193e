"""Judge: run the selected rules over the measured tables, and turn what they found into findings."""

import datetime
import fnmatch
from collections.abc import Iterable

from segdata.core.config import Config, nearest
from segdata.core.errors import SegdataError
from segdata.core.finding import Box, Finding, Found, Severity
from segdata.core.profile import Profile
from segdata.core.rule import Family, Rule, Tables, rule_named, rules


def selected(config: Config, select: Iterable[str] = (), ignore: Iterable[str] = ()) -> list[Rule]:
    """The rules that run: chosen by code prefix or name, on the command line or else in the configuration.

    Raises SegdataError for a prefix that no rule has, in `select`, `ignore` or `severity`, and for rules and options
    in `rules` that do not exist.
    """
    known = rules()
    chosen = tuple(select) or config.select or ("SEG",)
    left_out = (*config.ignore, *ignore)
    for name, options in config.rules.items():
        rule_named(name).check_options(options, "segdata.yaml")
    for prefix in (*chosen, *left_out, *config.severity):
        if not any(_fits(rule, prefix) for rule in known.values()):
            names = [*known, *(rule.name for rule in known.values())]
            raise SegdataError(f"no rule has the code or name {prefix!r}{nearest(prefix, names)}")
    return [
        rule
        for rule in known.values()
        if any(_fits(rule, prefix) for prefix in chosen)
        and not any(_fits(rule, prefix) for prefix in left_out)
        and config.severity.get(rule.code) != "off"
    ]


def needed(chosen: list[Rule], profile: Profile) -> frozenset[Family]:
    """The families that must be measured for those of the rules that speak of such a dataset.

    Gaps are only looked for where every pixel is expected to be labelled: elsewhere the background is one.
    """
    families = frozenset(family for rule in chosen if rule.applies(profile) for family in rule.needs)
    return families if profile.is_exhaustive else families - {"gaps"}


def judge(tables: Tables, chosen: list[Rule], config: Config) -> list[Finding]:
    """What the rules find, without what the configuration suppresses, in a fixed order."""
    stamp = _Stamp(tables)
    findings = []
    for rule in chosen:
        if not rule.applies(tables.profile):
            continue
        options = {**config.rules.get(rule.name, {}), **config.rules.get(rule.code, {})}
        severity = config.severity.get(rule.code)
        for found in rule.check(tables, **options):
            findings.append(stamp.finding(rule, found, severity if severity != "off" else None))
    kept = (finding for finding in findings if not _suppressed(finding, config))
    return sorted(kept, key=Finding.order)


def _fits(rule: Rule, prefix: str) -> bool:
    return rule.code.startswith(prefix.upper()) or rule.name == prefix


def _suppressed(finding: Finding, config: Config) -> bool:
    return any(
        finding.code.startswith(each.code)
        and (each.image is None or fnmatch.fnmatch(finding.image or "", each.image))
        and (each.category is None or each.category == finding.category)
        and (each.until is None or datetime.date.today() <= each.until)
        for each in config.suppress
    )


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
            fix=rule.fix if found.fix else None,
        )

    def _source_id(self, row: int) -> int | str:
        """The segment's id as its source has it."""
        own: str | None = self._segments.cell("source_id", row)
        return int(self._segments.cell("segment_id", row)) if own is None else own

    def _box(self, row: int) -> Box | None:
        """The segment's box; None where it has no pixels."""
        x, y, width, height = (int(self._segments.cell(name, row)) for name in ("x", "y", "width", "height"))
        return (x, y, width, height) if width > 0 else None
