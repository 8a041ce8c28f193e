"""Checkpoint: the state of a training as a file, there whole or not at all."""

import io
from pathlib import Path
from typing import Any

import torch

from segdata.core.errors import SegdataError
from segdata.noise.networks.predictions import replace_file

State = dict[str, Any]  # Any: tensors, numbers, and dicts of these


def save(path: Path, state: State) -> None:
    """Write a state; a kill leaves the one before."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    replace_file(path, buffer.getvalue())


def load(path: Path, device: torch.device) -> State | None:
    """The state in a file; None where there is no file. Raises SegdataError where it is damaged."""
    if not path.is_file():
        return None
    try:
        found: State = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises whatever pickle and zip do
        raise SegdataError(f"{path}: damaged; delete it, and what it held is trained again") from error
    return found
