"""The rows of running episodes, kept until each episode ends."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deepracer_sim.episode import TRACE_FIELDS

Floats = npt.NDArray[np.float64]


class Trace:
    """One growing table per car; all cars gain a row per step."""

    width = len(TRACE_FIELDS)

    def __init__(self, n_cars: int) -> None:
        """Keep rows of ``n_cars`` cars."""
        self._rows: Floats = np.empty((n_cars, 256, self.width))
        self._count: npt.NDArray[np.int64] = np.zeros(n_cars, dtype=np.int64)
        self._cars = np.arange(n_cars)

    def begin(self, cars: npt.NDArray[np.int64], rows: Floats) -> None:
        """Start the tables of ``cars`` (M,) anew with ``rows`` (M, width)."""
        self._rows[cars, 0] = rows
        self._count[cars] = 1

    def append(self, rows: Floats) -> None:
        """Add a row to each car's table, ``rows`` (N, width)."""
        if self._count.max() == self._rows.shape[1]:
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)], axis=1)
        self._rows[self._cars, self._count] = rows
        self._count += 1

    def take(self, car: int) -> Floats:
        """Return a copy of one car's table, (rows, width)."""
        return self._rows[car, : self._count[car]].copy()
