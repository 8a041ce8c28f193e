"""Conclusions: the results of an agreement in words, each with its figures and what to do, the most severe first."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePath

import numpy as np

from segdata.agreement.contrasts import PairContrast
from segdata.agreement.copying import COMMON_DRAFT, IdenticalWork
from segdata.agreement.inference import MIN_CLUSTERS
from segdata.agreement.planning import SampleSize
from segdata.agreement.repeatability import ProposedTolerance
from segdata.agreement.summary import Agreement, PairAgreement
from segdata.agreement.surface_distances import Tolerance
from segdata.core.errors import count_noun
from segdata.core.finding import MISSING_IMAGE, Finding
from segdata.core.rule import Tables
from segdata.report.agreement.annotators import (
    UNCLEAR_CODE,
    annotator_conclusions,
    is_largely_unchanged,
    least_agreed_conclusions,
    misplaced_annotators,
    misplaced_conclusions,
    model_conclusions,
    unclear_conclusions,
)
from segdata.report.agreement.drift import drift_conclusions
from segdata.report.agreement.tables import (
    better_first,
    causes_in_words,
    compared_scores,
    copied_pairs,
    names_of_copies,
    pair_in_words,
    unranked_pairs,
)
from segdata.report.agreement.wording import (
    SCORE_NAMES,
    SHORT_NAMES,
    Conclusion,
    findings_of_code,
    format_percent,
    format_score,
    gold_row,
    images_in_words,
    join_words,
    most_disputed_images,
    rule_remedy,
    score_with_interval,
    tolerance_in_words,
)

_MIN_SEGMENTS = 3  # of every other annotator: with fewer, an empty annotation may be a miss


def skipped_conclusions(result: Agreement, tables: Tables) -> Iterator[Conclusion]:
    """Conclusions on empty annotations of images that all others labelled; slices of volumes do not count."""
    comparison, annotations = tables.annotator_pairs, tables.annotations
    if comparison is None:
        return
    single = comparison.cases["image"][comparison.cases["frames"] == 1]
    image, n = annotations["image"], annotations["n_segments"]
    many = np.bincount(image, n >= _MIN_SEGMENTS, len(tables.images))
    several = np.bincount(image, minlength=len(tables.images))
    is_alone = (several > 1) & (many == several - 1)
    rows = np.flatnonzero((n == 0) & np.isin(image, single) & is_alone[image])
    names = annotations["annotator"]
    n_drawn = {annotator: int(n[names == annotator].sum()) for annotator in result.annotators}
    act = "See whether these are the right files, and whether their masks hold what the taxonomy says."
    if not any(n_drawn.values()):
        yield Conclusion("repair", "warning", "No annotator drew anything", act=act)
        return
    for annotator in (name for name in result.annotators if not n_drawn[name]):
        details = "Everything that the others drew counts as missed."
        yield Conclusion("repair", "warning", f"{annotator} labelled nothing", details, act)
    for annotator in (name for name in result.annotators if n_drawn[name] and name in names[rows].tolist()):
        mine = [str(image_id) for image_id in tables.images["image_id"][image[rows[names[rows] == annotator]]].tolist()]
        details = f"All other annotators have {_MIN_SEGMENTS} segments or more there; all of these count as missed."
        act = f"Let {annotator} label them, or remove the empty annotations if they were skipped; then compare again."
        yield Conclusion("repair", "warning", f"{annotator} labelled nothing in {join_words(mine)}", details, act)


_MAX_CONTRASTS = 4


def contrast_conclusions(result: Agreement, gold: str | None) -> Iterator[Conclusion]:
    """Conclusions on the contrasts that the user requested."""
    lead = result.leading  # the table has the other scores
    contrasts = [better_first(contrast) for contrast in result.contrasts if contrast.score == lead]
    if not contrasts:
        return
    if not any(math.isfinite(contrast.p) for contrast in contrasts):
        details = "They have fewer than 8 sequences, patients or single images in common."
        yield Conclusion(
            "contrast", "info", "Too few images to test who agrees better", details, "Let them label more of the same."
        )
        return
    standing = sorted(
        (contrast for contrast in contrasts if contrast.stands), key=lambda contrast: -contrast.difference.value
    )
    rest = [contrast for contrast in contrasts if not contrast.stands]
    open_ones = [
        f"{_contrasted_names(contrast, gold)} ({score_with_interval(lead, contrast.difference)})" for contrast in rest
    ]
    open_said = f"Not distinguishable: {join_words(open_ones, _MAX_CONTRASTS)}." if open_ones else ""
    tested = f"{count_noun(len(contrasts), 'contrast')} tested together."
    if not standing:
        head = (
            "No pair agrees better than another"
            if gold is None
            else f"No annotator agrees better with {gold} than another"
        )
        yield Conclusion("contrast", "info", f"{head} by more than chance", f"{open_said} {tested}".strip())
        return
    first, *others = [_contrast_in_words(contrast, gold) for contrast in standing]
    details = f"Also {join_words(others, _MAX_CONTRASTS)}. " if others else ""
    yield Conclusion("contrast", "info", first, f"{details}{open_said} {tested}".strip())


def _contrast_in_words(contrast: PairContrast, gold: str | None) -> str:
    better, worse = (format_score(contrast.score, value) for value in contrast.values)
    reach = f"{SHORT_NAMES[contrast.score]} {better} against {worse}, p {contrast.p:.2g}"
    first, second = contrast.first, contrast.second
    if gold is None:
        return f"{first[0]} and {first[1]} agree better than {second[0]} and {second[1]}: {reach}"
    return f"{pair_in_words(first, gold)} agrees better with {gold} than {pair_in_words(second, gold)}: {reach}"


def _contrasted_names(contrast: PairContrast, gold: str | None) -> str:
    if gold is None:
        return f"{' and '.join(contrast.first)} from {' and '.join(contrast.second)}"
    return f"{pair_in_words(contrast.first, gold)} from {pair_in_words(contrast.second, gold)}"


_ROUNDING = 1e-6  # hundredths by which a value may exceed a round one through rounding


def repeatability_conclusions(result: Agreement) -> Iterator[Conclusion]:
    """The tolerance that repeated images suggest, and how to set it; empty if no annotator repeated an image."""
    for proposal in result.proposed_tolerance:
        used, proposed = _current_tolerance(result.tolerance, proposal), _round_up(proposal.value)
        head = f"Boundaries drawn twice lie {proposed:g} {proposal.unit} apart; the tolerance is {used}"
        base = f"{join_words(proposal.annotators)} annotated {count_noun(proposal.images, 'image')} twice"
        definition = "the median of the 95th percentiles of the distances between both drawings"
        details = f"{base}: {definition} of {count_noun(proposal.boundaries, 'boundary', 'boundaries')}."
        act = (
            ""
            if f"{proposed:g} {proposal.unit}" == used or not proposed
            else _tolerance_advice(proposed, proposal.unit)
        )
        yield Conclusion("tolerance", "info", head, details, act)


def _tolerance_advice(proposed: float, unit: str) -> str:
    option = "--tolerance" if unit == "px" else "--tolerance-mm"
    setting = f"gold: {{tolerance_{unit}: {proposed:g}}}"
    return (
        f"Compare with {option} {proposed:g}, or set it in segdata.yaml, {setting}: "
        "what the same hand does not do twice is no disagreement."
    )


def _current_tolerance(near: Tolerance, proposal: ProposedTolerance) -> str:
    """The tolerance of categories without their own, in the unit of the proposed one."""
    if proposal.unit == "px":
        return f"{near.pixels:g} px"
    return f"{near.mm:g} mm" if near.mm is not None else f"what {near.pixels:g} px are in mm"


def _round_up(value: float) -> float:
    """Round up to hundredths, so that the tolerance includes the value.

    >>> _round_up(2.2360679), _round_up(1.41), _round_up(0.0)
    (2.24, 1.41, 0.0)
    """
    return math.ceil(100 * value - _ROUNDING) / 100


_DISAGREEMENTS = {
    "SEG401": "missing",
    "SEG402": "extra",
    "SEG403": "labelled differently",
    "SEG404": "with another boundary",
    "SEG405": "split or merged",
}
_BIAS_CODES = ("SEG406", "SEG407", "SEG415")  # findings that name an annotator
_MAX_SINGLY = 100  # disputes to settle one by one; with more, remove their cause first
_UNASKED = re.compile("were not asked for| judged no ")  # SEG412 of other categories: nothing to repair
_BROKEN = ("SEG411", "SEG412")
_MAX_SHOWN = 3


def conclusions(result: Agreement, tables: Tables) -> list[Conclusion]:
    """The conclusions, in the order in which to read them.

    First what makes the figures wrong (misplaced, broken, unequal or skipped files), then how much annotators agree,
    then who differs, which categories are unclear, what to settle one by one, what tolerance annotators need against
    themselves, and last what could not be compared.
    """
    unfit = misplaced_annotators(result, tables)
    return [
        *misplaced_conclusions(result, tables),
        *_file_conclusions(result.findings),
        *skipped_conclusions(result, tables),
        *_copying_conclusions(result),
        *_overall_conclusion(result, tables),
        *annotator_conclusions(result, tables),
        *drift_conclusions(result, tables),
        *unclear_conclusions(result, tables),
        *(least_agreed_conclusions(result, tables) if not findings_of_code(result.findings, "SEG408") else ()),
        *model_conclusions(result),
        *_disagreement_conclusions([finding for finding in result.findings if finding.annotator not in unfit]),
        *repeatability_conclusions(result),
        *contrast_conclusions(result, reference_name(result, tables)),
        *_strata_conclusions(result),
        *_plan_conclusions(result),
        *_limit_conclusions(result),
    ]


def _copying_conclusions(result: Agreement) -> Iterator[Conclusion]:
    """Conclusions on pairs with identical segments, or on all annotators if all share them."""
    copies = copied_pairs(result)
    for work in copies:
        yield _copy_conclusion(work, result)
    persons = [work for work in result.identical if not work.model]
    if len(persons) > 1 and not copies and all(work.usual >= COMMON_DRAFT for work in persons):
        middle = float(np.median([work.alike.value for work in persons]))
        head = f"All annotators share their segments: {format_percent(middle)} are the same in a typical pair"
        details = "Annotators who draw independently do not: they began with the same labels, or a tool snaps alike."
        act = "Compare these labels as one more annotator, with --model: the report then leaves out what is theirs. "
        act += "Until then high agreement says little."
        yield Conclusion("model", "warning", head, details, act)


def _copy_conclusion(work: IdenticalWork, result: Agreement) -> Conclusion:
    share = score_with_interval("missed", work.identical)
    head = f"{work.a} and {work.b}: {share} of their segments are identical, pixel for pixel"
    nearly = ""
    if work.alike.value - work.identical.value >= 0.005:
        nearly = f"{score_with_interval('missed', work.alike)} are alike but for single pixels. "
    alone = sum(not other.model for other in result.identical) == 1
    usual = "Two annotators who draw independently seldom reach" if alone else "Other pairs of this campaign reach"
    details = f"{nearly}{usual} {format_percent(work.usual)}. "
    if len(result.annotators) == 2:
        details += "One is a copy or a correction of the other, or both kept the same draft, so their agreement does "
        details += "not show what two independent annotators would reach."
    else:
        details += f"In {count_noun(work.one_voice, 'image')} of {work.images:,} the two count as one annotator, in "
        details += "majorities and in the agreement of all: it is not known who has the other's work."
    if len(result.annotators) == 3:
        details += " One other annotator is left there, so nobody can be tested."
    act = f"Ask {work.a} and {work.b} how these images were made. If both kept a draft, compare it with --model; "
    act += "otherwise have some of the images drawn again."
    return Conclusion("repair", "warning", head, details, act, ("SEG414",))


def _file_conclusions(findings: Sequence[Finding]) -> Iterator[Conclusion]:
    files = [finding for finding in findings if finding.code.startswith("SEG0")]
    groups = [findings_of_code(findings, code) for code in sorted({file.code for file in files}) + list(_BROKEN)]
    groups = [[finding for finding in group if not _UNASKED.search(finding.message)] for group in groups]
    for group in filter(None, groups):
        first = group[0]
        annotator = f"{first.annotator}, " if first.annotator else ""
        where = f"{annotator}{first.image}: " if first.image else _dataset_name(first)
        more = f" (and {len(group) - 1:,} more)" if len(group) > 1 else ""
        details = f"{where}{first.message}{more}"
        if all(finding.message == MISSING_IMAGE for finding in group):
            details += ". The figures do not need it; the pictures do."
        yield Conclusion(
            "repair", first.severity, first.rule.replace("-", " "), details, rule_remedy(first.code), (first.code,)
        )


def _dataset_name(finding: Finding) -> str:
    """The dataset that a finding is about, in front of its message."""
    return f"{PurePath(finding.file).name}: " if finding.file and not finding.annotator else ""


def _overall_conclusion(result: Agreement, tables: Tables) -> Iterator[Conclusion]:
    lead, scores = result.leading, compared_scores(result)
    leads = scores.scores[lead]
    images = (
        count_noun(result.images, "image")
        if tables.annotator_pairs is None
        else images_in_words(tables.annotator_pairs)
    )
    scope = f"{count_noun(len(result.annotators), 'annotator')}, {images}"
    head = (
        f"{SHORT_NAMES[lead]} {score_with_interval(lead, leads)} over {scope}"
        if leads.value == leads.value
        else f"Nothing to compare in {scope}"
    )
    if result.reference is not None and leads.value == leads.value:
        head = f"{SHORT_NAMES[lead]} against {result.reference.name}, the reference: {_by_annotator(result)}"
    facts = []
    is_countable = tables.annotator_pairs is not None and bool(tables.annotator_pairs.countable.any())
    for name in ("f1", "pq"):
        value = scores.scores[name]
        if value.value == value.value and is_countable and name != lead:
            facts.append(f"{SCORE_NAMES[name]} {score_with_interval(name, value)}")
    near = scores.segment_nsd if lead == "pq" else scores.nsd
    if near.value == near.value:
        segments = ", in segments that both have" if lead == "pq" else ""
        tolerance = tolerance_in_words(result.tolerance)
        facts.append(f"{format_percent(near.value)} of the boundaries within {tolerance}{segments}")
    facts += _pixel_facts(result)
    facts += filter(None, [causes_in_words(result, tables)])
    details = "; ".join(facts)
    details += "." if facts else ""
    yield Conclusion(
        "agreement",
        "info",
        head,
        f"{details} {_without_misplaced(result, tables)}{_by_partner(result)}".strip(),
        _reliability_remark(result),
    )


def _pixel_facts(result: Agreement) -> Iterator[str]:
    """The agreement of category maps, pixel by pixel, in words."""
    scores = compared_scores(result)
    accuracy, kappa, iou = scores.accuracy, scores.kappa, scores.iou
    if result.leading == "pq" and iou.value == iou.value:
        hidden = ", which does not see where one ends and the next begins" if iou.value > 0.995 else ""
        yield f"IoU of all that is labelled {score_with_interval('iou', iou)}{hidden}"
    if accuracy.value == accuracy.value:
        fact = f"{format_percent(accuracy.value)} of the pixels have the same label"
        if kappa.value == kappa.value:
            several = len(result.pairs if result.reference is None else result.reference.annotators) > 1
            pooled = "mean of the pairs, each" if several else "all images"
            fact += f", kappa {score_with_interval('kappa', kappa)} ({pooled} pooled)"
        yield fact


def _without_misplaced(result: Agreement, tables: Tables) -> str:
    """State that the figures include misplaced labels, and give the scores without them."""
    unfit = misplaced_annotators(result, tables)
    fit = [pair.scores[result.leading].value for pair in result.pairs if not {pair.a, pair.b} & set(unfit)]
    reach = "" if not fit else f"; without them {format_score(result.leading, min(fit))}"
    if len(fit) > 1:
        reach += f" to {format_score(result.leading, max(fit))}"
    return f"The misplaced labels are in these figures{reach}. " if unfit else ""


def _by_partner(result: Agreement) -> str:
    """The shares that each annotator misses and adds; without a reference, the pairs that agree best and least."""
    if result.reference is None:
        return _best_and_least(result)
    total = f"{result.reference.name}'s {'segments' if result.leading == 'pq' else 'pixels'}"
    rates = [
        f"{annotator.annotator} misses {format_percent(annotator.missed.value)} of {total}, "
        f"adds {format_percent(annotator.extra.value)}"
        for annotator in result.reference.annotators
        if annotator.missed.value == annotator.missed.value
    ]
    return f"{'; '.join(rates[:12])}." if rates else ""


def _by_annotator(result: Agreement) -> str:
    """The score of each annotator against the reference, best first."""
    assert result.reference is not None
    name, lead = result.reference.name, result.leading
    scores = [
        (pair.scores[lead], pair.b if pair.a == name else pair.a) for pair in result.pairs if name in (pair.a, pair.b)
    ]
    defined = [(score, who) for score, who in scores if not math.isnan(score.value)]
    ranked = sorted(defined, key=lambda row: -row[0].value)
    return join_words([f"{who} {score_with_interval(lead, score)}" for score, who in ranked], 12)


def reference_name(result: Agreement, tables: Tables) -> str | None:
    """The name of the reference; None: there is none."""
    gold = gold_row(tables)
    return None if gold is None else result.annotators[gold]


def _best_and_least(result: Agreement) -> str:
    lead, copies = result.leading, unranked_pairs(result)
    kept = [work for work in result.unchanged if is_largely_unchanged(work)] if len(result.pairs) > 1 else []
    left_out = copies | {pair for work in kept for pair in ((work.annotator, work.model), (work.model, work.annotator))}

    def value(pair: PairAgreement) -> float:
        return pair.scores[lead].value

    ranked = [pair for pair in result.pairs if value(pair) == value(pair) and (pair.a, pair.b) not in left_out]
    by_value = sorted(ranked, key=value)
    without = f" Not ranked, since their work is the same: {names_of_copies(result)}." if copies else ""
    if kept:
        names = join_words(f"{work.annotator} and {work.model}" for work in kept)
        without += f" Not ranked, since much was left as the model had it: {names}."
    if len(by_value) < 2:
        return without.strip()
    least, best = by_value[0], by_value[-1]
    return (
        f"Best: {best.a} and {best.b} with {score_with_interval(lead, best.scores[lead])}; "
        f"least: {least.a} and {least.b} with {score_with_interval(lead, least.scores[lead])}.{without}"
    )


def _reliability_remark(result: Agreement) -> str:
    """A remark on the reliability of the figures, if there are few clusters; else empty."""
    if result.intervals.clusters == 1:
        return "Add images of other sequences, patients or scenes: all images are of one, so there is no interval."
    if result.intervals.clusters < MIN_CLUSTERS:
        leads = result.overall.scores[result.leading]
        has_lead = leads.low == leads.low
        rough = "intervals are rough" if has_lead else "there is no interval"
        few = f"there are {result.intervals.clusters}, so {rough}, and no annotator is tested"
        return f"Add sequences, patients or scenes: {few}."
    return ""


def _disagreement_conclusions(findings: Sequence[Finding]) -> Iterator[Conclusion]:
    disputes = [finding for finding in findings if finding.code in _DISAGREEMENTS]
    if not disputes:
        return
    count = Counter(finding.code for finding in disputes)
    kinds = join_words((f"{count[code]:,} {kind}" for code, kind in _DISAGREEMENTS.items() if count[code]), 5)
    distributions = []
    for field, noun in (("annotator", "annotator"), ("category", "category")):
        most = Counter(value for finding in disputes if (value := getattr(finding, field)) is not None).most_common()
        if len(most) > 1:
            distributions.append(f"by {noun}: {', '.join(f'{name} {times:,}' for name, times in most[:_MAX_SHOWN])}")
    head = (
        f"{count_noun(len(disputes), 'segment')} or regions in dispute: {kinds}"
        if len(disputes) > 1
        else f"1 dispute: {kinds}"
    )
    details = f"Most {'; '.join(distributions)}." if distributions else ""
    yield Conclusion("place", "warning", head, details, _dispute_advice(disputes, findings), tuple(sorted(count)))


def _dispute_advice(disputes: Sequence[Finding], findings: Sequence[Finding]) -> str:
    """What to do: remove the cause of most of many disputes, an annotator or an unclear category, else settle each."""
    images = join_words(most_disputed_images(disputes, _MAX_SHOWN))
    if len(disputes) == 1:
        return f"Settle it; it is in {images}."
    one_by_one = f"Settle them one by one, the largest first; most are in {images}."
    if len(disputes) <= _MAX_SINGLY:
        return one_by_one

    taught = dict.fromkeys(
        finding.annotator for finding in findings if finding.code in _BIAS_CODES and finding.annotator
    )
    n_theirs = sum(finding.annotator in taught for finding in disputes)
    if 2 * n_theirs > len(disputes):
        named = join_words([str(name) for name in taught], _MAX_SHOWN)
        if n_theirs == len(disputes):
            return f"Teach {named} and have these redrawn first."
        rest = f"Then settle the others ({len(disputes) - n_theirs:,} now), the largest first."
        return f"{n_theirs:,} are of {named}: teach and have these redrawn first. {rest}"

    unclear = {finding.category for finding in findings_of_code(findings, UNCLEAR_CODE)}
    open_ones = [finding for finding in disputes if finding.category in unclear]
    if 2 * len(open_ones) > len(disputes):
        named = join_words(sorted({str(finding.category) for finding in open_ones}), _MAX_SHOWN)
        of_these = f"{len(open_ones):,} are of {named}: clarify" if len(open_ones) < len(disputes) else "Clarify"
        return f"{of_these} the guideline and annotate again, then settle what is left."
    return one_by_one


def _strata_conclusions(result: Agreement) -> Iterator[Conclusion]:
    if result.by is None or not result.by.strata:
        return
    by, differences = result.by, []
    for difference in (difference for difference in result.by.differences if difference.stands):
        category = f" of {difference.category}" if difference.category else ""
        values = ", ".join(
            f"{s.name} {format_score(difference.score, v)}" for s, v in zip(by.strata, difference.values, strict=True)
        )
        differences.append(f"{SCORE_NAMES[difference.score]}{category}: {values} (p {difference.p:.2g})")
    if differences:
        head = f"The agreement differs by {by.column}"
        act = f"Compare the images of these portions: the guideline, or the pictures, differ by {by.column}."
        rest = f"; and {len(differences) - _MAX_SHOWN:,} more" if len(differences) > _MAX_SHOWN else ""
        yield Conclusion("portion", "warning", head, "; ".join(differences[:_MAX_SHOWN]) + rest, act)
        return
    lead = result.leading
    reached = [f"{stratum.name} {score_with_interval(lead, stratum.scores[lead])}" for stratum in by.strata]
    details = f"{SHORT_NAMES[lead]}: {', '.join(reached)}."
    if not by.differences:
        head = (
            f"The agreement by {by.column}" if len(by.strata) > 1 else f"All images are in one portion by {by.column}"
        )
        yield Conclusion("portion", "info", head, details)
        return
    tested = f"None of {count_noun(len(by.differences), 'difference')} tested is more than chance brings."
    yield Conclusion("portion", "info", f"No difference by {by.column} that stands", f"{details} {tested}")


def _plan_conclusions(result: Agreement) -> Iterator[Conclusion]:
    """Conclusions on the number of images for an interval of the requested width."""
    overall = [size for size in result.plan if size.category is None and size.now == size.now]
    if not overall:
        return
    lead = next((size for size in overall if size.score == result.leading), overall[0])
    name, width = SHORT_NAMES[lead.score], lead.half_width
    current = f"now ±{format_score(lead.score, lead.now)} with {result.images:,}"
    if lead.images is None:
        yield Conclusion(
            "plan", "info", f"No plan: {name} of ±{width:g} takes more images than can be estimated ({current})"
        )
        return
    images = lead.images
    head = f"Label {count_noun(images, 'image')} twice for {name} of ±{width:g} ({current})"
    others = [size for size in overall if size is not lead and size.images is not None]
    reached = [
        f"{SHORT_NAMES[other.score]} of ±{format_score(other.score, _half_width(other, images))}" for other in others
    ]
    details = f"So many images also give {join_words(reached)}." if reached else ""
    own = [size for size in result.plan if size.category is not None and size.score == lead.score and size.images]
    wide = sorted((size for size in own if (size.images or 0) > images), key=lambda size: -(size.images or 0))
    if wide:
        names = [
            f"{size.category} ±{format_score(size.score, _half_width(size, images))}" for size in wide[:_MAX_SHOWN]
        ]
        many = (
            f" and {count_noun(len(wide) - _MAX_SHOWN, 'more category', 'more categories')}"
            if wide[_MAX_SHOWN:]
            else ""
        )
        details += f" Single categories stay wider: {', '.join(names)}{many}; the table says what each would take."
    yield Conclusion(
        "plan", "info", head, details.strip(), "Draw the images at random, and let two annotators label them."
    )


def _half_width(size: SampleSize, images: int) -> float:
    """The half-width of the interval with this number of images: it shrinks with the square root of the number."""
    return size.half_width * math.sqrt((size.images or 0) / images)


def _limit_conclusions(result: Agreement) -> Iterator[Conclusion]:
    messages = [finding.message for finding in findings_of_code(result.findings, "SEG410")]
    if messages:
        head = f"{count_noun(len(messages), 'dataset')} with images that no other dataset has"
        yield Conclusion("limit", "info", head, "; ".join(messages) + ".", rule_remedy("SEG410"), ("SEG410",))
    unasked = [
        f"{_dataset_name(finding)}{finding.message}"
        for finding in findings_of_code(result.findings, "SEG412")
        if _UNASKED.search(finding.message)
    ]
    if unasked:
        details = "; ".join(dict.fromkeys(unasked)) + "."
        yield Conclusion("limit", "info", "Categories that not everybody was asked for", details, codes=("SEG412",))
    yield from _overlap_conclusion(result)
    undefined = [category.category for category in result.categories if not np.isfinite(category.iou.value)]
    if undefined:
        details = f"{join_words(undefined)} cannot be compared: their figures are dashes and count in no mean."
        yield Conclusion("limit", "info", "Undefined figures", details)


def _overlap_conclusion(result: Agreement) -> Iterator[Conclusion]:
    """The conclusion on overlapping categories in figures that allow one category a pixel."""
    if result.overlap is None:
        return
    details, n = [], result.overlap.layered_images
    if n:
        details.append(
            f"{count_noun(n, 'image')} {'has' if n == 1 else 'have'} layers, categories drawn one above the other: "
            "each layer counts by itself, and a pixel once for each."
        )
    hidden = [
        f"{work.pixels:,} px of {work.annotator} in {count_noun(work.images, 'image')} ({format_percent(work.share)} "
        "of what is labelled there)"
        for work in result.overlap.hidden
    ]
    if hidden:
        details.append(
            f"Hidden below another category, and left out of these figures: {join_words(hidden)}. IoU, Dice, PQ and "
            "boundaries count them."
        )
    figures = "Overlapping categories in kappa, alpha, the share of equal pixels and the confusion matrix"
    yield Conclusion("limit", "info", figures, " ".join(details))
