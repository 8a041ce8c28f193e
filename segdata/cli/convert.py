"""`segdata convert`: write a dataset in another format, and say what was lost."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from segdata.cli.options import DataOptions, data_options, example, parse_pairs
from segdata.cli.process import FOUND, say

if TYPE_CHECKING:
    from segdata.api.convert import OnLoss
    from segdata.core.format import Loss


@click.command(
    name="convert",
    epilog=example(
        "segdata convert masks/ street --verify", "segdata convert street coco.json --to coco-instances --on-loss error"
    ),
)
@click.argument("src", type=click.Path(path_type=Path))
@click.argument("dst", type=click.Path(path_type=Path))
@click.option("--to", metavar="FORMAT", default="canonical", help="The format of DST; default: canonical.")
@click.option(
    "--roi",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Masks of the regions of interest, named as the images: outside nothing is expected.",
)
@click.option(
    "--taxonomy-map",
    metavar="MAP",
    type=click.Path(path_type=Path),
    help="Rename, join and drop categories as MAP says; segdata taxonomy diff writes one.",
)
@click.option("--annotator", metavar="NAME", help="Who drew what has no annotator in SRC.")
@click.option(
    "--source",
    type=click.Choice(("human", "model", "consensus")),
    help="Where the labels of SRC are from, when it does not say so itself.",
)
@click.option(
    "--write-option",
    "write_options",
    metavar="NAME=VALUE",
    multiple=True,
    help="An option of the format of DST; `segdata formats FORMAT` lists them.",
)
@click.option(
    "--on-loss",
    type=click.Choice(("warn", "error", "allow")),
    default="warn",
    help="What DST cannot hold: say so (warn, the default), write nothing and exit with 1 (error), be quiet (allow).",
)
@click.option(
    "--verify",
    is_flag=True,
    help="Read DST again and compare all of it with SRC: nothing may differ but the losses that were counted.",
)
@click.option(
    "--copy-images", is_flag=True, help="Copy the image files too. Else DST refers to them; COCO only has their names."
)
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
    opening: DataOptions,
) -> int:
    """Write SRC in another format to DST, which must not exist.

    What DST cannot hold, and what could not be read, is counted while DST is
    made under a hidden name, and printed before DST is put in its place; with
    --on-loss error it is not put there. The losses are written too: in
    dataset.yaml of a canonical dataset, else in DST/losses.json, or in
    coco.losses.json beside coco.json.

    Exits with 1 when a loss is not allowed, when --verify finds a difference
    that is no counted loss (DST is kept), or when SRC has defects that
    `segdata validate` calls errors; everything else is written nevertheless.
    """
    from segdata.api.convert import convert
    from segdata.cli.output import emit, make_console
    from segdata.cli.process import progress_bar
    from segdata.core.errors import LossError
    from segdata.formats.shared.derived_sources import find_image_root
    from segdata.report.conversion import command_with_images, conversion_text, losses_text, refusal_text

    more = {"annotator": annotator, "source": source, "roi": roi}
    dataset = opening.read(src, **{name: value for name, value in more.items() if value is not None})
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
                jobs=opening.jobs,
                write_options=parse_pairs(write_options),
                progress=bar.enter_context(progress_bar("convert", len(dataset))),
                announce=announce,
                taxonomy_map=taxonomy_map,
            )
    except LossError as error:
        emit(refusal_text(str(dst), error.losses, make_console()))
        return FOUND
    emit(conversion_text(result, opening.typed(src), make_console()))
    for remark in result.not_copied:
        emit(remark)
    # COCO files name images and do not say where they are; the other formats refer to them.
    if to.startswith("coco-") and not copy_images and (images := find_image_root(dataset)) is not None:
        emit(
            "\n".join(
                [
                    "",
                    "its images are not copied; to read it with them:",
                    *command_with_images(dst, images, make_console()),
                ]
            )
        )
    if result.proof is not None and not result.proof.holds:
        say(f"error: {dst} differs from {src} in more than the losses that were counted; please report it")
        return FOUND
    return FOUND if result.n_errors else 0
