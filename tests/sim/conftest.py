"""A small track of our own, and golden pictures, for the tests of what is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from deepracer_sim.camera_reference import psnr
from deepracer_sim.track import Track, track_from_rows

GOLDEN = Path(__file__).parents[1] / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden")


def oval_rows(straight: float = 3.0, radius: float = 1.0, width: float = 0.76) -> np.ndarray:
    """A stadium driven counter-clockwise from the middle of its lower straight, (N, 6)."""
    half = straight / 2.0
    along = np.linspace(0.0, straight, 16)
    turn = np.linspace(-np.pi / 2, np.pi / 2, 21)
    right = np.column_stack([half + radius * np.cos(turn), radius * np.sin(turn), turn])
    top = np.column_stack([half - along, np.full(16, radius), np.full(16, np.pi / 2)])
    left = np.column_stack([-right[:, 0], -right[:, 1], turn + np.pi])
    low = np.column_stack([along - half, np.full(16, -radius), np.full(16, -np.pi / 2)])
    loop = np.vstack([low[8:-1], right[:-1], top[:-1], left[:-1], low[:9]])
    outwards = np.column_stack([np.cos(loop[:, 2]), np.sin(loop[:, 2])]) * width / 2.0
    return np.hstack([loop[:, :2], loop[:, :2] - outwards, loop[:, :2] + outwards])


@pytest.fixture(scope="session")
def oval() -> Track:
    """12.3 m around, 0.76 m wide."""
    return track_from_rows(oval_rows(), "oval", title="Test oval")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, np.ndarray], None]:
    """Compare a picture (grey or RGB) with ``tests/golden/NAME.png``, or rewrite that file."""

    def check(name: str, picture: np.ndarray) -> None:
        path = GOLDEN / f"{name}.png"
        if request.config.getoption("--update-golden", default=False):
            path.parent.mkdir(exist_ok=True)
            cv2.imwrite(str(path), picture[..., ::-1] if picture.ndim == 3 else picture)
            return
        stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert stored is not None, (
            f"{path} is missing; write it with --update-golden and look at it"
        )
        stored = stored[..., ::-1] if stored.ndim == 3 else stored
        assert stored.shape == picture.shape
        likeness = psnr(picture, stored)
        assert likeness > 45.0, (
            f"{name} changed ({likeness:.1f} dB); if so meant, run with --update-golden and look"
        )

    return check


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where worlds go; neither the user's own nor the tracks of the working directory matter."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"
