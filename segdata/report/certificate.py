"""The certificate of a conversion: the file that says what was lost, beside what was written or in its folder."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec

from segdata.core.finding import Defect
from segdata.core.format import Loss

VERSION: Literal[1] = 1
NAME = "losses.json"
Number = Annotated[int, msgspec.Meta(ge=0)]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where data are, and in which format."""

    path: str
    format: str


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of loss: `count` counts what `of` says, `pixels` those that changed their meaning.

    `images` is in how many images, where that is known. `examples` are the first few, as "image: segment id".
    """

    kind: str
    of: str
    count: Number
    pixels: Number
    images: Number | None
    examples: tuple[str, ...]


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What a conversion could not carry over; an empty list: nothing was lost.

    `source` is an absolute path or a URI, `target` the name of the file or folder that was written. `images` and
    `segments` are those that were read. `defects` counts by code what was met while reading.
    """

    version: Literal[1]
    source: Place
    target: Place
    images: Number
    segments: Number
    losses: tuple[Lost, ...]
    defects: dict[str, Number]


def certificate(
    source: Place, target: Place, n_images: int, n_segments: int, losses: Iterable[Loss], defects: Iterable[Defect]
) -> str:
    """The certificate as JSON, a line per loss; the same conversion gives the same text."""
    whole = Certificate(
        version=VERSION,
        source=source,
        target=target,
        images=n_images,
        segments=n_segments,
        losses=tuple(
            Lost(
                kind=loss.kind,
                of=loss.of,
                count=loss.count,
                pixels=loss.pixels,
                images=loss.images,
                examples=tuple(loss.examples),
            )
            for loss in losses
        ),
        defects=dict(sorted(Counter(defect.code for defect in defects).items())),
    )
    plain: dict[str, Any] = msgspec.to_builtins(whole)  # Any: JSON
    lines = [f"  {_text(name)}: {_lines(value) if name == 'losses' else _text(value)}" for name, value in plain.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the certificate."""
    return msgspec.json.schema(Certificate)


def _lines(items: Iterable[object]) -> str:
    """A list with an item a line."""
    rows = ",\n".join(f"    {_text(item)}" for item in items)
    return f"[\n{rows}\n  ]" if rows else "[]"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
