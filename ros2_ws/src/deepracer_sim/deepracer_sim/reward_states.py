"""Situations to try a reward function in: drives that go well, go wrong, and go to the limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any

import numpy as np

from deepracer_car.spec import CONTROL_DT, CarSpec
from deepracer_sim.location import Locator
from deepracer_sim.reward_params import RewardParams
from deepracer_sim.simulator import Floats
from deepracer_sim.track import Track

SPEC = CarSpec()
MAX_STEERING = math.degrees(SPEC.max_steering_angle)
BOXES = 3


@dataclass(frozen=True)
class Drive:
    """One episode of T steps, told as where the middle of the car is.

    Attributes:
        travelled: (T,) metres along the centre line from the start; falls when driving backwards.
        lateral: (T,) metres left of the centre line.
        turn: (T,) radians between heading and road.
        speed: (T,) commanded, m/s.
        steering_angle: (T,) commanded, degrees.
        stride: control steps between two of these states.
        with_boxes: there are boxes on the road; the car hits one at the end.
    """

    travelled: Floats
    lateral: Floats
    turn: Floats
    speed: Floats
    steering_angle: Floats
    stride: int = 1
    with_boxes: bool = False


def sample_params(track: Track, rng: np.random.Generator, count: int) -> list[dict[str, Any]]:
    """Return ``count`` dictionaries as a reward function gets them, in the order of driving.

    They come from whole episodes, one after the other; within each of them ``steps`` rise. All
    kinds of episodes occur from 600 on.
    """
    states: list[dict[str, Any]] = []
    for drive in cycle(DRIVES):
        start = _straightest(track) if drive is _stand else rng.random() * track.length
        states += _states(track, drive(track, rng), start)
        if len(states) >= count:
            break
    return states[:count]


def _stand(track: Track, rng: np.random.Generator) -> Drive:
    """Never gets going, dead straight in the middle of the road."""
    zeros = np.zeros(12)
    return Drive(zeros, zeros, zeros, zeros + SPEC.min_speed, zeros)


def _lap(track: Track, rng: np.random.Generator) -> Drive:
    """A whole lap, swinging gently about the centre line."""
    speed = rng.uniform(2.5, SPEC.max_speed)
    travelled = np.arange(0.0, track.length + speed * CONTROL_DT, speed * CONTROL_DT)
    swing = rng.uniform(0.0, 0.3) * track.width
    phase = travelled * rng.uniform(1.0, 4.0)
    steering_angle = rng.choice([-30.0, -15.0, 0.0, 15.0, 30.0], len(travelled))
    return _following(travelled, swing * np.sin(phase), speed, steering_angle)


def _weave(track: Track, rng: np.random.Generator) -> Drive:
    """From one border to the other, with some of the wheels off the road."""
    travelled = np.linspace(0.0, rng.uniform(0.1, 0.6) * track.length, 60)
    phase = np.linspace(0.0, 8.0 * math.pi, 60)
    lateral = 0.5 * track.width * np.sin(phase)
    return _following(travelled, lateral, 1.0, MAX_STEERING * np.sign(np.cos(phase)))


def _leave(track: Track, rng: np.random.Generator) -> Drive:
    """Off the road, to the left or to the right, until no wheel is on it and beyond."""
    side = rng.choice([-1.0, 1.0])
    travelled = np.linspace(0.0, rng.uniform(0.5, 3.0), 40)
    lateral = side * np.linspace(0.0, 0.5 * track.width + 0.5, 40)
    return _following(travelled, lateral, SPEC.max_speed, np.full(40, side * MAX_STEERING))


def _turn_back(track: Track, rng: np.random.Generator) -> Drive:
    """Against the driving direction and back across the start: progress is negative."""
    travelled = -np.linspace(0.0, 1.0, 15)
    lateral = np.full(15, rng.uniform(-0.3, 0.3) * track.width)
    speed, steering_angle = np.full(15, 1.0), rng.uniform(-MAX_STEERING, MAX_STEERING, 15)
    return Drive(travelled, lateral, np.full(15, math.pi), speed, steering_angle)


def _scatter(track: Track, rng: np.random.Generator) -> Drive:
    """A long episode seen now and then: any place, any heading, any command."""
    return Drive(
        np.sort(rng.uniform(0.0, track.length, 80)),
        rng.uniform(-0.7, 0.7, 80) * track.width,
        rng.uniform(-math.pi, math.pi, 80),
        rng.uniform(SPEC.min_speed, SPEC.max_speed, 80),
        rng.uniform(-MAX_STEERING, MAX_STEERING, 80),
        stride=30,
    )


def _boxes(track: Track, rng: np.random.Generator) -> Drive:
    """Into a box that stands on the road."""
    travelled = np.linspace(0.0, 0.25 * track.length, 40)
    lateral = np.full(40, 0.1 * track.width)
    drive = _following(travelled, lateral, 2.0, rng.uniform(-MAX_STEERING, MAX_STEERING, 40))
    return replace(drive, with_boxes=True)


DRIVES: tuple[Callable[[Track, np.random.Generator], Drive], ...] = (
    _stand,
    _weave,
    _leave,
    _scatter,
    _turn_back,
    _boxes,
    _lap,
)


def _following(travelled: Floats, lateral: Floats, speed: float, steering_angle: Floats) -> Drive:
    """Return a drive that heads where it goes."""
    turn = np.arctan2(np.gradient(lateral), np.gradient(travelled))
    return Drive(travelled, lateral, turn, np.full(len(travelled), speed), steering_angle)


def _straightest(track: Track) -> float:
    """Return where a car in the middle of the road is judged to be exactly there, m."""
    poses = np.array([track.pose_at(along) for along in track.arc_length])
    location = Locator(track).locate(poses, np.zeros(len(poses), dtype=bool))
    return float(track.arc_length[np.abs(location.lateral).argmin()])


def _states(track: Track, drive: Drive, start: float) -> list[dict[str, Any]]:
    """Return what a reward function gets in the course of ``drive`` from ``start`` metres on."""
    poses = np.array(
        [
            track.pose_at(start + along, lateral)
            for along, lateral in zip(drive.travelled, drive.lateral, strict=True)
        ]
    )
    poses[:, 2] = np.mod(poses[:, 2] + drive.turn + math.pi, 2.0 * math.pi) - math.pi
    at = Locator(track).locate(poses, np.zeros(len(poses), dtype=bool))
    params = RewardParams(track)
    progress = 100.0 * (drive.travelled + SPEC.front_point_x) / track.length
    states = [
        params.build(
            x=float(at.x[i]),
            y=float(at.y[i]),
            heading=float(np.degrees(poses[i, 2])),
            along=float(at.along[i]),
            lateral=round(float(at.lateral[i]), 9),
            progress=min(float(progress[i]), 100.0),
            steps=2 + i * drive.stride,
            speed=float(drive.speed[i]),
            steering_angle=float(drive.steering_angle[i]),
            track_width=float(at.width[i]),
            waypoint=int(at.waypoint[i]),
            wheels_on_road=int(at.wheels_on_road[i]),
            is_crashed=drive.with_boxes and i == len(poses) - 1,
            sim_time=(1 + i * drive.stride) * CONTROL_DT,
        )
        for i in range(len(poses))
    ]
    if drive.with_boxes:
        _put_boxes(track, states, start + float(drive.travelled[-1]))
    return states


def _put_boxes(track: Track, states: list[dict[str, Any]], first: float) -> None:
    """Add `BOXES` boxes, the first ``first`` metres along, the others evenly round the track."""
    spots = [(first + i * track.length / BOXES) % track.length for i in range(BOXES)]
    lateral = [0.1 * track.width, -0.2 * track.width, 0.2 * track.width]
    for params in states:
        ahead = [(spot - params["projection_distance"]) % track.length for spot in spots]
        params["objects_location"] = [
            list(track.pose_at(spot, side)[:2]) for spot, side in zip(spots, lateral, strict=True)
        ]
        params["objects_left_of_center"] = [side > 0.0 for side in lateral]
        params["objects_distance"] = list(spots)
        params["objects_distance_from_center"] = [abs(side) for side in lateral]
        params["objects_heading"] = [0.0] * BOXES
        params["objects_speed"] = [0.0] * BOXES
        params["closest_objects"] = [int(np.argmax(ahead)), int(np.argmin(ahead))]
        params["object_in_camera"] = bool(min(ahead) < 2.0)
