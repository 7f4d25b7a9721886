"""Folders and archives of models from anywhere, read without being unpacked or trusted.

What an archive holds is listed, and what may be read of it is put aside under names of our own, so
that no name in it ever becomes a path on this disk. Links, devices and names that lead elsewhere
are refused, and so is what would fill memory or disk.
"""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from deepracer_car.errors import ModelError

MAX_FILES = 20_000
MAX_TOTAL = 2 << 30
"""Bytes, of all files of an archive together."""
MAX_FILE = 256 << 20
"""Bytes, of one that is read."""
MAX_TEXT = 4 << 20
"""Bytes, of one that people write."""
READ = (".csv", ".json", ".jsonl", ".onnx", ".pb", ".py", ".yaml", ".yml")
"""Endings of what may be read of an archive; the rest is only listed."""

_MAX_NAME = 400
_MAX_HEADER = 1 << 20
_MAX_HEADERS = 64 << 20
_CHUNK = 1 << 16
_DAMAGE = (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, RecursionError)


@dataclass(frozen=True)
class ModelFiles:
    """The files of a model.

    Attributes:
        path: the folder, archive or file they are from.
        is_archive: whether it is a tar archive.
        is_compressed: whether that is compressed by gzip.
        sizes: bytes of each file by its name, ``/`` between its parts.
        skipped: what was passed over in a folder: links and what is no file.
    """

    path: Path
    is_archive: bool
    is_compressed: bool
    sizes: dict[str, int]
    skipped: tuple[str, ...] = ()
    _places: dict[str, Path] = field(default_factory=dict, repr=False)

    def read(self, name: str, limit: int = MAX_TEXT) -> bytes:
        """Return the content of a file.

        Raises:
            ModelError: it is larger than ``limit``, or cannot be read.
        """
        if self.sizes[name] > limit:
            raise ModelError(f"{name} is larger than the {_size(limit)} that are read of it.")
        try:
            descriptor = os.open(self._places[name], os.O_RDONLY | os.O_NOFOLLOW)
            with os.fdopen(descriptor, "rb") as file:
                return file.read(limit)
        except OSError as error:
            raise ModelError(f"{name} cannot be read: {error.strerror}.") from None

    def named(self, name: str) -> list[str]:
        """All files of that name in whatever folder, those nearest to the top first."""
        found = [file for file in self._places if PurePosixPath(file).name == name]
        return sorted(found, key=lambda file: (file.count("/"), file))

    def ending(self, suffix: str) -> list[str]:
        """All files that can be read and end with ``suffix``, those nearest to the top first.

        The shadows that a Macintosh packs beside its files are left out.
        """
        found = [f for f in self._places if f.endswith(suffix) and "/._" not in f"/{f}"]
        return sorted(found, key=lambda file: (file.count("/"), file))


@contextmanager
def open_files(path: Path) -> Iterator[ModelFiles]:
    """List a folder, a ``.tar`` or ``.tar.gz``, or a single file; archives are put aside meanwhile.

    Raises:
        ModelError: there is no such thing, it is damaged, or holds what must not be in it.
    """
    try:
        if path.is_dir():
            yield _open_folder(path)
            return
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from None
    is_compressed = start.startswith(b"\x1f\x8b")
    if is_compressed or start[257:262] == b"ustar":
        with tempfile.TemporaryDirectory(prefix="deepracer-") as aside:
            yield _open_archive(path, is_compressed, Path(aside))
        return
    for magic, kind in ((b"PK", "a zip archive"), (b"BZh", "a bzip2"), (b"\xfd7zXZ", "an xz file")):
        if start.startswith(magic):
            raise ModelError(
                f"{path} is {kind}; a folder, .tar.gz, .tar or .pb can be read. Unpack it and give "
                "the folder. (The model.zip of a checkpoint here: give the name of its run to "
                "'deepracer evaluate' or 'export'.)"
            )
    yield ModelFiles(path, False, False, {path.name: path.stat().st_size}, (), {path.name: path})


def _open_folder(folder: Path) -> ModelFiles:
    places: dict[str, Path] = {}
    sizes: dict[str, int] = {}
    skipped: list[str] = []
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        skipped += [_name_in(folder, here / f) for f in folders if (here / f).is_symlink()]
        for file in files:
            path = here / file
            name, status = _name_in(folder, path), path.lstat()
            if not stat.S_ISREG(status.st_mode):
                skipped.append(name)
                continue
            places[name], sizes[name] = path, status.st_size
        if len(places) > MAX_FILES:
            raise ModelError(f"{folder} holds more than {MAX_FILES:,} files; give that of a model.")
    return ModelFiles(folder, False, False, sizes, tuple(sorted(skipped)), places)


def _name_in(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _open_archive(path: Path, is_compressed: bool, aside: Path) -> ModelFiles:
    places: dict[str, Path] = {}
    sizes: dict[str, int] = {}
    try:
        with path.open("rb") as file:
            stream: Any = gzip.GzipFile(fileobj=file) if is_compressed else file
            for name, size, content in _members(stream):
                if name in sizes:
                    raise ModelError(f"{path} holds '{name}' twice. It is not unpacked.")
                sizes[name] = size
                if name.lower().endswith(READ) and size <= MAX_FILE:
                    places[name] = aside / str(len(places))
                    _copy(content, places[name])
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    except _DAMAGE as error:
        raise ModelError(f"{path} is not a whole .tar.gz or .tar archive: {error}.") from None
    return ModelFiles(path, True, is_compressed, sizes, (), places)


def _members(stream: Any) -> Iterator[tuple[str, int, BinaryIO]]:
    """Names, sizes and contents of the files of an archive; each is to be read before the next."""
    bounded = _Bounded(stream)
    headers = total = count = 0
    bounded.left = _MAX_HEADER
    with tarfile.open(fileobj=bounded, mode="r:") as archive:  # type: ignore[call-overload]
        while True:
            before = bounded.left = min(_MAX_HEADER, _MAX_HEADERS - headers)
            member = archive.next()
            headers += before - bounded.left
            if member is None:
                return
            name = _checked_name(member.name)
            if member.issparse() or not (member.isreg() or member.isdir()):
                raise ModelError(
                    f"'{name}' is a link, a device or a file with holes; an archive of a model has "
                    "none of them. It is not unpacked."
                )
            count, total = count + 1, total + member.size
            if count > MAX_FILES or total > MAX_TOTAL or member.size < 0:
                raise ModelError(
                    f"it holds more than {MAX_FILES:,} files or more than {_size(MAX_TOTAL)}. It "
                    "is not unpacked; pack what belongs to one model only."
                )
            content = archive.extractfile(member)
            if content is not None:
                bounded.left = member.size + _MAX_HEADER
                yield name, member.size, content


def _checked_name(name: str) -> str:
    """The name of a file in an archive, if it could lead nowhere but into the archive."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    leads_away = name.startswith(("/", "~")) or ".." in parts or "\\" in name or name[1:2] == ":"
    if leads_away or len(name) > _MAX_NAME or not name.isprintable():
        raise ModelError(
            f"{name[:80]!r} is no name of a file that belongs to a model. It is not unpacked."
        )
    return "/".join(parts)


def _copy(content: BinaryIO, target: Path) -> None:
    with target.open("xb", buffering=0) as file:
        while block := content.read(_CHUNK):
            try:
                file.write(block)
            except OSError as error:
                raise ModelError(
                    f"it cannot be read: {error.strerror} in {target.parent}."
                ) from None


class _Bounded:
    """A stream of which no more is read than is allowed: tar's own headers can be endless.

    Attributes:
        left: bytes that may still be read; the reader sets it.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.left = 0

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= self.left:
            raise ModelError("its description of a file is too long. It is not unpacked.")
        content: bytes = self._stream.read(size)
        self.left -= len(content)
        return content

    def seek(self, position: int) -> int:
        if position > MAX_TOTAL + _MAX_HEADERS + MAX_FILES * 1024:
            raise ModelError(f"it holds more than {_size(MAX_TOTAL)}. It is not unpacked.")
        return int(self._stream.seek(position))

    def tell(self) -> int:
        return int(self._stream.tell())


def _size(count: int) -> str:
    return f"{count >> 20:,} MiB"
