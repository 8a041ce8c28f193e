"""SEG016 mixed-encoding: the masks of one dataset are stored in different ways."""

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule

_MOST = 3  # findings


@rule("SEG016", "mixed-encoding", severity="warning", needs=())
def mixed_encoding(tables: Tables) -> Findings:
    """The masks of one dataset have different modes, bit depths, palettes or EXIF orientations.

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

    You get one finding for each encoding but the most frequent, or one for all if there are more than three.

    Why: your loader applies the first mask's encoding to all of them. A palette that differs between files shows one
    category in two colours, and a second channel shifts every value of an array that is read as one. Programs differ in
    whether they turn a mask as its EXIF orientation says.

    Remedy: convert the dataset (`segdata convert` writes one encoding), or export the odd files again.
    """
    nouns = ("image with layers", "images with layers") if tables.profile.format == "layers" else ("mask", "masks")
    rows_of: dict[str, list[int]] = {}
    for row, encoding in enumerate(tables.annotations["encoding"].tolist()):
        if encoding is not None:
            rows_of.setdefault(encoding, []).append(row)
    ranked = sorted(rows_of, key=lambda encoding: (-len(rows_of[encoding]), encoding))
    names = {encoding: encoding.replace("; ", " and ") for encoding in ranked}  # an image's layers may have several
    others = ranked[1:]
    usual = f"{len(rows_of[ranked[0]]):,} stored as {names[ranked[0]]}" if ranked else ""
    if len(others) > _MOST:
        n = sum(len(rows_of[encoding]) for encoding in others)
        how = f"in {len(others)} other ways, most often as {names[others[0]]}"
        yield RowFinding(
            f"{count_noun(n, *nouns)} stored {how}, this one first; {usual}", annotation=rows_of[others[0]][0]
        )
        return
    for minority in others:
        message = f"{count_noun(len(rows_of[minority]), *nouns)} stored as {names[minority]}, this one first; {usual}"
        yield RowFinding(message, annotation=rows_of[minority][0])
