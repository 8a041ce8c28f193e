"""`segdata restore`: an earlier revision as the current one."""

from pathlib import Path

import click

from segdata.cli.options import DATA, example


@click.command(name="restore", epilog=example("segdata history street", "segdata restore street r0001"))
@DATA
@click.argument("revision")
def command(data: Path, revision: str) -> None:
    """Make an earlier revision the current one again.

    Nothing is deleted: later revisions stay in the history, and can be
    restored too. The next change makes a revision after the last one.
    """
    from segdata.api.history import restore
    from segdata.cli.output import emit

    before = restore(data, revision)
    emit(f"{data} is at {revision} now, it was at {before}; back with: segdata restore {data} {before}")
