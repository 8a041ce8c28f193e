"""Flag: from labels and what is seen of them to ranked findings with corrections."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from segdata.api.convert import convert
from segdata.api.decisions import label_hashes
from segdata.api.flag import flag
from segdata.api.in_memory import from_arrays
from segdata.api.read import read
from segdata.api.review import apply_decisions
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.finding import Decision, Finding, Verdict
from segdata.core.paths import decision_log_path
from segdata.core.runs import Flags, expand_ranges
from segdata.core.schema import rle_to_runs
from segdata.core.taxonomy import Category, Taxonomy
from segdata.noise import causes, selection
from segdata.noise.corruptions import CorruptionRates
from segdata.noise.flag_result import FlagResult
from segdata.noise.networks.plan import Settings
from segdata.noise.ranking import RankedCandidates
from segdata.noise.segments import SegmentSet
from segdata.report.fiftyone.finding_labels import _display_name
from segdata.review import decision_log
from segdata.testing.noise import InjectedError, inject_errors
from tests.generators.oracle import OracleModel, blobs, patches

CELLS = Taxonomy(categories=(Category(id=5, name="cell", kind="thing"),))
LAND = Taxonomy(categories=tuple(Category(id=at, name=name) for at, name in enumerate(("soil", "crop", "weed"), 1)))
ONE = Settings(jobs=1)


def masks(drawn: SegmentSet) -> list[tuple[np.ndarray[tuple[int, int], np.dtype[np.bool_]], int]]:
    return [
        (drawn.take(np.array([row])).categories().reshape(drawn.width, drawn.height).T > 0, 5)
        for row in range(len(drawn))
    ]


@cache
def clean(*, stuff: bool = False, n: int = 4) -> OpenDataset:
    rngs = [np.random.default_rng([7, at]) for at in range(n)]
    if stuff:
        drawn = [patches(rng, height=130) for rng in rngs]
        maps = {f"{at}.png": each.categories().reshape(each.width, each.height).T for at, each in enumerate(drawn)}
        return from_arrays(maps, LAND)
    return from_arrays({f"{at}.png": masks(blobs(rng, height=130, n=30)) for at, rng in enumerate(rngs)}, CELLS)


@cache
def made(*, stuff: bool = False, seed: int = 1) -> tuple[OpenDataset, tuple[InjectedError, ...]]:
    data, errors = inject_errors(clean(stuff=stuff), seed, CorruptionRates(0.15 if stuff else 0.08))
    return data, tuple(errors)


@cache
def found(*, stuff: bool = False, budget: str | None = None, seed: int = 1) -> FlagResult:
    data, _ = made(stuff=stuff, seed=seed)
    return flag(
        data, settings=ONE, predictions=OracleModel(clean(stuff=stuff)), budget=budget, truth=clean(stuff=stuff)
    )


@pytest.mark.parametrize("stuff", [False, True])
def test_errors_come_first_and_each_finding_can_be_acted_upon(stuff: bool) -> None:
    hits = []
    for seed in (1, 2, 3):
        result, (data, errors) = found(stuff=stuff, seed=seed), made(stuff=stuff, seed=seed)
        findings = result.validation.findings
        assert findings
        assert {each.severity for each in findings} == {"warning"}
        scores = [each.score or 0.0 for each in findings]
        rises = [place for place in range(1, len(scores)) if scores[place] > scores[place - 1]]
        assert len(rises) <= 2  # to kinds that are less often right, and to outlines and the like, which come last
        n_believed = len(findings) - len(result.seldom_right)
        assert not any(map(is_outline, findings[:n_believed]))
        assert result.seldom_right == tuple(range(n_believed, len(findings)))
        wrong = {(each.image, id_) for each in errors for id_ in each.segments}
        boxes = {(each.image, each.bbox) for each in errors}
        hits += [(each.image, *each.segments[:1]) in wrong or (each.image, each.bbox) in boxes for each in findings]
        maps = data.maps()
        for each in findings:
            check(each, maps.names, (int(maps.height[0]), int(maps.width[0])))
    assert np.mean(hits) > 0.6


def test_what_is_left_out_along_the_border_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    n_calls = 0

    def counted(ranked: RankedCandidates) -> Flags:
        nonlocal n_calls
        n_calls += 1
        return causes.left_out_along_border(ranked)

    monkeypatch.setattr(selection, "left_out_along_border", counted)
    assert flag(made()[0], settings=ONE, predictions=OracleModel(clean(stuff=False))).findings
    assert n_calls == 1


def is_outline(finding: Finding) -> bool:
    """Whether an outline is to be redrawn."""
    return finding.code == "SEG504" and finding.correction is not None and finding.correction.action == "redraw"


def check(finding: Finding, names: tuple[str, ...], size: tuple[int, int]) -> None:
    """A correction names what it needs, and its pixels lie in the image."""
    correction = finding.correction
    assert correction is not None
    assert finding.bbox is not None
    assert correction.size == size
    assert (correction.category in names) == (correction.action != "delete")
    assert bool(finding.segments) or correction.action == "add"
    assert (correction.joins is not None) == (correction.action == "join")
    assert len(correction.counts) >= {"delete": 0, "split": 2}.get(correction.action, 1)
    counts = pa.array([each.encode() for each in correction.counts], pa.binary())
    sides = (np.full(len(counts), side, np.int64) for side in size)
    runs, error = rle_to_runs(counts, *sides)
    assert not error.any()
    assert (runs.areas(len(counts)) > 0).all()


def test_a_plant_without_a_label_on_labelled_soil_is_missing() -> None:
    field = np.ones((3, 60, 60), np.int64)
    for number, x, y in np.ndindex(3, 3, 3):
        field[number, 20 * y + 4 : 20 * y + 12 + number, 20 * x + 6 : 20 * x + 15] = 2 + (x + y + number) % 2
    given = field.copy()
    given[1, 20:40, 20:40] = 1
    data, real = (from_arrays({f"{at}.png": each for at, each in enumerate(maps)}, LAND) for maps in (given, field))
    (finding,) = flag(data, settings=ONE, predictions=OracleModel(real)).validation.findings
    assert (finding.code, finding.category, finding.segments, finding.bbox) == ("SEG501", "weed", (), (26, 24, 9, 9))
    assert "weed may be missing" in finding.message or "weed is probably missing" in finding.message
    assert finding.correction is not None
    assert (finding.correction.action, finding.correction.category) == ("add", "weed")


def test_every_candidate_has_a_place_and_what_is_missing_has_pixels() -> None:
    result, (data, _) = found(), made()
    parts = result.parts
    size = (int(data.maps().height[0]), int(data.maps().width[0]))
    missing = parts["segment"].isna()
    assert missing.any()
    assert parts["counts"][~missing].isna().all()
    for row in parts[missing].itertuples():
        runs, error = rle_to_runs(pa.array([row.counts.encode()], pa.binary()), *(np.array([side]) for side in size))
        assert not error.any()
        assert runs.areas(1)[0] == row.pixels
        x, y = np.divmod(expand_ranges(runs.start, runs.length), size[0])
        assert (x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1) == (row.x, row.y, row.width, row.height)
    assert ((parts["width"] > 0) & (parts["height"] > 0)).all()


def test_the_same_input_gives_the_same_findings() -> None:
    several = Settings(jobs=2, max_memory=2**26)
    again = flag(made()[0], settings=several, predictions=OracleModel(clean()), truth=clean())
    assert again.validation.findings == found().validation.findings
    assert again.quality[0].recall == found().quality[0].recall


def test_known_errors_may_be_clean_labels_or_a_list(tmp_path: Path) -> None:
    data, errors = made()
    path = tmp_path / "errors.json"
    path.write_text(json.dumps([each.row() for each in errors]))
    listed = flag(data, settings=ONE, predictions=OracleModel(clean()), truth=path).quality[0]
    compared = found().quality[0]
    assert listed.errors == len(errors)
    assert listed.auroc.value > 0.8
    assert abs(float(listed.auroc.value) - float(compared.auroc.value)) < 0.1
    # Outlines that are nearly the same are no difference, but errors that were put in all the same.
    assert 0.5 < compared.errors / len(errors) <= 1.1


def test_tables_tell_images_segments_and_parts() -> None:
    result = found()
    assert sorted(result.images["image"]) == [f"{at}.png" for at in range(4)]
    assert result.images["score"].is_monotonic_decreasing
    assert result.segments["probability"].between(0, 1).all()
    assert not result.segments.duplicated(["image", "segment"]).any()
    assert len(result.segments) == result.n_judged
    assert len(result.parts) >= len(result.segments)
    assert result.parts["segment"].isna().sum() == len(result.parts) - len(result.segments)


def n_stood_for(result: FlagResult) -> int:
    """How many things the sample of a budget stands for, chosen or not."""
    assert result.sample is not None
    return sum(result.sample.size) + sum(stratum < 0 for stratum in result.sample.stratum)


def test_no_more_is_told_than_there_is_time_for() -> None:
    result = found(budget="20")
    findings = result.validation.findings
    assert len(findings) == 20
    assert result.sample is not None
    drawn = sum(stratum >= 0 for stratum in result.sample.stratum)
    assert drawn == sum("random sample" in each.message for each in findings) > 0
    assert n_stood_for(result) >= result.n_judged
    few = found(budget="1images")
    assert len({each.image for each in few.validation.findings}) <= 1
    assert few.sample is not None
    assert few.sample.images is not None
    assert len(few.sample.images) == 1


def test_rules_can_be_chosen_and_configured() -> None:
    data, _ = made()
    predictor = OracleModel(clean())
    only = flag(data, settings=ONE, predictions=predictor, select=["SEG501", "SEG502"])
    assert set(only.validation.by_code) <= {"SEG501", "SEG502"}
    strict = OpenDataset(data.source, data.profile, Config(rules={"SEG504": {"min_probability": 1.0}}))
    assert "SEG504" not in flag(strict, settings=ONE, predictions=predictor).validation.by_code


def test_a_model_that_sees_something_else_is_not_believed() -> None:
    other = from_arrays(
        {f"{at}.png": masks(blobs(np.random.default_rng(at + 50), height=130, n=30)) for at in range(4)}, CELLS
    )
    result = flag(made()[0], settings=ONE, predictions=OracleModel(other))
    assert result.validation.findings == ()
    (trust,) = result.trust
    assert trust.reason is not None
    assert "too weak for cell" in trust.reason


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    data, _ = made()
    with pytest.raises(SegdataError, match="write 200, 5%"):
        flag(data, predictions=OracleModel(clean()), budget="soon")
    path = tmp_path / "errors.json"
    path.write_text('[{"clean_counts": 3}]')
    with pytest.raises(SegdataError, match="is not a list of errors"):
        flag(data, predictions=OracleModel(clean()), truth=path)
    with pytest.raises(SegdataError, match="other images"):
        flag(data, predictions=OracleModel(clean()), truth=from_arrays({"x.png": np.ones((9, 9), int)}, ["cell"]))
    blank = OracleModel(clean())
    blank.usable = np.zeros(4, bool)
    with pytest.raises(SegdataError, match="no image has predictions"):
        flag(data, predictions=blank)


def reviewed(folder: Path, *verdicts: Verdict) -> tuple[OpenDataset, FlagResult]:
    """The noisy labels in a folder, and what is flagged before they are reviewed with these verdicts, over and over."""
    convert(made()[0], folder)
    data = read(folder)
    before = flag(data, settings=ONE, predictions=OracleModel(clean()))
    told = before.validation.findings
    seen = label_hashes(data, told, 1)
    said = [
        Decision(verdict=verdicts[at % len(verdicts)], reviewer="anna", time=f"2026-01-01T00:00:{at:02}Z", via="python",
                 image=each.image, segment=next(iter(each.segments), None), finding=each, imprint=seen[each])
        for at, each in enumerate(told)
    ]  # fmt: skip
    decision_log.append_decisions(decision_log_path(data.profile.files), said)
    return data, before


def places(result: FlagResult) -> set[tuple[object, ...]]:
    return {(each.image, each.bbox) for each in result.validation.findings}


def test_decisions_move_probabilities_and_settle_findings(tmp_path: Path) -> None:
    data, before = reviewed(tmp_path / "data", "reject")
    after = flag(data, settings=ONE, predictions=OracleModel(clean()))
    assert after.parts["probability"].max() < before.parts["probability"].max()
    assert after.parts["probability"].is_monotonic_decreasing
    assert all(late.threshold < early.threshold for late, early in zip(after.trust, before.trust, strict=True))
    assert after.expected.n < before.expected.n
    assert not places(after) & places(before)
    assert after.validation.decided == len(before.validation.findings)


def test_a_second_round_tells_others(tmp_path: Path) -> None:
    data, before = reviewed(tmp_path / "data", "reject", "accept")
    after = flag(data, settings=ONE, predictions=OracleModel(clean()), budget="20")
    assert len(after.validation.findings) == 20
    assert not places(after) & places(before)
    assert n_stood_for(after) == n_stood_for(found(budget="20")) - len(before.validation.findings)


def test_decisions_on_labels_that_have_changed_since_say_nothing(tmp_path: Path) -> None:
    data, _ = reviewed(tmp_path / "data", "accept")
    assert apply_decisions(data).done
    corrected = read(tmp_path / "data")
    told, plain = (
        flag(corrected, settings=ONE, predictions=OracleModel(clean()), include_reviewed=decided)
        for decided in (False, True)
    )
    assert told.parts["probability"].tolist() == plain.parts["probability"].tolist()
    assert told.validation.decided == 0


def test_a_sample_stays_whole_and_what_is_expected_is_of_the_findings_told() -> None:
    whole = found(budget="20")
    part = flag(
        made()[0],
        settings=ONE,
        predictions=OracleModel(clean()),
        budget="20",
        select=["SEG501", "SEG502"],
        include_reviewed=True,
    )
    assert whole.sample is not None
    assert part.sample is not None
    assert sorted(whole.sample.findings) == list(range(20))
    assert part.sample.stratum == whole.sample.stratum
    assert sum(at >= 0 for at in part.sample.findings) == len(part.validation.findings) < 20
    assert part.expected.of == len(part.validation.findings)
    lot = {at for at, stratum in zip(whole.sample.findings, whole.sample.stratum, strict=True) if stratum >= 0}
    assert lot == {at for at, each in enumerate(whole.validation.findings) if "random sample" in each.message}
    # In the order in which to look at them those of the random sample do not all come last, as they do by probability.
    assert max(whole.sample.stratum[:10]) >= 0


def test_images_without_clean_labels_are_no_part_of_the_evaluation() -> None:
    halves = [
        from_arrays({f"{at}.png": masks(blobs(np.random.default_rng([7, at]), height=130, n=30)) for at in half}, CELLS)
        for half in ((0, 1), (2, 3))
    ]
    results = [flag(made()[0], settings=ONE, predictions=OracleModel(clean()), truth=half) for half in halves]
    assert all("2 of 4 images have no clean labels" in each.notes[-1] for each in results)
    every, parts = found().quality[0], [each.quality[0] for each in results]
    assert sum(each.errors for each in parts) == every.errors
    # Were the others free of errors, either half would have a share of all candidates, and both that of the whole.
    assert sum(each.prevalence for each in parts) > 1.5 * every.prevalence


def test_message_json_and_app_give_the_same_range_of_a_probability() -> None:
    findings = [finding for finding in found().validation.findings if finding.correction is not None]
    rows = json.loads(found().to_json())["findings"]  # type: ignore[attr-defined]  # of the result of `flag`
    assert findings
    for finding in findings:
        assert finding.score_range is not None
        assert finding.score is not None
        low, high = finding.score_range
        assert 0 <= low <= finding.score <= high <= 1
        vague = low <= 0.05 and high >= 0.95
        ranked, known = (
            [": rank "] if vague else [f", P at most {high:.2f}"],
            [f"P {low:.2f} to {high:.2f}", f"P {low:.2f},"],
        )
        texts = ranked if low <= 0.05 else known
        assert any(text in finding.message for text in texts)
        assert [low, high] in [row.get("score_range") for row in rows]
        name = _display_name(finding)
        if vague or (low < 0.1 and high > 0.9):  # in tenths, 0.0 to 1.0
            assert float(name.split(" score ")[1]) <= finding.score
        else:
            shown = name.split(" P ")[1].replace("at most", "0.0 to").split(" to ")
            assert float(shown[0]) <= low + 1e-9 <= high <= float(shown[1]) + 1e-9
