"""SEG203 alias-used: an old name of a category."""

from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule


@rule("SEG203", "alias-used", severity="info", needs=())
def alias_used(tables: Tables) -> Findings:
    """The data use an old name of a category, which the taxonomy lists as an alias.

    Flagged:
        aa..
        aa..

        a: auto
        category: car (alias auto)

    Fine:
        aa..
        aa..

        a: car
        category: car (alias auto)

    You get one finding for each old name. Its segments are read as the category that has the alias.

    Why: programs that do not read this taxonomy treat the two names as two categories.

    Remedy: write the current name into the files, or let `segdata convert` do it: every converted dataset has the
    current name. You cannot use `--fix` here, because fixes change canonical datasets, which have no old names.
    """
    profile = tables.profile
    for old, id_ in profile.aliases_used.items():
        name = profile.name_of(id_)
        yield RowFinding(f"the data use {old!r}, an old name of {name!r}", category=name)
