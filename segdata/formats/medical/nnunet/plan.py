"""nnU-Net plan: which value each category is painted with, and the dataset.json that says so."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segdata.core.errors import SegdataError
from segdata.core.profile import Profile
from segdata.core.taxonomy import Category
from segdata.formats.medical.nifti.layering import Layering
from segdata.formats.medical.nnunet.datasetjson import (
    BACKGROUND,
    CATEGORY_IDS,
    IGNORE,
    DatasetJson,
    parse_dataset_json,
)
from segdata.formats.medical.nnunet.source import METADATA

_MOST = 2**16 - 1


@dataclass(frozen=True, slots=True)
class Plan:
    """How categories are written.

    Attributes
    ----------
    labels : name in dataset.json -> its values
    values : category id -> the value it is painted with; regions are painted in this order, later ones over earlier
    ids : name -> category id
    ending : of files
    channels : names
    source : the dataset.json that the dataset was read from; None: it was none
    """

    labels: Mapping[str, tuple[int, ...]]
    values: Mapping[int, int]
    ids: Mapping[str, int]
    ending: str
    channels: tuple[str, ...]
    source: DatasetJson | None

    @property
    def regions(self) -> dict[int, tuple[int, ...]]:
        """Category id -> the values that it consists of; empty where each has one of its own."""
        if all(len(each) == 1 for each in self.labels.values()):
            return {}
        return {self.ids[name]: values for name, values in self.labels.items()}

    @property
    def merged(self) -> list[int]:
        """The void categories that are written as another one."""
        return [
            id_ for id_, value in self.values.items() if (value,) == self.labels.get(IGNORE) and id_ != self.ids[IGNORE]
        ]

    @property
    def layering(self) -> Layering:
        """The values for painting by category."""
        return Layering(("",), {id_: ("", value) for id_, value in self.values.items()})

    def dataset_json(self, cases: Mapping[str, tuple[Sequence[str], str]]) -> str:
        """The file, for cases with the paths of their images and labels."""
        kept: dict[str, Any] = json.loads(self.source.text) if self.source else {}
        said = {
            "channel_names": {str(number): name for number, name in enumerate(self.channels)},
            "labels": {
                BACKGROUND: 0,
                **{name: values[0] if len(values) == 1 else list(values) for name, values in self.labels.items()},
            },
            "numTraining": len(cases),
            "file_ending": self.ending,
            CATEGORY_IDS: self.ids,
            "dataset": {name: {"images": list(images), "label": label} for name, (images, label) in cases.items()},
        }
        kept.pop("modality", None)
        return json.dumps({**kept, **said}, indent=1, ensure_ascii=False) + "\n"


def plan_of(profile: Profile, ending: str | None, channels: str | None) -> Plan:
    """As the dataset was read from nnU-Net, where the categories are the same still; else with new values from 1 on.

    Raises SegdataError for more categories than 16 bits hold.
    """
    source = _source(profile)
    volumes = any(each.kind == "volume" for each in profile.sequences)
    chosen = ending or (source.ending if source else ".nii.gz" if volumes else ".png")
    if chosen not in (".nii.gz", ".png"):
        raise SegdataError(f"file_ending is {chosen!r}, it must be .nii.gz or .png")
    names = tuple(each.strip() for each in channels.split(",")) if channels else source.channels if source else ()
    named = profile.taxonomy.by_name()
    if source is not None and source.labels.keys() == {each.name for each in profile.taxonomy.categories}:
        ids = {name: named[name].id for name in source.labels}
        regions = [name for name in source.labels if name != IGNORE]
        painted = dict(zip(regions, source.class_order, strict=True)) if source.has_regions else {}
        values = {ids[name]: painted.get(name, each[0]) for name, each in source.labels.items()}
        return Plan(source.labels, values, ids, chosen, names or ("unknown",), source)
    labels, values, ids = _fresh(profile.taxonomy.by_id())
    return Plan(labels, values, ids, chosen, names or ("unknown",), None)


def _source(profile: Profile) -> DatasetJson | None:
    """The dataset.json that a dataset was read from, if nnU-Net would take it."""
    text = profile.metadata.get(METADATA)
    if text is None:
        return None
    found = parse_dataset_json(text, METADATA)
    refused = any(each.severity != "warning" for each in found.defects)
    return None if refused or (found.has_regions and len(found.class_order) == 0) else found


def _fresh(
    categories: Mapping[int, Category],
) -> tuple[dict[str, tuple[int, ...]], dict[int, int], dict[str, int]]:
    """Values 1, 2, 3 … in the order of ids, and one behind them for all of kind void."""
    labels: dict[str, tuple[int, ...]] = {}
    values: dict[int, int] = {}
    ids: dict[str, int] = {}
    ordinary = [each for _, each in sorted(categories.items()) if each.kind != "void"]
    void = [each for _, each in sorted(categories.items()) if each.kind == "void"]
    if len(categories) > _MOST:
        raise SegdataError(f"{len(categories):,} categories; the labels of nnU-Net have 16 bits ({_MOST:,})")
    for value, category in enumerate(ordinary, 1):
        taken = category.name in labels or category.name in (BACKGROUND, IGNORE)
        name = f"{category.name}_{category.id}" if taken else category.name
        labels[name], values[category.id], ids[name] = (value,), value, category.id
    if void:
        labels[IGNORE], ids[IGNORE] = (len(ordinary) + 1,), void[0].id
        values |= {each.id: len(ordinary) + 1 for each in void}
    return labels, values, ids
