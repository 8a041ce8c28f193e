"""How processor time and memory grow: with images, segments an image, the size of images, and annotators.

    python -m benchmarks.speed.growth                 every axis, up to 1,000,000 images (hours, 30 GB of disk)
    python -m benchmarks.speed.growth --quick         sizes that take minutes
    python -m benchmarks.speed.growth --axis images --quick

Each row is one process. The slope is that of the logarithm of processor time, less the start of the program, against
the logarithm of the size, from the row before: 1 is linear. Other programs on the machine disturb times; compare
slopes.
"""

import argparse
import json
import math
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow.parquet import ParquetFile

from benchmarks.shared.coco_file import HEIGHT, WIDTH, generate
from benchmarks.shared.process import Run, run
from segdata.core import yaml_files
from segdata.core.schema import ANNOTATIONS, IMAGES, SEGMENTS
from segdata.store.revision_writer import open_writer

BUILD = Path(__file__).parents[2] / "build/bench"
SEGDATA = [sys.executable, "-m", "segdata"]
LINEAR = 1.15  # a slope up to this counts as linear


@dataclass(frozen=True)
class Axis:
    """One quantity that grows.

    Attributes
    ----------
    name, unit : in words
    full, quick : the sizes
    command : makes the data of a size, and returns the command that is measured
    explained : why the slope may be more than 1
    """

    name: str
    unit: str
    full: tuple[float, ...]
    quick: tuple[float, ...]
    command: Callable[[float, Path], list[str]]
    explained: str = ""


def canonical_copies(n_images: int, folder: Path, block: int = 1_000) -> Path:
    """A canonical dataset of `n_images`, copies of one block of images under new names, about 7.3 segments an image."""
    source = BUILD / f"block-{block}"
    if not source.exists():
        coco = BUILD / f"coco-{block}.json"
        if not coco.exists():
            generate(block, coco)
        run([*SEGDATA, "convert", str(coco), str(source), "--on-loss", "allow"])
    if folder.exists():
        return folder
    (folder / "r0001/segments").mkdir(parents=True)
    rows = {
        name: ParquetFile(source / "r0001" / path).read().sort_by([("image_id", "ascending")])
        for name, path in (
            ("images", "images.parquet"),
            ("annotations", "annotations.parquet"),
            ("segments", "segments/part-00000.parquet"),
        )
    }
    names = rows["images"]["image_id"].to_pylist()
    n_parts = 0
    with (
        open_writer(folder / "r0001/images.parquet", IMAGES) as images,
        open_writer(folder / "r0001/annotations.parquet", ANNOTATIONS) as annotations,
    ):
        part: Any = None
        for number in range(math.ceil(n_images / block)):
            if number % 130 == 0:  # about a million segments a file, as `convert` writes them
                if part is not None:
                    part.close()
                part = open_writer(folder / f"r0001/segments/part-{n_parts:05d}.parquet", SEGMENTS)
                n_parts += 1
            kept = set(names[: min(block, n_images - number * block)])
            for name, writer in (("images", images), ("annotations", annotations), ("segments", part)):
                own = renamed(rows[name], number, kept)
                writer.write_table(own, row_group_size=max(own.num_rows, 1))
        if part is not None:
            part.close()
    shutil.copy(source / "taxonomy.yaml", folder)
    sequences = source / "r0001/sequences.parquet"
    if sequences.exists():
        shutil.copy(sequences, folder / "r0001")
    manifest = yaml_files.load_yaml(source / "dataset.yaml", dict[str, Any])
    manifest["revisions"][0]["parts"] = n_parts
    (folder / "dataset.yaml").write_text(yaml_files.dump_yaml(manifest))
    return folder


def renamed(rows: pa.Table, number: int, kept: set[str]) -> pa.Table:
    """The rows of some images of a block under the names that they have in its copy."""
    names = rows["image_id"].to_pylist()
    rows = rows.filter(pa.array([name in kept for name in names]))
    names = [f"{number:06d}/{name}" for name in names if name in kept]
    return rows.set_column(rows.schema.get_field_index("image_id"), "image_id", pa.array(names, pa.string()))


def by_images(size: float, scratch: Path) -> list[str]:
    """Validate so many images."""
    data = canonical_copies(int(size), scratch / f"images-{int(size)}")
    return ["validate", str(data), "--no-cache", "--fail-on", "never", "--output", str(scratch / "report.txt")]


def by_segments(size: float, scratch: Path) -> list[str]:
    """Validate about 12,000 segments, so many an image."""
    data = BUILD / f"dense-{int(size)}.json"
    if not data.exists():
        generate(max(round(12_000 / size), 1), data, an_image=size)
    return ["validate", str(data), "--no-cache", "--fail-on", "never", "--output", str(scratch / "report.txt")]


def by_pixels(size: float, scratch: Path) -> list[str]:
    """Validate one mask of so many megapixels, with 40 instances."""
    folder = BUILD / f"mask-{size:g}"
    if not folder.exists():
        (folder / "masks").mkdir(parents=True)
        height = round(math.sqrt(size * 1e6 / 2))
        y, x = np.mgrid[0:height, 0 : 2 * height].astype(np.float32) / height
        field = np.sin(9 * x + 3 * np.sin(5 * y)) + np.cos(7 * y + 2 * np.sin(4 * x))
        cell = (x * 5).astype(int) + 10 * (y * 4).astype(int)
        Image.fromarray(np.where(field > 0.2, cell + 1, 0).astype(np.uint16)).save(folder / "masks/one.png")
        (folder / "segdata.yaml").write_text("format: instance-ids\ninstance_ids: {category: cell}\n")
    report = str(scratch / "report.txt")
    return ["validate", str(folder), "--no-cache", "--fail-on", "never", "--output", report]


def by_annotators(size: float, scratch: Path) -> list[str]:
    """Compare so many annotators of 100 images, each of whom drew everything anew."""
    base = BUILD / "coco-100.json"
    if not base.exists():
        generate(100, base)
    document = json.loads(base.read_text())
    data = []
    for who in range(int(size)):
        path = scratch / f"annotator-{who}.json"
        data.append(f"a{who}={path}")
        if path.exists():
            continue
        rng = np.random.default_rng(who)
        for annotation in document["annotations"]:
            if isinstance(annotation["segmentation"], list):
                annotation["segmentation"] = [drawn_again(ring, rng) for ring in annotation["segmentation"]]
        path.write_text(json.dumps(document))
        document = json.loads(base.read_text())
    return ["agreement", *data, "--format", "json", "--output", str(scratch / "report.json"), "--fail-on", "never"]


def drawn_again(ring: list[float], rng: np.random.Generator) -> list[float]:
    """A ring as another hand draws it: every point about 1.5 px off."""
    points = np.array(ring).reshape(-1, 2) + rng.normal(0, 1.5, (len(ring) // 2, 2))
    return np.clip(points, 0, [WIDTH, HEIGHT]).round(2).ravel().tolist()


AXES = (
    Axis(
        "images (canonical, 7.3 segments each)",
        "images",
        (5_000, 20_000, 118_000, 350_000, 1_000_000),
        (1_000, 2_000, 4_000, 8_000, 16_000),
        by_images,
    ),
    Axis(
        "segments an image (12,000 in all)",
        "segments an image",
        (7.3, 100, 1_000, 3_000, 12_000),
        (7.3, 100, 1_000, 3_000),
        by_segments,
        "the total stays the same, so 0 is linear; the rest are pairs of segments that overlap, in the end nearly all",
    ),
    Axis(
        "size of an image (instance ids)",
        "megapixels",
        (0.3, 2, 8, 25, 100),
        (0.3, 2, 8, 25),
        by_pixels,
    ),
    Axis(
        "annotators of 100 images",
        "annotators",
        (2, 3, 4, 6, 8),
        (2, 3, 4),
        by_annotators,
        "pairs of annotators: n (n - 1) / 2, a slope of 2 and a little more where n is small",
    ),
)


def measured(axis: Axis, sizes: tuple[float, ...], scratch: Path) -> Iterator[tuple[float, Run]]:
    """Every size with its process.

    A process of its own makes the data: Linux counts the peak of the parent as that of a child it starts.
    """
    for size in sizes:
        with multiprocessing.get_context("spawn").Pool(1) as maker:
            command = maker.apply(axis.command, (size, scratch))
        yield size, run([*SEGDATA, *command], {"SEGDATA_CACHE_DIR": str(scratch / "cache")})


def table(axis: Axis, sizes: tuple[float, ...], scratch: Path, start: float) -> str:
    """A Markdown table of one axis; `start`: processor seconds that the program takes without data."""
    lines = [f"| {axis.unit} | CPU s | per unit, ms | slope | peak MiB |", "| ---: | ---: | ---: | ---: | ---: |"]
    before: tuple[float, float] | None = None
    for size, done in measured(axis, sizes, scratch):
        work = max(done.cpu - start, 1e-3)
        slope = "" if before is None else f"{math.log(work / before[1]) / math.log(size / before[0]):.2f}"
        lines.append(f"| {size:,g} | {done.cpu:.2f} | {1000 * work / size:.3g} | {slope} | {done.peak_mib:.0f} |")
        print(lines[-1], file=sys.stderr, flush=True)
        before = size, work
    note = f"\n\nExpected: {axis.explained}." if axis.explained else f"\n\nExpected: linear, a slope up to {LINEAR}."
    return f"### {axis.name}\n\n" + "\n".join(lines) + note


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--axis", help="beginning of the axis to run")
    asked = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        start = min(run([*SEGDATA, *by_pixels(0.01, scratch)]).cpu for _ in range(2))
        print(f"The program alone takes {start:.2f} CPU s. Load at the start: {os.getloadavg()[0]:.1f}.\n")
        for axis in AXES:
            if asked.axis is None or axis.name.startswith(asked.axis):
                print(table(axis, axis.quick if asked.quick else axis.full, scratch, start), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
