"""segdata: the command line. A command is loaded from its module of this package when it is asked for."""

import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any, NoReturn

import click

from segdata.cli.options import RenamedOption, example
from segdata.cli.process import NO_COLOR, QUIET, exit_code, use_one_blas_thread
from segdata.core.executor import keep_freed_memory

SECTIONS = {
    "Begin": ("demo", "init", "taxonomy"),
    "Look": ("info", "show", "browse", "report", "pilot"),
    "Check": (
        "validate",
        "flag",
        "agreement",
        "consensus",
        "evaluate",
        "acceptance",
        "rework",
        "scorecard",
        "diff",
        "rules",
        "explain",
    ),
    "Review": ("review",),
    "Change": ("convert", "draft", "formats"),
    "Arrange": ("split", "sample", "filter", "merge", "remap", "tile", "crop", "history", "restore", "prune"),
}
_SHARED_MODULES = {  # command: the module that it shares with others
    **dict.fromkeys(SECTIONS["Arrange"], "edits"),
    **dict.fromkeys(("agreement", "consensus", "evaluate", "acceptance", "rework", "scorecard"), "agreement"),
    **dict.fromkeys((*SECTIONS["Look"], "rules", "explain", "formats"), "overview"),
    **dict.fromkeys(("init", "taxonomy"), "taxonomy"),
    "diff": "convert",
}
NAMES = tuple(name for names in SECTIONS.values() for name in names)
_MEANT = {  # what other programs call a command: what segdata calls it
    **dict.fromkeys(("lint", "check", "verify", "test", "qa", "qc"), "validate"),
    **dict.fromkeys(("fix", "repair", "autofix"), "validate --fix"),
    **dict.fromkeys(("stats", "statistics", "describe", "summary", "count", "inspect"), "info"),
    **dict.fromkeys(("view", "visualize", "visualise", "draw", "plot", "preview"), "show"),
    **dict.fromkeys(("app", "gui", "explore", "fiftyone"), "browse"),
    **dict.fromkeys(("export", "import", "transform"), "convert"),
    **dict.fromkeys(("concat", "combine", "join", "union"), "merge"),
    **dict.fromkeys(("select", "subset", "query", "extract"), "filter"),
    **dict.fromkeys(("iaa", "kappa", "interrater"), "agreement"),
    **dict.fromkeys(("staple", "vote", "fuse"), "consensus"),
    **dict.fromkeys(("metrics", "eval", "score", "map"), "evaluate"),
    **dict.fromkeys(("errors", "noise", "mislabeled", "mislabelled"), "flag"),
    **dict.fromkeys(("compare", "cmp"), "diff"),
    **dict.fromkeys(("relabel", "rename"), "remap"),
    **dict.fromkeys(("patch", "patches", "slice"), "tile"),
    **dict.fromkeys(("predict", "prelabel", "autolabel"), "draft"),
    **dict.fromkeys(("log", "versions", "revisions"), "history"),
    **dict.fromkeys(("undo", "revert", "rollback"), "restore"),
    **dict.fromkeys(("classes", "categories", "labels", "ontology"), "taxonomy"),
    **dict.fromkeys(("rule", "codes"), "rules"),
    "format": "formats",
    "help": "--help",
    "version": "--version",
}


class Commands(click.Group):
    """The group of all commands, in sections; every run ends with one of the documented exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the help page."""
        return list(NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The object `command` of the module with the command's name; of a shared module, the one with its name."""
        if cmd_name not in NAMES:
            return None
        shared = _SHARED_MODULES.get(cmd_name)
        module = import_module(f"segdata.cli.{shared or cmd_name}")
        command: click.Command = getattr(module, f"{cmd_name}_command" if shared else "command")
        _add_output_flags(command, hidden=True)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of this name; an unknown name is an error that names the closest command."""
        from segdata.core.config import did_you_mean

        if args[0] not in NAMES and not args[0].startswith("-"):
            meant = _MEANT.get(args[0].lower()) or (args[0].lower() if args[0].lower() in NAMES else None)
            near = did_you_mean(args[0], [*NAMES, *_MEANT])
            word = near.removeprefix("; did you mean '").removesuffix("'?")
            meant = meant or _MEANT.get(word)
            hint = f"; did you mean {meant!r}?" if meant else near
            raise click.UsageError(f"there is no command {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands under the headings of `SECTIONS`."""
        for heading, names in SECTIONS.items():
            commands = ((name, self.get_command(ctx, name)) for name in names)
            rows = [(name, command.get_short_help_str(70)) for name, command in commands if command]
            with formatter.section(heading):
                formatter.write_dl(rows, col_max=12)

    def invoke(self, ctx: click.Context) -> Any:  # Any: click's own
        """Run a command; `--version` and `--help` end before."""
        keep_freed_memory()
        return super().invoke(ctx)

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> NoReturn:  # type: ignore[override]  # Any: click's own
        """Run, and leave with 0, 1, 2 or 130."""
        use_one_blas_thread()
        extra["standalone_mode"] = False
        run = super().main
        sys.exit(exit_code(lambda: run(args, prog_name or "segdata", **extra)))


def _add_output_flags(command: click.Command, hidden: bool) -> None:
    """Add `--quiet` and `--no-color` to a command and those below it, which need no code for them."""
    for subcommand in command.commands.values() if isinstance(command, click.Group) else ():
        _add_output_flags(subcommand, hidden)
    own = {parameter.name for parameter in command.params}
    for key, names, text in (
        (QUIET, ("--quiet", "-q"), "Print results and errors only: no progress, notes or next steps."),
        (NO_COLOR, ("--no-color", "--no-colour"), "Print without colour; so does the variable NO_COLOR."),
    ):
        if key not in own and f"output_{key}" not in own:
            command.params.append(
                RenamedOption(
                    [*names[:1], f"output_{key}"],
                    earlier=names[1:],
                    is_flag=True,
                    expose_value=False,
                    hidden=hidden,
                    help=text,
                    callback=partial(_set_flag, key),
                )
            )


def _set_flag(key: str, ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Remember a flag for the whole run."""
    if value:
        ctx.meta[key] = True


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from segdata import __version__
    from segdata.core import kernels

    click.echo(f"segdata {__version__}, {kernels.describe()}, Python {sys.version.split()[0]}")
    ctx.exit()


@click.group(
    name="segdata",
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog=example("segdata validate my_dataset", "segdata demo"),
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version."
)
def main() -> None:
    """Convert, validate and review image segmentation labels, pixel-exact.

    DATA is a file or folder in any format that segdata reads: masks, COCO and
    related formats, annotation tools, videos, volumes, rasters, model results
    (`segdata formats` lists them), or a canonical dataset. segdata detects
    the format.
    """


_add_output_flags(main, hidden=False)
