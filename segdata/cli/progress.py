"""Progress: a bar on stderr, where a person looks at it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from segdata.cli.exits import end_if_asked


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar that counts images up to `total`, and is gone afterwards; call what it gives with how many more are done.

    `total` is None where it is not known before. Where stderr is no terminal nothing is shown.
    """
    if not sys.stderr.isatty():
        yield lambda done: end_if_asked()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)

        def advance(done: int) -> None:
            end_if_asked()
            bar.advance(task, done)

        yield advance
