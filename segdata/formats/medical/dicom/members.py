"""Members: segments on single slices that are one segment of a DICOM object, over all of its slices."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from segdata.core.format import AffectedItems, LossCounter
from segdata.formats.medical.dicom.groups import Layer
from segdata.formats.medical.dicom.index import IndexSegment

KINDS = {"model": "AUTOMATIC", "human": "MANUAL"}  # how objects say what drew; nothing is known: SEMIAUTOMATIC
Key = tuple[int, bool, int]  # category, whether there is a track, track or segment id
Segment = Mapping[str, Any]  # Any: cells of all types
Said = Mapping[str, Any]  # attributes by name; Any: JSON
Held = Callable[[Segment, Said], set[str]]  # which of a segment's attributes come back from an object
_LONGEST = 64  # characters of DICOM's long strings


def key_of(segment: Segment) -> Key:
    """What a segment has in common with the same one on other slices: its category, and its track or id."""
    track = segment["track_id"]
    return segment["category_id"], track is not None, (segment["segment_id"] or 0) if track is None else track


def members_of(
    drawn: Mapping[str, Layer], source: str | None, held: Held, losses: LossCounter
) -> dict[Key, list[Segment]]:
    """The segments of an object, with those on slices that they consist of; what the object cannot tell is counted.

    `drawn` is by image, `source` what drew them, where they do not say it themselves.
    """
    found: dict[Key, list[Segment]] = {}
    for name, layer in drawn.items():
        several = Counter(key_of(each) for each in layer.segments if each["pixels"])
        losses.add(
            "instance",
            "segments",
            sum(count for count in several.values() if count > 1),
            0,
            AffectedItems([name], [name]),
        )
        for each in layer.segments:
            if each["pixels"]:
                found.setdefault(key_of(each), []).append(each)
            example = AffectedItems([f"{name}: {each['source_id'] or each['segment_id']}"], [name])
            losses.add("empty-segment", "segments", int(each["pixels"] == 0), 0, example)
            losses.add("segment-id", "segments", int(each["source_id"] is not None), 0, example)
    for members in found.values():
        first = members[0]
        losses.add("segment-id", "segments", sum(each["segment_id"] != first["segment_id"] for each in members))
        said = attributes_of(first, held)
        losses.add("attributes", "segments", sum(_attributes(each) != said for each in members))
    _count_sources(drawn, source, found, losses)
    return found


def _count_sources(
    drawn: Mapping[str, Layer], source: str | None, members: Mapping[Key, list[Segment]], losses: LossCounter
) -> None:
    """Objects say of every segment what drew it: what all have in common comes back as what drew the whole."""
    own = [each["source"] for some in members.values() for each in some]
    firm = all(each["source"] == some[0]["source"] for some in members.values() for each in some)
    kept = firm and source is None and len(set(own)) > 1 and "consensus" not in own
    if any(own) and not kept:
        losses.add("source", "segments", len(own))
        losses.add("source", "annotations", len(drawn))


def index_of(numbers: Mapping[Key, int], members: Mapping[Key, list[Segment]]) -> tuple[IndexSegment, ...]:
    """What the segments of an object are, by their numbers."""
    found = []
    for (category, tracked, track), number in numbers.items():
        id_ = members[category, tracked, track][0]["segment_id"]
        found.append(IndexSegment(number, category, track if tracked else None, None if id_ == number else id_))
    return tuple(found)


def attributes_of(segment: Segment, held: Held) -> dict[str, Any]:  # Any: JSON
    """The attributes that come back from an object."""
    said = _attributes(segment)
    kept = held(segment, said)
    return {key: value for key, value in said.items() if key in kept}


def _attributes(segment: Segment) -> dict[str, Any]:  # Any: JSON
    return {key: json.loads(value) for key, value in segment["attributes"] or ()}


def is_text(value: object) -> bool:
    """Whether a value is a text that DICOM's long strings keep as it is."""
    return isinstance(value, str) and value != "" and text_of(value) == value


def text_of(name: str) -> str:
    r"""A name as DICOM's long strings allow it: 64 characters, no backslash, and nothing that is not printed.

    >>> text_of("left\\right")
    'left/right'
    """
    kept = "".join("/" if each == "\\" else each for each in name if each.isprintable()).strip()
    return kept[:_LONGEST].strip() or "unnamed"


def person_of(name: str | None) -> str | None:
    """A name as DICOM's names of persons allow it."""
    return None if name is None else text_of(name.replace("^", " ").replace("=", " "))
