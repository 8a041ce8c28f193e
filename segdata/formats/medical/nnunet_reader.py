"""nnU-Net reader: the cases of a dataset as images, slices of volumes or pictures of their own.

A case is `imagesTr/<case>_0000<ending>`, `_0001` … for the channels, and `labelsTr/<case><ending>`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.paths import check_path_name, is_unsafe_path, local_file, slice_uri
from segdata.core.profile import Policy, Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.medical.nifti_header import is_nifti_name, nifti_stem
from segdata.formats.medical.nifti_labels import SegmentDecoder, ValueMeanings, segments_by_category, segments_by_region
from segdata.formats.medical.nifti_layout import VOLUME_INDEX, LabelFile, LabelledVolume, VolumeSlice, read_volume_index
from segdata.formats.medical.nifti_reader import OpenVolumes, volume_source
from segdata.formats.medical.nifti_voxels import decode_volume
from segdata.formats.medical.nnunet_json import DATASET_JSON, IGNORE, DatasetJson, read_dataset_json
from segdata.formats.medical.volume_files import DecodedFiles
from segdata.formats.shared.mask_files import ValueRuns, decode_entry_mask
from segdata.formats.shared.mask_values import UNLABELLED, Legend
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.shared.taxonomies import resolve_names

_FOLDERS = (("train", "imagesTr", "labelsTr"), ("val", "imagesVal", "labelsVal"), ("test", "imagesTs", "labelsTs"))


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes
    ----------
    name : with the ending
    split : by its folder
    images : of each channel its file; None for one that is not here
    label : its labels; None where nobody worked on it
    """

    name: str
    split: str
    images: tuple[Path | None, ...] = ()
    label: Path | None = None

    @property
    def image(self) -> Path | None:
        """The file of the first channel that is here."""
        return next((each for each in self.images if each is not None), None)


def find_cases(root: Path, said: DatasetJson, defects: list[Defect]) -> list[Case]:
    """The cases of a dataset, by name; those that its dataset.json lists, else those in its folders."""
    found = list(_listed_cases(root, said, defects) if said.cases else _cases_in_folders(root, said, defects))
    n_training = sum(case.split == "train" for case in found)
    if said.n_training is not None and said.n_training != n_training:
        message = f"numTraining is {said.n_training}, there are {n_training} training cases; nnU-Net refuses it"
        defects.append(Defect("SEG004", message, DATASET_JSON, "/numTraining"))
    return sorted(found, key=lambda case: case.name)


def _listed_cases(root: Path, said: DatasetJson, defects: list[Defect]) -> Iterator[Case]:
    """The cases that dataset.json lists; images may be anywhere, labels and what is relative below the root alone."""
    missing: list[Defect] = []
    n_images = 0
    for name, (images, label) in said.cases.items():
        place = f"/dataset/{name}"
        unsafe = [each for each in (name, label) if is_unsafe_path(each)]
        unsafe += [each for each in images if is_unsafe_path(each) and not Path(each).is_absolute()]
        if unsafe:
            message = f"path {unsafe[0]!r} leaves the dataset's root; name files below it"
            defects.append(Defect("SEG015", message, DATASET_JSON, place))
            continue
        path = root / label
        if not path.is_file():
            defects.append(Defect("SEG002", f"the labels {label!r} do not exist", DATASET_JSON, place))
        n_images += len(images)
        gone = [each for each in images if not (root / each).is_file()]
        missing += [Defect("SEG002", f"image file {each!r} does not exist", DATASET_JSON, place) for each in gone]
        yield Case(name + said.ending, "train", tuple(root / each for each in images), path if path.is_file() else None)
    if missing and len(missing) == n_images:
        message = f"none of the {n_images:,} image files is where dataset.json says"
        missing = [Defect("SEG002", message, DATASET_JSON, "/dataset", severity="info")]
    defects += missing


def _cases_in_folders(root: Path, said: DatasetJson, defects: list[Defect]) -> Iterator[Case]:
    ending = re.escape(said.ending)
    taken: set[str] = set()
    for split, image_folder, label_folder in _FOLDERS:
        channels: dict[str, dict[int, Path]] = {}
        files = _visible_files(root / image_folder)
        numbered = re.compile(rf"(.+)_(\d{{4}}){ending}")
        if not any(numbered.fullmatch(path.name) for path in files):  # the Decathlon has all channels in one file
            numbered = re.compile(rf"(.+)(){ending}")
        for path in files:
            match = numbered.fullmatch(path.name)
            if match is None:
                message = f"the name does not end in a channel and {said.ending!r}, as {'case_0000' + said.ending!r}"
                defects.append(Defect("SEG011", message, relative_path(root, path)))
            else:
                channels.setdefault(match[1], {})[int(match[2] or 0)] = path
        labels: dict[str, Path] = {}
        for path in _visible_files(root / label_folder):
            if path.name.endswith(said.ending):
                labels[path.name.removesuffix(said.ending)] = path
            else:
                defects.append(Defect("SEG011", f"the name does not end in {said.ending!r}", relative_path(root, path)))
        for case in sorted(channels.keys() | labels.keys()):
            images = channels.get(case, {})
            defects += _incomplete_case(root, case, images, labels.get(case), said, split)
            every = tuple(images.get(number) for number in range(max(images, default=-1) + 1))
            name = case if case not in taken else f"{image_folder}/{case}"
            taken.add(case)
            yield Case(name + said.ending, split, every, labels.get(case))


def _incomplete_case(
    root: Path, case: str, images: dict[int, Path], label: Path | None, said: DatasetJson, split: str
) -> Iterator[Defect]:
    """What a case lacks."""
    if not images and label is not None:
        yield Defect("SEG011", "labels without image", relative_path(root, label))
        return
    first = relative_path(root, next(iter(images.values())))
    if label is None and split == "train":
        yield Defect("SEG011", "an image without labels; nnU-Net refuses it", first)
    several = len(images) == 1 and re.search(r"_\d{4}$", nifti_stem(first)) is None
    if said.channels and len(said.channels) != len(images) and not several and not _is_rgb(said, images):
        lacking = [f"{number:04d}" for number in range(len(said.channels)) if number not in images]
        listed = f"; there is no {', '.join(lacking)}" if lacking else ""
        message = f"{len(images)} channels, dataset.json names {len(said.channels)}{listed}"
        yield Defect("SEG002", message, first)


def _is_rgb(said: DatasetJson, images: dict[int, Path]) -> bool:
    """One colour file stands for three channels."""
    return len(images) == 1 and len(said.channels) in (3, 4) and not said.ending.startswith(".nii")


def _visible_files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    found = [path for path in found if not path.name.startswith(".")]
    for path in found:
        check_path_name(path)
    return found


METADATA_KEY = "nnunet"  # in the profile's metadata: dataset.json


def nnunet_source(
    request: ReadRequest, said: DatasetJson, reels: list[LabelledVolume], opened: OpenVolumes
) -> PerImageSource:
    """The images of these cases."""
    labels = [label for reel in reels for label in reel.labels]
    meaning = _label_meanings(request.taxonomy, said, labels)
    if is_nifti_name(f"x{said.ending}"):
        source = volume_source(request, opened, meaning, DecodedFiles(decode_volume))
    else:
        entries = [_entry(reel, frame) for reel in reels for frame in reel.frames]
        entries.sort(key=lambda entry: entry.image_id)
        look = partial(_read_picture, opened.root, meaning.draws)
        source = PerImageSource(request.root, _profile(request, meaning), entries, (), look, request.annotator)
    profile = replace(
        source.profile,
        format="nnunet",
        name=request.root.name,
        overlap=Policy("allow" if said.has_regions else "forbid"),
        metadata={**meaning.metadata, METADATA_KEY: said.text},
    )
    return replace(source, profile=profile, defects=(*said.defects, *opened.defects))


def case_volume(
    root: Path, case: Case, said: DatasetJson, n_slices: int | None, size: tuple[int, int]
) -> LabelledVolume:
    """The reel of a case: slices of a volume, or one picture where `n_slices` is None."""
    label = () if case.label is None else (LabelFile(case.label, relative_path(root, case.label)),)
    if n_slices is None:
        uri = None if case.image is None else case.image.as_posix()
        frame = VolumeSlice(case.name, uri=uri, annotated=bool(label), size=size, channels=_channels(case, said, None))
        return LabelledVolume(case.name, [frame], label, split=case.split)
    frames = [
        VolumeSlice(
            f"{case.name}/{k:04d}" if n_slices > 1 else case.name,
            k,
            k,
            None if case.image is None else slice_uri(case.image, k),
            bool(label),
            size,
            _channels(case, said, k),
        )
        for k in range(n_slices)
    ]
    return LabelledVolume(case.name, frames, label, case.name, split=case.split)


def _channels(case: Case, said: DatasetJson, k: int | None) -> tuple[Mapping[str, str | None], ...] | None:
    """The files of an image that has several."""
    if len(case.images) < 2:
        return None
    names = [*said.channels, *(f"{number:04d}" for number in range(len(said.channels), len(case.images)))]
    return tuple(
        {"uri": None if path is None else path.as_posix() if k is None else slice_uri(path, k), "name": name}
        for path, name in zip(case.images, names, strict=False)
    )


def _label_meanings(given: Taxonomy | None, said: DatasetJson, labels: Sequence[LabelFile]) -> ValueMeanings:
    """Categories are labels or regions; their ids are the taxonomy's, else the values, of regions their numbers."""
    numbers = {
        name: said.ids.get(name, row if said.has_regions else said.labels[name][0])
        for row, name in _numbered_labels(said)
    }
    own = Taxonomy(
        categories=tuple(
            Category(id=id_, name=name, kind="void" if name == IGNORE else "stuff") for name, id_ in numbers.items()
        ),
        unlabelled=0,
    )
    named = resolve_names(said.labels, given, own)
    known = given.by_id() if given is not None else {}
    ids = {name: said.ids[name] if said.ids.get(name) in known else named.to[name] for name in said.labels}
    draw: SegmentDecoder
    if said.has_regions:
        allowed = Legend.of({0: UNLABELLED, **dict.fromkeys(said.values, 0)})
        draw = partial(segments_by_region, {ids[name]: values for name, values in said.labels.items()}, allowed)
    else:
        legend = {value: ids[name] for name, values in said.labels.items() for value in values}
        draw = partial(segments_by_category, Legend.of({0: UNLABELLED, **legend}))
    draws = {label.name: draw for label in labels}
    return ValueMeanings(named.taxonomy, named.declared, "semantic", draws, metadata=named.metadata)


def _numbered_labels(said: DatasetJson) -> list[tuple[int, str]]:
    return list(enumerate(said.labels, 1))


def _profile(request: ReadRequest, meaning: ValueMeanings) -> Profile:
    return Profile(
        name=request.root.name,
        format="nnunet",
        task="semantic",
        taxonomy=meaning.taxonomy,
        taxonomy_declared=meaning.declared,
        coverage=Policy("sparse"),
        overlap=Policy("forbid"),
        files=str(request.root),
    )


def _entry(reel: LabelledVolume, frame: VolumeSlice) -> ImageEntry:
    """A picture of its own."""
    path = local_file(frame.uri)
    worked_on = frame.annotated and bool(reel.labels)
    return ImageEntry(
        frame.image_id,
        path if path is not None and path.is_file() else None,
        tuple(label.path for label in reel.labels) if worked_on else (),
        record=reel.labels[0] if worked_on else None,
        size=(0, 0) if worked_on else frame.size,
        uri=frame.uri,
        sequence=reel.sequence,
        frame=frame.frame,
        split=reel.split,
        channels=frame.channels,
    )


def _read_picture(root: Path, draws: Mapping[str, SegmentDecoder], entry: ImageEntry) -> list[ImageAnnotation]:
    """What the labels of a picture hold."""
    mask = decode_entry_mask(root, entry)
    label: LabelFile = entry.record
    if mask.coloured:
        raise BrokenLabelsError(Defect("SEG004", f"labels are {mask.encoding}; one channel is needed", label.name))
    values = ValueRuns.of(mask.values)
    drawn = draws[label.name](values, entry.image_id)
    lossy = [Defect("SEG010", f"{mask.lossy} changes values; save labels as PNG")] if mask.lossy else []
    found = ImageAnnotation(
        (values.height, values.width),
        drawn.segment_id,
        drawn.category_id,
        drawn.runs,
        {
            "file": [label.name] * len(drawn.places),
            "place": drawn.places,
            "iscrowd": np.asarray(drawn.iscrowd).tolist(),
        },
        mask.encoding,
        defects=[*lossy, *drawn.defects],
    )
    return [found]


def open_nnunet(request: ReadRequest) -> PerImageSource:
    """The dataset; raises UnreadableError without a dataset.json."""
    root = request.root.parent if request.root.name == DATASET_JSON else request.root
    if not (root / DATASET_JSON).is_file():
        raise UnreadableError(f"{root}: no {DATASET_JSON}, which every dataset of nnU-Net has")
    said = read_dataset_json(root / DATASET_JSON)
    opened = OpenVolumes(root)
    volumes = is_nifti_name(f"x{said.ending}")
    if (root / VOLUME_INDEX).is_file():
        reels, _ = read_volume_index(root, opened.defects)
        for reel in reels if volumes else ():
            opened.take(reel, None)
    else:
        reels = [reel for reel in _case_volumes(root, said, opened, volumes) if reel is not None]
    return nnunet_source(request, said, opened.reels if volumes else reels, opened)


def _case_volumes(root: Path, said: DatasetJson, opened: OpenVolumes, volumes: bool) -> Iterator[LabelledVolume | None]:
    """The cases in the folders of a dataset; volumes with their headers."""
    for case in find_cases(root, said, opened.defects):
        if not volumes:
            yield case_volume(root, case, said, None, (0, 0))
            continue
        image = opened.image([path for path in case.images if path is not None and path.is_file()])
        shape = image.shape if image is not None else opened.shape(case.label)
        if shape is not None:
            opened.take(case_volume(root, case, said, shape[2], (shape[1], shape[0])), image)
        yield None
