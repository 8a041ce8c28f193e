"""How often the intervals of `segdata agreement` hold what was put into simulated campaigns.

    python -m benchmarks.agreement.intervals DATA [CAMPAIGNS [PART [SET]]]

DATA is the folder with camvid11 and gbm40_nuclei; without them only sample_data is drawn from. Real segments, in small
pieces of the images, are taken for what is there; annotators of known habits draw them
(`tests.generators.annotators`), and the whole chain judges them: from pixels to findings. A campaign takes pieces by
lot, and everybody draws each anew. Parts: coverage, rework, least. Sets: sample_data, gbm40_nuclei, camvid11. Planted
habits and honest campaigns are those of `habits.py`.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import segdata
from segdata.agreement.annotator_bias import least_clusters
from segdata.agreement.inference import FALSE_DISCOVERY_RATE
from segdata.agreement.scores import Score
from segdata.agreement.summary import Agreement
from segdata.api.agreement import agree
from segdata.api.evaluate import rework
from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.testing.pictures import PictureDataset
from tests.generators.annotators import ErrorRates, SimulatedAnnotator, simulate_annotator

SAMPLE = Path(__file__).parents[2] / "sample_data" / "panoptic"
RESAMPLES = 500
SCORES = (
    *("iou", "dice", "boundary_iou", "nsd", "pq", "f1", "kappa", "alpha"),
    *("segment_nsd", "covering", "adjusted_rand", "variation_of_information"),
)
LARGE = 480  # pieces drawn for what is taken as the truth; so often are few repeated, each time drawn anew
LAST = 10**6  # the seed of the large campaign


@dataclass(frozen=True)
class Population:
    """Pieces of images, what honest annotators do with them, and by which habit one can be made to stand out."""

    name: str
    batch: Batch
    data: OpenDataset
    honest: ErrorRates
    planted: Mapping[str, Callable[[ErrorRates], ErrorRates]]

    @property
    def common(self) -> list[str]:
        """The categories that a third of the pieces have, the most frequent first."""
        ids = self.batch.segments["category_id"].to_numpy()
        pairs = np.unique(np.stack([ids, self.batch.segment_image]), axis=1)
        which, n = np.unique(pairs[0], return_counts=True)
        void = {each.id for each in self.data.taxonomy.categories if each.kind == "void"}
        often = [int(which[k]) for k in np.argsort(-n, kind="stable") if 3 * n[k] >= len(self)]
        return [self.data.profile.name_of(each) for each in often if each not in void]

    def with_category(self, name: str) -> np.ndarray:
        """The rows of pieces that have a category."""
        ids = [each.id for each in self.data.taxonomy.categories if each.name == name]
        return np.unique(self.batch.segment_image[np.isin(self.batch.segments["category_id"].to_numpy(), ids)])

    def __len__(self) -> int:
        return int(self.batch.images.num_rows)

    def take(self, rows: np.ndarray) -> OpenDataset:
        """Some pieces."""
        return OpenDataset(
            PictureDataset(self.data.profile, self.batch.take_images(np.sort(rows))), self.data.profile, Config()
        )


def population(
    name: str, data: OpenDataset, size: int | tuple[int, int], honest: ErrorRates, *planted: str
) -> Population:
    """Tiles of a dataset with at least one segment, each for itself."""
    with tempfile.TemporaryDirectory() as folder:
        segdata.tile(data, Path(folder) / "tiles", size, crop_images=False)
        tiles = segdata.read(Path(folder) / "tiles")
        batch = concatenate_batches(list(tiles.batches(1)))
    batch = batch.take_images(np.unique(batch.segment_image))
    batch = concatenate_batches([batch] * -(-LARGE // batch.images.num_rows))
    n = batch.images.num_rows
    images = batch.images
    for column, value in (
        ("image_id", [f"{k:05d}.png" for k in range(n)]),
        ("group", [None] * n),
        ("sequence", [None] * n),
    ):
        images = replace_column(images, column, value)
    batch = replace(batch, images=images)
    chosen = {kind: PLANTED[kind] for kind in planted}
    return Population(name, batch, replace(tiles, profile=replace(tiles.profile, sequences=())), honest, chosen)


PLANTED: Mapping[str, Callable[[ErrorRates], ErrorRates]] = {
    "missed": lambda honest: replace(honest, misses=honest.misses + 0.25),
    "extra": lambda honest: replace(honest, adds=honest.adds + 0.35),
    "offset": lambda honest: replace(honest, larger=2.0),
}
HAND = ErrorRates(misses=0.05, adds=0.05, uneven=0.5, jitter=0.5, shift=0.5, splits=0.02, merges=0.02)


def populations(folder: Path | None) -> Iterator[Population]:
    """Those that there is data for."""
    yield population("streets drawn by a program (sample_data)", segdata.read(SAMPLE), 60, HAND, "missed", "offset")
    if folder is None:
        return
    nuclei = segdata.read(folder / "gbm40_nuclei" / "instances.json")
    yield population("nuclei (gbm40_nuclei)", nuclei, 128, HAND, *PLANTED)
    streets = segdata.read(folder / "camvid11")
    hand = replace(HAND, misses=0.02, adds=0.0, splits=0.0, merges=0.0)
    yield population("streets (camvid11)", streets, (120, 120), hand, "missed", "offset")


def campaign(of: Population, seed: int, n: int, hands: Mapping[str, SimulatedAnnotator]) -> Agreement:
    """Pieces by lot, drawn by everybody."""
    rng = np.random.default_rng([1, seed])
    truth = of.take(rng.choice(len(of), min(n, len(of)), replace=False))
    drawn = [(name, simulate_annotator(truth, hand, int(rng.integers(2**40)))) for name, hand in hands.items()]
    return agree(drawn, resamples=RESAMPLES, seed=seed, jobs=1)


def values_of(found: Agreement, category: str) -> dict[str, Score]:
    """Scores of all, and what c does with one category."""
    scores = {name: found.overall.scores[name] for name in SCORES}
    for each in found.annotator_bias:
        if (each.annotator, each.category) == ("c", category):
            of_c = {"offset": each.boundary_offset, "missed": each.missed, "extra": each.extra}
            scores |= {f"{name}, c, {category}": value for name, value in of_c.items()}
    return scores


def coverage(of: Population, campaigns: int) -> None:
    """How often the intervals of small campaigns hold what the whole population gives."""
    other = replace(of.honest, larger=2.0, misses=of.honest.misses + 0.1)
    hands = dict.fromkeys("ab", SimulatedAnnotator(of.honest)) | {
        "c": SimulatedAnnotator(of.honest, {of.common[0]: other})
    }
    truth = values_of(campaign(of, LAST, LARGE, hands), of.common[0])
    held: dict[str, list[bool]] = {}
    for seed in range(campaigns):
        for name, each in values_of(campaign(of, seed, 24, hands), of.common[0]).items():
            if name in truth and np.isfinite(each.low) and np.isfinite(truth[name].value):
                held.setdefault(name, []).append(bool(each.low <= truth[name].value <= each.high))
    for name, of_score in held.items():
        print(
            f"| {of.name} | {name} | {truth[name].value:.3f} | {len(of_score)} | {np.mean(of_score):.2f} |", flush=True
        )


def rework_coverage(of: Population, campaigns: int) -> None:
    """How often the intervals of rework hold it, of one who misses 5 % and whose work is corrected to the truth."""
    hand = SimulatedAnnotator(ErrorRates(misses=0.05))

    def corrected(rows: np.ndarray, seed: int) -> dict[str, Score]:
        truth = of.take(rows)
        row = rework(simulate_annotator(truth, hand, seed, "a"), truth, jobs=1, resamples=RESAMPLES, seed=seed).find(
            None
        )
        assert row is not None
        return {"rework": row.rework, "pixels": row.pixels, "passed": row.passed}

    truth = corrected(np.arange(min(LARGE, len(of))), LAST)
    held: dict[str, list[bool]] = {name: [] for name in truth}
    for seed in range(campaigns):
        rng = np.random.default_rng([21, seed])
        for name, score in corrected(rng.choice(len(of), 24, replace=False), seed).items():
            held[name].append(bool(score.low <= truth[name].value <= score.high))
    for name, of_score in held.items():
        print(f"| {of.name} | {name} | {truth[name].value:.3f} | {np.mean(of_score):.2f} |", flush=True)


def least() -> None:
    """The least number of images from which something can be found."""
    for n_annotators in (3, 4, 5, 8):
        said = " | ".join(str(least_clusters(n, n_annotators, FALSE_DISCOVERY_RATE)) for n in (10, 100, 1000, 10_000))
        print(f"| {n_annotators} | {said} |")


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    part = sys.argv[3] if len(sys.argv) > 3 else ""
    asked = sys.argv[4] if len(sys.argv) > 4 else ""
    for each in populations(folder):
        if asked not in each.name:
            continue
        if part in ("", "coverage"):
            coverage(each, count)
        if part == "rework":
            rework_coverage(each, count)
    if part in ("", "least"):
        least()
