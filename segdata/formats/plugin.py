"""The API for formats of third parties: import everything that a format needs from here.

`docs/add_a_format.md` shows a complete format. Names are imported on first use: a format that takes what `detect` needs
at its top, and readers and writers inside `read` and `write`, costs other commands no start-up time. Test helpers, such
as the round-trip law, are in `segdata.testing`. `help("segdata.formats.plugin.ImageEntry")` shows one name alone.
"""

from segdata.core.lazy_loading import attach

API_VERSION = 1
"""Rises when a name is removed or changes its meaning, or a parameter goes; names that are added leave it as it is."""

__getattr__, __dir__ = attach(__name__, __file__)
