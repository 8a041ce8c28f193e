"""How many merged and cut instances the rules find: two segments made one, or one made two, in real datasets.

Run as `python -m benchmarks.rules.instances FOLDER [N]`. FOLDER holds the real datasets (docs/real_data.md); N (1000)
is how many merges and how many cuts are made, shared among them. Each image has one change at a time; all else is as it
was published. The tables are those of docs/instances.md.

Apart: two segments of one annotation and category with other pixels between them. Touching: two that lie within two
pixels, with what is between them filled. Cut: one segment along a straight line, upright or level in every other one,
into 30 to 70 % of its pixels and the rest. Segments are in one part and have at least 60 pixels. Sizes are those of
the smaller segment, or of the one that is cut.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import segdata
from segdata.core import kernels
from segdata.core.batch import Batch, concatenate_batches
from segdata.core.config import Config, InstanceIds
from segdata.core.profile import Profile
from segdata.core.rule import find_rule
from segdata.core.runs import Runs
from segdata.measure.measure import measure_source
from segdata.measure.tables.lobes import SegmentCrops
from segdata.testing.pictures import PictureDataset

Mask = NDArray[np.uint8]
Change = tuple[tuple[int, ...], list[Mask], tuple[int, int]]  # segments that go, those that come, and x, y of these
SETS: dict[str, tuple[str, Config | None]] = {
    "COCO": ("coco_tiny/annotations/instances_train2017.json", None),
    "TACO": ("taco/annotations.json", None),
    "GBM40": ("gbm40_nuclei/instances.json", None),
    "StarDist": ("stardist_nuclei", Config(instance_ids=InstanceIds(category="nucleus"))),
    "kudzu": ("via_kudzu/val", None),
}
RULES = {"apart": ("SEG108", "SEG120"), "touching": ("SEG108", "SEG120"), "cut": ("SEG109",)}
SIZES = {"to 16 x 16": 16**2, "to 32 x 32": 32**2, "to 96 x 96": 96**2, "larger": 1 << 60}


class Scene:
    """A dataset, and what can be changed in it."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.windows = SegmentCrops(batch.runs, batch.segment_size[0])
        self.area = batch.runs.areas(batch.n_segments)
        self.category = batch.segments["category_id"].to_numpy()
        crowd = batch.segments["iscrowd"].fill_null(False).to_numpy()
        self.whole = {
            row
            for row in np.flatnonzero((self.area >= 60) & ~crowd).tolist()
            if cv2.connectedComponents(self.windows.mask(row), connectivity=4)[0] == 2
        }

    def members(self, annotation: int) -> list[int]:
        """The segments of an annotation that can be changed."""
        return [
            row for row in np.flatnonzero(self.batch.segment_annotation == annotation).tolist() if row in self.whole
        ]

    def together(self, a: int, b: int, room: int) -> tuple[Mask, Mask, int, int]:
        """Two segments in one window, with some room around, and its place."""
        x, y, width, height = ([int(side[a]), int(side[b])] for side in self.windows.box)
        left, top = min(x) - room, min(y) - room
        right, bottom = max(np.add(x, width)) + room, max(np.add(y, height)) + room
        pictures = []
        for i, row in enumerate((a, b)):
            picture = np.zeros((bottom - top, right - left), np.uint8)
            picture[y[i] - top : y[i] - top + height[i], x[i] - left : x[i] - left + width[i]] = self.windows.mask(row)
            pictures.append(picture)
        return pictures[0], pictures[1], left, top


def merge(scene: Scene, members: list[int], rng: np.random.Generator, touching: bool) -> Change | None:
    """Two segments of one category as one, or None where chance picks none that fit."""
    a = int(rng.choice(members))
    others = [row for row in members if row != a and scene.category[row] == scene.category[a]]
    if not others:
        return None
    middle = [scene.windows.box[side] + scene.windows.box[side + 2] / 2 for side in (0, 1)]
    b = min(others, key=lambda row: np.hypot(*(at[row] - at[a] for at in middle)))
    one, other, left, top = scene.together(a, b, 6)
    gap = float(cv2.distanceTransform(1 - one, cv2.DIST_L2, 5)[other > 0].min())
    both = one | other
    if touching:
        both |= cv2.morphologyEx(both, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8), iterations=2).astype(np.uint8)
    in_one = cv2.connectedComponents(both, connectivity=4)[0] == 2
    fits = gap <= 3 if touching else gap > 3
    return ((a, b), [both], (left, top)) if fits and in_one == touching else None


def cut(scene: Scene, members: list[int], rng: np.random.Generator) -> Change | None:
    """One segment as two."""
    a = int(rng.choice(members))
    mask = scene.windows.mask(a)
    angle = rng.choice([0, np.pi / 2]) if rng.random() < 0.5 else rng.uniform(0, np.pi)
    y, x = np.nonzero(mask)
    along = x * np.cos(angle) + y * np.sin(angle)
    first = mask.copy()
    beyond = along > np.quantile(along, rng.uniform(0.3, 0.7))
    first[y[beyond], x[beyond]] = 0
    second = mask - first
    if not (first.any() and second.any()):
        return None
    return (a,), [first, second], (int(scene.windows.box[0][a]), int(scene.windows.box[1][a]))


KINDS: dict[str, Callable[[Scene, list[int], np.random.Generator], Change | None]] = {
    "apart": lambda scene, members, rng: merge(scene, members, rng, touching=False),
    "touching": lambda scene, members, rng: merge(scene, members, rng, touching=True),
    "cut": cut,
}


def changed(batch: Batch, changes: list[Change]) -> tuple[Batch, list[set[int]]]:
    """The batch after some changes in different annotations, and the rows of what came, change by change."""
    gone = {row for change in changes for row in change[0][1:]}
    come = {change[0][0]: change for change in changes}
    height, width = batch.segment_size
    rows: list[int] = []
    pieces: list[Runs] = []
    new: dict[int, set[int]] = {}
    offset = batch.runs.offsets(batch.n_segments)
    for row in range(batch.n_segments):
        if row in gone:
            continue
        if row not in come:
            rows.append(row)
            at = slice(offset[row], offset[row + 1])
            pieces.append(Runs(batch.runs.start[at], batch.runs.length[at], np.zeros(at.stop - at.start, np.int32)))
            continue
        _, masks, place = come[row]
        new[row] = set(range(len(rows), len(rows) + len(masks)))
        for mask in masks:
            rows.append(row)
            pieces.append(_runs(mask, place, int(height[row]), int(width[row])))
    segments = batch.segments.take(pa.array(rows))
    runs = Runs.concatenate(pieces, [1] * len(pieces))
    return Batch(batch.images, batch.annotations, segments, runs), [new[change[0][0]] for change in changes]


def _runs(mask: Mask, place: tuple[int, int], height: int, width: int) -> Runs:
    """The runs of a window's pixels that are in the image."""
    left, top = place
    x0, y0 = max(0, -left), max(0, -top)
    inside = np.ascontiguousarray(mask[y0 : height - top, x0 : width - left])
    start, length, value = kernels.label_runs(inside)
    set_ = value == 1
    x, y = np.divmod(start[set_], inside.shape[0])
    return Runs((x + left + x0) * height + y + top + y0, length[set_], np.zeros(int(set_.sum()), np.int32))


def found(batch: Batch, profile: Profile, codes: tuple[str, ...]) -> set[int]:
    """The segments that the rules name."""
    rules = [find_rule(code) for code in codes]
    tables = measure_source(PictureDataset(profile, batch), frozenset().union(*(rule.needs for rule in rules)), jobs=1)
    return {row for rule in rules for each in rule.check(tables) for row in each.segments}


def tried(batch: Batch, profile: Profile, kind: str, n: int) -> Iterator[tuple[int, bool]]:
    """The size of what was changed in pixels, and whether it was found, of up to n changes."""
    rng = np.random.default_rng(0)
    scene = Scene(batch)
    members = {row: scene.members(row) for row in range(batch.annotations.num_rows)}
    open_ = [row for row, rows in members.items() if len(rows) >= len(("a", "b")) or (rows and kind == "cut")]
    done, rounds = 0, 0
    while done < n and open_ and rounds < 60:
        rounds += 1
        chosen = rng.permutation(open_)
        changes = [each for row in chosen if (each := KINDS[kind](scene, members[int(row)], rng))][: n - done]
        if not changes:
            continue
        touched = sorted({int(batch.segment_image[change[0][0]]) for change in changes})
        after, came = changed(batch, changes)
        kept = np.array(touched)
        named = _renumbered(after, kept, profile, RULES[kind])
        for change, rows in zip(changes, came, strict=True):
            done += 1
            yield int(min(scene.area[row] for row in change[0])), rows <= named


def _renumbered(after: Batch, images: NDArray[np.int64], profile: Profile, codes: tuple[str, ...]) -> set[int]:
    """The segments that the rules name in some images, by their rows in the whole."""
    kept = np.flatnonzero(np.isin(after.segment_image, images))
    # Sizes that are usual in the dataset are those of the whole; images without a change cost time alone.
    if len(images) * 4 > after.images.num_rows:
        return found(after, profile, codes)
    return {int(kept[row]) for row in found(after.take_images(images), profile, codes)}


def main(folder: Path, n: int = 1000) -> None:
    """Print the recall of every dataset, kind and size."""
    print("| dataset | change | " + " | ".join(SIZES) + " | all |\n| --- | --- |" + " ---: |" * (len(SIZES) + 1))
    total: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, (path, config) in SETS.items():
        data = segdata.read(folder / path, config=config)
        batch = concatenate_batches(list(data.batches(1)))
        for kind in KINDS:
            share = n // len(SETS) if kind == "cut" else n // (2 * len(SETS))
            counts = {size: [0, 0] for size in (*SIZES, "all")}
            for area, hit in tried(batch, data.profile, kind, share):
                size = next(size for size, most in SIZES.items() if area <= most)
                for each in (counts[size], counts["all"], total[kind]):
                    each[0] += hit
                    each[1] += 1
            print(f"| {name} | {kind} | " + " | ".join(_share(*each) for each in counts.values()) + " |", flush=True)
    print("\n" + ", ".join(f"{kind}: {_share(*each)}" for kind, each in total.items()))


def _share(hits: int, of: int) -> str:
    return f"{hits / of:.2f} of {of}" if of else ""


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(each) for each in sys.argv[2:]))
