"""`segdata validate`: check a dataset against the rules."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from segdata.cli.options import (
    DATA,
    GROUP_BY,
    DataOptions,
    data_options,
    example,
    option_text,
    report_options,
    rule_options,
)
from segdata.cli.process import FOUND, say
from segdata.core.validation import FailOn, Validation

if TYPE_CHECKING:
    from segdata.core.dataset import OpenDataset
    from segdata.core.rule import Rule

FILE = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True, slots=True)
class RuleSelection:
    """Which rules run, and by which column: `select` and `ignore` as typed, each with commas.

    `review`: what reviewers have decided is left out.
    """

    select: tuple[str, ...]
    ignore: tuple[str, ...]
    by: str | None
    review: bool = True

    def findings(self, dataset: "OpenDataset", jobs: int) -> Validation:
        """What the rules find."""
        from segdata.api.validate import validate
        from segdata.cli.process import progress_bar

        with progress_bar("validate", len(dataset)) as done:
            return validate(
                dataset,
                select=split_codes(self.select),
                ignore=split_codes(self.ignore),
                by=self.by,
                review=self.review,
                jobs=jobs,
                progress=done,
            )

    def rules(self, dataset: "OpenDataset", result: Validation) -> "list[Rule]":
        """The rules that ran."""
        from segdata.core.rule_runner import select_rules

        return [
            rule
            for rule in select_rules(dataset.config, split_codes(self.select), split_codes(self.ignore))
            if rule.applies(dataset.profile) and rule.code not in result.skipped
        ]

    def words(self, baseline: Path | None) -> list[str]:
        """The same as one would type it again."""
        words = [option_text("--select", code) for code in self.select] + [
            option_text("--ignore", code) for code in self.ignore
        ]
        words += ([] if self.by is None else [option_text("--by", self.by)]) + ([] if self.review else ["--no-review"])
        return words + ([] if baseline is None else [option_text("--baseline", baseline)])


@click.command(
    name="validate",
    epilog=example(
        "segdata validate street/ --select SEG1 --ignore speck",
        "segdata validate coco.json --format sarif --output findings.sarif",
        "segdata validate street/ --format html --output report.html",
        "segdata validate masks/ --write-baseline known.json",
        "segdata validate masks/ --baseline known.json",
    ),
)
@DATA
@rule_options
@GROUP_BY
@click.option("--baseline", type=FILE, metavar="FILE", help="An earlier report: only what is new counts.")
@click.option("--write-baseline", type=FILE, metavar="FILE", help="Write all findings as a baseline for later runs.")
@click.option("--fix", "fix_safe", is_flag=True, help="Mend what has a safe fix, in a new revision of the dataset.")
@click.option("--unsafe-fixes", is_flag=True, help="Mend also what has a fix that changes what somebody drew.")
@click.option("--diff", "show_diff", is_flag=True, help="Show what fixes would change, and change nothing.")
@click.option("--no-cache", is_flag=True, help="Measure everything again, and keep nothing for the next time.")
@click.option("--statistics", is_flag=True, help="A line for each rule that found something.")
@click.option("--max-findings", type=click.IntRange(min=0), metavar="N", help="List at most N findings, worst first.")
@click.option(
    "--overlays",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Draw the images with findings, as PNG in this folder.",
)
@click.option(
    "--thumbnails",
    type=click.IntRange(min=0),
    default=200,
    metavar="N",
    help="Pictures in the HTML report, at most; default: 200.",
)
@report_options("text", "json", "jsonl", "sarif", "junit", "github", "gitlab", "html")
@data_options
def command(
    data: Path,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: FailOn,
    by: str | None,
    baseline: Path | None,
    write_baseline: Path | None,
    fix_safe: bool,
    unsafe_fixes: bool,
    show_diff: bool,
    no_review: bool,
    no_cache: bool,
    statistics: bool,
    max_findings: int | None,
    overlays: Path | None,
    thumbnails: int,
    report: str,
    output: Path | None,
    opening: DataOptions,
) -> int:
    """Check the labels: broken files, gaps, overlaps, specks and more.

    Exits with 0 when nothing was found at or above --fail-on, else with 1,
    and with 2 when it could not check.
    """
    from segdata.api.source_cache import cache_folder
    from segdata.cli.output import draw_overlays, emit, format_findings, format_findings_html, protect_folder
    from segdata.core.errors import count_noun
    from segdata.report.findings_json import baseline_json, read_baseline
    from segdata.report.findings_text import ReportContext

    if statistics and report != "text":
        raise click.UsageError("--statistics is a text report; every other --format counts by rule itself")
    _protect_inputs(output, write_baseline, opening.inputs(data))
    before = None if baseline is None else read_baseline(baseline)
    place = None if no_cache else cache_folder()
    dataset = opening.read(data, cache=place)
    protect_folder(overlays, [data, *dataset.profile.places.values()])
    choice = RuleSelection(select, ignore, by, not no_review)
    result = choice.findings(dataset, opening.jobs)
    if show_diff:
        return _show_fixes(dataset, result, unsafe_fixes, overlays, output)
    if (fix_safe or unsafe_fixes) and _apply_fixes(dataset, result, unsafe_fixes):
        dataset = opening.read(data, cache=place)
        result = choice.findings(dataset, opening.jobs)
    if before is not None:
        result = result.against(before)
    if write_baseline is not None:
        emit(baseline_json(result), write_baseline)
        say(f"{count_noun(len(result.every), 'finding')} in {write_baseline}; --baseline counts only what is new since")
    rules, again = choice.rules(dataset, result), choice.words(baseline)
    asked = ReportContext(dataset.profile, rules, opening.typed(data), fail_on, max_findings, again)
    if report == "html":
        emit(format_findings_html(dataset, result, asked, thumbnails, opening.jobs), output)
    else:
        emit(format_findings("statistics" if statistics else report, result, asked, data, output), output)
    if output is not None:
        say(f"{count_noun(len(result.findings), 'finding')}, see {output}")
    if overlays is not None:
        draw_overlays(dataset, result, overlays)
    return FOUND if result.fails(fail_on) else 0


def _protect_inputs(output: Path | None, baseline: Path | None, inputs: list[object]) -> None:
    """Raise where a report would be written over what is read, or over the other."""
    from segdata.cli.output import protect_inputs

    for target in (output, baseline):
        protect_inputs(target, inputs)
    if output is not None and output == baseline:
        raise click.UsageError("--output and --write-baseline name the same file")


def _apply_fixes(dataset: "OpenDataset", result: Validation, unsafe: bool) -> bool:
    """Fix what can be fixed, and say so; returns whether there is a new revision."""
    from segdata.core.errors import count_noun
    from segdata.store.fixes import write_fixes

    mended: list[int] = []  # findings of each image
    revision = write_fixes(dataset, result.findings, unsafe=unsafe, seen=lambda image: mended.append(len(image.mended)))
    if revision is None:
        rest = 0 if unsafe else sum(each.fix == "unsafe" for each in result.findings)
        more = f"; of {count_noun(rest, 'finding')} the fix changes what somebody drew: --unsafe-fixes" if rest else ""
        say(f"nothing to fix{more}")
        return False
    what = f"{count_noun(sum(mended), 'finding')} in {count_noun(len(mended), 'image')}"
    say(f"fixed {what}: revision {revision} is current; what was before is kept, {revision}/changes.jsonl lists all")
    return True


def _show_fixes(
    dataset: "OpenDataset", result: Validation, unsafe: bool, overlays: Path | None, output: Path | None
) -> int:
    """Print, and draw, what fixes would change."""
    from segdata.cli.output import emit, make_console
    from segdata.report.pictures.overlays import draw_fix, fix_lines
    from segdata.store.fixes import fixed_images

    sheet, n_images = make_console(output), 0
    told: list[str] = []
    for image in fixed_images(dataset, result.findings, unsafe=unsafe):
        n_images += 1
        told += fix_lines(image, dataset.profile, sheet)
        if overlays is not None:
            draw_fix(image, dataset.profile, overlays)
    emit("\n".join(told or ["nothing to fix"]), output)
    if overlays is not None and n_images:
        say(f"pictures of {n_images:,} in {overlays}")
    return FOUND if n_images else 0


def split_codes(given: tuple[str, ...]) -> list[str]:
    """The codes of an option that may be given several times, each time with commas: `--select SEG1,SEG201`."""
    return [code.strip() for text in given for code in text.split(",") if code.strip()]
