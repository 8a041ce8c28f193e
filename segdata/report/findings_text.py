"""Findings as text: the report of a validation by rule, worst first, and what to do next."""

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from segdata.core.errors import count_noun
from segdata.core.finding import SEVERITIES, Finding, Severity
from segdata.core.profile import Profile
from segdata.core.rule import Rule
from segdata.core.validation import FailOn, Validation
from segdata.report.console import Console, display_width, shorten, table

FIRST = 3  # findings shown of each rule, unless the user sets a number


@dataclass(frozen=True, slots=True)
class ReportContext:
    """The command behind a report: the dataset, the rules, and the options of the user.

    Attributes
    ----------
    profile : of the dataset
    rules : the rules that ran
    typed : DATA and its options as one would type them again, word by word
    fail_on : the command fails for findings of this severity or worse
    max_findings : how many findings to list; None: the first few of each rule
    selection : the options that select rules, as one would type them again
    command : the command that makes the report
    """

    profile: Profile
    rules: Sequence[Rule]
    typed: Sequence[str]
    fail_on: FailOn = "error"
    max_findings: int | None = None
    selection: Sequence[str] = ()
    command: str = "validate"

    @property
    def summaries(self) -> dict[str, str]:
        """The summary of each rule, by code."""
        return {rule.code: rule.summary for rule in self.rules}


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
            str(len({finding.image for finding in group if finding.image is not None})),
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


def finding_location(finding: Finding, console: Console, indent: str, *, with_ids: bool = True) -> list[str]:
    """The location of a finding in a line or two: image, segments, box, annotator; without a box, file and place."""
    ids = _ids(finding) if with_ids or not finding.category else None
    thing = " ".join(filter(None, [finding.category, ids]))
    box = finding.bbox and "at x {}, y {}, {} x {} px".format(*finding.bbox)
    who = finding.annotator and f"by {finding.annotator}"
    rest = ", ".join(filter(None, [thing, box, who]))
    room = console.width - len(indent)
    name = finding.image and shorten(finding.image, max(room - (display_width(rest) + 2 if rest else 0), 24))
    lines = console.wrap(": ".join(filter(None, [name, rest])), indent, indent + "  ", "where")
    if finding.file is None or (finding.image is not None and finding.bbox is not None):
        return lines
    position = finding.place or (f"line {finding.line}" if finding.line is not None else "")
    if not position and finding.file == finding.image:
        return lines
    return lines + console.wrap(
        f"{shorten(finding.file, max(room - display_width(position) - 1, 24))} {position}", indent, None, "where"
    )


def _head(validation: Validation, context: ReportContext, console: Console) -> list[str]:
    what = f"{context.profile.format}, {context.profile.task}"
    size = f"{count_noun(validation.n_images, 'image')}, {count_noun(validation.n_segments, 'segment')}"
    name = shorten(validation.dataset, console.width - len("segdata validate "))
    places = ", ".join(f"{role}: {place}" for role, place in context.profile.places.items())
    head = [console.paint(f"segdata validate {name}", "bold"), *console.wrap(f"{what}: {size}", "", "  ", "dim")]
    return head + (console.wrap(places, "", "  ", "dim") if places else [])


def rule_section(
    group: Sequence[Finding], shown: Sequence[Finding], context: ReportContext, console: Console
) -> Iterator[str]:
    """The findings of one rule and severity: how many, what the rule flags, and those that are `shown`."""
    first = group[0]
    n_images = len({finding.image for finding in group if finding.image is not None})
    pixels = sum(finding.pixels or 0 for finding in group)
    facts = [count_noun(len(group), "finding") + (f" in {count_noun(n_images, 'image')}" if n_images else "")]
    facts += [f"{pixels:,} px"] if pixels else []
    name = f"{first.code} {first.rule}:"
    yield from console.pieces((first.severity, first.severity), (name, "bold"), (", ".join(facts), None))
    yield from console.wrap(context.summaries.get(first.code, ""), "  ", style="dim")
    for finding in shown:
        # The id of a semantic segment is that of its category, and adds nothing.
        yield from finding_location(finding, console, "  ", with_ids=context.profile.task != "semantic")
        yield from console.wrap(finding.message, "    ")
    yield from _rest(group, shown, console)


def _rest(group: Sequence[Finding], shown: Sequence[Finding], console: Console) -> Iterator[str]:
    """How much of a group is not shown, and where most of the group is."""
    listed = set(map(id, shown))
    rest = [finding for finding in group if id(finding) not in listed]
    if not rest:
        return
    n_images = len({finding.image for finding in rest if finding.image is not None})
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
    if not validation.findings:
        return [console.paint("nothing new" if validation.baseline else "nothing found", "good"), *below]
    counts = [(severity, validation.count(severity)) for severity in SEVERITIES]
    parts = [(count_noun(count, severity), severity) for severity, count in counts if count]
    commas = [(f"{text},", severity) for text, severity in parts[:-1]]
    verdict = ("failed:", "error") if validation.fails(context.fail_on) else ("passed:", "good")
    return [*console.pieces(verdict, *commas, parts[-1], (f"(--fail-on {context.fail_on})", None)), *below]


def _baseline(validation: Validation, console: Console) -> list[str]:
    """How many findings the baseline has, and how many of these are fixed."""
    if validation.baseline is None:
        return []
    n_known, n_fixed = len(validation.baseline.known), len(validation.baseline.fixed)
    return console.wrap(
        f"not counted: {count_noun(n_known, 'finding')} of the baseline; {n_fixed:,} fixed since",
        style="dim",
    )


def _next(validation: Validation, context: ReportContext, console: Console) -> Iterator[str]:
    """Commands for the next step, as one would type them."""
    steps: list[tuple[list[str], str]] = []
    again = ["validate", *context.typed, *context.selection]
    groups = group_by_rule(validation.findings)
    if groups:
        steps.append((["explain", groups[0][0].code], "what it means, and how to fix it"))
        first_image = next((finding.image for group in groups for finding in group if finding.image), None)
        if first_image is not None:
            steps.append(
                (
                    ["show", *context.typed, shlex.quote(first_image), "--findings"],
                    "a picture of the first image with findings",
                )
            )
            steps.append(([*again, "--overlays pictures"], "a picture of every image with findings"))
        steps.append(([*again, "--format json"], "every finding, for a program"))
    else:
        steps.append((["info", *context.typed], "what is in the dataset"))
        if context.profile.format == "canonical":
            steps.append((["convert", *context.typed, "OUT", "--to coco-instances"], "to another format"))
        else:
            steps.append((["convert", *context.typed, "OUT"], "to a canonical dataset, or another format"))
    yield from next_steps(steps, console)


def next_steps(steps: Iterable[tuple[Sequence[str], str]], console: Console) -> Iterator[str]:
    """What to do next: commands, word by word after `segdata`, each with its purpose."""
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


def _ids(finding: Finding) -> str:
    shown = ", ".join(map(str, finding.segments[:4]))
    return shown + (f" and {len(finding.segments) - 4} more" if len(finding.segments) > 4 else "")
