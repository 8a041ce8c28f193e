"""MOTS files: detect, read and write both layouts, a mask for each frame or text with RLE."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image
from pyarrow import csv

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.errors import UnreadableError, check_choice, count_noun
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest, Source
from segdata.core.losses import LossCounter
from segdata.core.paths import check_path_name, dataset_folder
from segdata.core.profile import Profile
from segdata.core.runs import Flags, Ints, Runs, expand_ranges
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_SEGMENTS, flat_bytes, make_table
from segdata.formats.coco.segments import read_rles
from segdata.formats.shared.image_index import has_index
from segdata.formats.shared.image_names import images_folder, no_images_defect
from segdata.formats.shared.images import MAX_PIXELS, ImageFolder, size_defects
from segdata.formats.shared.mask_files import MaskFile, ValueMeanings, ValueRuns, value_defects
from segdata.formats.shared.pairing import pair_masks
from segdata.formats.shared.per_image import (
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    chunk_segments,
    entry_header,
    image_table,
    relative_path,
    segments_per_chunk,
)
from segdata.formats.shared.taxonomies import write_sidecars
from segdata.formats.video import MOTS_TEXT_FOLDER, frame_masks
from segdata.formats.video.mots import LOSSES
from segdata.formats.video.mots_classes import (
    DIVISOR,
    IGNORED,
    LABELS,
    MotsClasses,
    mots_class_numbers,
    read_mots_classes,
)

_LAST_FRAME = 999_999
_LAYOUTS = ("png", "txt")
_MASKS = "instances"
_LAYOUT = f"MOTS has {_MASKS}/<sequence>/<frame>.png or <sequence>.txt"
_NAME_LENGTH = len("000000")
_ASCII = bytes(range(128)) + b"!" * 128
_FIELDS = ("frame", "id", "class", "height", "width", "rle")
_NUMBER = "^[0-9]{1,9}$"


@dataclass(frozen=True, slots=True)
class _DecodedSegments:
    """The n decoded segments."""

    runs: Runs  # `runs.owner` is the position among the n
    sound: Flags  # (n,) whether the pixels could be decoded
    columns: Mapping[str, object]  # of `schema.BATCH_SEGMENTS`, (n,) each
    faults: Sequence[tuple[int, Defect]] = ()  # (position of a segment, its defect); the caller fills in the image


@dataclass(frozen=True)
class _TextSource:
    """An opened dataset of text files.

    Attributes
    ----------
    root : base of the paths in messages
    profile, defects : of the dataset
    entries : its images, with their sizes; those with a record are annotated
    position, offset : the segments of image row i are ``position[offset[i]:offset[i + 1]]``
    draw : decodes the segments at these positions, given heights and widths (n,) of their images
    annotator, source : of all annotations; None: unknown
    """

    root: Path
    profile: Profile
    entries: Sequence[ImageEntry]
    defects: tuple[Defect, ...]
    position: Ints
    offset: Ints
    draw: Callable[[Ints, Ints, Ints], _DecodedSegments] = field(repr=False)
    annotator: str | None = None
    source: str | None = None

    @cached_property
    def image_ids(self) -> Sequence[str]:
        """(n_images,) the ids, in order."""
        return [entry.image_id for entry in self.entries]

    def chunks(self) -> list[Ints]:
        """The rows of images in chunks of some thousand segments."""
        heights = np.array([entry.size[0] for entry in self.entries], np.int64)
        return chunk_segments(self.offset, segments_per_chunk(len(self.position), heights))

    def load(self, rows: Ints) -> Batch:
        """The images at these rows, their segments decoded."""
        entries = [self.entries[row] for row in rows]
        defects: list[Defect] = []
        sizes = [self._size(entry, defects) for entry in entries]
        annotated = np.array([entry.is_annotated for entry in entries], bool)
        size = np.array(sizes, np.int64).reshape(-1, 2)
        # The missing size of the image was reported with the listing; without it nothing can be drawn.
        count = np.where(annotated & (size > 0).all(axis=1), np.diff(self.offset)[rows], 0)
        image = np.repeat(np.arange(len(rows)), count)
        decoded = self.draw(self.position[expand_ranges(self.offset[rows], count)], size[image, 0], size[image, 1])
        defects += [replace(fault, image=entries[image[k]].image_id) for k, fault in decoded.faults]
        annotation = np.cumsum(annotated) - 1
        segments = make_table(
            BATCH_SEGMENTS, len(image), annotation=annotation[image].astype(np.int32), **decoded.columns
        ).filter(pa.array(decoded.sound))
        number = np.cumsum(decoded.sound) - 1
        runs = Runs(decoded.runs.start, decoded.runs.length, number[decoded.runs.owner].astype(np.int32))
        shown = np.flatnonzero(annotated)
        n_annotations = len(shown)
        annotations = make_table(
            BATCH_ANNOTATIONS,
            n_annotations,
            image=shown.astype(np.int32),
            annotator=[self.annotator] * n_annotations,
            source=[self.source] * n_annotations,
            file=[relative_path(self.root, entries[row].files[0]) if entries[row].files else None for row in shown],
        )
        return Batch(image_table(entries, sizes), annotations, segments, runs, tuple(defects))

    def _size(self, entry: ImageEntry, defects: list[Defect]) -> tuple[int, int]:
        """Height and width as declared, else those of the image file."""
        head = entry_header(self.root, entry, defects)
        height, width = entry.size
        file = relative_path(self.root, entry.files[0]) if entry.files else None
        defects += size_defects(entry.image_id, head, width, height, "declared size", file, None)
        return (head.height, head.width) if head is not None and 0 in entry.size else entry.size


@dataclass(frozen=True, slots=True)
class _MotsLines:
    """The n valid lines of the files."""

    number: Ints  # (n, 5) int64: frame, id, class, height, width
    rle: pa.Array  # (n,) binary, as COCO compresses counts
    line: Ints  # (n,) int64, line number, from 1
    file: Sequence[str]  # (n,) names of the files, below the dataset's root

    @property
    def frame(self) -> Ints:
        return self.number[:, 0]

    @property
    def size(self) -> Ints:
        """(n, 2) height and width in pixels."""
        return self.number[:, 3:]

    def take(self, rows: Ints) -> "_MotsLines":
        return _MotsLines(
            self.number[rows], self.rle.take(pa.array(rows)), self.line[rows], [self.file[row] for row in rows.tolist()]
        )


def _join_lines(pieces: Sequence[_MotsLines]) -> _MotsLines:
    return _MotsLines(
        np.concatenate([np.empty((0, 5), np.int64), *(piece.number for piece in pieces)]),
        pa.concat_arrays([pa.array([], pa.binary()), *(piece.rle for piece in pieces)]),
        np.concatenate([np.empty(0, np.int64), *(piece.line for piece in pieces)]),
        [file for piece in pieces for file in piece.file],
    )


def _read_lines(root: Path, path: Path, classes: MotsClasses) -> tuple[_MotsLines, list[Defect]]:
    """Read the valid lines of a file, and the defects of the others. An empty file is a video without segments."""
    file = relative_path(root, path)
    try:
        rows, line, defects = _read_table(path, file)
    except OSError as error:
        code = "SEG002" if isinstance(error, FileNotFoundError) else "SEG001"
        return _join_lines([]), [Defect(code, f"the labels cannot be read: {error.strerror or error}", file)]
    sound = np.ones(len(line), bool)
    columns = []
    for name in _FIELDS[:5]:
        text = rows[name].combine_chunks()
        good = pc.match_substring_regex(text, _NUMBER).to_numpy(zero_copy_only=False)
        for row in np.flatnonzero(~good).tolist():
            content = text[row].as_py()[:20].decode("utf-8", "replace")
            defects.append(_line_defect("SEG004", f"{name} is {content!r}, not a number", file, line[row]))
        sound &= good
        columns.append(pc.if_else(pa.array(good), text, b"0").cast(pa.string()).cast(pa.int64()).to_numpy())
    number = np.stack(columns, axis=1)
    sizes = (number[:, 3:] > 0).all(axis=1) & (number[:, 3] * number[:, 4] <= MAX_PIXELS)
    for row in np.flatnonzero(sound & ~sizes).tolist():
        message = f"the image's size is {number[row, 4]} x {number[row, 3]}; 1 to {MAX_PIXELS:,} pixels are expected"
        defects.append(_line_defect("SEG004", message, file, line[row]))
    kept = np.flatnonzero(sound & sizes)
    lines = _MotsLines(number[kept], rows["rle"].combine_chunks().take(pa.array(kept)), line[kept], [file] * len(kept))
    return _check_lines(lines, file, classes, defects), defects


def _read_table(path: Path, file: str) -> tuple[pa.Table, Ints, list[Defect]]:
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
            defects.append(_line_defect("SEG004", message, file, row.number))
        return "skip"

    try:
        rows = csv.read_csv(
            # pyarrow cannot pass lines beyond ASCII to `skip`, so such bytes become a character that no field contains.
            pa.BufferReader(path.read_bytes().translate(_ASCII)),
            csv.ReadOptions(use_threads=False, block_size=size + 1, column_names=_FIELDS),
            csv.ParseOptions(delimiter=" ", quote_char=False, ignore_empty_lines=False, invalid_row_handler=skip),
            csv.ConvertOptions(column_types=dict.fromkeys(_FIELDS, pa.binary()), check_utf8=False),
        )
    except pa.ArrowInvalid as error:
        raise OSError(str(error)) from error
    line = np.setdiff1d(np.arange(1, rows.num_rows + len(skipped) + 1, dtype=np.int64), skipped)
    is_filled = pc.or_(pc.not_equal(rows["frame"], b""), pc.not_equal(rows["rle"], b""))  # otherwise the line is blank
    return rows.filter(is_filled), line[is_filled.to_numpy()], defects


def _line_defect(code: str, message: str, file: str, line: int) -> Defect:
    return Defect(code, f"{message}; left out", file, f"line {line}", line=int(line))


def _check_lines(lines: _MotsLines, file: str, classes: MotsClasses, defects: list[Defect]) -> _MotsLines:
    """The lines of known classes; unknown classes, repeated ids in a frame and ids of another class are defects."""
    kind, ids = lines.number[:, 2], lines.number[:, 1]
    is_known = classes.category_of(kind)[1]
    for class_ in np.unique(kind[~is_known]).tolist():
        rows = np.flatnonzero(kind == class_)
        message = f"class {class_} is unknown ({count_noun(len(rows), 'line')})"
        defects.append(_line_defect("SEG007", message, file, lines.line[rows[0]]))
    keys = np.stack([lines.frame, ids], axis=1)
    _, first = np.unique(keys, axis=0, return_index=True)
    for row in np.setdiff1d(np.arange(len(ids)), first).tolist():
        message = f"id {ids[row]} occurs twice in frame {lines.frame[row]}; both are read"
        place = f"line {lines.line[row]}"
        defects.append(Defect("SEG008", message, file, place, line=int(lines.line[row]), segments=(int(ids[row]),)))
    other = np.flatnonzero(is_known & (ids // DIVISOR != kind))
    if len(other) and classes.official:
        row = int(other[0])
        message = f"id {ids[row]} is of class {ids[row] // DIVISOR}, but the line says {kind[row]}"
        message += f"; {count_noun(len(other) - 1, 'more line')} like this" if len(other) > 1 else ""
        place = f"line {lines.line[row]}"
        defects.append(Defect("SEG004", message, file, place, line=int(lines.line[row]), severity="info"))
    return lines.take(np.flatnonzero(is_known))


def _decode_segments(
    lines: _MotsLines, classes: MotsClasses, rows: Ints, height: Ints, width: Ints
) -> _DecodedSegments:
    """The segments of the lines at these rows (n,), in images of these heights and widths (n,) in pixels."""
    picked = lines.take(rows)
    fits = np.flatnonzero((picked.size == np.stack([height, width], axis=1)).all(axis=1))
    text, offset = flat_bytes(picked.rle.take(pa.array(fits)))
    start, length, owner, error = kernels.decode_counts(
        text[offset[0] : offset[-1]], offset - offset[0], height[fits], width[fits]
    )
    sound = np.zeros(len(rows), bool)
    sound[fits] = error == 0
    bad = np.flatnonzero(~sound)
    category, _ = classes.category_of(picked.number[:, 2])
    void = np.isin(category, np.array(classes.naming.taxonomy.void_ids, np.int64))
    ids = picked.number[:, 1]
    columns = {
        "segment_id": ids,
        "category_id": category,
        "track_id": pa.array(ids, mask=void),
        "iscrowd": np.zeros(len(rows), bool),
        "file": picked.file,
        "place": [f"line {line}" for line in picked.line.tolist()],
    }
    faults = _faults(picked, bad, height, width)
    return _DecodedSegments(Runs(start, length, fits[owner].astype(np.int32)), sound, columns, faults)


def _faults(lines: _MotsLines, bad: Ints, height: Ints, width: Ints) -> list[tuple[int, Defect]]:
    """SEG005 for the lines whose RLE does not fit their image."""
    texts = [counts.decode("utf-8", "replace") for counts in lines.rle.take(pa.array(bad)).to_pylist()]
    sizes = lines.size[bad].tolist()
    raws = [
        msgspec.Raw(msgspec.json.encode({"size": size, "counts": text}))
        for size, text in zip(sizes, texts, strict=True)
    ]
    _, _, faults = read_rles(raws, height[bad], width[bad])
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
        for fault in faults
    ]


_FrameRows = dict[Path, dict[int, int]]  # the file of a sequence -> frame -> row of its image


def _text_folder(root: Path) -> Path:
    """The folder of the files."""
    return root / MOTS_TEXT_FOLDER if (root / MOTS_TEXT_FOLDER).is_dir() else dataset_folder(root)


def _text_files(root: Path) -> list[Path]:
    """The text files of the sequences, unread."""
    if root.is_file():
        return [root]
    paths = sorted(_text_folder(root).glob("*.txt")) or sorted(root.glob("*/gt/gt.txt"))
    for path in paths:
        check_path_name(path)
    return [path for path in paths if path.name != LABELS]


def _open_text(
    request: ReadRequest, images: Path | None, classes: MotsClasses, profile: Callable[[Iterable[ImageEntry]], Profile]
) -> _TextSource:
    """Open the files of a dataset; raises UnreadableError if there are none."""
    root = request.root
    defects = list(classes.defects)
    indexed = has_index(root)
    entries, rows_of_file = _entries_of_index(root, images, defects) if indexed else _entries_of_files(root, images)
    if not rows_of_file and not indexed:
        raise UnreadableError(
            f"{root}: no sequences; MOTS has {MOTS_TEXT_FOLDER}/<sequence>.txt or <sequence>/gt/gt.txt"
        )
    pieces, rows = [], []
    for path, row_of_frame in rows_of_file.items():
        lines, line_defects = _read_lines(root, path, classes)
        defects += line_defects
        if not row_of_frame:
            row_of_frame |= _add_line_entries(path, lines, entries)
        row = _image_rows(root, path, lines, row_of_frame, entries, defects)
        pieces.append(lines)
        rows.append(row)
    if not indexed and not any(entry.image for entry in entries):
        defects.append(no_images_defect(len(entries), root, images))
    all_lines, row = _join_lines(pieces), np.concatenate([np.empty(0, np.int64), *rows])
    order = np.argsort(row, kind="stable")
    order = order[row[order] >= 0]
    offset = np.searchsorted(row[order], np.arange(len(entries) + 1)).astype(np.int64)
    return _TextSource(
        root=root,
        profile=profile(entries),
        entries=entries,
        defects=tuple(defects),
        position=order,
        offset=offset,
        draw=partial(_decode_segments, all_lines, classes),
        annotator=request.annotator,
    )


def _entries_of_index(root: Path, images: Path | None, defects: list[Defect]) -> tuple[list[ImageEntry], _FrameRows]:
    """The images of `images.csv`, if segdata wrote one."""
    pairing = pair_masks(root, images)
    defects += pairing.defects
    rows_of_file: _FrameRows = {}
    for row, entry in enumerate(pairing.entries):
        for path in entry.files:
            rows_of_file.setdefault(path, {})[entry.frame or 0 if entry.sequence else 0] = row
    return list(pairing.entries), rows_of_file


def _entries_of_files(root: Path, images: Path | None) -> tuple[list[ImageEntry], _FrameRows]:
    entries: list[ImageEntry] = []
    rows_of_file: _FrameRows = {}
    for path in _text_files(root):
        sequence = path.parent.parent.name if path.name == "gt.txt" else path.stem
        folder = _sequence_images(root, images, path, sequence)
        paths = ImageFolder.below(folder).paths
        numbers = frame_masks.frame_numbers([Path(name).stem for name in paths])
        prefix = sequence if folder is None or folder.name == sequence else f"{sequence}/{folder.name}"
        rows_of_file[path] = {number: len(entries) + k for k, number in enumerate(numbers)}
        entries += [
            ImageEntry(f"{prefix}/{name}", image, (path,), sequence=sequence, frame=number)
            for (name, image), number in zip(paths.items(), numbers, strict=True)
        ]
    return entries, rows_of_file


def _sequence_images(root: Path, images: Path | None, path: Path, sequence: str) -> Path | None:
    if images is not None:
        return frame_masks.first_folder(images / sequence, images)
    above = _text_folder(root).parent
    places = [place / name for place in (root, above) for name in ("training/image_02", "image_02", "images")]
    beside = path.parent.parent / "img1" if path.name == "gt.txt" else None
    return frame_masks.first_folder(beside, *(place / sequence for place in places))


def _add_line_entries(path: Path, lines: _MotsLines, entries: list[ImageEntry]) -> dict[int, int]:
    """If there are no image files, add an image to `entries` for each frame that has a line."""
    sequence = path.parent.parent.name if path.name == "gt.txt" else path.stem
    numbers = np.unique(lines.frame).tolist()
    row_of_frame = {number: len(entries) + k for k, number in enumerate(numbers)}
    entries += [
        ImageEntry(f"{sequence}/{number:06d}.png", None, (path,), sequence=sequence, frame=number) for number in numbers
    ]
    return row_of_frame


def _numbering_hint(labelled: Set[int], frames: Collection[int]) -> str:
    """Ask whether labels count from another first frame: they end beyond the last one, and the first has none.

    >>> _numbering_hint({1, 2, 4}, [0, 1, 2, 3]), _numbering_hint({0, 1, 4}, [0, 1, 2, 3])
    (', which begins with 0: are labels counted from 1?', '')
    """
    if not frames:
        return ""
    first, last = min(frames), max(frames)
    for step in (1, -1):
        beyond, lacking = (last + step, first) if step > 0 else (first + step, last)
        if beyond in labelled and lacking not in labelled and all(first <= one - step <= last for one in labelled):
            return f", which begins with {first}: are labels counted from {first + step}?"
    return ""


def _image_rows(
    root: Path,
    path: Path,
    lines: _MotsLines,
    row_of_frame: dict[int, int],
    entries: list[ImageEntry],
    defects: list[Defect],
) -> Ints:
    """(n_lines,) the image of each line, -1 for frames without one; images get the size given in lines."""
    numbers, inverse = np.unique(lines.frame, return_inverse=True)
    row = np.array([row_of_frame.get(number, -1) for number in numbers.tolist()], np.int64)[inverse]
    hint = _numbering_hint(set(numbers.tolist()), row_of_frame)
    for number in np.unique(lines.frame[row < 0]).tolist():
        message = f"frame {number} is not among the images of the sequence{hint}; left out"
        line = int(lines.line[np.flatnonzero(lines.frame == number)[0]])
        defects.append(Defect("SEG007", message, relative_path(root, path), f"line {line}", line=line))
    _, first = np.unique(row, return_index=True)
    size_of = {int(row[position]): tuple(lines.size[position].tolist()) for position in first if row[position] >= 0}
    usual = tuple(lines.size[0].tolist()) if len(lines.size) else (0, 0)
    for image_row in row_of_frame.values():
        size = size_of.get(image_row, (0, 0) if entries[image_row].image else usual)
        if 0 in entries[image_row].size and 0 not in size:
            entries[image_row] = replace(entries[image_row], size=size)
    return row


class _TextWriter(AbstractContextManager["_TextWriter"]):
    """Collects the lines of frames, and writes the files below `target`, in frame order, once all are known."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._spool = frame_masks.Spool()

    def save(self, frame_path: frame_masks.FramePath, pixels: frame_masks.Values, shown: Ints, category: Ints) -> str:
        """Add the values of one frame; returns the file that will hold them."""
        height, width = pixels.shape
        mask_runs = ValueRuns.of(pixels)
        runs = mask_runs.select(np.flatnonzero(mask_runs.value > 0))
        size = np.full(len(shown), height, np.int64), np.full(len(shown), width, np.int64)
        text, offset = kernels.encode_counts(runs.start, runs.length, runs.offsets(len(shown)), *size)
        letters, bounds = text.tobytes().decode("ascii"), offset.tolist()
        lines = [
            f"{frame_path.number} {value} {value // DIVISOR} {height} {width} {letters[bounds[k] : bounds[k + 1]]}\n"
            for k, value in enumerate(np.sort(shown).tolist())
        ]
        self._spool.add(frame_path.folder, f"{frame_path.number} ".encode() + "".join(lines).encode())
        return f"{MOTS_TEXT_FOLDER}/{frame_path.folder}.txt"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._spool:
            if error is None:
                for folder, pieces in self._spool.items():
                    frames = sorted(
                        (int(number), lines) for number, _, lines in (piece.partition(b" ") for piece in pieces)
                    )
                    (self._target / MOTS_TEXT_FOLDER / f"{folder}.txt").write_bytes(
                        b"".join(lines for _, lines in frames)
                    )


def open_mots(request: ReadRequest) -> Source:
    """The dataset; raises UnreadableError if there are no sequences."""
    root = request.root
    layout = str(request.options.get("layout") or _find_layout(root))
    check_choice("layout", layout, _LAYOUTS)
    images = images_folder(request)
    if layout == "txt":
        classes = read_mots_classes(root, _text_folder(root), request.taxonomy)
        return _open_text(request, images, classes, partial(_profile, request, classes))
    pairing = frame_masks.pair_frames(root, _frame_folders(root, images), images, layout=_LAYOUT)
    masks = [path for entry in pairing.entries for path in entry.files]
    above = [root / _MASKS, *(folder for path in masks[:1] for folder in (path.parent, path.parent.parent))]
    folder = next((folder_above for folder_above in above if (folder_above / LABELS).is_file()), root)
    classes = read_mots_classes(root, folder, request.taxonomy)
    defects = (
        *classes.defects,
        *pairing.defects,
        *(_misnamed_frames(root, pairing.entries) if classes.official else ()),
    )
    profile = _profile(request, classes, pairing.entries)
    return PerImageSource(
        root, profile, pairing.entries, defects, partial(_read_frame, root, classes), annotator=request.annotator
    )


def _find_layout(root: Path) -> str:
    """The layout of a folder: PNG, unless there are only TXT files."""
    if root.is_file():
        return "txt"
    masks = any((folder / _MASKS).is_dir() for folder in (root, *_folders(root)))
    lines = (root / MOTS_TEXT_FOLDER).is_dir() or _text_files(root)
    return "txt" if lines and not masks else "png"


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir())


def _frame_folders(root: Path, images: Path | None) -> list[frame_masks.FrameFolder]:
    """The folders of masks: `instances/`, one in each split, or the root itself."""
    if not root.is_dir():
        raise UnreadableError(f"{root}: is not a folder; {_LAYOUT}")
    if (root / _MASKS).is_dir():
        return [frame_masks.FrameFolder(root / _MASKS, images or _image_folder(root))]
    splits = [folder for folder in _folders(root) if (folder / _MASKS).is_dir()]
    if splits:
        return [
            frame_masks.FrameFolder(
                split / _MASKS, images / split.name if images else _image_folder(split), split.name, f"{split.name}/"
            )
            for split in splits
        ]
    return [frame_masks.FrameFolder(root, images or (_image_folder(root.parent) if root.name == _MASKS else None))]


def _image_folder(root: Path) -> Path | None:
    """The usual folder of the images of sequences."""
    return frame_masks.first_folder(root / "training/image_02", root / "image_02", root / "images")


def _misnamed_frames(root: Path, entries: Iterable[ImageEntry]) -> list[Defect]:
    """SEG004, as an information, for each sequence whose frame names are not six digits."""
    misnamed: dict[Path, list[str]] = {}
    for entry in entries:
        for path in entry.files:
            if len(path.stem) != _NAME_LENGTH or not path.stem.isdecimal() or path.suffix != ".png":
                misnamed.setdefault(path.parent, []).append(path.name)
    return [
        Defect(
            "SEG004",
            f"{count_noun(len(names), 'frame')} not named like 000000.png, for example {names[0]!r}: mots_tools reads "
            "no others",
            relative_path(root, folder),
            severity="info",
        )
        for folder, names in misnamed.items()
    ]


def _profile(request: ReadRequest, classes: MotsClasses, entries: Iterable[ImageEntry]) -> Profile:
    sequences = frame_masks.list_sequences(entries)
    return classes.naming.profile("mots", request.root, "instance", "sparse", "forbid", sequences=sequences)


def _read_frame(root: Path, classes: MotsClasses, entry: ImageEntry) -> list[ImageAnnotation]:
    mask, runs = frame_masks.decode_frame(root, entry, False, "ids", "ids of 16 bits", "them as 16-bit grey PNG")
    category, is_known = classes.category_of(runs.value // DIVISOR)
    tracked = ~np.isin(category, np.array(classes.naming.taxonomy.void_ids, np.int64))
    defects = _unknown(mask, runs, ~is_known & (runs.value != 0))
    meaning = ValueMeanings(is_known, runs.value, category, np.zeros_like(is_known), tracked, defects)
    return [meaning.annotation(runs, relative_path(root, entry.files[0]), mask.encoding)]


def _unknown(mask: MaskFile, runs: ValueRuns, unknown: Flags) -> list[Defect]:
    """SEG009 for each value without a class, or one SEG010 for 8-bit masks, which cannot hold any."""
    if mask.values.dtype == np.uint8 and unknown.any():
        pixels = int(runs.area[unknown].sum())
        message = (
            f"8 bits cannot hold ids of {DIVISOR:,} or more: ids have wrapped, {pixels:,} px mean nothing; save 16 bits"
        )
        return [Defect("SEG010", message, pixels=pixels)]
    return value_defects(runs, np.flatnonzero(unknown).tolist(), "has no class")


def write_mots(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, *, layout: str = "png"
) -> None:
    """Write all images; raises SegdataError for what the format has no numbers for."""
    check_choice("layout", layout, _LAYOUTS)
    classes, names = mots_class_numbers(profile.taxonomy)
    scheme = frame_masks.ValueScheme(
        base={id_: DIVISOR * number for id_, number in classes.items()},
        void=IGNORED * DIVISOR,
        voids=profile.taxonomy.void_ids,
        numbers=frame_masks.TrackNumbers(0, DIVISOR - 1, f"MOTS holds {DIVISOR:,} of a category"),
    )
    folder = target / (_MASKS if layout == "png" else MOTS_TEXT_FOLDER)
    folder.mkdir(parents=True)
    if names is not None:
        (folder / LABELS).write_text("".join(f"{name}\n" for name in names), encoding="utf-8", newline="\n")
    if layout == "png":
        frame_masks.FrameWriter(
            scheme, 0, frame_masks.FramePaths(_LAST_FRAME), partial(_save_frame, target), LOSSES
        ).write(profile, batches, target, losses)
    else:
        with _TextWriter(target) as lines:
            frame_masks.FrameWriter(
                scheme, 0, frame_masks.FramePaths(_LAST_FRAME, {Path(LABELS).stem}), lines.save, LOSSES
            ).write(profile, batches, target, losses)
    write_sidecars(target, profile, profile.taxonomy)


def _save_frame(
    target: Path, frame_path: frame_masks.FramePath, pixels: frame_masks.Values, shown: Ints, category: Ints
) -> str:
    name = f"{_MASKS}/{frame_path.folder}/{frame_path.number:06d}.png"
    (target / name).parent.mkdir(exist_ok=True)
    Image.fromarray(pixels.astype(np.uint16)).save(target / name)
    return name
