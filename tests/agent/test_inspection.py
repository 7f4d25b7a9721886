"""``deepracer model inspect``: what a file holds, and which cars drive with it, by their rules."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from deepracer_agent.car_archive import export_car_archive
from deepracer_agent.car_builds import OPENVINO, OTHERS, OURS, STOCK, TFLITE, Verdict
from deepracer_agent.cli import main
from deepracer_agent.export import export_bundle
from deepracer_agent.frozen_graph import GraphWriter
from deepracer_agent.inspection import Inspection, inspect
from deepracer_car.errors import ModelError
from deepracer_car.model_bundle import POLICY, PROVENANCE, checksum

LivelyRun = Callable[[str], Path]

MAIN = "main_level/agent/main/online"
CAMERA = f"{MAIN}/network_0/FRONT_FACING_CAMERA/FRONT_FACING_CAMERA"
OUTPUT = f"{MAIN}/network_1/ppo_head_0/policy"
SAC_CAMERA = CAMERA.replace("/main/", "/policy/")
SAC_OUTPUT = "main_level/agent/policy/online/network_0/sac_policy_head_0/policy"
ACTIONS = [{"steering_angle": angle, "speed": 1.0} for angle in (-30, 0, 30)]
RANGES = {"steering_angle": {"low": -30, "high": 30}, "speed": {"low": 1, "high": 2}}
DISCRETE: dict[str, Any] = {"action_space": ACTIONS, "sensor": ["FRONT_FACING_CAMERA"]}
SAC = {**DISCRETE, "action_space": RANGES, "training_algorithm": "sac"}


def graph(
    camera: str = CAMERA,
    output: str = OUTPUT,
    *,
    values: int = 3,
    channels: int = 1,
    ops: tuple[str, ...] = (),
    lidar: str = "",
    second: str = "",
) -> bytes:
    """One layer from pixels to values, with what a test adds."""
    writer = GraphWriter(output.rpartition("/")[0])
    x = writer.placeholder(camera, (-1, 120, 160, channels))
    x = writer.add("Reshape", [x, writer.integers(-1, 19200 * channels)])
    if lidar:
        beams = writer.placeholder(lidar, (-1, 64))
        x = writer.add("ConcatV2", [x, beams, writer.constant(np.array(1, np.int32))], N=2)
    for op in ops:
        x = writer.add(op, [x])
    weight = np.zeros((19200 * channels + 64 * bool(lidar), values), np.float32)
    x = writer.add("MatMul", [x, writer.constant(weight)])
    x = writer.add("BiasAdd", [x, writer.constant(np.zeros(values, np.float32))])
    if second:
        writer.add("Identity", [x], name=second)
    writer.add("Softmax", [x], name=output)
    return writer.serialize()


def pack(path: Path, files: Mapping[str, bytes]) -> Path:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    path.write_bytes(gzip.compress(packed.getvalue(), 1))
    return path


def car_archive(
    folder: Path, metadata: dict[str, Any] = DISCRETE, name: str = "a.tar.gz", **given: Any
) -> Inspection:
    content = {"model_metadata.json": json.dumps(metadata).encode(), "agent/model.pb": graph()}
    return inspect(pack(folder / name, {**content, **given}))


def verdict(found: Inspection, build: str) -> Verdict:
    return next(v for v in found.verdicts if v.build == build)


def drives(found: Inspection) -> list[str]:
    return [v.build for v in found.verdicts if v.is_valid]


def why_not(found: Inspection, build: str = STOCK) -> str:
    return "; ".join(verdict(found, build).problems)


def test_a_good_archive_is_for_all_cars_with_other_software(tmp_path: Path) -> None:
    found = car_archive(tmp_path)
    assert found.contents.kind == "car archive"
    assert drives(found) == list(OTHERS)
    assert "TensorFlow's weights" in why_not(found, OURS)
    assert not any(v.warnings for v in found.verdicts)
    assert found.graph is not None
    assert found.graph.inputs == {CAMERA: (-1, 120, 160, 1)}
    assert (found.graph.outputs, found.graph.values) == ((OUTPUT,), 3)
    assert found.graph.weights == 19200 * 3 + 3


@pytest.mark.parametrize(
    ("added", "name", "told"),
    [
        ({"LICENSE": b""}, "a.tar.gz", "files without an ending count too"),
        ({".ready": b""}, "a.tar.gz", "2 models"),
        ({"agent/model_2.pb": graph()}, "a.tar.gz", "2 models"),
        ({}, "a b.tar.gz", "rename the file to a-b.tar.gz"),
        ({}, "v1.2.tar.gz", "rename the file to v1-2.tar.gz"),
        ({}, "a.tgz", "installs only NAME.tar.gz"),
    ],
)
def test_what_the_installer_of_a_car_does_not_take(
    tmp_path: Path, added: dict[str, bytes], name: str, told: str
) -> None:
    found = car_archive(tmp_path, name=name, **added)
    assert drives(found) == []
    for build in OTHERS:
        assert told in why_not(found, build)


def test_the_metadata_must_be_at_the_top(tmp_path: Path) -> None:
    files = {"m/model_metadata.json": json.dumps(DISCRETE).encode(), "m/model.pb": graph()}
    found = inspect(pack(tmp_path / "a.tar.gz", files))
    assert why_not(found) == "model_metadata.json is not at the top of the archive"
    assert "no model_metadata.json" in why_not(
        inspect(pack(tmp_path / "b.tar.gz", {"model.pb": graph()}))
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"camera": "input"}, f"no input {CAMERA}"),
        ({"channels": 2}, "is [120, 160, 2], not [120, 160, 1]"),
        ({"values": 4}, "answers 4 values and the metadata need 3"),
        ({"second": "a/other"}, "2 outputs"),
        ({"lidar": f"{MAIN}/network_0/LIDAR/LIDAR"}, "nothing to feed"),
        ({"ops": ("VariableV2",)}, "not frozen"),
        ({"ops": ("While",)}, "control flow"),
        ({"ops": ("ReadFile",)}, "do not put it on a car"),
    ],
)
def test_graphs_that_a_car_cannot_drive_with(
    tmp_path: Path, given: dict[str, Any], told: str
) -> None:
    found = car_archive(tmp_path, **{"agent/model.pb": graph(**given)})
    assert drives(found) == []
    for build in OTHERS:
        assert told in why_not(found, build)


def test_unknown_operations_are_a_warning(tmp_path: Path) -> None:
    found = car_archive(tmp_path, **{"agent/model.pb": graph(ops=("Erf",))})
    assert drives(found) == list(OTHERS)
    assert "Erf" in verdict(found, STOCK).warnings[0]


def test_sac_of_the_original_is_not_for_tensorflow_lite(tmp_path: Path) -> None:
    sac = {"agent/model.pb": graph(SAC_CAMERA, SAC_OUTPUT, values=2)}
    found = car_archive(tmp_path, SAC, **sac)
    assert drives(found) == [STOCK, OPENVINO]
    assert "export it again with --to community-car" in why_not(found, TFLITE)
    assert "before its tanh" in verdict(found, STOCK).warnings[0]
    sac = {"agent/model.pb": graph(SAC_CAMERA, SAC_OUTPUT, values=2, ops=("Tanh",))}
    assert not verdict(car_archive(tmp_path, SAC, **sac), STOCK).warnings


def test_bounds_that_the_servo_ignores(tmp_path: Path) -> None:
    uneven = {**RANGES, "steering_angle": {"low": -30, "high": 20}}
    metadata = {**DISCRETE, "action_space": uneven}
    found = car_archive(tmp_path, metadata, **{"agent/model.pb": graph(values=2)})
    assert "its servo ignores" in why_not(found)


def test_two_sensors(tmp_path: Path) -> None:
    metadata = {**DISCRETE, "sensor": ["STEREO_CAMERAS", "LIDAR"]}
    both = graph(
        f"{MAIN}/network_0/STEREO_CAMERAS/STEREO_CAMERAS",
        channels=2,
        lidar=f"{MAIN}/network_0/LIDAR/LIDAR",
    )
    found = car_archive(tmp_path, metadata, **{"agent/model.pb": both})
    assert drives(found) == list(OTHERS)
    assert "mix up" in verdict(found, OPENVINO).warnings[0]


def test_metadata_is_read_as_a_car_reads_it(tmp_path: Path) -> None:
    found = car_archive(tmp_path, {**DISCRETE, "made_by": "somebody"})
    assert drives(found) == list(OTHERS)
    assert "made_by is unknown" in found.notes[0]
    for broken in (b"{", b"[1]", b'{"action_space": 3}', b"[" * 100_000):
        assert "model_metadata.json" in why_not(
            car_archive(tmp_path, **{"model_metadata.json": broken})
        )


def test_a_graph_alone_and_one_with_its_metadata_beside_it(tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    file = tmp_path / "agent" / "model.pb"
    file.write_bytes(graph())
    assert "no model_metadata.json" in why_not(inspect(file))
    (tmp_path / "model_metadata.json").write_text(json.dumps(DISCRETE))
    found = inspect(file)
    assert found.metadata is not None
    assert why_not(found) == "it is no NAME.tar.gz, which is all that a car installs"
    file.write_bytes(b"no graph")
    assert "not a frozen TensorFlow graph" in why_not(inspect(file))


def test_what_is_exported_is_found_good(lively_run: LivelyRun) -> None:
    run = lively_run("discrete")
    bundle = export_bundle(str(run)).path
    found = inspect(bundle)
    assert (found.contents.kind, drives(found)) == ("bundle", [OURS])
    assert found.provenance["run"] == "lively"
    assert "--to stock-car" in why_not(found)
    assert inspect(run).contents.kind == "run"
    assert drives(inspect(run)) == [OURS]
    for car in ("stock-car", "community-car"):
        found = inspect(export_car_archive(str(run), car).path)  # type: ignore[arg-type]
        assert drives(found) == list(OTHERS)
        assert found.graph is not None
        assert found.graph.values == 14


def test_a_bundle_that_was_touched_does_not_drive(lively_run: LivelyRun) -> None:
    bundle = export_bundle(str(lively_run("discrete"))).path
    network = (bundle / POLICY).read_bytes()
    (bundle / POLICY).write_bytes(network + b"\0")
    assert "does not match its checksum" in why_not(inspect(bundle), OURS)
    (bundle / POLICY).write_bytes(network)
    assert drives(inspect(bundle)) == [OURS]


def elsewhere(model: onnx.ModelProto) -> None:
    weight = next(t for t in model.graph.initializer if t.name)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../../../../etc/passwd")


def loop(model: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", [], ["endless"], body=body))


def foreign(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Shell", [], ["x"], domain="com.example"))


def own(model: onnx.ModelProto) -> None:
    model.functions.add(name="own", domain="com.example")


def huge(model: onnx.ModelProto) -> None:
    """A table of all pairs: 3.6 GB from two short rows."""
    for name, shape in (("row", (1, 30_000)), ("column", (30_000, 1))):
        model.graph.initializer.append(numpy_helper.from_array(np.ones(shape, np.float32), name))
    answer = model.graph.output[0].name
    model.graph.node.append(helper.make_node("Add", ["row", "column"], ["table"]))
    model.graph.node.append(helper.make_node("ReduceMean", ["table"], ["one"], keepdims=0))
    last = next(n for n in model.graph.node if answer in n.output)
    last.output[0] = "before"
    model.graph.node.append(helper.make_node("Add", ["before", "one"], [answer]))


def nothing(model: onnx.ModelProto) -> None:
    model.Clear()


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (elsewhere, "keeps weights in another file"),
        (loop, "has the operation Loop"),
        (foreign, "has the operation com.example Shell"),
        (own, "operations of its own"),
        (nothing, "cannot be run"),
        (huge, "alloc"),
    ],
)
def test_a_network_may_only_calculate(
    lively_run: LivelyRun, harm: Callable[[onnx.ModelProto], None], told: str
) -> None:
    bundle = export_bundle(str(lively_run("discrete"))).path
    model = onnx.load(bundle / POLICY)
    harm(model)
    (bundle / POLICY).write_bytes(model.SerializeToString())
    provenance = json.loads((bundle / PROVENANCE).read_text())
    provenance["sha256"][POLICY] = checksum(bundle / POLICY)
    (bundle / PROVENANCE).write_text(json.dumps(provenance))
    assert told in why_not(inspect(bundle), OURS)


def test_a_model_folder_tells_its_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for name in ("9_Step-100", "18_Step-17684"):
        for ending in ("data-00000-of-00001", "index", "meta"):
            (tmp_path / "model" / f"{name}.ckpt.{ending}").touch()
    (tmp_path / "model" / "model_9.pb").write_bytes(b"")
    (tmp_path / "model" / "model_18.pb").write_bytes(graph())
    (tmp_path / "model" / "model_metadata.json").write_text(json.dumps(DISCRETE))
    found = inspect(tmp_path)
    assert found.contents.kind == "model folder"
    assert found.contents.coach == ("9_Step-100", "18_Step-17684")
    assert found.graph is not None
    assert found.graph.name == "model/model_18.pb"


def test_nothing_known(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ModelError, match="nothing of a model"):
        inspect(tmp_path)


def test_the_command_tells_and_steers_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    escape = "\x1b]0;gotcha\x07"
    found = car_archive(tmp_path, **{"agent/model.pb": graph(output=f"{OUTPUT}{escape}")})
    assert escape in found.graph.outputs[0]  # type: ignore[union-attr]
    assert main(["model", "inspect", str(found.path)]) == 0
    told = capsys.readouterr().out
    assert "gotcha" in told
    assert "\x1b" not in told
    assert "stock (the software a car came with: Ubuntu 20.04, ROS 2 Foxy): drives" in told
    assert main(["model", "inspect", str(found.path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["cars"][STOCK]["valid"] is True
    assert answer["cars"][OURS]["valid"] is False
    assert main(["model", "inspect", str(tmp_path / "none")]) == 1
    assert "cannot be read" in capsys.readouterr().err
