"""Boundary agreement from runs against the package surface-distance in the same process: times and their ratio.

Run as `python -m benchmarks.speed.agreement_boundaries [PAIRS] [IMAGES]`. The scenes are those of
`agreement_pixels.py`: 1024 x 2048 pixels, drawn by five annotators. First the PAIRS largest categories of the first two
annotators on one image, one by one: surface Dice, HD95, HD and average distances by both, from masks and from runs in
memory; ours gives Boundary IoU and the offset as well. Then all categories and matched instances of all ten pairs of
annotators on IMAGES images, and one image with 60 000 instances. surface-distance is left out where it is not
installed.
"""

import contextlib
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.speed.agreement_pixels import HEIGHT, NAMES, WIDTH, Scene, as_batch, categories, milliseconds, scene
from segdata.agreement.instance_matching import instance_tables
from segdata.agreement.paired_segments import PanelBatch, pair_annotators
from segdata.agreement.surface_distances import surface_table

Mask = NDArray[np.bool_]
NO_MATCHES = {"a": np.zeros(0, np.int64), "b": np.zeros(0, np.int64)}
TOLERANCE = 2.0


def package() -> Any:  # Any: it has no types
    """The package surface-distance, made to run beside numpy 2 and scipy 1.15; None where it is not installed."""
    np.Inf = np.inf  # type: ignore[attr-defined]  # the package's name for it, which numpy 2 dropped
    for name in ("filters", "morphology"):  # namespaces that scipy dropped
        if not hasattr(ndimage, name):
            setattr(ndimage, name, ndimage)
    with contextlib.suppress(ImportError):
        import surface_distance

        return surface_distance
    return None


def by_package(surface_distance: Any, a: Mask, b: Mask) -> tuple[float, ...]:
    """What the package says of two masks."""
    found = surface_distance.compute_surface_distances(a, b, (1.0, 1.0))
    return (
        surface_distance.compute_surface_dice_at_tolerance(found, TOLERANCE),
        surface_distance.compute_robust_hausdorff(found, 95),
        surface_distance.compute_robust_hausdorff(found, 100),
        *surface_distance.compute_average_surface_distance(found),
    )


def largest(of: Scene, count: int) -> list[tuple[Mask, Mask]]:
    """The masks of the largest categories by the first two annotators."""
    maps = [of.category[each] for each in of.maps[:2]]
    order = np.argsort(-np.bincount(maps[0].ravel()), kind="stable")[:count]
    return [(maps[0] == code, maps[1] == code) for code in order.tolist()]


def against_package(pairs: int) -> None:
    """Print the times for masks one by one, and by how much the values differ at most."""
    surface_distance = package()
    if surface_distance is None:
        print("surface-distance is not installed: nothing to compare with")
        return
    ours, theirs, differences = [], [], []
    for a, b in largest(scene(0), pairs):
        batch = as_batch([each.astype(np.int32) for each in (a, b)], np.array([0, 1]))
        batch = batch.take_segments(np.flatnonzero(np.array(batch.segments["category_id"].to_pylist()) > 0))
        ours.append(milliseconds(lambda batch=batch: said(batch)))  # type: ignore[misc]  # bound at once
        theirs.append(milliseconds(lambda a=a, b=b: by_package(surface_distance, a, b)))  # type: ignore[misc]  # same
        row = {name: column[0] for name, column in said(batch).items()}
        differences.append(abs(row["hd95"] - by_package(surface_distance, a, b)[1]))
    print(f"{'ms a pair of masks':30}{'runs':>10}{'package':>10}{'package / runs':>16}")
    print(f"{f'{pairs} categories, mean':30}{np.mean(ours):10.1f}{np.mean(theirs):10.1f}", end="")
    print(f"{np.mean(theirs) / np.mean(ours):16.1f}")
    print(f"{'least ratio of a category':30}{np.min(np.array(theirs) / ours):36.1f}")
    print(f"HD95 differs by up to {max(differences):.2f} px (pixels here, corners of pixels and lengths there)")


def said(batch: Any) -> dict[str, Any]:  # Any: columns of several types
    """The table of boundaries of two annotators, all the way from the batch."""
    return surface_table(next(pair_annotators(PanelBatch(batch, NAMES, categories()))), NO_MATCHES)["surfaces"]


def of_five(images: int) -> None:
    """Print what ten pairs of annotators cost."""
    taken, edge, rows = 0.0, 0, 0
    for seed in range(images):
        for opposite in pair_annotators(PanelBatch(scene(seed).batch, NAMES, categories())):
            matches = instance_tables(opposite)["matches"]
            begin = time.process_time()
            found = surface_table(opposite, matches)["surfaces"]
            taken += time.process_time() - begin
            edge += int(found["edge_a"].sum() + found["edge_b"].sum())
            rows += len(found["pair"])
    n = 10 * images
    print(f"five annotators, {images} images: {1e3 * taken / n:.1f} ms of processor a pair and image,")
    print(f"with {edge / n / 2:.0f} boundary pixels of either annotator in {rows / n:.0f} shapes")


def of_many(count: int = 60_000) -> None:
    """Print what an image with many instances costs, each drawn a pixel lower by the second annotator."""
    row, column = np.divmod(np.arange(count), 400)
    first = np.zeros((HEIGHT, WIDTH), np.int32)
    for y, x in np.ndindex(3, 3):
        first[row * 6 + 1 + y, column * 5 + 1 + x] = np.arange(1, count + 1)
    second = np.roll(first, 1, axis=0)
    batch = as_batch([first, second], np.concatenate([[1], np.full(count, 12)]))
    opposite = next(pair_annotators(PanelBatch(batch, NAMES, categories())))
    matches = instance_tables(opposite, threshold=0.3)["matches"]
    begin = time.process_time()
    found = surface_table(opposite, matches)["surfaces"]
    taken = time.process_time() - begin
    print(f"{count} instances in an image: {taken:.1f} s of processor for {len(found['pair'])} shapes")


if __name__ == "__main__":
    against_package(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
    of_five(int(sys.argv[2]) if len(sys.argv) > 2 else 3)
    of_many()
