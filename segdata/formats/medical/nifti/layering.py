"""Layering: which category is written with which value, and in which of a volume's files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from segdata.core.errors import SegdataError
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.formats.medical.nifti.source import LAYERS

_MOST = 2**31 - 1  # what programs that read labels hold


@dataclass(frozen=True)
class Layering:
    """The layers of a dataset; where there is only one, it is called "" and values are category ids.

    Attributes
    ----------
    layers : by name
    values : category id -> layer and value
    files : volume -> layer -> what its file was called, as far as that is known
    blank : the value of unlabelled voxels
    """

    layers: tuple[str, ...]
    values: Mapping[int, tuple[str, int]]
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    blank: int = 0

    def of(self, categories: Ints) -> tuple[Ints, Ints]:
        """(n,) the row of `layers`, and the value, of each category id; -1 as value of one that there is none for."""
        row = {layer: number for number, layer in enumerate(self.layers)}
        found = [self.values.get(each, (self.layers[0], -1)) for each in categories.tolist()]
        return (
            np.array([row[layer] for layer, _ in found], np.int64),
            np.array([value for _, value in found], np.int64),
        )

    def index(self) -> dict[str, dict[int, int]]:
        """Layer -> value -> category id; empty where values are the ids."""
        if self.layers == ("",):
            return {}
        found: dict[str, dict[int, int]] = {layer: {} for layer in self.layers}
        for id_, (layer, value) in self.values.items():
            found[layer][value] = id_
        return found


def layering_of(profile: Profile) -> Layering:
    """As the volumes were read from NIfTI; else one layer. Raises SegdataError for ids that are no values."""
    ids = list(profile.taxonomy.by_id())
    for each in ids:
        if not 0 <= each <= _MOST:
            raise SegdataError(f"category id {each} is no value that a volume of labels can hold (0 to {_MOST:,})")
    said = json.loads(profile.metadata.get(LAYERS, "{}"))
    known: dict[str, dict[str, int]] = said.get("layers", {})
    values = {id_: (layer, int(value)) for layer, each in known.items() for value, id_ in each.items() if id_ in ids}
    if not values:
        return Layering(("",), {each: ("", each) for each in ids}, said.get("files", {}), _blank(profile, ids))
    spare = "" if "" not in known else "others"
    others = {each: (spare, each) for each in ids if each not in values and each != 0}
    layers = sorted({layer for layer, _ in (*values.values(), *others.values())} | known.keys())
    return Layering(tuple(layers), values | others, said.get("files", {}))


def _blank(profile: Profile, ids: list[int]) -> int:
    """The value of unlabelled voxels: the taxonomy's, else 0, else the lowest that is no category."""
    said = profile.taxonomy.unlabelled_id
    if said is not None and 0 <= said <= _MOST:
        return said
    return next(each for each in range(len(ids) + 1) if each not in ids)
