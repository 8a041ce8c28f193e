"""SEG203 alias-used: an old name of a category."""

from collections.abc import Iterator

from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, rule


@rule("SEG203", "alias-used", severity="info", needs=())
def alias_used(tables: Tables) -> Iterator[RowFinding]:
    """The data call a category by a name that the taxonomy lists as an old one.

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

    One finding for each old name. Its segments are read as of the category that has it as an alias.

    Why: programs that do not read this taxonomy take the two names for two categories.

    Remedy: write the present name into the files, or `segdata convert` them: whatever it writes has the present name.
    There is no fix for that reason: fixes are made in canonical datasets, which have no old names.
    """
    profile = tables.profile
    for old, id_ in profile.aliases_used.items():
        name = profile.name_of(id_)
        yield RowFinding(f"the data say {old!r}, an old name of {name!r}", category=name)
