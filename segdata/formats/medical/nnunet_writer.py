"""nnU-Net writer: the value of each category, the labels and images of cases, and dataset.json.

nnU-Net looks for images as `imagesTr/<case>_0000<ending>`, all with one ending, that of the labels; volumes become
.nii.gz. Pictures of other formats become PNG files, which hold the same pixels, and grey ones colours where others are.
Source: MIC-DKFZ/nnUNet nnunetv2/utilities/utils.py, nnunetv2/imageio/natural_image_reader_writer.py (one or three
channels a file).
"""

import gzip
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import numpy as np
from PIL import Image, ImageOps

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError, count_noun
from segdata.core.losses import LossCounter
from segdata.core.paths import absolute_uri, is_unsafe_path, local_file, relative_uri, replace_file, with_folder
from segdata.core.profile import Profile
from segdata.core.taxonomy import Category
from segdata.formats.medical.nifti_files import is_nifti_name, nifti_stem, source_header, write_volume
from segdata.formats.medical.nifti_labels import (
    VOLUME_INDEX,
    VolumeIndex,
    VolumeIndexEntry,
    VolumeIndexLabel,
    VolumeSlice,
    write_volume_index,
)
from segdata.formats.medical.nifti_writer import (
    ImageStack,
    Layering,
    PaintedImage,
    Values,
    index_image,
    index_place,
    paint_categories,
    painted_images,
    stack_images,
)
from segdata.formats.medical.nnunet import LOSSES
from segdata.formats.medical.nnunet_reader import (
    BACKGROUND,
    CATEGORY_IDS,
    DATASET_JSON,
    IGNORE,
    METADATA_KEY,
    DatasetJson,
    parse_dataset_json,
)
from segdata.formats.shared import writing
from segdata.formats.shared.file_names import IMAGE_SUFFIXES, is_image_name
from segdata.formats.shared.images import open_image, read_header
from segdata.formats.shared.json_files import Json
from segdata.formats.shared.taxonomies import write_sidecars

_MAX_VALUE = 2**16 - 1


@dataclass(frozen=True, slots=True)
class NnunetPlan:
    """The values of categories in the files."""

    labels: Mapping[str, tuple[int, ...]]  # name in dataset.json -> its values
    # category id -> painted value; regions are painted in this order, later ones over earlier
    values: Mapping[int, int]
    ids: Mapping[str, int]  # name -> category id
    ending: str  # of files
    channels: tuple[str, ...]  # names
    source: DatasetJson | None  # the dataset.json from which the dataset was read, if any

    @property
    def regions(self) -> dict[int, tuple[int, ...]]:
        """Category id -> values; empty if each category has a single value."""
        if all(len(numbers) == 1 for numbers in self.labels.values()):
            return {}
        return {self.ids[name]: values for name, values in self.labels.items()}

    @property
    def merged_void(self) -> list[int]:
        """The void categories that are merged into another one."""
        return [
            id_ for id_, value in self.values.items() if (value,) == self.labels.get(IGNORE) and id_ != self.ids[IGNORE]
        ]

    @property
    def layering(self) -> Layering:
        """The values for painting by category."""
        return Layering(("",), {id_: ("", value) for id_, value in self.values.items()})

    def dataset_json(self, cases: Mapping[str, tuple[Sequence[str], str]]) -> str:
        """The content of dataset.json, for cases with the paths of their images and labels."""
        kept: dict[str, Any] = json.loads(self.source.text) if self.source else {}
        entries = {
            "channel_names": {str(number): name for number, name in enumerate(self.channels)},
            "labels": {
                BACKGROUND: 0,
                **{name: values[0] if len(values) == 1 else list(values) for name, values in self.labels.items()},
            },
            "numTraining": len(cases),
            "file_ending": self.ending,
            CATEGORY_IDS: self.ids,
            "dataset": {name: {"images": list(images), "label": label} for name, (images, label) in cases.items()},
        }
        kept.pop("modality", None)
        return json.dumps({**kept, **entries}, indent=1, ensure_ascii=False) + "\n"


def _make_plan(profile: Profile, ending: str | None, channels: str | None) -> NnunetPlan:
    """The values read from nnU-Net if the categories have not changed, else new values from 1.

    Raises SegdataError for more categories than 16 bits hold.
    """
    source = _source_dataset_json(profile)
    volumes = any(sequence.kind == "volume" for sequence in profile.sequences)
    file_ending = ending or (source.ending if source else ".nii.gz" if volumes else ".png")
    if file_ending not in (".nii.gz", ".png"):
        raise SegdataError(f"file_ending is {file_ending!r}, it must be .nii.gz or .png")
    names = tuple(name.strip() for name in channels.split(",")) if channels else source.channels if source else ()
    named = profile.taxonomy.by_name()
    if source is not None and source.labels.keys() == {category.name for category in profile.taxonomy.categories}:
        ids = {name: named[name].id for name in source.labels}
        regions = [name for name in source.labels if name != IGNORE]
        painted = dict(zip(regions, source.class_order, strict=True)) if source.has_regions else {}
        values = {ids[name]: painted.get(name, numbers[0]) for name, numbers in source.labels.items()}
        return NnunetPlan(source.labels, values, ids, file_ending, names or ("unknown",), source)
    labels, values, ids = _new_values(profile.taxonomy.by_id())
    return NnunetPlan(labels, values, ids, file_ending, names or ("unknown",), None)


def _source_dataset_json(profile: Profile) -> DatasetJson | None:
    """The dataset.json from which a dataset was read, if nnU-Net would accept it."""
    text = profile.metadata.get(METADATA_KEY)
    if text is None:
        return None
    try:
        dataset_json = parse_dataset_json(text, METADATA_KEY)
    except (SegdataError, ValueError, RecursionError):  # somebody edited dataset.yaml
        return None
    refused = any(defect.severity != "warning" for defect in dataset_json.defects)
    return None if refused or (dataset_json.has_regions and len(dataset_json.class_order) == 0) else dataset_json


def _new_values(
    categories: Mapping[int, Category],
) -> tuple[dict[str, tuple[int, ...]], dict[int, int], dict[str, int]]:
    """Values 1, 2, 3 … in the order of ids, and the next one for all void categories."""
    labels: dict[str, tuple[int, ...]] = {}
    values: dict[int, int] = {}
    ids: dict[str, int] = {}
    ordinary = [category for _, category in sorted(categories.items()) if category.kind != "void"]
    void = [category for _, category in sorted(categories.items()) if category.kind == "void"]
    if len(categories) > _MAX_VALUE:
        raise SegdataError(f"{len(categories):,} categories; the labels of nnU-Net have 16 bits ({_MAX_VALUE:,})")
    for value, category in enumerate(ordinary, 1):
        taken = category.name in labels or category.name in (BACKGROUND, IGNORE)
        name = f"{category.name}_{category.id}" if taken else category.name
        labels[name], values[category.id], ids[name] = (value,), value, category.id
    if void:
        labels[IGNORE], ids[IGNORE] = (len(ordinary) + 1,), void[0].id
        values |= {category.id: len(ordinary) + 1 for category in void}
    return labels, values, ids


def _paint_regions(batches: Iterable[Batch], plan: NnunetPlan, losses: LossCounter) -> Iterator[PaintedImage]:
    """The painted images of the batches; counts the losses of regions."""
    regions = plan.regions
    for batch in batches:
        category = batch.segment_category
        others = batch.take_segments(np.flatnonzero(~np.isin(category, np.array(list(regions), np.int64))))
        writing.count_category_mask_losses(others, np.full(others.n_segments, -1, np.int64), losses)
        streams = []
        for id_ in regions:
            region_batch = batch.take_segments(np.flatnonzero(category == id_))
            writing.count_category_mask_losses(
                region_batch, np.full(region_batch.n_segments, plan.values[id_], np.int64), losses, 0
            )
            streams.append(writing.segments_by_image(region_batch))
        yield from painted_images(batch, partial(_paint_image, streams, plan, losses))


def _paint_image(
    streams: Iterable[Iterator[writing.ImageSegments]],
    plan: NnunetPlan,
    losses: LossCounter,
    image: writing.ImageSegments,
) -> list[Values]:
    """The values of an image, given streams of its segments by region: a pixel has the value of its last region.

    A pixel is lost if that value implies other regions than the pixel's.
    """
    region_images = [next(stream) for stream in streams]
    if not image.annotated:
        return []
    masks = [
        writing.paint(image_segments, np.ones(len(image_segments.segments), np.int64), 0, np.uint8).astype(bool)
        for image_segments in region_images
    ]
    pixels: Values = np.zeros(masks[0].shape, np.uint16)
    for id_, mask in zip(plan.regions, masks, strict=True):
        pixels[mask] = plan.values[id_]
    changed = np.zeros(pixels.shape, bool)
    for mask, values in zip(masks, plan.regions.values(), strict=True):
        changed |= mask != np.isin(pixels, values)
    losses.add("overlap", "images", int(changed.any()), int(changed.sum()), [image.image_id])
    return [pixels]


_LABEL_FOLDER = "labelsTr"


class _CaseWriter:
    """Writes stacks below `labelsTr/`.

    Attributes
    ----------
    cases : name of a written case -> paths of images and labels
    """

    def __init__(self, target: Path, profile: Profile, ending: str, losses: LossCounter) -> None:
        self._target, self._ending, self._losses = target, ending, losses
        self._sequences = {sequence.name: sequence for sequence in profile.sequences}
        self._taken: set[str] = set()
        self.cases: dict[str, tuple[list[str], str]] = {}

    def save(self, stack: ImageStack) -> VolumeIndexEntry:
        sequence = self._sequences.get(stack.sequence or "")
        head = source_header(sequence)
        places = stack.places(head.shape[2] if head is not None else None)
        labels: tuple[VolumeIndexLabel, ...] = ()
        path: Path | None = None
        if stack.is_annotated:
            case = self._name(stack.name)
            file = f"{_LABEL_FOLDER}/{case}{self._ending}"
            path = self._target / file
            n_slices = max(max(places) + 1, head.shape[2] if head is not None else 0)
            slices = stack.slices(0, places, n_slices, 0)
            if self._ending == ".png":
                wide = int(slices[0].max(initial=0)) > np.iinfo(np.uint8).max
                Image.fromarray(slices[0].astype(np.uint16 if wide else np.uint8)).save(with_folder(path))
            elif not write_volume(path, slices, sequence):
                self._losses.add("spatial", "sequences", 1, examples=[stack.name])
            images = [uri for path in _image_files(stack.pictures) if (uri := relative_uri(path, self._target))]
            self.cases[case] = images, file
            labels = (VolumeIndexLabel(file),)
        return VolumeIndexEntry(
            tuple(index_image(place, image, self._target) for place, image in zip(places, stack.pictures, strict=True)),
            labels,
            stack.sequence,
            sequence.kind if sequence is not None else "volume",
            place=index_place(stack, sequence, path) if self._ending == ".nii.gz" else None,
        )

    def _name(self, name: str) -> str:
        """A name that is valid for files and for nnU-Net, which derives other file names from it."""
        if is_unsafe_path(name):
            raise SegdataError(f"{name!r} leaves the dataset's root, so its labels have no place")
        path = PurePosixPath(nifti_stem(name))
        bare = path.with_suffix("") if path.suffix.lower() in IMAGE_SUFFIXES else path
        case = re.sub(r"[/\\:]", "__", bare.as_posix())
        if case.lower() in self._taken:
            case = f"{case}.{len(self._taken)}"
        self._taken.add(case.lower())
        return case


def _image_files(pictures: list[PaintedImage]) -> list[str]:
    """The image files of a case, one for each channel; none if its slices are separate files."""
    channels: list[list[Mapping[str, str | None]]] = [
        list(image.channels) if image.channels else [{"uri": image.uri}] for image in pictures
    ]
    files = {tuple(local_file(channel["uri"]) for channel in path) for path in channels}
    only = next(iter(files)) if len(files) == 1 else ()
    return [] if None in only else [str(image_channels) for image_channels in only]


_HELD_COLUMNS = frozenset({"images.channels", "images.frame", "images.sequence"})  # by the index


def write_nnunet(
    profile: Profile,
    batches: Iterable[Batch],
    target: Path,
    losses: LossCounter,
    *,
    file_ending: str | None = None,
    channels: str | None = None,
) -> None:
    """Write the cases: volumes, or pictures."""
    plan = _make_plan(profile, file_ending, channels)
    if plan.ending == ".png":
        writing.count_spatial_losses(profile, losses)
    target.mkdir(parents=True)
    folder = _CaseWriter(target, profile, plan.ending, losses)
    counted = (_count_batch_losses(batch, plan, losses) for batch in batches)
    if plan.regions:
        pictures = _paint_regions(counted, plan, losses)
    else:
        pictures = paint_categories(counted, plan.layering, losses)
    stacks = stack_images(pictures) if plan.ending == ".nii.gz" else (ImageStack([picture]) for picture in pictures)
    volumes = [folder.save(stack) for stack in stacks]
    if plan.ending == ".nii.gz":
        _count_lost_places(profile, {volume.sequence for volume in volumes}, losses)
    (target / DATASET_JSON).write_text(plan.dataset_json(folder.cases), encoding="utf-8")
    write_volume_index(target, volumes, {})
    write_sidecars(target, profile, profile.taxonomy)


def _count_lost_places(profile: Profile, written: set[str | None], losses: LossCounter) -> None:
    """Count the label files that are merged, as a case now has a single one."""
    lost = [sequence.name for sequence in profile.sequences if sequence.is_placed and sequence.name not in written]
    losses.add("spatial", "sequences", len(lost), examples=lost[:3])


def _count_batch_losses(batch: Batch, plan: NnunetPlan, losses: LossCounter) -> Batch:
    """Count the batch's losses, among them merged void categories, and return it."""
    writing.count_losses(batch, losses, LOSSES, _HELD_COLUMNS)
    merged = np.isin(batch.segment_category, np.array(plan.merged_void, np.int64))
    rows = np.flatnonzero(merged & writing.in_first_annotation(batch))
    writing.count_segments(batch, rows, "void", losses, batch.runs.areas(batch.n_segments))
    return batch


_IMAGE_FOLDER = "imagesTr"
_GREY_MODES = frozenset({"1", "L", "I;16", "I;16B", "I;16L", "I"})
_UNKNOWN_CHANNELS = {"0": "unknown"}
_COLOUR_CHANNELS = {"0": "R", "1": "G", "2": "B"}


def arrange_images(folder: Path) -> tuple[str, ...]:
    """Move the copied images of cases from `images` to `imagesTr`; returns messages about those that do not fit.

    Cases are then found by file name, as in every version of nnU-Net, unless one of them has no image.
    """
    dataset_json: Json = json.loads((folder / DATASET_JSON).read_text(encoding="utf-8"))
    ending = str(dataset_json["file_ending"])
    cases: dict[str, Json] = dataset_json["dataset"]
    copied = {name: [folder / path for path in case["images"]] for name, case in cases.items()}
    fit = {name: files for name, files in copied.items() if files and all(_fits(file, ending) for file in files)}
    coloured = not is_nifti_name(f"x{ending}") and any(_is_coloured(file) for files in fit.values() for file in files)
    where: dict[Path, Path] = {}
    (folder / _IMAGE_FOLDER).mkdir(exist_ok=True)
    for name, files in fit.items():
        for number, file in enumerate(files):
            target = folder / _IMAGE_FOLDER / f"{name}_{number:04d}{ending}"
            _move_image(file, target, folder / cases[name]["label"], coloured)
            where[file.absolute()] = target.absolute()
        cases[name]["images"] = [where[file.absolute()].relative_to(folder.absolute()).as_posix() for file in files]
    if len(fit) == len(cases):
        del dataset_json["dataset"]
    if coloured and dataset_json["channel_names"] == _UNKNOWN_CHANNELS:
        dataset_json["channel_names"] = _COLOUR_CHANNELS
    (folder / DATASET_JSON).write_text(json.dumps(dataset_json, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    _reindex(folder, where)
    _remove_empty(folder / "images")
    without_images = [name for name in cases if name not in fit]
    if not without_images:
        return ()
    cases_text = (
        f"{count_noun(len(without_images), 'case')} ({without_images[0]}{', …' if len(without_images) > 1 else ''})"
    )
    return (
        f"no image file in {_IMAGE_FOLDER} for {cases_text}: nnU-Net reads one {ending} file per channel, or pictures",
    )


def _fits(file: Path, ending: str) -> bool:
    """Whether a file can be converted to this ending."""
    return file.is_file() and (is_nifti_name(file.name) if is_nifti_name(f"x{ending}") else is_image_name(file.name))


def _is_coloured(file: Path) -> bool:
    with open_image(file) as image:
        return image.mode not in _GREY_MODES


def _move_image(file: Path, target: Path, label: Path, coloured: bool) -> None:
    """Move an image to its place, converting format, colours or orientation if needed."""
    if is_nifti_name(target.name):
        if file.name.endswith(".gz"):
            file.replace(target)
            return
        with file.open("rb") as plain, gzip.open(target, "wb") as packed:
            shutil.copyfileobj(plain, packed)
    else:
        label_header, image_header = read_header(label), read_header(file)
        turned = image_header.is_rotated and (label_header.width, label_header.height) == (
            image_header.height,
            image_header.width,
        )
        with open_image(file) as image:
            fits = image.format == "PNG" and (image.mode == "RGB" if coloured else image.mode in _GREY_MODES)
            if not fits or turned:
                picture: Image.Image = ImageOps.exif_transpose(image) if turned else image
                (picture.convert("RGB") if coloured else picture).save(target, exif=b"")
        if fits and not turned:
            file.replace(target)
            return
    file.unlink()


def _reindex(folder: Path, where: Mapping[Path, Path]) -> None:
    """Update the places of images in volumes.json."""
    index = msgspec.json.decode((folder / VOLUME_INDEX).read_bytes(), type=VolumeIndex)
    write_volume_index(folder, [_moved_volume(volume, folder, where) for volume in index.volumes], index.layers)


def _moved_volume(volume: VolumeIndexEntry, folder: Path, where: Mapping[Path, Path]) -> VolumeIndexEntry:
    def now(uri: str | None) -> str | None:
        absolute = absolute_uri(uri, folder)
        file = local_file(absolute)
        target = where.get(file) if file is not None else None
        return uri if absolute is None or target is None else relative_uri(replace_file(absolute, target), folder)

    def put(image: VolumeSlice) -> VolumeSlice:
        channels = image.channels and tuple({**channel, "uri": now(channel.get("uri"))} for channel in image.channels)
        return msgspec.structs.replace(image, uri=now(image.uri), channels=channels)

    return msgspec.structs.replace(volume, images=tuple(map(put, volume.images)))


def _remove_empty(folder: Path) -> None:
    if not folder.is_dir():
        return
    inner: Iterable[Path] = sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True)
    for path in (*inner, folder):
        if not any(path.iterdir()):
            path.rmdir()
