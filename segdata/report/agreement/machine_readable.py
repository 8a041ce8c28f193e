"""Machine-readable reports of agreement: JSON, and CSV with one row per score."""

import math
from collections.abc import Iterator, Mapping

import msgspec

from segdata.agreement.scores import Score
from segdata.agreement.summary import Agreement
from segdata.agreement.surface_distances import CategoryTolerance
from segdata.report.encoding import csv_number, csv_text, encode_result, format_json
from segdata.report.findings import FindingRow

HEAD = (
    *("scope", "annotator_a", "annotator_b", "category", "portion"),
    *("score", "value", "low", "high", "n", "n_undefined", "p", "stands"),
)
_KINDS = ("missed", "extra", "confused", "boundary_offset")
Row = dict[str, str | int]


class AgreementReport(Agreement, frozen=True, kw_only=True):
    """The JSON report of an agreement; its findings are rows, as in every JSON report."""

    findings: tuple[FindingRow, ...]  # type: ignore[assignment]  # a row has the fields of a finding


def agreement_json(result: Agreement) -> str:
    """The report as JSON, a line per pair, category, annotator and finding; the same input gives the same text."""
    rows = [
        FindingRow(**{name: getattr(finding, name) for name in FindingRow.__struct_fields__})
        for finding in result.findings
    ]
    plain = encode_result(msgspec.structs.replace(result, findings=()), rounded=True)
    return format_json({**plain, "findings": msgspec.to_builtins(rows)})


def agreement_csv(result: Agreement) -> str:
    """The report as CSV, with rows of the following scopes; cells that do not apply, or are undefined, are empty.

    overall, pair, category: the scores of the JSON report. reference: scores against the reference `annotator_b`.
    annotator: biases of `annotator_a` in a category, with p and whether they are significant. portion: scores of a
    portion of --group-by. difference: whether a score differs by portions; its value is that of `portion`. plan: the
    number of images for an interval; low and high are empty. disagreement: causes of the disputed pixels of two
    annotators and a category. volume: sizes in volumes. contrast: by how much the pair `annotator_b` agrees more than
    the pair `annotator_a`. unchanged: the share of `annotator_a`'s work that is the model `annotator_b`'s. identical:
    the share of identical segments of two annotators. cvat, cvat here: figures of a report of CVAT, whose job is
    `portion`, and ours of the same frames. tolerance: of boundaries, in px and mm. proposed tolerance: the tolerance
    that annotators need against themselves, from n boundaries that they drew twice.
    """
    return csv_text(HEAD, ([row.get(name, "") for name in HEAD] for row in _rows(result)))


def _rows(result: Agreement) -> Iterator[Row]:
    yield from _scores({"scope": "overall"}, result.overall.scores)
    yield from _reference_rows(result)
    for pair in result.pairs:
        two: Row = {"scope": "pair", "annotator_a": pair.a, "annotator_b": pair.b}
        yield from _scores(two, pair.scores)
        yield from _scores(two, pair.metrics if isinstance(pair.metrics, dict) else {})
    for category in result.categories:
        yield from _scores({"scope": "category", "category": category.category}, category.scores)
    yield from _bias_rows(result)
    yield from _portion_rows(result)
    for need in result.plan:
        score = f"images for {need.score} ± {need.half_width:g}"
        n_images = "" if need.images is None else need.images
        yield {"scope": "plan", "category": need.category or "", "score": score, "value": n_images}
    yield from _disagreement_rows(result)
    yield from _volume_rows(result)
    for contrast in result.contrasts:
        pairs: Row = {"annotator_a": ", ".join(contrast.first), "annotator_b": ", ".join(contrast.second)}
        tested: Row = {"p": csv_number(contrast.p), "stands": _flag(contrast.stands)}
        yield {"scope": "contrast"} | pairs | _score(contrast.score, contrast.difference) | tested
    for work in result.identical:
        about: Row = {"scope": "identical", "annotator_a": work.a, "annotator_b": work.b, "stands": _flag(work.stands)}
        yield from _scores(about, {"identical": work.identical, "alike": work.alike})
    yield from _drift_rows(result)
    yield from _cvat_rows(result)
    for unchanged in result.unchanged:
        about = {"scope": "unchanged", "annotator_a": unchanged.annotator, "annotator_b": unchanged.model}
        yield from _scores(about, {"share": unchanged.share, "persons": unchanged.persons})
    yield from _tolerance(result.tolerance)
    for name, own in result.tolerance.categories.items():
        yield from _tolerance(own, name)
    yield from _proposal_rows(result)


def _reference_rows(result: Agreement) -> Iterator[Row]:
    if result.reference is None:
        return
    about: Row = {"scope": "reference", "annotator_b": result.reference.name}
    yield from _scores(about, result.reference.scores)
    for annotator in result.reference.annotators:
        of_one: Row = about | {"annotator_a": annotator.annotator}
        yield from _scores(of_one, {"missed": annotator.missed, "extra": annotator.extra})


def _bias_rows(result: Agreement) -> Iterator[Row]:
    for bias in result.annotator_bias:
        about: Row = {"scope": "annotator", "annotator_a": bias.annotator, "category": bias.category}
        for name in _KINDS:
            kind = name.removeprefix("boundary_")
            tested: Row = {"p": csv_number(bias.p.get(kind, math.nan)), "stands": _flag(kind in bias.found)}
            yield about | _score(name, getattr(bias, name)) | (tested if kind in bias.p else {})


def _portion_rows(result: Agreement) -> Iterator[Row]:
    if result.by is None:
        return
    for portion in result.by.strata:
        yield from _scores({"scope": "portion", "portion": portion.name}, portion.scores)
    for difference in result.by.differences:
        about: Row = {"scope": "difference", "category": difference.category or "", "score": difference.score}
        tested: Row = {"p": csv_number(difference.p), "stands": _flag(difference.stands)}
        for portion, value in zip(result.by.strata, difference.values, strict=True):
            yield about | tested | {"portion": portion.name, "value": csv_number(value)}


def _disagreement_rows(result: Agreement) -> Iterator[Row]:
    for due in result.disagreement:
        about: Row = {"scope": "disagreement", "annotator_a": due.a, "annotator_b": due.b, "category": due.category}
        yield about | {"score": "pixels", "value": due.pixels}
        for name in ("missed", "extra", "confused", "boundary"):
            yield about | {"score": name, "value": csv_number(getattr(due, name))}


def _volume_rows(result: Agreement) -> Iterator[Row]:
    for volumes in result.volumes:
        category: Row = {"scope": "volume", "category": volumes.category}
        yield from _scores(category, {"icc": volumes.icc, "icc_consistency": volumes.icc_consistency})
        for two in volumes.pairs:
            about = category | {"annotator_a": two.a, "annotator_b": two.b}
            for name in ("size_a", "size_b", "difference", "smallest", "largest", "within"):
                yield about | {"score": name, "value": csv_number(getattr(two, name)), "n": two.volumes}
            yield from _scores(about, {name: getattr(two, name) for name in ("median", "bias", "lower", "upper")})


def _drift_rows(result: Agreement) -> Iterator[Row]:
    for drift in result.drift:
        about: Row = {"scope": "drift", "annotator_a": drift.annotator, "category": drift.category or ""}
        yield about | _score(drift.kind, drift.change) | {"p": csv_number(drift.p), "stands": _flag(drift.stands)}
        for period in drift.periods:
            of_period: Row = {"scope": "period", "n": period.images, "portion": period.period, "score": drift.kind}
            yield about | of_period | {"value": csv_number(period.value)}


def _cvat_rows(result: Agreement) -> Iterator[Row]:
    for report in result.cvat:
        for scope, figures, n in (("cvat", report.cvat, report.frames), ("cvat here", report.ours, report.images)):
            about: Row = {"scope": scope, "portion": report.job or report.file, "n": "" if n is None else n}
            for name in figures.__struct_fields__:
                yield about | {"score": name, "value": csv_number(getattr(figures, name))}


def _proposal_rows(result: Agreement) -> Iterator[Row]:
    for proposal in result.proposed_tolerance:
        yield {
            "scope": "proposed tolerance",
            "score": proposal.unit,
            "value": csv_number(proposal.value),
            "n": proposal.boundaries,
        }


def _tolerance(near: CategoryTolerance, category: str = "") -> Iterator[Row]:
    for name, value in (("px", near.pixels), ("mm", near.mm)):
        if value is not None:
            yield {"scope": "tolerance", "category": category, "score": name, "value": csv_number(value)}


def _scores(about: Row, scores: Mapping[str, Score]) -> Iterator[Row]:
    return (about | _score(name, value) for name, value in scores.items())


def _score(name: str, value: Score) -> Row:
    ends = {"value": csv_number(value.value), "low": csv_number(value.low), "high": csv_number(value.high)}
    return {"score": name, **ends, "n": value.n, "n_undefined": value.n_undefined}


def _flag(value: bool) -> str:
    return "yes" if value else "no"
