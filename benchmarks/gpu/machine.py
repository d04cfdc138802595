"""Where the steps of `check` run: the programs, how they are started and stopped, the time that is left."""
import concurrent.futures
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Callable

LEAST_SECONDS = 5  # that must be left for a step to be begun


class Failed(Exception):
    """The step's verdict is FAIL; the text says why."""


class Skipped(Exception):
    """The step cannot be done here; the text says why."""


@dataclass
class Step:
    name: str
    seconds: float  # its limit
    run: Callable  # (machine) -> a line of text, or (text, facts)
    emulated: bool = True  # part of the emulated check


@dataclass
class Answer:
    code: int  # 124: stopped at the limit
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
            build = options.emulated
            self.store, self.launcher = options.store, shutil.which("mpirun")
            self.program = os.path.join(build, "tests", "cuda", "twotrack-emulated")
            self.parity = os.path.join(build, "tests", "cuda", "parity-emulated")
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
            out, code = process.communicate()[0] + "\nstopped at the limit of the step", 124
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

    def needed(self, answer, what):
        if answer.code:
            raise Failed(f"{what}: exit code {answer.code}: {answer.tail()}")
        return answer

    # ---- steps

    def attempt(self, step):
        begun = time.monotonic()
        left = self.end - begun
        result = {"name": step.name, "verdict": "PASS", "seconds": 0.0, "text": ""}
        if self.emulated and not step.emulated:
            return {**result, "verdict": "SKIPPED", "text": "needs a GPU"}
        if left < LEAST_SECONDS:
            return {**result, "verdict": "SKIPPED", "text": "no time was left"}
        self.limits.end = begun + min(step.seconds, left)
        try:
            answer = step.run(self)
            result["text"], result["facts"] = answer if isinstance(answer, tuple) else (answer, None)
        except Skipped as why:
            result.update(verdict="SKIPPED", text=str(why))
        except Failed as why:
            short = time.monotonic() >= self.limits.end and self.limits.end - begun < step.seconds
            result.update(verdict="SKIPPED" if short else "FAIL", text="no time was left to end it" if short else str(why))
        except Exception as why:  # a step that breaks is a failure, and must not hide the others
            result.update(verdict="FAIL", text=f"{type(why).__name__}: {why}")
        result["seconds"] = time.monotonic() - begun
        print(f"{result['verdict']:8} {step.name} ({result['seconds']:.1f} s)", file=sys.stderr, flush=True)
        return result

    def together(self, steps):
        """What is correct does not depend on what else runs."""
        with concurrent.futures.ThreadPoolExecutor(max(1, min(6, (os.cpu_count() or 1) // 2))) as pool:
            return list(pool.map(self.attempt, steps))

    def one_by_one(self, steps):
        return [self.attempt(step) for step in steps]

    def begin(self):
        """Whether there is a program that starts and a device that it can use."""
        return [self.attempt(Step("start", 60, start))]

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
                self.made[key] = make()
            return self.made[key]

    def heading(self):
        what = "emulated GPU: nothing here was computed on one" if self.emulated else self.facts.get("gpu", "no GPU was found")
        return f"{self.facts.get('version', 'twotrack')} on {what}"


def start(machine):
    version = machine.needed(machine.twotrack("--version"), "the program does not start")
    machine.facts["version"] = version.out.splitlines()[0]
    if not machine.emulated:
        smi = machine.run("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
        machine.facts["gpu"] = smi.out.strip().splitlines()[0] if smi.code == 0 else "a GPU that nvidia-smi does not name"
    said = machine.twotrack("bench", "ops", "--backend", "cuda", "--op", "copy")
    machine.needed(said, "no device that the program can use")
    return machine.facts["version"]


def json_of(answer):
    """The JSON object that a command printed, after whatever else it said."""
    at = answer.out.find("{")
    if at < 0:
        raise Failed(f"no answer: {answer.tail()}")
    return json.JSONDecoder().raw_decode(answer.out[at:])[0]
