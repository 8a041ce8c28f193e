"""`segdata browse`: the dataset with its findings in FiftyOne."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from segdata.cli.options import DATA, FILE, PATH, DataOptions, data_options, example
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
    type=FILE,
    help="JSON report of validate, agreement or flag; may be repeated. Default: run validate.",
)
@click.option(
    "--predictions",
    metavar="P",
    type=PATH,
    help="Predictions, as flag takes them, shown as a confidence layer; default: those of the report.",
)
@click.option("--reviewer", metavar="NAME", help="Name of the reviewer in the App; default: your user name.")
@click.option("--name", metavar="NAME", help="Name of the dataset in FiftyOne; default: segdata- and the name of DATA.")
@click.option(
    "--port", metavar="N", type=click.IntRange(1, 65535), default=5151, help="Port of the App; default: 5151."
)
@click.option("--no-launch", is_flag=True, help="Load the dataset without starting the App.")
@data_options
def command(
    data: Path,
    reports: tuple[Path, ...],
    predictions: Path | None,
    reviewer: str | None,
    name: str | None,
    port: int,
    no_launch: bool,
    options: DataOptions,
) -> None:
    """Look at a dataset and its findings in FiftyOne's App.

    The command loads the dataset into FiftyOne's database; the next run
    updates it and keeps your tags. Buttons in the App decide on findings;
    `segdata review pull` reads the decisions. The App runs on this machine
    only, until you press Ctrl-C. FiftyOne comes with segdata[fiftyone].
    """
    from segdata.api.browse import browse, predicted_layer
    from segdata.core.errors import SegdataError
    from segdata.report.findings import find_predictions, load_findings

    if reviewer:
        os.environ["FIFTYONE_USER"] = reviewer
    findings = [finding for path in reports for finding in load_findings(path)] if reports else None
    seen = predictions or next(filter(None, map(find_predictions, reports)), None)
    dataset = options.read(data)
    if seen is not None and predictions is None:  # a report's own may have changed since; then there is no such layer
        try:
            predicted_layer(dataset, seen)
        except SegdataError as error:
            say(f"warning: no confidence layer: {error}")
            seen = None
    with options.working("load", len(dataset)) as work:
        browsed = browse(dataset, findings=findings, predictions=seen, name=name, **work)
    _report_browsed(browsed)
    if no_launch:
        return
    with browsed.app(port) as shown:
        say(f"the App is at {shown.address}; press Ctrl-C to stop it")
        shown.wait()


def _report_browsed(browsed: "BrowseResult") -> None:
    """Print what is in FiftyOne now, and what it has no place for."""
    from segdata.core.errors import count_noun

    where = f"FiftyOne's dataset {browsed.name!r}"
    settled = f" ({browsed.n_settled:,} of them decided)" if browsed.n_settled else ""
    say(f"{count_noun(browsed.n_images, 'image')} with {count_noun(browsed.n_findings, 'finding')}{settled} in {where}")
    for note in browsed.notes:
        say(note)
    if browsed.n_decided:
        say(f"{count_noun(browsed.n_decided, 'decision')} made earlier in FiftyOne kept in {browsed.log}")
    about: dict[str, list[Finding]] = {}
    for finding in browsed.about_dataset:
        about.setdefault(f"{finding.code} {finding.rule}", []).append(finding)
    for rule, findings in about.items():
        category = f"{findings[0].category}: " if findings[0].category else ""
        more = f" (and {len(findings) - 1:,} more)" if len(findings) > 1 else ""
        say(f"about the whole dataset: {rule}: {category}{findings[0].message}{more}")
    if browsed.elsewhere:
        first = browsed.elsewhere[0].image
        say(
            f"{count_noun(len(browsed.elsewhere), 'finding')} left "
            f"out: about images that are not here, such as {first!r}"
        )
