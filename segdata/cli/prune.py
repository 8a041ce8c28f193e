"""`segdata prune`: old revisions deleted."""

from pathlib import Path

import click

from segdata.cli.options import DATA, example


@click.command(name="prune", epilog=example("segdata prune street --keep 3 --dry-run", "segdata prune street --keep 3"))
@DATA
@click.option(
    "--keep", metavar="N", type=click.IntRange(min=1), default=1, help="The last N revisions stay; default: 1."
)
@click.option("--dry-run", is_flag=True, help="Delete nothing; say what would go.")
def command(data: Path, keep: int, dry_run: bool) -> None:
    """Delete old revisions of a canonical dataset for good.

    The current revision always stays. Folders that a crash left go too.
    """
    from segdata.api.history import prune
    from segdata.cli.output import emit, paper
    from segdata.core.errors import count_noun
    from segdata.report.history import bytes_

    found = prune(data, keep, dry_run=dry_run)
    if not found.revisions and not found.unfinished:
        emit("nothing to delete")
        return
    what = [f"{count_noun(len(found.revisions), 'revision')} ({', '.join(found.revisions)})"] if found.revisions else []
    what += [f"{', '.join(found.unfinished)}, never finished"] if found.unfinished else []
    does = "would delete" if dry_run else "deleted"
    emit("\n".join(paper().wrap(f"{does} {' and '.join(what)}: {bytes_(found.size)}")))
