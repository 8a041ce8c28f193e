"""SEG writer: what one annotator drew on the images of a series as a DICOM segmentation, through highdicom."""

import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import SegdataError
from segdata.core.format import LossCounter
from segdata.core.runs import expand_ranges
from segdata.core.taxonomy import Category
from segdata.formats.medical.dicom.files import DicomImage, read_dataset, telling
from segdata.formats.medical.dicom.groups import Layer
from segdata.formats.medical.dicom.index import IndexSegment
from segdata.formats.medical.dicom.members import KINDS, Key, Said, Segment, is_text, key_of, person_of, text_of
from segdata.formats.medical.dicom.objectwriter import ObjectKind, Who, Work
from segdata.formats.medical.dicom.segsource import SCHEME, UNKNOWN, UNNAMED
from segdata.formats.medical.extra import package

_CODES = ("property_category", "property_type", "anatomic_region")
_UID = re.compile(r"(?=.{1,64}\Z)\d+(\.\d+)*")


def _save(path: Path, work: Work, losses: LossCounter) -> tuple[IndexSegment, ...]:
    """Write what an annotator drew; an object needs a segment, also where nothing was found."""
    pixels = _pixels([work.layers[name] for name in work.images], next(iter(work.images.values())).size, work.numbers)
    described = [
        _description(number, key, work.category(key), work.said[key], (work.who[0], work.source(key)))
        for key, number in work.numbers.items()
    ]
    if described:
        _write(path, list(work.images.values()), pixels, described, work.who[0])
        return ()
    category = min(work.categories, default=1)
    key = (category, False, 1)
    described = [_description(1, key, work.category(key), {}, work.who)]
    _write(path, list(work.images.values()), pixels, described, work.who[0])
    return (IndexSegment(1, category),)


def _description(number: int, key: Key, category: Category, said: Said, who: Who) -> Any:  # Any: highdicom's object
    """How the object describes a segment."""
    highdicom = package("highdicom")
    codes = {name: _coded(said.get(name), category) for name in _CODES}
    kind = KINDS.get(who[1] or "", "SEMIAUTOMATIC")
    tracked, uid = said.get("tracking_id"), said.get("tracking_uid")
    if key[1] and not tracked:
        tracked = str(key[2])
    if tracked and not uid:
        uid = highdicom.UID()
    color = category.rgb
    return highdicom.seg.SegmentDescription(
        number,
        text_of(category.name),
        codes["property_category"],
        codes["property_type"],
        kind,
        None if kind == "MANUAL" else _algorithm(kind, said, who[0]),
        uid,
        tracked,
        [codes["anatomic_region"]] if "anatomic_region" in said else None,
        display_color=None if color is None else highdicom.color.CIELabColor.from_rgb(*color),
    )


def _write(
    path: Path, images: list[DicomImage], pixels: NDArray[Any], described: list[Any], annotator: str | None
) -> None:  # Any: of any width; highdicom's objects
    highdicom = package("highdicom")
    try:
        with telling("no segmentation can be made of this series"):
            made = highdicom.seg.Segmentation(
                [_source(image) for image in images],
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
                content_creator_name=person_of(annotator),
                content_label="SEGDATA",
            )
    except OSError as error:
        raise SegdataError(f"{images[0].path}: {error}") from error
    made.save_as(path)


def _source(image: DicomImage) -> Any:  # Any: pydicom's dataset has every attribute
    """The header of an image in UTF-8: what is made of it gets its character set, and names in any script."""
    said = read_dataset(image.path)
    said.decode()
    said.SpecificCharacterSet = "ISO_IR 192"
    return said


def _pixels(layers: list[Layer], size: tuple[int, int], numbers: Mapping[Key, int]) -> NDArray[Any]:
    """(n, height, width) the number of each pixel's segment; with a fourth axis, of segments, where these overlap."""
    height, width = size
    labels = np.zeros((len(layers), width * height), np.uint16 if len(numbers) > 255 else np.uint8)
    overlap = False
    for row, layer in enumerate(layers):
        value = np.array([numbers.get(key_of(each), 0) for each in layer.segments], np.int64)
        labels[row][expand_ranges(layer.runs.start, layer.runs.length)] = np.repeat(
            value[layer.runs.owner], layer.runs.length
        )
        overlap = overlap or int((labels[row] > 0).sum()) < int(layer.runs.length.sum())
    if overlap:
        stacked = np.zeros((len(layers), width * height, len(numbers)), np.uint8)
        for row, layer in enumerate(layers):
            value = np.array([numbers.get(key_of(each), 1) - 1 for each in layer.segments], np.int64)
            cells = expand_ranges(layer.runs.start, layer.runs.length)
            stacked[row, cells, np.repeat(value[layer.runs.owner], layer.runs.length)] = 1
        return np.ascontiguousarray(stacked.reshape(len(layers), width, height, len(numbers)).transpose(0, 2, 1, 3))
    return np.ascontiguousarray(labels.reshape(len(layers), width, height).transpose(0, 2, 1))


def _held(source: str | None, segment: Segment, said: Said) -> set[str]:
    """The attributes that come back; `source` is what drew where the segment does not say it."""
    found = {key for key in _CODES if _is_code(said.get(key))}
    if said.get("algorithm_type") == "SEMIAUTOMATIC" and (segment["source"] or source) not in KINDS:
        found.add("algorithm_type")
        name = said.get("algorithm_name")
        found |= {"algorithm_name"} if is_text(name) and name not in (UNKNOWN, UNNAMED) else set()
    tracked, uid = said.get("tracking_id"), said.get("tracking_uid")
    if is_text(tracked) and not str(tracked).isdigit() and isinstance(uid, str) and _UID.fullmatch(uid):
        found |= {"tracking_id", "tracking_uid"}
    return found


def _is_code(said: object) -> bool:
    """Whether a value is a code that was read, and no made-up one."""
    if not isinstance(said, dict) or said.keys() != {"value", "scheme", "meaning"}:
        return False
    return all(map(is_text, said.values())) and len(said["scheme"]) <= 16 and said["scheme"] != SCHEME


def _coded(said: Any, category: Category) -> Any:  # Any: JSON, and highdicom's object
    """A code that was read, else one that is made up of the category."""
    concept = package("highdicom").sr.CodedConcept
    if said is not None:
        return concept(said["value"], said["scheme"], said["meaning"])
    return concept(str(category.id)[:16], SCHEME, text_of(category.name))


def _algorithm(kind: str, said: Mapping[str, Any], annotator: str | None) -> Any:  # Any: JSON, and highdicom's object
    """Which algorithm drew: the model, or what was read."""
    highdicom = package("highdicom")
    known = said.get("algorithm_name") or (UNNAMED if "algorithm_type" in said else UNKNOWN)
    name = known if kind == "SEMIAUTOMATIC" else annotator or UNKNOWN
    family = package("pydicom.sr.codedict").codes.DCM.ArtificialIntelligence
    return highdicom.AlgorithmIdentificationSequence(name=text_of(name), family=family, version=UNKNOWN)


KIND = ObjectKind("dicom-seg", "segmentations", frozenset({"attributes", "source"}), _held, _save)
