"""Volumes: decoded arrays, of which slices are taken one by one; the last one is kept."""

import threading
from pathlib import Path

import numpy as np

from segdata.formats.npz.archive import ArrayHead, UnreadableArrayError, decode
from segdata.formats.npz.scores import Probabilities

NO_AXIS = 9  # in place of the axis of the classes: there is only one


class Volumes:
    """Gives the probabilities of an image, (n_classes, height, width), from any thread.

    `axis` is that of the classes: 0, -1, or `NO_AXIS`.
    """

    def __init__(self, axis: int) -> None:
        self._axis = axis
        self._lock = threading.Lock()
        self._kept: tuple[Path, Probabilities] | None = None

    def image(self, path: Path, head: ArrayHead, k: int | None) -> Probabilities:
        """The probabilities of the only image of an archive (`k` is None), or of slice `k` of a volume.

        Raises UnreadableArrayError where it cannot be decoded or has other axes.
        """
        if len(head.shape) != (2 if self._axis == NO_AXIS else 3 if k is None else 4):
            raise UnreadableArrayError(f"{head.key} has the shape {head.shape}, unlike that of other files")
        if k is None:
            return _quick(self._classes_first(decode(path, head)))
        with self._lock:
            if self._kept is None or self._kept[0] != path:
                self._kept = path, self._classes_first(decode(path, head))
            return _quick(self._kept[1][:, k])

    def _classes_first(self, p: Probabilities) -> Probabilities:
        return p[None] if self._axis == NO_AXIS else np.moveaxis(p, self._axis, 0)


def _quick(p: Probabilities) -> Probabilities:
    """The same numbers in a type that processors compute with: 16 bits are for storage."""
    return p.astype(np.float32) if p.dtype == np.float16 else p
