"""`segdata formats`: what can be read and written."""

from pathlib import Path

import click

from segdata.cli.options import example, report_options


@click.command(name="formats", epilog=example("segdata formats", "segdata formats coco-instances"))
@click.argument("name", required=False)
@report_options("text", "json")
def command(name: str | None, report: str, output: Path | None) -> None:
    """List every format, or show what one of them holds, with its options."""
    from segdata.cli.output import emit, paper
    from segdata.core.format import find_format, formats
    from segdata.report.formats import page, to_json, to_text

    shown = list(formats().values()) if name is None else [find_format(name)]
    if report == "json":
        emit(to_json(shown), output)
    else:
        emit(to_text(shown, paper(output)) if name is None else page(shown[0], paper(output)), output)
