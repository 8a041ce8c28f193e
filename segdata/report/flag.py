"""Flag: the labels to review, worst first, the reliability of the ranking, and an estimate of all wrong labels."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec
import numpy as np

from segdata.core.errors import count_noun, list_names
from segdata.core.finding import Count, Decision, Finding
from segdata.core.runs import Flags, Ints
from segdata.core.validation import finding_keys, match_keys
from segdata.noise.budget import ErrorEstimate, ReviewSample, estimate_errors
from segdata.noise.error_types import UNUSUAL_CODE, SeldomReason
from segdata.noise.evaluation import DetectionQuality, Interval
from segdata.noise.features import MIN_IOU
from segdata.noise.flag_result import CommonCause, FlagResult, FlagSummary, SampledReview
from segdata.noise.networks.plan import TrainingPlan
from segdata.noise.thresholds import MIN_AUROC, CategoryTrust, missed_figure
from segdata.report.console import Console, shorten, table
from segdata.report.findings import (
    FIRST,
    FindingCounts,
    FindingRow,
    ReportContext,
    findings_json,
    group_by_rule,
    next_steps,
    rule_section,
)
from segdata.review.decision_log import RIGHT_VERDICTS, review_states


class FlagReport(msgspec.Struct, frozen=True, kw_only=True):
    """The labels that are probably wrong, the most probable errors first; `flag` has the reliability of the ranking."""

    version: Literal[1]
    dataset: str
    summary: FindingCounts
    flag: FlagSummary
    findings: tuple[FindingRow, ...]
    omitted: Count = 0


def flag_json(flagged: FlagResult, max_findings: int | None = None) -> str:
    """The report as JSON, a line per finding; the same input gives the same text."""
    return findings_json(flagged.validation, max_findings, {"flag": msgspec.to_builtins(flagged.summary)})


_MAX_IMAGES_NAMED = 5  # the worst ones
_BUDGETS = ("0.01", "0.05", "0.1")
_SELDOM_RIGHT = "also look at: less often right"
_SELDOM_WORDS: dict[SeldomReason, str] = {
    "later": "things without a label after the first ten: worth a look if most of these were right",
    "kind": "labels that are extra, moved, to be joined or to grow, and stuff without a label",
    "short-list": "fewer than ten findings are left beside those below",
    "unknown-images": "the model knows fewer than half of the images",
    "few-parts": "class maps with too few parts to learn from",
    "outline": "outlines to redraw",
    "extra-part": "stuff that is extra in part",
    "cut": "things that the border of the image cuts",
    "border": "left out along the border by the whole set",
    "long": "places longer than a quarter of the image",
    "odd-size": "places four times larger or smaller than the others of their category",
    "absent": "places of a category without a label in the image",
}
_JUDGED_FIRST = 10  # findings that tell of the rest, see docs/results/flag.md
_UNLIMITED_WIDTH = 1_000_000  # columns, so that no line is broken


def flag_text(flagged: FlagResult, asked: ReportContext, console: Console) -> str:
    """The report, in lines of at most `console.width` columns."""
    room = asked.max_findings
    lines = [*_head(flagged, asked, console), ""]
    named = False  # the part of what is less often right
    for words, causes, findings in _parts(flagged):
        lines += [console.paint(_SELDOM_RIGHT, "bold"), ""] if words and not named else []
        named |= bool(words)
        lines += [*console.wrap(words, "", "  ", "bold"), ""] if words else []
        table_of_causes = _causes(flagged, causes, console)
        lines += [*table_of_causes, ""] if table_of_causes else []
        for group in sorted(group_by_rule(findings), key=lambda group: (-_highest_score(group), group[0].code)):
            shown = group[: FIRST if room is None else room]
            room = None if room is None else room - len(shown)
            lines += [*rule_section(group, shown, asked, console), ""]
    for block in (_trust(flagged, console), _worst_images(flagged, console), _quality(flagged.quality, console)):
        lines += [*block, ""] if block else []
    return "\n".join([*lines, *_next(flagged, asked, console)]) + "\n"


def _parts(flagged: FlagResult) -> Iterator[tuple[str, list[CommonCause], list[Finding]]]:
    """What to review, what is less often right by its reason, and unusual labels: reason, causes, other findings."""
    of_cause = {place for cause in flagged.causes for place in cause.findings}
    reasons = dict(zip(flagged.seldom_right, flagged.seldom_reasons, strict=True))
    alone = [item for item in enumerate(flagged.validation.findings) if item[0] not in of_cause]
    suspected = [(place, finding) for place, finding in alone if finding.code != UNUSUAL_CODE]
    for reason in (None, *_SELDOM_WORDS):
        causes = [cause for cause in flagged.causes if reasons.get(cause.findings[0]) == reason]
        findings = [finding for place, finding in suspected if reasons.get(place) == reason]
        if causes or findings:
            n = sum(each == reason for each in flagged.seldom_reasons)
            yield "" if reason is None else f"{_SELDOM_WORDS[reason]} ({n:,})", causes, findings
    yield "", [], [finding for _, finding in alone if finding.code == UNUSUAL_CODE]


def flag_statements(flagged: FlagResult) -> list[str]:
    """The statements of the text report about the labels as a whole, a line each, for other reports."""
    endless = Console(width=_UNLIMITED_WIDTH)
    shared = [f"{cause.image} ({_extent(flagged, cause)})" for cause in flagged.causes]
    causes = [f"{_ONE_CAUSE}: {list_names(shared, _MAX_IMAGES_NAMED)}"] if shared else []
    return [*flagged.notes, *_amount(flagged, endless), *causes, *_weak(flagged, endless, "")]


def _highest_score(group: Sequence[Finding]) -> float:
    """The greatest probability in a group; images that could not be judged come first."""
    if group[0].code == UNUSUAL_CODE:  # after everything that a model suspects
        return -1.0
    return max(2.0 if finding.score is None else finding.score for finding in group)


def _head(flagged: FlagResult, asked: ReportContext, console: Console) -> Iterator[str]:
    validation = flagged.validation
    name = shorten(validation.dataset, console.width - len("segdata flag "))
    yield console.paint(f"segdata flag {name}", "bold")
    size = f"{count_noun(validation.n_images, 'image')}, {count_noun(validation.n_segments, 'segment')}"
    yield from console.wrap(f"{asked.profile.format}, {asked.profile.task}: {size}", "", "  ", "dim")
    yield from console.wrap(f"judged by {_judge(flagged)}", "", "  ", "dim")
    if flagged.plan is not None:
        choices = ", ".join(f"{choice.choice} {choice.value}" for choice in flagged.plan.choices)
        yield from console.wrap(f"chosen: {choices} (--format json has the reasons)", "", "  ", "dim")
    for note in flagged.notes:
        yield from console.wrap(note, "", "  ", "warning")
    yield ""
    yield from _amount(flagged, console)


def _judge(flagged: FlagResult) -> str:
    plan = flagged.plan
    if plan is None:
        return flagged.predictions
    share = 100 * (plan.folds - 1) // plan.folds
    networks = count_noun(plan.folds * plan.members, "network")
    return f"{networks}, each trained on {share} % of the images and judging the others"


def _remedies(plan: TrainingPlan | None) -> str:
    """Advice on how to get a better model than the one of this plan, or than the given predictions."""
    better = "give --predictions of a better model"
    if plan is None:
        return better
    from_scratch = "encoder" in dict(plan.why) and plan.encoder == "convolutions"
    return (
        f"add images, train longer (without --quick), {'start with --pretrained, ' if from_scratch else ''}or {better}"
    )


def _amount(flagged: FlagResult, console: Console) -> Iterator[str]:
    """How much there is to review, what was left out, and which images to annotate next."""
    labels = [finding for finding in flagged.validation.findings if finding.correction is not None]
    odd = sum(finding.code == UNUSUAL_CODE for finding in flagged.validation.findings)
    n_unknown = flagged.n_judged - _n_judged_reliably(flagged)
    if not labels and all(trust.reason is not None for trust in flagged.trust):
        message = f"the model is too weak for every category: {_remedies(flagged.plan)}"
        yield from console.wrap(message, "", "  ", "warning")
    elif not labels and not odd and n_unknown:
        judged = f"the {flagged.n_judged - n_unknown:,} of {count_noun(flagged.n_judged, 'label')}"
        message = f"nothing found among {judged} that the model can judge; it says nothing about the others"
        yield from console.wrap(message, "", "  ", "warning")
    elif not labels and not odd:
        yield from console.pieces(("nothing to review", "good"))
    elif labels:
        yield from _listed_labels(flagged, len(labels), n_unknown, console)
    if odd:
        them = "it is" if odd == 1 else "they are"
        message = (
            f"the model does not know this dataset: look at {count_noun(odd, 'unusual label')} ({UNUSUAL_CODE}), "
            f"chosen without the model by size, shape, place and brightness; {them} no expected error, no P is known"
        )
        yield from console.wrap(message, "", "  ", "warning")
    if flagged.n_left_out:
        more = f"{flagged.n_left_out:,} more are above their thresholds; --budget sets how many are listed"
        yield from console.wrap(more, style="dim")
    if flagged.validation.decided:
        decided = f"{count_noun(flagged.validation.decided, 'finding')} that reviewers have decided"
        yield from console.wrap(f"not listed: {decided} (--include-reviewed lists them)", style="dim")
    if flagged.annotate_next:
        first = [shorten(name, 44) for name in flagged.annotate_next[:_MAX_IMAGES_NAMED]]
        rest = len(flagged.annotate_next) - len(first)
        more = f" and {rest:,} more, all in --format json" if rest else ""
        yield from console.wrap(f"annotate next: {', '.join(first)}{more}")


def _listed_labels(flagged: FlagResult, n: int, n_unknown: int, console: Console) -> Iterator[str]:
    """How many labels (n) to review, how many of them are wrong, and which to look at first."""
    share = 100 * n / max(flagged.n_judged, 1)
    judged = f"of {count_noun(flagged.n_judged, 'label')} ({share:.1f}%), the worst first"
    yield from console.pieces((f"review {n:,}", "bold"), (judged, None))
    expected = flagged.expected
    numbers = f"expect {math.floor(expected.low)} to {math.ceil(expected.high)} of them to be wrong"
    likely = f"about {expected.n:.0f} if real errors look like the injected ones"
    yield from console.wrap(f"{numbers}, {likely}; for other kinds of errors P only ranks them")
    if n_unknown:
        yield from console.wrap(f"the model cannot judge {n_unknown:,} of the labels", "", "  ", "warning")
    n_seldom = len(flagged.seldom_right)
    if n_seldom:
        which = "all" if n_seldom == n else f"{n_seldom:,} of them"
        yield from console.wrap(f"{_SELDOM_RIGHT} ({which}), by cause at the end", "", "  ", "dim")
    if n - n_seldom > _JUDGED_FIRST:
        advice = f"judge the first {_JUDGED_FIRST}, they tell of the rest: stop if few of them are right"
        yield from console.wrap(advice, "", "  ")


def _n_judged_reliably(flagged: FlagResult) -> int:
    """How many labels are in images that the model knows and in categories that it predicts reliably."""
    scores, weak = flagged.scores, [trust.category for trust in flagged.trust if trust.reason is not None]
    is_known = ~np.isin(scores["image"], flagged.unknown_images) & ~np.isin(scores["category"], weak)
    return int((is_known & ~scores.missing("segment")).sum())


_ONE_CAUSE = "one cause each: look at the image first"


def _causes(flagged: FlagResult, causes: Sequence[CommonCause], console: Console) -> list[str]:
    """Lines with the causes that several findings share."""
    if not causes:
        return []
    rows = []
    for cause in causes:
        first = cause.findings[0]
        rule = f"{flagged.validation.findings[first].code} {cause.rule}"
        rows.append([shorten(cause.image, 44), _extent(flagged, cause), rule, f"{first + 1:,}"])
    lines = table(("image", "findings", "rule", "from place"), rows)
    return [console.paint(_ONE_CAUSE, "bold"), *(f"  {line}" for line in lines)]


def _extent(flagged: FlagResult, cause: CommonCause) -> str:
    """The number of labels or regions that a cause concerns, in words."""
    findings = [flagged.validation.findings[place] for place in cause.findings]
    n = sum(finding.image not in (*cause.copies, *cause.others) for finding in findings)
    if findings[0].segments:
        extent = f"all {n:,} labels" if n >= cause.labels else f"{n:,} of {cause.labels:,} labels"
    else:
        extent = f"{count_noun(n, 'region')} without a label{' along the border' * cause.along_border}"
    extent += f", in {count_noun(len(cause.copies), 'copy')} too" if cause.copies else ""
    if cause.others:
        where = "also in" if cause.along_border else "at the same place of"
        extent += f", {where} {count_noun(len(cause.others), 'other image')}"
    return extent


def _trust(flagged: FlagResult, console: Console) -> list[str]:
    rows = [
        [
            shorten(trust.category, 30),
            _number(trust.iou),
            _number(trust.auroc),
            f"{trust.injected:,}",
            f"P {trust.threshold:.2f}",
        ]
        for trust in sorted(flagged.trust, key=lambda trust: trust.iou or 0.0)
        if trust.reason is None
    ]
    lines = [console.paint("how reliable it is", "bold")]
    if rows:
        heads = ("category", "IoU", "AUROC", "injected", "threshold")
        lines += [f"  {line}" for line in table(heads, rows)]
    return [*lines, *_weak(flagged, console, "  ")]


def _weak(flagged: FlagResult, console: Console, indent: str) -> list[str]:
    """The categories without findings because the model cannot predict them."""
    weak = [trust for trust in flagged.trust if trust.reason is not None and trust.iou is not None]
    if not weak:
        return []
    named = ", ".join(f"{trust.category} ({_missed_limit(trust)})" for trust in weak)
    rest = "its ranking is" if len(weak) == 1 else "their rankings are"
    needed = f"(IoU {MIN_IOU} and AUROC {MIN_AUROC} are needed)"
    some_known = len(weak) < len(flagged.trust)  # else the head has the advice
    advice = f"; look at {'its' if len(weak) == 1 else 'their'} labels yourself, or {_remedies(flagged.plan)}"
    message = f"the model is too weak for {named}: {rest} left out {needed}{advice if some_known else ''}"
    return console.wrap(message, indent, indent + "  ", "warning")


def _missed_limit(trust: CategoryTrust) -> str:
    """The figure of a category that is too small, rounded down so that it stays below the limit."""
    name, value = ("AUROC", trust.auroc) if trust.iou is not None and trust.iou >= MIN_IOU else ("IoU", trust.iou)
    return f"{name} {_number(None) if value is None else missed_figure(value)}"


def _worst_images(flagged: FlagResult, console: Console) -> list[str]:
    count: dict[str, int] = {}
    for finding in flagged.validation.findings:
        if finding.image is not None:
            count[finding.image] = count.get(finding.image, 0) + 1
    unknown = frozenset(flagged.unknown_images)
    rows = [
        [shorten(image, 44), f"{score:.2f}", "not known" if image in unknown else str(count.get(image, 0))]
        for image, score in list(flagged.looks.lines("image", "score"))[:_MAX_IMAGES_NAMED]
    ]
    if len(flagged.looks) < 2 or all(trust.reason is not None for trust in flagged.trust):
        return []
    lines = table(("image", "score", "findings"), rows)
    return [console.paint("worst images", "bold"), *(f"  {line}" for line in lines)]


def _quality(qualities: Sequence[DetectionQuality], console: Console) -> list[str]:
    if not qualities:
        return []
    rows = [
        [
            quality.type,
            f"{quality.errors:,}",
            _interval(quality.auroc),
            f"{_number(quality.average_precision.value)} / {_number(quality.prevalence)}",
            _number(quality.precision["50"]),
            *(_number(quality.recall[share]) for share in _BUDGETS),
        ]
        for quality in qualities
    ]
    heads = ("errors", "known", "AUROC", "AP / chance", "P@50", *(f"R@{float(share):.0%}" for share in _BUDGETS))
    return [console.paint("known errors", "bold"), *(f"  {line}" for line in table(heads, rows))]


def _interval(interval: Interval) -> str:
    ends = "" if interval.low is None or interval.high is None else f" {interval.low:.2f}-{interval.high:.2f}"
    return _number(interval.value) + ends


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _next(flagged: FlagResult, asked: ReportContext, console: Console) -> Iterator[str]:
    again = ["flag", *asked.typed, *asked.selection, "--format json", "--output flag.json"]
    what = "all findings" if flagged.validation.findings else "how reliable it is, and a rank of every image,"
    steps = [(again, f"{what} as JSON; the predictions are cached")]
    if "--quick" in asked.selection and _n_judged_reliably(flagged) < flagged.n_judged / 2:
        longer = [word for word in asked.selection if word != "--quick"]
        steps.insert(0, (["flag", *asked.typed, *longer], "trains longer, since the model knows too little"))
    if any(finding.image is not None for finding in flagged.validation.findings):
        steps.append((["browse", *asked.typed, "--findings flag.json"], "review the findings and the proposals"))
    if flagged.validation.findings:
        steps.append((["explain", flagged.validation.findings[0].code], "what it means, and what to do"))
    yield from next_steps(steps, console)


_VAGUE_WIDTH = 0.5  # of an interval of a rate: a wider one is not reported


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """The estimated number of all wrong labels, from the review."""

    every: ErrorEstimate  # of all candidates, labels and regions
    labels: ErrorEstimate  # wrong ones among what is annotated
    # regions that are to be labelled, among those in which the model sees something and nothing is annotated
    regions: ErrorEstimate
    apart: bool  # whether it is known how many of the candidates are labels; else `of` of both is that of all
    drawn: int = 0  # how many things the random sample has
    decided: int = 0  # how many of them are decided
    more: int = 0  # how many more of them are to be decided, for an estimate that says something; 0: it does already

    @property
    def is_vague(self) -> bool:
        """Whether the interval is too wide to be useful."""
        return _is_vague(self.every)


class ErrorShare(msgspec.Struct, frozen=True, kw_only=True):
    """The number of wrong labels, or regions, with the ends of its 95 % interval; `of` is null if unknown."""

    value: float | None
    low: float
    high: float
    of: int | None


class ErrorRow(msgspec.Struct, frozen=True, kw_only=True):
    """The estimated number of wrong candidates, with the ends of its 95 % interval; null if unknown.

    Candidates are `labels`, and `regions` in which the model sees something and nothing is annotated.
    """

    value: float | None
    low: float
    high: float
    of: int
    labels: ErrorShare
    regions: ErrorShare

    @staticmethod
    def of_errors(result: LabelErrors) -> "ErrorRow":
        """The row of an estimate."""
        every, parts = result.every, []
        for estimate in (result.labels, result.regions):
            parts.append(
                ErrorShare(
                    value=estimate.n, low=estimate.low, high=estimate.high, of=estimate.of if result.apart else None
                )
            )
        return ErrorRow(value=every.n, low=every.low, high=every.high, of=every.of, labels=parts[0], regions=parts[1])


def label_errors(report: FlagReport, decisions: Sequence[Decision]) -> LabelErrors | None:
    """Estimate the number of wrong labels, flagged or not, with a 95 % interval.

    None if the report has no random sample of labels (it was made without a budget, or of whole images), omits
    findings, or no finding is decided. A verdict also counts if the label has been changed by it since.
    """
    sample = report.flag.sample
    if sample is None or sample.images is not None or len(sample.findings) != len(sample.stratum):
        return None
    if max(sample.findings, default=-1) >= len(report.findings):
        return None
    sampled = [report.findings[row].finding() if row >= 0 else None for row in sample.findings]
    places = [place for place, finding in enumerate(sampled) if finding is not None]
    decided = [
        (state.decision.finding, state.decision.verdict in RIGHT_VERDICTS)
        for state in reversed(review_states(decisions))  # the last verdict on a finding counts
        if state.decision is not None and state.decision.finding is not None
    ]
    partner = match_keys(
        [finding_keys(finding) for finding in sampled if finding is not None],
        [finding_keys(finding) for finding, _ in decided],
    )
    if not partner:
        return None
    pairs = sorted(partner.items())
    place, wrong = np.array([places[row] for row, _ in pairs]), np.array([decided[match][1] for _, match in pairs])
    return _estimate(sample, sampled, place, wrong)


def _estimate(sample: SampledReview, sampled: Sequence[Finding | None], place: Ints, wrong: Flags) -> LabelErrors:
    """The estimates from verdicts `wrong` (v,) on the items at `place` (v,) of the sample."""
    drawn_sample = ReviewSample(
        np.arange(len(sampled)), np.array(sample.stratum, np.int64), np.array(sample.size, np.int64)
    )
    every = estimate_errors(drawn_sample, place, wrong)
    parts = []
    for is_label, n_things in (
        (True, sample.labels),
        (False, None if sample.labels is None else every.of - sample.labels),
    ):
        in_part = np.array([finding is None or bool(finding.segments) == is_label for finding in sampled])
        result = _among(drawn_sample, in_part, place, wrong)
        n = every.of if n_things is None else n_things
        parts.append(replace(result, low=min(result.low, n), high=min(result.high, n), of=n))
    labels, regions = parts
    drawn = np.flatnonzero(drawn_sample.stratum >= 0)
    open_ = np.setdiff1d(drawn, place)
    n_decided = len(drawn) - len(open_)
    more = _decisions_needed(drawn_sample, place, wrong, open_) if _is_vague(every) else 0
    return LabelErrors(
        every=every,
        labels=labels,
        regions=regions,
        apart=sample.labels is not None,
        drawn=len(drawn),
        decided=n_decided,
        more=more,
    )


def _decisions_needed(review_sample: ReviewSample, place: Ints, wrong: Flags, open_: Ints) -> int:
    """The number of undecided items of the random sample that must be decided for a useful estimate.

    Assumes that half of them are wrong, the worst case for an interval. All of them if they are not enough.
    """
    for n in range(1, len(open_)):
        supposed = np.append(wrong, np.arange(n) % 2 == 0)
        if not _is_vague(estimate_errors(review_sample, np.append(place, open_[:n]), supposed)):
            return n
    return len(open_)


def _is_vague(estimate: ErrorEstimate) -> bool:
    rate, low, high = estimate.rate
    return bool(np.isnan(rate) or high - low > _VAGUE_WIDTH)


def _among(review_sample: ReviewSample, in_part: Flags, place: Ints, wrong: Flags) -> ErrorEstimate:
    """Restrict a sample to a part: items outside it count as right, and items that were not sampled do not count."""
    kept = in_part | (review_sample.stratum >= 0)
    number, judged = np.cumsum(kept) - 1, kept[place]
    some = ReviewSample(np.arange(int(kept.sum())), review_sample.stratum[kept], review_sample.size)
    return estimate_errors(some, number[place[judged]], (wrong & in_part[place])[judged])


def errors_in_words(result: LabelErrors) -> str:
    """The estimate in words."""
    if result.more:
        return (
            f"decide {result.more:,} more of the random sample ({result.decided:,} of {result.drawn:,} are decided) to "
            f"learn how many of {result.every.of:,} labels and regions are wrong"
        )
    why = "; the random sample is small, so flag again with a larger --budget" if result.is_vague else ""
    estimates = [
        _share(result.labels, "label", "wrong"),
        _share(result.regions, "region", "missing", "that nobody labelled"),
    ]
    if not result.apart:
        labels, regions = result.labels, result.regions
        return (
            f"about {labels.n:,.0f} labels are wrong ({labels.low:,.0f} to {labels.high:,.0f}), and about "
            f"{regions.n:,.0f} are missing ({regions.low:,.0f} to {regions.high:,.0f}), with 95% confidence{why}"
        )
    return f"{', and '.join(filter(None, estimates))}, with 95% confidence{why}"


def _share(result: ErrorEstimate, thing: str, what: str, more: str = "") -> str:
    """An estimated share in words; empty if there are no items, and without a value if the interval is too wide."""
    if not result.of:
        return ""
    rate, low, high = result.rate
    things = f"{count_noun(result.of, thing)}{more and f' {more}'}"
    if high - low > _VAGUE_WIDTH:
        return f"from {low:.1%} to {high:.1%} of {things} are {what}"
    return f"about {rate:.1%} of {things} are {what} ({low:.1%} to {high:.1%})"
