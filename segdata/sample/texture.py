"""Noise fields that give surfaces their look: each about -1 to 1, float32, one value a pixel."""

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


def value_noise(rng: np.random.Generator, height: int, width: int, cell: float) -> Field:
    """Smooth noise of shape (height, width) whose bumps are about `cell` pixels wide."""
    rows, columns = int(height / cell) + 3, int(width / cell) + 3
    grid = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
    large = cv2.resize(grid, (int(columns * cell) + 1, int(rows * cell) + 1), interpolation=cv2.INTER_CUBIC)
    return np.asarray(large[:height, :width], dtype=np.float32)


def layered(rng: np.random.Generator, height: int, width: int, cells: tuple[float, ...]) -> Field:
    """Noise of several cell sizes, each as strong as the last, about -1 to 1."""
    layers = [value_noise(rng, height, width, cell) for cell in cells]
    return np.asarray(np.sum(layers, axis=0) / len(cells) ** 0.5, dtype=np.float32)


def fields(rng: np.random.Generator, height: int, width: int) -> dict[str, Field]:
    """The surfaces of a street by name, each of shape (height, width)."""
    leaf = layered(rng, height, width, (3.5, 7, 15))
    return {
        "plain": value_noise(rng, height, width, 3) * np.float32(0.3),
        "asphalt": value_noise(rng, height, width, 2) * np.float32(0.6)
        + value_noise(rng, height, width, 60) * np.float32(0.5),
        "leaf": np.tanh(leaf * 2.5).astype(np.float32),
        "cloud": cloud(rng, height, width),
        "plaster": value_noise(rng, height, width, 4) * np.float32(0.5)
        + value_noise(rng, height, width, 40) * np.float32(0.5),
        "slab": paving(rng, height, width),
    }


def cloud(rng: np.random.Generator, height: int, width: int) -> Field:
    """Soft heaps, wider than high: each finer layer is half as strong."""
    layers = [
        value_noise(rng, height * 2, width, cell)[::2] * np.float32(share)
        for cell, share in ((120, 1), (60, 0.5), (28, 0.25), (13, 0.12))
    ]
    return np.asarray(np.sum(layers, axis=0), dtype=np.float32)


def paving(rng: np.random.Generator, height: int, width: int) -> Field:
    """Slabs with darker joints and a little grain."""
    rows = np.arange(height)[:, None]
    columns = np.arange(width)[None, :] + 18 * (rows // 13 % 2)
    joints = np.where((rows % 13 < 1) | (columns % 36 < 1), np.float32(-0.8), np.float32(0.1))
    return np.asarray(joints + value_noise(rng, height, width, 2) * np.float32(0.5), np.float32)
