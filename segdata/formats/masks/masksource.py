"""Mask source: datasets whose segments lie in mask files. Each image is decoded when its batch is asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from segdata.core.batch import Batch
from segdata.core.columns import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, table
from segdata.core.defect import Defect
from segdata.core.profile import Profile
from segdata.core.runs import Ints, Runs
from segdata.formats.images import Header, header, size_defects
from segdata.formats.masks.maskfile import MaskFile, decode
from segdata.formats.masks.pairing import Pair, below

_MASKS_PER_CHUNK = 16


@dataclass(frozen=True, slots=True)
class Found:
    """What the masks of one image hold: n segments, their runs, and what is wrong.

    Attributes
    ----------
    size : height and width in pixels of the masks
    encoding : how the masks store values
    segment_id, category_id : (n,) int64
    runs : `runs.owner` is the segment
    file, place : (n,) the mask file that each segment was read from, below the root, and its value in that file
    iscrowd : (n,) bool
    track_id : (n,), the same in all slices of a volume; empty where there are no tracks
    defects : met in the masks; `file` and `image` are filled in where they are None
    """

    size: tuple[int, int]
    encoding: str
    segment_id: Ints
    category_id: Ints
    runs: Runs
    file: Sequence[str | None]
    place: Sequence[str | None]
    iscrowd: Sequence[bool] = ()
    track_id: Sequence[int | None] = ()
    defects: Sequence[Defect] = ()


class BrokenMaskError(Exception):
    """No mask file of an image can be decoded; `defects` say why."""

    def __init__(self, *defects: Defect) -> None:
        super().__init__("; ".join(defect.message for defect in defects))
        self.defects = defects


@dataclass(frozen=True)
class MaskSource:
    """An opened dataset of mask files.

    Attributes
    ----------
    root : where paths in messages start
    profile : of the dataset
    pairs : the images with their masks
    defects : met while opening
    look : what the masks of one image hold; raises BrokenMaskError
    annotator : whose work this is
    """

    root: Path
    profile: Profile
    pairs: tuple[Pair, ...]
    defects: tuple[Defect, ...]
    look: Callable[[Pair], Found] = field(repr=False)
    annotator: str | None = None

    @property
    def image_ids(self) -> Sequence[str]:
        """(n_images,) the ids, in order."""
        return [pair.image_id for pair in self.pairs]

    def chunks(self) -> list[Ints]:
        """Rows in portions of a few masks."""
        rows = np.arange(len(self.pairs), dtype=np.int64)
        return [rows[first : first + _MASKS_PER_CHUNK] for first in range(0, len(rows), _MASKS_PER_CHUNK)]

    def load(self, rows: Ints) -> Batch:
        """The images at these rows, decoded."""
        pairs = [self.pairs[row] for row in rows]
        defects: list[Defect] = []
        headers = [self._header(pair, defects) for pair in pairs]
        found = [self._found(pair, head, defects) for pair, head in zip(pairs, headers, strict=True)]
        annotated = [row for row, each in enumerate(found) if each is not None]
        holds = [each for each in found if each is not None]
        images = _images(pairs, headers, found)
        annotations = table(
            BATCH_ANNOTATIONS,
            len(holds),
            image=np.array(annotated, np.int32),
            annotator=[self.annotator] * len(holds),
            encoding=[each.encoding for each in holds],
        )
        return Batch(images, annotations, *_segments(holds), tuple(defects))

    def _header(self, pair: Pair, defects: list[Defect]) -> Header | None:
        if pair.image is None:
            return None
        try:
            return header(pair.image)
        except OSError as error:
            message = f"image cannot be read: {error.strerror or error}"
            defects.append(Defect("SEG001", message, below(self.root, pair.image), image=pair.image_id))
            return None

    def _found(self, pair: Pair, head: Header | None, defects: list[Defect]) -> Found | None:
        """What a pair's masks hold; None where it has none, or they cannot be read."""
        if not pair.masks:
            return None
        try:
            found = self.look(pair)
        except BrokenMaskError as broken:
            defects += [replace(each, image=pair.image_id, annotator=self.annotator) for each in broken.defects]
            return None
        file = below(self.root, pair.masks[0])
        height, width = found.size
        if 0 not in pair.size and pair.size != found.size:
            message = f"the mask is {width}x{height}, declared are {pair.size[1]}x{pair.size[0]}"
            defects.append(Defect("SEG003", message, file, image=pair.image_id))
        defects += size_defects(pair.image_id, head, width, height, "mask", file, None)
        defects += [
            replace(each, file=each.file or file, image=each.image or pair.image_id, annotator=self.annotator)
            for each in found.defects
        ]
        return found


def decoded(root: Path, pair: Pair) -> MaskFile:
    """The first mask of a pair; raises BrokenMaskError, with its defect, where it cannot be decoded."""
    path = pair.masks[0]
    try:
        return decode(path, pair.page or 0)
    except OSError as error:
        raise BrokenMaskError(cannot_decode(root, path, error)) from error


def cannot_decode(root: Path, path: Path, error: OSError) -> Defect:
    """The defect of a mask that raised `error` when it was decoded: SEG002 where it is missing, else SEG001."""
    if isinstance(error, FileNotFoundError):
        return Defect("SEG002", "the mask file does not exist", below(root, path))
    return Defect("SEG001", f"mask cannot be read: {error.strerror or error}", below(root, path))


def _images(pairs: list[Pair], headers: list[Header | None], found: list[Found | None]) -> object:
    """The rows of `images`. A mask's size goes before its image's: its runs must fit into it."""
    sizes = [
        each.size if each else (head.height, head.width) if head else pair.size
        for pair, head, each in zip(pairs, headers, found, strict=True)
    ]
    volumes = [pair.image_id.rpartition("/")[0] if pair.page is not None else None for pair in pairs]
    return table(
        BATCH_IMAGES,
        len(pairs),
        image_id=[pair.image_id for pair in pairs],
        uri=[pair.image.as_posix() if pair.image else pair.uri for pair in pairs],
        height=[size[0] or None for size in sizes],
        width=[size[1] or None for size in sizes],
        sequence=volumes,
        frame=[pair.page for pair in pairs],
        split=[pair.split for pair in pairs],
    )


def _segments(found: list[Found]) -> tuple[object, Runs]:
    """The rows of `segments`, and all runs."""
    counts = [len(each.segment_id) for each in found]
    n_segments = sum(counts)
    crowds = [flag for each, count in zip(found, counts, strict=True) for flag in each.iscrowd or [False] * count]
    tracks: list[int | None] = []
    for each, count in zip(found, counts, strict=True):
        tracks += each.track_id or [None] * count
    segments = table(
        BATCH_SEGMENTS,
        n_segments,
        annotation=np.repeat(np.arange(len(found), dtype=np.int32), counts),
        segment_id=np.concatenate([np.empty(0, np.int64), *(each.segment_id for each in found)]),
        category_id=np.concatenate([np.empty(0, np.int64), *(each.category_id for each in found)]),
        iscrowd=crowds,
        track_id=tracks,
        file=[name for each in found for name in each.file],
        place=[place for each in found for place in each.place],
    )
    return segments, Runs.concatenate([each.runs for each in found], counts)
