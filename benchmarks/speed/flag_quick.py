"""How long the quick setting, or the default, takes: out-of-fold networks, then all else, as processor time.

    python -m benchmarks.speed.flag_quick [--images 200] [--side 256] [--threads 2] [--steps N] [--data DATA] [--full]

Without --data the images are generated: discs and squares on a noisy ground, two categories of instances.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from segdata.api.flag import flag
from segdata.api.in_memory import from_arrays
from segdata.api.read import read
from segdata.core.dataset import OpenDataset
from segdata.core.taxonomy import Category, Taxonomy
from segdata.noise.networks.out_of_fold import out_of_fold
from segdata.noise.networks.plan import Settings, StageProgress

_LINE_SECONDS = 10.0  # between two lines of a stage


def generated(folder: Path, n: int, side: int) -> OpenDataset:
    """Images of 30 discs and squares each."""
    y, x = np.mgrid[:side, :side]
    labels = {}
    for at in range(n):
        rng = np.random.default_rng(at)
        picture, masks = rng.normal(90, 12, (side, side, 3)), []
        for number in range(30):
            middle, radius = rng.uniform(0, side, 2), rng.uniform(5, 11)
            dy, dx = y - middle[0], x - middle[1]
            mask = dy**2 + dx**2 < radius**2 if number % 2 else np.maximum(abs(dy), abs(dx)) < radius
            picture[mask] += (70, 20, 0) if number % 2 else (0, 20, 70)
            masks.append((mask, 1 + number % 2))
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / f"{at:03d}.png")
        labels[f"{at:03d}.png"] = masks
    kinds = (Category(id=1, name="square", kind="thing"), Category(id=2, name="disc", kind="thing"))
    return from_arrays(labels, Taxonomy(categories=kinds), images=folder)


def main() -> None:
    """Run it once, and print what each stage took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--data")
    parser.add_argument("--full", action="store_true", help="the default setting; on a GPU if there is one")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = read(asked.data) if asked.data else generated(folder, asked.images, asked.side)
        begun, told = dict[str, tuple[float, float]](), [0.0]

        def progress(stage: StageProgress) -> None:
            now = time.monotonic()
            first = begun.setdefault(stage.what, (now, time.process_time()))
            if stage.done == stage.total or now - told[0] >= _LINE_SECONDS:  # so that a run that stops says where
                told[0], spent = now, (now - first[0], time.process_time() - first[1])
                print(f"{stage.what}: {stage.done} in {spent[1]:.1f} s of processor, {spent[0]:.1f} s", flush=True)

        wall, cpu = time.monotonic(), time.process_time()
        settings = Settings(quick=not asked.full, steps=asked.steps, jobs=asked.threads)
        out_of_fold(dataset, folder / "out", settings, planned=print, progress=progress)
        before = time.process_time()
        found = flag(dataset, predictions=folder / "out", settings=Settings(jobs=asked.threads), progress=progress)
        spent = time.process_time() - before
        print(f"look, judge, correct: {found.n_judged} labels in {spent:.1f} s of processor", flush=True)
        print(
            f"{len(dataset)} images: {time.process_time() - cpu:.1f} s of processor, {time.monotonic() - wall:.1f} s; "
            f"torch {torch.__version__}, {asked.threads} threads, load {os.getloadavg()[0]:.1f}"
        )


if __name__ == "__main__":
    main()
