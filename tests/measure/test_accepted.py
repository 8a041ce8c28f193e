"""Accepted: what people have as a model drew it is counted, once for each of them."""

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, replaced
from segdata.measure.accepted import Accepted, accepted
from segdata.testing.pictures import draw_picture


def _batch(*pictures: str) -> Batch:
    """One image, annotated first by a model, then by people."""
    batches = [draw_picture(each).load(np.array([0])) for each in pictures]
    annotations = pa.concat_tables([each.annotations for each in batches])
    source = ["model"] + ["human"] * (len(pictures) - 1)
    shift = np.cumsum([0] + [each.n_segments for each in batches])
    segments = pa.concat_tables(
        [
            replaced(each.segments, "annotation", np.full(each.n_segments, row, np.int32))
            for row, each in enumerate(batches)
        ]
    )
    runs = type(batches[0].runs).concatenate([each.runs for each in batches], np.diff(shift).tolist())
    return Batch(batches[0].images, replaced(annotations, "source", source), segments, runs)


def test_the_same_pixels_are_accepted_whatever_they_are_called() -> None:
    model = "aab.\na.b."
    assert accepted([_batch(model, model)]) == Accepted(2, 2)
    assert accepted([_batch(model, "ccd.\nc.d.")]) == Accepted(2, 2)
    assert accepted([_batch(model, "aab.\naab.")]) == Accepted(2, 1)
    assert accepted([_batch(model, "aa..\na.b.")]) == Accepted(2, 1)


def test_each_person_accepts_for_themselves() -> None:
    model, other = "aab.\na.b.", "aa.b\na..b"
    assert accepted([_batch(model, model, other)]) == Accepted(4, 3)


def test_two_alike_accept_one_of_the_models_once() -> None:
    assert accepted([_batch("aa", "xx\n\nx = a + b\na, b: car")]) == Accepted(2, 1)


def test_where_no_model_drew_nothing_is_counted() -> None:
    batch = draw_picture("aab.").load(np.array([0]))
    assert accepted([batch]) == Accepted(0, 0)
