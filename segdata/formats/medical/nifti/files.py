"""Volume files: which NIfTI files of a folder are labels, which are images, and which labels belong to which image.

Known are `images/` beside `labels/` (`imagesTr/` and `labelsTr/`, `masks/` …), BIDS with its `derivatives/`, names that
say what they are (`_dseg`, `_label-…_mask`, `_seg-manual`, `_gt` …) and a folder of labels alone.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from segdata.core.paths import check_path_name
from segdata.formats.medical.nifti.head import is_volume, stem

_LABEL_FOLDERS = re.compile(
    r"(labels?|masks?|seg(mentation)?s?|annotations?|gt|ground_?truth)(tr|ts|va)?", re.IGNORECASE
)
_IMAGE_FOLDERS = re.compile(r"(images?|imgs?|raw|scans?)(tr|ts|va)?", re.IGNORECASE)
# What the name of a label volume ends with, after the name of its image; the last group names a layer.
_LABEL_END = re.compile(
    r"[._-](d?seg|seg(mentation)?|masks?|labels?|lesions?|gt|ground_?truth|manual\d*|annot(ation)?|parc|roi)"
    r"([._-][A-Za-z0-9]+)*$",
    re.IGNORECASE,
)
_DERIVATIVES = re.compile(r"(^|/)derivatives/[^/]+/")


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A volume of labels.

    Attributes
    ----------
    path : the file
    name : below the dataset's root, POSIX
    layer : what it is called beyond the name of its image, ``lesion-manual``; empty where it is called the same
    annotator : who drew it; None: nothing says so
    """

    path: Path
    name: str
    layer: str = ""
    annotator: str | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """A volume that is labelled, or waits for it.

    Attributes
    ----------
    name : of the image below the folder of images, POSIX; what it would be called where there is none
    image : its file
    labels : what was drawn on it
    """

    name: str
    image: Path | None = None
    labels: list[LabelFile] = field(default_factory=list)


def scans(root: Path, images: Path | None, reader: re.Pattern[str] | None = None) -> list[Scan]:
    """The volumes of a dataset by name. `reader` finds, in the name of a file of labels, who drew it."""
    if root.is_file():
        files = {root.name: root}
        given = {root.name}
    else:
        files = dict(_below(root))
        given = None
    pictures = {} if images is None else dict(_below(images))
    if images is not None and images.is_relative_to(root):
        start = images.relative_to(root).as_posix() + "/"
        files = {name: path for name, path in files.items() if not name.startswith(start)}
    labels = given or {name for name in files if _is_labels(name)} or set(files)
    if images is None:
        pictures = _named({name: path for name, path in files.items() if name not in labels})
    found: dict[str, Scan] = {name: Scan(name, path) for name, path in pictures.items()}
    by_folder = _by_folder(pictures)
    for name in sorted(labels):
        label, bare = _told(files[name], name, reader)
        image = _image_of(bare, by_folder)
        layer = stem(PurePosixPath(bare).name)
        if image is None:
            image, layer = _without_image(bare)
        else:
            layer = layer.removeprefix(_case(stem(PurePosixPath(image).name))).strip("._-")
        scan = found.setdefault(image, Scan(image))
        scan.labels.append(LabelFile(label.path, label.name, layer, label.annotator))
    return [found[name] for name in sorted(found)]


def _below(root: Path) -> Iterator[tuple[str, Path]]:
    """The NIfTI files below a folder, by name, in the order of names."""
    found = []
    for folder, _, names in os.walk(root):
        for name in names:
            if is_volume(name) and not name.startswith("."):
                path = Path(folder, name)
                check_path_name(path)
                found.append((path.relative_to(root).as_posix(), path))
    return iter(sorted(found))


def _is_labels(name: str) -> bool:
    """Whether a path says that it is a volume of labels."""
    path = PurePosixPath(name)
    for part in reversed(path.parts[:-1]):
        if _IMAGE_FOLDERS.fullmatch(part):
            return False
        if _LABEL_FOLDERS.fullmatch(part):
            return True
    return _LABEL_END.search(stem(path.name)) is not None


def _named(images: dict[str, Path]) -> dict[str, Path]:
    """The images without the folders that hold images only, unless that makes two of them one."""
    short = {}
    for name in images:
        *folders, file = PurePosixPath(name).parts
        short[name] = "/".join([*(part for part in folders if not _IMAGE_FOLDERS.fullmatch(part)), file])
    unique = len(set(short.values())) == len(short)
    return {short[name] if unique else name: path for name, path in images.items()}


def _told(path: Path, name: str, reader: re.Pattern[str] | None) -> tuple[LabelFile, str]:
    """A file of labels, and its name without the folder that holds labels only, and without what names the reader."""
    bare = _DERIVATIVES.sub(r"\1", name)
    parts = PurePosixPath(bare).parts
    bare = "/".join([*(part for part in parts[:-1] if not _LABEL_FOLDERS.fullmatch(part)), parts[-1]])
    said = reader.search(bare) if reader else None
    if said is None:
        return LabelFile(path, name), bare
    return LabelFile(path, name, annotator=said.group(said.lastindex or 0)), bare[: said.start()] + bare[said.end() :]


def _by_folder(images: dict[str, Path]) -> dict[str, list[str]]:
    """The names of images by their folder, the longest first: of several that a label begins with, that is meant."""
    found: dict[str, list[str]] = {}
    for name in sorted(images, key=len, reverse=True):
        found.setdefault(PurePosixPath(name).parent.as_posix(), []).append(name)
    return found


def _image_of(label: str, by_folder: dict[str, list[str]]) -> str | None:
    """The image in the same folder whose name the label's begins with."""
    path = PurePosixPath(label)
    called = stem(path.name)
    for name in by_folder.get(path.parent.as_posix(), []):
        case = _case(stem(PurePosixPath(name).name))
        if called == case or (called.startswith(case) and called[len(case)] in "._-"):
            return name
    return None


def _case(name: str) -> str:
    """The name of a case: nnU-Net's images end in the number of their channel, labels do not."""
    return re.sub(r"_\d{4}$", "", name)


def _without_image(label: str) -> tuple[str, str]:
    """What the image of a label would be called, and the label's layer."""
    path = PurePosixPath(label)
    called = stem(path.name)
    end = _LABEL_END.search(called)
    if end is None or end.start() == 0:
        return label, ""
    name = called[: end.start()] + path.name[len(called) :]
    return (path.parent / name).as_posix(), called[end.start() :].strip("._-")
