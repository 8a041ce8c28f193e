"""`segdata validate`: check a dataset against the rules."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from segdata.cli.options import (
    DATA,
    FILE,
    FOLDER,
    GROUP_BY,
    MAX_FINDINGS,
    PATH,
    SCHEDULER,
    DataOptions,
    data_options,
    example,
    flag,
    option,
    option_text,
    report_options,
    rule_options,
    split_codes,
)
from segdata.cli.output import (
    draw_findings_page,
    draw_overlays,
    emit,
    format_findings,
    make_console,
    protect_folder,
    protect_inputs,
)
from segdata.cli.process import FOUND, progress_bar, say, say_lines
from segdata.core.errors import count_noun
from segdata.core.validation import FailOn, Validation
from segdata.report.console import Console

if TYPE_CHECKING:
    from segdata.api.validate import ValidationResult
    from segdata.core.dataset import OpenDataset


class RuleSelection(msgspec.Struct, frozen=True):
    """Which rules run, and how results are grouped: `select` and `ignore` as typed, each with commas.

    `include_reviewed`: findings that reviewers have decided count as well. `scheduler`: the cluster that measures.
    """

    select: tuple[str, ...]
    ignore: tuple[str, ...]
    group_by: str | None
    include_reviewed: bool = False
    one_by_one: bool = False
    scheduler: str | None = None

    def validate(self, dataset: "OpenDataset", jobs: int) -> "ValidationResult":
        """The result of the rules."""
        from segdata.api.validate import validate

        with progress_bar("validate", len(dataset)) as advance:
            return validate(
                dataset,
                select=split_codes(self.select),
                ignore=split_codes(self.ignore),
                group_by=self.group_by,
                include_reviewed=self.include_reviewed,
                one_by_one=self.one_by_one,
                client=self.scheduler,
                jobs=jobs,
                progress=advance,
            )

    def words(self, baseline: Path | None) -> list[str]:
        """The options as one would type them again."""
        words = [option_text("--select", code) for code in self.select] + [
            option_text("--ignore", code) for code in self.ignore
        ]
        words += [] if self.group_by is None else [option_text("--group-by", self.group_by)]
        words += ["--include-reviewed"] * self.include_reviewed + ["--one-by-one"] * self.one_by_one
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
@option("--baseline FILE", "Count only findings that this earlier report does not have.", type=FILE)
@option("--write-baseline FILE", "Write all findings to FILE, as the baseline of later runs.", type=FILE)
@flag("--fix", "Apply safe fixes: in a new revision of a canonical dataset, or in the file, with a backup.", "fix_safe")
@option("--fix-to DST", "Write the fixed dataset to DST, in the format of DATA, and keep DATA.", type=PATH)
@flag("--unsafe-fixes", "Apply all fixes, including those that change what annotators drew.")
@flag("--diff", "Show what fixes would change without applying them.", "show_diff")
@flag("--no-cache", "Measure everything again, and do not cache the result.")
@flag("--one-by-one", "List findings one by one, also those that are usual in this dataset.")
@flag("--statistics", "Print one line for each rule with findings.")
@MAX_FINDINGS
@option("--overlays DIR", "Draw the images with findings as PNG files in this folder.", type=FOLDER)
@option("--thumbnails N", "Show at most N pictures in the HTML report", type=click.IntRange(min=0), default=200)
@report_options("text", "json", "jsonl", "sarif", "junit", "github", "gitlab", "html")
@SCHEDULER
@data_options
def command(
    data: Path,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: FailOn,
    group_by: str | None,
    baseline: Path | None,
    write_baseline: Path | None,
    fix_safe: bool,
    fix_to: Path | None,
    unsafe_fixes: bool,
    show_diff: bool,
    include_reviewed: bool,
    no_cache: bool,
    one_by_one: bool,
    statistics: bool,
    max_findings: int | None,
    overlays: Path | None,
    thumbnails: int,
    report: str,
    output: Path | None,
    scheduler: str | None,
    options: DataOptions,
) -> int:
    """Check labels for broken files, gaps, overlaps, specks and more.

    Exits with 0 if no finding is at or above --fail-on, with 1 if one is, and
    with 2 if the data cannot be checked.
    """
    from segdata.measure.source_cache import cache_folder
    from segdata.report.findings import ReportContext, read_baseline

    if statistics and report != "text":
        raise click.UsageError("--statistics works only with --format text; the other formats count by rule anyway")
    _protect_inputs(output, write_baseline, options.inputs(data))
    before = None if baseline is None else read_baseline(baseline)
    place = None if no_cache or scheduler else cache_folder()
    dataset = options.read(data, cache=place)
    protect_folder(overlays, [data, *dataset.profile.places.values()])
    if (fix_safe or unsafe_fixes or fix_to is not None) and not show_diff:
        _refuse_fixes(dataset, fix_to)
    choice = RuleSelection(select, ignore, group_by, include_reviewed, one_by_one, scheduler)
    result = choice.validate(dataset, options.jobs)
    if show_diff:
        return _show_fixes(dataset, result, unsafe_fixes, overlays, output)
    if fix_safe or unsafe_fixes or fix_to is not None:
        fixed = _apply_fixes(dataset, result, unsafe_fixes, data, fix_to, options)
        if fixed is not None:
            data, more = fixed
            dataset = options.read(data, cache=place, **more)
            result = choice.validate(dataset, options.jobs)
    if before is not None:
        result = result.against(before)
    if write_baseline is not None:
        _write_baseline(result, write_baseline)
    words, again = options.command_words(data), choice.words(baseline)
    context = ReportContext(dataset.profile, result.rules, words, fail_on, max_findings, again)
    if report == "html":
        text = draw_findings_page(dataset, result, context, thumbnails, options.jobs)
    else:
        text = format_findings("statistics" if statistics else report, result, context, data, output)
    emit(text, output, count_noun(len(result.findings), "finding"))
    if overlays is not None:
        draw_overlays(dataset, result, overlays)
    return FOUND if result.fails(fail_on) else 0


def _write_baseline(result: Validation, path: Path) -> None:
    """Write the findings as the baseline of later runs, and say so."""
    from segdata.report.findings import baseline_json

    emit(baseline_json(result), path)
    say(f"{count_noun(len(result.single), 'finding')} in {path}; --baseline reports only new findings")


def _protect_inputs(output: Path | None, baseline: Path | None, inputs: list[object]) -> None:
    """Raise SegdataError if a report would overwrite its input, or the other report."""
    for target in (output, baseline):
        protect_inputs(target, inputs)
    if output is not None and output == baseline:
        raise click.UsageError("--output and --write-baseline name the same file")


def _refuse_fixes(dataset: "OpenDataset", target: Path | None) -> None:
    """Raise SegdataError, before anything is computed, where fixes cannot be written."""
    from segdata.api.revisions import check_fix_target

    if dataset.profile.format != "canonical" or target is not None:
        check_fix_target(dataset, target)


def _apply_fixes(
    dataset: "OpenDataset", result: Validation, unsafe: bool, data: Path, target: Path | None, options: DataOptions
) -> tuple[Path, dict[str, object]] | None:
    """Apply fixes, and print how many; the fixed dataset and further options to read it, None if nothing changed."""
    from segdata.store.fixes import write_fixes

    if dataset.profile.format != "canonical" or target is not None:
        return _fix_files(dataset, result, unsafe, target, options)
    n_fixed: list[int] = []  # findings of each image
    revision = write_fixes(dataset, result.single, unsafe=unsafe, seen=lambda image: n_fixed.append(len(image.mended)))
    if revision is None:
        _say_nothing_to_fix(result, unsafe)
        return None
    changes = data / revision / "changes.jsonl"
    say(f"{_fixed_count(n_fixed)}: revision {revision} is current; what was before is kept, {changes} lists all")
    return data, {}


def _fix_files(
    dataset: "OpenDataset", result: Validation, unsafe: bool, target: Path | None, options: DataOptions
) -> tuple[Path, dict[str, object]] | None:
    """Write the files of a dataset again."""
    from segdata.api.revisions import fix_files
    from segdata.formats.shared.derived_sources import find_image_root
    from segdata.report.edits import losses_text

    fixed = fix_files(dataset, result.single, target, unsafe=unsafe, jobs=options.jobs)
    if fixed is None:
        _say_nothing_to_fix(result, unsafe)
        return None
    kept = "" if fixed.backup is None else f", the original is {fixed.backup}"
    counted = _fixed_count([len(image.mended) for image in fixed.images])
    say(f"{counted}: written to {fixed.written}{kept}; {fixed.changes} lists all")
    if fixed.losses.losses:
        say_lines(losses_text(fixed.losses.losses, fixed.format, Console()))
    elsewhere = fixed.backup is None and not fixed.has_images and "images" not in options.given
    images = find_image_root(dataset) if elsewhere else None
    return fixed.written, {"format": fixed.format} | ({} if images is None else {"images": images})


def _fixed_count(n_fixed: list[int]) -> str:
    """How many findings are fixed; `n_fixed` are those of each image."""
    return f"fixed {count_noun(sum(n_fixed), 'finding')} in {count_noun(len(n_fixed), 'image')}"


def _say_nothing_to_fix(result: Validation, unsafe: bool) -> None:

    rest = 0 if unsafe else sum(finding.fix == "unsafe" for finding in result.single)
    more = f"; --unsafe-fixes fixes {count_noun(rest, 'finding')}, changing what annotators drew" if rest else ""
    say(f"nothing to fix{more}")


def _show_fixes(
    dataset: "OpenDataset", result: Validation, unsafe: bool, overlays: Path | None, output: Path | None
) -> int:
    """Print and draw what fixes would change."""
    from segdata.report.pictures.overlays import draw_fix, fix_lines
    from segdata.store.fixes import fixed_images

    console, n_images = make_console(output), 0
    lines: list[str] = []
    for image in fixed_images(dataset, result.single, unsafe=unsafe):
        n_images += 1
        lines += fix_lines(image, dataset.profile, console)
        if overlays is not None:
            draw_fix(image, dataset.profile, overlays)
    emit("\n".join(lines or ["nothing to fix"]), output)
    if overlays is not None and n_images:
        say(f"pictures of {count_noun(n_images, 'image')} in {overlays}")
    return FOUND if n_images else 0
