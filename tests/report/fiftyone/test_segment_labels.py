"""What is proposed, how sure a model is, and where annotators differ, read back from FiftyOne."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco

from segdata.core.finding import Correction
from segdata.noise.networks.plan import DataFacts, Settings, plan_for
from segdata.noise.networks.predictions import Predictions
from segdata.report.fiftyone.segment_labels import disagreement_share, label_document
from tests.report.fiftyone.drawn import CAR, ROAD, gap, load, made, noise

pytestmark = pytest.mark.filterwarnings("ignore")  # of FiftyOne and what it needs
SIZE = (37, 53)
FACTS = DataFacts(
    n_images=2, n_units=2, height=37, width=53, largest=SIZE, channels=3, categories=2, instances=False, placed=None,
    least_area=9, device="cpu", free=2**30,
)  # fmt: skip


def test_what_is_proposed_lies_beside_the_label_pixel_for_pixel(fo: Any) -> None:
    """A detection for each piece, which tells the finding that it belongs to."""
    pieces = [noise(seed, *SIZE, 0.2) for seed in (1, 2)]
    counts = tuple(coco.encode(np.asfortranarray(piece.astype(np.uint8)))["counts"].decode() for piece in pieces)
    split = Correction(action="split", category="car", size=SIZE, counts=counts, iou=0.5)
    delete = Correction(action="delete", category=None, size=SIZE)
    found = [gap("a.png", correction=split), gap("a.png", bbox=(1, 1, 2, 2), correction=delete)]
    sample = load(made({("a.png", None): [(CAR, pieces[0])]}), "proposals", *found).first()
    marks = sample.findings.detections
    assert [each.proposal for each in marks] == ["split: car", "delete"]
    assert [(each.label, each.action, each.finding) for each in sample.proposals.detections] == [
        ("split: car", "split", marks[0].id)
    ] * 2
    for each, piece in zip(sample.proposals.detections, pieces, strict=True):
        np.testing.assert_array_equal(each.to_segmentation(frame_size=SIZE[::-1], target=1).mask.astype(bool), piece)


def test_confidence_is_how_probable_the_given_label_is(fo: Any, tmp_path: Path) -> None:
    """Of unlabelled pixels, too; where the size is another, there is none. It is off until it is switched on."""
    car = noise(1, *SIZE, 0.5)
    said = np.random.default_rng(2).dirichlet((1, 1, 1), SIZE).transpose(2, 0, 1).astype(np.float16)
    for row, values in enumerate((said, said[:, :-1])):
        (tmp_path / "probabilities").mkdir(exist_ok=True)
        np.save(tmp_path / "probabilities" / f"{row:06d}.npy", values)
    ids = ("a.png", "b.png")
    plan = plan_for(FACTS, Settings(), 2**30)
    Predictions(tmp_path, ids, (ROAD, CAR), np.zeros(2, np.int64), np.ones(2, bool), plan, version=1).save()
    data = made({(name, None): [(CAR, car)] for name in ids})
    dataset = load(data, "confidence", predictions=tmp_path)
    a, b = (dataset.match({"image_id": name}).first() for name in ids)
    expected = np.where(car, said[2], said[0]).astype(np.float64)
    np.testing.assert_allclose(a.confidence.get_map() / 255, expected, atol=0.5 / 255)
    assert b.confidence is None
    assert "confidence" not in dataset.app_config.active_fields.paths


def test_disagreement_is_there_where_two_annotators_are(fo: Any) -> None:
    one, two = noise(1, *SIZE, 0.5), noise(2, *SIZE, 0.5)
    drawn: dict[tuple[str, str | None], Any] = {("a.png", "anna"): [(CAR, one)], ("a.png", "ben"): [(CAR, two)]}
    dataset = load(made({**drawn, ("b.png", "anna"): [(CAR, one)]}), "disagreement")
    a, b = (dataset.match({"image_id": name}).first() for name in ("a.png", "b.png"))
    np.testing.assert_array_equal(a.disagreement.get_map(), np.where(one != two, 128, 0))
    assert b.disagreement is None


@given(st.integers(2, 5).flatmap(lambda n: arrays(np.uint8, (n, 3, 4), elements=st.integers(0, 3))))
def test_differing_is_the_share_without_the_most_common_value(maps: np.ndarray[Any, Any]) -> None:
    share = disagreement_share(list(maps), 3)
    for place in np.ndindex(3, 4):
        values = maps[(slice(None), *place)].tolist()
        assert share[place] == 1 - max(values.count(value) for value in values) / len(values)


def test_labels_are_as_the_classes_of_fiftyone_write_them(fo: Any) -> None:
    told = {"label": "car", "bounding_box": [0.0, 0.0, 0.5, 1.0], "mask": noise(1, *SIZE, 0.5), "code": "SEG101"}
    made_by_it = dict(fo.Detection(id="0" * 24, tags=[], **told).to_mongo())
    made_by_it["mask"] = bytes(made_by_it["mask"])  # as the database has it; the class of its own is equal to none
    assert label_document(fo, "Detection", "0" * 24, **told, score=None) == {
        key: value for key, value in made_by_it.items() if value is not None
    }
    lines = {"label": "car", "points": [[[0.0, 0.0], [1.0, 1.0]]], "closed": True, "filled": False}
    made_by_it = dict(fo.Polyline(id="0" * 24, tags=[], **lines).to_mongo())
    assert label_document(fo, "Polyline", "0" * 24, **lines) == {k: v for k, v in made_by_it.items() if v is not None}
