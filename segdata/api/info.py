"""Look at a dataset, in numbers, as a table of objects, as a content hash; and at the rules and formats."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Unpack, get_args

import numpy as np
import pyarrow as pa

from segdata.api.read import Data, ReadOptions, read
from segdata.api.result import Result, promote
from segdata.api.validate import dataset_tables
from segdata.core.atomic_files import replace_whole
from segdata.core.batch import Batch, replace_column
from segdata.core.executor import Progress, no_progress
from segdata.core.format import Format, formats
from segdata.core.label_hash import content_hash
from segdata.core.profile import RasterRule
from segdata.core.rule import Family, Rule, find_rule, rules
from segdata.core.runs import Floats
from segdata.core.safe_text import csv_cell
from segdata.dataset import Dataset
from segdata.formats.geo.georeference import segment_areas_m2
from segdata.formats.shared.images import image_limits
from segdata.measure.region_properties import object_table
from segdata.measure.summary import Summary, channel_statistics, count_accepted, summarise
from segdata.report.console import Console
from segdata.report.reference_pages import rule_group_text, rule_text

if TYPE_CHECKING:
    import pandas as pd


_SIZES = ("length", "width", "feret", "perimeter")
MEASURED_COLUMNS = ("area_px", *(f"{name}_px" for name in _SIZES), "area_mm2", *(f"{name}_mm" for name in _SIZES))


def objects(data: Data, *, jobs: int = 0, **opening: Unpack[ReadOptions]) -> "pd.DataFrame":
    """One row for each segment (in semantic data for each part of one): place, size and shape in px and mm.

    `segdata.measure.region_properties` lists the columns.
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
    quartiles = groups.size().rename("objects").to_frame()
    for span, quantile in (("q25", 0.25), ("median", 0.5), ("q75", 0.75)):
        quartiles = quartiles.join(groups[list(MEASURED_COLUMNS)].quantile(quantile).add_suffix(f"_{span}"))
    order = {category.name: position for position, category in enumerate(data.taxonomy.categories)}
    return quartiles.reset_index().sort_values("category", key=lambda names: names.map(order), ignore_index=True)


def write_objects(
    data: Data, path: str | Path, *, jobs: int = 0, progress: Progress = no_progress, **opening: Unpack[ReadOptions]
) -> int:
    """Write `objects` as CSV, batch by batch, and return the number of rows."""
    from pyarrow import csv

    dataset, n = read(data, **opening), 0
    with replace_whole(Path(path)) as partial:
        tables = _object_tables(dataset, jobs, progress)
        first = next(tables)
        with csv.CSVWriter(partial, first.schema) as writer:
            for rows in chain([first], tables):
                writer.write_table(_safe_cells(rows))
                n += rows.num_rows
    return n


def _safe_cells(rows: pa.Table) -> pa.Table:
    """The table with text that is safe in spreadsheets and terminals."""
    for name in rows.column_names:
        if pa.types.is_string(rows[name].type):
            values = {text: csv_cell(text) for text in rows[name].unique().to_pylist()}
            if any(text != cell for text, cell in values.items()):
                rows = replace_column(rows, name, [values[text] for text in rows[name].to_pylist()])
    return rows


def _object_tables(dataset: Dataset, jobs: int, progress: Progress) -> Iterator[pa.Table]:
    """Yield the rows of every batch, after an empty table that has the columns."""
    with image_limits():
        yield object_table(Batch.empty(), dataset.profile)
        for batch in dataset.batches(jobs, in_order=True):
            yield object_table(batch, dataset.profile)
            progress(batch.images.num_rows)


def areas_m2(data: Data, **opening: Unpack[ReadOptions]) -> Floats:
    """(n_segments,) the square metres that each segment covers, in the order of `segments`.

    The metadata `crs` and `transform` say where an image lies on the ground; NaN where it has none. Raises
    SegdataError where rasterio is missing, or a coordinate system has no areas.
    """
    areas = [segment_areas_m2(batch) for batch in read(data, **opening)]
    return np.concatenate([np.empty(0), *areas])


class InfoResult(Result, Summary):
    """The content of a dataset: `categories`, `facts`, and what else was requested."""

    def to_json(self) -> str:
        """The result as JSON, as ``segdata info --format json`` prints it."""
        from segdata.report.info import info_json

        return info_json(self)

    def to_html(self) -> str:
        """One HTML file with figures of the categories."""
        from segdata.report.info import info_html

        return info_html(self)

    def table(self) -> "pd.DataFrame":
        """One row for each category: images, segments, pixels, share, area quantiles, and weights for a loss."""
        return self.categories


def info(
    data: Data,
    *,
    jobs: int = 0,
    hash: bool = False,
    raster_rules: bool = False,
    group_by: str | None = None,
    channels: bool = False,
    shapes: bool = False,
    **opening: Unpack[ReadOptions],
) -> InfoResult:
    """Count images, segments and pixels, by category and as a whole.

    Parameters
    ----------
    hash : also the content hash of the labels, as `hash` returns it
    raster_rules : also how many polygons have other pixels when other tools' rules draw them
    group_by : also each value of this column: split, camera, site and others
    channels : also mean and standard deviation of the image channels; decodes all images
    shapes : also quartiles of length, width, diameter and perimeter of things, in px and mm
    jobs : see `Dataset`

    `categories` has one row per category. Its columns ``weight`` (inverse square root of the frequency),
    ``weight_inverse``, ``weight_median`` and ``weight_effective`` are class weights for a loss; `torch` shows how
    to use them. Raises SegdataError for an unknown column.
    """
    dataset = read(data, **opening)
    digest = hash_of(dataset, jobs=jobs) if hash else None
    families: frozenset[Family] = frozenset({"parts"} if dataset.profile.task == "semantic" else ())
    tables = dataset_tables(dataset, families, jobs)
    summary = summarise(dataset.profile.files, tables, digest, group_by or dataset.profile.by)
    if channels:
        statistics, unread = channel_statistics(tables.images, jobs)
        summary = replace(summary, channels=statistics, unread=unread)
    if shapes:
        summary = replace(summary, shapes=shape_quartiles(dataset, jobs))
    if "from models" in summary.facts:
        summary = replace(summary, facts=summary.facts | _accepted_facts(dataset, jobs))
    if raster_rules:
        summary = replace(summary, raster_rules=_raster_rule_differences(dataset, jobs))
    return promote(InfoResult, summary)


def _accepted_facts(dataset: Dataset, jobs: int) -> dict[str, str]:
    """The share of people's segments that are a model's, unchanged; empty if they share no image."""
    with image_limits():
        accepted = count_accepted(dataset.batches(jobs))
    if not accepted.segments:
        return {}
    share = accepted.unchanged / accepted.segments
    return {
        "accepted unchanged": f"{accepted.unchanged:,} of {accepted.segments:,} segments that people have ({share:.1%})"
    }


def _raster_rule_differences(dataset: Dataset, jobs: int) -> dict[str, tuple[int, int, int]]:
    """For each raster rule: the segments with polygons, those that differ under it, and by how many pixels."""
    from segdata.formats.shapes.polygons import RasterDisagreement, raster_disagreement

    total = {rule: RasterDisagreement() for rule in get_args(RasterRule) if rule != "mask-native"}
    with image_limits():
        for batch in dataset.batches(jobs):
            for rule in total:
                total[rule] += raster_disagreement(batch, rule)
    return {rule: (difference.drawn, difference.differing, difference.pixels) for rule, difference in total.items()}


def hash_of(data: Data, *, jobs: int = 0, **opening: Unpack[ReadOptions]) -> str:
    """The content hash of the labels, 64 hexadecimal digits: log it with a training run.

    The same labels give the same hash in every format that can hold them.
    """
    dataset = read(data, **opening)
    with image_limits():
        return content_hash(dataset.batches(jobs, in_order=True), dataset.taxonomy)


def list_rules() -> list[Rule]:
    """All rules, by code: `code`, `name`, `severity`, `options` and others.

    >>> [rule.code for rule in list_rules() if rule.name == "speck"]
    ['SEG106']
    """
    return list(rules().values())


def list_formats() -> list[Format]:
    """All formats, by name: `name`, `summary`, `read_options`, `write_options` and others.

    >>> "coco-panoptic" in [format.name for format in list_formats()]
    True
    """
    return list(formats().values())


def explain(code: str) -> str:
    """Explain what a rule flags, why, and how to fix it, as ``segdata explain`` prints it.

    `code`: the code or the name of the rule; the beginning of codes, such as SEG1, lists a group. Raises SegdataError
    with the closest rule for an unknown one.

    >>> print(explain("speck").splitlines()[0])  # doctest: +ELLIPSIS
    SEG106 speck...
    """
    return rule_group_text(code, Console()) or rule_text(find_rule(code), Console())
