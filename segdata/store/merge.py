"""Merge: join several datasets, in which shared images become one; join the splits of one dataset."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from os.path import lexists
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.format import Format, ReadRequest, Source
from segdata.core.losses import LossCounter
from segdata.core.profile import ImageSequence, Policy, Profile
from segdata.core.runs import Ints, positions_in
from segdata.core.safe_text import shell_word
from segdata.core.taxonomy import load_taxonomy
from segdata.formats.dataset_folders import SplitLayout, SplitPath, split_of_file
from segdata.formats.shared.derived_sources import AlteredSource, ChainedSource, WrappedSource
from segdata.formats.shared.file_names import Namesakes
from segdata.formats.shared.images import ImageFolder, image_limits
from segdata.formats.shared.per_image import relative_path
from segdata.store.merge_conflicts import (
    MergedTaxonomy,
    NewNames,
    mapping_conflicts,
    merge_taxonomies,
    resolve_conflicts,
)
from segdata.store.remap import CATEGORY_METADATA, Remap, TaxonomyMap, with_taxonomy_map


def merge_batches(batches: Sequence[Batch], image_ids: Sequence[str]) -> Batch:
    """Merge batches: the images `image_ids`, in this order, with the annotations of all batches.

    Values of an image come from the first batch that has them. The first of two annotations of one image by one
    annotator stays. Annotations of an image are sorted by annotator, unnamed ones first.
    """
    combined = concatenate_batches(list(batches))
    place = {name: row for row, name in enumerate(image_ids)}
    image_row = np.array([place[name] for name in combined.images["image_id"].to_pylist()], np.int64)
    annotator = combined.annotator_number
    key = image_row[combined.annotation_image] * (annotator.max(initial=0) + 1) + annotator
    kept = np.unique(key, return_index=True)[1]  # in the order of images, and of their annotators
    position = positions_in(kept, len(key))
    annotation = position[combined.segment_annotation]
    rows = np.argsort(annotation, kind="stable")[int((annotation < 0).sum()) :]
    annotations = combined.annotations.take(pa.array(kept))
    segments = combined.segments.take(pa.array(rows))
    return Batch(
        _images(combined.images, image_row, len(image_ids)),
        replace_column(annotations, "image", image_row[combined.annotation_image[kept]].astype(np.int32)),
        replace_column(segments, "annotation", annotation[rows].astype(np.int32)),
        combined.runs.take(rows, combined.n_segments),
        combined.defects,
    )


def _images(images: pa.Table, of: Ints, n: int) -> pa.Table:
    """(n,) rows of images; each value of a shared image is the first that is known."""
    order = np.argsort(of, kind="stable")
    nth = np.arange(len(of)) - np.searchsorted(of[order], of[order])
    rows = order[nth == 0]
    assert len(rows) == n, "every image comes from somewhere"
    rows_taken = images.take(pa.array(rows))
    for again in range(1, int(nth.max(initial=0)) + 1):
        row = np.full(n, -1, np.int64)
        row[of[order[nth == again]]] = order[nth == again]
        other = images.take(pa.array(row, mask=row < 0))
        columns = [pc.coalesce(rows_taken[name], other[name]) for name in images.column_names]
        rows_taken = pa.Table.from_arrays(columns, schema=images.schema)
    return rows_taken


@dataclass(frozen=True, slots=True)
class MergePart:
    """One of the merged datasets."""

    source: Source
    row_of: dict[str, int]  # image_id in the whole -> row of the source
    image_of: dict[str, str]  # image_id of the source -> in the whole, of those that have another name there
    # annotator (None: unnamed) -> in the whole, of those who have another name there
    annotator_of: dict[str | None, str]
    sequence_of: dict[str, str]  # sequence -> in the whole, of those that have another name there
    split: str | None = None  # of images that name none

    def load(self, image_ids: Sequence[str]) -> Batch:
        """Load the images that the dataset has, with their merged names."""
        rows = [row for name in image_ids if (row := self.row_of.get(name)) is not None]
        batch = self.source.load(np.array(rows, np.int64)) if rows else Batch.empty()
        images, annotations = batch.images, batch.annotations
        if self.image_of:
            before = images["image_id"].to_pylist()
            names = [self.image_of.get(name, name) for name in before]
            renamed = zip(before, names, images["metadata"].to_pylist(), strict=True)
            metadata = [pairs if old == new else _renamed_from(pairs, old) for old, new, pairs in renamed]
            images = replace_column(replace_column(images, "image_id", names), "metadata", metadata)
        if self.split is not None:
            images = replace_column(images, "split", pc.fill_null(images["split"], self.split))
        if self.sequence_of:
            sequences = images["sequence"].to_pylist()
            images = replace_column(images, "sequence", [self.sequence_of.get(name, name) for name in sequences])
        if self.annotator_of:
            people = annotations["annotator"].to_pylist()
            annotations = replace_column(
                annotations, "annotator", [self.annotator_of.get(name, name) for name in people]
            )
        defects = tuple(
            replace(defect, image=self.image_of.get(str(defect.image), defect.image)) for defect in batch.defects
        )
        return replace(batch, images=images, annotations=annotations, defects=defects)


def _renamed_from(metadata: list[tuple[str, str]] | None, name: str) -> list[tuple[str, str]]:
    """Metadata with the former name of an image."""
    kept = [(key, value) for key, value in metadata or () if key != "merged_from"]
    return [*kept, ("merged_from", json.dumps(name, ensure_ascii=False))]


@dataclass(frozen=True, slots=True)
class MergedSource:
    """Several datasets as one."""

    profile: Profile  # of the whole
    parts: tuple[MergePart, ...]  # the datasets; what an earlier one says of an image goes before
    image_ids: Sequence[str]  # of all of them, in ascending order
    defects: Sequence[Defect]  # what was met while they were opened
    n_chunks: int  # in how many portions to load it

    def chunks(self) -> list[Ints]:
        """Images in portions."""
        portions = np.array_split(np.arange(len(self.image_ids)), max(self.n_chunks, 1))
        return [portion for portion in portions if len(portion)]

    def load(self, rows: Ints) -> Batch:
        """Some images with what all datasets say of them."""
        names = [self.image_ids[row] for row in rows.tolist()]
        return merge_batches([part.load(names) for part in self.parts], names)


def _with_merged_ids(dataset: OpenDataset, merged: MergedTaxonomy, position: int) -> OpenDataset:
    """The dataset with the merged category ids."""
    profile = dataset.profile
    ids = merged.ids[position]
    if all(old == new for old, new in ids.known.items()) and not ids.taken - ids.known.keys():
        return dataset
    remap = Remap(ids, profile.taxonomy, merged.taxonomy, profile.task)
    return replace(dataset, source=AlteredSource(dataset.source, remap))


def _dataset_labels(profiles: Sequence[Profile]) -> list[str]:
    """A unique name for each dataset: its name, with a number if another has the same."""
    labels: list[str] = []
    for profile in profiles:
        name = profile.name.replace("/", " ").strip() or profile.format
        again = 2
        label = name
        while label in labels:
            label, again = f"{name} {again}", again + 1
        labels.append(label)
    return labels


def _merged_rows(image_ids: Sequence[str], rows: Ints, names: NewNames) -> dict[str, int]:
    """Name in the whole -> row of a dataset."""
    row_of: dict[str, int] = {}
    for row in rows.tolist():
        row_of.setdefault(names.images.get(image_ids[row], image_ids[row]), row)
    return row_of


def _merge_sequences(
    profiles: Sequence[Profile], labels: Sequence[str], apart: bool
) -> tuple[tuple[ImageSequence, ...], list[dict[str, str]]]:
    """The sequences of all datasets, and for each dataset the new names of sequences with conflicts."""
    sequences: dict[str, ImageSequence] = {}
    moved: list[dict[str, str]] = []
    for profile, label in zip(profiles, labels, strict=True):
        moved.append({})
        for sequence in profile.sequences:
            name = sequence.name
            if apart or sequences.get(name, sequence) != sequence:
                name = moved[-1][sequence.name] = f"{label}/{sequence.name}"
            sequences[name] = replace(sequence, name=name)
    return tuple(sequences.values()), moved


def _merged_profile(
    profiles: Sequence[Profile], merged: MergedTaxonomy, sequences: tuple[ImageSequence, ...]
) -> Profile:
    """The profile of the merged dataset, from what all datasets have in common."""
    first = profiles[0]
    metadata = {key: text for profile in reversed(profiles) for key, text in profile.metadata.items()}
    metadata = {key: text for key, text in metadata.items() if key not in CATEGORY_METADATA}
    if merged.unknown:
        metadata["unknown_categories"] = json.dumps({str(id_): name for id_, name in merged.unknown.items()})
    origins = [
        {
            "name": source_profile.name,
            "format": source_profile.format,
            "path": source_profile.files,
            "revision": source_profile.revision,
        }
        for source_profile in profiles
    ]
    metadata["merged_from"] = json.dumps(origins, ensure_ascii=False)
    rules = {profile.raster_rule for profile in profiles}
    return replace(
        first,
        format="merged",
        files="",
        revision=None,
        taxonomy=merged.taxonomy,
        taxonomy_declared=all(profile.taxonomy_declared for profile in profiles),
        named_by_files=all(profile.named_by_files for profile in profiles),
        coverage=_common_policy([profile.coverage for profile in profiles], "sparse"),
        overlap=_common_policy([profile.overlap for profile in profiles], "allow"),
        raster_rule=first.raster_rule if len(rules) == 1 else "mask-native",
        sequences=sequences,
        metadata=metadata,
        places={},
    )


def _common_policy(policies: Sequence[Policy[Any]], weakest: str) -> Policy[Any]:  # Any: of either sort
    """The policy of all datasets; if they differ, the weakest."""
    same = all(policy.value == policies[0].value for policy in policies)
    return Policy(policies[0].value, all(policy.declared for policy in policies)) if same else Policy(weakest)


def _apply_maps(
    datasets: Sequence[OpenDataset], maps: Mapping[int, str | Path | TaxonomyMap]
) -> list[tuple[OpenDataset, Remap | None]]:
    """The datasets with taxonomy maps applied, and the maps, which count losses."""
    for number in maps:
        if not 0 <= number < len(datasets):
            raise SegdataError(f"taxonomy_maps: there is no dataset {number}, only 0 to {len(datasets) - 1}")
    return [
        with_taxonomy_map(dataset, maps[number]) if number in maps else (dataset, None)
        for number, dataset in enumerate(datasets)
    ]


def _remarks(
    names: Sequence[NewNames], moved: Sequence[dict[str, str]], labels: Sequence[str], apart: bool
) -> list[str]:
    """A line for each changed name."""
    remarks = []
    for new_names, sequences, label in zip(names, moved, labels, strict=True):
        for old, new in [] if apart else sorted(new_names.images.items()):
            reason = "in another split" if old in new_names.other_splits else "another picture"
            remarks.append(f"image {old!r} of {label} is {reason}: it is {new!r}")
        for annotator, new in sorted(new_names.annotators.items(), key=lambda item: item[0] or ""):
            who = "without an annotator" if annotator is None else f"by {annotator!r}"
            remarks.append(f"annotations {who} in {label} are by {new!r}")
        remarks += (
            [] if apart else [f"sequence {old!r} of {label} is {new!r}" for old, new in sorted(sequences.items())]
        )
    return remarks


def _map_losses(mapped: Sequence[tuple[OpenDataset, Remap | None]], labels: Sequence[str]) -> list[str]:
    """The categories that taxonomy maps dropped and joined."""
    lines = []
    for (_, remap), label in zip(mapped, labels, strict=True):
        losses = LossCounter()
        if remap is not None:
            remap.count(losses)
        lines += [f"{label}: {loss}" for loss in losses.listed()]
    return lines


@dataclass(frozen=True, slots=True)
class MergedDataset:
    """Several datasets as one."""

    dataset: OpenDataset  # all of them
    origin: str  # description of the merge
    n_shared: int  # images that several of them have
    _notes: tuple[str, ...]
    _mapped: Sequence[tuple[OpenDataset, Remap | None]]
    _labels: Sequence[str]

    def remarks(self) -> tuple[str, ...]:
        """A line for each renaming and, once the dataset was read, for each loss of taxonomy maps."""
        return (*self._notes, *_map_losses(self._mapped, self._labels))


def merge_datasets(
    datasets: Sequence[OpenDataset], maps: Mapping[int, str | Path | TaxonomyMap], *, apart: bool = False
) -> MergedDataset:
    """Several datasets as one; `maps` and `apart` as for `segdata.merge`.

    Raises SegdataError for fewer than two datasets, for different tasks, and for categories that cannot be one.
    """
    if len(datasets) < 2:
        raise SegdataError("merge needs two datasets or more")
    mapped = _apply_maps(datasets, maps)
    datasets = [dataset for dataset, _ in mapped]
    profiles = [dataset.profile for dataset in datasets]
    tasks = {profile.task: profile.files for profile in profiles}
    if len(tasks) > 1:
        listed = ", ".join(f"{files} is {task}" for task, files in tasks.items())
        raise SegdataError(f"datasets of different tasks cannot be merged: {listed}")
    taxonomy = merge_taxonomies(profiles)
    labels = _dataset_labels(profiles)
    splits = [split_of_file(Path(profile.files)) for profile in profiles]
    rows = [dataset.source_rows for dataset in datasets]
    sources = [_with_merged_ids(dataset, taxonomy, number).source for number, dataset in enumerate(datasets)]
    with image_limits():
        names = resolve_conflicts(sources, rows, labels, apart, splits)
    sequences, moved = _merge_sequences(profiles, labels, apart)
    parts = tuple(
        MergePart(
            source,
            _merged_rows(source.image_ids, own_rows, new_names),
            new_names.images,
            new_names.annotators,
            sequence_of,
            split,
        )
        for source, own_rows, new_names, sequence_of, split in zip(sources, rows, names, moved, splits, strict=True)
    )
    image_ids = sorted({name for part in parts for name in part.row_of})
    profile = _merged_profile(profiles, taxonomy, sequences)
    defects = [defect for source in sources for defect in source.defects]
    merged = MergedSource(profile, parts, image_ids, defects, sum(len(dataset.chunks()) for dataset in datasets))
    conflicts = (f"{conflict.files}: {conflict.message}" for conflict in mapping_conflicts(profiles))
    return MergedDataset(
        OpenDataset(merged, profile, Config()),
        origin=f"merged of {', '.join(labels)}",
        n_shared=sum(len(part.row_of) for part in parts) - len(image_ids),
        _notes=(*conflicts, *taxonomy.remarks, *_remarks(names, moved, labels, apart)),
        _mapped=mapped,
        _labels=labels,
    )


_TAXONOMY = "taxonomy.yaml"


def join_splits(reader: Format, request: ReadRequest, layout: SplitLayout) -> ChainedSource:
    """Join the splits of a dataset, read by `reader`, as one source, with the split of each image.

    An image is called by its path below the folder of its split, ``train/a.png``; where splits are files, by its own
    name, and below the name of its split if several have it. Categories are one by name; what names, ids and
    supercategories of the parts contradict is SEG202.
    """
    opened = [reader.read(_part_request(request, part)) for part in layout.parts]
    profiles = [
        replace(source.profile, files=relative_path(request.root, part.path))
        for source, part in zip(opened, layout.parts, strict=True)
    ]
    taxonomy = merge_taxonomies(profiles, strict=False)
    image_names = _image_names(request.root, layout.parts, opened)
    sequence_names = _sequence_names(layout.parts, profiles)
    sources = [
        SplitSource(
            source,
            part.split,
            _FileNames(request.root, part.path),
            images,
            sequences,
            _remap(taxonomy, number, profiles),
        )
        for number, (source, part, images, sequences) in enumerate(
            zip(opened, layout.parts, image_names, sequence_names, strict=True)
        )
    ]
    defects = [] if request.taxonomy is not None else _conflicts(profiles)
    defects += [_unread(request.root, path, reader.name) for path in layout.unread]
    profile = _joined_profile(request, profiles, taxonomy, sequence_names)
    if profile.provisional is not None:
        profile = replace(profile, provisional=sources[0].file_names.in_text(profile.provisional))
    return ChainedSource(profile, tuple(sources), tuple(defects))


def _part_request(request: ReadRequest, part: SplitPath) -> ReadRequest:
    """The request for one part; images may be in folders named as the parts."""
    images, taxonomy = request.images, request.taxonomy
    if part.path.is_dir():
        if images is not None and (images / part.path.name).is_dir():
            images = images / part.path.name
        if taxonomy is None and lexists(part.path / _TAXONOMY):
            taxonomy = load_taxonomy(part.path / _TAXONOMY)
    return replace(request, root=part.path, images=images, taxonomy=taxonomy)


def _image_names(root: Path, parts: Sequence[SplitPath], sources: Sequence[Source]) -> list[dict[str, str]]:
    """The images of each part that have another name in the whole, with that name."""
    count = Counter(name for source in sources for name in set(source.image_ids))
    names = []
    for part, source in zip(parts, sources, strict=True):
        folder = relative_path(root, part.path) if part.path.is_dir() else part.split
        moved = source.image_ids if part.path.is_dir() else [name for name in source.image_ids if count[name] > 1]
        names.append({name: f"{folder}/{name}" for name in moved})
    return names


def _sequence_names(parts: Sequence[SplitPath], profiles: Sequence[Profile]) -> list[dict[str, str]]:
    """The sequences of each part that have another name in the whole, because several parts use the name."""
    count = Counter(sequence.name for profile in profiles for sequence in profile.sequences)
    return [
        {one.name: f"{part.split}/{one.name}" for one in profile.sequences if count[one.name] > 1}
        for part, profile in zip(parts, profiles, strict=True)
    ]


def _remap(taxonomy: MergedTaxonomy, number: int, profiles: Sequence[Profile]) -> Remap | None:
    """The remapping of a part's category ids to those of the whole; None if they are equal."""
    ids = taxonomy.ids[number]
    if all(old == new for old, new in ids.known.items()) and not ids.taken - ids.known.keys():
        return None
    return Remap(ids, profiles[number].taxonomy, taxonomy.taxonomy, profiles[number].task)


def _conflicts(profiles: Sequence[Profile]) -> list[Defect]:
    """SEG202 for conflicts between the categories of the parts."""
    return [
        Defect("SEG202", conflict.message, conflict.files, category=conflict.category, severity=conflict.severity)
        for conflict in mapping_conflicts(profiles)
    ]


def _unread(root: Path, path: Path, format: str) -> Defect:
    message = f"is beside the splits and not read with them: it is not {format}, or its name tells no split"
    return Defect("SEG011", message, relative_path(root, path), severity="info")


def _joined_profile(
    request: ReadRequest, profiles: Sequence[Profile], taxonomy: MergedTaxonomy, names: Sequence[Mapping[str, str]]
) -> Profile:
    """The profile of the whole; facts common to all come from the first part."""
    first = profiles[0]
    sequences: list[ImageSequence] = [
        replace(sequence, name=moved.get(sequence.name, sequence.name))
        for profile, moved in zip(profiles, names, strict=True)
        for sequence in profile.sequences
    ]
    metadata = dict(first.metadata)
    if any(profile.taxonomy != first.taxonomy or profile.metadata != first.metadata for profile in profiles):
        unknown = {str(id_): name for id_, name in taxonomy.unknown.items()}
        metadata = {key: text for key, text in metadata.items() if key not in CATEGORY_METADATA}
        metadata |= {"unknown_categories": json.dumps(unknown, ensure_ascii=False)} if unknown else {}
    places: dict[str, str] = {}
    for profile in profiles:
        for what, place in profile.places.items():
            places[what] = f"{places[what]}, {place}" if what in places else place
    return replace(
        first,
        name=request.root.name,
        files=str(request.root),
        taxonomy=first.taxonomy if request.taxonomy is not None else taxonomy.taxonomy,
        sequences=tuple(sequences),
        metadata=metadata,
        places=places,
    )


@dataclass(frozen=True)
class _FileNames:
    """Converts file names of a part's reader to paths below the root of the whole."""

    root: Path
    part: Path
    known: dict[str, str] = field(default_factory=dict)

    @cached_property
    def namesakes(self) -> Namesakes:
        """All image files of the dataset; listed where one is missing."""
        return Namesakes(ImageFolder.below(self.root).paths)

    def __call__(self, name: str) -> str:
        """The name below the root; unchanged if the part has no such file."""
        if name not in self.known:
            folder = self.part if self.part.is_dir() else self.part.parent
            path = folder / name
            below = relative_path(self.root, path)
            self.known[name] = below if name and lexists(path) else name
        return self.known[name]

    def in_text(self, text: str) -> str:
        """A sentence with a command for the part changed to one for the whole."""
        command = "segdata init "
        return text.replace(command + shell_word(str(self.part)), command + shell_word(str(self.root)))

    def column(self, table: pa.Table) -> pa.Table:
        """A table with such names in its column `file`."""
        names = pc.unique(table["file"]).to_pylist()
        if all(name is None or self(name) == name for name in names):
            return table
        return replace_column(table, "file", [name and self(name) for name in table["file"].to_pylist()])


class SplitSource(WrappedSource, frozen=True, dict=True):
    """One part of a dataset, with the names, categories and split that it has in the whole."""

    split: str
    file_names: _FileNames
    image_of: Mapping[str, str]
    sequence_of: Mapping[str, str]
    remap: Remap | None

    @cached_property
    def image_ids(self) -> Sequence[str]:
        """The names in the whole."""
        return [self.image_of.get(name, name) for name in self.source.image_ids]

    @property
    def defects(self) -> Sequence[Defect]:
        """The defects of the part."""
        return [self._defect(defect) for defect in self.source.defects]

    def load(self, rows: Ints) -> Batch:
        """The part's batch with the names of the whole."""
        batch = self.source.load(np.asarray(rows, np.int64))
        batch = batch if self.remap is None else self.remap(batch)
        images = batch.images
        if self.image_of:
            names = images["image_id"].to_pylist()
            images = replace_column(images, "image_id", [self.image_of.get(name, name) for name in names])
        if self.sequence_of:
            sequences = images["sequence"].to_pylist()
            images = replace_column(images, "sequence", [self.sequence_of.get(name, name) for name in sequences])
        images = replace_column(images, "split", [self.split] * images.num_rows)
        return replace(
            batch,
            images=images,
            annotations=self.file_names.column(batch.annotations),
            segments=self.file_names.column(batch.segments),
            defects=tuple(self._defect(defect) for defect in batch.defects),
        )

    def _defect(self, defect: Defect) -> Defect:
        """A defect of the part with the file and image names of the whole."""
        image = None if defect.image is None else self.image_of.get(defect.image, defect.image)
        message = self.file_names.in_text(defect.message)
        if defect.code == "SEG002" and defect.image is not None and " of that name is in " not in message:
            message += self.file_names.namesakes.hint(defect.image, "an image")
        return replace(defect, message=message, file=defect.file and self.file_names(defect.file), image=image)
