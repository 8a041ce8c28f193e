"""Rasters that lie somewhere in the world: places, windows, names of classes, areas on the ground."""
