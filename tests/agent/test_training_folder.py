"""A racer's folder: each file optional, the command line wins, misspelt files are noticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deepracer_agent.config import TrainingConfig
from deepracer_agent.training_folder import DEFAULT_REWARD, FILES, load_training_folder
from deepracer_car.errors import ConfigError

METADATA = {
    "action_space": [
        {"steering_angle": -20, "speed": 1.0},
        {"steering_angle": 20, "speed": 1.0},
    ],
    "sensor": ["FRONT_FACING_CAMERA"],
}


def test_an_empty_folder_means_the_defaults(tmp_path: Path) -> None:
    config, reward = load_training_folder(tmp_path)
    assert config == TrainingConfig()
    assert reward == DEFAULT_REWARD


def test_the_default_reward_pays_for_driving_near_the_centre() -> None:
    namespace: dict[str, object] = {}
    exec(compile(DEFAULT_REWARD.read_text(), "default", "exec"), namespace)
    reward = namespace["reward_function"]
    assert callable(reward)
    state = {"all_wheels_on_track": True, "track_width": 0.8, "speed": 1.0}
    centre, side, border = (reward({**state, "distance_from_center": d}) for d in (0.0, 0.2, 0.4))
    assert centre > side > border > 0
    off = reward({**state, "all_wheels_on_track": False, "distance_from_center": 0.5})
    assert 0 < off < side


def test_all_four_files_are_used_and_the_command_line_wins(tmp_path: Path) -> None:
    (tmp_path / "reward_function.py").write_text("def reward_function(params):\n    return 1.0\n")
    (tmp_path / "model_metadata.json").write_text(json.dumps(METADATA))
    (tmp_path / "hyperparameters.json").write_text('{"lr": 0.0001, "num_epochs": 4}')
    (tmp_path / "training.yaml").write_text("track: oval\nseed: 5\nstop: {time: 10 min, laps: 3}")
    config, reward = load_training_folder(
        tmp_path, {"stop.time": "30 s", "hyperparameters.lr": 5e-4, "learning.gae_lambda": 0.9}
    )
    assert reward == tmp_path / "reward_function.py"
    assert (config.track, config.seed) == ("oval", 5)
    assert (config.stop.time, config.stop.laps) == (30, 3)
    assert (config.hyperparameters.lr, config.hyperparameters.num_epochs) == (5e-4, 4)
    assert config.learning.gae_lambda == 0.9
    assert len(config.model_metadata.action_space.to_metadata()) == 2


def test_a_track_file_is_looked_for_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "training.yaml").write_text("track: mine.npy")
    assert load_training_folder(tmp_path)[0].track == str(tmp_path / "mine.npy")
    assert load_training_folder(tmp_path, {"track": "other.npy"})[0].track == "other.npy"
    (tmp_path / "training.yaml").write_text("track: oval")
    assert load_training_folder(tmp_path)[0].track == "oval"


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("hyperparameters.json", '{"learning_rate": 1}', "unknown key 'learning_rate'"),
        ("hyperparameters.json", '{"lr": 1}', "lr: 1 given, a number, 1e-08 to 0.001"),
        ("hyperparameters.json", '{"lr": 1e-4, "lr": 1e-5}', "the key 'lr' is given twice"),
        ("hyperparameters.json", "{", "is not valid JSON"),
        ("hyperparameters.json", "[]", "list given"),
        ("model_metadata.json", '{"action_spac": 1}', "Did you mean 'action_space'?"),
        ("training.yaml", "trak: oval", "Did you mean 'track'?"),
        ("training.yaml", "a: [", "is not valid YAML"),
        ("training.yaml", b"\xff\xfe\xff", "is not UTF-8 text"),
    ],
)
def test_a_mistake_is_told_with_its_file(
    file: str, text: str | bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load_training_folder(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / file}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"stop.tim": 3}, "command line: unknown key 'stop.tim'"),
        ({"seed": "x"}, "command line: seed: 'x' given"),
        ({"hyperparameters.lr": 7}, "command line: hyperparameters.lr: 7 given"),
        ({"seed.x": 7}, "command line: seed: {'x': 7} given"),
    ],
)
def test_a_mistake_on_the_command_line_is_told_as_one(
    overrides: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_training_folder(tmp_path, overrides)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("reward_fuction.py", "reward_function.py"),
        ("reward.py", "reward_function.py"),
        ("hyperparameter.json", "hyperparameters.json"),
        ("metadata.json", "model_metadata.json"),
        ("training.yml", "training.yaml"),
        ("Training.yaml", "training.yaml"),
    ],
)
def test_a_misspelt_file_is_noticed(name: str, meant: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("")
    with pytest.raises(ConfigError, match=rf"Did you mean '{meant}'\? Rename it"):
        load_training_folder(tmp_path)


def test_other_files_are_nobodys_business(tmp_path: Path) -> None:
    for name in ("README.md", "notes.txt", "__pycache__", "reward_function.pyc", "training.png"):
        (tmp_path / name).write_text("")
    (tmp_path / "reward_function.py").write_text("def reward_function(params): return 1.0")
    (tmp_path / "reward_function_old.py").write_text("")
    assert load_training_folder(tmp_path)[0] == TrainingConfig()


def test_the_same_settings_in_two_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "training.yaml").write_text("hyperparameters: {lr: 1e-4}")
    (tmp_path / "hyperparameters.json").write_text('{"lr": 0.0001}')
    with pytest.raises(ConfigError, match=r"hyperparameters\.json is there too"):
        load_training_folder(tmp_path)


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "quickstart").mkdir()
    with pytest.raises(ConfigError, match=r"no such folder\. Did you mean 'quickstart'"):
        load_training_folder(tmp_path / "quickstrt")
    (tmp_path / FILES[0]).write_text("")
    with pytest.raises(ConfigError, match="is a file; give the folder"):
        load_training_folder(tmp_path / FILES[0])


def test_the_parent_folder_may_be_what_is_misspelt(tmp_path: Path) -> None:
    (tmp_path / "examples" / "quickstart").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"Did you mean 'examples'"):
        load_training_folder(tmp_path / "exmples" / "quickstart")


def test_a_folder_with_nothing_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(ConfigError, match=r"holds none of reward_function\.py"):
        load_training_folder(tmp_path)
