"""`segdata split`: train, validation and test parts, balanced and without leaks."""

from pathlib import Path
from typing import Any

import click

from segdata.cli.options import DATA, FOLDER, DataOptions, data_options, example, report_options
from segdata.cli.process import say


@click.command(
    name="split",
    epilog=example(
        "segdata split street --parts train=0.7,val=0.15,test=0.15",
        "segdata split coco.json --group camera --lists splits",
        "segdata convert coco.json train --list splits/train.txt",
    ),
)
@DATA
@click.option(
    "--parts",
    metavar="NAME=SHARE,…",
    default="train=0.7,val=0.15,test=0.15",
    help="Names of the parts and their shares; default: train=0.7,val=0.15,test=0.15.",
)
@click.option(
    "--group",
    metavar="COLUMN",
    multiple=True,
    help="Keep images with the same camera, folder, or metadata key together, as groups and sequences always are.",
)
@click.option("--seed", metavar="N", default=0, help="Random seed; default: 0.")
@click.option("--keep", is_flag=True, help="Keep images in the part that they have; assign only the others.")
@click.option("--overwrite", is_flag=True, help="Replace the split that DATA has already.")
@click.option("--no-near", is_flag=True, help="Skip the search for near-duplicate images, which decodes all images.")
@click.option(
    "--lists", metavar="DIR", type=FOLDER, help="Write DIR/train.txt, … for --list instead of a new revision of DATA."
)
@click.option("--dry-run", is_flag=True, help="Only show how balanced the split would be.")
@report_options("text", "json")
@data_options
def command(
    data: Path, parts: str, no_near: bool, report: str, output: Path | None, options: DataOptions, **given: Any
) -> None:  # Any: as `split` takes them
    """Split images into train, val and test, balanced and leak-free.

    A canonical dataset gets a new revision with the parts in its column
    `split`. For other formats, --lists writes a list of images for each part.

    Each part gets its share of the images, segments and pixels of every
    category, as far as possible. Images of the same group or sequence, and
    near-duplicates, stay together. The same images and seed always give the
    same split, in any order.
    """
    from segdata.api.split import split
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.report.edits import split_json, split_text

    protect_inputs(output, options.inputs(data))
    dataset = options.read(data)
    with options.working("split", len(dataset)) as work:
        result = split(dataset, parse_shares(parts), near=not no_near, **given, **work)
    if report == "json":
        written = {"revision": result.revision, "lists": [str(path) for path in result.lists]}
        emit(split_json(result.deal, result.n_alike, **written), output)
    else:
        emit(split_text(result.deal, result.n_alike, make_console(output)), output)
    if result.revision is not None:
        say(f"{data} now has revision {result.revision}, with the parts in its column split")
    if result.lists:
        say(f"written: {', '.join(map(str, result.lists))}")


def parse_shares(text: str) -> dict[str, float]:
    """NAME=SHARE, … as numbers by name.

    >>> parse_shares("train=0.8, val=0.2")
    {'train': 0.8, 'val': 0.2}
    """
    result: dict[str, float] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, share = item.partition("=")
        try:
            value = float(share)
        except ValueError:
            raise click.UsageError(f"--parts: {item!r} is not NAME=SHARE, such as train=0.7") from None
        if not name.strip() or name.strip() in result or "/" in name:
            raise click.UsageError(f"--parts: {item!r} needs a unique name without /")
        result[name.strip()] = value
    return result
