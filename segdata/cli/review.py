"""`segdata review`: bring the decisions of reviewers back into the dataset."""

from pathlib import Path

import click

from segdata.cli.options import (
    DATA,
    DRY_RUN,
    FILE,
    PATH,
    DataOptions,
    data_options,
    example,
    flag,
    option,
    report_options,
)
from segdata.cli.output import emit, make_console, protect_inputs
from segdata.cli.process import FOUND, say
from segdata.core.errors import count_noun

_FINDINGS = option(
    "--findings FILE", "JSON report of validate, agreement or flag; may be repeated.", type=FILE, multiple=True
)


@click.group(
    name="review",
    epilog=example(
        "segdata review pull street --source fiftyone",
        "segdata review pull street anna.json ben.json",
        "segdata review apply street",
        "segdata review report street",
    ),
)
def command() -> None:
    """Bring reviewers' decisions on findings back into the dataset.

    Reviewers decide in FiftyOne (`segdata browse`), in the HTML report of
    `segdata validate`, or in CVAT or Label Studio (`review export`). `pull`
    writes their decisions to a log beside the labels; `apply` makes a new
    revision.
    """


@command.command(
    name="pull",
    epilog=example("segdata review pull street --source fiftyone", "segdata review pull street anna.json ben.json"),
)
@DATA
@click.argument("files", nargs=-1, type=PATH)
@option("--source", "Pull decisions from FiftyOne.", type=click.Choice(("fiftyone",)))
@option("--name NAME", "Name of the dataset in FiftyOne; default: the name that `segdata browse` gives it.")
@option("--reviewer NAME", "Reviewer of decisions that name none.")
@flag("--adjudicate", "Mark these decisions as final; they settle disputes.")
@report_options("text", "json")
@data_options
def pull(
    data: Path,
    files: tuple[Path, ...],
    source: str | None,
    name: str | None,
    reviewer: str | None,
    adjudicate: bool,
    report: str,
    output: Path | None,
    options: DataOptions,
) -> None:
    """Add decisions to the dataset's log; existing entries never change.

    FILES are exports of the HTML report, other logs (.jsonl), and tasks that
    CVAT or Label Studio exported after `segdata review export`. The log is
    review.jsonl in the folder of a canonical dataset, else
    NAME.review.jsonl beside the data.
    """
    from segdata.api.review import pull_decisions
    from segdata.report.review import pulled_json, pulled_text
    from segdata.review.decision_log import PullResult

    origins: list[str | Path] = [*([source] if source else []), *files]
    if not origins:
        raise click.UsageError("name files with decisions, or --source fiftyone")
    protect_inputs(output, [*options.inputs(data), *files])
    dataset = options.read(data)
    result: list[PullResult] = []
    try:
        for origin in origins:
            result.append(pull_decisions(dataset, origin, name=name, reviewer=reviewer, adjudicate=adjudicate))
    finally:  # the log keeps what it has, even if the next file cannot be read
        if result:
            emit(pulled_json(result, dataset.profile.files) if report == "json" else pulled_text(result), output)
    for note in (note for pulled in result for note in pulled.notes):
        say(note)


@command.command(
    name="apply", epilog=example("segdata review apply street --dry-run", "segdata review apply street --format json")
)
@DATA
@DRY_RUN
@report_options("text", "json")
@data_options
def apply(data: Path, dry_run: bool, report: str, output: Path | None, options: DataOptions) -> int:
    """Apply decisions in a new revision of a canonical dataset.

    The command makes accepted corrections and fixes, deletes rejected
    segments, and turns void decisions into void. If labels have changed since
    a decision, it reports a conflict and overwrites nothing; disputes between
    reviewers wait until someone settles them. A second run changes nothing.
    Exits with 1 if there are conflicts or disputes.
    """
    from segdata.api.review import apply_decisions
    from segdata.report.review import applied_json, applied_text

    protect_inputs(output, options.inputs(data))
    dataset = options.read(data)
    result = apply_decisions(dataset, dry_run=dry_run)
    if report == "json":
        emit(applied_json(result), output)
    else:
        emit(applied_text(result, options.command_words(data), dry_run, make_console(output)), output)
    return FOUND if result.conflicts or result.disputed else 0


@command.command(
    name="report",
    epilog=example("segdata review report street", "segdata review report street --findings flag.json --format json"),
)
@DATA
@_FINDINGS
@report_options("text", "json")
@data_options
def report_(data: Path, findings: tuple[Path, ...], report: str, output: Path | None, options: DataOptions) -> None:
    """Report the progress of the review, and how often rules were right.

    The report lists decided and open findings by rule, with the share that
    was right and its 95 % interval (Wilson), the reviewers with the share of
    their decisions that were changed later, and the disputes. Without
    --findings, the open findings are those of `segdata validate`. From a
    report of `segdata flag --budget`, it also estimates how many labels are
    wrong in total.
    """
    from segdata.api.report import label_errors_of
    from segdata.api.review import review_progress
    from segdata.measure.source_cache import cache_folder
    from segdata.report.findings import load_findings
    from segdata.report.review import progress_json, progress_text

    protect_inputs(output, [*options.inputs(data), *findings])
    earlier = [finding for path in findings for finding in load_findings(path)]
    dataset = options.read(data, cache=cache_folder())
    result = review_progress(dataset, findings=[] if findings else None, earlier=earlier, jobs=options.jobs)
    name, errors = dataset.profile.files, label_errors_of(dataset, findings)
    text = (
        progress_text(result, name, make_console(output), errors)
        if report == "text"
        else progress_json(result, name, errors)
    )
    emit(text, output)


@command.command(
    name="export",
    epilog=example(
        "segdata review export street task --to cvat --findings flag.json",
        "segdata review export street task --to label-studio --prefix '/data/local-files/?d='",
    ),
)
@DATA
@click.argument("target", type=PATH)
@option("--to", "Annotation tool.", type=click.Choice(("cvat", "label-studio")), required=True)
@_FINDINGS
@option("--prefix TEXT", "Text before the path of each image, for Label Studio.", default="")
@flag("--copy-images", "Copy the image files too.")
@report_options("text", "json")
@data_options
def export(
    data: Path,
    target: Path,
    to: str,
    findings: tuple[Path, ...],
    prefix: str,
    copy_images: bool,
    report: str,
    output: Path | None,
    options: DataOptions,
) -> None:
    """Export the images with findings as a task for an annotation tool.

    Labels become masks, and each finding becomes a box of the category
    `segdata finding`. Enter a verdict and a comment in its attributes for
    `segdata review pull`; correct labels for `segdata review import`. Do not
    edit the attribute `segdata`: it identifies the labels. Without
    --findings, the task has the findings of `segdata validate`.
    """
    from segdata.api.review import export_findings
    from segdata.api.validate import validate
    from segdata.measure.source_cache import cache_folder
    from segdata.report.findings import load_findings
    from segdata.report.review import exported_json

    protect_inputs(output, [*options.inputs(data), *findings])
    dataset = options.read(data, cache=cache_folder())
    given = [finding for path in findings for finding in load_findings(path)]
    result = given if findings else validate(dataset, one_by_one=True, jobs=options.jobs).findings
    task = export_findings(dataset, result, to, target, prefix=prefix, copy_images=copy_images, jobs=options.jobs)  # type: ignore[arg-type]  # click has checked it
    counts = f"{count_noun(task.n_images, 'image')}, {count_noun(task.n_segments, 'label')}"
    text = f"written {target}: {counts} with findings\n"
    if report == "json":
        text = exported_json(dataset.profile.files, str(target), to, task.n_images, task.n_segments, task.not_copied)
    emit(text, output)
    for note in task.not_copied:
        say(note)


@command.command(
    name="import", epilog=example("segdata review import street annotations.xml --reviewer anna --dry-run")
)
@DATA
@click.argument("file", type=PATH)
@option("--reviewer NAME", "Reviewer who redrew the labels; recorded with the annotations.")
@DRY_RUN
@report_options("text", "json")
@data_options
def import_(
    data: Path, file: Path, reviewer: str | None, dry_run: bool, report: str, output: Path | None, options: DataOptions
) -> int:
    """Import labels redrawn in CVAT or Label Studio as a new revision.

    The command takes only labels that differ from what `segdata review
    export` sent; all other labels keep every pixel. If a label has changed
    here as well, it reports a conflict and overwrites nothing. Exits with 1
    if there are conflicts.
    """
    from segdata.api.review import import_task
    from segdata.report.review import imported_json, imported_text

    protect_inputs(output, [*options.inputs(data), file])
    dataset = options.read(data)
    result = import_task(dataset, file, reviewer=reviewer, dry_run=dry_run)
    text = imported_json(result) if report == "json" else None
    emit(text or imported_text(result, dry_run, make_console(output)), output)
    return FOUND if result.conflicts else 0
