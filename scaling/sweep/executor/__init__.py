"""Executor: runs trials on Ray Tune and passes on what they report. The only package that imports Ray.

A study does not continue from Tune's own experiment state, which can neither change a space nor add trials, and after a
kill repeats what finished since its last snapshot. It continues from its records and checkpoints.
"""

import os

# Ray and Tune read these when they are imported. A local cluster requires a token in any case, and refuses its own
# driver unless the driver is configured to send one. Tune's per-trial log files would repeat the records; our handler
# replaces its handler of Ctrl-C, and also handles SIGTERM; its usage report would leave the machine. The setting of
# Train selects in older versions what is now the default. The last one selects what Ray announces as its future
# default, which silences the announcement.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
