"""Lists: the text files of ImageSets/Segmentation, which tell the images of a dataset and their splits."""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

from segdata.core.errors import SegdataError, count_noun
from segdata.core.finding import Defect
from segdata.core.paths import is_unsafe_path
from segdata.core.yaml_files import read_utf8
from segdata.formats.shared.per_image import relative_path

LISTS = Path("ImageSets", "Segmentation")
NO_SPLIT = "default"  # CVAT's and Datumaro's list of images that belong to no split
_UNIONS = frozenset({"trainval", NO_SPLIT})  # they list again what other lists list
_PAIR = re.compile(r"/?JPEGImages/(\S+)\.\w+\s+/?SegmentationClass\w*/\S+")  # a line of SBD's lists


@dataclass(frozen=True, slots=True)
class Line:
    """A line that names an image: in which file, its number from 1, and the image's stem."""

    path: Path
    number: int
    stem: str

    @property
    def split(self) -> str | None:
        """What the list is called."""
        return None if self.path.stem == NO_SPLIT else self.path.stem


def read_lists(root: Path, folder: Path, masked: Container[str]) -> tuple[dict[str, str | None], list[Defect]]:
    """The split of each image that a list of the dataset in `folder` names, and what is wrong with the lists.

    `masked` are the stems of images with a mask: an image listed without one is SEG002, unless no image of its list
    has one, as in a test set. Names in defects start at `root`.
    """
    first: dict[str, Line] = {}
    defects: list[Defect] = []
    paths = sorted((folder / LISTS).glob("*.txt"), key=lambda path: (path.stem in _UNIONS, path.name))
    for path in paths:
        file = relative_path(root, path)
        try:
            lines = list(_lines(path, masked))
        except SegdataError as error:
            defects.append(Defect("SEG001", f"the list cannot be read: {str(error).removeprefix(f'{path}: ')}", file))
            continue
        bare = [line for line in lines if line.stem not in masked]
        if bare and len(bare) == len(lines):
            message = f"none of its {count_noun(len(bare), 'image')} has a mask: they are read as not annotated"
            defects.append(Defect("SEG002", message, file, severity="info"))
        for line in lines:
            if is_unsafe_path(line.stem):
                message = f"path {line.stem!r} leaves the dataset's root; name files below it"
                defects.append(Defect("SEG015", message, file, line=line.number, image=line.stem))
                continue
            before = first.setdefault(line.stem, line)
            if before is not line and (before.path == path or path.stem not in _UNIONS):
                message = f"{line.stem!r} is listed in line {before.number} of {before.path.name} already"
                defects.append(Defect("SEG008", message, file, line=line.number, image=line.stem))
            elif before is line and line.stem not in masked and len(bare) < len(lines):
                message = f"{line.stem!r} is listed, and has no mask"
                defects.append(Defect("SEG002", message, file, line=line.number, image=line.stem))
    return {stem: line.split for stem, line in first.items()}, defects


def _lines(path: Path, known: Container[str]) -> Iterator[Line]:
    """The images that a list names, in VOC's form (a stem a line) or SBD's (image and mask)."""
    for number, text in enumerate(read_utf8(path).split("\n"), 1):
        whole = text.rstrip("\r")
        pair = _PAIR.fullmatch(whole.strip())
        stem = pair[1] if pair else whole if whole in known else whole.strip()
        if stem and not stem.startswith("#"):
            yield Line(path, number, stem)
