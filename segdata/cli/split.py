"""`segdata split`: train, val and test, balanced and without leaks."""

from pathlib import Path

import click

from segdata.cli.options import DATA, DataOptions, data_options, example, report_options
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
    help="Names and shares of the images; default: train=0.7,val=0.15,test=0.15.",
)
@click.option(
    "--group",
    metavar="COLUMN",
    multiple=True,
    help="Also keep together what has the same camera, folder, or a key of the images' metadata. Groups and sequences "
    "always stay together.",
)
@click.option("--seed", metavar="N", default=0, help="Another seed, another division; default: 0.")
@click.option("--keep", is_flag=True, help="Images that are in one of the parts stay there; deal the others only.")
@click.option("--no-near", is_flag=True, help="Do not decode images to keep those together that look the same.")
@click.option(
    "--lists",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write DIR/train.txt, …, for --list, in place of a revision of DATA.",
)
@click.option("--dry-run", is_flag=True, help="Write nothing; say how balanced it would be.")
@report_options("text", "json")
@data_options
def command(
    data: Path,
    parts: str,
    group: tuple[str, ...],
    seed: int,
    keep: bool,
    no_near: bool,
    lists: Path | None,
    dry_run: bool,
    report: str,
    output: Path | None,
    opening: DataOptions,
) -> None:
    """Divide images into train, val and test, balanced and leak-free.

    A canonical DATA gets a new revision with the parts in its column `split`;
    for any other, --lists writes a list of images for each part.

    Every category gets its share of images, segments and pixels in each part
    as far as that can be. Images of one group or sequence, and those that are
    nearly the same picture, are never separated. The same images and seed
    give the same division, whatever their order.
    """
    from segdata.api.split import split
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.cli.process import progress_bar
    from segdata.report.edits import split_json, split_text

    protect_inputs(output, opening.inputs(data))
    dataset = opening.read(data)
    with progress_bar("split", len(dataset)) as done:
        found = split(
            dataset,
            parse_shares(parts),
            group=group,
            seed=seed,
            keep=keep,
            near=not no_near,
            lists=lists,
            dry_run=dry_run,
            jobs=opening.jobs,
            progress=done,
        )
    if report == "json":
        written = {"revision": found.revision, "lists": [str(path) for path in found.lists]}
        emit(split_json(found.deal, found.n_alike, **written), output)
    else:
        emit(split_text(found.deal, found.n_alike, make_console(output)), output)
    if found.revision is not None:
        say(f"{data} has revision {found.revision} now, with the parts in its column split")
    if found.lists:
        say(f"lists written: {', '.join(map(str, found.lists))}")


def parse_shares(text: str) -> dict[str, float]:
    """NAME=SHARE, … as numbers by name.

    >>> shares("train=0.8, val=0.2")
    {'train': 0.8, 'val': 0.2}
    """
    found: dict[str, float] = {}
    for each in filter(None, (part.strip() for part in text.split(","))):
        name, _, share = each.partition("=")
        try:
            value = float(share)
        except ValueError:
            raise click.UsageError(f"--parts: {each!r} is not NAME=SHARE, as in train=0.7") from None
        if not name.strip() or name.strip() in found or "/" in name:
            raise click.UsageError(f"--parts: {each!r} needs a name of its own, without /")
        found[name.strip()] = value
    return found
