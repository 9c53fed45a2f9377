"""What other libraries test of their operators, tried on each of ours: ``python -m tests.peers`` prints a table."""
