"""Conflicts of a merge: images, annotators and categories that several datasets call by one name."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import msgspec
import numpy as np

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.format import Source
from segdata.core.paths import local_file
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category, Taxonomy

_AT_ONCE = 64  # images that are loaded together
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class ImageVersion:
    """An image as one dataset has it: its size (0: not known), its file, and a hash of each annotation."""

    size: tuple[int, int]
    sha256: str | None
    uri: str | None
    drawn: Mapping[str | None, str] = field(default_factory=dict)

    def is_other(self, than: "ImageVersion") -> bool:
        """Whether it is another picture: of another size, or its file has other bytes."""
        if 0 not in self.size and 0 not in than.size and self.size != than.size:
            return True
        if self.sha256 is not None and than.sha256 is not None:
            return self.sha256 != than.sha256
        if self.uri == than.uri:
            return False
        files = [local_file(version.uri) for version in (self, than)]
        existing = [path for path in files if path is not None and path.is_file()]
        return len(existing) == 2 and not _same_bytes(*existing)


@dataclass(frozen=True, slots=True)
class NewNames:
    """The names that the images and annotators of one dataset get in the whole, where they are others."""

    images: dict[str, str]
    annotators: dict[str | None, str]


def resolve_conflicts(
    sources: Sequence[Source], rows: Sequence[Ints], labels: Sequence[str], apart: bool
) -> list[NewNames]:
    """What of each dataset gets another name, so that nothing clashes.

    An image that an earlier dataset has by the same name, and that is another picture, goes below a folder with the
    `label` of its dataset; with `apart` all images do, of every dataset. An annotator whose annotation of an image is
    another one in an earlier dataset gets the label behind the name; unnamed ones get the label of their dataset as
    their name, in both. Equal annotations are one. `rows` are the images that belong to each dataset.
    """
    if apart:
        every = [
            [source.image_ids[row] for row in own_rows.tolist()] for source, own_rows in zip(sources, rows, strict=True)
        ]
        return [
            NewNames({name: f"{label}/{name}" for name in names}, {})
            for label, names in zip(labels, every, strict=True)
        ]
    places: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)  # image -> dataset and row
    for number, (source, own_rows) in enumerate(zip(sources, rows, strict=True)):
        for row in own_rows.tolist():
            places[source.image_ids[row]].append((number, row))
    shared = {
        name: occurrences for name, occurrences in places.items() if len({number for number, _ in occurrences}) > 1
    }
    names = [NewNames({}, {}) for _ in sources]
    clashes = _find_conflicts(sources, shared, labels, set(places), names)
    for number, other, annotator in sorted(clashes, key=lambda each: (each[0], each[1], each[2] or "")):
        if annotator is None:
            names[number].annotators[None], names[other].annotators[None] = labels[number], labels[other]
        else:
            names[number].annotators[annotator] = f"{annotator} ({labels[number]})"
    return names


def _find_conflicts(
    sources: Sequence[Source],
    shared: Mapping[str, list[tuple[int, int]]],
    labels: Sequence[str],
    taken: set[str],
    names: list[NewNames],
) -> set[tuple[int, int, str | None]]:
    """Find other names for images that are others; returns later and earlier dataset and annotator of each clash."""
    clashes = set()
    listed = sorted(shared)
    for begin in range(0, len(listed), _AT_ONCE):
        some = listed[begin : begin + _AT_ONCE]
        seen: dict[tuple[int, str], ImageVersion] = {}
        for number, source in enumerate(sources):
            row_of = {name: row for name in some for dataset, row in shared[name] if dataset == number}
            if row_of:
                batch = source.load(np.array(list(row_of.values()), np.int64))
                seen |= {(number, name): image_version for name, image_version in _image_versions(batch)}
        for name in some:
            earlier: list[int] = []
            for number in sorted({dataset for dataset, _ in shared[name]}):
                version = seen[number, name]
                if earlier and version.is_other(seen[earlier[0], name]):
                    names[number].images[name] = _free_name(f"{labels[number]}/{name}", taken)
                    continue
                clashes |= {
                    (number, other, annotator)
                    for other in earlier
                    for annotator, digest in version.drawn.items()
                    if seen[other, name].drawn.get(annotator, digest) != digest
                }
                earlier.append(number)
    return clashes


def _free_name(name: str, taken: set[str]) -> str:
    """`name`, or with a number where it is taken."""
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{number}/{name}", number + 1
    taken.add(candidate)
    return candidate


def _image_versions(batch: Batch) -> Iterator[tuple[str, ImageVersion]]:
    """Every image of a batch with a hash of each annotation: what is drawn, in whatever order."""
    images = batch.images.select(["image_id", "width", "height", "sha256", "uri"]).to_pylist()
    digests: list[dict[str | None, str]] = [{} for _ in images]
    offset = batch.runs.offsets(batch.n_segments)
    properties = batch.segments.select(["segment_id", "source_id", "category_id", "iscrowd", "track_id"]).to_pylist()
    segments: list[list[bytes]] = [[] for _ in range(batch.annotations.num_rows)]
    for row, annotation in enumerate(batch.segment_annotation.tolist()):
        span = slice(offset[row], offset[row + 1])
        pixels = batch.runs.start[span].tobytes() + batch.runs.length[span].tobytes()
        segments[annotation].append(repr(list(properties[row].values())).encode() + pixels)
    people = batch.annotations["annotator"].to_pylist()
    for image, annotator, contents in zip(batch.annotation_image.tolist(), people, segments, strict=True):
        digest = hashlib.blake2b(digest_size=16)
        for segment in sorted(contents):
            digest.update(len(segment).to_bytes(8, "little") + segment)
        digests[image][annotator] = digest.hexdigest()
    for image, image_digests in zip(images, digests, strict=True):
        size = (image["width"] or 0, image["height"] or 0)
        yield image["image_id"], ImageVersion(size, image["sha256"], image["uri"], image_digests)


def _same_bytes(a: Path, b: Path) -> bool:
    """Whether two files are equal."""
    if a.stat().st_size != b.stat().st_size:
        return False
    with a.open("rb") as first, b.open("rb") as other:
        while piece := first.read(_PIECE):
            if piece != other.read(_PIECE):
                return False
    return True


_ID_OFFSET = (
    2**40
)  # from ids that neither a taxonomy nor the data name, where another dataset has a category of that id


@dataclass(frozen=True, slots=True)
class CategoryIds(Mapping[int, int]):
    """What the category ids of one dataset become: those that are known, and any other, which stays if it is free."""

    known: Mapping[int, int]
    taken: frozenset[int]

    def __getitem__(self, id_: int) -> int:
        return self.known.get(id_, id_ if id_ not in self.taken else id_ + _ID_OFFSET)

    def __contains__(self, id_: object) -> bool:
        return isinstance(id_, int)

    def __iter__(self) -> Iterator[int]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)


@dataclass(frozen=True, slots=True)
class MergedTaxonomy:
    """One taxonomy for several datasets.

    Attributes
    ----------
    taxonomy : the categories of all
    ids : what the ids of each dataset become
    unknown : id -> name of the categories that only the data name
    remarks : what became of categories, a line each
    """

    taxonomy: Taxonomy
    ids: tuple[CategoryIds, ...]
    unknown: Mapping[int, str]
    remarks: tuple[str, ...]


def merge_taxonomies(profiles: Sequence[Profile]) -> MergedTaxonomy:
    """One taxonomy for these datasets: categories of one name, or an alias of it, are one; others are added.

    What the first says of a category counts. An id or a colour that is taken becomes another, or none. Raises
    SegdataError where two datasets mean different things by one name: another kind, or two categories that the other
    has as one.
    """
    merged = _TaxonomyMerger(profiles[0])
    new_ids = [merged.add(profile) for profile in profiles]
    taxonomy = merged.taxonomy()
    taken = frozenset({*taxonomy.by_id(), *merged.unknown.values()})
    names = {id_: name for name, id_ in merged.unknown.items()}
    return MergedTaxonomy(taxonomy, tuple(CategoryIds(ids, taken) for ids in new_ids), names, tuple(merged.remarks))


@dataclass
class _TaxonomyMerger:
    """The categories so far, and where each is from."""

    first: Profile
    categories: dict[str, Category] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str | None] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def taxonomy(self) -> Taxonomy:
        """The categories of all, with what the first taxonomy says of the whole."""
        first = msgspec.structs.replace(self.first.taxonomy, groups=self.groups)
        return msgspec.structs.replace(first, categories=tuple(self.categories.values()))

    def add(self, profile: Profile) -> dict[int, int]:
        """Add the categories of a dataset; returns what its ids become."""
        joined: dict[str, str] = {}  # name here -> name there
        ids: dict[int, int] = {}
        for category in profile.taxonomy.categories:
            if category.id in ids:
                continue  # a broken taxonomy: the first of an id is the category
            name = self._same(category, profile)
            if name in joined:
                self._conflict(
                    name, profile, f"{joined[name]!r} and {category.name!r} are two categories in {profile.files}"
                )
            if name is None:
                name = self._new(category, profile)
            joined[name] = category.name
            ids[category.id] = self.categories[name].id
        for id_, name in profile.unknown_names.items():
            ids[id_] = self._named(id_, name)
        for group, parent in profile.taxonomy.groups.items():
            self.groups.setdefault(group, parent)
        return ids

    def _same(self, category: Category, profile: Profile) -> str | None:
        """The name of the category that this one is; None where there is none yet."""
        matches = [category.name] if category.name in self.categories else []
        matches = matches or [name for name, other in self.categories.items() if category.name in other.aliases]
        matches = matches or [name for name in category.aliases if name in self.categories]
        if len(matches) > 1:
            self._conflict(matches[0], profile, f"{category.name!r} in {profile.files} stands for both {matches}")
        if not matches:
            return None
        existing = self.categories[matches[0]]
        if existing.kind != category.kind:
            self._conflict(matches[0], profile, f"it is {existing.kind} there, {category.kind} in {profile.files}")
        if existing.name != category.name:
            more = (category.name,) if category.name not in existing.aliases else ()
            self.categories[existing.name] = msgspec.structs.replace(existing, aliases=(*existing.aliases, *more))
            self.remarks.append(f"{category.name!r} of {profile.name} is {existing.name!r}")
        return existing.name

    def _new(self, category: Category, profile: Profile) -> str:
        """Add a category; its id and colour are its own if they are free."""
        used = {other.id for other in self.categories.values()} | set(self.unknown.values())
        unlabelled = self.first.taxonomy.unlabelled_id
        if unlabelled is not None and profile is not self.first:
            used.add(unlabelled)
        id_ = category.id if category.id not in used else next(n for n in range(1, len(used) + 2) if n not in used)
        if id_ != category.id:
            self.remarks.append(f"{category.name!r} of {profile.name} has id {id_}, its own {category.id} is taken")
        colours = {other.rgb for other in self.categories.values()} - {None}
        taken = category.rgb in colours and profile is not self.first
        if taken:
            self.remarks.append(f"{category.name!r} of {profile.name} has no colour, its own is taken")
        colour = None if taken else category.color
        self.categories[category.name] = msgspec.structs.replace(category, id=id_, color=colour)
        self.origin[category.name] = profile.files
        return category.name

    def _named(self, id_: int, name: str) -> int:
        """The id of a category that only the data name."""
        if name in self.categories:
            return self.categories[name].id
        used = {other.id for other in self.categories.values()} | set(self.unknown.values())
        free = id_ if id_ not in used else max(used) + 1
        return self.unknown.setdefault(name, free)

    def _conflict(self, name: str | None, profile: Profile, what: str) -> NoReturn:
        """Raise the error that names both datasets."""
        raise SegdataError(
            f"category {name!r} of {self.origin.get(str(name), self.first.files)}: {what}; "
            f"give its categories other names: --taxonomy-map {profile.files}=MAP"
        )
