"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def community_tracks() -> Path:
    """The folder of community track files (.npy); tests that need them skip where there is none."""
    folder = Path(os.environ.get("DEEPRACER_COMMUNITY_TRACKS", ROOT.parent / "shared" / "tracks"))
    if not any(folder.glob("*.npy")):
        pytest.skip(f"no community tracks in {folder}; set DEEPRACER_COMMUNITY_TRACKS")
    return folder
