"""Kaggle tables: a CSV file with a row of run lengths for each mask, read and written."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Literal, Self, TextIO

import numpy as np

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.errors import SegdataError, UnreadableError, count_noun
from segdata.core.finding import Defect, Severity
from segdata.core.format import ReadRequest
from segdata.core.losses import LossCounter
from segdata.core.paths import is_unsafe_path, without_extension
from segdata.core.profile import Profile, Task
from segdata.core.runs import Flags, Floats, Ints, Runs, expand_ranges, mask_to_runs
from segdata.core.safe_text import whole_number
from segdata.core.yaml_files import read_utf8
from segdata.formats.kaggle import LOSSES, find_table
from segdata.formats.shared import writing
from segdata.formats.shared.image_names import find_images, size_option
from segdata.formats.shared.images import read_header
from segdata.formats.shared.per_image import BrokenLabelsError, ImageAnnotation, ImageEntry, PerImageSource
from segdata.formats.shared.taxonomies import resolve_names, write_sidecars

_IMAGE_COLUMNS = ("imageid", "image_id", "id", "img", "image", "filename", "id_code")
_IMAGE_AND_CLASS_COLUMNS = ("imageid_classid", "image_id_class_id", "image_label")
_RUN_COLUMNS = ("encodedpixels", "encoded_pixels", "rle", "rle_mask", "rle_encoded", "predicted", "annotation",
           "segmentation")  # fmt: skip
_CLASS_COLUMNS = ("classid", "class_id", "class", "label", "category", "cell_type")
_HEIGHT, _WIDTH = ("height", "img_height", "image_height"), ("width", "img_width", "image_width")
_SUFFIXES = (".png", ".jpg", ".tif", ".tiff", ".jpeg")
_MAX_SIDE = 2**20
_CELL_LIMITS = {255, 256, 4000, 8000, 32_767, 65_535}  # characters that columns of databases and spreadsheets hold
_SPREADSHEET_NUMBER = re.compile(r"\d(?:\.\d+)?E\+\d+", re.IGNORECASE)
csv.field_size_limit(2**30)  # a mask may have a hundred thousand runs


@dataclass(frozen=True, slots=True)
class KaggleRow:
    """One row: its line, the class, the pairs as text, and height and width, 0 if the table has none."""

    number: int
    category: str | None
    pairs: str
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class KaggleTable:
    """The rows of each image, in the order of the table; `by_class`: the image's column also holds the class."""

    of_image: dict[str, tuple[KaggleRow, ...]]
    by_class: bool
    defects: tuple[Defect, ...]


@dataclass(frozen=True, slots=True)
class _TableColumns:
    """The positions of a table's columns."""

    head: list[str]
    image: int
    by_class: bool  # the image's column also holds the class
    pixels: int
    category: int | None
    sides: tuple[int, int] | None  # height and width; None: the table does not have both

    @classmethod
    def find(cls, head: list[str], path: Path) -> Self:
        """Raises UnreadableError where the column of images or of run lengths is missing."""
        both, pixels = _column(head, _IMAGE_AND_CLASS_COLUMNS), _column(head, _RUN_COLUMNS)
        image = both if both is not None else _column(head, _IMAGE_COLUMNS)
        if image is None or pixels is None:
            columns = ", ".join(head) or "nothing"
            raise UnreadableError(
                f"{path}:1: needs columns of images and of run lengths (ImageId, EncodedPixels); it has {columns}"
            )
        height, width = _column(head, _HEIGHT), _column(head, _WIDTH)
        sides = None if height is None or width is None else (height, width)
        return cls(head, image, both is not None, pixels, _column(head, _CLASS_COLUMNS), sides)

    def image_and_class(self, cells: list[str]) -> tuple[str, str | None]:
        """The image that a line names, and the class, if it names one."""
        name, category = cells[self.image].strip(), None
        if self.by_class:
            name, category = _split_class(name)
        return name, category or (cells[self.category] or None if self.category is not None else None)


def read_table(path: Path, file_name: str) -> KaggleTable:
    """Read the table at `path`, named `file_name` in defects; raises UnreadableError if it lacks a column."""
    text = read_utf8(path)
    head = text[: text.find("\n")]
    delimiter = ";" if head.count(";") > head.count(",") else ","  # spreadsheets of some countries
    records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = _TableColumns.find([cell.strip().lower() for cell in next(records, [])], path)
    rows: dict[str, list[KaggleRow]] = {}
    defects: list[Defect] = []
    lengths = Counter[int]()
    try:
        for cells in filter(None, records):
            if (problem := _line_problem(cells, columns)) is not None:
                code, message = problem
                defects.append(Defect(code, f"{message}; left out", file_name, line=records.line_num))
                continue
            name, category = columns.image_and_class(cells)
            lengths[len(cells[columns.pixels])] += 1
            sides = [] if columns.sides is None else [cells[side] for side in columns.sides]
            size = _row_size(sides)
            if size is None:
                message = f"height x width is {' x '.join(sides)}; 1 to {_MAX_SIDE:,} is expected"
                defects.append(Defect("SEG004", message, file_name, line=records.line_num, image=name))
            pairs = cells[columns.pixels].strip()
            pairs = "" if pairs == _NO_MASK else pairs
            row = KaggleRow(records.line_num, category, pairs, size or (0, 0))
            rows.setdefault(name, []).append(row)
    except csv.Error as error:
        defects.append(Defect("SEG001", f"cannot be read from here on: {error}", file_name, line=records.line_num))
    longest = max(lengths, default=0)
    if longest in _CELL_LIMITS and lengths[longest] > 1:
        message = (
            f"{lengths[longest]:,} cells end after exactly {longest:,} characters, the limit of a spreadsheet or "
            "database: the rest of their runs is lost; export the table again"
        )
        defects.append(Defect("SEG001", message, file_name))
    defects += _no_object_marks(rows, file_name)
    return KaggleTable({name: tuple(own) for name, own in rows.items()}, columns.by_class, tuple(defects))


def _line_problem(cells: list[str], columns: _TableColumns) -> tuple[str, str] | None:
    """The rule code and message of a malformed line; None if the line is a valid row."""
    if [cell.strip().lower() for cell in cells] == columns.head:
        return "SEG004", "repeats the head of the table: two tables were joined as text"
    if len(cells) != len(columns.head):
        return "SEG004", f"{len(cells)} cells, the table has {len(columns.head)} columns"
    name, _ = columns.image_and_class(cells)
    if not name:
        return "SEG004", "no image is named"
    if is_unsafe_path(name):
        return "SEG015", f"path {name!r} leaves the dataset's root; name files below it"
    return None


def _column(head: list[str], names: tuple[str, ...]) -> int | None:
    return next((head.index(name) for name in names if name in head), None)


def _split_class(name: str) -> tuple[str, str | None]:
    """Split an image's name from the class after it.

    >>> _split_class("0002cc93b.jpg_1"), _split_class("a_b_Fish")
    (('0002cc93b.jpg', '1'), ('a_b', 'Fish'))
    """
    match = re.fullmatch(r"(.*\.\w+|.*)_([^_]*)", name)
    return (match[1], match[2]) if match else (name, None)


def _row_size(sides: list[str]) -> tuple[int, int] | None:
    """Height and width in a line; (0, 0) if it has none, None if they are invalid."""
    if not any(sides):
        return 0, 0
    height, width = (whole_number(side.strip()) or 0 for side in sides)
    return (height, width) if 0 < height <= _MAX_SIDE and 0 < width <= _MAX_SIDE else None


def _no_object_marks(rows: Mapping[str, Sequence[KaggleRow]], file_name: str) -> Iterator[Defect]:
    """SEG004 if several rows are the first pixel alone, as some write where a class has no object."""
    marks = [line for own in rows.values() for line in own if line.pairs == _FIRST_PIXEL]
    if len(marks) >= _MIN_MARKS:
        message = (
            f"{len(marks):,} rows have the runs '{_FIRST_PIXEL}', the first pixel alone: if they mean that there is no "
            "object, leave the runs empty"
        )
        yield Defect("SEG004", message, file_name, line=marks[0].number, severity="warning", lost=False)


Order = Literal["column", "row"]
# Share of a mask that continues in the next line, in real masks and in masks read in the wrong order.
_COHERENT, _TORN = 0.7, 0.3
_NO_MASK = "-1"  # of an image without one (SIIM-ACR Pneumothorax), in place of run lengths
_FIRST_PIXEL, _MIN_MARKS = "1 1", 3  # pairs that some write for no object, and rows with them
_MIN_RUNS = 8  # runs needed to judge a mask


def read_image(
    file_name: str, ids: Mapping[str | None, int], order: Order | None, entry: ImageEntry
) -> list[ImageAnnotation]:
    """The segments of an image: one for each row with pairs."""
    height, width = entry.size if 0 not in entry.size else _size_of(entry)
    defects: list[Defect] = []
    lines, pairs = _read_pairs([line for line in entry.record if line.pairs], height * width, file_name, defects)
    for row in _row_major_rows(pairs, len(lines), height, width) if order is None else ():
        message = "the pixels form no region down the columns, but along the rows; try --read-option order=row"
        defects.append(_row_defect(lines[row], message, file_name, "warning"))
    for row, share in _preview_rows(pairs, len(lines), height, width).items() if order is None else ():
        message = (
            f"the pixels form a region only in an image of {width // share} x {height // share}, 1/{share} of this "
            "one: scale the mask up and encode it again"
        )
        defects.append(_row_defect(lines[row], message, file_name, "warning"))
    if order == "row":
        pieces = [_along_rows(pairs.take(np.array([row]), len(lines)), height, width) for row in range(len(lines))]
        runs = Runs.concatenate(pieces, [1] * len(pieces))
    else:
        runs = _down_columns(pairs, height, width)
    categories = np.array([ids[line.category] for line in lines], np.int64)
    columns = {"file": [file_name] * len(lines), "place": [f"line {line.number}" for line in lines]}
    numbers = np.arange(1, len(lines) + 1, dtype=np.int64)
    return [ImageAnnotation((height, width), numbers, categories, runs, columns, defects=defects)]


def _row_defect(line: KaggleRow, message: str, file_name: str, severity: Severity | None = None) -> Defect:
    return Defect("SEG005", message, file_name, line=line.number, category=line.category, severity=severity)


def _read_pairs(
    lines: list[KaggleRow], n_pixels: int, file_name: str, defects: list[Defect]
) -> tuple[list[KaggleRow], Runs]:
    """The rows with valid pairs, and their sorted pairs, in the order of the table; adds the others to `defects`."""
    runs = _pairs_at_once(lines, n_pixels)
    if runs is not None:
        return lines, runs
    sound, pieces = [], []
    for line in lines:
        try:
            start, length = _parse_pairs(line.pairs, n_pixels)
        except ValueError as error:
            defects.append(_row_defect(line, f"{error}; left out", file_name))
            continue
        sound.append(line)
        pieces.append(Runs(start, length, np.zeros(len(start), np.int32)))
    return sound, Runs.concatenate(pieces, [1] * len(pieces))


def _pairs_at_once(lines: list[KaggleRow], n_pixels: int) -> Runs | None:
    """Parse the pairs of all rows at once; None if any row must be checked by itself."""
    text = "\n".join([line.pairs for line in lines]).encode()
    if not lines or text.translate(None, b"0123456789 \n"):
        return None
    size = np.fromiter((len(line.pairs) for line in lines), np.int64, len(lines))
    lists = b"[[%b]]" % text.replace(b" ", b",").replace(b"\n", b"]],[[")
    last = np.cumsum(size + 5) - 1
    numbers, ring, _, error = kernels.parse_rings(np.frombuffer(lists, np.uint8), last - size - 4, last)
    count = np.diff(ring)
    if error.any() or (count % 2).any() or (numbers > n_pixels).any():
        return None
    start, length = numbers[::2].astype(np.int64) - 1, numbers[1::2].astype(np.int64)
    owner = np.repeat(np.arange(len(lines), dtype=np.int32), count // 2)
    place = owner * np.int64(n_pixels) + start
    if (place[1:] < place[:-1]).any():
        order = np.argsort(place, kind="stable")
        start, length, owner, place = start[order], length[order], owner[order], place[order]
    beyond = start + length > n_pixels
    if (start < 0).any() or (length <= 0).any() or beyond.any() or (place[1:] < place[:-1] + length[:-1]).any():
        return None
    return Runs(start, length, owner)


def _size_of(entry: ImageEntry) -> tuple[int, int]:
    """Height and width of the image file; raises BrokenLabelsError if it cannot be read."""
    try:
        if entry.image is None:
            raise OSError("there is no image file")
        head = read_header(entry.image)
    except OSError as error:
        message = f"run lengths need the image's size, and {error.strerror or error}"
        raise BrokenLabelsError(Defect("SEG005", message)) from error
    return head.height, head.width


def _parse_pairs(pairs: str, n_pixels: int) -> tuple[Ints, Ints]:
    """Starts, from 0, and lengths; raises ValueError with the reason if they are unsound."""
    words = pairs.split()
    try:
        numbers = np.array(words, np.int64)
    except (ValueError, OverflowError):
        strange = next((word for word in words if not word.isdigit()), words[0])
        raise ValueError(f"{strange[:20]!r} is not a whole number") from None
    if len(numbers) % 2:
        raise ValueError(f"{len(numbers)} numbers are no pairs of start and length")
    start, length = numbers[::2] - 1, numbers[1::2]
    if (start < 0).any():
        raise ValueError(f"start {int(start.min()) + 1}: pixels are counted from 1")
    if (length <= 0).any():
        raise ValueError(f"length {int(length.min())} is not positive")
    by_start = np.argsort(start, kind="stable")
    start, length = start[by_start], length[by_start]
    if start[-1] + length[-1] > n_pixels:
        raise ValueError(f"pixel {int(start[-1] + length[-1])} is beyond the image's {n_pixels}")
    again = np.flatnonzero(start[1:] < start[:-1] + length[:-1])
    if len(again):
        # Starts from the end of the run before are in no order, and all runs together fit into the image.
        is_relative = (np.diff(by_start) < 0).any() and start.sum() + length.sum() <= n_pixels
        hint = ": does each start count from the end of the run before?" if is_relative else ""
        raise ValueError(f"pixel {int(start[again[0] + 1]) + 1} occurs twice{hint}")
    return start, length


def _down_columns(pairs: Runs, height: int, width: int) -> Runs:
    """Runs in column-major order, cut at the ends of columns and joined if two touch within a column."""
    # All segments on one number line: as columns of one wide image.
    start = pairs.owner * np.int64(height * width) + pairs.start
    first, last = start // height, (start + pairs.length - 1) // height
    column = expand_ranges(first, last - first + 1)
    pair = np.repeat(np.arange(len(start)), last - first + 1)
    top = np.maximum(start[pair], column * height)
    bottom = np.minimum((start + pairs.length)[pair], (column + 1) * height)
    begins = np.ones(len(top), bool)
    begins[1:] = (top[1:] > bottom[:-1]) | (column[1:] != column[:-1])
    first_rows = np.flatnonzero(begins)
    length = np.add.reduceat(bottom - top, first_rows) if len(first_rows) else top
    return Runs(top[first_rows] % (height * width), length, pairs.owner[pair[first_rows]])


def _along_rows(pairs: Runs, height: int, width: int) -> Runs:
    """The runs of one segment whose pixels are numbered along the rows."""
    edges = np.zeros(height * width + 1, np.int8)
    edges[pairs.start] += 1
    edges[pairs.start + pairs.length] -= 1
    return mask_to_runs(np.cumsum(edges[:-1], dtype=np.int8).reshape(height, width) > 0)


def _row_major_rows(pairs: Runs, n_lines: int, height: int, width: int) -> list[int]:
    """The lines whose pairs give torn stripes in column order, but coherent regions in row order.

    In a region, most of a run lies beside the run in the line before. Square images show no difference.
    """
    has_enough = np.bincount(pairs.owner, minlength=n_lines) >= _MIN_RUNS
    if height == width or not has_enough.any():
        return []
    torn = _coherence(pairs, n_lines, height, height * width) < _TORN
    coherent = _coherence(pairs, n_lines, width, height * width) > _COHERENT
    rows: list[int] = np.flatnonzero(has_enough & torn & coherent).tolist()
    return rows


def _preview_rows(pairs: Runs, n_lines: int, height: int, width: int) -> dict[int, int]:
    """The lines whose pairs count the pixels of a preview, and the part of the sides that it has: 1/2, 1/3 or 1/4.

    A column of the preview continues in its next one, 1/2 column of the image further, more than two columns further.
    A mask of the image does so only if it repeats itself down the column.
    """
    n_pixels = height * width
    last = np.zeros(n_lines, np.int64)
    np.maximum.at(last, pairs.owner, pairs.start + pairs.length)
    is_early = (np.bincount(pairs.owner, minlength=n_lines) >= _MIN_RUNS) & (last <= n_pixels // 4)
    if not is_early.any():
        return {}
    in_image = _coherence(pairs, n_lines, height, n_pixels)
    shares: dict[int, int] = {}
    for share in (2, 3, 4):  # of two that fit, the smaller preview: it continues in each second column, too
        in_preview = _coherence(pairs, n_lines, height // share, n_pixels)
        fits = is_early & (last <= n_pixels // share**2) & (in_preview > _COHERENT) & (in_preview > in_image)
        shares |= dict.fromkeys(np.flatnonzero(fits).tolist(), share)
    return shares


def _coherence(pairs: Runs, n_lines: int, line: int, n_pixels: int) -> Floats:
    """(n_lines,) the share of each mask that has mask beside it in the next line of `line` pixels, 0 to 1."""
    start = pairs.owner * np.int64(n_pixels + line) + pairs.start  # with a gap between masks, so that they do not touch
    ends, shifted = start + pairs.length, start + line
    position = np.maximum(np.searchsorted(start, shifted, side="right") - 1, 0)
    shared = np.zeros(len(start), np.int64)
    for beside in (position, np.minimum(position + 1, len(start) - 1)):
        overlap = np.minimum(ends[beside], shifted + pairs.length) - np.maximum(start[beside], shifted)
        shared = np.maximum(shared, overlap)
    total = np.maximum(np.bincount(pairs.owner, pairs.length, n_lines), 1)
    coherent: Floats = np.bincount(pairs.owner, shared, n_lines) / total
    return coherent


def open_table(request: ReadRequest) -> PerImageSource:
    """Open a table; raises UnreadableError if there is none, or several, or if the size of the images is unknown."""
    path = find_table(request.root)
    order, size = _order_option(request), size_option(request, "kaggle-rle")
    rows = read_table(path, path.name)
    only = str(request.options.get("category", "object"))
    names = {line.category or only for lines in rows.of_image.values() for line in lines}
    taxonomy = request.taxonomy
    by_id = {} if taxonomy is None else {str(id_): category.name for id_, category in taxonomy.by_id().items()}
    resolved = resolve_names((by_id.get(name, name) for name in names), taxonomy)
    ids = {name: resolved.to[by_id.get(name, name)] for name in names} | {
        None: resolved.to.get(by_id.get(only, only), 0)
    }
    entries, defects = _entries(request, path, rows, size)
    task: Task = "semantic" if rows.by_class else "instance"
    profile = resolved.profile("kaggle-rle", path, task, "sparse", "allow", name=request.root.stem)
    read = partial(read_image, path.name, ids, order)
    return PerImageSource(
        root=path.parent,
        profile=profile,
        entries=entries,
        defects=(*rows.defects, *defects),
        read_image=read,
        annotator=request.annotator,
        per_chunk=64,
        labels_name="declared size",
    )


def _order_option(request: ReadRequest) -> Order | None:
    order = request.options.get("order")
    if order is None:
        return None
    if order not in ("column", "row"):
        raise SegdataError(f"kaggle-rle: order is {order!r}, it is column or row")
    return "row" if order == "row" else "column"


def _entries(
    request: ReadRequest, path: Path, rows: KaggleTable, size: tuple[int, int]
) -> tuple[list[ImageEntry], list[Defect]]:
    """The images of a table, with their files; raises UnreadableError if the size of none of them is known."""
    names = list(rows.of_image)
    bare = [name for name in names if not PurePosixPath(name).suffix]
    whole = [name for name in names if name.lower().endswith(_SUFFIXES)]
    file_names = [name for name in names if PurePosixPath(name).suffix]
    file_names += [name + end for end in _SUFFIXES for name in bare]
    folder, defects = find_images(path, path.name, file_names, request.images)
    pictures = (*folder.paths, *whole) if bare else ()
    by_stem = {without_extension(name): name for name in pictures}
    if bare and whole:
        message = (
            f"{len(bare):,} of {count_noun(len(names), 'name')} of images are without an extension, as {bare[0]!r}; "
            f"others have one, as {whole[0]!r}: a program that opens files by these names finds one kind alone"
        )
        defects.append(Defect("SEG002", message, path.name, severity="warning", lost=False))
    numbers = [name for name in names if _SPREADSHEET_NUMBER.fullmatch(name) and name not in by_stem]
    if numbers:
        message = (
            f"{count_noun(len(numbers), 'name')} of images such as {numbers[0]!r} are numbers that a spreadsheet "
            "rounded: several images may have one name; export the table with its names as text"
        )
        defects.append(Defect("SEG002", message, path.name, severity="error"))
    named: dict[str, list[str]] = {}  # image_id -> the names that the table gives it
    for name in sorted(names):
        named.setdefault(by_stem.get(name, name), []).append(name)
    entries = []
    for image_id, own_names in named.items():
        lines = [line for name in own_names for line in rows.of_image[name]]
        sizes = [line.size for line in lines if 0 not in line.size]
        image, own_size = folder.paths.get(image_id), (sizes or [size])[0]
        entries.append(ImageEntry(image_id, image, (path,), lines, own_size, source_id=own_names[0]))
    if entries and all(entry.image is None and 0 in entry.size for entry in entries):
        raise UnreadableError(
            f"{path}: run lengths need the size of the images: give --images DIR, or --read-option size=HEIGHTxWIDTH"
        )
    return entries, defects


_FILE = "labels.csv"


def write_table(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write the table: `target` itself if it ends in .csv, else labels.csv in that folder, with taxonomy.yaml."""
    writing.count_spatial_losses(profile, losses)
    alone = target.suffix.lower() == ".csv"
    path = target if alone else target / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    if alone:
        losses.add("category-details", "taxonomies", 1)
    else:
        write_sidecars(target, profile, profile.taxonomy)
    with path.open("w", encoding="utf-8", newline="") as file:
        _write_rows(profile, batches, file, losses)


def _write_rows(profile: Profile, batches: Iterable[Batch], file: TextIO, losses: LossCounter) -> None:
    lines = csv.writer(file, lineterminator="\n")
    lines.writerow(("ImageId", "EncodedPixels", "Height", "Width", "ClassId"))
    names = {id_: category.name for id_, category in profile.taxonomy.by_id().items()}
    for batch in batches:
        writing.count_losses(batch, losses, LOSSES)
        writing.count_unannotated_images(batch, losses)
        category = batch.segment_category.tolist()
        for image in writing.segments_by_image(batch):
            in_taxonomy = np.array([category[row] in names for row in image.segments.tolist()], bool)
            written = _writable_segments(batch, image, in_taxonomy, losses)
            size = (image.height or "", image.width or "")
            class_names = [names[category[row]] for row in written.segments.tolist()]
            for name, pairs in zip(class_names, _pairs_text(written), strict=True):
                lines.writerow((image.image_id, pairs, *size, name))
            if not class_names:
                lines.writerow((image.image_id, "", *size, ""))


def _writable_segments(
    batch: Batch, image: writing.ImageSegments, in_taxonomy: Flags, losses: LossCounter
) -> writing.ImageSegments:
    """The segments of an image that get rows; the others are counted as losses."""
    areas = image.runs.areas(len(image.segments))
    lacking, pixels = image.segments[~in_taxonomy], int(areas[~in_taxonomy].sum())
    losses.add("category", "segments", len(lacking), pixels, writing.segment_examples(batch, lacking))
    kept = np.flatnonzero(in_taxonomy & (areas > 0))
    empty = image.segments[in_taxonomy & (areas == 0)]
    writing.count_segments(batch, empty, "empty-segment", losses)
    rows = image.segments[kept]
    ids = batch.segments["segment_id"].to_numpy()[rows]
    named = batch.segments["source_id"].is_valid().to_numpy()[rows]
    renumbered = rows[(ids != np.arange(1, len(rows) + 1)) | named]
    writing.count_segments(batch, renumbered, "segment-id", losses)
    return image.only(kept)


def _pairs_text(image: writing.ImageSegments) -> Iterator[str]:
    """The pairs of each segment; runs that continue in the next column are joined."""
    offset = image.runs.offsets(len(image.segments)).tolist()
    for begin, end in pairwise(offset):
        start, length = image.runs.start[begin:end], image.runs.length[begin:end]
        goes_on = (start[1:] == start[:-1] + length[:-1]) & (start[1:] % max(image.height, 1) == 0)
        first = np.flatnonzero(np.concatenate([[True], ~goes_on]))
        pairs = np.stack([start[first] + 1, np.add.reduceat(length, first)], axis=1)
        yield " ".join(map(str, pairs.reshape(-1).tolist()))
