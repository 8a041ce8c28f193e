"""Documents of LabelMe: what a file says, and its shapes with their points still undecoded."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from segdata.core.finding import Defect
from segdata.formats.coco.document import DocumentKind, read_document
from segdata.formats.shared.per_image import BrokenLabelsError
from segdata.formats.shared.safe_parsers import read_small_file

Raw = msgspec.Raw
Json = dict[str, Any]  # Any: JSON


class ShapeItem(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A shape as LabelMe writes it, and we; those with further keys are read one by one."""

    points: Raw = Raw(b"null")
    label: Any = None  # Any: JSON
    group_id: Any = None  # Any: JSON
    shape_type: object = None
    flags: object = None
    description: object = None
    mask: object = None
    id: object = UNSET
    track_id: object = UNSET
    score: object = UNSET
    source: object = UNSET
    iscrowd: object = UNSET

    def as_object(self) -> Json:
        """The keys that the file has."""
        return {key: value for key, value in msgspec.structs.asdict(self).items() if value is not UNSET}


class _File(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A file as LabelMe writes it, and we."""

    shapes: list[ShapeItem]
    imageData: Raw = Raw(b"null")  # noqa: N815 - LabelMe's names
    version: object = UNSET
    flags: object = UNSET
    imagePath: object = UNSET  # noqa: N815
    imageHeight: object = UNSET  # noqa: N815
    imageWidth: object = UNSET  # noqa: N815
    annotator: object = UNSET
    source: object = UNSET


_SAID = tuple(name for name in _File.__struct_fields__ if name not in ("shapes", "imageData"))


def read_labelme(path: Path, name: str, kind: DocumentKind) -> tuple[Json, Sequence[object]]:
    """What a file says beside its shapes and pixels, and the shapes: `ShapeItem`, objects, or what is no shape.

    `name` is what defects call it. Raises BrokenLabelsError where it is no LabelMe file.
    """
    with suppress(OSError, ValueError, RecursionError):
        data = read_small_file(path)
        if data.isascii():  # else texts that are skipped have to be looked at
            file = msgspec.json.decode(data, type=_File)
            return {key: value for key in _SAID if (value := getattr(file, key)) is not UNSET}, file.shapes
    return _read_slowly(path, name, kind)


def _read_slowly(path: Path, name: str, kind: DocumentKind) -> tuple[Json, Sequence[object]]:
    """The same of any file."""
    document = read_document(path, name, kind)
    if document.parts is None:
        raise BrokenLabelsError(*document.defects)
    shapes = document.parts.pop("shapes", Raw(b"null"))
    document.parts.pop("imageData", None)
    try:
        return {key: msgspec.json.decode(raw) for key, raw in document.parts.items()}, _shapes(shapes)
    except TypeError:
        raise BrokenLabelsError(Defect("SEG004", "shapes is not a list", document.name, "/shapes")) from None
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, and half letters
        raise BrokenLabelsError(Defect("SEG001", f"holds what cannot be read: {error}", document.name)) from error


def _shapes(raw: Raw) -> list[object]:
    """The shapes; their points are not decoded yet. Raises TypeError where they are no list."""
    with suppress(msgspec.ValidationError):
        plain: list[object] = msgspec.json.decode(raw, type=list[ShapeItem])
        return plain
    try:
        every: Sequence[object] = msgspec.json.decode(raw, type=list[dict[str, Raw]])
    except msgspec.ValidationError:
        every = _one_by_one(raw)
    return [
        {key: value if key == "points" else msgspec.json.decode(value) for key, value in shape.items()}
        if isinstance(shape, dict)
        else shape
        for shape in every
    ]


def _one_by_one(raw: Raw) -> list[object]:
    """The values of each shape undecoded; as it is where it is no object. Raises TypeError where there is no list."""
    try:
        every = msgspec.json.decode(raw, type=list[Raw])
    except msgspec.ValidationError:
        raise TypeError from None
    found: list[object] = []
    for each in every:
        try:
            found.append(msgspec.json.decode(each, type=dict[str, Raw]))
        except msgspec.ValidationError:
            found.append(each)
    return found
