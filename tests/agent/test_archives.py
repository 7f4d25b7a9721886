"""Archives from anywhere: read where they are whole and harmless, refused otherwise."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepracer_agent import archives
from deepracer_agent.archives import MAX_TOTAL, open_files
from deepracer_car.errors import ModelError


def member(name: str, content: bytes = b"{}", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def pack(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught, open_files(path):
        pass
    return str(caught.value)


GOOD = (member("./model_metadata.json"), member("agent/model.pb", b"abc"), member("18.data", b"x"))


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_files_are_listed_and_what_may_be_read_is_read(tmp_path: Path, mode: str) -> None:
    folder = member("agent", b"", type=tarfile.DIRTYPE)
    with open_files(pack(tmp_path / "a.tar", folder, *GOOD, mode=mode)) as files:
        assert files.sizes == {"model_metadata.json": 2, "agent/model.pb": 3, "18.data": 1}
        assert files.read("agent/model.pb") == b"abc"
        assert (files.is_archive, files.is_compressed) == (True, mode == "w:gz")
        assert files.named("model.pb") == files.ending(".pb") == ["agent/model.pb"]
        with pytest.raises(ModelError, match="larger"):
            files.read("agent/model.pb", 2)


@pytest.mark.parametrize(
    "name",
    [
        *("../x.json", "a/../../x.json", "/etc/x.json", "~/x.json", "C:/x.json", "a\\..\\x.json"),
        *("a\nb.json", "\x1b[2Jx.json", "n" * 500),
    ],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    told = refusal(pack(tmp_path / "a.tar.gz", *GOOD, member(name)))
    assert "no name of a file that belongs to a model" in told
    assert told.isprintable()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar.gz"]


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE],
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    bad = member("reward_function.py", b"", type=kind, linkname="/etc/passwd")
    assert "link, a device" in refusal(pack(tmp_path / "a.tar.gz", *GOOD, bad))


def test_files_with_holes_are_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("big.pb")
    info.pax_headers = {"GNU.sparse.size": "100", "GNU.sparse.map": "0,1"}
    info.size = 1
    told = refusal(pack(tmp_path / "a.tar", (info, b"x"), mode="w"))
    assert "a file with holes" in told


def test_too_much_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = tarfile.TarInfo("big.pb")
    big.size = MAX_TOTAL + 1
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(big.tobuf() + bytes(1024)))
    assert "more than 2,048 MiB" in refusal(tmp_path / "a.tar.gz")
    monkeypatch.setattr(archives, "MAX_FILES", 2)
    assert "more than 2 files" in refusal(pack(tmp_path / "b.tar.gz", *GOOD))
    (tmp_path / "folder").mkdir()
    for name in "abc":
        (tmp_path / "folder" / name).touch()
    assert "more than 2 files" in refusal(tmp_path / "folder")


@pytest.mark.parametrize("chain", [1, 2000])
def test_endless_headers_are_refused(tmp_path: Path, chain: int) -> None:
    info = tarfile.TarInfo("a.json")
    info.pax_headers = {"comment": "x" * ((2 << 20) // chain)}
    header = info.tobuf(tarfile.PAX_FORMAT)[:-512]
    content = gzip.compress(header * chain + tarfile.TarInfo("a.json").tobuf() + bytes(1024))
    (tmp_path / "a.tar.gz").write_bytes(content)
    told = refusal(tmp_path / "a.tar.gz")
    assert "description of a file is too long" in told or "recursion" in told


def test_a_name_may_be_there_once(tmp_path: Path) -> None:
    again = member("model_metadata.json", b"[]")
    assert "twice" in refusal(pack(tmp_path / "a.tar", *GOOD, again, mode="w"))


def test_what_is_no_archive_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("data", "{}")
    assert "zip archive" in refusal(tmp_path / "model.zip")
    assert "No such file" in refusal(tmp_path / "none.tar.gz")
    (tmp_path / "text.tar.gz").write_bytes(gzip.compress(b"text" * 500))
    assert "not a whole" in refusal(tmp_path / "text.tar.gz")


def test_links_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('"secret"')
    (tmp_path / "model" / "inner").mkdir(parents=True)
    (tmp_path / "model" / "metadata.json").symlink_to(secret)
    (tmp_path / "model" / "up").symlink_to(tmp_path)
    (tmp_path / "model" / "inner" / "a.json").write_text("{}")
    with open_files(tmp_path / "model") as files:
        assert files.sizes == {"inner/a.json": 2}
        assert files.skipped == ("metadata.json", "up")
        # Not even one that was put there after it was listed.
        (tmp_path / "model" / "inner" / "a.json").unlink()
        (tmp_path / "model" / "inner" / "a.json").symlink_to(secret)
        with pytest.raises(ModelError, match="cannot be read"):
            files.read("inner/a.json")


@given(st.data())
def test_any_damage_is_refused_or_harmless(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = pack(Path(folder) / "a.tar", *GOOD, mode="w")
        content = bytearray(path.read_bytes()[: data.draw(st.sampled_from([600, 1500, 10240]))])
        random_bytes = random.Random(data.draw(st.integers(0, 10**6)))
        for _ in range(data.draw(st.integers(0, 30))):
            content[random_bytes.randrange(len(content))] = random_bytes.randrange(256)
        path.write_bytes(gzip.compress(content, 1) if data.draw(st.booleans()) else content)
        told, size = str(path), 0
        try:
            with open_files(path) as files:
                size = sum(len(files.read(name)) for name in files.ending(""))
        except ModelError as error:
            told = str(error)
        assert str(path) in told
        assert size <= 10240
        assert [p.name for p in Path(folder).iterdir()] == ["a.tar"]
