"""The text report of `segdata flag`: what to look at again, worst first, and how far that is to be believed."""

import math
import shlex
from collections.abc import Iterator, Sequence

from segdata.core.errors import count_noun
from segdata.core.finding import Finding
from segdata.noise.evaluation import DetectionQuality
from segdata.noise.features import MIN_IOU
from segdata.noise.flag_result import FlagResult
from segdata.noise.networks.plan import TrainingPlan
from segdata.noise.ranking import MIN_AUROC, Trust
from segdata.report.console import Console, shorten, table
from segdata.report.findings_text import FIRST, ReportContext, group_by_rule, next_steps, rule_section

_IMAGES = 5  # of the worst that are named
_BUDGETS = (0.01, 0.05, 0.1)
_ENDLESS = 1_000_000  # columns: nothing is broken


def flag_text(flagged: FlagResult, asked: ReportContext, paper: Console, report: str | None = None) -> str:
    """The report, in lines of at most `paper.width` columns; `report`: where the JSON report is, if there is one."""
    validation, room = flagged.validation, asked.max_findings
    lines = [*_head(flagged, asked, paper), ""]
    for group in sorted(group_by_rule(validation.findings), key=lambda group: (-_most(group), group[0].code)):
        shown = group[: FIRST if room is None else room]
        room = None if room is None else room - len(shown)
        lines += [*rule_section(group, shown, asked, paper), ""]
    for part in (_trust(flagged, paper), _worst(flagged, paper), _quality(flagged.quality, paper)):
        lines += [*part, ""] if part else []
    return "\n".join([*lines, *_next(flagged, asked, report, paper)]) + "\n"


def statements(flagged: FlagResult) -> list[str]:
    """What the text report says of the labels as a whole, a line each, for other forms of the report."""
    endless = Console(width=_ENDLESS)
    return [*flagged.notes, *_amount(flagged, endless), *_weak(flagged, endless, "")]


def _most(group: Sequence[Finding]) -> float:
    """The greatest probability in a group; what could not be looked at comes first."""
    return max(2.0 if each.score is None else each.score for each in group)


def _head(flagged: FlagResult, asked: ReportContext, paper: Console) -> Iterator[str]:
    validation = flagged.validation
    name = shorten(validation.dataset, paper.width - len("segdata flag "))
    yield paper.paint(f"segdata flag {name}", "bold")
    size = f"{count_noun(validation.n_images, 'image')}, {count_noun(validation.n_segments, 'segment')}"
    yield from paper.wrap(f"{asked.profile.format}, {asked.profile.task}: {size}", "", "  ", "dim")
    yield from paper.wrap(f"judged by {_judge(flagged)}", "", "  ", "dim")
    if flagged.plan is not None:
        chosen = ", ".join(f"{choice} {value}" for choice, value, _ in flagged.plan.told())
        yield from paper.wrap(f"chosen: {chosen} (--format json says why)", "", "  ", "dim")
    for note in flagged.notes:
        yield from paper.wrap(note, "", "  ", "warning")
    yield ""
    yield from _amount(flagged, paper)


def _remedies(plan: TrainingPlan | None) -> str:
    """What makes a better model than the one that was trained by this plan, or not trained here."""
    better = "give --predictions of a better one"
    if plan is None:
        return better
    begin = "encoder" in dict(plan.why) and plan.encoder == "convolutions"
    return f"add images, train longer (without --quick), {'begin with --pretrained, ' if begin else ''}or {better}"


def _amount(flagged: FlagResult, paper: Console) -> Iterator[str]:
    """How much is to be looked at, and how much of it is wrong."""
    told = [each for each in flagged.validation.findings if each.correction is not None]
    if not told and all(each.reason is not None for each in flagged.trust):
        said = f"the model is too weak for every category: {_remedies(flagged.plan)}"
        yield from paper.wrap(said, "", "  ", "warning")
    elif not told:
        yield from paper.pieces(("nothing to look at again", "good"))
    else:
        share = 100 * len(told) / max(flagged.n_judged, 1)
        of = f"of {count_noun(flagged.n_judged, 'label')} again ({share:.1f} %), the worst first"
        yield from paper.pieces((f"look at {len(told):,}", "bold"), (of, None))
        found = flagged.expected
        numbers = f"about {found.n:.0f} of them are wrong ({found.low:.0f} to {found.high:.0f})"
        yield from paper.wrap(f"{numbers}, if real errors look like those that were put in on purpose")
    if flagged.n_left_out:
        more = f"{flagged.n_left_out:,} more are above their thresholds: --budget says how many you have time for"
        yield from paper.wrap(more, style="dim")
    if flagged.validation.decided:
        said = (
            f"not told: {count_noun(flagged.validation.decided, 'finding')} "
            f"decided by reviewers (--include-reviewed tells all)"
        )
        yield from paper.wrap(said, style="dim")
    if flagged.annotate_next:
        first = [shorten(each, 44) for each in flagged.annotate_next[:_IMAGES]]
        rest = len(flagged.annotate_next) - len(first)
        more = f" and {rest:,} more, all in --format json" if rest else ""
        yield from paper.wrap(f"annotate next: {', '.join(first)}{more}")


def _judge(flagged: FlagResult) -> str:
    plan = flagged.plan
    if plan is None:
        return flagged.predictions
    share = 100 * (plan.folds - 1) // plan.folds
    return (
        f"{count_noun(plan.folds * plan.members, 'network')}, each "
        f"trained on {share} % of the images and judging others"
    )


def _trust(flagged: FlagResult, paper: Console) -> list[str]:
    """For each category what the model is worth."""
    good = [each for each in flagged.trust if each.reason is None]
    rows = [
        [
            shorten(flagged.names[each.category], 30),
            _number(each.iou),
            _number(each.auroc),
            f"{each.n_mistakes:,}",
            f"P {flagged.threshold[each.category]:.2f}",
        ]
        for each in sorted(good, key=lambda each: each.iou)
    ]
    lines = [paper.paint("how far to trust it", "bold")]
    if rows:
        heads = ("category", "IoU", "AUROC", "tested on", "told from")
        lines += [f"  {line}" for line in table(heads, rows)]
    return [*lines, *_weak(flagged, paper, "  ")]


def _weak(flagged: FlagResult, paper: Console, indent: str) -> list[str]:
    """The categories of which nothing is told."""
    weak = [each for each in flagged.trust if each.reason is not None and not math.isnan(each.iou)]
    if not weak:
        return []
    named = ", ".join(f"{flagged.names[each.category]} ({_lacking(each)})" for each in weak)
    rest = "its ranking is" if len(weak) == 1 else "their rankings are"
    needed = f"(IoU {MIN_IOU} and AUROC {MIN_AUROC} are needed)"
    said = f"the model is too weak for {named}: {rest} left out {needed}"
    return paper.wrap(said, indent, indent + "  ", "warning")


def _lacking(trust: Trust) -> str:
    """The figure that is too small, rounded down, so that it does not look as if it were what is needed."""
    name, value = ("IoU", trust.iou) if not trust.iou >= MIN_IOU else ("AUROC", trust.auroc)
    return f"{name} {_number(math.floor(100 * value) / 100 if math.isfinite(value) else value)}"


def _worst(flagged: FlagResult, paper: Console) -> list[str]:
    count: dict[str, int] = {}
    for each in flagged.validation.findings:
        if each.image is not None:
            count[each.image] = count.get(each.image, 0) + 1
    rows = [
        [shorten(image, 44), f"{score:.2f}", str(count.get(image, 0))]
        for image, score in list(flagged.looks.lines("image", "score"))[:_IMAGES]
    ]
    if len(flagged.looks) < 2 or all(each.reason is not None for each in flagged.trust):
        return []
    lines = table(("image", "score", "findings"), rows)
    return [paper.paint("worst images", "bold"), *(f"  {line}" for line in lines)]


def _quality(found: Sequence[DetectionQuality], paper: Console) -> list[str]:
    """How well known errors were found."""
    if not found:
        return []
    rows = [
        [
            each.name,
            f"{each.n_mistakes:,}",
            _interval(each.auroc.value, each.auroc.low, each.auroc.high),
            f"{_number(float(each.average_precision.value))} / {_number(each.prevalence)}",
            _number(each.precision[50]),
            *(_number(each.recall[share]) for share in _BUDGETS),
        ]
        for each in found
    ]
    heads = ("errors", "known", "AUROC", "AP / chance", "P@50", *(f"R@{share:.0%}" for share in _BUDGETS))
    return [paper.paint("against the known errors", "bold"), *(f"  {line}" for line in table(heads, rows))]


def _interval(value: object, low: object, high: object) -> str:
    ends = [float(each) for each in (value, low, high)]  # type: ignore[arg-type]  # arrays of one number
    return _number(ends[0]) + ("" if math.isnan(ends[1]) else f" {ends[1]:.2f}-{ends[2]:.2f}")


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _next(flagged: FlagResult, asked: ReportContext, report: str | None, paper: Console) -> Iterator[str]:
    """Commands to go on with, as one would type them."""
    again = ["flag", *asked.typed, *asked.selection]
    told = report is not None
    file = shlex.quote(report) if report is not None else "flag.json"
    steps = (
        [] if told else [([*again, "--format json", f"--output {file}"], "every finding, for a program; it is quick")]
    )
    if any(each.image is not None for each in flagged.validation.findings):
        steps.append((["browse", *asked.typed, f"--findings {file}"], "look at them, and at what is proposed"))
    if flagged.validation.findings:
        steps.append((["explain", flagged.validation.findings[0].code], "what it means, and what to do"))
    yield from next_steps(steps, paper)
