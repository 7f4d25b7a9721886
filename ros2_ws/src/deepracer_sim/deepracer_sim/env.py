"""`DeepRacer-v0`: one car as a Gymnasium environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import gymnasium
import numpy as np
import numpy.typing as npt

from deepracer_car.action_space import (
    ActionSpace,
    ContinuousActionSpace,
    DiscreteActionSpace,
    action_space_from_metadata,
)
from deepracer_car.errors import ConfigError
from deepracer_car.spec import CONTROL_HZ
from deepracer_sim.backends import open_simulator
from deepracer_sim.episode import TRACE_FIELDS
from deepracer_sim.reward import RewardFunction
from deepracer_sim.reward_legacy import LegacyScale
from deepracer_sim.rules import RaceRules
from deepracer_sim.spaces import answer_space, observation_space
from deepracer_sim.starts import Starts
from deepracer_sim.task import RacingTask
from deepracer_sim.top_view import TopView, Trail
from deepracer_sim.track import Track
from deepracer_sim.track_library import load_track

Observation = npt.NDArray[np.uint8]


class DeepRacerEnv(gymnasium.Env[Observation, Any]):
    """A 1/18 scale car that learns to drive round a track from its camera alone.

    ## Observation Space

    ``Box(0, 255, (1, 120, 160), uint8)``: one grey frame, rows from top to bottom, of a pinhole
    camera 0.127 m above the road that looks 15 degrees down and 64.7 degrees wide.

    ## Action Space

    Discrete: ``Discrete(n)``, the position in the list of actions. Continuous: ``Box(-1, 1, (2,))``
    for steering angle and speed, mapped linearly to their ranges. Either way a decision is a
    steering angle (positive to the left, at most 30 degrees) and a speed (0.1 to 4 m/s), held for
    one step.

    ## Transition Dynamics

    One step is 1/15 s of simulated time: ten sub-steps of a dynamic bicycle model with saturating
    tyres (friction 0.5), 0.05 s steering lag and 0.12 s speed lag. The wheels top out at 3.6 m/s.

    ## Reward

    What ``reward_function(params)`` returns after the car has moved. ``params`` is the dictionary
    every DeepRacer reward function gets; the reference is docs/reward-reference.md.

    ## Starting State

    At rest on the centre line; each episode 5 % of the lap further than the one before, or as
    ``starts`` says.

    ## Episode End

    *Terminated*: no wheel centre is between the borders (``off_track``), 15 steps without movement
    (``immobilized``) or with falling progress (``reversed``). *Truncated*: the lap, or the last of
    ``laps``, is complete (``lap_complete``), or ``max_steps`` are driven (``time_up``). The word
    stands in ``info["episode_status"]``.

    ## Info

    ``progress`` (percent of the lap), ``speed`` (measured, m/s), ``pose`` (x, y in metres, yaw in
    radians), ``episode_status``; at the end of an episode also ``lap_times`` (s) and
    ``episode_trace``, a `dict` of columns.

    ## Arguments

    * ``track``: name of a built-in or imported track, path of a track file, or a `Track`.
    * ``direction``: ``"cw"``, ``"ccw"`` or None, as the track is drawn.
    * ``reward_function``: a callable, the path of a Python file, or its text; default: progress.
    * ``action_space``: an action space, or the ``action_space`` of a ``model_metadata.json``.
    * ``rules``, ``starts``: `RaceRules` and `Starts`.
    * ``simulator``: ``"embedded"`` in this process, or, reached over ROS 2 and running on the same
      track, ``"simulator_node"`` or ``"gazebo"``; such a one starts cars at rest only.
    * ``render_mode``: ``"rgb_array"`` shows the track from above with the car.

    ## Version History

    * v0: first version.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": CONTROL_HZ}  # noqa: RUF012

    def __init__(
        self,
        track: str | Track = "reinvent_base",
        reward_function: Callable[[dict[str, Any]], float] | str | PathLike[str] | None = None,
        action_space: ActionSpace | Sequence[Any] | Mapping[str, Any] | None = None,
        *,
        direction: Literal["cw", "ccw"] | None = None,
        rules: RaceRules | None = None,
        starts: Starts | None = None,
        simulator: Literal["embedded", "simulator_node", "gazebo"] = "embedded",
        render_mode: str | None = None,
    ) -> None:
        """Build the environment; see the class for the arguments."""
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ConfigError(f"render_mode is {render_mode!r}; allowed are None and 'rgb_array'.")
        track = load_track(track) if isinstance(track, str) else track
        self.track = track.driven(direction)
        self.decoder = _as_action_space(action_space)
        self.action_space = answer_space(self.decoder)
        self.observation_space = observation_space()  # type: ignore[assignment]
        self.render_mode = render_mode
        self._simulator = open_simulator(simulator, self.track)
        self._task = RacingTask(
            self._simulator,
            self.track,
            _as_reward_function(reward_function, LegacyScale.of(self.decoder)).instances(1),
            rules=rules,
            starts=starts,
            restart=False,
        )
        self._view: TopView | None = None
        self._path: list[tuple[float, float]] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start the next episode; ``seed`` starts a new sequence of episodes."""
        super().reset(seed=seed)
        observation = self._task.reset(seed)[0]
        self._path.clear()
        return observation, self._info("prepare")

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Hold ``action`` for 1/15 s."""
        raw = np.asarray(action)[np.newaxis]
        discrete = isinstance(self.decoder, DiscreteActionSpace)
        result = self._task.step(
            self.decoder.decode(raw), raw.astype(np.float64) if discrete else None
        )
        observation, reward = result.observations[0], float(result.rewards[0])
        info = self._info("in_progress")
        if result.episodes:
            episode = result.episodes[0]
            info.update(
                episode_status=episode.status,
                lap_times=episode.lap_times,
                episode_trace=dict(zip(TRACE_FIELDS, episode.trace.T, strict=True)),
            )
        return observation, reward, bool(result.terminated[0]), bool(result.truncated[0]), info

    def render(self) -> npt.NDArray[np.uint8] | None:
        """Return the track from above with the car and its path, (rows, columns, 3) uint8."""
        if self.render_mode is None:
            return None
        if self._view is None:
            self._view = TopView(self.track, fit=(800, 600), waypoints=False)
        trail = Trail(np.array(self._path)) if len(self._path) > 1 else None
        return self._view.draw(self._simulator.poses, [trail] if trail else [])

    def close(self) -> None:
        """Leave the simulator."""
        self._simulator.close()

    def _info(self, status: str) -> dict[str, Any]:
        pose = self._simulator.poses[0]
        self._path.append((pose[0], pose[1]))
        return {
            "episode_status": status,
            "progress": float(self._task.progress[0]),
            "speed": float(self._simulator.speeds[0]),
            "pose": tuple(float(v) for v in pose),
        }


def _as_reward_function(given: Any, scale: LegacyScale) -> RewardFunction:
    if given is None:
        return RewardFunction.from_callable(_reward_for_progress())
    if isinstance(given, PathLike):
        return RewardFunction.load(Path(given), scale)
    if isinstance(given, str):
        if "\n" in given:
            return RewardFunction.from_source(given, "<reward_function>", scale)
        return RewardFunction.load(Path(given), scale)
    return RewardFunction.from_callable(given, scale)


def _reward_for_progress() -> Callable[[dict[str, Any]], float]:
    """A reward of the percent of the lap gained in this step."""
    before = 0.0

    def reward_function(params: dict[str, Any]) -> float:
        nonlocal before
        gained = params["progress"] - before if params["steps"] > 2 else 0.0
        before = params["progress"]
        return float(max(gained, 0.0))

    return reward_function


def _as_action_space(given: Any) -> ActionSpace:
    if given is None:
        return DiscreteActionSpace.from_granularity(30.0, 5, 1.0, 2)
    if isinstance(given, (DiscreteActionSpace, ContinuousActionSpace)):
        return given
    return action_space_from_metadata(given)
