"""The few files that are kept in the repository, so that people see what the generator makes."""

from pathlib import Path

import numpy as np

from segdata.sample import write
from segdata.sample.annotators import ANNOTATORS, annotate
from segdata.sample.contact import contact_sheet
from segdata.sample.dataset import shoot

SIZE = (240, 180)
IMAGES = 3


def write_showcase(folder: Path) -> None:
    """Write sample_data: the same pictures as colour masks and as COCO panoptic, and a contact sheet."""
    shots = shoot(seed=2, images=IMAGES, sizes=[SIZE])
    write.write_semantic(folder / "semantic", shots)
    write.write_panoptic(folder / "panoptic", shots)
    pictures = [shot.picture for shot in shots[:2]]
    hurried = next(who for who in ANNOTATORS if who.name == "hurried")
    drawn = [annotate(picture, hurried, np.random.default_rng(page))[0] for page, picture in enumerate(pictures)]
    write.write_png(folder / "contact_sheet.png", contact_sheet(pictures, drawn))


if __name__ == "__main__":
    write_showcase(Path("sample_data"))
