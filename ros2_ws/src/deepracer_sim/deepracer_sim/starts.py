"""Where and which way an episode begins."""

from __future__ import annotations

from dataclasses import dataclass
from math import radians, remainder, tau
from typing import Literal

import numpy as np

from deepracer_sim.track import Track


@dataclass(frozen=True)
class Starts:
    """How start poses follow one another.

    Every car has its own sequence, which depends on the seed, the car's number and the number of
    the episode alone: N cars together start exactly as each of them alone.

    Attributes:
        mode: ``round_robin``: each episode starts ``advance`` of the lap further; ``random``:
            anywhere, with the jitters below; ``fixed``: always at ``offset``.
        advance: fraction of the lap between two round-robin starts.
        offset: fraction of the lap added to every start.
        alternate_direction: every other episode is driven the other way round.
        lateral_jitter: random starts lie up to this fraction of half the road beside the centre.
        heading_jitter: standard deviation of the heading of random starts, degrees.
        max_speed: random starts roll at up to this speed, m/s.
    """

    mode: Literal["round_robin", "random", "fixed"] = "round_robin"
    advance: float = 0.05
    offset: float = 0.0
    alternate_direction: bool = False
    lateral_jitter: float = 0.5
    heading_jitter: float = 8.0
    max_speed: float = 0.0

    def pose(
        self, track: Track, turn: int, rng: np.random.Generator
    ) -> tuple[tuple[float, float, float], float, float]:
        """Start pose number ``turn`` on ``track`` as it is driven; an open road has but one.

        Returns:
            pose (x, y in metres, yaw in radians), speed in m/s, distance along the track in metres.
        """
        if not track.closed:
            return track.pose_at(0.0), 0.0, 0.0
        if self.mode != "random":
            step = self.advance * turn if self.mode == "round_robin" else 0.0
            along = (self.offset + step) % 1.0 * track.length
            return track.pose_at(along), 0.0, along
        along = (self.offset + rng.random()) % 1.0 * track.length
        half_width = 0.5 * float(np.interp(along, track.arc_length, track.widths))
        x, y, yaw = track.pose_at(along, rng.uniform(-1.0, 1.0) * self.lateral_jitter * half_width)
        yaw = remainder(yaw + rng.normal() * radians(self.heading_jitter), tau)
        return (x, y, yaw), rng.random() * self.max_speed, along

    def is_reversed(self, turn: int) -> bool:
        """Whether episode ``turn`` is driven against the order of the track."""
        return self.alternate_direction and turn % 2 == 1
