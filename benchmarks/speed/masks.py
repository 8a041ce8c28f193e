"""Reading masks of 1024 x 2048 pixels, against decoding their PNG files alone, in one process.

python -m benchmarks.speed.masks
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import segdata
from segdata.core.config import Config, InstanceIds
from segdata.core.dataset import OpenDataset
from segdata.core.taxonomy import Category, Taxonomy

HEIGHT, WIDTH, N, ROUNDS = 1024, 2048, 48, 5


def labels(rng: np.random.Generator) -> NDArray[np.uint16]:
    """Eleven wavy regions and some thirty blobs: class * 1000 + number."""
    picture = np.zeros((HEIGHT, WIDTH), np.uint16)
    x = np.arange(WIDTH)
    for category in range(11):
        edge = HEIGHT * category / 11 + 30 * np.sin(x / rng.uniform(60, 300) + rng.uniform(0, 6))
        picture[np.arange(HEIGHT)[:, None] >= edge] = category * 1000
    for number in range(30):
        category = int(rng.integers(11, 19))
        angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        radius = rng.uniform(20, 120) * (1 + 0.2 * np.cos(3 * angle + rng.uniform(0, 6)))
        centre = rng.uniform((0, 0), (WIDTH, HEIGHT))
        ring = (centre + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)).astype(np.int32)
        cv2.fillPoly(picture, [ring], (category * 1000 + number,))
    return picture


def write(folder: Path) -> dict[str, OpenDataset]:
    """The same scenes as 16-bit ids, as a palette, and as colours."""
    rng = np.random.default_rng(0)
    palette = rng.integers(0, 255, (256, 3), dtype=np.uint8)
    categories = tuple(
        Category(id=i, name=f"c{i}", kind="stuff" if i < 11 else "thing", color=tuple(palette[i].tolist()))
        for i in range(19)
    )
    for number in range(N):
        ids = labels(rng)
        classes = (ids // 1000).astype(np.uint8)
        indexed = Image.fromarray(classes, "P")
        indexed.putpalette(palette.ravel().tolist())
        for name, image in (
            ("ids", Image.fromarray(ids)),
            ("palette", indexed),
            ("rgb", Image.fromarray(palette[classes])),
        ):
            (folder / name / "masks").mkdir(parents=True, exist_ok=True)
            image.save(folder / name / "masks" / f"{number}.png")
    taxonomy, ids_config = (
        Taxonomy(categories=categories),
        Config(instance_ids=InstanceIds(divisor=1000, background=None)),
    )
    return {
        "16-bit instance ids": segdata.read(folder / "ids", taxonomy=taxonomy, config=ids_config),
        "palette": segdata.read(folder / "palette", taxonomy=taxonomy, format="colour-masks"),
        "RGB": segdata.read(folder / "rgb", taxonomy=taxonomy, format="colour-masks"),
    }


def seconds(work: Callable[[], object]) -> float:
    """How much processor time one call takes: other programs disturb that less than the time on the clock."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Print the table: milliseconds of processor time per mask, medians of interleaved rounds on one thread."""
    with tempfile.TemporaryDirectory() as scratch:
        datasets = write(Path(scratch))
        print("| masks, 1024 x 2048 | decoding alone, ms | read to runs, ms | ratio | read and validate, ms | ratio |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        for (name, dataset), folder in zip(datasets.items(), ("ids", "palette", "rgb"), strict=True):
            files = sorted((Path(scratch) / folder / "masks").glob("*.png"))

            def decode(files: list[Path] = files) -> None:
                for path in files:
                    with Image.open(path) as image:
                        np.asarray(image)

            def read(dataset: OpenDataset = dataset) -> None:
                for chunk in dataset.chunks():
                    dataset.source.load(chunk)

            def validate(dataset: OpenDataset = dataset) -> None:
                segdata.validate(dataset, jobs=1)

            rounds = [(seconds(decode), seconds(read), seconds(validate)) for _ in range(ROUNDS)]
            floor, reading, validating = (statistics.median(each) / N * 1e3 for each in zip(*rounds, strict=True))
            read_ratio = statistics.median(each[1] / each[0] for each in rounds)
            ratio = statistics.median(each[2] / each[0] for each in rounds)
            print(
                f"| {name} | {floor:.1f} | {reading:.1f} | {read_ratio:.2f} x | {validating:.1f} | {ratio:.2f} x |",
                flush=True,
            )


if __name__ == "__main__":
    main()
