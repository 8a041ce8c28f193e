"""Convert, validate and review image segmentation labels, pixel exact.

``segdata.read(path)`` opens a dataset of any format; the methods of the `Dataset` are the commands::

    dataset = segdata.read("street/")
    for finding in dataset.validate().findings:
        print(finding.code, finding.image, finding.message)

Each method is also a function here, which takes a path, with the options of `read`, or a dataset. Commands that are
not about a dataset are functions only: `init`, `draft_taxonomy`, `check_taxonomy`, `taxonomy_guideline`, `explain`,
`list_rules` and `list_formats`. A function has another name if a package has that of its command: `agree`
(agreement), `overview` (report) and `draw_sample` (sample). Heavy libraries are imported by the function that needs
them, so ``import segdata`` is fast.
"""

from types import FunctionType

from segdata.core.lazy_loading import attach

__version__ = "0.1.0"

_get, __dir__ = attach(__name__, __file__)


def __getattr__(name: str) -> object:
    """Import a public name on first use; a function checks the types of its arguments."""
    value = _get(name)
    if not isinstance(value, FunctionType):
        return value
    from segdata.api.arguments import check_arguments

    return check_arguments(value, name)
