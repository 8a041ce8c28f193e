"""Which head finds instances better: inside and edge with watershed, or centres with offsets.

    python -m benchmarks.flag.heads DATA [--steps N] [--seeds N] [--images N]

Two networks that differ in nothing but what their second head learns, on the same crops in the same order; half of the
images to learn from, the others to find the instances in. Prints panoptic quality (IoU above 0.5 is found), and seconds
of processor time to find the instances of an image.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from segdata.api.read import read
from segdata.api.validate import dataset_tables
from segdata.noise.networks.crops import CropLabels, SegmentCentres, choose_crops, paint_segments, scale_windows
from segdata.noise.networks.images import ImageCache
from segdata.noise.networks.losses import segmentation_loss
from segdata.noise.networks.network import (
    ConvolutionEncoder,
    UNet,
    instances_of,
    logits,
    training_targets,
)
from segdata.noise.networks.plan import DataFacts, Settings, TrainingPlan, plan_for
from segdata.noise.networks.training import learning_rate

SPREAD = 3.0  # px, of the hill that marks a centre
NEAR = 7  # px, in which only the highest is a centre
HIGH = 0.1  # of a centre
LEAST = 16  # px of an instance
Labelled = NDArray[np.int32]


def centre_targets(owners: Tensor) -> tuple[Tensor, Tensor]:
    """Hills (B, H, W) at the centres of segments, and (B, 2, H, W) how far each pixel's centre is, y and x."""
    n, high, wide = owners.shape
    y, x = torch.meshgrid(torch.arange(high), torch.arange(wide), indexing="ij")
    hills, offsets = torch.zeros(n, high, wide), torch.zeros(n, 2, high, wide)
    for at in range(n):
        for owner in torch.unique(owners[at]).tolist():
            if owner > 0:
                mine = owners[at] == owner
                middle = y[mine].float().mean(), x[mine].float().mean()
                hill = torch.exp(-((y - middle[0]) ** 2 + (x - middle[1]) ** 2) / (2 * SPREAD**2))
                hills[at] = torch.maximum(hills[at], hill)
                offsets[at, 0][mine], offsets[at, 1][mine] = (middle[0] - y)[mine], (middle[1] - x)[mine]
    return hills, offsets


def centre_loss(said: Tensor, owners: Tensor) -> Tensor:
    """As Panoptic-DeepLab: squared error of hills, absolute error of offsets within segments, in tens of pixels."""
    hills, offsets = centre_targets(owners)
    inside = (owners > 0)[:, None]
    off = ((said[:, 1:] - offsets / 10).abs() * inside).sum() / inside.sum().clamp(min=1)
    return 20 * functional.mse_loss(said[:, 0], hills) + off


def centre_instances(categories: Tensor, said: Tensor) -> Labelled:
    """(H, W) the number of the nearest centre for each pixel that is rather labelled than not."""
    hill = said[0]
    peak = (hill == functional.max_pool2d(hill[None], NEAR, 1, NEAR // 2)[0]) & (hill > HIGH)
    centres = peak.nonzero().float()
    labels = np.zeros(hill.shape, np.int32)
    at = (categories[0] < 0.5).nonzero()
    if len(centres) and len(at):
        aimed = at + 10 * said[1:, at[:, 0], at[:, 1]].T
        labels[at[:, 0], at[:, 1]] = torch.cdist(aimed, centres).argmin(1).numpy() + 1
    return labels


def edge_instances(categories: Tensor, said: Tensor) -> Labelled:
    """(H, W) the instances of `segdata.noise.networks.network`."""
    found = instances_of(categories.numpy(), said.softmax(0).numpy(), np.ones(1, np.int64), np.ones(1, bool), LEAST)
    canvas = np.zeros(categories.shape[2] * categories.shape[1], np.int32)
    for start, length, owner in zip(found.runs.start, found.runs.length, found.runs.owner, strict=True):
        canvas[start : start + length] = owner + 1
    return canvas.reshape(categories.shape[2], categories.shape[1]).T


def quality(found: Labelled, given: Labelled) -> tuple[int, int, int, float]:
    """Found, missed and extra instances, and the sum of the IoU of those found."""
    number = [np.unique(each, return_inverse=True) for each in (given, found)]
    n, m = (len(values) for values, _ in number)
    both = np.bincount(number[0][1].ravel() * m + number[1][1].ravel(), minlength=n * m).reshape(n, m)
    either = both.sum(1)[:, None] + both.sum(0)[None] - both
    iou = (both / either)[number[0][0] > 0][:, number[1][0] > 0]
    hit = iou > 0.5
    return int(hit.sum()), int((~hit.any(1)).sum()), int((~hit.any(0)).sum()), float(iou[hit].sum())


def trained(
    kind: str,
    labels: CropLabels,
    pictures: ImageCache,
    places: SegmentCentres,
    rows: NDArray[np.int64],
    plan: TrainingPlan,
) -> UNet:
    """A network whose second head learned edges or centres."""
    torch.manual_seed(plan.seed)
    model = UNet(ConvolutionEncoder(plan.channels, plan.width, plan.depth), plan.categories, instances=True)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # its stub
    optimiser = torch.optim.AdamW(model.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay)
    for step in range(plan.steps):
        rng = np.random.default_rng([plan.seed, step])
        choice = choose_crops(rng, rows, places, labels.maps, plan, plan.batch, vary=False)
        windows = labels.windows(choice, pictures, plan, vary=False)
        turns = int(rng.integers(4))
        images, owners = (
            each.rot90(turns, (-2, -1))
            for each in (scale_windows(windows, torch.device("cpu")), paint_segments(windows, torch.device("cpu")))
        )
        wanted = training_targets(
            owners, torch.from_numpy(windows.classes), torch.from_numpy(windows.things), instances=True
        )
        optimiser.param_groups[0]["lr"] = learning_rate(step, plan)
        categories, said = logits(model, images.contiguous(memory_format=torch.channels_last))
        assert said is not None
        assert wanted.contours is not None
        loss = segmentation_loss(categories, wanted.categories, torch.ones(plan.categories), plan)
        if kind == "edges":
            loss = loss + segmentation_loss(said, wanted.contours, torch.tensor([1.0, 1.0, 2.0]), plan)
        else:
            loss = loss + centre_loss(said, owners)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # of torch
        optimiser.step()
    trained: UNet = model.eval()
    return trained


def main() -> None:
    """Train and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--images", type=int, default=10, help="in which instances are found")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    dataset = read(asked.data)
    maps, places = dataset.maps(), SegmentCentres.from_tables(dataset_tables(dataset, frozenset()))
    pictures = ImageCache(maps, 2**30)
    pictures.survey(1)
    labels = CropLabels(maps, np.ones(1, np.int64), np.ones(1, bool))
    sides = int(maps.height[0]), int(maps.width[0])
    facts = DataFacts(
        len(maps) // 2, len(maps), *sides, sides, pictures.channels or 3, 1, True, None, LEAST, "cpu", 2**33
    )
    order = np.random.default_rng(0).permutation(len(maps))
    rows, held = order[: len(maps) // 2], order[len(maps) // 2 :][: asked.images]
    finders: dict[str, Callable[[Tensor, Tensor], Labelled]] = {"edges": edge_instances, "centres": centre_instances}
    for seed in range(asked.seeds):
        plan = plan_for(facts, Settings(quick=True, steps=asked.steps, seed=seed), 2**30)
        for kind, finder in finders.items():
            model = trained(kind, labels, pictures, places.among(rows), rows, plan)
            sums, seconds = np.zeros(4), 0.0
            for row in held.tolist():
                picture = pictures.get(row)
                assert picture is not None
                spread = (picture.high - picture.low)[:, None, None]
                image = (picture.pixels.astype(np.float32) - picture.low[:, None, None]) / spread
                with torch.inference_mode():
                    categories, said = logits(model, torch.from_numpy(image.clip(-0.5, 1.5))[None])
                assert said is not None
                began = time.process_time()
                found = finder(categories[0].softmax(0), said[0])
                seconds += time.process_time() - began
                sums += quality(found, maps.instances(row).map)
            hits, missed, extra, iou = sums
            pq = iou / (hits + (missed + extra) / 2)
            print(
                f"seed {seed} {kind}: PQ {pq:.3f} SQ {iou / max(hits, 1):.3f} found {hits:.0f} missed {missed:.0f} "
                f"extra {extra:.0f}, {seconds / len(held):.3f} s an image",
                flush=True,
            )


if __name__ == "__main__":
    main()
