"""Summary: the content of a dataset by category and as a whole, advice on its task, and statistics for training."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.executor import run_ordered
from segdata.core.image_files import read_channels
from segdata.core.profile import Profile
from segdata.core.rule import Tables
from segdata.core.runs import Floats, Ints
from segdata.core.schema import runs_to_rle
from segdata.core.statistics import class_weights, effective_number
from segdata.core.strata import (
    ANNOTATION_COLUMNS,
    CategoryTally,
    annotation_strata,
    example_segments,
    image_splits,
    image_strata,
    joint_codes,
    number_names,
)
from segdata.core.table import Table

EFFECTIVE_BETA = 0.999  # of the effective number of samples
_MIN_SAMPLES = 30  # parts, or images, below which there is no advice
_LARGE_FACTOR = 2.5  # times the median part: perhaps several joined things
_MIN_LARGE_SHARE = 0.2  # of a category's pixels in large parts
_MIN_PART_PIXELS = 16  # of a part that is a thing
QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}


@dataclass(frozen=True, slots=True)
class ChannelStatistics:
    """Mean and standard deviation of the channels of all images with one dtype and number of channels.

    Attributes
    ----------
    dtype : of their values, ``uint8``
    mean, std : (n_channels,) over all pixels of all images, of the values as they are
    top : the largest value that the type holds; 1 for floats: divided by it values are in [0, 1]
    n_images, n_pixels : how many
    """

    dtype: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    top: float
    n_images: int
    n_pixels: int


@dataclass(frozen=True, slots=True)
class _ChannelSums:
    """Sums over images of one type: pixels, and for each channel the mean and the sum of squared deviations."""

    sort: tuple[str, int]
    n_images: int
    n_pixels: int
    mean: Floats
    squares: Floats

    def __add__(self, other: "_ChannelSums") -> "_ChannelSums":
        """Source: Chan, Golub and LeVeque (1979), Stanford STAN-CS-79-773: exact where plain sums cancel."""
        n, apart = self.n_pixels + other.n_pixels, other.mean - self.mean
        mean = self.mean + apart * (other.n_pixels / n)
        squares = self.squares + other.squares + apart**2 * (self.n_pixels * other.n_pixels / n)
        return _ChannelSums(self.sort, self.n_images + other.n_images, n, mean, squares)


def channel_statistics(images: Table, jobs: int = 0) -> tuple[tuple[ChannelStatistics, ...], int]:
    """The statistics of image channels, and the number of images that could not be read.

    Images with one dtype and number of channels have common statistics; those of most images come first. Each of `jobs`
    threads decodes one image at a time.
    """
    sums_by_sort: dict[tuple[str, int], _ChannelSums] = {}
    unread = 0
    lines = images.lines("uri", "height", "width")
    for sums in run_ordered(_image_sums, lines, jobs):
        if sums is None:
            unread += 1
        else:
            sums_by_sort[sums.sort] = sums_by_sort[sums.sort] + sums if sums.sort in sums_by_sort else sums
    return tuple(_statistics_of(sorted(sums_by_sort.values(), key=lambda sums: (-sums.n_images, sums.sort)))), unread


def _image_sums(line: tuple[str | None, int, int]) -> _ChannelSums | None:
    """The sums of one image; None if it cannot be read."""
    uri, height, width = line
    if uri is None:
        return None
    try:
        pixels = read_channels(uri, (height, width))
    except (OSError, SegdataError):
        return None  # reported by another rule
    values = pixels.reshape(len(pixels), -1).astype(np.float64)
    mean = values.mean(axis=1)
    squares = ((values - mean[:, None]) ** 2).sum(axis=1)
    return _ChannelSums((pixels.dtype.name, len(pixels)), 1, values.shape[1], mean, squares)


def _statistics_of(sums: Iterable[_ChannelSums]) -> Iterator[ChannelStatistics]:
    for total in sums:
        dtype = np.dtype(total.sort[0])
        top = float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0
        mean, std = total.mean, np.sqrt(total.squares / total.n_pixels)
        yield ChannelStatistics(
            total.sort[0], tuple(mean.tolist()), tuple(std.tolist()), top, total.n_images, total.n_pixels
        )


def inverse_frequency(count: Ints | Floats) -> Floats:
    """Weights (k,) with which all categories count equally: the total over k times the count; 0 where a count is 0.

    k is the number of categories that occur. The mean weight over everything counted is 1.

    >>> inverse_frequency(np.array([6, 2, 0])).round(3).tolist()
    [0.667, 2.0, 0.0]
    """
    weights, some = np.zeros(len(count)), count > 0
    weights[some] = count.sum() / (some.sum() * count[some])
    return weights


def median_frequency(pixels: Ints | Floats, of_images: Ints | Floats) -> Floats:
    """Weights (k,) by median frequency: the median over each category's frequency; 0 where a category does not occur.

    A frequency is the `pixels` of a category over `of_images`, the pixels of all images in which it occurs.
    Source: Eigen and Fergus (2015), ICCV, 2650-2658, section 6.3.2.

    >>> median_frequency(np.array([50, 10, 0]), np.array([100, 40, 0])).tolist()
    [0.75, 1.5, 0.0]
    """
    weights, some = np.zeros(len(pixels)), pixels > 0
    frequency = pixels[some] / of_images[some]
    weights[some] = np.median(frequency) / frequency if some.any() else 0
    return weights


def effective_weights(samples: Ints | Floats, beta: float = EFFECTIVE_BETA) -> Floats:
    """Weights (k,) by the effective number of samples, (1 - beta^n) / (1 - beta), with a mean of 1; 0 for none.

    Source: Cui and others (2019), "Class-Balanced Loss Based on Effective Number of Samples", CVPR, 9268-9277.

    >>> effective_weights(np.array([1, 10_000, 0])).round(3).tolist()
    [1.998, 0.002, 0.0]
    """
    weights, some = np.zeros(len(samples)), samples > 0
    weights[some] = (1 - beta) / -np.expm1(samples[some] * np.log(beta))
    return weights / weights[some].mean() if some.any() else weights


@dataclass(frozen=True, slots=True)
class AcceptedSegments:
    """Counts of people's segments that have the same pixels as a model's, on images that a model annotated too."""

    segments: int = 0  # how many segments these have
    unchanged: int = 0  # how many of them have the same pixels as one of the model's, in any category


def count_accepted(batches: Iterable[Batch]) -> AcceptedSegments:
    """Count accepted segments, for each annotator separately, without empty segments."""
    segments = unchanged = 0
    for batch in batches:
        source = batch.annotations["source"].to_pylist()
        if "model" not in source or set(source) == {"model"}:
            continue
        counts = runs_to_rle(batch.runs, *batch.segment_size).to_pylist()
        masks: dict[tuple[int, int], Counter[bytes]] = {}  # by image and annotation
        empty = (batch.runs.areas(batch.n_segments) == 0).tolist()
        rows = zip(batch.segment_image.tolist(), batch.segment_annotation.tolist(), counts, empty, strict=True)
        for image, annotation, pixels, is_empty in rows:
            if not is_empty:
                masks.setdefault((image, annotation), Counter())[pixels] += 1
        models: dict[int, Counter[bytes]] = {}
        for (image, annotation), own in masks.items():
            if source[annotation] == "model":
                models.setdefault(image, Counter()).update(own)
        for (image, annotation), own in masks.items():
            if source[annotation] != "model" and image in models:
                segments += own.total()
                unchanged += (own & models[image]).total()
    return AcceptedSegments(segments, unchanged)


def task_advice(tables: Tables) -> Iterator[str]:
    """Advice on the task of a dataset, a sentence each; semantic data need the family `parts`."""
    is_semantic = tables.profile.task == "semantic"
    return _merged_instances_advice(tables) if is_semantic else _single_instances_advice(tables)


def _merged_instances_advice(tables: Tables) -> Iterator[str]:
    """Advice for semantic data in which regions of a thing are as large as several things.

    The other regions must have similar sizes: things such as cars differ by perspective anyway.
    """
    parts, segments = tables.parts, tables.segments
    things = {category.id: category.name for category in tables.profile.taxonomy.categories if category.kind == "thing"}
    category = segments["category_id"][parts["segment"]]
    for id_, name in things.items():
        area = np.sort(parts["area"][(category == id_) & (parts["area"] >= _MIN_PART_PIXELS)]).astype(np.float64)
        if len(area) < _MIN_SAMPLES:
            continue
        median = float(np.median(area))
        quartiles = np.quantile(np.log(area), (0.25, 0.75))
        large = area > _LARGE_FACTOR * median
        if quartiles[1] - quartiles[0] < np.log(_LARGE_FACTOR) and area[large].sum() >= _MIN_LARGE_SHARE * area.sum():
            yield (
                f"{area[large].sum() / area.sum():.0%} of the pixels of {name!r} are in {int(large.sum()):,} regions "
                f"more than {_LARGE_FACTOR:g} times as large as the median of {median:,.0f} px: if these are several "
                "touching objects, semantic labels cannot count them; label instances (COCO, instance ids)"
            )


def _single_instances_advice(tables: Tables) -> Iterator[str]:
    """Advice for instance data in which no image has two instances of any thing."""
    rows = example_segments(tables, crowds=False)
    things = rows.take(np.isin(rows["category_id"], tables.profile.taxonomy.thing_ids))
    images = len(np.unique(things["image"]))
    if images < _MIN_SAMPLES:
        return
    which, _ = joint_codes(things["annotation"], things["category_id"])
    if np.bincount(which).max() == 1:
        yield (
            f"no image has two instances of one category ({images:,} images with things): semantic labels would "
            "say the same and cost less, unless the annotators joined instances"
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """The content of a dataset.

    Attributes
    ----------
    dataset : as the user named it
    profile : what is known of it as a whole
    facts : name -> number or text: images, annotations, annotators, segments, crowds, labelled share, sizes …
    categories : one row per category of the taxonomy and per id that it lacks: id, name, kind, images, segments,
        pixels, share (of the labelled pixels), weight (for the loss, that balances categories; by pixels in semantic
        data, else by segments; 0 for void and what never occurs), weight_inverse, weight_median and weight_effective
        (see `segdata.measure.summary`; counted as weight is, but median by pixels, and effective by
        segments, in semantic data by images), and quantiles of the segments' areas in pixels
    content_hash : of the labels; None if not requested
    raster_rules : rule -> how many segments have polygons, how many of them have other pixels when they are drawn by
        that rule, and how many pixels those gain or lose; empty when it was not asked for
    by : the column to group by
    portions : one row per stratum of that column: stratum (a text), images, annotations, segments, and effective (the
        effective number of categories, counted as the weights are)
    strata : one row per stratum and category that occurs in it: stratum, id, name, images, segments, pixels, share
    channels : mean and standard deviation of the images' channels; None when they were not asked for
    unread : then, how many images have no file that can be read
    shapes : one row per category: objects, and quartiles of sizes in px and mm; None when they were not asked for
    advice : where the task does not fit what was drawn, a sentence each
    """

    dataset: str
    profile: Profile
    facts: dict[str, Any]  # Any: numbers and texts, for people
    categories: pd.DataFrame
    content_hash: str | None = None
    raster_rules: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    by: str | None = None
    portions: pd.DataFrame = field(default_factory=pd.DataFrame)
    strata: pd.DataFrame = field(default_factory=pd.DataFrame)
    channels: tuple[ChannelStatistics, ...] | None = None
    unread: int = 0
    shapes: pd.DataFrame | None = None
    advice: tuple[str, ...] = ()

    def __repr__(self) -> str:
        counts = ", ".join(f"{self.facts.get(name, 0)} {name}" for name in ("images", "annotations", "segments"))
        return f"Summary({self.dataset!r}: {counts}, {len(self.categories)} categories)"


def summarise(dataset: str, tables: Tables, content_hash: str | None = None, by: str | None = None) -> Summary:
    """Summarise measured tables, which need no family beyond the rows, except `parts` for advice on semantic data.

    `by`: a column as `segdata.core.strata` names them. Raises SegdataError if there is no such column.
    """
    categories = _category_table(tables)
    portions, rows = (pd.DataFrame(), pd.DataFrame()) if by is None else _strata_tables(tables, by)
    return Summary(
        dataset,
        tables.profile,
        _summary_facts(tables, categories),
        categories,
        content_hash,
        by=by,
        portions=portions,
        strata=rows,
        advice=tuple(task_advice(tables)),
    )


def _summary_facts(tables: Tables, categories: pd.DataFrame) -> dict[str, Any]:  # Any: numbers and texts, for people
    images = pd.DataFrame({name: tables.images[name] for name in ("width", "height")})
    images["split"] = image_splits(tables)
    annotations, segments = (table.to_pandas() for table in (tables.annotations, tables.segments))
    sizes = (images["width"].astype(str) + "x" + images["height"].astype(str)).value_counts()
    total = int((images["width"].astype("int64") * images["height"].astype("int64")).sum())
    return {
        "images": len(images),
        "annotated images": int(annotations["image"].nunique()),
        "annotations": len(annotations),
        "annotators": int(annotations["annotator"].nunique(dropna=True)),
        "empty annotations": int((annotations["n_segments"] == 0).sum()),
        "segments": len(segments),
        "segments an image": _count_range(np.bincount(segments["image"], minlength=len(images))),
        "crowd segments": int(segments["iscrowd"].sum()),
        **_model_facts(annotations),
        "pixels of all images": total,
        "image sizes": ", ".join(f"{size} ({count})" for size, count in sizes.head(5).items())
        + (f", {len(sizes) - 5} more" if len(sizes) > 5 else ""),
        "splits": ", ".join(f"{name} ({count})" for name, count in images["split"].value_counts().items()) or "none",
        "balance": _balance_fact(categories),
    }


def _model_facts(annotations: pd.DataFrame) -> dict[str, Any]:  # Any: as above
    """The numbers of annotations and segments from models, and of drafts among them; None without any."""
    theirs = annotations[annotations["source"] == "model"]
    if theirs.empty:
        return {}
    amount = f"{len(theirs):,} annotations with {int(theirs['n_segments'].sum()):,} segments"
    return {"from models": f"{amount}; {int((theirs['stage'] == 'drafted').sum()):,} of them drafts"}


def _count_range(counts: Ints) -> str:
    """The range of counts in words, with their median; one number if all are equal."""
    if len(counts) == 0:
        return "none"
    if counts.min() == counts.max():
        return f"{counts.min():,}"
    return f"{counts.min():,} to {counts.max():,}, median {np.median(counts):,.0f}"


def _balance_fact(categories: pd.DataFrame) -> str:
    """The effective numbers of the categories in use, in words."""
    used = categories[(categories["segments"] > 0) & (categories["kind"] != "void")]
    if used.empty:
        return "no categories in use"
    if len(used) == 1:
        return "one category in use"
    pixels, segments, images = (
        f"{effective_number(used[what].to_numpy()):.1f}" for what in ("pixels", "segments", "images")
    )
    return (
        f"effective number of the {len(used)} categories in use: {pixels} by pixels, {segments} by segments, "
        f"{images} by images"
    )


def _category_table(tables: Tables) -> pd.DataFrame:
    by_id = {category.id: category for category in reversed(tables.profile.taxonomy.categories)}
    segments = tables.segments.to_pandas()
    ids = [*dict.fromkeys([category.id for category in tables.profile.taxonomy.categories])]
    ids += sorted(set(segments["category_id"].unique().tolist()) - set(ids))
    grouped = segments.groupby("category_id")
    area = grouped["area"]
    frame = pd.DataFrame(
        {
            "id": ids,
            "name": [by_id[id_].name if id_ in by_id else f"(id {id_})" for id_ in ids],
            "kind": [by_id[id_].kind if id_ in by_id else "unknown" for id_ in ids],
            "images": grouped["image"].nunique().reindex(ids, fill_value=0).to_numpy(),
            "segments": grouped.size().reindex(ids, fill_value=0).to_numpy(),
            "pixels": area.sum().reindex(ids, fill_value=0).to_numpy(),
        }
    )
    frame["share"] = frame["pixels"] / max(int(frame["pixels"].sum()), 1)
    balanced = frame[_counted_column(tables)].to_numpy() * (frame["kind"] != "void").to_numpy()
    frame["weight"] = class_weights(balanced)
    counts = (frame["kind"] != "void").to_numpy() * frame[["images", "segments", "pixels"]].to_numpy().T
    frame["weight_inverse"] = inverse_frequency(balanced)
    frame["weight_median"] = median_frequency(counts[2], _pixels_of_images(tables, ids))
    frame["weight_effective"] = effective_weights(counts[0 if tables.profile.task == "semantic" else 1])
    for name, quantile in QUANTILES.items():
        values = area.quantile(quantile) if len(segments) else pd.Series(dtype=float)
        frame[f"area_{name}"] = values.reindex(ids).to_numpy() if len(values) else np.full(len(ids), np.nan)
    return frame


def _pixels_of_images(tables: Tables, ids: list[int]) -> Ints:
    """(n_categories,) the number of pixels of all images in which each category occurs."""
    segments, images = tables.segments, tables.images
    once = joint_codes(segments["category_id"], segments["image"])[1]
    area = images["width"].astype(np.int64) * images["height"]
    place = {id_: position for position, id_ in enumerate(ids)}
    category = np.array([place[id_] for id_ in segments["category_id"][once].tolist()], np.int64)
    return np.bincount(category, area[segments["image"][once]], len(ids)).astype(np.int64)


def _counted_column(tables: Tables) -> str:
    """The column by which loss weights are computed: pixels in semantic data, else segments."""
    return "pixels" if tables.profile.task == "semantic" else "segments"


def _strata_tables(tables: Tables, by: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables `portions` and `strata` of a `Summary`; items without a value are in the stratum "(none)"."""
    names, stratum_of = _with_none(annotation_strata(tables, by))
    images = np.bincount(_image_numbers(tables, by, names, stratum_of), minlength=len(names))
    kept = example_segments(tables)
    rows = _stratum_categories(tables, kept, stratum_of)
    counted = rows.groupby("stratum")[_counted_column(tables)]
    effective = counted.apply(lambda column: effective_number(column.to_numpy()))
    portions = pd.DataFrame(
        {
            "stratum": names,
            "images": images,
            "annotations": np.bincount(stratum_of, minlength=len(names)),
            "segments": np.bincount(stratum_of[kept["annotation"]], minlength=len(names)),
            "effective": effective.reindex(range(len(names))).to_numpy(dtype=float),
        }
    )
    rows["stratum"] = [names[stratum] for stratum in rows["stratum"]]
    return portions, rows


def _stratum_categories(tables: Tables, segments: Table, stratum_of: Ints) -> pd.DataFrame:
    """The table `strata` of a `Summary`, with numbers for the strata `stratum_of` (n_annotations,)."""
    by_stratum = CategoryTally.count(segments, stratum_of[segments["annotation"]])
    stratum = stratum_of[segments["annotation"]]
    once = joint_codes(stratum, segments["category_id"], segments["image"])[1]
    images = np.bincount(joint_codes(stratum[once], segments["category_id"][once])[0])
    frame = pd.DataFrame(
        {
            "stratum": by_stratum.owner,
            "id": by_stratum.category,
            "name": [tables.profile.name_of(int(id_)) for id_ in by_stratum.category],
            "images": images,
            "segments": by_stratum.segments,
            "pixels": by_stratum.pixels,
        }
    )
    frame["share"] = frame["pixels"] / frame.groupby("stratum")["pixels"].transform("sum")
    return frame


def _with_none(values: Any) -> tuple[list[str], Ints]:  # Any: texts and None
    """The distinct names, with "(none)" as the last one, and (n,) the position of each value among them."""
    names, numbers = number_names(values)
    if (numbers < 0).any():
        names, numbers = [*names, "(none)"], np.where(numbers < 0, len(names), numbers)
    return names, numbers


def _image_numbers(tables: Tables, by: str, names: list[str], stratum_of: Ints) -> Ints:
    """The stratum of each image, annotated or not; an image counts once in each of its strata."""
    if by in ANNOTATION_COLUMNS:
        return stratum_of[joint_codes(stratum_of, tables.annotations["image"])[1]]
    number = {name: place for place, name in enumerate(names)}
    numbers = [number.get(name, number.get("(none)", -1)) for name in image_strata(tables, by).tolist()]
    return np.array([stratum for stratum in numbers if stratum >= 0], np.int64)
