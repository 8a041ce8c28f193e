"""nnU-Net reader: dataset.json, and the cases of a dataset as slices of volumes or as 2D images.

A case is `imagesTr/<case>_0000<ending>`, `_0001` … for the channels, and `labelsTr/<case><ending>`.
Source: MIC-DKFZ/nnUNet documentation/dataset_format.md, region_based_training.md and ignore_label.md;
nnunetv2/utilities/label_handling/label_handling.py; nnunetv2/experiment_planning/verify_dataset_integrity.py.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from segdata.core.errors import SegdataError, UnreadableError, count_noun, list_names
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.medical_files import DecodedFiles
from segdata.core.paths import check_path_name, is_file, is_unsafe_path, local_file, slice_uri
from segdata.core.profile import Policy
from segdata.core.safe_text import whole_number
from segdata.core.taxonomy import Category, Taxonomy
from segdata.core.yaml_files import read_utf8
from segdata.formats.medical.nifti_files import decode_volume, is_volume_name, nifti_stem
from segdata.formats.medical.nifti_labels import (
    VOLUME_INDEX,
    LabelledVolume,
    LabelMeanings,
    SegmentDecoder,
    VolumeSlice,
    read_volume_index,
    segments_by_category,
    segments_by_region,
    slices_of_volume,
)
from segdata.formats.medical.nifti_reader import OpenVolumes, slice_entry, volume_source
from segdata.formats.medical.nifti_scans import LabelFile
from segdata.formats.shared.images import unsafe_path_defect
from segdata.formats.shared.mask_files import UNLABELLED, Legend, ValueRuns, decode_entry_mask
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.shared.taxonomies import resolve_names

DATASET_JSON = "dataset.json"
IGNORE, BACKGROUND = "ignore", "background"
CATEGORY_IDS = "category_ids"  # segdata's key: name -> id in taxonomy.yaml
_MAX_LABEL = 2**31 - 1


@dataclass(frozen=True, slots=True)
class DatasetJson:
    """The content of a dataset.json."""

    # name -> values (several for regions), without background, in file order
    labels: Mapping[str, tuple[int, ...]]
    # value of each region in painting order, the largest region first; empty without regions
    class_order: tuple[int, ...] = ()
    channels: tuple[str, ...] = ()  # the names of the images' channels
    ending: str = ".nii.gz"  # of files, with the dot
    # name -> paths of images and labels, if the file lists them
    cases: Mapping[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)
    n_training: int | None = None  # declared number of cases; None: not declared
    ids: Mapping[str, int] = field(default_factory=dict)  # name -> category id, if segdata wrote them
    text: str = field(default="", repr=False)  # the file
    defects: tuple[Defect, ...] = ()  # malformed entries, and what nnU-Net would refuse

    @property
    def has_regions(self) -> bool:
        """Whether categories are regions of several values."""
        return any(len(values) > 1 for values in self.labels.values())

    @property
    def values(self) -> set[int]:
        """All valid values except 0."""
        return {value for values in self.labels.values() for value in values}


def read_dataset_json(path: Path) -> DatasetJson:
    """Read a file; raises UnreadableError if it is not a dataset.json."""
    try:
        return parse_dataset_json(read_utf8(path), str(path))
    except UnreadableError:
        raise
    except (SegdataError, ValueError, RecursionError) as error:
        raise UnreadableError(f"{path}: is not JSON: {error}") from error


def parse_dataset_json(text: str, path: str) -> DatasetJson:
    """Parse a text; `path` is for messages. Raises ValueError if it is not JSON, UnreadableError for other JSON."""
    data = json.loads(text)
    if not isinstance(data, dict) or not isinstance(data.get("labels"), dict):
        raise UnreadableError(f"{path}: no 'labels' (name -> value), so this is not nnU-Net's dataset.json")
    defects: list[Defect] = []
    labels = _labels(data["labels"], defects)
    if "channel_names" in data and "modality" not in data and all(key.isdecimal() for key in data["labels"]):
        message = "labels are number: name, as in version 1; nnU-Net 2, which reads channel_names, refuses it"
        defects.append(Defect("SEG004", message, DATASET_JSON, "/labels"))
    if "channel_names" in data and not any(str(part) == "0" for item in data["labels"].items() for part in item):
        message = "no label has the value 0, and nnU-Net 2 refuses a list without 'background': 0"
        defects.append(Defect("SEG004", message, DATASET_JSON, "/labels", severity="warning", lost=False))
    order = data.get("regions_class_order", [])
    order = order if _are_values(order) else []
    regions = [name for name in labels if name != IGNORE]
    if any(len(values) > 1 for values in labels.values()) and len(order) != len(regions):
        message = f"regions_class_order has {len(order)} values, there are {len(regions)} regions; nnU-Net refuses it"
        defects.append(Defect("SEG004", message, DATASET_JSON, "/regions_class_order"))
    _check_values(labels, defects)
    channels = data.get("channel_names", data.get("modality", {}))
    ending = data.get("file_ending", ".nii.gz")
    if not isinstance(ending, str) or not ending.startswith(".") or "/" in ending:
        defects.append(
            Defect("SEG004", f"file_ending is {ending!r}; expected '.nii.gz', '.png' …", DATASET_JSON, "/file_ending")
        )
        ending = ".nii.gz"
    _check_training(data.get("training"), defects)
    n_training = data.get("numTraining")
    return DatasetJson(
        labels=labels,
        class_order=tuple(order),
        channels=tuple(map(str, channels.values())) if isinstance(channels, dict) else (),
        ending=ending,
        cases=_cases(data.get("dataset", {}), defects),
        n_training=n_training if isinstance(n_training, int) else None,
        ids={name: id_ for name, id_ in _mapping(data.get(CATEGORY_IDS)).items() if _is_value(id_)},
        text=text,
        defects=tuple(defects),
    )


def _check_training(training: object, defects: list[Defect]) -> None:
    """SEG004 if the cases that version 1 listed have their labels in another folder, which nobody reads."""
    paths = [case.get("label") for case in training if isinstance(case, dict)] if isinstance(training, list) else []
    folders = {PurePosixPath(path).parent.name for path in paths if isinstance(path, str)} - {"", "labelsTr"}
    if folders:
        message = (
            f"training lists labels in {list_names(sorted(folders))}; nnU-Net reads those of labelsTr, and so does "
            "segdata"
        )
        defects.append(Defect("SEG004", message, DATASET_JSON, "/training", severity="warning", lost=False))


def _labels(labels: Mapping[str, Any], defects: list[Defect]) -> dict[str, tuple[int, ...]]:
    """Name -> values, in either direction: version 1 and the Decathlon write value -> name."""
    values_of: dict[str, tuple[int, ...]] = {}
    for key, value in labels.items():
        name, values = (value, key) if isinstance(value, str) and key.isdigit() else (key, value)
        number = whole_number(str(values))
        numbers: list[Any] = values if isinstance(values, list) else [values if number is None else number]
        if not _are_values(numbers) or not numbers or not name:
            message = f"label {name!r} is {json.dumps(values)[:40]}, not a value or a list of values; it is left out"
            defects.append(Defect("SEG004", message, DATASET_JSON, f"/labels/{key}"))
        elif name in values_of:
            defects.append(Defect("SEG008", f"label {name!r} occurs twice", DATASET_JSON, f"/labels/{key}"))
        elif numbers != [0]:
            values_of[name] = tuple(dict.fromkeys(numbers))
    return values_of


def _check_values(labels: Mapping[str, Sequence[int]], defects: list[Defect]) -> None:
    """Check nnU-Net's requirements: values 0, 1, 2 … without a gap, and `ignore` as the highest."""
    values = sorted({value for numbers in labels.values() for value in numbers})
    if values != list(range(1, len(values) + 1)):
        shown = ", ".join(map(str, values[:12])) + (", …" if len(values) > 12 else "")
        message = f"values are {shown}; nnU-Net needs 1, 2, 3 … without a gap"
        defects.append(Defect("SEG004", message, DATASET_JSON, "/labels", severity="warning"))
    ignored = labels.get(IGNORE)
    if ignored and (len(ignored) > 1 or ignored[0] != max(values)):
        message = "ignore must be one value, the highest; nnU-Net refuses it"
        defects.append(Defect("SEG004", message, DATASET_JSON, "/labels/ignore"))


def _cases(data: Any, defects: list[Defect]) -> dict[str, tuple[tuple[str, ...], str]]:  # Any: foreign JSON
    cases = {}
    for name, case in _mapping(data).items():
        images, label = (case.get("images"), case.get("label")) if isinstance(case, dict) else (None, None)
        if (
            not isinstance(images, list)
            or not all(isinstance(path, str) for path in images)
            or not isinstance(label, str)
        ):
            message = f"case {name!r} needs 'images', a list of paths, and 'label', a path"
            defects.append(Defect("SEG004", message, DATASET_JSON, f"/dataset/{name}"))
        else:
            cases[name] = tuple(images), str(label)
    return cases


def _mapping(data: Any) -> dict[str, Any]:  # Any: foreign JSON
    return data if isinstance(data, dict) else {}


def _is_value(number: Any) -> bool:  # Any: foreign JSON
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= _MAX_LABEL


def _are_values(numbers: Any) -> bool:  # Any: foreign JSON
    return isinstance(numbers, list) and all(map(_is_value, numbers))


_FOLDERS = (("train", "imagesTr", "labelsTr"), ("val", "imagesVal", "labelsVal"), ("test", "imagesTs", "labelsTs"))


@dataclass(frozen=True, slots=True)
class Case:
    """A case: an image and its labels."""

    name: str  # with the ending
    split: str  # by folder
    images: tuple[Path | None, ...] = ()  # the file of each channel; None for a missing one
    label: Path | None = None  # its labels; None if it is not annotated

    @property
    def image(self) -> Path | None:
        """The file of the first channel found."""
        return next((path for path in self.images if path is not None), None)


def _find_cases(root: Path, dataset_json: DatasetJson, defects: list[Defect]) -> list[Case]:
    """Find the cases of a dataset, by name: those listed in dataset.json, else those in its folders."""
    cases = list(
        _listed_cases(root, dataset_json, defects)
        if dataset_json.cases
        else _cases_in_folders(root, dataset_json, defects)
    )
    n_training = sum(case.split == "train" for case in cases)
    if dataset_json.n_training is not None and dataset_json.n_training != n_training:
        message = f"numTraining is {dataset_json.n_training}, there are {n_training} training cases; nnU-Net refuses it"
        defects.append(Defect("SEG004", message, DATASET_JSON, "/numTraining"))
    cases.sort(key=lambda case: case.name)
    defects += _copied_channels(root, cases)
    return cases


def _copied_channels(root: Path, cases: Iterable[Case]) -> Iterator[Defect]:
    """SEG004 (info) if some cases, and not all, have one channel twice: a file was copied, or saved under two names."""
    several = [case for case in cases if sum(path is not None for path in case.images) > 1]
    copied: list[Case] = []
    for case in several:
        checks = [check for path in case.images if path is not None and (check := _packed_content(path)) is not None]
        if len(set(checks)) < len(checks):
            copied.append(case)
    if copied and len(copied) < len(several):
        have = "has" if len(copied) == 1 else "have"
        message = (
            f"{len(copied)} of {count_noun(len(several), 'case')} {have} one channel twice: two of their files hold "
            f"the same ({list_names([case.name for case in copied])}); the others have different ones"
        )
        first = relative_path(root, copied[0].image) if copied[0].image is not None else None
        yield Defect("SEG004", message, first, severity="info")


def _packed_content(path: Path) -> tuple[int, bytes] | None:
    """The size of a gzip file, and the checksum and length of what it holds, its last 8 bytes; None for others."""
    try:
        with path.open("rb") as file:
            is_packed = file.read(2) == b"\x1f\x8b"
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - 8, 0))
            return (size, file.read(8)) if is_packed else None
    except OSError:
        return None  # which reading tells


def _listed_cases(root: Path, dataset_json: DatasetJson, defects: list[Defect]) -> Iterator[Case]:
    """The cases that dataset.json lists; images may be anywhere, labels and relative paths only below the root."""
    missing: list[Defect] = []
    n_images = 0
    for name, (images, label) in dataset_json.cases.items():
        place = f"/dataset/{name}"
        unsafe = [path for path in (name, label) if is_unsafe_path(path)]
        unsafe += [path for path in images if is_unsafe_path(path) and not Path(path).is_absolute()]
        if unsafe:
            defects.append(unsafe_path_defect(unsafe[0], DATASET_JSON, place))
            continue
        path = root / label
        if not path.is_file():
            defects.append(Defect("SEG002", f"the labels {label!r} do not exist", DATASET_JSON, place))
        n_images += len(images)
        missing_images = [path for path in images if not (root / path).is_file()]
        missing += [
            Defect("SEG002", f"image file {path!r} does not exist", DATASET_JSON, place) for path in missing_images
        ]
        yield Case(
            name + dataset_json.ending, "train", tuple(root / path for path in images), path if path.is_file() else None
        )
    if missing and len(missing) == n_images:
        message = f"none of the {n_images:,} image files is where dataset.json says"
        missing = [Defect("SEG002", message, DATASET_JSON, "/dataset", severity="info")]
    defects += missing


def _cases_in_folders(root: Path, dataset_json: DatasetJson, defects: list[Defect]) -> Iterator[Case]:
    ending = re.escape(dataset_json.ending)
    taken: set[str] = set()
    for split, image_folder, label_folder in _FOLDERS:
        channels: dict[str, dict[int, Path]] = {}
        files = _files_by_name(root, image_folder, defects)
        numbered = re.compile(rf"(.+)_(\d{{4}}){ending}")
        if not any(map(numbered.fullmatch, files)):  # the Decathlon has all channels in one file
            numbered = re.compile(rf"(.+)(){ending}")
        for name, path in files.items():
            match = numbered.fullmatch(name)
            if match is None:
                message = (
                    f"the name does not end in a channel and {dataset_json.ending!r}, as "
                    f"{'case_0000' + dataset_json.ending!r}"
                )
                defects.append(Defect("SEG011", message, relative_path(root, path)))
            else:
                channels.setdefault(match[1], {})[int(match[2] or 0)] = path
        labels: dict[str, Path] = {}
        for name, path in _files_by_name(root, label_folder, defects).items():
            if name.endswith(dataset_json.ending):
                labels[name.removesuffix(dataset_json.ending)] = path
            else:
                defects.append(
                    Defect("SEG011", f"the name does not end in {dataset_json.ending!r}", relative_path(root, path))
                )
        for case in sorted(channels.keys() | labels.keys()):
            images = channels.get(case, {})
            defects += _incomplete_case(root, images, labels.get(case), dataset_json, split)
            channel_files = tuple(images.get(number) for number in range(max(images, default=-1) + 1))
            name = case if case not in taken else f"{image_folder}/{case}"
            taken.add(case)
            yield Case(name + dataset_json.ending, split, channel_files, labels.get(case))


def _incomplete_case(
    root: Path, images: dict[int, Path], label: Path | None, dataset_json: DatasetJson, split: str
) -> Iterator[Defect]:
    if not images and label is not None:
        yield Defect("SEG011", "labels without image", relative_path(root, label))
        return
    first = relative_path(root, next(iter(images.values())))
    if label is None and split == "train":
        yield Defect("SEG011", "an image without labels; nnU-Net refuses it", first)
    names = dataset_json.channels
    is_unnumbered = len(images) == 1 and re.search(r"_\d{4}$", nifti_stem(first)) is None
    is_rgb = len(images) == 1 and len(names) in (3, 4) and not dataset_json.ending.startswith(".nii")
    if names and len(names) != len(images) and not is_unnumbered and not is_rgb:
        missing = [f"{number:04d}" for number in range(len(names)) if number not in images]
        detail = f"; missing: {', '.join(missing)}" if missing else ""
        message = f"{count_noun(len(images), 'channel')}, but dataset.json names {len(names)}{detail}"
        yield Defect("SEG002", message, first)


def _files_by_name(root: Path, folder: str, defects: list[Defect]) -> dict[str, Path]:
    """The files of a folder of cases by name; if there are only folders in it, theirs, which nnU-Net does not read."""
    files = {path.name: path for path in _visible_files(root / folder)}
    inside = [] if files or not (root / folder).is_dir() else sorted((root / folder).iterdir())
    for below in inside:
        files |= {f"{below.name}/{path.name}": path for path in _visible_files(below)}
    if inside and files:
        names = list_names(sorted({name.partition("/")[0] for name in files}))
        message = f"the files lie in folders of it ({names}); nnU-Net reads none of these: move them up to {folder}/"
        defects.append(Defect("SEG004", message, folder, lost=False))
    return files


def _visible_files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    files = [path for path in files if not path.name.startswith(".")]
    for path in files:
        check_path_name(path)
    return files


METADATA_KEY = "nnunet"  # in the profile's metadata: dataset.json


def _nnunet_source(
    request: ReadRequest, dataset_json: DatasetJson, volumes: list[LabelledVolume], opened: OpenVolumes
) -> PerImageSource:
    labels = [label for labelled in volumes for label in labelled.labels]
    meaning = _label_meanings(request.taxonomy, dataset_json, labels)
    if is_volume_name(f"x{dataset_json.ending}"):
        source = volume_source(request, opened, meaning, DecodedFiles(decode_volume))
    else:
        entries = [
            slice_entry(labelled, frame, _existing_file(frame.uri)) for labelled in volumes for frame in labelled.frames
        ]
        entries.sort(key=lambda entry: entry.image_id)
        read_image = partial(_read_picture, opened.root, meaning.decoders)
        source = PerImageSource(request.root, meaning.profile(request), entries, (), read_image, request.annotator)
    profile = replace(
        source.profile,
        format="nnunet",
        name=request.root.name,
        overlap=Policy("allow" if dataset_json.has_regions else "forbid"),
        metadata={**meaning.metadata, METADATA_KEY: dataset_json.text},
    )
    return replace(source, profile=profile, defects=(*dataset_json.defects, *opened.defects))


def _case_volume(
    root: Path, case: Case, dataset_json: DatasetJson, n_slices: int | None, size: tuple[int, int]
) -> LabelledVolume:
    """The labelled volume of a case, or one 2D image if `n_slices` is None."""
    label = () if case.label is None else (LabelFile(case.label, relative_path(root, case.label)),)
    if n_slices is None:
        uri = None if case.image is None else case.image.as_posix()
        frame = VolumeSlice(
            case.name,
            uri=uri,
            annotated=bool(label),
            height=size[0],
            width=size[1],
            channels=_channels(case, dataset_json, None),
        )
        return LabelledVolume(case.name, [frame], label, split=case.split)
    channels = partial(_channels, case, dataset_json)
    frames = slices_of_volume(case.name, case.image, n_slices, size, bool(label), channels)
    return LabelledVolume(case.name, frames, label, case.name, split=case.split)


def _channels(case: Case, dataset_json: DatasetJson, k: int | None) -> tuple[dict[str, str | None], ...] | None:
    if len(case.images) < 2:
        return None
    names = [
        *dataset_json.channels,
        *(f"{number:04d}" for number in range(len(dataset_json.channels), len(case.images))),
    ]
    return tuple(
        {"uri": None if path is None else path.as_posix() if k is None else slice_uri(path, k), "name": name}
        for path, name in zip(case.images, names, strict=False)
    )


def _label_meanings(taxonomy: Taxonomy | None, dataset_json: DatasetJson, labels: Sequence[LabelFile]) -> LabelMeanings:
    """The meanings of values: categories are labels or regions, with the taxonomy's ids, else values or numbers."""
    numbers = {
        name: dataset_json.ids.get(name, row if dataset_json.has_regions else dataset_json.labels[name][0])
        for row, name in enumerate(dataset_json.labels, 1)
    }
    own_taxonomy = Taxonomy(
        categories=tuple(
            Category(id=id_, name=name, kind="void" if name == IGNORE else "stuff") for name, id_ in numbers.items()
        ),
        unlabelled=0,
    )
    named = resolve_names(dataset_json.labels, taxonomy, own_taxonomy)
    given_categories = taxonomy.by_id() if taxonomy is not None else {}
    ids = {
        name: dataset_json.ids[name] if dataset_json.ids.get(name) in given_categories else named.to[name]
        for name in dataset_json.labels
    }
    draw: SegmentDecoder
    if dataset_json.has_regions:
        allowed = Legend.from_mapping({0: UNLABELLED, **dict.fromkeys(dataset_json.values, 0)})
        draw = partial(segments_by_region, {ids[name]: values for name, values in dataset_json.labels.items()}, allowed)
    else:
        legend = {value: ids[name] for name, values in dataset_json.labels.items() for value in values}
        draw = partial(segments_by_category, Legend.from_mapping({0: UNLABELLED, **legend}))
    decoders = {label.name: draw for label in labels}
    return LabelMeanings(named.taxonomy, named.declared, "semantic", decoders, metadata=named.metadata)


def _existing_file(uri: str | None) -> Path | None:
    path = local_file(uri)
    return path if path is not None and is_file(path) else None


def _read_picture(root: Path, decoders: Mapping[str, SegmentDecoder], entry: ImageEntry) -> list[ImageAnnotation]:
    mask = decode_entry_mask(root, entry)
    labelled, _ = entry.record
    label: LabelFile = labelled.labels[0]
    if mask.coloured:
        raise BrokenLabelsError(Defect("SEG004", f"labels are {mask.encoding}; one channel is needed", label.name))
    values = ValueRuns.of(mask.values)
    segments = decoders[label.name](values, entry.image_id)
    lossy = [Defect("SEG010", f"{mask.lossy} changes values; save labels as PNG")] if mask.lossy else []
    annotation = ImageAnnotation(
        (values.height, values.width),
        segments.segment_id,
        segments.category_id,
        segments.runs,
        {
            "file": [label.name] * len(segments.places),
            "place": segments.places,
            "iscrowd": np.asarray(segments.iscrowd).tolist(),
        },
        mask.encoding,
        defects=[*lossy, *segments.defects],
    )
    return [annotation]


def open_nnunet(request: ReadRequest) -> PerImageSource:
    """Open the dataset; raises UnreadableError without a dataset.json."""
    root = request.root.parent if request.root.name == DATASET_JSON else request.root
    inside = [] if (root / DATASET_JSON).is_file() else sorted(root.glob(f"*/{DATASET_JSON}"))
    if len(inside) > 1:
        shown = list_names([path.parent.name for path in inside], 8)
        raise UnreadableError(f"{root}: holds several datasets, {shown}; give one as DATA")
    root = inside[0].parent if inside else root
    if not (root / DATASET_JSON).is_file():
        raise UnreadableError(f"{root}: no {DATASET_JSON}, which every nnU-Net dataset has")
    dataset_json = read_dataset_json(root / DATASET_JSON)
    opened, volumes = OpenVolumes(root), list[LabelledVolume]()
    are_volumes = is_volume_name(f"x{dataset_json.ending}")
    if (root / VOLUME_INDEX).is_file():
        volumes, _ = read_volume_index(root, opened.defects)
        for labelled in volumes if are_volumes else ():
            opened.add(labelled, None)
    elif are_volumes:
        _add_case_volumes(root, dataset_json, opened)
    else:
        cases = _find_cases(root, dataset_json, opened.defects)
        volumes = [_case_volume(root, case, dataset_json, None, (0, 0)) for case in cases]
    return _nnunet_source(request, dataset_json, opened.volumes if are_volumes else volumes, opened)


def _add_case_volumes(root: Path, dataset_json: DatasetJson, opened: OpenVolumes) -> None:
    """Open the headers of the volumes of all cases."""
    for case in _find_cases(root, dataset_json, opened.defects):
        image = opened.image([path for path in case.images if path is not None and path.is_file()])
        shape = image.shape if image is not None else opened.shape(case.label)
        if shape is not None:
            opened.add(_case_volume(root, case, dataset_json, shape[2], (shape[1], shape[0])), image)
