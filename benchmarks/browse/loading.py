"""Put a dataset with the findings of validate into FiftyOne, new and again, each as one process, beside its importer.

Generated 640 x 480 images of about 14 segments, each image a JPEG file
on which they are drawn, and a mongod of its own with an empty database.

python -m benchmarks.browse.loading [IMAGES]...
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.shared.coco_file import HEIGHT, WIDTH, generate
from benchmarks.shared.process import run

SEGDATA = str(Path(sys.executable).parent / "segdata")
SIZES = (500, 2_000, 10_000)
PER_IMAGE = 14
IMPORTER = Path(__file__).parents[1] / "peers" / "fiftyone_importer.py"


@dataclass(frozen=True)
class Mongod:
    """A database that runs: its address, and the process."""

    address: str
    pid: int

    def used(self) -> tuple[float, float]:
        """CPU seconds so far, and the peak of its memory in MiB."""
        words = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{self.pid}/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK"), peak


@contextmanager
def mongod(folder: Path) -> Iterator[Mongod]:
    """The database that is installed with FiftyOne, empty, while the block runs."""
    spec = find_spec("fiftyone")
    if spec is None or spec.origin is None:
        raise SystemExit("FiftyOne is not installed: pip install 'segdata[fiftyone]'")
    program = Path(spec.origin).parent / "db" / "bin" / "mongod"
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    folder.mkdir()
    words = [str(program), "--dbpath", str(folder), "--bind_ip", "127.0.0.1", "--port", str(port), "--nounixsocket"]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield Mongod(f"mongodb://127.0.0.1:{port}", server.pid)
    finally:
        server.terminate()
        server.wait()


def dataset(n_images: int, folder: Path) -> Path:
    """A COCO file, and for each of its images a picture on which the polygons are drawn."""
    path = folder / "coco.json"
    generate(n_images, path, an_image=PER_IMAGE)
    (folder / "images").mkdir()
    coco = json.loads(path.read_bytes())
    rings = defaultdict[int, list[list[float]]](list)
    for annotation in coco["annotations"]:
        if isinstance(annotation["segmentation"], list):
            rings[annotation["image_id"]] += annotation["segmentation"]
    shades = np.random.default_rng(0)
    grey = shades.integers(60, 200, (HEIGHT // 16, WIDTH // 16, 3), np.uint8)
    background = Image.fromarray(grey).resize((WIDTH, HEIGHT))
    for image in coco["images"]:
        picture = background.copy()
        pen = ImageDraw.Draw(picture)
        for ring in rings[image["id"]]:
            pen.polygon(ring, fill=tuple(shades.integers(0, 256, 3).tolist()))
        picture.save(folder / "images" / image["file_name"])
    return path


def measure(n_images: int, scratch: Path) -> None:
    """Print a line for the first time, one for the second, and one for FiftyOne's own importer of the same file."""
    coco = dataset(n_images, scratch)
    with mongod(scratch / "db") as database:
        places = {
            "FIFTYONE_DATABASE_URI": database.address,
            "SEGDATA_CACHE_DIR": str(scratch / "cache"),
            "HOME": str(scratch),
        }
        before = 0.0
        ours = [SEGDATA, "browse", str(coco), "--no-launch", "--name", "bench"]
        commands = {"new": ours, "again": ours, "FiftyOne's own importer": [sys.executable, str(IMPORTER), str(coco)]}
        for what, command in commands.items():
            done = run(command, places)
            cpu, peak = database.used()
            print(
                f"| {n_images:,} images, {what} | {done.seconds:.1f} | {done.cpu:.1f} | {n_images / done.seconds:,.0f} "
                f"| {done.peak_mib:,.0f} | {cpu - before:.1f} | {peak:,.0f} | {os.getloadavg()[0]:.1f} |",
                flush=True,
            )
            before = cpu
        print(done.said, file=sys.stderr)


def main() -> None:
    """Print the table."""
    print("| whole process | seconds | CPU seconds | images a second | peak MiB | CPU seconds of mongod | its peak MiB "
          "| load |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")  # fmt: skip
    for size in [int(each) for each in sys.argv[1:]] or SIZES:
        scratch = Path(tempfile.mkdtemp())
        try:
            measure(size, scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
