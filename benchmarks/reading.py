"""What it takes to open a COCO file and to decode all of its portions, on one thread: CPU seconds and peak memory.

    python -m benchmarks.reading FILE.json...

Nothing is measured or judged. Files come from `benchmarks/generate.py`.
"""

import resource
import subprocess
import sys
import time


def read_whole(path: str) -> None:
    """Print one row of the table."""
    import segdata

    begin = time.process_time()
    dataset = segdata.read(path)
    opened = time.process_time()
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    for rows in dataset.source.chunks():
        dataset.source.load(rows)
    decoded = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"| {len(dataset):,} | {opened - begin:.2f} | {held:,} | {decoded - opened:.2f} | {peak:,} |")


def main(paths: list[str]) -> None:
    """Print the table; each file is read by a process of its own."""
    if len(paths) == 2 and paths[0] == "--one":
        read_whole(paths[1])
        return
    print("| images | open, CPU s | peak MiB | decode, CPU s | peak MiB |", flush=True)
    print("| ---: | ---: | ---: | ---: | ---: |", flush=True)
    for path in paths:
        subprocess.run([sys.executable, __file__, "--one", path], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
