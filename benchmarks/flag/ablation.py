"""What each family of features is worth: the ablations that led to the defaults.

    python -m benchmarks.flag.ablation DATA WORK SET [--seeds 0 1 2] [--rate 0.05] [--network 0.05:0]
        [--learnt KIND...] [--made KIND...]

Leaves out one family of features at a time, learns again from the same injected errors, and ranks the same candidates;
then weighs kinds of error otherwise, and what looks like none of them. Prints AUROC, average precision and recall in
the first 10 %, means over the seeds.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.flag.injected_errors import BUDGET, tried
from benchmarks.flag.injected_sets import CHOSEN, opened, predicted, predictor
from benchmarks.flag.injected_trial import Trial
from segdata.core.dataset import OpenDataset
from segdata.core.executor import single_threaded_libraries
from segdata.core.runs import Floats
from segdata.noise import calibration
from segdata.noise.candidates import find_candidates
from segdata.noise.corruptions import LEARNED_KINDS
from segdata.noise.error_types import INJECTED_SHARE, KINDS
from segdata.noise.evaluation import auroc, average_precision
from segdata.noise.features import (
    edge_distances,
    edge_profile,
    inner_edges,
    label_probability,
    predicted_over_given,
    prediction_fit,
    relative_size,
    size_and_shape,
)
from segdata.noise.neighbours import SegmentDepths, contacts, crowding
from segdata.noise.networks.predictions import Predictions
from segdata.noise.novelty import region_contrast
from segdata.noise.ranking import ImageFeatures, rank_candidates
from segdata.noise.segments import GivenLabels

Names = dict[str, frozenset[str]]
TOLD = frozenset({"doubt", "given", "worst", "given_worst"})  # which the scores of pixels are read from
COMMON = (1e-9, 0.01, 0.02, 0.03, 0.05, 1.0)  # how common a kind may be at most: all alike, …, as labels can hold
RARE = (-100.0, -6.0, -5.0, -4.0)  # log odds, as of `unknown`; -100: what looks like no kind is right


def families(data: OpenDataset, found: Predictions) -> Names:
    """The features of each family, as the first image has them."""
    row = int(np.flatnonzero(found.usable)[0])
    networks, given = predictor(data, found), GivenLabels.from_maps(data.maps(), found.categories).image_segments(row)
    seen = networks.predict(row)
    what = find_candidates(given, seen, networks.things)
    drawn, regions = what.annotated, what.regions
    deep, beyond = SegmentDepths.measure(drawn), SegmentDepths.measure(regions)
    every = {
        "form": size_and_shape(drawn, deep),
        "belief": label_probability(drawn, deep, seen),
        "profile": edge_profile(drawn, deep, given, seen),
        "match": prediction_fit(drawn, seen),
        "edges": edge_distances(drawn, deep, seen),
        "seams": inner_edges(drawn, deep, seen),
        "contacts": contacts(drawn, deep, seen),
        "against": predicted_over_given(regions, beyond, what.label, seen),
        "crowding": {**crowding(regions, beyond, given), **relative_size(regions, given)},
        "contrast": region_contrast(regions, what.label, beyond, given, None),
    }
    return {name: frozenset(columns) for name, columns in every.items()}


def without(look: ImageFeatures, left_out: frozenset[str]) -> ImageFeatures:
    """A look that did not see some features; what scores of pixels are read from stays."""
    kept = [[at for at, name in enumerate(names) if name not in left_out - TOLD] for names in look.names]
    names = [tuple(names[at] for at in mine) for names, mine in zip(look.names, kept, strict=True)]
    given, corrupted = (
        [replace(table, x=table.x[:, mine]) for table, mine in zip(tables, kept, strict=True)]
        for tables in (look.given, look.corrupted)
    )
    return replace(look, given=(given[0], given[1]), corrupted=(corrupted[0], corrupted[1]), names=(names[0], names[1]))


def figures(trials: Sequence[Trial], scores: Sequence[Floats]) -> str:
    """AUROC, average precision and recall, as cells."""
    rows = []
    for trial, score in zip(trials, scores, strict=True):
        ranked = trial.ranked(score)
        told, wrong, _ = ranked.of_type(None)
        rows.append((auroc(told, wrong)[0], average_precision(told, wrong)[0], ranked.found_at(BUDGET).mean()))
    return " | ".join(f"{value:.3f}" for value in np.mean(rows, axis=0))


def main() -> None:
    """Leave out, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("set", choices=CHOSEN)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--network", default="0.05:0", help="rate and seed of the errors that networks learnt with")
    parser.add_argument("--learnt", nargs="+", choices=KINDS, default=LEARNED_KINDS)
    parser.add_argument("--made", nargs="+", choices=KINDS, default=LEARNED_KINDS)
    parser.add_argument("--severity", type=float, default=1.0)
    asked = parser.parse_args()
    trials = tried(asked, asked.set)
    rate, seed = asked.network.split(":")
    with opened(asked.data, asked.set) as data:
        found = predicted(data, asked.set, float(rate), int(seed), asked.work / f"{asked.set}_{rate}_{seed}")
        names = families(data, found)
    print(f"## {asked.set}\n\n| left out | AUROC | AP | recall at 10 % |\n| --- | --- | --- | --- |")
    print(f"| nothing | {figures(trials, [each.result.odds for each in trials])} |", flush=True)
    for name, columns in names.items():
        with single_threaded_libraries():
            scores = [rank_candidates([without(look, columns) for look in each.looks]).odds for each in trials]
        print(f"| {name} | {figures(trials, scores)} |", flush=True)
    print("\n| a kind's share at most, log odds of another | AUROC | AP | recall at 10 % |\n| --- | --- | --- | --- |")
    for common, rare in [
        *((each, calibration.UNKNOWN_KIND_ODDS) for each in COMMON),
        *((INJECTED_SHARE, each) for each in RARE),
    ]:
        with (
            single_threaded_libraries(),
            patch.object(calibration, "INJECTED_SHARE", common),
            patch.object(calibration, "UNKNOWN_KIND_ODDS", rare),
        ):
            scores = [rank_candidates(each.looks).odds for each in trials]
        print(f"| {common:g}, {rare:g} | {figures(trials, scores)} |", flush=True)


if __name__ == "__main__":
    main()
