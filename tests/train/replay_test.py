#!/usr/bin/env python3
"""twotrack replay: replay_test.py TWOTRACK MAKE_STORE MPIRUN ORDER

An update that is run again has the bits of the log, on any ranks and from any checkpoint; its statistics are those computed here
from the checkpoints before and after it; an update that fails is looked into; a run that has left out chunks is replayed without
them; nothing is written. Where there is no h5py, statistics of tensors are not compared.
"""
import glob
import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy
except ImportError:
    h5py = None

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = os.path.join(HERE, "small.cfg")
twotrack, make_store, mpirun, order = sys.argv[1:5]
work = tempfile.mkdtemp()
store = os.path.join(work, "store")


def path(name):
    return os.path.join(work, name)


def call(ranks, *arguments):
    launcher = [mpirun, "-q", "--oversubscribe", "-n", str(ranks)] if ranks > 1 else []
    return subprocess.run([*launcher, twotrack, *arguments], capture_output=True, text=True, timeout=float(os.environ.get("TT_TEST_PATIENCE", "240")))


def train(ranks, run, *settings, options=(), good=True):
    sets = [a for s in ("train.checkpoint_keep=0", "validation.molecules=8", *settings) for a in ("--set", s)]
    done = call(ranks, "train", CONFIG, "--store", store, "--out", run, *sets, *options)
    assert (done.returncode == 0) == good, done.stderr[-1500:]
    return done


def replay(ranks, run, step, *options):
    done = call(ranks, "replay", run, "--step", str(step), "--json", *options)
    assert done.returncode == 0, done.stderr[-1500:]
    return json.loads(done.stdout)


def refused(words, code, *arguments):
    done = call(1, "replay", *arguments)
    assert done.returncode == code and words in done.stderr and done.stderr.count("error") == 1, (done.returncode, done.stderr)


def logged(run, kind="step"):
    with open(os.path.join(run, "run.jsonl")) as log:
        return {r["step"]: r for r in map(json.loads, log) if r["type"] == kind}


def contents(run):
    found = {}
    for folder, _, names in os.walk(run):
        for name in names:
            file = os.path.join(folder, name)
            with open(file, "rb") as f:
                found[file] = (os.stat(file).st_mtime_ns, hashlib.sha256(f.read()).hexdigest())
    return found


def checkpoint(run, step):
    return os.path.join(run, "checkpoints", f"step-{step:09d}.h5")


def keep(run, copy, steps):
    """A copy of a run with these checkpoints only."""
    shutil.copytree(run, copy)
    for file in glob.glob(os.path.join(copy, "checkpoints", "*.h5")):
        if file not in [checkpoint(copy, s) for s in steps]:
            os.remove(file)
    return copy


def near(a, b, tolerance):
    return abs(a - b) <= tolerance * max(abs(a), abs(b))


# ---- what the statistics must be ----

def check_tensors(run, step, found, clip, beta1):
    """Weights and update from the checkpoints; the gradient from what Adam's first moment became."""
    squares, groups, names = 0.0, {}, set()
    with h5py.File(checkpoint(run, step - 1)) as before, h5py.File(checkpoint(run, step)) as after:
        scale = min(1, clip / (found["losses"]["grad_norm"] + 1e-6))
        for t in found["tensors"]:
            old, new = (numpy.asarray(f["weights"][t["name"]], numpy.float64) for f in (before, after))
            m, n = (numpy.asarray(f["moment1"][t["name"]], numpy.float64) for f in (before, after))
            gradient = (n - beta1 * m) / (1 - beta1) / scale
            change = (new.astype(numpy.float32) - old.astype(numpy.float32)).astype(numpy.float64)
            for what, values, tolerance in (("weights", old, 1e-12), ("update", change, 1e-12), ("gradient", gradient, 1e-4)):
                norm, largest = numpy.linalg.norm(values), numpy.abs(values).max()
                assert near(t[what]["norm"], norm, tolerance) or norm < 1e-9, (t["name"], what, t[what], norm)
                assert near(t[what]["largest"], largest, tolerance) or largest < 1e-9, (t["name"], what)
                assert t[what]["not_finite"] == 0
            squares += t["gradient"]["norm"] ** 2
            names.add(t["name"])
            name = t["name"]
            group = ("layer " + name.split(".")[2] if name.startswith("encoder.layers.") else "token head" if name.startswith("lm_head.")
                     else "movement head" if name.startswith("movement_pred_head.") else "embedding")
            for what, values in (("weights", old), ("update", change)):
                groups[group, what] = groups.get((group, what), 0) + (values ** 2).sum()
        buffer = {"se3_invariant_kernel.gaussian.mean"}
        stored = set()
        before["weights"].visititems(lambda n, o: stored.add(n) if isinstance(o, h5py.Dataset) else None)
        assert {n.replace("/", ".") for n in stored} - buffer == names, "other tensors than the checkpoint's"
    assert near(math.sqrt(squares), found["losses"]["grad_norm"], 1e-9)
    assert [r["name"] for r in found["layers"]] == ["embedding", "layer 0", "layer 1", "token head", "movement head"]
    for r in found["layers"]:
        for what in ("weights", "update"):
            assert near(r[what]["norm"], math.sqrt(groups[r["name"], what]), 1e-12)


def check_activations(run, step, found):
    """Rows from the log; a LayerNorm whose weights are 1 gives rows of mean square 1."""
    log = logged(run)
    atoms, pairs = (log[step][k] - (log[step - 1][k] if step > 1 else 0) for k in ("atoms", "pairs"))
    by_name = {a["name"]: a for a in found["activations"]}
    for k in range(2):
        for part, dim, rows in (("x", 64, atoms + 32), ("self_attn", 64, atoms + 32), ("ffn", 64, atoms + 32), ("pair", 32, pairs),
                                ("opm", 32, pairs), ("pair_tri_mul", 32, pairs), ("pair_ffn", 32, pairs)):
            a = by_name[f"layer{k}.{part}"]
            assert a["dim"] == dim and a["numbers"] == rows * dim and 0 < a["rms"] < a["largest"] and a["not_finite"] == 0
        assert found["layers"][1 + k]["atom_track"] == by_name[f"layer{k}.x"]
        assert found["layers"][1 + k]["pair_track"] == by_name[f"layer{k}.pair"]
    assert found["layers"][0]["atom_track"] == by_name["x_in"] and found["layers"][0]["pair_track"] == by_name["pair_in"]
    masked = sum(w["masked"] for w in found["worst"])
    assert by_name["logits"]["numbers"] >= 128 * masked and by_name["movement"]["numbers"] == 3 * (atoms + 32)
    if step == 1:
        for name in ("x_in", "pair_in"):  # a little less, by the epsilon under the root: the embeddings are small at first
            assert 0.97 < by_name[name]["rms"] < 1, (name, by_name[name]["rms"])


def alike(a, b):
    """Statistics of other ranks: the same but for rounding."""
    assert a.keys() == b.keys()
    for key in a:
        if key in ("run", "ranks", "from", "before_same"):
            continue
        if key not in ("layers", "activations", "tensors"):
            assert a[key] == b[key], (key, a[key], b[key])
            continue
        for x, y in zip(flat(a[key]), flat(b[key]), strict=True):
            assert x == y or near(x, y, 1e-9), (key, x, y)


def flat(value):
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return [value]
    return [x for v in value for x in flat(v)]


# ---- the tests ----

def healthy():
    run = path("whole")
    train(1, run, "train.checkpoint_every=1")
    log = logged(run)
    kept = keep(run, path("kept"), [4, 8])
    before = contents(kept)
    nearest, far = replay(1, run, 7), replay(1, kept, 7)
    assert (nearest["from"], far["from"], nearest["before_same"], far["before_same"]) == (6, 4, 0, 2)
    assert far["same_bits"] is True and far["before_other"] == 0 and far["applied"] and far["first_not_finite"] is None
    for key in ("loss", "loss_token", "loss_position", "loss_distance", "grad_norm"):
        assert far["losses"][key] == far["logged"][key] == log[7][key]
    assert far["batch"] == 6 and far["molecules"] == 32 and far["ranks"] == 1
    alike(nearest, far)
    if h5py:
        check_tensors(run, 7, far, 1.0, 0.9)
    check_activations(run, 7, far)
    start = replay(1, kept, 1, "--from-start")
    assert start["from"] == 0 and start["same_bits"]
    check_activations(run, 1, start)
    last = replay(1, kept, 12)
    assert last["same_bits"] and last["before_same"] == 3
    for ranks in (2, 4) if mpirun else ():
        other = replay(ranks, kept, 7)
        assert other["ranks"] == ranks and other["same_bits"] and other["before_same"] == 2
        alike(far, other)
    text = call(1, "replay", kept, "--step", "7")
    assert text.returncode == 0 and "the same bits as in the log" in text.stdout and "2 of 2 updates" in text.stdout
    assert sum(line.startswith(("layer 0 ", "layer 1 ", "embedding ", "token head ", "movement head ")) for line in text.stdout.split("\n")) == 5
    for w in far["worst"]:
        assert f"{w['record']:>12} " in text.stdout

    # refusals: what can be done is said, and nothing is touched
    refused("updates from 5 on can be replayed", 1, kept, "--step", "4")
    refused("beyond the end of the run, which has 12", 1, kept, "--step", "13")
    refused("--step N is missing", 2, kept)
    refused("'0'", 2, kept, "--step", "0")
    refused("no option", 2, kept, "--step", "7", "--steps")
    refused("none", 1, kept, "--step", "7", "--store", path("none"))
    refused("run folder " + path("nowhere") + " cannot be read: No such file", 1, path("nowhere"), "--step", "7")
    subprocess.run([make_store, path("other"), "5001", "200", "12"], check=True)
    refused("another store", 1, kept, "--step", "7", "--store", path("other"))
    refused("has no checkpoint", 1, keep(run, path("empty"), []), "--step", "7")
    assert contents(kept) == before, "replay has written into the run's folder"
    with open(checkpoint(kept, 4), "r+b") as f:
        f.seek(-5000, os.SEEK_END)
        f.write(b"broken")
    before = contents(kept)
    refused("step-000000004.h5", 1, kept, "--step", "7")
    assert contents(kept) == before, "replay has renamed a broken checkpoint"

    # other weights at the start: told
    train(1, path("init"), options=("--init-from", checkpoint(run, 12)))
    assert replay(1, path("init"), 2, "--from-start")["same_bits"] is False


def tensor_groups():
    run = path("groups")
    train(2, run, "parallel.tensor=2")
    for ranks in (2, 4):
        found = replay(ranks, run, 10)
        assert found["same_bits"] and found["before_same"] == 1
        if ranks == 2:
            first = found
        else:
            alike(first, found)
    check_activations(run, 10, first)
    alone = replay(1, run, 10, "--tensor", "1")
    assert alone["same_bits"] is False and near(alone["losses"]["loss"], first["losses"]["loss"], 1e-5)
    for a, b in zip(flat([t["weights"]["norm"] for t in alone["tensors"]]), [t["weights"]["norm"] for t in first["tensors"]], strict=True):
        assert near(a, b, 1e-4) or max(a, b) < 1e-3


def failing():
    """Weights that grow until nothing is finite any more."""
    run = path("wild")
    settings = ("optimizer.learning_rate=1", "optimizer.schedule=constant", "optimizer.clip_norm=0", "optimizer.beta1=0.99",
                "optimizer.beta2=0.01", "train.position_loss_weight=1e6", "train.steps=40")
    error = train(1, run, *settings, good=False).stderr
    step = max(logged(run)) + 1
    assert f"update {step}: the loss is" in error
    for ranks in (1, 2) if mpirun else (1,):
        found = replay(ranks, run, step)
        assert found["applied"] is False and found["logged"] is None and found["same_bits"] is None and found["before_other"] == 0
        assert found["first_not_finite"].startswith(("forward, ", "backward, ")) and " numbers" in found["first_not_finite"]
        assert any(a["not_finite"] for a in found["activations"]) or any(t["gradient"]["not_finite"] for t in found["tensors"])
        assert all(t["update"]["norm"] == 0 and t["weights"]["not_finite"] == 0 for t in found["tensors"])
        assert found["losses"]["loss"] is None or found["losses"]["grad_norm"] is None
    name = found["first_not_finite"].split(", ")[1].split(":")[0]
    if found["first_not_finite"].startswith("forward"):
        broken = [a["name"] for a in found["activations"] if a["not_finite"]]
        assert broken[0] == name
        assert found["worst"][0]["share"] is None
    text = call(1, "replay", run, "--step", str(step))
    assert text.returncode == 0 and "the update was not applied" in text.stdout and f"not finite first: {found['first_not_finite']}" in text.stdout
    refused(f"update {step}", 1, run, "--step", str(step + 1))


def batches_left_out():
    """A run that leaves a batch out is replayed without it; the batch that it left out can be tried."""
    whole, run, later = path("whole"), path("batches"), path("later")
    train(1, run, "train.skip_batches=5")
    steps, undisturbed = logged(run), logged(whole)
    assert steps[5]["loss"] == undisturbed[5]["loss"] and steps[6]["loss"] != undisturbed[6]["loss"]
    for ranks in (1, 2) if mpirun else (1,):
        found = replay(ranks, run, 7)
        assert found["same_bits"] and found["batch"] == 7 and found["from"] == 4 and found["before_same"] == 2
    found = replay(1, run, 6, "--batch", "5")  # the update 6 of the undisturbed run
    assert found["batch"] == 5 and found["logged"] is None and found["losses"]["loss"] == undisturbed[6]["loss"]
    refused("update 7 has never been tried with batch 5", 1, run, "--step", "7", "--batch", "5")
    # the checkpoint does not know of it yet: the log does
    shutil.copytree(keep(whole, path("before"), [4]), later)
    train(1, later, "train.skip_batches=5", options=("--resume",))
    assert logged(later)[9]["loss"] == steps[9]["loss"]
    os.remove(checkpoint(later, 8))
    found = replay(1, later, 9)
    assert found["same_bits"] and found["from"] == 4 and found["batch"] == 9 and found["before_same"] == 4


def chunks_left_out():
    """A run that could not read a chunk is replayed without it, whether or not it can be read now."""
    global store
    small = ("model.layers=1", "train.batch_size=128", "train.steps=20", "train.checkpoint_every=4", "validation.every=100")
    sound, store = path("sound"), path("damaged")
    subprocess.run([make_store, sound, "5000", "200", "6"], check=True)
    shutil.copytree(sound, store)
    listed = subprocess.run([order, "5000", "4", "1", "1", "5"], check=True, capture_output=True, text=True).stdout.split()
    chunk = next(int(c) for c in listed[1:] if int(c) < 15)  # a whole one, of a shard with three
    with open(os.path.join(store, f"shard-{chunk // 3:05d}.h5"), "r+b") as f:
        at = 16384 + 8 * (256 * (chunk % 3) + 5)
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 4]))
    run = path("skip")
    train(1, run, *small, "data.bad_chunks=skip")
    skips = logged(run, "skip")
    assert len(skips) == 1, skips
    first = min(skips)
    step = 4 * (first // 4) + 4  # the checkpoint before it is of update `step - 4`, and knows nothing of it yet
    kept = keep(run, path("skip-kept"), [step - 4])
    assert step - 4 < first <= step
    for where in (store, sound):
        found = replay(1, kept, step, "--store", where)
        assert found["same_bits"] and found["from"] == step - 4 and found["before_other"] == 0, (where, found["same_bits"])


def main():
    try:
        subprocess.run([make_store, store, "5000", "200", "12"], check=True)
        healthy()
        failing()
        batches_left_out()
        if mpirun:
            tensor_groups()
        chunks_left_out()
    finally:
        shutil.rmtree(work)
    print("replay: all passed" + ("" if h5py else "; no h5py: tensors were not compared"))


main()
