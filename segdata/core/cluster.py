"""Cluster: run functions over portions of a dataset on a Dask cluster, or of the single images in them.

A task is a function that can be pickled and a portion of a dataset. Only the data decide what the portions are, and
results come in their order: they depend neither on the number of workers nor on workers that are lost, whose tasks
Dask repeats.
"""

import asyncio
import logging
import pickle
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pyarrow as pa
from PIL import Image

import segdata
from segdata.core.atomic_files import unique_token
from segdata.core.batch import Batch, replace_column
from segdata.core.dataset import OpenDataset, recipe_of
from segdata.core.errors import SegdataError, count_noun, import_extra
from segdata.core.executor import keep_freed_memory, no_progress
from segdata.core.format import PortionReader, Source, detach
from segdata.core.label_maps import LabelMaps
from segdata.core.paths import local_file
from segdata.core.pixel_limit import max_pixels, set_max_pixels
from segdata.core.runs import Ints
from segdata.core.taxonomy import Taxonomy

if TYPE_CHECKING:
    from distributed import Client, Future


T = TypeVar("T")
R = TypeVar("R")
_SECONDS_TO_CONNECT = 15
_SECONDS_FOR_WORKERS = 30
_VERSION = "__import__('segdata').__version__"
_URI_SAMPLE = 64  # images in which a file is looked for that workers must have
_MAX_OPEN_SOURCES = 2  # per worker
_START_WORKER = "start some with `dask worker ADDRESS`"
PORTION = 16  # single images in a task, at most


class ClusterError(SegdataError):
    """A command cannot run because of the cluster, not of the data."""


@dataclass
class Cluster:
    """A connection to a cluster; see `connect`."""

    client: "Client"  # Dask's own client
    n_tasks: int = 0  # how many tasks were sent so far

    def share(self, value: object) -> "Future":
        """Send a value that many tasks take to each worker once; it survives the loss of any worker.

        Functions and classes of a script are sent by value.
        """
        import cloudpickle  # Dask brings it

        return self.client.submit(pickle.loads, cloudpickle.dumps(value), pure=False, key=_key("share"))

    def submit_all(self, work: Callable[..., object], *portions: Iterable[object], **shared: object) -> "list[Future]":
        """Submit `work` for each portion (or each row of several lists of portions); returns the futures.

        `shared`: arguments that all tasks take by name; a future is replaced by its result.
        """
        columns = [list(portion) for portion in portions]
        self.n_tasks += len(columns[0])
        futures: list[Future] = self.client.map(work, *columns, pure=False, key=_key(work.__name__), **shared)
        return futures

    def results(
        self, futures: "Sequence[Future]", seen: Callable[[int], None] = no_progress
    ) -> list[Any]:  # Any: what tasks return
        """The results of some futures, in order; `seen` is called with the row of each result as it arrives.

        Raises what a task raised, and ClusterError if the scheduler is lost, or workers are lost again and again.
        """
        from distributed import as_completed

        rows = {future.key: row for row, future in enumerate(futures)}
        values: list[Any] = [None] * len(futures)
        with _cluster_errors():
            loop = self.client.loop  # without it, the loop of the default client, which may be another one
            for future, value in as_completed(futures, loop=loop, with_results=True, raise_errors=True):
                values[rows[future.key]] = value
                seen(rows[future.key])
        return values

    def run_ordered(self, work: Callable[..., R], portions: Iterable[T], *shared: object) -> Iterator[R]:
        """Yield `work(portion, *shared)` for each portion, in order; a few tasks per thread are queued."""
        waiting: deque[Future] = deque()
        most = 2 * self.n_threads
        for portion in portions:
            waiting.append(self.submit(work, portion, *shared))
            if len(waiting) >= most:
                yield self._result(waiting.popleft())
        while waiting:
            yield self._result(waiting.popleft())

    def pipeline(
        self,
        work: Callable[..., object],
        summarise: Callable[..., object],
        portions: Iterable[object],
        *shared: object,
        **options: object,
    ) -> "Iterator[tuple[Any, Future]]":  # Any: what `summarise` returns
        """``summarise(work(portion, *shared, **options))`` for each portion, in order, and the future of `work` itself.

        The results of `work` stay on the workers as long as their futures are referenced; a few tasks are queued.
        """
        waiting: deque[tuple[Future, Future]] = deque()
        most = 2 * self.n_threads
        for portion in portions:
            done = self.submit(work, portion, *shared, **options)
            waiting.append((done, self.submit(summarise, done)))
            if len(waiting) >= most:
                future, summary = waiting.popleft()
                yield self._result(summary), future
        while waiting:
            future, summary = waiting.popleft()
            yield self._result(summary), future

    def submit(self, work: Callable[..., object], *arguments: object, **options: object) -> "Future":
        """One task."""
        self.n_tasks += 1
        return self.client.submit(work, *arguments, pure=False, key=_key(work.__name__), **options)

    def _result(self, future: "Future") -> Any:  # Any: what the task returns
        with _cluster_errors():
            return future.result()

    @property
    def n_threads(self) -> int:
        """The number of tasks that the cluster can run at once; it decides how many are queued, never what they are."""
        return max(sum(map(int, self.client.nthreads().values())), 1)


def _key(name: str) -> str:
    """A unique key of a task; Dask's dashboard shows its beginning as the name of the work."""
    return f"segdata-{name.strip('_')}-{unique_token()}"


@contextmanager
def connect(cluster: "Client | str | Cluster") -> Iterator[Cluster]:
    """Connect to a Dask cluster: a `distributed.Client`, or the address of a scheduler, ``tcp://10.0.0.5:8786``.

    A client that the caller opened stays open when the block ends. Tasks are cancelled when
    nothing holds their futures. Raises ClusterError if no scheduler answers, there is no worker, or a worker has no
    segdata or another version of it.
    """
    if isinstance(cluster, Cluster):
        yield cluster
        return
    own = isinstance(cluster, str)
    client = _open_client(cluster) if isinstance(cluster, str) else cluster
    connected = Cluster(client)
    try:
        _check_workers(client)
        yield connected
    finally:
        if own:
            with suppress(Exception):  # the work is done: a lost connection is no error now
                client.close(timeout=5)


def _open_client(address: str) -> "Client":
    distributed = import_extra("distributed", "dask", "Dask's distributed")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # each error becomes one of ours
    scheme, _, rest = address.rpartition("://")
    if ":" not in rest or scheme not in ("", "tcp", "tls", "ucx", "ws", "wss"):
        raise ClusterError(
            f"--scheduler {address}: an address looks like tcp://10.0.0.5:8786; `dask scheduler` prints its own"
        )
    try:
        client: Client = distributed.Client(address, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"{address}: no Dask scheduler answers; start one with `dask scheduler`, and check the address and port "
            "and that this machine may reach it"
        ) from error
    return client


def _check_workers(client: "Client") -> None:
    """Raise ClusterError if there is no worker, or a worker with another version of segdata."""
    where = client.scheduler.address if client.scheduler is not None else "the cluster"
    try:
        client.wait_for_workers(1, timeout=_SECONDS_FOR_WORKERS)
    except OSError as error:
        raise ClusterError(f"{where}: the cluster has no workers; {_START_WORKER.replace('ADDRESS', where)}") from error
    with _cluster_errors():
        versions = client.run(eval, _VERSION, on_error="return")
    for worker, version in sorted(versions.items()):
        if isinstance(version, ModuleNotFoundError):
            raise ClusterError(
                f"worker {worker}: segdata is not installed there; install it in the environment of the workers: "
                f"pip install 'segdata[dask]=={segdata.__version__}'"
            )
        if version != segdata.__version__:
            raise _version_error(str(worker), str(version))


def _version_error(worker: str, version: str) -> ClusterError:
    return ClusterError(
        f"worker {worker}: has segdata {version}, this program is {segdata.__version__}, and their results may differ; "
        f"install the same version: pip install 'segdata[dask]=={segdata.__version__}'"
    )


@contextmanager
def _cluster_errors() -> Iterator[None]:
    """Turn errors of Dask into ClusterErrors that say what to do."""
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    try:
        yield
    except KilledWorker as error:
        raise ClusterError(
            f"{count_noun(error.allowed_failures + 1, 'worker')} died one after the other at the same portion "
            f"({str(error.task)[:60]}), perhaps for lack of memory: give workers more (`dask worker --memory-limit`) "
            "or fewer threads (`--nthreads 1`)"
        ) from error
    except (CommClosedError, asyncio.CancelledError, TimeoutError) as error:
        raise ClusterError(
            f"the connection to the scheduler was lost ({type(error).__name__}); run it again"
        ) from error


@dataclass(frozen=True, slots=True)
class RemoteDataset:
    """The description of a dataset that workers open."""

    open: Callable[[], OpenDataset]  # opens it again
    fingerprint: str  # of its image ids
    # an image file that is there; a worker that lacks it would report missing files that are not
    sample_file: str | None
    folder: str | None  # the folder that paths of image files are relative to here; None: they are not relative
    reader: PortionReader | None = None  # loads portions that were cut; None: the dataset is opened again
    # a name that no other run has: a worker opens the data anew for each, since files may have changed
    run: str = field(default_factory=unique_token)
    version: str = field(default_factory=lambda: segdata.__version__)  # of segdata
    max_pixels: int = field(default_factory=max_pixels)  # of an image that is decoded

    @staticmethod
    def from_dataset(data: OpenDataset) -> "RemoteDataset":
        """Describe an opened dataset so that every worker can open it as a whole.

        Raises SegdataError for a dataset in memory, or one that was altered after it was opened.
        """
        opens = recipe_of(data)
        uri = _first_uri(data)
        path = local_file(uri)
        sample_file = str(path.absolute()) if path is not None and path.is_file() else None
        named = uri or data.profile.files
        is_relative = "://" not in named and not Path(named).is_absolute()
        return RemoteDataset(opens, _fingerprint(data.source), sample_file, f"{Path.cwd()}/" if is_relative else None)

    @staticmethod
    def cut(data: OpenDataset) -> "tuple[RemoteDataset, Callable[[Ints], Portion]]":
        """Describe an opened dataset, and return a function that makes portions, rows of images, for its workers.

        If the format allows it, a worker reads only the parts of files that a portion is in. Raises as `from_dataset`.
        """
        remote = RemoteDataset.from_dataset(data)
        # Paths that are relative here name something else in a worker: those of its own opening are absolute.
        detached = detach(data.source if remote.folder is None else remote.open().source)
        if detached is None or not _can_travel(detached.reader):
            return remote, Portion
        cut = detached.cut
        return replace(remote, reader=detached.reader), lambda rows: Portion(rows, cut(rows))

    def load(self, portion: "Portion") -> Batch:
        """A batch of the source's images, in a worker, with the same paths of image files as here."""
        batch = self.load_local(portion)
        return batch if self.folder is None else replace(batch, images=self.relative(batch.images))

    def load_local(self, portion: "Portion") -> Batch:
        """A batch of the source's images, in a worker, with the paths of image files there."""
        if self.reader is None:
            return self.source().load(portion.rows)
        batch: Batch = self.load_part(portion)
        return batch

    def load_part(self, portion: "Portion") -> Any:  # Any: what the reader gives, a batch or more
        """The content of a portion that was cut, in a worker; raises ClusterError if its files are not there."""
        assert self.reader is not None
        self._prepare_process()
        self._check_sample_file()
        try:
            return self.reader.load(portion.cut)
        except (SegdataError, OSError) as error:
            raise _data_error(error) from error

    def relative(self, images: pa.Table) -> pa.Table:
        """The rows of images with their paths relative to the folder `below`."""
        folder = self.folder
        if folder is None:
            return images
        for name in set(images.column_names) & {"uri", "channels"}:
            images = replace_column(images, name, [_strip_folder(folder, cell) for cell in images[name].to_pylist()])
        return images

    def source(self) -> Source:
        """The opened source, in a worker; the same for all tasks of a process.

        Raises SegdataError if the worker cannot open it, or finds other images.
        """
        self._prepare_process()
        with _LOCK:
            opened = _OPENED.get(self.run)
            if opened is None:
                opened = _OPENED[self.run] = self._open()
                while len(_OPENED) > _MAX_OPEN_SOURCES:
                    _OPENED.popitem(last=False)
            return opened

    def _open(self) -> Source:
        try:
            source = self.open().source
        except (SegdataError, OSError) as error:
            raise _data_error(error) from error
        if _fingerprint(source) != self.fingerprint:
            raise _data_error("other images are listed there than here")
        self._check_sample_file()
        return source

    def _prepare_process(self) -> None:
        _keep_freed_memory()
        set_max_pixels(self.max_pixels)
        Image.MAX_IMAGE_PIXELS = None  # so that Pillow reads headers of large images, which are not decoded
        if self.version != segdata.__version__:
            raise _version_error(_worker_name(), segdata.__version__)

    def _check_sample_file(self) -> None:
        if self.sample_file is not None and not Path(self.sample_file).is_file():
            raise _data_error(f"{self.sample_file} is not there")


def _can_travel(reader: PortionReader) -> bool:
    """Whether a reader can be pickled; a reader that holds open files or locks cannot."""
    import cloudpickle  # Dask brings it

    try:
        cloudpickle.dumps(reader)
    except (TypeError, AttributeError, pickle.PicklingError):
        return False
    return True


@cache
def _keep_freed_memory() -> None:
    """Call `keep_freed_memory` once in each worker."""
    keep_freed_memory()


def _data_error(problem: object) -> ClusterError:
    """The error for a worker that does not have the data of this machine."""
    return ClusterError(
        f"worker {_worker_name()}: {problem}; workers need the data at the same path, on a disk that all share, or "
        "under a URL such as s3://"
    )


@dataclass(frozen=True, slots=True)
class Portion:
    """Rows of a source's images, and the data with which a worker can load them without opening the source."""

    rows: Ints
    cut: Any = None  # Any: what `Detached.cut` gives


_OPENED: "OrderedDict[str, Source]" = OrderedDict()
_LOCK = threading.Lock()


def _worker_name() -> str:
    from distributed import get_worker

    try:
        return str(get_worker().address)
    except ValueError:  # not in a task
        return "here"


def _fingerprint(source: Source) -> str:
    """A hash of the dataset's name and of the ids of its images, in order."""
    digest = blake2b(source.profile.name.encode("utf-8", "replace"), digest_size=16)
    for image_id in source.image_ids:
        digest.update(f"{image_id}\0".encode("utf-8", "replace"))
    return digest.hexdigest()


def _strip_folder(folder: str, cell: Any) -> Any:  # Any: a path, channels with paths, or None
    """A cell of `uri` or `channels` with its paths relative to `folder`."""
    if isinstance(cell, list):
        return [{**channel, "uri": _strip_folder(folder, channel["uri"])} for channel in cell]
    return cell.removeprefix(folder) if isinstance(cell, str) else cell


def _first_uri(data: OpenDataset) -> str | None:
    """The URI of the first image file among the first images."""
    chunks = data.chunks()
    uris = data.source.load(chunks[0][:_URI_SAMPLE]).images["uri"].to_pylist() if chunks else []
    return next(filter(None, uris), None)


class ImageWork(Protocol[R]):
    """The work of workers; it can be pickled."""

    def __call__(self, maps: LabelMaps, images: Ints, /) -> list[R]:
        """A result for each image: `maps` has their labels, `images` are their rows in the dataset."""


class ImageWorkers(Protocol):
    """What runs work over images elsewhere: workers of a cluster, or processes of this machine."""

    def run(self, work: ImageWork[R], images: Ints) -> Iterator[R]:
        """The result of `work` for each image, in the order of `images`, ascending rows of the dataset."""


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
