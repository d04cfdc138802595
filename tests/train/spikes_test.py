#!/usr/bin/env python3
"""Spikes in whole runs: spikes_test.py TWOTRACK MAKE_STORE MPIRUN

With a low threshold many updates are spikes. Those told must be the ones that the losses of the log say; the shares of a
batch's molecules add up to its loss; training is the same with and without; ranks and a resume change nothing.
"""
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
WINDOW, Z, STEPS = 8, 0.7, 28
# batches of as many molecules as are told of at most
SETTINGS = ("train.batch_size=8", "train.micro_batches=4", f"train.steps={STEPS}", "model.layers=1", "optimizer.learning_rate=0.0001",
            "train.checkpoint_every=10", "train.checkpoint_keep=0", "validation.every=100", "validation.molecules=8")


def train(twotrack, launcher, store, run, *settings, resume=False):
    sets = [a for s in SETTINGS + (f"train.spike_window={WINDOW}", f"train.spike_z={Z}") + settings for a in ("--set", s)]
    done = subprocess.run([*launcher, twotrack, "train", os.path.join(HERE, "small.cfg"), "--store", store, "--out", run, *sets,
                           *(["--resume"] if resume else [])], capture_output=True, text=True, timeout=float(os.environ.get("TT_TEST_PATIENCE", "240")))
    assert done.returncode == 0, done.stderr[-1500:]
    return done.stderr


def records(run, kind):
    with open(os.path.join(run, "run.jsonl")) as log:
        every = [json.loads(line) for line in log]
    return [{k: v for k, v in r.items() if k not in ("samples_per_s", "data_s")} for r in every if r["type"] == kind]


def expected(run):
    """Steps that must be told of, with their z, from the losses alone."""
    losses = [r["loss"] for r in records(run, "step")]
    assert len(losses) == STEPS
    found = {}
    for n in range(8, STEPS):
        before = losses[max(0, n - WINDOW):n]
        z = (losses[n] - statistics.fmean(before)) / statistics.stdev(before)
        assert abs(z - Z) > 1e-9
        if z > Z:
            found[n + 1] = z
    return found


def check_spikes(run, stderr):
    spikes, wanted = records(run, "spike"), expected(run)
    assert [s["step"] for s in spikes] == list(wanted), (spikes, wanted)
    assert len(wanted) >= 3, "too few spikes: choose other settings"
    steps = {r["step"]: r for r in records(run, "step")}
    seen = set()
    for s in spikes:
        step = steps[s["step"]]
        assert abs(s["z"] - wanted[s["step"]]) < 1e-9 and s["loss"] == step["loss"] and s["grad_norm"] == step["grad_norm"]
        assert s["batch"] == s["step"] - 1 and s["count"] == WINDOW
        worst = s["worst"]
        assert len(s["records"]) == len(worst) == 8 and len(set(s["records"])) == 8
        assert not seen & set(s["records"]), "a molecule twice in one epoch"
        seen |= set(s["records"])
        assert all(s["records"][w["index"]] == w["record"] and w["epoch"] == 0 for w in worst)
        assert all(a["share"] >= b["share"] for a, b in zip(worst, worst[1:]))
        assert abs(sum(w["share"] for w in worst) - s["loss"]) < 1e-9 * s["loss"]
        masked = sum(w["masked"] for w in worst)
        for key, value in (("loss_token", sum(w["masked"] * w["loss_token"] for w in worst) / masked),
                           ("loss_position", sum(w["loss_position"] for w in worst) / 8),
                           ("loss_distance", sum(w["loss_distance"] for w in worst) / 8)):
            assert abs(value - step[key]) < 1e-9 * step[key], (key, value, step[key])
        assert f"step {s['step']}: the loss " in stderr and f"record {worst[0]['record']} (" in stderr
    assert stderr.count("twotrack: warning") == len(spikes)


def digest(twotrack, run):
    last = sorted(glob.glob(os.path.join(run, "checkpoints", "*.h5")))[-1]
    return subprocess.run([twotrack, "checkpoint", "digest", last], check=True, capture_output=True, text=True).stdout


def main():
    twotrack, make_store, mpirun = sys.argv[1:4]
    work = tempfile.mkdtemp()
    try:
        store = os.path.join(work, "store")
        subprocess.run([make_store, store, "5000", "100", "12"], check=True)
        whole, off, two, cut, sparse = (os.path.join(work, name) for name in ("whole", "off", "two", "cut", "sparse"))
        check_spikes(whole, train(twotrack, [], store, whole))

        assert "warning" not in train(twotrack, [], store, off, "train.spike_z=0")
        assert not records(off, "spike") and records(off, "step") == records(whole, "step")
        assert digest(twotrack, off) == digest(twotrack, whole)

        if mpirun:
            stderr = train(twotrack, [mpirun, "-q", "--oversubscribe", "-n", "2"], store, two)
            check_spikes(two, stderr)
            assert records(two, "spike") == records(whole, "spike")

        shutil.copytree(whole, cut)
        for name in sorted(glob.glob(os.path.join(cut, "checkpoints", "*.h5")))[2:]:
            os.remove(name)
        train(twotrack, [], store, cut, resume=True)
        assert records(cut, "spike") == records(whole, "spike"), "a resumed run finds other spikes"

        # a log with gaps: the resumed run begins with no losses
        train(twotrack, [], store, sparse, "train.log_every=3")
        assert records(sparse, "spike") == records(whole, "spike"), "log_every changes what is found"
        for name in sorted(glob.glob(os.path.join(sparse, "checkpoints", "*.h5")))[2:]:
            os.remove(name)
        train(twotrack, [], store, sparse, "train.log_every=3", resume=True)
        assert not [s for s in records(sparse, "spike") if 20 < s["step"] <= 28]
    finally:
        shutil.rmtree(work)
    print("spikes: all passed")


main()
