"""The figure that `benchmarks/speed/agreement.py` times is panopticapi's, and that of the command."""

import sys
from pathlib import Path

import pytest

import segdata

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_pq_of_annotators_who_confuse_categories_is_that_of_panopticapi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not BENCHMARKS.is_dir():
        pytest.skip("installed without benchmarks")
    monkeypatch.setitem(sys.modules, "panopticapi", None)
    from benchmarks.speed import agreement

    files = agreement.write(tmp_path, 2, 2)
    name, loop = agreement.theirs(files)
    assert name == "its loop"
    pq = loop()
    assert agreement.ours(files) == pytest.approx(pq, abs=1e-12)
    assert segdata.agree(*files).overall.pq.value == pytest.approx(pq, abs=1e-12)
    assert pq < 0.9  # some are confused
    stored = [path.with_suffix(".canonical") for path in files]
    for path, target in zip(files, stored, strict=True):
        segdata.convert(path, target, to="canonical")
    assert agreement.ours(stored) == pytest.approx(pq, abs=1e-12)
    assert segdata.agree(*stored).overall.pq.value == pytest.approx(pq, abs=1e-12)
