"""`segdata history`, `segdata restore` and `segdata prune`: the revisions of a canonical dataset."""

from pathlib import Path

import click

from segdata.cli.options import DATA, example, report_options


@click.command(
    name="history",
    epilog=example("segdata history street", "segdata diff street@r0001 street@r0002", "segdata restore street r0001"),
)
@DATA
@report_options("text", "json")
def history_command(data: Path, report: str, output: Path | None) -> None:
    """List the revisions of a canonical dataset.

    Every change (validate --fix, split, review apply) makes a new revision;
    earlier ones stay until `segdata prune` deletes them. An asterisk marks
    the current one. Wherever a command takes DATA, DATA@r0001 names one of
    its revisions.
    """
    from segdata.api.revisions import history
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.report.edits import history_json, history_text

    protect_inputs(output, [data])
    result = history(data)
    emit(history_json(result) if report == "json" else history_text(result, make_console(output)), output)


@click.command(name="restore", epilog=example("segdata history street", "segdata restore street r0001"))
@DATA
@click.argument("revision")
def restore_command(data: Path, revision: str) -> None:
    """Make an earlier revision the current one again.

    Nothing is deleted: later revisions stay in the history, and you can
    restore them too. The next change makes a revision after the last one.
    """
    from segdata.api.revisions import restore
    from segdata.cli.output import emit

    before = restore(data, revision)
    emit(f"{data} is now at {revision} (before: {before}); to undo: segdata restore {data} {before}")


@click.command(name="prune", epilog=example("segdata prune street --keep 3 --dry-run", "segdata prune street --keep 3"))
@DATA
@click.option(
    "--keep", metavar="N", type=click.IntRange(min=1), default=1, help="Keep the last N revisions; default: 1."
)
@click.option("--dry-run", is_flag=True, help="Only show what would be deleted.")
def prune_command(data: Path, keep: int, dry_run: bool) -> None:
    """Delete old revisions of a canonical dataset for good.

    The current revision always stays. Folders left over from a crash are
    deleted too.
    """
    from segdata.api.revisions import prune
    from segdata.cli.output import emit, make_console
    from segdata.core.errors import count_noun
    from segdata.report.edits import format_bytes

    result = prune(data, keep, dry_run=dry_run)
    if not result.revisions and not result.unfinished:
        emit("nothing to delete")
        return
    what = (
        [f"{count_noun(len(result.revisions), 'revision')} ({', '.join(result.revisions)})"] if result.revisions else []
    )
    what += [f"{', '.join(result.unfinished)}, never finished"] if result.unfinished else []
    does = "would delete" if dry_run else "deleted"
    emit("\n".join(make_console().wrap(f"{does} {' and '.join(what)}: {format_bytes(result.size)}")))
