"""DICOM-SEG writer: one annotator's segments on the images of a series as a segmentation, through highdicom."""

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.losses import LossCounter
from segdata.core.medical_files import import_package
from segdata.core.profile import Profile
from segdata.core.runs import expand_ranges, fill_ranges
from segdata.core.taxonomy import Category
from segdata.formats.medical.dicom_images import DicomImage, DicomIndexSegment, raise_os_errors, read_dataset
from segdata.formats.medical.dicom_objects import (
    ALGORITHM_TYPES,
    AnnotatorAndSource,
    AnnotatorLayer,
    ObjectContent,
    ObjectKind,
    SegmentAttributes,
    SegmentKey,
    SegmentRow,
    is_long_string,
    segment_key,
    to_long_string,
    to_person_name,
    write_objects,
)
from segdata.formats.medical.dicom_seg_reader import SCHEME, UNKNOWN, UNNAMED

_CODES = ("property_category", "property_type", "anatomic_region")
_UID = re.compile(r"(?=.{1,64}\Z)\d+(\.\d+)*")


def _save(path: Path, content: ObjectContent, losses: LossCounter) -> tuple[DicomIndexSegment, ...]:
    """Write one annotator's segments; an object needs at least one, even if there is none."""
    pixels = _pixels(
        [content.layers[name] for name in content.images], next(iter(content.images.values())).size, content.numbers
    )
    described = [
        _description(
            number, key, content.category(key), content.attributes[key], (content.author[0], content.source(key))
        )
        for key, number in content.numbers.items()
    ]
    if described:
        _write(path, list(content.images.values()), pixels, described, content.author[0])
        return ()
    category = min(content.categories, default=1)
    key = (category, False, 1)
    described = [_description(1, key, content.category(key), {}, content.author)]
    _write(path, list(content.images.values()), pixels, described, content.author[0])
    return (DicomIndexSegment(1, category),)


def _description(
    number: int, key: SegmentKey, category: Category, attributes: SegmentAttributes, author: AnnotatorAndSource
) -> Any:  # Any: highdicom's object
    highdicom = import_package("highdicom")
    codes = {name: _make_code(attributes.get(name), category) for name in _CODES}
    kind = ALGORITHM_TYPES.get(author[1] or "", "SEMIAUTOMATIC")
    tracked, uid = attributes.get("tracking_id"), attributes.get("tracking_uid")
    if key[1] and not tracked:
        tracked = str(key[2])
    if tracked and not uid:
        uid = highdicom.UID()
    color = category.rgb
    return highdicom.seg.SegmentDescription(
        number,
        to_long_string(category.name),
        codes["property_category"],
        codes["property_type"],
        kind,
        None if kind == "MANUAL" else _algorithm(kind, attributes, author[0]),
        uid,
        tracked,
        [codes["anatomic_region"]] if "anatomic_region" in attributes else None,
        display_color=None if color is None else highdicom.color.CIELabColor.from_rgb(*color),
    )


def _write(
    path: Path, images: list[DicomImage], pixels: NDArray[Any], described: list[Any], annotator: str | None
) -> None:  # Any: of any width; highdicom's objects
    highdicom = import_package("highdicom")
    try:
        with raise_os_errors("no segmentation of this series can be written"):
            segmentation = highdicom.seg.Segmentation(
                [_source_header(image) for image in images],
                pixels,
                "BINARY",
                described,
                series_instance_uid=highdicom.UID(),
                series_number=1000 + int(path.stem),
                sop_instance_uid=highdicom.UID(),
                instance_number=1,
                manufacturer="segdata",
                manufacturer_model_name="segdata",
                software_versions=version("segdata"),
                device_serial_number="0",
                content_creator_name=to_person_name(annotator),
                content_label="SEGDATA",
            )
    except OSError as error:
        raise SegdataError(f"{images[0].path}: {error}") from error
    segmentation.save_as(path)


def _source_header(image: DicomImage) -> Any:  # Any: pydicom's dataset has every attribute
    """The header of an image in UTF-8, which objects made from it inherit, so that names may have any script."""
    header = read_dataset(image.path)
    header.decode()
    header.SpecificCharacterSet = "ISO_IR 192"
    return header


def _pixels(layers: list[AnnotatorLayer], size: tuple[int, int], numbers: Mapping[SegmentKey, int]) -> NDArray[Any]:
    """(n, height, width) the number of each pixel's segment; with a fourth axis, of segments, where these overlap."""
    height, width = size
    labels = np.zeros((len(layers), width * height), np.uint16 if len(numbers) > 255 else np.uint8)
    overlap = False
    for row, layer in enumerate(layers):
        value = np.array([numbers.get(segment_key(segment), 0) for segment in layer.segments], np.int64)
        fill_ranges(labels[row], layer.runs.start, layer.runs.length, value[layer.runs.owner])
        overlap = overlap or int((labels[row] > 0).sum()) < int(layer.runs.length.sum())
    if overlap:
        stacked = np.zeros((len(layers), width * height, len(numbers)), np.uint8)
        for row, layer in enumerate(layers):
            value = np.array([numbers.get(segment_key(segment), 1) - 1 for segment in layer.segments], np.int64)
            cells = expand_ranges(layer.runs.start, layer.runs.length)
            stacked[row, cells, np.repeat(value[layer.runs.owner], layer.runs.length)] = 1
        return np.ascontiguousarray(stacked.reshape(len(layers), width, height, len(numbers)).transpose(0, 2, 1, 3))
    return np.ascontiguousarray(labels.reshape(len(layers), width, height).transpose(0, 2, 1))


def _held_attributes(source: str | None, segment: SegmentRow, attributes: SegmentAttributes) -> set[str]:
    """The attributes that the object holds; `source` is the default for segments without one."""
    held = {key for key in _CODES if _is_code(attributes.get(key))}
    if attributes.get("algorithm_type") == "SEMIAUTOMATIC" and (segment["source"] or source) not in ALGORITHM_TYPES:
        held.add("algorithm_type")
        name = attributes.get("algorithm_name")
        held |= {"algorithm_name"} if is_long_string(name) and name not in (UNKNOWN, UNNAMED) else set()
    tracked, uid = attributes.get("tracking_id"), attributes.get("tracking_uid")
    if is_long_string(tracked) and not str(tracked).isdigit() and isinstance(uid, str) and _UID.fullmatch(uid):
        held |= {"tracking_id", "tracking_uid"}
    return held


def _is_code(value: object) -> bool:
    """Whether a value is a code that was read, not one that segdata invented."""
    if not isinstance(value, dict) or value.keys() != {"value", "scheme", "meaning"}:
        return False
    return all(map(is_long_string, value.values())) and len(value["scheme"]) <= 16 and value["scheme"] != SCHEME


def _make_code(code: Any, category: Category) -> Any:  # Any: JSON, and highdicom's object
    """The code that was read, else one made from the category."""
    concept = import_package("highdicom").sr.CodedConcept
    if code is not None:
        return concept(code["value"], code["scheme"], code["meaning"])
    return concept(str(category.id)[:16], SCHEME, to_long_string(category.name))


def _algorithm(
    kind: str, attributes: Mapping[str, Any], annotator: str | None
) -> Any:  # Any: JSON, and highdicom's object
    """The algorithm of a segment: the model, or the algorithm that was read."""
    highdicom = import_package("highdicom")
    stated_name = attributes.get("algorithm_name") or (UNNAMED if "algorithm_type" in attributes else UNKNOWN)
    name = stated_name if kind == "SEMIAUTOMATIC" else annotator or UNKNOWN
    family = import_package("pydicom.sr.codedict").codes.DCM.ArtificialIntelligence
    return highdicom.AlgorithmIdentificationSequence(name=to_long_string(name), family=family, version=UNKNOWN)


_KIND = ObjectKind("dicom-seg", "segmentations", frozenset({"attributes", "source"}), _held_attributes, _save)


def write_segmentations(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write segmentations of the images' series; raises SegdataError if an annotated image is not a DICOM file."""
    write_objects(profile, batches, target, losses, _KIND)
