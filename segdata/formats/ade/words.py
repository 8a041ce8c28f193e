"""Words: what the segments of a batch say beside pixels, as ADE20K's JSON files have it."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from segdata.core.batch import Batch
from segdata.core.runs import Ints
from segdata.formats.ade.document import MOST_LEVELS
from segdata.formats.ade.keys import COLUMNS, value

Keys = dict[str, msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Words:
    """Of the n segments of a batch.

    Attributes
    ----------
    level : (n,) 0 for objects, 1 for their parts …
    part_of : (n,) the segment id of what each is a part of; None: of nothing that is known
    amodal : (n,) visible and hidden pixels, as an attribute has them
    keys : (n,) everything else that is said
    lost : rows of segments with an attribute that has no place
    """

    level: Ints
    part_of: list[int | None]
    amodal: list[str | None]
    keys: list[Keys]
    lost: list[int]

    @staticmethod
    def of(batch: Batch) -> "Words":
        """What a batch's segments say."""
        words = Words(np.zeros(batch.n_segments, np.int64), [], [], [], [])
        for row, pairs in enumerate(batch.segments["attributes"].to_pylist()):
            said = dict(pairs or ())
            level = _whole(said.get("part_level"))
            if level is not None and 1 <= level <= MOST_LEVELS:
                words.level[row] = level
                del said["part_level"]
            whole = _whole(said.get("part_of")) if words.level[row] else None
            if whole is not None:
                del said["part_of"]
            words.part_of.append(whole)
            words.amodal.append(said.pop("amodal", None))
            keys = {name: value(name, json) for name, json in said.items()}
            words.keys.append({name: msgspec.Raw(json.encode()) for name, json in keys.items() if json is not None})
            if None in keys.values():
                words.lost.append(row)
        _add_columns(batch, words.keys)
        return words


def _add_columns(batch: Batch, keys: list[Keys]) -> None:
    """Add what has a column here and is a key there. Model or human is said of annotations, too."""
    made_by = batch.annotations["source"].take(batch.segments["annotation"]).to_pylist()
    for name in COLUMNS:
        for said, mine, whose in zip(keys, batch.segments[name].to_pylist(), made_by, strict=True):
            each = mine or whose if name == "source" else mine
            if each is not None and each is not False and each == each:  # NaN is nothing, too
                said[name] = msgspec.Raw(msgspec.json.encode(each))


def _whole(json: str | None) -> int | None:
    """A JSON text as a whole number; None where it is none."""
    try:
        return None if json is None else msgspec.json.decode(json, type=int)
    except msgspec.DecodeError:
        return None


def with_defaults(name: str, keys: Mapping[str, msgspec.Raw]) -> Keys:
    """The keys of an object whose category is called `name`, with those that other programs expect, empty."""
    empty = {"raw_name": name, "attributes": [], "occluded": [], "crop": [], "polygon": {"x": [], "y": []}}
    return {key: msgspec.Raw(msgspec.json.encode(each)) for key, each in empty.items()} | dict(keys)
