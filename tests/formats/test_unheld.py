"""What columns say beyond what a format holds is counted, kind by kind."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given

from segdata.core.batch import Batch, concatenate
from segdata.core.columns import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, table
from segdata.core.loss import KINDS, Kind, Losses
from segdata.core.profile import Profile
from segdata.core.runs import Runs
from segdata.formats.unheld import count_unheld
from segdata.testing.strategies import Details, datasets


def batch(images: Any = None, annotations: Any = None, segments: Any = None) -> Batch:
    """Two images with an annotation and a segment each; columns as given."""
    return Batch(
        table(BATCH_IMAGES, 2, image_id=["a.png", "b.png"], **(images or {})),
        table(BATCH_ANNOTATIONS, 2, **({"image": [0, 1]} | (annotations or {}))),
        table(BATCH_SEGMENTS, 2, annotation=[0, 1], segment_id=[4, 5], category_id=[1, 1], **(segments or {})),
        Runs.empty(),
    )


def counted(
    data: Batch, held: frozenset[str] = frozenset(), kinds: frozenset[Kind] = KINDS
) -> list[tuple[str, str, int, list[str]]]:
    losses = Losses()
    count_unheld(data, losses, kinds, held)
    return [(loss.kind, loss.of, loss.count, loss.examples) for loss in losses.listed()]


@pytest.mark.parametrize(
    ("where", "column", "values", "kind", "example"),
    [
        ("segments", "attributes", [None, [("a", "1")]], "attributes", "b.png: 5"),
        ("segments", "attributes", [[], [("a", "1")]], "attributes", "b.png: 5"),
        ("segments", "iscrowd", [True, False], "crowd", "a.png: 4"),
        ("segments", "rings", [None, [[1.0, 2.0]]], "rings", "b.png: 5"),
        ("segments", "score", [0.0, None], "score", "a.png: 4"),
        ("segments", "also", [[], [3]], "secondary-categories", "b.png: 5"),
        ("segments", "source", [None, "model"], "source", "b.png: 5"),
        ("segments", "track_id", [0, None], "track", "a.png: 4"),
        ("annotations", "annotator", [None, "ann"], "annotator", "b.png"),
        ("annotations", "stage", [None, "reviewed"], "annotation-attributes", "b.png"),
        ("annotations", "seconds", [0.0, None], "annotation-attributes", "a.png"),
        ("annotations", "attributes", [None, [("a", "1")]], "annotation-attributes", "b.png"),
        ("annotations", "source", [None, "model"], "source", "b.png"),
        ("images", "split", [None, "train"], "image-details", "b.png"),
        ("images", "frame", [0, None], "image-details", "a.png"),
        ("images", "metadata", [None, [("a", "1")]], "image-details", "b.png"),
        ("images", "channels", [[], [{"uri": "x", "name": "n", "modality": "m"}]], "image-details", "b.png"),
        ("images", "roi", [b"1", None], "image-details", "a.png"),
    ],
)
def test_each_column(where: str, column: str, values: Any, kind: Kind, example: str) -> None:
    """Counted once, with an example, unless the format holds the kind, or the column."""
    data = batch(**{where: {column: values}})
    assert counted(data) == [(kind, where, 1, [example])]
    assert counted(data, held=frozenset({f"{where}.{column}"})) == []
    assert counted(data, kinds=KINDS - {kind}) == []


def test_silent_columns_lose_nothing() -> None:
    assert counted(batch()) == []


def test_several_annotators_of_an_image() -> None:
    assert counted(batch(annotations={"image": [1, 1]})) == [("annotator", "images", 1, ["b.png"])]


def test_text_ids_are_shown() -> None:
    data = batch(segments={"score": [None, 0.5], "source_id": ["x", "y"]})
    assert counted(data) == [("score", "segments", 1, ["b.png: y"])]


@given(dataset=datasets(Details(void=False)))
def test_counts_do_not_depend_on_how_batches_are_cut(dataset: tuple[Profile, list[Batch]]) -> None:
    """Also where columns come in pieces, and where a batch is part of a larger table."""
    _, batches = dataset
    apart, together, sliced = Losses(), Losses(), Losses()
    for each in batches:
        count_unheld(each, apart, KINDS)
    whole = concatenate(batches)
    count_unheld(whole, together, KINDS)
    pieces = Batch(pa.concat_tables([each.images for each in batches]), whole.annotations, whole.segments, whole.runs)
    for row in range(whole.images.num_rows):
        count_unheld(pieces.take_images(np.array([row])), sliced, KINDS)
    assert apart.listed() == together.listed() == sliced.listed()
