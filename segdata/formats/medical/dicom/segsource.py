"""SEG source: DICOM segmentations as slices, and what is drawn on each."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.runs import Runs
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.medical.dicom.files import remarks
from segdata.formats.medical.dicom.kinds import SEGMENTATIONS
from segdata.formats.medical.dicom.objects import SOURCES, Known, Objects
from segdata.formats.medical.dicom.segobject import SegFrame, SegObject, SegSegment, read_seg
from segdata.formats.medical.dicom.segpixels import SegPixels, decode_seg
from segdata.formats.medical.dicom.segplaces import SegDrawing, SegDrawings
from segdata.formats.medical.shelf import Shelf
from segdata.formats.shared.per_image import BrokenLabelsError, ImageAnnotation, ImageEntry, PerImageSource
from segdata.formats.shared.taxonomies import CategoryNames, kind_from_name, resolve_names

SCHEME = "99SEGDATA"  # of codes that our writer makes up, because every segment needs some
UNKNOWN = "unknown"  # what our writer calls an algorithm where nothing is known of who drew
UNNAMED = "unnamed"  # and where a person drew with its help


def open_segmentations(request: ReadRequest) -> PerImageSource:
    """The segmentations; raises UnreadableError where there is none."""
    threshold = _threshold(request)
    objects = Objects("dicom-seg", "segmentation", SegDrawings())
    objects.open(request, SEGMENTATIONS, read_seg)
    categories = seg_naming(request.taxonomy, [each for found in objects.found for each in found.segments.values()])
    by_path = {each.path: each for each in objects.found}
    shelf = Shelf(lambda path: decode_seg(by_path[path], threshold))
    first, long = objects.places.first_slice, _long(objects.found)
    look = _Look(shelf, objects.annotators(_said_by), first, long, objects.known(categories))
    return objects.source(request, categories, "mask-native", look.at)


def _threshold(request: ReadRequest) -> float:
    """The option; raises SegdataError for what is no share."""
    said = request.options.get("threshold", 0.5)
    try:
        value = float(said)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise SegdataError(f"threshold is {said!r}, it must be more than 0 and at most 1")
    return value


def seg_naming(given: Taxonomy | None, segments: Sequence[SegSegment]) -> CategoryNames:
    """Categories by the labels of segments; what a code says of one is its definition."""
    own: dict[str, Category] = {}
    for each in segments:
        if each.label not in own:
            code = each.codes.get("property_type", {})
            meaning = code.get("meaning") if code.get("scheme") != SCHEME else None
            own[each.label] = Category(
                id=len(own) + 1,
                name=each.label,
                kind=kind_from_name(each.label),
                color=each.color,
                definition=meaning or None,
            )
    return resolve_names(own, given, Taxonomy(categories=tuple(own.values())))


def _said_by(found: SegObject) -> str | None:
    """The algorithm, where all segments are of one; else the creator."""
    algorithms = {each.algorithm for each in found.segments.values()}
    kind, name = next(iter(algorithms)) if len(algorithms) == 1 else ("", "")
    return name if kind == "AUTOMATIC" and name and name != UNKNOWN else found.creator


def _long(objects: Sequence[SegObject]) -> dict[str, set[int]]:
    """The segments of each object that have several frames: they go through slices."""
    found = {}
    for each in objects:
        numbers = [frame.segment for frame in each.frames if frame.segment is not None]
        found[each.name] = (
            {number for number in numbers if numbers.count(number) > 1} if len(numbers) < 99 else set(numbers)
        )
    return found


@dataclass(frozen=True, slots=True)
class _Look:
    """Looks at one slice."""

    shelf: Shelf[SegPixels]
    annotator: Mapping[str, str | None]
    first: Mapping[str, str]
    long: Mapping[str, set[int]]
    known: Known

    def at(self, entry: ImageEntry) -> list[ImageAnnotation]:
        """What each segmentation has on a slice."""
        drawing: SegDrawing = entry.record
        found: list[ImageAnnotation] = []
        broken: list[Defect] = []
        for each, frames in drawing.pieces:
            is_first = self.first[each.name] == drawing.image_id
            try:
                pixels = self.shelf.take(each.path)
            except OSError as error:
                message = f"segmentation cannot be read: {error.strerror or error}; nothing of it is"
                broken += [Defect("SEG001", message, each.name)] if is_first else []
                continue
            found.append(self._drawn(each, frames, pixels, is_first))
        if not found:
            raise BrokenLabelsError(*broken)
        found[0] = replace(found[0], defects=[*found[0].defects, *broken])
        return found

    def _drawn(self, found: SegObject, frames: list[SegFrame], pixels: SegPixels, is_first: bool) -> ImageAnnotation:
        """What one segmentation has on a slice."""
        runs: dict[int, Runs] = {}
        at: dict[int, int] = {}
        defects = [*_soft(found, pixels), *remarks({each: [found.name] for each in pixels.remarks})] if is_first else []
        for frame in frames:
            for number, each in pixels.runs.get(frame.index, {}).items():
                place = f"frame {frame.index + 1}"
                if number in runs:
                    message = f"a second frame of this segment and slice, after frame {at[number] + 1}; it is left out"
                    defects.append(Defect("SEG008", message, found.name, place, segments=(number,)))
                else:
                    runs[number], at[number] = each, frame.index
            for value, count in pixels.unknown.get(frame.index, {}).items():
                message = f"value {value} is no segment: {count:,} px"
                defects.append(Defect("SEG009", message, found.name, f"frame {frame.index + 1}", pixels=count))
        segments = [found.segments[number] for number in sorted(runs)]
        sources = {SOURCES.get(each.algorithm[0]) for each in found.segments.values()}
        common = next(iter(sources)) if len(sources) == 1 else None
        return ImageAnnotation(
            found.size,
            np.array([self.known.segment_id(found.name, each.number) for each in segments], np.int64),
            np.array([self.known.category(found.name, each.number, each.label) for each in segments], np.int64),
            Runs.concatenate([runs[each.number] for each in segments], [1] * len(segments)),
            {
                "track_id": [self._track(found, each) for each in segments],
                "source": [None if common else SOURCES.get(each.algorithm[0]) for each in segments],
                "attributes": [attributes_of(each) for each in segments],
                "file": [found.name] * len(segments),
                "place": [f"frame {at[each.number] + 1}" for each in segments],
            },
            f"DICOM {found.kind}",
            self.annotator[found.name],
            {"source": common},
            defects,
        )

    def _track(self, found: SegObject, segment: SegSegment) -> int | None:
        """The track: what the tracking id says, where it is a number; else the segment, if it goes through slices."""
        tracked, _ = segment.tracking
        through = segment.number in self.long[found.name] or found.kind == "LABELMAP"
        said = int(tracked) if tracked.isdigit() and len(tracked) < 19 else segment.number if through else None
        return self.known.track(found.name, segment.number, said)


def attributes_of(segment: SegSegment) -> list[tuple[str, str]]:
    """What else the object says of a segment, as JSON."""
    said: dict[str, object] = {key: code for key, code in segment.codes.items() if code["scheme"] != SCHEME}
    kind, name = segment.algorithm
    if kind == "SEMIAUTOMATIC" and name != UNKNOWN:
        said["algorithm_type"] = kind
        if name not in ("", UNNAMED):
            said["algorithm_name"] = name
    tracked, uid = segment.tracking
    if tracked and not tracked.isdigit():
        said |= {"tracking_id": tracked, "tracking_uid": uid}
    return [(key, json.dumps(value, ensure_ascii=False)) for key, value in sorted(said.items())]


def _soft(found: SegObject, pixels: SegPixels) -> list[Defect]:
    """One information for each fractional segment that has pixels between nothing and everything."""
    return [
        Defect(
            "SEG010",
            f"{count:,} px of {found.segments[number].label!r} are between 0 and 1; they are cut at the threshold",
            found.name,
            segments=(number,),
            pixels=count,
            severity="info",
        )
        for number, count in sorted(pixels.n_soft.items())
        if count
    ]
