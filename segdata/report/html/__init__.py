"""Reports as one HTML file each, which needs nothing else: no network, no font, no other file."""

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from segdata.core.errors import count_noun

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup


@cache
def template(name: str) -> "jinja2.Template":
    """The template in a file of this folder; whatever it is filled with is escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"counted": count_noun, "number": "{:,}".format, "code": _code}
    return environment.get_template(name)


def asset(name: str) -> "Markup":
    """A file of this folder as it is, for a page: a style or a script of our own."""
    from markupsafe import Markup

    return Markup(_text(name))


def _text(name: str) -> str:
    return files("segdata.report.html").joinpath(name).read_text("utf-8")


def _code(text: str) -> "Markup":
    """A text in which what stands between backticks is code."""
    from markupsafe import Markup

    parts = enumerate(text.split("`"))
    return Markup("").join(Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in parts)
