"""Soft: the probabilities themselves of an opened dataset of archives, which its segments only sum up."""

from collections.abc import Callable

from segdata.core.format import Source
from segdata.formats.npz.scores import Probabilities

Soft = Callable[[int], tuple[Probabilities, tuple[int, ...]]]


def soft(source: Source) -> Soft | None:
    """The probabilities (n_classes, height, width) of the image at a row, and the category id of each class.

    -1 stands for the class that is nobody's. None: the source is of another format.
    """
    from segdata.formats.npz.opened import Archives

    return source.probabilities if isinstance(source, Archives) else None
