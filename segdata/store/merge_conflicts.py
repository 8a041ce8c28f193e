"""Conflicts of a merge: images, annotators and categories with equal names in several datasets."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError, count_noun
from segdata.core.format import Source
from segdata.core.paths import local_file
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category, Taxonomy

_IMAGES_PER_CHUNK = 64
_BLOCK_BYTES = 1 << 20


class ImageVersion(msgspec.Struct, frozen=True):
    """An image as one dataset has it: its size (0: not known), its file, its split, and a hash of each annotation."""

    size: tuple[int, int]
    sha256: str | None
    uri: str | None
    split: str | None = None
    drawn: Mapping[str | None, str] = {}

    def is_other(self, than: "ImageVersion") -> bool:
        """Whether it is a different image: of another size or split, or with another file content."""
        if None not in (self.split, than.split) and self.split != than.split:
            return True
        if 0 not in self.size and 0 not in than.size and self.size != than.size:
            return True
        if self.sha256 is not None and than.sha256 is not None:
            return self.sha256 != than.sha256
        if self.uri == than.uri:
            return False
        files = [local_file(version.uri) for version in (self, than)]
        existing = [path for path in files if path is not None and path.is_file()]
        return len(existing) == 2 and not _same_bytes(*existing)


class NewNames(msgspec.Struct, frozen=True):
    """The new names of images and annotators of one dataset."""

    images: dict[str, str]
    annotators: dict[str | None, str]
    other_splits: set[str] = set()  # of the images those that another split has by the same name


def resolve_conflicts(
    sources: Sequence[Source],
    rows: Sequence[Ints],
    labels: Sequence[str],
    apart: bool,
    splits: Sequence[str | None] | None = None,
) -> list[NewNames]:
    """Choose new names for conflicts between datasets.

    An image that an earlier dataset has by the same name, and that is another picture or in another split, goes below a
    folder with the `label` of its dataset, or its split; `splits` are those of datasets whose images name none. With
    `apart` all images do, of every dataset. An annotator whose annotation of an image is
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
    clashes = _find_conflicts(sources, shared, labels, splits or [None] * len(sources), set(places), names)
    for number, other, annotator in sorted(clashes, key=lambda clash: (clash[0], clash[1], clash[2] or "")):
        if annotator is None:
            names[number].annotators[None], names[other].annotators[None] = labels[number], labels[other]
        else:
            names[number].annotators[annotator] = f"{annotator} ({labels[number]})"
    return names


def _find_conflicts(
    sources: Sequence[Source],
    shared: Mapping[str, list[tuple[int, int]]],
    labels: Sequence[str],
    splits: Sequence[str | None],
    taken: set[str],
    names: list[NewNames],
) -> set[tuple[int, int, str | None]]:
    """Rename different images of equal names; returns later and earlier dataset and annotator of each conflict."""
    clashes = set()
    listed = sorted(shared)
    for begin in range(0, len(listed), _IMAGES_PER_CHUNK):
        some = listed[begin : begin + _IMAGES_PER_CHUNK]
        seen: dict[tuple[int, str], ImageVersion] = {}
        for number, source in enumerate(sources):
            row_of = {name: row for name in some for dataset, row in shared[name] if dataset == number}
            if row_of:
                batch = source.load(np.array(list(row_of.values()), np.int64))
                seen |= {
                    (number, name): image_version for name, image_version in _image_versions(batch, splits[number])
                }
        for name in some:
            earlier: list[int] = []
            for number in sorted({dataset for dataset, _ in shared[name]}):
                version = seen[number, name]
                if earlier and version.is_other(seen[earlier[0], name]):
                    in_other_split = version.split is not None and version.split != seen[earlier[0], name].split
                    folder = version.split if in_other_split else labels[number]
                    names[number].images[name] = _free_name(f"{folder}/{name}", taken)
                    names[number].other_splits.update([name] if in_other_split else [])
                    continue
                clashes |= {
                    (number, other, annotator)
                    for other in earlier
                    for annotator, digest in version.drawn.items()
                    if seen[other, name].drawn.get(annotator, digest) != digest
                }
                earlier.append(number)
    return clashes


def _free_name(name: str, taken_names: set[str]) -> str:
    """`name`, with a number if it is taken."""
    candidate, number = name, 2
    while candidate in taken_names:
        candidate, number = f"{number}/{name}", number + 1
    taken_names.add(candidate)
    return candidate


def _image_versions(batch: Batch, split: str | None) -> Iterator[tuple[str, ImageVersion]]:
    """The versions of a batch's images, with a hash of each annotation that ignores the order of segments.

    `split`: of images that name none.
    """
    images = batch.images.select(["image_id", "width", "height", "sha256", "uri", "split"]).to_pylist()
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
        yield (
            image["image_id"],
            ImageVersion(size, image["sha256"], image["uri"], image["split"] or split, image_digests),
        )


def _same_bytes(a: Path, b: Path) -> bool:
    """Whether two files are equal."""
    if a.stat().st_size != b.stat().st_size:
        return False
    with a.open("rb") as first, b.open("rb") as other:
        while piece := first.read(_BLOCK_BYTES):
            if piece != other.read(_BLOCK_BYTES):
                return False
    return True


# from ids that neither a taxonomy nor the data name, where another dataset has a category of that id
_ID_OFFSET = 2**40


@dataclass(frozen=True, slots=True)
class CategoryIds(Mapping[int, int]):
    """The new category ids of one dataset; unknown ids stay if they are free."""

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


class MergedTaxonomy(msgspec.Struct, frozen=True):
    """One taxonomy for several datasets."""

    taxonomy: Taxonomy  # the categories of all
    ids: tuple[CategoryIds, ...]  # what the ids of each dataset become
    unknown: Mapping[int, str]  # id -> name of the categories that only the data name
    remarks: tuple[str, ...]  # what became of categories, a line each


def merge_taxonomies(profiles: Sequence[Profile], *, strict: bool = True) -> MergedTaxonomy:
    """Merge taxonomies: categories with equal names or aliases become one, others are added.

    The first dataset defines a category. Taken ids are replaced, taken colours dropped. Raises SegdataError if a name
    means different things: another kind, or two categories that the other dataset has as one; without `strict` they
    become one category.
    """
    merged = _TaxonomyMerger(profiles[0], strict)
    new_ids = [merged.add(profile) for profile in profiles]
    # A later dataset may have a category that an earlier one only names.
    late = {merged.unknown.pop(name): merged.categories[name].id for name in merged.categories.keys() & merged.unknown}
    new_ids = [{old: late.get(new, new) for old, new in ids.items()} for ids in new_ids]
    taxonomy = merged.taxonomy()
    taken_ids = frozenset({*taxonomy.by_id(), *merged.unknown.values()})
    names = {id_: name for name, id_ in merged.unknown.items()}
    return MergedTaxonomy(
        taxonomy, tuple(CategoryIds(ids, taken_ids) for ids in new_ids), names, tuple(merged.all_remarks())
    )


class _TaxonomyMerger(msgspec.Struct):
    """The merged categories so far, and the dataset of each."""

    first: Profile
    strict: bool = True
    categories: dict[str, Category] = {}
    origin: dict[str, str] = {}
    groups: dict[str, str | None] = {}
    unknown: dict[str, int] = {}
    remarks: list[str] = []
    new_ids: dict[str, list[str]] = {}

    def taxonomy(self) -> Taxonomy:
        """The categories of all datasets; the rest is as in the first taxonomy."""
        first = msgspec.structs.replace(self.first.taxonomy, groups=self.groups)
        return msgspec.structs.replace(first, categories=tuple(self.categories.values()))

    def all_remarks(self) -> list[str]:
        """The remarks, and one for each dataset with renumbered categories."""
        moved = []
        for name, ids in self.new_ids.items():
            have = "has a new id, since its own is" if len(ids) == 1 else "have new ids, since theirs are"
            moved.append(f"{count_noun(len(ids), 'category')} of {name} {have} in use: {', '.join(ids)}")
        return [*self.remarks, *moved]

    def add(self, profile: Profile) -> dict[int, int]:
        """Add the categories of a dataset; returns how its ids are mapped."""
        joined: dict[str, str] = {}  # name here -> name there
        ids: dict[int, int] = {}
        for category in profile.taxonomy.categories:
            if category.id in ids:
                continue  # a broken taxonomy: the first of an id is the category
            name = self._matching_name(category, profile)
            if name in joined:
                self._conflict(
                    name, profile, f"{joined[name]!r} and {category.name!r} are two categories in {profile.files}"
                )
            if name is None:
                name = self._new(category, profile)
            joined[name] = category.name
            ids[category.id] = self.categories[name].id
        for id_, name in profile.unknown_names.items():
            ids[id_] = self._id_for_name(id_, name)
        for group, parent in profile.taxonomy.groups.items():
            self.groups.setdefault(group, parent)
        return ids

    def _matching_name(self, category: Category, profile: Profile) -> str | None:
        """The name of the merged category that equals this one; None if there is none."""
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
        """Add a category; it keeps its id and colour if they are free."""
        used = {other.id for other in self.categories.values()} | set(self.unknown.values())
        unlabelled = self.first.taxonomy.unlabelled_id
        if unlabelled is not None and profile is not self.first:
            used.add(unlabelled)
        id_ = category.id if category.id not in used else next(n for n in range(1, len(used) + 2) if n not in used)
        if id_ != category.id:
            self.new_ids.setdefault(profile.name, []).append(f"{category.name!r} {id_} (was {category.id})")
        colours = {other.rgb for other in self.categories.values()} - {None}
        is_color_taken = category.rgb in colours and profile is not self.first
        if is_color_taken:
            self.remarks.append(f"{category.name!r} of {profile.name} has no colour, since its own is taken")
        colour = None if is_color_taken else category.color
        self.categories[category.name] = msgspec.structs.replace(category, id=id_, color=colour)
        self.origin[category.name] = profile.files
        return category.name

    def _id_for_name(self, id_: int, name: str) -> int:
        """The id of a category that only the data name."""
        if name in self.categories:
            return self.categories[name].id
        used = {other.id for other in self.categories.values()} | set(self.unknown.values())
        free = id_ if id_ not in used else max(used) + 1
        return self.unknown.setdefault(name, free)

    def _conflict(self, name: str | None, profile: Profile, what: str) -> None:
        """Raise the error that names both datasets."""
        if not self.strict:
            return
        raise SegdataError(
            f"category {name!r} of {self.origin.get(str(name), self.first.files)}: {what}; "
            f"give its categories other names: --taxonomy-map {profile.files}=MAP"
        )


class MappingConflict(msgspec.Struct, frozen=True):
    """A category whose meaning in one dataset contradicts an earlier one."""

    message: str
    files: str  # of the later dataset
    category: str | None
    severity: Literal["error", "warning"]


_MAX_NAMED = 3  # categories that a message names


def mapping_conflicts(profiles: Sequence[Profile]) -> list[MappingConflict]:
    """Contradictions between several datasets about the names, ids and supercategories of their categories.

    Each dataset is compared with the first that has a category of the name, or the id: ids that two categories have
    exchanged, an id with another name, supercategories that are others, and names that differ in case or spaces alone.
    """
    conflicts: list[MappingConflict] = []
    for number, profile in enumerate(profiles):
        for earlier in profiles[:number]:
            contradictions = [
                *_id_conflicts(profile, earlier),
                *_parent_conflicts(profile, earlier),
                *_kind_conflicts(profile, earlier),
                *_spelling_conflicts(profile, earlier),
            ]
            conflicts += contradictions
            if contradictions:
                break
    return conflicts


def _id_conflicts(here: Profile, there: Profile) -> Iterator[MappingConflict]:
    """Conflicts of ids: exchanged, taken by another category, or moved."""
    own, other = _ids_by_name(here.taxonomy), _ids_by_name(there.taxonomy)
    names, other_names = here.taxonomy.by_id(), there.taxonomy.by_id()
    moved = [name for name in own if name in other and own[name] != other[name]]
    exchanged = [
        (name, partner.name)
        for name in moved
        if (partner := names.get(other[name])) is not None
        and other.get(partner.name) == own[name]
        and own[name] < own[partner.name]
    ]
    for name, partner_name in exchanged:
        message = (
            f"{name!r} and {partner_name!r} have exchanged their ids: {own[name]} and {own[partner_name]} here, "
            f"{other[name]} and {other[partner_name]} in {there.files}; names decide"
        )
        yield MappingConflict(message, here.files, name, "error")
    done = {name for pair in exchanged for name in pair}
    conflicts = [
        f"{id_} is {category.name!r} here and {other_names[id_].name!r} in {there.files}"
        for id_, category in names.items()
        if id_ in other_names
        and category.name not in done
        and other_names[id_].name not in done
        and not _same_name(category, other_names[id_])
    ]
    if conflicts:
        message = f"one id means two categories: {_join_texts(conflicts)}; names decide"
        yield MappingConflict(message, here.files, None, "error")
        return
    apart = [f"{name!r} is {own[name]} here and {other[name]} in {there.files}" for name in moved if name not in done]
    if apart:
        yield MappingConflict(
            f"categories have other ids: {_join_texts(apart)}; names decide", here.files, None, "warning"
        )


def _parent_conflicts(here: Profile, there: Profile) -> Iterator[MappingConflict]:
    """Categories with another supercategory."""
    others = there.taxonomy.by_name()
    apart = [
        (category.name, f"{category.name!r} is of {category.parent!r} here, of {others[category.name].parent!r} there")
        for category in here.taxonomy.categories
        if category.name in others and category.parent != others[category.name].parent
    ]
    if apart:
        message = f"supercategories differ from those in {there.files}: {_join_texts([text for _, text in apart])}"
        only = apart[0][0] if len(apart) == 1 else None
        yield MappingConflict(f"{message}; those of the first count", here.files, only, "warning")


def _kind_conflicts(here: Profile, there: Profile) -> Iterator[MappingConflict]:
    """Categories of another kind."""
    others = there.taxonomy.by_name()
    for category in here.taxonomy.categories:
        other = others.get(category.name)
        if other is not None and other.kind != category.kind:
            message = f"{category.name!r} is {category.kind} here, {other.kind} in {there.files}; the first counts"
            yield MappingConflict(message, here.files, category.name, "error")


def _spelling_conflicts(here: Profile, there: Profile) -> Iterator[MappingConflict]:
    """Names that only one of two datasets has and that differ from one of the other by case or spaces."""
    own, other = _ids_by_name(here.taxonomy), _ids_by_name(there.taxonomy)
    alike = {_plain_name(name): name for name in other if name not in own}
    for name in own:
        partner = alike.get(_plain_name(name))
        if name not in other and partner is not None:
            message = (
                f"{name!r} here and {partner!r} in {there.files} differ only in case or spaces; they are read as two "
                "categories"
            )
            yield MappingConflict(message, here.files, name, "warning")


def _ids_by_name(taxonomy: Taxonomy) -> dict[str, int]:
    """Name -> id; the first if a name occurs twice."""
    ids: dict[str, int] = {}
    for category in taxonomy.categories:
        ids.setdefault(category.name, category.id)
    return ids


def _same_name(a: Category, b: Category) -> bool:
    """Whether two categories are the same by name, alias, or except for case and spaces."""
    return _plain_name(a.name) == _plain_name(b.name) or a.name in b.aliases or b.name in a.aliases


def _plain_name(name: str) -> str:
    """A name without case, spaces, underscores and hyphens."""
    return re.sub(r"[\s_-]+", "", name).casefold()


def _join_texts(texts: Sequence[str]) -> str:
    more = f" (and {len(texts) - _MAX_NAMED} more)" if len(texts) > _MAX_NAMED else ""
    return "; ".join(texts[:_MAX_NAMED]) + more
