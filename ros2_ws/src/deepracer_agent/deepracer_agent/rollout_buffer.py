"""A rollout that ends when enough episodes have ended, not after a fixed number of steps."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.buffers import RolloutBuffer

_PER_STEP = (
    "observations",
    "actions",
    "rewards",
    "returns",
    "episode_starts",
    "values",
    "log_probs",
    "advantages",
)


class EpisodicRolloutBuffer(RolloutBuffer):
    """SB3's buffer, cut to the steps that were really taken before it is read."""

    def __init__(self, buffer_size: int, *args: Any, **kwargs: Any) -> None:
        """Hold at most ``buffer_size`` steps per car."""
        self.capacity = buffer_size
        super().__init__(buffer_size, *args, **kwargs)

    def reset(self) -> None:
        """Empty the buffer and give it its full capacity back."""
        self.buffer_size = self.capacity
        super().reset()

    def cut(self) -> None:
        """Keep the steps taken so far; from now on the buffer counts as full."""
        for name in _PER_STEP:
            setattr(self, name, getattr(self, name)[: self.pos])
        self.buffer_size = self.pos
        self.full = True
