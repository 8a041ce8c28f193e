"""`segdata diff`: the differences between two datasets."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from segdata.cli.options import (
    FORMAT,
    PATH,
    DataOptions,
    add_options,
    data_options,
    example,
    option_text,
    parse_pairs,
    report_options,
    split_codes,
)
from segdata.cli.output import emit, make_console, place_name, protect_inputs
from segdata.cli.process import FOUND, say
from segdata.core.errors import count_noun
from segdata.core.safe_text import shell_word

if TYPE_CHECKING:
    from segdata.store.diff.difference import Difference

F = TypeVar("F", bound=Callable[..., object])
_OF_B = (
    click.option("--from-b", metavar="FORMAT", type=FORMAT, help="Format of B; default: detected."),
    click.option("--taxonomy-b", metavar="FILE", type=PATH, help="Taxonomy of B; default: taxonomy.yaml beside B."),
    click.option("--images-b", metavar="DIR", type=PATH, help="Folder of the image files of B."),
    click.option("--read-option-b", metavar="NAME=VALUE", multiple=True, help="Option of the format of B."),
    click.option("--config-b", metavar="FILE", type=PATH, help="Settings of B; default: segdata.yaml beside B."),
)


def options_of_b(command: F) -> F:
    """Add the options for reading B."""
    return add_options(_OF_B, command)


@click.command(
    name="diff",
    epilog=example(
        "segdata diff labels_v1.json labels_v2.json",
        "segdata diff masks/ coco.json --ignore category-details --format json",
    ),
)
@click.argument("a", type=PATH)
@click.argument("b", type=PATH)
@click.option(
    "--ignore", metavar="KINDS", multiple=True, help="Kinds of difference to ignore, as the report names them."
)
@click.option("--strict", is_flag=True, help="Count different segment ids and polygon vertices as well.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    help="List at most N differences of each kind; default: 3 as text, 100 as JSON.",
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
        emit(diff_json(result), output)
    else:
        emit(diff_text(result, _typed(options, a, b, of_b, ignore, strict), make_console(output)), output)
    if output is not None:
        say(f"{_verdict(result)}, see {place_name(output)}")
    return 0 if result.same else FOUND


def _typed(
    options: DataOptions, a: Path, b: Path, of_b: dict[str, Any], ignore: tuple[str, ...], strict: bool
) -> list[str]:
    """The command as it was typed, without its name and --format."""
    values = [(name, one) for name, given in of_b.items() for one in (given if isinstance(given, tuple) else [given])]
    own = [option_text("--" + name.replace("_", "-"), value) for name, value in values if value is not None]
    kinds = [option_text("--ignore", kind) for kind in ignore]
    return [shell_word(a), shell_word(b), *options.words, *own, *kinds, *(["--strict"] if strict else [])]


def _verdict(result: "Difference") -> str:

    return "the same" if result.same else count_noun(sum(count.n for count in result.telling.values()), "difference")
