"""`segdata history`: the revisions of a dataset."""

from pathlib import Path

import click

from segdata.cli.options import DATA, example, report_options


@click.command(
    name="history",
    epilog=example("segdata history street", "segdata diff street@r0001 street@r0002", "segdata restore street r0001"),
)
@DATA
@report_options("text", "json")
def command(data: Path, report: str, output: Path | None) -> None:
    """List the revisions of a canonical dataset.

    Every change (validate --fix, split, review apply) makes a new revision;
    the earlier ones stay until `segdata prune` deletes them. The one marked
    with * is current. Wherever a command takes DATA, DATA@r0001 is one of its
    revisions.
    """
    from segdata.api.history import history
    from segdata.cli.output import emit, paper, spare
    from segdata.report.history import to_json, to_text

    spare(output, [data])
    found = history(data)
    emit(to_json(found) if report == "json" else to_text(found, paper(output)), output)
