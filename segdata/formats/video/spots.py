"""Spots: where the files of an image go, in the folder of its sequence and under the number of its frame."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, count
from pathlib import PurePosixPath

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.paths import is_unsafe_path
from segdata.formats.video.firstsight import NO_SEQUENCES

_NO_NAME = re.compile(r'[\x00-\x1f\\/:*?"<>|]')


def file_name(name: str) -> str:
    """`name` as the name of a file or folder.

    >>> file_name("train/a:b")
    'train_a_b'
    """
    return _NO_NAME.sub("_", name).strip(". ") or "_"


@dataclass(frozen=True, slots=True)
class Spot:
    """Where an image goes.

    Attributes
    ----------
    folder : the name of the sequence's folder
    number : of the frame
    split : as the image has it
    """

    folder: str
    number: int
    split: str | None


class Spots:
    """Hands out places, a folder to each sequence; frame numbers go up to `last`, no folder is called as `reserved`.

    An image that is in no sequence is a video of one frame, number 0.
    """

    def __init__(self, last: int, reserved: Iterable[str] = ()) -> None:
        self._last = last
        self._folder: dict[str, str] = {}
        self._names: set[str] = {*NO_SEQUENCES, *reserved}
        self._used: set[tuple[str, int]] = set()

    def of(self, batch: Batch) -> list[Spot]:
        """(n_images,). Raises SegdataError where frames have no numbers, the same ones, or numbers beyond the last."""
        columns = [batch.images[name].to_pylist() for name in ("image_id", "sequence", "frame", "split")]
        return [self._one(*row) for row in zip(*columns, strict=True)]

    def _one(self, image_id: str, sequence: str | None, frame: int | None, split: str | None) -> Spot:
        if is_unsafe_path(image_id):
            raise SegdataError(f"image id {image_id!r} leaves the dataset's root, so its labels have no place")
        if sequence is None:
            return Spot(self._new(PurePosixPath(image_id).with_suffix("").as_posix()), 0, split)
        if frame is None or not 0 <= frame <= self._last:
            number = "no number" if frame is None else f"number {frame}"
            raise SegdataError(
                f"image {image_id!r} of sequence {sequence!r} has {number} as a frame; files are named by it, "
                f"0 to {self._last:,}"
            )
        if sequence not in self._folder:
            self._folder[sequence] = self._new(sequence)
        folder = self._folder[sequence]
        if (folder, frame) in self._used:
            raise SegdataError(f"sequence {sequence!r} has frame {frame} twice ({image_id!r}); files are named by it")
        self._used.add((folder, frame))
        return Spot(folder, frame, split)

    def _new(self, name: str) -> str:
        """A name for a folder that no other has, not even where file systems ignore case."""
        plain = file_name(name)
        names = chain([plain], (f"{plain}.{number}" for number in count(1)))
        folder = next(name for name in names if name.lower() not in self._names)
        self._names.add(folder.lower())
        return folder
