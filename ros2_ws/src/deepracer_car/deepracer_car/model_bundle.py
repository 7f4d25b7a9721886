"""A model bundle: all that a car needs of a trained policy, in one folder.

::

    policy.onnx           the network, from pixels to one value per action
    model_metadata.json   sensors and action space
    provenance.json       where it comes from, and the checksums of the other two
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict

from deepracer_car.errors import ConfigError, ModelError
from deepracer_car.model_metadata import ModelMetadata

POLICY = "policy.onnx"
METADATA = "model_metadata.json"
PROVENANCE = "provenance.json"
FORMAT = 1
"""Of the folder as a whole; raised when a reader of the old one would go wrong."""


@dataclass(frozen=True)
class ModelBundle:
    """A bundle whose files are whole.

    Attributes:
        path: the folder.
        metadata: sensors and action space.
        provenance: what ``provenance.json`` says.
    """

    path: Path
    metadata: ModelMetadata
    provenance: Dict[str, Any]

    @property
    def policy(self) -> Path:
        """The network."""
        return self.path / POLICY

    @property
    def name(self) -> str:
        """Run and checkpoint it was exported from, or the name of the folder."""
        return str(self.provenance.get("model") or self.path.resolve().name)

    @classmethod
    def open(cls, path: Path | str) -> ModelBundle:
        """Read a bundle and check its files against their checksums.

        Raises:
            ModelError: it is not a bundle, incomplete, damaged, or of a later format.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise ModelError(
                f"There is no model bundle '{path}': it is the folder that "
                "'deepracer export RUN --to bundle' writes."
            )
        provenance = _read_provenance(folder)
        for name in (POLICY, METADATA):
            _check_file(folder / name, provenance["sha256"].get(name))
        try:
            metadata = ModelMetadata.load(folder / METADATA)
        except ConfigError as error:
            raise ModelError(f"The model bundle cannot be used: {error}") from None
        return cls(folder, metadata, provenance)


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_provenance(folder: Path) -> Dict[str, Any]:
    file = folder / PROVENANCE
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise _broken(file, f"cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise _broken(file, f"is not valid JSON: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("sha256"), dict):
        raise _broken(file, "holds no checksums under 'sha256'")
    if content.get("format") != FORMAT:
        raise ModelError(
            f"{file} is of format {content.get('format')!r}; this version reads format {FORMAT}. "
            "Export the model again with the version that is to drive it."
        )
    return content


def _check_file(file: Path, expected: Any) -> None:
    try:
        actual = checksum(file)
    except OSError as error:
        raise _broken(file, f"cannot be read ({error.strerror})") from None
    if actual != expected:
        raise _broken(file, f"does not match its checksum in {PROVENANCE}")


def _broken(file: Path, damage: str) -> ModelError:
    return ModelError(
        f"The model bundle is damaged: {file} {damage}. Export it again: "
        "deepracer export RUN --to bundle."
    )
