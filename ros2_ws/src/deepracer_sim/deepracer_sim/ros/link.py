"""A node that waits for answers: the blocking side of the bridge, without executor or thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSProfile

from deepracer_car.errors import SimulatorError
from deepracer_sim.ros.messages import nanoseconds
from deepracer_sim.ros.waiting import WaitSet

SLICE = 0.1
"""Longest wait in one go, s: Ctrl-C is heard, and what shows up without a message is seen."""


class Stream:
    """The newest message of a topic.

    Attributes:
        topic: full name.
        message: None before the first.
        stamp: of its header, ns; -1 before the first.
    """

    def __init__(self, node: Node, kind: Any, topic: str, qos: QoSProfile) -> None:
        """Subscribe."""
        self.message: Any = None
        self.stamp = -1
        self.subscription = node.create_subscription(kind, topic, self.receive, qos)
        self.topic = str(self.subscription.topic_name)

    def receive(self, message: Any) -> None:
        """Take a message."""
        self.message, self.stamp = message, nanoseconds(message.header.stamp)


class Link:
    """Publishers, streams and clients on a node in a context of its own."""

    def __init__(
        self,
        name: str,
        *,
        namespace: str = "",
        domain_id: int | None = None,
        timeout: float = 10.0,
        startup_timeout: float = 60.0,
    ) -> None:
        """Join a ROS domain.

        Args:
            name: of the node.
            namespace: stands before all names that begin without a slash.
            domain_id: None: ``ROS_DOMAIN_ID``, or 0.
            timeout: longest wait for an answer unless told otherwise, s.
            startup_timeout: longest wait for the simulator to show up, s.
        """
        self.context = Context()
        self.context.init(args=[], domain_id=domain_id)
        self.node = Node(
            name,
            context=self.context,
            namespace=namespace,
            use_global_arguments=False,
            start_parameter_services=False,
        )
        self.timeout, self.startup_timeout = timeout, startup_timeout
        self._waiting = WaitSet(self.context)

    def publisher(self, kind: Any, topic: str, qos: QoSProfile) -> Any:
        """Return an rclpy publisher."""
        return self.node.create_publisher(kind, topic, qos)

    def stream(self, kind: Any, topic: str, qos: QoSProfile) -> Stream:
        """Subscribe to messages that have a header and keep the newest."""
        stream = Stream(self.node, kind, topic, qos)
        self._waiting.add_subscription(stream.subscription, stream.receive)
        return stream

    def subscription(
        self, kind: Any, topic: str, callback: Callable[[Any], None], qos: QoSProfile
    ) -> Any:
        """Call ``callback`` with every message that comes while something is waited for."""
        subscription = self.node.create_subscription(kind, topic, callback, qos)
        self._waiting.add_subscription(subscription, callback)
        return subscription

    def forget(self, subscription: Any) -> None:
        """End a subscription."""
        self._waiting.remove_subscription(subscription)
        self.node.destroy_subscription(subscription)

    def client(self, kind: Any, service: str) -> Any:
        """Return an rclpy client for `call`."""
        client = self.node.create_client(kind, service)
        self._waiting.add_client(client)
        return client

    def wait_for_subscriber(self, publisher: Any) -> None:
        """Wait until somebody hears ``publisher``, as long as a simulator may take to start.

        Raises:
            SimulatorError: nobody does.
        """
        self.wait_for(
            lambda: publisher.get_subscription_count() > 0,
            f"nobody subscribes to topic {publisher.topic_name}",
            self.startup_timeout,
        )

    def call(self, client: Any, request: Any, timeout: float | None = None) -> Any:
        """Return the response of a service.

        Raises:
            SimulatorError: nobody offers it until the startup timeout, or no answer in ``timeout``.
        """
        name = client.service_name
        if not client.service_is_ready():
            self.wait_for(
                client.service_is_ready, f"nobody offers service {name}", self.startup_timeout
            )
        future = client.call_async(request)
        self.wait_for(future.done, f"service {name} did not answer", timeout)
        return future.result()

    def wait_for(
        self, predicate: Callable[[], bool], what: str, timeout: float | None = None
    ) -> None:
        """Serve subscriptions and clients until ``predicate`` is true.

        Args:
            predicate: asked after every message and response, and every 0.1 s besides.
            what: is wrong if it stays false, naming the topic or service.
            timeout: s; None: that of the link.

        Raises:
            SimulatorError: it stayed false.
        """
        timeout = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + timeout
        while not predicate():
            left = deadline - time.monotonic()
            if left <= 0.0:
                raise SimulatorError(f"{what}; waited {timeout:g} s. {self._advice()}")
            self._waiting.wait(min(left, SLICE))

    def serve(self, seconds: float) -> None:
        """Serve subscriptions and clients for so long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0.0:
            self._waiting.wait(min(left, SLICE))

    def close(self) -> None:
        """Leave the domain."""
        self.node.destroy_node()
        self.context.try_shutdown()

    def _advice(self) -> str:
        return (
            "Is the simulator running, in the same ROS_DOMAIN_ID "
            f"({self.context.get_domain_id()}) and namespace ({self.node.get_namespace()})? "
            "`ros2 topic list` and `ros2 node list` show what is there."
        )
