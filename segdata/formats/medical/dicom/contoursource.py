"""Contour source: structure sets as slices, and the regions on each, filled."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from segdata.core.errors import check_choice
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.overlay import SweepRuns, union_by_frame
from segdata.core.runs import NumberLine, Runs
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.medical.dicom.contourplaces import Ring, RingDrawing, RingDrawings
from segdata.formats.medical.dicom.kinds import STRUCTURE_SET
from segdata.formats.medical.dicom.objects import SOURCES, Known, Objects
from segdata.formats.medical.dicom.structures import Region, StructureSet, read_structures
from segdata.formats.shapes.centre import fill_centres
from segdata.formats.shapes.flat import Flat
from segdata.formats.shared.per_image import ImageAnnotation, ImageEntry, PerImageSource
from segdata.formats.shared.taxonomies import CategoryNames, kind_from_name, resolve_names

Holes = Literal["xor", "union"]


def open_contours(request: ReadRequest) -> PerImageSource:
    """The structure sets; raises UnreadableError where there is none, or no image of one."""
    holes = str(request.options.get("holes", "xor"))
    check_choice("holes", holes, get_args(Holes))
    objects = Objects("rt-struct", "structure set", RingDrawings())
    objects.open(request, (STRUCTURE_SET,), read_structures)
    categories = _naming(request.taxonomy, [region for each in objects.found for region in each.regions])
    empty = {name: SOURCES.get(file.algorithm or "") for name, file in objects.indexed.items()}
    annotators = objects.annotators(lambda each: each.interpreter)
    look = _Look(annotators, empty, objects.known(categories), "xor" if holes == "xor" else "union")
    return objects.source(request, categories, "centre-evenodd", look.at)


def _naming(given: Taxonomy | None, regions: Sequence[Region]) -> CategoryNames:
    """Categories by the names of regions."""
    own: dict[str, Category] = {}
    for each in regions:
        if each.name not in own:
            own[each.name] = Category(id=len(own) + 1, name=each.name, kind=kind_from_name(each.name), color=each.color)
    return resolve_names(own, given, Taxonomy(categories=tuple(own.values())))


@dataclass(frozen=True, slots=True)
class _Look:
    """Looks at one slice."""

    annotator: Mapping[str, str | None]
    source: Mapping[str, str | None]  # of structure sets without regions
    known: Known
    holes: Holes

    def at(self, entry: ImageEntry) -> list[ImageAnnotation]:
        """What each structure set has on a slice."""
        drawing: RingDrawing = entry.record
        return [self._drawn(drawing.size, each, rings) for each, rings in drawing.pieces]

    def _drawn(self, size: tuple[int, int], found: StructureSet, rings: list[Ring]) -> ImageAnnotation:
        """What one structure set has on a slice."""
        of_region: dict[int, list[Ring]] = {}
        for ring in rings:
            of_region.setdefault(ring.region.number, []).append(ring)
        drawn = list(of_region.values())
        runs, nested = filled(drawn, size, self.holes)
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
                "attributes": [_attributes(region) for region in regions],
                "rings": [[ring.points.ravel().tolist() for ring in each] for each in drawn],
                "file": [found.name] * len(drawn),
                "place": [each[0].contour.place for each in drawn],
            },
            annotator=self.annotator[found.name],
            annotation={"source": common},
            # Where they are filled, the rings themselves show it to the rule.
            defects=[_nested(found, drawn[row], pixels) for row, pixels in nested] if self.holes == "xor" else [],
        )


def _nested(found: StructureSet, rings: list[Ring], pixels: int) -> Defect:
    """Contours of one region that share pixels, which mean a hole to most programs and none to the standard."""
    region = rings[0].region
    message = f"contours of {region.name!r} lie in one another: {pixels:,} px in several are left out, as a hole"
    place = rings[0].contour.place
    return Defect("SEG018", message, found.name, place, segments=(region.number,), pixels=pixels, severity="info")


def filled(drawn: Sequence[Sequence[Ring]], size: tuple[int, int], holes: Holes) -> tuple[Runs, list[tuple[int, int]]]:
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
    odd = fill_centres(Flat(every, ends, together), np.full(n, height), np.full(n, width))
    if (counts < 2).all():
        return odd, []
    alone = np.arange(len(points) + 1)
    single = fill_centres(Flat(every, ends, alone), np.full(len(points), height), np.full(len(points), width))
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


def _attributes(region: Region) -> list[tuple[str, str]]:
    """What else is said of a region, as JSON."""
    said = dict(region.attributes)
    if region.algorithm == "SEMIAUTOMATIC":
        said["algorithm_type"] = region.algorithm
    return [(key, json.dumps(value, ensure_ascii=False)) for key, value in sorted(said.items())]
