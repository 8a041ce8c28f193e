"""Drift: a habit that grows with time is found, with its size, and told of the one who changes."""

import numpy as np
import pytest

import segdata
from segdata.agreement.drift import _adjusted_p_values, _Trend
from segdata.api.agreement import AgreementResult
from segdata.core.batch import concatenate_batches, replace_column
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.report.agreement.conclusions import conclusions
from segdata.report.agreement.drift import drift_charts, drift_rows
from segdata.testing.pictures import PictureDataset

N = 24
NAMES = ("anna", "ben", "carl")


def dated(data: OpenDataset, days: np.ndarray) -> OpenDataset:
    """The same, drawn on these days of 2026."""
    batch = concatenate_batches(list(data.batches(1)))
    first = np.datetime64("2026-01-05")
    created = [f"{first + int(days[row])}T10:00:00Z" for row in batch.annotation_image.tolist()]
    batch = type(batch)(batch.images, replace_column(batch.annotations, "created", created), batch.segments, batch.runs)
    return OpenDataset(PictureDataset(data.profile, batch), data.profile, Config())


def campaign(larger: float = 0.0, misses: float = 0.0, seed: int = 0, dates: bool = True) -> AgreementResult:
    """Carl, who ends by drawing so much larger, or missing so many, than at the start; orders of images differ."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:60, :90]
    drawn = {}
    for name in NAMES:
        order = rng.permutation(N)
        images = {}
        for image in range(N):
            progress = order[image] / (N - 1) if name == "carl" else 0.0
            masks = []
            for k in range(6):
                radius = 8 + (k % 3) + rng.normal(0, 0.4) + larger * progress
                if rng.random() >= 0.03 + misses * progress:
                    masks.append(((x - 15 - 30 * (k % 3)) ** 2 + (y - 15 - 30 * (k // 3)) ** 2 <= radius**2, "cell"))
            images[f"{image:02}.png"] = masks
        data = segdata.from_arrays(images, ["cell"])
        drawn[name] = dated(data, 180 * order // N) if dates else data
    return segdata.agree(drawn, resamples=100, seed=seed, jobs=1, group_by="month" if dates else None)


def created(found: AgreementResult, images: tuple[str, ...]) -> np.ndarray:
    """The days on which carl drew some images."""
    rows = found.run.tables.annotations
    names = found.run.tables.images["image_id"][rows["image"]].astype(str)
    chosen = (rows["annotator"] == "carl") & np.isin(names, images)
    return np.array([text[:10] for text in rows["created"][chosen]], "datetime64[D]")


def test_who_draws_larger_and_larger_is_found_with_the_size() -> None:
    found = campaign(larger=2.5)
    (drift,) = [each for each in found.drift if each.stands]
    assert (drift.annotator, drift.kind, drift.category) == ("carl", "offset", "cell")
    assert (drift.first, drift.last) == ("2026-01-05", "2026-06-26")
    assert drift.change.value == pytest.approx(2.5, abs=0.5)
    assert drift.change.low <= drift.change.value <= drift.change.high
    assert drift.start == pytest.approx(0, abs=0.4)
    assert [period.period for period in drift.periods] == [f"2026-{k:02}" for k in range(1, 7)]
    assert sum(period.images for period in drift.periods) == N
    (finding,) = [each for each in found.findings if each.code == "SEG415"]
    assert (finding.annotator, finding.kind, finding.category) == ("carl", "offset", "cell")
    assert finding.message.startswith("carl draws cell 2.")
    assert "larger" in finding.message
    told = [each for each in conclusions(found, found.run.tables) if each.codes == ("SEG415",)]
    assert "2026-01" in told[0].details
    assert told[0].act.endswith(f"Look first at {', '.join(drift.examples[:2])} and {drift.examples[2]}.")
    assert created(found, drift.examples).min() >= np.datetime64("2026-04-01")
    (chart,) = drift_charts(found, found.run.tables)
    assert len(chart.points) == 6
    assert all(0 <= y <= 100 for _, y, _ in chart.points)
    heads, rows = drift_rows(found)
    assert heads[:3] == ("annotator", "month", "images")
    assert {row[0] for row in rows} == set(NAMES)  # by month each is listed
    assert "<h2>Who changes with time</h2>" in found.to_html(jobs=1)


def test_who_misses_more_and_more_is_found() -> None:
    found = campaign(misses=0.6, seed=1)
    assert {(each.annotator, each.kind) for each in found.drift if each.stands} == {("carl", "missed")}
    (finding,) = [each for each in found.findings if each.code == "SEG415"]
    assert "points more of cell" in finding.message
    (drift,) = [each for each in found.drift if each.stands]
    rows = found.run.tables.annotations
    own = rows["annotator"] == "carl"
    least = np.sort(rows["n_segments"][own])[:6]  # of 24, with six cells each
    names = found.run.tables.images["image_id"][rows["image"]].astype(str)
    assert set(rows["n_segments"][own & np.isin(names, drift.examples)].tolist()) <= set(least.tolist())


@pytest.mark.parametrize("seed", range(3))
def test_nobody_drifts_beside_one_who_always_does_it(seed: int) -> None:
    """A constant habit is no drift, and so is none at all."""
    assert not [each for each in campaign(seed=10 + seed).drift if each.stands]


def test_without_dates_nothing_is_said() -> None:
    assert campaign(larger=2.5, dates=False).drift == ()


def test_in_class_masks_a_drift_of_the_outline_is_one_finding() -> None:
    """Larger and larger is not also more and more that nobody else has."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:60, :90]
    drawn = {}
    for name in NAMES:
        order, images = rng.permutation(N), {}
        for image in range(N):
            radius = 12 + rng.normal(0, 0.4) + (2.5 * order[image] / (N - 1) if name == "carl" else 0.0)
            images[f"{image:02}.png"] = ((x - 45) ** 2 + (y - 30) ** 2 <= radius**2).astype(np.uint8)
        drawn[name] = dated(segdata.from_arrays(images, ["cell"]), 180 * order // N)
    found = segdata.agree(drawn, resamples=100, jobs=1, select=["SEG415"])
    assert {(drift.annotator, drift.kind) for drift in found.drift if drift.stands} >= {("carl", "extra")}
    assert [(finding.annotator, finding.kind) for finding in found.findings] == [("carl", "offset")]


def trend(cluster: np.ndarray, day: np.ndarray, value: np.ndarray, group: np.ndarray | None = None) -> _Trend:
    """Values of clusters, all of the same weight."""
    return _Trend(day, cluster, np.zeros_like(cluster) if group is None else group, value, np.ones(len(value)))


def test_the_likelihood_of_a_line_is_that_of_least_squares() -> None:
    """Twice its logarithm is n log(RSS of the means / RSS of lines with one slope); by Bartlett n - 2.5."""
    rng = np.random.default_rng(4)
    day, cluster, group = rng.normal(size=20), np.repeat(np.arange(20), 2), np.tile([0, 1], 20)
    value = rng.normal(size=40) + 0.5 * day[cluster]
    means = np.eye(2)[group]
    rest = [
        float(np.linalg.lstsq(columns, value, rcond=None)[1][0])
        for columns in (means, np.column_stack([means, day[cluster]]))
    ]
    (found,) = trend(cluster, day, value, group).likelihoods(day[None])
    assert found == pytest.approx((20 - 2.5) * np.log(rest[0] / rest[1]))


def test_a_steep_drift_in_few_images_is_not_lost_among_categories_in_many() -> None:
    """Straight lines of 14 images are no more due to chance because 12 other categories are in 60."""
    rng = np.random.default_rng(5)
    day = np.arange(60.0)
    few = np.sort(rng.choice(60, 14, replace=False))
    line = trend(few, day, 0.05 * few + rng.normal(0, 0.3, 14))
    p = _adjusted_p_values(day, [line, *(trend(np.arange(60), day, rng.normal(size=60)) for _ in range(12))], 0, 1999)
    assert p[0] <= 0.002
    assert p[1:].min() > 0.05


def test_chances_are_those_that_they_say() -> None:
    """Of panels without a drift one in ten has a chance of at most a tenth, however many images a category has."""
    rng, day = np.random.default_rng(6), np.arange(30.0)
    least = []
    for _ in range(200):
        chosen = [np.sort(rng.choice(30, n, replace=False)) for n in (9, 15, 30)]
        heavy = [trend(rows, day, rng.standard_t(3, len(rows))) for rows in chosen]
        least.append(_adjusted_p_values(day, heavy, 0, 199).min())
    assert 0.05 <= np.mean(np.array(least) <= 0.1) <= 0.16
