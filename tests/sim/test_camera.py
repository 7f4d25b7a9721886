from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import cos, sin, tan

import numpy as np
import pytest

from deepracer_car.errors import SimulatorError
from deepracer_car.spec import CameraMount
from deepracer_sim.appearance import APPEARANCES
from deepracer_sim.camera import Camera
from deepracer_sim.camera_reference import ReferenceCamera, psnr
from deepracer_sim.scene import Scene
from deepracer_sim.track import Track

MOUNT = CameraMount()
FOCAL = 80.0 / tan(MOUNT.horizontal_fov / 2.0)


@pytest.fixture(scope="module")
def scene(oval: Track) -> Scene:
    return Scene.of(replace(oval, appearance=APPEARANCES["modern"]))


@pytest.fixture(scope="module")
def camera(scene: Scene) -> Camera:
    return Camera(scene)


@pytest.fixture(scope="module")
def poses(oval: Track) -> np.ndarray:
    places = [
        (12.0, 0.0, 0.0),
        (1.0, 0.2, -0.3),
        (2.6, -0.2, 0.4),
        (4.5, 0.1, 0.1),
        (8.0, 0.3, 1.9),
    ]
    return np.array([np.add(oval.pose_at(s, d), (0.0, 0.0, turn)) for s, d, turn in places])


def room(
    size: float = 8.0, wall_height: float = 1.0, texel: float = 0.005, wall: int = 255
) -> Scene:
    """A black square room with its middle at the origin, a wall and grey sky."""
    side = round(size / texel)
    ground = np.zeros((side, side, 3), dtype=np.uint8)
    low = -size / 2.0
    return Scene(ground, (low, low), texel, wall_height, (wall,) * 3, (128,) * 3)


def pixel_of(x: float, y: float, z: float = 0.0) -> tuple[float, float]:
    """Row and column, in pixels from the upper left corner, of a point in the car's frame."""
    ahead, up = x - MOUNT.x, z - MOUNT.z
    depth = ahead * cos(MOUNT.pitch) - up * sin(MOUNT.pitch)
    lift = ahead * sin(MOUNT.pitch) + up * cos(MOUNT.pitch)
    return 60.0 - FOCAL * lift / depth, 80.0 - FOCAL * y / depth


def test_frames_match_the_supersampled_reference(
    scene: Scene, camera: Camera, poses: np.ndarray
) -> None:
    ideal = ReferenceCamera(scene, supersampling=6).render(poses)
    likeness = [psnr(*pair) for pair in zip(camera.render(poses), ideal, strict=True)]
    assert min(likeness) > 38.0
    assert np.mean(likeness) > 43.0


def test_filtering_beats_one_ray_per_pixel(scene: Scene, camera: Camera, poses: np.ndarray) -> None:
    ideal = ReferenceCamera(scene, supersampling=6).render(poses)
    single = ReferenceCamera(scene).render(poses)
    assert psnr(camera.render(poses), ideal) > psnr(single, ideal) + 6.0


def test_frames_look_as_they_did(
    camera: Camera, poses: np.ndarray, golden: Callable[[str, np.ndarray], None]
) -> None:
    for k, frame in enumerate(camera.render(poses[:4])[:, 0]):
        golden(f"camera_{k}", frame)


def test_many_cars_see_what_each_sees_alone(camera: Camera, poses: np.ndarray) -> None:
    together = camera.render(poses)
    for pose, frame in zip(poses, together, strict=True):
        assert camera.render(pose[np.newaxis])[0].tobytes() == frame.tobytes()
    again = np.zeros_like(together)
    assert camera.render(poses, again) is again
    assert again.tobytes() == together.tobytes()


def test_mirrored_track_and_pose_flip_the_frame(oval: Track, poses: np.ndarray) -> None:
    flip = np.array([1.0, -1.0])
    # Off-centre, so that the mirrored track is a different one.
    track = replace(oval, center=oval.center.copy(), inner=oval.inner * 0.98)
    mirrored = replace(
        track, center=track.center * flip, inner=track.inner * flip, outer=track.outer * flip
    )
    straight = Camera(Scene.of(track)).render(poses)
    flipped = Camera(Scene.of(mirrored)).render(poses * [1.0, -1.0, -1.0])[..., ::-1]
    assert psnr(straight, flipped) > 45.0
    assert psnr(straight, flipped[..., ::-1]) < 30.0


@pytest.mark.parametrize("spot", [(0.4, 0.0), (0.6, 0.2), (0.9, -0.3), (1.5, 0.5)])
@pytest.mark.parametrize("pose", [(0.0, 0.0, 0.0), (-1.0, 0.7, 2.0), (1.2, -0.4, -2.6)])
def test_a_spot_on_the_road_appears_where_optics_says(
    spot: tuple[float, float], pose: tuple[float, float, float]
) -> None:
    scene = room(wall=0)
    x, y, yaw = pose
    where = np.array([x + cos(yaw) * spot[0] - sin(yaw) * spot[1],
                      y + sin(yaw) * spot[0] + cos(yaw) * spot[1]])  # fmt: skip
    column, row = np.floor((where - scene.origin[0]) / scene.texel).astype(int)
    half = 2 if spot[0] < 1.0 else 8  # an image row shows 0.14 m of road at 1.5 m
    scene.ground[row - half : row + half + 1, column - half : column + half + 1] = 255
    middle = scene.origin[0] + (np.array([column, row]) + 0.5) * scene.texel - (x, y)
    expected = pixel_of(
        cos(yaw) * middle[0] + sin(yaw) * middle[1], cos(yaw) * middle[1] - sin(yaw) * middle[0]
    )
    frame = Camera(scene).render(np.array([pose]))[0, 0].astype(float)
    frame[:20] = 0.0  # the sky
    rows, columns = np.mgrid[0.5:120.5, 0.5:160.5]
    seen = (frame * rows).sum() / frame.sum(), (frame * columns).sum() / frame.sum()
    assert seen == pytest.approx(expected, abs=0.4)


@pytest.mark.parametrize("distance", [5.0, 6.0, 7.5])
def test_wall_top_edge_appears_where_optics_says(distance: float) -> None:
    scene = room(size=16.0, texel=0.01)
    frame = Camera(scene).render(np.array([[8.0 - distance, 0.0, 0.0]]))[0, 0].astype(float)
    # From the top grey sky, then white wall: the amount of white gives the edge within a row.
    white = (frame[:24] - 128.0) / 127.0
    assert white[-1] == pytest.approx(1.0)
    edge = 24.0 - white.sum(axis=0)
    np.testing.assert_allclose(edge, pixel_of(distance, 0.0, 1.0)[0], atol=0.02)


def test_wall_to_the_side_slopes_as_the_reference_does() -> None:
    scene = room(size=12.0, texel=0.01)
    poses = np.array([(0.5, -1.0, yaw) for yaw in (0.4, 1.1, 2.9)])
    ideal = ReferenceCamera(scene, supersampling=6).render(poses)
    assert psnr(Camera(scene).render(poses), ideal) > 42.0


def test_horizon_row() -> None:
    scene = room(size=1000.0, wall_height=0.128, texel=0.5)
    frame = Camera(scene).render(np.array([[0.0, 0.0, 0.0]]))[0, 0]
    horizon = 60.0 - FOCAL * tan(MOUNT.pitch)
    assert (frame[: int(horizon) - 1] == 128).all()
    assert (frame[int(horizon) + 2 :] == 0).all()


def test_other_mounts_and_sizes(scene: Scene, poses: np.ndarray) -> None:
    mount = CameraMount(x=0.1, z=0.16, pitch=0.2, horizontal_fov=1.5)
    frames = Camera(scene, mount, width=200, height=90).render(poses)
    ideal = ReferenceCamera(scene, mount, 200, 90, supersampling=6).render(poses)
    assert psnr(frames, ideal) > 40.0


@pytest.mark.parametrize("pose", [(1e9, 0.0, 0.0), (0.0, -1e300, 1.0), (np.nan, 0.0, 0.0)])
def test_poses_out_of_this_world_do_no_harm(
    camera: Camera, pose: tuple[float, float, float]
) -> None:
    assert camera.render(np.array([pose])).shape == (1, 1, 120, 160)


def test_wrong_use_is_named(scene: Scene, camera: Camera) -> None:
    with pytest.raises(SimulatorError, match="above 0 and below the top of the wall"):
        Camera(scene, replace(MOUNT, z=1.2))
    with pytest.raises(SimulatorError, match=r"uint8 array \(N, 1, 120, 160\)"):
        camera.render(np.zeros((2, 3)), np.zeros((2, 1, 60, 80), dtype=np.uint8))
    with pytest.raises(SimulatorError, match=r"poses \(N, 3\)"):
        camera.render(np.zeros((2, 2)))
