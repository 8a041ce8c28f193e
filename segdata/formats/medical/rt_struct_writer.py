"""RT-STRUCT writer: one annotator's segments on the images of a series as closed contours along the edges of pixels.

A hole is joined to the outline of its part by a bridge of no width, the keyhole of the standard: every program supports
closed contours, while few support contours combined by exclusive or.
Source: DICOM PS3.3 A.19 (RT Structure Set IOD), C.8.8.6.3.
"""

import datetime
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.losses import LossCounter
from segdata.core.medical_files import import_package
from segdata.core.overlay import SweepRuns, union_by_frame
from segdata.core.polygons import Rings, keyhole, trace_outlines
from segdata.core.profile import Profile
from segdata.core.runs import Floats, NumberLine, Runs, group_offsets
from segdata.formats.medical import STRUCTURE_SET
from segdata.formats.medical.dicom_images import DicomImage, DicomIndexSegment, read_dataset
from segdata.formats.medical.dicom_objects import (
    ALGORITHM_TYPES,
    AnnotatorLayer,
    ObjectContent,
    ObjectKind,
    SegmentAttributes,
    SegmentKey,
    SegmentRow,
    segment_key,
    to_long_string,
    to_person_name,
    write_objects,
)
from segdata.formats.medical.rt_struct_reader import to_millimetres
from segdata.formats.shapes.geometry import PolygonArrays, check_ring, fill_centres

_CODE = re.compile(r"(?=.{1,16}\Z)[A-Z0-9_]+( [A-Z0-9_]+)*")
_CONTOUR_DATA = 0x30060050  # Contour Data
_STUDY = (
    "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyDescription", "PatientName",
    "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID", "FrameOfReferenceUID",
    "PositionReferenceIndicator",
)  # fmt: skip
Item = Any  # items of a sequence; pydicom's dataset has every attribute


def _save(path: Path, content: ObjectContent, losses: LossCounter) -> tuple[DicomIndexSegment, ...]:
    for name, image in content.images.items():
        if image.plane is None:
            raise SegdataError(f"image {name!r}: {image.path} does not say where it lies, which contours need")
    contours: dict[SegmentKey, list[Item]] = {key: [] for key in content.numbers}
    for name, layer in content.layers.items():
        for key, contour in _contours(layer, content.images[name], losses):
            contours[key].append(contour)
    structure_set = _structure_set(list(content.images.values()))
    frame = str(structure_set.get("FrameOfReferenceUID", ""))
    structure_set.StructureSetROISequence = [_region_item(content, key, frame) for key in content.numbers]
    structure_set.ROIContourSequence = [_contour_item(content, key, items) for key, items in contours.items() if items]
    structure_set.RTROIObservationsSequence = [
        _item(
            ObservationNumber=number,
            ReferencedROINumber=number,
            RTROIInterpretedType=content.attributes[key].get("interpreted_type", ""),
            ROIInterpreter=to_person_name(content.author[0]) or "",
        )
        for key, number in content.numbers.items()
    ]
    structure_set.save_as(path, enforce_file_format=True)
    return ()


def _region_item(content: ObjectContent, key: SegmentKey, frame: str) -> Item:
    attributes = content.attributes[key]
    item = _item(
        ROINumber=content.numbers[key],
        ReferencedFrameOfReferenceUID=frame,
        ROIName=to_long_string(content.category(key).name),
        ROIGenerationAlgorithm=ALGORITHM_TYPES.get(content.source(key) or "", attributes.get("algorithm_type", "")),
    )
    if "description" in attributes:
        item.ROIDescription = attributes["description"]
    return item


def _contour_item(content: ObjectContent, key: SegmentKey, contours: list[Item]) -> Item:
    item = _item(ReferencedROINumber=content.numbers[key], ContourSequence=contours)
    if (color := content.category(key).rgb) is not None:
        item.ROIDisplayColor = list(color)
    return item


def _held_attributes(source: str | None, segment: SegmentRow, attributes: SegmentAttributes) -> set[str]:
    """The attributes that the object holds; `source` is the default for segments without one."""
    code, text = attributes.get("interpreted_type"), attributes.get("description")
    is_held_of = {
        "interpreted_type": isinstance(code, str) and _CODE.fullmatch(code) is not None,
        "description": isinstance(text, str) and text.isprintable() and text.strip() == text and len(text) <= 1024,
        "algorithm_type": attributes.get("algorithm_type") == "SEMIAUTOMATIC"
        and (segment["source"] or source) not in ALGORITHM_TYPES,
    }
    return {key for key, is_held in is_held_of.items() if is_held and attributes.get(key)}


def _contours(layer: AnnotatorLayer, image: DicomImage, losses: LossCounter) -> list[tuple[SegmentKey, Item]]:
    """The closed contours of each segment on a slice.

    These are the source's rings if exact, else one contour along the edges of each part, with its holes.
    """
    height, width = image.size
    layer = _merge_layer(layer, height, width, losses)
    n = len(layer.segments)
    exact_rings = _exact_rings(layer, height, width)
    lost = [row for row, segment in enumerate(layer.segments) if segment["rings"] and row not in exact_rings]
    losses.add("rings", "segments", len(lost), examples=[str(layer.segments[row]["segment_id"]) for row in lost[:3]])
    kept = [(row, np.array(ring, np.float64).reshape(-1, 2)) for row, rings in exact_rings.items() for ring in rings]
    edges = [row for row in range(n) if row not in exact_rings]
    traced = trace_outlines(layer.runs.take(np.array(edges, np.int64), n), np.full(len(edges), height, np.int64))
    part = np.cumsum(~traced.hole) - 1  # an outer ring is followed by its holes
    keyholes = keyhole(Rings(traced.xy, traced.ring, part.astype(np.int32), traced.outer))
    owner = traced.owner[~traced.hole]
    for position, ring in enumerate(keyholes.as_lists()):
        kept.append((edges[int(owner[position])], np.array(ring, np.float64).reshape(-1, 2)))
    return [(segment_key(layer.segments[row]), _contour(points, image)) for row, points in kept]


def _merge_layer(layer: AnnotatorLayer, height: int, width: int, losses: LossCounter) -> AnnotatorLayer:
    """Merge the segments of each region, since pixels shared by two of its contours would be outside."""
    first: dict[SegmentKey, int] = {}
    group = np.array([first.setdefault(segment_key(segment), len(first)) for segment in layer.segments], np.int32)
    if len(first) == len(group):
        return layer
    order = np.argsort(group, kind="stable")
    runs = layer.runs.take(order, len(group))
    line = NumberLine.from_sizes(np.full(len(first), height, np.int64), np.full(len(first), width, np.int64))
    together = Runs(runs.start, runs.length, group[order][runs.owner])
    count = np.bincount(group)
    lost = [
        segment
        for segment, position in zip(layer.segments, group, strict=True)
        if segment["rings"] and count[position] > 1
    ]
    losses.add("rings", "segments", len(lost), examples=[str(segment["segment_id"]) for segment in lost[:3]])
    segment_at = {
        position: segment for segment, position in reversed([*zip(layer.segments, group.tolist(), strict=True)])
    }
    segments = [
        segment_at[position] if count[position] == 1 else {**segment_at[position], "rings": None}
        for position in range(len(first))
    ]
    return AnnotatorLayer(
        segments, union_by_frame(SweepRuns.from_runs(together, line, np.arange(len(first))), line).runs
    )


def _exact_rings(layer: AnnotatorLayer, height: int, width: int) -> dict[int, list[list[float]]]:
    """The source's rings of segments for which they are exact."""
    rings_of = {row: segment["rings"] for row, segment in enumerate(layer.segments) if segment["rings"]}
    sound = {row: rings for row, rings in rings_of.items() if all(check_ring(ring) is None for ring in rings)}
    points = [np.array(ring, np.float64).reshape(-1, 2) for rings in sound.values() for ring in rings]
    flat = PolygonArrays(
        np.concatenate([np.empty((0, 2)), *points]),
        group_offsets(np.array([len(ring) for ring in points], np.int64)),
        group_offsets(np.array([len(rings) for rings in sound.values()], np.int64)),
    )
    n = len(sound)
    filled = fill_centres(flat, np.full(n, height, np.int64), np.full(n, width, np.int64))
    ends, own_ends = filled.offsets(n), layer.runs.offsets(len(layer.segments))
    exact = {}
    for position, (row, rings) in enumerate(sound.items()):
        filled_runs, own_runs = slice(ends[position], ends[position + 1]), slice(own_ends[row], own_ends[row + 1])
        if np.array_equal(filled.start[filled_runs], layer.runs.start[own_runs]) and np.array_equal(
            filled.length[filled_runs], layer.runs.length[own_runs]
        ):
            exact[row] = rings
    return exact


def _contour(points: Floats, image: DicomImage) -> Item:
    """A closed contour of points (n, 2) in pixels."""
    assert image.plane is not None
    item = _item(
        ContourImageSequence=[_item(ReferencedSOPClassUID=image.kind, ReferencedSOPInstanceUID=image.uid)],
        ContourGeometricType="CLOSED_PLANAR",
        NumberOfContourPoints=len(points),
    )
    item[_CONTOUR_DATA] = _numbers(to_millimetres(points, image.plane))
    return item


def _numbers(points: Floats) -> Any:  # Any: pydicom's element
    """The encoded coordinates, without an object for each number."""
    # A number may have 16 characters.
    text = "\\".join(f"{value:.10g}" for value in points.ravel().tolist()).encode()
    text += b" " * (len(text) % 2)
    element = import_package("pydicom.dataelem").RawDataElement
    return element(import_package("pydicom").tag.Tag(_CONTOUR_DATA), "DS", len(text), text, 0, True, True, True)


def _structure_set(images: Sequence[DicomImage]) -> Item:
    uid = import_package("pydicom.uid")
    first = read_dataset(images[0].path)
    first.decode()
    now = datetime.datetime.now()
    named = [_item(ReferencedSOPClassUID=image.kind, ReferencedSOPInstanceUID=image.uid) for image in images]
    series = _item(SeriesInstanceUID=images[0].series, ContourImageSequence=named)
    study = _item(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",  # detached study management, as the standard requires
        ReferencedSOPInstanceUID=images[0].study,
        RTReferencedSeriesSequence=[series],
    )
    frame = _item(FrameOfReferenceUID=first.get("FrameOfReferenceUID", ""), RTReferencedStudySequence=[study])
    structure_set = _item(
        SpecificCharacterSet="ISO_IR 192",
        **{keyword: first.get(keyword, "") for keyword in _STUDY},
        SOPClassUID=STRUCTURE_SET,
        SOPInstanceUID=uid.generate_uid(),
        SeriesInstanceUID=uid.generate_uid(),
        SeriesNumber=1,
        Modality="RTSTRUCT",
        Manufacturer="segdata",
        ManufacturerModelName="segdata",
        OperatorsName="",
        StructureSetLabel="SEGDATA",
        ApprovalStatus="UNAPPROVED",
        StructureSetDate=f"{now:%Y%m%d}",
        StructureSetTime=f"{now:%H%M%S}",
        ReferencedFrameOfReferenceSequence=[frame],
    )
    meta = import_package("pydicom.dataset").FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = STRUCTURE_SET, structure_set.SOPInstanceUID
    # Explicit lengths are limited to 65,534 bytes, which contours may exceed.
    meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian
    structure_set.file_meta = meta
    return structure_set


def _item(**values: Any) -> Item:  # Any: values of all types
    item = import_package("pydicom").Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


_KIND = ObjectKind("rt-struct", "structures", frozenset({"attributes", "rings", "source"}), _held_attributes, _save)


def write_structure_sets(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write structure sets of the images' series; raises SegdataError if an annotated image is not a DICOM file."""
    write_objects(profile, batches, target, losses, _KIND)
