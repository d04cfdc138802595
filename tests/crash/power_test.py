#!/usr/bin/env python3
"""The power goes at any moment of a training run, or while a store is built: a run's calls are recorded, and for each n the folder is made
as a disk could have it after the n-th call (disk.py): the program then goes on from there. In the short form moments chosen by
TT_TEST_SEED, with TT_TEST_LONG all. usage: power_test.py SHIM TWOTRACK MAKE_STORE MPIRUN"""
import hashlib
import os
import random
import shutil
import sys

from crash import LONG, SEED, Bench, show
from disk import LOSSES, Disk, draw_for, make_folder, read_journal
from training import Training, last_step, parse


def fingerprint(found):
    h = hashlib.sha256()
    for path, content in sorted(found.items()):
        h.update(f"{path}\0{'folder' if content is None else len(content)}\0".encode())
        h.update(content or b"")
    return h.digest()


def record(bench, name, folder, ranks, arguments):
    """Runs the program with a journal of its calls in `folder`, which must not be there, and in the one above."""
    journal = bench.path(name.replace(" ", "-") + ".journal")
    ended = bench.run(ranks, arguments, {"TT_CRASH_FOLDER": os.path.dirname(folder), "TT_CRASH_JOURNAL": journal})
    bench.check(ended.code == 0, f"{name}: {ended.out[-600:]}")
    shutil.rmtree(folder)
    return list(read_journal(journal))


def describe(record):
    what, fields, _ = record
    return " ".join([what] + fields)


def play(bench, name, top, records, judge, some):
    """For each moment and each kind of loss, once for those that are equal: makes what was left below `top` and calls
    judge(what, the log as it was before). `some`: how many states of a kind in the short form."""
    disk = Disk(os.path.dirname(top))
    states, seen, announced = [], set(), {}
    for n, one in enumerate(records, 1):
        disk.play(one)
        log = disk.now.of.get(os.path.join(top, "run.jsonl"))
        announced[n] = bytes(log.now) if log else b""
        told = last_step(parse(announced[n]), "save"), last_step(parse(announced[n]), "step")
        for loss in LOSSES:
            found = disk.after(loss, draw_for(SEED, n))
            mark = fingerprint(found), told  # what is right to go on from depends on what was told before
            if mark not in seen:
                seen.add(mark)
                states.append((n, loss, found))
    draw = random.Random(f"{SEED} {name}")
    for loss in LOSSES:
        worst, wrong, restarts = 0, 0, []
        chosen = [s for s in states if s[1] == loss]
        if not LONG and len(chosen) > some:
            chosen = draw.sample(chosen, some)
        for n, _, found in chosen:
            shutil.rmtree(top, ignore_errors=True)
            make_folder(found, os.path.dirname(top))
            before = len(bench.problems)
            lost, seconds = judge(f"{name}, power lost after call {n} of {len(records)} ({describe(records[n - 1])}), lost: {loss}", announced[n])
            worst, wrong = max(worst, lost), wrong + (len(bench.problems) > before)
            restarts.append(seconds)
        bench.rows.append((name, "power: " + loss, len(restarts), worst, wrong, sorted(restarts)))
        show(bench.rows[-1:])


def main():
    shim, twotrack, make_store, mpirun = sys.argv[1:5]
    config = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tiny.cfg")
    bench = Bench(shim, mpirun)
    show([], head=True)
    runs = [("power, direct", 1, [], 8), ("power, collective", 1, ['train.checkpoint_writer="collective"'], 4)]
    if mpirun:
        runs += [("power, direct, 2 ranks", 2, [], 1), ("power, collective, 2 ranks", 2, ['train.checkpoint_writer="collective"'], 1)]
    for name, ranks, settings, some in runs:
        if os.environ.get("TT_TEST_ONLY", "") not in name:
            continue
        run = Training(bench, twotrack, make_store, config, settings, name=name.replace(",", "").replace(" ", "-"))
        records = record(bench, name, run.folder, ranks, run.arguments())
        play(bench, name, run.folder, records, lambda what, log: run.go_on(what, announced=log), some)
    bench.close()
    print(f"{len(bench.problems)} failed" if bench.problems else "all is well")
    return 1 if bench.problems else 0


if __name__ == "__main__":
    sys.exit(main())
