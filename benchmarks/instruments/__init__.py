"""Measured data of each field, from their files to figures: `python -m benchmarks.instruments radio --data DIR`."""
