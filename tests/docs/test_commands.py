"""Every command that README and docs show has arguments and options that the command takes."""

import re
import shlex
from pathlib import Path

import click
import pytest

from segdata.cli.main import main
from segdata.noise.networks.plan import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)  # every block, so that ends are no starts
SHELL = ("", "bash", "console", "sh")


def shown_commands(page: Path) -> list[str]:
    """The lines of code blocks that begin with `segdata`, continued lines joined, one for each part of `a && b`."""
    commands = []
    blocks = [text for language, text in FENCE.findall(page.read_text(encoding="utf-8")) if language in SHELL]
    for block in blocks:
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\||;", re.sub(r"\s# .*", "", line).strip().removeprefix("$ ")):
                if part.strip().split(" ")[:1] == ["segdata"] and "…" not in part:
                    commands.append(part.strip())
    return commands


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_shown_commands_are_understood(page: Path) -> None:
    wrong = []
    for shown in shown_commands(page):
        try:
            left = unparsed(shlex.split(re.split(r"\s[<>]\s", shown)[0], comments=True)[1:])
        except click.UsageError as error:
            left = [error.format_message()]
        if left:
            wrong.append((shown, left))
    assert wrong == []


def unparsed(words: list[str]) -> list[str]:
    """Words that the command does not take, and the names of arguments that it lacks."""
    context = click.Context(main, info_name="segdata")
    command: click.Command = main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found
        context = click.Context(command, parent=context, info_name=name)
    if isinstance(command, click.Group):
        return []
    values, extra, _ = command.make_parser(context).parse_args(list(words))
    arguments = [argument for argument in command.params if isinstance(argument, click.Argument) and argument.required]
    given = {name for name, value in values.items() if value and isinstance(value, str | tuple | list)}
    lacking = [argument.name or "" for argument in arguments if argument.name not in given]
    return [*extra, *lacking]


def test_a_wrong_command_is_noticed() -> None:
    assert unparsed(["split", "labels/", "parts/"]) == ["parts/"]
    assert unparsed(["convert", "labels/"]) == ["dst"]
    assert unparsed(["review", "pull", "labels/"]) == []
    with pytest.raises(click.UsageError, match="examples"):
        unparsed(["validate", "labels/", "--examples", "2"])


def test_every_training_option_of_flag_is_on_its_page() -> None:
    page = (ROOT / "docs" / "flag.md").read_text(encoding="utf-8")
    named = set(re.findall(r"--[a-z-]+", page))
    lacking = [option.opts[0] for option in training() if not named & {*option.opts, *option.secondary_opts}]
    assert lacking == []


def training() -> list[click.Parameter]:
    """The options of `flag` for the training of its networks."""
    command = main.get_command(click.Context(main), "flag")
    assert command is not None
    names = set(Settings.__dataclass_fields__)
    return [option for option in command.params if option.name in names]
