"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Sums depend on the number of threads, and on a busy machine more threads are slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Machines are noisy, and a failure on one must be seen on every other.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def community_tracks() -> Path:
    """The folder of community track files (.npy); tests that need them skip where there is none."""
    folder = Path(os.environ.get("DEEPRACER_COMMUNITY_TRACKS", ROOT.parent / "shared" / "tracks"))
    if not any(folder.glob("*.npy")):
        pytest.skip(f"no community tracks in {folder}; set DEEPRACER_COMMUNITY_TRACKS")
    return folder
