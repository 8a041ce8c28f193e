"""Masks of video frames, `<sequence>/<frame>.png`: pair them with images, decode, number and write them."""

import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path, PurePosixPath
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch, integer_column
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect, Severity
from segdata.core.losses import LossCounter, LossKind
from segdata.core.paths import is_unsafe_path, without_extension
from segdata.core.profile import ImageSequence, Profile
from segdata.core.runs import Flags, Ints, Rows
from segdata.formats.shared import writing
from segdata.formats.shared.image_index import Cell, has_index, write_index
from segdata.formats.shared.image_names import no_images_defect
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.mask_files import MaskFile, ValueRuns, decode_entry_mask
from segdata.formats.shared.pairing import Pairing, masks_alone_defect, pair_masks
from segdata.formats.shared.per_image import BrokenLabelsError, ImageEntry, relative_path
from segdata.formats.video import is_video_name

_PIXELS_PER_BLOCK = 1 << 24


@dataclass(frozen=True, slots=True)
class FrameFolder:
    """A folder of videos."""

    masks: Path  # the folder of masks, with a subfolder for each sequence
    images: Path | None = None  # the folder of images, with the same layout; None if there is none
    split: str | None = None  # of all of them
    prefix: str = ""  # of image ids: ``train/``


@dataclass(slots=True)
class _Frame:
    """The files of a frame, and its name: the image's if there is one."""

    name: str
    mask: Path | None = None
    image: Path | None = None


def pair_frames(
    root: Path, folders: Sequence[FrameFolder], images: Path | None = None, *, layout: str, sparse: bool = False
) -> Pairing:
    """Pair the frames of a dataset: by `images.csv` if segdata wrote one, else in `folders`.

    Masks and images match by sequence and name without extension. Unpaired files are SEG011, one for a whole sequence;
    with `sparse`, only some frames of a video are expected to have masks. If no image is known, there is one defect.
    Raises UnreadableError, which says that the format has this `layout`, if the folders have no mask.
    """
    if has_index(root):
        return pair_masks(root, images)
    defects: list[Defect] = []
    sequences_of = [_sequences(folder, root, defects) for folder in folders]
    count = Counter(name for sequences in sequences_of for name in sequences)
    bare = not any(
        frame.image for sequences in sequences_of for frames in sequences.values() for frame in frames.values()
    )
    entries: list[ImageEntry] = []
    for folder, sequences in zip(folders, sequences_of, strict=True):
        for name, frames in sequences.items():
            title = name or folder.split or root.name
            entries += _entries(folder, folder.prefix + title if name and count[name] > 1 else title, frames)
            defects += [] if bare else _unpaired_defects(root, folder, name, frames, sparse)
    if not any(entry.files for entry in entries):
        raise UnreadableError(f"{root}: no frames; {layout}")
    if bare:
        defects.append(no_images_defect(len(entries), root, images))
    places = {"masks": folders[0].masks.as_posix()} if folders else {}
    return Pairing(tuple(entries), tuple(defects), bare, places)


def _sequences(folders: FrameFolder, root: Path, defects: list[Defect]) -> dict[str, dict[str, _Frame]]:
    """Sequence -> name without folder and extension -> frame; a second file of one name is SEG008."""
    frames_of: dict[str, dict[str, _Frame]] = {}
    for folder, what in ((folders.images, "image"), (folders.masks, "mask")):
        for name, path in ImageFolder.below(folder).paths.items():
            place = PurePosixPath(name)
            sequence = place.parent.as_posix() if place.parent.name else ""
            frame = frames_of.setdefault(sequence, {}).setdefault(place.stem, _Frame(name))
            if getattr(frame, what) is None:
                setattr(frame, what, path)
            else:
                message = f"a second {what} of frame {place.stem}; the first one is read"
                defects.append(Defect("SEG008", message, relative_path(root, path), image=folders.prefix + frame.name))
    return dict(sorted(frames_of.items()))


def _entries(folders: FrameFolder, sequence: str, frames: dict[str, _Frame]) -> list[ImageEntry]:
    stems = sorted(frames)
    numbers = frame_numbers(stems)
    entries = [
        ImageEntry(
            folders.prefix + frames[stem].name,
            frames[stem].image,
            () if (mask := frames[stem].mask) is None else (mask,),
            sequence=sequence,
            frame=number,
            split=folders.split,
        )
        for stem, number in zip(stems, numbers, strict=True)
    ]
    return sorted(entries, key=lambda entry: entry.frame or 0)


def frame_numbers(stems: Sequence[str]) -> list[int]:
    """The number at the end of each name; or the positions of names without a number, or with the same one.

    >>> frame_numbers(["00000", "00005"]), frame_numbers(["a", "b1"])
    ([0, 5], [0, 1])
    """
    matches = [re.search(r"[0-9]{1,18}$", stem) for stem in stems]
    numbers = [int(match[0]) for match in matches if match]
    return numbers if len(set(numbers)) == len(stems) else list(range(len(stems)))


def _unpaired_defects(
    root: Path, folders: FrameFolder, sequence: str, frames: dict[str, _Frame], sparse: bool
) -> list[Defect]:
    """SEG011 for the unpaired files of a sequence."""
    unpaired = [frame for frame in frames.values() if frame.image is None]
    if len(unpaired) == len(frames):
        return [masks_alone_defect(len(frames), relative_path(root, folders.masks / sequence))]
    defects = [
        Defect("SEG011", "a mask without image", relative_path(root, frame.mask), image=folders.prefix + frame.name)
        for frame in unpaired
        if frame.mask is not None
    ]
    unmasked = sum(frame.mask is None for frame in frames.values())
    if unmasked and folders.images is not None:
        message = (
            f"{unmasked} of {len(frames)} frames {'has' if unmasked == 1 else 'have'} no mask: nobody annotated them"
        )
        severity: Severity | None = "info" if sparse else None
        defects.append(Defect("SEG011", message, relative_path(root, folders.images / sequence), severity=severity))
    return defects


def first_folder(*places: Path | None) -> Path | None:
    """The first of the folders that exists."""
    return next((place for place in places if place is not None and place.is_dir()), None)


def list_sequences(entries: Iterable[ImageEntry]) -> tuple[ImageSequence, ...]:
    """The sequences of the images."""
    names = dict.fromkeys(entry.sequence for entry in entries)
    return tuple(ImageSequence(name) for name in names if name is not None)


def decode_frame(
    root: Path, entry: ImageEntry, coloured: bool, contents: str, lacking: str, remedy: str
) -> tuple[MaskFile, ValueRuns]:
    """Decode the mask of a frame; raises BrokenLabelsError if it is lossy, or its `coloured` is wrong.

    The message says that compression changes `contents`, that other encodings cannot hold `lacking`, and the `remedy`.
    """
    mask = decode_entry_mask(root, entry)
    if mask.coloured != coloured or mask.lossy:
        why = f"{mask.lossy} changes {contents}" if mask.lossy else f"{mask.encoding} cannot hold {lacking}"
        raise BrokenLabelsError(Defect("SEG010", f"{why}; save {remedy}", relative_path(root, entry.files[0])))
    return mask, ValueRuns.of(mask.pixels)


_INVALID_IN_NAMES = re.compile(r'[\x00-\x1f\\/:*?"<>|]')


def safe_file_name(name: str) -> str:
    """`name` as the name of a file or folder.

    >>> safe_file_name("train/a:b")
    'train_a_b'
    """
    return _INVALID_IN_NAMES.sub("_", name).strip(". ") or "_"


@dataclass(frozen=True, slots=True)
class FramePath:
    """The path of an image's files, in parts."""

    folder: str  # the sequence's folder
    number: int  # of the frame
    split: str | None  # the image's split


class FramePaths:
    """Assigns paths, a folder for each sequence; frame numbers go up to `last`, no folder has a name in `reserved`.

    An image outside any sequence is a video of one frame, number 0.
    """

    def __init__(self, last: int, reserved: Iterable[str] = ()) -> None:
        self._last = last
        self._folder: dict[str, str] = {}
        self._names: set[str] = set(reserved)
        self._used: set[tuple[str, int]] = set()

    def assign(self, batch: Batch) -> list[FramePath]:
        """(n_images,). Raises SegdataError if frames have no numbers, the same ones, or numbers beyond the last."""
        columns = [batch.images[name].to_pylist() for name in ("image_id", "sequence", "frame", "split")]
        return [self._path(*row) for row in zip(*columns, strict=True)]

    def _path(self, image_id: str, sequence: str | None, frame: int | None, split: str | None) -> FramePath:
        if is_unsafe_path(image_id):
            raise SegdataError(f"image id {image_id!r} leaves the dataset's root, so its labels have no place")
        if not PurePosixPath(image_id).name:
            raise SegdataError(f"image id {image_id!r} names no file, so its labels have no place")
        if sequence is None:
            return FramePath(self._new_folder(without_extension(image_id)), 0, split)
        if frame is None or not 0 <= frame <= self._last:
            number = "no number" if frame is None else f"number {frame}"
            raise SegdataError(
                f"image {image_id!r} of sequence {sequence!r} has {number} as a frame; files are named by it, "
                f"0 to {self._last:,}"
            )
        if sequence not in self._folder:
            self._folder[sequence] = self._new_folder(sequence)
        folder = self._folder[sequence]
        if (folder, frame) in self._used:
            raise SegdataError(f"sequence {sequence!r} has frame {frame} twice ({image_id!r}); files are named by it")
        self._used.add((folder, frame))
        return FramePath(folder, frame, split)

    def _new_folder(self, name: str) -> str:
        """A name for a folder that no other has, not even where file systems ignore case."""
        plain = safe_file_name(name)
        names = chain([plain], (f"{plain}.{number}" for number in count(1)))
        folder = next(name for name in names if name.lower() not in self._names and is_video_name(name))
        self._names.add(folder.lower())
        return folder


@dataclass(slots=True)
class _SequenceNumbers:
    """The numbers assigned in one sequence."""

    number: dict[tuple[int, int], int] = field(default_factory=dict)  # (category id, track) -> number
    category: dict[int, int] = field(default_factory=dict)  # track -> its first category
    taken: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))  # base -> numbers in use


class TrackNumbers:
    """Assigns numbers from `first` to `last`, one for each track of a sequence and base.

    A track keeps its id if that is free, as base + number, or as the number, up to `small`. Else it gets the lowest
    free number. `refusal` ends the error message for numbers beyond the last.
    """

    def __init__(self, first: int, last: int, refusal: str, small: int | None = None) -> None:
        self._first, self._last, self._refusal = first, last, refusal
        self._small = last if small is None else small
        self._known: dict[str, _SequenceNumbers] = {}

    def assign(self, batch: Batch, rows: Ints, base: Ints) -> tuple[Ints, Flags]:
        """The numbers (n,) of the segments at these rows, and whether each is its track's.

        A segment gets a new number if it has no track_id, if it is the second of a track in a frame, or if its
        category differs from the track's in the sequence. Raises SegdataError beyond the last number.
        """
        track = integer_column(batch.segments["track_id"])[rows]
        category = batch.segment_category[rows]
        image = batch.segment_image[rows]
        has = np.asarray(batch.segments["track_id"].is_valid().to_numpy(), bool)[rows]
        has &= _first_of_frame(image, category, track, has)
        number, has_own_track = np.zeros(len(rows), np.int64), has.copy()
        for sequence, rows_of_sequence in _by_sequence(batch, image):
            numbers = _SequenceNumbers() if sequence is None else self._known.setdefault(sequence, _SequenceNumbers())
            tracked = rows_of_sequence[has[rows_of_sequence]]
            number[tracked], has_own_track[tracked] = self._number_tracks(
                numbers, sequence, track[tracked], category[tracked], base[tracked]
            )
            for start in np.unique(base[rows_of_sequence[~has[rows_of_sequence]]]).tolist():
                loose = rows_of_sequence[~has[rows_of_sequence] & (base[rows_of_sequence] == start)]
                number[loose] = self._free(numbers.taken[start], sequence, len(loose))
        return number, has_own_track

    def _number_tracks(
        self, numbers: _SequenceNumbers, sequence: str | None, track: Ints, category: Ints, base: Ints
    ) -> tuple[Ints, Flags]:
        """Numbers of segments with a track, and whether they have the track's category; one step per track."""
        keys = np.stack([category, track, base], axis=1)
        _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        number, has_own_track = np.zeros(len(first), np.int64), np.zeros(len(first), bool)
        for place in np.argsort(first).tolist():
            kind, track_id, start = keys[first[place]].tolist()
            has_own_track[place] = numbers.category.setdefault(track_id, kind) == kind
            if (kind, track_id) not in numbers.number:
                own_ids = ((track_id - start, self._last), (track_id, self._small))
                new_number = next((candidate for candidate, last in own_ids if self._first <= candidate <= last), None)
                taken = numbers.taken[start]
                if new_number is None or new_number in taken:
                    new_number = int(self._free(taken, sequence, 1)[0])
                taken.add(new_number)
                numbers.number[kind, track_id] = new_number
            number[place] = numbers.number[kind, track_id]
        return number[inverse], has_own_track[inverse]

    def _free(self, taken: set[int], sequence: str | None, count: int) -> Ints:
        """Take the lowest free numbers."""
        among = np.arange(self._first, self._first + len(taken) + count, dtype=np.int64)
        free = np.setdiff1d(among, np.fromiter(taken, np.int64, len(taken)))[:count]
        if count and free[-1] > self._last:
            where = "an image" if sequence is None else f"sequence {sequence!r}"
            raise SegdataError(f"{where} has {len(taken) + count:,} tracks or more; {self._refusal}")
        taken.update(free.tolist())
        return free


def _first_of_frame(image: Rows, category: Ints, track: Ints, has: Flags) -> Flags:
    """(n,) whether each segment is the first of its track and category in its image."""
    keys = np.stack([image.astype(np.int64), category, track, has.astype(np.int64)], axis=1)
    _, first = np.unique(keys, axis=0, return_index=True)
    flags = np.zeros(len(image), bool)
    flags[first] = True
    return flags


def _by_sequence(batch: Batch, image: Rows) -> Iterator[tuple[str | None, Ints]]:
    """Group the positions in `image` by sequence; an image without a sequence is a group by itself, as None."""
    names = batch.images["sequence"].to_pylist()
    code: dict[str | int, int] = {}
    of_image = np.array([code.setdefault(row if name is None else name, len(code)) for row, name in enumerate(names)])
    if len(image) == 0:
        return
    of_row = of_image[image]
    order = np.argsort(of_row, kind="stable")
    for positions in np.split(order, np.flatnonzero(np.diff(of_row[order])) + 1):
        yield names[image[positions[0]]], positions


@dataclass(frozen=True, slots=True)
class ValueScheme:
    """A format's scheme of pixel values for segments."""

    base: dict[int, int]  # category id -> base, without void categories
    void: int  # the value of void; `voids` are the ids of void categories, of which reading gives the first
    voids: tuple[int, ...]
    numbers: TrackNumbers
    plain: frozenset[int] = frozenset()  # ids of stuff categories, whose segments need no number
    plain_crowds: bool = False  # whether crowds have no number either

    def values(self, batch: Batch, losses: LossCounter) -> Ints:
        """(n_segments,) the value of each segment, -1 for none; counts changed tracks.

        Raises SegdataError if a sequence has more tracks than there are numbers.
        """
        category, is_drawn = batch.segment_category, writing.in_first_annotation(batch)
        kinds, inverse = np.unique(category, return_inverse=True)
        bases = np.array([self.base.get(id_, -1) for id_ in kinds.tolist()], np.int64)[inverse]
        void = np.isin(category, np.array(self.voids, np.int64))
        thing = ~np.isin(category, np.array(sorted(self.plain), np.int64))
        crowd = batch.segment_is_crowd
        tracked = np.asarray(batch.segments["track_id"].is_valid().to_numpy(), bool)
        values = np.where(void, self.void, bases)
        numbered = is_drawn & ~void & (bases >= 0) & (thing | tracked) & ~(crowd & thing & self.plain_crowds)
        rows = np.flatnonzero(numbered)
        number, has_own_track = self.numbers.assign(batch, rows, bases[rows])
        values[rows] += number
        loose = np.flatnonzero(is_drawn & (values >= 0) & ~numbered & tracked)
        writing.count_segments(batch, loose, "track", losses)
        _count_tracks(batch, rows, values[rows], has_own_track, losses)
        if self.plain_crowds:
            lost = np.flatnonzero(is_drawn & crowd & (void | ~thing))
            writing.count_segments(batch, lost, "crowd", losses)
        others = np.flatnonzero(is_drawn & void & (category != (self.voids[0] if self.voids else -1)))
        areas = batch.runs.areas(batch.n_segments)
        writing.count_segments(batch, others, "category", losses, areas)
        return values


def _count_tracks(batch: Batch, rows: Ints, ids: Ints, has_own_track: Flags, losses: LossCounter) -> None:
    """Count the segments at `rows` that get a new track, and those whose track gets another id (`ids`)."""
    new = rows[~has_own_track]
    writing.count_segments(batch, new, "track", losses)
    renamed = rows[has_own_track & (integer_column(batch.segments["track_id"])[rows] != ids)]
    writing.count_segments(batch, renamed, "track-id", losses)


Values = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class FrameWriter:
    """Writes a mask for each annotated image, and `images.csv`."""

    scheme: ValueScheme  # gives segments their values
    # the value of unlabelled pixels; where it is that of a category of void, they are counted as "unlabelled"
    blank: int
    paths: FramePaths  # gives frames their paths
    # writes the (height, width) values of one frame and returns the file's path below the target; the values (k,) that
    # occur come with their categories
    save: Callable[[FramePath, Values, Ints, Ints], str]
    lost: frozenset[LossKind]  # the kinds of loss of the format

    def write(self, profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
        """Write all frames below `target`."""
        writing.count_spatial_losses(profile, losses)
        write_index(target, self._rows(batches, losses), videos=True)

    def _rows(self, batches: Iterable[Batch], losses: LossCounter) -> Iterator[tuple[Cell, ...]]:
        """Write the masks, and yield the rows of the index."""
        by_columns = self.lost - {"track"} - ({"crowd"} if self.scheme.plain_crowds else set())
        for batch in batches:
            writing.count_losses(batch, losses, by_columns, writing.INDEXED)
            values = self.scheme.values(batch, losses)
            writing.count_category_mask_losses(batch, values, losses, ids=values)
            category = batch.segment_category
            for image, frame_path in zip(writing.segments_by_image(batch), self.paths.assign(batch), strict=True):
                name = None
                if image.annotated:
                    pixels, shown, rows = self._paint(batch, image, values[image.segments], losses)
                    name = self.save(frame_path, pixels, shown, category[rows])
                yield image.index_row(name, videos=True)

    def _paint(
        self, batch: Batch, image: writing.ImageSegments, values: Ints, losses: LossCounter
    ) -> tuple[Values, Ints, Ints]:
        """The values of one frame, those that occur (k,), and a segment of each."""
        kept = np.flatnonzero(values >= 0)
        distinct, first, code = np.unique(values[kept], return_index=True, return_inverse=True)
        kept_image = image.only(kept)
        # Painted in small numbers, so that the occurring values are found by counting.
        frame = writing.paint_and_count(batch, kept_image, code + 1, 0, np.uint32, losses)
        area = _decode_in_place(frame, np.concatenate([[self.blank], distinct]).astype(np.uint32))
        if self.blank == self.scheme.void and self.scheme.voids and area[0]:
            losses.add("unlabelled", "images", 1, int(area[0]), [image.image_id])
        visible = area[1:] > 0
        return frame, distinct[visible], kept_image.segments[first[visible]]


def _decode_in_place(codes: Values, meaning: Values) -> Ints:
    """Replace each of (height, width) codes by meaning[code]; returns (n,) the number of pixels of each code.

    numpy needs 8 bytes per code, so a large frame is done in blocks of rows.
    """
    rows = max(1, _PIXELS_PER_BLOCK // max(1, codes.shape[1]))
    area = np.zeros(len(meaning), np.int64)
    for first in range(0, len(codes), rows):
        block = codes[first : first + rows]
        area += np.bincount(block.reshape(-1), minlength=len(meaning))
        block[...] = meaning[block]
    return area


class Spool(AbstractContextManager["Spool"]):
    """Collects pieces in any order on disk, and yields them key by key."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by __exit__
        self._places: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)

    def add(self, key: str, piece: bytes) -> None:
        """Keep a piece."""
        self._places[key].append((self._file.tell(), len(piece)))
        self._file.write(piece)

    def items(self) -> Iterator[tuple[str, list[bytes]]]:
        """Each key with its pieces in the order of addition; keys in the order of their first pieces."""
        for key, places in self._places.items():
            pieces = []
            for place, size in places:
                self._file.seek(place)
                pieces.append(self._file.read(size))
            yield key, pieces
        self._file.seek(0, 2)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
