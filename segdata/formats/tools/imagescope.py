"""ImageScope: converts regions in the XML of Aperio ImageScope to GeoJSON features, for QuPath's reader.

A layer is the class: its name, or else that of an attribute (MoNuSAC) or its description. Regions are polygons in
pixels of the full resolution. A region of negative area is a hole of the one that it was drawn in (``InputRegionId``).
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from segdata.core.finding import Defect
from segdata.core.safe_text import whole_number
from segdata.formats.shared.per_image import BrokenLabelsError
from segdata.formats.shared.xml_files import XmlError, read_xml

SUFFIX = ".xml"
_POLYGONS = frozenset({"", "0", "1"})  # freehand, rectangle
_NO_AREA = {"3": "arrow", "4": "ruler"}
_UNNAMED = frozenset({"", "description"})


def read_features(path: Path, file: str, defects: list[Defect]) -> list[Any]:  # Any: JSON
    """The regions of a file as GeoJSON features; raises BrokenLabelsError if it is no XML of regions."""
    try:
        document = read_xml(path)
    except (XmlError, OSError) as error:
        raise BrokenLabelsError(Defect("SEG001", f"cannot be read: {error}", file)) from error
    if document.tag != "Annotations":
        raise BrokenLabelsError(Defect("SEG004", "is no XML of ImageScope", file))
    features: list[Any] = []
    for layer in document.iter("Annotation"):
        features += _layer_features(layer, file, defects)
    return features


def _layer_features(layer: Element, file: str, defects: list[Defect]) -> Iterable[Any]:
    """The regions of one layer."""
    properties = {"objectType": "annotation", **_classification(layer)}
    by_id: dict[str, Any] = {}
    holes: list[tuple[Element, list[list[float]]]] = []
    for number, region in enumerate(layer.iter("Region"), 1):
        place = f"Annotation {layer.get('Id')}, Region {region.get('Id', number)}"
        kind, ring = region.get("Type", ""), _ring(region)
        if ring is None or (kind not in _POLYGONS and kind not in _NO_AREA):
            what = "has a vertex without a number" if ring is None else f"is of type {kind!r:.20}, no polygon"
            defects.append(Defect("SEG004", f"a region {what}; left out", file, place))
        elif region.get("NegativeROA") == "1":
            holes.append((region, ring))
        else:
            shape = "LineString" if kind in _NO_AREA else "Polygon"
            coordinates = ring if kind in _NO_AREA else [ring]
            geometry = {"type": shape, "coordinates": coordinates}
            by_id[region.get("Id") or f"#{number}"] = {"geometry": geometry, "properties": properties}
    for region, ring in holes:
        owner = by_id.get(region.get("InputRegionId", ""))
        if owner is None or owner["geometry"]["type"] != "Polygon":
            place = f"Annotation {layer.get('Id')}, Region {region.get('Id')}"
            defects.append(Defect("SEG004", "a region of negative area lies in none; left out", file, place))
        else:
            owner["geometry"]["coordinates"].append(ring)
    return by_id.values()


def _ring(region: Element) -> list[list[float]] | None:
    """The vertices of a region; None if one has no numbers."""
    try:
        return [[float(vertex.attrib["X"]), float(vertex.attrib["Y"])] for vertex in region.iter("Vertex")]
    except (KeyError, ValueError):
        return None


def _classification(layer: Element) -> dict[str, Any]:  # Any: JSON
    """The class of a layer with its colour; empty for one without a name."""
    attributes = [attribute.attrib for attribute in layer.iterfind("Attributes/Attribute")]
    names = [layer.get("Name"), *(item.get("Name") for item in attributes), *(item.get("Value") for item in attributes)]
    name = next((name.strip() for name in names if name and name.strip().lower() not in _UNNAMED), None)
    packed = whole_number(layer.get("LineColor", ""))
    color = None if packed is None else [packed & 255, packed >> 8 & 255, packed >> 16 & 255]
    return {} if name is None else {"classification": {"name": name, "color": color}}
