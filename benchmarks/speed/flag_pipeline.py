"""What the thread that has a GPU compute does beside it, measured on a CPU.

    python -m benchmarks.speed.flag_pipeline [--images 64] [--side 512] [--threads 4]

Predicts images of discs by the pipeline of a GPU with a network of one layer, and prints what each step takes: the
steps of the first thread bound how many images a second a GPU can be given, the others how many cores that needs.
"""

import argparse
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from segdata.api.in_memory import from_arrays
from segdata.noise.networks import prediction
from segdata.noise.networks.images import ImageCache
from segdata.noise.networks.plan import DataFacts, Settings, plan_for
from segdata.noise.networks.prediction import ChannelLegend

_PITCH = 40  # px from disc to disc


class OneLayer(nn.Module):
    """Logits of two categories and three contours: the first channel shows things, the second their edges."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 5, 1)
        weight = torch.tensor([[0, 0, 0], [20, 0, 0], [0, 0, 0], [20, -40, 0], [0, 20, 0]], dtype=torch.float32)
        self.layer.weight.data = weight[:, :, None, None]
        assert self.layer.bias is not None
        self.layer.bias.data = torch.tensor([0.0, -10, 0, -10, -10])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 2, H, W) and (B, 3, H, W)."""
        logits = self.layer(images)
        return logits[:, :2], logits[:, 2:]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2, help="from 3 on processes write, unseen here")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    side, n = asked.side, asked.images
    facts = DataFacts(n, n, side, side, (side, side), 3, 1, True, None, 20, "cuda", 2**33)
    plan = plan_for(facts, Settings(flips=0), 2**33)
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    from_centre = np.hypot(x % _PITCH - _PITCH / 2, y % _PITCH - _PITCH / 2) + rng.normal(0, 0.3, (side, side))
    thing, edge = from_centre < 0.35 * _PITCH, np.abs(from_centre - 0.35 * _PITCH) < 1.5
    pixels = np.stack([255 * thing, 255 * edge, 0 * thing]).astype(np.uint8)
    mask = np.zeros((side, side), np.uint8)
    mask[10:60, 10:60] = 1
    maps = from_arrays({f"{row}.png": [(mask > 0, "a")] for row in range(n)}, ["a"]).maps()
    maps.uris[0:] = maps.image_ids  # type: ignore[index]  # a list
    pictures = ImageCache(maps, 2**33, lambda uri, size: pixels)
    pictures.survey(1)
    spent: Counter[str] = Counter()

    def timed(owner: object, name: str, word: str) -> None:
        inner = getattr(owner, name)

        def run(*given: object) -> object:
            began = time.thread_time()
            try:
                return inner(*given)
            finally:
                spent[word] += time.thread_time() - began  # type: ignore[assignment]  # seconds

        setattr(owner, name, run)

    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "images").mkdir()
        legend = ChannelLegend(np.array([1]), np.array([True]))
        work = prediction._ImagePredictor(
            [OneLayer().eval()], maps, pictures, plan, legend, Path(name), torch.device("cpu"), np.arange(n)
        )
        timed(work, "_codes", "compute")
        timed(work, "_inputs", "scale")
        for step in ("_pack", "_keep_tile", "write"):
            timed(work, step, step.strip("_"))
        began, wall = time.thread_time(), time.monotonic()
        n_done = sum(1 for _ in work.pipeline(range(n), asked.threads))
        own, wall = time.thread_time() - began, time.monotonic() - wall
    beside = own - spent["compute"] - spent["scale"]
    print(f"{n_done} images of {side} px, {threading.active_count()} threads at the end, {wall:.1f} s")
    for word, seconds in spent.items():
        print(f"{word:10} {1000 * seconds / n_done:7.2f} ms of processor an image")
    print(f"first thread, beside computing and scaling: {1000 * beside / n_done:.3f} ms an image")


if __name__ == "__main__":
    main()
