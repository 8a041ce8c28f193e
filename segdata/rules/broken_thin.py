"""SEG119 broken-thin: thin lines are in pieces."""

from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule


@rule(
    "SEG119",
    "broken-thin",
    severity="info",
    needs=("dashes",),
    when=lambda profile: any(category.thin for category in profile.taxonomy.categories),
    habit="image",
    per_image=True,
)
def broken_thin(tables: Tables, *, min_between: int = 1) -> Findings:
    """A category that is declared thin is drawn in pieces, one behind the other.

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

    Fine, something may hide it at a single gap:
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

    You get one finding for each segment. Pieces are in line if they are at least twice as long as broad, point in one
    direction, have their middles on each other's axes, and are no farther apart than one and a half times the shorter
    one. A piece between two others counts: a line that is hidden in one place has two pieces, while a line drawn dashed
    or lost in scaling has more. The rule ignores crowds.

    Why: poles, wires and vessels are judged by whether they connect. Pieces teach your model to interrupt them.

    Remedy: draw the line through, or scale masks of thin categories so that they stay connected.

    Options: `min_between`: pieces that must lie between two others.
    Defaults: CamVid, shrunken by nearest neighbour, has such poles in 15 of 40 images, all with dashes where the pole
    is two pixels wide or less. CamSeq01, the same scenes at full size, has none. Lane markings, if declared thin, would
    be found in 7 of its 16 images: these dashes are correct. The severity is therefore info.
    """
    columns = ("segment", "pieces", "between", "gap", "x", "y", "width", "height")
    for segment, pieces, between, gap, *box in tables.dashes.lines(*columns):
        if between >= min_between:
            message = f"{pieces} pieces lie in line, {between} of them between two others; gaps of up to {gap} px"
            yield RowFinding(message, segments=(segment,), bbox=tuple(box))
