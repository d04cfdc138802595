#!/usr/bin/env python3
"""Every layout of ranks writes checkpoints that every other reads: matrix_test.py TWOTRACK MAKE_STORE MPIRUN REREAD

For each pair of layouts (data x tensor): the reader's state is the writer's, bit for bit (it writes the same file again); it sees the
same molecules in the same order; and its next 20 updates (8 without TT_TEST_LONG), dropout on, have the same losses bit by bit
where the tensor groups
are of equal size, else to 1e-5. Without TT_TEST_LONG each layout writes once and reads once, in pairs drawn by TT_TEST_SEED.
"""
import filecmp
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
LAYOUTS = ((1, 1), (2, 1), (4, 1), (1, 2), (2, 2), (1, 4))
SAVED, STEPS = 4, 24 if os.environ.get("TT_TEST_LONG") else 12  # the checkpoint that is handed on, and the end
SETTINGS = (f"train.steps={STEPS}", f"train.checkpoint_every={SAVED}", "train.checkpoint_keep=0", "train.batch_size=64",
            "train.micro_batches=4", f"validation.every={STEPS // 2}")
SAME = ("samples", "atoms", "pairs", "flops_executed", "flops_reference", "lr", "count", "masked", "baseline_token",
        "baseline_position", "baseline_distance")
NEAR = ("loss", "loss_token", "loss_position", "loss_distance", "grad_norm")


class Matrix:
    def __init__(self, work, twotrack, make_store, mpirun, reread):
        self.work, self.twotrack, self.mpirun, self.reread = work, twotrack, mpirun, reread
        self.store = os.path.join(work, "store")
        subprocess.run([make_store, self.store, "5000", "200", "12"], check=True)

    def ranks(self, layout, *command):
        """Under mpirun with this layout; a hang is a failure."""
        settings = [a for s in SETTINGS + (f"parallel.tensor={layout[1]}",) for a in ("--set", s)]
        done = subprocess.run([self.mpirun, "-q", "--oversubscribe", "-n", str(layout[0] * layout[1]), *command, *settings],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=float(os.environ.get("TT_TEST_PATIENCE", "240")), text=True)
        assert done.returncode == 0, f"{layout}: {' '.join(command)}: {done.stdout[-1500:]}"

    def train(self, layout, run, *options):
        self.ranks(layout, self.twotrack, "train", os.path.join(HERE, "small.cfg"), "--store", self.store, "--out", run, *options)

    def checkpoint(self, run):
        return os.path.join(run, "checkpoints", f"step-{SAVED:09d}.h5")

    def whole(self, layout):
        """The undisturbed run of a layout."""
        run = os.path.join(self.work, "whole-%d-%d" % layout)
        if not os.path.exists(run):
            self.train(layout, run)
        return run

    def pair(self, writer, reader):
        """What the reader makes of the writer's checkpoint: worst relative difference of the losses that follow."""
        source, run = self.whole(writer), os.path.join(self.work, "reads")
        again = os.path.join(self.work, "again.h5")
        self.ranks(reader, self.reread, os.path.join(HERE, "small.cfg"), self.checkpoint(source), again)
        assert filecmp.cmp(self.checkpoint(source), again, shallow=False), f"{writer} -> {reader}: another state was read"
        shutil.rmtree(run, ignore_errors=True)
        os.makedirs(os.path.join(run, "checkpoints"))
        shutil.copy(os.path.join(source, "run.jsonl"), run)
        shutil.copy(self.checkpoint(source), self.checkpoint(run))
        self.train(reader, run, "--resume")
        return compare(source, run, writer[1] == reader[1], f"{writer} -> {reader}")


def records(run):
    with open(os.path.join(run, "run.jsonl")) as log:
        every = [json.loads(line) for line in log]
    return [r for r in every if r["type"] in ("step", "valid")]


def compare(one, other, bitwise, what):
    a, b = records(one), records(other)
    assert len(a) == len(b) == STEPS + 3, f"{what}: {len(a)} and {len(b)} records"
    worst = 0.0
    for x, y in zip(a, b):
        assert x["type"] == y["type"] and x["step"] == y["step"], f"{what}: other records"
        for key in SAME:
            assert x.get(key) == y.get(key), f"{what}: {x['type']} {x['step']}: {key} {x.get(key)}, {y.get(key)}"
        for key in NEAR:
            if key in x:
                worst = max(worst, abs(x[key] - y[key]) / abs(x[key]))
    assert worst <= (0.0 if bitwise else 1e-5), f"{what}: losses differ by {worst:.1e}"
    return worst


def main():
    if not sys.argv[3]:
        sys.exit(77)  # no mpirun
    pairs = [(w, r) for w in LAYOUTS for r in LAYOUTS]
    if not os.environ.get("TT_TEST_LONG"):
        readers = list(LAYOUTS)
        random.Random(int(os.environ.get("TT_TEST_SEED", "1"))).shuffle(readers)
        pairs = list(zip(LAYOUTS, readers))
    with tempfile.TemporaryDirectory() as work:
        matrix = Matrix(work, *sys.argv[1:5])
        for writer, reader in pairs:
            worst = matrix.pair(writer, reader)
            print("written by %d x %d, read by %d x %d (data x tensor): the same state; losses differ by at most %.1e"
                  % (*writer, *reader, worst), flush=True)
        for layout in LAYOUTS:  # layouts of equal tensor groups have one curve, and it is not another one's by accident
            first = next(l for l in LAYOUTS if l[1] == layout[1])
            compare(matrix.whole(first), matrix.whole(layout), True, f"{first} and {layout}")


main()
