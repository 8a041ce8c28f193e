"""`segdata flag`: labels that are probably wrong, ranked for review."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from segdata.cli.options import (
    DATA,
    MAX_FINDINGS,
    PATH,
    SCHEDULER,
    WORK_DIR,
    DataOptions,
    add_options,
    data_options,
    example,
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
from segdata.cli.process import FOUND, print_plan, stage_bars
from segdata.core.config import Architecture, Loss, Training
from segdata.core.errors import count_noun
from segdata.core.validation import FailOn

if TYPE_CHECKING:
    from segdata.core.dataset import OpenDataset
    from segdata.noise.flag_result import FlagResult
    from segdata.noise.networks.plan import Settings
    from segdata.report.findings import ReportContext

_PICTURES = 200  # in the HTML report


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """The training options that the user gave; all others are chosen from the data."""

    given: dict[str, Any]  # Any: each has its own type
    words: tuple[str, ...]

    def settings(self, jobs: int, configured: Training | None = None) -> "Settings":
        """The settings of the training: `configured` in segdata.yaml, and the options instead.

        Raises SegdataError for invalid values.
        """
        from segdata.noise.networks.plan import augmentations, configured_settings, load_model_factory

        given = dict(self.given)
        if "model" in given:
            given["model"] = load_model_factory(given["model"])
        if "max_memory" in given:
            given["max_memory"] = parse_bytes(given["max_memory"])
        if "augment" in given:
            names = given["augment"].replace("none", "").split(",")
            given["augment"] = augmentations([name.strip() for name in names if name.strip()])
        return configured_settings(configured, given | {"jobs": jobs})


_TRAINING = (
    option("--quick/--no-quick", "Get an answer in minutes: two small networks, few steps.", default=None),
    option("--folds K", "Number of folds; one network judges the images of each.", type=click.IntRange(min=2)),
    option("--scale S", "Downscale images by this factor before training, such as 0.5.", type=float),
    option("--members N", "Networks per fold; default: 1.", type=click.IntRange(min=1)),
    option("--architecture", "Network; default: unet.", type=click.Choice(get_args(Architecture))),
    option("--width N", "Channels of the first level.", type=click.IntRange(min=1)),
    option("--depth N", "Levels of the network.", type=click.IntRange(1, 6)),
    option("--crop PX", "Side of training crops, such as 256 or 512.", type=click.IntRange(min=32)),
    option("--batch N", "Crops per step.", type=click.IntRange(min=1)),
    option("--steps N", "Steps of training.", type=click.IntRange(min=1)),
    option("--learning-rate R", "Highest learning rate.", type=float),
    option("--loss", "Loss; default: ce+dice.", type=click.Choice(get_args(Loss))),
    option("--dice W", "Weight of Dice in ce+dice; default: 0.5.", type=click.FloatRange(min=0)),
    option("--smoothing SHARE", "Label smoothing of ce and focal; default: 0.05.", type=float),
    option(
        "--class-weights/--no-class-weights",
        "Weigh rare categories more, or all the same; default: more.",
        default=None,
    ),
    option("--augment LIST", "Augmentations: usual, none, or a list such as usual,elastic,blur,noise,hue,invert."),
    option("--rotate/--no-rotate", "Turn crops by 90 degrees; default: unless images have a top.", default=None),
    option("--flips N", "Mirrored copies that are predicted as well.", type=click.IntRange(0, 2)),
    option("--dropout SHARE", "Dropout rate, from 0 to below 1; default: 0.", type=float),
    option("--weight-decay W", "Weight decay; default: 0.01.", type=click.FloatRange(min=0)),
    option("--group COLUMN", "Keep images with the same value of COLUMN in one fold.", multiple=True),
    option("--device", "Device for training; default: auto.", type=click.Choice(("auto", "cuda", "mps", "cpu"))),
    option("--seed N", "Random seed; default: 0.", type=click.IntRange(min=0)),
    option("--model M", "Your own network, as FILE.py:FUNCTION or MODULE:FUNCTION."),
    option("--pretrained/--no-pretrained", "Start from an encoder pretrained on ImageNet.", default=None),
    option("--weights FILE", "Start from the state dict in FILE.", type=PATH),
    option("--max-memory SIZE", "Memory for images and features, such as 4GiB."),
    option("--annotator NAME", "Annotator whose labels to judge; default: the first of each image."),
)


def training_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the training options, and pass them on as one `training`."""
    import functools

    names = [option(lambda: None).__click_params__[0].name for option in _TRAINING]  # type: ignore[attr-defined]  # click's

    @functools.wraps(command)
    def wrapper(**rest: Any) -> int:  # Any: click's own
        given = {name: rest.pop(name) for name in names}
        present = {name: value for name, value in given.items() if not (value is None or value == ())}
        words = tuple(
            word for name, value in present.items() for word in _option_words("--" + name.replace("_", "-"), value)
        )
        return command(training=TrainingOptions(present, words), **rest)

    return add_options(*_TRAINING)(wrapper)


def _option_words(option: str, value: object) -> list[str]:
    """An option as one would type it again."""
    if isinstance(value, bool):
        return [option if value else option.replace("--", "--no-", 1)]
    return [option_text(option, word) for word in (value if isinstance(value, tuple) else (value,))]


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
@option("--predictions P", "Use the predictions of a model instead of training one.", type=PATH)
@option("--budget N", "How much to flag: 200, 5%, 30min or 40images; default: at most 5%.")
@WORK_DIR(help="Folder for networks and predictions; an interrupted run resumes from it.")
@option("--evaluate TRUTH", "Evaluate the result against clean labels, or a list of known errors.", "truth", type=PATH)
@training_options
@rule_options
@MAX_FINDINGS
@option("--overlays DIR", "Draw the images with findings as PNG files in this folder.", type=PATH)
@report_options("text", "json", "jsonl", "sarif", "junit", "github", "gitlab", "html")
@SCHEDULER
@data_options
def command(
    data: Path,
    training: TrainingOptions,
    predictions: Path | None,
    work_dir: Path | None,
    budget: str | None,
    truth: Path | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    include_reviewed: bool,
    fail_on: FailOn,
    max_findings: int | None,
    overlays: Path | None,
    report: str,
    output: Path | None,
    scheduler: str | None,
    options: DataOptions,
) -> int:
    """Rank labels by the probability that they are wrong.

    The command trains networks on DATA itself, each without the images that
    it judges. It learns what errors look like from errors that it inserts
    into the labels. Each finding has a probability and a correction to
    review. --predictions takes the results of another model: COCO results,
    panoptic PNG and JSON, .npz probabilities, SAM masks.

    The command chooses what has no default below, such as --steps, for your
    images, and prints each choice with its reason.

    Exits with 0 unless a finding is at or above --fail-on.
    """
    from segdata.api.flag import flag

    more = [path for path in (predictions, truth) if path is not None]
    protect_inputs(output, [*options.inputs(data), *more])
    dataset = options.read(data)
    protect_folder(overlays, [data, *dataset.profile.places.values()])
    with stage_bars() as progress:
        result = flag(
            dataset,
            settings=training.settings(options.jobs, dataset.config.training),
            predictions=predictions,
            work_dir=work_dir,
            budget=budget,
            truth=truth,
            select=split_codes(select),
            ignore=split_codes(ignore),
            include_reviewed=include_reviewed,
            client=scheduler,
            planned=print_plan,
            progress=progress,
        )
    typed = {"--predictions": predictions, "--work-dir": work_dir, "--budget": budget, "--evaluate": truth}
    again = [*training.words, *(option_text(name, value) for name, value in typed.items() if value is not None)]
    context = _report_context(dataset, result, [*options.command_words(data)], again, fail_on, max_findings)
    text = _report(report, result, context, data, dataset, output, options.jobs)
    emit(text, output, count_noun(len(result.validation.findings), "finding"))
    if overlays is not None:
        draw_overlays(dataset, result.validation, overlays)
    return FOUND if result.validation.fails(fail_on) else 0


def _report_context(
    dataset: "OpenDataset", result: "FlagResult", typed: list[str], again: list[str], fail_on: FailOn, most: int | None
) -> "ReportContext":
    from segdata.core.rule import rules
    from segdata.report.findings import ReportContext

    ran = [rule for code, rule in rules().items() if rule.command == "flag" or code in result.validation.by_code]
    return ReportContext(dataset.profile, ran, typed, fail_on, most, again, "flag")


def _report(
    form: str,
    result: "FlagResult",
    context: "ReportContext",
    data: Path,
    dataset: "OpenDataset",
    output: Path | None,
    jobs: int,
) -> str:
    """The report in the format that `--format` names."""
    from segdata.report.flag import flag_json, flag_statements, flag_text

    if form == "text":
        return flag_text(result, context, make_console(output))
    if form == "json":
        return flag_json(result, context.max_findings)
    if form == "html":
        return draw_findings_page(dataset, result.validation, context, _PICTURES, jobs, flag_statements(result))
    return format_findings(form, result.validation, context, data, output)


def parse_bytes(text: str) -> int:
    """A size in bytes.

    >>> parse_bytes("4GiB"), parse_bytes("500 MB")
    (4294967296, 500000000)
    """
    import re

    parts = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", text.lower())
    if parts is None:
        raise click.BadParameter(f"{text!r}: write a size such as 4GiB or 500MB", param_hint="--max-memory")
    base = 1024 if parts[3] else 1000
    return int(float(parts[1]) * base ** " kmgt".index(parts[2] or " "))
