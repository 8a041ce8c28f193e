"""The text report of a validation: grouped by rule, worst first, and what to do next."""

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

FIRST = 3  # findings of each rule that are shown, where the user does not say how many


@dataclass(frozen=True, slots=True)
class ReportContext:
    """What the user asked for, as far as the report speaks of it.

    Attributes
    ----------
    profile : of the dataset
    rules : those that ran
    typed : DATA and its options as one would type them again, word by word
    fail_on : the severity from which on the command fails
    max_findings : how many findings to list; None: the first few of each rule
    selection : the options that choose rules, as one would type them again
    command : whose report it is
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


def findings_text(validation: Validation, asked: ReportContext, paper: Console) -> str:
    """The report, in lines of at most `paper.width` columns."""
    lines = [*_head(validation, asked, paper), ""]
    room = asked.max_findings
    for group in group_by_rule(validation.findings):
        shown = group[: FIRST if room is None else room]
        room = None if room is None else room - len(shown)
        lines += [*rule_section(group, shown, asked, paper), ""]
    lines += _totals(validation, asked, paper)
    lines += ["", *_next(validation, asked, paper)]
    return "\n".join(lines) + "\n"


def statistics_text(validation: Validation, paper: Console) -> str:
    """A line for each rule and severity that found something: how much, in how many images, and what fix there is."""
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
    return "\n".join([paper.paint(head, "bold"), *lines, ""])


def group_by_rule(findings: Iterable[Finding]) -> list[list[Finding]]:
    """The findings of each rule and severity; groups ranked by severity, then by count, then by code."""
    groups: dict[tuple[Severity, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.code), []).append(finding)
    return sorted(groups.values(), key=lambda group: (SEVERITIES.index(group[0].severity), -len(group), group[0].code))


def finding_location(finding: Finding, paper: Console, indent: str, *, with_ids: bool = True) -> list[str]:
    """Where a finding is, in a line or two: image, segments, box, annotator; without a box, file and place."""
    ids = _ids(finding) if with_ids or not finding.category else None
    thing = " ".join(filter(None, [finding.category, ids]))
    box = finding.bbox and "at x {}, y {}, {} x {} px".format(*finding.bbox)
    who = finding.annotator and f"by {finding.annotator}"
    rest = ", ".join(filter(None, [thing, box, who]))
    room = paper.width - len(indent)
    name = finding.image and shorten(finding.image, max(room - (display_width(rest) + 2 if rest else 0), 24))
    lines = paper.wrap(": ".join(filter(None, [name, rest])), indent, indent + "  ", "where")
    if finding.file is None or (finding.image is not None and finding.bbox is not None):
        return lines
    at = finding.place or (f"line {finding.line}" if finding.line is not None else "")
    if not at and finding.file == finding.image:
        return lines
    return lines + paper.wrap(
        f"{shorten(finding.file, max(room - display_width(at) - 1, 24))} {at}", indent, None, "where"
    )


def _head(validation: Validation, asked: ReportContext, paper: Console) -> list[str]:
    what = f"{asked.profile.format}, {asked.profile.task}"
    size = f"{count_noun(validation.n_images, 'image')}, {count_noun(validation.n_segments, 'segment')}"
    name = shorten(validation.dataset, paper.width - len("segdata validate "))
    places = ", ".join(f"{role}: {place}" for role, place in asked.profile.places.items())
    head = [paper.paint(f"segdata validate {name}", "bold"), *paper.wrap(f"{what}: {size}", "", "  ", "dim")]
    return head + (paper.wrap(places, "", "  ", "dim") if places else [])


def rule_section(
    group: Sequence[Finding], shown: Sequence[Finding], asked: ReportContext, paper: Console
) -> Iterator[str]:
    """The findings of one rule and severity: how many, what the rule is, and those that are `shown`."""
    first = group[0]
    n_images = len({finding.image for finding in group if finding.image is not None})
    pixels = sum(finding.pixels or 0 for finding in group)
    facts = [count_noun(len(group), "finding") + (f" in {count_noun(n_images, 'image')}" if n_images else "")]
    facts += [f"{pixels:,} px"] if pixels else []
    name = f"{first.code} {first.rule}:"
    yield from paper.pieces((first.severity, first.severity), (name, "bold"), (", ".join(facts), None))
    yield from paper.wrap(asked.summaries.get(first.code, ""), "  ", style="dim")
    for finding in shown:
        # A semantic segment's id is its category's: it says nothing more.
        yield from finding_location(finding, paper, "  ", with_ids=asked.profile.task != "semantic")
        yield from paper.wrap(finding.message, "    ")
    yield from _rest(group, shown, paper)


def _rest(group: Sequence[Finding], shown: Sequence[Finding], paper: Console) -> Iterator[str]:
    """What is not shown of a group, and where most of all of it is."""
    there = set(map(id, shown))
    rest = [finding for finding in group if id(finding) not in there]
    if not rest:
        return
    n_images = len({finding.image for finding in rest if finding.image is not None})
    images = f" in {count_noun(n_images, 'image')}" if n_images else ""
    yield from paper.wrap(f"… and {len(rest):,} {'more' if shown else 'not listed'}{images}", "  ")
    for name in ("category", "annotator", "image"):
        count = Counter(value for finding in group if (value := getattr(finding, name)) is not None)
        if 1 < len(count) < len(group):
            most = [f"{shorten(value, 30)} {times:,}" for value, times in count.most_common(4)]
            more = [count_noun(len(count) - 4, "other")] if len(count) > 4 else []
            items = [*(f"{item}," for item in [*most, *more][:-1]), [*most, *more][-1]]
            yield from paper.wrap([f"by {name}:", *items], "    ", "      ", "dim")


def _totals(validation: Validation, asked: ReportContext, paper: Console) -> list[str]:
    checked = f"checked {count_noun(validation.n_images, 'image')} and {count_noun(validation.n_segments, 'segment')}"
    below = paper.wrap(f"{checked} against {count_noun(len(asked.rules), 'rule')}")
    below += _baseline(validation, paper)
    if validation.suppressed:
        below += paper.wrap(f"{count_noun(validation.suppressed, 'finding')} suppressed in segdata.yaml", style="dim")
    if validation.decided:
        said = f"{count_noun(validation.decided, 'finding')} decided by reviewers; --include-reviewed counts them, too"
        below += paper.wrap(said, style="dim")
    if validation.skipped:
        codes = ", ".join(validation.skipped)
        below += paper.wrap(f"not run, as they judge a whole dataset and this is a part of one: {codes}", "", "  ")
    if not validation.findings:
        return [paper.paint("nothing new" if validation.baseline else "nothing found", "good"), *below]
    counts = [(severity, validation.count(severity)) for severity in SEVERITIES]
    parts = [(count_noun(count, severity), severity) for severity, count in counts if count]
    commas = [(f"{said},", severity) for said, severity in parts[:-1]]
    verdict = ("failed:", "error") if validation.fails(asked.fail_on) else ("passed:", "good")
    return [*paper.pieces(verdict, *commas, parts[-1], (f"(--fail-on {asked.fail_on})", None)), *below]


def _baseline(validation: Validation, paper: Console) -> list[str]:
    """What became of the baseline's findings."""
    if validation.baseline is None:
        return []
    known, fixed = len(validation.baseline.known), len(validation.baseline.fixed)
    return paper.wrap(
        f"not counted: {count_noun(known, 'finding')} of the baseline; {fixed:,} of it fixed", style="dim"
    )


def _next(validation: Validation, asked: ReportContext, paper: Console) -> Iterator[str]:
    """Commands to go on with, as one would type them."""
    steps: list[tuple[list[str], str]] = []
    again = ["validate", *asked.typed, *asked.selection]
    groups = group_by_rule(validation.findings)
    if groups:
        steps.append((["explain", groups[0][0].code], "what it means, and what to do"))
        seen = next((finding.image for group in groups for finding in group if finding.image), None)
        if seen is not None:
            steps.append(
                (["show", *asked.typed, shlex.quote(seen), "--findings"], "the first image of these, as a picture")
            )
            steps.append(([*again, "--overlays pictures"], "a picture of every image concerned"))
        steps.append(([*again, "--format json"], "every finding, for a program"))
    else:
        steps.append((["info", *asked.typed], "what is in the dataset"))
        if asked.profile.format == "canonical":
            steps.append((["convert", *asked.typed, "OUT", "--to coco-instances"], "to another format"))
        else:
            steps.append((["convert", *asked.typed, "OUT"], "to a canonical dataset, or another format"))
    yield from next_steps(steps, paper)


def next_steps(steps: Iterable[tuple[Sequence[str], str]], paper: Console) -> Iterator[str]:
    """What to do next: commands, word by word behind `segdata`, each with what it is for."""
    yield paper.paint("next", "bold")
    for words, why in steps:
        command = " ".join(["segdata", *words])
        if display_width(command) + 4 + display_width(why) <= paper.width:
            yield f"  {command}  {paper.paint(why, 'dim')}"
        else:
            yield from command_lines(["segdata", *words], paper)
            yield from paper.wrap(why, "      ", style="dim")


def command_lines(words: Sequence[str], paper: Console) -> Iterator[str]:
    """A command in lines that can be copied: broken between words with a backslash, and never within one."""
    line = " "
    for word in words:
        if line.strip() and display_width(line) + display_width(word) + 3 > paper.width:
            yield f"{line} \\"
            line = "     "
        line += f" {word}"
    yield line


def _ids(finding: Finding) -> str:
    shown = ", ".join(map(str, finding.segments[:4]))
    return shown + (f" and {len(finding.segments) - 4} more" if len(finding.segments) > 4 else "")
