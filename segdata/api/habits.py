"""Habits: many findings of one rule that are a property of the dataset are reported as one finding.

A rule declares with `habit=` what its findings may be a habit of: images, images by cause, or categories. The dataset
decides whether they are one, and which findings stand out nevertheless.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import repeat

import msgspec
import numpy as np

from segdata.core.errors import count_noun, join_names
from segdata.core.finding import Finding, Severity, sort_findings
from segdata.core.rule import Habit, Tables
from segdata.core.runs import Flags, Floats
from segdata.core.safe_text import escape_line
from segdata.core.statistics import outlier_limit, proves_rate, robust_z

MIN_FINDINGS = 5  # for a summary; fewer are listed one by one
_MIN_CATEGORIES = 2  # for a summary by category
DATASET_RATE = 0.1  # of images or categories, with 95 % confidence, for a habit
PART_RATE = 0.5  # within one sequence or for one annotator, as many of these are tested
_FALSE_ALARM_RATE = 0.05  # chance that any finding stands out in a normal group
_MIN_SCALE = float(np.log(2) / 2)  # of log pixels, which are integers: factors below 3 are normal
_MAX_NAMED = 3  # categories in a message with their counts
_MAX_NAMED_WITHOUT_COUNTS = 12  # and without counts
_MAX_PLACES = 5  # in a file
_VARIABLE = re.compile(r"'[^']*'|\"[^\"]*\"|-?\d[\d.,]*")  # parts of a message that vary for one cause
_Unit = tuple[str | None, str | None]  # image (or file) and annotator


class Annotated(msgspec.Struct, frozen=True):
    """The annotations of a dataset, and the number of categories in its taxonomy."""

    # (image_id, annotator) -> number of segments; the annotator is None if there is only one
    segments: dict[_Unit, int]
    sequence: dict[str, str]  # image_id -> its sequence, if it has one
    n_categories: int  # of the taxonomy

    @staticmethod
    def from_tables(tables: Tables) -> "Annotated":
        """The annotations in the tables of a dataset."""
        annotations, images = tables.annotations, tables.images
        annotators = annotations["annotator"].tolist()
        several = len(set(annotators) - {None}) > 1
        names = images["image_id"][annotations["image"]].tolist()
        units = list(zip(names, annotators if several else [None] * len(names), strict=True))
        counts = annotations["n_segments"].tolist()
        segments: dict[_Unit, int] = dict(zip(units, counts, strict=True))
        if len(segments) < len(units):  # an annotator may have several annotations of an image
            total: Counter[_Unit] = Counter()
            for unit, n_segments in zip(units, counts, strict=True):
                total[unit] += n_segments
            segments = dict(total)
        sequence = {name: value for name, value in images.lines("image_id", "sequence") if value is not None}
        return Annotated(segments, sequence, len(tables.profile.taxonomy.categories))


class FoldedFindings(msgspec.Struct, frozen=True):
    """The findings after folding habits, in order, and the single findings of each summary."""

    findings: tuple[Finding, ...]
    members: dict[Finding, tuple[Finding, ...]] = {}


def fold_habits(findings: Iterable[Finding], habits: Mapping[str, Habit], of: Annotated) -> FoldedFindings:
    """Replace findings that are a habit of the dataset, of an annotator or of a sequence by one finding each.

    `habits` are those of the rules, by code; findings of other rules stay as they are. A finding that stands out from
    the others in pixels stays single, and an image with many more than its segments explain gets a finding of its own.
    Findings about several entries of one file that are of no image are one if they have one cause, however many entries
    the file has; so are those of one kind, where a rule names kinds. The result does not depend on the order of the
    findings.
    """
    groups: dict[tuple[str, Severity, str | None, str | None], list[Finding]] = {}
    single: list[Finding] = []
    for finding in sort_findings(findings):
        habit = habits.get(finding.code)
        if habit is None:
            single.append(finding)
        else:
            cause = _cause(finding) if habit == "cause" else None
            groups.setdefault((finding.code, finding.severity, finding.kind, cause), []).append(finding)
    members: dict[Finding, tuple[Finding, ...]] = {}
    for (code, severity, kind, _), rest in groups.items():
        fold = _fold_categories if habits[code] == "category" else _fold_images if kind is None else _fold_kind
        few = habits[code] == "category" and severity != "error"
        if len(rest) >= (_MIN_CATEGORIES if few else MIN_FINDINGS):
            for summary, folded in fold(rest, of):
                members[summary] = tuple(folded)
                gone = set(map(id, folded))
                rest = [finding for finding in rest if id(finding) not in gone]
        single += rest
    return FoldedFindings(tuple(sort_findings([*single, *members])), members)


def is_habit(having: int, of: int, least_rate: float = DATASET_RATE) -> bool:
    """Whether `having` of `of` images or categories are too many to be isolated errors.

    >>> is_habit(3, 3), is_habit(2, 12), is_habit(30, 1000)
    (True, False, False)
    """
    return proves_rate(min(having, of), of, least_rate)


def _fold_categories(group: Sequence[Finding], of: Annotated) -> Iterator[tuple[Finding, list[Finding]]]:
    """One summary if the findings are about many of the categories."""
    named = [finding for finding in group if finding.category is not None]
    names = tuple(sorted({finding.category for finding in named if finding.category is not None}))
    if len(names) < _MIN_CATEGORIES or not is_habit(len(names), of.n_categories):
        return
    listed = join_names(names[:_MAX_NAMED_WITHOUT_COUNTS]) + (", …" if len(names) > _MAX_NAMED_WITHOUT_COUNTS else "")
    message = (
        f"{len(names)} of {count_noun(of.n_categories, 'category')}: {listed}; "
        f"for example {named[0].category}: {named[0].message}"
    )
    yield _summary(named, message, categories=names), named


def _cause(finding: Finding) -> str:
    """The message without numbers and names."""
    return _VARIABLE.sub("#", finding.message)


def _position(finding: Finding) -> tuple[int, list[int], str]:
    """The position of a finding in its file, for sorting: the line, and the numbers in the place."""
    place = finding.place or ""
    return finding.line or 0, list(map(int, re.findall(r"\d+", place))), place


def _fold_entries(group: list[Finding]) -> Iterator[tuple[Finding, list[Finding]]]:
    """One summary for each file and cause of findings that name places in the file, and no image."""
    by_cause: dict[tuple[str | None, str], list[Finding]] = {}
    for finding in group:
        if finding.image is None and (finding.place is not None or finding.line is not None):
            by_cause.setdefault((finding.file, _cause(finding)), []).append(finding)
    for own in by_cause.values():
        if len(own) >= MIN_FINDINGS:
            own.sort(key=_position)
            listed = ", ".join(finding.place or f"line {finding.line}" for finding in own[:_MAX_PLACES])
            more = ", …" if len(own) > _MAX_PLACES else ""
            yield _summary(own, f"{_count(own)} of one cause: {own[0].message}; at {listed}{more}"), own


def _fold_kind(group: Sequence[Finding], _: Annotated) -> Iterator[tuple[Finding, list[Finding]]]:
    """One summary for findings about images that have one cause, which their rule names as their kind."""
    images = tuple(dict.fromkeys(finding.image for finding in group if finding.image is not None))
    message = f"{count_noun(len(images), 'image')}, {group[0].kind}; {_example(group, named=True)}"
    yield _summary(group, message, images=images), list(group)


def _fold_images(group: list[Finding], of: Annotated) -> Iterator[tuple[Finding, list[Finding]]]:
    """A summary for the dataset if it has the habit; else for the annotators and sequences that have it.

    Images with unusually many findings come first, one by one.
    """
    for summary, own in _fold_entries(group):
        yield summary, own
        folded_entries = set(map(id, own))
        group = [finding for finding in group if id(finding) not in folded_entries]
    scopes: list[tuple[str, Callable[[_Unit], str | None]]] = [
        ("by", lambda unit: unit[1]),
        ("in sequence", lambda unit: None if unit[0] is None else of.sequence.get(unit[0])),
    ]
    whole = list(_fold_scope(group, of.segments, DATASET_RATE, ""))
    yield from whole
    rest = [] if whole else group
    for words, scope_of in scopes:
        several: dict[str, list[Finding]] = {}
        for finding in rest:
            scope = scope_of(_unit(finding))
            if scope is not None:
                several.setdefault(scope, []).append(finding)
        folded: set[int] = set()
        for scope, own in several.items():
            if len(own) < MIN_FINDINGS:
                continue
            segments = {unit: n for unit, n in of.segments.items() if scope_of(unit) == scope}
            for summary, members in _fold_scope(own, segments, PART_RATE, f" {words} {scope}"):
                yield summary, members
                folded |= set(map(id, members))
        rest = [finding for finding in rest if id(finding) not in folded]


def _fold_scope(
    group: list[Finding], segments: Mapping[_Unit, int], least_rate: float, where: str
) -> Iterator[tuple[Finding, list[Finding]]]:
    """The summaries of the findings in one scope, given its numbers of segments; none without a habit."""
    by_unit: dict[_Unit, list[Finding]] = {}
    for finding in group:
        by_unit.setdefault(_unit(finding), []).append(finding)
    by_unit.pop((None, None), None)
    n_units = max(len(segments), len(by_unit))
    if len(group) < MIN_FINDINGS or not is_habit(len(by_unit), n_units, least_rate):
        return
    usual = f"an image here usually has {_usual_count(by_unit, n_units)}"
    for unit in _crowded_annotations(by_unit, segments):
        own = by_unit.pop(unit)
        yield _summary(own, f"{_count(own)}, {usual}: {_spread(own)}{_example(own)}", image=unit[0]), own
    findings = [finding for own in by_unit.values() for finding in own]
    units = [unit for unit, own in by_unit.items() for _ in own]
    usual_rows = np.flatnonzero(~_stands_out(findings)).tolist()
    if len(usual_rows) < 2:
        return
    kept = [findings[row] for row in usual_rows]
    kept_units = dict.fromkeys(units[row] for row in usual_rows)
    images = tuple(dict.fromkeys(name for name, _ in kept_units if name is not None))
    share = f"{len(kept_units):,} of {count_noun(n_units, 'image')}{where}"
    message = f"usual in this dataset: {_count(kept)} in {share}: {_spread(kept)}{_example(kept, named=True)}"
    yield _summary(kept, message, images=images), kept


def _unit(finding: Finding) -> _Unit:
    """The unit that a finding belongs to: an image, or a file without images, and the annotator."""
    return finding.image or finding.file, finding.annotator


def _crowded_annotations(by_unit: Mapping[_Unit, list[Finding]], segments: Mapping[_Unit, int]) -> list[_Unit]:
    """The annotations with many more findings than others with the same number of segments.

    Compares Freeman-Tukey residuals, which assume Poisson counts, with a larger variance if the data show one.
    Source: Freeman and Tukey (1950), Annals of Mathematical Statistics 21(4), 607-611.
    """
    units = [*segments, *(unit for unit in by_unit if unit not in segments)]
    counts = {unit: len(own) for unit, own in by_unit.items()}
    count = np.fromiter(map(counts.get, units, repeat(0)), float, len(units))
    size = np.maximum(np.fromiter(map(segments.get, units, repeat(1)), float, len(units)), 1)
    residual = np.sqrt(count) + np.sqrt(count + 1) - np.sqrt(4 * size * count.sum() / size.sum() + 1)
    score, _ = robust_z(residual, np.zeros(len(units), np.int64), 1.0)
    unusual = (score > _limit(len(units))) & (count >= MIN_FINDINGS)
    return [units[place] for place in np.flatnonzero(unusual).tolist()]


def _stands_out(findings: Sequence[Finding]) -> Flags:
    """(n,) which findings have many more pixels than the others."""
    pixels = np.array([finding.pixels or 0 for finding in findings], float)
    nonempty = np.flatnonzero(pixels > 0)
    result = np.zeros(len(findings), bool)
    if len(nonempty):
        score, _ = robust_z(np.log(pixels[nonempty]), np.zeros(len(nonempty), np.int64), _MIN_SCALE)
        result[nonempty] = score > _limit(len(nonempty))
    return result


def _limit(n: int) -> float:
    """The score above which one of n values stands out."""
    limit: Floats = outlier_limit(np.array([n]), _FALSE_ALARM_RATE)
    return float(limit[0])


def _summary(
    members: Sequence[Finding],
    message: str,
    image: str | None = None,
    images: tuple[str, ...] = (),
    categories: tuple[str, ...] = (),
) -> Finding:
    """The finding that stands for several."""
    first = members[0]
    files, annotators = {finding.file for finding in members}, {finding.annotator for finding in members}
    category = {finding.category for finding in members}
    fixes = {finding.fix for finding in members} - {None}
    pixels = [finding.pixels for finding in members if finding.pixels is not None]
    return replace(
        first,
        message=escape_line(message) if "\n" in message else message,
        image=image,
        annotator=first.annotator if len(annotators) == 1 else None,
        segments=(),
        category=first.category if len(category) == 1 else None,
        bbox=None,
        pixels=sum(pixels) if pixels else None,
        score=None,
        file=first.file if len(files) == 1 else None,
        line=None,
        place=None,
        fix=next(iter(fixes), None),
        correction=None,
        count=len(members),
        images=images,
        categories=categories,
    )


def _count(findings: Sequence[Finding]) -> str:
    return count_noun(len(findings), "finding")


def _usual_count(by_unit: Mapping[_Unit, list[Finding]], n_units: int) -> str:
    counts = [len(own) for own in by_unit.values()] + [0] * (n_units - len(by_unit))
    return f"{float(np.median(counts)):g}"


def _spread(findings: Sequence[Finding]) -> str:
    """A phrase on the distribution of pixels, and the categories with most findings."""
    pixels = [finding.pixels for finding in findings if finding.pixels]
    parts = []
    if pixels:
        least, most, median = min(pixels), max(pixels), float(np.median(pixels))
        parts += [f"{least:,} px each" if least == most else f"{least:,} to {most:,} px each, median {median:,.10g}"]
    names = Counter(finding.category for finding in findings if finding.category is not None)
    if len(names) > 1:
        most_named = [f"{name} {count:,}" for name, count in names.most_common(_MAX_NAMED)]
        others = len(names) - len(most_named)
        parts += [", ".join(most_named) + (f" and {count_noun(others, 'other category')}" if others else "")]
    return "; ".join(parts) + ("; " if parts else "")


def _example(findings: Sequence[Finding], *, named: bool = False) -> str:
    """An example message: the one that all findings share, their few beginnings, else that of the median finding."""
    if len({finding.message for finding in findings}) == 1:
        return findings[0].message
    beginnings = Counter(finding.message.partition(": ")[0] for finding in findings if ": " in finding.message)
    says_something = all(" " in text for text in beginnings)  # not the name of a key alone
    if 0 < len(beginnings) <= _MAX_NAMED and beginnings.total() == len(findings) and says_something:
        several = len(beginnings) > 1
        return "; ".join(f"{text} ({count:,} times)" if several else text for text, count in beginnings.most_common())
    middle = sorted(findings, key=lambda finding: finding.pixels or 0)[len(findings) // 2]  # by order if equally large
    name = middle.image or middle.file
    return f"for example {name}: {middle.message}" if named and name else f"for example: {middle.message}"
