"""How long `segdata flag` takes with the quick setting or the default, stage by stage.

    python -m benchmarks.speed.flag_quick [--images 200] [--side 256] [--threads 2] [--steps N] [--data DATA] [--full]

Without --data the images are generated: discs and squares on a noisy ground, two categories of instances.
"""

import argparse
import os
import tempfile
import time
from functools import partial
from pathlib import Path

import loky
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from segdata.api.flag import flag
from segdata.api.in_memory import CategoryRef, from_arrays
from segdata.api.read import read
from segdata.core.dataset import OpenDataset
from segdata.core.taxonomy import Category, Taxonomy
from segdata.noise.networks.plan import Settings, StageProgress

_LINE_SECONDS = 10.0  # between two lines of a stage


def generated(folder: Path, n: int, side: int, jobs: int = 1) -> OpenDataset:
    """Images of 30 discs and squares each; where two meet, the later one covers the earlier one."""
    pool = loky.get_reusable_executor(jobs, timeout=10)
    drawn = pool.map(partial(_draw, folder, side), range(n), chunksize=max(min(n // (4 * jobs), 50), 1))
    labels = {f"{at:04d}.png": (ids, categories) for at, (ids, categories) in enumerate(drawn)}
    kinds = (Category(id=1, name="square", kind="thing"), Category(id=2, name="disc", kind="thing"))
    return from_arrays(labels, Taxonomy(categories=kinds), images=folder)


def _draw(folder: Path, side: int, at: int) -> tuple[NDArray[np.uint8], dict[int, CategoryRef]]:
    """Draw one image into its file; returns the number of each pixel's object, and the categories of those seen."""
    rng = np.random.default_rng(at)
    picture, ids = rng.normal(90, 12, (side, side, 3)), np.zeros((side, side), np.uint8)
    for number in range(1, 31):
        middle, radius = rng.uniform(0, side, 2), rng.uniform(5, 11)
        first, last = np.clip(middle - 12, 0, side).astype(int), np.clip(middle + 12, 0, side).astype(int)
        box = slice(first[0], last[0]), slice(first[1], last[1])
        dy, dx = (np.arange(a, b) - at for a, b, at in zip(first, last, middle, strict=True))
        dy, dx = np.broadcast_arrays(dy[:, None], dx)
        is_inside = np.maximum(abs(dy), abs(dx)) < radius if number % 2 else dy**2 + dx**2 < radius**2
        picture[box][is_inside] += (0, 20, 70) if number % 2 else (70, 20, 0)
        ids[box][is_inside] = number
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / f"{at:04d}.png", compress_level=1)
    return ids, {number: 2 - number % 2 for number in np.unique(ids[ids > 0]).tolist()}


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
        dataset = read(asked.data) if asked.data else generated(folder, asked.images, asked.side, asked.threads)
        wall, cpu, begun, told = time.monotonic(), time.process_time(), dict[str, float](), [0.0]

        def progress(stage: StageProgress) -> None:
            now = time.monotonic()
            first = begun.setdefault(stage.what, now)
            if stage.done == stage.total or now - told[0] >= _LINE_SECONDS:  # so that a run that stops says where
                told[0] = now
                print(f"{now - wall:6.1f} s  {stage.what}: {stage.done} in {now - first:.1f} s", flush=True)

        settings = Settings(quick=not asked.full, steps=asked.steps, jobs=asked.threads)
        found = flag(dataset, settings=settings, work_dir=folder / "out", planned=print, progress=progress)
        print(f"training: {(folder / 'out' / 'pace.json').read_text()}")
        print(
            f"{len(dataset)} images, {found.n_judged} labels: {time.monotonic() - wall:.1f} s, "
            f"{time.process_time() - cpu:.1f} s of processor in this process; "
            f"torch {torch.__version__}, {asked.threads} threads, load {os.getloadavg()[0]:.1f}"
        )


if __name__ == "__main__":
    main()
