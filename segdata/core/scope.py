"""Scope: which findings an entry of the configuration speaks of."""

import fnmatch
from typing import TYPE_CHECKING, Annotated

import msgspec

if TYPE_CHECKING:
    from segdata.core.defect import Defect
    from segdata.core.finding import Finding

Word = Annotated[str, msgspec.Meta(min_length=1)]  # an empty one was never meant


class Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Findings in images whose id matches a glob, of a category's name, of an annotator; what is not said is any."""

    image: Word | None = None
    category: Word | None = None
    annotator: Word | None = None

    def holds(self, found: "Finding | Defect") -> bool:
        """Whether a finding, or a defect, lies within the scope."""
        return (
            (self.image is None or fnmatch.fnmatchcase(found.image or "", self.image))
            and (self.category is None or self.category == found.category)
            and (self.annotator is None or self.annotator == found.annotator)
        )
