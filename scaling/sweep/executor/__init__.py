"""Executor: hands trials to Ray Tune and passes on what they report. The only package that knows Ray.

Tune's own experiment state is not used to continue a study: it can neither change a space nor add trials, and after a
kill it repeats what finished since its last snapshot. A study continues from its records and checkpoints instead.
"""

import os

# Ray and Tune read these when they are imported. Ray asks visitors of a local cluster for a token whatever we say, and
# refuses its own driver where that is not told so too. Tune's per-trial log files would repeat what the records say;
# its handler of Ctrl-C is replaced by ours, which also takes SIGTERM; its usage report would leave the machine.
# Train's asks older versions for what is the default now. The last one chooses the behaviour that Ray announces as its
# future default, and so silences the announcement.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
