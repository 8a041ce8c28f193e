"""Seed defects of sequences and of whole files into real datasets, and count which are found and what else is said.

Run as ``python -m benchmarks.rules.outliers FOLDER``, where FOLDER holds the datasets of
`benchmarks/shared/real_sets.py`. It prints the tables of docs/results/outliers.md.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import segdata
from benchmarks.shared.real_sets import real_sets
from segdata.core.batch import Batch
from segdata.core.config import Config
from segdata.core.profile import Profile
from segdata.core.rule import find_rule
from segdata.core.rule_runner import run_rules
from segdata.core.runs import Runs
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.measure.measure import measure_source
from tests.generators.sequences import SequenceDataset

Mask = NDArray[np.bool_]


@dataclass
class Shape:
    """One segment: its category, track (None: none) and mask (height, width)."""

    category: int
    track: int | None
    mask: Mask

    @cached_property
    def runs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Start and length of its runs, down the columns."""
        high, wide = self.mask.shape
        padded = np.zeros((wide, high + 1), np.int8)
        padded[:, :high] = self.mask.T
        step = np.diff(padded.reshape(-1), prepend=0)
        start, end = np.flatnonzero(step == 1), np.flatnonzero(step == -1)
        return start - start // (high + 1), end - start


@dataclass
class Scene:
    """A dataset in memory: its profile, and for each image its name, sequence, frame and shapes."""

    profile: Profile
    names: list[tuple[str, str | None, int | None]]
    shapes: list[list[Shape]]
    size: list[tuple[int, int]]

    def dataset(self) -> SequenceDataset:
        """It as a source that can be measured."""
        n = len(self.names)
        flat = [(row, shape) for row, several in enumerate(self.shapes) for shape in several]
        flat = [(row, shape) for row, shape in flat if len(shape.runs[0])]
        start, length = (np.concatenate([np.empty(0, np.int64), *(shape.runs[k] for _, shape in flat)]) for k in (0, 1))
        owner = np.repeat(np.arange(len(flat), dtype=np.int32), [len(shape.runs[0]) for _, shape in flat])
        runs = Runs(start, length, owner)
        batch = Batch(
            make_table(
                BATCH_IMAGES,
                n,
                image_id=[name for name, _, _ in self.names],
                height=[height for height, _ in self.size],
                width=[width for _, width in self.size],
                sequence=[sequence for _, sequence, _ in self.names],
                frame=[frame for _, _, frame in self.names],
            ),
            make_table(BATCH_ANNOTATIONS, n, image=list(range(n))),
            make_table(
                BATCH_SEGMENTS,
                len(flat),
                annotation=[row for row, _ in flat],
                segment_id=list(range(1, len(flat) + 1)),
                category_id=[shape.category for _, shape in flat],
                track_id=[shape.track for _, shape in flat],
                iscrowd=[False] * len(flat),
            ),
            runs,
        )
        return SequenceDataset(self.profile, batch)

    def altered(self, change: dict[int, list[Shape]]) -> "Scene":
        """It with other shapes in some images."""
        return replace(self, shapes=[change.get(row, several) for row, several in enumerate(self.shapes)])


def load_scene(
    path: Path, opening: dict[str, Any], most: int = 60, keep: Callable[[str], bool] = lambda _: True
) -> Scene:
    """A real dataset as a scene, the first annotator's labels of its first images."""
    names = list[tuple[str, str | None, int | None]]()
    shapes, sizes = list[list[Shape]](), list[tuple[int, int]]()
    data = segdata.read(path, **opening)
    source = data.source
    for chunk in source.chunks():
        batch = source.load(chunk)
        height, width = batch.image_size
        columns = {name: batch.segments[name].to_pylist() for name in ("category_id", "track_id")}
        first = {int(image): row for row, image in reversed(list(enumerate(batch.annotation_image.tolist())))}
        of_annotation = batch.segment_annotation
        offset = batch.runs.offsets(batch.n_segments)
        rows = list(zip(*(batch.images[name].to_pylist() for name in ("image_id", "sequence", "frame")), strict=True))
        for row, entry in enumerate(rows):
            if len(names) >= most or row not in first or not height[row]:
                continue
            several = []
            for segment in np.flatnonzero(of_annotation == first[row]).tolist():
                flat = np.zeros(height[row] * width[row], bool)
                for k in range(int(offset[segment]), int(offset[segment + 1])):
                    begin = int(batch.runs.start[k])
                    flat[begin : begin + int(batch.runs.length[k])] = True
                mask = flat.reshape(width[row], height[row]).T
                several.append(Shape(columns["category_id"][segment], columns["track_id"][segment], mask))
            names.append(entry)
            shapes.append(several)
            sizes.append((int(height[row]), int(width[row])))
    return Scene(source.profile, names, shapes, sizes)


def shift(mask: Mask, down: int, across: int) -> Mask:
    """A mask moved; what leaves the image is gone."""
    moved = np.zeros_like(mask)
    high, wide = mask.shape
    y, x = np.nonzero(mask)
    inside = (y + down >= 0) & (y + down < high) & (x + across >= 0) & (x + across < wide)
    moved[y[inside] + down, x[inside] + across] = True
    return moved


def grow(mask: Mask, by: int) -> Mask:
    """A mask with all pixels at most `by` away along both axes."""
    for axis in (0, 1):
        mask = np.logical_or.reduce([shift(mask, *(k * (1 - axis), k * axis)) for k in range(-by, by + 1)])
    return mask


def of_sequences(scene: Scene) -> dict[str, list[int]]:
    """The images of each sequence, in the order of the frames."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, (_, sequence, frame) in enumerate(scene.names):
        if sequence is not None and frame is not None:
            rows[sequence].append(row)
    return {name: sorted(several, key=lambda row: scene.names[row][2] or 0) for name, several in rows.items()}


Seed = tuple[Scene, set[int]]  # the altered dataset, and the images one of which must be named


def jumps(scene: Scene, rng: np.random.Generator) -> Iterator[Seed]:
    """A track is 1.2 to 3 sides of its box away from a frame on, inside the image."""
    for rows in of_sequences(scene).values():
        tracks = Counter(shape.track for row in rows for shape in scene.shapes[row] if shape.track is not None)
        for track, count in tracks.items():
            if count < 8:
                continue
            at = int(rng.integers(3, len(rows) - 3))
            here = [shape.mask for shape in scene.shapes[rows[at]] if shape.track == track]
            if not here or here[0].sum() < 100:
                continue
            y, x = np.nonzero(here[0])
            side = np.sqrt((np.ptp(y) + 1) * (np.ptp(x) + 1))
            high, wide = here[0].shape
            far = rng.uniform(1.2, 3) * side
            top, left, bottom, right = y.min(), x.min(), y.max(), x.max()
            places = [
                (dy, dx)
                for dy, dx in ((0, far), (0, -far), (far, 0), (-far, 0))
                if top + dy >= 0 and bottom + dy < high and left + dx >= 0 and right + dx < wide
            ]
            if not places:
                continue
            dy, dx = (int(value) for value in places[int(rng.integers(len(places)))])
            change = {
                row: [replace(shape, mask=shift(shape.mask, dy, dx)) if shape.track == track else shape
                      for shape in scene.shapes[row]]
                for row in rows[at:]
            }  # fmt: skip
            yield scene.altered(change), {rows[at], rows[at - 1]}


def brief_ids(scene: Scene, rng: np.random.Generator) -> Iterator[Seed]:
    """A track has another id for one frame."""
    for rows in of_sequences(scene).values():
        known = {shape.track for row in rows for shape in scene.shapes[row]}
        for track in sorted(track for track in known if track is not None):
            present = [
                k
                for k, row in enumerate(rows)
                if any(s.track == track and s.mask.sum() >= 64 for s in scene.shapes[row])
            ]
            inner = [k for k in present if k - 1 in present and k + 1 in present]
            if len(present) < 5 or not inner:
                continue
            row = rows[int(rng.choice(inner))]
            yield (
                scene.altered({row: [replace(s, track=900) if s.track == track else s for s in scene.shapes[row]]}),
                {row},
            )


def exchanges(scene: Scene, rng: np.random.Generator, far: bool) -> Iterator[Seed]:
    """The labels of two frames, neighbours or far apart, are exchanged."""
    for rows in of_sequences(scene).values():
        for _ in range(3):
            at = int(rng.integers(1, len(rows) - 2))
            other = at + 1
            if far:
                choices = [k for k in range(1, len(rows) - 1) if abs(k - at) > 3]
                other = int(rng.choice(choices))
            a, b = rows[at], rows[other]
            yield scene.altered({a: scene.shapes[b], b: scene.shapes[a]}), {a, b}


def blanks(scene: Scene, rng: np.random.Generator) -> Iterator[Seed]:
    """A category is gone from a slice between two that have at least 100 pixels of it."""
    for rows in of_sequences(scene).values():
        for category in sorted({shape.category for row in rows for shape in scene.shapes[row]}):
            pixels = [sum(int(s.mask.sum()) for s in scene.shapes[row] if s.category == category) for row in rows]
            inner = [k for k in range(1, len(rows) - 1) if min(pixels[k - 1 : k + 2]) >= 100]
            for k in rng.permutation(inner)[:2].tolist():
                yield scene.altered({rows[k]: [s for s in scene.shapes[rows[k]] if s.category != category]}), {rows[k]}


def alter_images(
    scene: Scene, rng: np.random.Generator, work: Callable[[Shape, np.random.Generator], Mask]
) -> Iterator[Seed]:
    """One to three images (5 % at most beyond one) in which all segments of one category are altered."""
    categories = Counter(category for several in scene.shapes for category in {shape.category for shape in several})
    for category, count in categories.most_common(3):
        having = [row for row, several in enumerate(scene.shapes) if any(s.category == category for s in several)]
        if count < 6:
            continue
        for n in {1, max(1, min(3, count // 20))}:
            rows = rng.choice(having, n, replace=False).tolist()
            change = {
                row: [replace(s, mask=work(s, rng)) if s.category == category else s for s in scene.shapes[row]]
                for row in rows
            }
            yield scene.altered(change), set(rows)


def speckle(shape: Shape, rng: np.random.Generator) -> Mask:
    """A threshold gone wrong: 2 % of all pixels of the image are added."""
    return shape.mask | (rng.random(shape.mask.shape) < 0.02)


def perforate(shape: Shape, rng: np.random.Generator) -> Mask:
    """Salt and pepper: 5 % of the mask's pixels are gone."""
    return shape.mask & (rng.random(shape.mask.shape) >= 0.05)


def wrong_layer(shape: Shape, rng: np.random.Generator) -> Mask:
    """Inverted: the mask is what it was not."""
    return ~shape.mask


def swollen(shape: Shape, rng: np.random.Generator) -> Mask:
    """Grown by a fiftieth of the image on each side."""
    return grow(shape.mask, max(shape.mask.shape) // 50)


DEFECTS: dict[str, tuple[str, Callable[[Scene, np.random.Generator], Iterator[Seed]]]] = {
    "a track jumps for good": ("SEG354", jumps),
    "an id for one frame": ("SEG359", brief_ids),
    "neighbouring frames exchanged": ("SEG360", lambda scene, rng: exchanges(scene, rng, far=False)),
    "frames far apart exchanged": ("SEG360", lambda scene, rng: exchanges(scene, rng, far=True)),
    "a category blank on one slice": ("SEG358", blanks),
    "2 % specks over the image": ("SEG313", lambda scene, rng: alter_images(scene, rng, speckle)),
    "5 % of a mask punched out": ("SEG313", lambda scene, rng: alter_images(scene, rng, perforate)),
    "masks inverted": ("SEG313", lambda scene, rng: alter_images(scene, rng, wrong_layer)),
    "masks grown by a fiftieth": ("SEG313", lambda scene, rng: alter_images(scene, rng, swollen)),
}
VIDEOS = ("results of OSVOS", "results of RVOS", "CamSeq01")
VOLUMES = (
    "fly tissue, three layers",
    "fly tissue, merged labels",
    "lesions, three readers",
    "spleen CT",
    "StarDist nuclei",
)
IMAGES = ("fly tissue, three layers", "GBM40 nuclei", "CamVid, poles thin", "nerve, layers, corrected", "crops",
          "CamSeq01", "magnetic tiles, threshold", "kudzu, train and val")  # fmt: skip


def findings(scene: Scene, code: str) -> list[str | None]:
    """The images that a rule names."""
    rule = find_rule(code)
    tables = measure_source(scene.dataset(), rule.needs, jobs=1)
    return [finding.image for finding in run_rules(tables, [rule], Config()).findings]


def main(folder: Path, codes: set[str]) -> None:
    """Print a line for each defect and dataset: seeded, found, findings before, and others after; for some codes."""
    print("| defect | rule | dataset | seeded | found | said of the clean set | said beside |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    for each, path in real_sets(folder):
        chosen = [
            (defect, code, seed)
            for defect, (code, seed) in DEFECTS.items()
            if (code in codes or not codes)
            and each.name in (VOLUMES if code == "SEG358" else IMAGES if code == "SEG313" else VIDEOS)
        ]
        if not chosen:
            continue
        scene = load_scene(path, each.opening)
        for defect, code, seed in chosen:
            clean = Counter(findings(scene, code))
            n, hits, beside = 0, 0, 0
            for altered, rows in seed(scene, np.random.default_rng(16)):
                names = {scene.names[row][0] for row in rows}
                named = Counter(findings(altered, code))
                named.subtract(clean)
                n += 1
                hits += any(named[name] > 0 for name in names)
                beside += sum(count for name, count in named.items() if name not in names and count > 0)
            if n:
                print(f"| {defect} | {code} | {each.name} | {n} | {hits} | {clean.total()} | {beside} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), set(sys.argv[2:]))
