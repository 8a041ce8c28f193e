"""DICOM files: an image as an array, through pydicom, whose remarks about a file are heard and not shown."""

import logging
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.core.errors import missing_extra

_MOST = 1 << 30  # pixels of an image
_DICOM = b"DICM"  # behind 128 bytes
_DAMAGE = (AttributeError, EOFError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError, zlib.error)
_HEARD: ContextVar[list[str] | None] = ContextVar("heard", default=None)


@dataclass
class _Leniency:
    """Who is reading now: pydicom's settings are those of the whole process, and the last to leave puts them back."""

    lock: Lock = field(default_factory=Lock)
    readers: int = 0
    restored: ExitStack = field(default_factory=ExitStack)


_LENIENCY = _Leniency()


class _Ear(logging.Filter):
    """Keeps what is logged from the terminal, where somebody listens."""

    def filter(self, record: logging.LogRecord) -> bool:
        heard = _HEARD.get()
        if heard is not None:
            heard.append(record.getMessage())
        return heard is None


def is_dicom(head: bytes) -> bool:
    """Whether these are the first bytes of a DICOM file."""
    return head[128:132] == _DICOM


@contextmanager
def listening() -> Iterator[list[str]]:
    """What pydicom remarks in this thread while the block runs, each remark once; nothing of it reaches the terminal.

    Values that break rules of the standard which do not matter here are read. Raises SegdataError that says how to
    get pydicom.
    """
    outer = _HEARD.get()
    if outer is not None:
        yield outer
        return
    heard: list[str] = []
    token = _HEARD.set(heard)
    _enter()
    try:
        yield heard
    finally:
        _leave()
        _HEARD.reset(token)
        heard[:] = dict.fromkeys(heard)


def _enter() -> None:
    with _LENIENCY.lock:
        if _LENIENCY.readers == 0:
            config, logger, ear = _package("pydicom").config, logging.getLogger("pydicom"), _Ear()
            mode = config.settings.reading_validation_mode
            _LENIENCY.restored.callback(setattr, config.settings, "reading_validation_mode", mode)
            _LENIENCY.restored.enter_context(warnings.catch_warnings())
            config.settings.reading_validation_mode = config.IGNORE
            logger.addFilter(ear)
            _LENIENCY.restored.callback(logger.removeFilter, ear)
            show = warnings.showwarning
            warnings.simplefilter("always")
            warnings.showwarning = lambda message, *more, **named: _hear(show, message, *more, **named)
        _LENIENCY.readers += 1


def _leave() -> None:
    with _LENIENCY.lock:
        _LENIENCY.readers -= 1
        if _LENIENCY.readers == 0:
            _LENIENCY.restored.close()


def _hear(show: Any, message: Warning | str, *more: Any, **named: Any) -> None:  # Any: as the warnings module has it
    heard = _HEARD.get()
    if heard is None:
        show(message, *more, **named)
    else:
        heard.append(str(message))


def dicom_image(path: Path) -> NDArray[np.generic]:
    """(channels, rows, columns) of a DICOM image of one frame, in its units where it says them (CT: Hounsfield).

    Raises OSError with the reason where it is damaged, has several frames, or its coding is not known here.
    """
    pydicom, pixels_of = _package("pydicom"), _package("pydicom.pixels")
    try:
        with listening():
            said = pydicom.dcmread(path)
            if int(said.get("NumberOfFrames") or 1) > 1 or int(said.Rows) * int(said.Columns) > _MOST:
                raise OSError(f"has {said.get('NumberOfFrames', 1)} frames of {said.Columns}x{said.Rows} pixels")
            stored = said.pixel_array
            pixels: NDArray[Any] = pixels_of.apply_rescale(stored, said) if stored.ndim == 2 else stored
    except (*_DAMAGE, pydicom.errors.InvalidDicomError) as error:
        raise OSError(f"damaged: {error}") from error
    return np.ascontiguousarray(np.atleast_3d(pixels).transpose(2, 0, 1))


def _package(name: str) -> Any:  # Any: packages without types
    """The package; raises SegdataError that says how to get it."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise missing_extra(name, "medical", error) from error
