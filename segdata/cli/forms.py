"""Forms: findings in each of the forms that `--format` names, and as pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segdata.cli.exits import say
from segdata.core.validation import Validation

if TYPE_CHECKING:
    from segdata.core.dataset import OpenDataset
    from segdata.report.text import Asked


def as_text(form: str, result: Validation, asked: "Asked", data: Path, output: Path | None) -> str:
    """The report in one of the forms of `--format` but html, or as statistics."""
    from segdata.cli.output import paper
    from segdata.report import github, gitlab, json, junit, sarif, text
    from segdata.report.location import Site

    site = Site(data, data.is_dir(), Path.cwd(), result.image_files)
    if form == "statistics":
        return text.statistics(result, paper(output))
    if form in ("json", "jsonl"):
        return (json.to_json if form == "json" else json.to_jsonl)(result, asked.max_findings)
    if form == "sarif":
        return sarif.to_sarif(result, asked.rules, site)
    if form == "junit":
        return junit.to_junit(result, asked.rules, asked.fail_on)
    if form in ("github", "gitlab"):
        return github.to_github(result, site) if form == "github" else gitlab.to_gitlab(result, site)
    return text.text(result, asked, paper(output))


def as_html(
    dataset: "OpenDataset", result: Validation, asked: "Asked", most: int, jobs: int, said: Sequence[str] = ()
) -> str:
    """The report as one HTML file, with pictures of the worst of each rule; `said`: of the dataset as a whole."""
    from segdata.api.decisions import label_hashes
    from segdata.cli.progress import progress
    from segdata.formats.shared.images import image_limits
    from segdata.report.html.document import to_html
    from segdata.report.html.thumbnails import pictured, thumbnails

    known = () if result.baseline is None else result.baseline.known
    listed = [each for some in (result.findings, known) for each in some[: asked.max_findings]]
    seen = label_hashes(dataset, listed, jobs)
    chosen = pictured(dataset, result, most, asked.max_findings)
    with progress("draw", len({each.image for each in chosen})) as done, image_limits():
        return to_html(result, asked, thumbnails(dataset, chosen, jobs, done), seen, said)


def draw(dataset: "OpenDataset", result: Validation, folder: Path) -> None:
    """Draw the images with findings into a folder, and say so."""
    from segdata.cli.progress import progress
    from segdata.formats.shared.images import image_limits
    from segdata.report.pictures import MOST, draw_findings

    concerned = {finding.image for finding in result.findings if finding.image is not None}
    with progress("draw", min(MOST, len(concerned))) as done, image_limits():
        said = draw_findings(dataset, result.findings, folder, done)
    say(said)
