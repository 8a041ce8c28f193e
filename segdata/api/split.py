"""Split images into train, val and test without leaks, and draw samples of them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from segdata.api.convert import Conversion, write_derived
from segdata.api.read import Data, Progress, ReadOptions, no_progress, read
from segdata.api.result import Result, json_table
from segdata.api.validate import measure_dataset
from segdata.core.atomic_files import write_whole
from segdata.core.errors import SegdataError, count_noun
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.core.split_assignment import SplitAssignment, assign_splits, check_shares, group_images
from segdata.core.strata import image_splits
from segdata.dataset import Dataset
from segdata.measure.tables.duplicates import find_lookalikes
from segdata.store.revisions import revise
from segdata.store.sample import ImageSample, Purpose, draw_images

if TYPE_CHECKING:
    import pandas as pd


PARTS = {"train": 0.7, "val": 0.15, "test": 0.15}


@dataclass(frozen=True)
class SplitResult(Result):
    """What `split` did.

    Attributes
    ----------
    deal : the part of each image, and how balanced the parts are
    n_alike : pairs of images that are the same picture, or nearly, and so are in one part
    revision : of the canonical dataset that has the parts in its column `split`; None: none was made
    lists : the files that name the images of each part; empty: none were written
    """

    deal: SplitAssignment
    n_alike: int
    revision: str | None = None
    lists: tuple[Path, ...] = ()

    def to_json(self) -> str:
        """The result as JSON, as ``segdata split --format json`` prints it."""
        from segdata.report.edits import split_json

        return split_json(self.deal, self.n_alike, revision=self.revision, lists=[str(path) for path in self.lists])

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
    wanted = dict(PARTS if parts is None else parts)
    names, _ = check_shares(wanted)
    root = None if lists is not None or dry_run else _canonical_root(dataset)
    tables = measure_dataset(dataset, frozenset(), jobs, progress)
    if root is not None and not keep and not overwrite:
        _check_unsplit(tables, root)
    pairs = find_lookalikes(tables.images, jobs) if near else np.empty((0, 2), np.int64)
    unit = group_images(tables, [group] if isinstance(group, str) else list(group), pairs)
    dealt = assign_splits(tables, wanted, unit, seed, _current_parts(tables, names) if keep else None)
    if dry_run:
        return SplitResult(dealt, len(pairs))
    if root is None:
        return SplitResult(dealt, len(pairs), lists=_write_lists(dealt, Path(str(lists))))
    what = "split into " + ", ".join(f"{name}={share:g}" for name, share in wanted.items()) + f", seed {seed}"
    log = [{"split": name, "images": int(n)} for name, n in zip(names, dealt.n_images, strict=True)]
    revision = revise(root, {}, what, log, dataset.profile.revision, images={"split": dealt.part_of})
    return SplitResult(dealt, len(pairs), revision)


def _canonical_root(dataset: Dataset) -> Path:
    """The folder of a canonical dataset of which all images are read; raises SegdataError for any other."""
    root = Path(dataset.profile.files)
    if dataset.profile.format != "canonical" or not root.is_dir():
        raise SegdataError(
            f"{dataset.profile.files}: only a canonical dataset can store a split, this is {dataset.profile.format}; "
            "write lists of images instead (--lists DIR), or convert it first: segdata convert DATA OUT"
        )
    return root


def _check_unsplit(tables: Tables, root: Path) -> None:
    """Raise SegdataError if the dataset has a split of its own."""
    counts = Counter(part for part in tables.images["split"].tolist() if part is not None)
    if counts:
        listed = ", ".join(f"{name} {count_noun(n, 'image')}" for name, n in counts.most_common())
        raise SegdataError(
            f"{root}: has a split already ({listed}); --keep keeps it and assigns the other images, --overwrite "
            "replaces it, --lists DIR writes lists and changes nothing"
        )


def _current_parts(tables: Tables, names: tuple[str, ...]) -> Ints:
    """(n_images,) the part that an image is in; -1 for none of `names`."""
    number = {name: position for position, name in enumerate(names)}
    return np.array([number.get(split, -1) for split in image_splits(tables).tolist()], np.int64)


def _write_lists(dealt: SplitAssignment, folder: Path) -> tuple[Path, ...]:
    """Write a list of image ids for each part; nothing that is there already is replaced."""
    paths = tuple(folder / f"{name}.txt" for name in dealt.parts)
    for path in paths:
        if path.exists():
            raise SegdataError(f"{path}: exists already; name another folder for the lists, or delete it first")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, path in zip(dealt.parts, paths, strict=True):
            images = sorted(image for image, part in dealt.part_of.items() if part == name)
            write_whole(path, "".join(f"{image}\n" for image in images))
    except OSError as error:
        raise SegdataError(f"{folder}: cannot be written: {error.strerror}") from error
    return paths


@dataclass(frozen=True)
class SampleResult(Result):
    """What `draw_sample` did: which images it drew, and the dataset that has them; None where none was asked for."""

    draw: ImageSample
    written: Conversion | None

    def to_json(self) -> str:
        """The result as JSON, as ``segdata sample --format json`` prints it."""
        from segdata.report.edits import sample_json

        return sample_json(self.draw, **({} if self.written is None else {"target": str(self.written.target)}))

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
    tables = measure_dataset(dataset, frozenset(), jobs, progress if target is None else no_progress)
    drawn_images = draw_images(tables, n, purpose=purpose, stratify=stratify, wanted=instances, seed=seed)
    if target is None:
        return SampleResult(drawn_images, None)
    names = set(drawn_images.images)
    every = dataset.source.image_ids
    rows_read = range(len(every)) if dataset.rows is None else dataset.rows.tolist()
    rows = np.array([row for row in rows_read if every[row] in names], np.int64)
    origin = (
        f"{count_noun(n, 'image')} drawn for a {purpose}{'' if stratify is None else f', by {stratify}'}, seed {seed}"
    )
    return SampleResult(
        drawn_images,
        write_derived(
            replace(dataset, rows=rows), target, origin, copy_images=copy_images, jobs=jobs, progress=progress
        ),
    )
