"""Picture edges: whether the outlines of labels fit the edges of their pictures, in place or after a change."""

import re
from collections.abc import Sequence
from functools import partial, reduce

import numpy as np
import pyarrow.compute as pc

from segdata.core.batch import Batch
from segdata.core.executor import run_ordered
from segdata.core.pixel_limit import max_pixels, open_picture
from segdata.core.runs import Flags, Ints, expand_ranges
from segdata.core.strata import joint_codes, number_names
from segdata.measure.placements import (
    ELSEWHERE,
    FITS,
    MIN_OUTLINE_PIXELS,
    SIDE,
    OutlinePlanes,
    Placement,
    Plane,
    best_placement,
    common_change,
    correlation_noise,
    edge_offset,
    place_parts,
    reduce_outlines,
    reduced_size,
    sharpen,
)
from segdata.measure.registry import measure_dataset
from segdata.measure.sequences import ColumnArrays, DatasetView
from segdata.measure.tables.duplicates import single_image_rows

MAX_PICTURES = 120  # decoded and compared; a random sample if there are more
MAX_VOLUMES = 40  # one slice of each is compared, for which the whole file is decompressed
_RANK_LEVELS = 1024
_MAX_OUTLINE_SHARE = 0.5  # of a picture near outlines, up to which its shades may show that it is a mask
_MIN_SHADELESS_SHARE = 0.1  # of a mask or drawing; photographs have noise everywhere
_PADDED_CORNERS, _MIN_PADDING_SHARE = 3, 0.01  # corners of one shade, and the least share of the picture that has it
# Categories for pixels that show nothing: padding may have them.
_BACKGROUND_NAME = re.compile(r"(?i)(?:bg|back[ _-]?ground|un-?label+ed|no[ _-]?data|none|nothing|void|ignored?|others?|unknown|border|padding|outside|clutter|value 0)")  # fmt: skip  # noqa: E501
_MAX_DOT = 3.0  # pixels of a reduced picture: the side of a part that is hardly more than a point
_MAX_EXCHANGED = 60  # misplaced labels that are compared with other pictures
_COLUMNS = ("annotation", "group", "own", "change", "score", "x", "y", "other", "alike")
_SINGLE, _OF_GROUPS = (*_COLUMNS, "part", "blank", "bare", "padded", "rim"), (*_COLUMNS, "n", "fitting", "is_part")


@measure_dataset("placements", tables={"placements": _SINGLE, "group_placements": _OF_GROUPS})
def measure_placements(view: DatasetView) -> dict[str, list[ColumnArrays]]:
    """The tables `placements` and `group_placements`.

    placements: one row for each annotation that was compared. annotation (row), group (a number that annotations of one
    annotator, split and file share), own: how far above chance, in standard deviations over random places, the outlines
    of all its labels lie on the edges of the picture; change: what would make them lie better, a row of `CHANGES`,
    `SHIFTED` by x and y pixels, `WIDENED` by x pixels all around (below 0: narrower), or `ELSEWHERE`: on the picture of
    `other` (row of annotations); -1: nothing was tried, because they lie well. score: `own` after that change. alike:
    the same for the outlines of all labels on those of `other`; 0 without one. part: its group, if it is of the part
    that one change makes lie better; -1: it is not. blank: the share of the outlines where the picture has no shade
    within two pixels. bare: the share of the picture's shades that lie within two pixels of the outlines; 0 if it has
    shades nearly everywhere, -1 if outlines are near most of it, which tells nothing.
    padded: the share of the padding of one shade around the picture that has a label; 0 if there is none. rim: how many
    pixels wider the labels would be if they ended at the edges of the picture (below 0: narrower), or NaN.

    group_placements: one row for each group of three or more: the change that makes its labels lie best, among shifts,
    and where they lie badly all of `CHANGES` and `SCALED` by x and y. own and score are medians; n: how many
    annotations were compared, fitting: how many lie better after the change. is_part: 1 for a second row of a group of
    which only a part, `fitting` of them, lies clearly better after one change; own and score are of these.

    At most `MAX_PICTURES` pictures are decoded, and reduced to 256 pixels if they are larger. The middle one of the
    slices with labels represents a NIfTI volume, for at most `MAX_VOLUMES` of them. Other files with several images are
    left out.
    """
    sampled = _choose(view)
    portions = [sampled[first : first + 8] for first in range(0, len(sampled), 8)]
    planes = [one for some in run_ordered(partial(_load_planes, view), portions, view.jobs) for one in some]
    own = [one.own_score for one in planes]
    groups = _groups(view)[[one.annotation for one in planes]] if planes else np.empty(0, np.int64)
    placements = [Placement(one.annotation, score) for one, score in zip(planes, own, strict=True)]
    lost = [place for place, score in enumerate(own) if score < FITS]
    for place, better in zip(
        lost, run_ordered(best_placement, [planes[place] for place in lost], view.jobs), strict=True
    ):
        better.own = own[place]
        placements[place] = better
    _find_pictures(planes, placements, lost)
    part = np.full(len(planes), -1, np.int64)
    whole: list[tuple[Placement, int, tuple[int, ...]]] = []
    parts: list[tuple[Placement, int, tuple[int, ...]]] = []
    for group in np.unique(groups).tolist():
        members = np.flatnonzero(groups == group).tolist()
        if len(members) >= 3:
            change, fitting = common_change([planes[row] for row in members])
            whole.append((change, group, (len(members), fitting, 0)))
    for change, group, members in place_parts(planes, groups):
        part[members] = group
        parts.append((change, group, (int((groups == group).sum()), len(members), 1)))
    rims = run_ordered(edge_offset, planes, view.jobs)
    single = zip(placements, groups.tolist(), part.tolist(), planes, rims, strict=True)
    return {
        "placements": [
            _columns(
                [
                    (one, group, (of_part, plane.blank, plane.bare, plane.padded, rim))
                    for one, group, of_part, plane, rim in single
                ],
                _SINGLE,
            )
        ],
        "group_placements": [_columns([*whole, *parts], _OF_GROUPS)],
    }


def _choose(view: DatasetView) -> Ints:
    """The rows of annotations to compare: those with segments whose picture, or slice, is on this machine."""
    images, annotations = view.tables["images"], view.tables["annotations"]
    usable = np.zeros(len(images), bool)
    usable[single_image_rows(images)] = True
    usable &= (images["width"] > 0) & (images["height"] > 0)
    labelled = annotations["n_segments"] > 0
    rows = _outlined(view, MAX_PICTURES, np.flatnonzero(usable[annotations["image"]] & labelled))
    return np.union1d(rows, _outlined(view, MAX_VOLUMES, _middle_slices(view, labelled)))


def _outlined(view: DatasetView, most: int, rows: Ints) -> Ints:
    """The annotations, or a random sample of `most` of them, without those whose labels are dots.

    Of more than twice as many only that many are looked at: their segments may be on other machines.
    """
    if len(rows) > most:
        rows = np.random.default_rng(0).permutation(rows)[: 2 * most]
    if not len(rows):
        return rows  # without pictures no column of all segments is decoded
    return np.sort(rows[~_are_dots(view, rows)][:most])


def _are_dots(view: DatasetView, rows: Ints) -> Flags:
    """(n,) whether all parts of the labels of annotations (n,) are too small to have outlines: they mark places."""
    segments, images, annotations = (view.tables[name] for name in ("segments", "images", "annotations"))
    if "largest" not in segments.names:
        return np.zeros(len(rows), bool)  # no rule asked for the shapes
    n = annotations["n_segments"]
    own = expand_ranges((np.cumsum(n) - n)[rows], n[rows])  # segments ascend by annotation
    of_row = np.repeat(np.arange(len(rows)), n[rows])
    cells = segments.take(own)
    largest = np.zeros(len(rows), np.int64)
    counts = ~np.isin(cells["category_id"], _nothing(view))
    np.maximum.at(largest, of_row[counts], cells["largest"][counts])
    side = np.maximum(images["width"], images["height"])[annotations["image"][rows]]
    reduced = np.minimum(SIDE / np.maximum(side, 1), 1)  # pixels of a picture as it is compared
    dots: Flags = (largest > 0) & (np.sqrt(largest) * reduced < _MAX_DOT)
    return dots


def _nothing(view: DatasetView) -> list[int]:
    """The categories that are void or called background."""
    taxonomy = view.profile.taxonomy
    named = [category.id for category in taxonomy.categories if _BACKGROUND_NAME.fullmatch(category.name)]
    return named + list(taxonomy.void_ids)


def _middle_slices(view: DatasetView, labelled: Flags) -> Ints:
    """The middle one of each annotator's annotations with segments, for each volume."""
    images, annotations = view.tables["images"], view.tables["annotations"]
    uris = images.texts("uri")
    in_volume = pc.and_(pc.starts_with(uris, "file:"), pc.match_substring(uris, "#k="))
    rows = np.flatnonzero(labelled & in_volume.fill_null(False).to_numpy(zero_copy_only=False)[annotations["image"]])
    annotators = number_names(annotations.take(rows).texts("annotator"))[1]
    slices: dict[tuple[str, int], list[int]] = {}
    for row, annotator in zip(rows.tolist(), annotators.tolist(), strict=True):
        volume = uris[int(annotations["image"][row])].as_py().partition("#")[0]
        slices.setdefault((volume, annotator), []).append(row)
    return np.array([rows[len(rows) // 2] for rows in slices.values()], np.int64)


def _groups(view: DatasetView) -> Ints:
    """(n_annotations,) a number that the annotations of one annotator, split and document share."""
    annotations, images = view.tables["annotations"], view.tables["images"]
    codes = [number_names(annotations.texts(name))[1] for name in ("annotator", "encoding")]
    return joint_codes(*codes, number_names(images.texts("split"))[1][annotations["image"]])[0]


def _load_planes(view: DatasetView, rows: Ints) -> list[OutlinePlanes]:
    """Load annotations with their pictures, except those whose picture cannot be decoded or has other proportions."""
    of_image = view.tables["annotations"]["image"]
    image, place = np.unique(of_image[rows], return_inverse=True)
    batch = view.source.load(view.source_row[image])
    first = np.searchsorted(of_image, image)
    result = []
    for row, where in zip(rows.tolist(), place.tolist(), strict=True):
        in_batch = np.searchsorted(batch.annotation_image, where) + row - first[where]
        uri = batch.images["uri"][where].as_py()
        high, wide = (int(size[where]) for size in batch.image_size)
        if in_batch >= batch.annotations.num_rows or min(high, wide) < 2 or high * wide > max_pixels():
            continue  # a picture of more pixels is not decoded
        size = reduced_size(high, wide)
        outline, sides = reduce_outlines(batch, int(in_batch), (high, wide), size)
        line = np.abs(outline) > 0
        small = None if line.sum() < MIN_OUTLINE_PIXELS else _reduced_picture(uri, (high, wide), size)
        steep = None if small is None else _steepness(small)
        if small is not None and steep is None and np.isfinite(small).all():  # of one shade everywhere
            planes = OutlinePlanes.from_outline(row, outline, np.zeros_like(outline), (high, wide))
            planes.blank = 1.0
            result.append(planes)
        elif small is not None and steep is not None:
            planes = OutlinePlanes.from_outline(row, outline, _rank(steep), (high, wide))
            planes.sides = sides
            planes.blank, planes.bare = _shares_without_shade(line, steep > 0)
            padding = _padding(small, steep > 0)
            if padding is not None:
                planes.padded = _labelled_share(view, batch, int(in_batch), padding, (high, wide))
            result.append(planes)
    return result


def _padding(small: Plane, shaded: Flags) -> Flags | None:
    """The padding of one shade around a reduced picture, in at least three of its corners; None without padding.

    Padding is the black corners of a turned picture, or bars beside a narrower one; a white sky has two corners only.
    """
    layers = small.reshape(*small.shape[:2], -1)
    corners = [layers[row, column] for row in (0, -1) for column in (0, -1)]
    empty = ~_widen(shaded)
    for shade in corners[:2]:
        if sum(bool((corner == shade).all()) for corner in corners) >= _PADDED_CORNERS:
            padding: Flags = empty & (layers == shade).all(axis=2)
            return padding if padding.mean() >= _MIN_PADDING_SHARE else None
    return None


def _labelled_share(view: DatasetView, batch: Batch, annotation: int, pixels: Flags, full: tuple[int, int]) -> float:
    """The share of some pixels of a reduced picture that have a label other than void or background."""
    counts = (batch.segment_annotation == annotation) & ~np.isin(batch.segment_category, _nothing(view))
    kept = counts[batch.runs.owner]
    start, length = batch.runs.start[kept].astype(np.int64), batch.runs.length[kept].astype(np.int64)
    n_pixels = full[0] * full[1]
    begins, ends = (np.bincount(places, minlength=n_pixels + 1) for places in (start, start + length))
    labelled = np.cumsum(begins - ends) > 0
    row, column = (
        ((places + 0.5) * side / reduced).astype(np.int64)
        for places, side, reduced in zip(np.nonzero(pixels), full, pixels.shape, strict=True)
    )
    return float(labelled[column * full[0] + row].mean())


def _shares_without_shade(line: Flags, shaded: Flags) -> tuple[float, float]:
    """`blank` and `bare` of `measure_placements`, from outlines and the pixels that differ from a neighbour."""
    empty = ~_widen(shaded)
    blank = float((line & empty).sum() / line.sum())
    near = _widen(line)
    if near.mean() > _MAX_OUTLINE_SHARE:
        return blank, -1.0
    return blank, float((shaded & near).sum() / shaded.sum()) if empty.mean() >= _MIN_SHADELESS_SHARE else 0.0


def _widen(pixels: Flags) -> Flags:
    """The pixels within two pixels of some, along rows and columns."""
    padded = np.pad(pixels, 2)
    high, wide = pixels.shape
    down = np.logical_or.reduce([padded[k : k + high] for k in range(5)])
    wider: Flags = np.logical_or.reduce([down[:, k : k + wide] for k in range(5)])
    return wider


def _reduced_picture(uri: str, full: tuple[int, int], size: tuple[int, int]) -> Plane | None:
    """Load and reduce a picture; None if it has nothing to compare."""
    from PIL import Image

    try:
        if "://" in uri:
            from segdata.core.image_files import read_channels  # for volumes alone: it loads much

            (grey, *_) = read_channels(uri, full, most=1)
            plain = Image.fromarray(np.asarray(grey, np.float32))
            return np.asarray(plain.resize(size, Image.Resampling.BOX), np.float32)
        with open_picture(uri) as file:
            if abs(file.width * full[0] / (file.height * full[1]) - 1) > 0.02:
                return None  # another size is another rule's
            file.draft("RGB", size)
            plain = file.convert("F") if file.mode[0] in "IF" else file.convert("RGB")
            return np.asarray(plain.resize(size, Image.Resampling.BOX), np.float32)
    except Exception:  # an image that cannot be decoded is reported by another rule
        return None


def _steepness(small: Plane) -> Plane | None:
    """The largest gradient of a picture's channels at each pixel; None if there is nothing to compare."""
    layers = np.pad(small.reshape(*small.shape[:2], -1), ((1, 1), (1, 1), (0, 0)), mode="edge")
    across, down = layers[1:-1, 2:] - layers[1:-1, :-2], layers[2:, 1:-1] - layers[:-2, 1:-1]
    # Layer by layer: far faster than a maximum over three values that are neighbours in memory.
    steep: Plane = reduce(np.maximum, np.moveaxis(np.hypot(across, down), 2, 0))
    if not np.isfinite(steep).all() or steep.max() <= 0:
        return None
    return steep


def _rank(steep: Plane) -> Plane:
    """The rank of each gradient among all of its picture, high-pass filtered."""
    level = np.minimum(np.sqrt(steep / steep.max()) * _RANK_LEVELS, _RANK_LEVELS - 1).astype(np.int64)
    rank = np.cumsum(np.bincount(level.reshape(-1), minlength=_RANK_LEVELS)) / level.size
    return sharpen(rank[level].astype(np.float32))


def _find_pictures(planes: list[OutlinePlanes], placements: list[Placement], lost: list[int]) -> None:
    """Find the picture of another annotation for labels that fit their own picture nowhere."""
    lost = lost[:_MAX_EXCHANGED]
    for place in lost:
        plane, best = planes[place], placements[place]
        for other in range(len(planes)):
            picture = planes[other]
            if other == place or picture.edges.shape != plane.edges.shape:
                continue
            product = float(np.vdot(picture.edges, plane.outline))
            if product <= 0:
                continue
            score = product / correlation_noise(plane.outline, picture.edges)
            if score > best.score and score >= FITS:
                (score,) = picture.scores([plane.outline])
                if score > best.score:
                    best = Placement(plane.annotation, best.own, ELSEWHERE, score, other=picture.annotation)
                    overlap = float(np.vdot(picture.outline, plane.outline))
                    best.alike = overlap / correlation_noise(plane.outline, picture.outline)
        placements[place] = best


def _columns(rows: Sequence[tuple[Placement, int, tuple[float, ...]]], names: tuple[str, ...]) -> ColumnArrays:
    lists: dict[str, list[float]] = {name: [] for name in names}
    for one, group, counts in rows:
        values = (one.annotation, group, one.own, one.change, one.score, one.x, one.y, one.other, one.alike, *counts)
        for name, value in zip(names, values, strict=True):
            lists[name].append(value)
    floats = {"own", "score", "x", "y", "alike", "blank", "bare", "padded", "rim"}
    return {name: np.array(column, np.float64 if name in floats else np.int64) for name, column in lists.items()}
