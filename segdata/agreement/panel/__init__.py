"""The panel: several annotators' work on the same images, as one source."""
