"""RT-STRUCT reader: parse structure sets, place their contours on slices, and fill them.

Source: DICOM PS3.3 C.8.8.5 (Structure Set), C.8.8.6 (ROI Contour, with the geometric types), C.8.8.8 (RT ROI
Observations).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from segdata.core.errors import check_choice, count_noun
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.overlay import SweepRuns, union_by_frame
from segdata.core.runs import Floats, NumberLine, Runs, group_offsets
from segdata.core.taxonomy import Color
from segdata.formats.medical import STRUCTURE_SET
from segdata.formats.medical.dicom_images import (
    DicomImage,
    Plane,
    Series,
    is_complete,
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
from segdata.formats.shapes.geometry import PolygonArrays, check_ring, fill_centres
from segdata.formats.shared.per_image import ImageAnnotation, ImageEntry, PerImageSource

_CLOSED_TYPES = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
_OPEN_TYPES = ("POINT", "OPEN_PLANAR", "OPEN_NONPLANAR")
_CONTOUR_DATA = 0x30060050  # Contour Data


@dataclass(frozen=True, slots=True, eq=False)
class Contour:
    """A closed contour."""

    points: Floats  # (n, 3) millimetres (left, posterior, superior)
    xor: bool  # whether it is combined by exclusive or, whatever the option `holes`
    image: str  # UID of the referenced image; empty if there is none
    place: str  # in the file


@dataclass(frozen=True, slots=True)
class Region:
    """A region of interest."""

    number: int  # in the structure set
    name: str  # in the structure set
    algorithm: str  # AUTOMATIC, SEMIAUTOMATIC or MANUAL; empty if it is missing
    color: Color | None  # for display
    attributes: dict[str, str]  # its other attributes
    reference: str  # UID of its frame of reference
    contours: Sequence[Contour]  # the closed ones


@dataclass(frozen=True, slots=True)
class StructureSet(DicomObject):
    """A structure set."""

    regions: Sequence[Region]  # in the order of the file
    series: frozenset[str]  # UIDs of their series
    interpreter: str | None  # the annotator, if all regions name the same


def _read_structures(path: Path, name: str) -> StructureSet:
    """Read the structure set in a file; raises OSError with the reason if that fails."""
    with raise_os_errors() as remarks:
        dataset = read_dataset(path)
        structures = _parse_structures(dataset, path, name)
        complete = any(defect.code == "SEG001" for defect in structures.defects) or is_complete(path, dataset)
    defects = [*structures.defects, *remark_defects({remark: [name] for remark in remarks})]
    if not complete:
        message = "is cut off: its last element is incomplete, so content may be missing"
        defects.append(Defect("SEG001", message, name))
    return replace(structures, defects=tuple(defects))


def _parse_structures(
    dataset: Any, path: Path, name: str
) -> StructureSet:  # Any: pydicom's dataset has every attribute
    if dataset.get("SOPClassUID") != STRUCTURE_SET:
        raise OSError(f"it is not a structure set: its SOP class is {dataset.get('SOPClassUID')}")
    # Both are required, so a file without them was truncated, which pydicom does not report.
    defects = [
        Defect("SEG001", f"has no {keyword}, which every structure set has: it is cut off", name)
        for keyword in ("StructureSetROISequence", "ROIContourSequence")
        if keyword not in dataset
    ]
    contour_items: dict[int, Any] = {}
    for row, item in enumerate(dataset.get("ROIContourSequence") or []):
        number = int(item.ReferencedROINumber)
        if number in contour_items:
            message = f"contours of region {number} occur twice; the first are used"
            defects.append(Defect("SEG008", message, name, f"ROIContourSequence[{row}]", segments=(number,)))
        contour_items.setdefault(number, (row, item))
    observed = {int(item.ReferencedROINumber): item for item in dataset.get("RTROIObservationsSequence") or []}
    regions: dict[int, Region] = {}
    for row, item in enumerate(dataset.get("StructureSetROISequence") or []):
        number = int(item.ROINumber)
        if number in regions:
            message = f"region {number} occurs twice; the first one is used"
            defects.append(Defect("SEG008", message, name, f"StructureSetROISequence[{row}]", segments=(number,)))
            continue
        row_of_contours, contours = contour_items.pop(number, (0, None))
        regions[number] = _parse_region(
            item, contours, observed.get(number), f"ROIContourSequence[{row_of_contours}]", defects, name
        )
    for number, (row, _) in contour_items.items():
        message = f"contours of region {number}, which is not described"
        defects.append(Defect("SEG007", message, name, f"ROIContourSequence[{row}]", segments=(number,)))
    images, series = _parse_references(dataset)
    images += [contour.image for region in regions.values() for contour in region.contours if contour.image]
    people = {str(item.get("ROIInterpreter") or "").replace("^", " ").strip() for item in observed.values()}
    interpreter = next(iter(people)) if len(people) == 1 else ""
    return StructureSet(
        path=path,
        name=name,
        images=tuple(dict.fromkeys(images)),
        defects=tuple(defects),
        regions=tuple(regions.values()),
        series=frozenset(series),
        interpreter=interpreter or None,
    )


def _parse_references(dataset: Any) -> tuple[list[str], list[str]]:  # Any: as above
    """UIDs of the images and series that a structure set refers to."""
    images: list[str] = []
    series: list[str] = []
    for frame in dataset.get("ReferencedFrameOfReferenceSequence") or []:
        for study in frame.get("RTReferencedStudySequence") or []:
            for series_item in study.get("RTReferencedSeriesSequence") or []:
                series.append(str(series_item.get("SeriesInstanceUID", "")))
                named = series_item.get("ContourImageSequence") or []
                images += [str(reference.get("ReferencedSOPInstanceUID", "")) for reference in named]
    return images, series


def _parse_region(
    roi: Any, contour_item: Any, observed: Any, place: str, defects: list[Defect], name: str
) -> Region:  # Any: as above
    number = int(roi.ROINumber)
    color = None if contour_item is None else contour_item.get("ROIDisplayColor")
    attributes = {
        "interpreted_type": "" if observed is None else str(observed.get("RTROIInterpretedType") or ""),
        "description": str(roi.get("ROIDescription") or ""),
    }
    return Region(
        number=number,
        name=str(roi.get("ROIName") or "").strip() or f"region {number}",
        algorithm=str(roi.get("ROIGenerationAlgorithm") or ""),
        color=_parse_color(color),
        attributes={key: value for key, value in attributes.items() if value},
        reference=str(roi.get("ReferencedFrameOfReferenceUID", "")),
        contours=[] if contour_item is None else list(_parse_contours(contour_item, number, place, defects, name)),
    )


def _parse_color(values: Any) -> Color | None:  # Any: as above
    if values is None or len(values) != 3 or not all(0 <= int(value) <= 255 for value in values):
        return None
    red, green, blue = (int(value) for value in values)
    return red, green, blue


def _parse_contours(contour_item: Any, number: int, place: str, defects: list[Defect], name: str) -> Iterator[Contour]:
    """The closed contours of a region; counts other types, and reports broken contours."""  # Any: as above
    others: dict[str, int] = {}
    for row, item in enumerate(contour_item.get("ContourSequence") or []):
        item_place = f"{place}.ContourSequence[{row}]"
        kind = str(item.get("ContourGeometricType") or "")
        if kind in _OPEN_TYPES:
            others[kind] = others.get(kind, 0) + 1
            continue
        problem = None if kind in _CLOSED_TYPES else f"the geometric type {kind!r} is not one of DICOM's"
        points = _parse_points(item)
        if problem is None and isinstance(points, str):
            problem = points
        if problem is not None or isinstance(points, str):
            defects.append(Defect("SEG006", f"contour left out: {problem}", name, item_place, segments=(number,)))
            continue
        count = item.get("NumberOfContourPoints")
        if count is not None and int(count) != len(points):
            message = (
                f"NumberOfContourPoints is {count}, but the contour has {count_noun(len(points), 'point')}, which count"
            )
            defects.append(Defect("SEG004", message, name, item_place, segments=(number,)))
        images = item.get("ContourImageSequence") or []
        image = str(images[0].get("ReferencedSOPInstanceUID", "")) if images else ""
        yield Contour(points, kind == "CLOSEDPLANAR_XOR", image, item_place)
    for kind, count in sorted(others.items()):
        message = f"{count_noun(count, 'contour')} of type {kind} without pixels: left out"
        defects.append(Defect("SEG006", message, name, place, segments=(number,), severity="info"))


def _parse_points(contour: Any) -> Floats | str:  # Any: as above
    """(n, 3) the points of a contour, or the reason why they are invalid."""
    raw = contour.get_item(_CONTOUR_DATA)
    if raw is None or not raw.value:
        return "it has no points"
    # Parsed from bytes: an object for each number would cost fifty times as much.
    try:
        text = raw.value if isinstance(raw.value, bytes) else "\\".join(map(str, raw.value)).encode()
        numbers = np.array(text.strip(b" \0").split(b"\\"), dtype="S64").astype(np.float64)
    except ValueError:
        return "its points are not numbers"
    if len(numbers) % 3:
        return f"{count_noun(len(numbers), 'number')}; x, y and z come in threes"
    if not np.isfinite(numbers).all():
        return "a coordinate is not finite"
    points = numbers.reshape(-1, 3)
    if len(points) < 3:
        return f"{count_noun(len(points), 'point')}; at least 3 are needed"
    return points


_PIXEL_DECIMALS = 6  # more come from rounding errors
_DEFAULT_TOLERANCE_MM = 0.5  # of a contour from a slice without neighbours


@dataclass(frozen=True, slots=True, eq=False)
class _ContourRing:
    """A contour on a slice."""

    region: Region
    points: Floats  # (n, 2) x and y in pixels, (0, 0) the upper left corner of the slice
    contour: Contour  # as in the file


_ContourSlice = DicomSlice[StructureSet, _ContourRing]


@dataclass(frozen=True, eq=False)
class _SliceStack:
    """The placed slices of a series, sorted by depth."""

    series: Series
    images: Sequence[DicomImage]
    planes: Sequence[Plane]

    @cached_property
    def depths(self) -> Floats:
        """(n,) millimetres along the normal of the first slice, ascending."""
        return np.array([self.planes[0].normal @ plane.position for plane in self.planes])

    @cached_property
    def tolerance(self) -> float:
        """Half of the smallest distance between two slices, in millimetres."""
        apart = np.diff(np.unique(np.round(self.depths, 3)))
        return float(apart.min()) / 2 if len(apart) else _DEFAULT_TOLERANCE_MM

    def locate(self, points: Floats) -> tuple[int | None, float, float]:
        """The slice of points (n, 3), or None, with the distance to the nearest slice and the spread in depth."""
        depth = points @ self.planes[0].normal
        middle = float(np.median(depth))
        nearest = int(np.abs(self.depths - middle).argmin())
        apart = float(abs(self.depths[nearest] - middle))
        spread = float(depth.max() - depth.min())
        return (nearest if apart < self.tolerance else None), apart, spread


class _ContourSlices(DicomSlices[StructureSet, _ContourRing]):
    """Slices with the contours of structure sets."""

    def place(self, structures: StructureSet, all_series: Sequence[Series], searched: Path) -> None:
        by_uid = {image.uid: (series, image) for series in all_series for image in series.images}
        slabs = _slice_stacks(structures, all_series)
        if not slabs:
            message = (
                f"none of the {len(structures.images):,} referenced images was found (looked in {searched}), so its "
                "contours have no pixels; give --images"
            )
            self.defects.append(Defect("SEG002", message, structures.name))
            return
        rings: dict[str, list[_ContourRing]] = {uid: [] for uid in structures.images if uid in by_uid}
        for region in structures.regions:
            same_frame = [
                stack for stack in slabs if any(image.reference == region.reference for image in stack.images)
            ]
            for contour in region.contours:
                slice_and_ring = self._find_slice(structures, region, contour, same_frame or slabs)
                if slice_and_ring is not None:
                    rings.setdefault(slice_and_ring[0].uid, []).append(slice_and_ring[1])
        self.add_pieces(structures, rings, by_uid)

    def _find_slice(
        self, structures: StructureSet, region: Region, contour: Contour, slabs: Sequence[_SliceStack]
    ) -> tuple[DicomImage, _ContourRing] | None:
        """The slice of a contour, and its ring there; if there is none, None and a defect."""
        named = next((stack for stack in slabs if any(image.uid == contour.image for image in stack.images)), slabs[0])
        row, apart, spread = named.locate(contour.points)
        problem = None
        if row is None:
            problem = "SEG007", f"contour lies on none of the slices found; the nearest is {apart:.4g} mm away"
        elif spread > 2 * named.tolerance:
            problem = (
                "SEG006",
                f"contour left out: its points do not lie in one plane, but {spread:.4g} mm apart in depth",
            )
        if problem is not None or row is None:
            code, message = problem or ("", "")
            self.defects.append(Defect(code, message, structures.name, contour.place, segments=(region.number,)))
            return None
        image, plane = named.images[row], named.planes[row]
        if contour.image and contour.image != image.uid and contour.image in structures.images:
            message = f"contour refers to another image than {image.name!r}, on which it lies"
            self.defects.append(
                Defect("SEG017", message, structures.name, contour.place, image=image.name, segments=(region.number,))
            )
        points = np.round(to_pixels(contour.points, plane), _PIXEL_DECIMALS)
        unsound = check_ring(points)
        if unsound is not None:
            message = f"contour left out: it {unsound}"
            self.defects.append(Defect("SEG006", message, structures.name, contour.place, segments=(region.number,)))
            return None
        return image, _ContourRing(region, points, contour)


def to_pixels(points: Floats, plane: Plane) -> Floats:
    """(n, 2) x and y in pixels of points (n, 3) in millimetres; the first pixel's centre is at (0.5, 0.5)."""
    away = points - plane.position
    return np.stack([away @ plane.row, away @ plane.column], axis=1) / plane.spacing + 0.5


def to_millimetres(points: Floats, plane: Plane) -> Floats:
    """(n, 3) millimetres of points (n, 2) in pixels; inverse of `to_pixels`."""
    away = (points - 0.5) * plane.spacing
    return plane.position + away[:, :1] * plane.row + away[:, 1:] * plane.column


def _slice_stacks(structures: StructureSet, all_series: Sequence[Series]) -> list[_SliceStack]:
    """The series for contours: the referenced ones, else those in the same frame of reference."""
    named = set(structures.images)
    referenced = [
        series
        for series in all_series
        if any(image.uid in named or image.series in structures.series for image in series.images)
    ]
    frames = {region.reference for region in structures.regions} - {""}
    near = referenced or [series for series in all_series if any(image.reference in frames for image in series.images)]
    slabs = []
    for series in near:
        pairs = [(image, image.plane) for image in series.images if image.plane is not None]
        if pairs:
            slabs.append(_SliceStack(series, [image for image, _ in pairs], [plane for _, plane in pairs]))
    return slabs


Holes = Literal["xor", "union"]


def open_contours(request: ReadRequest) -> PerImageSource:
    """Open the structure sets; raises UnreadableError if there is none, or no image of one."""
    holes = str(request.options.get("holes", "xor"))
    check_choice("holes", holes, get_args(Holes))
    dicom = ObjectReader("rt-struct", "structure set", _ContourSlices())
    dicom.open(request, (STRUCTURE_SET,), _read_structures)
    regions = [region for structures in dicom.objects for region in structures.regions]
    categories = name_categories(request.taxonomy, ((region.name, region.color, None) for region in regions))
    empty = {name: SOURCES.get(file.algorithm or "") for name, file in dicom.indexed.items()}
    annotators = dicom.annotators(lambda structures: structures.interpreter)
    reader = _ContourReader(annotators, empty, dicom.meanings(categories), "xor" if holes == "xor" else "union")
    return dicom.source(request, categories, "centre-evenodd", reader.read)


@dataclass(frozen=True, slots=True)
class _ContourReader:
    """Reads the segments of one slice."""

    annotator: Mapping[str, str | None]
    source: Mapping[str, str | None]  # of structure sets without regions
    meanings: SegmentMeanings
    holes: Holes

    def read(self, entry: ImageEntry) -> list[ImageAnnotation]:
        drawing: _ContourSlice = entry.record
        return [self._annotation(drawing.size, structures, rings) for structures, rings in drawing.pieces]

    def _annotation(
        self, size: tuple[int, int], structures: StructureSet, rings: list[_ContourRing]
    ) -> ImageAnnotation:
        of_region: dict[int, list[_ContourRing]] = {}
        for ring in rings:
            of_region.setdefault(ring.region.number, []).append(ring)
        rings_of_region = list(of_region.values())
        runs, nested = _fill_regions(rings_of_region, size, self.holes)
        regions = [rings[0].region for rings in rings_of_region]
        sources = {SOURCES.get(region.algorithm) for region in structures.regions}
        common = next(iter(sources)) if len(sources) == 1 else self.source.get(structures.name)
        return ImageAnnotation(
            size,
            self.meanings.segment_ids(structures.name, (region.number for region in regions)),
            self.meanings.categories(structures.name, ((region.number, region.name) for region in regions)),
            runs,
            {
                "track_id": [self.meanings.track(structures.name, region.number, region.number) for region in regions],
                "source": [None if common else SOURCES.get(region.algorithm) for region in regions],
                "attributes": [_region_attributes(region) for region in regions],
                "rings": [[ring.points.ravel().tolist() for ring in region] for region in rings_of_region],
                "file": [structures.name] * len(rings_of_region),
                "place": [rings[0].contour.place for rings in rings_of_region],
            },
            annotator=self.annotator[structures.name],
            annotation={"source": common},
            # If they are filled, the rule finds them by the rings.
            defects=[_nested_contours(structures, rings_of_region[row], pixels) for row, pixels in nested]
            if self.holes == "xor"
            else [],
        )


def _nested_contours(structures: StructureSet, rings: list[_ContourRing], pixels: int) -> Defect:
    """SEG018 for contours of one region that share pixels: a hole to most programs, but not by the standard."""
    region = rings[0].region
    message = f"contours of {region.name!r} are nested: {pixels:,} px inside several of them are left out, as a hole"
    place = rings[0].contour.place
    return Defect("SEG018", message, structures.name, place, segments=(region.number,), pixels=pixels, severity="info")


def _fill_regions(
    rings_of_region: Sequence[Sequence[_ContourRing]], size: tuple[int, int], holes: Holes
) -> tuple[Runs, list[tuple[int, int]]]:
    """Fill n regions on one slice; also returns the regions whose contours share pixels: (region, pixels).

    A pixel is inside if its centre is inside an odd number of contours; with `union`, inside any of them, unless they
    are CLOSEDPLANAR_XOR. A single contour is filled even-odd, so that its keyhole is a hole.
    """
    height, width = size
    n = len(rings_of_region)
    points = [ring.points for region_rings in rings_of_region for ring in region_rings]
    ends = np.cumsum([0, *map(len, points)])
    counts = np.array([len(rings) for rings in rings_of_region], np.int64)
    together = group_offsets(counts)
    all_points = np.concatenate([np.empty((0, 2)), *points])
    odd = fill_centres(PolygonArrays(all_points, ends, together), np.full(n, height), np.full(n, width))
    if (counts < 2).all():
        return odd, []
    one_each = np.arange(len(points) + 1)
    single = fill_centres(
        PolygonArrays(all_points, ends, one_each), np.full(len(points), height), np.full(len(points), width)
    )
    region = np.repeat(np.arange(n, dtype=np.int32), counts)
    line = NumberLine.from_sizes(np.full(n, height, np.int64), np.full(n, width, np.int64))
    union = union_by_frame(
        SweepRuns.from_runs(Runs(single.start, single.length, region[single.owner]), line, np.arange(n)), line
    ).runs
    xor = np.array([rings[0].contour.xor for rings in rings_of_region], bool)
    more = union.areas(n) - odd.areas(n)
    nested = [(row, int(more[row])) for row in np.flatnonzero((more > 0) & ~xor).tolist()]
    if holes == "xor" or not nested:
        return odd, nested
    parts = [(odd if xor[row] else union).take(np.array([row]), n) for row in range(n)]
    return Runs.concatenate(parts, [1] * n), nested


def _region_attributes(region: Region) -> list[tuple[str, str]]:
    attributes = dict(region.attributes)
    if region.algorithm == "SEMIAUTOMATIC":
        attributes["algorithm_type"] = region.algorithm
    return [(key, json.dumps(value, ensure_ascii=False)) for key, value in sorted(attributes.items())]
