"""HTML reports, each as one file that needs no network, font or other file."""

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from segdata.core.errors import count_noun

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup


@cache
def template(name: str) -> "jinja2.Template":
    """The Jinja template in a file of this folder; values in it are escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"counted": count_noun, "number": "{:,}".format, "code": _code, "words": _words}
    return environment.get_template(name)


def asset(name: str) -> "Markup":
    """The text of a style or script in this folder, to include in a page without escaping."""
    from markupsafe import Markup

    return Markup(_text(name))


def _text(name: str) -> str:
    return files("segdata.report.html").joinpath(name).read_text("utf-8")


def _code(text: str) -> "Markup":
    """Convert text between backticks to code."""
    from markupsafe import Markup

    parts = enumerate(text.split("`"))
    return Markup("").join(
        Markup("<code>{}</code>").format(_words(part)) if place % 2 else part for place, part in parts
    )


def _words(command: str) -> "Markup":
    """Convert a command so that its lines break between words alone, never after the dashes of an option."""
    from markupsafe import Markup

    return Markup(" ").join(Markup("<span>{}</span>").format(word) for word in command.split(" "))
