"""How often the ranges of `segdata pilot` hold the truth, in simulated campaigns of which every image is known.

    python -m benchmarks.agreement.pilots [CAMPAIGNS]

Each campaign has 2,000 images and six categories that 95 % to 1 % of the images have. Its pilot is 20, 50 or 100 of
them, drawn at random as single images or as whole groups of images that resemble each other. A range of 95 % should
hold the truth in 95 % of the campaigns, and the number of images that is said to be needed should be enough in as many.
Beside it stands the plain percentile bootstrap over the same units.

With SEGDATA_REAL_DATA also TACO's 1,500 images of litter, 60 categories: of the real data pilots are drawn in the same
way, and all of it is the truth.
"""

import os
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import segdata
from segdata.api.validate import dataset_tables
from segdata.campaign.projection import CampaignPlan, ProjectedRange, SampleUnits, project_campaign
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from tests.generators.populations import PRESENCE, SKEWS, Population, Skew

IMAGES = 2000
WANTED = 100
WHAT = ("instances", "images", "pixels", "void", "hours", "all segments", "images needed", "bootstrap")


def study(group_size: int, skew: Skew, n_pilot: int, n_campaigns: int, seed: int = 0) -> dict[str, float]:
    """The share of campaigns and categories in which each sort of range held the truth."""
    rng = np.random.default_rng([seed, group_size, SKEWS.index(skew), n_pilot])
    held: dict[str, list[bool]] = {name: [] for name in WHAT}
    for _ in range(n_campaigns):
        truth = Population.of(rng, IMAGES, group_size, skew)
        tables = truth.pilot(rng, n_pilot)
        found = project_campaign(tables, CampaignPlan(campaign=IMAGES, min_instances=WANTED))
        total = truth.segments.sum(axis=0)
        share = (truth.segments * truth.area / 10_000).mean(axis=0)
        for at, each in enumerate(found.categories):
            held["instances"].append(holds(each.segments, total[at]))
            held["images"].append(holds(each.images, (truth.segments[:, at] > 0).sum()))
            held["pixels"].append(holds(each.pixel_share, share[at]))
            if each.images_needed is not None:
                held["images needed"].append(drawn(rng, truth, at, each.images_needed) >= WANTED)
        held["void"].append(holds(found.void, truth.void.mean() / 10_000))
        held["hours"].append(found.hours is not None and holds(found.hours, truth.seconds.sum() / 3600))
        held["all segments"].append(holds(found.segments, total.sum()))
        held["bootstrap"] += bootstrap(rng, tables, total / IMAGES)
    return {name: float(np.mean(values)) for name, values in held.items()}


def holds(found: ProjectedRange, truth: float) -> bool:
    """Whether a range holds the truth; the last bits of the arithmetic do not count."""
    return bool(found.low <= truth * (1 + 1e-9) and truth * (1 - 1e-9) <= found.high)


def drawn(rng: np.random.Generator, truth: Population, category: int, n_images: int) -> float:
    """How many segments of a category so many images have, drawn from the same population without end."""
    totals = np.bincount(truth.group, weights=truth.segments[:, category])
    n_groups = max(round(n_images * len(totals) / IMAGES), 1)
    if n_groups > 20_000:
        return float(rng.normal(n_groups * totals.mean(), np.sqrt(n_groups) * totals.std()))
    return float(rng.choice(totals, n_groups).sum())


def bootstrap(rng: np.random.Generator, tables: Tables, rate: NDArray[np.float64], n_times: int = 200) -> list[bool]:
    """Whether the percentile bootstrap over the units holds the segments per image, category by category."""
    groups = tables.images["group"]
    names = [str(at) if each is None else each for at, each in enumerate(groups)]
    units = SampleUnits.from_ids(np.unique(names, return_inverse=True)[1])
    counts = np.zeros((len(names), len(PRESENCE)))
    np.add.at(counts, (tables.segments["image"], tables.segments["category_id"] - 1), 1)
    m = len(units.images)
    weight = rng.multinomial(m, np.full(m, 1 / m), n_times)
    rates = weight @ units.totals(counts) / (weight @ units.images)[:, None]
    low, high = np.quantile(rates, [0.025, 0.975], axis=0)
    return [bool(a <= b <= c) for a, b, c in zip(low, rate, high, strict=True)]


def part(tables: Tables, images: Ints) -> Tables:
    """The tables of some images, in ascending order."""
    annotations = np.flatnonzero(np.isin(tables.annotations["image"], images))
    segments = np.flatnonzero(np.isin(tables.segments["annotation"], annotations))
    kept, drawn_on = tables.annotations.take(annotations), tables.segments.take(segments)
    return replace(
        tables,
        images=tables.images.take(images),
        annotations=kept.beside(image=np.searchsorted(images, kept["image"])),
        segments=drawn_on.beside(
            image=np.searchsorted(images, drawn_on["image"]),
            annotation=np.searchsorted(annotations, drawn_on["annotation"]),
        ),
    )


def of_real_data(file: Path, n_pilot: int, n_campaigns: int) -> dict[str, float]:
    """As `study`, with pilots of a dataset."""
    every = dataset_tables(segdata.read(file), frozenset({"coverage"}))
    rng, plan = np.random.default_rng(n_pilot), CampaignPlan(campaign=len(every.images))
    truth = project_campaign(every, plan)
    held: dict[str, list[bool]] = {name: [] for name in ("instances", "images", "pixels", "all segments")}
    for _ in range(n_campaigns):
        images = np.sort(rng.choice(len(every.images), n_pilot, replace=False))
        found = project_campaign(part(every, images), plan)
        for each, known in zip(found.categories, truth.categories, strict=True):
            held["instances"].append(holds(each.segments, known.segments.value))
            held["images"].append(holds(each.images, known.images.value))
            held["pixels"].append(holds(each.pixel_share, known.pixel_share.value))
        held["all segments"].append(holds(found.segments, truth.segments.value))
    return {name: float(np.mean(values)) for name, values in held.items()}


def main() -> None:
    """Print the tables."""
    n_campaigns = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print("| pilot | of groups of | numbers | " + " | ".join(WHAT) + " |")
    print("| ---: | ---: | --- |" + " ---: |" * len(WHAT))
    every = []
    for group_size, skew, n_pilot in product((1, 5, 10), SKEWS, (20, 50, 100)):
        if n_pilot // group_size < 4:
            continue
        found = study(group_size, skew, n_pilot, n_campaigns)
        every.append(list(found.values()))
        print(f"| {n_pilot} | {group_size} | {skew} | " + " | ".join(f"{each:.3f}" for each in found.values()) + " |")
    print("| all | | | " + " | ".join(f"{each:.3f}" for each in np.mean(every, axis=0)) + " |", flush=True)
    if "SEGDATA_REAL_DATA" in os.environ:
        file = Path(os.environ["SEGDATA_REAL_DATA"]) / "taco" / "annotations.json"
        for n_pilot in (20, 50, 100):
            found = of_real_data(file, n_pilot, n_campaigns)
            print(f"TACO, {n_pilot} images: " + ", ".join(f"{name} {each:.3f}" for name, each in found.items()))


if __name__ == "__main__":
    main()
