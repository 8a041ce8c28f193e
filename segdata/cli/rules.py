"""`segdata rules`: the catalogue."""

from pathlib import Path

import click

from segdata.cli.options import example, report_options


@click.command(name="rules", epilog=example("segdata rules", "segdata rules --format json"))
@report_options("text", "json")
def command(report: str, output: Path | None) -> None:
    """List every rule with its code, severity and summary."""
    from segdata.cli.output import emit, paper
    from segdata.core.rule import rules
    from segdata.report.catalogue import to_json, to_text

    known = list(rules().values())
    emit(to_json(known) if report == "json" else to_text(known, paper(output)), output)
