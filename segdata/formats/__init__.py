"""One file per format: `LOSSES`, `detect`, `read`, `write`."""
