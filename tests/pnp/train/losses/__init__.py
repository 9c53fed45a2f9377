"""Tests of the losses of data alone."""
