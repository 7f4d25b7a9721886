"""Learning, judging and showing: training, evaluation, runs and the command line."""
