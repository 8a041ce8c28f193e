"""`segdata validate`: check a dataset against the rules."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from segdata.cli.exits import FOUND, say
from segdata.cli.options import DATA, Opening, data_options, example, report_options, word
from segdata.core.validation import FailOn, Validation

if TYPE_CHECKING:
    from segdata.core.dataset import Dataset


@click.command(
    name="validate",
    epilog=example(
        "segdata validate street/ --select SEG1 --ignore speck",
        "segdata validate coco.json --format json --output findings.json",
    ),
)
@DATA
@click.option("--select", metavar="CODES", multiple=True, help="Only these rules: codes, their beginnings, or names.")
@click.option("--ignore", metavar="CODES", multiple=True, help="Not these rules.")
@click.option(
    "--fail-on",
    type=click.Choice(("error", "warning", "info", "never")),
    default="error",
    help="Exit with 1 from this severity on; default: error.",
)
@click.option("--max-findings", type=click.IntRange(min=0), metavar="N", help="List at most N findings, worst first.")
@click.option(
    "--overlays",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Draw the images with findings, as PNG in this folder.",
)
@report_options("text", "json")
@data_options
def command(
    data: Path,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: FailOn,
    max_findings: int | None,
    overlays: Path | None,
    report: str,
    output: Path | None,
    opening: Opening,
) -> int:
    """Check the labels: broken files, gaps, overlaps, specks and more.

    Exits with 0 when nothing was found at or above --fail-on, else with 1,
    and with 2 when it could not check.
    """
    from segdata.api import validate
    from segdata.cli.output import emit, paper
    from segdata.cli.progress import progress
    from segdata.core.counted import counted
    from segdata.core.judge import selected
    from segdata.report.json import to_json
    from segdata.report.text import Asked, text

    dataset = opening.read(data)
    chosen, left_out = codes(select), codes(ignore)
    with progress("validate", len(dataset)) as done:
        result = validate(dataset, select=chosen, ignore=left_out, jobs=opening.jobs, progress=done)
    if report == "json":
        emit(to_json(result, max_findings), output)
    else:
        rules = [
            rule
            for rule in selected(dataset.config, chosen, left_out)
            if rule.applies(dataset.profile) and rule.code not in result.skipped
        ]
        selection = [word("--select", code) for code in select] + [word("--ignore", code) for code in ignore]
        asked = Asked(dataset.profile, rules, opening.typed(data), fail_on, max_findings, selection)
        emit(text(result, asked, paper(output)), output)
    if output is not None:
        say(f"{counted(len(result.findings), 'finding')}, see {output}")
    if overlays is not None:
        _draw(dataset, result, overlays)
    return FOUND if result.fails(fail_on) else 0


def _draw(dataset: "Dataset", result: Validation, folder: Path) -> None:
    from segdata.cli.progress import progress
    from segdata.formats.images import image_limits
    from segdata.report.pictures import MOST, draw_findings

    concerned = {finding.image for finding in result.findings if finding.image is not None}
    with progress("draw", min(MOST, len(concerned))) as done, image_limits():
        said = draw_findings(dataset, result.findings, folder, done)
    say(said)


def codes(given: tuple[str, ...]) -> list[str]:
    """The codes of an option that may be given several times, each time with commas: `--select SEG1,SEG201`."""
    return [code.strip() for text in given for code in text.split(",") if code.strip()]
