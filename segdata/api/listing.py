"""Listing: everything that was drawn, a row each, as a table or as CSV."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import pyarrow as pa

from segdata.api.opening import Data, Progress, ReadOptions, read, silent
from segdata.core.batch import Batch
from segdata.core.dataset import Dataset
from segdata.core.errors import SegdataError
from segdata.formats.shared.images import image_limits
from segdata.measure.objects import objects as measured

if TYPE_CHECKING:
    import pandas as pd

_SIZES = ("length", "width", "feret", "perimeter")
MEASURED = ("area_px", *(f"{name}_px" for name in _SIZES), "area_mm2", *(f"{name}_mm" for name in _SIZES))


def objects(data: Data, *, jobs: int = 0, **opening: Unpack[ReadOptions]) -> "pd.DataFrame":
    """One row for each segment, in semantic data for each part of one, with place, size and shape in px and mm.

    For the columns see `segdata.measure.objects`; `opening` as for `read`.
    """
    rows: pd.DataFrame = pa.concat_tables(_tables(read(data, **opening), jobs, silent)).to_pandas()
    return rows


def shapes_of(data: Dataset, jobs: int = 0) -> "pd.DataFrame":
    """One row per category: objects, and quartiles of their areas, lengths, widths, diameters and perimeters.

    Columns are called ``area_px_median``, with ``q25`` and ``q75`` too; mm and mm2 are NaN where no spacing is known.
    """
    tables = (rows.select(["category", *MEASURED]) for rows in _tables(data, jobs, silent))
    rows: pd.DataFrame = pa.concat_tables(tables).to_pandas()
    groups = rows.groupby("category", sort=False)
    found = groups.size().rename("objects").to_frame()
    for span, quantile in (("q25", 0.25), ("median", 0.5), ("q75", 0.75)):
        found = found.join(groups[list(MEASURED)].quantile(quantile).add_suffix(f"_{span}"))
    order = {each.name: at for at, each in enumerate(data.taxonomy.categories)}
    return found.reset_index().sort_values("category", key=lambda names: names.map(order), ignore_index=True)


def write_objects(
    data: Data,
    path: str | Path,
    *,
    jobs: int = 0,
    progress: Progress = silent,
    **opening: Unpack[ReadOptions],
) -> int:
    """Write `objects` as CSV, batch by batch; returns how many rows. Nothing half-written stays behind."""
    from pyarrow import csv

    dataset, target, n = read(data, **opening), Path(path), 0
    partial = target.with_name(f".{target.name}.partial")
    try:
        target.absolute().parent.mkdir(parents=True, exist_ok=True)
        tables = _tables(dataset, jobs, progress)
        first = next(tables)
        with csv.CSVWriter(partial, first.schema) as writer:
            for rows in chain([first], tables):
                writer.write_table(rows)
                n += rows.num_rows
        partial.replace(target)
    except OSError as error:
        raise SegdataError(f"{target}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            partial.unlink()
    return n


def _tables(dataset: Dataset, jobs: int, progress: Progress) -> Iterator[pa.Table]:
    """The rows of every batch; first none, so that the columns are known."""
    with image_limits():
        yield measured(Batch.empty(), dataset.profile)
        for batch in dataset.batches(jobs, in_order=True):
            yield measured(batch, dataset.profile)
            progress(batch.images.num_rows)
