"""Agreement of annotators from runs, against dense label maps in the same process: times and their ratios.

Run as `python -m benchmarks.speed.agreement_pixels [IMAGES]`. Street scenes of 1024 x 2048 pixels, 19 categories, some
90 segments, as five annotators draw them whose outlines are a few pixels apart; every pixel is labelled. Dense maps and
runs are in memory, no files are read. PQ starts from decoded colours on both sides; its dense side is what panopticapi
does in pq_compute_single_core, written from its definition.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.agreement.contingency import pixel_tables
from segdata.agreement.instance_matching import instance_tables
from segdata.agreement.paired_segments import AnnotatorPair, PanelBatch, pair_annotators
from segdata.agreement.votes import collect_votes
from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.runs import Runs
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.core.taxonomy import Category

HEIGHT, WIDTH, CATEGORIES, THINGS, ANNOTATORS = 1024, 2048, 19, 80, 5
NAMES = tuple("abcde")
OFFSET = 256**3
Map = NDArray[np.int32]


@dataclass(frozen=True)
class Scene:
    """One image: what each annotator drew, dense and as runs.

    Attributes
    ----------
    maps : (R, H, W) the segment that each pixel belongs to, from 1
    category : (n_segments + 1,) of each segment; 0 is none
    batch : the same as runs
    """

    maps: list[Map]
    category: NDArray[np.int64]
    batch: Batch


def scene(seed: int) -> Scene:
    """Eight bands of stuff, and wobbly things before them."""
    rng = np.random.default_rng(seed)
    edge = np.sort(rng.uniform(0, HEIGHT, 7))
    centre = rng.uniform(0, (WIDTH, HEIGHT), (THINGS, 2))
    size = np.exp(rng.normal(3.4, 0.8, THINGS)).clip(5, 250)
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    wave = rng.normal(0, 0.12, (THINGS, 5, 1)) * np.cos(np.arange(2, 7)[:, None] * angle + rng.uniform(0, 6, (5, 1)))
    radius = size[:, None] * (1 + wave.sum(axis=1))
    category = np.concatenate([[0], np.arange(1, 9), rng.integers(9, CATEGORIES + 1, THINGS)])
    maps = []
    for _ in range(ANNOTATORS):
        drawn = np.ones((HEIGHT, WIDTH), np.int32)
        x = np.arange(0, WIDTH + 64, 64)
        for k, y in enumerate(edge):
            line = y + 40 * np.sin(x / 300 + k) + rng.normal(0, 2, len(x))
            outline = np.concatenate([np.stack([x, line], axis=1), [[WIDTH, HEIGHT], [0, HEIGHT]]])
            cv2.fillPoly(drawn, [outline.round().astype(np.int32)], k + 2)
        for k in range(THINGS):
            far = radius[k] + rng.normal(0, 1.5, len(angle))
            outline = centre[k] + far[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
            cv2.fillPoly(drawn, [outline.round().astype(np.int32)], k + 9)
        maps.append(drawn)
    return Scene(maps, category, as_batch(maps, category))


def as_batch(maps: Sequence[NDArray[Any]], category: NDArray[np.int64]) -> Batch:
    """One image with an annotation by each annotator; `maps` (H, W) of segments, or (H, W, 3) of their colours."""
    pieces, codes, counts = [], [], []
    for each in maps:
        start, length, value = kernels.label_runs(each)
        found, _, _, owner = kernels.distinct(value.astype(np.int64), length)
        pieces.append(Runs(start, length, owner).sorted_by_owner(len(found)))
        codes += category[found].tolist()
        counts.append(len(found))
    n = len(codes)
    annotation = np.repeat(np.arange(len(maps)), counts)
    return Batch(
        make_table(BATCH_IMAGES, 1, image_id=["1.png"], height=[HEIGHT], width=[WIDTH]),
        make_table(BATCH_ANNOTATIONS, len(maps), image=[0] * len(maps), annotator=list(NAMES[: len(maps)])),
        make_table(
            BATCH_SEGMENTS, n, annotation=annotation, segment_id=np.arange(n), category_id=codes, iscrowd=[False] * n
        ),
        Runs.concatenate(pieces, counts),
    )


def categories() -> tuple[Category, ...]:
    """The first eight are stuff."""
    return tuple(Category(id=k, name=str(k), kind="stuff" if k < 9 else "thing") for k in range(1, CATEGORIES + 1))


def dense_confusion(of: Scene) -> NDArray[np.int64]:
    """The contingency table of two annotators' categories, from maps of categories."""
    a, b = dense_categories(of)[:2]
    return np.bincount(a * np.int64(CATEGORIES + 1) + b, minlength=(CATEGORIES + 1) ** 2)


def dense_votes(of: Scene) -> tuple[Any, ...]:
    """What five annotators said of every pixel, from maps of categories."""
    packed = np.zeros(HEIGHT * WIDTH, np.int64)
    for each in dense_categories(of):
        packed *= CATEGORIES + 1
        packed += each
    return np.unique(packed, return_counts=True)


def dense_categories(of: Scene) -> list[NDArray[np.uint8]]:
    """(R, H * W) maps of categories; kept, since they count as given."""
    key = id(of)
    if key not in _KEPT:
        _KEPT[key] = [of.category.astype(np.uint8)[each].ravel() for each in of.maps]
    return _KEPT[key]


_KEPT: dict[int, list[NDArray[np.uint8]]] = {}


def colours(of: Scene) -> list[NDArray[np.uint8]]:
    """(H, W, 3) what a panoptic PNG holds once it is decoded."""
    return [np.stack([each % 256, each // 256 % 256, each // 65536], axis=2).astype(np.uint8) for each in of.maps[:2]]


def panoptic_dense(
    category_gt: Mapping[int, int] | NDArray[np.int64],
    category_pred: Mapping[int, int] | NDArray[np.int64],
    decoded: list[NDArray[np.uint8]],
) -> dict[int, list[float]]:
    """TP, FP, FN and the sum of IoU by category, as panopticapi computes them where there is no void and no crowd."""
    gt, pred = (each.astype(np.uint32) @ np.array([1, 256, 65536], np.uint32) for each in decoded)
    area_gt, area_pred = (dict(zip(*np.unique(each, return_counts=True), strict=True)) for each in (gt, pred))
    both, count = np.unique(gt.astype(np.uint64) * OFFSET + pred.astype(np.uint64), return_counts=True)
    result: dict[int, list[float]] = {}
    matched: list[set[int]] = [set(), set()]
    for key, shared in zip(both.tolist(), count.tolist(), strict=True):
        g, p = key // OFFSET, key % OFFSET
        union = area_gt[g] + area_pred[p] - shared
        if category_gt[g] == category_pred[p] and shared / union > 0.5:
            entry = result.setdefault(int(category_gt[g]), [0, 0, 0, 0])
            entry[0] += 1
            entry[3] += shared / union
            matched[0].add(g)
            matched[1].add(p)
    sides = ((2, category_gt, area_gt, matched[0]), (1, category_pred, area_pred, matched[1]))
    for column, category, areas, done in sides:
        for segment in areas.keys() - done:
            result.setdefault(int(category[segment]), [0, 0, 0, 0])[column] += 1
    return result


def panoptic_runs(of: Scene, decoded: list[NDArray[np.uint8]]) -> tuple[Any, ...]:
    """The same, and IoU and the confusion of pixels, from runs: colours to runs, a sweep, tables."""
    batch = as_batch(decoded, of.category)
    (opposite,) = pair_annotators(PanelBatch(batch, NAMES[:2], categories()))
    return instance_tables(opposite), pixel_tables(opposite)


def pair(of: Scene) -> AnnotatorPair:
    """The first two annotators."""
    return next(pair_annotators(PanelBatch(of.batch, NAMES, categories())))


def milliseconds(call: Callable[[], object], times: int = 3) -> float:
    """The best of some."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return min(taken) * 1e3


def jobs(of: Scene) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Each from runs, and from dense maps."""
    opposite, decoded = pair(of), colours(of)
    dense_categories(of)
    return {
        "overlaps and cells of two annotators": (lambda: pixel_tables(replace(opposite)), lambda: dense_confusion(of)),
        "the same, laid on a line first": (lambda: pixel_tables(pair(of)), lambda: dense_confusion(of)),
        "PQ, IoU and confusion of two, from colours": (
            lambda: panoptic_runs(of, decoded),
            lambda: panoptic_dense(of.category, of.category, decoded),
        ),
        "votes of five annotators": (
            lambda: collect_votes(PanelBatch(of.batch, NAMES, categories())),
            lambda: dense_votes(of),
        ),
    }


def main(images: int = 3) -> None:
    """Print the table."""
    scenes = [scene(seed) for seed in range(images)]
    rows: dict[str, list[tuple[float, float]]] = {}
    for each in scenes:
        for name, calls in jobs(each).items():
            rows.setdefault(name, []).append((milliseconds(calls[0]), milliseconds(calls[1])))
    n_runs = np.mean([len(each.batch.runs) for each in scenes]) / ANNOTATORS
    print(f"{images} images, {n_runs:.0f} runs an annotation")
    print(f"{'ms an image':45}{'runs':>10}{'dense':>10}{'dense / runs':>15}")
    for name, times in rows.items():
        runs, dense = np.mean(times, axis=0)
        print(f"{name:45}{runs:10.1f}{dense:10.1f}{dense / runs:15.1f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
