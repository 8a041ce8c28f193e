"""Options that many commands share, each defined once."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click
import msgspec
from click.shell_completion import CompletionItem

from segdata.core.errors import SegdataError
from segdata.core.executor import default_jobs
from segdata.core.pixel_limit import pixel_limit
from segdata.core.safe_text import shell_word

if TYPE_CHECKING:
    from segdata.core.dataset import OpenDataset

F = TypeVar("F", bound=Callable[..., object])
PATH = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
POSITIVE = click.FloatRange(min=0, min_open=True)


class RenamedOption(click.Option):
    """An option whose earlier names still work but are not shown in help pages and errors."""

    def __init__(self, names: Sequence[str], *, earlier: Sequence[str], **attributes: Any) -> None:  # Any: click's own
        super().__init__([*names, *earlier], **attributes)
        self._earlier = frozenset(earlier)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option's lines on the help page."""
        all_names, self.opts = self.opts, [name for name in self.opts if name not in self._earlier]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = all_names

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """The option's name in an error."""
        return " / ".join(f"'{name}'" for name in self.opts if name not in self._earlier)


def option(
    spec: str, help: str, to: str | None = None, *, earlier: str | None = None, **attributes: Any
) -> Callable[[F], F]:  # Any: click's own
    """An option as its help page shows it: its names with what they take, such as ``--output -o FILE``.

    A `help` without a full stop ends with the default. `to` is the parameter that gets the value; `earlier` is a name
    that still works but is not shown.
    """
    words = spec.split()
    names = [word for word in words if word.startswith("-")]
    attributes |= {"metavar": words[-1]} if words[-1] not in names else {}
    attributes |= {"cls": RenamedOption, "earlier": [earlier]} if earlier else {}
    help = help if help.endswith(".") else f"{help}; default: {attributes['default']}."
    return click.option(*names, *filter(None, [to]), help=help, **attributes)


def flag(spec: str, help: str, to: str | None = None, *, earlier: str | None = None) -> Callable[[F], F]:
    """An option that is given or not; see `option`."""
    return option(spec, help, to, earlier=earlier, is_flag=True)


class FormatName(click.ParamType):  # type: ignore[type-arg]  # generic in the latest click only
    """The name of a format, completed in the shell. Which names there are is checked where a format is looked up."""

    name = "format"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The names that begin so; if there are none, the short names that do."""
        from segdata.core.format import format_names, formats

        begins = incomplete.casefold()
        names = [name for name in format_names() if name.startswith(begins)]
        if not names:
            names = [name for format_ in formats().values() for name in format_.aliases if name.startswith(begins)]
        return [CompletionItem(name) for name in names]


class RuleNames(click.ParamType):  # type: ignore[type-arg]  # as above
    """Codes or names of rules, completed in the shell; `several`: with commas between them."""

    name = "codes"

    def __init__(self, several: bool) -> None:
        self._several = several

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The codes and names that the last word begins, each after the words before it."""
        from segdata.core.rule import rules

        before, comma, begun = incomplete.rpartition(",") if self._several else ("", "", incomplete)
        codes = [rule.code for rule in rules().values() if begun and rule.code.startswith(begun.upper())]
        names = [rule.name for rule in rules().values() if rule.name.startswith(begun.lower())]
        return [CompletionItem(before + comma + word) for word in codes + names]


FORMAT, RULE, RULES = FormatName(), RuleNames(several=False), RuleNames(several=True)
DATA = click.argument("data", type=PATH)
OUT = click.argument("out", type=PATH)
GROUP_BY = option(
    "--group-by COLUMN",
    "Group results by split, camera, sequence, group, folder, size, annotator, source, stage, month, or a key of "
    "the images' metadata.",
    earlier="--by",
)
WORK_DIR = functools.partial(option, "--work-dir DIR", earlier="--work", type=PATH)
PAIR = option(
    "--pair",
    "Pair images by id, path without extension (stem), file name, the part of the name that varies, or content.",
    "pair_by",
    type=click.Choice(("id", "stem", "name", "varying", "content")),
)
TAXONOMY_MAP = option("--taxonomy-map FILE", "Rename categories as FILE says before comparing them.", type=PATH)
TOLERANCE = option("--tolerance PX", "Boundaries this close count as equal; default: 2 px.", type=POSITIVE)
TOLERANCE_MM = option("--tolerance-mm MM", "The tolerance in mm, if the pixel spacing is known.", type=POSITIVE)
CONFIDENCE = option(
    "--confidence SHARE", "Confidence of the intervals", type=click.FloatRange(0.5, 0.999), default=0.95
)
RESAMPLES = option("--resamples N", "Bootstrap resamples for intervals", type=click.IntRange(min=100), default=2000)
SEED = option("--seed N", "Random seed of the resamples", type=click.IntRange(min=0), default=0)
COPY_IMAGES = flag("--copy-images", "Copy the image files too. By default OUT refers to the originals.")
NO_IMAGES = flag("--no-images", "Write the labels only.")
DRY_RUN = flag("--dry-run", "Only show what would change.")
MAX_FINDINGS = option("--max-findings N", "List at most N findings, worst first.", type=click.IntRange(min=0))
FORCE = flag("--force", "Overwrite existing files.")


def add_options(*options: Callable[[F], F]) -> Callable[[F], F]:
    """A decorator that adds several options, in this order on the help page."""

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def example(*commands: str) -> str:
    """The end of a help page: commands to copy."""
    head = "Examples:" if len(commands) > 1 else "Example:"
    return "\b\n" + "\n".join([head, *(f"  {command}" for command in commands)])


class Work(TypedDict):
    """The keywords of every command that goes through images."""

    jobs: int
    progress: Callable[[int], None]


class DataOptions(msgspec.Struct, frozen=True):
    """The common options that say how to open DATA."""

    # the arguments of `segdata.read`, without None
    given: dict[str, Any] = {}  # Any: each argument has its own type
    jobs: int = 0  # threads; 0: one per core
    words: tuple[str, ...] = ()  # the options as the user typed them, those that are arguments of `segdata.read`

    def read(self, data: Path, **more: object) -> "OpenDataset":
        """Open DATA; `more` are further arguments of `segdata.read`."""
        from segdata.cli.process import block_pandas_import

        block_pandas_import()
        from segdata.api.read import read

        return read(data, **{**self.given, **more})

    @contextmanager
    def working(self, task: str, total: int | None) -> Iterator["Work"]:
        """Show the progress of `total` images while the block runs; yields the keywords `jobs` and `progress`."""
        from segdata.cli.process import progress_bar

        with progress_bar(task, total) as advance:
            yield {"jobs": self.jobs, "progress": advance}

    def inputs(self, *data: Path) -> list[object]:
        """The inputs: DATA, and the files and folders that the options name."""
        return [*data, *(self.given[name] for name in ("taxonomy", "images", "config") if name in self.given)]

    def command_words(self, data: Path) -> list[str]:
        """DATA and the options as one would type them, for the commands that a report proposes."""
        return [shell_word(data), *self.words]


_DATA_OPTIONS = (
    option("--from FORMAT", "Format of the input; default: detected.", "format", type=FORMAT),
    option("--taxonomy FILE", "Taxonomy; default: taxonomy.yaml beside the input.", type=PATH),
    option("--images DIR", "Folder of the image files.", type=PATH),
    option(
        "--list FILE",
        "Read only the images that this file names, one per line.",
        "only",
        type=click.Path(path_type=Path, allow_dash=True),
    ),
    option(
        "--read-option NAME=VALUE",
        "Option of the input's format; `segdata formats FORMAT` lists them.",
        "read_options",
        multiple=True,
    ),
    option("--config FILE", "Settings; default: segdata.yaml beside the input.", type=PATH),
    option(
        "--max-pixels N",
        "Decode images and arrays of up to N pixels; default: 178,956,970.",
        type=click.IntRange(min=1),
    ),
    option("--jobs N", "Threads; default: one per core.", type=click.IntRange(min=0), default=0),
)


def data_options(command: F) -> F:
    """Add the options of every command that takes DATA, and pass them on as one `options`."""

    @functools.wraps(command)
    def wrapper(
        format: str | None,
        taxonomy: Path | None,
        images: Path | None,
        only: Path | None,
        config: Path | None,
        read_options: tuple[str, ...],
        max_pixels: int | None,
        jobs: int,
        **rest: object,
    ) -> object:
        values = {"format": format, "taxonomy": taxonomy, "images": images, "only": only, "config": config}
        given: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
        typed = {"format": "from", "only": "list"}
        words = tuple(option_text("--" + typed.get(name, name), value) for name, value in given.items())
        if max_pixels is not None:
            words += (option_text("--max-pixels", max_pixels),)
        if only is not None:
            given["only"] = read_list(only)
        if read_options:
            given["options"] = parse_pairs(read_options)
            words += tuple(option_text("--read-option", option) for option in read_options)
        with pixel_limit(max_pixels), default_jobs(jobs):
            return command(options=DataOptions(given, jobs, words), **rest)

    return add_options(*_DATA_OPTIONS)(wrapper)  # type: ignore[return-value]  # click calls it by keyword


SCHEDULER = option("--scheduler ADDRESS", "Run on the Dask cluster of this scheduler, such as tcp://10.0.0.5:8786.")


def parse_pairs(options: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE options by name; raises UsageError for anything else.

    >>> parse_pairs(("polygons=exact",))
    {'polygons': 'exact'}
    """
    split = [option.partition("=") for option in options]
    for option, (name, mark, _) in zip(options, split, strict=True):
        if not (name and mark):
            raise click.UsageError(f"{option!r} is not NAME=VALUE")
    return {name.strip(): value.strip() for name, _, value in split}


def split_codes(values: tuple[str, ...]) -> list[str]:
    """The codes of an option that may be repeated, each value with commas: `--select SEG1,SEG201`."""
    return [code.strip() for value in values for code in value.split(",") if code.strip()]


def option_text(option: str, *values: object) -> str:
    """An option with its values as one would type it; a report never breaks it over two lines.

    >>> option_text("--list", "my names.txt")
    "--list 'my names.txt'"
    """
    return " ".join([option, *(shell_word(value) for value in values)])


def report_options(*formats: str) -> Callable[[F], F]:
    """`--format` (the first is the default) and `--output`."""
    return add_options(
        option("--format", "Format of the report", "report", type=click.Choice(formats), default=formats[0]),
        option("--output -o", "Write the report to this file.", type=FILE),
    )


# Which findings count, and which of them fail.
rule_options = add_options(
    option("--select CODES", "Run only these rules: codes, beginnings of codes, or names.", type=RULES, multiple=True),
    option("--ignore CODES", "Skip these rules.", type=RULES, multiple=True),
    flag("--include-reviewed", "Include findings that reviewers have already decided.", earlier="--no-review"),
    option(
        "--fail-on",
        "Exit with 1 for findings of this severity or worse",
        type=click.Choice(("error", "warning", "info", "never")),
        default="error",
    ),
)


def read_list(path: Path) -> list[str]:
    """The lines of a file (`-`: of stdin) without blank lines and lines that begin with #.

    Raises SegdataError if none is left, or the text is not UTF-8.
    """
    try:
        with click.open_file(str(path), encoding="utf-8-sig") as file:
            lines = [line.strip() for line in file]
    except UnicodeDecodeError as error:
        raise SegdataError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise SegdataError(f"{path}: names no image; write one image id per line")
    return names
