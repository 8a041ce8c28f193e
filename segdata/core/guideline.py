"""Guideline: what the taxonomy tells annotators, quoted by the findings that break it."""

import textwrap
from typing import Literal

from segdata.core.taxonomy import Taxonomy

Chapter = Literal["definition", "boundary_rule", "occlusion_rule"]


def quoted(taxonomy: Taxonomy, category: str | int | None, chapter: Chapter) -> str:
    """The end of a message: what the guideline says of a category, by name or id; empty where it says nothing.

    >>> from segdata.core.taxonomy import Category
    >>> taxonomy = Taxonomy(categories=(Category(id=1, name="car", occlusion_rule="Only what is seen."),))
    >>> quoted(taxonomy, "car", "occlusion_rule"), quoted(taxonomy, "car", "boundary_rule")
    ('; guideline: "Only what is seen."', '')
    """
    return quote(
        next((getattr(each, chapter) for each in taxonomy.categories if category in (each.name, each.id)), None)
    )


def quote(text: str | None) -> str:
    """The end of a message that quotes a text of the guideline; empty where there is none."""
    short = textwrap.shorten(text or "", 160, placeholder=" …")
    return f'; guideline: "{short}"' if short else ""
