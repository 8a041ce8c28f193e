"""Results: the entries of an annotation, of which polygons and strokes stay undecoded."""

import msgspec

from segdata.core.finding import Defect

Raw = msgspec.Raw


class Value(msgspec.Struct, gc=False):
    """What is drawn, in percents of the image's sides, and said; polygons and strokes undecoded."""

    points: Raw = Raw()
    rle: Raw = Raw()
    format: object = "rle"
    x: object = None
    y: object = None
    width: object = None
    height: object = None
    radiusX: object = msgspec.UNSET  # noqa: N815 - Label Studio's names
    radiusY: object = None  # noqa: N815
    rotation: object = None
    polygonlabels: object = None
    brushlabels: object = None
    rectanglelabels: object = None
    ellipselabels: object = None
    labels: object = None
    choices: object = None
    text: object = None
    number: object = None
    rating: object = None
    taxonomy: object = None
    datetime: object = None


class Item(msgspec.Struct, gc=False):
    """A result."""

    type: object = None
    value: Value | None = None
    id: object = None
    original_height: object = None
    original_width: object = None
    image_rotation: object = None
    from_name: object = msgspec.UNSET
    meta: object = None
    score: object = None
    origin: object = None


class _Bare(msgspec.Struct, gc=False):
    """A result whose value is no object."""

    type: object = None


def items_of(result: Raw, place: str, defects: list[Defect]) -> list[Item | None]:
    """The results; None for those that are none. Where there is no list of them, `defects` tells."""
    try:
        return msgspec.json.decode(result, type=list[Item | None])
    except msgspec.ValidationError:
        pass
    try:
        raws = msgspec.json.decode(result, type=list[Raw])
    except msgspec.ValidationError:
        defects.append(Defect("SEG004", "result is no list", place=place))
        return []
    found: list[Item | None] = []
    for raw in raws:
        try:
            found.append(msgspec.json.decode(raw, type=Item | None))
        except msgspec.ValidationError:
            found.append(_without_value(raw))
    return found


def _without_value(raw: Raw) -> Item | None:
    """A result of which no more than its type is read."""
    try:
        return Item(msgspec.json.decode(raw, type=_Bare).type)
    except msgspec.ValidationError:
        return None
