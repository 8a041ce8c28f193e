"""Commands that compare labels of the same images: of annotators, with a gold standard, before and after a review.

They are `agreement`, `consensus`, `evaluate`, `acceptance`, `rework` and `scorecard`.
"""

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segdata.cli.options import (
    CONFIDENCE,
    COPY_IMAGES,
    GROUP_BY,
    OUT,
    PAIR,
    PATH,
    POSITIVE,
    RESAMPLES,
    SCHEDULER,
    SEED,
    TAXONOMY_MAP,
    TOLERANCE,
    TOLERANCE_MM,
    DataOptions,
    F,
    add_options,
    data_options,
    example,
    flag,
    option,
    report_options,
    rule_options,
    split_codes,
)
from segdata.cli.output import emit, make_console, place_name, protect_inputs
from segdata.cli.process import FOUND, say
from segdata.core.errors import SegdataError, count_noun
from segdata.core.safe_text import shell_word
from segdata.core.validation import FailOn
from segdata.report.console import Console

if TYPE_CHECKING:
    from segdata.api.agreement import AgreementResult
    from segdata.api.evaluate import DeliveryQuality
    from segdata.core.dataset import OpenDataset


NAMED_DATA = click.argument("data", nargs=-1, required=True, metavar="[NAME=]DATA...")


def parse_named_dataset(text: str) -> tuple[str | None, Path]:
    """NAME=DATA, or DATA; an existing path is DATA, whatever it contains; raises SegdataError if it is neither."""
    name, mark, path = text.partition("=")
    if not mark or Path(text).exists():
        return None, Path(text)
    if not re.search(r"\S", name) or not path:
        raise SegdataError(f"{text!r} is neither an existing dataset nor NAME=DATA")
    return name.strip(), Path(path)


def _open_named(
    data: tuple[str, ...], options: DataOptions, *outputs: Path | None
) -> list[tuple[str | None, "OpenDataset"]]:
    """The datasets of `NAMED_DATA`, opened; raises SegdataError if an output would replace one of them."""
    members = [parse_named_dataset(text) for text in data]
    for output in outputs:
        protect_inputs(output, options.inputs(*(path for _, path in members)))
    return [(name, options.read(path)) for name, path in members]


def _most_images(datasets: list[tuple[str | None, "OpenDataset"]]) -> int:
    """The number of images of the largest dataset."""
    return max(len(dataset) for _, dataset in datasets)


@click.command(
    name="agreement",
    epilog=example(
        "segdata agreement anna=labels_anna.json ben=labels_ben.json",
        "segdata agreement labels/ --gold expert --format html -o agreement.html",
        "segdata agreement anna=first/ anna=second/ ben=masks/ --group-by site",
    ),
)
@NAMED_DATA
@option("--gold NAME", "Annotator that is the reference for all others.")
@GROUP_BY
@option(
    "--plan WIDTH",
    "Plan how many images to label twice for intervals of ± WIDTH, such as 0.02.",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
)
@flag("--contrasts", "Also test who agrees better with the reference, or which pairs agree better.")
@option(
    "--model NAME", "Name of a model; report how many of its labels annotators kept unchanged.", "models", multiple=True
)
@PAIR
@TAXONOMY_MAP
@TOLERANCE
@TOLERANCE_MM
@CONFIDENCE
@RESAMPLES
@SEED
@option(
    "--cvat-report [JOB=]FILE",
    "Quality report of CVAT (JSON), to compare with figures of the same frames; needs --gold.",
    "cvat_reports",
    multiple=True,
)
@flag("--anonymise", "Replace annotator names with A, B, C in the report.")
@rule_options
@report_options("text", "json", "html", "csv")
@SCHEDULER
@data_options
def agreement_command(
    data: tuple[str, ...],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: FailOn,
    report: str,
    output: Path | None,
    scheduler: str | None,
    options: DataOptions,
    cvat_reports: tuple[str, ...],
    **given: Any,  # Any: as `agree` takes them
) -> int:
    """Measure how much annotators agree, where, and who differs.

    DATA is one dataset whose annotations name their annotators, or several
    datasets of the same images, in any formats. NAME= names the annotator of
    a dataset; a name given twice is a second pass over the same images. The
    options for reading apply to all of them.

    Exits with 1 if an annotator is below the bar of the gold standard, or for
    any finding at or above --fail-on.
    """
    from segdata.api.agreement import agree

    sheets = _sheet_paths(report, output)
    reports = [parse_named_dataset(text) for text in cvat_reports]
    for written in (output, *sheets):
        protect_inputs(written, [path for _, path in reports])
    datasets = _open_named(data, options, output, *sheets)
    with options.working("agreement", _most_images(datasets)) as work:
        result = agree(
            datasets,
            select=split_codes(select),
            ignore=split_codes(ignore),
            cvat_reports=reports,
            client=scheduler,
            **given,
            **work,
        )
    typed = ["agreement", *map(shell_word, data), *options.words]
    beside = [path.name for path in sheets]
    emit(_report(report, result, typed, make_console(output), fail_on, options.jobs, beside), output)
    if sheets:
        from segdata.report.agreement.html import annotators_csv, images_csv

        tables = result.run.tables
        assert tables.annotator_pairs is not None
        emit(images_csv(result, tables.annotator_pairs), sheets[0])
        emit(annotators_csv(result, tables), sheets[1])
    if result.run.decided:
        decided = count_noun(result.run.decided, "finding")
        say(f"{decided} decided by reviewers left out; --include-reviewed includes them")
    if output is not None:
        tables_too = f", with {' and '.join(beside)} beside it" if beside else ""
        say(f"agreement of {count_noun(len(result.annotators), 'annotator')}, see {place_name(output)}{tables_too}")
    return FOUND if result.fails(fail_on) else 0


def _sheet_paths(form: str, output: Path | None) -> tuple[Path, ...]:
    """The spreadsheets that are written beside a page; none without a page, or where it goes to a device or a pipe."""
    if form != "html" or output is None or (output.exists() and not output.is_file()):
        return ()
    from segdata.report.agreement.html import spreadsheet_paths

    return spreadsheet_paths(output)


def _report(
    form: str,
    result: "AgreementResult",
    typed: list[str],
    paper: Console,
    fail_on: FailOn,
    jobs: int,
    beside: list[str],
) -> str:
    """The report in the format that `--format` names."""
    if form == "json":
        return result.to_json()
    if form == "html":
        return result.to_html(jobs=jobs, typed=typed, fail_on=fail_on, beside=beside)
    if form == "csv":
        from segdata.report.agreement.text import agreement_csv

        return agreement_csv(result)
    from segdata.report.agreement.text import agreement_text

    return agreement_text(result, result.run.tables, typed, paper, fail_on)


@click.command(
    name="consensus",
    epilog=example(
        "segdata consensus anna=anna.json ben=ben.json carl=masks/ agreed",
        "segdata consensus labels/ agreed --method staple --undecided list",
        "segdata consensus labels/ agreed --min-support 0.66 --format json",
    ),
)
@NAMED_DATA
@OUT
@option(
    "--method",
    "How to combine annotations; default: auto, which is instances for instance data, else majority.",
    type=click.Choice(("auto", "majority", "staple", "instances")),
    default="auto",
)
@option(
    "--undecided",
    "Make regions without a consensus void, or list them to be settled",
    type=click.Choice(("void", "list")),
    default="void",
)
@option(
    "--min-support SHARE",
    "A label needs more than this share of the annotators",
    type=click.FloatRange(0.5, 1, max_open=True),
    default=0.5,
)
@option(
    "--leave-one-out/--no-leave-one-out",
    "Compare each annotator with the consensus of the others; on by default.",
    default=True,
)
@PAIR
@TAXONOMY_MAP
@CONFIDENCE
@RESAMPLES
@SEED
@COPY_IMAGES
@report_options("text", "json")
@data_options
def consensus_command(
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
    from segdata.api.agreement import consensus
    from segdata.report.quality import consensus_json, consensus_text

    datasets = _open_named(data, options, output)
    with options.working("consensus", _most_images(datasets)) as work:
        result = consensus(datasets, out, **given, **work)
    text = consensus_json(result) if report == "json" else consensus_text(result, make_console(output))
    emit(text, output, f"consensus of {count_noun(len(result.annotators), 'annotator')} in {out}")
    return FOUND if result.n_errors else 0


@click.command(
    name="evaluate",
    epilog=example(
        "segdata evaluate results.json --gold instances_val.json",
        "segdata evaluate old=model_1/ new=model_2/ --gold masks/ --format json",
    ),
)
@click.argument("predictions", nargs=-1, required=True, metavar="[NAME=]PREDICTIONS...")
@option("--gold GOLD", "Reference: a dataset with trusted labels.", type=PATH, required=True)
@PAIR
@TAXONOMY_MAP
@CONFIDENCE
@RESAMPLES
@SEED
@report_options("text", "json", "csv")
@data_options
def evaluate_command(
    predictions: tuple[str, ...], gold: Path, report: str, output: Path | None, options: DataOptions, **given: Any
) -> int:  # Any: as `evaluate` takes them
    """Evaluate models against a reference: mIoU, Dice, PQ, mask AP.

    PREDICTIONS have any format; GOLD supplies the images and categories of a
    list of COCO results. PQ is computed as in panopticapi, AP as in
    pycocotools. The options for reading apply to GOLD and PREDICTIONS.
    """
    from segdata.api.evaluate import evaluate
    from segdata.report.quality import evaluation_csv, evaluation_json, evaluation_text

    members = [parse_named_dataset(text) for text in predictions]
    protect_inputs(output, options.inputs(gold, *(path for _, path in members)))
    reference = options.read(gold)
    with options.working("evaluate", len(reference)) as work:
        result = evaluate(members, reference, **given, **work, **options.given)
    if report == "text":
        emit(evaluation_text(result, make_console(output)), output)
    else:
        emit(evaluation_json(result) if report == "json" else evaluation_csv(result), output)
    return 0


_SHARE = click.FloatRange(0, 1)
_RISK = click.FloatRange(0, 1, min_open=True, max_open=True)
_QUALITY = (
    option("--lot N", "Number of images in the delivery.", type=click.IntRange(min=1)),
    option("--aql SHARE", "Acceptable share of defective images", type=_SHARE, default=0.01),
    option("--limit SHARE", "Unacceptable share of defective images", type=_SHARE, default=0.05),
    option("--producer-risk RISK", "Risk of rejecting a good delivery", type=_RISK, default=0.05),
    option("--consumer-risk RISK", "Risk of accepting a bad delivery", type=_RISK, default=0.1),
)


def quality_options(command: F) -> F:
    """Add the options that define an acceptable delivery, and pass them on as `lot` and one `quality`."""

    @functools.wraps(command)
    def wrapper(
        aql: float, limit: float, producer_risk: float, consumer_risk: float, **rest: Any
    ) -> object:  # Any: click's own
        from segdata.api.evaluate import DeliveryQuality

        return command(quality=DeliveryQuality(aql, limit, producer_risk, consumer_risk), **rest)

    return add_options(*_QUALITY)(wrapper)  # type: ignore[return-value]  # click calls it by keyword


@click.group(
    name="acceptance",
    epilog=example("segdata acceptance plan --lot 5000", "segdata acceptance judge delivery/ --gold gold/ --bar 0.8"),
)
def acceptance_command() -> None:
    """Accept or reject a delivery by the gold images hidden in it."""


@acceptance_command.command(name="plan", epilog=example("segdata acceptance plan --lot 5000 --aql 0.01 --limit 0.05"))
@quality_options
@report_options("text", "json")
def plan(lot: int | None, quality: "DeliveryQuality", report: str, output: Path | None) -> int:
    """Plan how many images to inspect, and how many may be defective.

    The plan is the smallest sample that keeps both risks. Its operating curve
    shows how often a delivery is accepted for each share of defective images,
    and how many defects remain if rejected deliveries are corrected.
    """
    from segdata.report.quality import plan_json, plan_text

    result = quality.plan(lot)
    emit(plan_json(result, quality) if report == "json" else plan_text(result, quality, make_console(output)), output)
    return 0


@acceptance_command.command(
    name="judge",
    epilog=example(
        "segdata acceptance judge delivery/ --gold gold/ --bar 0.8",
        "segdata acceptance judge work.json --gold gold.json --pair content",
    ),
)
@click.argument("delivery", type=PATH)
@option("--gold GOLD", "Gold standard: a dataset with trusted labels.", type=PATH, required=True)
@quality_options
@option("--metric NAME", "Metric, such as dice or a plugin's; default: the one in segdata.yaml, else iou.")
@option("--bar VALUE", "Score that each image must reach.", type=click.FloatRange(min=0))
@TOLERANCE
@TOLERANCE_MM
@option(
    "--pair",
    "Find gold images in the delivery by this; default: by id, or else by equal image files.",
    "pair_by",
    type=click.Choice(("id", "stem", "name", "varying", "content")),
)
@TAXONOMY_MAP
@report_options("text", "json")
@data_options
def judge(
    delivery: Path,
    gold: Path,
    quality: "DeliveryQuality",
    report: str,
    output: Path | None,
    options: DataOptions,
    **given: Any,  # Any: as `acceptance` takes them
) -> int:
    """Accept or reject DELIVERY by the images of GOLD that are in it.

    An image is defective if its labels score below the bar, over all
    categories (--bar, or `gold:` in segdata.yaml) or in one of them. The gold
    images must be a random sample of all tasks, and the annotators must not
    know which they are.

    Exits with 1 if the delivery is rejected.
    """
    from segdata.api.evaluate import acceptance
    from segdata.report.quality import inspection_json, inspection_text

    protect_inputs(output, options.inputs(delivery, gold))
    datasets = options.read(delivery), options.read(gold)
    with options.working("acceptance", len(datasets[1])) as work:
        result = acceptance(*datasets, quality=quality, **given, **work)
    emit(
        inspection_json(result) if report == "json" else inspection_text(result, quality, make_console(output)), output
    )
    return 0 if result.accepted else FOUND


@click.command(
    name="rework",
    epilog=example(
        "segdata rework street@r0001 street@r0002", "segdata rework drawn.json reviewed.json --format csv -o rework.csv"
    ),
)
@click.argument("before", type=PATH)
@click.argument("after", type=PATH)
@option("--tolerance PX", "Ignore boundaries that moved by less; default: 2 px.", type=POSITIVE)
@TOLERANCE_MM
@PAIR
@TAXONOMY_MAP
@CONFIDENCE
@report_options("text", "json", "csv")
@data_options
def rework_command(
    before: Path, after: Path, report: str, output: Path | None, options: DataOptions, **given: Any
) -> int:  # Any: as `rework` takes them
    """Measure how many labels a review changed.

    The report lists, by annotator and category, segments that were deleted,
    added, given another category, or whose boundary moved, the share of
    pixels that changed, and the share of annotations that passed unchanged.
    BEFORE and AFTER are two datasets, or two revisions of one (DATA@r0001).
    The options for reading apply to both.
    """
    from segdata.api.evaluate import rework
    from segdata.report.quality import rework_csv, rework_json, rework_text

    protect_inputs(output, options.inputs(before, after))
    datasets = options.read(before), options.read(after)
    with options.working("rework", len(datasets[0])) as work:
        result = rework(*datasets, **given, **work)
    if report == "text":
        emit(rework_text(result, make_console(output)), output)
    else:
        emit(rework_json(result) if report == "json" else rework_csv(result), output)
    return 0


@click.command(
    name="scorecard",
    epilog=example(
        "segdata scorecard street --gold expert --format csv -o scorecard.csv",
        "segdata scorecard street@r0002 --before street@r0001",
    ),
)
@NAMED_DATA
@option("--gold NAME", "Reference; default: the one in segdata.yaml, else the other annotators.")
@option("--before DATA", "The same labels before review, to measure how many passed unchanged.", type=PATH)
@option("--metric NAME", "Metric of the scores, such as dice, pq or nsd, or a plugin's", default="iou")
@option("--worst N", "Worst examples per annotator", type=click.IntRange(min=0), default=3)
@TOLERANCE
@TOLERANCE_MM
@PAIR
@TAXONOMY_MAP
@report_options("text", "html", "json", "csv")
@data_options
def scorecard_command(
    data: tuple[str, ...], before: Path | None, report: str, output: Path | None, options: DataOptions, **given: Any
) -> int:  # Any: as `scorecard` takes them
    """Report each annotator's quantity, quality, speed and trend.

    The scorecard has images and segments, seconds of work, the share that
    passed review unchanged, the score against the reference or the other
    annotators, its monthly trend adjusted for the mix of images, and the
    worst examples with the guideline. DATA is as for `segdata agreement`.
    """
    from segdata.api.evaluate import scorecard
    from segdata.report.scorecard import scorecard_csv, scorecard_text

    if before is not None:
        protect_inputs(output, [before])
    datasets = _open_named(data, options, output)
    with options.working("scorecard", _most_images(datasets)) as work:
        result = scorecard(datasets, before=None if before is None else options.read(before), **given, **work)
    if report == "text":
        text = scorecard_text(result, make_console(output))
    elif report == "html":
        typed = ["scorecard", *map(shell_word, data), *options.words]
        text = result.to_html(jobs=options.jobs, typed=typed)
    else:
        text = result.to_json() if report == "json" else scorecard_csv(result)
    emit(text, output)
    return 0
