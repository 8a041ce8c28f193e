"""`segdata convert`: write a dataset in another format, and report what was lost."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from segdata.cli.options import FORMAT, PATH, SCHEDULER, DataOptions, data_options, example, parse_pairs
from segdata.cli.output import emit, make_console
from segdata.cli.process import FOUND, progress_bar, say
from segdata.core.errors import LossError

if TYPE_CHECKING:
    from segdata.api.convert import OnLoss
    from segdata.core.dataset import OpenDataset
    from segdata.core.format import Loss


# Where the programs of a format, or of a layout of masks, look for images below the target; the files say nothing else.
_IMAGE_PLACES = {"yolo-seg": "images", "pascal-voc": "JPEGImages", "ultralytics": "images", "mmsegmentation": "img_dir"}


@click.command(
    name="convert",
    epilog=example(
        "segdata convert masks/ street --verify", "segdata convert street coco.json --to coco-instances --on-loss error"
    ),
)
@click.argument("src", type=PATH)
@click.argument("dst", type=PATH)
@click.option("--to", metavar="FORMAT", type=FORMAT, default="canonical", help="Format of DST; default: canonical.")
@click.option(
    "--roi",
    metavar="DIR",
    type=PATH,
    help="Masks of the regions of interest, named like the images; nothing is labelled outside.",
)
@click.option(
    "--taxonomy-map",
    metavar="MAP",
    type=PATH,
    help="Rename, merge and drop categories as MAP says; `segdata taxonomy diff` writes one.",
)
@click.option("--annotator", metavar="NAME", help="Annotator name for annotations that have none.")
@click.option(
    "--source",
    type=click.Choice(("human", "model", "consensus")),
    help="Source of the labels, if SRC does not name it.",
)
@click.option(
    "--write-option",
    "write_options",
    metavar="NAME=VALUE",
    multiple=True,
    help="Option of the format of DST; `segdata formats FORMAT` lists them.",
)
@click.option(
    "--on-loss",
    type=click.Choice(("warn", "error", "allow")),
    default="warn",
    help="If DST cannot hold everything: warn (default), write nothing and exit with 1 (error), or be silent (allow).",
)
@click.option(
    "--verify", is_flag=True, help="Read DST back and compare it with SRC: only the reported losses may differ."
)
@click.option(
    "--copy-images",
    is_flag=True,
    help="Copy the image files too. By default DST refers to the originals; COCO only has their names.",
)
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
    from segdata.report.edits import conversion_text, losses_text, refusal_text

    to = find_format(to).name
    more = {"annotator": annotator, "source": source, "roi": roi}
    dataset = options.read(src, **{name: value for name, value in more.items() if value is not None})
    bar = ExitStack()

    def announce(losses: "Sequence[Loss]") -> None:
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
    emit(conversion_text(result, options.typed(src), make_console()))
    for remark in result.not_copied:
        emit(remark)
    if not copy_images and (note := _image_note(dataset, dst, to, parse_pairs(write_options))):
        emit("\n".join(["", *note]))
    if result.proof is not None and not result.proof.holds:
        say(f"error: {dst} differs from {src} beyond the reported losses; this is a bug, please report it")
        return FOUND
    return FOUND if result.n_errors else 0


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
