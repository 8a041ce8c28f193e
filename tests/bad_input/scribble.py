"""Scribble: a few bytes of a file that are written over."""

from pathlib import Path

from hypothesis import strategies as st

Scribble = tuple[int, int, int]  # place, as often around the file as need be; value; how many bytes
scribbles: st.SearchStrategy[Scribble] = st.tuples(st.integers(0, 10**6), st.integers(0, 255), st.integers(1, 4))


def scribbled(path: Path, change: Scribble) -> None:
    """Write over a few bytes; the file stays as long as it is."""
    place, value, length = change
    data = bytearray(path.read_bytes())
    place %= len(data)
    data[place : place + length] = bytes([value]) * len(data[place : place + length])
    path.write_bytes(bytes(data))
