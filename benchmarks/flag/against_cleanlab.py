"""Whether our softmin is what cleanlab computes, on the probabilities of trained networks.

    python -m benchmarks.flag.against_cleanlab DATA WORK SET PYTHON [--network 0.05:0] [--images 10]

PYTHON is an interpreter that has cleanlab, in an environment of its own: cleanlab is AGPL, and no part of this package.
Prints the largest difference over some images. Images with void are left out, which cleanlab does not know.
"""

import argparse
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.flag.injected_sets import CHOSEN, opened, predicted, predictor
from segdata.noise.features import softmin
from segdata.noise.segments import VOID, GivenLabels

THEIRS = """
import sys, numpy as np, cleanlab
from cleanlab.segmentation.rank import get_label_quality_scores
held = np.load(sys.argv[1])
n = len(held.files) // 2
scores = [float(get_label_quality_scores(held[f"label{at}"][None], held[f"p{at}"][None], verbose=False)[0][0])
          for at in range(n)]
print(cleanlab.__version__, *scores)
"""


def main() -> None:
    """Compute both, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("set", choices=CHOSEN)
    parser.add_argument("python")
    parser.add_argument("--network", default="0.05:0")
    parser.add_argument("--images", type=int, default=10)
    asked = parser.parse_args()
    rate, seed = asked.network.split(":")
    ours: list[Any] = []
    arrays: dict[str, Any] = {}
    with opened(asked.data, asked.set) as data:
        found = predicted(data, asked.set, float(rate), int(seed), asked.work / f"{asked.set}_{rate}_{seed}")
        given, networks = GivenLabels.from_maps(data.maps(), found.categories), predictor(data, found)
        for row in np.flatnonzero(found.usable).tolist():
            drawn, seen = given.image_segments(row), networks.predict(row)
            label = drawn.categories()
            if (label != VOID).all() and len(ours) < asked.images:
                arrays[f"label{len(ours)}"] = label.reshape(drawn.width, drawn.height)
                arrays[f"p{len(ours)}"] = seen.probability.reshape(-1, drawn.width, drawn.height)
                ours.append(softmin(drawn, seen))
    with TemporaryDirectory() as folder:
        np.savez(Path(folder) / "both.npz", **arrays)
        command = [asked.python, "-c", THEIRS, str(Path(folder) / "both.npz")]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    theirs = [float(each) for each in said[1:]]
    print(f"cleanlab {said[0]}, {len(ours)} images: largest difference {np.abs(np.subtract(ours, theirs)).max():.1e}")


if __name__ == "__main__":
    main()
