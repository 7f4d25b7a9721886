"""Get round quickly: paid for the progress of each step.

Remembers the progress of the step before in a global variable. Each car has its own copy of this
file, so the variable is safe; an episode has begun anew when `steps` has gone down.
"""

PAY_PER_PERCENT = 10.0

last = {"steps": 0, "progress": 0.0}


def reward_function(params):
    steps, progress = params["steps"], params["progress"]
    is_new_episode = steps <= last["steps"]
    gained = 0.0 if is_new_episode else progress - last["progress"]
    last.update(steps=steps, progress=progress)

    if params["is_offtrack"] or params["is_crashed"]:
        return -10.0

    # Over the finish line the progress starts again at zero: that is no loss.
    gained = max(gained, -5.0)
    reward = PAY_PER_PERCENT * gained + 0.1 * params["speed"]
    if progress >= 100.0:
        reward += 100.0
    return reward
