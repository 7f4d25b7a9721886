"""The ``params`` dictionary a racer's ``reward_function`` gets: names, types and units as documented."""

from __future__ import annotations

from typing import Any

from deepracer_sim.track import Track

Waypoints = list[tuple[float, float]]


class RewardParams:
    """Builds the dictionary for cars on one track, in one direction."""

    def __init__(self, track: Track) -> None:
        """Take the waypoints of ``track`` in driving order."""
        self._waypoints: Waypoints = [(float(x), float(y)) for x, y in track.center]
        self._track_length = track.length
        self._is_reversed = track.is_reversed

    def build(
        self,
        *,
        x: float,
        y: float,
        heading: float,
        distance_from_center: float,
        projection_distance: float,
        is_left_of_center: bool,
        progress: float,
        steps: int,
        speed: float,
        steering_angle: float,
        track_width: float,
        waypoint: int,
        all_wheels_on_track: bool,
        is_offtrack: bool,
        is_crashed: bool = False,
        sim_time: float = 0.0,
    ) -> dict[str, Any]:
        """Return a new dictionary; a reward function may change it without harm.

        Args:
            x: of the judged point, 0.14 m ahead of the middle of the car, m.
            y: likewise, m.
            heading: degrees, -180 to 180, 0 along the x axis, counter-clockwise positive.
            distance_from_center: of the judged point from the centre line, m, at least 0.
            projection_distance: along the centre line from waypoint 0, m.
            is_left_of_center: left of the centre line as it is driven.
            progress: percent of the lap, up to 100.
            steps: of this episode; the first action is step 2, the car standing ready step 1.
            speed: commanded, m/s.
            steering_angle: commanded, degrees, positive to the left.
            track_width: between the borders beside the judged point, m.
            waypoint: index of the waypoint behind the judged point.
            all_wheels_on_track: all wheel centres between the borders.
            is_offtrack: no wheel centre between the borders.
            is_crashed: the car hit an object.
            sim_time: simulated seconds since the car's first start.
        """
        return {
            "all_wheels_on_track": all_wheels_on_track,
            "x": x,
            "y": y,
            "heading": heading,
            "distance_from_center": distance_from_center,
            "projection_distance": projection_distance,
            "is_left_of_center": is_left_of_center,
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
