"""The track as rviz gets it."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")

from visualization_msgs.msg import Marker, MarkerArray

from deepracer_car.ros import topics
from deepracer_sim.ros.link import Link
from deepracer_sim.ros.track_node import track_markers
from deepracer_sim.track_library import builtin_names, load_track


def points_of(marker: Marker) -> np.ndarray:
    return np.array([(point.x, point.y) for point in marker.points])


@pytest.mark.parametrize("name", builtin_names())
def test_markers_have_the_shape_of_the_track(name: str) -> None:
    track = load_track(name)
    marks = {marker.ns: marker for marker in track_markers(track).markers}
    assert {marker.header.frame_id for marker in marks.values()} == {"map"}
    for line in ("inner", "outer", "center"):
        np.testing.assert_array_equal(points_of(marks[line]), getattr(track, line))
        assert marks[line].pose.position.z > marks["road"].pose.position.z
    corners = points_of(marks["road"]).reshape(-1, 3, 2)
    sides = corners[:, 1:] - corners[:, :1]
    area = np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]).sum() / 2.0
    assert area == pytest.approx(track.length * track.width, rel=0.15)


def test_the_arrow_on_the_start_line_shows_the_way() -> None:
    track = load_track("reinvent_base")
    yaws = []
    for driven in (track, track.reverse()):
        start = next(m for m in track_markers(driven).markers if m.ns == "start")
        assert (start.pose.position.x, start.pose.position.y) == driven.pose_at(0.0)[:2]
        yaws.append(2.0 * np.arctan2(start.pose.orientation.z, start.pose.orientation.w))
    assert abs(np.cos(yaws[0] - yaws[1]) + 1.0) < 0.05


def test_who_comes_later_still_gets_the_track(start_node, ros_environment) -> None:
    start_node("deepracer_sim.ros.track_node", track="Oval_track", direction="cw")
    track = load_track("Oval_track").driven("cw")
    for name in ("first", "second"):
        link = Link(name)
        came: list[MarkerArray] = []
        link.subscription(MarkerArray, topics.TRACK, came.append, topics.latched())
        link.wait_for(lambda came=came: came, "no track came", 60.0)
        marks = {marker.ns: marker for marker in came[0].markers}
        np.testing.assert_array_equal(points_of(marks["center"]), track.center)
        link.close()


def test_a_track_that_does_not_exist_ends_the_node_with_the_reason(start_node) -> None:
    node = start_node("deepracer_sim.ros.track_node", track="Oval_trak")
    _, told = node.communicate(timeout=60.0)
    assert node.returncode == 1
    assert "There is no track 'Oval_trak'. Did you mean 'Oval_track'?" in told
