"""Imported: predictions in files as what a witness says, images paired by name and categories by name or id.

Segments with scores (COCO results, panoptic PNG and JSON, masks of a Segment Anything model) are things with their own
outlines; class maps and probabilities (.npz) say something of each pixel, and connected pixels are a thing.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.label_maps import LabelMaps
from segdata.noise.evidence.drawn import UNLABELLED
from segdata.noise.evidence.evidence import Evidence
from segdata.noise.imported.segments import evidence_of
from segdata.noise.types import KINDS, TYPE_OF, Kind, Type

Soft = Callable[[int], tuple[NDArray[np.floating], tuple[int, ...]]]
_OF_SHAPES: frozenset[Type] = frozenset({"missing", "extra", "boundary", "merge", "split"})
_KEYS: tuple[Callable[[str], str], ...] = (
    lambda name: name,
    lambda name: PurePosixPath(name).with_suffix("").as_posix(),
    lambda name: PurePosixPath(name).stem,
)


class Imported:
    """Predictions of a dataset of their own. See `segdata.noise.witness.Witness`.

    `notes` say which categories have no counterpart, and of how many images nothing is known.
    """

    def __init__(
        self, dataset: OpenDataset, soft: Soft | None, maps: LabelMaps, countable: frozenset[int], names: dict[int, int]
    ) -> None:
        self._dataset, self._soft, self._maps = dataset, soft, maps
        self._row = paired(maps.image_ids, dataset.image_ids)
        self._source = np.arange(len(dataset)) if dataset.rows is None else dataset.rows
        self.agnostic = not names
        self.categories = tuple(id_ for id_ in maps.classes if id_ in set(names.values()))
        channel = {id_: at for at, id_ in enumerate(self.categories, 1)}
        self._channel = dict.fromkeys(_ids(dataset), 1) if self.agnostic else {a: channel[b] for a, b in names.items()}
        self.things = np.array([False, *([True] if self.agnostic else [each in countable for each in self.categories])])
        self.usable = self._row >= 0
        self.kinds: tuple[Kind, ...] = (
            tuple(kind for kind in KINDS if TYPE_OF[kind] in _OF_SHAPES) if self.agnostic else KINDS
        )
        self.notes = tuple(self._notes(names))

    def evidence(self, row: int) -> Evidence:
        """What the predictions say of an image; raises SegdataError where they are of another size."""
        at, size = int(self._source[self._row[row]]), (int(self._maps.height[row]), int(self._maps.width[row]))
        if self._soft is not None:
            p, category = self._soft(at)
            self._check(row, (p.shape[1], p.shape[2]), size)
            return Evidence.of(self._rows(p, category))
        batch = self._dataset.source.load(np.array([at]))
        if batch.images.num_rows:
            height, width = (int(side[0]) for side in batch.image_size)
            self._check(row, (height, width), size)
        semantic = self._dataset.profile.task == "semantic"
        return evidence_of(batch, self._channel, self.things, size, outlined=not semantic)

    def _rows(self, p: NDArray[np.floating], category: Sequence[int]) -> NDArray[np.float32]:
        """(K, height, width) from classes; what has no counterpart is unlabelled, and all add up to 1."""
        found = np.zeros((len(self.things), *p.shape[1:]), np.float32)
        for values, id_ in zip(p, category, strict=True):
            found[self._channel.get(id_, UNLABELLED)] += values
        total = found.sum(axis=0)
        found[UNLABELLED] += np.maximum(1 - total, 0)
        return np.asarray(found / np.maximum(total, 1), np.float32)

    def _check(self, row: int, there: tuple[int, int], size: tuple[int, int]) -> None:
        if there != size:
            said = f"are {there[1]}x{there[0]} px, its labels {size[1]}x{size[0]} px"
            raise SegdataError(f"{self._dataset.profile.files}: the predictions of {self._maps.image_ids[row]} {said}")

    def _notes(self, names: dict[int, int]) -> Iterable[str]:
        missing = int((self._row < 0).sum())
        if missing:
            yield f"nothing is predicted of {missing:,} of {len(self._row):,} images: they are not judged"
        if self.agnostic:
            yield "the predictions have no categories: only missing, extra, merged and split things and outlines"
            return
        profile = self._dataset.profile
        unknown = [profile.name_of(id_) for id_ in _ids(self._dataset) if id_ not in names]
        if unknown:
            yield f"predicted, but no category of the labels: {', '.join(unknown[:5])}"
        left = [
            name for id_, name in zip(self._maps.classes, self._maps.names, strict=True) if id_ not in names.values()
        ]
        if left:
            yield f"not judged, since the predictions do not know them: {', '.join(left[:5])}"


def imported(dataset: OpenDataset, soft: Soft | None, maps: LabelMaps, countable: frozenset[int]) -> Imported:
    """Predictions for the images of some labels.

    `soft` gives the probabilities of an image, where the predictions hold any. Categories are the same by name, else
    by id. Masks of a single sort that the labels do not know, such as those of a Segment Anything model, say something
    of shapes alone. Raises SegdataError where nothing is the same, and for such masks where no category is countable.
    """
    names = _same(dataset, maps)
    if not names and (len(_ids(dataset)) != 1 or dataset.profile.task == "semantic"):
        theirs = ", ".join(dataset.profile.name_of(id_) for id_ in _ids(dataset)[:5]) or "none"
        ours = ", ".join(maps.names[:5])
        raise SegdataError(f"{dataset.profile.files}: predicts {theirs}; the labels have {ours}: nothing is the same")
    if not names and not countable:
        raise SegdataError(
            f"{dataset.profile.files}: masks without categories judge things one by one, and these labels have none"
        )
    return Imported(dataset, soft, maps, countable, names)


def _ids(dataset: OpenDataset) -> list[int]:
    return [each.id for each in dataset.taxonomy.categories if each.kind != "void"]


def _same(dataset: OpenDataset, maps: LabelMaps) -> dict[int, int]:
    """The category id in the labels for those of predictions: by name, or where no name is the same by id.

    Numbers as names mean that nobody knew one.
    """
    by_name = {name.casefold(): id_ for name, id_ in zip(maps.names, maps.classes, strict=True)}
    every = [(each.id, each.name.casefold()) for each in dataset.taxonomy.categories if each.kind != "void"]
    found = {id_: by_name[name] for id_, name in every if name in by_name}
    nameless = all(name.isdecimal() for _, name in every)
    return found or ({id_: id_ for id_, _ in every if id_ in maps.classes} if nameless else {})


def paired(ours: Sequence[str], theirs: Sequence[str]) -> NDArray[np.int64]:
    """(n,) the row of each of our images in theirs, -1: none: by id, else without extension, else by the name alone.

    >>> paired(["a/1.png", "a/2.png"], ["2.npz", "3.npz"]).tolist()
    [-1, 0]
    """
    for key in _KEYS:
        rows: dict[str, int] = {}
        for row, name in enumerate(theirs):
            rows[key(name)] = -1 if key(name) in rows else row
        found = np.array([rows.get(key(name), -1) for name in ours], np.int64)
        known = found[found >= 0]
        if len(known) and len(np.unique(known)) == len(known):
            return found
    return np.full(len(ours), -1, np.int64)
