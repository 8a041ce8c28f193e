"""Device: where networks run, how much memory is free there, and in which precision they run."""

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

from segdata.core.errors import SegdataError

_UNKNOWN = 4 * 2**30  # bytes, where nothing tells
_CGROUP = Path("/sys/fs/cgroup")


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


def free_main_memory() -> int:
    """Bytes of main memory that are free, to this process if it is limited."""
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on every system
        return _UNKNOWN
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        free = min(free, limit - int((_CGROUP / "memory.current").read_text()))
    except (OSError, ValueError):  # no limit
        pass
    return max(free, 2**28)


def precision(device: torch.device) -> AbstractContextManager[object]:
    """Half precision on CUDA, bfloat16 where it is supported; elsewhere single precision, which is faster there."""
    return nullcontext() if half(device) is None else torch.autocast(device.type, dtype=half(device))


def half(device: torch.device) -> torch.dtype | None:
    """The type that `precision` computes in; None: float32."""
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
