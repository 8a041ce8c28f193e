"""URIs below a folder are written so that it can be moved; whatever is read back is the same file and part."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.uri import channels_inside, channels_outside, inside, local_file, outside, slice_uri

ROOT = Path("/data/set")
NAMES = st.lists(
    st.text("aä #%=k3.:", min_size=1, max_size=8).filter(lambda n: n.strip(". ") == n != ""), min_size=1, max_size=3
)


@given(NAMES, st.sampled_from(["plain", "", "#k=3", "#xywh=1,2,30,40"]), st.sampled_from([ROOT, Path("/elsewhere")]))
def test_what_is_written_is_read_again(parts: list[str], form: str, base: Path) -> None:
    path = base.joinpath(*parts)
    uri = str(path) if form == "plain" else path.as_uri() + form
    written = inside(uri, ROOT)
    assert outside(written, ROOT) == uri
    assert local_file(uri) == path
    moved = outside(written, Path("/moved"))
    expected = Path("/moved").joinpath(*parts)
    if base == ROOT and written is not None and not written.startswith("/"):
        assert local_file(moved) == expected


@pytest.mark.parametrize("uri", [None, "s3://bucket/a.png", "https://a.org/a.nii#k=3"])
def test_what_is_elsewhere_stays_as_it_is(uri: str | None) -> None:
    assert inside(uri, ROOT) == outside(uri, ROOT) == uri


def test_channels() -> None:
    channels = [{"uri": slice_uri(ROOT / "a.nii", 2), "name": "T1", "modality": None}, {"uri": None, "name": "T2"}]
    written = channels_inside(channels, ROOT)
    assert [each["uri"] for each in written] == ["a.nii#k=2", None]
    assert list(channels_outside(written, ROOT)) == channels
    assert channels_inside(None, ROOT) is None
