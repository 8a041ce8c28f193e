"""Supervisely projects of images."""
