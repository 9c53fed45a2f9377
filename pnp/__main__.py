"""``python -m pnp``: the command line of :mod:`pnp.cli`."""

from .cli import main

main()
