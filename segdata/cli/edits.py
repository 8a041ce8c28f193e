"""Commands that make a dataset of others, such as `split` and `merge`, and those for the revisions of a dataset.

The latter are `history`, `restore` and `prune`. The others are `sample`, `filter`, `remap`, `tile` and `crop`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segdata.cli.options import (
    COPY_IMAGES,
    DATA,
    FOLDER,
    NO_IMAGES,
    OUT,
    PATH,
    RULE,
    DataOptions,
    data_options,
    example,
    flag,
    option,
    report_options,
)
from segdata.cli.output import emit, make_console, protect_inputs, report_written
from segdata.cli.process import say
from segdata.core.errors import count_noun

if TYPE_CHECKING:
    from segdata.store.windows import Match


@click.command(
    name="split",
    epilog=example(
        "segdata split street --parts train=0.7,val=0.15,test=0.15",
        "segdata split coco.json --group camera --lists splits",
        "segdata convert coco.json train --list splits/train.txt",
    ),
)
@DATA
@option("--parts NAME=SHARE,…", "Names of the parts and their shares", default="train=0.7,val=0.15,test=0.15")
@option(
    "--group COLUMN",
    "Keep images with the same camera, folder, or metadata key together, as groups and sequences always are.",
    multiple=True,
)
@option("--seed N", "Random seed", default=0)
@flag("--keep", "Keep images in the part that they have; assign only the others.")
@flag("--overwrite", "Replace the split that DATA has already.")
@flag("--no-near", "Skip the search for near-duplicate images, which decodes all images.")
@option("--lists DIR", "Write DIR/train.txt, … for --list instead of a new revision of DATA.", type=FOLDER)
@flag("--dry-run", "Only show how balanced the split would be.")
@report_options("text", "json")
@data_options
def split_command(
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
    from segdata.api.edits import split
    from segdata.report.edits import split_text

    protect_inputs(output, options.inputs(data))
    dataset = options.read(data)
    with options.working("split", len(dataset)) as work:
        result = split(dataset, parse_shares(parts), near=not no_near, **given, **work)
    text = result.to_json() if report == "json" else split_text(result.assignment, result.n_alike, make_console(output))
    emit(text, output)
    if result.revision is not None:
        say(f"{data} now has revision {result.revision}, with the parts in its column split")
    if result.lists:
        say(f"written: {', '.join(map(str, result.lists))}")


def parse_shares(text: str) -> dict[str, float]:
    """NAME=SHARE, … as numbers by name; raises UsageError, as do the other parsers of options here.

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


@click.command(
    name="sample",
    epilog=example(
        "segdata sample street gold 60 --for gold --copy-images",
        "segdata sample images/ pilot 50 --for pilot --stratify camera",
        "segdata convert gold gold.json --to coco-instances",
    ),
)
@DATA
@OUT
@click.argument("n", metavar="N", type=click.IntRange(min=1))
@option(
    "--for",
    "gold: cover the categories, rare ones first (default); pilot: at random.",
    "purpose",
    type=click.Choice(("gold", "pilot")),
    default="gold",
)
@option("--instances M", "Segments of each category in a gold set", type=click.IntRange(min=1), default=30)
@option("--stratify COLUMN", "Draw each camera, folder, split, … in proportion to its images.")
@option("--seed N", "Random seed", default=0)
@COPY_IMAGES
@report_options("text", "json")
@data_options
def sample_command(
    data: Path, out: Path, n: int, report: str, output: Path | None, options: DataOptions, **given: Any
) -> int:  # Any: as `draw_sample` takes them
    """Draw N images of DATA, and write them to OUT with their labels.

    A gold set aims at 30 segments of each category (--instances), as far as
    they exist and fit into N images: it adds the image that contributes most
    to what is missing, one after another. The images of a pilot are drawn at
    random, so that `segdata pilot` can generalise from them.
    """
    from segdata.api.edits import draw_sample
    from segdata.report.edits import sample_text

    protect_inputs(output, options.inputs(data))
    dataset = options.read(data)
    with options.working("sample", n) as work:
        result = draw_sample(dataset, out, n, **given, **work)
    assert result.written is not None
    if report == "json":
        emit(result.to_json(), output)
        return 0
    emit(sample_text(result.draw, make_console(output)), output)
    return report_written(result.written, data, options)


_COLUMNS = """\b
Columns of
  images       image_id width height split group sequence frame camera
               timestamp metadata["…"] image_findings
  annotations  annotator source stage reviewer created seconds n_segments
  segments     category kind segment_id track_id crowd score segment_source
               area x y box_width box_height attributes["…"] findings

"""


@click.command(
    name="filter",
    epilog=_COLUMNS
    + example(
        "segdata filter street cars --category car --min-area 100",
        'segdata filter street night --where \'metadata["time"] == "night"\'',
        "segdata filter street flagged --finding SEG106 --findings report.json",
        "segdata filter street clean --findings report.json --where 'findings == 0'",
    ),
)
@DATA
@OUT
@option("--category NAME", "Keep segments of this category or its subcategories.", multiple=True)
@option("--annotator NAME", "Keep annotations of this annotator.", "drawn_by", multiple=True)
@option("--min-area PX", "Keep segments of at least PX pixels.", type=click.IntRange(min=0))
@option("--max-area PX", "Keep segments of at most PX pixels.", type=click.IntRange(min=0))
@option("--finding CODE", "Keep images that have this finding in the report of --findings.", type=RULE, multiple=True)
@option("--findings JSON", "Report of segdata validate --format json.", type=PATH)
@option("--where EXPR", "Keep what meets this condition over columns, see above.", multiple=True)
@flag("--keep-images", "Keep images that lose all their segments.")
@COPY_IMAGES
@data_options
def filter_command(
    data: Path, out: Path, findings: Path | None, options: DataOptions, **given: Any
) -> int:  # Any: as `filter` takes them
    """Write images and segments that meet all conditions to OUT.

    A condition on segments drops all other segments, and images without
    segments; the attributes of the remaining images stay. If you repeat
    --category or --annotator, any of the values matches. The command reports
    what it dropped.

    EXPR compares columns: 'area > 500 and not crowd', 'split in ["val"]',
    'seconds / n_segments > 60', 'attributes["truncated"] == True',
    'matches(image_id, "^night/")', 'stage == None'.
    """
    from segdata.api.edits import filter

    dataset = options.read(data)
    with options.working("filter", len(dataset)) as work:
        result = filter(dataset, out, findings=findings or (), **given, **work)
    dropped = [count_noun(result.images, "image"), count_noun(result.annotations, "annotation")]
    dropped.append(f"{count_noun(result.segments, 'segment')} ({result.pixels:,} px)")
    kept = f"kept where {' and '.join(result.conditions)}" if result.conditions else "kept everything"
    emit("\n".join([*make_console().wrap(kept), *make_console().wrap(f"dropped {', '.join(dropped)}")]))
    return report_written(result.written, data, options)


@click.command(
    name="merge",
    epilog=example(
        "segdata merge batch1 batch2 street",
        "segdata merge anna.json bob.json both --images images/",
        "segdata merge new old all --taxonomy-map old=old_to_new.yaml",
    ),
)
@click.argument("data", nargs=-1, required=True, type=PATH)
@OUT
@option(
    "--taxonomy-map DATA=MAP",
    "Rename the categories of one DATA as MAP says; `segdata taxonomy diff` writes one.",
    "maps",
    multiple=True,
)
@flag("--apart", "Keep images of equal names apart, in a folder for each dataset.")
@COPY_IMAGES
@data_options
def merge_command(
    data: tuple[Path, ...], out: Path, maps: tuple[str, ...], apart: bool, copy_images: bool, options: DataOptions
) -> int:
    """Merge several datasets into one, OUT.

    Categories with the same name or alias become one; if they do not fit (a
    thing here, stuff there), the command fails and names both files.

    Images with the same name become one image with the annotations of all
    datasets; two different annotations of it both stay. If their sizes or
    files differ, they stay two images, and the later one moves to a folder
    named after its dataset. The command reports what it renamed, and
    where ids, names or parents of categories contradict each other.

    Files and folders named after a split (train.json, val.json) give their
    images that split. Images of two splits stay two images.
    """
    from segdata.api.edits import merge

    datasets = [options.read(path) for path in data]
    taxonomy_maps = parse_taxonomy_maps(data, maps)
    with options.working("merge", sum(map(len, datasets))) as work:
        result = merge(datasets, out, taxonomy_maps=taxonomy_maps, apart=apart, copy_images=copy_images, **work)
    for remark in result.remarks:
        emit("\n".join(make_console().wrap(remark, "", "  ")))
    if result.n_shared:
        emit(f"{count_noun(result.n_shared, 'image')} merged with those of another dataset")
    return report_written(result.written, data[0], options, *data[1:])


def parse_taxonomy_maps(data: tuple[Path, ...], maps: tuple[str, ...]) -> dict[int, Path]:
    """DATA=MAP by the place of DATA."""
    result = {}
    for text in maps:
        name, mark, path = text.rpartition("=")
        if not mark or Path(name) not in data:
            listed = ", ".join(map(str, data))
            raise click.UsageError(f"--taxonomy-map {text!r} is not DATA=MAP, where DATA is one of {listed}")
        result[data.index(Path(name))] = Path(path)
    return result


@click.command(
    name="remap",
    epilog=example(
        "segdata remap street coarse --rename car=vehicle --rename bus=vehicle",
        "segdata remap street no_people --drop person",
        "segdata remap old new --map old_to_new.yaml",
    ),
)
@DATA
@OUT
@option("--rename OLD=NEW", "Rename a category; two with the same new name are merged.", multiple=True)
@option("--drop NAME", "Drop the segments of this category.", multiple=True)
@option("--map MAP", "Rename and drop as this file says; `segdata taxonomy diff` writes one.", "file", type=PATH)
@COPY_IMAGES
@data_options
def remap_command(
    data: Path,
    out: Path,
    rename: tuple[str, ...],
    drop: tuple[str, ...],
    file: Path | None,
    copy_images: bool,
    options: DataOptions,
) -> int:
    """Rename, merge and drop categories.

    Segments of stuff, and all segments of semantic data, that get the same
    category are merged within each annotation; instances stay separate. The
    command counts what it dropped and merged.
    """
    from segdata.api.edits import remap
    from segdata.report.edits import losses_text

    if (file is None) == (not rename and not drop):
        raise click.UsageError("give --rename or --drop, or --map MAP")
    dataset = options.read(data)
    with options.working("remap", len(dataset)) as work:
        result = remap(dataset, out, file or parse_renames(rename, drop), copy_images=copy_images, **work)
    if result.losses:
        emit(losses_text(result.losses, "canonical", make_console()))
    return report_written(result, data, options)


def parse_renames(rename: tuple[str, ...], drop: tuple[str, ...]) -> dict[str, str | None]:
    """OLD=NEW and dropped names as a map.

    >>> parse_renames(("car=vehicle",), ("person",))
    {'car': 'vehicle', 'person': None}
    """
    result: dict[str, str | None] = {}
    for text in rename:
        old, mark, new = text.partition("=")
        if not (old and mark and new):
            raise click.UsageError(f"--rename {text!r} is not OLD=NEW")
        result[old] = new
    return result | dict.fromkeys(drop)


def parse_size(text: str) -> tuple[int, int]:
    """A size as width and height.

    >>> parse_size("512"), parse_size("1024x512")
    ((512, 512), (1024, 512))
    """
    width, _, height = text.lower().partition("x")
    try:
        result = int(width), int(height or width)
    except ValueError:
        raise click.UsageError(f"--size {text!r} is not N or WIDTHxHEIGHT") from None
    if min(result) < 1:
        raise click.UsageError(f"--size {text!r}: a tile needs at least one pixel")
    return result


@click.command(
    name="tile",
    epilog=example(
        "segdata tile street tiles --size 512 --overlap 64",
        "segdata tile tiles whole --back",
        "segdata tile predictions whole --back --tiles tiles --match overlap",
    ),
)
@DATA
@OUT
@option("--size N", "Size of a tile in pixels: N or WIDTHxHEIGHT", default="512")
@option("--overlap N", "Pixels that neighbouring tiles share", type=click.IntRange(min=0), default=0)
@NO_IMAGES
@flag("--back", "Reassemble the tiles in DATA.")
@option("--tiles TILES", "With --back: the output of segdata tile, if DATA has only the tile names.", type=PATH)
@option(
    "--match",
    "With --back: join segments of several tiles by equal ids (default), or if they share half of their pixels in the "
    "overlap, for predicted instances.",
    type=click.Choice(("id", "overlap")),
    default="id",
)
@data_options
def tile_command(
    data: Path,
    out: Path,
    size: str,
    overlap: int,
    no_images: bool,
    back: bool,
    tiles: Path | None,
    match: "Match",
    options: DataOptions,
) -> int:
    """Cut images and labels into tiles, or reassemble them.

    All tiles have the full size if the image is large enough; the last ones
    overlap more. Images are written to OUT/images as PNG, or as TIFF if they
    are TIFF. Cut segments keep their ids, and --back restores the same
    pixels; if predictions on two tiles differ, each counts up to the middle
    of the overlap.
    """
    from segdata.api.edits import tile, untile

    if tiles is not None and not back:
        raise click.UsageError("--tiles needs --back")
    dataset = options.read(data)
    with options.working("tile", len(dataset)) as work:
        if back:
            result = untile(dataset, out, tiles=tiles, match=match, **work)
        else:
            result = tile(dataset, out, parse_size(size), overlap=overlap, crop_images=not no_images, **work)
    return report_written(result, data, options)


@click.command(
    name="crop",
    epilog=example(
        "segdata crop street lower --box 0,300,2048,724", "segdata crop street cars --around car --margin 16"
    ),
)
@DATA
@OUT
@option("--box X,Y,W,H", "Window of each image, in pixels.")
@option("--around CATEGORY", "Cut a window around each segment of CATEGORY; * for all categories.", multiple=True)
@option("--margin N", "Margin around each segment in pixels.", type=click.IntRange(min=0), default=0)
@NO_IMAGES
@data_options
def crop_command(
    data: Path, out: Path, box: str | None, around: tuple[str, ...], margin: int, no_images: bool, options: DataOptions
) -> int:
    """Cut a window out of images and labels.

    Images are written to OUT/images as PNG, or as TIFF if they are TIFF.
    Segments outside the windows are left out; cut segments keep their ids.
    """
    from segdata.api.edits import crop

    if (box is None) == (not around):
        raise click.UsageError("give either --box X,Y,W,H or --around CATEGORY")
    window = None if box is None else parse_box(box)
    dataset = options.read(data)
    categories = None if "*" in around else around
    with options.working("crop", len(dataset)) as work:
        result = crop(dataset, out, box=window, around=categories, margin=margin, crop_images=not no_images, **work)
    return report_written(result, data, options)


def parse_box(text: str) -> tuple[int, int, int, int]:
    """X,Y,W,H as numbers.

    >>> parse_box("0,300,2048,724")
    (0, 300, 2048, 724)
    """
    try:
        x, y, width, height = map(int, text.split(","))
    except ValueError:
        raise click.UsageError(f"--box {text!r} is not X,Y,W,H in pixels, as in 0,300,2048,724") from None
    return x, y, width, height


@click.command(
    name="history",
    epilog=example("segdata history street", "segdata diff street@r0001 street@r0002", "segdata restore street r0001"),
)
@DATA
@report_options("text", "json")
def history_command(data: Path, report: str, output: Path | None) -> None:
    """List the revisions of a canonical dataset.

    Every change (validate --fix, split, review apply) makes a new revision;
    earlier ones stay until `segdata prune` deletes them. An asterisk marks
    the current one. Wherever a command takes DATA, DATA@r0001 names one of
    its revisions.
    """
    from segdata.api.revisions import history
    from segdata.report.edits import history_text

    protect_inputs(output, [data])
    result = history(data)
    emit(result.to_json() if report == "json" else history_text(result, make_console(output)), output)


@click.command(name="restore", epilog=example("segdata history street", "segdata restore street r0001"))
@DATA
@click.argument("revision")
def restore_command(data: Path, revision: str) -> None:
    """Make an earlier revision the current one again.

    Nothing is deleted: later revisions stay in the history, and you can
    restore them too. The next change makes a revision after the last one.
    """
    from segdata.api.revisions import restore

    before = restore(data, revision)
    emit(f"{data} is now at {revision} (before: {before}); to undo: segdata restore {data} {before}")


@click.command(name="prune", epilog=example("segdata prune street --keep 3 --dry-run", "segdata prune street --keep 3"))
@DATA
@option("--keep N", "Keep the last N revisions", type=click.IntRange(min=1), default=1)
@flag("--dry-run", "Only show what would be deleted.")
def prune_command(data: Path, keep: int, dry_run: bool) -> None:
    """Delete old revisions of a canonical dataset for good.

    The current revision always stays. Folders left over from a crash are
    deleted too.
    """
    from segdata.api.revisions import prune
    from segdata.report.edits import format_bytes

    result = prune(data, keep, dry_run=dry_run)
    if not result.revisions and not result.unfinished:
        emit("nothing to delete")
        return
    parts = (
        [f"{count_noun(len(result.revisions), 'revision')} ({', '.join(result.revisions)})"] if result.revisions else []
    )
    parts += [f"{', '.join(result.unfinished)}, never finished"] if result.unfinished else []
    does = "would delete" if dry_run else "deleted"
    emit("\n".join(make_console().wrap(f"{does} {' and '.join(parts)}: {format_bytes(result.size)}")))
