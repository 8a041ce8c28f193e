"""Coverage: of which categories an annotation shows every instance.

An annotation's own coverage (the column `coverage`) is ``exhaustive``, ``sparse``, or a JSON object that says one of
the two for some categories, by name: ``{"cat": "exhaustive", "dog": "sparse"}``. What is not said there is not known:
a category that is exhaustive and has no segment is not in the image; of one that is sparse there may be more.
"""

from collections.abc import Mapping
from typing import get_args

import msgspec

from segdata.core.config import Coverage
from segdata.core.errors import SegdataError


def coverage_text(by_category: Mapping[str, Coverage]) -> str | None:
    """The coverage of some categories as the column holds it; None where nothing is said.

    >>> coverage_text({"dog": "sparse", "cat": "exhaustive"})
    '{"cat":"exhaustive","dog":"sparse"}'
    """
    return msgspec.json.encode(dict(sorted(by_category.items()))).decode() if by_category else None


def coverage_of(text: str | None) -> Coverage | dict[str, Coverage] | None:
    """The coverage that a value of the column tells; None: as the dataset. Raises SegdataError where it is none.

    >>> coverage_of('{"cat": "exhaustive"}')
    {'cat': 'exhaustive'}
    """
    if text is None or text in get_args(Coverage):
        return text  # type: ignore[return-value]  # one of the two
    try:
        return msgspec.json.decode(text, type=dict[str, Coverage])
    except msgspec.MsgspecError as error:
        raise SegdataError(f"coverage {text!r} is not exhaustive, sparse, or a JSON object of these") from error
