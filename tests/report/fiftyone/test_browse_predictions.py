"""From predictions of every layout through `flag` to `browse`: the confidence layer is that of the files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from segdata.api.browse import predicted_layer
from segdata.api.convert import convert
from segdata.api.in_memory import from_arrays
from segdata.api.read import read
from segdata.cli.main import main
from tests.api.test_flag_predictions import KINDS, archives, panoptic, results, sam, scene

pytestmark = pytest.mark.filterwarnings("ignore")  # of FiftyOne and what it needs
Write = Callable[[Path, Path], Path]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """COCO instances of which each image lacks one."""
    drawn = {name: masks[1:] for name, masks in scene().items()}
    convert(from_arrays(drawn, KINDS), tmp_path / "coco", to="coco-instances")
    return tmp_path / "coco" / "annotations.json"


@pytest.mark.parametrize("write", [results, panoptic, archives, sam])
def test_what_flag_took_is_a_layer_of_browse(fo: Any, labels: Path, tmp_path: Path, write: Write) -> None:
    predictions, report = write(tmp_path, labels), tmp_path / "flag.json"
    words = ["flag", str(labels), "--predictions", str(predictions), "--budget", "20", "--format", "json"]
    flagged = CliRunner().invoke(main, [*words, "--jobs", "1", "--output", str(report)])
    assert flagged.exit_code == 0, flagged.output
    name = f"predicted {write.__name__}"
    words = ["browse", str(labels), "--findings", str(report), "--no-launch", "--name", name]
    browsed = CliRunner().invoke(main, words)
    assert (browsed.exit_code, "warning" in browsed.output) == (0, False), browsed.output
    sample = fo.load_dataset(name).match({"image_id": "1.png"}).first()
    given = np.zeros((120, scene()["1.png"][0][0].shape[1]), bool)
    for mask, _ in scene()["1.png"][1:]:
        given |= mask
    confidence = sample.confidence.get_map() / 255
    assert confidence[given].mean() > 0.5
    missing = scene()["1.png"][0][0] & ~given
    assert confidence[missing].mean() < confidence[~missing & ~given].mean()


def test_predictions_that_are_gone_or_changed_are_told(fo: Any, labels: Path, tmp_path: Path) -> None:
    predictions, report = archives(tmp_path, labels), tmp_path / "flag.json"
    words = ["flag", str(labels), "--predictions", str(predictions), "--budget", "20", "--format", "json"]
    CliRunner().invoke(main, [*words, "--jobs", "1", "--output", str(report)])
    for path in predictions.glob("*.npz"):
        path.write_bytes(b"no archive")
    words = ["browse", str(labels), "--findings", str(report), "--no-launch", "--name", "changed"]
    browsed = CliRunner().invoke(main, words)
    assert browsed.exit_code == 0, browsed.output
    assert "segdata: warning: no confidence layer: " in browsed.output
    asked = CliRunner().invoke(main, [*words, "--predictions", str(predictions)])
    assert asked.exit_code == 2
    assert len(asked.output.splitlines()) == 1


def test_a_layer_is_the_probability_of_each_category(labels: Path, tmp_path: Path) -> None:
    dataset = read(labels)
    layer = predicted_layer(dataset, archives(tmp_path, labels))
    found = layer.probabilities(list(layer.image_ids).index("2.png"))
    assert found.shape[0] == 3
    assert layer.usable.all()
    mask, kind = scene()["2.png"][-1]
    (id_,) = [each.id for each in dataset.taxonomy.categories if each.name == kind]
    np.testing.assert_allclose(found.sum(0), 1, atol=0.01)
    assert found[layer.channels[id_]][mask].mean() > 0.7
    assert json.dumps(list(layer.image_ids)) == json.dumps(dataset.image_ids)
