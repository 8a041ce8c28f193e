"""Writes LabelMe: one file for each image, polygons where they are exact, else masks."""

import base64
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np
import pyarrow as pa
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.losses import LOSSES_FILE, LossCounter
from segdata.core.paths import with_folder
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.formats.coco.document import Raw, raw_json
from segdata.formats.shapes.geometry import Bitmap, Polygon, PolygonArrays, crop_bitmaps
from segdata.formats.shapes.polygons import trace_polygons
from segdata.formats.shared import LABELME_LOSSES
from segdata.formats.shared.json_files import Json
from segdata.formats.shared.writing import count_losses, count_segments, count_unannotated_images, start_folder
from segdata.formats.tools.labelme_reader import BACKGROUND, FILE_COLUMNS, FILE_KEYS, SHAPE_COLUMNS, SHAPE_KEYS
from segdata.formats.tools.shapes import GROUP, retraces
from segdata.formats.tools.source import (
    assign_groups,
    category_names,
    count_lost_rings,
    free_name,
    image_rows,
    source_polygons,
    writable_rows,
)

_HELD = frozenset({"annotations.annotator", "images.metadata"})
_COLUMN_LOSSES = LABELME_LOSSES - {"attributes", "rings"}  # counted by columns
_VERSION = "5.5.0"  # of labelme, written to files
_BOOLEANS = (b"true", b"false")


def write_labelme(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write a JSON file for each image, and ``taxonomy.yaml``, into `target`."""
    names = {id_: name for id_, name in category_names(profile.taxonomy).items() if name != BACKGROUND}
    start_folder(target, profile, losses)
    taken = {LOSSES_FILE}
    for batch in batches:
        count_losses(batch, losses, _COLUMN_LOSSES, _HELD)
        count_unannotated_images(batch, losses)
        for image_id, uri, document in _documents(batch, names, losses):
            path = target / free_name(image_id, ".json", taken)
            document["imagePath"] = _image_path(path, image_id, uri, target)
            with_folder(path).write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")


def _image_path(path: Path, image_id: str, uri: str | None, target: Path) -> str:
    """The path of an image from its file: in `target` if it was copied there, else beside the file."""
    start = target.absolute()
    if uri is not None and Path(uri).is_relative_to(start):
        return Path(os.path.relpath(uri, path.absolute().parent)).as_posix()
    return PurePosixPath(image_id).name


def _documents(batch: Batch, names: dict[int, str], losses: LossCounter) -> Iterator[tuple[str, str | None, Json]]:
    """For each image its name, its URI, and the content of its file, without the path of the image."""
    rows = writable_rows(batch, names, losses, empty=True)
    shapes_of_segments = _segment_shapes(batch, rows, losses)
    all_segments = batch.segments.take(pa.array(rows)).to_pylist()
    for image, in_image, owner in image_rows(batch, rows):
        labels = [names[segment["category_id"]] for segment in all_segments[in_image]]
        shapes = _shapes(batch, rows[in_image], labels, all_segments[in_image], shapes_of_segments[in_image], losses)
        flags, more = _metadata(image, losses)
        yield (
            image["image_id"],
            image["uri"],
            {
                "version": _VERSION,
                "flags": flags,
                "shapes": shapes,
                "imagePath": "",
                "imageData": None,
                "imageHeight": image["height"],
                "imageWidth": image["width"],
                **more,
                **{key: value for key, value in owner.items() if value is not None},
            },
        )


def _metadata(image: Json, losses: LossCounter) -> tuple[dict[str, Raw], dict[str, Raw]]:
    metadata = {key: raw_json(value) for key, value in image["metadata"] or ()}
    flags = {key: value for key, value in metadata.items() if bytes(value) in _BOOLEANS}
    taken = FILE_KEYS | FILE_COLUMNS
    more = {key: value for key, value in metadata.items() if key not in flags and key not in taken}
    if len(flags) + len(more) < len(metadata):
        losses.add("image-details", "images", 1, examples=[image["image_id"]])
    return flags, more


def _segment_shapes(batch: Batch, rows: Ints, losses: LossCounter) -> list[list[Json]]:
    """(n,) the shapes of each segment: type, points and mask."""
    height, width = (side[rows] for side in batch.segment_size)
    polygons = source_polygons(batch, rows, "pil")
    polygons = [parts if stays else [] for parts, stays in zip(polygons, _stays_as_drawn(polygons), strict=True)]
    without_polygons = np.array([row for row, parts in enumerate(polygons) if not parts], np.int64)
    count_lost_rings(batch, rows[without_polygons], losses)
    runs = batch.runs.take(rows[without_polygons], batch.n_segments)
    outlined = trace_polygons(runs, "pil", height[without_polygons], width[without_polygons])
    traced_stay, right = _stays_as_drawn(outlined.polygons), (outlined.wrong == 0).tolist()
    for row, traced, *sound in zip(without_polygons.tolist(), outlined.polygons, traced_stay, right, strict=True):
        polygons[row] = traced if all(sound) and not any(polygon.holes for polygon in traced) else []
    shapes = [
        [{"shape_type": "polygon", "points": polygon.exterior.tolist(), "mask": None} for polygon in parts]
        for parts in polygons
    ]
    masked = np.array([row for row, parts in enumerate(polygons) if not parts], np.int64)
    bitmaps = crop_bitmaps(batch.runs.take(rows[masked], batch.n_segments), height[masked], len(masked))
    for row, bitmap in zip(masked.tolist(), bitmaps, strict=True):
        shapes[row] = [_mask(bitmap)]
    return shapes


def _stays_as_drawn(polygons: Sequence[Sequence[Polygon]]) -> list[bool]:
    """(n,) whether reading keeps the polygons of each segment: none retraces its edges, as thin ones do."""
    retracing = retraces(PolygonArrays.of([Polygon(polygon.exterior) for parts in polygons for polygon in parts]))
    count = np.fromiter(map(len, polygons), np.int64, len(polygons))
    stay: list[bool] = (np.bincount(np.repeat(np.arange(len(polygons)), count), retracing, len(polygons)) == 0).tolist()
    return stay


def _mask(bitmap: Bitmap) -> Json:
    """A mask; for a segment without pixels, a mask of a single unset pixel."""
    mask = bitmap.mask if bitmap.mask.size else np.zeros((1, 1), bool)
    height, width = mask.shape
    file = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(file, "PNG")
    corners = [[float(bitmap.x), float(bitmap.y)], [float(bitmap.x + width - 1), float(bitmap.y + height - 1)]]
    return {"shape_type": "mask", "points": corners, "mask": base64.b64encode(file.getvalue()).decode()}


def _shapes(
    batch: Batch,
    rows: Ints,
    labels: Sequence[str],
    segments: Sequence[Json],
    shapes_of_segments: Sequence[list[Json]],
    losses: LossCounter,
) -> list[Json]:
    numbers, kept = assign_groups(labels, segments, list(map(len, shapes_of_segments)))
    shapes, incomplete = [], []
    for row, (label, segment, parts, group, as_group) in enumerate(
        zip(labels, segments, shapes_of_segments, numbers, kept, strict=True)
    ):
        common, is_whole = _shape_keys(segment, as_group)
        if not is_whole:
            incomplete.append(row)
        shapes += [{"label": label, "group_id": group, **common, **part} for part in parts]
    count_segments(batch, rows[incomplete], "attributes", losses)
    renamed = [row for row, segment in enumerate(segments) if segment["source_id"] is not None]
    count_segments(batch, rows[renamed], "segment-id", losses)
    return shapes


def _shape_keys(segment: Json, as_group: bool) -> tuple[Json, bool]:
    """The keys of a segment's shapes, and whether nothing is lost; `as_group`: the group holds its group_id."""
    attributes = {key: raw_json(value) for key, value in segment["attributes"] or ()}
    if as_group:
        del attributes[GROUP]
    flags = {key: value for key, value in attributes.items() if bytes(value) in _BOOLEANS}
    description = attributes.get("description", Raw(b"null"))
    described = bytes(description).startswith(b'"') and bytes(description) != b'""'
    taken = SHAPE_KEYS | SHAPE_COLUMNS
    more = {key: value for key, value in attributes.items() if key not in flags and key not in taken}
    columns = {"id": segment["segment_id"], "track_id": segment["track_id"], "score": segment["score"]}
    columns |= {"source": segment["source"], "iscrowd": segment["iscrowd"] or None}
    common: Json = {"description": description if described else None, "flags": flags, **more}
    common |= {key: value for key, value in columns.items() if value is not None}
    return common, len(flags) + len(more) + described == len(attributes)
