"""Instance-id rules: the segment and category that each value of an instance-id image stands for."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

import msgspec
import numpy as np

from segdata.core.batch import Batch
from segdata.core.config import InstanceIds
from segdata.core.errors import SettingError, UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.paths import dataset_folder
from segdata.core.runs import Flags, Ints
from segdata.core.safe_text import whole_number
from segdata.core.taxonomy import Category, Taxonomy
from segdata.core.yaml_files import read_utf8
from segdata.formats.shared.mask_files import ValueMeanings, ValueRuns
from segdata.formats.shared.writing import NumberedSegments

_MAX_ID = 2**62
_MAX_DIVISOR = 2**32  # values have 32 bits at most
_KITTI_DIVISOR = 256  # with this divisor, number 0 means "no instance"
ID_TABLE = "instances.csv"
ID_TABLE_COLUMNS = ("image", "value", "category", "segment_id", "iscrowd")


class IdTable(msgspec.Struct, frozen=True):
    """A side table of n rows that gives pixel values their meaning."""

    category: list[str] = []  # (n,) name, or id as text
    segment_id: list[int | None] = []  # (n,) None if it is the value
    iscrowd: list[bool] = []  # (n,)
    rows: dict[tuple[str, int], int] = {}  # (image, value) -> row; image "" for all images

    def row_of(self, image: str, value: int) -> int:
        """The row of a value in an image (by id, file name, or stem), else the row for all images; or -1."""
        path = PurePosixPath(image)
        names = (image, path.name, path.stem, "")
        return next((self.rows[name, value] for name in names if (name, value) in self.rows), -1)


class IdTableWriter:
    """Writes a side table as CSV: the segment of each value of each image or volume."""

    def __init__(self, file: TextIO, category_names: Mapping[int, str]) -> None:
        self._names = category_names
        self._table = csv.writer(file, lineterminator="\n")
        self._table.writerow(ID_TABLE_COLUMNS)

    def add(self, image: str, value: int, category: int, segment_id: int | None, crowd: bool) -> None:
        """Write one row; the segment id is left empty if it equals the value, or is unknown."""
        identity = "" if segment_id in (None, value) else segment_id
        self._table.writerow((image, value, self._names[category], identity, int(crowd)))

    def add_segments(self, batch: Batch, image_id: str, numbered: NumberedSegments) -> None:
        """Write a row for each visible segment of an image."""
        rows = batch.segments.select(["segment_id", "category_id", "iscrowd"]).take(numbered.rows).to_pylist()
        for value, row in zip(numbered.values.tolist(), rows, strict=True):
            self.add(image_id, value, row["category_id"], row["segment_id"], bool(row["iscrowd"]))


def _load_id_table(path: Path) -> IdTable:
    """Load a side table, a CSV file or a JSON list of objects; raises UnreadableError with file and line."""
    text = read_utf8(path)
    table = IdTable()
    for line, record in _records(path, text):
        try:
            value, category = int(record["value"]), str(record["category"])
            segment = record.get("segment_id")
            identity = None if segment in (None, "") else int(str(segment))
        except (KeyError, ValueError, TypeError, OverflowError) as error:  # of Infinity
            raise UnreadableError(f"{path}:{line}: a row needs a whole number 'value' and a 'category'") from error
        if identity is not None and abs(identity) > _MAX_ID:
            raise UnreadableError(f"{path}:{line}: segment_id {identity} is beyond 62 bits")
        key = (str(record.get("image") or ""), value)
        if key in table.rows:
            raise UnreadableError(f"{path}:{line}: value {value} occurs twice{' for ' + key[0] if key[0] else ''}")
        table.rows[key] = len(table.category)
        table.category.append(category)
        table.segment_id.append(identity)
        table.iscrowd.append(str(record.get("iscrowd") or "0").lower() in ("1", "true"))
    return table


def _records(path: Path, text: str) -> Iterable[tuple[int, dict[str, Any]]]:  # Any: cells of a foreign file
    if path.suffix.lower() != ".json":
        return _csv_records(path, text)
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise UnreadableError(f"{path}:{error.lineno}: is not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{path}: is not a table: it is nested too deeply, or has numbers too long") from error
    if not isinstance(data, list) or not all(isinstance(record, dict) for record in data):
        raise UnreadableError(f"{path}:1: a JSON table is a list of objects with 'value' and 'category'")
    return enumerate(data, 1)


def _csv_records(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:  # Any: cells of a foreign file
    """The records of a CSV file, each with the line on which it ends, as a quoted name may hold a line break."""
    records = csv.DictReader(io.StringIO(text, newline=""))
    try:
        for record in records:
            yield records.line_num, record
    except csv.Error as error:
        raise UnreadableError(f"{path}:{records.line_num}: is not CSV: {error}") from error


def _meanings_by_category(
    category: Category, config: InstanceIds, void: int | None, runs: ValueRuns, image: str
) -> ValueMeanings:
    """Meanings if every value except background and void is an instance of one category."""
    categories = np.full(len(runs.value), category.id, np.int64)
    return _apply_background_and_void(
        config, void, runs, runs.value, categories, np.zeros(len(runs.value), bool), np.ones(len(runs.value), bool)
    )


def _meanings_by_divisor(
    taxonomy: Taxonomy, config: InstanceIds, void: int | None, runs: ValueRuns, image: str
) -> ValueMeanings:
    """Meanings if value = category id * divisor + number; smaller values are category ids (for things, a crowd)."""
    divisor = config.divisor or 1
    is_category = runs.value < divisor
    categories = np.where(is_category, runs.value, runs.value // divisor)
    things = np.array([category.id for category in taxonomy.categories if category.kind == "thing"], np.int64)
    unnumbered = is_category | ((runs.value % divisor == 0) & (divisor == _KITTI_DIVISOR))
    is_known = np.isin(categories, np.array(list(taxonomy.by_id()), np.int64))
    return _apply_background_and_void(
        config, void, runs, runs.value, categories, unnumbered & np.isin(categories, things), is_known
    )


def _meanings_by_table(
    table: IdTable, taxonomy: Taxonomy, config: InstanceIds, void: int | None, runs: ValueRuns, image: str
) -> ValueMeanings:
    """Meanings from a side table, by image and value, or by value alone."""
    row = np.array([table.row_of(image, value) for value in runs.value.tolist()], np.int64)
    is_known = row >= 0
    named, by_id = taxonomy.by_name(), taxonomy.by_id()
    ids = {name: _category_id(name, named, by_id) for name in set(table.category)}
    columns = [
        (ids[table.category[table_row]], table.segment_id[table_row], table.iscrowd[table_row])
        for table_row in row[is_known].tolist()
    ]
    categories, segments, crowds = np.full(len(row), -1, np.int64), runs.value.copy(), np.zeros(len(row), bool)
    for place, (category, segment, crowd) in zip(np.flatnonzero(is_known), columns, strict=True):
        if category is None:
            is_known[place] = False
            continue
        categories[place], crowds[place] = category, crowd
        segments[place] = segments[place] if segment is None else segment
    return _apply_background_and_void(config, void, runs, segments, categories, crowds, is_known)


def _category_id(name: str, named: dict[str, Category], by_id: dict[int, Category]) -> int | None:
    """The category id of a name, or of an id written as text."""
    if name in named:
        return named[name].id
    number = whole_number(name)
    return number if number in by_id else None


def _apply_background_and_void(
    config: InstanceIds,
    void: int | None,
    runs: ValueRuns,
    segments: Ints,
    categories: Ints,
    crowds: Flags,
    is_known: Flags,
) -> ValueMeanings:
    """The meanings of the values, with background and void taken into account."""
    background = runs.value == config.background if config.background is not None else np.zeros(len(runs.value), bool)
    ignored = runs.value == config.void if config.void is not None else np.zeros(len(runs.value), bool)
    ignored &= ~background
    categories = np.where(ignored, void if void is not None else -1, categories)
    unknown = ~is_known & ~background & ~ignored
    return ValueMeanings(
        ~background & ~unknown,
        segments,
        categories,
        crowds & ~ignored,
        defects=_unknown_value_defects(runs, unknown, categories),
    )


def _unknown_value_defects(runs: ValueRuns, unknown: Flags, categories: Ints) -> list[Defect]:
    """One SEG009 for each category id that the taxonomy lacks, with its values."""
    defects = []
    for category in np.unique(categories[unknown]).tolist():
        rows = np.flatnonzero(unknown & (categories == category))
        x, y = runs.first_pixel(int(rows[0]))
        values = ", ".join(map(str, runs.value[rows[:5]].tolist())) + (", …" if len(rows) > 5 else "")
        what = "the table has no category for" if category < 0 else f"category {category} is not in the taxonomy:"
        area = int(runs.area[rows].sum())
        message = f"{what} value {values}: {area:,} px, the first at x={x}, y={y}"
        defects.append(Defect("SEG009", message, place=f"x={x}, y={y}", pixels=area))
    return defects


IdRule = Callable[[ValueRuns, str], ValueMeanings]  # meanings of the values of the image with this id


def id_rule(request: ReadRequest, config: InstanceIds) -> tuple[Taxonomy, IdRule]:
    """The taxonomy, and the rule that gives values their meanings; raises SettingError for incomplete settings."""
    user_taxonomy = request.taxonomy
    given_keys = [name for name in ("divisor", "category", "table") if getattr(config, name) is not None]
    if len(given_keys) != 1:
        message = f"instance_ids: give one of divisor, category, table; given: {', '.join(given_keys) or 'none'}"
        raise SettingError(message, "instance_ids")
    if config.divisor is not None:
        if not 1 <= config.divisor <= _MAX_DIVISOR:
            message = f"instance_ids: divisor is {config.divisor}; it is 1000, 256 …"
            raise SettingError(message, "instance_ids", "divisor")
        if user_taxonomy is None:
            message = (
                "instance_ids: a divisor needs a taxonomy; draft one: segdata taxonomy init DATA, or give --taxonomy"
            )
            raise SettingError(message, "instance_ids", "divisor")
        return user_taxonomy, partial(
            _meanings_by_divisor, user_taxonomy, config, _void_category_id(user_taxonomy, config)
        )
    if config.category is not None:
        taxonomy = user_taxonomy or _taxonomy_of_setting(config)
        return taxonomy, partial(
            _meanings_by_category,
            _find_category(taxonomy, config.category),
            config,
            _void_category_id(taxonomy, config),
        )
    folder = dataset_folder(request.root)
    table = _load_id_table(folder / str(config.table))
    taxonomy = user_taxonomy or _taxonomy_of_table(table, config)
    return taxonomy, partial(_meanings_by_table, table, taxonomy, config, _void_category_id(taxonomy, config))


def _void_category_id(taxonomy: Taxonomy, config: InstanceIds) -> int | None:
    """The category of `instance_ids.void`: that id, else the first of kind void; raises SettingError without one."""
    if config.void is None:
        return None
    if not taxonomy.void_ids:
        message = f"instance_ids: void is {config.void}, but the taxonomy has no category of kind void"
        raise SettingError(message, "instance_ids", "void")
    return config.void if config.void in taxonomy.void_ids else taxonomy.void_ids[0]


def _taxonomy_of_setting(config: InstanceIds) -> Taxonomy:
    """A taxonomy with the one category that segdata.yaml names, and void."""
    if isinstance(config.category, int):
        message = f"instance_ids: category {config.category} is an id; without a taxonomy give a name"
        raise SettingError(message, "instance_ids", "category")
    category = (Category(id=1, name=str(config.category)),)
    return Taxonomy(categories=category + _void_beside(config, {1}))


def _void_beside(config: InstanceIds, taken: set[int]) -> tuple[Category, ...]:
    if config.void is None:
        return ()
    number = config.void if config.void not in taken else max(taken) + 1
    return (Category(id=number, name="void", kind="void"),)


def _find_category(taxonomy: Taxonomy, named: str | int) -> Category:
    match = taxonomy.by_id().get(named) if isinstance(named, int) else taxonomy.by_name().get(named)
    if match is None:
        near = taxonomy.nearest(str(named)) or [category.name for category in taxonomy.categories[:5]]
        message = f"instance_ids: category {named!r} is not in the taxonomy; it has {', '.join(near)}"
        raise SettingError(message, "instance_ids", "category")
    return match


def _taxonomy_of_table(table: IdTable, config: InstanceIds) -> Taxonomy:
    """A taxonomy of the category names in a side table, in order of appearance."""
    names = dict.fromkeys(table.category)
    categories = tuple(Category(id=number, name=name) for number, name in enumerate(names, 1))
    return Taxonomy(categories=categories + _void_beside(config, {category.id for category in categories}))
