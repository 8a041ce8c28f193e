"""MOTS lines: the text of one sequence as columns, every line checked, its RLE decoded when asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from segdata.core import kernels
from segdata.core.finding import Defect
from segdata.core.runs import Ints, Runs
from segdata.core.schema import flat_bytes
from segdata.formats.coco.segmentations import read_rles
from segdata.formats.shared.images import MAX_PIXELS
from segdata.formats.shared.per_image import relative_path
from segdata.formats.video.listed import Drawn
from segdata.formats.video.motsclasses import DIVISOR, MotsClasses

_ASCII = bytes(range(128)) + b"!" * 128
_FIELDS = ("frame", "id", "class", "height", "width", "rle")
_NUMBER = "^[0-9]{1,9}$"


@dataclass(frozen=True, slots=True)
class Lines:
    """The n sound lines of some files.

    Attributes
    ----------
    number : (n, 5) int64: frame, id, class, height, width
    rle : (n,) binary, as COCO compresses counts
    line : (n,) int64, in its file, from 1
    file : (n,) names of the files, below the dataset's root
    """

    number: Ints
    rle: pa.Array
    line: Ints
    file: Sequence[str]

    @property
    def frame(self) -> Ints:
        """(n,)."""
        return self.number[:, 0]

    @property
    def size(self) -> Ints:
        """(n, 2) height and width in pixels."""
        return self.number[:, 3:]

    def take(self, rows: Ints) -> "Lines":
        """Some of the lines."""
        return Lines(
            self.number[rows], self.rle.take(pa.array(rows)), self.line[rows], [self.file[row] for row in rows.tolist()]
        )


def joined(pieces: Sequence[Lines]) -> Lines:
    """The lines of all pieces."""
    return Lines(
        np.concatenate([np.empty((0, 5), np.int64), *(each.number for each in pieces)]),
        pa.concat_arrays([pa.array([], pa.binary()), *(each.rle for each in pieces)]),
        np.concatenate([np.empty(0, np.int64), *(each.line for each in pieces)]),
        [file for each in pieces for file in each.file],
    )


def read_lines(root: Path, path: Path, classes: MotsClasses) -> tuple[Lines, list[Defect]]:
    """The lines of a file that can be read, and what is wrong with the others. An empty file is a video of nothing."""
    file = relative_path(root, path)
    try:
        found, line, defects = _table(path, file)
    except OSError as error:
        code = "SEG002" if isinstance(error, FileNotFoundError) else "SEG001"
        return joined([]), [Defect(code, f"the labels cannot be read: {error.strerror or error}", file)]
    sound = np.ones(len(line), bool)
    columns = []
    for name in _FIELDS[:5]:
        text = found[name].combine_chunks()
        good = pc.match_substring_regex(text, _NUMBER).to_numpy(zero_copy_only=False)
        for row in np.flatnonzero(~good).tolist():
            said = text[row].as_py()[:20].decode("utf-8", "replace")
            defects.append(_wrong("SEG004", f"{name} is {said!r}, not a number", file, line[row]))
        sound &= good
        columns.append(pc.if_else(pa.array(good), text, b"0").cast(pa.string()).cast(pa.int64()).to_numpy())
    number = np.stack(columns, axis=1)
    sizes = (number[:, 3:] > 0).all(axis=1) & (number[:, 3] * number[:, 4] <= MAX_PIXELS)
    for row in np.flatnonzero(sound & ~sizes).tolist():
        message = f"the image's size is {number[row, 4]} x {number[row, 3]}; 1 to {MAX_PIXELS:,} pixels are expected"
        defects.append(_wrong("SEG004", message, file, line[row]))
    kept = np.flatnonzero(sound & sizes)
    lines = Lines(number[kept], found["rle"].combine_chunks().take(pa.array(kept)), line[kept], [file] * len(kept))
    return _checked(lines, file, classes, defects), defects


def _table(path: Path, file: str) -> tuple[pa.Table, Ints, list[Defect]]:
    """The lines with six fields as texts, their numbers, and SEG004 for the others; raises OSError."""
    size = path.stat().st_size
    if size == 0:
        return pa.table({name: pa.array([], pa.binary()) for name in _FIELDS}), np.empty(0, np.int64), []
    defects: list[Defect] = []
    skipped: list[int] = []

    def skip(row: csv.InvalidRow) -> str:
        skipped.append(row.number)
        if row.text.strip():
            message = f"{row.actual_columns} fields; {', '.join(_FIELDS)} are expected"
            defects.append(_wrong("SEG004", message, file, row.number))
        return "skip"

    try:
        found = csv.read_csv(
            # pyarrow cannot show `skip` a line that is no text: bytes that no field has become a letter that none has.
            pa.BufferReader(path.read_bytes().translate(_ASCII)),
            csv.ReadOptions(use_threads=False, block_size=size + 1, column_names=_FIELDS),
            csv.ParseOptions(delimiter=" ", quote_char=False, ignore_empty_lines=False, invalid_row_handler=skip),
            csv.ConvertOptions(column_types=dict.fromkeys(_FIELDS, pa.binary()), check_utf8=False),
        )
    except pa.ArrowInvalid as error:
        raise OSError(str(error)) from error
    line = np.setdiff1d(np.arange(1, found.num_rows + len(skipped) + 1, dtype=np.int64), skipped)
    said = pc.or_(pc.not_equal(found["frame"], b""), pc.not_equal(found["rle"], b""))  # else the line is blank
    return found.filter(said), line[said.to_numpy()], defects


def _wrong(code: str, message: str, file: str, line: int) -> Defect:
    return Defect(code, f"{message}; left out", file, f"line {line}", line=int(line))


def _checked(lines: Lines, file: str, classes: MotsClasses, defects: list[Defect]) -> Lines:
    """The lines of known classes; other classes, ids twice in a frame and ids of another class are defects."""
    kind, ids = lines.number[:, 2], lines.number[:, 1]
    known = classes.of(kind)[1]
    for each in np.unique(kind[~known]).tolist():
        rows = np.flatnonzero(kind == each)
        message = f"class {each} is unknown ({len(rows)} lines)"
        defects.append(_wrong("SEG007", message, file, lines.line[rows[0]]))
    keys = np.stack([lines.frame, ids], axis=1)
    _, first = np.unique(keys, axis=0, return_index=True)
    for row in np.setdiff1d(np.arange(len(ids)), first).tolist():
        message = f"id {ids[row]} is here twice in frame {lines.frame[row]}; both are read"
        place = f"line {lines.line[row]}"
        defects.append(Defect("SEG008", message, file, place, line=int(lines.line[row]), segments=(int(ids[row]),)))
    other = np.flatnonzero(known & (ids // DIVISOR != kind))
    if len(other) and classes.official:
        row = int(other[0])
        message = (
            f"id {ids[row]} is of class {ids[row] // DIVISOR}, the line says {kind[row]}, as {len(other)} lines do"
        )
        place = f"line {lines.line[row]}"
        defects.append(Defect("SEG004", message, file, place, line=int(lines.line[row]), severity="info"))
    return lines.take(np.flatnonzero(known))


def draw(lines: Lines, classes: MotsClasses, at: Ints, height: Ints, width: Ints) -> Drawn:
    """The segments of the lines `at` these positions, in images of these sizes in pixels."""
    picked = lines.take(at)
    fits = np.flatnonzero((picked.size == np.stack([height, width], axis=1)).all(axis=1))
    text, offset = flat_bytes(picked.rle.take(pa.array(fits)))
    start, length, owner, error = kernels.decode_counts(
        text[offset[0] : offset[-1]], offset - offset[0], height[fits], width[fits]
    )
    sound = np.zeros(len(at), bool)
    sound[fits] = error == 0
    bad = np.flatnonzero(~sound)
    category, _ = classes.of(picked.number[:, 2])
    void = np.isin(category, np.array(classes.naming.taxonomy.void_ids, np.int64))
    ids = picked.number[:, 1]
    columns = {
        "segment_id": ids,
        "category_id": category,
        "track_id": pa.array(ids, mask=void),
        "iscrowd": np.zeros(len(at), bool),
        "file": picked.file,
        "place": [f"line {line}" for line in picked.line.tolist()],
    }
    faults = _faults(picked, bad, height, width)
    return Drawn(Runs(start, length, fits[owner].astype(np.int32)), sound, columns, faults)


def _faults(lines: Lines, bad: Ints, height: Ints, width: Ints) -> list[tuple[int, Defect]]:
    """SEG005 for the lines whose RLE is not that of their image."""
    texts = [each.decode("utf-8", "replace") for each in lines.rle.take(pa.array(bad)).to_pylist()]
    sizes = lines.size[bad].tolist()
    raws = [
        msgspec.Raw(msgspec.json.encode({"size": size, "counts": text}))
        for size, text in zip(sizes, texts, strict=True)
    ]
    _, _, said = read_rles(raws, height[bad], width[bad])
    return [
        (
            int(bad[fault.row]),
            Defect(
                fault.code,
                fault.message,
                lines.file[bad[fault.row]],
                f"line {lines.line[bad[fault.row]]}",
                line=int(lines.line[bad[fault.row]]),
                segments=(int(lines.number[bad[fault.row], 1]),),
            ),
        )
        for fault in said
    ]
