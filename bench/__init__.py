"""Measurements: how long each question takes at a size, as ratios taken in one run."""
