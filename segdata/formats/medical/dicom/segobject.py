"""SEG object: what a DICOM segmentation says about its segments and frames, checked before any pixel is decoded.

Source: DICOM PS3.3 A.51 and C.8.20 (Segmentation IOD), C.8.20.2 with segmentation types BINARY, FRACTIONAL, LABELMAP.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from segdata.core.finding import Defect
from segdata.core.taxonomy import Color
from segdata.formats.medical.dicom.files import Plane, plane_of, read_dataset, remarks, telling
from segdata.formats.medical.extra import package
from segdata.formats.shared.images import MAX_PIXELS

_KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")
_MOST_FRAMES = 1 << 20


@dataclass(frozen=True, slots=True)
class SegSegment:
    """A segment of a segmentation, over all of its slices.

    Attributes
    ----------
    number : in the object
    label : what it is called
    algorithm : AUTOMATIC, SEMIAUTOMATIC or MANUAL, and the name of the algorithm
    tracking : id and UID of what is followed over time; empty where it is not
    codes : attribute -> code value, scheme and meaning
    color : to show it in
    """

    number: int
    label: str
    algorithm: tuple[str, str] = ("", "")
    tracking: tuple[str, str] = ("", "")
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    color: Color | None = None


@dataclass(frozen=True, slots=True)
class SegFrame:
    """A frame.

    Attributes
    ----------
    index : in the pixel data
    segment : whose pixels it has; None for a label map, which has those of all
    plane : where it lies; None where that is not said
    image : UID of the image that it was drawn on; empty where that is not said
    """

    index: int
    segment: int | None
    plane: Plane | None
    image: str


@dataclass(frozen=True, slots=True)
class SegObject:
    """A segmentation.

    Attributes
    ----------
    path, name : the file, and what it is called in messages
    kind : BINARY, FRACTIONAL or LABELMAP
    most : the value that means 1 in a fractional one
    size : height and width
    segments : by number
    frames : in the order of the pixel data
    images : UIDs of the images that it refers to, whether they have a frame or not
    series, reference : UIDs of the images' series and frame of reference
    creator : who made it
    label : what it is called
    defects : what is wrong in it
    """

    path: Path
    name: str
    kind: str
    most: int
    size: tuple[int, int]
    segments: dict[int, SegSegment]
    frames: Sequence[SegFrame]
    images: tuple[str, ...]
    series: str
    reference: str
    creator: str | None
    label: str
    defects: tuple[Defect, ...]


def read_seg(path: Path, name: str) -> SegObject:
    """The segmentation in a file; raises OSError with the reason where it cannot be read at all."""
    with telling() as heard:
        found = _parsed(read_dataset(path), path, name)
    return replace(found, defects=(*found.defects, *remarks({each: [name] for each in heard})))


def _parsed(said: Any, path: Path, name: str) -> SegObject:  # Any: pydicom's dataset has every attribute
    kind = str(said.get("SegmentationType", ""))
    if kind not in _KINDS:
        raise OSError(f"SegmentationType is {kind!r}, it is one of {', '.join(_KINDS)}")
    if "TotalPixelMatrixRows" in said:
        raise OSError("a segmentation in tiles, of a whole slide image: these cannot be read")
    size = int(said.Rows), int(said.Columns)
    n_frames = int(said.get("NumberOfFrames") or 1)
    if min(size) < 1 or size[0] * size[1] > MAX_PIXELS or not 1 <= n_frames <= _MOST_FRAMES:
        raise OSError(f"claims {n_frames:,} frames of {size[1]}x{size[0]} pixels")
    defects: list[Defect] = []
    segments = _segments(said, defects, name)
    frames = _frames(said, n_frames, kind, segments, defects, name)
    _check_length(path, said, n_frames, size)
    series = said.get("ReferencedSeriesSequence") or []
    images = [
        str(each.ReferencedSOPInstanceUID) for one in series for each in one.get("ReferencedInstanceSequence") or []
    ]
    images += [frame.image for frame in frames if frame.image]
    return SegObject(
        path,
        name,
        kind,
        int(said.get("MaximumFractionalValue") or 255),
        size,
        segments,
        frames,
        tuple(dict.fromkeys(images)),
        str(series[0].get("SeriesInstanceUID", "")) if series else "",
        str(said.get("FrameOfReferenceUID", "")),
        str(said.get("ContentCreatorName") or "").replace("^", " ").strip() or None,
        str(said.get("ContentLabel") or said.get("SeriesDescription") or ""),
        tuple(defects),
    )


def _segments(said: Any, defects: list[Defect], name: str) -> dict[int, SegSegment]:  # Any: as above
    found: dict[int, SegSegment] = {}
    for row, each in enumerate(said.get("SegmentSequence") or []):
        number = int(each.SegmentNumber)
        place = f"SegmentSequence[{row}]"
        if number in found:
            defects.append(Defect("SEG008", f"segment {number} is here twice", name, place, segments=(number,)))
            continue
        algorithm = str(each.get("SegmentAlgorithmType") or ""), str(each.get("SegmentAlgorithmName") or "")
        found[number] = SegSegment(
            number,
            str(each.get("SegmentLabel") or "").strip() or f"segment {number}",
            algorithm,
            (str(each.get("TrackingID") or ""), str(each.get("TrackingUID") or "")),
            {
                attribute: code
                for attribute, keyword in (
                    ("property_category", "SegmentedPropertyCategoryCodeSequence"),
                    ("property_type", "SegmentedPropertyTypeCodeSequence"),
                    ("anatomic_region", "AnatomicRegionSequence"),
                )
                if (code := _code(each.get(keyword))) is not None
            },
            _color(each.get("RecommendedDisplayCIELabValue")),
        )
    return found


def _code(sequence: Any) -> dict[str, str] | None:  # Any: as above
    """The first code of a sequence."""
    if not sequence:
        return None
    one = sequence[0]
    value = one.get("CodeValue") or one.get("LongCodeValue") or one.get("URNCodeValue") or ""
    scheme, meaning = one.get("CodingSchemeDesignator") or "", one.get("CodeMeaning") or ""
    return {"value": str(value), "scheme": str(scheme), "meaning": str(meaning)}


def _color(values: Any) -> Color | None:  # Any: as above
    if values is None or len(values) != 3:
        return None
    color = package("highdicom").color.CIELabColor
    try:
        red, green, blue = color.from_dicom_value([int(each) for each in values]).to_rgb()
    except ValueError:
        return None
    return int(red), int(green), int(blue)


def _frames(
    said: Any, n_frames: int, kind: str, segments: dict[int, SegSegment], defects: list[Defect], name: str
) -> list[SegFrame]:  # Any: as above
    shared = (said.get("SharedFunctionalGroupsSequence") or [None])[0]
    groups = said.get("PerFrameFunctionalGroupsSequence") or []
    if len(groups) != n_frames and not (n_frames == 1 and not groups):
        raise OSError(f"{n_frames} frames, and {len(groups)} descriptions of frames")
    found = []
    for index in range(n_frames):
        both = [groups[index] if groups else None, shared]
        number = _of(both, "SegmentIdentificationSequence", "ReferencedSegmentNumber")
        segment = None if kind == "LABELMAP" else int(number) if number is not None else 0
        if segment is not None and segment not in segments:
            what = "names no segment" if number is None else f"is of segment {segment}, which is not described"
            defects.append(Defect("SEG007", f"frame {index + 1} {what}", name, f"frame {index + 1}"))
            continue
        plane = plane_of(
            _of(both, "PlanePositionSequence", "ImagePositionPatient"),
            _of(both, "PlaneOrientationSequence", "ImageOrientationPatient"),
            _of(both, "PixelMeasuresSequence", "PixelSpacing"),
        )
        found.append(SegFrame(index, segment, plane, _source(both)))
    return found


def _of(groups: Sequence[Any], sequence: str, keyword: str) -> Any:  # Any: as above
    """A value in the functional groups of a frame, or in those that all share."""
    for group in groups:
        items = None if group is None else group.get(sequence)
        if items:
            return items[0].get(keyword)
    return None


def _source(groups: Sequence[Any]) -> str:  # Any: as above
    """The UID of the image that a frame was drawn on."""
    for group in groups:
        for derivation in (group.get("DerivationImageSequence") or []) if group is not None else []:
            for image in derivation.get("SourceImageSequence") or []:
                return str(image.get("ReferencedSOPInstanceUID", ""))
    return ""


def _check_length(path: Path, said: Any, n_frames: int, size: tuple[int, int]) -> None:  # Any: as above
    """Raise OSError where the file is too short for uncompressed frames of this size."""
    if said.file_meta.TransferSyntaxUID.is_compressed:
        return
    bits = int(said.get("BitsAllocated") or 1)
    needed = int(np.prod([n_frames, *size], dtype=object)) * bits // 8
    there = path.stat().st_size
    if needed > there:
        raise OSError(
            f"the file is cut off: {n_frames} frames of {size[1]}x{size[0]} need {needed:,} bytes, it has {there:,}"
        )
