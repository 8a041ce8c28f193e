"""`segdata draft`: draft labels for images without annotations."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from segdata.cli.options import OUT, PATH, WORK_DIR, DataOptions, data_options, example, flag, option, parse_pairs
from segdata.cli.output import emit
from segdata.cli.process import FOUND, say, stage_bars
from segdata.core.errors import count_noun
from segdata.core.safe_text import shell_word

if TYPE_CHECKING:
    from segdata.api.draft import DraftResult


@click.command(
    name="draft",
    epilog=example(
        "segdata draft photos drafted --method watershed --category nucleus",
        "segdata draft photos drafted --method kmeans --option regions=3",
    ),
)
@click.argument("data", metavar="IMAGES", type=PATH)
@OUT
@option("--method METHOD", "Method: threshold, watershed, superpixels or kmeans; default: watershed.")
@option(
    "--option NAME=VALUE",
    "Option of the method, such as waist=0.3; an unknown name lists the options.",
    "tuned",
    multiple=True,
)
@option("--predictions FILE", "Use the results of a model, in any readable format, instead of a method.", type=PATH)
@option(
    "--confidence P",
    "With --predictions: make segments with a lower score void; default: 0.5.",
    type=click.FloatRange(0, 1),
)
@flag("--model", "Train a model on the annotated images, and draft the others.")
@option(
    "--precision P",
    "With --model: share of drafted pixels that must be right; the rest becomes void. Default: 0.9.",
    type=click.FloatRange(0, 1, min_open=True),
)
@flag("--quick", "With --model: train for a few minutes only.")
@WORK_DIR(help="With --model: folder for the networks; an interrupted run resumes from it.")
@option("--category NAME", "Category of the segments; default: the only one, else object.")
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
    work_dir: Path | None,
    category: str | None,
    options: DataOptions,
) -> int:
    """Draft labels for IMAGES, for people to correct.

    IMAGES is a folder of image files, or a dataset, of which only images
    without annotations are drafted. OUT is a new canonical dataset; its
    annotations have the source "model" and the stage "drafted".
    """
    if model and predictions is not None:
        raise click.UsageError("give either --model or --predictions")
    _require_mode("--model only", model, {"--precision": precision, "--quick": quick or None, "--work-dir": work_dir})
    _require_mode("--predictions only", predictions is not None, {"--confidence": confidence})
    methods = {"--method": method, "--option": tuned or None, "--category": category}
    _require_mode("neither --model nor --predictions", not model and predictions is None, methods)
    if model:
        return _report_draft(
            _draft_by_model(data, out, 0.9 if precision is None else precision, quick, work_dir, options), out
        )
    confidence = 0.5 if confidence is None else confidence
    with options.working("draft", None) as work:
        if predictions is not None:
            from segdata.api.draft import draft_from

            result = draft_from(options.read(predictions, images=data), out, confidence=confidence, **work)
        else:
            from segdata.api.draft import draft

            taxonomy = options.given.get("taxonomy")
            images = options.read(data) if options.given.keys() - {"taxonomy"} else data
            result = draft(
                images, out, method or "watershed", parse_pairs(tuned), category=category, taxonomy=taxonomy, **work
            )
    return _report_draft(result, out)


def _require_mode(mode: str, is_asked: bool, given: Mapping[str, object]) -> None:
    """Raise UsageError for an option of another way to draft than the chosen one."""
    for name, value in given.items():
        if value is not None and not is_asked:
            raise click.UsageError(f"{name} works with {mode}")


def _draft_by_model(
    data: Path, out: Path, precision: float, quick: bool, work_dir: Path | None, options: DataOptions
) -> "DraftResult":
    """Draft with networks, and show the progress of training and drafting."""
    from segdata.api.draft import draft_by_model, unannotated_images
    from segdata.noise.networks.plan import StageProgress, configured_settings

    dataset = options.read(data)
    n_done, total = 0, len(unannotated_images(dataset))
    with stage_bars() as trained:

        def advance(more: int) -> None:
            nonlocal n_done
            n_done += more
            trained(StageProgress("draft", n_done, total, math.nan))

        given = {"quick": True} if quick else {}
        settings = configured_settings(dataset.config.training, given | {"jobs": options.jobs})
        return draft_by_model(
            dataset,
            out,
            precision=precision,
            work_dir=work_dir,
            settings=settings,
            jobs=options.jobs,
            progress=advance,
            trained=trained,
        )


def _report_draft(result: "DraftResult", out: Path) -> int:
    """Print what was drafted; returns the exit code."""
    written = result.written
    emit(f"drafted {count_noun(written.n_segments, 'segment')} on {count_noun(written.n_images, 'image')}: {out}")
    for remark in result.remarks:
        emit(remark)
    for defect in written.defects[:10]:
        say(f"{defect.code} {defect.image}: {defect.message}")
    emit(f"to look at them: segdata browse {shell_word(out)}")
    return FOUND if written.n_errors else 0
