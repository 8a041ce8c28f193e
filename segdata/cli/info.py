"""`segdata info`: images, segments, pixels and categories of a dataset."""

from pathlib import Path
from typing import Any

import click

from segdata.cli.options import DATA, FILE, GROUP_BY, DataOptions, data_options, example, report_options
from segdata.cli.process import say


@click.command(
    name="info",
    epilog=example(
        "segdata info street/",
        "segdata info street/ --group-by camera --format html --output street.html",
        "segdata info street/ --weights --channels",
        "segdata info cells/ --objects cells.csv",
    ),
)
@DATA
@click.option("--hash", is_flag=True, help="Add the content hash of the labels, to log with a training run.")
@click.option(
    "--raster-rules", is_flag=True, help="Add polygons that have other pixels by the raster rules of other tools."
)
@click.option("--shapes", is_flag=True, help="Add the size, length and width of segments by category, in px and mm.")
@click.option("--weights", is_flag=True, help="Add category weights to paste into your training code.")
@click.option("--channels", is_flag=True, help="Add mean and standard deviation of the channels; decodes all images.")
@click.option(
    "--objects",
    metavar="CSV",
    type=FILE,
    help="Write position, length, width, diameter and perimeter of each segment (class masks: of each part) to CSV.",
)
@GROUP_BY
@report_options("text", "json", "html", "csv")
@data_options
def command(
    data: Path,
    weights: bool,
    objects: Path | None,
    report: str,
    output: Path | None,
    options: DataOptions,
    **given: Any,  # Any: as `info` takes them
) -> None:
    """Count images, segments and pixels, by category and stratum."""
    from segdata.api.info import info
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.core.errors import count_noun
    from segdata.report.info import info_csv, info_json, info_text

    protect_inputs(output, options.inputs(data))
    protect_inputs(objects, options.inputs(data))
    dataset = options.read(data)
    summary = info(dataset, jobs=options.jobs, **given)
    if objects is not None:
        from segdata.api.info import write_objects

        n = write_objects(dataset, objects, jobs=options.jobs)
        say(f"{count_noun(n, 'row')} written to {objects}")
    if report == "text":
        emit(info_text(summary, make_console(output), weights), output)
    elif report == "html":
        from segdata.report.info import info_html

        emit(info_html(summary), output)
    else:
        emit(info_json(summary) if report == "json" else info_csv(summary), output)
