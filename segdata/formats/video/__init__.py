"""Videos: frames in folders of sequences, segments that keep their track from frame to frame."""
