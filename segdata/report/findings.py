"""Findings of a validation: as text by rule, as JSON, and reading the findings of any JSON report back.

`schemas/findings.schema.json` is made from these types.
"""

import json
import math
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from segdata.core.errors import SegdataError, count_noun, list_names
from segdata.core.finding import SEVERITIES, Correction, Count, Defect, Finding, Severity
from segdata.core.paths import local_file
from segdata.core.profile import Profile
from segdata.core.rule import Rule
from segdata.core.safe_text import reading_json, shell_word
from segdata.core.validation import FailOn, Validation
from segdata.report.console import Console, display_width, shorten, table

FIRST = 3  # findings shown of each rule, unless the user sets a number


class ReportContext(msgspec.Struct, frozen=True):
    """The command behind a report: the dataset, the rules, and the options of the user."""

    profile: Profile  # of the dataset
    rules: Sequence[Rule]  # the rules that ran
    typed: Sequence[str]  # DATA and its options as one would type them again, word by word
    fail_on: FailOn = "error"  # the command fails for findings of this severity or worse
    max_findings: int | None = None  # how many findings to list; None: the first few of each rule
    selection: Sequence[str] = ()  # the options that select rules, as one would type them again
    command: str = "validate"  # the command that makes the report

    def summary(self, code: str) -> str:
        """The summary of a rule that ran; of other codes, none."""
        return next((rule.summary for rule in self.rules if rule.code == code), "")


def findings_text(validation: Validation, context: ReportContext, console: Console) -> str:
    """The report, in lines of at most `console.width` columns."""
    lines = [*_head(validation, context, console), ""]
    room = context.max_findings
    for group in group_by_rule(validation.findings):
        shown = group[: FIRST if room is None else room]
        room = None if room is None else room - len(shown)
        lines += [*rule_section(group, shown, context, console), ""]
    lines += _totals(validation, context, console)
    lines += ["", *_next(validation, context, console)]
    return "\n".join(lines) + "\n"


def statistics_text(validation: Validation, console: Console) -> str:
    """A line for each rule and severity with findings: their number, images and pixels, and the fix if there is one."""
    rows = [
        [
            str(len(group)),
            group[0].severity,
            f"{group[0].code} {group[0].rule}",
            str(_n_images(group)),
            f"{sum(finding.pixels or 0 for finding in group):,}",
            group[0].fix or "",
        ]
        for group in group_by_rule(validation.findings)
    ]
    if not rows:
        return "nothing found\n"
    head, *lines = table(("findings", "severity", "rule", "images", "pixels", "fix"), rows, left=(1, 2, 5))
    return "\n".join([console.paint(head, "bold"), *lines, ""])


def group_by_rule(findings: Iterable[Finding]) -> list[list[Finding]]:
    """The findings of each rule and severity, ranked by severity, then by count, then by code."""
    groups: dict[tuple[Severity, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.code), []).append(finding)
    return sorted(groups.values(), key=lambda group: (SEVERITIES.index(group[0].severity), -len(group), group[0].code))


def _n_images(findings: Iterable[Finding]) -> int:
    return len({name for finding in findings for name in finding.all_images})


def place_lines(
    image: str | None, thing: str, bbox: Sequence[int] | None, annotator: str | None, console: Console, indent: str
) -> list[str]:
    """The place of a finding in a line or two: image, subject, box, annotator."""
    box = "at x {}, y {}, {} x {} px".format(*bbox) if bbox else None
    rest = ", ".join(filter(None, [thing, box, annotator and f"by {annotator}"]))
    room = console.width - len(indent) - (display_width(rest) + 2 if rest else 0)
    name = image and shorten(image, max(room, 24))
    return console.wrap(": ".join(filter(None, [name, rest])), indent, indent + "  ", "where")


def finding_location(finding: Finding, console: Console, indent: str, *, with_ids: bool = True) -> list[str]:
    """The location of a finding in a line or two: image, segments, box, annotator; without a box, file and place."""
    ids = list_names(finding.segments, 4) if with_ids or not finding.category else None
    thing = " ".join(filter(None, [finding.category, ids]))
    lines = place_lines(finding.image, thing, finding.bbox, finding.annotator, console, indent)
    if finding.images:
        names = [shorten(image, 40) for image in finding.images[:FIRST]]
        more = len(finding.images) - len(names)
        names += [count_noun(more, "other image")] if more else []
        lines += console.wrap([*(f"{name}," for name in names[:-1]), names[-1]], indent, indent + "  ", "where")
    if finding.file is None or (finding.image is not None and finding.bbox is not None):
        return lines
    position = finding.place or (f"line {finding.line}" if finding.line is not None else "")
    if not position and finding.file == finding.image:
        return lines
    room = console.width - len(indent) - display_width(position) - 1
    return lines + console.wrap(f"{shorten(finding.file, max(room, 24))} {position}", indent, None, "where")


def _head(validation: Validation, context: ReportContext, console: Console) -> list[str]:
    summary = f"{context.profile.format}, {context.profile.task}"
    size = f"{count_noun(validation.n_images, 'image')}, {count_noun(validation.n_segments, 'segment')}"
    name = shorten(validation.dataset, console.width - len("segdata validate "))
    places = ", ".join(f"{role}: {place}" for role, place in context.profile.places.items())
    head = [console.paint(f"segdata validate {name}", "bold"), *console.wrap(f"{summary}: {size}", "", "  ", "dim")]
    if context.profile.provisional is not None:
        head += console.wrap("provisional taxonomy (SEG219): segdata guesses what the values mean", "", "  ", "dim")
    return head + (console.wrap(places, "", "  ", "dim") if places else [])


def rule_section(
    group: Sequence[Finding], shown: Sequence[Finding], context: ReportContext, console: Console
) -> Iterator[str]:
    """The findings of one rule and severity: how many, what the rule flags, and those that are `shown`."""
    first = group[0]
    n_images, n_single = _n_images(group), sum(finding.count for finding in group)
    pixels = sum(finding.pixels or 0 for finding in group)
    stands_for = f" (folded from {n_single:,})" if n_single > len(group) else ""
    facts = [
        count_noun(len(group), "finding") + stands_for + (f" in {count_noun(n_images, 'image')}" if n_images else "")
    ]
    facts += [f"{pixels:,} px"] if pixels else []
    name = f"{first.code} {first.rule}:"
    yield from console.pieces((first.severity, first.severity), (name, "bold"), (", ".join(facts), None))
    yield from console.wrap(context.summary(first.code), "  ", style="dim")
    for finding in shown:
        # The id of a semantic segment is that of its category, and adds nothing.
        yield from finding_location(finding, console, "  ", with_ids=context.profile.task != "semantic")
        yield from console.wrap(finding.message, "    ")
    yield from _unlisted_lines(group, shown, console)


def _unlisted_lines(group: Sequence[Finding], shown: Sequence[Finding], console: Console) -> Iterator[str]:
    listed = set(map(id, shown))
    rest = [finding for finding in group if id(finding) not in listed]
    if not rest:
        return
    n_images = _n_images(rest)
    images = f" in {count_noun(n_images, 'image')}" if n_images else ""
    yield from console.wrap(f"… and {len(rest):,} {'more' if shown else 'not listed'}{images}", "  ")
    for name in ("category", "annotator", "image"):
        count = Counter(value for finding in group if (value := getattr(finding, name)) is not None)
        if 1 < len(count) < len(group):
            most = [f"{shorten(value, 30)} {times:,}" for value, times in count.most_common(4)]
            more = [count_noun(len(count) - 4, "other")] if len(count) > 4 else []
            items = [*(f"{item}," for item in [*most, *more][:-1]), [*most, *more][-1]]
            yield from console.wrap([f"by {name}:", *items], "    ", "      ", "dim")


def _totals(validation: Validation, context: ReportContext, console: Console) -> list[str]:
    checked = f"checked {count_noun(validation.n_images, 'image')} and {count_noun(validation.n_segments, 'segment')}"
    below = console.wrap(f"{checked} against {count_noun(len(context.rules), 'rule')}")
    below += _baseline(validation, console)
    if validation.suppressed:
        below += console.wrap(f"{count_noun(validation.suppressed, 'finding')} suppressed in segdata.yaml", style="dim")
    if validation.decided:
        decided = count_noun(validation.decided, "finding")
        below += console.wrap(f"{decided} decided by reviewers left out; --include-reviewed includes them", style="dim")
    if validation.skipped:
        codes = ", ".join(validation.skipped)
        below += console.wrap(f"skipped, since these rules need the whole dataset: {codes}", "", "  ")
    folded = [finding.count for finding in validation.findings if finding.count > 1]
    if folded:
        stand = f"{len(folded):,} {'stands' if len(folded) == 1 else 'stand'} for {sum(folded):,} findings"
        below += console.wrap(f"of these, {stand} that are usual here; --one-by-one lists them")
    if not validation.findings:
        return [console.paint("nothing new" if validation.baseline else "nothing found", "good"), *below]
    counts = [(severity, validation.count(severity)) for severity in SEVERITIES]
    parts = [(count_noun(count, severity), severity) for severity, count in counts if count]
    commas = [(f"{text},", severity) for text, severity in parts[:-1]]
    passed = "good" if counts[2][1] == len(validation.findings) else None  # over warnings, green misleads
    verdict = ("failed:", "error") if validation.fails(context.fail_on) else ("passed,", passed)
    return [*console.pieces(verdict, *commas, parts[-1], (f"(--fail-on {context.fail_on})", None)), *below]


def _baseline(validation: Validation, console: Console) -> list[str]:
    if validation.baseline is None:
        return []
    n_known, n_fixed = (
        sum(finding.count for finding in findings)
        for findings in (validation.baseline.known, validation.baseline.fixed)
    )
    return console.wrap(
        f"not counted: {count_noun(n_known, 'finding')} of the baseline; {n_fixed:,} fixed since", style="dim"
    )


def _next(validation: Validation, context: ReportContext, console: Console) -> Iterator[str]:
    steps: list[tuple[list[str], str]] = []
    again = ["validate", *context.typed, *context.selection]
    groups = group_by_rule(validation.findings)
    if groups:
        steps.append((["explain", groups[0][0].code], "what it means, and how to fix it"))
        first_image = next(filter(None, map(partial(_first_image, validation), groups)), None)
        if first_image is not None:
            picture = ["show", *context.typed, shell_word(first_image), "--findings"]
            steps.append((picture, "a picture of the first image with findings"))
            steps.append(([*again, "--overlays pictures"], "a picture of every image with findings"))
        folded = next((group[0].code for group in groups if any(finding.count > 1 for finding in group)), None)
        if folded is not None:
            one_by_one = ["validate", *context.typed, f"--select {folded}", "--one-by-one"]
            steps.append((one_by_one, f"the findings of {folded} one by one"))
        in_full = ["--one-by-one"] if folded is not None else []
        steps.append(([*again, *in_full, "--format json"], "every finding, for a program"))
    else:
        steps.append((["info", *context.typed], "what is in the dataset"))
        if context.profile.format == "canonical":
            steps.append((["convert", *context.typed, "OUT", "--to coco-instances"], "to another format"))
        else:
            steps.append((["convert", *context.typed, "OUT"], "to a canonical dataset, or another format"))
    yield from next_steps(steps, console)


def _first_image(validation: Validation, group: Sequence[Finding]) -> str | None:
    """The first image of some findings of which there is a file to show."""
    for name in dict.fromkeys(name for finding in group for name in finding.all_images):
        file = local_file(validation.image_files.get(name))
        if file is not None and file.is_file():
            return name
    return None


def next_steps(steps: Iterable[tuple[Sequence[str], str]], console: Console) -> Iterator[str]:
    """Suggested next commands, word by word after `segdata`, each with its purpose."""
    if console.quiet:
        return
    yield console.paint("next", "bold")
    for words, why in steps:
        command = " ".join(["segdata", *words])
        if display_width(command) + 4 + display_width(why) <= console.width:
            yield f"  {command}  {console.paint(why, 'dim')}"
        else:
            yield from command_lines(["segdata", *words], console)
            yield from console.wrap(why, "      ", style="dim")


def command_lines(words: Sequence[str], console: Console) -> Iterator[str]:
    """A command in lines to copy: broken with a backslash between words, never within one."""
    line = " "
    for word in words:
        if line.strip() and display_width(line) + display_width(word) + 3 > console.width:
            yield f"{line} \\"
            line = "     "
        line += f" {word}"
    yield line


_DEFECTS_SHOWN = 5


def reading_defects(
    defects: Sequence[Defect],
    console: Console,
    place: Callable[[Defect], str | None],
    style: str = "warning",
    more: str = "",
) -> Iterator[str]:
    """Defects that readers met: their number by code, and the first few; `place` is the last part of where one is."""
    counts = ", ".join(
        f"{code} {count:,}" for code, count in sorted(Counter(defect.code for defect in defects).items())
    )
    yield from console.wrap(f"noticed while reading: {counts}{more}", style=style)
    for defect in defects[:_DEFECTS_SHOWN]:
        location = " ".join(filter(None, [defect.code, defect.file or defect.image, place(defect)]))
        yield from console.wrap(f"{location}: {defect.message}", "  ", "    ")
    if len(defects) > _DEFECTS_SHOWN:
        yield f"  … and {len(defects) - _DEFECTS_SHOWN:,} more"


VERSION = 1


class FindingRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One finding: what a rule found, where, and how much.

    `image` is null for a finding about the dataset, `annotator` if there is only one, `segments` are the ids of the
    source, `bbox` is [x, y, width, height] in pixels, `place` a JSON pointer, an XPath or a pixel. `correction` is
    the proposal of a model, if there is one; its `counts` are COCO compressed RLE strings. `kind` is present if a rule
    distinguishes several kinds: missed, extra, confused or offset of SEG406. `count` is present if the finding stands
    for several that are usual in the dataset, and `images` or `categories` then lists what they are about.
    `score_range` is present if a `score` is only known to be in an interval, such as the probability of an error before
    anybody has reviewed: then read `score` as a rank.
    """

    code: str
    rule: str
    severity: Severity
    image: str | None
    annotator: str | None
    segments: tuple[int | str, ...]
    category: str | None
    message: str
    bbox: Annotated[tuple[int, ...], msgspec.Meta(min_length=4, max_length=4)] | None
    pixels: int | None
    score: float | None
    file: str | None
    line: int | None
    place: str | None
    fix: Literal["safe", "unsafe"] | None
    correction: Correction | None = None
    kind: str | None = None
    score_range: tuple[float, float] | None = None
    count: Count = 1
    images: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    def finding(self) -> Finding:
        """The row as a finding."""
        return Finding(**{name: getattr(self, name) for name in Finding.__dataclass_fields__})


class FindingCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much was checked and found, whatever is listed; `suppressed` findings are not included.

    Nor are the `decided` ones of reviewers; the field is present if there are any. With a baseline, `known` counts the
    findings that the baseline has as well, which are not included either, and `fixed` those that are gone.
    """

    images: Count
    segments: Count
    errors: Count
    warnings: Count
    infos: Count
    by_code: dict[str, Count]
    suppressed: Count
    decided: Count = 0
    known: Count | None = None
    fixed: Count | None = None


class FindingsReport(msgspec.Struct, frozen=True, kw_only=True):
    """The findings of one run, worst first, then by code, image and place; `omitted` counts those not listed.

    With a baseline these are the new ones; `known` are in both, `fixed` only in the baseline.
    """

    version: Literal[1]
    dataset: str
    summary: FindingCounts
    findings: tuple[FindingRow, ...]
    omitted: Count = 0
    known: tuple[FindingRow, ...] = ()
    fixed: tuple[FindingRow, ...] = ()


def findings_json(
    validation: Validation,
    max_findings: int | None = None,
    more: Mapping[str, Any] | None = None,  # Any: JSON
) -> str:
    """The report as JSON, a line per finding; the same input gives the same text.

    `max_findings`: the most findings to list; the summary counts all. `more`: further keys, before the findings.
    """
    listed, baseline = validation.findings[:max_findings], validation.baseline
    head: dict[str, Any] = {  # Any: JSON
        "version": VERSION,
        "dataset": validation.dataset,
        "summary": _summary(validation),
        **(more or {}),
    }
    lines = [f'  "{name}": {_text(value)},' for name, value in head.items()]
    lines.append(_finding_list("findings", listed))
    if baseline is not None:
        lines += [
            _finding_list("known", baseline.known[:max_findings]),
            _finding_list("fixed", baseline.fixed[:max_findings]),
        ]
    lines.append(f'  "omitted": {len(validation.findings) - len(listed)}')
    return "\n".join(["{", *lines, "}", ""])


def findings_jsonl(validation: Validation, max_findings: int | None = None) -> str:
    """The findings as JSON, one per line and nothing else, for programs that read line by line."""
    return "".join(f"{_text(_finding_fields(finding))}\n" for finding in validation.findings[:max_findings])


def baseline_json(validation: Validation) -> str:
    """The report to compare later runs with: all findings, including those of an earlier baseline."""
    return findings_json(replace(validation, findings=validation.single, baseline=None, members={}))


def read_baseline(path: Path) -> tuple[Finding, ...]:
    """All findings of a report, new or known; raises SegdataError if the file is not a complete report."""
    remedy = "create one with --write-baseline or --format json"
    with reading_json(path, "a report of findings", remedy):
        if path.is_char_device() or path.is_block_device():
            raise SegdataError(f"{path}: is a device, not a file; {remedy}")
        report = msgspec.json.decode(path.read_bytes().removeprefix(BOM_UTF8), type=FindingsReport)
    if report.omitted:
        raise SegdataError(
            f"{path}: leaves out {count_noun(report.omitted, 'finding')}; create it without --max-findings"
        )
    return tuple(row.finding() for row in report.findings + report.known)


def _summary(validation: Validation) -> dict[str, Any]:  # Any: JSON
    baseline = validation.baseline
    counts = FindingCounts(
        images=validation.n_images,
        segments=validation.n_segments,
        errors=validation.count("error"),
        warnings=validation.count("warning"),
        infos=validation.count("info"),
        by_code=validation.by_code,
        suppressed=validation.suppressed,
        decided=validation.decided,
        known=None if baseline is None else len(baseline.known),
        fixed=None if baseline is None else len(baseline.fixed),
    )
    return msgspec.to_builtins(counts)  # type: ignore[no-any-return]  # a struct becomes a dict


def _finding_list(name: str, findings: Sequence[Finding]) -> str:
    rows = ",\n".join(f"    {_text(_finding_fields(finding))}" for finding in findings)
    return f'  "{name}": [\n{rows}\n  ],' if rows else f'  "{name}": [],'


def _finding_fields(finding: Finding) -> dict[str, Any]:  # Any: JSON
    return msgspec.to_builtins(_row(finding))  # type: ignore[no-any-return]  # a struct becomes a dict


def _row(finding: Finding) -> FindingRow:
    values = {name: getattr(finding, name) for name in FindingRow.__struct_fields__}
    if finding.score is not None and not math.isfinite(finding.score):
        values["score"] = None
    return FindingRow(**values)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


class _FlagPart(msgspec.Struct, frozen=True):
    """The part of a `flag` report about its predictions."""

    predictions: str | None = None


class _AnyReport(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that all JSON reports share."""

    findings: tuple[FindingRow, ...]
    known: tuple[FindingRow, ...] = ()
    flag: _FlagPart = _FlagPart()
    annotators: tuple[str, ...] = ()


def compared_annotators(path: Path) -> tuple[str, ...]:
    """The annotators whom a report of `agreement` compares; none of other reports."""
    report = _read_report(path)
    return () if isinstance(report, list) else report.annotators


def find_predictions(path: Path) -> Path | None:
    """The predictions that a report of `flag` names, a folder or a file; None if it names none, or they are gone.

    A relative name is looked up from the working directory, then from the folder of the report.
    """
    report = _read_report(path)
    folder = None if isinstance(report, list) else report.flag.predictions
    places = () if folder is None else (Path(folder), path.parent / folder)
    return next((place for place in places if place.exists()), None)


def load_findings(path: Path) -> list[Finding]:
    """The findings that a report lists, including those of its baseline.

    Reads the JSON and JSON-lines reports of `validate`, and the JSON reports of `agreement` and `flag`. Raises
    SegdataError for any other file.
    """
    report = _read_report(path)
    rows = report if isinstance(report, list) else [*report.findings, *report.known]
    return [row.finding() for row in rows]


def _read_report(path: Path) -> _AnyReport | list[FindingRow]:
    with reading_json(path, "a report of findings", "create one with --format json"):
        text = path.read_bytes().removeprefix(BOM_UTF8)
        if text.lstrip().startswith(b'{"code"'):
            return msgspec.json.Decoder(FindingRow).decode_lines(text)
        return msgspec.json.decode(text, type=_AnyReport)
