"""Tests of the package ``denoisers``."""
