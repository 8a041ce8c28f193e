"""Revision reader: keeps the rows of images and annotations in memory, and reads segments part by part."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdata.core.batch import Batch, replace_column
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import Detached
from segdata.core.paths import SUSPECT, absolute_channels, absolute_uri, as_url, is_unsafe_path
from segdata.core.profile import ImageSequence, Profile
from segdata.core.runs import Flags, Ints, expand_ranges
from segdata.core.schema import (
    ANNOTATIONS,
    BATCH_ANNOTATIONS,
    BATCH_SEGMENTS,
    IMAGES,
    RLE_ERRORS,
    SEGMENTS,
    SEQUENCE_LENGTHS,
    SEQUENCES,
    make_table,
    rle_to_runs,
)
from segdata.core.storage import names_in, open_mirrored, open_piecewise, original_url
from segdata.formats.shared.per_image import number_chunks, segments_per_chunk

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData, ParquetFile

MAX_SIDE = 2**20  # pixels; more is a typing error, or an attempt to fill the memory


# Raised by pyarrow for damaged files: ValueError for names that are not UTF-8, KeyError for lost columns.
DECODER_ERRORS = (OSError, ValueError, KeyError, IndexError, TypeError, OverflowError, pa.ArrowException)


class RowGroup(msgspec.Struct, frozen=True):
    """A row group of a file of segments; called, it reads the rows."""

    place: str  # the file, a path or URL
    number: int  # of the row group
    size: int | None = None  # bytes of a file on a disk
    # of the file, parsed once for all groups; None in another process, which parses it itself
    metadata: "FileMetaData | None" = None

    def __call__(self) -> pa.Table:
        """The rows of `schema.SEGMENTS`; raises what `DECODER_ERRORS` lists."""
        url = as_url(self.place)
        return _read_row_group(Path(self.place) if url is None else url, self.number, self.metadata)

    def check(self) -> None:
        """Raise SegdataError if the file has changed."""
        if self.size is not None and Path(self.place).stat().st_size != self.size:
            raise SegdataError(f"{self.place}: is another file than where the dataset was opened")


class SegmentPart(msgspec.Struct, frozen=True):
    """Some segments, whole images of them."""

    file: str  # for messages: the file
    what: str  # which part of it
    image_ids: pa.Array  # of what images
    n_segments: int
    # gives the rows of `schema.SEGMENTS`; raises OSError or ArrowException where they are damaged
    read: Callable[[], pa.Table]


class _ImageGroup(msgspec.Struct, frozen=True):
    """A part, and the image rows that it has segments of."""

    part: SegmentPart
    images: Ints


class CanonicalSource:
    """The tables of a canonical dataset.

    Parameters
    ----------
    profile : what is known about the dataset as a whole
    images, annotations : rows of `schema.IMAGES` and `schema.ANNOTATIONS`; None: lost, which a defect tells
    parts : the segments
    files : what messages call the tables of images and annotations
    root : image URIs are relative to it
    defects : what was damaged on the way to here
    """

    def __init__(
        self,
        profile: Profile,
        images: pa.Table | None,
        annotations: pa.Table | None,
        parts: Iterable[SegmentPart],
        *,
        files: tuple[str, str],
        root: Path,
        defects: Sequence[Defect] = (),
    ) -> None:
        self._profile, self._root, self._defects = profile, root, list(defects)
        self._lacks_images, self._lacks_annotations = images is None, annotations is None
        self._file_names = [PurePosixPath(file).name for file in files]
        safe = self._safe(IMAGES.empty_table() if images is None else images, files[0])
        self._images = self._unique(*safe, ["image_id"], files[0])
        own_annotations = self._drop_orphans(
            ANNOTATIONS.empty_table() if annotations is None else annotations, files[1]
        )
        self._annotations = self._unique(*own_annotations, ["image_id", "annotator"], files[1])
        self._annotators = pc.unique(self._annotations["annotator"]).sort()
        # Both tables are in ascending order of the image: the annotations of image row i are
        # ``_first_annotation[i]:_first_annotation[i + 1]``.
        image = _positions(self._annotations["image_id"], self._images["image_id"])
        self._first_annotation = np.searchsorted(image, np.arange(self._images.num_rows + 1))
        self._groups = list(self._index_images(parts))
        self._group_images, self._group_numbers = _images_of_groups(self._groups)

    @property
    def profile(self) -> Profile:
        """The properties of the dataset as a whole."""
        return self._profile

    @cached_property
    def image_ids(self) -> Sequence[str]:
        """The image ids in stored, ascending order."""
        return list(self._images["image_id"].to_pylist())

    @cached_property
    def uris(self) -> Sequence[str | None]:
        """(n_images,) the stored places of image files: absolute paths, or URIs."""
        return [absolute_uri(uri, self._root) for uri in self._images["uri"].to_pylist()]

    @property
    def defects(self) -> Sequence[Defect]:
        """Damaged files, duplicate rows, and rows that refer to nothing."""
        return self._defects

    def chunks(self) -> list[Ints]:
        """The rows of images by row group of their segments; several groups at once in a large dataset.

        Images without segments go with those before them.
        """
        rows, group = np.arange(self._images.num_rows), np.zeros(self._images.num_rows, np.int64)
        for number, image_group in enumerate(self._groups):
            group[image_group.images] = number
        group = np.maximum.accumulate(group)
        ends = np.cumsum([0, *(image_group.part.n_segments for image_group in self._groups)])
        height = pc.fill_null(self._images["height"], 0).to_numpy()
        begin, end = ends[group] + np.searchsorted(group, group), int(ends[-1]) + len(rows)  # of the group
        portion = number_chunks(begin, end, segments_per_chunk(end, height, least=1))
        return np.split(rows, np.flatnonzero(np.diff(portion)) + 1) if len(rows) else []

    def load(self, rows: Ints) -> Batch:
        """The images at these rows, with their annotations and segments."""
        images = self._resolve_uris(self._images.take(pa.array(rows)))
        count = np.diff(self._first_annotation)[rows]
        image = np.repeat(np.arange(len(rows)), count)
        annotations = self._annotations.take(pa.array(expand_ranges(self._first_annotation[rows], count)))
        key = self._key(image, annotations["annotator"])
        columns = {name: annotations[name] for name in annotations.column_names if name != "image_id"}
        annotations = make_table(BATCH_ANNOTATIONS, len(key), image=image.astype(np.int32), **columns)

        stored, defects = self._read_segments(images, rows)
        keys = self._key(_positions(stored["image_id"], images["image_id"]), stored["annotator"])
        annotation = np.minimum(np.searchsorted(key, keys), max(len(key) - 1, 0))
        has_annotation = key[annotation] == keys if len(key) else np.zeros(len(keys), bool)
        for row in [] if self._lacks_annotations else np.flatnonzero(~has_annotation):
            message = f"segment of an annotation that {self._file_names[1]} lacks"
            defects.append(_segment_defect("SEG007", message, stored, int(row)))
        if not has_annotation.all() or (annotation[1:] < annotation[:-1]).any():
            rows_kept = np.flatnonzero(has_annotation)
            rows_kept = rows_kept[np.argsort(annotation[rows_kept], kind="stable")]
            stored, annotation = stored.take(pa.array(rows_kept)), annotation[rows_kept]
        return _decode(images, annotations, stored, annotation, defects)

    def detached(self) -> Detached | None:
        """A reader of rows and row groups for other processes; None for tables in memory."""
        if not all(isinstance(group.part.read, RowGroup) for group in self._groups):
            return None
        reader = _RevisionReader(self._profile, self._lacks_annotations, tuple(self._file_names), self._root.absolute())
        return Detached(reader, self._cut)

    def _cut(self, rows: Ints) -> "_RevisionPortion":
        ascending = np.sort(rows)
        images, count = self._images.take(pa.array(ascending)), np.diff(self._first_annotation)[ascending]
        return _RevisionPortion(
            order=np.searchsorted(ascending, rows),
            images=images,
            annotations=self._annotations.take(pa.array(expand_ranges(self._first_annotation[ascending], count))),
            parts=[
                _detached_part(self._groups[number].part, images["image_id"].combine_chunks())
                for number in self._groups_of(ascending)
            ],
        )

    def _groups_of(self, rows: Ints) -> Sequence[int]:
        """The groups that hold segments of the images at these rows."""
        first, last = (np.searchsorted(self._group_images, rows, side) for side in ("left", "right"))
        numbers: Sequence[int] = np.unique(self._group_numbers[expand_ranges(first, last - first)]).tolist()
        return numbers

    def _read_segments(self, images: pa.Table, rows: Ints) -> tuple[pa.Table, list[Defect]]:
        """Read the segment rows of some images, and report damage."""
        pieces, defects = [], []
        for number in self._groups_of(rows):
            part = self._groups[number].part
            try:
                piece = part.read()
            except DECODER_ERRORS as error:
                defects.append(unreadable_defect(part.what, error, part.file))
                continue
            of_images = pc.is_in(piece["image_id"], value_set=images["image_id"].combine_chunks())
            pieces.append(piece if pc.all(of_images).as_py() else piece.filter(of_images))
        return pa.concat_tables(pieces or [SEGMENTS.empty_table()]), defects

    def _key(self, image: Ints, annotator: pa.ChunkedArray) -> Ints:
        """A number for each (image row, annotator), ascending in both; -1 for an unknown annotator."""
        code = _positions(annotator, self._annotators)
        return np.where(code < 0, -1, image * max(len(self._annotators), 1) + code)

    def _index_images(self, parts: Iterable[SegmentPart]) -> Iterator[_ImageGroup]:
        """The images whose segments each part holds."""
        listed = list(parts)
        image_ids = pa.chunked_array([part.image_ids for part in listed], pa.string())
        ends = np.cumsum([len(part.image_ids) for part in listed])
        for part, rows in zip(listed, np.split(_positions(image_ids, self._images["image_id"]), ends), strict=False):
            for lost in self._unknown(part.image_ids, rows):
                message = f"segments of image {lost!r}, which {self._file_names[0]} lacks"
                self._defects.append(Defect("SEG007", message, part.file, image=lost))
            yield _ImageGroup(part, np.sort(rows[rows >= 0]))

    def _safe(self, images: pa.Table, name: str) -> tuple[pa.Table, Ints]:
        """The images with safe ids, and their rows, as writers create files of these names."""
        suspect = pc.fill_null(pc.match_substring_regex(images["image_id"], f"^$|{SUSPECT.pattern}"), True)
        safe = ~suspect.to_numpy()
        for row in np.flatnonzero(~safe).tolist():
            stored_name = images["image_id"][row].as_py()
            safe[row] = bool(stored_name) and not is_unsafe_path(stored_name)
        for row in np.flatnonzero(~safe).tolist():
            image_id = images["image_id"][row].as_py()
            message = f"row {row}: image_id {image_id!r} is no path below the images root; left out"
            self._defects.append(Defect("SEG015", message, name, image=image_id))
        return self._drop_bad_sizes(images, safe, name).filter(pa.array(safe)), np.flatnonzero(safe)

    def _drop_bad_sizes(self, images: pa.Table, safe: Flags, name: str) -> pa.Table:
        """The images without those of impossible size; unsafe names have been reported."""
        sides = [pc.fill_null(images[side], 1).to_numpy() for side in ("width", "height")]
        wrong = safe & np.logical_or.reduce([(side < 1) | (side > MAX_SIDE) for side in sides])
        for row in np.flatnonzero(wrong).tolist():
            stored = images.select(["width", "height", "image_id"]).slice(row, 1).to_pylist()[0]
            size = " x ".join("unknown" if stored[side] is None else str(stored[side]) for side in ("width", "height"))
            message = f"row {row}: the image's size is {size}; 1 to {MAX_SIDE:,} is expected"
            self._defects.append(Defect("SEG004", message, name, image=stored["image_id"]))
        for side in ("width", "height") if wrong.any() else ():
            images = replace_column(images, side, pc.if_else(pa.array(wrong), None, images[side]))
        return images

    def _drop_orphans(self, annotations: pa.Table, name: str) -> tuple[pa.Table, Ints]:
        """The annotations of images that exist, and their rows."""
        rows = _positions(annotations["image_id"], self._images["image_id"])
        for lost in self._unknown(annotations["image_id"], rows):
            message = f"annotation of image {lost!r}, which {self._file_names[0]} lacks"
            self._defects.append(Defect("SEG007", message, name, image=lost))
        return annotations.filter(pa.array(rows >= 0)), np.flatnonzero(rows >= 0)

    def _unknown(self, image_ids: pa.ChunkedArray, rows: Ints) -> list[str | None]:
        """The ids without a row in `images`; empty if the whole table is lost, which has been reported."""
        return [] if self._lacks_images else image_ids.filter(pa.array(rows < 0)).to_pylist()

    def _unique(self, rows: pa.Table, numbers: Ints, columns: list[str], name: str) -> pa.Table:
        """The first row of each key, in ascending order of the key; a defect for every other.

        `numbers` (n,) are those of the rows in the file.
        """
        ids = rows[columns[0]].combine_chunks()
        if pc.all(pc.less(ids[:-1], ids[1:]), skip_nulls=False).as_py():
            return rows.combine_chunks()
        keys = rows.select(columns).append_column("row", pa.array(np.arange(rows.num_rows)))
        first = keys.group_by(columns).aggregate([("row", "min")])["row_min"].to_numpy()
        repeated = np.ones(rows.num_rows, bool)
        repeated[first] = False
        for row in np.flatnonzero(repeated).tolist():
            key = ", ".join(str(rows[column][row].as_py()) for column in columns)
            message = f"row {numbers[row]} repeats {' and '.join(columns)} ({key})"
            image = rows["image_id"][row].as_py()
            self._defects.append(Defect("SEG008", message, name, image=image))
        kept = rows.filter(pa.array(~repeated))
        return kept.sort_by([(column, "ascending") for column in columns]).combine_chunks()

    def _resolve_uris(self, images: pa.Table) -> pa.Table:
        """Images with absolute URIs."""
        uris = [absolute_uri(uri, self._root) for uri in images["uri"].to_pylist()]
        channels = [absolute_channels(image_channels, self._root) for image_channels in images["channels"].to_pylist()]
        return replace_column(replace_column(images, "uri", uris), "channels", channels)


class _RevisionPortion(msgspec.Struct, frozen=True):
    """Images to load: their rows in ascending order, rows of their annotations, and the parts with their segments.

    `order`: the rows here in the requested order.
    """

    order: Ints
    images: pa.Table
    annotations: pa.Table
    parts: list[SegmentPart]


class _RevisionReader(msgspec.Struct, frozen=True):
    """Loads portions of a revision without holding its rows."""

    profile: Profile
    lacks_annotations: bool
    files: tuple[str, ...]
    root: Path

    def load(self, portion: _RevisionPortion) -> Batch:
        """The images of a portion."""
        for part in portion.parts:
            assert isinstance(part.read, RowGroup)
            part.read.check()
        images, annotations = self.files
        source = CanonicalSource(
            self.profile,
            portion.images,
            None if self.lacks_annotations else portion.annotations,
            portion.parts,
            files=(images, annotations),
            root=self.root,
        )
        return source.load(portion.order)


def _detached_part(part: SegmentPart, image_ids: pa.Array) -> SegmentPart:
    """A row group for another process, restricted to some images."""
    assert isinstance(part.read, RowGroup)
    part_ids = part.image_ids.filter(pc.is_in(part.image_ids, value_set=image_ids))
    read = msgspec.structs.replace(part.read, metadata=None)
    return SegmentPart(part.file, part.what, part_ids, part.n_segments, read)


def _images_of_groups(groups: Sequence[_ImageGroup]) -> tuple[Ints, Ints]:
    """The image rows of all groups in ascending order, and the number of the group that each belongs to."""
    images = np.concatenate([np.empty(0, np.int64), *(group.images for group in groups)])
    numbers = np.repeat(np.arange(len(groups)), [len(group.images) for group in groups])
    order = np.argsort(images, kind="stable")
    return images[order], numbers[order]


def _decode(
    images: pa.Table, annotations: pa.Table, stored: pa.Table, annotation: Ints, defects: list[Defect]
) -> Batch:
    """Decode stored rows to a batch; segments with damaged counts are left out and reported."""
    image = annotations["image"].to_numpy()[annotation]
    height, width = (pc.fill_null(images[name], 0).to_numpy().astype(np.int64)[image] for name in ("height", "width"))
    runs, error = rle_to_runs(stored["counts"].combine_chunks(), height, width)
    for row in np.flatnonzero(error):
        defects.append(_segment_defect("SEG005", RLE_ERRORS[int(error[row])], stored, int(row)))
    columns = {name: stored[name] for name in BATCH_SEGMENTS.names if name in stored.column_names}
    columns |= {
        "annotation": annotation.astype(np.int32),
        "declared_area": stored["area"].cast(pa.float64(), safe=False),  # numbers from 2^53 on are rounded
        "declared_bbox": stored["bbox"].cast(pa.list_(pa.float64())),
    }
    segments = make_table(BATCH_SEGMENTS, stored.num_rows, **columns).combine_chunks()
    batch = Batch(images, annotations, segments, runs, tuple(defects))
    return batch.take_segments(np.flatnonzero(error == 0)) if error.any() else batch


def conform(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """`rows` with exactly the columns of `schema`: missing ones null, types cast; raises ArrowException otherwise."""
    missing = {"image_id", "segment_id", "category_id", "counts"} & (set(schema.names) - set(rows.column_names))
    if missing:
        raise pa.ArrowInvalid(f"no column {', '.join(sorted(missing))}")
    twice = sorted(name for name in schema.names if rows.column_names.count(name) > 1)
    if twice:
        raise pa.ArrowInvalid(f"column {', '.join(twice)} is there twice")
    columns = {name: rows[name] for name in schema.names if name in rows.column_names}
    for name in ("segment_id", "category_id", "counts"):
        if name in columns and columns[name].null_count:
            raise pa.ArrowInvalid(f"column {name} has empty cells")
    conformed = make_table(schema, rows.num_rows, **columns)
    conformed.validate(full=True)  # invalid UTF-8 is found only when texts are validated
    return conformed


def _positions(values: pa.ChunkedArray | pa.Array, among: pa.ChunkedArray | pa.Array) -> Ints:
    """(n,) the first position of each value in `among`, or -1; null counts as a value."""
    value_set = among.combine_chunks() if isinstance(among, pa.ChunkedArray) else among
    positions = pc.index_in(values, value_set=value_set)
    return pc.fill_null(positions, -1).to_numpy(zero_copy_only=False).astype(np.int64)  # type: ignore[no-any-return]


def _segment_defect(code: str, message: str, stored: pa.Table, row: int) -> Defect:
    line = stored.slice(row, 1).to_pylist()[0]
    return Defect(
        code,
        message,
        "segments",
        image=line["image_id"],
        annotator=line["annotator"],
        segments=(line["source_id"] or line["segment_id"],),
    )


def unreadable_defect(what: str, error: Exception, file: str) -> Defect:
    """The defect of an unreadable part (`what`) of a file."""
    if isinstance(error, FileNotFoundError):
        return Defect("SEG002", f"{what} does not exist; restore the file from a backup", file)
    return Defect("SEG001", f"{what} cannot be read: {_reason(error)}; restore the file from a backup", file)


def _reason(error: Exception) -> str:
    """The first line of an error, without the path that pyarrow may add."""
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or re.sub(r" ?'[^']*/[^']*':? ?", " ", str(error).splitlines()[0])[:200].strip().rstrip(".")


_MAX_MISSING_NAMED = 1000  # missing part files


def open_revision(folder: Path, root: Path, profile: Profile, n_parts: int = 0) -> CanonicalSource:
    """Open the revision in `folder` of the dataset at `root`, whose yaml files give `profile`.

    `n_parts`: minimum number of part files of segments. Raises UnreadableError if there is no folder.
    """
    if not folder.is_dir():
        raise UnreadableError(f"{root}: dataset.yaml names revision {folder.name}, which has no folder")
    defects: list[Defect] = []
    images, annotations = (
        _read_table(folder / f"{name}.parquet", root, schema, defects)
        for name, schema in (("images", IMAGES), ("annotations", ANNOTATIONS))
    )
    path = folder / "sequences.parquet"
    sequences = _read_table(path, root, SEQUENCES, defects, SEQUENCE_LENGTHS) if path.exists() else None
    present = _part_files(folder)
    if n_parts > len(present) + _MAX_MISSING_NAMED:  # a damaged number may have any value
        message = f"dataset.yaml says {n_parts:,} part files, {len(present):,} are there; restore them from a backup"
        defects.append(Defect("SEG002", message, f"{folder.name}/segments"))
        n_parts = 0
    paths = {*present, *(folder / "segments" / part_name(number) for number in range(n_parts))}
    return CanonicalSource(
        profile if sequences is None else replace(profile, sequences=sequences_from_rows(sequences)),
        images,
        annotations,
        [part for path in sorted(paths) for part in _list_parts(path, root, defects)],
        files=(f"{folder.name}/images.parquet", f"{folder.name}/annotations.parquet"),
        root=root,
        defects=defects,
    )


def _open_parquet(place: Path | str, metadata: "FileMetaData | None" = None) -> "ParquetFile":
    """Open a Parquet file: local, remote by a mirror, or under a URL."""
    from pyarrow.parquet import ParquetFile  # slow to import, and only canonical data need it

    return ParquetFile(open_piecewise(place) if isinstance(place, str) else open_mirrored(place), metadata=metadata)


def _part_files(folder: Path) -> list[Path]:
    """The files of segments of a revision."""
    segments = folder / "segments"
    return [segments / name for name in names_in(segments) if name.endswith(".parquet")]


def _read_table(
    path: Path, root: Path, schema: pa.Schema, defects: list[Defect], lengths: Mapping[str, int] | None = None
) -> pa.Table | None:
    """Read a small table; None, with a defect, if it is damaged.

    `lengths`: required length of the lists in some columns.
    """
    try:
        rows = conform(_open_parquet(path).read(), schema).combine_chunks()
        _check_lengths(rows, lengths or {})
        return rows
    except DECODER_ERRORS as error:
        defects.append(unreadable_defect("the table", error, path.relative_to(root).as_posix()))
        return None


def _check_lengths(rows: pa.Table, lengths: Mapping[str, int]) -> None:
    """Raise ArrowInvalid if a list in a column has the wrong length, or a null in it."""
    for name, length in lengths.items():
        for values in rows[name].to_pylist():
            if values is not None and (len(values) != length or None in values):
                raise pa.ArrowInvalid(f"column {name} has {values!r:.60}, which is not {length} numbers")


def _list_parts(path: Path, root: Path, defects: list[Defect]) -> Iterator[SegmentPart]:
    """The row groups of a file of segments."""
    name = path.relative_to(root).as_posix()
    try:
        file, place = _open_parquet(path), original_url(str(path.absolute()))
        size = None if as_url(place) else path.stat().st_size
        for number in range(file.num_row_groups):
            ids = pc.unique(file.read_row_group(number, columns=["image_id"])["image_id"].cast(pa.string()))
            ids.validate(full=True)
            read = RowGroup(place, number, size, file.metadata)
            yield SegmentPart(name, f"row group {number}", ids, file.metadata.row_group(number).num_rows, read)
    except DECODER_ERRORS as error:
        defects.append(unreadable_defect("the part", error, name))


def _read_row_group(place: Path | str, number: int, metadata: "FileMetaData | None") -> pa.Table:
    """Read the rows of a group; `metadata` is the file's, if it was parsed before."""
    return conform(_open_parquet(place, metadata).read_row_group(number, use_threads=False), SEGMENTS)


def free_id(folder: Path) -> int:
    """A segment id above all those of the revision in `folder`, at least 1."""
    highest = 0
    for path in _part_files(folder):
        largest = pc.max(_open_parquet(path).read(columns=["segment_id"])["segment_id"]).as_py()
        highest = max(highest, largest or 0)
    return highest + 1


def part_name(number: int) -> str:
    """The file name of a part of the segments."""
    return f"part-{number:05d}.parquet"


def sequences_from_rows(rows: pa.Table) -> tuple[ImageSequence, ...]:
    """Convert rows of sequences.parquet to the profile's sequences."""
    return tuple(
        ImageSequence(
            name=row["sequence"],
            kind="volume" if row["kind"] == "volume" else "video",
            affine=None if row["affine"] is None else tuple(row["affine"]),
            axes=row["axes"],
            spacing=None if row["spacing"] is None else tuple(row["spacing"]),
            dtype=row["dtype"],
            header=row["header"],
        )
        for row in rows.to_pylist()
    )
