#!/usr/bin/env python3
"""The first 20 updates of a small run, against the losses in git: golden_test.py TWOTRACK MAKE_STORE [--write]

Tolerance: 1e-6 relative. Between BLAS kernel sets (SSE3, AVX2, AVX-512) the figures were seen to differ by at most 2e-8 over these
updates; after about 25 updates trajectories separate whatever one does, so no more are compared.
"""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "golden.jsonl")
FIELDS = ("loss", "loss_token", "loss_position", "loss_distance", "grad_norm", "lr", "loss_se", "loss_token_se",
          "loss_position_se", "loss_distance_se", "count", "masked", "baseline_token", "baseline_position", "baseline_distance")
# strong enough to show in 20 updates which parameters decay
SETTINGS = ("train.steps=20", "optimizer.weight_decay=1")


def run(twotrack, make_store):
    with tempfile.TemporaryDirectory() as work:
        store, out = os.path.join(work, "store"), os.path.join(work, "run")
        subprocess.run([make_store, store, "5000", "200"], check=True)
        subprocess.run([twotrack, "train", os.path.join(HERE, "small.cfg"), "--store", store, "--out", out,
                        *(a for s in SETTINGS for a in ("--set", s))], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(os.path.join(out, "run.jsonl")) as log:
            records = [json.loads(line) for line in log]
    return [{k: r[k] for k in ("type", "step", "samples") + FIELDS if k in r} for r in records if r["type"] in ("step", "valid")]


def main():
    records = run(*sys.argv[1:3])
    if "--write" in sys.argv:
        with open(GOLDEN, "w") as f:
            f.writelines(json.dumps(r) + "\n" for r in records)
    with open(GOLDEN) as f:
        golden = [json.loads(line) for line in f]
    assert len(records) == len(golden) >= 20, f"{len(records)} records, {len(golden)} golden ones"
    worst = 0.0
    for got, want in zip(records, golden):
        assert got.keys() == want.keys() and all(got[k] == want[k] for k in ("type", "step", "samples")), (got, want)
        for k in FIELDS:
            if k in want:
                error = abs(got[k] - want[k]) / (abs(want[k]) or 1)
                worst = max(worst, error)
                assert error <= 1e-6, f"{want['type']} {want['step']}: {k} {got[k]}, golden {want[k]}"
    print(f"{len(golden)} records, worst relative difference {worst:.1e}")


main()
