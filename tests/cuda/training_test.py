#!/usr/bin/env python3
"""Training with the CUDA backend's kernels, run by the emulator, beside training on the processor.
training_test.py TWOTRACK EMULATED MAKE_STORE FAKE_NCCL [MPIRUN]

The emulator queues what is launched until somebody waits, shuffles blocks and threads, and fills new memory with values that are not
numbers: a missing wait or a race shows in the bits.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

TWOTRACK, EMULATED, MAKE_STORE, FAKE_NCCL, MPIRUN = (sys.argv + [""])[1:6]
CONFIG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "train", "small.cfg")
# leaves in pieces, a tree of them, dropout on; molecules of 9 atoms at most, or it takes minutes
SMALL = ["data.lanes=1", "train.batch_size=4", "train.micro_batches=2", "train.max_pairs=100", "train.checkpoint_every=8",
         "validation.molecules=4", "validation.every=100", "optimizer.weight_decay=0.1"]
PATIENCE = int(os.environ.get("TT_TEST_PATIENCE", "200"))  # s
FIELDS = ("loss", "loss_token", "loss_position", "loss_distance", "grad_norm")


def train(work, name, program, *settings, ranks=1, options=(), env=(), fails=False):
    launcher = [MPIRUN, "-q", "--oversubscribe", "-n", str(ranks)] if ranks > 1 else []
    arguments = [a for s in SMALL + list(settings) for a in ("--set", s)]
    done = subprocess.run([*launcher, program, "train", CONFIG, "--store", f"{work}/store", "--out", f"{work}/{name}", *arguments,
                           *options], capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, **dict(env)})
    assert (done.returncode != 0) == fails, f"{name}: exit {done.returncode}: {done.stdout[-500:]} {done.stderr[-2000:]}"
    return done.stderr if fails else log(work, name)


def log(work, name):
    with open(f"{work}/{name}/run.jsonl") as lines:
        return [json.loads(line) for line in lines]


def steps(records):
    return [[r[k] for k in FIELDS] for r in records if r["type"] == "step"]


def worst(a, b):
    assert len(a) == len(b) > 0
    return max(abs(x - y) / abs(y) for r, s in zip(a, b) for x, y in zip(r, s))


def digest(work, name):
    newest = sorted(os.listdir(f"{work}/{name}/checkpoints"))[-1]
    return subprocess.run([TWOTRACK, "checkpoint", "digest", f"{work}/{name}/checkpoints/{newest}"], check=True, capture_output=True,
                          text=True).stdout.split()[0]


def cut(work, name, to, step):
    """A copy of a run as if it had been killed after it saved at `step`."""
    shutil.copytree(f"{work}/{name}", f"{work}/{to}")
    for f in os.listdir(f"{work}/{to}/checkpoints"):
        if int(re.search(r"\d+", f)[0]) > step:
            os.unlink(f"{work}/{to}/checkpoints/{f}")


def check(work):
    subprocess.run([MAKE_STORE, f"{work}/store", "900", "40", "9"], check=True)
    cpu = steps(train(work, "cpu", TWOTRACK, "train.device=cpu", "train.steps=20"))
    records = train(work, "cuda", EMULATED, "train.device=cuda", "train.steps=20")
    error = worst(steps(records), cpu)
    print(f"fp32: 20 updates, worst relative difference from the processor {error:.1e}")
    assert error <= 1e-5
    run = records[0]
    assert run["backend"].startswith("cuda") and run["hardware"]["gpu"], run

    # the same bits in another order of blocks and threads, gone on with after a stop, with leaves run twice and compared
    cut(work, "cuda", "order", 16)
    go_on = ["train.device=cuda", "train.steps=20"]
    again = train(work, "order", EMULATED, *go_on, "train.silent_check_every=2", options=["--resume"], env=dict(TT_EMULATE_SEED="7"))
    assert steps(again) == steps(records) and digest(work, "order") == digest(work, "cuda")
    # a run of the processor goes on on the device
    cut(work, "cpu", "moved", 16)
    assert worst(steps(train(work, "moved", EMULATED, *go_on, options=["--resume"])), cpu) <= 1e-5

    # bf16: not the same numbers, and near them
    first = ["train.steps=12"]
    fp32 = steps(train(work, "first", TWOTRACK, "train.device=cpu", *first))
    half_how = ["train.device=cuda", "train.precision=bf16", *first]
    half = steps(train(work, "half", EMULATED, *half_how))
    error = worst([r[:4] for r in half], [r[:4] for r in fp32])
    print(f"bf16: 12 updates, worst relative difference of a loss from the processor's fp32 {error:.1e}")
    assert 1e-7 < error < 0.02
    assert sum(r[0] for r in half[-4:]) < sum(r[0] for r in half[:4]), "it does not learn"
    # Adam renews the weights' copies as loading all weights does
    cut(work, "half", "half_on", 8)
    assert steps(train(work, "half_on", EMULATED, *half_how, options=["--resume"])) == half

    # no device
    none = dict(TT_EMULATE_DEVICES="0")
    why = train(work, "none", EMULATED, "train.device=cuda", "train.steps=3", env=none, fails=True)
    assert "no CUDA device" in why and '"cpu"' in why, why
    assert train(work, "auto", EMULATED, "train.steps=3", env=none)[0]["backend"].startswith("cpu")

    if MPIRUN:
        check_ranks(work, records)


def check_ranks(work, one):
    """Updates 17 to 20 of the run, by several ranks: by way of the host on one device, and over a stand-in of NCCL with one each."""
    def more(name, *settings, env=(), ranks=2, fails=False, exchange="mpi"):
        cut(work, "cuda", name, 16)
        done = train(work, name, EMULATED, "train.device=cuda", "train.steps=20", *settings, ranks=ranks, options=["--resume"], env=env,
                     fails=fails)
        if not fails:
            how = [r.get("exchange") for r in done if r["type"] == "resume"][-1]
            assert how == exchange, f"{name}: {how}"
        return done if fails else steps(done)

    nccl = dict(TT_EMULATE_DEVICES="2", TWOTRACK_NCCL=FAKE_NCCL, TT_FAKE_NCCL_COUNT=f"{work}/calls")
    calls = lambda: len(open(f"{work}/calls").readlines()) if os.path.exists(f"{work}/calls") else 0
    share = "parallel.share_gpu=true"
    assert more("two", share, "train.replica_check_every=2", env={**nccl, "TT_EMULATE_DEVICES": "1"}) == steps(one), "two data ranks compute something else than one"
    assert digest(work, "two") == digest(work, "cuda") and calls() == 0
    assert more("two_nccl", "train.checkpoint_writer=collective", env=nccl, exchange="nccl") == steps(one), "two data ranks compute something else than one over NCCL"
    assert digest(work, "two_nccl") == digest(work, "cuda") and calls() == 2
    assert worst(more("sums", "parallel.reduction=nccl", env=nccl, exchange="nccl, its sums"), steps(one)) <= 1e-5
    tensor = more("tensor", share, "parallel.tensor=2")
    assert worst(tensor, steps(one)) <= 1e-5
    assert more("tensor_nccl", "parallel.tensor=2", env=nccl, exchange="nccl") == tensor
    four = {**nccl, "TT_EMULATE_DEVICES": "4"}
    assert more("mesh", "parallel.tensor=2", env=four, ranks=4, exchange="nccl") == tensor, "data 2 x tensor 2 is not tensor 2"

    # what cannot be, and what fails on the way: one line, on whatever number of ranks
    for k, (words, settings, env) in enumerate((
            ("parallel.share_gpu", [], {}),
            ("NCCL cannot be loaded", ["parallel.exchange=nccl"], {**nccl, "TWOTRACK_NCCL": "libnccl-none.so"}),
            ("needs a GPU for every rank", ["parallel.exchange=nccl", share], nccl),
            ('needs parallel.exchange = "nccl"', ["parallel.exchange=mpi", "parallel.reduction=nccl"], nccl),
            ("ncclGroupEnd", [], {**nccl, "TT_FAKE_NCCL_FAIL": "ncclGroupEnd:9"}))):
        why = more(f"fails{k}", *settings, env=env, fails=True)
        assert words in why and why.count("twotrack: error") <= 2, why
    # without NCCL it goes by way of the host
    assert more("none", env={**nccl, "TWOTRACK_NCCL": "libnccl-none.so"}) == steps(one)


def check_memory(work):
    """What was planned is what the backend allocated: to a hundredth by the run itself, to a twentieth by a plan of the same updates."""
    how = [CONFIG, "--store", f"{work}/store", "--json"] + [a for s in SMALL[:3] + ["train.max_pairs=400"] for a in ("--set", s)]
    plan = subprocess.run([EMULATED, "plan", *how, "--gpu", "h100-80", "--gpus", "1", "--updates", "0:2"], check=True, capture_output=True)
    plan = json.loads(plan.stdout)["layouts"][0]["memory_bytes"]
    for precision in ("fp32", "bf16"):
        run = subprocess.run([EMULATED, "bench", "step", *how, "--warmup", "0", "--steps", "2", "--sgemm-seconds", "0", "--set",
                              "train.device=cuda", "--set", f"train.precision={precision}"], check=True, capture_output=True, timeout=PATIENCE)
        run = json.loads(run.stdout)
        peak, own = run["device_memory_peak_bytes"], run["device_memory_own_bytes"]
        ratio = sum(run["planned_memory_bytes"].values()) / (peak - own)
        print(f"{precision}: planned / allocated {ratio:.4f}; {1e-6 * peak:.2f} MB")
        assert own < min(peak, run["device_memory_used_bytes"])
        assert abs(ratio - 1) < 0.01, run
    assert plan["scratch"] > 0, "a plan of a program with CUDA leaves out what operations need"
    kinds = ("weights", "masters", "moments", "gradients", "exchange", "tables", "activations_expected", "scratch")
    assert abs(sum(plan[k] for k in kinds) / (peak - own) - 1) < 0.05, (plan, run)


with tempfile.TemporaryDirectory() as folder:
    check(folder)
    check_memory(folder)
