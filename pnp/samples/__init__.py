"""Files that :mod:`pnp.data` reads."""
