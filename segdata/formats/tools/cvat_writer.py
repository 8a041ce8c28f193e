"""Writes CVAT XML 1.1 for images: polygons where they are exact, else masks."""

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.format import LossCounter
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category
from segdata.formats.shapes.geometry import Bitmap
from segdata.formats.shapes.raster import crop_bitmaps
from segdata.formats.shared import CVAT_LOSSES
from segdata.formats.shared.painting import (
    count_losses,
    count_segments,
    count_unannotated_images,
    segment_examples,
    start_folder,
)
from segdata.formats.shared.safe_parsers import is_xml_text
from segdata.formats.tools.cvat_reader import COLUMN_ATTRIBUTES, SEMI_AUTO
from segdata.formats.tools.shapes import GROUP, json_text
from segdata.formats.tools.source import (
    assign_groups,
    category_names,
    count_lost_rings,
    image_rows,
    source_polygons,
    whole_number,
    writable_rows,
)

COUNTED = CVAT_LOSSES - {"attributes", "empty-segment", "rings"}  # from columns alone
_HELD = frozenset({"segments.source", "images.split", "images.metadata"})
_SOURCES = {"human": "manual", "model": "auto", "consensus": "consensus"}
_TYPES = {bool: "checkbox", int: "number", float: "number", str: "text"}
_VALUES = {"checkbox": "false\ntrue", "number": "-1000000;1000000;1", "text": ""}
_DEFAULTS = {"checkbox": "false", "number": "0", "text": ""}
_TAGS = "tags"
Json = dict[str, Any]  # Any: JSON


@dataclass(slots=True)
class AttributeTypes:
    """Which attributes the segments of each category have, and how many of each type."""

    is_mutable: bool = False  # whether the segments of a track may differ in them
    seen: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)

    def add(self, label: str, name: str, value: object) -> None:
        """Note a value of an attribute that a segment with this label has."""
        kinds = self.seen.setdefault(label, {}).setdefault(name, Counter())
        kinds[_TYPES.get(type(value), "other")] += 1

    def kind(self, label: str, name: str) -> str:
        """The type that all values have, else text."""
        kinds = self.seen[label][name]
        return next(iter(kinds)) if len(kinds) == 1 and "other" not in kinds else "text"

    def count_lost(self, losses: LossCounter) -> None:
        """Count the values that come back as texts, and were none."""
        for label, names in self.seen.items():
            for name, kinds in names.items():
                if self.kind(label, name) == "text":
                    count = kinds.total() - kinds["text"]
                    losses.add("attributes", "segments", count, examples=[f"{label}: {name}"])


def write_cvat(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write ``annotations.xml`` and ``taxonomy.yaml`` into `target`.

    The head of the file lists the attributes of all segments: so these go to a temporary file first.
    """
    names = {id_: name for id_, name in category_names(profile.taxonomy).items() if is_xml_text(name)}
    start_folder(target, profile, losses)
    specs, number = AttributeTypes(), 0
    with tempfile.TemporaryFile() as body:
        for batch in batches:
            count_losses(batch, losses, COUNTED, _HELD)
            count_unannotated_images(batch, losses)
            for image in _image_elements(batch, names, specs, losses, number):
                body.write(image.encode())
                number += 1
        specs.count_lost(losses)
        body.seek(0)
        categories = [category for category in profile.taxonomy.categories if names.get(category.id) == category.name]
        with (target / "annotations.xml").open("wb") as file:
            file.write(xml_head(profile.name, number, categories, specs).encode())
            shutil.copyfileobj(body, file)
            file.write(b"</annotations>\n")


def xml_head(
    name: str,
    size: int,
    categories: Sequence[Category],
    specs: AttributeTypes,
    *,
    mode: str = "annotation",
    more: str = "",
) -> str:
    """The head of a file: its task of `size` images, `more` elements of it, and the labels with their attributes."""
    labels = [_label_xml(category.name, category.rgb, "any", specs) for category in categories]
    names = {category.name for category in categories}
    labels += [_label_xml(tag, None, "tag", specs) for tag in sorted(specs.tags - names)]
    shown = escape(name) if is_xml_text(name) else "dataset"
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n<meta>\n<task>\n'
        f"<name>{shown}</name>\n<size>{size}</size>\n<mode>{mode}</mode>\n{more}<labels>\n{''.join(labels)}"
        "</labels>\n</task>\n</meta>\n"
    )


def _label_xml(name: str, color: tuple[int, int, int] | None, kind: str, specs: AttributeTypes) -> str:
    attributes = "".join(
        f"<attribute><name>{_text(attribute)}</name><mutable>{specs.is_mutable}</mutable><input_type>{type_}</input_type>"
        f"<default_value>{_DEFAULTS[type_]}</default_value><values>{_VALUES[type_]}</values></attribute>"
        for attribute, type_ in sorted(
            (attribute, specs.kind(name, attribute)) for attribute in specs.seen.get(name, ())
        )
    )
    shown = "" if color is None else "<color>#{:02x}{:02x}{:02x}</color>".format(*color)
    return f"<label><name>{_text(name)}</name>{shown}<type>{kind}</type><attributes>{attributes}</attributes></label>\n"


def _text(text: str) -> str:
    """A text within an element; a carriage return would come back as a line feed."""
    return escape(text, {"\r": "&#13;"})


def _image_elements(
    batch: Batch, names: dict[int, str], specs: AttributeTypes, losses: LossCounter, number: int
) -> Iterator[str]:
    """The images of a batch as elements; `number` is that of the first."""
    rows = writable_rows(batch, names, losses, empty=False)
    shapes = segment_shapes(batch, rows, losses)
    all_segments = batch.segments.take(pa.array(rows)).to_pylist()
    sources = batch.annotations["source"].to_pylist()
    for image_number, (image, in_image, _) in enumerate(image_rows(batch, rows), number):
        if not is_xml_text(image["image_id"] + (image["split"] or "")):
            raise SegdataError(f"image {image['image_id']!r}: its name or split has characters that no XML can hold")
        segments, image_segments = all_segments[in_image], rows[in_image]
        labels = [names[segment["category_id"]] for segment in segments]
        numbers, kept = assign_groups(labels, segments, list(map(len, shapes[in_image])), first=1)
        elements = []
        for k, (label, segment, parts) in enumerate(zip(labels, segments, shapes[in_image], strict=True)):
            source = segment["source"] or sources[segment["annotation"]]
            fields, inner, is_whole = element_texts(segment, label, source, specs, has_group=kept[k])
            group = "" if numbers[k] is None else f' group_id="{numbers[k]}"'
            if not is_whole:
                losses.add("attributes", "segments", 1, examples=segment_examples(batch, image_segments[[k]]))
            elements += [
                f"<{tag} label={quoteattr(label)}{fields}{shape}{group}>{inner}</{tag}>\n" for tag, shape in parts
            ]
        renamed = image_segments[
            [
                k
                for k, segment in enumerate(segments)
                if segment["segment_id"] != k + 1 or segment["source_id"] is not None
            ]
        ]
        count_segments(batch, renamed, "segment-id", losses)
        subset = "" if image["split"] is None else f" subset={quoteattr(image['split'])}"
        size = f' width="{image["width"] or 0}" height="{image["height"] or 0}"'
        tags = _tag_elements(image, specs, losses)
        start = f'<image id="{image_number}" name={quoteattr(image["image_id"])}{subset}{size}>\n'
        yield start + "".join(elements) + tags + "</image>\n"


def _tag_elements(image: Json, specs: AttributeTypes, losses: LossCounter) -> str:
    """The tags of an image, which are all of its metadata that CVAT has a place for."""
    metadata = dict(image["metadata"] or ())
    tags = json.loads(metadata.get(_TAGS, "null"))
    sound = isinstance(tags, list) and tags and all(isinstance(tag, str) and tag and is_xml_text(tag) for tag in tags)
    if len(metadata) > bool(sound):
        losses.add("image-details", "images", 1, examples=[image["image_id"]])
    if not sound:
        return ""
    specs.tags.update(tags)
    return "".join(f'<tag label={quoteattr(tag)} source="manual"></tag>\n' for tag in tags)


def segment_shapes(
    batch: Batch, rows: Ints, losses: LossCounter, most: int | None = None
) -> list[list[tuple[str, str]]]:
    """(n,) the shapes of each segment: the element, and the attributes that draw it; a mask for `most` polygons."""
    polygons = source_polygons(batch, rows, "coco")
    if most is not None:
        polygons = [parts if len(parts) <= most else [] for parts in polygons]
    masked = np.array([row for row, parts in enumerate(polygons) if not parts], np.int64)
    count_lost_rings(batch, rows[masked], losses)
    shapes = [
        [
            ("polygon", f' points="{";".join(f"{x!r},{y!r}" for x, y in polygon.exterior.tolist())}"')
            for polygon in parts
        ]
        for parts in polygons
    ]
    height = batch.segment_size[0][rows[masked]]
    bitmaps = crop_bitmaps(batch.runs.take(rows[masked], batch.n_segments), height, len(masked))
    for row, bitmap in zip(masked.tolist(), bitmaps, strict=True):
        shapes[row] = [("mask", _mask_text(bitmap))]
    return shapes


def _mask_text(bitmap: Bitmap) -> str:
    """Runs of nothing and something in turn, row by row; the first may be empty."""
    values = bitmap.mask.ravel()
    cuts = np.flatnonzero(np.diff(values)) + 1
    counts = np.diff(np.concatenate([[0], cuts, [len(values)]])).tolist()
    if values[0]:
        counts.insert(0, 0)
    height, width = bitmap.mask.shape
    return f' rle="{", ".join(map(str, counts))}" left="{bitmap.x}" top="{bitmap.y}" width="{width}" height="{height}"'


def element_texts(
    segment: Json, label: str, source: str | None, specs: AttributeTypes, *, has_group: bool = False
) -> tuple[str, str, bool]:
    """The attributes and the content of a segment's element, and whether they hold everything.

    `has_group`: its attribute `group_id` is the element's own.
    """
    attributes = {key: json.loads(value) for key, value in segment["attributes"] or ()}
    if has_group:
        del attributes[GROUP]
    n_said = len(attributes)
    fields = f' source="{_SOURCES[source]}"' if source in _SOURCES else ""
    if source == "human" and attributes.get("source") == SEMI_AUTO:
        fields, n_said = f' source="{SEMI_AUTO}"', n_said - 1
        del attributes["source"]
    occluded = attributes.get("occluded") is True
    z_order = whole_number(json.dumps(attributes.get("z_order")))
    if occluded:
        del attributes["occluded"]
    if z_order:
        del attributes["z_order"]
    fields += f' occluded="{int(occluded)}" z_order="{z_order or 0}"'
    kept = {
        key: value for key, value in attributes.items() if key not in COLUMN_ATTRIBUTES and key and is_xml_text(key)
    }
    kept = {key: value for key, value in kept.items() if not isinstance(value, str) or is_xml_text(value)}
    columns: Json = {"is_crowd": segment["iscrowd"] or None, "score": segment["score"], "track_id": segment["track_id"]}
    is_whole = len(kept) + occluded + bool(z_order) == n_said
    kept |= {key: value for key, value in columns.items() if value is not None}
    for key, value in kept.items():
        specs.add(label, key, value)
    inner = "".join(
        f"<attribute name={quoteattr(key)}>{_text(value if isinstance(value, str) else json_text(value))}</attribute>"
        for key, value in kept.items()
    )
    return fields, inner, is_whole
