"""Remap: change the categories of segments by a map."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdata.core import yaml_files
from segdata.core.batch import Batch, replace_column
from segdata.core.config import did_you_mean
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError, list_names
from segdata.core.losses import AffectedItems, LossCounter
from segdata.core.overlay import SweepRuns, union_by_frame
from segdata.core.profile import Task
from segdata.core.runs import Ints, NumberLine, number_groups
from segdata.core.taxonomy import Category, CategoryKind, Taxonomy, load_taxonomy
from segdata.formats.shared.derived_sources import AlteredSource

_DROPPED_COLUMNS = ("rings", "declared_area", "declared_bbox")  # invalid after joining segments
CATEGORY_METADATA = ("unknown_categories", "aliases_used", "category_keys")  # metadata that names categories by id
_DROPPED = int(np.iinfo(np.int64).min)


class Remap(msgspec.Struct):
    """Applies a category map, batch by batch."""

    to: Mapping[int, int | None]  # old category id -> new one; None: such segments are dropped
    old: Taxonomy  # the taxonomy before
    new: Taxonomy  # the taxonomy after
    task: Task  # in semantic data, and of stuff, segments that get one category are joined in each annotation
    # image_id -> losses there: kind, number, pixels; an image that is loaded twice counts once
    lost: dict[str, list[tuple[str, int, int]]] = {}

    def __call__(self, batch: Batch) -> Batch:
        """The batch with its new categories. Raises SegdataError for a category that the map does not know."""
        before = batch.segment_category
        after = self._map_ids(before)
        kept = np.flatnonzero(after != _DROPPED)
        kept_batch = batch.take_segments(kept)
        owner = self._groups(kept_batch.segment_annotation.astype(np.int64), before[kept], after[kept])
        first = np.unique(owner, return_index=True)[1]
        things = self._of_kind(self.old, "thing", before[kept]) & (self.task != "semantic")
        joined = things & (np.bincount(owner, minlength=1)[owner] > 1)
        self._count(batch, {"dropped segments": np.flatnonzero(after == _DROPPED), "joined things": kept[joined]})
        return self._relabel(_join_segments(kept_batch, owner, first), before[kept][first], after[kept][first])

    def count(self, losses: LossCounter) -> None:
        """Count what was dropped and joined, over all images."""
        for image_id in sorted(self.lost):
            for what, n, pixels in self.lost[image_id]:
                losses.add("mapped", what, n, pixels, AffectedItems([image_id], [image_id]))

    def _map_ids(self, before: Ints) -> Ints:
        """(n,) the new category ids; `_DROPPED` for dropped segments."""
        ids, inverse = np.unique(before, return_inverse=True)
        for id_ in ids.tolist():
            if id_ not in self.to:
                raise SegdataError(f"segments have the category id {id_}, which no category of the data has")
        new = [_DROPPED if (to := self.to[id_]) is None else to for id_ in ids.tolist()]
        return np.array(new, np.int64)[inverse]

    def _groups(self, annotation: Ints, before: Ints, after: Ints) -> Ints:
        """(n,) the group of each segment that becomes one, numbered by first occurrence."""
        n = len(after)
        joins = (self.task == "semantic") | self._of_kind(self.new, "stuff", after)
        _, group = np.unique(np.stack([annotation, after]), axis=1, return_inverse=True)
        origin = np.zeros(n, np.int64)  # (n,) an old category of each group
        origin[group] = before
        mixed = np.zeros(n, bool)
        mixed[group[before != origin[group]]] = True
        if self.task != "semantic":
            mixed[group[self._of_kind(self.old, "thing", before)]] = True
        key = np.where(joins & mixed[group], group, n + np.arange(n))
        return number_groups(key)[1]

    def _relabel(self, batch: Batch, before: Ints, after: Ints) -> Batch:
        """The batch with new category ids, also secondary ones; in semantic data a segment's id is its category's."""
        segments = replace_column(batch.segments, "category_id", after)
        if segments["also"].null_count < len(segments):
            also = [
                [new for old in secondary or () if (new := self.to.get(old, old)) is not None] or None
                for secondary in segments["also"].to_pylist()
            ]
            segments = replace_column(segments, "also", also)
        if self.task == "semantic":
            ids = segments["segment_id"].to_numpy()
            segments = replace_column(segments, "segment_id", np.where(ids == before, after, ids))
        return replace(batch, segments=segments)

    def _count(self, batch: Batch, rows: dict[str, Ints]) -> None:
        """Record the segments and pixels of each loss, by image."""
        n_images, areas = batch.images.num_rows, batch.runs.areas(batch.n_segments)
        counts: dict[int, list[tuple[str, int, int]]] = {}
        for what, lost in rows.items():
            image = batch.segment_image[lost]
            n = np.bincount(image, minlength=n_images)
            pixels = np.bincount(image, weights=areas[lost], minlength=n_images).astype(np.int64)
            for row in np.flatnonzero(n).tolist():
                counts.setdefault(row, []).append((what, int(n[row]), int(pixels[row])))
        for row, image_losses in counts.items():
            self.lost[batch.images["image_id"][row].as_py()] = image_losses

    @staticmethod
    def _of_kind(taxonomy: Taxonomy, kind: CategoryKind, ids: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return np.isin(ids, [id_ for id_, category in taxonomy.by_id().items() if category.kind == kind])


def _join_segments(batch: Batch, owner: Ints, first: Ints) -> Batch:
    """The batch with the segments of each group as one: the first one's row, the pixels of all."""
    if len(first) == batch.n_segments:
        return batch
    height, width = batch.segment_size
    line = NumberLine.from_sizes(height[first], width[first])
    runs = union_by_frame(SweepRuns.from_runs(batch.runs, line, owner), line).runs
    segments = batch.segments.take(pa.array(first))
    alone = pa.array(np.bincount(owner) == 1)
    for name in _DROPPED_COLUMNS:
        kept = pc.if_else(alone, segments[name].combine_chunks(), pa.scalar(None, segments[name].type))
        segments = replace_column(segments, name, kept)
    return replace(batch, segments=segments, runs=runs)


MapTarget = str | tuple[str, ...] | None


class TaxonomyMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A map from old category names to new ones, as in its file.

    `categories`: old name -> new name; null drops its segments; a list is undecided: a person must choose.
    `taxonomy`: the file of the new taxonomy, relative to the map's folder. Without it, categories keep their fields
    under their new names, and unnamed categories stay unchanged.
    """

    taxonomy: str | None = None
    categories: dict[str, MapTarget]


def load_map(path: Path) -> tuple[TaxonomyMap, Taxonomy | None]:
    """Load a map and its taxonomy; raises SegdataError with file, line and the nearest known name."""
    category_map, lines = yaml_files.parse_yaml_with_lines(yaml_files.read_utf8(path), TaxonomyMap, str(path))
    if category_map.taxonomy is None:
        return category_map, None
    new = load_taxonomy(path.absolute().parent / category_map.taxonomy)
    names = [category.name for category in new.categories]
    for old, target in category_map.categories.items():
        for name in (target,) if isinstance(target, str) else target or ():
            if name not in names:
                line = lines.line_of("categories", old) or 1
                raise SegdataError(
                    f"{path}:{line}: {category_map.taxonomy} has no category {name!r}{did_you_mean(name, names)}"
                )
    return category_map, new


def dump_map(migration: Mapping[str, MapTarget], taxonomy: str | None) -> str:
    """The YAML text of a map, undecided categories first."""
    undecided = {old: list(new) for old, new in migration.items() if isinstance(new, tuple)}
    lines = ["# old category: new category; null drops its segments (they are counted)."]
    lines += [] if taxonomy is None else [yaml_files.dump_yaml_line({"taxonomy": taxonomy})[1:-1]]
    lines.append("categories:" if migration else "categories: {}")
    if undecided:
        lines.append("  # Undecided: put one name in place of each list. Where segments differ, divide them first.")
    decided = {old: new for old, new in migration.items() if not isinstance(new, tuple)}
    lines += ["  " + yaml_files.dump_yaml_line({old: new})[1:-1] for old, new in (*undecided.items(), *decided.items())]
    return "\n".join(lines) + "\n"


def resolve_map(category_map: TaxonomyMap, names_in_data: list[str], complete: bool) -> dict[str, str | None]:
    """Every category in `names_in_data` with its new name, None: dropped.

    `complete`: the map must name them all; otherwise, unnamed categories keep their names. Raises SegdataError that
    lists unknown, undecided or missing names.
    """
    unknown = [name for name in category_map.categories if name not in names_in_data]
    if unknown:
        hint = did_you_mean(unknown[0], names_in_data) if len(unknown) == 1 else ""
        raise SegdataError(f"the data do not have these categories: {list_names(unknown, 8)}{hint}")
    undecided = [
        f"{old} ({' or '.join(new)})" for old, new in category_map.categories.items() if isinstance(new, tuple)
    ]
    if undecided:
        raise SegdataError(f"these categories are undecided: {', '.join(undecided)}; write one name for each")
    missing = [name for name in names_in_data if name not in category_map.categories]
    if complete and missing:
        raise SegdataError(
            f"these categories have no new name: {list_names(missing, 8)}; write a name, or null to drop its segments"
        )
    return {name: _single_target(category_map.categories.get(name, name)) for name in names_in_data}


def rename_categories(taxonomy: Taxonomy, to: Mapping[str, str | None]) -> Taxonomy:
    """Rename the categories of a taxonomy, including their references to each other.

    Among several with the same new name, the one that had it before stays, else the first.
    """
    first: dict[str, Category] = {}
    for category in sorted(taxonomy.categories, key=lambda category: to.get(category.name) != category.name):
        name = to.get(category.name)
        if name is not None and name not in first:
            first[name] = msgspec.structs.replace(category, name=name, **_relations(category, to))
    by_id = {renamed.id: renamed for renamed in first.values()}
    kept = tuple(by_id[category.id] for category in taxonomy.categories if category.id in by_id)
    return msgspec.structs.replace(taxonomy, categories=kept)


def _relations(category: Category, to: Mapping[str, str | None]) -> dict[str, object]:
    """The relations of a category to others, with new names; groups keep their names."""
    changed: dict[str, object] = {
        field: tuple(dict.fromkeys(name for old in getattr(category, field) if (name := to.get(old, old)) is not None))
        for field in ("part_of", "may_overlap", "may_not_overlap", "may_not_touch", "also")
    }
    parent = to.get(category.parent, category.parent) if category.parent else None
    name = to[category.name]
    return changed | {
        "parent": None if parent == name else parent,
        "aliases": tuple(alias for alias in category.aliases if alias != name),
    }


def _single_target(target: MapTarget) -> str | None:
    assert not isinstance(target, tuple)
    return target


def with_taxonomy_map(dataset: OpenDataset, given: str | Path | TaxonomyMap) -> tuple[OpenDataset, Remap]:
    """The dataset with categories renamed, joined and dropped by a map, and the `Remap` that counts losses.

    Raises SegdataError that names a category which the map leaves undecided.
    """
    profile = dataset.profile
    old = profile.taxonomy
    if isinstance(given, TaxonomyMap):
        wanted, target = given, None if given.taxonomy is None else load_taxonomy(Path(given.taxonomy))
    else:
        wanted, target = load_map(Path(given))
    names = {id_: category.name for id_, category in old.by_id().items()} | profile.unknown_names
    try:
        to = resolve_map(wanted, list(dict.fromkeys(names.values())), target is not None)
    except SegdataError as error:
        file = f"{given}: " if isinstance(given, (str, Path)) else ""
        raise SegdataError(f"{file}{error}") from error
    new = target if target is not None else rename_categories(old, to)
    ids = {category.name: category.id for category in reversed(new.categories)}
    remap = Remap({id_: _id_of(to[name], ids) for id_, name in names.items()}, old, new, profile.task)
    mapped = replace(
        profile,
        taxonomy=new,
        taxonomy_declared=profile.taxonomy_declared or target is not None,
        metadata={key: text for key, text in profile.metadata.items() if key not in CATEGORY_METADATA},
    )
    return replace(dataset, source=AlteredSource(dataset.source, remap), profile=mapped), remap


def _id_of(name: str | None, ids: dict[str, int]) -> int | None:
    return None if name is None else ids[name]
