"""CVAT's quality reports beside our figures: job by job, on the same frames.

A report is the JSON that CVAT's server has for a quality report: ``GET /api/quality/reports/{id}/data``, the fields
`parameters`, `comparison_summary` and `frame_results`, whose keys are frame numbers; or the list of reports,
``GET /api/quality/reports?task_id=…``, whose `results` have a `job_id` and a `summary`.
Source: ``ComparisonReport.to_dict`` in cvat/apps/quality_control/quality_reports.py (comparison_report.py since 2026)
and ``QualityReportSerializer`` in cvat/apps/quality_control/serializers.py of github.com/cvat-ai/cvat, 2023 to 2026.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from segdata.agreement.estimates import PairAmounts
from segdata.agreement.gold_standard import rows_against
from segdata.agreement.panel import Panel
from segdata.agreement.scores import Count, Number, UndefinedShare
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.core.strata import image_strata

_NAN = float("nan")


class SegmentFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of an annotator's segments against a reference's, over all categories.

    `accuracy`: the share of matched segments among all that either has; `precision`: among the annotator's, `recall`:
    among the reference's. `mean_iou`: for CVAT, over all shapes of a frame, those without a match with their closest,
    then the mean over frames; here, over matched segments.
    """

    accuracy: UndefinedShare = _NAN
    precision: UndefinedShare = _NAN
    recall: UndefinedShare = _NAN
    mean_iou: UndefinedShare = _NAN


class CvatJobQuality(msgspec.Struct, frozen=True, kw_only=True):
    """A quality report of CVAT, and our figures of the same frames against the reference.

    `job`: its id, null: the report does not name one; `frames`: the number that CVAT compared, null: unknown; `images`:
    the number of them, or else of the job's images, that are compared here. `iou_threshold`: the IoU above which CVAT
    matches shapes, null: unknown; here it is 0.5.
    """

    job: str | None
    file: str
    frames: Count | None
    images: Count
    iou_threshold: Number
    cvat: SegmentFigures
    ours: SegmentFigures


class CvatReport(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a report; `frames` None: they are not listed; `is_listed`: it is one of a list of reports."""

    file: str
    job: str | None
    frames: tuple[int, ...] | None
    n_frames: int | None
    iou_threshold: float
    figures: SegmentFigures
    is_listed: bool = False


class _Counts(msgspec.Struct, frozen=True):
    valid_count: int
    ds_count: int
    gt_count: int
    total_count: int | None = None


class _Shape(msgspec.Struct, frozen=True):
    mean_iou: float | None = None


class _Components(msgspec.Struct, frozen=True):
    shape: _Shape = _Shape()


class _ComparisonSummary(msgspec.Struct, frozen=True):
    annotations: _Counts
    annotation_components: _Components = _Components()
    frames: list[int | str] | None = None
    frame_count: int | None = None


class _Parameters(msgspec.Struct, frozen=True):
    iou_threshold: float | None = None


class _Data(msgspec.Struct, frozen=True):
    comparison_summary: _ComparisonSummary
    parameters: _Parameters = _Parameters()
    frame_results: dict[str, msgspec.Raw] | None = None
    job_id: int | None = None


class _ListSummary(_Counts, frozen=True):
    frame_count: int | None = None
    validation_frames: int | None = None


class _Listed(msgspec.Struct, frozen=True):
    summary: _ListSummary
    job_id: int | None = None
    parameters: _Parameters = _Parameters()
    created_date: str = ""
    id: int = 0


class _Page(msgspec.Struct, frozen=True):
    results: list[_Listed]
    next: str | None = None


def read_cvat_reports(path: Path, job: str | None = None) -> list[CvatReport]:
    """Read the reports in a file; `job`: the id of the job, which the data of a report do not have.

    From a list, only the newest report of each job is read, since CVAT keeps old ones. Raises UnreadableError for a
    file that is no quality report.
    """
    file = path.name
    try:
        text = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        content: Any = msgspec.json.decode(text)  # Any: JSON
        keys = content.keys() if isinstance(content, dict) else ()
        if "comparison_summary" in keys:
            return [_from_data(msgspec.json.decode(text, type=_Data), file, job)]
        if "results" in keys:
            page = msgspec.json.decode(text, type=_Page)
        elif "summary" in keys:
            page = _Page([msgspec.json.decode(text, type=_Listed)])
        else:
            raise UnreadableError(
                f"{path}: is no quality report of CVAT: it has neither `comparison_summary` (the data of a report, "
                "/api/quality/reports/ID/data) nor `results` (the list of reports)"
            )
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f"{path}: is no quality report of CVAT that can be read: {error}") from error
    if page.next:
        raise UnreadableError(f"{path}: is one page of several; request all reports, with page_size=1000")
    if job is not None:
        raise UnreadableError(f"{path}: is a list of reports, which names its jobs; give it without {job}=")
    in_time = sorted(page.results, key=lambda listed: (listed.created_date, listed.id))
    newest = {listed.job_id: listed for listed in in_time if listed.job_id is not None}
    reports = [_from_list(newest[number], file) for number in sorted(newest)]
    if not reports:
        raise UnreadableError(f"{path}: has no report of a job; request those of jobs, with target=job")
    return reports


def _from_data(data: _Data, file: str, job: str | None) -> CvatReport:
    summary = data.comparison_summary
    keys: Iterable[int | str] | None = data.frame_results if data.frame_results is not None else summary.frames
    try:
        frames = None if keys is None else tuple(sorted(int(key) for key in keys))
    except ValueError as error:
        raise msgspec.ValidationError(f"a frame is no number: {error}") from error
    mean_iou = summary.annotation_components.shape.mean_iou
    return CvatReport(
        file=file,
        job=job or (None if data.job_id is None else str(data.job_id)),
        frames=frames,
        n_frames=summary.frame_count if frames is None else len(frames),
        iou_threshold=_number(data.parameters.iou_threshold),
        figures=_figures_of(summary.annotations, _number(mean_iou)),
    )


def _from_list(listed: _Listed, file: str) -> CvatReport:
    summary = listed.summary
    return CvatReport(
        file=file,
        job=str(listed.job_id),
        frames=None,
        n_frames=summary.validation_frames if summary.frame_count is None else summary.frame_count,
        iou_threshold=_number(listed.parameters.iou_threshold),
        figures=_figures_of(summary, _NAN),
        is_listed=True,
    )


def _number(value: float | None) -> float:
    return _NAN if value is None else value


def _figures_of(counts: _Counts, mean_iou: float) -> SegmentFigures:
    """The ratios of CVAT's counts, undefined (NaN) where CVAT reports 0 of nothing."""
    total = 0 if counts.total_count is None else counts.total_count
    return SegmentFigures(
        accuracy=_ratio(counts.valid_count, total),
        precision=_ratio(counts.valid_count, counts.ds_count),
        recall=_ratio(counts.valid_count, counts.gt_count),
        mean_iou=mean_iou,
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else _NAN


def compare_cvat_reports(
    panel: Panel, tables: Tables, reference: int, reports: Sequence[CvatReport]
) -> tuple[CvatJobQuality, ...]:
    """Compare each report with our figures of the same frames, of all annotators against the reference.

    Frames are found by the number that CVAT gives images, within the job if both name it. Jobs of a list that no image
    names are skipped, since a list may be that of a whole server. Raises SegdataError for a single report without a
    compared frame, and for a list without a compared job.
    """
    comparison = tables.annotator_pairs
    assert comparison is not None
    amounts = PairAmounts.from_pairs(comparison)
    reference_rows = list(rows_against(amounts, reference).values())
    rows = np.concatenate([np.empty(0, np.int64), *reference_rows])
    image = comparison.cases["image"][amounts.case[rows]]
    number_of: dict[str, str | None] = {}
    if any(report.frames is not None for report in reports):
        for chunk in panel.chunks():
            images = panel.load(chunk).images
            number_of |= dict(zip(images["image_id"].to_pylist(), images["source_id"].to_pylist(), strict=True))
    numbers = [number_of.get(name) for name in tables.images["image_id"].tolist()]
    jobs = image_strata(tables, "job").tolist()
    compared_jobs = {jobs[k] for k in image.tolist()}
    compared = [report for report in reports if not report.is_listed or report.job in compared_jobs]
    for report in reports:
        if report.is_listed and not any(other.file == report.file for other in compared):
            raise SegdataError(
                f"{report.file}: is of no job whose images are compared with the reference; jobs here: "
                f"{_some_jobs(jobs)}. Images exported from CVAT as CVAT XML name their job"
            )
    return tuple(_compare_report(amounts, reference, rows, image, numbers, jobs, report) for report in compared)


def _compare_report(
    amounts: PairAmounts,
    reference: int,
    rows: Ints,
    image: Ints,
    numbers: Sequence[str | None],
    jobs: Sequence[str | None],
    report: CvatReport,
) -> CvatJobQuality:
    frames = None if report.frames is None else set(map(str, report.frames))
    has_job = report.job is not None and report.job in jobs
    if frames is None and not has_job:
        raise SegdataError(
            f"{report.file}: no image names the job {report.job or '(unnamed)'}; jobs here: {_some_jobs(jobs)}. "
            "Images exported from CVAT as CVAT XML name their job"
        )
    kept = np.array(
        [(frames is None or numbers[k] in frames) and (not has_job or jobs[k] == report.job) for k in image.tolist()],
        bool,
    )
    if not kept.any():
        problem = "none of its frames is among the images that are compared with the reference"
        remedy = "CVAT XML files name the number and the job of each frame"
        raise SegdataError(f"{report.file}: {problem}; jobs here: {_some_jobs(jobs)}. {remedy}")
    return CvatJobQuality(
        job=report.job,
        file=report.file,
        frames=report.n_frames,
        images=len(np.unique(image[kept])),
        iou_threshold=report.iou_threshold,
        cvat=report.figures,
        ours=_our_figures(amounts, reference, rows[kept]),
    )


def _our_figures(amounts: PairAmounts, reference: int, rows: Ints) -> SegmentFigures:
    """Our figures over the pairs of annotations `rows`, from segments of one category matched with an IoU above 0.5."""
    is_category = np.array([category.kind != "void" for category in amounts.comparison.categories], bool)
    totals = {
        name: np.asarray(amounts.sums.amounts[name][rows][:, is_category].sum(axis=1)).reshape(-1)
        for name in ("tp", "fp", "fn", "iou_sum")
    }
    is_first = amounts.a[rows] == reference
    both, fit = float(totals["tp"].sum()), float(totals["iou_sum"].sum())
    missed = float(np.where(is_first, totals["fn"], totals["fp"]).sum())
    extra = float(np.where(is_first, totals["fp"], totals["fn"]).sum())
    return SegmentFigures(
        accuracy=_ratio(both, both + missed + extra),
        precision=_ratio(both, both + extra),
        recall=_ratio(both, both + missed),
        mean_iou=_ratio(fit, both),
    )


def _some_jobs(jobs: Iterable[str | None]) -> str:
    return ", ".join(_job_names(jobs)) or "none"


def _job_names(jobs: Iterable[str | None]) -> Iterator[str]:
    names = sorted({job for job in jobs if job is not None})
    yield from names[:10]
    if len(names) > 10:
        yield "…"
