"""NIfTI scans: find the label volumes of a folder, and match them with their images.

The content of a volume decides: values that are constant over regions are labels, values that differ from voxel to
voxel are intensities. Names decide if the content does not, as in an empty volume. Known layouts are `images/` beside
`labels/` (`imagesTr/` and `labelsTr/`, `masks/` …), BIDS with its `derivatives/`, names that say what they are
(`_dseg`, `_label-…_mask`, `_seg-manual`, `_gt` …), `volume-0` and `segmentation-0` (LiTS), `imaging` and `segmentation`
in the folder of a case (KiTS), `a_t1`, `a_t2` … of `a_seg` (BraTS), `ct` with `segmentations/<category>`
(TotalSegmentator), folders of cases whose files are called alike in each, and a folder of labels alone.
Source: bids-standard/bids-specification src/derivatives/imaging.md; MIC-DKFZ/nnUNet documentation/dataset_format.md.
"""

import itertools
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.paths import check_path_name
from segdata.formats.medical.nifti_files import (
    FEW_VALUES,
    VolumeContent,
    describe_differences,
    is_volume_name,
    nifti_stem,
    read_header,
    volume_content,
)
from segdata.formats.shared.per_image import relative_path

_LABEL_FOLDERS = re.compile(
    r"(labels?|masks?|seg(mentation)?s?|annotations?|gt|ground_?truth)(tr|ts|va)?", re.IGNORECASE
)
_IMAGE_FOLDERS = re.compile(r"(images?|imgs?|raw|scans?)(tr|ts|va)?", re.IGNORECASE)
# The ending of a label volume's name after its image's name; the last group names a layer.
_LABEL_END = re.compile(
    r"[._-](d?seg|seg(mentation)?|masks?|labels?|lesions?|gt|ground_?truth|manual\d*|annot(ation)?|parc|roi)"
    r"([._-][A-Za-z0-9]+)*$",
    re.IGNORECASE,
)
_DERIVATIVES = re.compile(r"(^|/)derivatives/[^/]+/")


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A volume of labels."""

    path: Path
    name: str  # below the dataset's root, POSIX
    layer: str = ""  # its name without the image's, ``lesion-manual``; empty if the names are equal
    annotator: str | None = None  # by its name; None: unknown
    plane: int = 0  # index of the layer in a file with several


@dataclass(frozen=True, slots=True)
class Scan:
    """A volume, labelled or not."""

    name: str  # of the image below the folder of images, POSIX; the implied name if there is no image
    image: Path | None = None  # the file, or that of the first channel
    channels: dict[str, Path] = field(default_factory=dict)  # by name; empty if there is one file
    labels: list[LabelFile] = field(default_factory=list)  # its label files


def find_scans(
    root: Path, images: Path | None, reader: re.Pattern[str] | None = None, defects: list[Defect] | None = None
) -> list[Scan]:
    """Find the volumes of a dataset, by name. `reader` matches the annotator in the name of a label file.

    The content of a volume decides whether it is labels or an image, its name only if the content does not. An image
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
    label_files = {name: _label_file(files[name], name, reader) for name in sorted(labels)}
    matches = _match_labels({name: bare for name, (_, bare) in label_files.items()}, files, images_by_name)
    for name, (label, _) in label_files.items():
        image, layer, channels = matches[name]
        scan = scans_of.setdefault(image, Scan(image))
        if channels:
            parts = {channel: scans_of.pop(file, scan).image for channel, file in channels.items()}
            scan.channels.update({channel: path for channel, path in parts.items() if path is not None})
            scan = scans_of[image] = replace(scan, image=next(iter(scan.channels.values())))
        scan.labels.append(replace(label, layer=layer))
    return [scans_of[name] for name in sorted(scans_of)]


class _Match(NamedTuple):
    """The image of a label file, its layer, and the images of the channels by name, if there are several."""

    image: str
    layer: str = ""
    channels: Mapping[str, str] = {}


def _match_labels(bare: Mapping[str, str], files: Mapping[str, Path], images: Mapping[str, Path]) -> dict[str, _Match]:
    """The match of each label file; each way of matching takes the files and images that those before it leave.

    `bare`: label file -> its name without the folder of labels and without the annotator.
    """
    by_folder = _by_folder(images)
    stem = {name: nifti_stem(PurePosixPath(path).name) for name, path in bare.items()}
    matches: dict[str, _Match] = {}

    def left() -> dict[str, str]:
        return {name: path for name, path in bare.items() if name not in matches}

    for name, path in bare.items():
        if image := _matching_image(path, by_folder):
            case = _case_name(nifti_stem(PurePosixPath(image).name))
            matches[name] = _Match(image, stem[name].removeprefix(case).strip("._-"))
    for name, channels in _channels_of_cases(left(), by_folder).items():
        matches[name] = _Match(*_without_image(bare[name]), channels)
    matches |= {name: _Match(*match) for name, match in _images_of_cases(left(), images).items()}

    paired = {file for match in matches.values() for file in (match.image, *match.channels.values())}
    unpaired = {name: path for name, path in images.items() if name not in paired}
    for name, (image, channels) in _cases_of_folders(left(), unpaired).items():
        matches[name] = _Match(image, stem[name], channels)
    for name, image in _only_images({name: files[name] for name in left()}, unpaired).items():
        matches[name] = _Match(image, stem[name])

    numbered = _numbered_cases(left().values())
    return matches | {
        name: _Match(path) if path in numbered else _Match(*_without_image(path)) for name, path in left().items()
    }


def _nifti_files(root: Path) -> Iterator[tuple[str, Path]]:
    files = []
    for folder, _, names in os.walk(root):
        for name in names:
            if is_volume_name(name) and not name.startswith("."):
                path = Path(folder, name)
                check_path_name(path)
                files.append((path.relative_to(root).as_posix(), path))
    return iter(sorted(files))


_MAX_ALIKE = 32  # files with similar names whose content is examined


def _find_labels(root: Path, files: dict[str, Path], defects: list[Defect] | None) -> tuple[set[str], set[str]]:
    """The label volumes, and the images that lie in a folder of labels."""
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
    """The volumes with undecidable content, if all others of their folder are labels.

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
    """The content of each volume, and its number of values; samples volumes with similar names if they agree."""
    groups: dict[tuple[str, bool], list[str]] = {}
    for name in files:
        end = _LABEL_END.search(nifti_stem(name))
        key = "/".join(PurePosixPath(name).parts[:-1]) + (end[0] if end else "")
        groups.setdefault((re.sub(r"\d+", "", key), _is_labels(name)), []).append(name)
    content: dict[str, tuple[VolumeContent | None, int]] = {}
    for names in groups.values():
        few = names[:: -(-len(names) // _MAX_ALIKE)]
        content |= {name: volume_content(files[name]) for name in few}
        if len({content[name][0] for name in few} - {None}) > 1:
            content |= {name: volume_content(files[name]) for name in names if name not in content}
        content |= {name: content[few[0]] for name in names if name not in content}
    return content


def _has_folder(name: str, pattern: re.Pattern[str]) -> bool:
    """Whether the nearest folder with a telling name matches the pattern."""
    folders = reversed(PurePosixPath(name).parts[:-1])
    folder = next((part for part in folders if _IMAGE_FOLDERS.fullmatch(part) or _LABEL_FOLDERS.fullmatch(part)), None)
    return folder is not None and pattern.fullmatch(folder) is not None


def _is_labels(name: str) -> bool:
    """Whether the name of a volume is that of labels."""
    if _has_folder(name, _IMAGE_FOLDERS):
        return False
    return _has_folder(name, _LABEL_FOLDERS) or _LABEL_END.search(nifti_stem(PurePosixPath(name).name)) is not None


def _short_names(images: dict[str, Path]) -> dict[str, Path]:
    """The names of images without folders of images only, unless names then coincide."""
    short = {}
    for name in images:
        *folders, file = PurePosixPath(name).parts
        short[name] = "/".join([*(part for part in folders if not _IMAGE_FOLDERS.fullmatch(part)), file])
    unique = len(set(short.values())) == len(short)
    return {short[name] if unique else name: path for name, path in images.items()}


def _label_file(path: Path, name: str, reader: re.Pattern[str] | None) -> tuple[LabelFile, str]:
    """A label file, and its name without the folder of labels and without the annotator."""
    bare = _DERIVATIVES.sub(r"\1", name)
    parts = PurePosixPath(bare).parts
    bare = "/".join([*(part for part in parts[:-1] if not _LABEL_FOLDERS.fullmatch(part)), parts[-1]])
    match = reader.search(bare) if reader else None
    if match is None:
        return LabelFile(path, name), bare
    return LabelFile(path, name, annotator=match.group(match.lastindex or 0)), bare[: match.start()] + bare[
        match.end() :
    ]


def _by_folder(images: Mapping[str, Path]) -> dict[str, list[str]]:
    """Folder -> names of images, the longest first, since a label matches the longest prefix."""
    names_of_folder: dict[str, list[str]] = {}
    for name in sorted(images, key=len, reverse=True):
        names_of_folder.setdefault(PurePosixPath(name).parent.as_posix(), []).append(name)
    return names_of_folder


def _matching_image(label: str, by_folder: dict[str, list[str]]) -> str | None:
    """The image in the same folder whose name is a prefix of the label's."""
    path = PurePosixPath(label)
    called = nifti_stem(path.name)
    for name in by_folder.get(path.parent.as_posix(), []):
        case = _case_name(nifti_stem(PurePosixPath(name).name))
        if called == case or (called.startswith(case) and called[len(case)] in "._-"):
            return name
    return None


def _case_name(name: str) -> str:
    """The name of a case, without the channel number at the end of nnU-Net's images."""
    return re.sub(r"_\d{4}$", "", name)


def _channels_of_cases(labels: Mapping[str, str], by_folder: Mapping[str, list[str]]) -> dict[str, dict[str, str]]:
    """Label file -> channel -> image, for cases with several images (`a_t1`, `a_t2` of `a_seg`).

    `labels` are names without folders of labels, by their names.
    """
    cases: dict[tuple[str, str], str] = {}  # folder and case -> label
    for name, bare in labels.items():
        path = PurePosixPath(bare)
        end = _LABEL_END.search(called := nifti_stem(path.name))
        if end is not None and end.start() > 0:
            cases.setdefault((path.parent.as_posix(), called[: end.start()]), name)
    channels: dict[str, dict[str, str]] = {}
    for folder, images in by_folder.items():
        names = sorted((case for place, case in cases if place == folder), key=len, reverse=True)
        for image in sorted(images):
            called = nifti_stem(PurePosixPath(image).name)
            case = next((case for case in names if called.startswith(case) and called[len(case) :][:1] in "._-"), None)
            if case is not None and called != case:
                channels.setdefault(cases[folder, case], {})[called[len(case) :].strip("._-")] = image
    return channels


# Words that only distinguish images from labels.
_ROLE_WORDS = frozenset({
    "label", "labels", "mask", "masks", "seg", "segs", "segmentation", "segmentations", "gt", "annotation",
    "annotations", "image", "images", "img", "imgs", "imaging", "volume", "volumes", "vol", "scan", "scans", "raw",
})  # fmt: skip


def _images_of_cases(labels: Mapping[str, str], images: Mapping[str, Path]) -> dict[str, tuple[str, str]]:
    """The image and the layer of label files whose names differ from their images'.

    `segmentation-0` is of `volume-0`, `labels/label1` of `images/img1`, `case/segmentation` of `case/imaging`; and
    `case/segmentations/liver` is a layer of the only image in `case/`, or of `case` if other cases have a liver, too.
    """
    by_key: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    beside: dict[str, list[str]] = {}
    for image in images:
        by_key.setdefault(_case_key(image), []).append(image)
        beside.setdefault(PurePosixPath(image).parent.as_posix(), []).append(image)
    layered = {
        name: PurePosixPath(bare)
        for name, bare in labels.items()
        if _LABEL_FOLDERS.fullmatch(PurePosixPath(name).parent.name) and _LABEL_END.search(f"_{bare}") is None
    }
    cases_of: dict[str, set[str]] = {}
    for path in layered.values():
        cases_of.setdefault(path.name, set()).add(path.parent.as_posix())
    repeated = {file for file, cases in cases_of.items() if len(cases) > 1}
    matches: dict[str, tuple[str, str]] = {}
    for name, bare in labels.items():
        same_case = by_key.get(_case_key(bare), [])
        layer = layered.get(name)
        if len(same_case) == 1:
            matches[name] = same_case[0], ""
        elif layer is not None and len(only := beside.get(layer.parent.as_posix(), [])) == 1:
            matches[name] = only[0], nifti_stem(layer.name)
        elif layer is not None and len(repeated) > 1 and layer.name in repeated and layer.parent.name:
            ending = layer.name.removeprefix(nifti_stem(layer.name))
            matches[name] = f"{layer.parent.as_posix()}{ending}", nifti_stem(layer.name)
    return matches


def _cases_of_folders(labels: Mapping[str, str], images: Iterable[str]) -> dict[str, tuple[str, dict[str, str]]]:
    """The case of label files in case folders, with its images by channel: `patient_1/lesion` of `patient_1/flair`.

    Folders are cases if the same file names occur in each: `patient_2/flair`, `patient_2/lesion`. Files in one folder
    only are ignored.
    """
    by_folder: dict[str, list[PurePosixPath]] = {}
    for path in map(PurePosixPath, images):
        by_folder.setdefault(path.parent.as_posix(), []).append(path)
    paths = {name: PurePosixPath(bare) for name, bare in labels.items()}
    n_folders = Counter(path.name for path in (*paths.values(), *itertools.chain(*by_folder.values())))
    cases: dict[str, tuple[str, dict[str, str]]] = {}
    for name, path in paths.items():
        folder = path.parent.as_posix()
        beside = by_folder.get(folder, [])
        if path.parent.name and beside and all(n_folders[file.name] > 1 for file in (path, *beside)):
            channels = {nifti_stem(file.name): file.as_posix() for file in sorted(beside)}
            cases[name] = f"{folder}{path.name.removeprefix(nifti_stem(path.name))}", channels
    return cases


def _only_images(labels: Mapping[str, Path], images: Mapping[str, Path]) -> dict[str, str]:
    """The image of label files with other names: the only one in their folder, or in its parent.

    All labels of the folder must have its voxels, at the same place: `total/liver` and `total/spleen` of `ct`.
    """
    by_file = {path: name for name, path in images.items()}
    by_folder: dict[Path, list[Path]] = {}
    for path in by_file:
        by_folder.setdefault(path.parent, []).append(path)
    own: dict[Path, list[str]] = {}
    for name, path in labels.items():
        own.setdefault(path.parent, []).append(name)
    only: dict[str, str] = {}
    for folder, names in own.items():
        beside = by_folder.get(folder) or by_folder.get(folder.parent, [])
        if len(beside) == 1 and all(_lies_on(labels[name], beside[0]) for name in names):
            only |= dict.fromkeys(names, by_file[beside[0]])
    return only


def _numbered_cases(labels: Iterable[str]) -> set[str]:
    """The labels without an image that a number at the end tells apart from all others of their folder.

    They are cases: `training_seg_01` and `training_seg_02`. The number is that of a layer if there are several cases
    (`a_seg_1`, `a_seg_2`, `b_seg_1`), or if words name other layers.

    >>> sorted(_numbered_cases(["a_seg_1.nii", "a_seg_2.nii"])), _numbered_cases(["a_seg_1.nii", "b_seg_1.nii"])
    (['a_seg_1.nii', 'a_seg_2.nii'], set())
    """
    by_folder: dict[PurePosixPath, dict[str, set[str]]] = {}
    for bare in labels:
        before = re.sub(r"(?<=[._-])\d+$", "", nifti_stem(PurePosixPath(bare).name))
        by_folder.setdefault(PurePosixPath(bare).parent, {}).setdefault(before, set()).add(bare)
    alike = [names for starts in by_folder.values() if len(starts) == 1 for names in starts.values()]
    return {name for names in alike if len(names) > 1 for name in names}


def _lies_on(label: Path, image: Path) -> bool:
    """Whether labels have the voxels of an image, judged by headers."""
    try:
        own, other = (read_header(path, is_image=True) for path in (label, image))
    except OSError:
        return False
    return own.shape == other.shape and describe_differences(own, other) is None


def _case_key(name: str) -> tuple[tuple[str, ...], ...]:
    """The words and numbers in a name, without words for images or labels.

    >>> _case_key("training-labels/label0001.nii.gz") == _case_key("training-images/img0001.nii.gz")
    True
    """
    path = PurePosixPath(name)
    parts = [*path.parent.parts, nifti_stem(path.name)]
    words = (re.findall(r"[^\W\d_]+|\d+", part.lower()) for part in parts)
    return tuple(kept for part in words if (kept := tuple(word for word in part if word not in _ROLE_WORDS)))


def _without_image(label: str) -> tuple[str, str]:
    """The implied name of a label's missing image, and the label's layer."""
    path = PurePosixPath(label)
    called = nifti_stem(path.name)
    end = _LABEL_END.search(called)
    if end is None or end.start() == 0:
        return label, ""
    name = called[: end.start()] + path.name[len(called) :]
    return (path.parent / name).as_posix(), called[end.start() :].strip("._-")
