"""Tracks, the simulated car, its camera, the rules of racing and the Gymnasium environment."""
