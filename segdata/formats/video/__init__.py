"""Videos: frames in folders of sequences or in one document, segments that keep their track from frame to frame."""
