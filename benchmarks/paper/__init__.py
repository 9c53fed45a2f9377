"""What the papers behind this library claim, beside what it measures: one row for each claim, one file for each paper.

python -m benchmarks.paper --list
"""
