"""Fingerprint: a short text of everything that out-of-fold predictions depend on."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from segdata.core.label_maps import LabelMaps
from segdata.core.uri import local_file
from segdata.noise.networks.settings import Settings


def fingerprint(maps: LabelMaps, settings: Settings, device: str) -> str:
    """32 hexadecimal digits of images, labels, settings, and the kind of device.

    Of the files of images and of weights sizes and times count, of a network of the user's its name.
    """
    digest = hashlib.blake2b(digest_size=16)
    asked = replace(settings, model=None, device="auto", jobs=0, max_memory=None)
    digest.update(repr((maps.image_ids, maps.classes, asked, _name(settings.model), device)).encode())
    for stamp in _stamps(maps, settings):
        digest.update(repr(stamp).encode())
    digest.update(np.stack([maps.height, maps.width]).tobytes())
    for row in range(len(maps)):
        segments = maps.segments(row)
        for array in (segments.classes, segments.crowd, segments.runs.start, segments.runs.length, segments.runs.owner):
            digest.update(array.tobytes())
    return digest.hexdigest()


def _name(model: object) -> str | None:
    return None if model is None else f"{getattr(model, '__module__', '')}:{getattr(model, '__qualname__', model)}"


def _stamps(maps: LabelMaps, settings: Settings) -> Iterator[tuple[str, int, int]]:
    """The URI, size and time of change of each file; -1 for what is not there, or on another machine."""
    uris = [uri for own, uri in zip(maps.channels, maps.uris, strict=True) for uri in (own or (uri or "",))]
    for uri in [*uris, *(() if settings.weights is None else (str(settings.weights),))]:
        path = local_file(uri)
        try:
            told = None if path is None else path.stat()
        except OSError:
            told = None
        yield (uri, -1, -1) if told is None else (uri, told.st_size, told.st_mtime_ns)
