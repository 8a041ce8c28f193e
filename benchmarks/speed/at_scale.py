"""Convert and validate a COCO file of 118,000 images and 862,235 segments (655 MB), each as one process.

python -m benchmarks.speed.at_scale
"""

import sys
import tempfile
from pathlib import Path

from benchmarks.shared.coco_file import generate
from benchmarks.shared.process import run

DATA = Path(__file__).parents[2] / "build/bench/coco-118000.json"


def main() -> None:
    """Print the table."""
    if not DATA.exists():
        generate(118_000, DATA)
    segdata = str(Path(sys.executable).parent / "segdata")
    with tempfile.TemporaryDirectory() as scratch:
        jobs = {
            "convert to canonical": ["convert", str(DATA), f"{scratch}/c"],
            "validate the JSON, all rules": ["validate", str(DATA), "--output", f"{scratch}/r.txt"],
            "validate the canonical dataset, all rules": ["validate", f"{scratch}/c", "--output", f"{scratch}/r.txt"],
        }
        print("| whole process | seconds | CPU seconds | peak GiB |\n| --- | ---: | ---: | ---: |")
        for name, arguments in jobs.items():
            done = run([segdata, *arguments])
            print(f"| {name} | {done.seconds:.1f} | {done.cpu:.1f} | {done.peak_mib / 1024:.1f} |")
        size = sum(path.stat().st_size for path in Path(f"{scratch}/c").rglob("*") if path.is_file())
        print(f"\n{DATA.stat().st_size / 1e6:,.0f} MB of JSON become {size / 1e6:,.0f} MB, polygons included.")


if __name__ == "__main__":
    main()
