#!/usr/bin/env python3
"""Every call of a training run that changes a file fails, meets a full disk, is torn, or is the last before the process is killed: the
run then goes on from a complete checkpoint and ends as if nothing had been. In the short form, one call of each sort, chosen by
TT_TEST_SEED; with TT_TEST_LONG, all. usage: train_test.py SHIM TWOTRACK MAKE_STORE MPIRUN"""
import os
import shutil
import sys

from crash import KINDS, Bench, Campaign, show
from training import Training, files


def failing(bench, run):
    """The run fails by itself, for its store is damaged; faults are met while that is noted. Then the store is mended."""
    broken = bench.path("broken")
    os.makedirs(broken)
    for name in os.listdir(run.store):
        with open(os.path.join(run.store, name), "rb") as f:
            content = bytearray(f.read())
        if name.startswith("shard-0000") and name.endswith(("0.h5", "1.h5")):
            content[20000:-20000] = bytes(len(content) - 40000)
        with open(os.path.join(broken, name), "wb") as f:
            f.write(content)

    def judge(ended, how, what, ranks):
        if how in ("fail", "full"):
            bench.check(ended.code == 1 and ended.out.count("twotrack: error") == 1, f"{what}: {ended.code}: {ended.out[-600:]}")
        if not bench.check(ended.code != 0, f"{what}: the damaged store was not seen"):
            return 0, 0
        return run.go_on(what)

    campaign = Campaign(bench, "a failure is noted", run.folder, 1, run.arguments(store=broken), run.clear, judge)
    campaign.code = 1
    return campaign


def resuming(bench, run):
    """Faults while a run goes on that was stopped after its first checkpoint, with a log that is damaged past it, and files half-written."""
    stopped = bench.path("stopped")
    settings = {"TT_CRASH_FOLDER": run.folder, "TT_CRASH_KINDS": "n", "TT_CRASH_HOW": "kill", "TT_CRASH_AT": 4}
    bench.run(1, run.arguments(), settings)
    shutil.copytree(run.folder, stopped)
    with open(os.path.join(stopped, "run.jsonl"), "a") as f:
        f.write('\0\0\0\n{"type":"step","step":3}\n{"type":"step","st')
    for left in ("checkpoints/step-000000004.h5.tmp.1", "config.cfg.tmp.22", "run.jsonl.tmp.333"):
        with open(os.path.join(stopped, left), "w") as f:
            f.write("half a file")
    bench.check(os.path.exists(os.path.join(stopped, "checkpoints", "step-000000002.h5")), "not stopped after a checkpoint")

    left_before = files(stopped)  # also what the kill left

    def begin():
        run.clear()
        shutil.copytree(stopped, run.folder)
        run.left_before = left_before

    return Campaign(bench, "going on", run.folder, 1, run.arguments(resume=True), begin, run.judge)


def main():
    shim, twotrack, make_store, mpirun = sys.argv[1:5]
    config = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tiny.cfg")
    bench = Bench(shim, mpirun)
    show([], head=True)
    direct = Training(bench, twotrack, make_store, config, name="direct")
    together = Training(bench, twotrack, make_store, config, ['train.checkpoint_writer="collective"'], name="collective")

    def campaign(name, run, ranks, rank=None, step=1):
        return Campaign(bench, name, run.folder, ranks, run.arguments(), run.clear, run.judge, rank, step)

    def writes_after_a_sync(listed):
        """HDF5's last write of a checkpoint, while it closes the file: when it failed on one rank, the ranks waited for each other."""
        return [n for n in range(2, len(listed) + 1) if "\tfsync\t" in listed[n - 2] and "\tpwrite\t" in listed[n - 1]][:1]

    # and how many calls of each fault in the short form
    campaigns = [(campaign("a run, direct writer", direct, 1), 6), (campaign("a run, collective writer", together, 1), 3),
                 (resuming(bench, direct), 4), (failing(bench, direct), 1)]
    if mpirun:
        campaigns += [(campaign("rank 0 of 2, direct", direct, 2, 0, 10), 1), (campaign("rank 1 of 2, direct", direct, 2, 1), 1),
                      (campaign("rank 0 of 2, collective", together, 2, 0), 1)]
        campaigns[-1][0].always = writes_after_a_sync
    only = os.environ.get("TT_TEST_ONLY", "")
    for campaign_, some in campaigns:
        for how in KINDS:
            if only in f"{campaign_.name}, {how}":
                campaign_.go(how, some)
    bench.close()
    print(f"{len(bench.problems)} failed" if bench.problems else "all is well")
    return 1 if bench.problems else 0


if __name__ == "__main__":
    sys.exit(main())
