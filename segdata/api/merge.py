"""Merge: several datasets as one."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from segdata.api.convert import Conversion, with_batches, write_derived
from segdata.api.read import Data, Progress, ReadOptions, no_progress, read
from segdata.api.taxonomy import with_taxonomy_map
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.format import LossCounter
from segdata.core.profile import ImageSequence, Policy, Profile
from segdata.core.runs import Ints
from segdata.dataset import Dataset
from segdata.formats.shared.images import image_limits
from segdata.store.id_conflicts import NewNames, resolve_conflicts
from segdata.store.merge import MergedSource, MergePart
from segdata.store.merged_taxonomy import MergedTaxonomy, merge_taxonomies
from segdata.store.remap import Remap, TaxonomyMap

_OF_CATEGORIES = ("unknown_categories", "aliases_used", "category_keys")  # metadata that speaks of their ids


@dataclass(frozen=True, slots=True)
class MergeResult:
    """What `merge` did.

    Attributes
    ----------
    written : the dataset that was made
    remarks : what of the datasets has another name now: categories, images, annotators, sequences; a line each
    n_shared : images that several of them have
    """

    written: Conversion
    remarks: tuple[str, ...]
    n_shared: int


def merge(
    data: Iterable[Data],
    target: str | Path,
    *,
    taxonomy_maps: Mapping[int, str | Path | TaxonomyMap] | None = None,
    apart: bool = False,
    copy_images: bool = False,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> MergeResult:
    """Write several datasets as one canonical dataset.

    Parameters
    ----------
    data : two or more, each a file, a folder or a `Dataset`; what an earlier one says goes before
    target : a folder that does not exist, or is empty
    taxonomy_maps : place in `data`, from 0 -> a map of its categories, as for `convert`
    apart : images are never the same: each goes below a folder with the name of its dataset
    copy_images, jobs, progress : as for `convert`
    opening : as for `read`, for all that are not open yet

    Categories with the same name, or an alias of it, become one; see `segdata.store.merged_taxonomy`. Images with the
    same name become one, with the annotations of all datasets, unless their sizes or files differ; see
    `segdata.store.id_conflicts`. The metadata of the new dataset list the sources as ``merged_from``.

    Raises SegdataError for datasets of different tasks, and for categories that cannot be one.
    """
    datasets = [read(each) if isinstance(each, OpenDataset) else read(each, **opening) for each in data]
    if len(datasets) < 2:
        raise SegdataError("merge needs two datasets, or more")
    mapped = _apply_maps(datasets, taxonomy_maps or {})
    datasets = [dataset for dataset, _ in mapped]
    profiles = [each.profile for each in datasets]
    tasks = {profile.task: profile.files for profile in profiles}
    if len(tasks) > 1:
        said = ", ".join(f"{files} is {task}" for task, files in tasks.items())
        raise SegdataError(f"datasets of different tasks cannot be one: {said}")
    one = merge_taxonomies(profiles)
    labels = _dataset_labels(profiles)
    rows = [np.arange(len(each.source.image_ids)) if each.rows is None else each.rows for each in datasets]
    sources = [_with_ids(each, one, at).source for at, each in enumerate(datasets)]
    with image_limits():
        names = resolve_conflicts(sources, rows, labels, apart)
    sequences, moved = _merge_sequences(profiles, labels, apart)
    parts = tuple(
        MergePart(source, _merged_rows(source.image_ids, mine, each), each.images, each.annotators, of)
        for source, mine, each, of in zip(sources, rows, names, moved, strict=True)
    )
    image_ids = sorted({name for part in parts for name in part.row_of})
    profile = _merged_profile(profiles, one, sequences)
    defects = [defect for source in sources for defect in source.defects]
    whole = MergedSource(profile, parts, image_ids, defects, sum(len(each.chunks()) for each in datasets))
    made = f"merged of {', '.join(labels)}"
    done = write_derived(
        Dataset(whole, profile, Config()), target, made, copy_images=copy_images, jobs=jobs, progress=progress
    )
    remarks = [*one.remarks, *_remarks(names, moved, labels, apart), *_map_losses(mapped, labels)]
    n_shared = sum(len(part.row_of) for part in parts) - len(image_ids)
    return MergeResult(done, tuple(remarks), n_shared)


def _apply_maps(
    datasets: Sequence[Dataset], maps: Mapping[int, str | Path | TaxonomyMap]
) -> list[tuple[Dataset, Remap | None]]:
    """The datasets, some under another taxonomy, and what counts the losses of that."""
    for at in maps:
        if not 0 <= at < len(datasets):
            raise SegdataError(f"taxonomy_maps: there is no dataset {at}, only 0 to {len(datasets) - 1}")
    return [with_taxonomy_map(each, maps[at]) if at in maps else (each, None) for at, each in enumerate(datasets)]


def _with_ids(dataset: Dataset, one: MergedTaxonomy, at: int) -> Dataset:
    """The dataset with the category ids of the whole."""
    profile = dataset.profile
    ids = one.ids[at]
    if all(old == new for old, new in ids.known.items()) and not ids.taken - ids.known.keys():
        return dataset
    return with_batches(dataset, Remap(ids, profile.taxonomy, one.taxonomy, profile.task))


def _dataset_labels(profiles: Sequence[Profile]) -> list[str]:
    """A name for each dataset: its own, with a number where another has it."""
    found: list[str] = []
    for profile in profiles:
        name = profile.name.replace("/", " ").strip() or profile.format
        again = 2
        label = name
        while label in found:
            label, again = f"{name} {again}", again + 1
        found.append(label)
    return found


def _merged_rows(image_ids: Sequence[str], rows: Ints, names: NewNames) -> dict[str, int]:
    """Name in the whole -> row of a dataset."""
    found: dict[str, int] = {}
    for row in rows.tolist():
        found.setdefault(names.images.get(image_ids[row], image_ids[row]), row)
    return found


def _merge_sequences(
    profiles: Sequence[Profile], labels: Sequence[str], apart: bool
) -> tuple[tuple[ImageSequence, ...], list[dict[str, str]]]:
    """The sequences of all, and for each dataset the new names of those that another has for another one."""
    found: dict[str, ImageSequence] = {}
    moved: list[dict[str, str]] = []
    for profile, label in zip(profiles, labels, strict=True):
        moved.append({})
        for each in profile.sequences:
            name = each.name
            if apart or found.get(name, each) != each:
                name = moved[-1][each.name] = f"{label}/{each.name}"
            found[name] = replace(each, name=name)
    return tuple(found.values()), moved


def _merged_profile(profiles: Sequence[Profile], one: MergedTaxonomy, sequences: tuple[ImageSequence, ...]) -> Profile:
    """What is known of the whole: what all datasets have in common."""
    first = profiles[0]
    metadata = {key: text for profile in reversed(profiles) for key, text in profile.metadata.items()}
    metadata = {key: text for key, text in metadata.items() if key not in _OF_CATEGORIES}
    if one.unknown:
        metadata["unknown_categories"] = json.dumps({str(id_): name for id_, name in one.unknown.items()})
    origins = [
        {"name": each.name, "format": each.format, "path": each.files, "revision": each.revision} for each in profiles
    ]
    metadata["merged_from"] = json.dumps(origins, ensure_ascii=False)
    rules = {profile.raster_rule for profile in profiles}
    return replace(
        first,
        format="merged",
        files="",
        revision=None,
        taxonomy=one.taxonomy,
        taxonomy_declared=all(profile.taxonomy_declared for profile in profiles),
        coverage=_common_policy([profile.coverage for profile in profiles], "sparse"),
        overlap=_common_policy([profile.overlap for profile in profiles], "allow"),
        raster_rule=first.raster_rule if len(rules) == 1 else "mask-native",
        sequences=sequences,
        metadata=metadata,
        places={},
    )


def _common_policy(policies: Sequence[Policy[Any]], weakest: str) -> Policy[Any]:  # Any: of either sort
    """The policy of all datasets; where they differ the one that expects least."""
    same = all(each.value == policies[0].value for each in policies)
    return Policy(policies[0].value, all(each.declared for each in policies)) if same else Policy(weakest)


def _remarks(
    names: Sequence[NewNames], moved: Sequence[dict[str, str]], labels: Sequence[str], apart: bool
) -> list[str]:
    """What has another name now."""
    found = []
    for each, sequences, label in zip(names, moved, labels, strict=True):
        for old, new in [] if apart else sorted(each.images.items()):
            found.append(f"image {old!r} of {label} is another picture: it is {new!r}")
        for annotator, new in sorted(each.annotators.items(), key=lambda item: item[0] or ""):
            who = "without an annotator" if annotator is None else f"by {annotator!r}"
            found.append(f"annotations {who} in {label} are by {new!r}")
        found += [] if apart else [f"sequence {old!r} of {label} is {new!r}" for old, new in sorted(sequences.items())]
    return found


def _map_losses(mapped: Sequence[tuple[Dataset, Remap | None]], labels: Sequence[str]) -> list[str]:
    """What taxonomy maps dropped and joined."""
    found = []
    for (_, remap), label in zip(mapped, labels, strict=True):
        losses = LossCounter()
        if remap is not None:
            remap.count(losses)
        found += [f"{label}: {loss}" for loss in losses.listed()]
    return found
