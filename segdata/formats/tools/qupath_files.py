"""Reads and writes QuPath's GeoJSON."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.errors import UnreadableError, check_choice
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.losses import LossCounter
from segdata.core.paths import is_unsafe_path, with_folder
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category, Color, Taxonomy
from segdata.formats.shapes.geometry import Polygon
from segdata.formats.shapes.polygons import trace_polygons
from segdata.formats.shared.image_names import images_folder, size_option
from segdata.formats.shared.images import MAX_PIXELS, ImageHeader
from segdata.formats.shared.json_files import Json, attribute_value, is_long_number, read_json
from segdata.formats.shared.pairing import find_label_files, pair_label_files
from segdata.formats.shared.per_image import BrokenLabelsError, ImageEntry, relative_path
from segdata.formats.shared.taxonomies import kind_from_name, resolve_names
from segdata.formats.shared.writing import count_losses, count_segments, count_unannotated_images, start_folder
from segdata.formats.tools import imagescope
from segdata.formats.tools.qupath import LOSSES
from segdata.formats.tools.shapes import PolygonText, ShapeAnnotation, ToolShape, json_text
from segdata.formats.tools.source import (
    Tool,
    ToolSource,
    category_names,
    count_lost_rings,
    free_name,
    image_rows,
    left_out_defects,
    source_polygons,
    writable_rows,
)

SUFFIX = ".geojson"
OURS = "segdata"
UNCLASSIFIED = "Unclassified"
_QUPATH = Tool("qupath", "centre-evenodd")
_KIND, _NAME, _ANNOTATION = "objectType", "name", "annotation"
_OBJECT_TYPES = frozenset({"annotation", "detection", "cell", "tile", "tma_core", "unknown"})
_GEOMETRIES = {"cell": "geometry", "nucleus": "nucleusGeometry"}


@dataclass(slots=True)
class _Census:
    """The classes of all files with their colours, and for each file the image's name and size."""

    classes: dict[str, Color | None] = field(default_factory=dict)
    image: dict[Path, str] = field(default_factory=dict)
    size: dict[Path, tuple[int, int]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    has_objects: bool = False


def open_qupath(request: ReadRequest) -> ToolSource:
    """Open the files at or below a path; raises UnreadableError if none is QuPath's."""
    root = request.root
    option = str(request.options.get("geometry", "cell"))
    check_choice("geometry", option, tuple(_GEOMETRIES))
    size = size_option(request, "qupath")
    suffixes = (SUFFIX, ".json", imagescope.SUFFIX)
    held = (suffix for suffix in suffixes if not root.is_file() and find_label_files(root, suffix))
    suffix = next(held, imagescope.SUFFIX if root.suffix.lower() == imagescope.SUFFIX else SUFFIX)
    census = _take_census(root, list(find_label_files(root, suffix).values()))
    if not census.has_objects:
        raise UnreadableError(f"{root}: no GeoJSON file with features of QuPath, and no XML of ImageScope")
    entries, defects = pair_label_files(root, suffix, images_folder(request), census.image.get)
    entries = [
        ImageEntry(_image_id(entry, census), entry.image, entry.files, size=_size_of(entry, census, size))
        for entry in entries
    ]
    own = Taxonomy(
        categories=tuple(
            Category(id=id_, name=name, color=color, kind="void" if name.endswith("*") else kind_from_name(name))
            for id_, (name, color) in enumerate(sorted(census.classes.items()), 1)
        )
    )
    names = resolve_names(census.classes, request.taxonomy, own)
    defects += left_out_defects("objects without area or on other planes", census.left_out)
    read = partial(read_image, root, _GEOMETRIES[option])
    return ToolSource.from_request(request, _QUPATH, names, entries, defects, read)


def _take_census(root: Path, files: Iterable[Path]) -> _Census:
    """Scan all files. An unreadable file counts as QuPath's; its defect is reported when it is read."""
    census = _Census()
    for path in files:
        try:
            features, ours = _load(path, relative_path(root, path), [])
        except BrokenLabelsError:
            continue
        census.has_objects |= bool(features) or bool(ours)
        image, sides = ours.get("image"), (ours.get("height"), ours.get("width"))
        if isinstance(image, str) and image and not is_unsafe_path(image):
            census.image[path] = image
        if all(type(side) is int and 0 < side <= MAX_PIXELS for side in sides):
            census.size[path] = (int(str(sides[0])), int(str(sides[1])))
        for feature in features:
            if not isinstance(feature, dict):
                continue
            geometry, properties = feature.get("geometry"), feature.get("properties")
            reason = _reason_without_pixels(geometry) if isinstance(geometry, dict) else None
            if reason is not None:
                census.left_out[reason] += 1
                continue
            name, color = _classification(properties if isinstance(properties, dict) else {})
            census.classes[name] = census.classes.get(name) or color
    return census


def _image_id(entry: ImageEntry, census: _Census) -> str:
    """The image's id: its path if the image is known, else the name that segdata wrote into the file."""
    stated = census.image.get(entry.files[0]) if entry.files and entry.image is None else None
    return entry.image_id if stated is None else stated


def _size_of(entry: ImageEntry, census: _Census, size: tuple[int, int]) -> tuple[int, int]:
    stated = census.size.get(entry.files[0], (0, 0)) if entry.files else (0, 0)
    return stated if 0 not in stated else (0, 0) if entry.image is not None else size


def _load(path: Path, file: str, defects: list[Defect]) -> tuple[list[Any], Json]:  # Any: JSON
    """Load the features of a file, and segdata's member; raises BrokenLabelsError if it is not GeoJSON of features."""
    if path.suffix.lower() == imagescope.SUFFIX:
        return imagescope.read_features(path, file, defects), {}
    document = read_json(path, file, defects)
    if isinstance(document, list):
        return document, {}
    features = document.get("features") if isinstance(document, dict) else None
    if isinstance(document, dict) and document.get("type") == "Feature":
        features = [document]
    if not isinstance(features, list):
        raise BrokenLabelsError(Defect("SEG004", "is no collection of GeoJSON features", file))
    ours = document.get(OURS)
    return features, ours if isinstance(ours, dict) else {}


def _reason_without_pixels(geometry: Json) -> str | None:
    """Why a geometry has no pixels in the image; None if it has some, or is broken."""
    kind, plane = geometry.get("type"), geometry.get("plane")
    if isinstance(kind, str) and kind in ("Point", "MultiPoint", "LineString", "MultiLineString"):
        return kind
    if isinstance(plane, dict) and (plane.get("z") or plane.get("t")):
        return "on other planes"
    return None


def _classification(properties: Json) -> tuple[str, Color | None]:
    """The name and colour of the class of an object."""
    given = properties.get("classification")
    if not isinstance(given, dict):  # scripts write the name alone
        return (given if isinstance(given, str) and given else UNCLASSIFIED), None
    names = given.get("names")
    name = given.get("name") if names is None else names
    if isinstance(name, list):
        name = ": ".join(map(str, name))
    color, packed = given.get("color"), given.get("colorRGB")
    if type(packed) is int and color is None:  # QuPath to 0.3: ARGB as a signed number
        color = [packed >> 16 & 255, packed >> 8 & 255, packed & 255]
    sound = isinstance(color, list) and len(color) >= 3 and all(type(v) is int and 0 <= v <= 255 for v in color[:3])
    rgb = (int(color[0]), int(color[1]), int(color[2])) if isinstance(color, list) and sound else None
    return (name if isinstance(name, str) and name else UNCLASSIFIED), rgb


def read_image(root: Path, geometry: str, entry: ImageEntry, head: ImageHeader | None) -> list[ShapeAnnotation]:
    """The objects on an image; raises BrokenLabelsError if its file cannot be read, or its size is not known."""
    file = relative_path(root, entry.files[0])
    defects: list[Defect] = []
    features, _ = _load(entry.files[0], file, defects)
    size = entry.size if 0 not in entry.size else (head.height, head.width) if head is not None else (0, 0)
    if 0 in size or size[0] * size[1] > MAX_PIXELS:
        problem = "is not known: give --images, or --read-option size=HEIGHTxWIDTH"
        if 0 not in size:
            problem = f"is {size[1]:,} x {size[0]:,}: more than {MAX_PIXELS:,} pixels; export regions of the slide"
        raise BrokenLabelsError(*defects, Defect("SEG004", f"the size of the image {problem}", file))
    shapes: list[ToolShape] = []
    for row, feature in enumerate(features):
        place = f"/features/{row}"
        if not isinstance(feature, dict) or not isinstance(feature.get("geometry"), dict):
            defects.append(Defect("SEG004", "a feature has no geometry; left out", file, place))
            continue
        shape = feature.get(geometry)
        key, shape = (geometry, shape) if isinstance(shape, dict) else ("geometry", feature["geometry"])
        if _reason_without_pixels(shape) is not None:
            continue
        polygons = _polygons(shape)
        if polygons is None:
            message = f"the geometry is {shape.get('type')!r:.40}, a Polygon or MultiPolygon is expected; left out"
            defects.append(Defect("SEG004", message, file, f"{place}/{key}"))
            continue
        properties = feature["properties"] if isinstance(feature.get("properties"), dict) else {}
        name, attributes = _classification(properties)[0], _attributes(properties)
        group = row if len(polygons) > 1 else None
        for number, rings in enumerate(polygons):
            within = f"{place}/{key}/coordinates" + (f"/{number}" if group is not None else "")
            text = PolygonText(rings, "the polygon of {}", within)
            shapes.append(ToolShape(name, text, place, group, None, attributes, {}))
    return [ShapeAnnotation(size, shapes, defects=defects)]


def _polygons(geometry: Json) -> list[list[bytes]] | None:
    """The rings of a geometry's polygons, each as JSON; None if it has no polygons."""
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    polygons = [coordinates] if kind == "Polygon" else coordinates if kind == "MultiPolygon" else None
    if kind == "Polygon" and _is_ring(coordinates):  # one level too flat: it can only mean its outer ring
        polygons = [[coordinates]]
    if not isinstance(polygons, list) or not all(isinstance(rings, list) and rings for rings in polygons):
        return None
    return [[msgspec.json.encode(_open_ring(ring)) for ring in rings] for rings in polygons]


def _is_ring(coordinates: object) -> bool:
    """Whether these are points, as a ring has, and no rings."""
    points = coordinates if isinstance(coordinates, list) else []
    numbers = [value for point in points if isinstance(point, list) and len(point) in (2, 3) for value in point]
    return len(numbers) >= 2 * len(points) > 0 and all(isinstance(value, int | float) for value in numbers)


def _open_ring(ring: object) -> object:
    """A ring without its last point, which in GeoJSON repeats the first, and without heights (RFC 7946, 3.1.1)."""
    if not isinstance(ring, list):
        return ring
    is_closed = len(ring) > 3 and ring[0] == ring[-1]
    points = ring[:-1] if is_closed else ring
    has_heights = all(isinstance(point, list) and len(point) == 3 for point in points)
    return [point[:2] for point in points] if has_heights else points


def _attributes(properties: Json) -> dict[str, str]:
    """Name, type, metadata and measurements of an object, as JSON texts."""
    values: Json = {}
    if isinstance(properties.get(_NAME), str):
        values[_NAME] = properties[_NAME]
    if properties.get(_KIND, _ANNOTATION) != _ANNOTATION:
        values[_KIND] = properties[_KIND]
    metadata, measured = properties.get("metadata"), properties.get("measurements")
    values |= metadata if isinstance(metadata, dict) else {}
    if isinstance(measured, list):  # QuPath to 0.3
        measured = {
            m["name"]: m.get("value") for m in measured if isinstance(m, dict) and isinstance(m.get("name"), str)
        }
    values |= measured if isinstance(measured, dict) else {}
    finite = {
        key: value for key, value in values.items() if not (isinstance(value, float) and not math.isfinite(value))
    }
    return {key: json_text(value) for key, value in finite.items()}


def write_qupath(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write a GeoJSON file for each image, and ``taxonomy.yaml``, into `target`."""
    from_columns = LOSSES - {"attributes", "rings"}
    names, by_id = category_names(profile.taxonomy), profile.taxonomy.by_id()
    classes: dict[int, Json] = {id_: {"name": name} for id_, name in names.items()}
    for id_, described in classes.items():
        if (rgb := by_id[id_].rgb) is not None:
            described["color"] = list(rgb)
    start_folder(target, profile, losses)
    taken: set[str] = set()
    for batch in batches:
        count_losses(batch, losses, from_columns)
        count_unannotated_images(batch, losses)
        rows = writable_rows(batch, names, losses, empty=False)
        geometries = _geometries(batch, rows, losses)
        segments = batch.segments.take(pa.array(rows)).to_pylist()
        for image, in_image, _ in image_rows(batch, rows):
            name = free_name(image["image_id"], SUFFIX, taken)
            features = _features(batch, rows[in_image], segments[in_image], geometries[in_image], classes, losses)
            stated = {"image": image["image_id"], "height": image["height"], "width": image["width"]}
            document = {"type": "FeatureCollection", OURS: stated, "features": features}
            with_folder(target / name).write_bytes(msgspec.json.encode(document) + b"\n")


def _geometries(batch: Batch, rows: Ints, losses: LossCounter) -> list[Json]:
    """(n,) the geometry of each segment, which has exactly its pixels: the source's polygons, else traced ones."""
    height, width = (side[rows] for side in batch.segment_size)
    polygons = source_polygons(batch, rows, _QUPATH.raster_rule)
    without = np.array([row for row, parts in enumerate(polygons) if not parts], np.int64)
    count_lost_rings(batch, rows[without], losses)
    runs = batch.runs.take(rows[without], batch.n_segments)
    for row, parts in zip(
        without.tolist(),
        trace_polygons(runs, _QUPATH.raster_rule, height[without], width[without]).polygons,
        strict=True,
    ):
        polygons[row] = parts
    return [_geometry(parts) for parts in polygons]


def _geometry(parts: Sequence[Polygon]) -> Json:
    """A Polygon or MultiPolygon with closed rings."""
    coordinates = [[[*ring.tolist(), ring[0].tolist()] for ring in polygon.rings] for polygon in parts]
    if len(coordinates) == 1:
        return {"type": "Polygon", "coordinates": coordinates[0]}
    return {"type": "MultiPolygon", "coordinates": coordinates}


def _features(
    batch: Batch,
    rows: Ints,
    segments: Sequence[Json],
    geometries: Sequence[Json],
    classes: Mapping[int, Json],
    losses: LossCounter,
) -> list[Json]:
    features, incomplete, renamed = [], [], []
    for row, (segment, geometry) in enumerate(zip(segments, geometries, strict=True)):
        properties, is_whole = object_properties(dict(segment["attributes"] or ()))
        properties["classification"] = classes[segment["category_id"]]
        if not is_whole:
            incomplete.append(row)
        if segment["segment_id"] != row + 1 or segment["source_id"] is not None:
            renamed.append(row)
        features.append({"type": "Feature", "geometry": geometry, "properties": properties})
    count_segments(batch, rows[incomplete], "attributes", losses)
    count_segments(batch, rows[renamed], "segment-id", losses)
    return features


def object_properties(attributes: Mapping[str, str]) -> tuple[Json, bool]:
    """The properties of an object, and whether they hold all attributes."""
    properties: Json = {_KIND: _ANNOTATION}
    metadata: dict[str, str] = {}
    measured: dict[str, float] = {}
    n_lost = 0
    for key, text in attributes.items():
        value = attribute_value(text)
        if key == _NAME and isinstance(value, str):
            properties[_NAME] = value
        elif key == _KIND and isinstance(value, str) and value in _OBJECT_TYPES - {_ANNOTATION}:
            properties[_KIND] = value
        elif isinstance(value, str) and not is_long_number(text):
            metadata[key] = value
        elif type(value) in (int, float) and json_text(value) == text:
            measured[key] = value
        else:
            n_lost += 1
    if metadata:
        properties["metadata"] = metadata
    if measured:
        properties["measurements"] = measured
    return properties, n_lost == 0
