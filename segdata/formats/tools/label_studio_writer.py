"""Writes tasks that Label Studio imports, with annotations of people and predictions of models."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.losses import AffectedItems, LossCounter
from segdata.core.paths import is_unsafe_path, with_folder
from segdata.core.profile import Profile
from segdata.core.runs import Flags, Ints
from segdata.core.taxonomy import Taxonomy
from segdata.formats.shapes.geometry import (
    Bitmap,
    Polygon,
    count_differing_pixels,
    crop_bitmaps,
    rasterise,
    scale_points,
)
from segdata.formats.shapes.polygons import SourcePolygons
from segdata.formats.shared.json_files import Json, attribute_value, encode_json
from segdata.formats.shared.taxonomies import names_by_id, write_sidecars
from segdata.formats.shared.writing import count_losses, count_spatial_losses, segment_examples
from segdata.formats.shared.xml_files import is_xml_text
from segdata.formats.tools.label_studio import LOSSES
from segdata.formats.tools.label_studio_regions import encode_strokes, integer_id
from segdata.formats.tools.shapes import fill_ids

TASKS = "tasks.json"
_HELD_COLUMNS = frozenset({
    "annotations.annotator", "annotations.attributes", "annotations.created", "annotations.reviewer",
    "annotations.seconds", "annotations.source", "annotations.stage", "images.frame", "images.metadata",
    "images.sequence", "images.split", "segments.source",
})  # fmt: skip
_RESERVED_KEYS = frozenset({"image", "width", "height", "split", "sequence", "frame"})
_IMAGE, _BRUSH, _POLYGON = "image", "brush", "polygon"  # names in the configuration
_SEGMENT = ("segment_id", "source_id", "category_id", "also", "iscrowd", "track_id", "score", "source", "attributes")


@dataclass(frozen=True, slots=True)
class _ConfigNames:
    """The names in the labelling configuration that the tasks use."""

    names: dict[int, str]  # category id -> label
    texts: set[str] = field(default_factory=set)  # names of attributes that are texts
    numbers: set[str] = field(default_factory=set)  # names of attributes that are numbers

    def attribute_results(self, pairs: Sequence[Sequence[str]] | None) -> tuple[list[Json], int]:
        """The results for attributes, and the number of attributes that no result can hold."""
        results: list[Json] = []
        lost = 0
        for name, text in pairs or ():
            value = attribute_value(text)
            words = value if isinstance(value, list) and len(value) > 1 else [value]
            if name in (_BRUSH, _POLYGON, "meta"):
                lost += 1
            elif all(isinstance(word, str) for word in words):
                self.texts.add(name)
                results.append({"from_name": name, "type": "textarea", "value": {"text": words}})
            elif isinstance(value, int | float) and not isinstance(value, bool):
                self.numbers.add(name)
                results.append({"from_name": name, "type": "number", "value": {"number": value}})
            else:
                lost += 1
        return results, lost


def write_tasks(
    profile: Profile,
    batches: Iterable[Batch],
    target: Path,
    losses: LossCounter,
    *,
    prefix: str = "",
) -> None:
    """Write the task file `target`, or a folder with one; raises SegdataError if an image has no size."""
    count_spatial_losses(profile, losses)
    controls = _ConfigNames(names_by_id(profile.taxonomy))
    is_file = target.suffix.lower() == ".json"
    path = target if is_file else target / TASKS
    with with_folder(path).open("w", encoding="utf-8", newline="\n") as file:
        number = 0
        for batch in batches:
            count_losses(batch, losses, LOSSES - {"rings", "attributes", "secondary-categories"}, _HELD_COLUMNS)
            for task in _tasks(batch, controls, losses, prefix):
                number += 1
                file.write(("[\n" if number == 1 else ",\n") + encode_json({"id": number, **task}))
        file.write("\n]\n" if number else "[]\n")
    if is_file:
        losses.add("category-details", "taxonomies", 1)
    else:
        write_sidecars(target, profile, profile.taxonomy)
        (target / "label_config.xml").write_text(_config(profile.taxonomy, controls), encoding="utf-8")


def _tasks(batch: Batch, controls: _ConfigNames, losses: LossCounter, prefix: str) -> Iterator[Json]:
    polygons = SourcePolygons.from_batch(batch)
    exact = polygons.exact(batch.runs, "coco")
    bounds = np.searchsorted(batch.segment_annotation, np.arange(batch.annotations.num_rows + 1)).tolist()
    of_image = np.searchsorted(batch.annotation_image, np.arange(batch.images.num_rows + 1)).tolist()
    annotations = batch.annotations.to_pylist()
    for row, image in enumerate(batch.images.to_pylist()):
        if is_unsafe_path(image["image_id"]):
            raise SegdataError(f"image {image['image_id']!r}: no task can name a file outside the dataset; rename it")
        task: Json = {"data": _task_data(image, losses, prefix), "annotations": [], "predictions": []}
        for k in range(of_image[row], of_image[row + 1]):
            rows = np.arange(bounds[k], bounds[k + 1])
            size = image["height"] or 0, image["width"] or 0
            if len(rows) and 0 in size:
                raise SegdataError(f"image {image['image_id']!r}: its size is not known; give --images")
            result = _result(batch, rows, image["image_id"], size, polygons, exact, controls, losses)
            what = "predictions" if annotations[k]["source"] == "model" else "annotations"
            task[what].append(_annotation(annotations[k], result, image["image_id"], controls, losses))
        yield task


def _task_data(image: Json, losses: LossCounter, prefix: str) -> Json:
    columns = {name: image[name] for name in ("width", "height", "split", "sequence", "frame")}
    more = dict(image["metadata"] or ())
    losses.add("image-details", "images", int(bool(_RESERVED_KEYS & more.keys())), examples=[image["image_id"]])
    return {
        # A path after `?d=` must be escaped.
        "image": prefix + (quote(image["image_id"]) if prefix.endswith("=") else image["image_id"]),
        **{name: value for name, value in columns.items() if value is not None},
        **{name: attribute_value(text) for name, text in more.items() if name not in _RESERVED_KEYS},
    }


def _annotation(annotation: Json, result: list[Json], image: str, controls: _ConfigNames, losses: LossCounter) -> Json:
    results, lost = controls.attribute_results(annotation["attributes"])
    result += [{"to_name": _IMAGE, **extra} for extra in results]
    affected = AffectedItems([image], [image])
    annotator, stage, predicted = annotation["annotator"], annotation["stage"], annotation["source"] == "model"
    losses.add("source", "annotations", int(annotation["source"] in ("human", "consensus")), examples=affected)
    reviewed = stage == "reviewed" or (stage is None and annotation["reviewer"] is None)
    held = reviewed or (stage == "accepted" and annotation["reviewer"] is None)
    losses.add("annotation-attributes", "annotations", int(lost > 0 or not held), examples=affected)
    document: Json = {"result": result}
    if predicted:
        document |= {"model_version": annotator} if annotator else {}
    else:
        document |= {"was_cancelled": False, "ground_truth": stage == "accepted"}
        document |= (
            {"completed_by": int(annotator) if integer_id(annotator) is not None else {"email": annotator}}
            if annotator
            else {}
        )
    if stage == "reviewed":
        reviewer = annotation["reviewer"]
        document["reviews"] = [{"accepted": True, **({"created_by": {"email": reviewer}} if reviewer else {})}]
    times = {"created_at": annotation["created"], "lead_time": annotation["seconds"]}
    return document | {name: value for name, value in times.items() if value is not None}


def _result(
    batch: Batch,
    rows: Ints,
    image: str,
    size: tuple[int, int],
    polygons: SourcePolygons,
    exact: Flags,
    controls: _ConfigNames,
    losses: LossCounter,
) -> list[Json]:
    """The regions of one annotation: polygons that draw the segment's pixels, else strokes of the brush."""
    segments = batch.segments.select(_SEGMENT).take(rows).to_pylist()
    for segment, has_rings in zip(segments, batch.segments["rings"].is_valid().to_numpy()[rows].tolist(), strict=True):
        segment["had"] = has_rings
    has_category = [segment["category_id"] in controls.names for segment in segments]
    runs = batch.runs.take(rows, batch.n_segments)
    lacking = rows[~np.array(has_category, bool)]
    pixels = int(runs.areas(len(rows))[~np.array(has_category, bool)].sum())
    losses.add("category", "segments", len(lacking), pixels, segment_examples(batch, lacking))
    kept = np.flatnonzero(has_category)
    ids = [segments[k]["source_id"] or str(segments[k]["segment_id"]) for k in kept.tolist()]
    result: list[Json] = []
    bitmaps = crop_bitmaps(runs.take(kept, len(rows)), np.full(len(kept), size[0], np.int64), len(kept))
    for k, id_, number, bitmap in zip(
        kept.tolist(), ids, fill_ids([integer_id(id_) for id_ in ids]), bitmaps, strict=True
    ):
        row, example = int(rows[k]), AffectedItems([f"{image}: {id_}"], [image])
        losses.add("segment-id", "segments", int(number != segments[k]["segment_id"]), examples=example)
        value = _polygon(batch, row, polygons, size, example, losses) if exact[row] else None
        if value is None:
            losses.add("rings", "segments", int(segments[k]["had"]), examples=example)
            value = {"format": "rle", "rle": encode_strokes(_full_mask(bitmap, size))}
        result += _region(segments[k], id_, value, size, controls, losses, example)
    return result


def _full_mask(bitmap: Bitmap, size: tuple[int, int]) -> Flags:
    mask = np.zeros(size, bool)
    height, width = bitmap.mask.shape
    mask[bitmap.y : bitmap.y + height, bitmap.x : bitmap.x + width] = bitmap.mask
    return mask


def _polygon(
    batch: Batch, row: int, source: SourcePolygons, size: tuple[int, int], example: AffectedItems, losses: LossCounter
) -> Json | None:
    """The single ring of a segment, in percent; None if there are several, or if rounding would change its pixels."""
    segment_polygons = source.of_segment(row)
    if len(segment_polygons) != 1 or segment_polygons[0].holes:
        return None
    ring, sides = segment_polygons[0].exterior, np.array([size[1], size[0]], np.float64)
    percent = ring / sides * 100
    pixels = percent / 100 * sides
    if not np.array_equal(pixels, ring):
        runs, height, width = batch.runs.take(np.array([row]), batch.n_segments), *(np.array([side]) for side in size)
        if count_differing_pixels(runs, rasterise([[Polygon(pixels)]], "coco", *size), height, width)[0]:
            return None
        same = np.array_equal(scale_points(percent / 100, sides), ring)
        losses.add("rings", "segments", int(not same), examples=example)
    return {"points": percent.tolist(), "closed": True}


def _region(
    segment: Json,
    id_: str,
    value: Json,
    size: tuple[int, int],
    controls: _ConfigNames,
    losses: LossCounter,
    example: AffectedItems,
) -> list[Json]:
    """The results of one region: its shape and labels, then its attributes."""
    kind = _POLYGON if "points" in value else _BRUSH
    other_labels = [controls.names.get(extra) for extra in segment["also"] or ()]
    labels = [controls.names[segment["category_id"]], *(name for name in other_labels if name is not None)]
    kept = list(dict.fromkeys(labels))
    losses.add("secondary-categories", "segments", int(len(kept) != 1 + len(other_labels)), examples=example)
    losses.add("source", "segments", int(segment["source"] in ("human", "consensus")), examples=example)
    pairs = list(segment["attributes"] or ())
    note = next((attribute_value(text) for name, text in pairs if name == "meta"), None)
    noted = isinstance(note, dict) and not note.keys() & {"iscrowd", "track_id"} and bool(note)
    attribute_results, lost = controls.attribute_results(
        [(name, text) for name, text in pairs if not (name == "meta" and noted)]
    )
    losses.add("attributes", "segments", int(lost > 0), examples=example)
    track = {"track_id": segment["track_id"]} if segment["track_id"] is not None else {}
    meta = {
        **(note if noted and isinstance(note, dict) else {}),
        **({"iscrowd": True} if segment["iscrowd"] else {}),
        **track,
    }
    common = {"id": id_, "to_name": _IMAGE, "image_rotation": 0, "original_width": size[1], "original_height": size[0]}
    shape_result = {
        **common,
        "from_name": kind,
        "type": f"{kind}labels",
        "origin": "prediction" if segment["source"] == "model" else "manual",
        "value": {**value, f"{kind}labels": kept},
        **({"score": segment["score"]} if segment["score"] is not None else {}),
        **({"meta": meta} if meta else {}),
    }
    return [shape_result, *({**common, **extra} for extra in attribute_results)]


def _config(taxonomy: Taxonomy, controls: _ConfigNames) -> str:
    lines = ["<View>", f'  <Image name="{_IMAGE}" value="$image" zoom="true"/>']
    by_id = taxonomy.by_id()
    labels = []
    for id_, name in controls.names.items():
        if is_xml_text(name):
            rgb = by_id[id_].rgb
            color = "" if rgb is None else ' background="#{:02x}{:02x}{:02x}"'.format(*rgb)
            labels.append(f"    <Label value={quoteattr(name)}{color}/>")
    for kind, tag in ((_BRUSH, "BrushLabels"), (_POLYGON, "PolygonLabels")):
        lines += [f'  <{tag} name="{kind}" toName="{_IMAGE}">', *labels, f"  </{tag}>"]
    for tag, names in (("TextArea", controls.texts), ("Number", controls.numbers)):
        shown = (name for name in sorted(names) if is_xml_text(name))
        lines += [f'  <{tag} name={quoteattr(name)} toName="{_IMAGE}" perRegion="true"/>' for name in shown]
    return "\n".join([*lines, "</View>", ""])
