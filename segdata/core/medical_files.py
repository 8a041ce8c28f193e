"""Medical images: a slice of a volume (NIfTI through nibabel, NRRD, MetaImage), and a DICOM image through pydicom."""

import logging
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import import_extra
from segdata.core.nrrd_files import is_text_volume, read_text_slice
from segdata.core.pixel_limit import check_pixels

_NIFTI_DAMAGE = (AttributeError, EOFError, KeyError, NotImplementedError, TypeError, ValueError, zlib.error)
ChannelArray = NDArray[np.generic]


def import_package(module: str) -> Any:  # Any: packages with and without types
    """A module of the extra `medical`; raises SegdataError that says how to install it."""
    return import_extra(module, "medical")


def read_volume_slice(path: Path, k: int) -> ChannelArray:
    """(channels, rows, columns) of slice k of a volume, whose first two axes are columns and rows.

    Steps in time are channels. Raises OSError with the reason where the file has no such slice or is damaged.
    """
    if is_text_volume(path.name):
        return _text_slice(path, k)
    nibabel = import_package("nibabel")
    if not path.is_file():
        raise FileNotFoundError(2, "No such file or directory", str(path))
    try:
        image = nibabel.load(path)
        columns, rows, n_slices = (*image.shape, 1, 1)[:3]
        if not 0 <= k < n_slices:
            raise OSError(f"has {n_slices:,} slices, there is no slice {k}")
        check_pixels(columns, rows * int(np.prod(image.shape[3:], dtype=object)))
        pixels = np.asarray(image.dataobj[:, :, k] if image.ndim > 2 else image.dataobj)
    except (*_NIFTI_DAMAGE, nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError) as error:
        raise OSError(f"damaged: {error}") from error
    if pixels.dtype.kind not in "iufb":
        raise OSError(f"has voxels of type {pixels.dtype}, which are not numbers")
    layers = pixels.reshape(columns, rows, -1).transpose(2, 1, 0)
    return np.ascontiguousarray(layers.astype(layers.dtype.newbyteorder("="), copy=False))


def _text_slice(path: Path, k: int) -> ChannelArray:
    header, data = read_text_slice(path, k)
    columns, rows = (*header.shape, 1)[:2]
    layers = np.frombuffer(data, header.dtype).reshape(-1, rows, columns, header.n_layers)[0].transpose(2, 0, 1)
    return np.ascontiguousarray(layers.astype(layers.dtype.newbyteorder("="), copy=False))


_DICOM = b"DICM"  # behind 128 bytes
_DICOM_DAMAGE = (
    AttributeError,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
    zlib.error,
)
_WARNINGS: ContextVar[list[str] | None] = ContextVar("messages", default=None)


class _Leniency(msgspec.Struct):
    """Who is reading now: pydicom's settings are those of the whole process, and the last to leave puts them back."""

    lock: Lock = msgspec.field(default_factory=Lock)
    readers: int = 0
    restored: ExitStack = msgspec.field(default_factory=ExitStack)


_LENIENCY = _Leniency()


class _LogFilter(logging.Filter):
    """Collects log records while a block collects them, and keeps these from the terminal."""

    def filter(self, record: logging.LogRecord) -> bool:
        messages = _WARNINGS.get()
        if messages is not None:
            messages.append(record.getMessage())
        return messages is None


def is_dicom(head: bytes) -> bool:
    """Whether these are the first bytes of a DICOM file."""
    return head[128:132] == _DICOM


@contextmanager
def collect_dicom_warnings() -> Iterator[list[str]]:
    """What pydicom remarks in this thread while the block runs, each remark once; nothing of it reaches the terminal.

    Values that break rules of the standard which do not matter here are read. Raises SegdataError that says how to
    get pydicom.
    """
    outer = _WARNINGS.get()
    if outer is not None:
        yield outer
        return
    messages: list[str] = []
    token = _WARNINGS.set(messages)
    _enter_leniency()
    try:
        yield messages
    finally:
        _leave_leniency()
        _WARNINGS.reset(token)
        messages[:] = dict.fromkeys(messages)


def _enter_leniency() -> None:
    with _LENIENCY.lock:
        if _LENIENCY.readers == 0:
            config, logger, log_filter = import_package("pydicom").config, logging.getLogger("pydicom"), _LogFilter()
            mode = config.settings.reading_validation_mode
            _LENIENCY.restored.callback(setattr, config.settings, "reading_validation_mode", mode)
            _LENIENCY.restored.enter_context(warnings.catch_warnings())
            config.settings.reading_validation_mode = config.IGNORE
            logger.addFilter(log_filter)
            _LENIENCY.restored.callback(logger.removeFilter, log_filter)
            show = warnings.showwarning
            warnings.simplefilter("always")
            warnings.showwarning = lambda message, *more, **named: _collect_warning(show, message, *more, **named)
        _LENIENCY.readers += 1


def _leave_leniency() -> None:
    with _LENIENCY.lock:
        _LENIENCY.readers -= 1
        if _LENIENCY.readers == 0:
            _LENIENCY.restored.close()


def _collect_warning(
    show: Any, message: Warning | str, *more: Any, **named: Any
) -> None:  # Any: as the warnings module has it
    messages = _WARNINGS.get()
    if messages is None:
        show(message, *more, **named)
    else:
        messages.append(str(message))


def read_dicom_image(path: Path) -> NDArray[np.generic]:
    """(channels, rows, columns) of a DICOM image of one frame, in its units where it declares them (CT: Hounsfield).

    Raises OSError with the reason where it is damaged, has several frames, or its coding is not known here.
    """
    pydicom, pixels_of = import_package("pydicom"), import_package("pydicom.pixels")
    try:
        with collect_dicom_warnings():
            dataset = pydicom.dcmread(path)
            check_pixels(int(dataset.Columns), int(dataset.Rows))
            if int(dataset.get("NumberOfFrames") or 1) > 1:
                raise OSError(
                    f"has {dataset.get('NumberOfFrames', 1)} frames of {dataset.Columns}x{dataset.Rows} pixels"
                )
            stored = dataset.pixel_array
            pixels: NDArray[Any] = pixels_of.apply_rescale(stored, dataset) if stored.ndim == 2 else stored
    except (*_DICOM_DAMAGE, pydicom.errors.InvalidDicomError) as error:
        raise OSError(f"damaged: {error}") from error
    return np.ascontiguousarray(np.atleast_3d(pixels).transpose(2, 0, 1))
