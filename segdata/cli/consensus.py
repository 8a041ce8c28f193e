"""`segdata consensus`: one annotation of each image from those of several annotators."""

from pathlib import Path
from typing import Any

import click

from segdata.cli.agreement import parse_named_dataset
from segdata.cli.options import (
    CONFIDENCE,
    COPY_IMAGES,
    PAIR,
    RESAMPLES,
    SEED,
    TAXONOMY_MAP,
    DataOptions,
    data_options,
    example,
    report_options,
)
from segdata.cli.process import FOUND, say


@click.command(
    name="consensus",
    epilog=example(
        "segdata consensus anna=anna.json ben=ben.json carl=masks/ agreed",
        "segdata consensus labels/ agreed --method staple --undecided list",
        "segdata consensus labels/ agreed --min-support 0.66 --format json",
    ),
)
@click.argument("data", nargs=-1, required=True, metavar="[NAME=]DATA...")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--method",
    type=click.Choice(("auto", "majority", "staple", "instances")),
    default="auto",
    help="How to combine annotations; default: auto, which is instances for instance data, else majority.",
)
@click.option(
    "--undecided",
    type=click.Choice(("void", "list")),
    default="void",
    help="Make regions without a consensus void, or list them to be settled; default: void.",
)
@click.option(
    "--min-support",
    metavar="SHARE",
    type=click.FloatRange(0.5, 1, max_open=True),
    default=0.5,
    help="A label needs more than this share of the annotators; default: 0.5.",
)
@click.option(
    "--leave-one-out/--no-leave-one-out",
    default=True,
    help="Compare each annotator with the consensus of the others; on by default.",
)
@PAIR
@TAXONOMY_MAP
@CONFIDENCE
@RESAMPLES
@SEED
@COPY_IMAGES
@report_options("text", "json")
@data_options
def command(
    data: tuple[str, ...], out: Path, report: str, output: Path | None, options: DataOptions, **given: Any
) -> int:  # Any: as `consensus` takes them
    """Combine several annotations of each image into one dataset, OUT.

    DATA is one dataset whose annotations name their annotators, or several
    datasets of the same images, in any formats; NAME= names the annotator of
    a dataset. The options for reading apply to all of them.

    OUT is a canonical dataset with one annotation of each image that at least
    two people annotated. Regions without a consensus become void, or are
    listed in OUT/undecided.csv (and .json) with each annotator's label. Each
    annotator is then compared with the consensus of the others.

    Exits with 1 if something could not be read.
    """
    from segdata.api.consensus import consensus
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.core.errors import count_noun
    from segdata.report.consensus import consensus_json, consensus_text

    members = [parse_named_dataset(text) for text in data]
    protect_inputs(output, [path for _, path in members] + options.inputs())
    datasets = [(name, options.read(path)) for name, path in members]
    with options.working("consensus", max(len(dataset) for _, dataset in datasets)) as work:
        result = consensus(datasets, out, **given, **work)
    emit(consensus_json(result) if report == "json" else consensus_text(result, make_console(output)), output)
    if output is not None:
        say(f"consensus of {count_noun(len(result.annotators), 'annotator')} in {out}, see {output}")
    return FOUND if result.n_errors else 0
