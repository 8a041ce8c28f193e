"""Splits: which part of a dataset an image is in, as the folders of its path say."""

from pathlib import PurePosixPath

SPLITS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})


def split_of(path: str) -> str | None:
    """The innermost folder of a path (POSIX) that is called what splits are called; None where none is.

    >>> split_of("street/train/a.png"), split_of("train.png")
    ('train', None)
    """
    return next((part for part in reversed(PurePosixPath(path).parts[:-1]) if part.lower() in SPLITS), None)
