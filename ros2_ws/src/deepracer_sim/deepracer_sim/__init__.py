"""Tracks, the simulated car, its camera, the rules of racing and the Gymnasium environment.

Importing this package makes ``gymnasium.make("DeepRacer-v0")`` work; so does the longer name
``gymnasium.make("deepracer_sim:DeepRacer-v0")`` without an import.
"""

import gymnasium

ENV_ID = "DeepRacer-v0"

gymnasium.register(ENV_ID, entry_point="deepracer_sim.env:DeepRacerEnv")
