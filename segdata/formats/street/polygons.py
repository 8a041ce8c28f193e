"""Polygons: the JSON files of Cityscapes, drawn as its own scripts draw them.

Source: mcordts/cityscapesScripts cityscapesscripts/preparation/json2instanceImg.py: in the order of the list, by
Pillow's rule, later ones over earlier ones; what is deleted, and licence plates, are not drawn. Instances are counted
by label, from 0, those that are covered later too.
"""

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segdata.core.finding import Defect
from segdata.formats.shapes.raster import rasterise
from segdata.formats.shapes.shape import Polygon, Ring
from segdata.formats.shapes.soundness import check_ring
from segdata.formats.shared.mask_files import ValueRuns, undecodable_mask
from segdata.formats.shared.per_image import BrokenLabelsError, ImageAnnotation, ImageEntry, relative_path
from segdata.formats.street.cityscapes_table import PLATE
from segdata.formats.street.look import Look
from segdata.formats.street.numbering import CITYSCAPES

_MOST_PIXELS = 2**27  # of the picture that a JSON file asks for; Cityscapes has 2^21
_CENTRE = 0.5  # vertices are the centres of pixels
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What is to be drawn.

    Attributes
    ----------
    value : of each object, as in masks of instance ids
    ring : of each object, as in the file
    place : of each object in the file
    defects : why others are left out
    """

    value: list[int] = field(default_factory=list)
    ring: list[Ring] = field(default_factory=list)
    place: list[str] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)


def look_at_polygons(look: Look, entry: ImageEntry) -> ImageAnnotation:
    """What the polygons of an entry show; raises BrokenLabelsError where its file is no such JSON.

    A segment has the rings of its objects where all that was drawn of them can be seen.
    """
    path = entry.files[0]
    file = relative_path(look.root, path)
    document = _document(look.root, path)
    height, width = _size(document, file)
    drawing = _drawing(document, look)
    runs = ValueRuns.of(_painted(drawing, height, width))
    found = look.found(runs, file)
    rings, places = _objects(drawing, found, runs)
    columns = {**found.columns, "rings": rings, "place": places}
    return replace(found, columns=columns, defects=[*drawing.defects, *found.defects])


def _painted(drawing: _Drawing, height: int, width: int) -> NDArray[np.uint16 | np.int32]:
    """The mask of instance ids (height, width)."""
    image = Image.new("I", (width, height))
    draw = ImageDraw.Draw(image)
    for value, ring in zip(drawing.value, drawing.ring, strict=True):
        draw.polygon(ring.ravel().tolist(), fill=value)
    pixels = np.asarray(image)
    return pixels.astype(np.uint16) if max(drawing.value, default=0) < 2**16 else pixels


def _objects(
    drawing: _Drawing, found: ImageAnnotation, runs: ValueRuns
) -> tuple[list[list[list[float]] | None], list[str]]:
    """The rings of each segment, and the place of its first object."""
    rows_of: dict[int, list[int]] = {}
    for row, value in enumerate(drawing.value):
        rows_of.setdefault(value, []).append(row)
    rows = [rows_of[value] for value in found.segment_id.tolist()]
    shapes = [[Polygon(drawing.ring[row]) for row in each] for each in rows]
    full = rasterise(shapes, "pil", runs.height, runs.width).areas(len(rows))
    # Others are covered in part, or have the pixels of several labels, which are one category.
    seen = runs.area[np.searchsorted(runs.value, found.segment_id)]
    whole = (full == seen) & (seen == found.runs.areas(len(rows)))
    rings: list[list[list[float]] | None] = [
        [(drawing.ring[row] + _CENTRE).ravel().tolist() for row in each] if is_whole else None
        for each, is_whole in zip(rows, whole.tolist(), strict=True)
    ]
    return rings, [drawing.place[each[0]] for each in rows]


def _document(root: Path, path: Path) -> dict[str, Any]:  # Any: JSON
    try:
        text = path.read_bytes().removeprefix(_BOM)
    except OSError as error:
        raise BrokenLabelsError(undecodable_mask(root, path, error)) from error
    try:
        document = _parsed(text)
    except (ValueError, RecursionError) as error:
        raise BrokenLabelsError(Defect("SEG001", f"is no JSON: {error}", relative_path(root, path))) from error
    if not isinstance(document, dict) or not isinstance(document.get("objects"), list):
        message = "no list of objects; a file of polygons has imgHeight, imgWidth and objects"
        raise BrokenLabelsError(Defect("SEG004", message, relative_path(root, path), "/objects"))
    return document


def _parsed(text: bytes) -> Any:  # Any: JSON
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(text)  # takes NaN, and says more precisely what is wrong


def _size(document: dict[str, Any], file: str) -> tuple[int, int]:
    """Height and width in pixels; raises BrokenLabelsError for what no picture has."""
    size = []
    for key in ("imgHeight", "imgWidth"):
        side = document.get(key)
        if not isinstance(side, int) or isinstance(side, bool) or not 1 <= side <= _MOST_PIXELS:
            shown = "missing" if key not in document else f"{side!r:.40}, a whole number of pixels is expected"
            raise BrokenLabelsError(Defect("SEG004", f"{key} is {shown}", file, f"/{key}"))
        size.append(side)
    if size[0] * size[1] > _MOST_PIXELS:
        message = f"the picture is {size[1]:,} x {size[0]:,}: more than {_MOST_PIXELS:,} pixels are not drawn"
        raise BrokenLabelsError(Defect("SEG004", message, file, "/imgHeight"))
    return size[0], size[1]


def _drawing(document: dict[str, Any], look: Look) -> _Drawing:
    """The objects that are drawn; those that cannot be are left out, with a defect each."""
    drawing = _Drawing()
    labels = {each.name: each for each in look.book.labels.categories}
    count: Counter[str] = Counter()
    for i, item in enumerate(document["objects"]):
        place = f"/objects/{i}"
        if not isinstance(item, dict) or not isinstance(item.get("label"), str):
            drawing.defects.append(Defect("SEG004", "an object without a label", place=place))
            continue
        name: str = item["label"]
        if item.get("deleted") or name == PLATE:
            continue
        group = name not in labels and name.endswith("group")
        label = labels.get(name.removesuffix("group") if group else name)
        wrong = check_ring(item.get("polygon"))
        if label is None:
            drawing.defects.append(Defect("SEG009", f"{name!r:.80} is none of the labels", place=f"{place}/label"))
        elif wrong is not None:
            drawing.defects.append(Defect("SEG006", f"the polygon of {name!r} {wrong}", place=f"{place}/polygon"))
        elif label.kind == "thing" and not group and count[name] >= CITYSCAPES.divisor:
            message = f"the instance {count[name] + 1:,} of {name!r}: only {CITYSCAPES.divisor:,} can be numbered"
            drawing.defects.append(Defect("SEG004", message, place=place))
        else:
            numbered = label.kind == "thing" and not group
            drawing.value.append(label.id * CITYSCAPES.divisor + count[name] if numbered else label.id)
            drawing.ring.append(np.asarray(item["polygon"], np.float64).reshape(-1, 2))
            drawing.place.append(place)
            count[name] += numbered
    return drawing
