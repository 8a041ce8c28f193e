"""Meanings: which category each value in the volumes of a dataset stands for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from segdata.core.config import InstanceIds, Option
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import ReadRequest
from segdata.core.profile import Task
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.medical.nifti.drawn import Draw, draw_categories, draw_ids
from segdata.formats.medical.nifti.files import LabelFile
from segdata.formats.medical.nifti.names import Called, LabelNames
from segdata.formats.medical.nifti.voxels import Volume
from segdata.formats.medical.shelf import Shelf
from segdata.formats.shared.instance_id_rules import id_rule
from segdata.formats.shared.mask_values import UNLABELLED, Legend
from segdata.formats.shared.taxonomies import kind_from_name, resolve_names

_MOST = 500  # more distinct values than this are no categories; brain atlases have some hundred


@dataclass(frozen=True, slots=True)
class Meanings:
    """What the values of a dataset mean.

    Attributes
    ----------
    taxonomy, declared : as in the profile
    task : as in the profile
    draws : of each file of labels, by its name
    layers : layer -> value -> category id, where values are not the ids
    metadata : for the profile
    """

    taxonomy: Taxonomy
    declared: bool
    task: Task
    draws: Mapping[str, Draw]
    layers: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


def meanings(request: ReadRequest, labels: Sequence[LabelFile], shelf: Shelf[Volume], names: LabelNames) -> Meanings:
    """What the values in these files mean: by segdata.yaml, the taxonomy, tables beside the files, or the values alone.

    Where files have layers of different names, a category is a layer, or a value of it. Raises UnreadableError where
    values look like intensities.
    """
    if request.config.instance_ids is not None or is_yes(request.options, "instances"):
        taxonomy, rule = id_rule(request, request.config.instance_ids or _one_category(request))
        kinds = {category.kind for category in taxonomy.categories}
        task: Task = "panoptic" if kinds >= {"thing", "stuff"} else "instance"
        draw: Draw = partial(draw_ids, rule)
        return Meanings(taxonomy, request.taxonomy is not None, task, {label.name: draw for label in labels})
    if len({label.layer for label in labels}) > 1:
        return _layered(request, labels, shelf, names)
    taxonomy = request.taxonomy or _named(labels, names) or _found(request, labels, shelf)
    draw = partial(draw_categories, id_legend(taxonomy))
    return Meanings(taxonomy, request.taxonomy is not None, "semantic", {label.name: draw for label in labels})


def id_legend(taxonomy: Taxonomy) -> Legend:
    """Values are category ids; 0 is unlabelled, unless a category has that id."""
    nobody = 0 if taxonomy.unlabelled_id is None else taxonomy.unlabelled_id
    ids = {id_: id_ for id_ in taxonomy.by_id()}
    return Legend.of({0: UNLABELLED, **ids} if taxonomy.unlabelled_id is None else {**ids, nobody: UNLABELLED})


def is_yes(options: Mapping[str, Option], name: str) -> bool:
    """Whether an option says yes; raises SegdataError for what is neither yes nor no."""
    said = str(options.get(name, "no")).lower()
    if said not in ("yes", "true", "1", "no", "false", "0"):
        raise SegdataError(f"{name} is {options[name]!r}, it must be yes or no")
    return said in ("yes", "true", "1")


def _one_category(request: ReadRequest) -> InstanceIds:
    """Every value is an instance of the taxonomy's only category, or of an object."""
    known = [each for each in (request.taxonomy or Taxonomy()).categories if each.kind != "void"]
    if len(known) > 1:
        raise UnreadableError(
            f"{request.root}: instances of which category? write in segdata.yaml `instance_ids: {{category: "
            f"{known[0].name}}}`, or {{divisor: 1000}}"
        )
    return InstanceIds(category=known[0].id if known else "object")


def _named(labels: Sequence[LabelFile], names: LabelNames) -> Taxonomy | None:
    """The categories in the tables beside the files; None where not each file has one."""
    found: dict[int, Called] = {}
    for label in labels:
        table = names.of(label.path)
        if not table:
            return None
        found |= table
    return _taxonomy(found) if found else None


def _found(request: ReadRequest, labels: Sequence[LabelFile], shelf: Shelf[Volume]) -> Taxonomy:
    """A category for each value that occurs; one that is always 1 has the name of the layer, if that has any."""
    values = sorted({value for label in labels for value in _values(label, shelf)})
    _check_few(request, values)
    layer = labels[0].layer if labels and values == [1] else ""
    return _taxonomy({value: Called(layer or f"category_{value}") for value in values})


def _layered(request: ReadRequest, labels: Sequence[LabelFile], shelf: Shelf[Volume], names: LabelNames) -> Meanings:
    """Categories that are layers, or values of a layer where it has others than 1."""
    values: dict[str, set[int]] = {}
    tables: dict[str, dict[int, Called]] = {}
    for label in labels:
        table = names.of(label.path)
        tables.setdefault(label.layer, {}).update(table)
        values.setdefault(label.layer, set()).update(_values(label, shelf), table)
    called: dict[str, dict[int, Called]] = {}
    for layer, found in values.items():
        _check_few(request, sorted(found))
        alone = found == {1} and layer != ""
        called[layer] = {
            value: tables[layer].get(value, Called(layer if alone else f"{layer or 'labels'} {value}"))
            for value in sorted(found)
        }
    every = {each.name: each for layer in sorted(called) for each in called[layer].values()}
    named = resolve_names(every, request.taxonomy, _taxonomy(dict(enumerate(every.values(), 1))))
    layers = {layer: {value: named.to[each.name] for value, each in found.items()} for layer, found in called.items()}
    return by_layers(named.taxonomy, named.declared, labels, layers, named.metadata)


def by_layers(
    taxonomy: Taxonomy,
    declared: bool,
    labels: Sequence[LabelFile],
    layers: Mapping[str, Mapping[int, int]],
    metadata: Mapping[str, str],
) -> Meanings:
    """Values that mean categories by the layer of their file."""
    draws: dict[str, Draw] = {
        layer: partial(draw_categories, Legend.of({0: UNLABELLED, **meaning})) for layer, meaning in layers.items()
    }
    nothing: Draw = partial(draw_categories, Legend.of({0: UNLABELLED}))
    by_file = {label.name: draws.get(label.layer, nothing) for label in labels}
    return Meanings(taxonomy, declared, "semantic", by_file, layers, metadata)


def _values(label: LabelFile, shelf: Shelf[Volume]) -> list[int]:
    """The values in a file that may be labels, from 1 on; none where it is damaged, which reading its slices says."""
    try:
        return [value for value in shelf.take(label.path).values.tolist() if value > 0]
    except OSError:
        return []


def _check_few(request: ReadRequest, values: Sequence[int]) -> None:
    if len(values) > _MOST:
        raise UnreadableError(
            f"{request.root}: {len(values):,} distinct values: intensities, or instances? Name files of labels so that "
            "they can be told from images (…_seg.nii.gz), or give --read-option instances=yes"
        )


def _taxonomy(called: Mapping[int, Called]) -> Taxonomy:
    """Regions by these names; void where the name says so."""
    categories = (
        Category(
            id=id_, name=each.name, kind="void" if kind_from_name(each.name) == "void" else "stuff", color=each.color
        )
        for id_, each in sorted(called.items())
    )
    return Taxonomy(categories=tuple(categories), unlabelled=0)
