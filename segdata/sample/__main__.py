"""`python -m segdata.sample FOLDER` writes the sample data."""

import argparse

from segdata.sample import MAX_IMAGES, PARTS, make

parser = argparse.ArgumentParser(
    prog="python -m segdata.sample", description="Write believable sample data with known truth."
)
parser.add_argument("folder")
parser.add_argument("--images", type=int, default=MAX_IMAGES, choices=range(1, MAX_IMAGES + 1), metavar="N")
parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
arguments = parser.parse_args()
make(arguments.folder, arguments.images, arguments.only)
