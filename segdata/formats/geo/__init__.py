"""Georeferenced rasters: georeferences, windows, class names, areas on the ground."""
