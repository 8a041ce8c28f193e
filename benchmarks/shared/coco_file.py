"""A synthetic, deterministic COCO instances file to race tools on.

640 x 480 pixels, about 7.3 annotations an image, 20 to 60 vertices a ring, 80 long-tailed categories, 7 % of the
segments in two parts, 6 % rings with a hole (two C-shaped polygons), 1 % crowds as uncompressed RLE.

    python -m benchmarks.shared.coco_file 500 build/bench/coco-500.json
"""

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, CATEGORIES = 640, 480, 80
Ring = NDArray[np.float64]


def ring(rng: np.random.Generator, cx: float, cy: float, rx: float, ry: float) -> tuple[Ring, NDArray[np.float64]]:
    """A wobbly ellipse of 20 to 60 points (n, 2) inside the frame, rounded to 0.01 px, and the angle of each point."""
    angle = np.sort(rng.random(int(rng.integers(20, 61)))) * 2 * np.pi
    radius = np.ones(len(angle))
    for k in range(2, 6):
        radius += rng.normal(0, 0.22 / k) * np.cos(k * angle + rng.random() * 2 * np.pi)
    radius = np.clip(radius, 0.25, 1.8)
    x = np.clip(cx + rx * radius * np.cos(angle), 0, WIDTH)
    y = np.clip(cy + ry * radius * np.sin(angle), 0, HEIGHT)
    points: Ring = np.stack([x, y], 1)
    return np.round(points, 2), angle


def rings(rng: np.random.Generator) -> list[Ring]:
    """One segment: one ring, two parts, or the two halves of a ring with a hole."""
    size = float(np.clip(np.exp(rng.normal(3.6, 0.8)), 6, 230))
    aspect = float(np.exp(rng.normal(0, 0.35)))
    rx, ry = size * aspect**0.5, size / aspect**0.5
    cx, cy = rng.random() * WIDTH, rng.random() * HEIGHT
    outer, angle = ring(rng, cx, cy, rx, ry)
    found = [outer]
    choice = rng.random()
    if choice < 0.07:
        found.append(ring(rng, cx + 2.4 * rx * rng.choice([-1, 1]), cy, rx * 0.6, ry * 0.6)[0])
    elif choice < 0.13 and size > 12:
        upper, lower = np.flatnonzero(angle <= np.pi), np.flatnonzero(angle > np.pi)
        if len(upper) >= 4 and len(lower) >= 4:
            centre = np.array([[cx, cy]])
            inner = np.round(np.clip(centre + (outer - centre) * 0.45, 0, [WIDTH, HEIGHT]), 2)
            first, second = np.r_[lower[-1], upper, lower[0]], np.r_[upper[-1], lower, upper[0]]
            found = [np.r_[outer[half], inner[half][::-1]] for half in (first, second)]
    return [each for each in found if area([each]) > 4]


def area(polygons: list[Ring]) -> float:
    """The shoelace area of some rings, in pixels."""
    x_y = ((each[:, 0], each[:, 1]) for each in polygons)
    return sum(abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2 for x, y in x_y)


def uncompressed(polygons: list[Ring]) -> dict[str, Any]:  # Any: JSON
    """The union of some rings as uncompressed RLE."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for each in polygons:
        cv2.fillPoly(mask, [each.astype(np.int32)], (1,))
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.r_[0, edges, flat.size]).tolist()
    return {"size": [HEIGHT, WIDTH], "counts": [0, *counts] if flat[0] else counts}


def annotation(rng: np.random.Generator, category: int) -> dict[str, Any]:  # Any: JSON
    """One annotation without its ids."""
    crowd = rng.random() < 0.01
    polygons: list[Ring] = []
    while not polygons:
        polygons = [each for _ in range(int(rng.integers(3, 7)) if crowd else 1) for each in rings(rng)]
    points = np.concatenate(polygons)
    x, y = points.min(0)
    right, bottom = points.max(0)
    return {
        "category_id": category,
        "iscrowd": int(crowd),
        "area": round(area(polygons), 2),
        "bbox": [round(float(value), 2) for value in (x, y, right - x, bottom - y)],
        "segmentation": uncompressed(polygons) if crowd else [each.ravel().tolist() for each in polygons],
    }


def generate(n_images: int, path: Path, seed: int = 0, an_image: float = 7.3) -> int:
    """Write the file, with about `an_image` annotations an image; returns their number."""
    weight = 1.0 / np.arange(1, CATEGORIES + 1) ** 1.1
    cumulated = np.cumsum(weight / weight.sum())
    order = np.random.default_rng(seed + 7).permutation(CATEGORIES) + 1
    categories = [{"id": i + 1, "name": f"thing_{i + 1:02d}", "supercategory": f"group_{i % 12}"} for i in range(80)]
    images, number = [], 0
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.part")
    with partial.open("w") as file:
        file.write(f'{{"categories":{json.dumps(categories)},"annotations":[\n')
        for image in range(1, n_images + 1):
            rng = np.random.default_rng([seed, image])
            images.append({"id": image, "file_name": f"{image:012d}.jpg", "width": WIDTH, "height": HEIGHT})
            for _ in range(int(rng.poisson(an_image))):
                category = int(order[min(int(np.searchsorted(cumulated, rng.random())), CATEGORIES - 1)])
                made = {"id": (number := number + 1), "image_id": image, **annotation(rng, category)}
                file.write((",\n" if number > 1 else "") + json.dumps(made, separators=(",", ":")))
        file.write(f'\n],"images":{json.dumps(images, separators=(",", ":"))}}}')
    partial.replace(path)
    return number


if __name__ == "__main__":
    print(generate(int(sys.argv[1]), Path(sys.argv[2])), "annotations")
