"""Edits: make a dataset from others by splitting, sampling, filtering, merging, remapping, tiling and stitching."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from segdata.api.convert import Conversion, convert, with_batches, write_derived
from segdata.api.read import Data, ReadOptions, read
from segdata.api.result import Result, json_table
from segdata.api.validate import dataset_tables
from segdata.core.atomic_files import write_whole
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError, count_noun
from segdata.core.executor import Progress, no_progress
from segdata.core.finding import Finding
from segdata.core.profile import Profile
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.core.split_assignment import SplitAssignment, assign_splits, check_shares, group_images
from segdata.core.strata import image_splits
from segdata.dataset import Dataset
from segdata.measure.tables.duplicates import find_lookalikes
from segdata.report.edits import sample_json, split_json
from segdata.report.findings import read_baseline
from segdata.store.merge import merge_datasets
from segdata.store.output import WindowCrops
from segdata.store.remap import TaxonomyMap
from segdata.store.revisions import canonical_root, revise
from segdata.store.selection import (
    COLUMNS,
    ConditionFilter,
    Expression,
    FindingTally,
    ImageSample,
    Purpose,
    category_condition,
    draw_images,
)
from segdata.store.windows import (
    Match,
    Tile,
    WindowChooser,
    cut_dataset,
    fixed_window,
    read_tile,
    stitch_dataset,
    tile_windows,
    windows_around_segments,
)

if TYPE_CHECKING:
    import pandas as pd


PARTS = {"train": 0.7, "val": 0.15, "test": 0.15}
_NO_SPLIT_COLUMN = "only a canonical dataset can store a split", "write lists of images instead (--lists DIR), or "


@dataclass(frozen=True)
class SplitResult(Result):
    """The result of `split`.

    Attributes
    ----------
    assignment : the part of each image_id (`part_of`), and how balanced the parts are (`counts`, `deviation`); not a
        table, which `table()` is
    n_alike : pairs that link equal or nearly equal images, which are in one part
    revision : of the canonical dataset with the parts in its column `split`; None if none was made
    lists : the written lists of images of each part
    """

    assignment: SplitAssignment
    n_alike: int
    revision: str | None = None
    lists: tuple[Path, ...] = ()

    def to_json(self) -> str:
        """The result as JSON, as ``segdata split --format json`` prints it."""
        return split_json(self.assignment, self.n_alike, self.revision, self.lists)

    def table(self) -> "pd.DataFrame":
        """One row for each category as a pandas table: images, segments and pixels of each part."""
        return json_table(self.to_json(), "categories")


def split(
    data: Data,
    parts: Mapping[str, float] | None = None,
    *,
    group: str | Iterable[str] = (),
    seed: int = 0,
    keep: bool = False,
    overwrite: bool = False,
    near: bool = True,
    lists: str | Path | None = None,
    dry_run: bool = False,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> SplitResult:
    """Divide the images into train, val and test, with balanced categories and without leaks.

    Parameters
    ----------
    parts : the share of each part; default: train 0.7, val 0.15, test 0.15
    group : columns whose values must stay together, beside `group` and `sequence`, which always do
    seed : random seed; the order of the images does not matter
    keep : images that are in one of the parts already stay there
    overwrite : replace the split that a canonical dataset has already
    near : images that are nearly the same stay together; all images are decoded to find them
    lists : a folder for one list of image ids per part, for formats that cannot hold a split; None: a canonical
        dataset gets a new revision with the parts in its column `split`
    dry_run : write nothing
    jobs, progress : see `Dataset`

    Raises SegdataError where shares do not sum to 1, and without `lists` for a dataset that is not canonical, or that
    has a split that is neither to be kept nor to be overwritten.
    """
    dataset = read(data, **opening)
    shares = dict(PARTS if parts is None else parts)
    names, _ = check_shares(shares)
    root = None if lists is not None or dry_run else canonical_root(dataset, *_NO_SPLIT_COLUMN)
    tables = dataset_tables(dataset, frozenset(), jobs, progress)
    if root is not None and not keep and not overwrite:
        _check_unsplit(tables, root)
    pairs = find_lookalikes(tables.images, jobs) if near else np.empty((0, 2), np.int64)
    unit = group_images(tables, [group] if isinstance(group, str) else list(group), pairs)
    assignment = assign_splits(tables, shares, unit, seed, _current_parts(tables, names) if keep else None)
    if dry_run:
        return SplitResult(assignment, len(pairs))
    if root is None:
        return SplitResult(assignment, len(pairs), lists=_write_lists(assignment, Path(str(lists))))
    description = "split into " + ", ".join(f"{name}={share:g}" for name, share in shares.items()) + f", seed {seed}"
    log = [{"split": name, "images": int(n)} for name, n in zip(names, assignment.n_images, strict=True)]
    revision = revise(root, {}, description, log, dataset.profile.revision, images={"split": assignment.part_of})
    return SplitResult(assignment, len(pairs), revision)


def _check_unsplit(tables: Tables, root: Path) -> None:
    """Raise SegdataError if the dataset already has a split."""
    counts = Counter(part for part in tables.images["split"].tolist() if part is not None)
    if counts:
        listed = ", ".join(f"{name} {count_noun(n, 'image')}" for name, n in counts.most_common())
        raise SegdataError(
            f"{root}: has a split already ({listed}); --keep keeps it and assigns the other images, --overwrite "
            "replaces it, --lists DIR writes lists and changes nothing"
        )


def _current_parts(tables: Tables, names: tuple[str, ...]) -> Ints:
    """(n_images,) the part of each image; -1 for none of `names`."""
    number = {name: position for position, name in enumerate(names)}
    return np.array([number.get(split, -1) for split in image_splits(tables).tolist()], np.int64)


def _write_lists(assignment: SplitAssignment, folder: Path) -> tuple[Path, ...]:
    """Write a list of image ids for each part; never overwrites files."""
    paths = tuple(folder / f"{name}.txt" for name in assignment.parts)
    for path in paths:
        if path.exists():
            raise SegdataError(f"{path}: exists already; name another folder for the lists, or delete it first")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, path in zip(assignment.parts, paths, strict=True):
            images = sorted(image for image, part in assignment.part_of.items() if part == name)
            write_whole(path, "".join(f"{image}\n" for image in images))
    except OSError as error:
        raise SegdataError(f"{folder}: cannot be written: {error.strerror}") from error
    return paths


@dataclass(frozen=True)
class SampleResult(Result):
    """The result of `draw_sample`: the drawn images, and the written dataset, if any."""

    draw: ImageSample
    written: Conversion | None

    def to_json(self) -> str:
        """The result as JSON, as ``segdata sample --format json`` prints it."""
        return sample_json(self.draw, None if self.written is None else self.written.target)

    def table(self) -> "pd.DataFrame":
        """One row for each category as a pandas table: its segments in all images, and in the sample."""
        return json_table(self.to_json(), "categories")


def draw_sample(
    data: Data,
    target: str | Path | None,
    n: int,
    *,
    purpose: Purpose = "gold",
    stratify: str | None = None,
    instances: int = 30,
    seed: int = 0,
    copy_images: bool = False,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> SampleResult:
    """Draw `n` images, and write them with their labels as a canonical dataset.

    Parameters
    ----------
    target : see `Dataset`; None: write nothing
    n : how many images
    purpose : ``gold``: images that cover the categories, chosen greedily; ``pilot``: a random sample for `pilot`
    stratify : a column; each of its values gives its share of the images
    instances : segments of each category that a gold set should have
    seed : random seed
    copy_images, jobs, progress : see `Dataset`

    Raises SegdataError for more images than there are, and for a column without values.
    """
    dataset = read(data, **opening)
    tables = dataset_tables(dataset, frozenset(), jobs, progress if target is None else no_progress)
    drawn_images = draw_images(tables, n, purpose=purpose, stratify=stratify, wanted=instances, seed=seed)
    if target is None:
        return SampleResult(drawn_images, None)
    names = set(drawn_images.images)
    all_ids = dataset.source.image_ids
    rows = np.array([row for row in dataset.source_rows.tolist() if all_ids[row] in names], np.int64)
    origin = (
        f"{count_noun(n, 'image')} drawn for a {purpose}{'' if stratify is None else f', by {stratify}'}, seed {seed}"
    )
    return SampleResult(
        drawn_images,
        write_derived(
            replace(dataset, rows=rows), target, origin, copy_images=copy_images, jobs=jobs, progress=progress
        ),
    )


@dataclass(frozen=True, slots=True)
class FilterResult:
    """The result of `filter`.

    Attributes
    ----------
    written : the new dataset
    conditions : conditions over columns for what was kept
    images, annotations, segments, pixels : numbers of dropped ones
    """

    written: Conversion
    conditions: tuple[str, ...]
    images: int
    annotations: int
    segments: int
    pixels: int


def filter(
    data: Data,
    target: str | Path,
    *,
    category: str | Iterable[str] = (),
    drawn_by: str | Iterable[str] = (),
    min_area: int | None = None,
    max_area: int | None = None,
    finding: str | Iterable[str] = (),
    findings: str | Path | Sequence[Finding] = (),
    where: str | Iterable[str] = (),
    keep_images: bool = False,
    copy_images: bool = False,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> FilterResult:
    """Write the images, annotations and segments that meet all conditions as a canonical dataset.

    Parameters
    ----------
    target, copy_images, jobs, progress : see `Dataset`
    category : segments of these categories, or of categories below them
    drawn_by : annotations by these annotators
    min_area, max_area : segments of at least, and at most, so many pixels
    finding : images with a finding of these codes, or codes that begin like this; needs `findings`
    findings : a JSON report of `validate`, or findings; the columns `findings` and `image_findings` count them
    where : conditions over columns, such as ``"area > 100 and category == 'car'"``; see
        `segdata.store.selection`
    keep_images : keep images that lose all their labels, as annotated and empty

    A condition on segments also drops images without such a segment, and one on annotations images without such
    an annotation. Raises SegdataError for unknown categories and columns, and for invalid conditions.
    """
    dataset = read(data, **opening)
    codes = _as_list(finding)
    reported = read_baseline(Path(findings)) if isinstance(findings, (str, Path)) else tuple(findings)
    if codes and isinstance(findings, tuple) and not findings:
        raise SegdataError(f"finding {', '.join(codes)}: needs a report, as segdata validate --format json writes it")
    selected = [
        entry for entry in reported if not codes or entry.code.startswith(tuple(code.upper() for code in codes))
    ]
    texts = [
        *category_condition(dataset.profile, _as_list(category)),
        *([f"annotator in {_as_list(drawn_by)!r}"] if _as_list(drawn_by) else []),
        *([] if min_area is None else [f"area >= {min_area}"]),
        *([] if max_area is None else [f"area <= {max_area}"]),
        *(["image_findings > 0"] if codes else []),
        *_as_list(where),
    ]
    conditions = tuple(Expression.parse(text, list(COLUMNS)) for text in texts)
    selection = ConditionFilter(conditions, dataset.profile, FindingTally.from_findings(selected), keep_images)
    origin = "filtered" + (f": {' and '.join(f'({text})' for text in texts)}" if texts else "")
    origin += f" of {', '.join(codes)}" if codes else ""
    done = write_derived(
        with_batches(dataset, selection), target, origin, copy_images=copy_images, jobs=jobs, progress=progress
    )
    return FilterResult(done, tuple(texts), *selection.total)


def _as_list(given: str | Iterable[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


@dataclass(frozen=True, slots=True)
class MergeResult:
    """The result of `merge`.

    Attributes
    ----------
    written : the new dataset
    remarks : a line for each renamed category, image, annotator and sequence
    n_shared : number of images in several of the datasets
    """

    written: Conversion
    remarks: tuple[str, ...]
    n_shared: int


def merge(
    data: Iterable[Data],
    target: str | Path,
    *,
    taxonomy_maps: Mapping[int, str | Path | TaxonomyMap] | None = None,
    apart: bool = False,
    copy_images: bool = False,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> MergeResult:
    """Write several datasets as one: `segdata.Dataset.merge`; `opening` is for those that are not open yet."""
    datasets = [read(source) if isinstance(source, OpenDataset) else read(source, **opening) for source in data]
    merged = merge_datasets(datasets, taxonomy_maps or {}, apart=apart)
    written = write_derived(
        merged.dataset, target, merged.origin, copy_images=copy_images, jobs=jobs, progress=progress
    )
    return MergeResult(written, merged.remarks(), merged.n_shared)


def remap(
    data: Data,
    target: str | Path,
    mapping: str | Path | Mapping[str, str | None],
    *,
    copy_images: bool = False,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> Conversion:
    """Rename, join and drop categories, and write the result as a canonical dataset.

    `mapping`: old name -> new name, None: drop its segments; or a YAML file, as ``segdata taxonomy diff`` writes
    it. Categories that it does not name stay. `losses` of the result counts what was dropped and joined. Raises
    SegdataError for names that the data do not have.
    """
    if isinstance(mapping, Mapping):
        if not mapping:
            raise SegdataError("name a category to rename or drop")
        category_map: str | Path | TaxonomyMap = TaxonomyMap(categories=dict(mapping))
        origin = f"categories mapped: {', '.join(f'{old} -> {new or None}' for old, new in list(mapping.items())[:8])}"
        origin += f" and {count_noun(len(mapping) - 8, 'other')}" if len(mapping) > 8 else ""
    else:
        category_map, origin = mapping, f"categories mapped by {Path(mapping).name}"
    return convert(
        read(data, **opening),
        target,
        taxonomy_map=category_map,
        copy_images=copy_images,
        jobs=jobs,
        progress=progress,
        write_options={"made": origin},
    )


Size = int | tuple[int, int]
Box = tuple[int, int, int, int]


def tile(
    data: Data,
    target: str | Path,
    size: Size = 512,
    *,
    overlap: int = 0,
    crop_images: bool = True,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> Conversion:
    """Cut all images into tiles, and write pictures and labels as a canonical dataset.

    Parameters
    ----------
    target, jobs, progress : see `Dataset`
    size : of a tile in pixels: one number, or width and height
    overlap : pixels that neighbours share, at least; the last tiles share more, so that all have the full size
    crop_images : write the pictures too; otherwise tiles have none

    Segments keep their ids, so that `untile` restores the labels. Tiles of one image share a `group`, so that
    `split` keeps them together.
    """
    width, height = (size, size) if isinstance(size, (int, float)) else size
    origin = f"tiles of {width}x{height} pixels, overlap {overlap}"
    return _write_windows(
        read(data, **opening), target, tile_windows(width, height, overlap), origin, crop_images, jobs, progress
    )


def crop(
    data: Data,
    target: str | Path,
    *,
    box: Box | None = None,
    around: str | Sequence[str] | None = None,
    margin: int = 0,
    crop_images: bool = True,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> Conversion:
    """Cut windows out of images, and write pictures and labels as a canonical dataset.

    Parameters
    ----------
    box : x, y, width and height in pixels: the same window in each image
    around : without `box`: a window around each segment of these categories; None: around each segment
    margin : pixels around each segment
    target, crop_images, jobs, progress : as for `tile`
    """
    dataset = read(data, **opening)
    if box is not None:
        if min(box[:2]) < 0 or min(box[2:]) < 1:
            raise SegdataError(f"box {box}: x and y must be 0 or more, width and height 1 or more")
        origin = f"cropped to {box[2]}x{box[3]} pixels at ({box[0]}, {box[1]})"
        return _write_windows(dataset, target, fixed_window(*box), origin, crop_images, jobs, progress)
    names = [around] if isinstance(around, str) else around
    choose = windows_around_segments(None if names is None else _category_ids(dataset.profile, names), margin)
    origin = f"cropped to {'all segments' if names is None else ', '.join(names)}, {margin} pixels around"
    return _write_windows(dataset, target, choose, origin, crop_images, jobs, progress)


def _write_windows(
    dataset: Dataset, target: str | Path, choose: WindowChooser, made: str, crop: bool, jobs: int, progress: Progress
) -> Conversion:
    """Write the windows that `choose` chooses."""
    copies = WindowCrops if crop else False
    windows = cut_dataset(dataset, choose, crop)
    return write_derived(windows, target, made, copy_images=copies, jobs=jobs, progress=progress)


def untile(
    data: Data,
    target: str | Path,
    *,
    tiles: Data | None = None,
    match: Match = "id",
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> Conversion:
    """Put tiles together again: write their labels as labels of the images that they were cut from.

    Parameters
    ----------
    target, jobs, progress : see `Dataset`
    tiles : the dataset that `tile` wrote, if this one only has the names of its images; extensions may differ
    match : which segments of several tiles are one: ``id``: those with the same id; ``overlap``: those of one
        category with an IoU of at least 0.5 where their tiles overlap, for instances that a model predicted

    Pixels that two tiles share are divided in the middle. Raises SegdataError for images that are tiles of
    nothing known.
    """
    dataset = read(data, **opening)
    tiles_by_id = _known_tiles(dataset if tiles is None else read(tiles), jobs)
    hint = "give the dataset that segdata tile wrote" if tiles is None else "the tiles have no such image"
    stitched = stitch_dataset(dataset, tiles_by_id, match, hint)
    return write_derived(stitched, target, f"put together from tiles, by {match}", jobs=jobs, progress=progress)


def _known_tiles(dataset: Dataset, jobs: int) -> dict[str, tuple[Tile, int, int]]:
    """The origin of each tile in a dataset, with its width and height; omits images that are no tiles."""
    images = dataset_tables(dataset, frozenset(), jobs).images
    lines = images.lines("image_id", "metadata", "width", "height")
    windows = ((name, read_tile(metadata), width, height) for name, metadata, width, height in lines)
    return {name: (window, width, height) for name, window, width, height in windows if window is not None}


def _category_ids(profile: Profile, names: Sequence[str]) -> list[int]:
    """The ids of categories; raises SegdataError for an unknown name."""
    by_name = profile.taxonomy.by_name()
    for name in names:
        if name not in by_name:
            near = profile.taxonomy.nearest(name)
            raise SegdataError(f"no category {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return [by_name[name].id for name in names]
