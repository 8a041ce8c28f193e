"""Writes VIA 2 projects: one polygon for each segment, which is exactly its pixels by COCO's rule."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.format import LossCounter
from segdata.core.polygons import keyhole, trace_outlines
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.formats.coco.document import raw_json
from segdata.formats.shared import VIA_LOSSES
from segdata.formats.shared.painting import count_losses, count_segments, count_unannotated_images, start_folder
from segdata.formats.tools.source import category_names, count_lost_rings, image_rows, source_polygons, writable_rows
from segdata.formats.tools.via_documents import COLUMN_KEYS
from segdata.formats.tools.via_reader import FILE_COLUMNS

_COUNTED = VIA_LOSSES - {"attributes", "rings", "secondary-categories"}  # from columns alone
_HELD = frozenset({"annotations.annotator", "images.metadata", "images.split"})
_PROJECT_FILE = "via_project.json"
_CATEGORY = "category"
_COLUMNS = ("segment_id", "track_id", "score", "source", "iscrowd")
_NO_SIZE = -1  # bytes of an image file that is not here
Json = dict[str, Any]  # Any: JSON
# What VIA 2.0.12 saves in a new project; it does not open one without.
_SETTINGS: Json = {
    "ui": {
        "annotation_editor_height": 25,
        "annotation_editor_fontsize": 0.8,
        "leftsidebar_width": 18,
        "image_grid": {
            "img_height": 80,
            "rshape_fill": "none",
            "rshape_fill_opacity": 0.3,
            "rshape_stroke": "yellow",
            "rshape_stroke_width": 2,
            "show_region_shape": True,
            "show_image_policy": "all",
        },
        "image": {
            "region_label": _CATEGORY,
            "region_color": _CATEGORY,
            "region_label_font": "10px Sans",
            "on_image_annotation_editor_placement": "NEAR_REGION",
        },
    },
    "core": {"buffer_size": 18, "filepath": {}, "default_filepath": ""},
}


class _Project:
    """The project file, written image by image; VIA's list of attributes comes last."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._ids = file, list[str]()
        self.of_regions, self.of_files, self.copied = set[str](), set[str](), False
        file.write(b'{"_via_img_metadata":{')

    def add(self, image: Json) -> None:
        id_ = f"{image['filename']}{image['size']}"
        separator = b",\n" if self._ids else b"\n"
        self._ids.append(id_)
        self._file.write(separator + msgspec.json.encode(id_) + b":" + msgspec.json.encode(image))
        self.of_files |= image["file_attributes"].keys()
        self.of_regions.update(*(region["region_attributes"] for region in image["regions"]))

    def finish(self, name: str, categories: Iterable[str]) -> None:
        core = {**_SETTINGS["core"], "default_filepath": "images/" if self.copied else ""}
        text = {"type": "text", "description": "", "default_value": ""}
        options = dict.fromkeys(categories, "")
        category = {"type": "dropdown", "description": "", "options": options, "default_options": {}}
        regions = {_CATEGORY: category, **dict.fromkeys(sorted(self.of_regions - {_CATEGORY}), text)}
        footer = {
            "_via_settings": {**_SETTINGS, "core": core, "project": {"name": name}},
            "_via_attributes": {"region": regions, "file": dict.fromkeys(sorted(self.of_files), text)},
            "_via_data_format_version": "2.0.10",
            "_via_image_id_list": self._ids,
        }
        self._file.write(b"\n}," + msgspec.json.encode(footer)[1:] + b"\n")


def write_via(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write ``via_project.json`` and ``taxonomy.yaml`` into `target`."""
    names = {id_: name for id_, name in category_names(profile.taxonomy).items() if name.strip()}
    start_folder(target, profile, losses)
    with (target / _PROJECT_FILE).open("wb") as file:
        project = _Project(file)
        for batch in batches:
            count_losses(batch, losses, _COUNTED, _HELD)
            count_unannotated_images(batch, losses)
            for image in _images(batch, names, losses):
                project.add(image)
            uris = batch.images["uri"].to_pylist()
            project.copied |= any(uri and Path(uri).is_relative_to(target.absolute()) for uri in uris)
        project.finish(profile.name, names.values())


def _images(batch: Batch, names: dict[int, str], losses: LossCounter) -> Iterator[Json]:
    rows = writable_rows(batch, names, losses, empty=False)
    segments = batch.segments.take(pa.array(rows)).to_pylist()
    regions = [
        {"shape_attributes": shape, "region_attributes": attributes}
        for shape, attributes in zip(
            _polygons(batch, rows, losses), _region_attributes(batch, rows, segments, names, losses), strict=True
        )
    ]
    for image, in_image, owner in image_rows(batch, rows):
        path = Path(image["uri"]) if image["uri"] and "://" not in image["uri"] else None
        yield {
            "filename": image["image_id"],
            "size": path.stat().st_size if path is not None and path.is_file() else _NO_SIZE,
            "regions": regions[in_image],
            "file_attributes": _file_attributes(image, owner, losses),
        }


def _file_attributes(image: Json, owner: Json, losses: LossCounter) -> Json:
    metadata = {key: raw_json(value) for key, value in image["metadata"] or ()}
    kept = {key: value for key, value in metadata.items() if key not in FILE_COLUMNS}
    if len(kept) < len(metadata):
        losses.add("image-details", "images", 1, examples=[image["image_id"]])
    columns = {"width": image["width"] or None, "height": image["height"] or None, "split": image["split"], **owner}
    return {**kept, **{key: value for key, value in columns.items() if value is not None}}


def _polygons(batch: Batch, rows: Ints, losses: LossCounter) -> list[Json]:
    """(n,) a polygon for each segment: the source's if it has one and is exact, else one around all its pixels."""
    source = source_polygons(batch, rows, "coco")
    points = [polygons[0].exterior if len(polygons) == 1 else None for polygons in source]
    to_outline = np.array([row for row, ring in enumerate(points) if ring is None], np.int64)
    count_lost_rings(batch, rows[to_outline], losses)
    height = batch.segment_size[0][rows[to_outline]]
    rings = keyhole(trace_outlines(batch.runs.take(rows[to_outline], batch.n_segments), height))
    for row, ring in zip(to_outline.tolist(), rings.as_lists(), strict=True):
        points[row] = np.array(ring).reshape(-1, 2)
    return [
        {"name": "polygon", "all_points_x": ring[:, 0].tolist(), "all_points_y": ring[:, 1].tolist()}
        for ring in points
        if ring is not None
    ]


def _region_attributes(
    batch: Batch, rows: Ints, segments: list[Json], names: dict[int, str], losses: LossCounter
) -> Iterator[Json]:
    incomplete, without_secondary, renamed = [], [], []
    region_attributes = []
    for row, segment in zip(rows.tolist(), segments, strict=True):
        attributes = {key: raw_json(value) for key, value in segment["attributes"] or ()}
        kept = {key: value for key, value in attributes.items() if key not in COLUMN_KEYS and key != _CATEGORY}
        category, is_whole = _category(segment, names)
        columns = {key: segment[key] for key in _COLUMNS if segment[key] is not None and segment[key] is not False}
        region_attributes.append({_CATEGORY: category, **kept, **columns})
        incomplete += [row] if len(kept) < len(attributes) else []
        without_secondary += [] if is_whole else [row]
        renamed += [] if segment["source_id"] is None else [row]
    count_segments(batch, np.array(incomplete, np.int64), "attributes", losses)
    count_segments(batch, np.array(without_secondary, np.int64), "secondary-categories", losses)
    count_segments(batch, np.array(renamed, np.int64), "segment-id", losses)
    return iter(region_attributes)


def _category(segment: Json, names: dict[int, str]) -> tuple[str | dict[str, bool], bool]:
    """The category, or a checkbox with it and the secondary ones; and whether that holds all of them."""
    ids = [segment["category_id"], *(segment["also"] or ())]
    if len(ids) == 1:
        return names[ids[0]], True
    is_whole = len(set(ids)) == len(ids) and all(id_ in names for id_ in ids)
    return ({names[id_]: True for id_ in ids}, True) if is_whole else (names[ids[0]], False)
