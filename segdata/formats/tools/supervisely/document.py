"""Document: the file of one image of a Supervisely project, of which polygons stay undecoded."""

import json
from pathlib import Path
from typing import Any

import msgspec

from segdata.core.finding import Defect
from segdata.formats.shared.per_image import BrokenLabelsError
from segdata.formats.shared.safe_parsers import read_json, read_small_file

Raw = msgspec.Raw
_Json = dict[str, Any]  # Any: JSON


class Points(msgspec.Struct, gc=False):
    """The rings of a polygon, undecoded; or the corners of a rectangle."""

    exterior: Raw = Raw()
    interior: list[Raw] | None = None


class Object(msgspec.Struct, gc=False):
    """An object of a file."""

    classTitle: object = None  # noqa: N815 - Supervisely's names
    geometryType: object = None  # noqa: N815
    shape: object = None
    points: Points | None = None
    bitmap: object = None
    alpha_mask: object = None
    id: object = None
    tags: object = msgspec.UNSET
    description: object = None
    labelerLogin: object = None  # noqa: N815
    createdAt: object = None  # noqa: N815


class File(msgspec.Struct):
    """A file of one image; those of videos have frames."""

    size: object = None
    objects: list[Object | None] = []
    tags: object = msgspec.UNSET
    description: object = None
    frames: object = msgspec.UNSET
    framesCount: object = msgspec.UNSET  # noqa: N815


def read_file(path: Path, file: str, halves: list[Defect]) -> File:
    """The content of a file, of whose half letters `halves` tells; raises BrokenLabelsError where it is no image's."""
    try:
        return msgspec.json.decode(read_small_file(path), type=File)
    except (OSError, ValueError, RecursionError):  # what is wrong is looked at more slowly
        pass
    document = read_json(path, file, halves)
    if not isinstance(document, dict):
        raise BrokenLabelsError(Defect("SEG004", "is no object with size and objects", file))
    objects = document.get("objects", [])
    if not isinstance(objects, list):
        raise BrokenLabelsError(Defect("SEG004", "objects is no list", file, "/objects"))
    known = {key: document[key] for key in File.__struct_fields__ if key in document}
    return File(**known | {"objects": [_object(each) if isinstance(each, dict) else None for each in objects]})


def _object(said: _Json) -> Object:
    """An object whose values may be of any type."""
    known = {key: said[key] for key in Object.__struct_fields__ if key in said}
    points = known.get("points")
    if isinstance(points, dict):
        exterior, interior = points.get("exterior"), points.get("interior") or []
        rings = interior if isinstance(interior, list) else [interior]
        known["points"] = Points(_raw(exterior), [_raw(ring) for ring in rings])
    else:
        known["points"] = None
    return Object(**known)


def _raw(value: object) -> Raw:
    """JSON, or nearly so: numbers may be NaN."""
    return Raw(json.dumps(value).encode())
