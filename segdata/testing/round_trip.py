"""The round-trip law: `write` then `read` returns the dataset without the counted losses."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import binary_fill_holes

from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.config import Config, load_config
from segdata.core.format import Format, ReadRequest
from segdata.core.losses import LossCounter, LossKind
from segdata.core.paths import dataset_folder
from segdata.core.profile import Profile
from segdata.core.schema import runs_to_rle
from segdata.core.taxonomy import Taxonomy, load_taxonomy
from segdata.testing.pictures import masks_of_runs

# Columns about the origin of data, not their content.
_PROVENANCE = frozenset({"source_id", "uri", "sha256", "declared_area", "declared_bbox", "file", "place", "encoding"})
_ROWS = frozenset({"image", "annotation"})
_COLUMNS: dict[LossKind, dict[str, frozenset[str]]] = {
    "annotation-attributes": {
        "annotations": frozenset({"stage", "reviewer", "created", "seconds", "coverage", "attributes"})
    },
    "annotator": {"annotations": frozenset({"annotator"})},
    "attributes": {"segments": frozenset({"attributes"})},
    "crowd": {"segments": frozenset({"iscrowd"})},
    "image-details": {
        "images": frozenset(
            {"channels", "sequence", "frame", "split", "group", "camera", "timestamp", "roi", "metadata"}
        )
    },
    "rings": {"segments": frozenset({"rings"})},
    "score": {"segments": frozenset({"score"})},
    "secondary-categories": {"segments": frozenset({"also"})},
    "segment-id": {"segments": frozenset({"segment_id"})},
    "source": {"segments": frozenset({"source"}), "annotations": frozenset({"source"})},
    "track": {"segments": frozenset({"track_id"})},
    "track-id": {"segments": frozenset({"track_id"})},
}
_PIXELS: frozenset[LossKind] = frozenset(
    {
        "category-details",
        "empty-annotation",
        "empty-segment",
        "hole",
        "instance",
        "overlap",
        "part",
        "unlabelled",
        "void",
    }
)
Content = dict[str, Any]  # Any: columns of every type


def assert_round_trip(format_: Format, profile: Profile, batches: Sequence[Batch], folder: Path) -> LossCounter:
    """Write the dataset below `folder`, read it again, and compare; returns the losses that were counted.

    Only counted losses may be missing: a declared kind that was not counted must have survived, and a counted kind must
    be declared. Raises AssertionError with the difference.
    """
    losses, target = LossCounter(), folder / "written"
    assert format_.write is not None, f"{format_.name} is only read"
    format_.write(profile, iter(batches), target, losses)
    lost = frozenset(loss.kind for loss in losses.listed())
    assert lost <= format_.losses, f"{format_.name} counts {sorted(lost - format_.losses)} and does not declare it"
    assert lost <= _COLUMNS.keys() | _PIXELS, (
        f"the law cannot compare without {sorted(lost - _COLUMNS.keys() - _PIXELS)}; test datasets that do not lose it"
    )
    without = [loss.kind for loss in losses.listed() if loss.kind in ("hole", "overlap") and not loss.pixels]
    assert not without, f"{format_.name} counts {without} without their pixels, which `convert --verify` compares"
    source = format_.read(_request(target))
    back = concatenate_batches([source.load(rows) for rows in source.chunks()])
    # Image files are not written, and unannotated images have no mask: both are reported, but are no losses.
    bare = {
        image
        for batch in batches
        for row, image in enumerate(batch.images["image_id"].to_pylist())
        if row not in batch.annotation_image
    }
    defects = [defect for defect in (*source.defects, *back.defects) if defect.severity != "info"]
    defects = [defect for defect in defects if not (defect.code == "SEG011" and defect.image in bare)]
    assert not defects, "reading found defects in what was written:\n" + "\n".join(map(repr, defects))
    original = concatenate_batches(list(batches))
    back = _without_gained_rings(back, original, "annotator" not in lost)
    written, read = (
        {"images": content(batch, its_profile, lost), "categories": categories(its_profile.taxonomy, lost)}
        for batch, its_profile in ((original, profile), (back, source.profile))
    )
    differences = list(_differences(written, read))
    assert not differences, (
        "what was read differs from what was written:\n"
        + "\n".join(differences[:20])
        + "\nWrite it, or count it as a loss of a kind in LOSSES (`count_losses` for columns, `count_segments`)."
    )
    return losses


def _differences(written: object, read: object, path: str = "") -> Iterator[str]:
    """A line for each different value: its place, the written and the read value."""
    if isinstance(written, dict) and isinstance(read, dict):
        for key in sorted(written.keys() | read.keys(), key=str):
            yield from _differences(written.get(key, "nothing"), read.get(key, "nothing"), f"{path}/{key}")
    elif isinstance(written, list) and isinstance(read, list):
        yield from _differences(dict(enumerate(written)), dict(enumerate(read)), path)
    elif written != read:
        yield f"  {path}: written {_brief(written)}, read {_brief(read)}"


def _brief(value: object) -> str:
    """The value, shortened to fit a line."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 200 else f"{text[:200]} …"


def _request(target: Path) -> ReadRequest:
    """A request as from the command line, with the taxonomy and the settings beside the data."""
    beside = dataset_folder(target)
    taxonomy, config = beside / "taxonomy.yaml", beside / "segdata.yaml"
    return ReadRequest(
        target,
        taxonomy=load_taxonomy(taxonomy) if taxonomy.exists() else None,
        config=load_config(config) if config.exists() else Config(),
    )


def _without_gained_rings(back: Batch, original: Batch, by_name: bool) -> Batch:
    """`back` without polygons for segments that had none, as these are just another encoding of pixels.

    `by_name`: annotations match by annotator; else the first of each image match.
    """
    before, after = (
        list(zip(_keys(batch, by_name), batch.segments["rings"].to_pylist(), strict=True)) for batch in (original, back)
    )
    with_rings = {key for key, rings in before if rings}
    kept = [rings if key in with_rings else None for key, rings in after]
    return replace(back, segments=replace_column(back.segments, "rings", kept))


def _keys(batch: Batch, by_name: bool) -> list[tuple[object, ...]]:
    """Image, annotation, category and pixels of each segment, and the number of equal ones before it."""
    images, image_of = batch.images["image_id"].to_pylist(), batch.annotation_image
    nth = (np.arange(len(image_of)) - np.searchsorted(image_of, image_of)).tolist()
    whose = batch.annotations["annotator"].to_pylist() if by_name else nth
    category = batch.segment_category.tolist()
    pixels = runs_to_rle(batch.runs, *batch.segment_size).to_pylist()
    seen: Counter[tuple[object, ...]] = Counter()
    keys: list[tuple[object, ...]] = []
    for row, id_, counts in zip(batch.segment_annotation.tolist(), category, pixels, strict=True):
        key = (images[image_of[row]], whose[row], id_, counts)
        keys.append((*key, seen[key]))
        seen[key] += 1
    return keys


def categories(taxonomy: Taxonomy, lost: frozenset[LossKind]) -> Content:
    """The categories by id, without what was lost."""
    return {
        str(category.id): (category.name,)
        if "category-details" in lost
        else (category.name, category.kind, category.rgb, category.parent)
        for category in taxonomy.categories
        if not ("void" in lost and category.kind == "void")
    }


def content(batch: Batch, profile: Profile, lost: frozenset[LossKind]) -> Content:
    """A dataset as plain values, image by image, without lost values; segments are sorted."""
    hidden = {
        table: _PROVENANCE | _ROWS | {name for kind in lost for name in _COLUMNS.get(kind, {}).get(table, ())}
        for table in ("images", "annotations", "segments")
    }
    segments = _segments(batch, profile, lost, hidden["segments"])
    images: Content = {}
    for row, image in enumerate(_plain(batch.images, hidden["images"])):
        of_image = np.flatnonzero(batch.annotation_image == row).tolist()
        if "annotator" in lost:
            of_image = of_image[:1]
        rows = _plain(batch.annotations, hidden["annotations"])
        annotations = [rows[k] | {"segments": sorted(segments[k], key=repr)} for k in of_image]
        if "empty-annotation" in lost:
            annotations = [annotation for annotation in annotations if annotation["segments"]]
        images[image["image_id"]] = image | {"annotations": sorted(annotations, key=repr)}
    return images


def _plain(table: Any, hidden: frozenset[str] | set[str]) -> list[Content]:  # Any: pyarrow has no types
    """The rows of a table, without null, false and empty values."""
    return [
        {name: None if value is False or value == [] else value for name, value in row.items() if name not in hidden}
        for row in table.to_pylist()
    ]


def _segments(
    batch: Batch, profile: Profile, lost: frozenset[LossKind], hidden: frozenset[str] | set[str]
) -> list[list[Content]]:
    """The segments of each annotation, pixels as a tuple of positions."""
    pixels = [frozenset(np.flatnonzero(mask.T).tolist()) for mask in masks_of_runs(batch.runs, *batch.segment_size)]
    rows = _plain(batch.segments, hidden)
    category = batch.segment_category.tolist()
    result: list[list[Content]] = []
    for row in range(batch.annotations.num_rows):
        own_rows = np.flatnonzero(batch.segment_annotation == row).tolist()
        size = tuple(int(side[batch.annotation_image[row]]) for side in batch.image_size)
        named = [k for k in own_rows if category[k] not in profile.taxonomy.void_ids]
        if "void" in lost:
            own_rows = named
        shown = {k: pixels[k] for k in own_rows}
        if "overlap" in lost:
            shown = _visible_pixels(own_rows, pixels)
        if "hole" in lost:
            shown = {k: _filled(shown[k], *size) for k in own_rows}
        if "unlabelled" in lost:  # void is painted, and cannot be distinguished afterwards
            own_rows = named
        if "empty-segment" in lost:
            own_rows = [k for k in own_rows if shown[k]]
        if "instance" in lost:
            result.append(_join_categories(own_rows, shown, category))
        else:
            whole = [rows[k] | {"pixels": tuple(sorted(shown[k]))} for k in own_rows]
            result.append(_join_parts(whole) if "part" in lost else whole)
    return result


def _filled(pixels: frozenset[int], height: int, width: int) -> frozenset[int]:
    """The pixels, and those that they enclose."""
    if not pixels:
        return pixels
    mask = np.zeros(height * width, bool)
    mask[list(pixels)] = True
    return frozenset(np.flatnonzero(binary_fill_holes(mask.reshape(width, height))).tolist())


def _join_parts(segments: list[Content]) -> list[Content]:
    """One segment for those that differ in pixels and ids alone; a format that parts segments numbers them anew."""
    united: dict[str, Content] = {}
    for segment in segments:
        key = repr({name: value for name, value in segment.items() if name not in ("pixels", "segment_id")})
        before = united.get(key, segment)
        pixels = {*before["pixels"], *segment["pixels"]}
        united[key] = segment | {"segment_id": None, "pixels": tuple(sorted(pixels))}
    return list(united.values())


def _visible_pixels(rows: list[int], pixels: list[frozenset[int]]) -> dict[int, frozenset[int]]:
    """The visible pixels of each segment after painting them in order."""
    covered: frozenset[int] = frozenset()
    shown = {}
    for k in reversed(rows):
        shown[k] = pixels[k] - covered
        covered |= pixels[k]
    return shown


def _join_categories(rows: list[int], shown: dict[int, frozenset[int]], category: list[int]) -> list[Content]:
    """One segment per category."""
    united: dict[int, frozenset[int]] = {}
    for k in rows:
        united[category[k]] = united.get(category[k], frozenset()) | shown[k]
    return [{"category_id": id_, "pixels": tuple(sorted(pixels))} for id_, pixels in sorted(united.items())]
