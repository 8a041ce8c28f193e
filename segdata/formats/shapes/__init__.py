"""Shapes that annotation tools draw, and the pixels that each tool makes of them."""
