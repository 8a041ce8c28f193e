"""`segdata flag`: which labels to look at again."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segdata.cli.options import DATA, DataOptions, data_options, example, option_text, report_options, rule_options
from segdata.cli.process import FOUND, say
from segdata.core.validation import FailOn

if TYPE_CHECKING:
    from segdata.core.dataset import OpenDataset
    from segdata.noise.flag_result import FlagResult
    from segdata.noise.networks.settings import Settings
    from segdata.report.findings_text import ReportContext

PATH = click.Path(path_type=Path)
_PICTURES = 200  # in the HTML report


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """The options of the training as they were typed; None: chosen from the data."""

    given: dict[str, Any]  # Any: each has its own type
    words: tuple[str, ...]

    def settings(self, jobs: int) -> "Settings":
        """The same for the library; raises SegdataError for what cannot work."""
        from segdata.noise.networks.settings import Settings, load_model_factory

        given = dict(self.given)
        if "model" in given:
            given["model"] = load_model_factory(given["model"])
        if "max_memory" in given:
            given["max_memory"] = parse_bytes(given["max_memory"])
        return Settings(**given, jobs=jobs)


_TRAINING = (
    click.option("--quick", is_flag=True, help="An answer in minutes: two small networks, few steps."),
    click.option("--folds", metavar="K", type=click.IntRange(min=2), help="Networks, each for the images of a fold."),
    click.option("--scale", metavar="S", type=float, help="What networks see images reduced by, such as 0.5."),
    click.option("--members", metavar="N", type=click.IntRange(min=1), help="Networks for each fold; default: 1."),
    click.option("--loss", type=click.Choice(("cross-entropy", "focal")), help="Of pixels; default: cross-entropy."),
    click.option("--dropout", metavar="SHARE", type=float, help="From 0 to below 1; default: 0."),
    click.option("--weight-decay", metavar="W", type=click.FloatRange(min=0), help="Default: 0.01."),
    click.option("--group", metavar="COLUMN", multiple=True, help="Images of one value stay in one fold."),
    click.option("--device", type=click.Choice(("auto", "cuda", "mps", "cpu")), help="Default: auto."),
    click.option("--seed", metavar="N", type=click.IntRange(min=0), help="Of all that is random; default: 0."),
    click.option("--model", metavar="M", help="A network of yours, as FILE.py:FUNCTION or MODULE:FUNCTION."),
    click.option("--pretrained", is_flag=True, help="Begin with an encoder that has learnt from ImageNet."),
    click.option("--weights", metavar="FILE", type=PATH, help="A state dict to begin with."),
    click.option("--max-memory", metavar="SIZE", help="For images and what is computed of them, such as 4GiB."),
    click.option("--annotator", metavar="NAME", help="Whose labels; default: the first of each image."),
)


def training_options(command: Callable[..., int]) -> Callable[..., int]:
    """The options of the training, handed over as one `wanted`."""
    import functools

    networks = ("quick", "folds", "scale", "members", "loss", "dropout", "weight_decay", "group")
    names = (*networks, "device", "seed", "model", "pretrained", "weights", "max_memory", "annotator")

    @functools.wraps(command)
    def gathered(**rest: Any) -> int:  # Any: click's own
        given = {name: rest.pop(name) for name in names}
        present = {name: value for name, value in given.items() if not (value is None or value is False or value == ())}
        words = tuple(
            word for name, value in present.items() for word in _option_words("--" + name.replace("_", "-"), value)
        )
        return command(wanted=TrainingOptions(present, words), **rest)

    for option in reversed(_TRAINING):
        gathered = option(gathered)
    return gathered


def _option_words(option: str, value: object) -> list[str]:
    """An option as one would type it again."""
    if value is True:
        return [option]
    return [option_text(option, each) for each in (value if isinstance(value, tuple) else (value,))]


@click.command(
    name="flag",
    epilog=example(
        "segdata flag my_dataset --quick",
        "segdata flag my_dataset --budget 30min --format json -o flag.json",
        "segdata flag labels.json --predictions results.json",
        "segdata flag noisy/ --evaluate clean/",
    ),
)
@DATA
@training_options
@click.option("--predictions", metavar="P", type=PATH, help="What a model has seen, instead of training one.")
@click.option("--work", metavar="DIR", type=PATH, help="For networks and predictions; a killed run goes on there.")
@click.option("--budget", metavar="N", help="How much is told: 200, 5%, 30min or 40images; default: at most 5%.")
@click.option("--evaluate", "truth", metavar="TRUTH", type=PATH, help="Clean labels, or a list of known errors.")
@rule_options
@click.option("--max-findings", type=click.IntRange(min=0), metavar="N", help="List at most N findings, worst first.")
@click.option("--overlays", type=PATH, metavar="DIR", help="Draw the images with findings, as PNG in this folder.")
@report_options("text", "json", "jsonl", "sarif", "junit", "github", "gitlab", "html")
@data_options
def command(
    data: Path,
    wanted: TrainingOptions,
    predictions: Path | None,
    work: Path | None,
    budget: str | None,
    truth: Path | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    no_review: bool,
    fail_on: FailOn,
    max_findings: int | None,
    overlays: Path | None,
    report: str,
    output: Path | None,
    opening: DataOptions,
) -> int:
    """Rank the labels by how probably they are wrong.

    Networks are trained on DATA itself, each without the images that it is
    to judge; what an error looks like to them is learnt from errors that are
    put into the labels on purpose. Each finding has a probability and a
    correction to review. --predictions takes another model's results: COCO
    results, panoptic PNG and JSON, .npz probabilities, SAM masks.

    Exits with 0 unless something is found at or above --fail-on.
    """
    from segdata.api.flag import flag
    from segdata.cli.output import draw_overlays, emit, protect_folder, protect_inputs
    from segdata.cli.process import print_plan, stage_bars
    from segdata.cli.validate import split_codes
    from segdata.core.errors import count_noun

    more = [each for each in (predictions, truth) if each is not None]
    protect_inputs(output, [*opening.inputs(data), *more])
    dataset = opening.read(data)
    protect_folder(overlays, [data, *dataset.profile.places.values()])
    with stage_bars() as progress:
        found = flag(
            dataset,
            settings=wanted.settings(opening.jobs),
            predictions=predictions,
            work=work,
            budget=budget,
            truth=truth,
            select=split_codes(select),
            ignore=split_codes(ignore),
            review=not no_review,
            planned=print_plan,
            progress=progress,
        )
    typed = {"--predictions": predictions, "--work": work, "--budget": budget, "--evaluate": truth}
    again = [*wanted.words, *(option_text(name, value) for name, value in typed.items() if value is not None)]
    asked = _report_context(dataset, found, [*opening.typed(data)], again, fail_on, max_findings)
    emit(_report(report, found, asked, data, dataset, output, opening.jobs), output)
    if output is not None:
        say(f"{count_noun(len(found.validation.findings), 'finding')}, see {output}")
    if overlays is not None:
        draw_overlays(dataset, found.validation, overlays)
    return FOUND if found.validation.fails(fail_on) else 0


def _report_context(
    dataset: "OpenDataset", found: "FlagResult", typed: list[str], again: list[str], fail_on: FailOn, most: int | None
) -> "ReportContext":
    from segdata.core.rule import rules
    from segdata.report.findings_text import ReportContext

    ran = [rule for code, rule in rules().items() if rule.command == "flag" or code in found.validation.by_code]
    return ReportContext(dataset.profile, ran, typed, fail_on, most, again, "flag")


def _report(
    form: str,
    found: "FlagResult",
    asked: "ReportContext",
    data: Path,
    dataset: "OpenDataset",
    output: Path | None,
    jobs: int,
) -> str:
    """The report in one of the forms of `--format`."""
    from segdata.cli.output import format_findings, format_findings_html, make_console
    from segdata.report.flag_json import flag_json
    from segdata.report.flag_text import flag_text, statements

    if form == "text":
        return flag_text(found, asked, make_console(output))
    if form == "json":
        return flag_json(found, asked.max_findings)
    if form == "html":
        return format_findings_html(dataset, found.validation, asked, _PICTURES, jobs, statements(found))
    return format_findings(form, found.validation, asked, data, output)


def parse_bytes(text: str) -> int:
    """Bytes as a person writes them.

    >>> n_bytes("4GiB"), n_bytes("500 MB")
    (4294967296, 500000000)
    """
    import re

    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", text.lower())
    if found is None:
        raise click.BadParameter(f"{text!r}: write a size such as 4GiB or 500MB", param_hint="--max-memory")
    base = 1024 if found[3] else 1000
    return int(float(found[1]) * base ** " kmgt".index(found[2] or " "))
