"""Which NIfTI files of a folder are labels, which are images, and which labels belong to which image.

Known are `images/` beside `labels/` (`imagesTr/` and `labelsTr/`, `masks/` …), BIDS with its `derivatives/`, names that
say what they are (`_dseg`, `_label-…_mask`, `_seg-manual`, `_gt` …) and a folder of labels alone. Where names alone
cannot say it, `volumes.json` does: our writers leave one.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

import msgspec

from segdata.core.finding import Defect
from segdata.core.paths import absolute_channels, absolute_uri, check_path_name, is_unsafe_path, slice_uri
from segdata.formats.medical.nifti_files import VolumePlace, is_nifti_name, nifti_stem
from segdata.formats.shared.images import unsafe_path_defect
from segdata.formats.shared.safe_parsers import read_sidecar

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


def find_scans(root: Path, images: Path | None, reader: re.Pattern[str] | None = None) -> list[Scan]:
    """The volumes of a dataset by name. `reader` finds the annotator in the name of a label file."""
    if root.is_file():
        files = {root.name: root}
        only_file = {root.name}
    else:
        files = dict(_nifti_files(root))
        only_file = None
    images_by_name = {} if images is None else dict(_nifti_files(images))
    if images is not None and images.is_relative_to(root):
        start = images.relative_to(root).as_posix() + "/"
        files = {name: path for name, path in files.items() if not name.startswith(start)}
    labels = only_file or {name for name in files if _is_labels(name)} or set(files)
    if images is None:
        images_by_name = _short_names({name: path for name, path in files.items() if name not in labels})
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


def _is_labels(name: str) -> bool:
    path = PurePosixPath(name)
    for part in reversed(path.parts[:-1]):
        if _IMAGE_FOLDERS.fullmatch(part):
            return False
        if _LABEL_FOLDERS.fullmatch(part):
            return True
    return _LABEL_END.search(nifti_stem(path.name)) is not None


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


class VolumeSlice(msgspec.Struct, frozen=True, omit_defaults=True):
    """An image that is a slice, as `volumes.json` has it too."""

    image: str  # its id
    slice: int = 0  # its number in the files of labels, from 0
    frame: int | None = None  # its number in the sequence
    uri: str | None = None  # where the image is
    annotated: bool = True  # whether anybody worked on it
    # width, height: in pixels; 0 if the label files give them
    width: int = 0
    height: int = 0
    # the image's files as rows of `schema.IMAGES`, if it has several
    channels: tuple[dict[str, str | None], ...] | None = None


@dataclass(frozen=True, slots=True)
class LabelledVolume:
    """A volume, a video, or an image by itself."""

    name: str  # of the sequence; of an image by itself its id
    frames: Sequence[VolumeSlice]  # its images
    labels: Sequence[LabelFile] = ()  # the files
    sequence: str | None = None  # as in the images' column; None: an image by itself
    kind: Literal["video", "volume"] = "volume"  # of the sequence
    split: str | None = None  # train, val or test
    place: VolumePlace | None = None  # its exact place in the world; None: as in its headers


def slices_of_volume(
    name: str,
    image: Path | None,
    n_slices: int,
    size: tuple[int, int],
    annotated: bool,
    channels: Callable[[int], tuple[dict[str, str | None], ...] | None] = lambda k: None,
) -> list[VolumeSlice]:
    """The slices of a volume, `<name>/0000` and so on; a single slice has the name itself. `size` is height, width."""
    height, width = size
    return [
        VolumeSlice(
            f"{name}/{k:04d}" if n_slices > 1 else name,
            k,
            k,
            None if image is None else slice_uri(image, k),
            annotated,
            width,
            height,
            channels(k),
        )
        for k in range(n_slices)
    ]


VOLUME_INDEX = "volumes.json"


class VolumeIndexLabel(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of labels below the root; `name` is the source's, `layer` what it holds where an image has several."""

    file: str
    name: str = ""
    layer: str = ""


class VolumeIndexEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A sequence, or an image by itself, with its label files.

    `place` is given if headers cannot hold it exactly.
    """

    images: tuple[VolumeSlice, ...]
    labels: tuple[VolumeIndexLabel, ...] = ()
    sequence: str | None = None
    kind: Literal["video", "volume"] = "volume"
    split: str | None = None
    place: VolumePlace | None = None


class VolumeIndex(msgspec.Struct, frozen=True):
    """The whole file; `layers` are layer -> value -> category id, where values are not the ids."""

    volumes: tuple[VolumeIndexEntry, ...]
    version: Literal[1] = 1
    layers: dict[str, dict[int, int]] = {}


def write_volume_index(
    target: Path, volumes: Iterable[VolumeIndexEntry], layers: Mapping[str, Mapping[int, int]]
) -> None:
    """Write `volumes.json` below `target`, one volume a line."""
    lines = ",\n".join(msgspec.json.encode(volume).decode() for volume in volumes)
    layers_json = msgspec.json.encode(layers).decode()
    text = f'{{"version": 1, "layers": {layers_json}, "volumes": [\n{lines}\n]}}\n'
    (target / VOLUME_INDEX).write_text(text, encoding="utf-8")


def read_volume_index(root: Path, defects: list[Defect]) -> tuple[list[LabelledVolume], dict[str, dict[int, int]]]:
    """The volumes and layers in `volumes.json`; raises UnreadableError if it is not an index.

    What leaves the root, or occurs twice, is left out, with a defect.
    """
    index = read_sidecar(root / VOLUME_INDEX, VolumeIndex)
    names_seen: set[str] = set()
    labelled = []
    for row, volume in enumerate(index.volumes):
        place = f"/volumes/{row}"
        names = [*(image.image for image in volume.images), *(label.file for label in volume.labels)]
        unsafe = next((name for name in names if not name or is_unsafe_path(name)), None)
        if unsafe is not None:
            defects.append(unsafe_path_defect(unsafe, VOLUME_INDEX, place))
            continue
        negative = [image.image for image in volume.images if image.slice < 0 or min(image.width, image.height) < 0]
        repeated = [image.image for image in volume.images if image.image in names_seen]
        defects += [Defect("SEG004", "a negative slice or size", VOLUME_INDEX, place, image=name) for name in negative]
        defects += [Defect("SEG008", "the same image twice", VOLUME_INDEX, place, image=name) for name in repeated]
        images = [image for image in volume.images if image.image not in {*negative, *repeated}]
        names_seen.update(image.image for image in images)
        if images:
            labelled.append(_indexed_volume(root, volume, images))
    return labelled, index.layers


def _indexed_volume(root: Path, volume: VolumeIndexEntry, images: list[VolumeSlice]) -> LabelledVolume:
    frames = [
        msgspec.structs.replace(
            image, uri=absolute_uri(image.uri, root), channels=absolute_channels(image.channels, root)
        )
        for image in images
    ]
    labels = tuple(LabelFile(root / label.file, label.name or label.file, label.layer) for label in volume.labels)
    return LabelledVolume(
        volume.sequence or images[0].image, frames, labels, volume.sequence, volume.kind, volume.split, volume.place
    )
