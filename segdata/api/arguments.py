"""The arguments of the functions of `segdata`: a wrong name or type is refused before any file is read."""

import functools
import inspect
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, cycle
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeGuard, Union, Unpack, get_args, get_origin

import numpy as np

from segdata.core.config import did_you_mean
from segdata.core.dataset import OpenDataset

_UNIONS = (UnionType, Union)
_SERIES = (Iterable, Sequence)
_GENEROUS: dict[type, Any] = {
    int: Integral,
    float: Real,
    bool: (Integral, np.bool_),
    Path: PathLike,
}  # Any: a type, or several
_WORDS: dict[object, str] = {None: "None", NoneType: "None", OpenDataset: "Dataset"}


@functools.cache
def check_arguments(function: Callable[..., Any], name: str) -> Callable[..., Any]:  # Any: each its own types
    """A function of `segdata` that raises TypeError for an unknown argument, or one of a type that is not annotated.

    The message gives the `name` by which users know the function, the argument, what is allowed, and what was passed.
    What works is not refused: NumPy's numbers are numbers, whatever can be iterated is a sequence, and types that only
    type checkers import (annotations in quotes) are not checked. The values themselves are for the function to check.

    >>> def tile(size: int | tuple[int, int]) -> None: ...
    >>> check_arguments(tile, "Dataset.tile")("8")
    Traceback (most recent call last):
    TypeError: Dataset.tile(): size must be int or (int, int), not '8' (str)
    """
    signature = inspect.signature(function)
    hints = dict(_hints(signature))

    @functools.wraps(function)
    def checked(*arguments: Any, **options: Any) -> Any:  # Any: as above
        for argument, value in chain(zip(signature.parameters, arguments, strict=False), options.items()):
            if argument not in hints:
                hint = did_you_mean(argument, [*hints])
                raise TypeError(f"{name}() got an unexpected keyword argument {argument!r}{hint}")
            if not _fits(value, hints[argument]):
                allowed = _describe(hints[argument])
                passed = f"{reprlib.repr(value)} ({type(value).__name__})"
                raise TypeError(f"{name}(): {argument} must be {allowed}, not {passed}")
        return function(*arguments, **options)

    checked.__module__ = "segdata"  # where it is found by this name, also by pickle
    return checked


def _hints(signature: inspect.Signature) -> Iterator[tuple[str, Any]]:
    """Name and annotation of each parameter, those in ``**options: Unpack[…]`` included."""
    for name, parameter in signature.parameters.items():
        if get_origin(parameter.annotation) is Unpack:
            yield from get_args(parameter.annotation)[0].__annotations__.items()
        elif parameter.annotation is not parameter.empty:
            yield name, parameter.annotation


def _fits(value: object, hint: Any) -> bool:  # Any: an annotation
    """Whether a value may have the annotated type; yes for annotations of other kinds than those below."""
    origin, parts = get_origin(hint) or hint, get_args(hint)
    if origin in _UNIONS:
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return any(isinstance(value, type(part)) for part in parts)
    if origin is None:
        return value is None
    if not isinstance(origin, type) or getattr(origin, "_is_protocol", False):
        return True
    if origin is tuple:
        return _is_listed(value) and len(value) == len(parts) and all(map(_fits, value, parts))
    if origin is Mapping:
        return isinstance(value, Mapping) and all(map(_fits, chain(*value.items()), cycle(parts)))
    if origin in _SERIES:
        elements = value if _is_listed(value) else ()  # what can be iterated once is left to the function
        return _is_iterable(value) and all(_fits(element, parts[0]) for element in elements)
    return isinstance(value, _GENEROUS.get(origin, origin))


def _is_listed(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, (list, tuple))


def _is_iterable(value: object) -> bool:
    """Whether a value is a series of elements: not a text, whose letters nobody means, and not a mapping."""
    return hasattr(value, "__iter__") and not isinstance(value, (str, bytes, Mapping))


def _describe(hint: Any) -> str:  # Any: an annotation
    """An annotation in words: ``int or (int, int)``."""
    origin, parts = get_origin(hint) or hint, get_args(hint)
    if origin in _UNIONS:
        return _join(map(_describe, parts))
    if origin is Literal:
        return _join(map(repr, parts))
    if origin is tuple:
        return f"({', '.join(map(_describe, parts))})"
    if origin is Mapping:
        return "a mapping"
    if origin in _SERIES:
        return f"a list of {_describe(parts[0])}"
    if origin is Callable:
        return "a function"
    return _WORDS.get(origin, getattr(origin, "__name__", str(origin)))


def _join(words: Iterable[str]) -> str:
    """Alternatives, each once: ``str, Path or None``."""
    *others, last = dict.fromkeys(words)
    return f"{', '.join(others)} or {last}" if others else last
