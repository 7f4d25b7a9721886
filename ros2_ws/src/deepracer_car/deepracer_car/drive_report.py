"""How the driving goes: counted frame by frame, told once in a while."""

from __future__ import annotations

from math import nan
from typing import List, NamedTuple

from deepracer_car.decision import Decision
from deepracer_car.safety import Event, State


class Report(NamedTuple):
    """How the driving went since the last report.

    Attributes:
        state: of the car now.
        reason: why, in words.
        model: name of who drives.
        seconds: since the last report.
        frames: that were decided on.
        skipped: frames that were not, for a newer one came.
        faults: frames on which no good decision was made.
        last_fault: what was wrong with the last of them, in words; empty if there were none.
        latencies: from frame received to command sent, s, sorted.
    """

    state: State
    reason: str
    model: str
    seconds: float
    frames: int
    skipped: int
    faults: int
    last_fault: str
    latencies: List[float]

    @property
    def frames_per_second(self) -> float:
        """Decisions per second."""
        return self.frames / self.seconds if self.seconds > 0.0 else 0.0

    def latency(self, share: float) -> float:
        """Return the latency that ``share`` of the frames did not exceed, s; NaN without frames."""
        if not self.latencies:
            return nan
        return self.latencies[min(int(share * len(self.latencies)), len(self.latencies) - 1)]


class Tally:
    """Counts what a report tells."""

    REMEMBERED = 10_000
    """Latencies, at most: nobody may ask for a report for days."""

    def __init__(self, now: float) -> None:
        """Begin at time ``now``, s."""
        self._since = now
        self._frames = self._skipped = self._faults = 0
        self._last_fault = ""
        self._latencies: List[float] = []

    def count(self, decision: Decision) -> None:
        """Take a decision."""
        self._frames += 1
        self._skipped += decision.frame.skipped
        if decision.event is not Event.DECISION:
            self._faults += 1
            self._last_fault = f"{decision.event.value} {decision.answer.detail}".strip()
        if len(self._latencies) < self.REMEMBERED:
            self._latencies.append(decision.sent - decision.frame.received)

    def report(self, now: float, state: State, reason: str, model: str) -> Report:
        """Tell what was counted until time ``now``, s, and begin anew."""
        report = Report(
            state,
            reason,
            model,
            now - self._since,
            self._frames,
            self._skipped,
            self._faults,
            self._last_fault,
            sorted(self._latencies),
        )
        self.__init__(now)  # type: ignore[misc]
        return report
