"""segdata: the command line. Each command is a module of this package, loaded when it is asked for."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from segdata.cli.options import example
from segdata.cli.process import exit_code

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
    **dict.fromkeys(("rules", "explain", "formats"), "catalogue"),
    **dict.fromkeys(("history", "restore", "prune"), "revisions"),
    **dict.fromkeys(("tile", "crop"), "tiling"),
}
NAMES = tuple(name for names in SECTIONS.values() for name in names)


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
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of this name; an unknown name is an error that names the closest command."""
        from segdata.core.config import did_you_mean

        if args[0] not in NAMES and not args[0].startswith("-"):
            raise click.UsageError(f"there is no command {args[0]!r}{did_you_mean(args[0], list(NAMES))}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands under the headings of `SECTIONS`."""
        for heading, names in SECTIONS.items():
            commands = ((name, self.get_command(ctx, name)) for name in names)
            rows = [(name, command.get_short_help_str(70)) for name, command in commands if command]
            with formatter.section(heading):
                formatter.write_dl(rows, col_max=12)

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> NoReturn:  # type: ignore[override]  # Any: click's own
        """Run, and leave with 0, 1, 2 or 130."""
        extra["standalone_mode"] = False
        run = super().main
        sys.exit(exit_code(lambda: run(args, prog_name or "segdata", **extra)))


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from segdata import __version__
    from segdata.core import kernels

    how = {"compiled": "compiled kernels", "plain": "plain numpy kernels (slower: no compiler was available)"}
    click.echo(f"segdata {__version__}, {how[kernels.NAME]}, Python {sys.version.split()[0]}")
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
