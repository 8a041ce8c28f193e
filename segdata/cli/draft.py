"""`segdata draft`: labels by machine for images that nobody annotated."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from segdata.cli.options import DataOptions, data_options, example, parse_pairs
from segdata.cli.process import FOUND, say

if TYPE_CHECKING:
    from segdata.api.draft import DraftResult


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
    help="With --predictions: segments with a lower score become void; default: 0.5.",
)
@click.option("--model", is_flag=True, help="Train on the annotated images of IMAGES, and draft the others.")
@click.option(
    "--precision",
    metavar="P",
    type=click.FloatRange(0, 1, min_open=True),
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
    method: str | None,
    tuned: tuple[str, ...],
    predictions: Path | None,
    confidence: float | None,
    model: bool,
    precision: float | None,
    quick: bool,
    work: Path | None,
    category: str | None,
    opening: DataOptions,
) -> int:
    """Draft labels for IMAGES, for people to correct.

    IMAGES is a folder of image files, or a dataset: then those of its images
    that nobody annotated. OUT is a new canonical dataset, whose annotations
    are from the source "model" and at the stage "drafted".
    """
    from segdata.cli.process import progress_bar

    if model and predictions is not None:
        raise click.UsageError("give either --model or --predictions")
    _require_mode("--model only", model, {"--precision": precision, "--quick": quick or None, "--work": work})
    _require_mode("--predictions only", predictions is not None, {"--confidence": confidence})
    methods = {"--method": method, "--option": tuned or None, "--category": category}
    _require_mode("neither --model nor --predictions", not model and predictions is None, methods)
    if model:
        return _report_draft(
            _draft_by_model(data, out, 0.9 if precision is None else precision, quick, work, opening), out
        )
    jobs, confidence = opening.jobs, 0.5 if confidence is None else confidence
    with progress_bar("draft", None) as done:
        if predictions is not None:
            from segdata.api.draft import draft_from

            found = draft_from(
                opening.read(predictions, images=data), out, confidence=confidence, jobs=jobs, progress=done
            )
        else:
            from segdata.api.draft import draft

            taxonomy = opening.given.get("taxonomy")
            of = opening.read(data) if opening.given.keys() - {"taxonomy"} else data
            found = draft(
                of,
                out,
                method or "watershed",
                parse_pairs(tuned),
                category=category,
                taxonomy=taxonomy,
                jobs=jobs,
                progress=done,
            )
    return _report_draft(found, out)


def _require_mode(what: str, is_asked: bool, given: Mapping[str, object]) -> None:
    """Raise UsageError for an option that says something of a way to draft that is not asked for."""
    for name, value in given.items():
        if value is not None and not is_asked:
            raise click.UsageError(f"{name} goes with {what}")


def _draft_by_model(
    data: Path, out: Path, precision: float, quick: bool, work: Path | None, opening: DataOptions
) -> "DraftResult":
    """Draft by networks, with a bar for each stage of the training and one for the drafting."""
    from segdata.api.draft import draft_by_model, unannotated
    from segdata.cli.process import stage_bars
    from segdata.noise.networks.settings import Settings, StageProgress

    dataset = opening.read(data)
    n_done, total = 0, len(unannotated(dataset))
    with stage_bars() as trained:

        def done(more: int) -> None:
            nonlocal n_done
            n_done += more
            trained(StageProgress("draft", n_done, total, math.nan))

        settings = Settings(quick=quick, jobs=opening.jobs)
        return draft_by_model(
            dataset,
            out,
            precision=precision,
            work=work,
            settings=settings,
            jobs=opening.jobs,
            progress=done,
            trained=trained,
        )


def _report_draft(found: "DraftResult", out: Path) -> int:
    """Say what was drafted; returns the exit code."""
    written = found.written
    click.echo(f"{written.n_segments:,} segments drafted on {written.n_images:,} images: {out}")
    for remark in found.remarks:
        click.echo(remark)
    for defect in written.defects[:10]:
        say(f"{defect.code} {defect.image}: {defect.message}")
    click.echo(f"Look at them: segdata browse {out}")
    return FOUND if written.n_errors else 0
