"""The log of decisions: it only grows, and a crash costs at most the line that was being written."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.core.errors import SegdataError
from segdata.core.finding import VERDICTS, Correction, Decision, Finding
from segdata.core.paths import decision_log_path
from segdata.review import decision_log

TIME = "2026-01-31T12:30:59Z"
FULL = Finding(
    code="SEG503", rule="x", severity="warning", message='"\n\u2028 é', image="a/b.png", annotator="ben",
    segments=(7, "seven"), category="car", bbox=(1, 2, 3, 4), pixels=5, score=0.25, file="f", line=1, place="/x",
    fix="unsafe", correction=Correction(action="add", category="car", size=(3, 4), counts=("0\\", "a"), iou=0.5),
)  # fmt: skip


def one(**more: object) -> Decision:
    said = {"verdict": "accept", "reviewer": "anna", "time": TIME, "via": "html", "image": "a.png"}
    return Decision(**(said | more))  # type: ignore[arg-type]  # as the test says


def test_the_folder_above_has_its_log_where_its_name_has_it(tmp_path: Path) -> None:
    (tmp_path / "data" / "x").mkdir(parents=True)
    assert (
        decision_log_path(tmp_path / "data" / "x" / "..")
        == decision_log_path(tmp_path / "data")
        == tmp_path / "data.review.jsonl"
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "review.jsonl"
    every = [one(finding=FULL, imprint="00ff", comment="\ttab"), *(one(verdict=each) for each in VERDICTS)]
    assert decision_log.read_decisions(path) == []
    assert decision_log.append_decisions(path, every[:2]) == 2
    assert decision_log.append_decisions(path, every[2:]) == len(every) - 2
    assert decision_log.read_decisions(path) == every
    assert decision_log.append_decisions(path, []) == 0


@given(st.integers(0, 400), st.booleans())
def test_a_torn_last_line_costs_only_itself(tmp_path_factory: pytest.TempPathFactory, cut: int, more: bool) -> None:
    """Wherever a writer is killed, the lines before are read, and the next writer goes on."""
    path = tmp_path_factory.mktemp("decision_log") / "review.jsonl"
    decision_log.append_decisions(path, [one(), one(reviewer="ben")])
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    path.write_bytes(whole[: min(first + cut, len(whole) - 2)])
    found = decision_log.load_log(path)
    assert found.decisions == (one(),)
    assert found.torn == (cut > 0)
    if more:
        decision_log.append_decisions(path, [one(reviewer="eve")])
        assert [each.reviewer for each in decision_log.read_decisions(path)] == ["anna", "eve"]


def test_a_last_line_without_its_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "review.jsonl"
    decision_log.append_decisions(path, [one(), one(reviewer="ben")])
    path.write_bytes(path.read_bytes().rstrip())
    decision_log.append_decisions(path, [one(reviewer="eve")])
    assert [each.reviewer for each in decision_log.read_decisions(path)] == ["anna", "ben", "eve"]


def test_who_write_at_the_same_time_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "review.jsonl"
    names = [f"reviewer {number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(lambda name: decision_log.append_decisions(path, [one(reviewer=name), one(reviewer=name)]), names)
        )
    found = [each.reviewer for each in decision_log.read_decisions(path)]
    assert found[::2] == found[1::2]
    assert sorted(found[::2]) == sorted(names)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{}", "missing required field"),
        (b"[1]", "Expected `object`"),
        (b'{"verdict": "perhaps"}', "Invalid enum value 'perhaps'"),
        (b"\xff\xfe", "review.jsonl:2: is not a decision"),
        (b"nonsense", "review.jsonl:2: is not a decision"),
    ],
)
def test_a_bad_line_is_told_with_its_number(tmp_path: Path, line: bytes, said: str) -> None:
    path = tmp_path / "review.jsonl"
    decision_log.append_decisions(path, [one()])
    with path.open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(SegdataError, match=r"review\.jsonl:2") as error:
        decision_log.read_decisions(path)
    assert said in str(error.value)


@pytest.mark.parametrize("wrong", [{"reviewer": " "}, {"time": "yesterday"}, {"time": "2026-13-01T00:00:00Z"}])
def test_nothing_is_written_where_one_is_wrong(tmp_path: Path, wrong: dict[str, str]) -> None:
    path = tmp_path / "review.jsonl"
    with pytest.raises(SegdataError, match="is not a decision"):
        decision_log.append_decisions(path, [one(), one(**wrong)])
    assert not path.exists()


def test_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "street").mkdir()
    assert decision_log_path(tmp_path / "street") == tmp_path / "street.review.jsonl"
    (tmp_path / "street" / "dataset.yaml").touch()
    assert decision_log_path(tmp_path / "street") == tmp_path / "street" / "review.jsonl"
    assert decision_log_path(tmp_path / "coco.json") == tmp_path / "coco.json.review.jsonl"
