"""Tables of what two annotators have in common: counted from label maps, or simulated with a known truth."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from segdata.core.annotator_pairs import AnnotatorPairs
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
    "members": "case cluster annotator segment category within",
    "groups": "pair side segment others",
    "causes": "pair category side unmatched confused boundary ignored",
    "surfaces": "pair category match edge_a edge_b near_a near_b band_both band_any "
    "hd95 hd sum_a sum_b offset offset_sd",
}
_FLOATS = {"iou", "hd95", "hd", "sum_a", "sum_b", "offset", "offset_sd", "spacing_x", "spacing_y", "spacing_z"}


def tables_of_maps(
    maps: Maps, categories: Sequence[Category], *, clusters: Sequence[int] | None = None, task: Task = "panoptic"
) -> AnnotatorPairs:
    """What annotators "a", "b", … have in common, whose maps say the category of each pixel.

    In each image all pixels of a category are one segment. Images are "0", "1", …, and `clusters` are the numbers of
    what they belong to, by default each its own. Tables of boundaries, groups and causes are empty.
    """
    names = tuple("abcdefghij"[: len(maps)])
    rows: dict[str, list[tuple[object, ...]]] = {name: [] for name in _COLUMNS}
    for image in range(len(maps[0])):
        drawn = {
            who: map_ for who, maps_of_annotator in enumerate(maps) if (map_ := maps_of_annotator[image]) is not None
        }
        if not drawn:
            continue
        case, (height, width) = len(rows["cases"]), next(iter(drawn.values())).shape
        cluster = image if clusters is None else clusters[image]
        rows["cases"].append((image, 1, str(image), cluster, width, height, np.nan, np.nan, np.nan))
        for a, b in combinations(drawn, 2):
            _add_pair(rows, case, (a, b), drawn[a], drawn[b], len(categories))
        _add_votes(rows, case, drawn, [code for code, map_ in enumerate(categories) if map_.kind == "thing"])
    tables = {name: _table(_COLUMNS[name].split(), lines) for name, lines in rows.items()}
    return AnnotatorPairs(names, tuple(range(len(names))), tuple(categories), task, copied=None, **tables)


def empty_tables() -> dict[str, Table]:
    """The tables of nothing, with all their columns."""
    return {name: _table(columns.split(), []) for name, columns in _COLUMNS.items()}


def _add_pair(
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


def _add_votes(
    rows: dict[str, list[tuple[object, ...]]], case: int, maps: dict[int, Ints], things: Sequence[int]
) -> None:
    """What all annotators say of the pixels and of the segments of one image."""
    pixel_votes = np.stack([map_.ravel() for map_ in maps.values()])
    patterns, count = np.unique(pixel_votes, axis=1, return_counts=True)
    for votes, pixels in zip(patterns.T.tolist(), count.tolist(), strict=True):
        pattern = len(rows["patterns"])
        rows["patterns"].append((case, pixels))
        rows["votes"] += [(pattern, who, vote) for who, vote in zip(maps, votes, strict=True)]
    for code in things:
        has = (pixel_votes == code).any(axis=1)
        if has.any():
            for who, yes in zip(maps, has.tolist(), strict=True):
                rows["members"].append((case, code, who, code if yes else -1, code if yes else -1, 0))


def _table(names: Sequence[str], lines: Sequence[tuple[object, ...]]) -> Table:
    columns: dict[str, NDArray[np.generic]] = {}
    for k, name in enumerate(names):
        kind = object if name == "name" else bool if name == "ignored" else float if name in _FLOATS else np.int64
        columns[name] = np.array([line[k] for line in lines], kind)
    return Table(columns)


Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
CATEGORIES = (
    Category(id=1, name="common", kind="thing"),
    Category(id=2, name="rare", kind="thing"),
    Category(id=3, name="ground", kind="stuff"),
)
_PRESENCE = np.array([0.9, 0.3, 0.8])  # the share of images that have each category
_THINGS = np.array([6.0, 1.5, 0.0])  # how many of each there are where there are any, beside one
_PIXELS = np.array([4000.0, 500.0, 12_000.0])  # of each category where it is


def simulate_two_annotators(
    rng: np.random.Generator, n_clusters: int, cluster_size: int = 1, alike: float = 0.5
) -> AnnotatorPairs:
    """`n_clusters` of `cluster_size` images each, 200 x 200, by annotators "a" and "b".

    How well they agree varies by image and, `alike` of it, by cluster; images differ in what they show, and in how
    much of it.
    """
    n = n_clusters * cluster_size
    cluster = np.repeat(np.arange(n_clusters), cluster_size)
    of_cluster, of_image = rng.normal(size=n_clusters), rng.normal(size=n)
    mood = np.sqrt(alike) * of_cluster[cluster] + np.sqrt(1 - alike) * of_image
    skill = 1 / (1 + np.exp(-1.8 - 0.7 * mood))  # near 0.85, in [0, 1]
    here = rng.random((n, 3)) < _PRESENCE
    tables = empty_tables()
    tables["cases"] = _cases(cluster)
    row = np.arange(n)
    zeros = np.zeros(n, np.int64)
    pairs = {"case": row, "a": zeros, "b": zeros + 1, "annotation_a": 2 * row, "annotation_b": 2 * row + 1}
    tables["pairs"] = Table({**pairs, "pixels": zeros + 40_000, "void": zeros})
    tables |= _pixel_tables(rng, here, skill)
    tables["matches"] = _matches(rng, here, skill)
    return AnnotatorPairs(("a", "b"), (0, 1), CATEGORIES, "panoptic", copied=None, **tables)


def _cases(cluster: Ints) -> Table:
    n = len(cluster)
    names = np.empty(n, object)
    names[:] = [f"{image:06d}" for image in range(n)]
    size = {name: np.full(n, 200) for name in ("width", "height")}
    spacing = {f"spacing_{axis}": np.full(n, np.nan) for axis in "xyz"}
    return Table(
        {"image": np.arange(n), "frames": np.ones(n, np.int64), "name": names, "cluster": cluster, **size, **spacing}
    )


def _pixel_tables(rng: np.random.Generator, here: Flags, skill: Floats) -> dict[str, Table]:
    """Overlaps, cells, patterns and votes: what only one has is unlabelled for the other, or of the next category."""
    n = len(here)
    size = np.where(here, rng.gamma(2.0, _PIXELS / 2, (n, 3)), 0)
    size = np.minimum(size, 13_000).astype(np.int64)
    share = np.clip(skill[:, None] + rng.normal(0, 0.05, (n, 3)), 0.02, 0.99)
    both = np.rint(size * share).astype(np.int64)
    only_a, swapped = (np.rint((size - both) * part).astype(np.int64) for part in (0.4, 0.2))
    only_b = size - both - only_a - swapped
    table = np.zeros((n, 4, 4), np.int64)  # (image, A's category + 1, B's category + 1)
    code = np.arange(3)
    table[:, code + 1, code + 1] = both
    table[:, code + 1, 0] = only_a
    table[:, 0, code + 1] = only_b
    table[:, code + 1, (code + 1) % 3 + 1] = swapped
    table[:, 0, 0] = 40_000 - table.sum(axis=(1, 2))
    image, a, b = np.nonzero(table)
    pixels = table[image, a, b]
    area_a, area_b = table.sum(axis=2)[:, 1:], table.sum(axis=1)[:, 1:]
    present = np.nonzero(area_a + area_b)
    pattern = np.arange(len(image))
    return {
        "overlaps": Table(
            {
                "pair": present[0],
                "category": present[1],
                "area_a": area_a[present],
                "area_b": area_b[present],
                "both": both[present],
            }
        ),
        "cells": Table({"pair": image, "category_a": a - 1, "category_b": b - 1, "pixels": pixels}),
        "patterns": Table({"case": image, "pixels": pixels}),
        "votes": Table(
            {
                "pattern": np.repeat(pattern, 2),
                "annotator": np.tile([0, 1], len(pattern)),
                "category": np.stack([a, b], axis=1).reshape(-1) - 1,
            }
        ),
    }


def _matches(rng: np.random.Generator, here: Flags, skill: Floats) -> Table:
    """Segments that both have, with their IoU, and those that one has."""
    count = np.where(here, 1 + rng.poisson(_THINGS, here.shape), 0)
    image, category = (np.repeat(index.reshape(-1), count.reshape(-1)) for index in np.indices(here.shape))
    chance = skill[image]
    is_match = rng.random(len(image)) < chance
    fit = np.where(is_match, 0.5 + 0.5 * rng.beta(6 * chance, 2), np.nan)
    by_a = is_match | (rng.random(len(image)) < 0.6)
    by_b = is_match | ~by_a
    row, area = np.arange(len(image)), np.full(len(image), 100)
    sides = {"a": by_a, "b": by_b}
    columns = {"pair": image}
    columns |= {name: np.where(has, row, -1) for name, has in sides.items()}
    columns |= {f"category_{name}": np.where(has, category, -1) for name, has in sides.items()}
    columns |= {f"area_{name}": np.where(has, area, 0) for name, has in sides.items()}
    shared = np.where(is_match, 100, 0)
    return Table({**columns, "shared": shared, "iou": fit, "ignored": np.zeros(len(image), bool)})
