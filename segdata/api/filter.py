"""Filter: some images, annotations and segments of a dataset as a dataset of their own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from segdata.api.convert import Conversion, with_batches, write_derived
from segdata.api.read import Data, Progress, ReadOptions, no_progress, read
from segdata.core.errors import SegdataError
from segdata.core.finding import Finding
from segdata.report.findings_json import read_baseline
from segdata.store.selection import COLUMNS, Expression, FindingCounts, Selection, category_condition


@dataclass(frozen=True, slots=True)
class FilterResult:
    """What `filter` did.

    Attributes
    ----------
    written : the dataset that was made
    conditions : what was kept, as conditions over columns
    images, annotations, segments, pixels : how many were dropped
    """

    written: Conversion
    conditions: tuple[str, ...]
    images: int
    annotations: int
    segments: int
    pixels: int


def filter(
    data: Data,
    target: str | Path,
    *,
    category: str | Iterable[str] = (),
    drawn_by: str | Iterable[str] = (),
    min_area: int | None = None,
    max_area: int | None = None,
    finding: str | Iterable[str] = (),
    findings: str | Path | Sequence[Finding] = (),
    where: str | Iterable[str] = (),
    keep_images: bool = False,
    copy_images: bool = False,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> FilterResult:
    """Write what meets all conditions as a dataset: `segdata.Dataset.filter` of ``read(data, **opening)``."""
    dataset = read(data, **opening)
    codes = _as_list(finding)
    reported = read_baseline(Path(findings)) if isinstance(findings, (str, Path)) else tuple(findings)
    if codes and isinstance(findings, tuple) and not findings:
        raise SegdataError(f"finding {', '.join(codes)}: needs a report, as segdata validate --format json writes it")
    chosen = [entry for entry in reported if not codes or entry.code.startswith(tuple(code.upper() for code in codes))]
    texts = [
        *category_condition(dataset.profile, _as_list(category)),
        *([f"annotator in {_as_list(drawn_by)!r}"] if _as_list(drawn_by) else []),
        *([] if min_area is None else [f"area >= {min_area}"]),
        *([] if max_area is None else [f"area <= {max_area}"]),
        *(["image_findings > 0"] if codes else []),
        *_as_list(where),
    ]
    conditions = tuple(Expression.parse(text, list(COLUMNS)) for text in texts)
    selection = Selection(conditions, dataset.profile, FindingCounts.of(chosen), keep_images)
    origin = "filtered" + (f": {' and '.join(f'({text})' for text in texts)}" if texts else "")
    origin += f" of {', '.join(codes)}" if codes else ""
    done = write_derived(
        with_batches(dataset, selection), target, origin, copy_images=copy_images, jobs=jobs, progress=progress
    )
    return FilterResult(done, tuple(texts), *selection.total)


def _as_list(given: str | Iterable[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)
