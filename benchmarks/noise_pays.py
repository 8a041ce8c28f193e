"""Whether the work pays: fresh networks after the first 5 % flagged were corrected, and after a random 5 % were.

    python -m benchmarks.noise_pays DATA WORK SET... [--rate 0.2] [--share 0.05] [--severity 1] [--seeds 0 1 2 3 4]
        [--steps 150] [--made KIND...]

Every third image is held out, and stays clean. Into the labels of the others errors are put, of each kind that changes
what pixels are called. What is corrected is found by the networks of WORK (`benchmarks.noise_sets`), and told by the
truth. Then one small network learns from the labels as they were, one from those whose first candidates were put right,
one from those where as many random candidates were, and one from clean labels: the same network, crops and order.
Prints the mean IoU of the categories in the images held out. Intervals are 95 %, of t over the seeds.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import t as student
from torch.nn import functional

from benchmarks.noise_sets import CHOSEN, opened, predicted, witness
from segdata.core.dataset import Dataset
from segdata.core.runs import Ints
from segdata.noise.evidence.drawn import VOID, Floats, Pixels
from segdata.noise.evidence.given import Given
from segdata.noise.mistakes.injection import Rates, labels, spoiled
from segdata.noise.mistakes.mistakes import Mistakes
from segdata.noise.networks.losses import segmentation_loss
from segdata.noise.networks.network import UNet, logits
from segdata.noise.networks.picture import Pictures
from segdata.noise.networks.plan import Facts, Plan, plan_for
from segdata.noise.networks.predictions import Predictions
from segdata.noise.networks.settings import Settings
from segdata.noise.networks.training import rate
from segdata.noise.scoring.scores import look, suspicions
from segdata.noise.types import Kind

HELD = 3  # every third image
ARMS = ("noisy", "random", "flagged", "clean")
SHOWN: tuple[Kind, ...] = ("missing", "extra", "category", "dilate", "erode", "shift")
Map = NDArray[np.int64]


class Scene:
    """The clean labels of a dataset and its pictures, as arrays (height, width) and (C, height, width)."""

    def __init__(self, data: Dataset, found: Predictions) -> None:
        given = Given.of(data.maps(), found.categories)
        self.witness, self.things = witness(data, found), witness(data, found).things
        self.rows = np.flatnonzero(found.usable)
        self.clean = {row: given.drawn(row) for row in self.rows.tolist()}
        pictures = Pictures(given.maps, 2**31)
        pictures.survey(1)
        self.pictures = {row: _scaled(pictures, row) for row in self.rows.tolist()}
        self.labels = {row: _square(each.categories(), each.height) for row, each in self.clean.items()}

    @property
    def n_categories(self) -> int:
        """Channels."""
        return len(self.things)


def _scaled(pictures: Pictures, row: int) -> NDArray[np.float32]:
    picture = pictures.get(row)
    assert picture is not None
    spread = (picture.high - picture.low)[:, None, None]
    return ((picture.pixels.astype(np.float32) - picture.low[:, None, None]) / spread).clip(-0.5, 1.5)


def _square(values: Ints, height: int) -> Map:
    return np.ascontiguousarray(values.reshape(-1, height).T)


def spoilt(scene: Scene, rows: Ints, share: float, rates: Rates, seed: int) -> tuple[dict[str, dict[int, Map]], str]:
    """The label maps that each network learns from, and how many errors there were and were corrected."""
    looks, truths, abouts = [], [], []
    for row in rows.tolist():
        rng = np.random.default_rng([seed, row])
        given, truth = spoiled(scene.clean[row], scene.things, rates, rng)
        looks.append(look(given, scene.witness.evidence(row), scene.things, rng))
        abouts.append(labels(looks[-1].found, given, truth, scene.things))
        truths.append((given, truth))
    result = suspicions(looks)
    about = np.concatenate([each[sort] for sort in (0, 1) for each in abouts])
    n = round(share * len(about))
    rng = np.random.default_rng([seed, 7])
    chosen = {"flagged": np.argsort(-result.odds, kind="stable")[:n], "random": rng.permutation(len(about))[:n]}
    noisy = {
        row: _square(given.categories(), given.height) for row, (given, _) in zip(rows.tolist(), truths, strict=True)
    }
    made = {"noisy": noisy, "clean": {row: scene.labels[row] for row in rows.tolist()}}
    counts = []
    for name, top in chosen.items():
        made[name], repaired = dict(noisy), 0
        for at, row in enumerate(rows.tolist()):
            mine = top[result.image[top] == at]
            wrong = np.unique(about[mine][about[mine] >= 0])
            repaired += len(wrong)
            made[name][row] = _repaired(noisy[row], scene.labels[row], truths[at][1], wrong)
        counts.append(f"{name} {repaired}")
    total = sum(len(truth) for _, truth in truths)
    return made, f"{total} errors, {n} of {len(about)} candidates looked at, corrected: {', '.join(counts)}"


def _repaired(noisy: Map, clean: Map, truth: Mistakes, wrong: Ints) -> Map:
    """The labels with some errors undone, where they changed pixels."""
    changed = truth.changed(len(noisy))
    at = Pixels.of_runs(changed.take(wrong, len(truth)), len(wrong)).at
    columns = noisy.T.ravel().copy()
    columns[at] = clean.T.ravel()[at]
    return _square(columns, len(noisy))


def learned(scene: Scene, maps: dict[int, Map], plan: Plan) -> UNet:
    """A network that saw these labels, turned and mirrored."""
    torch.manual_seed(plan.seed)
    model = UNet(plan.channels, plan.categories, width=plan.width, depth=plan.depth, instances=False)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # its stub
    optimiser = torch.optim.AdamW(model.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay)
    rows = sorted(maps)
    for step in range(plan.steps):
        rng = np.random.default_rng([plan.seed, step])
        crops = [_crop(scene.pictures[row], maps[row], plan, rng) for row in rng.choice(rows, plan.batch).tolist()]
        images = torch.from_numpy(np.stack([image for image, _ in crops])).contiguous(memory_format=torch.channels_last)
        optimiser.param_groups[0]["lr"] = rate(step, plan)
        wanted = torch.from_numpy(np.stack([label for _, label in crops]))
        loss = segmentation_loss(logits(model, images)[0], wanted, torch.ones(plan.categories), plan)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.eval()


def _crop(
    image: NDArray[np.float32], label: Map, plan: Plan, rng: np.random.Generator
) -> tuple[NDArray[np.float32], Map]:
    side = plan.crop
    grow = [max(side - each, 0) for each in label.shape]
    image = np.pad(image, ((0, 0), (0, grow[0]), (0, grow[1])), mode="edge")
    label = np.pad(label, ((0, grow[0]), (0, grow[1])), constant_values=VOID)
    top, left = (int(rng.integers(0, each - side + 1)) for each in label.shape)
    image, label = image[:, top : top + side, left : left + side], label[top : top + side, left : left + side]
    if rng.random() < 0.5:
        image, label = image[:, :, ::-1], label[:, ::-1]
    turns = int(rng.integers(4)) if plan.rotate else 0
    return np.rot90(image, turns, (1, 2)).copy(), np.rot90(label, turns).copy()


def mean_iou(scene: Scene, model: UNet, rows: Ints) -> float:
    """Over the categories that occur in clean labels, unlabelled left out."""
    n = scene.n_categories
    both = np.zeros((n, n), np.int64)
    for row in rows.tolist():
        image, label = scene.pictures[row], scene.labels[row]
        pad = [-each % 32 for each in label.shape]
        with torch.inference_mode():
            padded = functional.pad(torch.from_numpy(image)[None], (0, pad[1], 0, pad[0]), mode="replicate")
            best = logits(model, padded)[0][0].argmax(0).numpy()[: label.shape[0], : label.shape[1]]
        known = label != VOID
        both += np.bincount(label[known] * n + best[known], minlength=n * n).reshape(n, n)
    hit = np.diag(both)
    iou = hit / np.maximum(both.sum(0) + both.sum(1) - hit, 1)
    return float(iou[1:][both.sum(1)[1:] > 0].mean())


def interval(values: Sequence[float]) -> str:
    """The mean and its interval."""
    mean, n = float(np.mean(values)), len(values)
    half: Floats = student.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n) if n > 1 else np.array(np.nan)
    return f"{mean:+.4f} [{mean - float(half):+.4f}, {mean + float(half):+.4f}]"


def main() -> None:
    """Train, compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("sets", nargs="+", choices=CHOSEN)
    parser.add_argument("--network", default="0.05:0", help="rate and seed of the errors that networks learnt with")
    parser.add_argument("--rate", type=float, default=0.2)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--severity", type=float, default=1.0)
    parser.add_argument("--made", nargs="+", choices=SHOWN, default=SHOWN, help="kinds of error")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for name in asked.sets:
        rate_, seed_ = asked.network.split(":")
        with opened(asked.data, name) as data:
            folder = asked.work / f"{name}_{rate_}_{seed_}"
            scene = Scene(data, predicted(data, name, float(rate_), int(seed_), folder))
        held = scene.rows[::HELD]
        rows = np.setdiff1d(scene.rows, held)
        sides = scene.labels[int(rows[0])].shape
        channels = len(scene.pictures[int(rows[0])])
        facts = Facts(
            len(rows), len(rows), *sides, sides, channels, scene.n_categories - 1, False, None, 16, "cpu", 2**33
        )
        scores: dict[str, list[float]] = {arm: [] for arm in ARMS}
        print(f"\n## {name}: {len(rows)} images, {len(held)} held out, rate {asked.rate:g}")
        for seed in asked.seeds:
            plan = plan_for(facts, Settings(crop=128, width=8, depth=3, batch=4, steps=asked.steps, seed=seed), 2**30)
            n_kinds = min(len(asked.made), 3)
            rates = Rates(asked.rate / n_kinds, tuple(asked.made), n_kinds, asked.severity)
            maps, said = spoilt(scene, rows, asked.share, rates, 100 + seed)
            for arm in ARMS:
                scores[arm].append(mean_iou(scene, learned(scene, maps[arm], plan), held))
            print(f"seed {seed}: {said}; " + ", ".join(f"{arm} {scores[arm][-1]:.4f}" for arm in ARMS), flush=True)
        gains = {arm: np.subtract(scores[arm], scores["noisy"]).tolist() for arm in ARMS[1:]}
        for arm, values in gains.items():
            print(f"{arm} above noisy: {interval(values)}")
        print(
            f"flagged above random: {interval(np.subtract(scores['flagged'], scores['random']).tolist())}", flush=True
        )


if __name__ == "__main__":
    main()
