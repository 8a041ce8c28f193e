"""Progress: a bar on stderr, where a person looks at it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from segdata.cli.exits import end_if_asked

if TYPE_CHECKING:
    from segdata.noise.networks.plan import TrainingPlan
    from segdata.noise.networks.settings import StageProgress


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


@contextmanager
def stages() -> Iterator[Callable[["StageProgress"], None]]:
    """A bar for each stage of a long run, with the time that is left of it; call what it gives with how far it is.

    Where stderr is no terminal nothing is shown.
    """
    if not sys.stderr.isatty():
        yield lambda stage: end_if_asked()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("begin", total=None, left="")
        seen = ""

        def advance(stage: "StageProgress") -> None:
            nonlocal seen
            end_if_asked()
            if stage.what != seen:
                bar.reset(task, description=stage.what, total=stage.total)
                seen = stage.what
            bar.update(task, completed=stage.done, total=stage.total, left=_left(stage.seconds_left))

        yield advance


def explained(plan: "TrainingPlan") -> None:
    """Each choice of a training with its reason, a line each on stderr; nothing where that is no terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{plan}\n")  # a bar that is shown goes on below


def _left(seconds: float) -> str:
    """How long something still takes, in words; nothing where it is not known.

    >>> _left(7.2), _left(200.0), _left(float("nan"))
    ('7 s left', '3 min 20 s left', '')
    """
    if seconds != seconds:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s left" if minutes else f"{rest} s left"
