"""NIfTI reader: the volumes of a dataset, contradictions between their headers, and the segments of each slice."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from segdata.core.errors import SegdataError, UnreadableError, count_noun
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.medical_files import DecodedFiles, voxel_spacing
from segdata.core.paths import slice_uri
from segdata.core.profile import ImageSequence, Policy
from segdata.core.runs import Runs
from segdata.formats.medical.nifti_files import (
    TOLERANCE_MM,
    LabelVolume,
    NiftiHeader,
    decode_volume,
    describe_differences,
    nifti_stem,
    read_header,
    volume_sequence,
)
from segdata.formats.medical.nifti_labels import (
    VOLUME_INDEX,
    LabelledVolume,
    LabelMeanings,
    LabelNames,
    SliceSegments,
    VolumeSlice,
    find_meanings,
    layer_meanings,
    read_volume_index,
    slices_of_volume,
)
from segdata.formats.medical.nifti_scans import LabelFile, Scan, find_scans
from segdata.formats.shared.image_names import images_folder, no_images_defect
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)

_UNPLACED = (
    "the header has no orientation (qform_code and sform_code are 0), so left and right, and flips against other "
    "volumes, are unknown"
)
_UNPLACED_MESSAGE = (
    "the header does not say where the volume lies in a patient, so left and right, and flips against other volumes, "
    "are unknown"
)

_TEST_IMAGES = re.compile(r"/imagesTs/", re.IGNORECASE)  # test images of challenges, whose labels are not published
_MASK = re.compile(r"(^|[/_-])(masks?|labels?|annotations?|seg|gt|derivatives)(?=[/_.-])", re.IGNORECASE)


@dataclass
class OpenVolumes:
    """The volumes of a dataset."""

    root: Path  # base of the paths in messages
    volumes: list[LabelledVolume] = field(default_factory=list)  # the readable volumes, annotated or not
    heads: dict[str, NiftiHeader] = field(default_factory=dict)  # of each file of labels, by its name
    # layer -> value -> category id, if an index states them
    layers: dict[str, dict[int, int]] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)  # met in headers and names

    @property
    def labels(self) -> list[LabelFile]:
        """The label files of all volumes."""
        return [label for labelled in self.volumes for label in labelled.labels]

    def head(self, path: Path, is_image: bool = False) -> NiftiHeader | None:
        """Read the header of a file; if it has none, None and a defect. Images may have more than three dimensions."""
        file = relative_path(self.root, path)
        try:
            return read_header(path, is_image)
        except FileNotFoundError:
            self.defects.append(Defect("SEG002", "the volume does not exist", file))
        except OSError as error:
            self.defects.append(Defect("SEG001", f"volume cannot be read: {error.strerror or error}", file))
        return None

    def image(self, channels: Sequence[Path]) -> NiftiHeader | None:
        """The header of an image, whose channels must have the same place."""
        heads = [(path, head) for path in channels if (head := self.head(path, is_image=True)) is not None]
        for path, head in heads[1:]:
            difference = (
                describe_differences(head, heads[0][1], "first channel")
                if head.shape == heads[0][1].shape
                else _format_size(head)
            )
            if difference is not None:
                message = f"the channel lies elsewhere than the first one: {difference}"
                self.defects.append(Defect("SEG017", message, relative_path(self.root, path)))
        return heads[0][1] if heads else None

    def shape(self, path: Path | None) -> tuple[int, int, int] | None:
        """Columns, rows and slices of a file; if they are unknown, None and a defect."""
        head = None if path is None else self.head(path)
        return None if head is None else head.shape

    def _layers(self, labels: Iterable[LabelFile]) -> Iterator[tuple[LabelFile, NiftiHeader]]:
        """The files with their headers; a file with several layers is one entry for each."""
        for label in labels:
            head = self.head(label.path)
            for plane in range(0 if head is None else head.n_layers):
                stem = nifti_stem(label.name)
                name = f"{stem}.{plane}{label.name[len(stem) :]}" if plane else label.name
                layer = f"{label.layer} {plane}".strip() if plane else label.layer
                if head is not None:
                    yield replace(label, name=name, layer=layer, plane=plane), head

    def add(self, labelled: LabelledVolume, image: NiftiHeader | None) -> None:
        """Add a volume with its readable label files of one shape."""
        kept: list[LabelFile] = []
        taken: set[tuple[str, str | None]] = set()
        for label, head in self._layers(labelled.labels):
            first = self.heads[kept[0].name] if kept else None
            file = relative_path(self.root, label.path)
            other, what = (image, "image") if image or not kept else (first, f"labels in {kept[0].path.name}")
            self.defects += _contradictions(file, head, other, what)
            is_picture = head.text is not None and len(head.text.shape) < 3
            if not (head.is_placed or is_picture or labelled.sequence is None or labelled.place is not None):
                message = _UNPLACED if head.text is None else _UNPLACED_MESSAGE
                self.defects.append(Defect("SEG017", message, file, severity="warning"))
            if (label.layer, label.annotator) in taken:
                message = f"a second volume of labels for {labelled.name!r}; the first one is read"
                self.defects.append(Defect("SEG008", message, file))
            elif first is None or first.shape == head.shape:
                kept.append(label)
                taken.add((label.layer, label.annotator))
                self.heads[label.name] = head
        self.volumes.append(replace(labelled, labels=tuple(kept)))


def _open_volumes(request: ReadRequest) -> OpenVolumes:
    """Open the volumes of a request; raises UnreadableError if there is none."""
    opened = OpenVolumes(request.root)
    if request.root.is_dir() and (request.root / VOLUME_INDEX).is_file():
        volumes, opened.layers = read_volume_index(request.root, opened.defects)
        for labelled in volumes:
            opened.add(labelled, None)
        return opened
    scans = find_scans(request.root, images_folder(request), _annotator_pattern(request), opened.defects)
    opened.defects += _masks_beside(request.root)
    if not scans:
        raise UnreadableError(f"{request.root}: found no volumes; they end in .nii, .nii.gz, .nrrd or .mha")
    for scan in scans:
        _add_scan(opened, scan)
    unread = {defect.file for defect in opened.defects if defect.code == "SEG001"}
    unpaired = _unpaired_defects(opened.root, scans, request)
    opened.defects += [defect for defect in unpaired if defect.file is None or defect.file not in unread]
    return opened


def _masks_beside(root: Path) -> list[Defect]:
    """SEG011 for image files named as masks, as only volumes are read."""
    names = list(ImageFolder.below(root).paths) if root.is_dir() else []
    masks = [name for name in names if _MASK.search(name)]
    if not masks:
        return []
    folders = sorted({name.partition("/")[0] for name in masks if "/" in name})
    where = f": give {' or '.join(folders[:3])} as DATA to read them" if folders else ""
    message = (
        f"{count_noun(len(masks), 'image file')} named like masks, such as {masks[0]}, and not read beside volumes"
    )
    return [Defect("SEG011", message + where, severity="warning")]


def _add_scan(opened: OpenVolumes, scan: Scan) -> None:
    files = list(scan.channels.values()) or ([] if scan.image is None else [scan.image])
    image = opened.image(files)
    heads = [_header_or_none(label.path) for label in scan.labels]
    shape = next((head.shape for head in (*heads, image) if head is not None), None)
    if shape is None:
        for label in scan.labels:
            opened.head(label.path)
        return
    columns, rows, n_slices = shape
    frames = slices_of_volume(
        scan.name, scan.image, n_slices, (rows, columns), bool(scan.labels), partial(_channels, scan.channels)
    )
    opened.add(LabelledVolume(scan.name, frames, tuple(scan.labels), scan.name), image)


def _channels(files: Mapping[str, Path], k: int) -> tuple[dict[str, str | None], ...] | None:
    """The files of slice `k` as rows of `schema.IMAGES`; None for an image in one file."""
    rows: list[dict[str, str | None]] = [{"uri": slice_uri(path, k), "name": name} for name, path in files.items()]
    return tuple(rows) if len(rows) > 1 else None


def _header_or_none(path: Path) -> NiftiHeader | None:
    try:
        return read_header(path)
    except OSError:
        return None


def _contradictions(file: str, head: NiftiHeader, other: NiftiHeader | None, what: str) -> list[Defect]:
    """The defects of a label volume that contradicts itself or another volume, its image if possible."""
    defects = []
    if other is not None and other.shape != head.shape:
        defects.append(
            Defect("SEG003", f"labels of {_format_size(head)} voxels, the {what} of {_format_size(other)}", file)
        )
    elif other is not None and (difference := describe_differences(head, other, what)) is not None:
        defects.append(Defect("SEG017", difference, file))
    if head.apart > TOLERANCE_MM:
        message = f"qform and sform place the volume {head.apart:.4g} mm apart; the sform is used"
        defects.append(Defect("SEG017", message, file, severity="warning"))
    return defects


def _format_size(head: NiftiHeader) -> str:
    return "x".join(map(str, head.shape))


def _unpaired_defects(root: Path, scans: list[Scan], request: ReadRequest) -> list[Defect]:
    """SEG011 for files without counterpart; one of severity info if there are no images at all."""
    if not any(scan.image for scan in scans):
        return [no_images_defect(len(scans), root, images_folder(request))]
    defects = []
    for scan in scans:
        if scan.image is None:
            defects += [
                Defect("SEG011", "labels without image", relative_path(root, label.path)) for label in scan.labels
            ]
        elif not (scan.labels or _TEST_IMAGES.search(scan.image.as_posix())):
            defects.append(Defect("SEG011", "an image without labels", relative_path(root, scan.image)))
    return defects


def _annotator_pattern(request: ReadRequest) -> re.Pattern[str] | None:
    """The pattern that finds the annotator in the name of a label file; raises SegdataError for an invalid one."""
    pattern = request.options.get("annotator")
    if pattern is None:
        return None
    try:
        return re.compile(str(pattern))
    except re.error as error:
        raise SegdataError(f"annotator is {pattern!r}, which is not a regular expression: {error}") from error


_MIN_VOLUMES, _OTHER_UNIT, _MAX_OTHER = 6, 7.0, 0.2  # volumes; times the usual side of voxels; share of the volumes
LAYERS_KEY = "volume_layers"  # in the profile's metadata: the value and file of each category


def volume_source(
    request: ReadRequest, opened: OpenVolumes, meaning: LabelMeanings, decoded: DecodedFiles[LabelVolume]
) -> PerImageSource:
    """The slices of the volumes as images."""
    has_layers = any(len(labelled.labels) > 1 for labelled in opened.volumes)
    opened.defects += _other_units(opened)
    profile = replace(
        meaning.profile(request),
        overlap=Policy("allow" if has_layers else "forbid"),
        metadata={**meaning.metadata, **_layer_metadata(opened, meaning)},
        sequences=tuple(_sequences(opened)),
    )
    reader = _NiftiSlices(opened, meaning, decoded)
    entries = [slice_entry(labelled, frame) for labelled in opened.volumes for frame in labelled.frames]
    entries.sort(key=lambda entry: entry.image_id)
    return PerImageSource(
        request.root,
        profile,
        entries,
        tuple(opened.defects),
        reader.read,
        request.annotator,
        per_chunk=64,
        labels_name="slice",
    )


def slice_entry(labelled: LabelledVolume, frame: VolumeSlice, image: Path | None = None) -> ImageEntry:
    """The entry of a slice, or of a 2D image; its record, if annotated, is (volume, slice)."""
    worked_on = frame.annotated and bool(labelled.labels)
    return ImageEntry(
        frame.image,
        image,
        tuple(label.path for label in labelled.labels) if worked_on else (),
        (labelled, frame) if worked_on else None,
        (0, 0) if worked_on else (frame.height, frame.width),
        uri=frame.uri,
        sequence=labelled.sequence,
        frame=frame.frame,
        split=labelled.split,
        channels=frame.channels,
    )


def _sequences(opened: OpenVolumes) -> list[ImageSequence]:
    """The volumes as sequences; if one has several label files, each of these, too, for its header."""
    sequences = []
    for labelled in opened.volumes:
        if labelled.sequence is None:
            continue
        heads = [opened.heads[label.name] for label in labelled.labels]
        head = heads[0] if heads else None
        volume = ImageSequence(labelled.sequence) if head is None else volume_sequence(labelled.sequence, head)
        volume = replace(volume, kind=labelled.kind)
        if labelled.place is not None and labelled.place.fits(head):
            volume = labelled.place.apply_to(volume)
        if len(heads) < 2:
            sequences.append(volume)
            continue
        sequences.append(replace(volume, dtype=None, header=None))
        for label, head in zip(labelled.labels, heads, strict=True):
            layer = volume_sequence(label.name, head)
            place = labelled.place
            sequences.append(place.apply_to(layer) if place is not None and place.fits(head) else layer)
    return sequences


def _other_units(opened: OpenVolumes) -> list[Defect]:
    """SEG017 for volumes whose voxels differ by a large factor along all axes from those of nearly all others."""
    labels = [label for labelled in opened.volumes for label in labelled.labels[:1]]
    sizes = np.array([voxel_spacing(opened.heads[label.name].affine) for label in labels]).reshape(-1, 3)
    if len(sizes) < _MIN_VOLUMES:
        return []
    usual = np.median(sizes, axis=0)
    times = sizes / np.where(usual > 0, usual, np.nan)
    far = np.flatnonzero((times >= _OTHER_UNIT).all(axis=1) | (times <= 1 / _OTHER_UNIT).all(axis=1))
    if len(far) > _MAX_OTHER * len(sizes):
        return []  # images at two scales
    defects = []
    for k in far.tolist():
        own, others = ("x".join(f"{side:g}" for side in side_lengths.tolist()) for side_lengths in (sizes[k], usual))
        message = f"voxels of {own} mm, where others have {others} mm: is the header in another unit?"
        file = relative_path(opened.root, labels[k].path)
        defects.append(Defect("SEG017", message, file, severity="warning"))
    return defects


def _layer_metadata(opened: OpenVolumes, meaning: LabelMeanings) -> dict[str, str]:
    """Profile metadata for writing: the values of layers, and the files of each volume."""
    if not meaning.layers:
        named = {labelled.name: labelled.labels[0].name for labelled in opened.volumes if len(labelled.labels) == 1}
        renamed = {name: {"": file} for name, file in named.items() if file != name}
        return {LAYERS_KEY: json.dumps({"files": renamed})} if renamed else {}
    files = {
        labelled.name: {label.layer: label.name for label in labelled.labels}
        for labelled in opened.volumes
        if labelled.labels
    }
    values = {
        layer: {str(value): id_ for value, id_ in values_of.items()} for layer, values_of in meaning.layers.items()
    }
    return {LAYERS_KEY: json.dumps({"layers": values, "files": files})}


@dataclass(frozen=True, slots=True)
class _NiftiSlices:
    """Reads the annotations of one slice."""

    opened: OpenVolumes
    meaning: LabelMeanings
    decoded: DecodedFiles[LabelVolume]

    def read(self, entry: ImageEntry) -> list[ImageAnnotation]:
        labelled, frame = entry.record
        by_annotator: dict[str | None, list[LabelFile]] = {}
        for label in labelled.labels:
            by_annotator.setdefault(label.annotator, []).append(label)
        broken: list[Defect] = []
        annotations = [self._annotation(labelled, frame, labels, who, broken) for who, labels in by_annotator.items()]
        kept = [annotation for annotation in annotations if annotation is not None]
        if not kept:
            raise BrokenLabelsError(*broken)
        kept[0] = replace(kept[0], defects=[*kept[0].defects, *broken])
        return kept

    def _annotation(
        self,
        labelled: LabelledVolume,
        frame: VolumeSlice,
        labels: list[LabelFile],
        annotator: str | None,
        broken: list[Defect],
    ) -> ImageAnnotation | None:
        """One annotator's segments on a slice; None if no file can be decoded, which is reported at the first slice."""
        is_first = frame is labelled.frames[0]
        content, layers = _SliceContent(), []
        for label in labels:
            file = relative_path(self.opened.root, label.path)
            try:
                volume = self.decoded.get(label.path).plane(label.plane)
            except OSError as error:
                message = f"volume cannot be read: {error.strerror or error}; all of its slices are left out"
                broken += [Defect("SEG001", message, file)] if is_first else []
                continue
            if frame.slice >= len(volume.slices):
                message = f"slice {frame.slice} of a volume that has {len(volume.slices)} slices"
                broken.append(Defect("SEG004", message, file))
                continue
            segments = self.meaning.decoders[label.name](volume.slices[frame.slice], labelled.name)
            content.add(file, volume, frame.slice, segments)
            layers.append(label.layer)
            content.defects += [
                replace(defect, file=file) for defect in (*segments.defects, *_voxel_defects(volume, frame.slice))
            ]
        tracked = labelled.sequence is not None and self.meaning.task != "semantic"
        if not content.size:
            return None
        coverage = frame.coverage or self.meaning.coverage(layers)
        return replace(content.annotation(content.size, annotator, tracked), annotation={"coverage": coverage})


@dataclass
class _SliceContent:
    """One annotator's segments on one slice."""

    size: tuple[int, int] | None = None
    segments: list[SliceSegments] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    encodings: list[str] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)

    def add(self, file: str, volume: LabelVolume, k: int, segments: SliceSegments) -> None:
        self.size = (volume.slices[k].height, volume.slices[k].width)
        self.segments.append(segments)
        self.files += [file] * len(segments.places)
        self.places += [f"{place} in slice {k}" for place in segments.places]
        head = volume.head
        scaled = f", times {head.slope:g}, plus {head.inter:g}" * ((head.slope, head.inter) != (1.0, 0.0))
        self.encodings.append(f"{'NIfTI' if head.text is None else 'volume of'} {head.dtype.name}{scaled}")

    def annotation(self, size: tuple[int, int], annotator: str | None, tracked: bool) -> ImageAnnotation:
        segments = np.concatenate([part.segment_id for part in self.segments])
        crowds = np.concatenate([part.iscrowd for part in self.segments])
        columns: Mapping[str, list[object]] = {
            "file": list(self.files),
            "place": list(self.places),
            "iscrowd": crowds.tolist(),
            "track_id": segments.tolist() if tracked else [],
        }
        return ImageAnnotation(
            size=size,
            segment_id=segments,
            category_id=np.concatenate([part.category_id for part in self.segments]),
            runs=Runs.concatenate([part.runs for part in self.segments], [len(part.places) for part in self.segments]),
            columns=columns,
            encoding="; ".join(sorted(set(self.encodings))),
            annotator=annotator,
            defects=self.defects,
        )


def _voxel_defects(volume: LabelVolume, k: int) -> list[Defect]:
    """The defects of a volume's voxels, reported once, at the first slice concerned."""
    defects = []
    if volume.first_broken is not None and volume.first_broken[2] == k:
        i, j, _, value = volume.first_broken
        message = (
            f"{volume.n_broken:,} voxels are not labels: the first is {value:.6g} at voxel ({i}, {j}, {k}); labels are "
            "whole numbers, so these voxels are left out"
        )
        defects.append(Defect("SEG017", message, place=f"x={i}, y={j}", pixels=volume.n_broken))
    if volume.n_rounded and k == 0:
        verb = (
            "was close to a whole number, and is" if volume.n_rounded == 1 else "were close to whole numbers, and are"
        )
        message = f"{count_noun(volume.n_rounded, 'voxel')} {verb} rounded"
        defects.append(Defect("SEG017", message, severity="info"))
    return defects


def open_nifti(request: ReadRequest) -> PerImageSource:
    """Open the volumes, and find what their values mean."""
    opened = _open_volumes(request)
    decoded: DecodedFiles[LabelVolume] = DecodedFiles(decode_volume)
    labels = opened.labels
    names = LabelNames(request.root)
    if opened.layers and request.taxonomy:
        meaning = layer_meanings(request.taxonomy, True, labels, opened.layers, {})
    else:
        meaning = find_meanings(request, labels, decoded, names)
    opened.defects += names.defects
    return volume_source(request, opened, meaning, decoded)
