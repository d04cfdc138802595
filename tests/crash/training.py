"""A training run as the tests of crashes see it: what it left, and whether going on from there gives what an undisturbed run gives."""
import json
import os
import re
import shutil


def parse(log):
    """The complete records of a log, up to one that is damaged: the program decides what it makes of that."""
    found = []
    try:
        for line in log.split(b"\n")[:-1]:
            found.append(json.loads(line))
    except ValueError:
        pass
    return found


def records(folder):
    try:
        with open(os.path.join(folder, "run.jsonl"), "rb") as f:
            return parse(f.read())
    except FileNotFoundError:
        return []


def curve(folder):
    machine = ("samples_per_s", "data_s")
    return [{k: v for k, v in r.items() if k not in machine} for r in records(folder) if r["type"] in ("step", "valid")]


def last_step(found, kind):
    return max([r["step"] for r in found if r["type"] == kind], default=0)


def files(folder):
    return {os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names}


# Files that a disturbed run has and an undisturbed one has not.
OF_A_DISTURBED_RUN = {"failures.jsonl", "starts.jsonl"}


class Training:
    """A run that is disturbed, and the same run without."""

    def __init__(self, bench, twotrack, make_store, config, settings=(), name="run", steps=4, every=2):
        self.bench, self.twotrack, self.config = bench, twotrack, config
        self.settings = [x for s in settings for x in ("--set", s)]
        os.makedirs(bench.path(name))
        self.folder = bench.path(name, "run")  # of the run that is disturbed
        self.whole = bench.path(name, "whole")
        self.left_before = set()  # half-written files that were there before
        self.steps, self.every = steps, every
        self.store = bench.path("store")
        if not os.path.exists(self.store):
            assert bench.run(1, [make_store, self.store, "2000", "8", "6"]).code == 0
        ended = bench.run(1, self.arguments(self.whole))
        bench.check(ended.code == 0, f"the undisturbed run: {ended.out[-600:]}")
        self.curve, self.last = curve(self.whole), self.checkpoint(self.whole)
        bench.check(len(self.curve) > steps and self.last, "the undisturbed run is too short")

    def arguments(self, folder=None, resume=False, store=None):
        return [self.twotrack, "train", self.config, "--store", store or self.store, "--out", folder or self.folder] + self.settings + (
            ["--resume"] if resume else [])

    def checkpoint(self, folder):
        """The bytes of the last step's checkpoint."""
        try:
            with open(os.path.join(folder, "checkpoints", f"step-{self.steps:09}.h5"), "rb") as f:
                return f.read()
        except FileNotFoundError:
            return None

    def clear(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.left_before = set()

    def go_on(self, what, announced=None):
        """Goes on with the run in the folder; all must be as it is without the disturbance. Returns how many updates were done again
        and how long it took. `announced`: the log as it was read last, where the disk may have an older one."""
        bench, folder = self.bench, self.folder
        found = records(folder) if announced is None else parse(announced)
        reached, saved = last_step(found, "step"), last_step(found, "save")
        ended = bench.run(1, self.arguments(folder, resume=True))
        if not bench.check(ended.code == 0, f"{what}: going on failed with {ended.code}: {ended.out[-600:]}"):
            return 0, ended.seconds
        bench.check("warning" not in ended.out, f"{what}: going on warns: {ended.out[-600:]}")
        resumed = re.search(r"resuming +from \S*step-(\d+)\.h5", ended.out)
        from_step = int(resumed[1]) if resumed else 0
        lost = max(reached - from_step, 0)
        bench.check(from_step >= saved, f"{what}: the log told of a checkpoint of {saved}, and it went on from {from_step}")
        # a checkpoint is complete before the next one begins, so those since the one before may be lost
        bench.check(lost <= 2 * self.every, f"{what}: {lost} updates were lost, of {reached}")
        bench.check(curve(folder) == self.curve, f"{what}: the records are not those of an undisturbed run")
        bench.check(self.checkpoint(folder) == self.last, f"{what}: the last checkpoint is not that of an undisturbed run")
        extra = files(folder) - files(self.whole) - OF_A_DISTURBED_RUN
        bench.check(not extra, f"{what}: left {sorted(extra)}")
        missing = files(self.whole) - files(folder)
        bench.check(not missing, f"{what}: {sorted(missing)} is missing")
        return lost, ended.seconds

    def look_after_fault(self, ended, how, what):
        """How the program itself took it."""
        bench = self.bench
        if how in ("kill", "tear"):
            bench.check(ended.code not in (0, 1, 2), f"{what}: not killed but {ended.code}: {ended.out[-600:]}")
            return
        if ended.code == 0:
            return  # it could do without; what it gives is looked at next
        said = [line for line in ended.out.splitlines() if "twotrack: error" in line]
        bench.check(ended.code == 1 and len(said) == 1 and self.folder in said[0],
                    f"{what}: ended with {ended.code}, and says not one line that names the file: {ended.out[-600:]}")
        left = {f for f in files(self.folder) if ".tmp." in f} - self.left_before
        bench.check(not left or "unlink" in what, f"{what}: left {sorted(left)}")

    def judge(self, ended, how, what, ranks):
        self.look_after_fault(ended, how, what)
        return self.go_on(what)
