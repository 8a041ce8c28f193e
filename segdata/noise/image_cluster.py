"""Image cluster: functions of single images that run on the workers of a Dask cluster, portion by portion.

A worker loads the labels of its portion itself. The data alone decide what the portions are, and results come in the
order of the images, so that they are those of one process.
"""

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

from segdata.core.cluster import Cluster, ClusterError, Portion, RemoteDataset
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.label_maps import LabelMaps
from segdata.core.runs import Ints
from segdata.core.taxonomy import Taxonomy

PORTION = 16  # images, at most
R = TypeVar("R")


class ImageWork(Protocol[R]):
    """The work of workers; it can be pickled."""

    def __call__(self, maps: LabelMaps, images: Ints, /) -> list[R]:
        """A result for each image: `maps` has their labels, `images` are their rows in the dataset."""


def check_shared(path: Path) -> None:
    """Raise ClusterError, in a worker, where it does not see a file of networks or predictions."""
    if not path.is_file():
        raise ClusterError(
            f"{path} is not there for a worker; workers need networks and predictions at the same path: give "
            "--work-dir or --predictions a folder on a disk that all of them share"
        )


@dataclass(frozen=True, slots=True)
class _ImageJob:
    """The data that all tasks of a run share."""

    data: RemoteDataset
    taxonomy: Taxonomy
    annotator: str | None
    work: ImageWork[Any]  # Any: whatever it returns


def _run_portion(portion: tuple[Portion, Ints], job: _ImageJob) -> list[Any]:
    """The results for the images of a portion, and their rows in the dataset; in a worker."""
    own, images = portion
    return job.work(LabelMaps.from_batches([job.data.load_local(own)], job.taxonomy, job.annotator), images)


@dataclass(frozen=True)
class ImageCluster:
    """A cluster whose workers judge images of a dataset."""

    cluster: Cluster  # as `segdata.core.cluster.connect` yields it
    data: OpenDataset
    annotator: str | None = None  # of the labels; None: the first of each image
    _remote: RemoteDataset = field(init=False)
    _cut: Callable[[Ints], Portion] = field(init=False)

    def __post_init__(self) -> None:
        remote, cut = RemoteDataset.cut(self.data)
        object.__setattr__(self, "_remote", remote)
        object.__setattr__(self, "_cut", cut)

    def run(self, work: ImageWork[R], images: Ints) -> Iterator[R]:
        """The result of `work` for each image, in the order of `images`, ascending rows of the dataset.

        Raises what `work` raises, and ClusterError where workers are lost again and again.
        """
        job = _ImageJob(self._remote, self.data.taxonomy, self.annotator, work)
        try:
            shared = self.cluster.share(job)
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            raise SegdataError(
                f"the model or the predictions cannot be sent to workers ({error}); give predictions in files"
            ) from error
        for results in self.cluster.run_ordered(_run_portion, self._portions(images), shared):
            yield from results

    @cached_property
    def _chunks(self) -> list[Ints]:
        return self.data.chunks()

    def _portions(self, images: Ints) -> Iterator[tuple[Portion, Ints]]:
        """A few images at a time, all of one portion of the source, and their rows in the dataset."""
        first = 0
        for chunk in self._chunks:
            in_chunk = images[(images >= first) & (images < first + len(chunk))]
            for begin in range(0, len(in_chunk), PORTION):
                some = in_chunk[begin : begin + PORTION]
                yield self._cut(chunk[some - first]), some
            first += len(chunk)
