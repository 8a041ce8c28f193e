"""Structures: what a DICOM structure set says about its regions of interest and their contours.

Source: DICOM PS3.3 C.8.8.5 (Structure Set), C.8.8.6 (ROI Contour, with the geometric types), C.8.8.8 (RT ROI
Observations).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.core.finding import Defect
from segdata.core.taxonomy import Color
from segdata.formats.medical.dicom.files import is_whole, read_dataset, remarks, telling
from segdata.formats.medical.dicom.kinds import STRUCTURE_SET

Floats = NDArray[np.float64]
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
_OTHERS = ("POINT", "OPEN_PLANAR", "OPEN_NONPLANAR")
_DATA = 0x30060050  # Contour Data


@dataclass(frozen=True, slots=True, eq=False)
class Contour:
    """A closed contour.

    Attributes
    ----------
    points : (n, 3) millimetres (left, posterior, superior)
    xor : it is combined with others of its region by exclusive or, whatever the reader is told
    image : UID of the image that it was drawn on; empty where that is not said
    place : in the file
    """

    points: Floats
    xor: bool
    image: str
    place: str


@dataclass(frozen=True, slots=True)
class Region:
    """A region of interest.

    Attributes
    ----------
    number, name : in the structure set
    algorithm : AUTOMATIC, SEMIAUTOMATIC or MANUAL; empty where that is not said
    color : to show it in
    attributes : what else is said of it
    reference : UID of its frame of reference
    contours : the closed ones
    """

    number: int
    name: str
    algorithm: str
    color: Color | None
    attributes: dict[str, str]
    reference: str
    contours: Sequence[Contour]


@dataclass(frozen=True, slots=True)
class StructureSet:
    """A structure set.

    Attributes
    ----------
    path, name : the file, and what it is called in messages
    regions : in the order of the file
    images : UIDs of the images that it refers to
    series : UIDs of their series
    interpreter : who drew, where one is named for all regions
    defects : what is wrong in it
    """

    path: Path
    name: str
    regions: Sequence[Region]
    images: tuple[str, ...]
    series: frozenset[str]
    interpreter: str | None
    defects: tuple[Defect, ...]


def read_structures(path: Path, name: str) -> StructureSet:
    """The structure set in a file; raises OSError with the reason where it cannot be read at all."""
    with telling() as heard:
        said = read_dataset(path)
        found = _parsed(said, path, name)
        whole = any(each.code == "SEG001" for each in found.defects) or is_whole(path, said)
    defects = [*found.defects, *remarks({each: [name] for each in heard})]
    if not whole:
        message = "is cut off: its last element is not whole, and what is in it may be missing"
        defects.append(Defect("SEG001", message, name))
    return replace(found, defects=tuple(defects))


def _parsed(said: Any, path: Path, name: str) -> StructureSet:  # Any: pydicom's dataset has every attribute
    if said.get("SOPClassUID") != STRUCTURE_SET:
        raise OSError(f"it is no structure set: its SOP class is {said.get('SOPClassUID')}")
    # Both are required, so a file that ends before them was cut off, which pydicom does not say.
    defects = [
        Defect("SEG001", f"has no {keyword}, which every structure set has: it is cut off", name)
        for keyword in ("StructureSetROISequence", "ROIContourSequence")
        if keyword not in said
    ]
    drawn: dict[int, Any] = {}
    for row, each in enumerate(said.get("ROIContourSequence") or []):
        number = int(each.ReferencedROINumber)
        if number in drawn:
            message = f"contours of region {number} are here twice; the first are taken"
            defects.append(Defect("SEG008", message, name, f"ROIContourSequence[{row}]", segments=(number,)))
        drawn.setdefault(number, (row, each))
    observed = {int(each.ReferencedROINumber): each for each in said.get("RTROIObservationsSequence") or []}
    regions: dict[int, Region] = {}
    for row, each in enumerate(said.get("StructureSetROISequence") or []):
        number = int(each.ROINumber)
        if number in regions:
            message = f"region {number} is here twice; the first one is taken"
            defects.append(Defect("SEG008", message, name, f"StructureSetROISequence[{row}]", segments=(number,)))
            continue
        at, contours = drawn.pop(number, (0, None))
        regions[number] = _region(each, contours, observed.get(number), f"ROIContourSequence[{at}]", defects, name)
    for number, (row, _) in drawn.items():
        message = f"contours of region {number}, which is not described"
        defects.append(Defect("SEG007", message, name, f"ROIContourSequence[{row}]", segments=(number,)))
    images, series = _references(said)
    images += [contour.image for region in regions.values() for contour in region.contours if contour.image]
    people = {str(each.get("ROIInterpreter") or "").replace("^", " ").strip() for each in observed.values()}
    interpreter = next(iter(people)) if len(people) == 1 else ""
    return StructureSet(
        path,
        name,
        tuple(regions.values()),
        tuple(dict.fromkeys(images)),
        frozenset(series),
        interpreter or None,
        tuple(defects),
    )


def _references(said: Any) -> tuple[list[str], list[str]]:  # Any: as above
    """UIDs of the images and series that a structure set refers to."""
    images: list[str] = []
    series: list[str] = []
    for frame in said.get("ReferencedFrameOfReferenceSequence") or []:
        for study in frame.get("RTReferencedStudySequence") or []:
            for one in study.get("RTReferencedSeriesSequence") or []:
                series.append(str(one.get("SeriesInstanceUID", "")))
                named = one.get("ContourImageSequence") or []
                images += [str(each.get("ReferencedSOPInstanceUID", "")) for each in named]
    return images, series


def _region(
    said: Any, drawn: Any, observed: Any, place: str, defects: list[Defect], name: str
) -> Region:  # Any: as above
    number = int(said.ROINumber)
    color = None if drawn is None else drawn.get("ROIDisplayColor")
    attributes = {
        "interpreted_type": "" if observed is None else str(observed.get("RTROIInterpretedType") or ""),
        "description": str(said.get("ROIDescription") or ""),
    }
    return Region(
        number,
        str(said.get("ROIName") or "").strip() or f"region {number}",
        str(said.get("ROIGenerationAlgorithm") or ""),
        _color(color),
        {key: value for key, value in attributes.items() if value},
        str(said.get("ReferencedFrameOfReferenceUID", "")),
        [] if drawn is None else list(_contours(drawn, number, place, defects, name)),
    )


def _color(said: Any) -> Color | None:  # Any: as above
    if said is None or len(said) != 3 or not all(0 <= int(each) <= 255 for each in said):
        return None
    red, green, blue = (int(each) for each in said)
    return red, green, blue


def _contours(drawn: Any, number: int, place: str, defects: list[Defect], name: str) -> Iterator[Contour]:
    """The closed contours of a region; others are counted, broken ones are defects."""  # Any: as above
    others: dict[str, int] = {}
    for row, each in enumerate(drawn.get("ContourSequence") or []):
        at = f"{place}.ContourSequence[{row}]"
        kind = str(each.get("ContourGeometricType") or "")
        if kind in _OTHERS:
            others[kind] = others.get(kind, 0) + 1
            continue
        wrong = None if kind in CLOSED else f"the geometric type is {kind!r}, none that DICOM knows"
        points = _points(each)
        if wrong is None and isinstance(points, str):
            wrong = points
        if wrong is not None or isinstance(points, str):
            defects.append(Defect("SEG006", f"contour left out: {wrong}", name, at, segments=(number,)))
            continue
        count = each.get("NumberOfContourPoints")
        if count is not None and int(count) != len(points):
            message = f"NumberOfContourPoints is {count}, there are {len(points)} points, which are taken"
            defects.append(Defect("SEG004", message, name, at, segments=(number,)))
        images = each.get("ContourImageSequence") or []
        image = str(images[0].get("ReferencedSOPInstanceUID", "")) if images else ""
        yield Contour(points, kind == "CLOSEDPLANAR_XOR", image, at)
    for kind, count in sorted(others.items()):
        message = f"{count:,} contours of type {kind} have no pixels, and are left out"
        defects.append(Defect("SEG006", message, name, place, segments=(number,), severity="info"))


def _points(contour: Any) -> Floats | str:  # Any: as above
    """(n, 3) the points of a contour, or what is wrong with them."""
    raw = contour.get_item(_DATA)
    if raw is None or not raw.value:
        return "it has no points"
    # As bytes: a number each would become an object of its own, at fifty times the cost.
    try:
        text = raw.value if isinstance(raw.value, bytes) else "\\".join(map(str, raw.value)).encode()
        numbers = np.array(text.strip(b" \0").split(b"\\"), dtype="S64").astype(np.float64)
    except ValueError:
        return "its points are no numbers"
    if len(numbers) % 3:
        return f"{len(numbers)} numbers; x, y and z come in threes"
    if not np.isfinite(numbers).all():
        return "a coordinate is not finite"
    points = numbers.reshape(-1, 3)
    if len(points) < 3:
        return f"{len(points)} points; at least 3 are needed"
    return points
