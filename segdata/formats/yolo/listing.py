"""Listing: the images of a YOLO dataset and their label files."""

import os
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.paths import check_path_name
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.pairing import has_index, pair_by_index
from segdata.formats.shared.per_image import ImageEntry
from segdata.formats.yolo.classes import SplitOf

Missing = Literal["unannotated", "background"]
_NO_LABELS = ("readme", "classes", "license", "train", "val", "test", "autosplit", "images", "obj", "requirements")


@dataclass(frozen=True, slots=True)
class Listing:
    """The images of a dataset, and what is wrong with its files."""

    entries: tuple[ImageEntry, ...]
    defects: tuple[Defect, ...]


def listed(root: Path, images: Path | None, split_of: SplitOf, missing: Missing) -> Listing:
    """The images below `root`, or `images`, with their label files: by `images.csv` where our writer left one.

    A label file is called as its image, with the last folder `images` of the path replaced by `labels`. `missing` says
    what an image without label file is.
    """
    if has_index(root):
        entries, defects = pair_by_index(root, images)
        return Listing(tuple(entries), tuple(defects))
    labels = _labels(root)
    pictures = ImageFolder.below(images or root)
    if not labels:
        raise UnreadableError(f"{root}: no label files; they are in a folder labels, or beside the images")
    if not pictures.paths:
        looked = images or root
        message = "labels are shares of the image's width and height, so the image files are needed; give --images"
        raise UnreadableError(f"{looked}: none of the images of {len(labels):,} label files is here: {message}")
    return _paired(root, labels, pictures, split_of, missing)


def _paired(root: Path, labels: dict[str, Path], pictures: ImageFolder, split_of: SplitOf, missing: Missing) -> Listing:
    entries: list[ImageEntry] = []
    defects: list[Defect] = []
    used: set[str] = set()
    for name, path in pictures.paths.items():
        key, image_id = _key(name, "images"), _without(name, "images")
        entry = ImageEntry(image_id, path, split=split_of(name))
        if key in labels:
            used.add(key)
            entry = replace(entry, files=(labels[key],))
        elif missing == "background":
            entry = replace(entry, record="background")
        else:
            message = "an image without label file; YOLO trains it as background (missing=background reads it so)"
            defects.append(Defect("SEG011", message, name, image=image_id))
        entries.append(entry)
    for key in sorted(labels.keys() - used):
        near = pictures.near(key)
        hint = f"; there is {near!r}" if near else ""
        file = labels[key].relative_to(root).as_posix()
        defects.append(Defect("SEG002", f"the image of these labels does not exist{hint}", file))
    return Listing(tuple(sorted(entries, key=lambda entry: entry.image_id)), tuple(defects))


def _labels(root: Path) -> dict[str, Path]:
    """The label files by the names of their images without extension: those in folders `labels`, else all."""
    inside: dict[str, Path] = {}
    outside: dict[str, Path] = {}
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix.lower() != ".txt" or name.lower() == "classes.txt" or name.startswith("."):
                continue
            check_path_name(path)
            place = path.relative_to(root).as_posix()
            if "labels" in PurePosixPath(place).parts[:-1]:
                inside[_key(place, "labels")] = path
            elif not name.lower().startswith(_NO_LABELS):
                outside[_key(place, "labels")] = path
    return inside or outside


def _key(name: str, folder: str) -> str:
    """A path without extension, and without the last folder of this name."""
    return PurePosixPath(_without(name, folder)).with_suffix("").as_posix()


def _without(name: str, folder: str) -> str:
    """A path without the last folder of this name.

    >>> _without("train/images/a.jpg", "images"), _without("images/train/a.jpg", "images")
    ('train/a.jpg', 'train/a.jpg')
    """
    *above, last = PurePosixPath(name).parts
    if folder in above:
        at = len(above) - 1 - above[::-1].index(folder)
        above = above[:at] + above[at + 1 :]
    return PurePosixPath(*above, last).as_posix()
