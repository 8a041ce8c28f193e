"""Many instances, and scores: what it costs to match and to judge them.

    python -m benchmarks.speed.agreement_instances

60,025 instances in one image, matched and clustered: CPU time and the peak of memory, beside that of a table of all
pairs. Then mask AP against pycocotools' COCOeval on the same masks in one process, and how often both say the same.
"""

import contextlib
import io
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from segdata.agreement.evaluation import DetectionMatches, match_detections
from segdata.agreement.instance_clusters import member_table
from segdata.agreement.instance_matching import instance_tables
from segdata.agreement.metrics.average_precision import average_precision
from segdata.agreement.paired_segments import AnnotatorPair, PanelBatch, pair_annotators
from segdata.core.batch import Batch
from segdata.core.runs import Runs
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table, runs_to_rle
from segdata.core.taxonomy import Category

NAMES = ("a", "b", "c")
GRID = 245  # squares of a side of the large image
N_IMAGES, N_CATEGORIES, SMALL_GRID = 20, 5, 30


def timed(call: Callable[[], object]) -> float:
    """Seconds of CPU time, the best of three."""
    best = float("inf")
    for _ in range(3):
        begin = time.process_time()
        call()
        best = min(best, time.process_time() - begin)
    return best


def squares(n: int, pitch: int, rng: np.random.Generator) -> Runs:
    """N x n squares in a grid, each moved and sized by lot; the image is n x pitch wide and high."""
    side, count = n * pitch, n * n
    size = rng.integers(pitch // 2, pitch - 2, count)
    x, y = np.repeat(np.arange(n), n) * pitch, np.tile(np.arange(n), n) * pitch
    x, y = (np.minimum(each + rng.integers(0, 5, count), side - size) for each in (x, y))
    owner = np.repeat(np.arange(count, dtype=np.int32), size)
    column = np.arange(len(owner)) - np.repeat(np.cumsum(size) - size, size)
    return Runs((x[owner] + column) * side + y[owner], size[owner], owner)


def one_image(n: int, pitch: int, n_annotators: int, n_categories: int, rng: np.random.Generator) -> Batch:
    """An image on which each annotator drew n x n squares."""
    pieces = [squares(n, pitch, rng) for _ in range(n_annotators)]
    count = n * n
    return Batch(
        make_table(BATCH_IMAGES, 1, image_id=["1.png"], height=[n * pitch], width=[n * pitch]),
        make_table(
            BATCH_ANNOTATIONS,
            n_annotators,
            image=np.zeros(n_annotators, np.int32),
            annotator=list(NAMES[:n_annotators]),
        ),
        make_table(
            BATCH_SEGMENTS,
            n_annotators * count,
            annotation=np.repeat(np.arange(n_annotators, dtype=np.int32), count),
            segment_id=np.tile(np.arange(count), n_annotators),
            category_id=np.tile(np.arange(count) % n_categories, n_annotators),
            iscrowd=np.zeros(n_annotators * count, bool),
        ),
        Runs.concatenate(pieces, [count] * n_annotators),
    )


def categories(n: int) -> tuple[Category, ...]:
    """Things with ids from 0."""
    return tuple(Category(id=k, name=f"c{k}") for k in range(n))


def two(batch: Batch, n_categories: int) -> AnnotatorPair:
    """The first two annotators."""
    return next(iter(pair_annotators(PanelBatch(batch, NAMES, categories(n_categories)))))


def many() -> None:
    """Matches and clusters of the large image."""
    batch = one_image(GRID, 16, 3, 1, np.random.default_rng(1))
    jobs: dict[str, Callable[[], object]] = {
        "two annotators, IoU > 0.5": lambda: instance_tables(two(batch, 1)),
        "two annotators, IoU > 0.1": lambda: instance_tables(two(batch, 1), threshold=0.1),
        "three annotators, clusters": lambda: member_table(PanelBatch(batch, NAMES, categories(1))),
    }
    print(f"{GRID**2:,} instances; a table of all pairs has {8 * GRID**4 / 2**20:,.0f} MiB")
    for name, call in jobs.items():
        seconds = timed(call)
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(f"  {name}: {seconds:.2f} s, peak {peak / 2**20:.0f} MiB")


def by_coco(found: list[AnnotatorPair], score: list[np.ndarray]) -> COCOeval:
    """COCOeval on the same masks and scores, ready to run."""
    truth = COCO()
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image, (opposite, of_image) in enumerate(zip(found, score, strict=True)):
        size = [int(each[0]) for each in opposite.batch.image_size]
        counts = runs_to_rle(opposite.batch.runs, *opposite.batch.segment_size).to_pylist()
        for drawn in (opposite.a, opposite.b):
            for row, segment in enumerate(drawn.segment.tolist()):
                rle = {"size": size, "counts": counts[segment]}
                each = {"image_id": image, "category_id": int(drawn.category[row]), "segmentation": rle}
                if drawn is opposite.a:
                    annotations.append(each | {"id": len(annotations) + 1, "iscrowd": 0, "area": int(drawn.area[row])})
                else:
                    results.append(each | {"score": float(of_image[row])})
    images = [{"id": image, "height": size[0], "width": size[1]} for image in range(len(found))]
    named = [{"id": k, "name": str(k)} for k in range(N_CATEGORIES)]
    truth.dataset = {"images": images, "annotations": annotations, "categories": named, "info": {}}
    truth.createIndex()
    return COCOeval(truth, truth.loadRes(results), "segm")


def average_precisions() -> None:
    """Mask AP, both ways."""
    rng = np.random.default_rng(2)
    batches = [one_image(SMALL_GRID, 20, 2, N_CATEGORIES, rng) for _ in range(N_IMAGES)]
    found = [two(batch, N_CATEGORIES) for batch in batches]
    score = [rng.random(len(each.b)) for each in found]

    def mine() -> dict[str, float]:
        fresh = [two(batch, N_CATEGORIES) for batch in batches]  # nothing kept from the last time
        every = DetectionMatches.together([match_detections(each, of) for each, of in zip(fresh, score, strict=True)])
        columns = (every.category, every.score, every.rank, every.matched, every.ignored, every.positives)
        return average_precision(*columns).summary()

    with contextlib.redirect_stdout(io.StringIO()):
        judge = by_coco(found, score)

        def theirs() -> None:
            judge.evaluate()
            judge.accumulate()
            judge.summarize()

        seconds = timed(theirs)
    own = timed(mine)
    same = np.isclose(np.nan_to_num(list(mine().values()), nan=-1), judge.stats).sum()
    print(f"mask AP, {N_IMAGES} images of {SMALL_GRID**2} masks: COCOeval {seconds:.2f} s, segdata {own:.2f} s", end="")
    print(f": {seconds / own:.1f} x; {same} of {len(judge.stats)} numbers equal")


if __name__ == "__main__":
    many()
    average_precisions()
