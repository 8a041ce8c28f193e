"""Dataset: an opened dataset with every command of segdata as a method."""

from dataclasses import dataclass

from segdata.core.dataset import OpenDataset


@dataclass(frozen=True, repr=False)
class Dataset(OpenDataset):
    """An opened dataset, as `segdata.read` returns it."""
