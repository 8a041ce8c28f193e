"""Memory: how much of it there is for images and what is computed of them."""

import os
from pathlib import Path

_UNKNOWN = 4 * 2**30  # bytes, where nothing tells
_CGROUP = Path("/sys/fs/cgroup")


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
