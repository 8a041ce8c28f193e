"""Every kernel, compiled against the numpy reference, on generated images: the times of one run and their ratio.

Run as `python -m benchmarks.speed.kernels [IMAGES] [REFERENCE_IMAGES]`. The compiled kernels get IMAGES images (4000),
480 x 640 pixels with seven polygons each; the reference, and the compiled ones for the ratio, get REFERENCE_IMAGES
(200). label_runs and pack_rgb get one image of 1024 x 2048 pixels.
"""

import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from segdata.core import kernels
from segdata.core.kernels import _reference

HEIGHT, WIDTH, SEGMENTS, VERTICES = 480, 640, 7, 40
Calls = dict[str, tuple[Any, ...]]  # Any: each kernel takes columns of its own


def load(images: int) -> Calls:
    """The arguments of every kernel for so many images."""
    rng = np.random.default_rng(0)
    n = images * SEGMENTS
    xy = outlines(rng, n)
    ring = np.arange(n + 1) * 2 * VERTICES
    side = np.full(n, HEIGHT), np.full(n, WIDTH)
    start, length, owner = kernels.rasterise(xy, ring, np.arange(n + 1), *side)
    offset = np.searchsorted(owner, np.arange(n + 1))
    text, text_offset = kernels.encode_counts(start, length, offset, *side)
    counts, counts_offset = kernels.join_counts(start, length, offset, *side)
    json, first, last = written(xy)
    frame = (owner // SEGMENTS).astype(np.int64)
    base = np.arange(images) * (HEIGHT + 1) * (WIDTH + 1)
    line = start + start // HEIGHT + base[frame]
    order = np.argsort(line, kind="stable")
    a = line[order], (line + length)[order], owner[order]
    b = a[0] + 3, a[1] + 3, a[2]
    frames = base, np.full(images, HEIGHT)
    pairs = kernels.strips(*a, *b)
    top = start % HEIGHT
    image = np.kron(rng.integers(0, 20, (64, 64)), np.ones((16, 32), int)).astype(np.uint16)
    return {
        "decode_counts": (text, text_offset, *side),
        "split_counts": (counts, counts_offset, *side),
        "encode_counts": (start, length, offset, *side),
        "join_counts": (start, length, offset, *side),
        "rasterise": (xy, ring, np.arange(n + 1), *side),
        "parse_rings": (json, first, last),
        "label_runs": (image,),
        "pack_rgb": (np.zeros((1024, 2048, 3), np.uint8),),
        "order_by": (owner[order], n),
        "strips": (*a, *b),
        "strips_within": a,
        "overlaps": (*a, *b),
        "overlaps_within": a,
        "tally": (pairs[0], pairs[1], pairs[3]),
        "cover": a[:2],
        "measure_segments": (start, length, owner, *side, 8, 0.75, 3),
        "shared_pixels": (*a, *frames),
        "contacts": (*a, *frames, np.zeros(n, np.int64)),
        "bands": (*a, *frames, np.ones(n, np.uint8), 5),
        "cover_frames": (*a[:2], base),
        "crossings": (xy, ring),
        "parts": (start // HEIGHT, top, top + length, owner, False),
        "follow": (start // HEIGHT, top, top + length, owner),
        "cycles": (kernels.follow(start // HEIGHT, top, top + length, owner),),
        "bridges": (xy, ring, np.arange(n) // SEGMENTS * SEGMENTS),
    }


def outlines(rng: np.random.Generator, n: int) -> np.ndarray:
    """Blobs of about 60 pixels with 40 vertices."""
    angle = np.sort(rng.uniform(0, 2 * np.pi, (n, VERTICES)))
    radius = rng.uniform(10, 50, (n, 1)) * rng.uniform(0.85, 1.15, (n, VERTICES))
    centre = rng.uniform(0, (WIDTH, HEIGHT), (n, 1, 2))
    places: np.ndarray = centre + radius[..., None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    return np.round(places, 2).ravel()


def written(xy: np.ndarray) -> tuple[bytes, np.ndarray, np.ndarray]:
    """The outlines as JSON, and where each begins and ends."""
    texts = [f"[{ring}]".encode() for ring in xy.reshape(-1, 2 * VERTICES).tolist()]
    last = np.cumsum([len(text) for text in texts])
    return b"".join(texts), np.concatenate([[0], last[:-1]]), last


def seconds(call: Callable[..., object], arguments: tuple[Any, ...]) -> float:
    """The best of three."""
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        call(*arguments)
        times.append(time.perf_counter() - begin)
    return min(times)


def main(images: int = 4000, reference_images: int = 200) -> None:
    """Print the table."""
    large, small = load(images), load(reference_images)

    def took(kernels: ModuleType, name: str, calls: Calls) -> float:
        return seconds(getattr(kernels, name), calls[name])

    columns = f"{f'{images} images':>16}{f'{reference_images} images':>16}{'reference':>12}{'reference / compiled':>22}"
    print(f"{'kernel':15}{columns}")
    for name in large:
        compiled, reference = took(kernels, name, small), took(_reference, name, small)
        row = f"{took(kernels, name, large) * 1e3:13.1f} ms{compiled * 1e3:13.2f} ms{reference * 1e3:9.1f} ms"
        print(f"{name:15}{row}{reference / compiled:22.1f}")
    runs = len(large["encode_counts"][0])
    print(f"{images * SEGMENTS} segments, {runs} runs, {len(large['parse_rings'][0]) / 1e6:.1f} MB of JSON")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
