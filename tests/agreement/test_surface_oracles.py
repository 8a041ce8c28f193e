"""Boundaries against MONAI, whose boundary pixels are ours, and surface-distance, which has them between pixels."""

import json
import math
import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from segdata.agreement.surface_distances import Tolerance
from tests.agreement.dense_boundaries import Mask, assd, nsd, one

SQUARE, MOVED, LARGER = (np.zeros((100, 100), bool) for _ in range(3))
SQUARE[20:80, 20:80] = MOVED[22:82, 20:80] = LARGER[17:83, 17:83] = True
CORNER = np.sqrt(0.5)  # from the middle of a pixel to its corner
OLD = pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")  # what surface-distance 0.1 takes of scipy


def drawn() -> Iterator[tuple[Mask, Mask]]:
    """Two who draw about the same blobs, some of which are cut by the end of the image."""
    rng = np.random.default_rng(3)
    for _ in range(12):
        field = ndimage.gaussian_filter(rng.normal(size=(36, 44)), 3)
        a, b = (field + 0.05 * ndimage.gaussian_filter(rng.normal(size=field.shape), 1) > 0.02 for _ in range(2))
        yield a, b


MONAI = Path(__file__).parent / "monai_distances.json"  # what MONAI 1.5 says of `drawn`, whose import takes a minute
MONAI_TOLERANCE = 1.5


def ask_monai() -> list[dict[str, Any]]:  # Any: text of masks, and numbers
    """The masks of `drawn` as text, and MONAI's values of them."""
    metrics, torch = pytest.importorskip("monai.metrics"), pytest.importorskip("torch")
    rows = []
    for (a, b), spacing in product(drawn(), ((1.0, 1.0), (2.0, 0.5))):
        both = [torch.from_numpy(each[None, None].astype(np.uint8)) for each in (b, a)]
        how = {"include_background": True, "spacing": spacing}
        values = {
            "nsd": metrics.compute_surface_dice(*both, [MONAI_TOLERANCE], **how),
            "hd95": metrics.compute_hausdorff_distance(*both, percentile=95, **how),
            "assd": metrics.compute_average_surface_distance(*both, symmetric=True, **how),
        }
        masks = {name: np.packbits(mask).tobytes().hex() for name, mask in (("a", a), ("b", b))}
        rows.append(
            masks | {"shape": a.shape, "spacing": spacing} | {name: float(value) for name, value in values.items()}
        )
    return rows


@pytest.mark.filterwarnings("ignore:monai.metrics:FutureWarning")  # it warns of its own calls
def test_surface_dice_hd95_and_average_distance_are_monais() -> None:
    """A pixel with one of its four neighbours outside, or at the end of the image, is of the boundary in both.

    ``SEGDATA_RECORD=1`` asks MONAI anew.
    """
    if os.environ.get("SEGDATA_RECORD"):
        MONAI.write_text(json.dumps(ask_monai(), indent=1) + "\n")
    rows = json.loads(MONAI.read_text())
    assert len(rows) == 24
    for wanted in rows:
        high, wide = wanted["spacing"]
        a, b = (
            np.unpackbits(np.frombuffer(bytes.fromhex(wanted[name]), np.uint8), count=math.prod(wanted["shape"]))
            .reshape(wanted["shape"])
            .astype(bool)
            for name in ("a", "b")
        )
        row = one(a, b, spacing=np.array([[wide, high, np.nan]]), tolerance=Tolerance(mm=MONAI_TOLERANCE))
        assert nsd(row) == pytest.approx(wanted["nsd"], rel=1e-6)
        assert row["hd95"] == pytest.approx(wanted["hd95"], rel=1e-5)
        assert assd(row) == pytest.approx(wanted["assd"], rel=1e-5)


@pytest.fixture(scope="module")
def surface_distance() -> Any:  # Any: it has no types
    return pytest.importorskip("surface_distance")


def surfaces(package: Any, a: Mask, b: Mask) -> Any:  # Any: its own table
    return package.compute_surface_distances(a, b, (1.0, 1.0))


@OLD
def test_the_largest_distance_is_surface_distances_within_two_corners(surface_distance: Any) -> None:
    """Every boundary pixel has a corner that is on its boundary, and every such corner is that of a boundary pixel."""
    for a, b in drawn():
        wanted = surface_distance.compute_robust_hausdorff(surfaces(surface_distance, a, b), 100)
        assert abs(one(a, b)["hd"] - wanted) <= 2 * CORNER + 1e-9


@OLD
def test_squares_that_surface_distance_measures_alike(surface_distance: Any) -> None:
    """Where boundaries are straight what lies between pixels is as far apart as pixels are, but for the corners."""
    for a, b, hd95, mean in ((SQUARE, MOVED, 2.0, 1.0), (SQUARE, LARGER, 3.1622776602, 3.0)):
        found = surfaces(surface_distance, a, b)
        row = one(a, b)
        assert row["hd95"] == pytest.approx(hd95)
        assert surface_distance.compute_robust_hausdorff(found, 95) == pytest.approx(hd95)
        assert row["sum_a"] / row["edge_a"] == pytest.approx(mean)
        assert surface_distance.compute_average_surface_distance(found)[0] == pytest.approx(mean)


@OLD
def test_surface_dice_is_surface_distances_where_all_or_nothing_is_near(surface_distance: Any) -> None:
    """It weights boundaries by their length, and we count pixels; so shares between 0 and 1 differ."""
    for a, b, tolerance, wanted in ((SQUARE, MOVED, 2, 1), (SQUARE, LARGER, 2, 0), (SQUARE, SQUARE, 0, 1)):
        found = surfaces(surface_distance, a, b)
        assert surface_distance.compute_surface_dice_at_tolerance(found, tolerance) == wanted
        assert nsd(one(a, b, tolerance=Tolerance(tolerance))) == wanted
    part = surfaces(surface_distance, SQUARE, MOVED)
    assert surface_distance.compute_surface_dice_at_tolerance(part, 1) == pytest.approx(0.508374, abs=1e-6)
    assert nsd(one(SQUARE, MOVED, tolerance=Tolerance(1))) != pytest.approx(0.508374, abs=1e-6)
