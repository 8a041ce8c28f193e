"""Agreement of annotators, fast: against panopticapi on the same files, and five annotators of many large images.

    python -m benchmarks.speed.agreement [PART...]

Parts: files, five [IMAGES], and those of their own scripts: pixels, boundaries, instances (see `agreement_pixels.py`,
`agreement_boundaries.py`, `agreement_instances.py`); all but `five` by default. The scenes are those of
`agreement_pixels.py`, 1024 x 2048 pixels and some 90 segments, as COCO panoptic PNG and JSON. Where panopticapi is not
installed its loop stands in, written from its definition.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import segdata
from benchmarks.shared.process import run
from benchmarks.speed import agreement_pixels
from benchmarks.speed.agreement_pixels import CATEGORIES, HEIGHT, NAMES, WIDTH, Scene, categories, panoptic_dense, scene
from segdata.agreement.comparison import load_images
from segdata.agreement.contingency import pixel_tables
from segdata.agreement.instance_matching import instance_tables
from segdata.agreement.metrics.panoptic_quality import panoptic_quality
from segdata.agreement.paired_segments import pair_annotators
from segdata.agreement.panel import PanelMember, build_panel

PAIR = 20  # images of two annotators
SCENES = 20  # drawn; more images are the same files under other names
ROUNDS = 3


def write(folder: Path, annotators: int, images: int) -> list[Path]:
    """One panoptic JSON for each annotator, with its PNG beside it."""
    scenes = [scene(seed) for seed in range(min(images, SCENES))]
    return [_write(folder, who, scenes, images) for who in range(annotators)]


def _write(folder: Path, who: int, scenes: list[Scene], images: int) -> Path:
    masks = folder / NAMES[who]
    masks.mkdir()
    listed = []
    for k in range(images):
        name = f"{k:05d}.png"
        if k < len(scenes):
            ids = scenes[k].maps[who]
            Image.fromarray(np.stack([ids & 255, ids >> 8, ids >> 16], axis=2).astype(np.uint8)).save(masks / name)
            listed.append(_segments(scenes[k], who))
        else:
            os.link(masks / f"{k % len(scenes):05d}.png", masks / name)
    size = {"height": HEIGHT, "width": WIDTH}
    document = {
        "images": [{"id": k, "file_name": f"{k:05d}.jpg", **size} for k in range(images)],
        "annotations": [
            {"image_id": k, "file_name": f"{k:05d}.png", "segments_info": listed[k % len(scenes)]}
            for k in range(images)
        ],
        "categories": [
            {"id": each.id, "name": each.name, "isthing": int(each.kind == "thing")} for each in categories()
        ],
    }
    path = folder / f"{NAMES[who]}.json"
    path.write_text(json.dumps(document))
    return path


def _segments(of: Scene, who: int) -> list[dict[str, Any]]:
    """Every annotator but the first calls one thing in nine something else."""
    ids, area = np.unique(of.maps[who], return_counts=True)
    category = of.category.copy()
    category[17::9] = 9 + (category[17::9] - 9 + who) % (CATEGORIES - 8)
    return [
        {"id": id_, "category_id": int(category[id_]), "area": pixels_, "bbox": [0, 0, 1, 1], "iscrowd": 0}
        for id_, pixels_ in zip(ids.tolist(), area.tolist(), strict=True)
    ]


def ours(files: list[Path]) -> float:
    """PQ of two annotators' files, and IoU and confusion on the way; one thread.

    A pair of segments of different categories is a confusion: no match, but one segment too few and one too many.
    """
    of = build_panel([PanelMember(segdata.read(path), path.stem) for path in files])
    counts = np.zeros((4, max(of.profile.taxonomy.by_id()) + 1))
    for rows in of.chunks():
        for opposite in pair_annotators(load_images(of, rows)):
            pixel_tables(opposite)
            found = instance_tables(opposite)["matches"]
            of_a, of_b = found["category_a"], found["category_b"]
            both = (of_a == of_b) & (np.nan_to_num(found["iou"]) > 0.5)  # what only ends elsewhere is no match of PQ
            alone = ~both & ~found["ignored"]
            cases = (both, of_a), (alone & (of_b >= 0), of_b), (alone & (of_a >= 0), of_a)
            for row, (some, code) in enumerate(cases):
                counts[row] += np.bincount(code[some], minlength=counts.shape[1])
            counts[3] += np.bincount(of_a[both], found["iou"][both], counts.shape[1])
    return float(np.nanmean(panoptic_quality(*counts).pq))


def theirs(files: list[Path]) -> tuple[str, Callable[[], float]]:
    """The same by panopticapi in one process, or by its loop, A being its ground truth."""
    documents = [json.loads(path.read_text()) for path in files]
    pairs = list(zip(*(each["annotations"] for each in documents), strict=True))
    folders = [path.with_suffix("") for path in files]
    known = {each["id"]: each for each in documents[0]["categories"]}
    try:
        from panopticapi.evaluation import pq_compute_single_core
    except ImportError:
        return "its loop", lambda: _loop(pairs, folders)

    def package() -> float:
        with contextlib.redirect_stdout(io.StringIO()):
            stat = pq_compute_single_core(0, pairs, *folders, known)
        return float(stat.pq_average(known, isthing=None)[0]["pq"])

    return "panopticapi", package


def _loop(pairs: list[tuple[Any, ...]], folders: list[Path]) -> float:
    total: dict[int, list[float]] = {}
    for pair in pairs:
        decoded = [np.array(Image.open(folder / each["file_name"])) for folder, each in zip(folders, pair, strict=True)]
        first, second = ({each["id"]: each["category_id"] for each in side["segments_info"]} for side in pair)
        for code, entry in panoptic_dense(first, second, decoded).items():
            total[code] = [a + b for a, b in zip(total.get(code, [0, 0, 0, 0]), entry, strict=True)]
    return float(np.mean([entry[3] / (entry[0] + (entry[1] + entry[2]) / 2) for entry in total.values()]))


def against_panopticapi() -> None:
    """Print milliseconds an image, and the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        files = write(Path(folder), 2, PAIR)
        stored = [path.with_suffix(".canonical") for path in files]
        for path, target in zip(files, stored, strict=True):
            segdata.convert(path, target, to="canonical")
        name, package = theirs(files)
        jobs: dict[str, Callable[[], object]] = {
            name: package,
            "segdata, PQ, IoU and confusion": lambda: ours(files),
            "segdata, the same from canonical data": lambda: ours(stored),
            "segdata, only to read both": lambda: [list(segdata.read(path).batches(1)) for path in files],
            "Pillow, only to decode both": lambda: [
                np.array(Image.open(png)) for path in files for png in sorted(path.with_suffix("").iterdir())
            ],
        }
        taken: dict[str, list[float]] = {each: [] for each in jobs}
        for _ in range(ROUNDS):  # in turns, so that all meet the same weather
            for each, call in jobs.items():
                begin = time.process_time()
                call()
                taken[each].append((time.process_time() - begin) / PAIR * 1e3)
        of_command = [segdata.agree(*pair).overall.pq.value for pair in (files, stored)]
        every = ", ".join(f"{value:.9f}" for value in (package(), ours(files), ours(stored), *of_command))
        print(f"PQ {every}; CPU ms an image, best of {ROUNDS}, {PAIR} images:")
        best = {each: min(times) for each, times in taken.items()}
        for each, taken_by in best.items():
            print(f"| {each} | {taken_by:.1f} | {best[name] / taken_by:.1f} x |")


def of_five(images: int) -> None:
    """Print what the whole command takes for five annotators, as a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        files = write(Path(folder), 5, images)
        command = [str(Path(sys.executable).parent / "segdata"), "agreement", *map(str, files)]
        done = run([*command, "--format", "json", "--output", f"{folder}/r.json", "--jobs", "2"])
        print(f"five annotators, {images} images, {os.cpu_count()} cores: {done.seconds:.0f} s,", end=" ")
        print(f"{done.cpu:.0f} s of CPU, {done.peak_mib / 1024:.2f} GiB at most")


def main(parts: list[str]) -> None:
    """Print the tables of some parts."""
    named: dict[str, Callable[[], object]] = {
        "files": against_panopticapi,
        "pixels": agreement_pixels.main,
        "boundaries": lambda: subprocess.run(
            [sys.executable, "-m", "benchmarks.speed.agreement_boundaries"], check=True
        ),
        "instances": lambda: subprocess.run([sys.executable, "-m", "benchmarks.speed.agreement_instances"], check=True),
    }
    if parts[:1] == ["five"]:
        of_five(int(parts[1]) if len(parts) > 1 else 100)
        return
    for part in parts or named:
        print(f"\n## {part}\n", flush=True)
        named[part]()


if __name__ == "__main__":
    main(sys.argv[1:])
