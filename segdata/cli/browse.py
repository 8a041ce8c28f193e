"""`segdata browse`: the dataset with its findings in FiftyOne."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from segdata.cli.options import DATA, DataOptions, data_options, example
from segdata.cli.process import say

if TYPE_CHECKING:
    from segdata.api.browse import BrowseResult
    from segdata.core.finding import Finding


@click.command(
    name="browse",
    epilog=example(
        "segdata browse street/",
        "segdata browse coco.json --findings findings.json --port 5152",
        "segdata browse masks/ --name masks-june --no-launch",
    ),
)
@DATA
@click.option(
    "--findings",
    "reports",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A JSON report of validate, agreement or flag; several may be given. Default: what validate finds now.",
)
@click.option(
    "--predictions",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="What networks said of images that they had not seen, for a layer of confidence; default: that of the report.",
)
@click.option("--reviewer", metavar="NAME", help="Who decides in the App; default: who is logged in.")
@click.option("--name", metavar="NAME", help="Of the dataset in FiftyOne; default: segdata- and the name of DATA.")
@click.option("--port", metavar="N", type=click.IntRange(1, 65535), default=5151, help="Of the App; default: 5151.")
@click.option("--no-launch", is_flag=True, help="Load the dataset and end; the App is not started.")
@data_options
def command(
    data: Path,
    reports: tuple[Path, ...],
    predictions: Path | None,
    reviewer: str | None,
    name: str | None,
    port: int,
    no_launch: bool,
    opening: DataOptions,
) -> None:
    """Look at a dataset and its findings in FiftyOne's App.

    The dataset is put into FiftyOne's database; the next time it is brought
    up to date, and keeps what was tagged. Buttons in the App decide on
    findings; segdata review pull reads the decisions. The App runs on this
    machine only, until Ctrl-C. FiftyOne is installed with segdata[browse].
    """
    from segdata.api.browse import browse
    from segdata.cli.process import progress_bar
    from segdata.report.findings_json import find_predictions, load_findings

    if reviewer:
        os.environ["FIFTYONE_USER"] = reviewer
    findings = [finding for path in reports for finding in load_findings(path)] if reports else None
    seen = predictions or next(filter(None, map(find_predictions, reports)), None)
    dataset = opening.read(data)
    with progress_bar("load", len(dataset)) as done:
        browsed = browse(dataset, findings=findings, predictions=seen, name=name, jobs=opening.jobs, progress=done)
    _report_browsed(browsed)
    if no_launch:
        return
    with browsed.app(port) as shown:
        say(f"the App is at {shown.address}; Ctrl-C ends it")
        shown.wait()


def _report_browsed(browsed: "BrowseResult") -> None:
    """What is in FiftyOne now, and what it has no place for."""
    from segdata.core.errors import count_noun

    where = f"FiftyOne's dataset {browsed.name!r}"
    settled = f" ({browsed.n_settled:,} of them decided)" if browsed.n_settled else ""
    say(f"{count_noun(browsed.n_images, 'image')} with {count_noun(browsed.n_findings, 'finding')}{settled} in {where}")
    for note in browsed.notes:
        say(note)
    if browsed.n_decided:
        say(f"{count_noun(browsed.n_decided, 'decision')} from the last time in FiftyOne kept in {browsed.log}")
    about: dict[str, list[Finding]] = {}
    for finding in browsed.about_dataset:
        about.setdefault(f"{finding.code} {finding.rule}", []).append(finding)
    for rule, found in about.items():
        of = f"{found[0].category}: " if found[0].category else ""
        more = f" (and {len(found) - 1:,} more)" if len(found) > 1 else ""
        say(f"of the dataset as a whole: {rule}: {of}{found[0].message}{more}")
    if browsed.elsewhere:
        first = browsed.elsewhere[0].image
        say(
            f"{count_noun(len(browsed.elsewhere), 'finding')} left "
            f"out: about images that are not here, such as {first!r}"
        )
