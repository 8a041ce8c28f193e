"""DICOM-SEG reader: parse a segmentation object, decode its frames to runs, and place them on slices.

Source: DICOM PS3.3 A.51 and C.8.20 (Segmentation IOD), C.8.20.2 (types BINARY, FRACTIONAL and LABELMAP).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import SegdataError, list_names
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.medical_files import DecodedFiles, import_package
from segdata.core.runs import Runs
from segdata.core.safe_text import whole_number
from segdata.core.taxonomy import Color
from segdata.formats.medical import SEGMENTATIONS
from segdata.formats.medical.dicom_images import (
    DicomImage,
    Plane,
    Series,
    is_same_place,
    make_volume,
    parse_plane,
    raise_os_errors,
    read_dataset,
    remark_defects,
)
from segdata.formats.medical.dicom_objects import (
    SOURCES,
    DicomObject,
    DicomSlice,
    DicomSlices,
    ObjectReader,
    SegmentMeanings,
    name_categories,
)
from segdata.formats.shared.images import MAX_PIXELS
from segdata.formats.shared.mask_files import ValueRuns
from segdata.formats.shared.per_image import BrokenLabelsError, ImageAnnotation, ImageEntry, PerImageSource

_KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")
_MAX_FRAMES = 1 << 20
_DEPTH_DIGITS, _MAX_TILT = 3, 1e-3  # of places along the normal, in millimetres; of directions that are parallel
_SPACING_TOLERANCE = 0.1  # of the spacing: texts of places are rounded
_SAME_WAY = 0.99  # cosine between two directions that count as one
_MIN_CHANGES = 200  # along the rows of all frames: fewer tell nothing about the order of bits


@dataclass(frozen=True, slots=True)
class _SegSegment:
    """A segment of a segmentation, over all of its slices."""

    number: int  # in the object
    label: str  # its name
    algorithm: tuple[str, str] = ("", "")  # AUTOMATIC, SEMIAUTOMATIC or MANUAL, and the name of the algorithm
    tracking: tuple[str, str] = ("", "")  # id and UID of tracking over time; empty if it has none
    codes: dict[str, dict[str, str]] = field(default_factory=dict)  # attribute -> code value, scheme and meaning
    color: Color | None = None  # for display


@dataclass(frozen=True, slots=True)
class _SegFrame:
    """A frame."""

    index: int  # in the pixel data
    segment: int | None  # its segment's number; None for a label map, which holds all segments
    plane: Plane | None  # None if the file does not state it
    image: str  # UID of the referenced image; empty if there is none


@dataclass(frozen=True, slots=True)
class SegObject(DicomObject):
    """A segmentation."""

    kind: str  # BINARY, FRACTIONAL or LABELMAP
    max_value: int  # the value of 1.0 in a fractional segmentation
    size: tuple[int, int]  # height and width
    segments: dict[int, _SegSegment]  # by number
    frames: Sequence[_SegFrame]  # in the order of the pixel data
    series: str  # UID of the images' series
    reference: str  # UID of their frame of reference
    creator: str | None


_BACKGROUND = frozenset({"background", "bg", "unlabelled", "unlabeled"})
_BACKGROUND_CODE = ("125040", "DCM")  # DICOM PS3.16, table D-1: Background


def _is_background(segment: _SegSegment) -> bool:
    """Whether segment 0 of a label map means unlabelled, by its code or its label."""
    code = segment.codes.get("property_type", {})
    if (code.get("value"), code.get("scheme")) == _BACKGROUND_CODE:
        return True
    return bool({segment.label.strip().lower(), code.get("meaning", "").strip().lower()} & _BACKGROUND)


def _read_seg(path: Path, name: str) -> SegObject:
    """Read the segmentation in a file; raises OSError with the reason if that fails."""
    with raise_os_errors() as remarks:
        seg = _parse_seg(read_dataset(path), path, name)
    return replace(seg, defects=(*seg.defects, *remark_defects({remark: [name] for remark in remarks})))


def _parse_seg(dataset: Any, path: Path, name: str) -> SegObject:  # Any: pydicom's dataset has every attribute
    kind = str(dataset.get("SegmentationType", ""))
    if kind not in _KINDS:
        raise OSError(f"SegmentationType is {kind!r}; expected one of {', '.join(_KINDS)}")
    if "TotalPixelMatrixRows" in dataset:
        raise OSError("unsupported: tiled slides (a segmentation of a whole slide image); export regions first")
    size = int(dataset.Rows), int(dataset.Columns)
    n_frames = int(dataset.get("NumberOfFrames") or 1)
    if min(size) < 1 or size[0] * size[1] > MAX_PIXELS or not 1 <= n_frames <= _MAX_FRAMES:
        raise OSError(f"claims {n_frames:,} frames of {size[1]}x{size[0]} pixels")
    segments: dict[int, _SegSegment] = {}
    for item in dataset.get("SegmentSequence") or []:
        number = int(item.SegmentNumber)
        if number not in segments:
            segments[number] = _parse_segment(number, item)
    if kind == "LABELMAP" and 0 in segments and _is_background(segments[0]):
        del segments[0]
    groups = _frame_groups(dataset, n_frames)
    frames = [_parse_frame(index, kind, of_frame) for index, of_frame in enumerate(groups)]
    described = [frame for frame in frames if frame.segment is None or frame.segment in segments]
    others = [frame for frame in frames if frame.segment is not None and frame.segment not in segments]
    defects = (
        *_segment_defects(dataset, kind, name),
        *(_frame_defect(frame, groups[frame.index], name) for frame in others),
        *_geometry_defects(groups[0], described, name),
    )
    _check_length(path, dataset, n_frames, size)
    series = dataset.get("ReferencedSeriesSequence") or []
    references = [image for item in series for image in item.get("ReferencedInstanceSequence") or []]
    images = [str(image.ReferencedSOPInstanceUID) for image in references]
    images += [frame.image for frame in described if frame.image]
    return SegObject(
        path=path,
        name=name,
        images=tuple(dict.fromkeys(images)),
        defects=defects,
        kind=kind,
        max_value=int(dataset.get("MaximumFractionalValue") or 255),
        size=size,
        segments=segments,
        frames=described,
        series=str(series[0].get("SeriesInstanceUID", "")) if series else "",
        reference=str(dataset.get("FrameOfReferenceUID", "")),
        creator=str(dataset.get("ContentCreatorName") or "").replace("^", " ").strip() or None,
    )


def _parse_segment(number: int, item: Any) -> _SegSegment:  # Any: as above
    codes = {
        "property_category": _parse_code(item.get("SegmentedPropertyCategoryCodeSequence")),
        "property_type": _parse_code(item.get("SegmentedPropertyTypeCodeSequence")),
        "anatomic_region": _parse_code(item.get("AnatomicRegionSequence")),
    }
    return _SegSegment(
        number,
        label=_text(item, "SegmentLabel").strip() or f"segment {number}",
        algorithm=(_text(item, "SegmentAlgorithmType"), _text(item, "SegmentAlgorithmName")),
        tracking=(_text(item, "TrackingID"), _text(item, "TrackingUID")),
        codes={attribute: code for attribute, code in codes.items() if code is not None},
        color=_parse_color(item.get("RecommendedDisplayCIELabValue")),
    )


def _text(item: Any, keyword: str) -> str:  # Any: as above
    return str(item.get(keyword) or "")


def _segment_defects(dataset: Any, kind: str, name: str) -> Iterator[Defect]:  # Any: as above
    """What is wrong with the numbers and labels of segments."""
    numbers: set[int] = set()
    for row, item in enumerate(dataset.get("SegmentSequence") or []):
        number, place = int(item.SegmentNumber), f"SegmentSequence[{row}]"
        if number in numbers:
            yield Defect("SEG008", f"segment {number} occurs twice", name, place, segments=(number,))
            continue
        numbers.add(number)
        if number < 1 and kind != "LABELMAP":  # of a label map, 0 is the background
            message = f"segment {number}: DICOM counts segments from 1, and programs take 0 for the background"
            yield Defect("SEG004", message, name, place, severity="warning", lost=False, segments=(number,))
        if not _text(item, "SegmentLabel").strip():
            message = f"segment {number} has no SegmentLabel, which DICOM requires; read as 'segment {number}'"
            yield Defect("SEG004", message, name, place, severity="warning", segments=(number,))
    if numbers and min(numbers) > 0 and max(numbers) != len(numbers) and kind != "LABELMAP":
        message = (
            f"segment numbers are {list_names(list(map(str, sorted(numbers))))}: DICOM asks for 1, 2, 3 … without a "
            "gap, and programs that count them take one for another"
        )
        yield Defect("SEG004", message, name, "SegmentSequence", severity="warning", lost=False)


def _parse_code(sequence: Any) -> dict[str, str] | None:  # Any: as above
    if not sequence:
        return None
    item = sequence[0]
    value = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue") or ""
    scheme, meaning = item.get("CodingSchemeDesignator") or "", item.get("CodeMeaning") or ""
    return {"value": str(value), "scheme": str(scheme), "meaning": str(meaning)}


def _parse_color(values: Any) -> Color | None:  # Any: as above
    if values is None or len(values) != 3:
        return None
    color = import_package("highdicom").color.CIELabColor
    try:
        red, green, blue = color.from_dicom_value([int(value) for value in values]).to_rgb()
    except ValueError:
        return None
    return int(red), int(green), int(blue)


@dataclass(frozen=True, slots=True)
class _FrameGroups:
    """The functional groups that describe a frame."""

    groups: list[Any]  # Any: as above; its own, then those that all frames share

    def value(self, sequence: str, keyword: str) -> Any:  # Any: as above
        items = next((items for group in self.groups if (items := group.get(sequence))), None)
        return items and items[0].get(keyword)

    @property
    def segment_number(self) -> Any:  # Any: as above
        return self.value("SegmentIdentificationSequence", "ReferencedSegmentNumber")

    @property
    def orientation(self) -> Any:  # Any: as above
        return self.value("PlaneOrientationSequence", "ImageOrientationPatient")

    @property
    def source_image(self) -> str:
        """UID of the image that a frame is derived from; empty if it names none."""
        for group in self.groups:
            for derivation in group.get("DerivationImageSequence") or []:
                for image in derivation.get("SourceImageSequence") or []:
                    return str(image.get("ReferencedSOPInstanceUID", ""))
        return ""


def _frame_groups(dataset: Any, n_frames: int) -> list[_FrameGroups]:  # Any: as above
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [None])[0]
    groups = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if len(groups) != n_frames and not (n_frames == 1 and not groups):
        raise OSError(f"{n_frames} frames, but {len(groups)} frame descriptions")
    return [_FrameGroups([group for group in (own, shared) if group is not None]) for own in groups or [None]]


def _parse_frame(index: int, kind: str, groups: _FrameGroups) -> _SegFrame:
    plane = parse_plane(
        groups.value("PlanePositionSequence", "ImagePositionPatient"),
        groups.orientation,
        groups.value("PixelMeasuresSequence", "PixelSpacing"),
    )
    return _SegFrame(index, None if kind == "LABELMAP" else int(groups.segment_number or 0), plane, groups.source_image)


def _frame_defect(frame: _SegFrame, groups: _FrameGroups, name: str) -> Defect:
    """A frame whose segment is not among those that the file describes."""
    place, number = f"frame {frame.index + 1}", frame.segment
    names_none = groups.segment_number is None
    what = "names no segment" if names_none else f"refers to segment {number}, which is not described"
    return Defect("SEG007", f"{place} {what}", name, place)


def _geometry_defects(first: _FrameGroups, frames: Sequence[_SegFrame], name: str) -> Iterator[Defect]:
    """What is wrong with the places of frames; `first` describes the first one."""
    if frames and first.orientation is not None and all(frame.plane is None for frame in frames):
        message = (
            "no frame has a place (position, orientation and pixel spacing): which slice each shows is known from the "
            "images that it refers to alone, and most programs refuse it"
        )
        yield Defect("SEG004", message, name, severity="warning", lost=False)
    between = first.value("PixelMeasuresSequence", "SpacingBetweenSlices")
    nearest = _nearest_slices([frame.plane for frame in frames if frame.plane is not None])
    if between and nearest is not None and not _is_multiple(nearest, abs(float(between))):
        message = (
            f"SpacingBetweenSlices is {float(between):g} mm, and the nearest two frames lie {nearest:g} mm apart: "
            "programs that take the former stretch the volume; places are read"
        )
        yield Defect("SEG004", message, name, severity="warning", lost=False)


def _nearest_slices(planes: Sequence[Plane]) -> float | None:
    """The least distance between two slices, in millimetres; None if they are fewer than two, or not parallel."""
    normals = [plane.normal for plane in planes]
    depths = np.unique(np.round([plane.depth for plane in planes], _DEPTH_DIGITS))
    if len(depths) < 2 or not np.allclose(normals, normals[0], atol=_MAX_TILT):
        return None
    return round(float(np.diff(depths).min()), _DEPTH_DIGITS)


def _is_multiple(distance: float, spacing: float) -> bool:
    """Whether a distance is a multiple of a spacing, to a tenth of it: slices without a segment have no frame.

    >>> _is_multiple(3.0, 1.0), _is_multiple(1.0, 5.0), _is_multiple(0.98, 1.0)
    (True, False, True)
    """
    times = round(distance / spacing) if spacing > 0 else 0
    return times >= 1 and abs(distance - times * spacing) <= _SPACING_TOLERANCE * spacing


def _check_length(path: Path, dataset: Any, n_frames: int, size: tuple[int, int]) -> None:  # Any: as above
    """Raise OSError if the file is too short for uncompressed frames of this size."""
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        return
    bits = int(dataset.get("BitsAllocated") or 1)
    needed = int(np.prod([n_frames, *size], dtype=object)) * bits // 8
    size_of_file = path.stat().st_size
    if needed > size_of_file:
        raise OSError(
            f"the file is cut off: {n_frames} frames of {size[1]}x{size[0]} need {needed:,} "
            f"bytes, it has {size_of_file:,}"
        )


Frame = NDArray[np.uint8 | np.uint16 | np.uint32]


@dataclass
class _SegPixels:
    """The pixels of a segmentation."""

    # frame -> segment -> runs of one owner, for segments with pixels in the frame
    runs: dict[int, dict[int, Runs]] = field(default_factory=dict)
    # segment -> pixels between 0 and 1, of a fractional segmentation
    n_soft: dict[int, int] = field(default_factory=dict)
    # frame -> values of a label map that are not segments, and their numbers of pixels
    unknown: dict[int, dict[int, int]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)  # of pydicom
    # changes along rows, as the bits are, and with those of each byte in the other order
    changes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(2, np.int64))


def _decode_seg(seg: SegObject, threshold: float) -> _SegPixels:
    """Decode all pixels (fractional ones of at least `threshold`, 0 to 1); raises OSError with the reason."""
    pixels = _SegPixels()
    wanted = {frame.index: frame for frame in seg.frames}
    with raise_os_errors("its pixels cannot be decoded") as pixels.remarks:  # also raised if a decoder is not installed
        for index, frame in enumerate(_stored_frames(seg)):
            if index not in wanted:
                continue
            if frame.shape != seg.size:
                raise OSError(f"frame {index + 1} has shape {frame.shape}")
            if seg.kind == "BINARY" and frame.size % 8 == 0:
                reversed_frame = frame.reshape(-1, 8)[:, ::-1].reshape(frame.shape)
                pixels.changes += [int((one[:, 1:] != one[:, :-1]).sum()) for one in (frame, reversed_frame)]
            _add_frame(pixels, seg, index, wanted[index].segment, np.ascontiguousarray(frame), threshold)
    return pixels


def _bit_order_defects(seg: SegObject, pixels: _SegPixels) -> Iterator[Defect]:
    """SEG004 if the borders are far smoother with the bits of each byte in the other order."""
    own, other = pixels.changes.tolist()
    if own >= max(_MIN_CHANGES, 2 * other):
        message = (
            f"along the rows pixels change {own:,} times, and {other:,} times with the bits of each byte in the other "
            "order: the program that wrote it packed them from the highest bit"
        )
        yield Defect("SEG004", message, seg.name, severity="warning", lost=False)


def _stored_frames(seg: SegObject) -> Iterator[Frame]:
    pydicom = import_package("pydicom")
    if seg.kind != "BINARY":
        yield from import_package("pydicom.pixels").iter_pixels(seg.path)
        return
    dataset = pydicom.dcmread(seg.path)
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        yield from import_package("pydicom.pixels").iter_pixels(seg.path)
        return
    # Binary frames are packed without gaps, so a frame may begin within a byte.
    packed = np.frombuffer(dataset.PixelData, np.uint8)
    size = seg.size[0] * seg.size[1]
    for index in range(int(dataset.get("NumberOfFrames") or 1)):
        first = index * size
        bits = np.unpackbits(packed[first // 8 : (first + size + 7) // 8], bitorder="little")
        yield bits[first % 8 : first % 8 + size].reshape(seg.size)


def _add_frame(
    pixels: _SegPixels,
    seg: SegObject,
    index: int,
    segment: int | None,
    frame: NDArray[np.unsignedinteger],
    threshold: float,
) -> None:
    values = ValueRuns.of(frame)
    if segment is None:
        _add_label_map(pixels, seg.segments, index, values)
        return
    least = 1
    if seg.kind == "FRACTIONAL":
        least = max(int(np.ceil(threshold * seg.max_value)), 1)
        soft = int(values.area[(values.value > 0) & (values.value < seg.max_value)].sum())
        pixels.n_soft[segment] = pixels.n_soft.get(segment, 0) + soft
    inside = values.value >= least
    if inside.any():
        runs = values.assign_owners(np.where(inside, 0, -1).astype(np.int32), 1)
        pixels.runs.setdefault(index, {})[segment] = runs


def _add_label_map(pixels: _SegPixels, segments: Mapping[int, object], index: int, values: ValueRuns) -> None:
    """Add the segments of a label map frame, whose values are their numbers; 0 is background unless described."""
    for row, value in enumerate(values.value.tolist()):
        if value in segments:
            pixels.runs.setdefault(index, {})[value] = values.select(np.array([row]))
        elif value != 0:
            pixels.unknown.setdefault(index, {})[value] = int(values.area[row])


_SegSlice = DicomSlice[SegObject, _SegFrame]


class _SegSlices(DicomSlices[SegObject, _SegFrame]):
    """Slices with the frames of segmentations."""

    def place(self, seg: SegObject, all_series: Sequence[Series], searched: Path) -> None:
        """Assign the frames of a segmentation to slices of its images, or to new slices."""
        by_uid = {image.uid: (series, image) for series in all_series for image in series.images}
        related = _related_series(seg, all_series)
        frames: dict[str, list[_SegFrame]] = {uid: [] for uid in seg.images if uid in by_uid}
        unplaced = []
        for frame in seg.frames:
            image = self._find_image(seg, frame, related, by_uid)
            if image is None:
                unplaced.append(frame)
            else:
                frames.setdefault(image.uid, []).append(frame)
        if len(unplaced) == len(seg.frames) and unplaced:
            frames = {}  # resampled: it has its own slices, and none on those of the images
        self.add_pieces(seg, frames, by_uid)
        if unplaced:
            self._add_own_slices(seg, unplaced)
        named = {uid: by_uid[uid][1] for uid in seg.images if uid in by_uid}
        self.defects += _contradictions(seg, named)
        if seg.images and not named:
            message = (
                f"none of the {len(seg.images):,} referenced images was found (looked in {searched}), so slices "
                "without a frame are unknown; give --images"
            )
            self.defects.append(Defect("SEG002", message, seg.name, severity="info"))

    def _find_image(
        self, seg: SegObject, frame: _SegFrame, related: Sequence[Series], by_uid: dict[str, tuple[Series, DicomImage]]
    ) -> DicomImage | None:
        """The image of a frame: the one in its plane, else the referenced one, if the sizes agree."""
        _, named = by_uid.get(frame.image, (None, None))
        if frame.plane is None or (named is not None and named.plane is None):
            return named if named is not None and named.size == seg.size else None
        if named is not None and named.size == seg.size and named.plane and is_same_place(named.plane, frame.plane):
            return named
        image_there = next(
            (image for series in related if (image := series.find_slice(frame.plane, seg.size)) is not None), None
        )
        if image_there is not None and named is not None:
            message = f"frame {frame.index + 1} refers to {named.name!r}, but lies on {image_there.name!r}"
            self.defects.append(Defect("SEG017", message, seg.name, f"frame {frame.index + 1}", image=image_there.name))
        return image_there

    def _add_own_slices(self, seg: SegObject, frames: list[_SegFrame]) -> None:
        """Add slices for frames that match none of the images."""
        groups: list[tuple[Plane | None, str, list[_SegFrame]]] = []
        for frame in sorted(frames, key=_depth):
            plane, uid, members = groups[-1] if groups else (None, "", [])
            if members and (is_same_place(plane, frame.plane) if plane and frame.plane else uid == frame.image):
                members.append(frame)
            else:
                groups.append((frame.plane, frame.image, [frame]))
        planes = [plane for plane, _, _ in groups if plane is not None]
        self.sequences.append(make_volume(seg.name, planes if len(planes) == len(groups) else []))
        for number, (_, uid, members) in enumerate(groups):
            image_id = f"{seg.name}/{number:04d}" if len(groups) > 1 else seg.name
            self.by_id[image_id] = _SegSlice(image_id, seg.size, None, uid, seg.name, number, [(seg, members)])


def _contradictions(seg: SegObject, images: Mapping[str, DicomImage]) -> Iterator[Defect]:
    """What is said of the place of a segmentation and contradicts the images that it refers to, by their UID."""
    references = {image.reference for image in images.values() if image.reference}
    if seg.reference and references and seg.reference not in references:
        message = (
            "its frame of reference is another than that of the images that it refers to, so that programs do not show "
            "it on them"
        )
        yield Defect("SEG017", message, seg.name)
    for frame in seg.frames:
        image = images.get(frame.image)
        if image is None or image.plane is None or frame.plane is None or image.size != seg.size:
            continue
        plane, own = image.plane, frame.plane
        if min(plane.row @ own.row, plane.column @ own.column) < _SAME_WAY <= abs(plane.normal @ own.normal):
            message = (
                f"its rows and columns run another way than those of the image {image.name!r}, of the same number: "
                "programs that lay pixels on pixels show it mirrored or turned; is it the orientation of the image?"
            )
            yield Defect("SEG017", message, seg.name, severity="warning")  # by its own header it lies where it should
            return
        if not is_same_place(plane, own) and is_same_place(plane, replace(own, spacing=plane.spacing)):
            mine, theirs = (" x ".join(f"{side:.4g}" for side in spacing) for spacing in (own.spacing, plane.spacing))
            message = (
                f"its pixels are {mine} mm apart, those of the image {image.name!r} {theirs} mm, of the same number "
                "and at the same place: is it the image's grid?"
            )
            yield Defect("SEG017", message, seg.name)
            return


def _related_series(seg: SegObject, all_series: Sequence[Series]) -> list[Series]:
    """The series of a segmentation: the referenced ones, else those in the same frame of reference."""
    named = set(seg.images)
    referenced = [
        series
        for series in all_series
        if any(image.uid in named or image.series == seg.series for image in series.images)
    ]
    return referenced or [
        series for series in all_series if any(image.reference == seg.reference for image in series.images)
    ]


def _depth(frame: _SegFrame) -> tuple[float, str, int]:
    return (frame.plane.depth if frame.plane is not None else np.inf, frame.image, frame.index)


SCHEME = "99SEGDATA"  # of codes that segdata's writer invents, as every segment needs one
UNKNOWN = "unknown"  # algorithm name for an unknown annotator
UNNAMED = "unnamed"  # algorithm name for an annotator who used one


def open_segmentations(request: ReadRequest) -> PerImageSource:
    """Open the segmentations; raises UnreadableError if there is none."""
    threshold = _threshold(request)
    dicom = ObjectReader("dicom-seg", "segmentation", _SegSlices())
    dicom.open(request, SEGMENTATIONS, _read_seg)
    segments = [segment for seg in dicom.objects for segment in seg.segments.values()]
    named = ((segment.label, segment.color, _definition(segment)) for segment in segments)
    categories = name_categories(request.taxonomy, named)
    by_path = {seg.path: seg for seg in dicom.objects}
    decoded = DecodedFiles(lambda path: _decode_seg(by_path[path], threshold))
    first_slice, multi_frame = dicom.slices.first_slice, _multi_frame_segments(dicom.objects)
    reader = _SegSliceReader(
        decoded, dicom.annotators(_annotator_of), first_slice, multi_frame, dicom.meanings(categories)
    )
    return dicom.source(request, categories, "mask-native", reader.read)


def _threshold(request: ReadRequest) -> float:
    """Parse the option `threshold`; raises SegdataError unless it is above 0 and at most 1."""
    text = request.options.get("threshold", 0.5)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise SegdataError(f"threshold is {text!r}; it must be above 0 and at most 1")
    return value


def _definition(segment: _SegSegment) -> str | None:
    """The meaning of a segment's code; None for a code that segdata invented."""
    code = segment.codes.get("property_type", {})
    return (code.get("meaning") if code.get("scheme") != SCHEME else None) or None


def _annotator_of(seg: SegObject) -> str | None:
    """The annotator: the algorithm that all segments share, else the creator."""
    algorithms = {segment.algorithm for segment in seg.segments.values()}
    kind, name = next(iter(algorithms)) if len(algorithms) == 1 else ("", "")
    return name if kind == "AUTOMATIC" and name and name != UNKNOWN else seg.creator


def _multi_frame_segments(objects: Sequence[SegObject]) -> dict[str, set[int]]:
    """The segments of each object that have several frames."""
    segments_of = {}
    for seg in objects:
        numbers = [frame.segment for frame in seg.frames if frame.segment is not None]
        segments_of[seg.name] = (
            {number for number in numbers if numbers.count(number) > 1} if len(numbers) < 99 else set(numbers)
        )
    return segments_of


@dataclass(frozen=True, slots=True)
class _SegSliceReader:
    """Reads the segments of one slice."""

    decoded: DecodedFiles[_SegPixels]
    annotator: Mapping[str, str | None]
    first_slice: Mapping[str, str]
    multi_frame: Mapping[str, set[int]]
    meanings: SegmentMeanings

    def read(self, entry: ImageEntry) -> list[ImageAnnotation]:
        drawing: _SegSlice = entry.record
        annotations: list[ImageAnnotation] = []
        broken: list[Defect] = []
        for seg, frames in drawing.pieces:
            is_first = self.first_slice[seg.name] == drawing.image_id
            try:
                pixels = self.decoded.get(seg.path)
            except OSError as error:
                message = f"segmentation cannot be read: {error.strerror or error}; all of it is left out"
                broken += [Defect("SEG001", message, seg.name)] if is_first else []
                continue
            annotations.append(self._annotation(seg, frames, pixels, is_first))
        if not annotations:
            raise BrokenLabelsError(*broken)
        annotations[0] = replace(annotations[0], defects=[*annotations[0].defects, *broken])
        return annotations

    def _annotation(
        self, seg: SegObject, frames: list[_SegFrame], pixels: _SegPixels, is_first: bool
    ) -> ImageAnnotation:
        runs: dict[int, Runs] = {}
        frame_of: dict[int, int] = {}
        defects: list[Defect] = []
        if is_first:
            defects += [*_soft_pixel_defects(seg, pixels), *_bit_order_defects(seg, pixels)]
            defects += remark_defects({text: [seg.name] for text in pixels.remarks})
        for frame in frames:
            for number, part in pixels.runs.get(frame.index, {}).items():
                place = f"frame {frame.index + 1}"
                if number in runs:
                    message = (
                        f"second frame of this segment on this slice, after frame {frame_of[number] + 1}; left out"
                    )
                    defects.append(Defect("SEG008", message, seg.name, place, segments=(number,)))
                else:
                    runs[number], frame_of[number] = part, frame.index
            for value, count in pixels.unknown.get(frame.index, {}).items():
                message = f"value {value} is not a segment: {count:,} px"
                defects.append(Defect("SEG009", message, seg.name, f"frame {frame.index + 1}", pixels=count))
        segments = [seg.segments[number] for number in sorted(runs)]
        sources = {SOURCES.get(segment.algorithm[0]) for segment in seg.segments.values()}
        common = next(iter(sources)) if len(sources) == 1 else None
        return ImageAnnotation(
            size=seg.size,
            segment_id=self.meanings.segment_ids(seg.name, (segment.number for segment in segments)),
            category_id=self.meanings.categories(seg.name, ((segment.number, segment.label) for segment in segments)),
            runs=Runs.concatenate([runs[segment.number] for segment in segments], [1] * len(segments)),
            columns={
                "track_id": [self._track(seg, segment) for segment in segments],
                "source": [None if common else SOURCES.get(segment.algorithm[0]) for segment in segments],
                "attributes": [_segment_attributes(segment) for segment in segments],
                "file": [seg.name] * len(segments),
                "place": [f"frame {frame_of[segment.number] + 1}" for segment in segments],
            },
            encoding=f"DICOM {seg.kind}",
            annotator=self.annotator[seg.name],
            annotation={"source": common},
            defects=defects,
        )

    def _track(self, seg: SegObject, segment: _SegSegment) -> int | None:
        """The track: the tracking id if it is a number; else the segment, if it is on several slices."""
        tracked, _ = segment.tracking
        through = segment.number in self.multi_frame[seg.name] or seg.kind == "LABELMAP"
        number = whole_number(tracked) if tracked.isdigit() else None
        track = number if number is not None else segment.number if through else None
        return self.meanings.track(seg.name, segment.number, track)


def _segment_attributes(segment: _SegSegment) -> list[tuple[str, str]]:
    """The other attributes of a segment, as JSON."""
    attributes: dict[str, object] = {key: code for key, code in segment.codes.items() if code["scheme"] != SCHEME}
    kind, name = segment.algorithm
    if kind == "SEMIAUTOMATIC" and name != UNKNOWN:
        attributes["algorithm_type"] = kind
        if name not in ("", UNNAMED):
            attributes["algorithm_name"] = name
    tracked, uid = segment.tracking
    if tracked and not tracked.isdigit():
        attributes |= {"tracking_id": tracked, "tracking_uid": uid}
    return [(key, json.dumps(value, ensure_ascii=False)) for key, value in sorted(attributes.items())]


def _soft_pixel_defects(seg: SegObject, pixels: _SegPixels) -> list[Defect]:
    """One defect of severity info for each fractional segment with pixels between 0 and 1."""
    return [
        Defect(
            "SEG010",
            f"{count:,} px of {seg.segments[number].label!r} are between 0 and 1; the threshold decides",
            seg.name,
            segments=(number,),
            pixels=count,
            severity="info",
        )
        for number, count in sorted(pixels.n_soft.items())
        if count
    ]
