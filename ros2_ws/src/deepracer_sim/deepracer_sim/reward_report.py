"""The result of checking a reward function."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from deepracer_sim.reward_problem import RewardProblem

SLOW_US, TOO_SLOW_US = 500.0, 5000.0
"""Mean time of a call that is warned of, and that is refused."""
CHATTY = 200.0
"""Printed characters per call that are warned of."""
LARGE_MEMORY = 256 << 20
"""Bytes that are warned of."""


@dataclass(frozen=True)
class CallStatistics:
    """What the calls on one track cost and brought that returned a number.

    Attributes:
        calls: how many.
        mean_us: mean time, microseconds, without the slowest call (which may import something).
        max_us: longest time, microseconds.
        min_reward, mean_reward, max_reward: what they returned.
    """

    calls: int
    mean_us: float
    max_us: float
    min_reward: float
    mean_reward: float
    max_reward: float


@dataclass(frozen=True)
class RewardReport:
    """The result of a check.

    Attributes:
        filename: as given.
        problems: errors and warnings in the order of their lines.
        tracks: statistics by the name of the track; empty if the function was not run to the end.
    """

    filename: str
    problems: tuple[RewardProblem, ...]
    tracks: dict[str, CallStatistics] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether one can train with it: no errors, whatever the warnings."""
        return all(problem.severity != "error" for problem in self.problems)

    def describe(self) -> str:
        """Return the report as text."""
        lines = [f"{p.severity}: {p.describe(self.filename)}" for p in self.problems]
        for track, s in self.tracks.items():
            lines.append(
                f"{track}: {s.calls} calls, {s.mean_us:.1f} µs each, reward {s.min_reward:.4g} to "
                f"{s.max_reward:.4g}, mean {s.mean_reward:.4g}"
            )
        lines.append(f"{self.filename}: {'ok' if self.ok else 'not usable'}")
        return "\n".join(lines)


def statistics(seconds: list[float], rewards: list[float]) -> CallStatistics:
    """Return statistics of calls that took ``seconds`` and returned ``rewards``, at least one."""
    typical = sorted(seconds)[:-1] or seconds
    values = np.array(rewards)
    return CallStatistics(
        calls=len(seconds),
        mean_us=1e6 * float(np.mean(typical)),
        max_us=1e6 * max(seconds),
        min_reward=float(values.min()),
        mean_reward=float(values.mean()),
        max_reward=float(values.max()),
    )


def judge(
    tracks: dict[str, CallStatistics], printed: int, memory: int, *, has_errors: bool
) -> list[RewardProblem]:
    """Return problems that show in the whole of the calls."""
    calls = sum(s.calls for s in tracks.values())
    if not calls:
        return []
    problems = []
    mean = sum(s.calls * s.mean_us for s in tracks.values()) / calls
    if mean > SLOW_US:
        problems.append(
            RewardProblem(
                f"a call takes {mean / 1000:.2g} ms.",
                advice="Training calls it for every step of every car. Compute once, in a global "
                "variable, what never changes, and use plain numbers, not numpy, for few values.",
                severity="error" if mean > TOO_SLOW_US else "warning",
            )
        )
    least = min(s.min_reward for s in tracks.values())
    most = max(s.max_reward for s in tracks.values())
    if least == most and not has_errors:
        problems.append(
            RewardProblem(
                f"it returned {least:g} in all {calls} situations.",
                advice="A policy learns nothing from a reward that is always the same.",
                severity="warning",
            )
        )
    if printed > CHATTY * calls:
        problems.append(
            RewardProblem(
                f"it prints {printed / calls:.0f} characters per call.",
                advice="That makes training slower and reward_output.log large.",
                severity="warning",
            )
        )
    if memory > LARGE_MEMORY:
        problems.append(
            RewardProblem(
                f"it takes {memory / (1 << 20):.0f} MiB of memory.",
                advice="Every car has a function of its own, with its own global variables.",
                severity="warning",
            )
        )
    return problems
