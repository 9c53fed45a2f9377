"""Measurements behind every number that the project states; each file is one command, ``python -m benchmarks.NAME``."""
