"""Device: where networks run, how much memory is free there, and in which precision they run."""

from contextlib import AbstractContextManager, nullcontext

import torch

from segdata.core.errors import SegdataError
from segdata.noise.networks.memory import free_main_memory


def chosen(name: str) -> torch.device:
    """The device of that name; ``auto``: CUDA, else MPS, else the CPU. Raises SegdataError where it is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(each for each, is_there in there.items() if is_there)
    if not there[name]:
        raise SegdataError(f"device {name!r} is not available here; there is {', '.join(d for d in there if there[d])}")
    return torch.device(name)


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return free_main_memory()


def precision(device: torch.device) -> AbstractContextManager[object]:
    """Half precision on CUDA, bfloat16 where it is supported; elsewhere single precision, which is faster there."""
    return nullcontext() if half(device) is None else torch.autocast(device.type, dtype=half(device))


def half(device: torch.device) -> torch.dtype | None:
    """The type that `precision` computes in; None: float32."""
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
