"""`python -m tests.generators.sample FOLDER` writes the sample data."""

import argparse

from tests.generators.sample.dataset import PARTS, make

parser = argparse.ArgumentParser(
    prog="python -m tests.generators.sample", description="Write believable sample data with known truth."
)
parser.add_argument("folder")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--images", type=int, default=24)
parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
made = parser.parse_args()
make(made.folder, made.seed, made.images, made.only)
