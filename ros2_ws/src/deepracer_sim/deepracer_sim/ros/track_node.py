"""The track as markers for rviz: road, borders, centre line and the way it is driven."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from geometry_msgs.msg import Point
from rclpy.node import Node
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from deepracer_car.errors import ConfigError
from deepracer_car.ros import topics
from deepracer_car.ros.node import read_parameters, spin
from deepracer_sim.appearance import RGB
from deepracer_sim.ros.messages import set_pose
from deepracer_sim.simulator import Floats
from deepracer_sim.track import Track
from deepracer_sim.track_library import load_track

PARAMETERS = (
    ("track", "reinvent_base", "Name or path of the track."),
    ("direction", "", "cw or ccw: show it driven this way round; empty: as its file says."),
)
DIRECTIONS: dict[str, Literal["cw", "ccw"] | None] = {"": None, "cw": "cw", "ccw": "ccw"}
LINE_HEIGHT, ARROW_HEIGHT = 0.002, 0.01
"""Above the road, m, so that neither is drawn inside the other."""
ARROW = 0.5, 0.08, 0.02
"""Length, width and height of the arrow on the start line, m."""


class TrackNode(Node):
    """Publishes one track, for those who are there and those who come later."""

    def __init__(self) -> None:
        """Load and publish the track.

        Raises:
            DeepRacerError: a parameter cannot be used.
        """
        super().__init__("track_node")
        track = chosen_track(**read_parameters(self, PARAMETERS))
        publisher = self.create_publisher(MarkerArray, topics.TRACK, topics.latched())
        publisher.publish(track_markers(track))


def chosen_track(track: str, direction: str) -> Track:
    """Return the track a node's parameters name.

    Raises:
        DeepRacerError: there is no such track or direction.
    """
    if direction not in DIRECTIONS:
        raise ConfigError(f"direction is '{direction}'; use cw, ccw or nothing.")
    return load_track(track).driven(DIRECTIONS[direction])


def track_markers(track: Track) -> Any:
    """Return the markers of ``track``; their namespaces tell what they are."""
    look = track.appearance
    marks = [
        _marker("road", Marker.TRIANGLE_LIST, look.road, _road(track)),
        _marker("inner", Marker.LINE_STRIP, look.border, track.inner, look.border_line_width),
        _marker("outer", Marker.LINE_STRIP, look.border, track.outer, look.border_line_width),
        _marker("center", Marker.LINE_STRIP, look.center, track.center, look.center_line_width),
    ]
    for line in marks[1:]:
        line.pose.position.z = LINE_HEIGHT
    start = _marker("start", Marker.ARROW, look.border, np.empty((0, 2)))
    set_pose(start.pose, *track.pose_at(0.0))
    start.pose.position.z = ARROW_HEIGHT
    start.scale.x, start.scale.y, start.scale.z = ARROW
    return MarkerArray(markers=[*marks, start])


def _road(track: Track) -> Floats:
    """Corners (6 (N - 1), 2) of two triangles between each waypoint and the next."""
    inner, outer = track.inner, track.outer
    corners = [inner[:-1], outer[:-1], outer[1:], inner[:-1], outer[1:], inner[1:]]
    return np.stack(corners, axis=1).reshape(-1, 2)


def _marker(what: str, kind: int, color: RGB, points: Floats, width: float = 1.0) -> Any:
    marker = Marker(ns=what, type=kind, action=Marker.ADD)
    marker.header.frame_id = topics.MAP_FRAME
    marker.pose.orientation.w = 1.0
    marker.scale.x = width
    if kind == Marker.TRIANGLE_LIST:
        marker.scale.y = marker.scale.z = 1.0
    marker.points = [Point(x=x, y=y) for x, y in points.tolist()]
    red, green, blue = (part / 255.0 for part in color)
    marker.color = ColorRGBA(r=red, g=green, b=blue, a=1.0)
    return marker


def main() -> int:
    """Run the node until it is told to stop."""
    return spin(TrackNode)


if __name__ == "__main__":
    raise SystemExit(main())
