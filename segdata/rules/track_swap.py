"""SEG355 track-swap: two tracks exchange places."""

from segdata.core.finding import RowFinding
from segdata.core.profile import has_videos
from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import box_around


@rule("SEG355", "track-swap", severity="warning", needs=("frames",), when=has_videos, habit="image", per_sequence=True)
def track_swap(tables: Tables, *, min_gain: float = 0.3) -> Findings:
    """Two tracks exchange places from one frame to the next.

    Flagged:
        aa..bb
        aa..bb

        bb..aa
        bb..aa

        sequence: video
        a: car (track 5)
        b: car (track 6)

    Fine, one follows the other:
        aabb..
        aabb..

        ..aabb
        ..aabb

        sequence: video
        a: car (track 5)
        b: car (track 6)

    Two tracks are exchanged if each shares more pixels with the other's place in the previous frame than with its own.
    You get one finding for each pair, at the first frame in which they are exchanged. The rule ignores crowds and void.

    Why: identities are the purpose of tracks. Each swap counts as two errors of every tracker that gets it right, and
    everything after it is wrong in your data.

    Remedy: exchange them back, in all frames from here on.

    Options: `min_gain`: by how much the mean IoU with the other's place is above that with their own.
    Defaults: no two tracks of the ground truth of DAVIS cross. In the results of OSVOS and RVOS on DAVIS 2017 (48
    frames, 34 and 523 pairs that do) the gain is 0.13 and 0.21 at most, and 0.74 where the sample's cars are exchanged.
    """
    segments, exchanges = tables.segments, tables.exchanges
    for a, b, kept, crossed in exchanges.lines("a", "b", "own", "crossed"):
        if crossed - kept < min_gain:
            continue
        tracks = " and ".join(f"{segments.cell('track_id', segment):.0f}" for segment in (a, b))
        message = (
            f"tracks {tracks} exchange places: their mean IoU with the frame before is {kept:.2f}, "
            f"and {crossed:.2f} when exchanged"
        )
        pixels = segments.cell("area", a) + segments.cell("area", b)
        yield RowFinding(message, segments=(a, b), bbox=box_around(tables, [a, b]), pixels=pixels)
