"""A hand on the switches of the car node."""

from __future__ import annotations

import subprocess

from std_srvs.srv import SetBool, Trigger

from deepracer_sim.ros.link import Link


class Hand:
    """Arms the car node of a process, and stops it."""

    def __init__(self, node: subprocess.Popen[str]) -> None:
        self.node, self.link = node, Link("hand")
        self._arming = self.link.client(SetBool, "car_node/arm")
        self._stopping = self.link.client(Trigger, "car_node/estop")

    def arm(self) -> bool:
        return bool(self.link.call(self._arming, SetBool.Request(data=True)).success)

    def stop(self) -> None:
        assert self.link.call(self._stopping, Trigger.Request()).success
