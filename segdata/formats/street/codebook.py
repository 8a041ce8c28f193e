"""Codebook: what the label ids in files mean in the dataset's taxonomy, and which label each category is written as."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.core.runs import Ints
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shared.mask_values import UNLABELLED, Legend
from segdata.formats.shared.taxonomies import CategoryNames, resolve_names


@dataclass(frozen=True, slots=True)
class Codebook:
    """Label ids, and their categories.

    Attributes
    ----------
    naming : the dataset's taxonomy, and what the labels' names are in it
    legend : label id -> category id, or NOBODY for what is unlabelled
    things : (k,) the category ids that are things
    labels : the format's own labels
    """

    naming: CategoryNames
    legend: Legend
    things: Ints
    labels: Taxonomy

    def is_thing(self, categories: Ints) -> NDArray[np.bool_]:
        """(n,) whether each category is a thing."""
        return np.isin(categories, self.things)


def codebook(labels: Taxonomy, given: Taxonomy | None, code: Mapping[int, int] | None = None) -> Codebook:
    """The codebook of a format's own labels.

    Parameters
    ----------
    labels : the format's, with the ids that its files have, and `unlabelled` for what nobody labelled
    given : the user's taxonomy: labels are looked up in it by name, then by their aliases
    code : ids in the files -> ids in `labels`, where files have other ids
    """
    name_of = {each.id: _known_as(each, given) for each in labels.categories}
    named = resolve_names(name_of.values(), given, labels)
    meaning = {id_: named.to[name] for id_, name in name_of.items()}
    coded = meaning if code is None else {value: meaning[id_] for value, id_ in code.items() if id_ in meaning}
    if code is None and labels.unlabelled_id is not None:
        coded = coded | {labels.unlabelled_id: UNLABELLED}
    kinds = {each.id: each.kind for each in reversed(named.taxonomy.categories)}
    things = [id_ for each in labels.categories if kinds.get(id_ := meaning[each.id], each.kind) == "thing"]
    return Codebook(named, Legend.of(coded), np.array(things, np.int64), labels)


def _known_as(label: Category, given: Taxonomy | None) -> str:
    """The first of a label's names that the user's taxonomy has; its own where that has none."""
    known = given.by_name() if given is not None else {}
    return next((name for name in (label.name, *label.aliases) if name in known), label.name)


def label_ids(labels: Taxonomy, taxonomy: Taxonomy) -> dict[int, int]:
    """The label id that each category of `taxonomy` is written as, such that `codebook` reads it back as the same one.

    Categories that the format's `labels` lack are not in it.
    """
    known = taxonomy.by_name()
    return {
        known[name].id: label.id
        for label in reversed(labels.categories)
        if (name := _known_as(label, taxonomy)) in known
    }
