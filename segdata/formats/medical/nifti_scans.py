"""NIfTI scans: which volumes of a folder are labels, and of which image.

What a volume holds decides: values that are constant over regions are labels, values that differ from voxel to voxel
are intensities. Where that cannot be told, as in an empty volume, names decide. Known layouts are `images/` beside
`labels/` (`imagesTr/` and `labelsTr/`, `masks/` …), BIDS with its `derivatives/`, names that say what they are
(`_dseg`, `_label-…_mask`, `_seg-manual`, `_gt` …) and a folder of labels alone.
Source: bids-standard/bids-specification src/derivatives/imaging.md; MIC-DKFZ/nnUNet documentation/dataset_format.md.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.paths import check_path_name
from segdata.formats.medical.nifti_files import FEW_VALUES, VolumeContent, is_nifti_name, nifti_stem, volume_content
from segdata.formats.shared.per_image import relative_path

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
    """A volume of labels."""

    path: Path  # the file
    name: str  # below the dataset's root, POSIX
    layer: str = ""  # its name beyond that of its image, ``lesion-manual``; empty if it has the same name
    annotator: str | None = None  # by its name; None: unknown


@dataclass(frozen=True, slots=True)
class Scan:
    """A volume that is labelled, or waits for it."""

    name: str  # of the image below the folder of images, POSIX; the name it would have if there is none
    image: Path | None = None  # its file
    labels: list[LabelFile] = field(default_factory=list)  # its label files


def find_scans(
    root: Path, images: Path | None, reader: re.Pattern[str] | None = None, defects: list[Defect] | None = None
) -> list[Scan]:
    """The volumes of a dataset by name. `reader` finds the annotator in the name of a label file.

    What a volume holds decides whether it is labels or an image, and its name only where that cannot be told. An image
    among labels is added to `defects`. Raises UnreadableError if all volumes are images.
    """
    files = {root.name: root} if root.is_file() else dict(_nifti_files(root))
    images_by_name = {} if images is None else dict(_nifti_files(images))
    if images is not None and images.is_relative_to(root):
        start = images.relative_to(root).as_posix() + "/"
        files = {name: path for name, path in files.items() if not name.startswith(start)}
    labels, misplaced = _find_labels(root, files, defects)
    if images is None:
        images_by_name = _short_names({name: path for name, path in files.items() if name not in labels | misplaced})
    scans_of: dict[str, Scan] = {name: Scan(name, path) for name, path in images_by_name.items()}
    by_folder = _by_folder(images_by_name)
    for name in sorted(labels):
        label, bare = _label_file(files[name], name, reader)
        image = _matching_image(bare, by_folder)
        layer = nifti_stem(PurePosixPath(bare).name)
        if image is None:
            image, layer = _without_image(bare)
        else:
            layer = layer.removeprefix(_case_name(nifti_stem(PurePosixPath(image).name))).strip("._-")
        scan = scans_of.setdefault(image, Scan(image))
        scan.labels.append(LabelFile(label.path, label.name, layer, label.annotator))
    return [scans_of[name] for name in sorted(scans_of)]


def _nifti_files(root: Path) -> Iterator[tuple[str, Path]]:
    files = []
    for folder, _, names in os.walk(root):
        for name in names:
            if is_nifti_name(name) and not name.startswith("."):
                path = Path(folder, name)
                check_path_name(path)
                files.append((path.relative_to(root).as_posix(), path))
    return iter(sorted(files))


_MOST_ALIKE = 32  # files with the same kind of name that are all looked at; of more, so many


def _find_labels(root: Path, files: dict[str, Path], defects: list[Defect] | None) -> tuple[set[str], set[str]]:
    """The volumes that are labels, and the images that lie in a folder of labels."""
    content = _contents(files)
    named = {name for name in files if _is_labels(name)}
    labels = {name for name in named if content[name][0] != "intensities"}
    misplaced = {name for name in named - labels if _has_folder(name, _LABEL_FOLDERS)}
    holding = {name for name in files.keys() - named if content[name][0] == "labels"}
    in_use = _by_folder({name: files[name] for name in holding})
    imaged = {_matching_image(_label_file(files[name], name, None)[1], in_use) for name in labels}
    labels |= {name for name in holding - imaged if not (labels and _has_folder(name, _IMAGE_FOLDERS))}
    labels |= _alike({name: content[name] for name in files.keys() - named}, labels)
    labels = labels or {name for name in files if content[name][0] != "intensities"}
    if files and not labels:
        name = min(files)
        raise UnreadableError(
            f"{root}: {_intensities(name, content[name][1])}; give the folder of the label volumes, or of both"
        )
    if defects is not None:
        defects += [
            Defect(
                "SEG004", f"{_intensities(name, content[name][1])}: it is left out", relative_path(root, files[name])
            )
            for name in sorted(misplaced)
        ]
    return labels, misplaced


def _alike(unnamed: dict[str, tuple[VolumeContent | None, int]], labels: set[str]) -> set[str]:
    """The volumes with too little in them to tell what they hold, if all others of their folder are labels.

    `unnamed`: what the volumes hold whose names do not say it; `labels`: those known to be labels.
    """
    unknown = {name for name, (held, n_values) in unnamed.items() if held is None and n_values <= FEW_VALUES}
    in_use = _by_folder({name: Path(name) for name in unknown})
    imaged = {_matching_image(_label_file(Path(name), name, None)[1], in_use) for name in labels}
    folders: dict[PurePosixPath, set[str]] = {}
    for name in unnamed.keys() - imaged:
        if not _has_folder(name, _IMAGE_FOLDERS):
            folders.setdefault(PurePosixPath(name).parent, set()).add(name)
    return {name for own in folders.values() if own & labels and own <= labels | unknown for name in own}


def _intensities(name: str, n_values: int) -> str:
    values = f" ({n_values:,} values, which differ from voxel to voxel)" if n_values else ""
    return f"{PurePosixPath(name).name} holds intensities, not labels{values}"


def _contents(files: dict[str, Path]) -> dict[str, tuple[VolumeContent | None, int]]:
    """What each volume holds, and its number of values; of many with alike names a few are looked at if they agree."""
    groups: dict[tuple[str, bool], list[str]] = {}
    for name in files:
        end = _LABEL_END.search(nifti_stem(name))
        key = "/".join(PurePosixPath(name).parts[:-1]) + (end[0] if end else "")
        groups.setdefault((re.sub(r"\d+", "", key), _is_labels(name)), []).append(name)
    content: dict[str, tuple[VolumeContent | None, int]] = {}
    for names in groups.values():
        few = names[:: -(-len(names) // _MOST_ALIKE)]
        content |= {name: volume_content(files[name]) for name in few}
        if len({content[name][0] for name in few} - {None}) > 1:
            content |= {name: volume_content(files[name]) for name in names if name not in content}
        content |= {name: content[few[0]] for name in names if name not in content}
    return content


def _has_folder(name: str, pattern: re.Pattern[str]) -> bool:
    """Whether the nearest folder that says what it holds is of this kind."""
    folders = reversed(PurePosixPath(name).parts[:-1])
    folder = next((part for part in folders if _IMAGE_FOLDERS.fullmatch(part) or _LABEL_FOLDERS.fullmatch(part)), None)
    return folder is not None and pattern.fullmatch(folder) is not None


def _is_labels(name: str) -> bool:
    """Whether the name of a volume says that it holds labels."""
    if _has_folder(name, _IMAGE_FOLDERS):
        return False
    return _has_folder(name, _LABEL_FOLDERS) or _LABEL_END.search(nifti_stem(PurePosixPath(name).name)) is not None


def _short_names(images: dict[str, Path]) -> dict[str, Path]:
    """The images without the folders that hold images only, unless that makes two of them one."""
    short = {}
    for name in images:
        *folders, file = PurePosixPath(name).parts
        short[name] = "/".join([*(part for part in folders if not _IMAGE_FOLDERS.fullmatch(part)), file])
    unique = len(set(short.values())) == len(short)
    return {short[name] if unique else name: path for name, path in images.items()}


def _label_file(path: Path, name: str, reader: re.Pattern[str] | None) -> tuple[LabelFile, str]:
    """A file of labels, and its name without the folder that holds labels only, and without what names the reader."""
    bare = _DERIVATIVES.sub(r"\1", name)
    parts = PurePosixPath(bare).parts
    bare = "/".join([*(part for part in parts[:-1] if not _LABEL_FOLDERS.fullmatch(part)), parts[-1]])
    match = reader.search(bare) if reader else None
    if match is None:
        return LabelFile(path, name), bare
    return LabelFile(path, name, annotator=match.group(match.lastindex or 0)), bare[: match.start()] + bare[
        match.end() :
    ]


def _by_folder(images: dict[str, Path]) -> dict[str, list[str]]:
    """The names of images by their folder, the longest first: of several that a label begins with, that is meant."""
    names_of_folder: dict[str, list[str]] = {}
    for name in sorted(images, key=len, reverse=True):
        names_of_folder.setdefault(PurePosixPath(name).parent.as_posix(), []).append(name)
    return names_of_folder


def _matching_image(label: str, by_folder: dict[str, list[str]]) -> str | None:
    """The image in the same folder whose name the label's begins with."""
    path = PurePosixPath(label)
    called = nifti_stem(path.name)
    for name in by_folder.get(path.parent.as_posix(), []):
        case = _case_name(nifti_stem(PurePosixPath(name).name))
        if called == case or (called.startswith(case) and called[len(case)] in "._-"):
            return name
    return None


def _case_name(name: str) -> str:
    """The name of a case: nnU-Net's images end in the number of their channel, labels do not."""
    return re.sub(r"_\d{4}$", "", name)


def _without_image(label: str) -> tuple[str, str]:
    """The name that the image of a label would have, and the label's layer."""
    path = PurePosixPath(label)
    called = nifti_stem(path.name)
    end = _LABEL_END.search(called)
    if end is None or end.start() == 0:
        return label, ""
    name = called[: end.start()] + path.name[len(called) :]
    return (path.parent / name).as_posix(), called[end.start() :].strip("._-")
