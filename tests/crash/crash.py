"""What the tests of crashes share: running a program with a fault at its n-th call that changes files, and going through all n."""
import collections
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time

# Which calls each fault counts (kinds as in shim.h). A process that is killed before a sync leaves what it leaves after the write before
# it; a file that is only opened is not torn.
KINDS = {"fail": "dmnosc", "full": "dmso", "tear": "d", "kill": "dmn"}
LONG = bool(os.environ.get("TT_TEST_LONG"))
SEED = int(os.environ.get("TT_TEST_SEED", "1"))

Ended = collections.namedtuple("Ended", "code out seconds")


class Bench:
    """Where programs are run: a temporary folder, the layer of shim.c, mpirun."""

    def __init__(self, shim, mpirun):
        self.shim, self.mpirun = os.path.abspath(shim), mpirun
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="twotrack-crash-"))
        os.mkdir(self.path("tmp"))
        self.problems, self.rows = [], []

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def close(self):
        if self.problems and os.environ.get("TT_TEST_KEEP"):
            print("kept", self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, ranks, arguments, settings=None):
        """One rank runs by itself. The settings, for the layer, are not for mpirun."""
        preload = ["env", "LD_PRELOAD=" + self.shim] + [f"{k}={v}" for k, v in settings.items()] if settings else []
        launch = [self.mpirun, "-q", "--oversubscribe", "--mca", "odls_base_sigkill_timeout", "0", "-n", str(ranks)] if ranks > 1 else []
        return launch + preload + arguments

    def environment(self):
        return dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_mpi_yield_when_idle="1", OMPI_MCA_hwloc_base_binding_policy="none",
                    TMPDIR=self.path("tmp"), OMPI_MCA_btl_vader_backing_directory=self.path("tmp"))

    def start(self, ranks, arguments, settings=None, out=subprocess.PIPE):
        return subprocess.Popen(self.command(ranks, arguments, settings), stdout=out, stderr=subprocess.STDOUT, text=True,
                                env=self.environment(), start_new_session=True)

    def run(self, ranks, arguments, settings=None):
        begun = time.monotonic()
        job = self.start(ranks, arguments, settings)
        try:
            out = job.communicate(timeout=float(os.environ.get("TT_TEST_PATIENCE", "120")))[0]
        except subprocess.TimeoutExpired:
            os.killpg(job.pid, signal.SIGKILL)
            out = job.communicate()[0] + "\n(did not end within two minutes)"
        return Ended(job.returncode, out, time.monotonic() - begun)

    def check(self, good, what):
        if not good:
            self.problems.append(what)
            print("FAILED:", what, flush=True)
        return good


def groups(listed):
    """The calls n that do the same, as far as their names tell: first, last and all between count as one group each."""
    of, result = {}, []
    for n, line in enumerate(listed, 1):
        kind, call, path = line.split("\t")
        of.setdefault((kind, call, re.sub(r"\d+", "#", path)), []).append(n)
    for members in of.values():
        result += [members[:1]] + ([members[1:-1]] if len(members) > 2 else []) + ([members[-1:]] if len(members) > 1 else [])
    return result


class Campaign:
    """Faults in one program, at one n after the other. `begin` prepares; `arguments` is the program; `judge(ended, how, what,
    ranks)` looks at what is left, goes on from there, and says how many updates were lost."""

    def __init__(self, bench, name, folder, ranks, arguments, begin, judge, rank=None, step=1):
        self.code = 0  # how the program ends without a fault
        self.always = lambda listed: []  # in the short form too: the calls of a list that are known to be delicate
        self.step = step  # in the long form, every so many-th call: where others go through all of them
        self.bench, self.name, self.folder, self.ranks, self.arguments = bench, name, folder, ranks, arguments
        self.begin, self.judge, self.rank = begin, judge, rank

    def settings(self, how, n=None):
        s = {"TT_CRASH_FOLDER": self.folder, "TT_CRASH_KINDS": KINDS[how], "TT_CRASH_REPORT": self.bench.path("report")}
        if n:
            s.update(TT_CRASH_HOW=how, TT_CRASH_AT=n)
        if self.rank is not None:
            s["TT_CRASH_RANK"] = self.rank
        return s

    def report(self):
        try:
            with open(self.bench.path("report")) as f:
                return f.read().splitlines()
        except FileNotFoundError:
            return []

    def execute(self, how, n=None):
        if os.path.exists(self.bench.path("report")):
            os.remove(self.bench.path("report"))
        self.begin()
        return self.bench.run(self.ranks, self.arguments, self.settings(how, n))

    def numbers(self, how, some):
        """All n, without end; or some, half of them of all calls alike, half of the groups alike."""
        if LONG:
            yield from range(1, 100000, self.step)
        self.execute(how)
        listed, draw = self.report(), random.Random(f"{SEED} {self.name} {how}")
        chosen = sorted(draw.choice(g) for g in groups(listed))
        drawn = draw.sample(chosen, min((some + 1) // 2, len(chosen)))
        drawn += draw.sample(range(1, len(listed) + 1), min(some // 2, len(listed)))
        yield from sorted(set(drawn) | set(self.always(listed)))

    def go(self, how, some):
        """Returns when the program ran to its end without the fault, or `some` n were tried."""
        bench, worst, wrong, restarts, count = self.bench, 0, 0, [], 0
        for n in self.numbers(how, some):
            ended = self.execute(how, n)
            call = " ".join(self.report()).replace("\t", " ")
            if not call:
                bench.check(ended.code == self.code, f"{self.name}: no fault, and it ended with {ended.code}: {ended.out[-600:]}")
                if LONG:
                    break
                continue  # threads: one call less than last time
            count += 1
            before = len(bench.problems)
            lost, seconds = self.judge(ended, how, f"{self.name}, {how} at call {n} ({call})", self.ranks)
            worst, wrong = max(worst, lost), wrong + (len(bench.problems) > before)
            restarts.append(seconds)
        bench.check(count > 0, f"{self.name}, {how}: no call was counted")
        bench.rows.append((self.name, how, count, worst, wrong, sorted(restarts)))
        show(bench.rows[-1:])


def show(rows, head=False):
    if head:
        print(f"{'what':34} {'fault':12} {'injected':>8} {'lost, worst':>11} {'wrong':>5} {'back, median and worst':>24}")
    for name, how, count, worst, wrong, restarts in rows:
        back = f"{restarts[len(restarts) // 2]:.2f} s {restarts[-1]:8.2f} s" if restarts else "-"
        print(f"{name:34} {how:12} {count:8} {worst:11} {wrong:5} {back:>24}", flush=True)
