"""Every training option, on the command line, in segdata.yaml and in Python, means the same and takes effect."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from segdata.cli.flag import TrainingOptions, training_options
from segdata.core.config import Training, load_config
from segdata.core.dataset import OpenDataset
from segdata.noise.networks.out_of_fold import out_of_fold
from segdata.noise.networks.plan import Settings, StageProgress

BASE = Settings(
    folds=2, crop=32, width=2, depth=3, batch=2, steps=2, flips=0, learning_rate=0.02, jobs=1, near=False, device="cpu"
)
# Option -> its words on the command line, and its text in the file.
OPTIONS: dict[str, tuple[str, str]] = {
    "quick": ("--quick", "true"),
    "folds": ("--folds 3", "3"),
    "members": ("--members 2", "2"),
    "seed": ("--seed 5", "5"),
    "architecture": ("--architecture unet-residual", "unet-residual"),
    "width": ("--width 3", "3"),
    "depth": ("--depth 2", "2"),
    "scale": ("--scale 0.5", "0.5"),
    "crop": ("--crop 64", "64"),
    "batch": ("--batch 3", "3"),
    "steps": ("--steps 3", "3"),
    "learning_rate": ("--learning-rate 0.001", "0.001"),
    "loss": ("--loss focal", "focal"),
    "dice": ("--dice 2", "2.0"),
    "class_weights": ("--no-class-weights", "false"),
    "smoothing": ("--smoothing 0.3", "0.3"),
    "dropout": ("--dropout 0.5", "0.5"),
    "weight_decay": ("--weight-decay 0.9", "0.9"),
    "augment": ("--augment blur,noise", "[blur, noise]"),
    "rotate": ("--no-rotate", "false"),
    "flips": ("--flips 2", "2"),
    "pretrained": ("--pretrained", "true"),
}
Make = Callable[[Path, int], OpenDataset]


def given_by(words: list[str], configured: Training | None = None) -> Settings:
    """The settings that words of the command line give."""
    made: list[Settings] = []

    @click.command()
    @training_options
    def told(training: TrainingOptions) -> int:
        made.append(training.settings(1, configured))
        return 0

    result = CliRunner().invoke(told, words)
    assert result.exit_code == 0, result.output
    return made[0]


def test_the_file_has_every_option_that_the_command_line_has() -> None:
    of_line = {option.name for option in training_options(lambda training: 0).__click_params__}  # type: ignore[attr-defined]
    apart = {"group", "device", "model", "weights", "max_memory", "annotator"}  # of one machine or one command
    assert of_line - apart == set(Training.__struct_fields__) == set(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
def test_line_and_file_mean_the_same_and_the_line_goes_first(name: str, tmp_path: Path) -> None:
    words, text = OPTIONS[name]
    (tmp_path / "segdata.yaml").write_text(f"training:\n  {name}: {text}\n")
    training = load_config(tmp_path / "segdata.yaml").training
    of_line, of_file = given_by(words.split()), given_by([], training)
    assert of_line == of_file
    assert getattr(of_line, name) != getattr(Settings(), name)
    if words.count("--") == 1 and " " not in words:
        back = words.replace("--no-", "--") if "--no-" in words else words.replace("--", "--no-")
        assert getattr(given_by([back], training), name) != getattr(of_file, name)


def found(data: OpenDataset, folder: Path, settings: Settings) -> tuple[Any, list[np.ndarray]]:
    """The weights of the first network, and the probabilities in all images."""
    predictions = out_of_fold(data, folder, settings)
    return weights_in(folder), [predictions.probabilities(row) for row in range(len(predictions))]


def weights_in(folder: Path) -> Any:
    return torch.load(folder / "networks" / "0-0.pt", weights_only=True)


class TrainedError(Exception):
    """The first network is trained, which is enough."""


def first_network(data: OpenDataset, folder: Path, settings: Settings) -> Any:
    """The weights of the first network; the others are not trained."""

    def stop(stage: StageProgress) -> None:
        if stage.what.startswith("train 2"):
            raise TrainedError

    with pytest.raises(TrainedError):
        out_of_fold(data, folder, settings, progress=stop)
    return weights_in(folder)


def is_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(a[name].shape == b[name].shape and a[name].equal(b[name]) for name in a)


def test_every_option_changes_networks_or_predictions(shapes: Make, tmp_path: Path) -> None:
    data = shapes(tmp_path / "images", 3)
    weights, seen = found(data, tmp_path / "base", BASE)
    again = found(data, tmp_path / "again", BASE)
    assert is_same(weights, again[0])
    assert all(np.array_equal(*both) for both in zip(seen, again[1], strict=True))
    for name, (words, _) in OPTIONS.items():
        if name in ("quick", "pretrained"):  # sets several of the others; needs a package with its weights
            continue
        asked = replace(BASE, **{name: getattr(given_by(words.split()), name)})
        if name in ("flips", "members"):
            one = found(data, tmp_path / name, asked)
            assert is_same(weights, one[0]), name
            assert not all(np.array_equal(*both) for both in zip(seen, one[1], strict=True)), name
        else:
            assert not is_same(weights, first_network(data, tmp_path / name, asked)), name
