"""Opposing: the tables of `segdata.core.opposed` from label maps, counted pixel by pixel, for tests of what follows."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from segdata.core.opposed import Opposed
from segdata.core.profile import Task
from segdata.core.runs import Ints
from segdata.core.table import Table
from segdata.core.taxonomy import Category

Maps = Sequence[Sequence[Ints | None]]  # [annotator][image] -> categories (H, W), -1: unlabelled; None: not annotated
_COLUMNS = {
    "cases": "image frames name cluster width height spacing_x spacing_y spacing_z",
    "pairs": "case a b annotation_a annotation_b pixels void",
    "overlaps": "pair category area_a area_b both",
    "cells": "pair category_a category_b pixels",
    "patterns": "case pixels",
    "votes": "pattern annotator category",
    "matches": "pair a b category_a category_b area_a area_b shared iou ignored",
    "members": "case cluster annotator segment category",
    "groups": "pair side segment others",
    "causes": "pair category side unmatched confused boundary ignored",
    "surfaces": "pair category match edge_a edge_b near_a near_b band_both band_any "
    "hd95 hd sum_a sum_b offset offset_sd",
}
_FLOATS = {"iou", "hd95", "hd", "sum_a", "sum_b", "offset", "offset_sd", "spacing_x", "spacing_y", "spacing_z"}


def opposed_of_maps(
    maps: Maps, categories: Sequence[Category], *, clusters: Sequence[int] | None = None, task: Task = "panoptic"
) -> Opposed:
    """What annotators "a", "b", … have in common, whose maps say the category of each pixel.

    In each image all pixels of a category are one segment. Images are "0", "1", …, and `clusters` are the numbers of
    what they belong to, by default each its own. Tables of boundaries, groups and causes are empty.
    """
    names = tuple("abcdefghij"[: len(maps)])
    rows: dict[str, list[tuple[object, ...]]] = {name: [] for name in _COLUMNS}
    for image in range(len(maps[0])):
        drawn = {who: each for who, of in enumerate(maps) if (each := of[image]) is not None}
        if not drawn:
            continue
        case, (height, width) = len(rows["cases"]), next(iter(drawn.values())).shape
        cluster = image if clusters is None else clusters[image]
        rows["cases"].append((image, 1, str(image), cluster, width, height, np.nan, np.nan, np.nan))
        for a, b in combinations(drawn, 2):
            _two(rows, case, (a, b), drawn[a], drawn[b], len(categories))
        _all(rows, case, drawn, [code for code, each in enumerate(categories) if each.kind == "thing"])
    tables = {name: _table(_COLUMNS[name].split(), lines) for name, lines in rows.items()}
    return Opposed(names, tuple(range(len(names))), tuple(categories), task, **tables)


def empty_tables() -> dict[str, Table]:
    """The tables of nothing, with all their columns."""
    return {name: _table(columns.split(), []) for name, columns in _COLUMNS.items()}


def _two(
    rows: dict[str, list[tuple[object, ...]]], case: int, who: tuple[int, int], a: Ints, b: Ints, n_categories: int
) -> None:
    """The rows of two annotators in one image."""
    pair = len(rows["pairs"])
    rows["pairs"].append((case, *who, pair, pair, a.size, 0))
    for code in range(n_categories):
        of_a, of_b = a == code, b == code
        area_a, area_b, both = int(of_a.sum()), int(of_b.sum()), int((of_a & of_b).sum())
        if area_a + area_b:
            rows["overlaps"].append((pair, code, area_a, area_b, both))
            fit = both / (area_a + area_b - both)
            if fit > 0.5:
                rows["matches"].append((pair, code, code, code, code, area_a, area_b, both, fit, False))
                continue
            for area, line in ((area_a, (code, -1, code, -1, area_a, 0)), (area_b, (-1, code, -1, code, 0, area_b))):
                if area:
                    rows["matches"].append((pair, *line, 0, np.nan, False))
    for one in range(-1, n_categories):
        for other in range(-1, n_categories):
            if n := int(((a == one) & (b == other)).sum()):
                rows["cells"].append((pair, one, other, n))


def _all(rows: dict[str, list[tuple[object, ...]]], case: int, drawn: dict[int, Ints], things: Sequence[int]) -> None:
    """What all annotators say of the pixels and of the segments of one image."""
    every = np.stack([each.ravel() for each in drawn.values()])
    said, count = np.unique(every, axis=1, return_counts=True)
    for votes, pixels in zip(said.T.tolist(), count.tolist(), strict=True):
        pattern = len(rows["patterns"])
        rows["patterns"].append((case, pixels))
        rows["votes"] += [(pattern, who, vote) for who, vote in zip(drawn, votes, strict=True)]
    for code in things:
        has = (every == code).any(axis=1)
        if has.any():
            for who, yes in zip(drawn, has.tolist(), strict=True):
                rows["members"].append((case, code, who, code if yes else -1, code if yes else -1))


def _table(names: Sequence[str], lines: Sequence[tuple[object, ...]]) -> Table:
    columns: dict[str, NDArray[np.generic]] = {}
    for k, name in enumerate(names):
        kind = object if name == "name" else bool if name == "ignored" else float if name in _FLOATS else np.int64
        columns[name] = np.array([line[k] for line in lines], kind)
    return Table(columns)
