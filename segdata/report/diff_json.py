"""The JSON report of a difference; `schemas/difference.schema.json` is made from these types."""

import json
from typing import Annotated, Any, Literal

import msgspec

from segdata.store.diff.difference import DatasetSide, Difference, DifferenceKind

VERSION: Literal[1] = 1
Count = Annotated[int, msgspec.Meta(ge=0)]


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two datasets as it was read: what it was read from, and the defects that were met, by code."""

    dataset: str
    format: str
    images: Count
    segments: Count
    defects: dict[str, Count]


class Kinds(msgspec.Struct, frozen=True, kw_only=True):
    """How often a kind of difference occurs, in how many images, and how many pixels are concerned."""

    count: Count
    images: Count
    pixels: Count


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """How much was compared, and what differs, whatever is listed.

    `images` counts pairs, `paired_by` says what their ids have in common. Of the segments of A, `kept` have the same
    image, category and pixels in B, and of the `unchanged` everything else is the same too, ids and polygon vertices
    apart. `by_kind` makes the datasets differ, `only_counted` does not.
    """

    images: Count
    paired_by: Literal["id", "stem", "name"]
    kept: Count
    unchanged: Count
    by_kind: dict[str, Kinds]
    only_counted: dict[str, Kinds]


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """Pixels by their category in A and in B; null: of no category."""

    a: str | None
    b: str | None
    pixels: Count


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One difference.

    `image` is its id in A, else in B, and null for what concerns no image; segments are called by the source's own
    ids; `bbox` is [x, y, width, height] in pixels.
    """

    kind: DifferenceKind
    image: str | None
    annotator: str | None
    segment_a: int | str | None
    segment_b: int | str | None
    category_a: str | None
    category_b: str | None
    message: str
    pixels: int | None
    bbox: tuple[int, int, int, int] | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What two datasets do not have in common, by kind and then by image; `omitted` counts those not listed."""

    version: Literal[1]
    same: bool
    a: Read
    b: Read
    summary: Summary
    moves: tuple[Move, ...]
    differences: tuple[Row, ...]
    omitted: Count


def to_json(found: Difference) -> str:
    """The report as JSON, a line per difference; the same input gives the same text."""
    report = Report(
        version=VERSION,
        same=found.same,
        a=_read(found.a),
        b=_read(found.b),
        summary=Summary(
            images=found.n_images,
            paired_by=found.paired_by,
            kept=found.n_kept,
            unchanged=found.n_same,
            by_kind={kind: Kinds(count=n.n, images=n.images, pixels=n.pixels) for kind, n in found.telling.items()},
            only_counted={kind: Kinds(count=n.n, images=n.images, pixels=n.pixels) for kind, n in found.quiet.items()},
        ),
        moves=tuple(Move(a=a, b=b, pixels=pixels) for (a, b), pixels in found.moves.items()),
        differences=tuple(Row(**{name: getattr(one, name) for name in Row.__struct_fields__}) for one in found.changes),
        omitted=sum(count.n for count in found.telling.values()) - len(found.changes),
    )
    plain: dict[str, Any] = msgspec.to_builtins(report)  # Any: JSON
    lines = [f"  {_text(name)}: {_value(value)}" for name, value in plain.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the report."""
    return msgspec.json.schema(Report)


def _read(half: DatasetSide) -> Read:
    defects = dict(sorted(half.defects.items()))
    return Read(dataset=half.files, format=half.format, images=half.n_images, segments=half.n_segments, defects=defects)


def _value(value: object) -> str:
    """A list with an item a line; everything else in one."""
    if not isinstance(value, (list, tuple)) or not value:
        return _text(value)
    return "[\n" + ",\n".join(f"    {_text(item)}" for item in value) + "\n  ]"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
