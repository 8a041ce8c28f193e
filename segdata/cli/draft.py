"""`segdata draft`: labels by machine for images that nobody annotated."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from segdata.cli.exits import FOUND, say
from segdata.cli.options import Opening, data_options, example, pairs

if TYPE_CHECKING:
    from segdata.api import Draft


@click.command(
    name="draft",
    epilog=example(
        "segdata draft photos drafted --method watershed --category nucleus",
        "segdata draft photos drafted --method kmeans --option regions=3",
    ),
)
@click.argument("data", metavar="IMAGES", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--method",
    metavar="METHOD",
    default="watershed",
    help="threshold, watershed, superpixels or kmeans; default: watershed.",
)
@click.option(
    "--option",
    "tuned",
    metavar="NAME=VALUE",
    multiple=True,
    help="An option of the method, such as waist=0.3; for one that it has not its options are listed.",
)
@click.option(
    "--predictions",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A model's results, of any format that can be read, in place of a method; IMAGES are its images.",
)
@click.option(
    "--confidence",
    metavar="P",
    type=click.FloatRange(0, 1),
    default=0.5,
    help="With --predictions: segments with a lower score become void; default: 0.5.",
)
@click.option("--model", is_flag=True, help="Train on the annotated images of IMAGES, and draft the others.")
@click.option(
    "--precision",
    metavar="P",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.9,
    help="With --model: how often what is drawn is to be right; the rest is void. Default: 0.9.",
)
@click.option("--quick", is_flag=True, help="With --model: train for minutes only.")
@click.option(
    "--work",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="With --model: a folder for the networks, where a run that was stopped goes on.",
)
@click.option("--category", metavar="NAME", help="What the segments are; default: the only one, else object.")
@data_options
def command(
    data: Path,
    out: Path,
    method: str,
    tuned: tuple[str, ...],
    predictions: Path | None,
    confidence: float,
    model: bool,
    precision: float,
    quick: bool,
    work: Path | None,
    category: str | None,
    opening: Opening,
) -> int:
    """Draft labels for IMAGES, for people to correct.

    IMAGES is a folder of image files, or a dataset: then those of its images
    that nobody annotated. OUT is a new canonical dataset, whose annotations
    are from the source "model" and at the stage "drafted".
    """
    from segdata.cli.progress import progress

    if model and predictions is not None:
        raise click.UsageError("give either --model or --predictions")
    jobs = opening.jobs
    with progress("draft", None) as done:
        if model:
            from segdata.api import draft_by_model
            from segdata.noise.networks.settings import Settings

            settings = Settings(quick=quick, jobs=jobs)
            found = draft_by_model(
                opening.read(data), out, precision=precision, work=work, settings=settings, jobs=jobs, progress=done
            )
        elif predictions is not None:
            from segdata.api import draft_from

            found = draft_from(
                opening.read(predictions, images=data), out, confidence=confidence, jobs=jobs, progress=done
            )
        else:
            from segdata.api import draft

            taxonomy = opening.given.get("taxonomy")
            of = opening.read(data) if opening.given.keys() - {"taxonomy"} else data
            found = draft(of, out, method, pairs(tuned), category=category, taxonomy=taxonomy, jobs=jobs, progress=done)
    return _told(found, out)


def _told(found: "Draft", out: Path) -> int:
    """Say what was drafted; returns the exit code."""
    written = found.written
    click.echo(f"{written.n_segments:,} segments drafted on {written.n_images:,} images: {out}")
    for remark in found.remarks:
        click.echo(remark)
    for defect in written.defects[:10]:
        say(f"{defect.code} {defect.image}: {defect.message}")
    click.echo(f"Look at them: segdata browse {out}")
    return FOUND if written.n_errors else 0
