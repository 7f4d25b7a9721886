"""Simulators by name."""

from __future__ import annotations

import sys

import pytest

from deepracer_car.errors import ConfigError
from deepracer_sim.backends import open_simulator
from deepracer_sim.embedded import EmbeddedSimulator
from deepracer_sim.track import Track


def test_the_embedded_simulator_has_as_many_cars_as_asked_for(oval: Track) -> None:
    simulator = open_simulator("embedded", oval, 3)
    assert isinstance(simulator, EmbeddedSimulator)
    assert simulator.n_cars == 3


def test_a_misspelt_name_is_refused_with_the_nearest(oval: Track) -> None:
    with pytest.raises(ConfigError, match=r"embedded, simulator_node, gazebo\. .*'gazebo'"):
        open_simulator("gazeebo", oval)


def test_a_simulator_on_ros_has_one_car(oval: Track) -> None:
    with pytest.raises(ConfigError, match="has one car, not 2; more cars take more workers"):
        open_simulator("simulator_node", oval, 2)


def test_without_ros_the_reason_is_told(oval: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("deepracer_sim.ros")]:
        monkeypatch.delitem(sys.modules, module)
    for module in ("rclpy", "nav_msgs", "nav_msgs.msg"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=r"nav_msgs.* cannot be imported; source a ROS"):
        open_simulator("gazebo", oval)
