"""Another model while the old one drives: loaded and tried aside, exchanged between two frames."""

from __future__ import annotations

import threading
from collections import deque
from typing import Callable, Deque, NamedTuple, Optional

from deepracer_car.decision import Model, in_words
from deepracer_car.drive_loop import DriveLoop
from deepracer_car.errors import ConfigError, DeepRacerError


class Switched(NamedTuple):
    """How a switch ended.

    Attributes:
        path: of the model that was asked for.
        refusal: why the old one drives on; None if the new one drives.
    """

    path: str
    refusal: Optional[str]


class ModelSwitch:
    """Gives a loop another model.

    Attributes:
        path: of the model that drives.
        ended: switches that ended, oldest first; whoever tells of them takes them out.
    """

    def __init__(
        self, loop: DriveLoop, path: str, load: Callable[[str], Model] = Model.open
    ) -> None:
        """Begin with the loop's model.

        Args:
            loop: whose model is exchanged.
            path: of the model it has.
            load: reads a model and tries it.
        """
        self.path = path
        self.ended: Deque[Switched] = deque()
        self._loop, self._load = loop, load
        self._loading = threading.Lock()

    @property
    def is_loading(self) -> bool:
        """Whether a model is being loaded."""
        return self._loading.locked()

    def request(self, path: str) -> None:
        """Begin to load the model at ``path``, unless it is the one that drives.

        Raises:
            ConfigError: another one is being loaded.
        """
        if path == self.path:
            return
        if not self._loading.acquire(blocking=False):
            raise ConfigError(
                f"model: '{path}' given while another model is being loaded; try again in a moment."
            )
        threading.Thread(target=self._exchange, args=(path,), name="loader", daemon=True).start()

    def _exchange(self, path: str) -> None:
        refusal = None
        try:
            self._loop.model = self._load(path)
            self.path = path
        except DeepRacerError as error:
            refusal = str(error)
        except Exception as error:  # whatever it is, the old one must drive on
            refusal = in_words(error)
        finally:
            self._loading.release()
        self.ended.append(Switched(path, refusal))
