"""Conclusions on annotators and categories: deviations, misplaced labels, and categories that are unclear."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from segdata.agreement.annotator_bias import least_clusters
from segdata.agreement.copying import UnchangedShare
from segdata.agreement.scores import Score
from segdata.agreement.summary import Agreement
from segdata.core.errors import count_noun
from segdata.core.finding import Finding
from segdata.core.guideline import Chapter, chapter_text
from segdata.core.rule import Tables
from segdata.core.taxonomy import Taxonomy
from segdata.report.agreement.charts import UNLABELLED, Confusion
from segdata.report.agreement.tables import compared_categories, copied_pairs
from segdata.report.agreement.wording import (
    SCORE_NAMES,
    SHORT_NAMES,
    Conclusion,
    distance_unit,
    findings_of_code,
    format_interval,
    format_percent,
    format_score,
    gold_row,
    join_words,
    rule_remedy,
    score_with_interval,
)

BIAS_KINDS = ("missed", "extra", "confused", "offset")


@dataclass(frozen=True, slots=True)
class ReportedBias:
    """The bias of an annotator in a category."""

    annotator: str  # whose
    category: str  # with what
    kind: str  # missed, extra, confused: shares; offset: by how much larger
    value: Score  # with its interval
    others: float  # the value of all others; NaN where unknown, and of offsets 0
    p: float  # the chance of as much by chance; NaN where not tested
    stands: bool  # whether it is significant after correction for all tests
    # most of what is missed, the annotator joins with its neighbours; what is extra lies in others' segments
    is_joined: bool = False

    @property
    def score(self) -> str:
        """The score whose format its value has."""
        return "boundary_offset" if self.kind == "offset" else self.kind

    @property
    def weight(self) -> float:
        """The size of the bias for ranking: a share as it is; an offset of 10 px weighs as much as a share of 1."""
        size = abs(self.value.value) / 10 if self.kind == "offset" else self.value.value
        return size if math.isfinite(size) else -1.0


def reported_biases(result: Agreement, tables: Tables) -> list[ReportedBias]:
    """All biases with a value, significant ones and the largest first; the reference is not judged."""
    others, joined = _bias_columns(tables, "others"), _bias_columns(tables, "is_joined")
    gold = gold_row(tables)
    biases = []
    for bias in result.annotator_bias:
        if gold is not None and bias.annotator == result.annotators[gold]:
            continue
        for kind in BIAS_KINDS:
            value: Score = getattr(bias, "boundary_offset" if kind == "offset" else kind)
            if math.isfinite(value.value):
                key = (bias.annotator, bias.category, kind)
                p = bias.p.get(kind, math.nan)
                stands, is_joined = kind in bias.found, bool(joined.get(key, False))
                biases.append(ReportedBias(*key, value, others.get(key, math.nan), p, stands, is_joined))
    return sorted(biases, key=lambda bias: (not bias.stands, -bias.weight))


def _bias_columns(tables: Tables, column: str) -> dict[tuple[str, str, str], float]:
    """A column of the biases, such as the value of the others, by annotator, category and kind."""
    judged, comparison = tables.assessment, tables.annotator_pairs
    if judged is None or comparison is None or not len(judged.biases):
        return {}
    return {
        (comparison.annotators[annotator], comparison.categories[code].name, kind): value
        for annotator, code, kind, value in judged.biases.lines("annotator", "category", "kind", column)
    }


BIAS_CODE, MISPLACED_CODE = "SEG406", "SEG413"
_VERBS = {"missed": "misses", "extra": "adds"}


def misplaced_conclusions(result: Agreement, tables: Tables) -> Iterator[Conclusion]:
    """Conclusions on annotators whose labels fit the others only when mirrored, turned, moved or scaled."""
    findings = findings_of_code(result.findings, MISPLACED_CODE)
    if not findings:
        return
    most = misplaced_annotators(result, tables)
    if len(most) == 1:
        head = f"{most[0]}: the labels are misplaced"
        advice = f"Change the labels of {most[0]} as the finding says, or correct the header of the files, and compare "
        advice += f"again. Until then, ignore every figure that includes {most[0]}."
    else:
        head = f"{join_words(most)}: the labels of one of them are misplaced"
        advice = (
            "See whose labels lie on the image; change the others, or correct the header of the files, and compare "
            "again. Until then, ignore every figure that includes them."
        )
    details = "; ".join(finding.message for finding in findings) + "."
    yield Conclusion("repair", findings[0].severity, head, details, advice, (MISPLACED_CODE,))


def misplaced_annotators(result: Agreement, tables: Tables) -> list[str]:
    """The annotators in most of the pairs that fit only after a change; both, if there is one pair."""
    # not what is ignored, or decided
    messages = {finding.message for finding in findings_of_code(result.findings, MISPLACED_CODE)}
    pairs = () if tables.assessment is None else tables.assessment.misplaced
    times: Counter[str] = Counter()
    for pair in pairs:
        if pair.message in messages:
            times.update([result.annotators[pair.other], result.annotators[pair.annotator]])
    return [name for name, n in times.items() if n == max(times.values())]


def annotator_conclusions(result: Agreement, tables: Tables) -> Iterator[Conclusion]:
    """Conclusions on annotators below the bar, inconsistent or biased; or why none is named."""
    for code, topic in (("SEG407", "below the bar of the gold standard"), ("SEG409", "no agreement with own work")):
        for annotator in dict.fromkeys(
            finding.annotator for finding in findings_of_code(result.findings, code) if finding.annotator
        ):
            named = [finding for finding in findings_of_code(result.findings, code) if finding.annotator == annotator]
            details = "; ".join(finding.message.removeprefix(f"{annotator}: ") for finding in named) + "."
            yield Conclusion(
                "person", named[0].severity, f"{annotator}: {topic}", details, rule_remedy(code), (code,), annotator
            )
    deviating = findings_of_code(result.findings, BIAS_CODE)
    unfit = misplaced_annotators(result, tables)
    for annotator in dict.fromkeys(
        finding.annotator for finding in deviating if finding.annotator and finding.annotator not in unfit
    ):
        yield _deviating_annotator(
            annotator, [finding for finding in deviating if finding.annotator == annotator], result, tables
        )
    if not deviating and not unfit:
        yield _no_deviation(result, tables)


_MAX_EXAMPLES = 3  # images that an advice names


def _deviating_annotator(annotator: str, findings: Sequence[Finding], result: Agreement, tables: Tables) -> Conclusion:
    reported = biases_of_findings(findings)
    biases = [
        bias for bias in reported_biases(result, tables) if (bias.annotator, bias.category, bias.kind) in reported
    ]
    biases = [bias for bias in biases if not _follows_from_others(bias, biases, tables)]
    sentences = [f"{annotator} {_bias_in_words(bias, tables)}" for bias in biases] or [
        finding.message for finding in findings
    ]
    quotes = dict.fromkeys(_quote(tables.profile.taxonomy, bias.category, bias.kind) for bias in biases)
    advice = f"Teach {annotator}: {_join_quotes(list(quotes)[:3])}" if quotes else rule_remedy(BIAS_CODE)
    examples = {bias.category: bias.examples for bias in result.annotator_bias if bias.annotator == annotator}
    shown = [examples.get(bias.category, {}).get(bias.kind, ()) for bias in biases]
    # The worst image of each bias first, then the second ones.
    images = dict.fromkeys(name for rank in zip_longest(*shown) for name in rank if name)
    if images:
        advice += f" Look first at {join_words(list(images)[:_MAX_EXAMPLES])}."
    remarks = (
        f"Also {join_words([sentence.removeprefix(f'{annotator} ') for sentence in sentences[1:]], 6)}."
        if sentences[1:]
        else ""
    )
    shared = "".join(
        f" {work.b if annotator == work.a else work.a} has the same work in {count_noun(work.one_voice, 'image')}, so "
        "this may be the habit of either."
        for work in copied_pairs(result)
        if annotator in (work.a, work.b) and work.one_voice
    )
    remarks = (remarks + shared).strip()
    return Conclusion("person", findings[0].severity, sentences[0], remarks, advice, (BIAS_CODE,), annotator)


def biases_of_findings(findings: Iterable[Finding]) -> set[tuple[str | None, str | None, str]]:
    """Annotator, category and kind of the biases that findings of SEG406 report."""
    return {
        (finding.annotator, finding.category, finding.kind)
        for finding in findings_of_code(findings, BIAS_CODE)
        if finding.kind is not None
    }


_BOUNDARY_MOVING_SHARE = 0.2  # share of a category missed or labelled otherwise that moves its boundary by itself


def _follows_from_others(bias: ReportedBias, biases: Sequence[ReportedBias], tables: Tables) -> bool:
    """Whether an offset of stuff follows from pixels that are missed, added or labelled as another category."""
    comparison = tables.annotator_pairs
    if bias.kind != "offset" or comparison is None:
        return False
    is_counted = dict(
        zip([category.name for category in comparison.categories], comparison.countable.tolist(), strict=True)
    )
    same = [other for other in biases if other.category == bias.category and other.kind != "offset"]
    return not is_counted[bias.category] and any(other.weight >= _BOUNDARY_MOVING_SHARE for other in same)


def _bias_in_words(bias: ReportedBias, tables: Tables) -> str:
    value, category = bias.value, bias.category
    if bias.kind == "offset":
        return f"draws {category} {_offset_in_words(value, tables)} {'larger' if value.value > 0 else 'smaller'}"
    beside = f" (others {format_percent(bias.others)})"
    if bias.kind == "confused":
        return (
            f"labels {score_with_interval('confused', value)} of {category} as {_other_category(bias, tables)}{beside}"
        )
    if bias.is_joined:
        share = score_with_interval(bias.kind, value)
        if bias.kind == "missed":
            return f"joins {share} of {category} with its neighbours{beside}"
        return f"splits {category} differently from most others in {share} of its segments{beside}"
    return f"{_VERBS[bias.kind]} {score_with_interval(bias.kind, value)} of {category}{beside}"


def _offset_in_words(value: Score, tables: Tables) -> str:
    """The absolute offset of a boundary in words, with its interval."""
    low, high = sorted((abs(value.low), abs(value.high)))
    if value.low < 0 < value.high:
        low = 0.0
    size = Score(abs(value.value), low, high, value.n, value.n_undefined)
    measure = distance_unit(tables.annotator_pairs) if tables.annotator_pairs is not None else "px"
    return " ".join(filter(None, [format_score("offset", size.value), measure, format_interval("offset", size)]))


def _other_category(bias: ReportedBias, tables: Tables) -> str:
    comparison = tables.annotator_pairs
    if comparison is None:
        return "another category"
    confusion = Confusion.of_annotator(comparison, comparison.annotators.index(bias.annotator))
    others = [partner.other for partner in confusion.partners(bias.category) if partner.other != UNLABELLED]
    return f"another category, mostly {others[0]}" if others else "another category"


@dataclass(frozen=True, slots=True)
class _GuidelineQuote:
    """A quote from a category's guideline: `text` of its chapter; empty: there is none."""

    category: str
    chapter: str
    text: str


def _quote(taxonomy: Taxonomy, category: str, kind: str) -> _GuidelineQuote:
    """The sentence of the guideline to teach about a kind of bias."""
    chapter: Chapter = "boundary_rule" if kind == "offset" else "definition"
    text = next((chapter_text(entry, chapter) for entry in taxonomy.categories if entry.name == category), None)
    return _GuidelineQuote(category, chapter.replace("_", " "), " ".join((text or "").split()))


def _join_quotes(quotes: Sequence[_GuidelineQuote]) -> str:
    """The quotes from the guideline, then the chapters that are missing, category by category."""
    texts = [f"{quote.category}: “{quote.text}”" for quote in quotes if quote.text]
    lacking: dict[str, list[str]] = {}
    for quote in quotes:
        if not quote.text:
            lacking.setdefault(quote.category, []).append(f"no {quote.chapter}")
    if lacking:
        gaps = join_words([f"{' and '.join(chapters)} of {category}" for category, chapters in lacking.items()])
        texts.append(f"{'The' if texts else 'the'} guideline has {gaps} yet: write that first.")
    return " ".join(texts)


def _no_deviation(result: Agreement, tables: Tables) -> Conclusion:
    """The conclusion that no annotator deviates, or why this cannot be tested."""
    persons = len(set(tables.annotator_pairs.persons)) if tables.annotator_pairs is not None else len(result.annotators)
    if persons == 2 and len(result.pairs) == 1:
        return _two_annotators(result, tables)
    tested = [p for bias in result.annotator_bias for p in bias.p.values()]
    if not tested:
        n = result.intervals.clusters
        clusters = count_noun(n, "sequence, patient or single image", "sequences, patients or single images")
        details = f"{clusters} {'is' if n == 1 else 'are'} too few to tell a habit from chance."
        least = least_clusters(max(len(result.annotator_bias), 1) * len(BIAS_KINDS), max(persons, 2))
        advice = (
            f"Let the same annotators label images of {least} sequences, patients or scenes, or {least} single images."
        )
        return Conclusion("person", "info", "Too few images to tell who deviates", details, advice)
    cells = count_noun(len(tested), "cell")
    details = f"{cells} of annotator, category and kind tested; chance names anybody in at most 5% of campaigns."
    return Conclusion("person", "info", "No annotator deviates from the others more than chance explains", details)


_MIN_OFFSET = 0.1  # px or mm; less is no bias
_MIN_LACKING_SHARE = 0.05  # share of one annotator's pixels that the other lacks, from which it is reported


def _two_annotators(result: Agreement, tables: Tables) -> Conclusion:
    """Conclusions on the differences of two annotators; which is right is unknown, unless one is the reference."""
    (pair,) = result.pairs
    gold = gold_row(tables)
    reference = None if gold is None else result.annotators[gold]
    differences = []
    offset, count = pair.offset, pair.count_difference
    if (offset.low > 0 or offset.high < 0) and abs(offset.value) >= _MIN_OFFSET:
        larger, smaller = (pair.b, pair.a) if offset.value > 0 else (pair.a, pair.b)
        size = _offset_in_words(offset, tables)
        if larger == reference:
            differences.append(f"{smaller} draws {size} smaller than {larger}, the reference")
        else:
            of_reference = ", the reference" if smaller == reference else ""
            differences.append(f"{larger} draws {size} larger than {smaller}{of_reference}")
    if count.low > 0 or count.high < 0:
        more, less = (pair.b, pair.a) if count.value > 0 else (pair.a, pair.b)
        number = format_score("count_gap", abs(count.value))
        if more == reference:
            differences.append(f"{less} has {number} fewer things an image than {more}")
        else:
            differences.append(f"{more} has {number} more things an image than {less}")
    differences += [
        f"{annotator} draws {format_percent(share)} more {category} by volume than the other"
        for annotator, share, category in _larger_volumes(result)
    ]
    lacking = [
        bias
        for bias in reported_biases(result, tables)
        if bias.kind == "missed" and bias.value.value >= _MIN_LACKING_SHARE
    ]
    other = {pair.a: pair.b, pair.b: pair.a}
    gaps = [
        f"{bias.annotator} lacks {score_with_interval('missed', bias.value)} of the {bias.category} that "
        f"{other[bias.annotator]} has"
        for bias in lacking[:4]
    ]
    if not (differences or gaps):
        return Conclusion("person", "info", f"No difference between {pair.a} and {pair.b} stands out", "")
    head, *more_differences = [*differences, *gaps]
    details = f"{'; '.join(more_differences)}. " if more_differences else ""
    if reference is not None:
        advice = f"Show {other[reference]} the images that agree least, beside the labels of {reference}."
        return Conclusion("person", "info", head, details.rstrip(), advice)
    details += "With two annotators it is unknown which of them deviates."
    advice = "Let a third annotator label the same images, or name the reference with --gold."
    return Conclusion("person", "info", head, details, advice)


def _larger_volumes(result: Agreement) -> Iterator[tuple[str, float, str]]:
    """The annotator of two who draws larger volumes of a category, and by which share, if that is significant."""
    for category_volumes in result.volumes:
        for pair in category_volumes.pairs:
            if pair.median.low > 0 or pair.median.high < 0:
                yield pair.b if pair.median.value > 0 else pair.a, abs(pair.difference), category_volumes.category


UNCLEAR_CODE = "SEG408"


def unclear_conclusions(result: Agreement, tables: Tables) -> Iterator[Conclusion]:
    """Conclusions on the categories that SEG408 reports, worst first: the guideline is unclear, not an annotator."""
    comparison, judged = tables.annotator_pairs, tables.assessment
    if comparison is None or judged is None:
        return
    unclear = {finding.category: finding for finding in findings_of_code(result.findings, UNCLEAR_CODE)}
    names = ("category", "value", "low", "high", "best", "without")
    confusion = Confusion.from_pairs(comparison)
    for code, value, low, high, best, without in sorted(judged.unclear.lines(*names), key=lambda line: float(line[1])):
        category = comparison.categories[code].name
        if category not in unclear:
            continue
        score = "f1" if comparison.countable[code] else "dice"
        reached = score_with_interval(score, Score(value, low, high, 0, 0))
        head = f"{category}: all annotators disagree, {SCORE_NAMES[score].split()[0]} {reached}"
        details = f"Without {comparison.annotators[without]}, who lowers it most, it is {format_score(score, best)}."
        yield Conclusion(
            "guideline",
            unclear[category].severity,
            head,
            f"{details} {called_instead(confusion, category)}".strip(),
            _guideline_advice(tables, confusion, category, _is_mostly_divided(result, category)),
            (UNCLEAR_CODE,),
            category=category,
        )


def least_agreed_conclusions(result: Agreement, tables: Tables) -> Iterator[Conclusion]:
    """The category with the least agreement, if several can be compared and none is reported as unclear."""
    lead = result.leading
    with_value = [category for category in compared_categories(result) if not math.isnan(category.scores[lead].value)]
    if len(with_value) < 2 or tables.annotator_pairs is None:
        return
    ranked = sorted(with_value, key=lambda category: category.scores[lead].value)
    worst, best = ranked[0], ranked[-1]
    head = f"Least agreed: {worst.category}, {SHORT_NAMES[lead]} {score_with_interval(lead, worst.scores[lead])}"
    confusion = Confusion.from_pairs(tables.annotator_pairs)
    details = called_instead(confusion, worst.category)
    details += f" Best: {best.category} with {format_score(lead, best.scores[lead].value)}."
    yield Conclusion("guideline", "info", head, details.strip(), category=worst.category)


def called_instead(confusion: Confusion, name: str) -> str:
    """The categories that the other of two annotators uses instead of a category."""
    partners = [partner for partner in confusion.partners(name) if partner.share >= 0.02][:2]
    if not partners:
        return ""
    is_counted = confusion.is_counted[confusion.names.index(name)]
    parts = []
    for k, partner in enumerate(partners):
        share = format_percent(partner.share) + ("" if k else f" of its {'segments' if is_counted else 'pixels'}")
        if partner.other != UNLABELLED:
            parts.append(f"labels {share} as {partner.other}")
        else:  # a segment without a match may lie in others, which are larger or smaller
            parts.append(f"has no match for {share}" if is_counted else f"leaves {share} unlabelled")
    return f"Where one annotator has {name}, another {' and '.join(parts)}."


def _is_mostly_divided(result: Agreement, category: str) -> bool:
    """Whether most segments in dispute are whole for some annotators and several for others."""
    codes = [finding.code for finding in result.findings if finding.category == category]
    disputes = [code for code in codes if "SEG401" <= code <= "SEG405"]
    return 2 * disputes.count("SEG405") > len(disputes)


def _guideline_advice(tables: Tables, confusion: Confusion, category: str, is_divided: bool) -> str:
    other = next((partner.other for partner in confusion.partners(category) if partner.other != UNLABELLED), None)
    apart = f" and what tells it from {other}" if other else ""
    definition = _quote(tables.profile.taxonomy, category, "missed").text
    clear = f"It says now: “{definition}”" if definition else "It has no definition yet."
    chapters = "where one ends and the next begins, its definition" if is_divided else "its definition, its boundary"
    advice = f"Clarify the guideline on {category}: {chapters}{apart}, with pictures."
    return f"{advice} {clear} Then annotate again."


_MIN_EXCESS = 0.05  # share beyond what two persons have alike: enough to report


def model_conclusions(result: Agreement) -> Iterator[Conclusion]:
    """Conclusions on annotators who kept more of a model's segments than two persons draw alike; one for each model."""
    for model in dict.fromkeys(unchanged.model for unchanged in result.unchanged):
        model_shares = sorted(
            (unchanged for unchanged in result.unchanged if unchanged.model == model),
            key=lambda unchanged: -unchanged.share.value,
        )
        largely_unchanged = [unchanged for unchanged in model_shares if is_largely_unchanged(unchanged)]
        expected = _expected_share(model_shares[0])
        if not largely_unchanged:
            shares = [
                f"{unchanged.annotator} {score_with_interval('missed', unchanged.share)}" for unchanged in model_shares
            ]
            yield Conclusion(
                "model", "info", f"Hardly anything is {model}'s, unchanged", f"{join_words(shares)}. {expected}"
            )
            continue
        head, *others = [
            f"{score_with_interval('missed', work.share)} of {work.annotator}'s segments are {model}'s, unchanged"
            for work in largely_unchanged
        ]
        remarks = (
            f"Also {join_words(others)}: where both left a segment unchanged they agree without having looked. "
            if others
            else ""
        )
        advice = (
            f"What was left as it was may be right, or not looked at: have some of these images drawn without {model}, "
            "and compare. Until then agreement with it says little."
        )
        yield Conclusion("model", "warning", head, f"{remarks}{expected}", advice)


def is_largely_unchanged(unchanged: UnchangedShare) -> bool:
    """Whether an annotator kept far more of a model's segments unchanged than two persons draw alike."""
    expected = unchanged.persons.value if math.isfinite(unchanged.persons.value) else 0.0
    least = unchanged.share.low if math.isfinite(unchanged.share.low) else unchanged.share.value
    return least > expected + _MIN_EXCESS


def _expected_share(unchanged: UnchangedShare) -> str:
    """The share of segments that two persons draw alike, in words."""
    if not math.isfinite(unchanged.persons.value):
        return "How often two persons draw the same pixels is unknown: no two of them drew independently here."
    return f"Two persons have {format_percent(unchanged.persons.value)} of their segments alike, pixel for pixel."
