"""Where the steps of `check` run: the programs, how they are started and stopped, the time that is left."""
import concurrent.futures
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Callable

MADE_STORE = (900, 40, 9)  # with the emulator: training and validation molecules, the most atoms
LEAST_SECONDS = 5  # that must be left for a step to be begun
STOPPED = 124


PASSED, FAILED, CUT_SHORT, SKIPPED = "passed", "FAILED", "CUT SHORT", "skipped"  # verdicts


class Failed(Exception):
    """Something is wrong; the text says what."""


class CutShort(Exception):
    """The step's limit ended it, or kept it from beginning, before it was known whether something is wrong."""


class Skipped(Exception):
    """The step cannot be done here; the text says why."""


VERDICTS = {Failed: FAILED, CutShort: CUT_SHORT, Skipped: SKIPPED}


@dataclass
class Step:
    name: str
    seconds: float  # its limit
    run: Callable  # (machine) -> a line of text, or (text, facts)
    emulated: bool = True  # part of the emulated check


@dataclass
class Answer:
    code: int  # STOPPED: at the limit
    out: str
    seconds: float

    def tail(self, lines=6):
        return " | ".join(line.strip() for line in self.out.strip().splitlines()[-lines:])[-600:]


class Machine:
    """Real: programs of the unpacked bundle in `bundle`. Emulated: those of a build, whose GPU is the emulator."""

    def __init__(self, root, work, options, bundle):
        self.root, self.work, self.emulated = root, work, bool(options.emulated)
        self.end = time.monotonic() + options.seconds
        self.log_lock = threading.Lock()
        self.log = open(os.path.join(options.out, "log.txt"), "w", encoding="utf-8")  # closed with the process
        self.limits = threading.local()
        self.making, self.locks, self.made = threading.Lock(), {}, {}
        self.facts = {"emulated": self.emulated}
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("OMPI_")}
        self.environment.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OPENBLAS_NUM_THREADS="1",
                                OMPI_MCA_mpi_yield_when_idle="1", OMPI_MCA_hwloc_base_binding_policy="none")  # fmt: skip
        self.own = dict(self.environment)  # of our programs, which bring their libraries
        if self.emulated:
            tests = os.path.join(os.path.abspath(options.emulated), "tests")
            self.store, self.launcher = os.path.join(work, "store"), shutil.which("mpirun")
            self.program, self.parity = (os.path.join(tests, "cuda", n + "-emulated") for n in ("twotrack", "parity"))
            self.make_store = os.path.join(tests, "train", "make_store")
        else:
            self.store, self.launcher = os.path.join(bundle, "store"), os.path.join(bundle, "bin", "mpirun")
            self.program, self.parity = (os.path.join(bundle, "bin", n) for n in ("twotrack", "parity"))
            self.own.update(OPAL_PREFIX=bundle, OMPI_MCA_plm="isolated",
                            PATH=os.path.join(bundle, "bin") + ":" + self.environment.get("PATH", "/usr/bin:/bin"),
                            LD_LIBRARY_PATH=":".join([os.path.join(bundle, "lib")] + self.libraries_of_cuda()))  # fmt: skip

    def libraries_of_cuda(self):
        """Folders that may hold libcublasLt and NCCL: the toolkit's, and those of Python packages."""
        inside = [os.path.join(p, "nvidia", "*", "lib") for p in sys.path if p.endswith("-packages")]
        found = [d for pattern in ["/usr/local/cuda*/lib64"] + inside for d in sorted(glob.glob(pattern))]
        return found + [d for d in self.environment.get("LD_LIBRARY_PATH", "").split(":") if d]

    # ---- programs

    def seconds_left(self):
        return min(self.end, getattr(self.limits, "end", self.end)) - time.monotonic()

    def run(self, *command, environment=None, cwd=None):
        """The command's exit code and output, which goes to the log too. Stopped at the step's limit, with what it started."""
        command, begun = [str(x) for x in command], time.monotonic()
        process = subprocess.Popen(command, env={**self.own, **(environment or {})}, cwd=cwd or self.work, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)  # fmt: skip
        try:
            out, code = process.communicate(timeout=max(1, self.seconds_left()))[0], process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, code = process.communicate()[0] + "\nstopped at the limit of the step", STOPPED
        answer = Answer(code, out, time.monotonic() - begun)
        with self.log_lock:
            self.log.write(f"$ {' '.join(command)}\n{out[:200000]}\n[{code}, {answer.seconds:.1f} s]\n\n")
            self.log.flush()
        return answer

    def twotrack(self, *options, ranks=0, **more):
        launch = [self.launcher, "-q", "--oversubscribe", "-n", ranks] if ranks else []
        if ranks and not self.launcher:
            raise Skipped("there is no mpirun")
        return self.run(*launch, self.program, *options, **more)

    def ended(self, answer, what):
        """The answer of a command that was not stopped."""
        if answer.code == STOPPED:
            raise CutShort(f"{what}: stopped after {answer.seconds:.0f} s")
        return answer

    def needed(self, answer, what):
        """The answer of a command that did what it was asked for."""
        if self.ended(answer, what).code:
            raise Failed(f"{what}: exit code {answer.code}: {answer.tail()}")
        return answer

    # ---- steps

    def attempt(self, step, end=float("inf")):
        begun = time.monotonic()
        self.limits.end = min(begun + step.seconds, self.end, end)
        result = {"name": step.name, "verdict": PASSED, "seconds": 0.0, "text": "", "facts": None}
        try:
            if self.emulated and not step.emulated:
                raise Skipped("needs a GPU")
            if self.limits.end - begun < LEAST_SECONDS:
                raise CutShort("not begun: no time was left")
            answer = step.run(self)
            result["text"], result["facts"] = answer if isinstance(answer, tuple) else (answer, None)
        except tuple(VERDICTS) as why:
            result.update(verdict=VERDICTS[type(why)], text=str(why))
        except Exception as why:  # a step that breaks is a failure, and must not hide the others
            result.update(verdict=FAILED, text=f"{type(why).__name__}: {why}")
        result["seconds"] = time.monotonic() - begun
        print(f"{result['verdict']:9} {step.name:16} {result['seconds']:6.1f} s  {result['text']}", flush=True)
        return result

    def together(self, steps, seconds):
        """What is correct does not depend on what else runs."""
        end = time.monotonic() + seconds
        with concurrent.futures.ThreadPoolExecutor(max(1, min(6, (os.cpu_count() or 1) // 2))) as pool:
            return list(pool.map(lambda step: self.attempt(step, end), steps))

    def one_by_one(self, steps):
        return [self.attempt(step) for step in steps]

    def begin(self):
        """Whether there is a program that starts and a device that it can use."""
        return self.attempt(Step("start", 60, start))

    def beside(self, calls):
        """Results of several functions at once, each within the calling step's limit."""
        end = self.limits.end

        def limited(call):
            self.limits.end = end
            return call()

        with concurrent.futures.ThreadPoolExecutor(max(1, min(len(calls), os.cpu_count() or 1))) as pool:
            return list(pool.map(limited, calls))

    def once(self, key, make):
        """What several steps need is made by the first."""
        with self.making:
            lock = self.locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self.made:
                try:
                    self.made[key] = make()
                except tuple(VERDICTS) as why:
                    self.made[key] = why
        if isinstance(self.made[key], Exception):
            raise self.made[key]
        return self.made[key]


def driver():
    """Of the GPU, as nvidia-smi has it."""
    try:
        said = subprocess.run(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, timeout=20).stdout.split()  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said[0] if said else None


def start(machine):
    version = machine.needed(machine.twotrack("--version"), "the program does not start")
    machine.facts["version"] = version.out.splitlines()[0]
    said = machine.ended(machine.twotrack("bench", "ops", "--backend", "cuda", "--op", "copy", "--json"), "an operation on the device")
    if said.code:
        raise Failed(f"there is no device that the program can use: {said.tail()}")
    hardware = machine.facts["hardware"] = json_of(said)["hardware"]
    machine.facts["driver"] = None if machine.emulated else driver()
    if machine.emulated:
        machine.needed(machine.run(machine.make_store, machine.store, *MADE_STORE), "make_store")
    return f"{machine.facts['version']}, {hardware['gpu']}"


def json_of(answer):
    """The JSON object that a command printed, after whatever else it said."""
    at = re.search(r"^\{$", answer.out, re.M)
    if not at:
        raise Failed(f"no answer: {answer.tail()}")
    return json.JSONDecoder().raw_decode(answer.out[at.start() :])[0]
