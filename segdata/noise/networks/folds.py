"""Folds: which images a network judges, and so does not see; groups and lookalikes stay together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.core.deal import deal, grouped
from segdata.core.errors import SegdataError
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.measure.lookalikes import lookalikes
from segdata.noise.networks.settings import Settings

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Units:
    """What is not to be separated.

    Attributes
    ----------
    of : (n_images,) images with the same number belong together
    note : what had to be done otherwise than asked; empty: nothing
    """

    of: Ints
    note: str = ""

    def among(self, rows: Flags) -> int:
        """How many units the images `rows` (n_images,) have."""
        return len(np.unique(self.of[rows]))


def units(tables: Tables, usable: Flags, settings: Settings) -> Units:
    """Groups, sequences and lookalikes; each image is a unit of its own where all would be one.

    `usable` (n_images,): those that can be trained on. Raises SegdataError where there are fewer than two, since then
    nothing is left to train on while one is judged.
    """
    if usable.sum() < 2:
        what = f"{len(usable)} images, of which {int(usable.sum())} can be read and are annotated"
        raise SegdataError(f"{what}: two are needed, since none is judged by what it taught; tile them: segdata tile")
    pairs = lookalikes(tables.images, settings.jobs) if settings.near else np.empty((0, 2), np.int64)
    of = grouped(tables, settings.group, pairs)
    if len(np.unique(of[usable])) > 1:
        return Units(of)
    note = "all images are of one group, so its images were separated: errors that they share stay hidden"
    return Units(np.arange(len(usable)), note)


def fold_of(tables: Tables, found: Units, usable: Flags, n_folds: int, seed: int) -> Ints:
    """(n_images,) the fold of each image; categories are balanced over folds, and units are in one fold.

    `usable` (n_images,): those that can be trained on; the others are dealt as well, but every fold has some of these.
    """
    names = [f"fold {at}" for at in range(n_folds)]
    dealt = deal(tables, dict.fromkeys(names, 1 / n_folds), found.of, seed)
    number = {name: at for at, name in enumerate(names)}
    fold = np.array([number[dealt.part_of[image]] for image in tables.images["image_id"].tolist()], np.int64)
    for empty in np.flatnonzero(np.bincount(fold[usable], minlength=n_folds) == 0).tolist():
        several = np.bincount(fold[usable], minlength=n_folds)
        movable = [each for each in np.unique(found.of[usable]) if _share(fold, found.of, each, usable, several) < 1]
        if movable:
            fold[found.of == movable[0]] = empty
    return fold


def _share(fold: Ints, unit: Ints, each: int, usable: Flags, n_usable: Ints) -> float:
    """The part that a unit has of the usable images of its fold."""
    mine = (unit == each) & usable
    return float(mine.sum() / n_usable[fold[mine][0]])
