"""Threads: small matrices are multiplied by one, since several that wait for each other take many times as long."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it numpy's linear algebra takes one thread, where threadpoolctl is installed to tell it so."""
    try:
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:
        yield
        return
    with threadpool_limits(1):
        yield
