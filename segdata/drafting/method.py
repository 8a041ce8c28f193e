"""Method: the ways to draft labels, and their options, which are the keyword arguments of their functions."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from segdata.core.config import Option, nearest
from segdata.core.errors import SegdataError
from segdata.drafting.brightness import Colours
from segdata.drafting.kmeans import kmeans
from segdata.drafting.superpixels import superpixels
from segdata.drafting.threshold import threshold
from segdata.drafting.tidy import Labels
from segdata.drafting.watershed import watershed

Draw = Callable[[Colours], Labels]
_ALONE: Mapping[str, Callable[..., Labels]] = {
    "threshold": threshold,
    "watershed": watershed,
    "superpixels": superpixels,
}
METHODS = (*_ALONE, "kmeans")
POLARITIES = ("auto", "bright", "dark")
_LIMITS = {"waist": (0.0, 1.0), "regions": (2, 255), "pieces": (1, 100_000), "likeness": (0.0, 1.0), "smooth": (0, 100)}
_MOST = 2**31


def options_of(method: str) -> dict[str, Option]:
    """The options of a method with their defaults; raises SegdataError where there is no such method."""
    if method not in METHODS:
        raise SegdataError(
            f"no method {method!r}{nearest(method, list(METHODS)) or '; there are ' + ', '.join(METHODS)}"
        )
    function = _ALONE.get(method, kmeans)
    return {
        each.name: each.default
        for each in inspect.signature(function).parameters.values()
        if each.kind is inspect.Parameter.KEYWORD_ONLY
    }


def checked(method: str, given: Mapping[str, Option]) -> dict[str, Option]:
    """All options of a method, each in the type of its default; raises SegdataError for what cannot be one."""
    known = options_of(method)
    found = dict(known)
    for name, value in given.items():
        if name not in known:
            raise SegdataError(
                f"{method} has no option {name!r}{nearest(name, list(known)) or '; it has ' + ', '.join(known)}"
            )
        found[name] = _typed(name, value, known[name])
    return found


def _typed(name: str, value: Option, default: Option) -> Option:
    if isinstance(default, str):
        if value not in POLARITIES:
            raise SegdataError(f"{name} is {value!r}, it must be one of {', '.join(POLARITIES)}")
        return value
    try:
        number = type(default)(value)
    except ValueError:
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise SegdataError(f"{name} is {value!r}, it must be {kind}, as {default}") from None
    low, high = _LIMITS.get(name, (0, _MOST))
    if not low <= number <= high:
        raise SegdataError(f"{name} is {value}, it must be from {low} to {high}")
    return number


def drawing(method: str, options: Mapping[str, Option], every: Callable[[], Iterable[Colours]]) -> Draw:
    """What drafts the labels of one image; `every` gives the images to learn from, for methods that do.

    `options` are all of the method's, as `checked` returns them.
    """
    if method in _ALONE:
        return partial(_ALONE[method], **options)
    return kmeans(every(), **options)  # type: ignore[arg-type]  # checked by the defaults' types
