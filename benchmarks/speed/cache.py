"""What validating again costs: nothing changed, another configuration, one mask of a thousand changed.

python -m benchmarks.speed.cache
"""

import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.shared.coco_file import generate
from benchmarks.shared.process import Run, run

DATA = Path(__file__).parents[2] / "build/bench/coco-118000.json"
SEGDATA = str(Path(sys.executable).parent / "segdata")
N_MASKS, HEIGHT, WIDTH, ROUNDS = 1000, 512, 1024, 3


def mask(number: int, path: Path) -> None:
    """A palette mask of eight wavy categories, another one for each number."""
    rng = np.random.default_rng(number)
    x, y = np.arange(WIDTH), np.arange(HEIGHT)[:, None]
    picture = np.zeros((HEIGHT, WIDTH), np.uint8)
    for category in range(1, 8):
        edge = HEIGHT * category / 8 + 25 * np.sin(x / rng.uniform(20, 150) + rng.uniform(0, 6))
        picture[y >= edge] = category
    image = Image.fromarray(picture, "P")
    image.putpalette([level for category in range(8) for level in (30 * category, 255 - 30 * category, 99)])
    image.save(path)


def masks(folder: Path) -> None:
    """The masks, and the taxonomy of their colours."""
    (folder / "masks").mkdir(parents=True)
    for number in range(N_MASKS):
        mask(number, folder / "masks" / f"{number:04d}.png")
    lines = [
        f"  - {{id: {each}, name: c{each}, kind: stuff, color: [{30 * each}, {255 - 30 * each}, 99]}}"
        for each in range(8)
    ]
    (folder / "taxonomy.yaml").write_text("\n".join(["categories:", *lines, ""]))


def median(runs: list[Run]) -> Run:
    """The medians of some runs."""
    return Run(
        statistics.median(each.seconds for each in runs),
        statistics.median(each.cpu for each in runs),
        max(each.peak_mib for each in runs),
        runs[-1].said,
    )


def main() -> None:
    """Print the table: one fresh run each, medians of the others."""
    if not DATA.exists():
        generate(118_000, DATA)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        config = place / "other.yaml"
        config.write_text("rules: {SEG106: {min_pixels: 8}}\nignore: [SEG118]\n")
        masks(place / "street")

        def validate(data: Path, *more: str) -> Run:
            command = [SEGDATA, "validate", str(data), "--output", f"{scratch}/report.txt", *more]
            return run(command, {"SEGDATA_CACHE_DIR": f"{scratch}/cache"})

        def after_one_change(number: int) -> Run:
            mask(N_MASKS + number, place / "street/masks/0500.png")
            return validate(place / "street")

        rounds = range(ROUNDS)
        print("| whole process | seconds | CPU seconds | of the first run's CPU | peak MiB |")
        print("| --- | ---: | ---: | ---: | ---: |")
        for name, data in (("COCO JSON, 118,000 images", DATA), (f"{N_MASKS:,} masks", place / "street")):
            done = {"first": validate(data), "again": median([validate(data) for _ in rounds])}
            done["another configuration"] = median([validate(data, "--config", str(config)) for _ in rounds])
            if data != DATA:
                done["one mask changed"] = median([after_one_change(each) for each in rounds])
                done["without the cache"] = median([validate(data, "--no-cache") for _ in rounds])
            for what, took in done.items():
                share = took.cpu / done["first"].cpu
                print(
                    f"| {name}: {what} | {took.seconds:.2f} | {took.cpu:.2f} | {share:.3f} | {took.peak_mib:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
