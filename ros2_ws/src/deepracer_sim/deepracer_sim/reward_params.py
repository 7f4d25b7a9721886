"""The ``params`` dictionary a racer's ``reward_function`` gets, as documented for the original."""

from __future__ import annotations

from typing import Any

from deepracer_sim.track import Track

Waypoints = list[tuple[float, float]]


class RewardParams:
    """Builds the dictionary for cars on one track, in one direction.

    What `build` takes, in plain Python numbers:

    * ``x``, ``y``: the judged point, 0.14 m ahead of the middle of the car, m;
    * ``heading``: degrees, -180 to 180, 0 along the x axis, counter-clockwise positive;
    * ``along``: distance of the judged point along the centre line from waypoint 0, m;
    * ``lateral``: its distance from the centre line, m, positive to the left;
    * ``progress``: percent of the lap, up to 100;
    * ``steps``: of this episode; the first action is step 2, the car standing ready step 1;
    * ``speed``, ``steering_angle``: as commanded, m/s and degrees, positive to the left;
    * ``track_width``: between the borders beside the judged point, m;
    * ``waypoint``: index of the waypoint behind the judged point;
    * ``wheels_on_road``: how many wheel centres lie between the borders, 0 to 4;
    * ``sim_time``: simulated seconds since the car's first start;
    * ``is_crashed``: the car hit an object.
    """

    def __init__(self, track: Track) -> None:
        """Take the waypoints of ``track`` in driving order."""
        self._waypoints: Waypoints = [(float(x), float(y)) for x, y in track.center]
        self._track_length = track.length
        self._is_reversed = track.is_reversed

    def build(
        self,
        x: float,
        y: float,
        heading: float,
        along: float,
        lateral: float,
        progress: float,
        steps: int,
        speed: float,
        steering_angle: float,
        track_width: float,
        waypoint: int,
        wheels_on_road: int,
        sim_time: float = 0.0,
        is_crashed: bool = False,
    ) -> dict[str, Any]:
        """Return a new dictionary; a reward function may change it without harm."""
        is_offtrack = wheels_on_road == 0
        return {
            "all_wheels_on_track": wheels_on_road == 4,
            "x": x,
            "y": y,
            "heading": heading,
            "distance_from_center": abs(lateral),
            "projection_distance": along,
            "is_left_of_center": lateral > 0.0,
            "is_reversed": self._is_reversed,
            "is_crashed": is_crashed,
            "crashed": is_crashed,
            "is_offtrack": is_offtrack,
            "offtrack": is_offtrack,
            "progress": progress,
            "steps": steps,
            "speed": speed,
            "steering_angle": steering_angle,
            "track_width": track_width,
            "track_length": self._track_length,
            "waypoints": self._waypoints.copy(),
            "closest_waypoints": [waypoint, waypoint + 1],
            "closest_objects": [0, 0],
            "objects_location": [],
            "objects_left_of_center": [],
            "objects_distance": [],
            "objects_distance_from_center": [],
            "objects_heading": [],
            "objects_speed": [],
            "object_in_camera": False,
            "sim_time": sim_time,
        }
