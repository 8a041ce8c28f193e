"""Memo: results that are kept while a dataset is opened, during which its files are taken not to change."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_results: ContextVar[dict[Hashable, Any] | None] = ContextVar("results", default=None)


@contextmanager
def keep_results() -> Iterator[None]:
    """Keep the results of functions that `memoize` wraps while the block runs, in this thread and in nested blocks."""
    if _results.get() is not None:
        yield
        return
    token = _results.set({})
    try:
        yield
    finally:
        _results.reset(token)


def memoize(function: Callable[P, T]) -> Callable[P, T]:
    """Call a function once for the same arguments within `keep_results`, else each time.

    Arguments are hashable, and nobody changes the result. Errors are not kept.

    >>> calls = []
    >>> listed = memoize(lambda folder: calls.append(folder) or len(calls))
    >>> with keep_results():
    ...     first = listed("a"), listed("a"), listed("b")
    >>> first, listed("a")
    ((1, 1, 2), 3)
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        results = _results.get()
        if results is None:
            return function(*args, **kwargs)
        key = (function, args, tuple(sorted(kwargs.items())))
        if key not in results:
            results[key] = function(*args, **kwargs)
        result: T = results[key]
        return result

    return call
