"""Imprinting: the labels that findings speak of, as short hashes, by which a later change is known."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from segdata.core.annotation import Annotation
from segdata.core.batch import Batch
from segdata.core.dataset import Dataset
from segdata.core.executor import run_ordered
from segdata.core.finding import Finding
from segdata.core.imprint import imprint_of
from segdata.core.runs import Ints
from segdata.formats.shared.images import image_limits


def imprints(data: Dataset, findings: Sequence[Finding], jobs: int = 0) -> dict[Finding, str]:
    """The imprint of each finding, as `segdata.core.imprint` has it; "" for those about no image of the dataset.

    Only the images that findings are about are loaded, by `jobs` threads (0: one per core).
    """
    about: dict[str, list[Finding]] = {}
    for each in findings:
        if each.image is not None:
            about.setdefault(each.image, []).append(each)

    def of(batch: Batch) -> list[tuple[Finding, str]]:
        annotations = Annotation.each(batch)
        mine = about[batch.images["image_id"][0].as_py()]
        return [(each, imprint_of(each, annotations, data.profile)) for each in mine]

    def of_rows(rows: Ints) -> list[tuple[Finding, str]]:
        return [told for batch in _each(data.source.load(rows)) for told in of(batch)]

    found = dict.fromkeys(findings, "")
    with image_limits():
        for portion in run_ordered(of_rows, portions(data, about.keys()), jobs):
            found.update(portion)
    return found


def images_named(data: Dataset, names: Collection[str]) -> Iterator[Batch]:
    """These images of a dataset, each by itself, in the order of the source."""
    for rows in portions(data, names):
        yield from _each(data.source.load(rows))


def portions(data: Dataset, names: Collection[str]) -> list[Ints]:
    """The rows of these images, in portions that are good to load at once."""
    wanted = {row for row, name in enumerate(data.source.image_ids) if name in names}
    kept = (np.array([row for row in rows.tolist() if row in wanted], np.int64) for rows in data.chunks())
    return [rows for rows in kept if len(rows)]


def _each(batch: Batch) -> Iterator[Batch]:
    for row in range(batch.images.num_rows):
        yield batch.take_images(np.array([row]))
