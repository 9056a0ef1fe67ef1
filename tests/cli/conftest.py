"""Fixtures of the rooms that the commands are tested with."""

from checkpoints.conftest import make_original  # noqa: F401
