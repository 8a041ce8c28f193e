"""Earlier names of keywords, which the public functions and methods still accept."""

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any

# Of each function: earlier name -> name; ``not NAME`` where the meaning is the opposite.
RENAMED_KEYWORDS: Mapping[str, Mapping[str, str]] = {
    "agree": {"by": "group_by", "review": "not include_reviewed"},
    "apply_decisions": {"done": "progress"},
    "crop": {"window": "box", "category": "around"},
    "diff": {"a": "data", "b": "other"},
    "draft_by_model": {"work": "work_dir"},
    "draw_sample": {"wanted": "instances"},
    "flag": {"work": "work_dir", "review": "not include_reviewed"},
    "info": {"with_hash": "hash", "by": "group_by", "with_channels": "channels", "with_shapes": "shapes"},
    "pull_decisions": {"adjudicates": "adjudicate"},
    "validate": {"by": "group_by", "review": "not include_reviewed"},
}


def accept_earlier_keywords(name: str, function: Callable[..., Any]) -> Callable[..., Any]:  # Any: each its own
    """The public function `name`, which also takes the earlier names of its keywords, with a DeprecationWarning."""
    names = RENAMED_KEYWORDS[name]

    @functools.wraps(function)
    def renaming(*arguments: Any, **options: Any) -> Any:  # Any: as above
        for old in names.keys() & options.keys():
            _, opposite, new = names[old].rpartition("not ")
            hint = f"`{new}`, with the opposite value," if opposite else f"`{new}`"
            warnings.warn(f"{name}: use {hint} in place of `{old}`", DeprecationWarning, stacklevel=2)
            value = options.pop(old)
            options[new] = not value if opposite else value
        return function(*arguments, **options)

    return renaming
