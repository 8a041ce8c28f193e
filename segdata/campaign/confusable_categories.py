"""Confusable categories: pairs that annotators may confuse, by segments, colours and names."""

import math

import msgspec
import numpy as np
from scipy.special import ndtr

from segdata.agreement.scores import Count, Number
from segdata.core.batch import Batch
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.executor import run_ordered
from segdata.core.guideline import Relation, is_related_either_way, rgb_to_cielab, similar_colours, similar_names
from segdata.core.image_files import ChannelArray, read_channels
from segdata.core.rule import Tables
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.strata import independent_units, is_example, joint_codes

_MAX_IMAGES = 300  # whose colours are read, evenly spread over the dataset
_SAME_THING_IOU = 0.5  # from which two segments are one thing that was drawn twice
_LEAST_MISTAKEN = 0.35  # share of misclassified segments from which categories look alike; half: no difference


def mean_colours(dataset: OpenDataset, jobs: int = 0) -> Floats:
    """(n_segments, 3) the mean colour of each segment in CIELAB, in the order in which a dataset is measured.

    NaN if the image file cannot be read, and for images that are not among 300 evenly spread ones. Images of one
    channel are grey; of more than three channels the first three count.
    """
    step = max(1, -(-len(dataset) // _MAX_IMAGES))
    portions = dataset.chunks()
    first = np.concatenate([[0], np.cumsum([len(portion) for portion in portions])])

    def one(number: int) -> Floats:
        is_sampled = np.arange(first[number], first[number + 1]) % step == 0
        return _batch_colours(dataset.source.load(portions[number]), is_sampled)

    colours = list(run_ordered(one, range(len(portions)), jobs))
    return np.concatenate([np.empty((0, 3)), *colours])


def _batch_colours(batch: Batch, chosen: Flags) -> Floats:
    sums = np.full((batch.n_segments, 3), np.nan)
    image = batch.segment_image[batch.runs.owner]
    ends = np.searchsorted(image, np.arange(batch.images.num_rows + 1))
    uris = batch.images["uri"].to_pylist()
    height, width = batch.image_size
    for row in np.flatnonzero(chosen).tolist():
        runs = slice(int(ends[row]), int(ends[row + 1]))
        pixels = _pixels(uris[row], (int(height[row]), int(width[row]))) if ends[row] < ends[row + 1] else None
        if pixels is None:
            continue
        start, length = batch.runs.start[runs], batch.runs.length[runs]
        owner, inverse = np.unique(batch.runs.owner[runs], return_inverse=True)
        area = np.bincount(inverse, weights=length)
        sums[owner] = np.column_stack([_sum_runs(channel, start, length, inverse) / area for channel in pixels])
    return rgb_to_cielab(sums)


def _sum_runs(channel: Floats, start: Ints, length: Ints, which: Ints) -> Floats:
    """The sums of a channel (pixels in the order of runs) over the runs of each segment."""
    total = np.concatenate([[0.0], np.cumsum(channel)])
    return np.bincount(which, weights=total[start + length] - total[start]).astype(np.float64)


def _pixels(uri: str | None, size: tuple[int, int]) -> Floats | None:
    """(3, n_pixels) the pixels of an image, 0 to 255, in the order of runs; None if unreadable or of another size."""
    if uri is None:
        return None
    try:
        channels = read_channels(uri, size, most=3)
    except (OSError, SegdataError):
        return None
    if channels.shape[1:] != size:
        return None
    return _as_rgb(channels).transpose(0, 2, 1).reshape(3, -1)


def _as_rgb(image: ChannelArray) -> Floats:
    """Three channels from 0 to 255; more than 8 bits are stretched to that range."""
    channels = image[[0, 1, 2] if len(image) >= 3 else [0, 0, 0]].astype(np.float64)
    if image.dtype == np.uint8:
        return channels
    low, high = float(channels.min()), float(channels.max())
    scaled: Floats = (channels - low) * (255 / max(high - low, 1e-12))
    return scaled


_MIN_UNITS = 8  # independent images with a category; with fewer its appearance is not compared
_ENOUGH_COLOURS = 1000  # segments with a colour, from which colour is a feature
_Z_95 = 1.645  # one-sided


class ConfusablePair(msgspec.Struct, frozen=True, rename={"colour": "delta_e"}):
    """Two categories that may be confused.

    `twice` things were drawn as both by the same annotator, in `images` images, of `of` things of the rarer category.
    `mistaken`: the least share that a classifier by appearance would misclassify, null if they are distinguishable or
    too few; `coloured`: the appearance is size, shape, place and colour, else without colour. `names`: their names are
    similar. `delta_e`: between their colours, if these are close.
    """

    a: str
    b: str
    twice: Count = 0
    images: Count = 0
    of: Count = 0
    mistaken: Number = math.nan
    coloured: bool = False
    names: bool = False
    colour: Number = math.nan


def confusable_pairs(tables: Tables, colours: Floats) -> tuple[ConfusablePair, ...]:
    """Find pairs of categories that may be confused, the most doubtful first.

    Parameters
    ----------
    tables : of a pilot, with the families `pairs` and `shapes`
    colours : (n_segments, 3) mean colours in CIELAB; NaN where no image is known

    Pairs that may overlap by the taxonomy are not reported for being drawn twice.
    """
    evidence_of: dict[tuple[str, str], dict[str, object]] = {}

    def note(first: str, second: str, **evidence: object) -> None:
        evidence_of.setdefault((first, second) if first <= second else (second, first), {}).update(evidence)

    name_of = tables.profile.name_of
    for a, b, twice, images, n_segments in _drawn_twice(tables):
        note(name_of(a), name_of(b), twice=twice, images=images, of=n_segments)
    rows, features, coloured = _features(tables, colours)
    for a, b, mistaken in _look_alikes(tables, rows, features):
        note(name_of(a), name_of(b), mistaken=mistaken, coloured=coloured)
    categories = [category for category in tables.profile.taxonomy.categories if category.kind != "void"]
    for name, other_name in similar_names(categories):
        note(name, other_name, names=True)
    for name, other_name, distance in similar_colours(categories):
        note(name, other_name, colour=distance)
    pairs = [ConfusablePair(a, b, **evidence) for (a, b), evidence in evidence_of.items()]  # type: ignore[arg-type]  # its fields
    return tuple(sorted(pairs, key=_most_doubtful_first))


def _most_doubtful_first(pair: ConfusablePair) -> tuple[float, float, bool, float, str, str]:
    """Sort key: pairs drawn twice first, then by looks, names and colours."""
    mistaken = 0.0 if math.isnan(pair.mistaken) else pair.mistaken
    return -pair.twice, -mistaken, not pair.names, pair.colour if pair.colour >= 0 else math.inf, pair.a, pair.b


def _drawn_twice(tables: Tables) -> list[tuple[int, ...]]:
    """Pairs of category ids, the number of things drawn as both, of images with these, and of the rarer's segments."""
    segments, pairs = tables.segments, tables.pairs
    a, b, shared = pairs["a"], pairs["b"], pairs["shared"]
    area, category = segments["area"], segments["category_id"]
    counts = is_example(tables, crowds=False)
    same_thing = shared >= _SAME_THING_IOU * (area[a] + area[b] - shared)
    rows = np.flatnonzero(same_thing & (category[a] != category[b]) & counts[a] & counts[b])
    taxonomy = tables.profile.taxonomy
    one, second = np.minimum(category[a[rows]], category[b[rows]]), np.maximum(category[a[rows]], category[b[rows]])
    relations: tuple[Relation, ...] = ("part_of", "may_overlap", "also")
    for relation in relations:
        allowed = is_related_either_way(taxonomy, relation, one, second)
        rows, one, second = rows[~allowed], one[~allowed], second[~allowed]
    which, first = joint_codes(one, second)
    image = segments["image"][a[rows]]
    n_images = np.bincount(which[joint_codes(which, image)[1]], minlength=len(first))
    times = np.bincount(which, minlength=len(first))
    ids, n_segments = np.unique(category[counts], return_counts=True)
    n_rarer = np.minimum(*(n_segments[np.searchsorted(ids, ids_of[first])] for ids_of in (one, second)))
    columns = (column.tolist() for column in (one[first], second[first], times, n_images, n_rarer))
    return list(zip(*columns, strict=True))


def _look_alikes(tables: Tables, rows: Ints, features: Floats) -> list[tuple[int, int, float]]:
    """Pairs of category ids, and the least share of segments that a linear discriminant misclassifies.

    The distance of two categories is Mahalanobis', with one covariance for all, corrected for the bias of small samples
    (McLachlan, 1992, Discriminant Analysis, 3.2); the share is that of two normal distributions at
    the distance's upper limit. The sample size is the number of images, since segments of one image are similar.
    """
    if features.size == 0:
        return []
    ids, inverse = np.unique(tables.segments["category_id"][rows], return_inverse=True)
    unit = independent_units(tables)[tables.segments["image"][rows]]
    n_units = np.bincount(inverse[joint_codes(inverse, unit)[1]], minlength=len(ids))
    enough = np.flatnonzero(n_units >= _MIN_UNITS)
    mean = np.stack([np.bincount(inverse, column) for column in features.T], axis=1) / np.bincount(inverse)[:, None]
    within = features - mean[inverse]
    spread = within.T @ within / max(len(rows) - len(ids), 1)
    steady = 0.95 * spread + 0.05 * np.diag(np.diag(spread)) + 1e-9 * np.eye(len(spread))
    white = mean[enough] @ np.linalg.cholesky(np.linalg.inv(steady))
    result = []
    for place, one in enumerate(enough.tolist()):
        others = enough[place + 1 :]
        mistaken = _misclassified_shares(white[place + 1 :] - white[place], 1 / n_units[one] + 1 / n_units[others])
        for row in np.flatnonzero(mistaken >= _LEAST_MISTAKEN).tolist():
            result.append((int(ids[one]), int(ids[others[row]]), float(mistaken[row])))
    return result


def _misclassified_shares(apart: Floats, h: Floats) -> Floats:
    """(k,) the lower bound, at 95 %, of the share of two normal distributions on the wrong side of the middle.

    `apart` (k, p) is the difference of the means, in standard deviations; `h` (k,) is 1 / n + 1 / n of the two.
    """
    p = apart.shape[1]
    squared = np.maximum((apart**2).sum(axis=1) - p * h, 0)
    most = squared + _Z_95 * np.sqrt(4 * squared * h + 2 * p * h**2)
    shares: Floats = ndtr(-np.sqrt(most) / 2)
    return shares


def _features(tables: Tables, colours: Floats) -> tuple[Ints, Floats, bool]:
    """The rows of segments, their standardised features (n, p), and whether these include colour.

    Features are size, shape, place and company. Colour is included if most segments, or very many, have one; segments
    without it are then left out.
    """
    segments, images = tables.segments, tables.images
    counts = is_example(tables, crowds=False)
    every, with_colour = np.flatnonzero(counts), np.flatnonzero(counts & ~np.isnan(colours).any(axis=1))
    coloured = 0 < len(with_colour) >= min(len(every) / 2, _ENOUGH_COLOURS)
    rows = with_colour if coloured else every
    area, x, y, width, height, perimeter = (
        segments[name][rows].astype(np.float64) for name in ("area", "x", "y", "width", "height", "perimeter")
    )
    image = segments["image"][rows]
    wide, high = (np.maximum(images[name][image].astype(np.float64), 1) for name in ("width", "height"))
    columns = [
        np.log(area / (wide * high)),
        np.log(width / height),
        area / (width * height),
        np.log(perimeter**2 / (16 * area)),
        (y + height / 2) / high,
        np.abs((x + width / 2) / wide - 0.5),
        np.log(tables.annotations["n_segments"][segments["annotation"][rows]]),
        *(colours[rows].T if coloured else ()),
    ]
    table = np.column_stack(columns)
    if len(table) == 0:
        return rows, table, coloured
    scale = table.std(axis=0)
    return rows, (table - table.mean(axis=0))[:, scale > 0] / scale[scale > 0], coloured
