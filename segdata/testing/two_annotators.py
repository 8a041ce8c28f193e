"""Two annotators: what they have in common in simulated images, as tables, for intervals whose truth is known."""

import numpy as np
from numpy.typing import NDArray

from segdata.core.opposed import Opposed
from segdata.core.runs import Ints
from segdata.core.table import Table
from segdata.core.taxonomy import Category
from segdata.testing.opposing import empty_tables

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


def two_annotators(rng: np.random.Generator, n_clusters: int, cluster_size: int = 1, alike: float = 0.5) -> Opposed:
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
    tables |= _pixels(rng, here, skill)
    tables["matches"] = _matches(rng, here, skill)
    return Opposed(("a", "b"), (0, 1), CATEGORIES, "panoptic", **tables)


def _cases(cluster: Ints) -> Table:
    n = len(cluster)
    names = np.empty(n, object)
    names[:] = [f"{image:06d}" for image in range(n)]
    size = {name: np.full(n, 200) for name in ("width", "height")}
    spacing = {f"spacing_{axis}": np.full(n, np.nan) for axis in "xyz"}
    return Table(
        {"image": np.arange(n), "frames": np.ones(n, np.int64), "name": names, "cluster": cluster, **size, **spacing}
    )


def _pixels(rng: np.random.Generator, here: Flags, skill: Floats) -> dict[str, Table]:
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
    at = np.nonzero(area_a + area_b)
    pattern = np.arange(len(image))
    return {
        "overlaps": Table(
            {"pair": at[0], "category": at[1], "area_a": area_a[at], "area_b": area_b[at], "both": both[at]}
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
    image, category = (np.repeat(each.reshape(-1), count.reshape(-1)) for each in np.indices(here.shape))
    chance = skill[image]
    found = rng.random(len(image)) < chance
    fit = np.where(found, 0.5 + 0.5 * rng.beta(6 * chance, 2), np.nan)
    by_a = found | (rng.random(len(image)) < 0.6)
    by_b = found | ~by_a
    row, area = np.arange(len(image)), np.full(len(image), 100)
    sides = {"a": by_a, "b": by_b}
    columns = {"pair": image}
    columns |= {name: np.where(has, row, -1) for name, has in sides.items()}
    columns |= {f"category_{name}": np.where(has, category, -1) for name, has in sides.items()}
    columns |= {f"area_{name}": np.where(has, area, 0) for name, has in sides.items()}
    shared = np.where(found, 100, 0)
    return Table({**columns, "shared": shared, "iou": fit, "ignored": np.zeros(len(image), bool)})
