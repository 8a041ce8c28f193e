"""Race segdata against its peers on the same generated COCO file, process against process, and print ratios.

    python -m benchmarks.speed.against_peers 500 20000

Peers run in an environment of their own (benchmarks/peers/requirements.txt), because Datumaro pins versions that
segdata does not.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.shared.coco_file import generate
from benchmarks.shared.process import Run, run

ROOT = Path(__file__).parents[2]
PEER_PYTHON = ROOT / "build/peers/bin/python"
ROUNDS = 5


def commands(data: Path, scratch: Path) -> dict[str, list[str]]:
    """Name -> command, ours first."""
    segdata = [str(Path(sys.executable).parent / "segdata")]
    peers = {
        "Datumaro: import + metadata validate": "datumaro_validate",
        "hotcoco: load + health check (boxes)": "hotcoco_healthcheck",
        "pycocotools: decode masks, count overlaps": "pycocotools_masks",
    }
    ours = {
        "segdata validate (pixel exact, all rules)": [
            *segdata,
            "validate",
            "--no-cache",
            str(data),
            "--output",
            str(scratch / "r.txt"),
        ],
        "segdata convert to canonical": [
            "bash",
            "-c",
            f"rm -rf {scratch}/c && {segdata[0]} convert {data} {scratch}/c",
        ],
    }
    return ours | {
        name: [str(PEER_PYTHON), str(ROOT / "benchmarks/peers" / f"{file}.py"), str(data)]
        for name, file in peers.items()
    }


def table(n_images: int) -> str:
    """A Markdown table: median seconds, peak memory and the ratio to segdata validate, over interleaved rounds."""
    data = ROOT / "build/bench" / f"coco-{n_images}.json"
    if not data.exists():
        generate(n_images, data)
    rounds = ROUNDS if n_images <= 1000 else 3
    with tempfile.TemporaryDirectory() as scratch:
        raced = commands(data, Path(scratch))
        runs: dict[str, list[Run]] = {name: [] for name in raced}
        for _ in range(rounds):
            for name, command in raced.items():
                runs[name].append(run(command))
    base = [each.seconds for each in next(iter(runs.values()))]
    lines = [
        f"{n_images:,} images, {data.stat().st_size / 1e6:.1f} MB of JSON, median of {rounds} interleaved rounds:",
        "",
        "| whole process | seconds | against segdata validate | CPU seconds | peak MiB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, done in runs.items():
        seconds = statistics.median(each.seconds for each in done)
        ratio = statistics.median(each.seconds / ours for each, ours in zip(done, base, strict=True))
        cpu = statistics.median(each.cpu for each in done)
        peak = max(each.peak_mib for each in done)
        lines.append(f"| {name} | {seconds:.2f} | {ratio:.2f} x | {cpu:.2f} | {peak:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    for size in sys.argv[1:] or ["500", "20000"]:
        print(table(int(size)), end="\n\n")
