"""Pattern maps: which votes every pixel got, image by image."""

import numpy as np

from segdata.agreement.votes import PixelVotes
from tests.generators.panels import Panel


def pattern_maps(drawn: Panel, votes: PixelVotes) -> list[np.ndarray]:
    """(H, W) the pattern of every pixel, image by image."""
    maps = []
    frame, x, y = votes.line.lower(votes.pieces.start)
    for image, size in enumerate(zip(*(side.tolist() for side in drawn.batch.image_size), strict=True)):
        flat = np.full(size, votes.blank[image])
        for i in np.flatnonzero(frame == image):
            flat[y[i] : y[i] + votes.pieces.end[i] - votes.pieces.start[i], x[i]] = votes.pieces.owner[i]
        maps.append(flat)
    return maps
