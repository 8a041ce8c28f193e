"""RT-STRUCT reader: the regions of structure sets, the slices that their contours lie on, and the pixels inside.

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
from numpy.typing import NDArray

from segdata.core.errors import check_choice
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.overlay import SweepRuns, union_by_frame
from segdata.core.runs import NumberLine, Runs
from segdata.core.taxonomy import Category, Color, Taxonomy
from segdata.formats.medical.dicom_images import (
    DicomImage,
    Plane,
    Series,
    is_complete,
    raise_os_errors,
    read_dataset,
    remark_defects,
)
from segdata.formats.medical.dicom_kinds import STRUCTURE_SET
from segdata.formats.medical.dicom_slices import SOURCES, DicomSlice, DicomSlices, ObjectReader, SegmentMeanings
from segdata.formats.shapes.geometry import PolygonArrays, check_ring
from segdata.formats.shapes.raster import fill_centres
from segdata.formats.shared.per_image import ImageAnnotation, ImageEntry, PerImageSource
from segdata.formats.shared.taxonomies import CategoryNames, kind_from_name, resolve_names

Floats = NDArray[np.float64]
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
_WITHOUT_PIXELS = ("POINT", "OPEN_PLANAR", "OPEN_NONPLANAR")
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
    with raise_os_errors() as heard:
        said = read_dataset(path)
        found = _parse_structures(said, path, name)
        whole = any(each.code == "SEG001" for each in found.defects) or is_complete(path, said)
    defects = [*found.defects, *remark_defects({each: [name] for each in heard})]
    if not whole:
        message = "is cut off: its last element is not whole, and what is in it may be missing"
        defects.append(Defect("SEG001", message, name))
    return replace(found, defects=tuple(defects))


def _parse_structures(said: Any, path: Path, name: str) -> StructureSet:  # Any: pydicom's dataset has every attribute
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
        regions[number] = _parse_region(
            each, contours, observed.get(number), f"ROIContourSequence[{at}]", defects, name
        )
    for number, (row, _) in drawn.items():
        message = f"contours of region {number}, which is not described"
        defects.append(Defect("SEG007", message, name, f"ROIContourSequence[{row}]", segments=(number,)))
    images, series = _parse_references(said)
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


def _parse_references(said: Any) -> tuple[list[str], list[str]]:  # Any: as above
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


def _parse_region(
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
        _parse_color(color),
        {key: value for key, value in attributes.items() if value},
        str(said.get("ReferencedFrameOfReferenceUID", "")),
        [] if drawn is None else list(_parse_contours(drawn, number, place, defects, name)),
    )


def _parse_color(said: Any) -> Color | None:  # Any: as above
    if said is None or len(said) != 3 or not all(0 <= int(each) <= 255 for each in said):
        return None
    red, green, blue = (int(each) for each in said)
    return red, green, blue


def _parse_contours(drawn: Any, number: int, place: str, defects: list[Defect], name: str) -> Iterator[Contour]:
    """The closed contours of a region; others are counted, broken ones are defects."""  # Any: as above
    others: dict[str, int] = {}
    for row, each in enumerate(drawn.get("ContourSequence") or []):
        at = f"{place}.ContourSequence[{row}]"
        kind = str(each.get("ContourGeometricType") or "")
        if kind in _WITHOUT_PIXELS:
            others[kind] = others.get(kind, 0) + 1
            continue
        wrong = None if kind in CLOSED else f"the geometric type is {kind!r}, none that DICOM knows"
        points = _parse_points(each)
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


def _parse_points(contour: Any) -> Floats | str:  # Any: as above
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


_DECIMALS = 6  # of pixels: more come from arithmetic, and not from who drew
_DEFAULT_MM = 0.5  # how far from its slice a contour may lie where slices have no neighbours


@dataclass(frozen=True, slots=True, eq=False)
class ContourRing:
    """A contour on its slice.

    Attributes
    ----------
    region : that it is of
    points : (n, 2) x and y in pixels, (0, 0) the upper left corner of the slice
    contour : as in the file
    """

    region: Region
    points: Floats
    contour: Contour


ContourSlice = DicomSlice[StructureSet, ContourRing]


@dataclass(frozen=True, eq=False)
class SliceStack:
    """The slices of a series that have a place, for questions about depth."""

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
        return float(apart.min()) / 2 if len(apart) else _DEFAULT_MM

    def at(self, points: Floats) -> tuple[int | None, float, float]:
        """The slice that points (n, 3) lie on, how far the nearest one is, and how far they spread in depth."""
        depth = points @ self.planes[0].normal
        middle = float(np.median(depth))
        nearest = int(np.abs(self.depths - middle).argmin())
        apart = float(abs(self.depths[nearest] - middle))
        spread = float(depth.max() - depth.min())
        return (nearest if apart < self.tolerance else None), apart, spread


class ContourSlices(DicomSlices[StructureSet, ContourRing]):
    """Slices with the contours of structure sets."""

    def place(self, found: StructureSet, every: Sequence[Series], looked: Path) -> None:
        """Put the contours on the slices of the images that they were drawn on."""
        by_uid = {image.uid: (series, image) for series in every for image in series.images}
        slabs = _slice_stacks(found, every)
        if not slabs:
            message = (
                f"none of the {len(found.images):,} images that it was drawn on is here (looked in {looked}), so its "
                "contours cannot be told in pixels; give --images"
            )
            self.defects.append(Defect("SEG002", message, found.name))
            return
        rings: dict[str, list[ContourRing]] = {uid: [] for uid in found.images if uid in by_uid}
        for region in found.regions:
            alike = [each for each in slabs if any(image.reference == region.reference for image in each.images)]
            for contour in region.contours:
                home = self._home(found, region, contour, alike or slabs)
                if home is not None:
                    rings.setdefault(home[0].uid, []).append(home[1])
        for uid, each in rings.items():
            series, image = by_uid[uid]
            self.add(series)
            self.by_id[image.name].pieces.append((found, each))

    def _home(
        self, found: StructureSet, region: Region, contour: Contour, slabs: Sequence[SliceStack]
    ) -> tuple[DicomImage, ContourRing] | None:
        """The slice that a contour lies on, and the contour there; None, and a defect, where there is none."""
        named = next((each for each in slabs if any(image.uid == contour.image for image in each.images)), slabs[0])
        row, apart, spread = named.at(contour.points)
        wrong = None
        if row is None:
            wrong = "SEG007", f"contour lies on no slice that is here, the nearest is {apart:.4g} mm away"
        elif spread > 2 * named.tolerance:
            wrong = "SEG006", f"contour left out: its points lie in no plane, but {spread:.4g} mm deep"
        if wrong is not None or row is None:
            code, message = wrong or ("", "")
            self.defects.append(Defect(code, message, found.name, contour.place, segments=(region.number,)))
            return None
        image, plane = named.images[row], named.planes[row]
        if contour.image and contour.image != image.uid and contour.image in found.images:
            message = f"contour says that it was drawn on another image than {image.name!r}, where it lies"
            self.defects.append(
                Defect("SEG017", message, found.name, contour.place, image=image.name, segments=(region.number,))
            )
        points = np.round(to_pixels(contour.points, plane), _DECIMALS)
        unsound = check_ring(points)
        if unsound is not None:
            message = f"contour left out: it {unsound}"
            self.defects.append(Defect("SEG006", message, found.name, contour.place, segments=(region.number,)))
            return None
        return image, ContourRing(region, points, contour)


def to_pixels(points: Floats, plane: Plane) -> Floats:
    """(n, 2) x and y in pixels of points (n, 3) in millimetres; the first pixel's centre is at (0.5, 0.5)."""
    away = points - plane.position
    return np.stack([away @ plane.row, away @ plane.column], axis=1) / plane.spacing + 0.5


def to_millimetres(points: Floats, plane: Plane) -> Floats:
    """(n, 3) millimetres of points (n, 2) in pixels: `to_pixels` backwards."""
    away = (points - 0.5) * plane.spacing
    return plane.position + away[:, :1] * plane.row + away[:, 1:] * plane.column


def _slice_stacks(found: StructureSet, every: Sequence[Series]) -> list[SliceStack]:
    """The series that contours may lie on: those that are named, else those in the same frame of reference."""
    named = set(found.images)
    own = [each for each in every if any(image.uid in named or image.series in found.series for image in each.images)]
    frames = {region.reference for region in found.regions} - {""}
    near = own or [each for each in every if any(image.reference in frames for image in each.images)]
    slabs = []
    for series in near:
        pairs = [(image, image.plane) for image in series.images if image.plane is not None]
        if pairs:
            slabs.append(SliceStack(series, [image for image, _ in pairs], [plane for _, plane in pairs]))
    return slabs


Holes = Literal["xor", "union"]


def open_contours(request: ReadRequest) -> PerImageSource:
    """The structure sets; raises UnreadableError where there is none, or no image of one."""
    holes = str(request.options.get("holes", "xor"))
    check_choice("holes", holes, get_args(Holes))
    objects = ObjectReader("rt-struct", "structure set", ContourSlices())
    objects.open(request, (STRUCTURE_SET,), read_structures)
    categories = _region_names(request.taxonomy, [region for each in objects.found for region in each.regions])
    empty = {name: SOURCES.get(file.algorithm or "") for name, file in objects.indexed.items()}
    annotators = objects.annotators(lambda each: each.interpreter)
    look = _SliceReader(annotators, empty, objects.known(categories), "xor" if holes == "xor" else "union")
    return objects.source(request, categories, "centre-evenodd", look.at)


def _region_names(given: Taxonomy | None, regions: Sequence[Region]) -> CategoryNames:
    """Categories by the names of regions."""
    own: dict[str, Category] = {}
    for each in regions:
        if each.name not in own:
            own[each.name] = Category(id=len(own) + 1, name=each.name, kind=kind_from_name(each.name), color=each.color)
    return resolve_names(own, given, Taxonomy(categories=tuple(own.values())))


@dataclass(frozen=True, slots=True)
class _SliceReader:
    """Looks at one slice."""

    annotator: Mapping[str, str | None]
    source: Mapping[str, str | None]  # of structure sets without regions
    known: SegmentMeanings
    holes: Holes

    def at(self, entry: ImageEntry) -> list[ImageAnnotation]:
        """What each structure set has on a slice."""
        drawing: ContourSlice = entry.record
        return [self._drawn(drawing.size, each, rings) for each, rings in drawing.pieces]

    def _drawn(self, size: tuple[int, int], found: StructureSet, rings: list[ContourRing]) -> ImageAnnotation:
        """What one structure set has on a slice."""
        of_region: dict[int, list[ContourRing]] = {}
        for ring in rings:
            of_region.setdefault(ring.region.number, []).append(ring)
        drawn = list(of_region.values())
        runs, nested = fill_regions(drawn, size, self.holes)
        regions = [each[0].region for each in drawn]
        sources = {SOURCES.get(region.algorithm) for region in found.regions}
        common = next(iter(sources)) if len(sources) == 1 else self.source.get(found.name)
        return ImageAnnotation(
            size,
            np.array([self.known.segment_id(found.name, each.number) for each in regions], np.int64),
            np.array([self.known.category(found.name, each.number, each.name) for each in regions], np.int64),
            runs,
            {
                "track_id": [self.known.track(found.name, each.number, each.number) for each in regions],
                "source": [None if common else SOURCES.get(region.algorithm) for region in regions],
                "attributes": [_region_attributes(region) for region in regions],
                "rings": [[ring.points.ravel().tolist() for ring in each] for each in drawn],
                "file": [found.name] * len(drawn),
                "place": [each[0].contour.place for each in drawn],
            },
            annotator=self.annotator[found.name],
            annotation={"source": common},
            # Where they are filled, the rings themselves show it to the rule.
            defects=[_nested_contours(found, drawn[row], pixels) for row, pixels in nested]
            if self.holes == "xor"
            else [],
        )


def _nested_contours(found: StructureSet, rings: list[ContourRing], pixels: int) -> Defect:
    """Contours of one region that share pixels, which mean a hole to most programs and none to the standard."""
    region = rings[0].region
    message = f"contours of {region.name!r} lie in one another: {pixels:,} px in several are left out, as a hole"
    place = rings[0].contour.place
    return Defect("SEG018", message, found.name, place, segments=(region.number,), pixels=pixels, severity="info")


def fill_regions(
    drawn: Sequence[Sequence[ContourRing]], size: tuple[int, int], holes: Holes
) -> tuple[Runs, list[tuple[int, int]]]:
    """The pixels of n regions on one slice, and where contours share pixels: (region, pixels).

    A pixel is inside where its centre is inside an odd number of contours; with `union`, in any of them, unless they
    are CLOSEDPLANAR_XOR. One contour by itself is even-odd, so that its keyhole is a hole.
    """
    height, width = size
    n = len(drawn)
    points = [ring.points for each in drawn for ring in each]
    ends = np.cumsum([0, *map(len, points)])
    counts = np.array([len(each) for each in drawn], np.int64)
    together = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    every = np.concatenate([np.empty((0, 2)), *points])
    odd = fill_centres(PolygonArrays(every, ends, together), np.full(n, height), np.full(n, width))
    if (counts < 2).all():
        return odd, []
    alone = np.arange(len(points) + 1)
    single = fill_centres(PolygonArrays(every, ends, alone), np.full(len(points), height), np.full(len(points), width))
    region = np.repeat(np.arange(n, dtype=np.int32), counts)
    line = NumberLine.of(np.full(n, height, np.int64), np.full(n, width, np.int64))
    union = union_by_frame(
        SweepRuns.of(Runs(single.start, single.length, region[single.owner]), line, np.arange(n)), line
    ).runs
    xor = np.array([each[0].contour.xor for each in drawn], bool)
    more = union.areas(n) - odd.areas(n)
    nested = [(row, int(more[row])) for row in np.flatnonzero((more > 0) & ~xor).tolist()]
    if holes == "xor" or not nested:
        return odd, nested
    parts = [(odd if xor[row] else union).take(np.array([row]), n) for row in range(n)]
    return Runs.concatenate(parts, [1] * n), nested


def _region_attributes(region: Region) -> list[tuple[str, str]]:
    """What else is said of a region, as JSON."""
    said = dict(region.attributes)
    if region.algorithm == "SEMIAUTOMATIC":
        said["algorithm_type"] = region.algorithm
    return [(key, json.dumps(value, ensure_ascii=False)) for key, value in sorted(said.items())]
