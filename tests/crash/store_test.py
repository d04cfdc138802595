#!/usr/bin/env python3
"""Every call of `store build` and `store merge` that changes a file fails, meets a full disk, is torn, or is the last before the process
is killed, and the power goes at any moment: the same command then gives the same bytes as undisturbed, and nothing else stays. In the
short form, calls chosen by TT_TEST_SEED; with TT_TEST_LONG, all. usage: store_test.py SHIM TWOTRACK MAKE_STORE MPIRUN
exit code 77: a build without RDKit"""
import os
import shutil
import sys

from crash import KINDS, Bench, Campaign, show
from power_test import play, record

MOLECULES = ("C CC CCC CCO c1ccccc1 CCN bad( OCC CCCl", "CCO CF CCF CO CCCO bad( CN")


def contents(folder):
    found = {}
    for at, folders, names in os.walk(folder):
        for name in folders:
            found[os.path.relpath(os.path.join(at, name), folder)] = None
        for name in names:
            with open(os.path.join(at, name), "rb") as f:
                found[os.path.relpath(os.path.join(at, name), folder)] = f.read()
    return found


class Making:
    """A command that makes a store in `folder`; the same command goes on with it, or begins afresh."""

    def __init__(self, bench, name, twotrack, arguments):
        self.bench, self.folder = bench, bench.path(name, "store")
        os.makedirs(bench.path(name))
        self.arguments = [twotrack, "store"] + arguments + ["--out", self.folder]
        ended = bench.run(1, self.arguments)
        bench.check(ended.code == 0, f"undisturbed: {ended.out[-600:]}")
        self.whole = contents(self.folder)

    def clear(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def go_on(self, what):
        ended = self.bench.run(1, self.arguments)
        complete = "already holds a store" in ended.out  # a merge that was killed after its manifest has nothing left to do
        if not self.bench.check(ended.code == 0 or complete, f"{what}: going on failed: {ended.out[-600:]}"):
            return 0, ended.seconds
        now = contents(self.folder)
        names = sorted(set(now) ^ set(self.whole))
        self.bench.check(not names, f"{what}: more or less than undisturbed: {names}")
        differ = [n for n in now if n in self.whole and now[n] != self.whole[n]]
        self.bench.check(not differ, f"{what}: other bytes than undisturbed: {differ}")
        return 0, ended.seconds

    def judge(self, ended, how, what, ranks):
        bench = self.bench
        if how in ("kill", "tear"):
            bench.check(ended.code not in (0, 1, 2), f"{what}: not killed but {ended.code}: {ended.out[-600:]}")
        elif ended.code != 0:
            said = [line for line in ended.out.splitlines() if "twotrack: error" in line]
            bench.check(ended.code == 1 and len(said) == 1 and self.folder in said[0], f"{what}: {ended.code}: {ended.out[-600:]}")
            left = [f for f in contents(self.folder) if ".tmp." in f] if os.path.isdir(self.folder) else []
            bench.check(not left or "unlink" in what or ranks > 1, f"{what}: left {left}")  # the other rank is ended where it stands
        return self.go_on(what)


def main():
    shim, twotrack, make_store, mpirun = sys.argv[1:5]
    bench = Bench(shim, mpirun)
    inputs = [bench.path("a.smi"), bench.path("b.smi")]
    for path, molecules in zip(inputs, MOLECULES):
        with open(path, "w") as f:
            f.write("\n".join(molecules.split()) + "\n")
    options = ["--valid-fraction", "0.3", "--shards", "2", "--seed", "5", "--spill", "0.001"]
    parts = [bench.path("part-0"), bench.path("part-1")]
    for path, part in zip(inputs, parts):
        if "has no RDKit" in bench.run(1, [twotrack, "store", "build", path, "--out", part] + options).out:
            bench.close()
            return 77
    show([], head=True)
    build = Making(bench, "built", twotrack, ["build"] + inputs + options)
    merge = Making(bench, "merged", twotrack, ["merge"] + parts)

    def campaign(name, making, ranks, rank=None):
        return Campaign(bench, name, making.folder, ranks, making.arguments, making.clear, making.judge, rank)

    only = os.environ.get("TT_TEST_ONLY", "")
    campaigns = [(campaign("store build", build, 1), 7), (campaign("store merge", merge, 1), 4)]
    if mpirun:
        campaigns += [(campaign("store build, rank 1 of 2", build, 2, 1), 1)]
    for campaign_, some in campaigns:
        for how in KINDS:
            if only in f"{campaign_.name}, {how}":
                campaign_.go(how, some)
    for name, making, some in (("power, store build", build, 4), ("power, store merge", merge, 3)):
        if only in name:
            making.clear()
            records = record(bench, name, making.folder, 1, making.arguments)
            play(bench, name, making.folder, records, lambda what, log, m=making: m.go_on(what), some)
    bench.close()
    print(f"{len(bench.problems)} failed" if bench.problems else "all is well")
    return 1 if bench.problems else 0


if __name__ == "__main__":
    sys.exit(main())
