"""Writes a Supervisely project of bitmaps."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.losses import AffectedItems, LossCounter
from segdata.core.paths import is_unsafe_path, with_folder
from segdata.core.profile import Profile
from segdata.core.taxonomy import Taxonomy
from segdata.formats.shapes.geometry import crop_bitmaps
from segdata.formats.shared import writing
from segdata.formats.shared.image_index import Cell, write_index
from segdata.formats.shared.json_files import Json, attribute_value, encode_json, is_long_number
from segdata.formats.shared.taxonomies import names_by_id
from segdata.formats.tools.supervisely import LOSSES
from segdata.formats.tools.supervisely_bitmaps import encode_mask
from segdata.formats.tools.supervisely_reader import CROWD_TAG, META, RESERVED_TAGS, SCORE_TAG, TRACK_TAG

_HELD = frozenset({
    "annotations.annotator", "annotations.attributes", "annotations.created", "images.frame", "images.sequence",
    "images.split", "segments.attributes", "segments.iscrowd", "segments.score", "segments.track_id",
})  # fmt: skip
_DEFAULT_DATASET = "dataset"  # for images whose ids have no folder
_COLUMNS = ("segment_id", "category_id", "iscrowd", "score", "track_id", "attributes")


Tag = dict[str, Any]  # Any: JSON


@dataclass(frozen=True, slots=True)
class TagMetas:
    """The tags of a project to be written; each name has values of one type."""

    types: dict[str, str] = field(default_factory=dict)  # name -> none, any_number or any_string

    def split_attributes(
        self, pairs: Iterable[Sequence[str]] | None, reserved: frozenset[str] = frozenset()
    ) -> tuple[list[Tag], int]:
        """The tags for attributes, and the number of attributes that no tag can hold; `reserved` names are excluded."""
        tags: list[Tag] = []
        lost = 0
        for name, text in pairs or ():
            values = attribute_value(text)
            several = values if isinstance(values, list) and len(values) > 1 else [values]
            if name in reserved or is_long_number(text) or not self._takes(name, several):
                lost += 1
            else:
                tags += [self.tag(name, value) for value in several]
        return tags, lost

    def tag(self, name: str, value: Any) -> Tag:  # Any: JSON
        """A tag with a value."""
        self.types.setdefault(name, str(_tag_type(value)))
        return {"name": name} if value is True else {"name": name, "value": value}

    def _takes(self, name: str, values: list[Any]) -> bool:
        types = {_tag_type(value) for value in values} | {self.types.get(name, _tag_type(values[0]))}
        return len(types) == 1 and None not in types

    def tags(self) -> Iterator[Tag]:
        """The tags that were written, as the project's meta.json declares them."""
        for name, type_ in self.types.items():
            yield {"name": name, "value_type": type_, "color": "#0F8A12"}


def _tag_type(value: object) -> str | None:
    """The tag type for a value; None if there is none."""
    if isinstance(value, bool):
        return "none" if value else None
    return "any_number" if isinstance(value, int | float) else "any_string" if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class _ProjectIndex:
    """Collects data for the files that are written last."""

    titles: dict[int, str]
    metas: TagMetas = field(default_factory=TagMetas)
    rows: list[tuple[Cell, ...]] = field(default_factory=list)
    taken: dict[str, str] = field(default_factory=dict)


def write_supervisely(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write the project `target`; raises SegdataError if two images would share an annotation file."""
    writing.start_folder(target, profile, losses)
    project = _ProjectIndex(names_by_id(profile.taxonomy))
    for batch in batches:
        writing.count_losses(batch, losses, LOSSES, _HELD)
        first = np.searchsorted(batch.annotation_image, np.arange(batch.images.num_rows))
        annotations = batch.annotations.select(["annotator", "created", "attributes"]).to_pylist()
        for row, image in enumerate(writing.segments_by_image(batch)):
            path = _annotation_path(image, project.taken)
            if image.annotated:
                document = _annotation(batch, image, annotations[first[row]], project, losses)
                with_folder(target / path).write_text(encode_json(document), encoding="utf-8")
            project.rows.append(image.index_row(path if image.annotated else None, videos=True, unknown_side=None))
    write_index(target, project.rows, videos=True)
    (target / META).write_text(encode_json(_meta(profile.taxonomy, project)), encoding="utf-8")


def _annotation_path(image: writing.ImageSegments, taken: dict[str, str]) -> str:
    """The annotation file of an image below the target; raises SegdataError for names that no file can have."""
    if is_unsafe_path(image.image_id):
        raise SegdataError(f"image {image.image_id!r}: its annotation would lie outside the project; rename it")
    *above, name = PurePosixPath(image.image_id).parts
    folders = [
        part
        for place, folder in enumerate(above or [_DEFAULT_DATASET])
        for part in (["datasets"] if place else []) + [folder]
    ]
    path = PurePosixPath(*folders, "ann", f"{name}.json").as_posix()
    if path in taken:
        raise SegdataError(
            f"images {taken[path]!r} and {image.image_id!r} would share the file {path}; rename one of them"
        )
    taken[path] = image.image_id
    return path


def _annotation(
    batch: Batch, image: writing.ImageSegments, annotation: Json, project: _ProjectIndex, losses: LossCounter
) -> Json:
    tags, lost = project.metas.split_attributes(annotation["attributes"])
    affected = AffectedItems([image.image_id], [image.image_id])
    losses.add("annotation-attributes", "annotations", int(lost > 0), examples=affected)
    objects = _objects(batch, image, annotation, project, losses)
    if not objects:  # no key holds annotator and date
        losses.add("annotator", "annotations", int(bool(annotation["annotator"])), examples=affected)
        losses.add("annotation-attributes", "annotations", int(bool(annotation["created"])), examples=affected)
    size = {"height": image.height, "width": image.width}
    return {"description": "", "tags": tags, "size": size, "objects": objects}


def _objects(
    batch: Batch, image: writing.ImageSegments, annotation: Json, project: _ProjectIndex, losses: LossCounter
) -> list[Json]:
    """The objects of one image; counts segments that a project cannot hold."""
    areas = image.runs.areas(len(image.segments))
    category = batch.segment_category[image.segments]
    has_category = np.isin(category, np.array(list(project.titles), np.int64))
    without_category, empty = image.segments[~has_category], image.segments[has_category & (areas == 0)]
    losses.add(
        "category",
        "segments",
        len(without_category),
        int(areas[~has_category].sum()),
        writing.segment_examples(batch, without_category),
    )
    writing.count_segments(batch, empty, "empty-segment", losses)
    kept = np.flatnonzero(has_category & (areas > 0))
    rows = image.segments[kept]
    with_text_id = rows[batch.segments["source_id"].is_valid().to_numpy()[rows]]
    writing.count_segments(batch, with_text_id, "segment-id", losses)
    creation = {
        "labelerLogin": annotation["annotator"],
        "createdAt": annotation["created"],
        "updatedAt": annotation["created"],
    }
    segments = batch.segments.select(_COLUMNS).take(rows).to_pylist()
    height = np.full(len(kept), image.height, np.int64)
    bitmaps = crop_bitmaps(image.runs.take(kept, len(areas)), height, len(kept))
    objects = []
    for row, segment, bitmap in zip(rows, segments, bitmaps, strict=True):
        tags, lost = _tags(segment, project.metas)
        if lost:
            writing.count_segments(batch, row[None], "attributes", losses)
        bitmap_data = {"data": encode_mask(bitmap.mask), "origin": [bitmap.x, bitmap.y]}
        objects.append(
            {
                "id": segment["segment_id"],
                "classTitle": project.titles[segment["category_id"]],
                "description": "",
                **{name: value for name, value in creation.items() if value is not None},
                "tags": tags,
                "geometryType": "bitmap",
                "shape": "bitmap",
                "bitmap": bitmap_data,
            }
        )
    return objects


def _tags(segment: Json, metas: TagMetas) -> tuple[list[Tag], int]:
    """The tags of a segment, and the number of attributes that they cannot hold."""
    columns = [(SCORE_TAG, segment["score"]), (TRACK_TAG, segment["track_id"]), (CROWD_TAG, segment["iscrowd"] or None)]
    tags = [metas.tag(name, value) for name, value in columns if value is not None]
    more, lost = metas.split_attributes(segment["attributes"], RESERVED_TAGS)
    return tags + more, lost


def _meta(taxonomy: Taxonomy, project: _ProjectIndex) -> Json:
    classes = []
    by_id = taxonomy.by_id()
    for id_, title in project.titles.items():
        red, green, blue = by_id[id_].rgb or (64 + 37 * id_ % 192, 64 + 91 * id_ % 192, 64 + 151 * id_ % 192)
        color = f"#{red:02X}{green:02X}{blue:02X}"
        classes.append(
            {"title": title, "shape": "bitmap", "color": color, "id": id_, "geometry_config": {}, "hotkey": ""}
        )
    return {"classes": classes, "tags": list(project.metas.tags()), "projectType": "images"}
