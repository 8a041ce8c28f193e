"""`segdata convert`, and `segdata diff`, which compares what was converted."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segdata.cli.options import (
    FORMAT,
    PATH,
    SCHEDULER,
    DataOptions,
    add_options,
    data_options,
    example,
    flag,
    option,
    option_text,
    parse_pairs,
    report_options,
    split_codes,
)
from segdata.cli.output import emit, make_console, protect_inputs, report_written
from segdata.cli.process import FOUND, progress_bar, say
from segdata.core.errors import count_noun
from segdata.core.losses import Loss, LossError
from segdata.core.safe_text import shell_word

if TYPE_CHECKING:
    from segdata.api.convert import OnLoss
    from segdata.core.dataset import OpenDataset
    from segdata.store.diff.changes import Difference


# The folder below the target in which the programs of a format, or of a layout of masks, look for images.
_IMAGE_PLACES = {"yolo-seg": "images", "pascal-voc": "JPEGImages", "ultralytics": "images", "mmsegmentation": "img_dir"}
_options_of_b = add_options(
    option("--from-b FORMAT", "Format of B; default: detected.", type=FORMAT),
    option("--taxonomy-b FILE", "Taxonomy of B; default: taxonomy.yaml beside B.", type=PATH),
    option("--images-b DIR", "Folder of the image files of B.", type=PATH),
    option("--read-option-b NAME=VALUE", "Option of the format of B.", multiple=True),
    option("--config-b FILE", "Settings of B; default: segdata.yaml beside B.", type=PATH),
)


@click.command(
    name="convert",
    epilog=example(
        "segdata convert masks/ street --verify", "segdata convert street coco.json --to coco-instances --on-loss error"
    ),
)
@click.argument("src", type=PATH)
@click.argument("dst", type=PATH)
@option("--to FORMAT", "Format of DST", type=FORMAT, default="canonical")
@option("--roi DIR", "Masks of the regions of interest, named like the images; nothing is labelled outside.", type=PATH)
@option(
    "--taxonomy-map MAP",
    "Rename, merge and drop categories as MAP says; `segdata taxonomy diff` writes one.",
    type=PATH,
)
@option("--annotator NAME", "Annotator name for annotations that have none.")
@option(
    "--source", "Source of the labels, if SRC does not name it.", type=click.Choice(("human", "model", "consensus"))
)
@option(
    "--write-option NAME=VALUE",
    "Option of the format of DST; `segdata formats FORMAT` lists them.",
    "write_options",
    multiple=True,
)
@option(
    "--on-loss",
    "If DST cannot hold everything: warn (default), write nothing and exit with 1 (error), or be silent (allow).",
    type=click.Choice(("warn", "error", "allow")),
    default="warn",
)
@flag("--verify", "Read DST back and compare it with SRC: only the reported losses may differ.")
@flag("--copy-images", "Copy the image files too. By default DST refers to the originals; COCO only has their names.")
@SCHEDULER
@data_options
def command(
    src: Path,
    dst: Path,
    to: str,
    annotator: str | None,
    source: str | None,
    write_options: tuple[str, ...],
    roi: Path | None,
    taxonomy_map: Path | None,
    on_loss: "OnLoss",
    verify: bool,
    copy_images: bool,
    scheduler: str | None,
    options: DataOptions,
) -> int:
    """Convert SRC to another format, DST, which must not exist.

    The command counts what DST cannot hold and what could not be read, and
    prints the losses before DST appears; with --on-loss error, DST is not
    written. The losses are also recorded: in dataset.yaml of a canonical
    dataset, else in DST/losses.json, or in coco.losses.json beside coco.json.

    Exits with 1 if a loss is not allowed, if --verify finds a difference
    beyond the reported losses (DST is kept), or if SRC has defects that
    `segdata validate` reports as errors; everything else is still written.
    """
    from segdata.api.convert import convert
    from segdata.core.format import find_format
    from segdata.report.edits import losses_text, refusal_text

    to = find_format(to).name
    more = {"annotator": annotator, "source": source, "roi": roi}
    dataset = options.read(src, **{name: value for name, value in more.items() if value is not None})
    bar = ExitStack()

    def announce(losses: Sequence[Loss]) -> None:
        bar.close()
        if on_loss != "allow" or not losses:
            emit(losses_text(losses, to, make_console()))

    try:
        with bar:
            result = convert(
                dataset,
                dst,
                to=to,
                on_loss=on_loss,
                verify=verify,
                copy_images=copy_images,
                jobs=options.jobs,
                write_options=parse_pairs(write_options),
                progress=bar.enter_context(progress_bar("convert", len(dataset))),
                announce=announce,
                taxonomy_map=taxonomy_map,
                client=scheduler,
            )
    except LossError as error:
        emit(refusal_text(str(dst), error.losses, make_console()))
        return FOUND
    code = report_written(result, src, options)
    if not copy_images and (note := _image_note(dataset, dst, to, parse_pairs(write_options))):
        emit("\n".join(["", *note]))
    if result.proof is not None and not result.proof.holds:
        bug = "this is a bug, please report it to the authors of segdata, or of your plugin"
        say(f"error: {dst} differs from {src} beyond the reported losses; {bug}")
        return FOUND
    return code


def _image_note(dataset: "OpenDataset", dst: Path, to: str, write_options: Mapping[str, str]) -> list[str]:
    """Lines that say how DST finds the images, which are not copied; none if it refers to them."""
    from segdata.formats.shared.derived_sources import find_image_root
    from segdata.report.edits import command_with_images

    # COCO files name images and do not say where they are; the other formats refer to them.
    if to.startswith("coco-") and (images := find_image_root(dataset)) is not None:
        head = "The images are not copied. To read the file with its images:"
        return [head, *command_with_images(dst, images, make_console())]
    if (place := _image_place(to, write_options)) is None:
        return []
    text = (
        f"The images are not copied, so their paths will not resolve: programs look for them in {dst / place}. "
        "Convert with --copy-images, or link the images there."
    )
    return make_console().wrap(text)


def _image_place(to: str, options: Mapping[str, str]) -> str | None:
    return _IMAGE_PLACES.get(to) or _IMAGE_PLACES.get(options.get("layout", ""))


@click.command(
    name="diff",
    epilog=example(
        "segdata diff labels_v1.json labels_v2.json",
        "segdata diff masks/ coco.json --ignore category-details --format json",
    ),
)
@click.argument("a", type=PATH)
@click.argument("b", type=PATH)
@option("--ignore KINDS", "Kinds of difference to ignore, as the report names them.", multiple=True)
@flag("--strict", "Count different segment ids and polygon vertices as well.")
@option(
    "--limit N", "List at most N differences of each kind; default: 3 as text, 100 as JSON.", type=click.IntRange(min=0)
)
@report_options("text", "json")
@data_options
@_options_of_b
def diff_command(
    a: Path,
    b: Path,
    ignore: tuple[str, ...],
    strict: bool,
    limit: int | None,
    report: str,
    output: Path | None,
    options: DataOptions,
    **of_b: Any,  # Any: each option has its own type
) -> int:
    """Compare two datasets of any formats: images, pixels, categories.

    The options for reading apply to A; those that end in -b apply to B.
    --list and --jobs apply to both. Exits with 0 if A and B are the same,
    with 1 if they differ, and with 2 if they cannot be compared.
    """
    from segdata.api.revisions import diff
    from segdata.report.diff import FIRST, diff_json, diff_text

    protect_inputs(output, options.inputs(a, b))
    only = options.given.pop("only", None)
    data_a = options.read(a)
    names = {"from_b": "format", "read_option_b": "options"}
    given_b = {names.get(name, name.removesuffix("_b")): value for name, value in of_b.items() if value}
    if "options" in given_b:
        given_b["options"] = parse_pairs(given_b["options"])
    data_b = DataOptions(given_b).read(b)
    if limit is None:
        limit = 100 if report == "json" else FIRST
    with options.working("diff", max(len(data_a), len(data_b))) as work:
        result = diff(data_a, data_b, ignore=split_codes(ignore), only=only, strict=strict, limit=limit, **work)
    if report == "json":
        text = diff_json(result)
    else:
        text = diff_text(result, _typed_command(options, a, b, of_b, ignore, strict), make_console(output))
    emit(text, output, _verdict(result))
    return 0 if result.same else FOUND


def _typed_command(
    options: DataOptions, a: Path, b: Path, of_b: dict[str, Any], ignore: tuple[str, ...], strict: bool
) -> list[str]:
    """The command as it was typed, without its name and --format."""
    values = [(name, one) for name, given in of_b.items() for one in (given if isinstance(given, tuple) else [given])]
    own = [option_text("--" + name.replace("_", "-"), value) for name, value in values if value is not None]
    kinds = [option_text("--ignore", kind) for kind in ignore]
    return [shell_word(a), shell_word(b), *options.words, *own, *kinds, *(["--strict"] if strict else [])]


def _verdict(result: "Difference") -> str:

    return "the same" if result.same else count_noun(sum(count.n for count in result.telling.values()), "difference")
