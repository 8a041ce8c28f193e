"""`segdata info`: what is in a dataset."""

from pathlib import Path

import click

from segdata.cli.options import DATA, GROUP_BY, DataOptions, data_options, example, report_options
from segdata.cli.process import say


@click.command(
    name="info",
    epilog=example(
        "segdata info street/",
        "segdata info street/ --by camera --format html --output street.html",
        "segdata info street/ --weights --channels",
        "segdata info cells/ --objects cells.csv",
    ),
)
@DATA
@click.option("--hash", "with_hash", is_flag=True, help="Also the content hash of the labels, to log with a run.")
@click.option(
    "--raster-rules", is_flag=True, help="Also which polygons have other pixels when other tools' rules draw them."
)
@click.option("--shapes", is_flag=True, help="Also how large, long and wide things are, by category, in px and mm.")
@click.option("--weights", is_flag=True, help="Also weights of the categories, to paste into training.")
@click.option("--channels", is_flag=True, help="Also mean and deviation of the images' channels; decodes all images.")
@click.option(
    "--objects",
    metavar="CSV",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a row for each segment, of class masks for each part: place, length, width, diameter, perimeter.",
)
@GROUP_BY
@report_options("text", "json", "html", "csv")
@data_options
def command(
    data: Path,
    with_hash: bool,
    raster_rules: bool,
    shapes: bool,
    weights: bool,
    channels: bool,
    objects: Path | None,
    by: str | None,
    report: str,
    output: Path | None,
    opening: DataOptions,
) -> None:
    """Count images, segments and pixels, by category and stratum."""
    from segdata.api.info import info
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.report.info import info_csv, info_json, info_text

    protect_inputs(output, opening.inputs(data))
    protect_inputs(objects, opening.inputs(data))
    dataset = opening.read(data)
    summary = info(
        dataset,
        jobs=opening.jobs,
        with_hash=with_hash,
        raster_rules=raster_rules,
        by=by,
        with_channels=channels,
        with_shapes=shapes,
    )
    if objects is not None:
        from segdata.api.info import write_objects

        n = write_objects(dataset, objects, jobs=opening.jobs)
        say(f"{n:,} rows written to {objects}")
    if report == "text":
        emit(info_text(summary, make_console(output), weights), output)
    elif report == "html":
        from segdata.report.html.info import to_html

        emit(to_html(summary), output)
    else:
        emit(info_json(summary) if report == "json" else info_csv(summary), output)
