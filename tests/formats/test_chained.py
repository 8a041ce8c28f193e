"""Several sources as one: rows go on from one to the next, and any order can be asked for."""

from pathlib import Path

import numpy as np
import pytest

from segdata import read
from segdata.core.format import Request
from segdata.formats import coco_instances
from segdata.formats.chained import ChainedSource
from segdata.testing.coco_documents import annotation, document, written


@pytest.fixture
def chained(tmp_path: Path) -> ChainedSource:
    """Two documents of two images each, one segment an image."""
    sources = []
    for name in "ab":
        images = [{"id": k, "file_name": f"{name}{k}.png", "width": 6, "height": 5} for k in (1, 2)]
        drawn = [annotation(id=k, image_id=k) for k in (1, 2)] + [annotation(id=3, image_id=9)]
        path = written(tmp_path / name, document(images=images, annotations=drawn))
        sources.append(coco_instances.read(Request(path)))
    return ChainedSource(sources[0].profile, tuple(sources))


def test_all_images_and_defects(chained: ChainedSource) -> None:
    assert list(chained.image_ids) == ["a1.png", "a2.png", "b1.png", "b2.png"]
    assert [each.code for each in chained.defects if each.severity != "info"] == ["SEG007", "SEG007"]
    assert np.concatenate(chained.chunks()).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("rows", [[0, 1, 2, 3], [3, 0, 2, 1], [2], [], [1, 1]])
def test_images_come_in_the_order_that_is_asked_for(chained: ChainedSource, rows: list[int]) -> None:
    batch = chained.load(np.array(rows, np.int64))
    assert batch.images["image_id"].to_pylist() == [chained.image_ids[row] for row in rows]
    assert batch.segment_image.tolist() == list(range(len(rows)))
    assert batch.runs.areas(batch.n_segments).tolist() == [4] * len(rows)


def test_a_dataset_of_several_documents_is_read_in_order(tmp_path: Path) -> None:
    """`batches(in_order=True)` mixes the documents."""
    items = {"x": ["b", "d"], "y": ["a", "c"]}
    for subset, names in items.items():
        content = {
            "dm_format_version": "1.0",
            "categories": {"label": {"labels": []}},
            "items": [{"id": name, "image": {"path": f"{name}.png", "size": [5, 6]}} for name in names],
        }
        written(tmp_path, content, f"annotations/{subset}.json")
    batches = read(tmp_path).batches(in_order=True)
    assert [name for batch in batches for name in batch.images["image_id"].to_pylist()] == [
        "a.png",
        "b.png",
        "c.png",
        "d.png",
    ]
