"""Info: what is in a dataset, in numbers, as a table of objects, and as a content hash."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.api.read import Data, Progress, ReadOptions, no_progress, read
from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.dataset import Dataset
from segdata.formats.geo.georeference import segment_areas_m2
from segdata.formats.shared.images import image_limits
from segdata.measure.region_properties import object_table as measured

if TYPE_CHECKING:
    import pandas as pd


_SIZES = ("length", "width", "feret", "perimeter")
MEASURED_COLUMNS = ("area_px", *(f"{name}_px" for name in _SIZES), "area_mm2", *(f"{name}_mm" for name in _SIZES))


def objects(data: Data, *, jobs: int = 0, **opening: Unpack[ReadOptions]) -> "pd.DataFrame":
    """One row for each segment, in semantic data for each part of one, with place, size and shape in px and mm.

    For the columns see `segdata.measure.region_properties`; `opening` as for `read`.
    """
    rows: pd.DataFrame = pa.concat_tables(_object_tables(read(data, **opening), jobs, no_progress)).to_pandas()
    return rows


def shape_quartiles(data: Dataset, jobs: int = 0) -> "pd.DataFrame":
    """One row per category: objects, and quartiles of their areas, lengths, widths, diameters and perimeters.

    Columns are called ``area_px_median``, with ``q25`` and ``q75`` too; mm and mm2 are NaN where no spacing is known.
    """
    tables = (rows.select(["category", *MEASURED_COLUMNS]) for rows in _object_tables(data, jobs, no_progress))
    rows: pd.DataFrame = pa.concat_tables(tables).to_pandas()
    groups = rows.groupby("category", sort=False)
    found = groups.size().rename("objects").to_frame()
    for span, quantile in (("q25", 0.25), ("median", 0.5), ("q75", 0.75)):
        found = found.join(groups[list(MEASURED_COLUMNS)].quantile(quantile).add_suffix(f"_{span}"))
    order = {each.name: at for at, each in enumerate(data.taxonomy.categories)}
    return found.reset_index().sort_values("category", key=lambda names: names.map(order), ignore_index=True)


def write_objects(
    data: Data,
    path: str | Path,
    *,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> int:
    """Write `objects` as CSV, batch by batch; returns how many rows. Nothing half-written stays behind."""
    from pyarrow import csv

    dataset, target, n = read(data, **opening), Path(path), 0
    partial = target.with_name(f".{target.name}.partial")
    try:
        target.absolute().parent.mkdir(parents=True, exist_ok=True)
        tables = _object_tables(dataset, jobs, progress)
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


def _object_tables(dataset: Dataset, jobs: int, progress: Progress) -> Iterator[pa.Table]:
    """The rows of every batch; first none, so that the columns are known."""
    with image_limits():
        yield measured(Batch.empty(), dataset.profile)
        for batch in dataset.batches(jobs, in_order=True):
            yield measured(batch, dataset.profile)
            progress(batch.images.num_rows)


def areas_m2(data: Data, **opening: Unpack[ReadOptions]) -> NDArray[np.float64]:
    """(n_segments,) the square metres that each segment covers, in the order of `Dataset.segments`.

    NaN where the image does not say where it lies; its metadata `crs` and `transform` do, which GeoTIFF files have and
    conversions keep. How areas are computed stands in `segdata.formats.geo.georeference`. Raises SegdataError where a
    coordinate system has no areas, and where rasterio is not installed.
    """
    found = [segment_areas_m2(batch) for batch in read(data, **opening)]
    return np.concatenate([np.empty(0), *found])
