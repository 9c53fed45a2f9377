"""Tests of the package ``pnp``."""
