"""Options that many commands share, each defined once."""

import functools
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from segdata.core.errors import SegdataError

if TYPE_CHECKING:
    from segdata.core.dataset import OpenDataset

F = TypeVar("F", bound=Callable[..., object])

DATA = click.argument("data", type=click.Path(path_type=Path))
GROUP_BY = click.option(
    "--by",
    metavar="COLUMN",
    help="Tell apart split, camera, sequence, group, folder, size, annotator, source, stage, month, or a key of the "
    "images' metadata.",
)
PAIR = click.option(
    "--pair",
    "pair_by",
    type=click.Choice(("id", "stem", "name", "varying", "content")),
    help="How to pair images: by id, path without extension, name, the part of the name that varies, or equal files.",
)
TAXONOMY_MAP = click.option(
    "--taxonomy-map", metavar="FILE", type=click.Path(path_type=Path), help="Under which names categories are compared."
)
_AMOUNT = click.FloatRange(min=0, min_open=True)
TOLERANCE = click.option("--tolerance", metavar="PX", type=_AMOUNT, help="Boundaries this near are one; default: 2 px.")
TOLERANCE_MM = click.option(
    "--tolerance-mm", metavar="MM", type=_AMOUNT, help="The same where the spacing of pixels is known."
)
FORCE = click.option("--force", is_flag=True, help="Overwrite what is there.")


def example(*commands: str) -> str:
    """The end of a help page: commands to copy."""
    return "\b\n" + "\n".join(["Example:", *(f"  {command}" for command in commands)])


@dataclass(frozen=True, slots=True)
class DataOptions:
    """How DATA is to be opened: the common options.

    Attributes
    ----------
    given : the arguments of `segdata.read`, without None
    jobs : threads; 0: one per core
    words : the options as the user typed them, those that are arguments of `segdata.read`
    """

    given: dict[str, Any] = field(default_factory=dict)  # Any: each argument has its own type
    jobs: int = 0
    words: tuple[str, ...] = ()

    def read(self, data: Path, **more: object) -> "OpenDataset":
        """Open DATA; `more` are further arguments of `segdata.read`."""
        from segdata.cli.process import block_pandas_import, collect_garbage_rarely

        block_pandas_import()
        collect_garbage_rarely()
        from segdata.api.read import read

        return read(data, **{**self.given, **more})

    def inputs(self, *data: Path) -> list[object]:
        """What is read: DATA, and the files and folders that the options name."""
        return [*data, *(self.given[name] for name in ("taxonomy", "images", "config") if name in self.given)]

    def typed(self, data: Path) -> list[str]:
        """DATA and the options as one would type them, for the commands that a report proposes."""
        return [shlex.quote(str(data)), *self.words]


_DATA_OPTIONS = (
    click.option("--from", "format", metavar="FORMAT", help="The format of DATA; default: detected."),
    click.option(
        "--taxonomy", metavar="FILE", type=click.Path(path_type=Path), help="Default: taxonomy.yaml beside DATA."
    ),
    click.option("--images", metavar="DIR", type=click.Path(path_type=Path), help="The folder of the image files."),
    click.option(
        "--list",
        "only",
        metavar="FILE",
        type=click.Path(path_type=Path, allow_dash=True),
        help="Only the images named in this file, one a line.",
    ),
    click.option(
        "--read-option",
        "options",
        metavar="NAME=VALUE",
        multiple=True,
        help="An option of the format of DATA; `segdata formats FORMAT` lists them.",
    ),
    click.option(
        "--config", metavar="FILE", type=click.Path(path_type=Path), help="Default: segdata.yaml beside DATA."
    ),
    click.option("--jobs", metavar="N", type=click.IntRange(min=0), default=0, help="Threads; default: one per core."),
)


def data_options(command: F) -> F:
    """The options of every command that takes DATA, handed over as one `opening`."""

    @functools.wraps(command)
    def gathered(
        format: str | None,
        taxonomy: Path | None,
        images: Path | None,
        only: Path | None,
        config: Path | None,
        options: tuple[str, ...],
        jobs: int,
        **rest: object,
    ) -> object:
        given = {"format": format, "taxonomy": taxonomy, "images": images, "only": only, "config": config}
        present: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        typed = {"format": "from", "only": "list"}
        words = tuple(option_text("--" + typed.get(name, name), value) for name, value in present.items())
        if only is not None:
            present["only"] = read_list(only)
        if options:
            present["options"] = parse_pairs(options)
            words += tuple(option_text("--read-option", option) for option in options)
        return command(opening=DataOptions(present, jobs, words), **rest)

    for option in reversed(_DATA_OPTIONS):
        gathered = option(gathered)
    return gathered  # type: ignore[return-value]  # click calls it by keyword


def parse_pairs(options: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE options by name.

    >>> pairs(("polygons=exact",))
    {'polygons': 'exact'}
    """
    split = [option.partition("=") for option in options]
    for option, (name, mark, _) in zip(options, split, strict=True):
        if not (name and mark):
            raise click.UsageError(f"{option!r} is not NAME=VALUE")
    return {name.strip(): value.strip() for name, _, value in split}


def option_text(option: str, *values: object) -> str:
    """An option with its values as one would type it: one word of a command, not to be broken.

    >>> word("--list", "my names.txt")
    "--list 'my names.txt'"
    """
    return " ".join([option, *(shlex.quote(str(value)) for value in values)])


def report_options(*formats: str) -> Callable[[F], F]:
    """`--format` (the first is the default) and `--output`."""

    def add(command: F) -> F:
        command = click.option(
            "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Write the report to this file."
        )(command)
        return click.option(
            "--format", "report", type=click.Choice(formats), default=formats[0], help=f"Default: {formats[0]}."
        )(command)

    return add


def rule_options(command: F) -> F:
    """`--select`, `--ignore`, `--no-review` and `--fail-on`: which findings there are, and which of them fail."""
    for option in (
        click.option(
            "--fail-on",
            type=click.Choice(("error", "warning", "info", "never")),
            default="error",
            help="Exit with 1 from this severity on; default: error.",
        ),
        click.option("--no-review", is_flag=True, help="Also what reviewers have decided (`segdata review`)."),
        click.option("--ignore", metavar="CODES", multiple=True, help="Not these rules."),
        click.option(
            "--select", metavar="CODES", multiple=True, help="Only these rules: codes, their beginnings, or names."
        ),
    ):
        command = option(command)
    return command


def read_list(path: Path) -> list[str]:
    """The lines of a file (`-`: of stdin) without blank ones and those that begin with #."""
    try:
        with click.open_file(str(path), encoding="utf-8-sig") as file:
            lines = [line.strip() for line in file]
    except UnicodeDecodeError as error:
        raise SegdataError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise SegdataError(f"{path}: names no image; write one image id a line")
    return names
