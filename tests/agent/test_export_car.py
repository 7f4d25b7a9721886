"""The archive for a car is exactly what its software installs, or it is not written."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO, SAC
from tests.agent.policies import SENSORS, lively, metadata_of, plain, spaces_of

from deepracer_agent.car_archive import export_car_archive, openvino_answers
from deepracer_agent.cli import main
from deepracer_agent.evaluation import evaluate
from deepracer_agent.export import export_bundle
from deepracer_agent.frozen_graph import GraphWriter
from deepracer_agent.graph_nodes import read_nodes
from deepracer_agent.networks import RacingPolicy, policy_kwargs
from deepracer_agent.policy_network import Crop
from deepracer_agent.runs import RunDirectory
from deepracer_agent.stock_car import GRAPH, METADATA, check_name, problems, safe_name
from deepracer_car.action_space import Action, ContinuousActionSpace, DiscreteActionSpace
from deepracer_car.errors import ConfigError, ModelError, RunError
from deepracer_car.model_metadata import LidarConfig, ModelMetadata
from deepracer_car.policy import OnnxPolicy

pytest.importorskip("openvino")

LivelyRun = Callable[[str], Path]
PPO_SCOPE = "main_level/agent/main/online"
SAC_SCOPE = "main_level/agent/policy/online"


def content(path: Path) -> dict[str, bytes]:
    """The files in an archive, in order."""
    with tarfile.open(path, "r:gz") as archive:
        assert all(member.isfile() for member in archive)
        return {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]


def saved(folder: Path, metadata: ModelMetadata, algorithm: str) -> Path:
    """A model.zip with its metadata, as Stable-Baselines3 saves it."""

    class Still(gym.Env):
        observation_space, action_space = spaces_of(metadata)

    if algorithm == "sac":
        model = SAC(
            "MultiInputPolicy" if metadata.lidar else "CnnPolicy",
            Still(),
            buffer_size=1,
            policy_kwargs=policy_kwargs("fast"),
            device="cpu",
        )
    else:
        model = PPO(RacingPolicy, Still(), policy_kwargs=policy_kwargs("fast"), device="cpu")
    lively(model.policy)
    folder.mkdir()
    model.save(folder / "model.zip")
    metadata.save(folder / "model_metadata.json")
    return folder / "model.zip"


def test_the_archive_holds_the_metadata_and_one_graph(lively_run: LivelyRun) -> None:
    run = lively_run("discrete")
    written = export_car_archive(str(run))
    assert written.path == run / "stock-car" / "lively-2.tar.gz"
    files = content(written.path)
    assert list(files) == ["model_metadata.json", "agent/model.pb"]
    assert all(Path(name).suffix for name in files), "a file without an ending is a second model"
    assert ModelMetadata.from_json(json.loads(files[METADATA])) == ModelMetadata.load(
        RunDirectory(run).model_metadata
    )
    assert written.md5 == hashlib.md5(files[GRAPH]).hexdigest()
    assert written.path.read_bytes()[:2] == b"\x1f\x8b"
    assert [p.name for p in written.path.parent.iterdir()] == ["lively-2.tar.gz"]


def test_the_graph_has_the_names_that_the_car_asks_for(lively_run: LivelyRun) -> None:
    nodes = read_nodes(content(export_car_archive(str(lively_run("discrete"))).path)[GRAPH])
    camera, last = nodes[0], nodes[-1]
    assert (camera.op, camera.name) == (
        "Placeholder",
        f"{PPO_SCOPE}/network_0/FRONT_FACING_CAMERA/FRONT_FACING_CAMERA",
    )
    assert camera.attributes == {"dtype": 1, "shape": (-1, 120, 160, 1)}
    assert (last.op, last.name) == ("Softmax", f"{PPO_SCOPE}/network_1/ppo_head_0/policy")
    taken = {name for node in nodes for name in node.inputs}
    assert [node.name for node in nodes if node.name not in taken] == [last.name]
    divisor = next(node for node in nodes if node.op == "RealDiv").inputs[1]
    (number,) = [node.attributes["value"] for node in nodes if node.name == divisor]
    assert number == np.float32(255.0)
    assert not {"Variable", "VariableV2", "Switch", "Merge"} & {node.op for node in nodes}


@pytest.mark.parametrize("car", ["stock-car", "community-car"])
def test_sac_is_squashed_and_named_as_each_car_wants_it(car: str, tmp_path: Path) -> None:
    metadata = metadata_of("sac", SENSORS[2])
    model = saved(tmp_path / "model", metadata, "sac")
    written = export_car_archive(str(model), car, tmp_path / "mine.tar.gz")  # type: ignore[arg-type]
    files = content(written.path)
    nodes = read_nodes(files[GRAPH])
    assert {node.name for node in nodes if node.op == "Placeholder"} == {
        f"{SAC_SCOPE}/network_0/FRONT_FACING_CAMERA/FRONT_FACING_CAMERA",
        f"{SAC_SCOPE}/network_0/LIDAR/LIDAR",
    }
    ends = {
        "stock-car": f"{SAC_SCOPE}/network_0/sac_policy_head_0/policy",
        "community-car": f"{SAC_SCOPE}/network_1/ppo_head_0/policy",
    }
    assert (nodes[-1].name, nodes[-1].op) == (ends[car], "Identity")
    before = next(node for node in nodes if node.name == nodes[-1].inputs[0])
    assert before.op == "Tanh"
    # A car that finds some of these keys wants all of them.
    told = json.loads(files[METADATA])
    assert set(told["lidar_config"]) == {
        *("num_values", "min_angle", "max_angle", "min_distance", "max_distance"),
        *("clipping_distance", "num_sectors"),
    }
    assert (told["training_algorithm"], told["action_space_type"]) == ("sac", "continuous")
    assert written.provenance["training_algorithm"] == "sac"


def test_sac_goes_into_a_bundle_too(tmp_path: Path) -> None:
    metadata = metadata_of("sac", SENSORS[1])
    bundle = export_bundle(str(saved(tmp_path / "model", metadata, "sac")), tmp_path / "bundle")
    assert bundle.metadata.sensor == metadata.sensor
    pair = np.random.default_rng(0).integers(0, 256, (4, 2, 120, 160), dtype=np.uint8)
    answers = OnnxPolicy(bundle).predict(pair)
    assert answers.shape == (4, 2)
    assert np.abs(answers).max() < 1.0
    with pytest.raises(ConfigError, match="STEREO_CAMERAS is not simulated"):
        evaluate(str(bundle.path), track="reinvent_base")
    with pytest.raises(ConfigError, match="is a bundle, which cannot be exported again"):
        export_bundle(str(bundle.path), tmp_path / "again")


def test_laps_of_sac_are_those_of_its_bundle(tmp_path: Path) -> None:
    model = saved(tmp_path / "model", metadata_of("sac"), "sac")
    bundle = export_bundle(str(model), tmp_path / "bundle")
    by_torch, by_bundle = (
        evaluate(str(path), track="reinvent_base", laps=1, resets=0)
        for path in (model, bundle.path)
    )
    assert len(by_bundle.observations) == len(by_torch.observations) > 5
    # Some processors run the networks of a training in 16 bits: tenths of a degree.
    np.testing.assert_allclose(by_bundle.drive.trace, by_torch.drive.trace, atol=0.5)


def test_a_model_of_another_algorithm_is_refused(tmp_path: Path) -> None:
    model = saved(tmp_path / "model", metadata_of("sac"), "sac")
    ModelMetadata(metadata_of("sac").action_space).save(model.with_name("model_metadata.json"))
    with pytest.raises(RunError, match="cannot be loaded as a model"):
        export_bundle(str(model), tmp_path / "bundle")


def test_one_model_gives_one_archive_to_the_byte(lively_run: LivelyRun, tmp_path: Path) -> None:
    run = lively_run("continuous")
    first, second = (
        export_car_archive(str(run), out=tmp_path / name / "x.tar.gz").path.read_bytes()
        for name in ("a", "b")
    )
    assert first == second
    other = export_car_archive(f"{run}:1", out=tmp_path / "a" / "x.tar.gz")
    assert other.path.read_bytes() != first, "the old one was replaced"


@pytest.mark.parametrize(
    "name", ["my.model.tar.gz", "my model.tar.gz", "x.tgz", "-x.tar.gz", ".tar.gz"]
)
def test_names_that_a_car_cannot_install_are_refused(
    lively_run: LivelyRun, tmp_path: Path, name: str
) -> None:
    with pytest.raises(ConfigError, match=r"installs only files|cannot install a model"):
        export_car_archive(str(lively_run("discrete")), out=tmp_path / name)
    assert not list(tmp_path.glob("*x*"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("lively:2", "lively-2"),
        ("my.best run", "my-best-run"),
        ("/tmp/a/model.zip", "tmp-a-model-zip"),
        ("é", "model"),
        ("x" * 99, "x" * 64),
    ],
)
def test_a_name_is_made_safe(text: str, name: str) -> None:
    assert safe_name(text) == name
    assert check_name(name) == name


def test_a_file_that_is_no_archive_of_a_car_is_never_replaced(
    lively_run: LivelyRun, tmp_path: Path
) -> None:
    run = str(lively_run("discrete"))
    precious = tmp_path / "thesis.tar.gz"
    for write in (lambda: precious.write_bytes(b"x"), lambda: pack(precious, {"thesis.tex": b"x"})):
        write()
        before = precious.read_bytes()
        with pytest.raises(ConfigError, match="is no archive of a car; give another --out"):
            export_car_archive(run, out=precious)
        assert precious.read_bytes() == before
    with pytest.raises(RunError, match="no checkpoint '7'"):
        export_car_archive(f"{run}:7")


def pack(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def continuous(low: float, high: float) -> ModelMetadata:
    return ModelMetadata(ContinuousActionSpace(np.radians(low), np.radians(high), 0.5, 2.0))


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        (continuous(-30, 20), "from -30 to 20 degrees.*which its servo ignores"),
        (continuous(-30, 0), "from -30 to 0 degrees"),
        (
            ModelMetadata(DiscreteActionSpace((Action(0.0, 1.0), Action(0.0, 2.0)))),
            "no action steers",
        ),
        (
            ModelMetadata(
                continuous(-20, 20).action_space,
                ("FRONT_FACING_CAMERA", "LIDAR"),
                lidar_config=LidarConfig(num_values=32, num_sectors=8),
            ),
            "num_sectors 8 and num_values 32",
        ),
    ],
)
def test_what_a_car_would_drive_wrongly_is_refused_with_the_reason(
    metadata: ModelMetadata, reason: str, tmp_path: Path
) -> None:
    model = saved(tmp_path / "model", metadata, "ppo")
    with pytest.raises(ConfigError, match=f"Not exported for a stock-car: .*{reason}"):
        export_car_archive(str(model), out=tmp_path / "x.tar.gz")
    assert not (tmp_path / "x.tar.gz").exists()
    # Our own node decodes the answers as they were learnt.
    assert export_bundle(str(model), tmp_path / "bundle").metadata == metadata


@pytest.mark.parametrize("metadata", [continuous(-20, 20), continuous(-20, 30)])
def test_bounds_that_the_car_keeps_inside_its_range_are_fine(metadata: ModelMetadata) -> None:
    """The car gives steering / high, which must not leave [-1, 1]."""
    space = metadata.action_space
    angles = space.decode(np.array([[-1.0, 0.0], [1.0, 0.0]]))[:, 0] / space.steering_high  # type: ignore[union-attr]
    assert np.abs(angles).max() <= 1.0
    assert problems(metadata) == []


def test_a_graph_that_answers_differently_is_not_written(
    lively_run: LivelyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = lively_run("discrete")
    before = export_car_archive(str(run)).path.read_bytes()
    true = GraphWriter.constant
    monkeypatch.setattr(
        GraphWriter,
        "constant",
        lambda self, values: true(self, values * np.float32(1.01) if values.ndim == 4 else values),
    )
    with pytest.raises(ModelError, match="Not exported: OpenVINO's answers differ"):
        export_car_archive(str(run))
    folder = run / "stock-car"
    assert [p.name for p in folder.iterdir()] == ["lively-2.tar.gz"]
    assert (folder / "lively-2.tar.gz").read_bytes() == before


def test_an_output_that_nobody_asked_for_is_found(
    lively_run: LivelyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = GraphWriter.serialize

    camera = f"{PPO_SCOPE}/network_0/FRONT_FACING_CAMERA/FRONT_FACING_CAMERA"

    def with_another_end(self: GraphWriter) -> bytes:
        self.add("Tanh", [camera], name="a/second/end")
        return true(self)

    monkeypatch.setattr(GraphWriter, "serialize", with_another_end)
    with pytest.raises(ModelError, match="a/second/end"):
        export_car_archive(str(lively_run("discrete")))


def test_what_only_numpy_objects_to_is_not_written_either(
    lively_run: LivelyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = GraphWriter.add

    def careless(self: GraphWriter, op: str, inputs: list[str], **more: object) -> str:
        # OpenVINO does not look at this; TensorFlow does.
        kind = {"T": 3} if op == "BiasAdd" else {}
        return true(self, op, inputs, **{**more, **kind})  # type: ignore[arg-type]

    monkeypatch.setattr(GraphWriter, "add", careless)
    with pytest.raises(ModelError, match="calculates with something else than float32"):
        export_car_archive(str(lively_run("discrete")))


def test_without_openvino_nothing_is_written(
    lively_run: LivelyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = lively_run("discrete")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelError, match="pip install openvino"):
        export_car_archive(str(run))
    assert not list((run / "stock-car").glob("*"))


def test_what_is_no_graph_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.pb"
    file.write_bytes(b"no graph")
    with pytest.raises(ModelError, match="OpenVINO cannot read the graph"):
        openvino_answers(file, ["a"], "b", [])


def test_the_command_tells_what_it_wrote(
    lively_run: LivelyRun, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    runs = str(lively_run("discrete").parent)
    out = str(tmp_path / "mine.tar.gz")
    command = ["export", "lively", "--runs", runs, "--to", "stock-car", "--out", out]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["path"], told["model"], told["run"], told["track"]) == (
        out,
        "lively:2",
        "lively",
        "reinvent_base",
    )
    assert told["output"] == f"{PPO_SCOPE}/network_1/ppo_head_0/policy"
    assert told["openvino_against_torch"]["observations"] >= 100
    assert told["openvino_against_torch"]["largest_difference"] < 1e-4
    assert main(command) == 0
    assert capsys.readouterr().out.startswith(f"stock-car  {out}\nlively:2; equals PyTorch on 128")
    assert main([*command, "--crop", "40,0,80"]) == 1
    assert "--crop 40,0,80 given; four whole numbers" in capsys.readouterr().err
    assert main([*command, "--crop", "40,0,80,160"]) == 1
    assert "it cannot be exported for the car's camera" in capsys.readouterr().err


def test_a_policy_that_saw_the_lower_part_is_exported_with_the_cut(tmp_path: Path) -> None:
    metadata = metadata_of("ppo discrete")
    policy = plain(metadata, (80, 160))
    folder = tmp_path / "model"
    folder.mkdir()
    metadata.save(folder / "model_metadata.json")

    class Still(gym.Env):
        observation_space, action_space = spaces_of(metadata, (80, 160))

    model = PPO("CnnPolicy", Still(), device="cpu", policy_kwargs={"ortho_init": False})
    model.policy.load_state_dict(policy.state_dict())
    model.save(folder / "model.zip")
    path = str(folder / "model.zip")
    written = export_car_archive(path, out=tmp_path / "x.tar.gz", crop=Crop(40, 0, 80, 160))
    nodes = read_nodes(content(written.path)[GRAPH])
    assert nodes[0].attributes["shape"] == (-1, 120, 160, 1)
    assert "Slice" in {node.op for node in nodes}
