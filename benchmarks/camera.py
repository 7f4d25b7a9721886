"""Speed and quality of the embedded simulator's camera on one core; prints one JSON line.

``psnr_*``: frames against an ideal camera (8 x 8 rays per pixel). ``times_numpy``: how much faster
than the numpy oracle at its cheapest, one ray per pixel, whose own quality is ``numpy_psnr_mean``.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable

import numpy as np
from report import report

from deepracer_sim.camera import Camera
from deepracer_sim.camera_reference import ReferenceCamera, psnr
from deepracer_sim.scene import Scene
from deepracer_sim.track import Track
from deepracer_sim.track_library import load_track

TRACKS = ("reinvent_base", "reInvent2019_track", "Oval_track", "2022_reinvent_champ")
CARS, POSES = 32, 12


def poses_on(track: Track, count: int) -> np.ndarray:
    """Poses all around the track, off the centre line and turned, the same every time."""
    rng = np.random.default_rng(0)
    places = (np.arange(count) + 0.5) * track.length / count
    poses = [
        track.pose_at(s, d) for s, d in zip(places, rng.uniform(-0.3, 0.3, count), strict=True)
    ]
    return np.array(poses) + np.outer(rng.normal(0.0, 0.3, count), [0.0, 0.0, 1.0])


def fastest(call: Callable[[], object], repeats: int) -> float:
    """Seconds of the quickest of some calls."""
    return min(timeit.repeat(call, number=1, repeat=repeats))


def main() -> None:
    """Measure on several tracks; a track's numbers weigh the same whatever its length."""
    micros, ratios, quality, numpy_quality = [], [], [], []
    for name in TRACKS:
        track = load_track(name)
        scene = Scene.of(track)
        camera, oracle = Camera(scene), ReferenceCamera(scene)
        many, poses = poses_on(track, CARS), poses_on(track, POSES)
        out = camera.render(many)
        seconds = fastest(lambda c=camera, m=many, o=out: c.render(m, o), 200) / CARS
        slow = fastest(lambda c=oracle, p=poses: c.render(p), 5) / POSES
        ideal = ReferenceCamera(scene, supersampling=8).render(poses)
        micros.append(seconds * 1e6)
        ratios.append(slow / seconds)
        quality += [psnr(*pair) for pair in zip(camera.render(poses), ideal, strict=True)]
        numpy_quality += [psnr(*pair) for pair in zip(oracle.render(poses), ideal, strict=True)]
    report(
        "camera",
        us_per_frame=round(float(np.mean(micros)), 1),
        psnr_mean=round(float(np.mean(quality)), 1),
        psnr_worst=round(min(quality), 1),
        times_numpy=round(min(ratios), 1),
        numpy_psnr_mean=round(float(np.mean(numpy_quality)), 1),
        tracks=TRACKS,
    )


if __name__ == "__main__":
    main()
