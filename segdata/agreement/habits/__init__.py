"""Habits: who differs from the others in what, and which category nobody agrees on."""
