"""Commands that change nothing: `info`, `show`, `browse`, `report`, `pilot`; `rules`, `explain` and `formats`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segdata.cli.options import (
    DATA,
    FILE,
    FORMAT,
    GROUP_BY,
    PATH,
    POSITIVE,
    RULE,
    DataOptions,
    data_options,
    example,
    flag,
    option,
    report_options,
    split_codes,
)
from segdata.cli.output import emit, make_console, protect_inputs
from segdata.cli.process import FOUND, say
from segdata.core.errors import SegdataError, count_noun
from segdata.core.finding import Finding
from segdata.core.safe_text import shell_word

if TYPE_CHECKING:
    from segdata.api.browse import BrowseResult


@click.command(
    name="info",
    epilog=example(
        "segdata info street/",
        "segdata info street/ --group-by camera --format html --output street.html",
        "segdata info street/ --weights --channels",
        "segdata info cells/ --objects cells.csv",
    ),
)
@DATA
@flag("--hash", "Add the content hash of the labels, to log with a training run.")
@flag("--raster-rules", "Add polygons that have other pixels by the raster rules of other tools.")
@flag("--shapes", "Add the size, length and width of segments by category, in px and mm.")
@flag("--weights", "Add category weights to paste into your training code.")
@flag("--channels", "Add mean and standard deviation of the channels; decodes all images.")
@option(
    "--objects CSV",
    "Write position, length, width, diameter and perimeter of each segment (class masks: of each part) to CSV.",
    type=FILE,
)
@GROUP_BY
@report_options("text", "json", "html", "csv")
@data_options
def info_command(
    data: Path,
    weights: bool,
    objects: Path | None,
    report: str,
    output: Path | None,
    options: DataOptions,
    **given: Any,  # Any: as `info` takes them
) -> None:
    """Count images, segments and pixels, by category and stratum."""
    from segdata.api.info import info
    from segdata.report.info import info_csv, info_json, info_text

    protect_inputs(output, options.inputs(data))
    protect_inputs(objects, options.inputs(data))
    dataset = options.read(data)
    summary = info(dataset, jobs=options.jobs, **given)
    if objects is not None:
        from segdata.api.info import write_objects

        n = write_objects(dataset, objects, jobs=options.jobs)
        say(f"{count_noun(n, 'row')} written to {objects}")
    if report == "text":
        emit(info_text(summary, make_console(output), weights), output)
    elif report == "html":
        from segdata.report.info import info_html

        emit(info_html(summary), output)
    else:
        emit(info_json(summary) if report == "json" else info_csv(summary), output)


@click.command(
    name="show",
    epilog=example(
        "segdata show street/ street001.jpg --findings", "segdata show coco.json 000000142238.jpg --output picture.png"
    ),
)
@DATA
@click.argument("names", metavar="IMAGE...", nargs=-1, required=True)
@flag("--findings", "Also draw the findings of the rules on these images.")
@option(
    "--output -o",
    "Folder, or PNG file for a single image; default: segdata-pictures.",
    type=PATH,
    default=Path("segdata-pictures"),
)
@data_options
def show_command(data: Path, names: tuple[str, ...], findings: bool, output: Path, options: DataOptions) -> None:
    """Draw images with their segments as PNG files.

    IMAGE is the id of an image (its path below the folder of images), or the
    end of one. The command prints the files that it writes.
    """
    from segdata.api.validate import validate
    from segdata.formats.shared.images import image_limits
    from segdata.report.pictures.overlays import draw_image, find_image

    dataset = options.read(data)
    image_ids = [find_image(dataset, name) for name in names]
    one_file = output.suffix.lower() == ".png"
    protect_inputs(output, options.inputs(data))
    if one_file and len(image_ids) > 1:
        raise SegdataError(f"{output} is a single file, but {len(image_ids)} images were named; name a folder instead")
    result = (
        validate(options.read(data, only=image_ids), one_by_one=True, jobs=options.jobs).findings if findings else ()
    )
    written = []
    for image_id in image_ids:
        with image_limits():
            files = draw_image(dataset, image_id, result, output.parent if one_file else output)
        if not files:
            say(f"{image_id}: cannot be drawn, since its size is unknown")
        written += files
    if one_file and len(written) == 1:
        written = [written[0].replace(output)]
    if written:
        emit("\n".join(map(str, written)))


@click.command(
    name="browse",
    epilog=example(
        "segdata browse street/",
        "segdata browse coco.json --findings findings.json --port 5152",
        "segdata browse masks/ --name masks-june --no-launch",
    ),
)
@DATA
@option(
    "--findings FILE",
    "JSON report of validate, agreement or flag; may be repeated. Default: run validate.",
    "reports",
    multiple=True,
    type=FILE,
)
@option(
    "--predictions P",
    "Predictions, as flag takes them, shown as a confidence layer; default: those of the report.",
    type=PATH,
)
@option("--reviewer NAME", "Name of the reviewer in the App; default: your user name.")
@option("--name NAME", "Name of the dataset in FiftyOne; default: segdata- and the name of DATA.")
@option("--labels-of NAME", "Whose labels DATA has, if it does not say; findings about others are left out.")
@option("--port N", "Port of the App", type=click.IntRange(1, 65535), default=5151)
@flag("--no-launch", "Load the dataset without starting the App.")
@data_options
def browse_command(
    data: Path,
    reports: tuple[Path, ...],
    predictions: Path | None,
    reviewer: str | None,
    name: str | None,
    labels_of: str | None,
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
    from segdata.report.findings import compared_annotators, find_predictions, load_findings

    if reviewer:
        os.environ["FIFTYONE_USER"] = reviewer
    findings = [finding for path in reports for finding in load_findings(path)] if reports else None
    compared = [name for path in reports for name in compared_annotators(path)]
    shown_predictions = predictions or next(filter(None, map(find_predictions, reports)), None)
    dataset = options.read(data)
    if (
        shown_predictions is not None and predictions is None
    ):  # a report's own may have changed since; then there is no such layer
        try:
            predicted_layer(dataset, shown_predictions)
        except SegdataError as error:
            say(f"warning: no confidence layer: {error}")
            shown_predictions = None
    with options.working("load", len(dataset)) as work:
        browsed = browse(
            dataset,
            findings=findings,
            predictions=shown_predictions,
            name=name,
            labels_of=labels_of,
            annotators=compared,
            **work,
        )
    _report_browsed(browsed)
    if no_launch:
        return
    with browsed.app(port) as shown:
        say(f"the App is at {shown.address}; press Ctrl-C to stop it")
        shown.wait()


def _report_browsed(browsed: "BrowseResult") -> None:
    """Print what is in FiftyOne now, and what it has no place for."""
    where = f"FiftyOne's dataset {browsed.name!r}"
    settled = f" ({browsed.n_settled:,} of them decided)" if browsed.n_settled else ""
    say(f"{count_noun(browsed.n_images, 'image')} with {count_noun(browsed.n_findings, 'finding')}{settled} in {where}")
    for note in browsed.notes:
        say(note)
    if browsed.n_decided:
        say(f"{count_noun(browsed.n_decided, 'decision')} made earlier in FiftyOne kept in {browsed.log}")
    by_rule: dict[str, list[Finding]] = {}
    for finding in browsed.about_dataset:
        by_rule.setdefault(f"{finding.code} {finding.rule}", []).append(finding)
    for rule, findings in by_rule.items():
        category = f"{findings[0].category}: " if findings[0].category else ""
        more = f" (and {len(findings) - 1:,} more)" if len(findings) > 1 else ""
        say(f"about the whole dataset: {rule}: {category}{findings[0].message}{more}")
    if browsed.elsewhere:
        first = browsed.elsewhere[0].image
        say(
            f"{count_noun(len(browsed.elsewhere), 'finding')} left "
            f"out: about images that are not here, such as {first!r}"
        )


@click.command(
    name="report",
    epilog=example(
        "segdata report street --format html --output report.html",
        "segdata report street --flagged flag.json --format html --output report.html",
    ),
)
@DATA
@option("--flagged FILE", "JSON report of `segdata flag`; without it, the report leaves out label noise.", type=PATH)
@flag("--no-agreement", "Do not compare annotators with each other.")
@report_options("text", "json", "html")
@data_options
def report_command(
    data: Path, flagged: Path | None, no_agreement: bool, report: str, output: Path | None, options: DataOptions
) -> None:
    """Summarise the quality of a dataset, and what it cost.

    The report covers the findings of the rules, the balance of categories,
    the agreement of annotators if there are several, suspected labels, the
    progress of the review, and the hours and cost of annotation and quality
    assurance (`cost` in segdata.yaml).
    """
    from segdata.api.report import overview
    from segdata.measure.source_cache import cache_folder

    protect_inputs(output, [*options.inputs(data), flagged])
    dataset = options.read(data, cache=cache_folder())
    with options.working("report", len(dataset)) as work:
        result = overview(dataset, flagged=flagged, agreement=not no_agreement, **work)
    if report == "json":
        from segdata.report.dataset_report import dataset_report_json

        emit(dataset_report_json(result), output)
    elif report == "html":
        from segdata.report.dataset_report import dataset_report_html

        emit(dataset_report_html(result, options.command_words(data)), output)
    else:
        from segdata.report.dataset_report import dataset_report_text

        more = ["--no-agreement"] * no_agreement + (["--flagged", shell_word(flagged)] if flagged else [])
        emit(dataset_report_text(result, ["report", *options.command_words(data), *more], make_console(output)), output)


_COUNT = click.IntRange(min=1)


@click.command(
    name="pilot",
    epilog=example(
        "segdata pilot pilot_labels/ --campaign 20000 --min-instances 500",
        "segdata pilot pilot.json --campaign 20000 --minutes-per-segment 0.8",
        "segdata pilot pilot.json --ignore no-definition --format json",
    ),
)
@DATA
@option("--campaign N", "Number of images in the full campaign.", type=_COUNT)
@option("--min-instances N", "Segments needed of each category; default: as in rule SEG302 (too-few).", type=_COUNT)
@option("--minutes-per-image M", "Minutes of work per image; default: from the annotations.", type=POSITIVE)
@option("--minutes-per-segment M", "Minutes of work per segment, if the time depends on segments.", type=POSITIVE)
@option("--rate COST", "Cost of an hour of work.", type=POSITIVE)
@option("--ignore KINDS", "Kinds of reasons to ignore, as the report names them.", multiple=True)
@report_options("text", "json")
@data_options
def pilot_command(
    data: Path, ignore: tuple[str, ...], report: str, output: Path | None, options: DataOptions, **given: Any
) -> int:  # Any: as `pilot` takes them
    """Check with a small pilot whether a taxonomy is ready.

    DATA is the pilot: 20 to 100 annotated images, drawn at random from the
    images of the campaign. The report predicts how often each category will
    occur in the campaign and what the campaign will cost, with 95 % prediction
    intervals, and lists what to change in the taxonomy first.

    Exits with 0 if the taxonomy is ready, else with 1.
    """
    from segdata.api.report import pilot
    from segdata.report.pilot import pilot_json, pilot_text

    protect_inputs(output, options.inputs(data))
    dataset = options.read(data)
    with options.working("pilot", len(dataset)) as work:
        result = pilot(dataset, ignore=split_codes(ignore), **given, **work)
    text = pilot_json(result) if report == "json" else pilot_text(result, make_console(output))
    emit(text, output, "ready" if result.ready else "not ready")
    return 0 if result.ready else FOUND


@click.command(name="rules", epilog=example("segdata rules", "segdata rules --format json"))
@report_options("text", "json")
def rules_command(report: str, output: Path | None) -> None:
    """List all rules with code, severity and summary."""
    from segdata.core.rule import rules
    from segdata.report.reference_pages import rules_json, rules_text

    all_rules = list(rules().values())
    emit(rules_json(all_rules) if report == "json" else rules_text(all_rules, make_console(output)), output)


@click.command(name="explain", epilog=example("segdata explain speck", "segdata explain SEG1"))
@click.argument("code", metavar="CODE", type=RULE)
def explain_command(code: str) -> None:
    """Explain a rule: what it flags, why, and how to fix it.

    CODE is the code or name of the rule. The beginning of codes, such as SEG1,
    lists the rules of the group.
    """
    from segdata.core.rule import find_rule
    from segdata.report.reference_pages import rule_group_text, rule_text

    emit(rule_group_text(code, make_console()) or rule_text(find_rule(code), make_console()))


@click.command(name="formats", epilog=example("segdata formats", "segdata formats coco-instances"))
@click.argument("name", required=False, type=FORMAT)
@report_options("text", "json")
def formats_command(name: str | None, report: str, output: Path | None) -> None:
    """List all formats, or describe one of them with its options."""
    from segdata.core.format import find_format, formats
    from segdata.report.reference_pages import format_text, formats_json, formats_text

    shown = list(formats().values()) if name is None else [find_format(name)]
    if report == "json":
        emit(formats_json(shown), output)
    else:
        emit(
            formats_text(shown, make_console(output)) if name is None else format_text(shown[0], make_console(output)),
            output,
        )
