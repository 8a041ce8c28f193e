"""`segdata consensus`: one annotation made of those of several annotators."""

from pathlib import Path
from typing import Literal

import click

from segdata.cli.agreement import parse_named_dataset
from segdata.cli.options import DataOptions, data_options, example, report_options
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
    help="Default: auto, instances where there are such, else majority.",
)
@click.option(
    "--undecided",
    type=click.Choice(("void", "list")),
    default="void",
    help="Regions without a consensus: void, or a list to settle; default: void.",
)
@click.option(
    "--min-support",
    metavar="SHARE",
    type=click.FloatRange(0.5, 1, max_open=True),
    default=0.5,
    help="A decision takes more than this share of the annotators; default: 0.5.",
)
@click.option(
    "--leave-one-out/--no-leave-one-out",
    default=True,
    help="Hold each annotator against the consensus of the others; default: do.",
)
@click.option(
    "--pair",
    "pair_by",
    type=click.Choice(("id", "stem", "name", "varying", "content")),
    help="How to pair images, as for segdata agreement.",
)
@click.option(
    "--taxonomy-map", metavar="FILE", type=click.Path(path_type=Path), help="Under which names categories are one."
)
@click.option("--confidence", type=click.FloatRange(0.5, 0.999), default=0.95, help="Of intervals; default: 0.95.")
@click.option("--resamples", type=click.IntRange(min=100), default=2000, help="For intervals; default: 2000.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the resamples; default: 0.")
@click.option("--copy-images", is_flag=True, help="Copy the image files too. Else OUT refers to them.")
@report_options("text", "json")
@data_options
def command(
    data: tuple[str, ...],
    out: Path,
    method: str,
    undecided: Literal["void", "list"],
    min_support: float,
    leave_one_out: bool,
    pair_by: str | None,
    taxonomy_map: Path | None,
    confidence: float,
    resamples: int,
    seed: int,
    copy_images: bool,
    report: str,
    output: Path | None,
    opening: DataOptions,
) -> int:
    """Write what annotators agree on as a dataset to OUT.

    DATA is one dataset in which annotations name their annotators, or several
    datasets of the same images, of any formats; NAME= says whose work one is.
    What options say about reading holds for all of them.

    OUT is a canonical dataset with one annotation of each image that two or
    more annotated. What they do not agree on is void, or listed in
    OUT/undecided.csv (and .json) with what each of them says. Each annotator
    is then held against the consensus of the others.

    Exits with 1 where something could not be read.
    """
    from segdata.api.consensus import consensus
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.cli.process import progress_bar
    from segdata.report.consensus import to_text
    from segdata.report.consensus_json import to_json

    every = [parse_named_dataset(each) for each in data]
    protect_inputs(output, [path for _, path in every] + opening.inputs())
    opened = [(name, opening.read(path)) for name, path in every]
    with progress_bar("consensus", max(len(each) for _, each in opened)) as done:
        found = consensus(
            opened,
            out,
            method=method,
            undecided=undecided,
            min_support=min_support,
            leave_one_out=leave_one_out,
            pair_by=pair_by,
            taxonomy_map=taxonomy_map,
            confidence=confidence,
            resamples=resamples,
            seed=seed,
            copy_images=copy_images,
            jobs=opening.jobs,
            progress=done,
        )
    emit(to_json(found) if report == "json" else to_text(found, make_console(output)), output)
    if output is not None:
        say(f"consensus of {len(found.annotators)} annotators in {out}, see {output}")
    return FOUND if found.n_errors else 0
