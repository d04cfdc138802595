#!/usr/bin/env python3
"""Event files in TensorBoard itself: opens_test.py TWOTRACK     77: skipped, for want of tensorboard

Its accumulator must give every value of the log, and what its pages are made of (the data provider, the table of hyperparameters)
must name the same runs, curves and settings.
"""
import math
import os
import struct
import subprocess
import sys
import tempfile

try:
    from tensorboard import context
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups
except ImportError as missing:
    print(f"skipped: {missing} ({sys.executable}; PYTHON names another one)")
    sys.exit(77)

import runs

TWOTRACK = os.path.abspath(sys.argv[1])
EXPERIMENT = "any"


def same(found, wanted):
    return math.isnan(found) if wanted == b"NaN " else struct.pack("<f", found) == wanted


def accumulator_gives_the_log(folder, log):
    events = EventAccumulator(folder, size_guidance={"scalars": 0})  # 0: all of them
    events.Reload()
    assert set(events.Tags()["scalars"]) == set(runs.TAGS), events.Tags()["scalars"]
    for tag in runs.TAGS:
        wanted = [(time, step, values[tag]) for time, step, values in runs.expected(log) if tag in values]
        found = events.Scalars(tag)
        assert len(found) == len(wanted) > 2, (tag, len(found), len(wanted))
        for event, (time, step, value) in zip(found, wanted):
            assert abs(event.wall_time - time) < 1e-5 and event.step == step and same(event.value, value), (tag, event, value)


def pages_name_everything(folder, logs):
    multiplexer = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(folder)
    multiplexer.Reload()
    provider, request = data_provider.MultiplexerDataProvider(multiplexer, folder), context.RequestContext()
    scalars = provider.list_scalars(request, experiment_id=EXPERIMENT, plugin_name="scalars")
    assert {run: set(tags) for run, tags in scalars.items()} == {run: set(runs.TAGS) for run in logs}, scalars
    assert "masked atom" in scalars["a"]["loss_token/valid"].description
    hparams = backend_context.Context(base_plugin.TBContext(data_provider=provider, logdir=folder))
    metadata = hparams.hparams_metadata(request, EXPERIMENT)
    experiment = hparams.experiment_from_metadata(request, EXPERIMENT, True, metadata, [])
    assert {"size_total", "seed", "learning_rate"} <= {info.name for info in experiment.hparam_infos}, experiment
    wanted = api_pb2.ListSessionGroupsRequest(slice_size=100, allowed_statuses=[api_pb2.STATUS_UNKNOWN])
    groups = list_session_groups.Handler(request, hparams, EXPERIMENT, wanted).run().session_groups
    found = {g.name: g.hparams["size_total"].number_value for g in groups}
    assert found == {run: log[0]["parameters"]["total"] for run, log in logs.items()}, found


with tempfile.TemporaryDirectory() as work:
    os.chdir(work)
    logs = {name: runs.make_log(name, seed) for seed, name in enumerate(("a", "b"), 1)}
    subprocess.run([TWOTRACK, "log", "export", *logs, "--tensorboard", "tb"], check=True, stdout=subprocess.DEVNULL)
    for name, log in logs.items():
        accumulator_gives_the_log(os.path.join("tb", name), log)
    pages_name_everything("tb", logs)
    os.chdir("/")
print("TensorBoard: all well")
