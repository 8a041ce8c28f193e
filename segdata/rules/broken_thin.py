"""SEG119 broken-thin: thin lines in pieces."""

from collections.abc import Iterator

from segdata.core.finding import RowFinding
from segdata.core.profile import Profile
from segdata.core.rule import Tables, rule


def _has_thin(profile: Profile) -> bool:
    return any(each.thin for each in profile.taxonomy.categories)


@rule("SEG119", "broken-thin", severity="info", needs=("dashes",), when=_has_thin)
def broken_thin(tables: Tables, *, min_between: int = 1) -> Iterator[RowFinding]:
    """A category declared thin, drawn in pieces one behind the other.

    Flagged:
        ..a....
        ..a....
        ..a....
        .......
        ..a....
        ..a....
        ..a....
        .......
        ..a....
        ..a....
        ..a....

        category: pole (thin)
        a: pole

    Fine, a single gap may be what hides it:
        ..a....
        ..a....
        ..a....
        .......
        ..a....
        ..a....
        ..a....

        category: pole (thin)
        a: pole

    Fine, side by side:
        a..a..a
        a..a..a
        a..a..a
        a..a..a

        category: pole (thin)
        a: pole

    One finding for each segment. In line are pieces at least twice as long as broad, of one direction, each with its
    middle on the other's axis, no farther apart than one and a half times the shorter. A piece between two others
    counts: a line hidden in one place has two pieces, one drawn dashed or lost in scaling has more. Crowds are left
    alone.

    Why: poles, wires and vessels are judged by whether they connect; pieces of them teach a model to interrupt them.

    Remedy: draw the line through, or scale masks of thin categories so that they stay connected.

    Options: min_between, pieces that must lie between two others.
    Defaults: poles in CamVid, shrunken by nearest neighbour: 15 of 40 images, all of them with dashes where the pole is
    two pixels wide or less; none in CamSeq01, the same scenes at full size. Lane markings, declared thin, would be
    found in 7 of its 16 images: dashes that are meant. An info therefore.
    """
    for segment, pieces, between, gap, x, y, width, height in tables.dashes.lines(
        "segment", "pieces", "between", "gap", "x", "y", "width", "height"
    ):
        if between >= min_between:
            message = f"{pieces} pieces lie in line, {between} of them between two others; gaps of up to {gap} px"
            yield RowFinding(message, segments=(segment,), bbox=(x, y, width, height))
