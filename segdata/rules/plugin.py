"""The API for rules of third parties: import everything that a rule needs from here.

`docs/add_a_rule.md` shows a complete rule with a measurement of its own. Names are imported on first use, so that rules
that only filter columns cost other commands no start-up time. Test helpers are in `segdata.testing.pictures`.
"""

from segdata.core.lazy_loading import attach

API_VERSION = 1
"""Rises when a name is removed or changes its meaning, or a parameter goes; names that are added leave it as it is."""

__getattr__, __dir__ = attach(__name__, __file__)
