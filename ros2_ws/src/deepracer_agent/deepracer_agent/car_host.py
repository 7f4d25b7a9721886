"""A car on the network: what it is, and how files get there. All of it over ssh."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deepracer_agent.car_wheels import Target
from deepracer_car.errors import ConfigError

FOLDER = "deepracer_car_bundle"
"""In the home of the user on the car."""
CONNECTION_LOST = 255
"""What ssh ends with when it, not the command, failed."""

_QUESTIONS = (
    """python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])'; """
    "uname -m; command -v rsync || echo none"
)


@dataclass(frozen=True)
class CarHost:
    """A car that has answered.

    Attributes:
        name: as ssh knows it, such as ``deepracer@10.0.0.1``.
        target: its computer.
        has_rsync: whether rsync is there.
    """

    name: str
    target: Target
    has_rsync: bool

    @classmethod
    def ask(cls, name: str) -> CarHost:
        """Ask a car what it is.

        Raises:
            ConfigError: it does not answer, or is none that could be driven.
        """
        if not re.fullmatch(r"[\w.@:\[\]][\w.@:\[\]-]*", name):
            raise ConfigError(f"'{name}' given; a host as ssh knows it is allowed: user@address.")
        answer = _run(["ssh", name, _QUESTIONS], name, captured=True).split()
        if len(answer) < 3:
            raise ConfigError(f"{name} has no python3, so it is no car that could be driven.")
        python, machine, rsync = answer[-3:]
        return cls(name, Target(python, machine), rsync != "none")

    def copy(self, folder: Path) -> None:
        """Copy a folder to the car, in place of what was copied there before.

        Raises:
            ConfigError: it did not arrive.
        """
        if self.has_rsync and shutil.which("rsync"):
            _run(["rsync", "-a", "--delete", f"{folder}/", f"{self.name}:{FOLDER}/"], self.name)
            return
        unpack = f"rm -rf {FOLDER} && mkdir {FOLDER} && tar -x -C {FOLDER}"
        with subprocess.Popen(
            ["tar", "-c", "-C", str(folder), "."], stdout=subprocess.PIPE
        ) as packing:
            _run(["ssh", self.name, unpack], self.name, given=packing)
        if packing.returncode:
            raise ConfigError(f"{folder} cannot be packed: see above.")

    def install(self) -> None:
        """Install what was copied; the car may ask for a password.

        Raises:
            ConfigError: it was refused; the car has told why.
        """
        _run(["ssh", "-t", self.name, f"sudo bash {FOLDER}/install.sh"], self.name)


def _run(
    words: list[str],
    host: str,
    captured: bool = False,
    given: subprocess.Popen[bytes] | None = None,
) -> str:
    """Run a program that speaks to the car; what it complains of is shown as it comes."""
    try:
        done = subprocess.run(
            words,
            stdin=None if given is None else given.stdout,
            stdout=subprocess.PIPE if captured else None,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise ConfigError(
            f"There is no program '{words[0]}'. Install it, or write the files with --dry-run and "
            "carry them to the car by other means."
        ) from None
    if done.returncode == CONNECTION_LOST:
        raise ConfigError(
            f"{host} cannot be reached by ssh. Is it switched on in the settings of the car's "
            "console, and does 'ssh " + host + "' work?"
        )
    if done.returncode:
        raise ConfigError(
            f"{words[0]} to {host} ended with exit status {done.returncode}; the reason stands "
            "above."
        )
    return done.stdout or ""
