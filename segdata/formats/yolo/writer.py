"""Writes YOLO datasets: label files that Ultralytics draws as the pixels, data.yaml, and the lists of its splits."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa

from segdata.core import yaml_files
from segdata.core.batch import Batch, integer_column
from segdata.core.errors import SegdataError
from segdata.core.format import LossCounter, LossKind
from segdata.core.paths import is_unsafe_path
from segdata.core.profile import Profile
from segdata.core.runs import Ints, Runs
from segdata.formats.shapes.geometry import Floats, Polygon, scale_points
from segdata.formats.shapes.raster import count_differing_pixels, rasterise
from segdata.formats.shapes.source_polygons import SourcePolygons
from segdata.formats.shared.painting import (
    ImageSegments,
    count_losses,
    count_spatial_losses,
    segment_examples,
    segments_by_image,
)
from segdata.formats.shared.pairing import Cell, write_index
from segdata.formats.shared.taxonomies import names_by_id, write_sidecars
from segdata.formats.tools.source import writable_rows
from segdata.formats.yolo.lines import ring_shapes, shares_to_pixels, single_rings

_HELD = frozenset({"images.split", "images.sequence", "images.frame"})
_ALL = "images.txt"


@dataclass(frozen=True, slots=True)
class _DatasetIndex:
    """Data for the files that are written last."""

    numbers: dict[int, int]  # category id -> class
    rows: list[tuple[Cell, ...]] = field(default_factory=list)  # of images.csv
    # split -> annotated images
    lists: defaultdict[str | None, list[str]] = field(default_factory=lambda: defaultdict(list))
    taken: dict[str, str] = field(default_factory=dict)  # label file -> image


def write_yolo(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, kinds: frozenset[LossKind]
) -> None:
    """Write a dataset; `kinds` are the losses that the format declares."""
    count_spatial_losses(profile, losses)
    target.mkdir(parents=True)
    write_sidecars(target, profile, profile.taxonomy)
    names = names_by_id(profile.taxonomy)
    written = _DatasetIndex({id_: number for number, id_ in enumerate(names)})
    for batch in batches:
        count_losses(batch, losses, kinds - {"rings"}, _HELD)
        rows = _rows_with_lines(batch, written.numbers, losses)
        class_of = [written.numbers[id_] for id_ in batch.segments["category_id"].take(pa.array(rows)).to_pylist()]
        lines = [b"%d %b\n" % line for line in zip(class_of, _ring_texts(batch, rows, losses), strict=True)]
        bounds = np.searchsorted(batch.segment_image[rows], np.arange(batch.images.num_rows + 1)).tolist()
        more = batch.images.select(["sequence", "frame", "split"]).to_pylist()
        for row, (image, image_row) in enumerate(zip(segments_by_image(batch), more, strict=True)):
            label = _label_path(image, written.taken)
            if image.annotated:
                path = target / label
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"".join(lines[bounds[row] : bounds[row + 1]]))
                written.lists[image_row["split"]].append(image.image_id)
            size = (image.width or None, image.height or None)
            named = label if image.annotated else None
            written.rows.append((image.image_id, named, *size, image.uri, *image_row.values()))
    write_index(target, written.rows, videos=True)
    _write_yaml(target, list(names.values()), written.lists)


def _label_path(image: ImageSegments, taken: dict[str, str]) -> str:
    """The label file of an image, below the target; raises SegdataError for names that no file can have."""
    if is_unsafe_path(image.image_id):
        raise SegdataError(f"image {image.image_id!r}: its labels would lie outside the dataset; rename it")
    label = PurePosixPath("labels", image.image_id).with_suffix(".txt").as_posix()
    if label in taken:
        both = f"{taken[label]!r} and {image.image_id!r}"
        raise SegdataError(f"images {both} would share the label file {label}; rename one of them")
    taken[label] = image.image_id
    return label


def _ring_texts(batch: Batch, rows: Ints, losses: LossCounter) -> list[bytes]:
    """The rings of the segments at these rows, as text: the source's if they draw the segments' pixels, else new ones.

    Losses are counted.
    """
    height, width = (side[rows] for side in batch.segment_size)
    sides = np.column_stack([width, height]).astype(np.float64)
    runs = batch.runs.take(rows, batch.n_segments)
    source = _single_rings_of(batch, rows)
    shares = {row: ring / sides[row] for row, ring in source.items()}
    exact = _exact_rows(shares, runs, height, width)
    to_trace = np.array([row for row in range(len(rows)) if row not in exact], np.int64)
    generated = single_rings(runs.take(to_trace, len(rows)), height[to_trace])
    texts = {row: " ".join(map(repr, shares[row].ravel().tolist())) for row in exact}
    texts |= {
        row: " ".join([f"{share:.9g}" for share in (ring / sides[row]).ravel().tolist()])
        for row, ring in zip(to_trace.tolist(), generated, strict=True)
    }
    kept = {row for row in exact if np.array_equal(scale_points(shares[row], sides[row]), source[row])}
    had = np.flatnonzero(batch.segments["rings"].is_valid().to_numpy()[rows]).tolist()
    lost = rows[[row for row in had if row not in kept]]
    losses.add("rings", "segments", len(lost), examples=segment_examples(batch, lost))
    lines = [texts[row].encode() for row in range(len(rows))]
    _count_bridges(batch, rows, runs, lines, losses)
    return lines


def _single_rings_of(batch: Batch, rows: Ints) -> dict[int, Floats]:
    """The source's rings of segments that have a single one, by their places among `rows`."""
    polygons = SourcePolygons.of(batch)
    flat = polygons.polygons
    n_polygons = np.bincount(polygons.segment, minlength=batch.n_segments)
    place = np.full(batch.n_segments, -1)
    place[rows] = np.arange(len(rows))
    is_single = (np.diff(flat.polygon) == 1) & (n_polygons[polygons.segment] == 1) & (place[polygons.segment] >= 0)
    return {
        int(place[polygons.segment[i]]): flat.points[flat.ring[flat.polygon[i]] : flat.ring[flat.polygon[i] + 1]]
        for i in np.flatnonzero(is_single).tolist()
    }


def _exact_rows(shares: dict[int, Floats], runs: Runs, height: Ints, width: Ints) -> set[int]:
    """The rows of shares that are read as exactly the pixels of the segments; sizes (n,) are in pixels."""
    rows = np.array(list(shares), np.int64)
    rows.sort()
    sides = np.column_stack([width, height]).astype(np.float64)
    rings = [shares_to_pixels(shares[row], sides[row]) for row in rows.tolist()]
    size = height[rows], width[rows]
    redrawn = rasterise([[shape] for shape in ring_shapes(rings, *size)], "cv2", *size)
    return set(rows[count_differing_pixels(runs.take(rows, len(height)), redrawn, *size) == 0].tolist())


def _count_bridges(batch: Batch, rows: Ints, runs: Runs, texts: list[bytes], losses: LossCounter) -> None:
    """Count the pixels that Ultralytics, which draws bridges between parts, has more than the segments."""
    height, width = (side[rows] for side in batch.segment_size)
    sides = np.column_stack([width, height]).astype(np.float64)
    polygons = [
        [Polygon(shares_to_pixels(np.array(text.split(), np.float64).reshape(-1, 2), side))]
        for text, side in zip(texts, sides, strict=True)
    ]
    more = count_differing_pixels(runs, rasterise(polygons, "cv2", height, width), height, width)
    bridged = np.flatnonzero(more)
    losses.add("part", "segments", len(bridged), int(more.sum()), segment_examples(batch, rows[bridged]))


def _rows_with_lines(batch: Batch, numbers: dict[int, int], losses: LossCounter) -> Ints:
    """The rows of the segments that have lines; the others are counted."""
    rows = writable_rows(batch, numbers, losses, empty=False)
    image = batch.segment_image[rows]
    line = np.arange(len(rows)) - np.searchsorted(image, image) + 1
    named = batch.segments["source_id"].is_valid().to_numpy()[rows]
    renamed = rows[(integer_column(batch.segments["segment_id"])[rows] != line) | named]
    losses.add("segment-id", "segments", len(renamed), examples=segment_examples(batch, renamed))
    return rows


def _write_yaml(target: Path, names: list[str], lists: dict[str | None, list[str]]) -> None:
    """Write data.yaml and the lists. Ultralytics needs train and val: if one is missing, another list replaces it."""
    files = {}
    for split, images in sorted(lists.items(), key=lambda item: item[0] or ""):
        usable = split in ("train", "val", "test")
        name = f"{split}.txt" if usable else _ALL
        with (target / name).open("a", encoding="utf-8", newline="\n") as file:
            file.writelines(f"./images/{image}\n" for image in images)
        files[str(split) if usable else "train"] = name
    first = next(iter(files.values()), _ALL)
    entries = {"train": files.get("train", first), "val": files.get("val", files.get("train", first)), **files}
    lines = [yaml_files.dump_yaml_line({key: value})[1:-1] + "\n" for key, value in entries.items()]
    lines.append("names:\n" if names else "names: []\n")
    lines += [f"  {yaml_files.dump_yaml_line({number: name})[1:-1]}\n" for number, name in enumerate(names)]
    (target / "data.yaml").write_text("".join(lines), encoding="utf-8")
