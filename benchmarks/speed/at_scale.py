"""Validate 118,000 images with 862,235 segments (655 MB of JSON), 20,000 of them and a sample, each as one process.

python -m benchmarks.speed.at_scale [ROUNDS]

Rounds go through all rows in turn. A file that was never read takes longer in the first round.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.shared.coco_file import generate
from benchmarks.shared.process import Run, run

ROOT = Path(__file__).parents[2]
SEGDATA = str(Path(sys.executable).parent / "segdata")
CORES = 2


def main() -> None:
    """Print the table: figures of each round, in order."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    large, small = (_generated(n_images) for n_images in (118_000, 20_000))
    with tempfile.TemporaryDirectory() as scratch:
        canonical, config, cache = (
            f"{scratch}/c",
            Path(scratch, "other.yaml"),
            {"SEGDATA_CACHE_DIR": f"{scratch}/cache"},
        )
        run([SEGDATA, "convert", str(large), canonical])
        run([SEGDATA, "validate", str(large), "--quiet"], cache)
        rows: dict[str, Callable[[], Run]] = {
            "COCO JSON, 118,000 images": lambda: _validate(large, "--no-cache"),
            "COCO JSON, 20,000 images": lambda: _validate(small, "--no-cache"),
            "canonical dataset, 118,000 images": lambda: _validate(Path(canonical), "--no-cache"),
            "the 118,000 of the JSON, another configuration": lambda: _validate(
                large, "--config", str(config), env=cache
            ),
            "`sample_data/semantic`": lambda: _validate(ROOT / "sample_data/semantic", "--no-cache"),
        }
        done: dict[str, list[Run]] = {name: [] for name in rows}
        for number in range(rounds):
            config.write_text(
                f"rules: {{SEG106: {{min_pixels: {8 + number}}}}}\nignore: [SEG118]\n"
            )  # a new one each time
            for name, measured in rows.items():
                done[name].append(measured())
    print("| whole process | seconds | CPU seconds | two cores busy | peak MB |\n| --- | --- | --- | --- | --- |")
    for name, runs in done.items():
        columns = (
            [f"{each.seconds:.1f}" for each in runs],
            [f"{each.cpu:.2f}" for each in runs],
            [f"{each.cpu / each.seconds / CORES:.2f}" for each in runs],
            [f"{each.peak_mib * 2**20 / 1e6:,.0f}" for each in runs],
        )
        print(f"| {name} | {' | '.join(', '.join(column) for column in columns)} |")


def _generated(n_images: int) -> Path:
    path = ROOT / f"build/bench/coco-{n_images}.json"
    if not path.exists():
        generate(n_images, path)
    return path


def _validate(data: Path, *options: str, env: dict[str, str] | None = None) -> Run:
    return run([SEGDATA, "validate", str(data), *options, "--quiet"], env)


if __name__ == "__main__":
    main()
