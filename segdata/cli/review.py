"""`segdata review`: decisions of reviewers, brought back into the dataset."""

from pathlib import Path

import click

from segdata.cli.options import DATA, DataOptions, data_options, example, report_options
from segdata.cli.process import FOUND, say

_FILE = click.Path(path_type=Path, dir_okay=False)
_PATH = click.Path(path_type=Path)
_FINDINGS = click.option(
    "--findings",
    type=_FILE,
    metavar="FILE",
    multiple=True,
    help="A JSON report of validate, agreement or flag; several: all of them.",
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

    Decisions are made in FiftyOne (`segdata browse`), in the HTML report of
    `segdata validate`, or in CVAT or Label Studio (`review export`). `pull`
    writes them to a log beside the labels, `apply` makes a new revision.
    """


@command.command(
    name="pull",
    epilog=example("segdata review pull street --source fiftyone", "segdata review pull street anna.json ben.json"),
)
@DATA
@click.argument("files", nargs=-1, type=_PATH)
@click.option("--source", type=click.Choice(("fiftyone",)), help="Take what was decided in FiftyOne.")
@click.option("--name", metavar="NAME", help="Of the dataset in FiftyOne; default: as `segdata browse` calls it.")
@click.option("--reviewer", metavar="NAME", help="Who decided, where the source does not say.")
@click.option("--adjudicate", is_flag=True, help="These decisions settle what reviewers disagree on.")
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
    opening: DataOptions,
) -> None:
    """Write decisions to the dataset's log; what is there is left alone.

    FILES are exports of the HTML report, other logs (.jsonl), and tasks that
    CVAT or Label Studio exported after `segdata review export`. The log is
    review.jsonl in the folder of a canonical dataset, else beside the data,
    as NAME.review.jsonl; it only grows.
    """
    from segdata.api.review import pull_decisions
    from segdata.cli.output import emit, protect_inputs
    from segdata.report.review import pulled_json, pulled_text
    from segdata.review.decision_log import PullResult

    origins: list[str | Path] = [*([source] if source else []), *files]
    if not origins:
        raise click.UsageError("name files with decisions, or --source fiftyone")
    protect_inputs(output, [*opening.inputs(data), *files])
    dataset = opening.read(data)
    found: list[PullResult] = []
    try:
        for origin in origins:
            found.append(pull_decisions(dataset, origin, name=name, reviewer=reviewer, adjudicates=adjudicate))
    finally:  # what is in the log stays there, though the next file cannot be read
        if found:
            emit(pulled_json(found, dataset.profile.files) if report == "json" else pulled_text(found), output)
    for note in (note for each in found for note in each.notes):
        say(note)


@command.command(
    name="apply", epilog=example("segdata review apply street --dry-run", "segdata review apply street --format json")
)
@DATA
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done.")
@report_options("text", "json")
@data_options
def apply(data: Path, dry_run: bool, report: str, output: Path | None, opening: DataOptions) -> int:
    """Carry out decisions in a new revision of a canonical dataset.

    Accepted corrections and fixes are made, rejected segments deleted, and
    void becomes void. Decisions about labels that have changed since are
    conflicts, and nothing is overwritten; what reviewers disagree on waits
    for somebody to settle it. Doing it again changes nothing. Exits with 1
    when there are conflicts or disputes.
    """
    from segdata.api.review import apply_decisions
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.report.review import applied_json, applied_text

    protect_inputs(output, opening.inputs(data))
    dataset = opening.read(data)
    found = apply_decisions(dataset, dry_run=dry_run)
    if report == "json":
        emit(applied_json(found, dataset.profile.files), output)
    else:
        emit(applied_text(found, opening.typed(data), dry_run, make_console(output)), output)
    return FOUND if found.conflicts or found.disputed else 0


@command.command(
    name="report",
    epilog=example("segdata review report street", "segdata review report street --findings flag.json --format json"),
)
@DATA
@_FINDINGS
@report_options("text", "json")
@data_options
def report_(data: Path, findings: tuple[Path, ...], report: str, output: Path | None, opening: DataOptions) -> None:
    """Say how far the review is, and how often rules were right.

    Findings decided and open by rule, with the share that was right and its
    95 % interval (Wilson); reviewers, and how much of their work was changed
    later; what they disagree on. Open are the findings of `segdata validate`
    where --findings names no reports. Of a report of `segdata flag --budget`
    it also follows how many labels are wrong in all.
    """
    from segdata.api.report import label_errors_of
    from segdata.api.review import review_progress
    from segdata.api.source_cache import cache_folder
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.report.findings_json import load_findings
    from segdata.report.review import progress_json, progress_text

    protect_inputs(output, [*opening.inputs(data), *findings])
    earlier = [each for path in findings for each in load_findings(path)]
    dataset = opening.read(data, cache=cache_folder())
    found = review_progress(dataset, findings=[] if findings else None, earlier=earlier, jobs=opening.jobs)
    name, errors = dataset.profile.files, label_errors_of(dataset, findings)
    text = (
        progress_text(found, name, make_console(output), errors)
        if report == "text"
        else progress_json(found, name, errors)
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
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--to", type=click.Choice(("cvat", "label-studio")), required=True, help="The tool.")
@_FINDINGS
@click.option("--prefix", metavar="TEXT", default="", help="Goes before the path of each image, for Label Studio.")
@click.option("--copy-images", is_flag=True, help="Copy the image files, too.")
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
    opening: DataOptions,
) -> None:
    """Write a task for an annotation tool: only the images with findings.

    Their labels are masks, and each finding is a box of the category
    `segdata finding`. Type a verdict and a comment into its attributes for
    `segdata review pull`; correct labels for `segdata review import`. Keep the
    attribute `segdata` as it is: by it labels are known again. Without
    --findings those of `segdata validate` are taken.
    """
    from segdata.api.review import export_findings
    from segdata.api.source_cache import cache_folder
    from segdata.api.validate import validate
    from segdata.cli.output import emit, protect_inputs
    from segdata.core.errors import count_noun
    from segdata.report.findings_json import load_findings
    from segdata.report.review import exported_json

    protect_inputs(output, [*opening.inputs(data), *findings])
    dataset = opening.read(data, cache=cache_folder())
    given = [each for path in findings for each in load_findings(path)]
    found = given if findings else validate(dataset, jobs=opening.jobs).findings
    done = export_findings(dataset, found, to, target, prefix=prefix, copy_images=copy_images, jobs=opening.jobs)  # type: ignore[arg-type]  # click has checked it
    what = f"{count_noun(done.n_images, 'image')}, {count_noun(done.n_segments, 'label')} with the findings"
    told = f"written {target}: {what}\n"
    if report == "json":
        told = exported_json(dataset.profile.files, str(target), to, done.n_images, done.n_segments, done.not_copied)
    emit(told, output)
    for note in done.not_copied:
        say(note)


@command.command(
    name="import", epilog=example("segdata review import street annotations.xml --reviewer anna --dry-run")
)
@DATA
@click.argument("file", type=_PATH)
@click.option("--reviewer", metavar="NAME", help="Who drew: goes with the annotations, as reviewed.")
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done.")
@report_options("text", "json")
@data_options
def import_(
    data: Path,
    file: Path,
    reviewer: str | None,
    dry_run: bool,
    report: str,
    output: Path | None,
    opening: DataOptions,
) -> int:
    """Take what was redrawn in CVAT or Label Studio, in a new revision.

    Only labels that came back other than `segdata review export` sent them
    are taken; of all others not a pixel changes. What has changed here, too,
    is a conflict, and nothing is overwritten. Exits with 1 when there are
    conflicts.
    """
    from segdata.api.review import import_task
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.report.review import imported_json, imported_text

    protect_inputs(output, [*opening.inputs(data), file])
    dataset = opening.read(data)
    found = import_task(dataset, file, reviewer=reviewer, dry_run=dry_run)
    made = imported_json(found, dataset.profile.files) if report == "json" else None
    emit(made or imported_text(found, dry_run, make_console(output)), output)
    return FOUND if found.conflicts else 0
