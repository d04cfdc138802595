#!/usr/bin/env python3
"""Runs that are killed again and again, at random moments: all of the job, or one rank of it. Each start goes on from a complete checkpoint, no
more than the updates since are lost, and at the end the curve and the last checkpoint are those of a run that was left alone. Kills: 10, with
TT_TEST_LONG 240, or TT_TEST_KILLS; TT_TEST_SEED chooses the moments. usage: kill_test.py SHIM TWOTRACK MAKE_STORE MPIRUN"""
import os
import random
import re
import signal
import sys
import time

from crash import LONG, SEED, Bench, show
from training import Training, last_step, records


def session(leader):
    """The processes of a session, with what is known of them: process number -> (program, rank)."""
    found = {}
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/stat") as f:
                after = f.read().rpartition(")")[2].split()
            if not name.isdigit() or int(after[3]) != leader or after[0] == "Z":
                continue
            with open(f"/proc/{name}/environ", "rb") as f:
                rank = re.search(rb"(?:^|\0)OMPI_COMM_WORLD_RANK=(\d+)", f.read())
            found[int(name)] = (os.path.basename(os.readlink(f"/proc/{name}/exe")), int(rank[1]) if rank else None)
        except OSError:
            pass  # gone, or no process
    return found


class Killing:
    def __init__(self, bench, run, draw):
        self.bench, self.run, self.draw = bench, run, draw
        self.rows = {}  # what was killed -> lost updates, seconds to the end of the job
        self.back = []  # seconds from a start to the first new update in the log
        self.before = (0, 0)  # of the run at the last start that went on: updates that are logged, the last save in the log

    def wait(self, job, until):
        """Waits for the moment; whether the job still runs."""
        deadline = time.monotonic() + 100
        while job.poll() is None and not until() and time.monotonic() < deadline:
            time.sleep(0.001)
        return job.poll() is None

    def moment(self, job):
        begun, start = time.monotonic(), last_step(records(self.run.folder), "step")
        new = []

        def logged():
            now = last_step(records(self.run.folder), "step")
            if now != start and not new:
                new.append(time.monotonic() - begun)
            return now

        if self.draw.random() < 0.25:  # at any moment of the start
            more = self.draw.random() * 0.8
            self.wait(job, lambda: time.monotonic() - begun > more)
        else:
            for _ in range(2):  # records past the checkpoint go at the start: then count from there
                more = self.draw.randrange(1, 4 * self.run.every)
                start = logged()
                self.wait(job, lambda: logged() >= start + more or logged() < start)
            time.sleep(self.draw.random() * 0.01)
        return new

    def kill(self, job, ranks):
        """Kills all of the job or one rank; None when it was over."""
        there = session(job.pid)
        ours = {pid: rank for pid, (name, rank) in there.items() if name == "twotrack"}
        one = ranks > 1 and ours and self.draw.random() < 0.5
        victims = [self.draw.choice(sorted(ours))] if one else sorted(there)
        if job.poll() is not None or not ours:
            return None
        rank = ours[victims[0]] if one else None
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        killed = time.monotonic()
        job.wait(timeout=60)
        while session(job.pid):
            time.sleep(0.005)
        return (f"{ranks} ranks: one killed" if one else f"{ranks} rank{'s' * (ranks > 1)}: all killed"), time.monotonic() - killed, rank

    def look(self, said, what):
        """What the start that ended went on from; how many updates were lost by it."""
        resumed = re.search(r"resuming +from \S*step-(\d+)\.h5", said)
        if not resumed and not re.search("training +▕", said):
            return 0  # killed before
        step = int(resumed[1]) if resumed else 0
        reached, saved = self.before
        lost = max(reached - step, 0)
        self.bench.check(step >= saved, f"{what}: the log told of a checkpoint of {saved}, and it went on from {step}")
        self.bench.check(lost <= 2 * self.run.every, f"{what}: {lost} updates were lost, of {reached}")
        return lost

    def once(self, n):
        """One start, and its end. Returns whether it was killed."""
        bench, run, ranks = self.bench, self.run, self.draw.choice((1, 2, 2, 4))
        log = records(run.folder)
        self.before = last_step(log, "step"), last_step(log, "save")
        with open(bench.path("out"), "w+") as out:
            job = bench.start(ranks, run.arguments(resume=True), out=out)
            new = self.moment(job)
            killed = self.kill(job, ranks)
            job.wait(timeout=120)
            out.seek(0)
            said = out.read()
        what = f"kill {n}, {killed[0] if killed else f'{ranks} ranks, not killed'}"
        bench.check(killed or job.returncode == 0, f"{what}: ended with {job.returncode}: {said[-600:]}")
        lost = self.look(said, what)
        self.back += new
        if killed:
            self.rows.setdefault(killed[0], []).append((lost, killed[1]))
        return bool(killed)


def main():
    shim, twotrack, make_store, mpirun = sys.argv[1:5]
    bench = Bench(shim, mpirun)
    kills = int(os.environ.get("TT_TEST_KILLS", "240" if LONG else "10"))
    config = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tiny.cfg")
    settings = ["train.steps=200", "train.checkpoint_every=10", "train.checkpoint_keep=2", "validation.every=40", "train.micro_batches=4"]
    run = Training(bench, twotrack, make_store, config, settings, steps=200, every=10)
    killing = Killing(bench, run, random.Random(SEED))
    done = runs = 0
    while done < kills and not bench.problems:
        run.clear()
        whole = False
        while not whole:  # at most so many kills, then it is left alone
            if done < kills:
                done += killing.once(done + 1)
                last = last_step(records(run.folder), "save")
                whole = last == run.steps and run.checkpoint(run.folder) == run.last
            else:
                break
        run.go_on(f"run {runs}, after {done} kills")
        runs += 1
    show([], head=True)
    for name, all_ in sorted(killing.rows.items()):
        show([(name, "SIGKILL", len(all_), max(l for l, _ in all_), 0, sorted(s for _, s in all_))])
    back = sorted(killing.back)
    print(f"{runs} runs, {done} kills, {len(bench.problems)} wrong; in the last column: from the kill to the end of the job; from a start to a "
          f"new update in the log: median {back[len(back) // 2]:.2f} s, worst {back[-1]:.2f} s" if back else "no run came far enough")
    bench.check(done >= kills, f"{done} kills of {kills}")
    bench.close()
    print(f"{len(bench.problems)} failed" if bench.problems else "all is well")
    return 1 if bench.problems else 0


if __name__ == "__main__":
    sys.exit(main())
