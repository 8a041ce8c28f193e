"""Compare two datasets."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from segdata.api.read import Data, Progress, no_progress, read
from segdata.api.result import Result, promote, records_table
from segdata.formats.shared.images import image_limits
from segdata.store.diff.compare import compare_datasets
from segdata.store.diff.difference import DatasetChange, Difference

if TYPE_CHECKING:
    import pandas as pd


class DiffResult(Result, Difference):
    """What two datasets do not have in common: counts by kind, and the first differences of each kind."""

    def to_json(self) -> str:
        """The result as JSON, as ``segdata diff --format json`` prints it."""
        from segdata.report.diff import diff_json

        return diff_json(self)

    def table(self) -> "pd.DataFrame":
        """One row for each listed difference as a pandas table."""
        names = sorted(DatasetChange.__struct_fields__, key=lambda name: name not in ("kind", "message"))  # these first
        return records_table(self.changes, names)


def diff(
    data: Data,
    other: Data,
    *,
    ignore: str | Iterable[str] = (),
    only: str | Iterable[str] | None = None,
    strict: bool = False,
    limit: int | None = 100,
    jobs: int = 0,
    progress: Progress = no_progress,
) -> DiffResult:
    """Compare a dataset (A) with another (B) of any format: images, annotations, pixels, categories.

    Parameters
    ----------
    data, other : a file, a folder or a `Dataset`
    ignore : kinds of difference that do not count, named as in `counts`
    only : image ids; the others are left out
    strict : segment ids and polygon vertices count as differences too
    limit : how many differences of each kind to list; all are counted. None: list all
    jobs, progress : see `Dataset`

    Images are paired by their ids (if no id is in both: without extension, then without folders), annotations by
    image and annotator, and segments by their pixels. File locations and storage are not compared.

    Returns counts by kind and the first differences; ``.same`` says whether nothing differs.
    """
    first, second = read(data), read(other)
    with image_limits():
        difference = compare_datasets(
            first,
            second,
            ignore=[ignore] if isinstance(ignore, str) else list(ignore),
            only=[only] if isinstance(only, str) else only,
            strict=strict,
            limit=limit,
            jobs=jobs,
            progress=progress,
        )
    return promote(DiffResult, difference)
