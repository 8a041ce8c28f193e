"""What goes into a spool comes out by key, in order."""

from hypothesis import given
from hypothesis import strategies as st

from segdata.formats.video.spool import Spool


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "ä"]), st.binary(max_size=5))))
def test_pieces_come_back(pieces: list[tuple[str, bytes]]) -> None:
    expected: dict[str, list[bytes]] = {}
    with Spool() as spool:
        for key, piece in pieces:
            spool.add(key, piece)
            expected.setdefault(key, []).append(piece)
        assert list(spool.items()) == list(expected.items())
        spool.add("later", b"x")
        assert dict(spool.items())["later"] == [b"x"]
