"""`segdata diff`: what two datasets do not have in common."""

from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, TypeVar

import click

from segdata.cli.options import DataOptions, data_options, example, option_text, parse_pairs, report_options
from segdata.cli.process import FOUND, say

if TYPE_CHECKING:
    from segdata.store.diff.difference import Difference

F = TypeVar("F", bound=Callable[..., object])
_PATH = click.Path(path_type=Path)
_OF_B = (
    click.option("--from-b", metavar="FORMAT", help="The same for B; default: detected."),
    click.option("--taxonomy-b", metavar="FILE", type=_PATH, help="Default: taxonomy.yaml beside B."),
    click.option("--images-b", metavar="DIR", type=_PATH, help="The folder of B's image files."),
    click.option("--read-option-b", metavar="NAME=VALUE", multiple=True, help="An option of the format of B."),
    click.option("--config-b", metavar="FILE", type=_PATH, help="Default: segdata.yaml beside B."),
)


def options_of_b(command: F) -> F:
    """The options that say how B is to be read."""
    for option in reversed(_OF_B):
        command = option(command)
    return command


@click.command(
    name="diff",
    epilog=example(
        "segdata diff labels_v1.json labels_v2.json",
        "segdata diff masks/ coco.json --ignore category-details --format json",
    ),
)
@click.argument("a", type=_PATH)
@click.argument("b", type=_PATH)
@click.option(
    "--ignore", metavar="KINDS", multiple=True, help="Kinds of difference that do not count, as the report calls them."
)
@click.option("--strict", is_flag=True, help="Segment ids and polygon vertices make a difference too.")
@click.option(
    "--limit", type=click.IntRange(min=0), metavar="N", help="List N of each kind; default: 3 as text, 100 as JSON."
)
@report_options("text", "json")
@data_options
@options_of_b
def command(
    a: Path,
    b: Path,
    ignore: tuple[str, ...],
    strict: bool,
    limit: int | None,
    report: str,
    output: Path | None,
    opening: DataOptions,
    **of_b: Any,  # Any: each option has its own type
) -> int:
    """Compare two datasets of any formats: images, pixels, categories.

    The options of DATA are those of A; those that end in -b are of B. --list
    and --jobs are for both. Exits with 0 where A and B are the same, else
    with 1, and with 2 when they could not be compared.
    """
    from segdata.api.diff import diff
    from segdata.cli.output import emit, make_console, protect_inputs
    from segdata.cli.process import progress_bar
    from segdata.cli.validate import split_codes
    from segdata.report.diff import FIRST, diff_json, diff_text

    protect_inputs(output, opening.inputs(a, b))
    only = opening.given.pop("only", None)
    data_a = opening.read(a)
    names = {"from_b": "format", "read_option_b": "options"}
    given_b = {names.get(name, name.removesuffix("_b")): value for name, value in of_b.items() if value}
    if "options" in given_b:
        given_b["options"] = parse_pairs(given_b["options"])
    data_b = DataOptions(given_b).read(b)
    with progress_bar("diff", max(len(data_a), len(data_b))) as done:
        found = diff(
            data_a,
            data_b,
            ignore=split_codes(ignore),
            only=only,
            strict=strict,
            limit=limit if limit is not None else 100 if report == "json" else FIRST,
            jobs=opening.jobs,
            progress=done,
        )
    if report == "json":
        emit(diff_json(found), output)
    else:
        emit(diff_text(found, _typed(opening, a, b, of_b, ignore, strict), make_console(output)), output)
    if output is not None:
        say(f"{_verdict(found)}, see {output}")
    return 0 if found.same else FOUND


def _typed(
    opening: DataOptions, a: Path, b: Path, of_b: dict[str, Any], ignore: tuple[str, ...], strict: bool
) -> list[str]:
    """The command as it was typed, without its name and --format."""
    values = [(name, each) for name, given in of_b.items() for each in (given if isinstance(given, tuple) else [given])]
    own = [option_text("--" + name.replace("_", "-"), value) for name, value in values if value is not None]
    kinds = [option_text("--ignore", each) for each in ignore]
    return [quote(str(a)), quote(str(b)), *opening.words, *own, *kinds, *(["--strict"] if strict else [])]


def _verdict(found: "Difference") -> str:
    return "the same" if found.same else f"{sum(count.n for count in found.telling.values()):,} differences"
