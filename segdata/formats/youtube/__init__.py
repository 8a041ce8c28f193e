"""YouTube-VIS documents: videos, and tracks with a segmentation for each frame."""
