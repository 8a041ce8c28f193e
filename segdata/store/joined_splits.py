"""Joined splits: one dataset of the folders or files that hold a split each."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from os.path import lexists
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdata.core.batch import Batch, replace_column
from segdata.core.finding import Defect
from segdata.core.format import Format, ReadRequest, Source
from segdata.core.profile import ImageSequence, Profile
from segdata.core.runs import Ints
from segdata.core.taxonomy import load_taxonomy
from segdata.formats.shared.derived_sources import ChainedSource
from segdata.formats.shared.file_names import Namesakes
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.per_image import relative_path
from segdata.formats.split_parts import SplitLayout, SplitPart
from segdata.store.merge_conflicts import MergedTaxonomy, mapping_conflicts, merge_taxonomies
from segdata.store.remap import CATEGORY_METADATA, Remap

_TAXONOMY = "taxonomy.yaml"


def join_splits(chosen: Format, request: ReadRequest, layout: SplitLayout) -> ChainedSource:
    """The parts of a dataset as one source, read by `chosen`, with the split of each image.

    An image is called by its path below the folder of its split, ``train/a.png``; where splits are files, by its own
    name, and below the name of its split if several have it. Categories are one by name; what names, ids and
    supercategories of the parts contradict is SEG202.
    """
    opened = [chosen.read(_part_request(request, part)) for part in layout.parts]
    profiles = [
        replace(source.profile, files=relative_path(request.root, part.path))
        for source, part in zip(opened, layout.parts, strict=True)
    ]
    taxonomy = merge_taxonomies(profiles, strict=False)
    image_names = _image_names(request.root, layout.parts, opened)
    sequence_names = _sequence_names(layout.parts, profiles)
    sources = [
        _PartSource(
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
    defects += [_unread(request.root, path, chosen.name) for path in layout.unread]
    profile = _joined_profile(request, profiles, taxonomy, sequence_names)
    return ChainedSource(profile, tuple(sources), tuple(defects))


def _part_request(request: ReadRequest, part: SplitPart) -> ReadRequest:
    """The request for one part; images may be in folders that are called as the parts."""
    images, taxonomy = request.images, request.taxonomy
    if part.path.is_dir():
        if images is not None and (images / part.path.name).is_dir():
            images = images / part.path.name
        if taxonomy is None and lexists(part.path / _TAXONOMY):
            taxonomy = load_taxonomy(part.path / _TAXONOMY)
    return replace(request, root=part.path, images=images, taxonomy=taxonomy)


def _image_names(root: Path, parts: Sequence[SplitPart], sources: Sequence[Source]) -> list[dict[str, str]]:
    """What the images of each part are called in the whole, where that is another name."""
    count = Counter(name for source in sources for name in set(source.image_ids))
    names = []
    for part, source in zip(parts, sources, strict=True):
        folder = relative_path(root, part.path) if part.path.is_dir() else part.split
        moved = source.image_ids if part.path.is_dir() else [name for name in source.image_ids if count[name] > 1]
        names.append({name: f"{folder}/{name}" for name in moved})
    return names


def _sequence_names(parts: Sequence[SplitPart], profiles: Sequence[Profile]) -> list[dict[str, str]]:
    """What the sequences of each part are called in the whole, where several parts have one of that name."""
    count = Counter(sequence.name for profile in profiles for sequence in profile.sequences)
    return [
        {one.name: f"{part.split}/{one.name}" for one in profile.sequences if count[one.name] > 1}
        for part, profile in zip(parts, profiles, strict=True)
    ]


def _remap(taxonomy: MergedTaxonomy, number: int, profiles: Sequence[Profile]) -> Remap | None:
    """What gives the segments of a part the category ids of the whole; None where they have them."""
    ids = taxonomy.ids[number]
    if all(old == new for old, new in ids.known.items()) and not ids.taken - ids.known.keys():
        return None
    return Remap(ids, profiles[number].taxonomy, taxonomy.taxonomy, profiles[number].task)


def _conflicts(profiles: Sequence[Profile]) -> list[Defect]:
    """SEG202 for what categories mean in one part, and do not in another."""
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
    """What is known of the whole; the first part tells what all have in common."""
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
    """The files that a part's reader names, as paths below the root of the whole."""

    root: Path
    part: Path
    known: dict[str, str] = field(default_factory=dict)

    @cached_property
    def namesakes(self) -> Namesakes:
        """All image files of the dataset; listed where one is missing."""
        return Namesakes(ImageFolder.below(self.root).paths)

    def __call__(self, name: str) -> str:
        """The name below the root; as it is where no file of the part has it."""
        if name not in self.known:
            folder = self.part if self.part.is_dir() else self.part.parent
            path = folder / name
            below = relative_path(self.root, path)
            self.known[name] = below if name and lexists(path) else name
        return self.known[name]

    def column(self, table: pa.Table) -> pa.Table:
        """A table with such names in its column `file`."""
        names = pc.unique(table["file"]).to_pylist()
        if all(name is None or self(name) == name for name in names):
            return table
        return replace_column(table, "file", [name and self(name) for name in table["file"].to_pylist()])


class _PartSource(msgspec.Struct, frozen=True):
    """One part of a dataset with the names, categories and the split that it has in the whole."""

    source: Source
    split: str
    file_names: _FileNames
    image_of: Mapping[str, str]
    sequence_of: Mapping[str, str]
    remap: Remap | None

    @property
    def profile(self) -> Profile:
        """As the part's."""
        return self.source.profile

    @property
    def image_ids(self) -> Sequence[str]:
        """The names in the whole."""
        return [self.image_of.get(name, name) for name in self.source.image_ids]

    @property
    def defects(self) -> Sequence[Defect]:
        """Those of the part."""
        return [self._defect(defect) for defect in self.source.defects]

    @property
    def files(self) -> Callable[[int], Sequence[Path]] | None:
        """As the part's; None where it has no such method."""
        return getattr(self.source, "files", None)

    def chunks(self) -> list[Ints]:
        """As the part's."""
        return self.source.chunks()

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
        """A defect of the part with the file and the image as they are called in the whole."""
        image = None if defect.image is None else self.image_of.get(defect.image, defect.image)
        message = defect.message
        if defect.code == "SEG002" and defect.image is not None and " of that name is in " not in message:
            message += self.file_names.namesakes.hint(defect.image, "an image")
        return replace(defect, message=message, file=defect.file and self.file_names(defect.file), image=image)
