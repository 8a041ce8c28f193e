"""Whether the images that `segdata flag` would have annotated next are those on which the networks are worst.

    python -m benchmarks.flag.next_images DATA WORK SET... [--network 0.05:0]

Takes out-of-fold predictions, which are those of images that the networks have not seen, and prints the rank
correlation (Spearman) of each image's doubt, and of its place in the order, with 1 - mean IoU with the clean labels.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from benchmarks.flag.injected_sets import CHOSEN, opened, predicted, predictor
from segdata.noise.features import agreement
from segdata.noise.pipeline import annotation_order, mean_entropy, predicted_layout
from segdata.noise.segments import GivenLabels


def main() -> None:
    """Read, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("sets", nargs="+", choices=CHOSEN)
    parser.add_argument("--network", default="0.05:0", help="rate and seed of the errors that networks learnt with")
    asked = parser.parse_args()
    rate, seed = asked.network.split(":")
    for name in asked.sets:
        with opened(asked.data, name) as data:
            found = predicted(data, name, float(rate), int(seed), asked.work / f"{name}_{rate}_{seed}")
            given, seen = GivenLabels.from_maps(data.maps(), found.categories), predictor(data, found)
            wrong, unsure, features = [], [], []
            for row in np.flatnonzero(found.usable).tolist():
                both, either = agreement(seen.predict(row).confusion(given.image_segments(row)))
                wrong.append(1 - float(np.mean(both[either > 0] / either[either > 0])))
                said = found.probabilities(row)
                unsure.append(mean_entropy(said))
                features.append(predicted_layout(said))
        place = np.empty(len(wrong))
        place[annotation_order(np.array(features), np.array(unsure))] = np.arange(len(wrong))
        n = len(wrong)
        told = [f"{spearmanr(each, wrong).statistic:.2f}" for each in (unsure, -place)]
        first = np.array(wrong)[np.argsort(place)[: n // 4]].mean()
        print(f"{name}: {n} images, doubt {told[0]}, order {told[1]}")
        print(f"1 - IoU: {first:.3f} of the first quarter, {np.mean(wrong):.3f} of all")


if __name__ == "__main__":
    main()
