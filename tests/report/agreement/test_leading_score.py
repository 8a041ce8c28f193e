"""Where the map of categories hides the segments, the report follows the segments: PQ leads, and pictures show them."""

import numpy as np
import pytest
from PIL import Image

from segdata.agreement.estimates import ImageAgreement
from segdata.agreement.scores import leading_score
from segdata.api.agreement import AgreementRun, agree
from segdata.report.agreement.conclusions import conclusions
from segdata.report.agreement.text import agreement_text
from segdata.report.console import Console
from segdata.report.pictures.annotators import worst_pictures

N_IMAGES, SIZE = 9, (40, 48)


def nearest(points: np.ndarray) -> np.ndarray:
    """(h, w) which of the points (n, 2) is nearest, counted from 1: a partition into touching segments."""
    places = np.stack(np.mgrid[: SIZE[0], : SIZE[1]], axis=-1)
    found: np.ndarray = ((places[:, :, None] - points) ** 2).sum(axis=-1).argmin(axis=-1) + 1
    return found


@pytest.fixture(scope="module")
def partitions(tmp_path_factory: pytest.TempPathFactory) -> AgreementRun:
    """Three annotators part all of every image into segments without classes; carl parts the last image otherwise."""
    folder, rng = tmp_path_factory.mktemp("partitions"), np.random.default_rng(0)
    for k in range(N_IMAGES):
        points = rng.random((9, 2)) * SIZE
        for who in ("anna", "ben", "carl"):
            drawn = (
                rng.random((9, 2)) * SIZE
                if who == "carl" and k == N_IMAGES - 1
                else points + rng.normal(0, 0.6, (9, 2))
            )
            (folder / who).mkdir(exist_ok=True)
            Image.fromarray(nearest(drawn).astype(np.uint16)).save(folder / who / f"{k}.png")
    data = [(who, folder / who) for who in ("anna", "ben", "carl")]
    return agree(data, format="instance-ids", resamples=100, jobs=1).run


def test_the_score_of_segments_leads(partitions: AgreementRun) -> None:
    found, opposed = partitions.agreement, partitions.tables.annotator_pairs
    assert opposed is not None
    assert found.leading == leading_score(opposed) == "pq"
    assert found.overall.iou.value == 1.0
    (headline,) = (each for each in conclusions(found, partitions.tables) if each.topic == "agreement")
    assert headline.head.startswith("PQ 0.")
    assert "does not see where one ends" in headline.details
    assert "with 1.00" not in headline.details


def test_the_worst_image_is_the_one_with_other_segments(partitions: AgreementRun) -> None:
    opposed = partitions.tables.annotator_pairs
    assert opposed is not None
    worst = ImageAgreement.from_pairs(opposed).worst(1)[0]
    assert worst.name.startswith(f"{N_IMAGES - 1}")
    assert "carl" in {opposed.annotators[worst.a], opposed.annotators[worst.b]}
    assert worst.value < 0.5
    (drawn,) = worst_pictures(partitions.dataset, opposed, [worst], 1)
    assert drawn.outlined.startswith("data:image/")


def test_tables_show_segments(partitions: AgreementRun) -> None:
    text = agreement_text(partitions.agreement, partitions.tables, ["agreement"], Console())
    assert "PQ above the diagonal, F1 below" in text
    lines = text.splitlines()
    assert lines[next(k for k, line in enumerate(lines) if "by category" in line) + 1].split()[:5] == [
        *("category", "compared", "PQ", "F1", "IoU"),
    ]


def test_partitions_that_differ_a_little_agree_by_every_measure(partitions: AgreementRun) -> None:
    overall = partitions.agreement.overall
    assert 0.5 < overall.covering.value < 1
    assert 0.5 < overall.adjusted_rand.value < 1
    assert overall.variation_of_information.value > 0
    assert overall.nsd.value == 1.0  # of the category as a whole
    assert overall.segment_nsd.value < 1.0


def test_scenes_with_several_kinds_of_stuff_keep_iou(habits: AgreementRun) -> None:
    assert habits.agreement.leading == "iou"
