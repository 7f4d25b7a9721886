"""Waiting for messages at the lowest cost rclpy allows.

rclpy's executors gather everything a node has before each wait and run callbacks as tasks, which
takes longer than a simulated step. `WaitSet` is made once and calls callbacks where it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.context import Context
from rclpy.impl.implementation_singleton import rclpy_implementation

NANOSECONDS = 1_000_000_000


class WaitSet:
    """Subscriptions and clients that are waited for together, in one thread."""

    def __init__(self, context: Context) -> None:
        """Begin with nothing to wait for."""
        self._context = context
        self._subscriptions: list[tuple[Any, Callable[[Any], None]]] = []
        self._clients: list[Any] = []
        self._handle: Any = None

    def add_subscription(self, subscription: Any, callback: Callable[[Any], None]) -> None:
        """Wait for messages of an rclpy subscription too; they go to this callback instead."""
        self._subscriptions.append((subscription, callback))
        self._handle = None

    def remove_subscription(self, subscription: Any) -> None:
        """Wait for its messages no longer."""
        self._subscriptions = [each for each in self._subscriptions if each[0] is not subscription]
        self._handle = None

    def add_client(self, client: Any) -> None:
        """Wait for responses to an rclpy client too."""
        self._clients.append(client)
        self._handle = None

    def wait(self, seconds: float) -> bool:
        """Wait until something comes, at most so long; call back for all, return whether it did."""
        handle = self._fill()
        handle.wait(int(seconds * NANOSECONDS))
        ready = handle.get_ready_entities("subscription")
        for subscription, callback in self._subscriptions:
            if subscription.handle.pointer in ready:
                taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
                if taken is not None:
                    callback(taken[0])
        responded = handle.get_ready_entities("client") if self._clients else []
        self._respond(responded)
        return bool(ready or responded)

    def _fill(self) -> Any:
        """Return the set with everything in it: a wait removes what was not ready."""
        if self._handle is None:
            sizes = len(self._subscriptions), 0, 0, len(self._clients), 0, 0
            self._handle = rclpy_implementation.WaitSet(*sizes, self._context.handle)
        self._handle.clear_entities()
        for subscription, _ in self._subscriptions:
            self._handle.add_subscription(subscription.handle)
        for client in self._clients:
            self._handle.add_client(client.handle)
        return self._handle

    def _respond(self, ready: list[int]) -> None:
        for client in self._clients:
            if client.handle.pointer in ready:
                header, response = client.handle.take_response(client.srv_type.Response)
                if header is not None:
                    number = header.request_id.sequence_number
                    client.get_pending_request(number).set_result(response)
