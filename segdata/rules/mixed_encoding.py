"""SEG016 mixed-encoding: masks of one dataset stored in different ways."""

from collections.abc import Iterator

from segdata.core.counted import counted
from segdata.core.finding import Found
from segdata.core.rule import Tables, rule


@rule("SEG016", "mixed-encoding", severity="warning", needs=())
def mixed_encoding(tables: Tables) -> Iterator[Found]:
    """Masks of one dataset in different modes, bit depths or palettes.

    Flagged:
        aa
        encoding: grey 8 bit

        aa
        encoding: grey 8 bit

        aa
        encoding: RGB 8 bit

    Fine:
        aa
        encoding: grey 8 bit

        aa
        encoding: grey 8 bit

    Why: loaders take the first mask's encoding for all of them. A palette that differs between files shows one
    category in two colours, and a second channel shifts every value of an array that is read as one.

    Remedy: convert the dataset (`segdata convert` writes one encoding), or export the odd files again.

    One finding for each encoding but the most frequent.
    """
    encoding = tables.annotations["encoding"].dropna()
    noun = "image with layers" if tables.profile.format == "layers" else "mask"
    nouns = "images with layers" if tables.profile.format == "layers" else "masks"
    count = encoding.value_counts(sort=False).sort_index().sort_values(ascending=False, kind="stable")
    for other in count.index[1:]:
        rows = encoding.index[encoding == other]
        message = (
            f"{counted(len(rows), noun, nouns)} stored as {_said(other)}, this one first; "
            f"{count.iloc[0]:,} stored as {_said(count.index[0])}"
        )
        yield Found(message, annotation=int(rows[0]))


def _said(encoding: str) -> str:
    """An encoding in words; the layers of one image may have several."""
    return encoding.replace("; ", " and ")
