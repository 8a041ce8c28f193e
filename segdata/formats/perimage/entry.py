"""Entry: an image of a dataset that keeps labels in a file, or a record, of each image."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """An image, and where its labels are.

    Attributes
    ----------
    image_id : path below the images root, POSIX, with extension; the label file's own where no image is known
    image : the image file; None where there is none
    files : the label files
    record : what the reader keeps of the image's labels, in a form of its own; with neither files nor a record the
        image is not annotated
    size : height and width in pixels that a file tells; (0, 0) where nothing does
    page : of the label file; None where it has only one
    uri : where the image is said to be, when not in `image`
    source_id : the image's id in the source
    sequence, frame : where the image belongs in a video or volume
    split : train, val, test …
    group : patient, scene, drive
    channels : the image's files as rows of `columns.IMAGES`, where it has several
    metadata : name -> JSON text
    """

    image_id: str
    image: Path | None = None
    files: tuple[Path, ...] = ()
    record: Any = field(default=None, repr=False)  # Any: each reader has its own
    size: tuple[int, int] = (0, 0)
    page: int | None = None
    uri: str | None = None
    source_id: str | None = None
    sequence: str | None = None
    frame: int | None = None
    split: str | None = None
    group: str | None = None
    channels: tuple[Mapping[str, str | None], ...] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_annotated(self) -> bool:
        """Whether there is anything to look into."""
        return bool(self.files) or self.record is not None


def below(root: Path, path: Path) -> str:
    """`path` below the dataset's root, POSIX; as it is where it lies elsewhere."""
    whole, ahead = str(path), f"{root}{os.sep}"
    if whole.startswith(ahead):  # ten times as fast as comparing parts, and as asking what the root is
        return whole[len(ahead) :].replace(os.sep, "/")
    start = root if root.is_dir() else root.parent
    return path.relative_to(start).as_posix() if path.is_relative_to(start) else path.as_posix()
