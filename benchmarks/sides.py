"""The two sides that the scripts here compare, how each is run, and what a record of a measurement has to say.

Ours is `mpirun -n RANKS build/twotrack bench step`, ranks of one thread; the peer is peer_torch.py. $PYTHON is the Python that has
torch and h5py (requirements.txt; default: the one that runs the script), $TWOTRACK the program (default: build/twotrack), $MPIRUN the
launcher (default: mpirun -q).
"""
import argparse
import datetime
import json
import os
import platform
import re
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = os.path.normpath(os.path.join(HERE, "..", "configs", "84M.cfg"))  # it writes no key but the preset, which is overridden
PEER = os.path.join(HERE, "peer_torch.py")
PROGRAM = os.environ.get("TWOTRACK", os.path.normpath(os.path.join(HERE, "..", "build", "twotrack")))
PYTHON = os.environ.get("PYTHON", sys.executable)
OPTION_OF = {  # keys that --set must not give: an option gives them to both sides and to the report
    "model.preset": "--preset", "data.store": "--store", "data.lanes": "--lanes", "train.batch_size": "--batch",
    "train.micro_batches": "--leaves", "train.precision": "--precision", "train.steps": "--steps",
}  # fmt: skip
KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_TOP_PAD_": "268435456"}
SETTINGS = {  # of the peer: environments
    "as installed": {},
    "memory kept": KEPT_MEMORY,
    "memory kept, huge pages": {**KEPT_MEMORY, "THP_MEM_ALLOC_ENABLE": "1"},
    "threads bound": {"OMP_PROC_BIND": "true"},
    "threads bound, memory kept": {**KEPT_MEMORY, "OMP_PROC_BIND": "true"},
}


# ---- running


def fail(text):
    sys.exit(f"{os.path.basename(sys.argv[0])}: {text}")


def run(command, extra):
    """The JSON object that the command prints; extra: variables of its environment."""
    # neither side is to be held to the kernels of an older CPU by what happens to be set
    env = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OMP_NUM_THREADS", "MKL_ENABLE_INSTRUCTIONS")}
    if os.geteuid() == 0:  # Open MPI refuses root unless told twice; in a container root is often the only user
        env.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    command = [str(x) for x in command]
    try:
        done = subprocess.run(command, env={**env, **extra}, stdout=subprocess.PIPE, text=True)
    except OSError as error:
        fail(f"cannot run {command[0]}: {error.strerror} (MPIRUN, TWOTRACK and PYTHON name the programs)")
    if done.returncode:
        settings = [f"{k}={v}" for k, v in extra.items()]
        fail(f"this command failed (status {done.returncode}): {shlex.join(['env', *settings, *command])}\n{done.stdout}".rstrip())
    return json.loads(done.stdout)


def ours(a, ranks, leaves, steps, warmup, precision="fp32", preset=None):
    keys = {"model.preset": preset or a.preset, "data.lanes": a.lanes, "train.steps": 1000000, "train.batch_size": a.batch,
            "train.micro_batches": leaves, "train.precision": precision}  # fmt: skip
    command = shlex.split(os.environ.get("MPIRUN", "mpirun -q")) + ["-n", ranks, PROGRAM, "bench", "step", CONFIG]
    command += ["--store", a.store, "--steps", steps, "--warmup", warmup, "--json"]
    for text in [f"{key}={value}" for key, value in keys.items()] + a.set:
        command += ["--set", text]
    result = run(command, {"OPENBLAS_NUM_THREADS": "1"})
    if result["precision"] != precision:
        fail(f"twotrack computed in {result['precision']}, not in {precision}")
    return result


def peer(a, threads, setting, steps, warmup, *more):
    command = [PYTHON, PEER, "time", "--store", a.store]
    command += ["--shape", a.preset, "--batch", a.batch, "--lanes", a.lanes, "--threads", threads]
    return run(command + ["--steps", steps, "--warmup", warmup, *more], SETTINGS[setting])


def check_same_molecules(us, them):
    atoms = round(us["atoms_per_s"] * us["ms_per_update"] * us["steps"] / 1e3)
    if us["length_histogram"] != them["length_histogram"] or atoms != them["atoms_total"]:
        fail("the two sides did not meet the same molecules: their lengths differ")
    if us.get("parameters", them["parameters"]) != them["parameters"]:
        fail(f"the two sides are not the same model: {us['parameters']} parameters and {them['parameters']}")


def check_ours(ranks):
    """What would stop our side, before anything is measured."""
    if not shutil.which(PROGRAM):
        fail(f"there is no program {PROGRAM}: build it (ninja -C build), or name it in TWOTRACK")
    siblings = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"  # Open MPI counts cores, not their threads
    cores = set()
    for n in os.sched_getaffinity(0):
        try:
            with open(siblings.format(n), encoding="ascii") as file:
                cores.add(file.read())
        except OSError:
            cores.add(n)
    if "MPIRUN" not in os.environ and ranks > len(cores):
        fail(f"{ranks} ranks on {counted(len(cores), 'core')}: fewer, or MPIRUN=\"mpirun --oversubscribe\" to measure nonetheless")


def check_peer(a):
    """What would stop the peer: its imports, preset, store."""
    command = [PYTHON, PEER, "check", "--store", a.store, "--shape", a.preset, "--batch", a.batch, "--lanes", a.lanes]
    run(command, {})


# ---- options


def whole(least):
    """The type of an option."""

    def parse(text):
        if not re.fullmatch("-?[0-9]+", text) or int(text) < least:
            raise argparse.ArgumentTypeError(f"'{text}' is no whole number of {least} or more")
        return int(text)

    return parse


def power_of_two(text):
    n = whole(1)(text)
    if n & (n - 1):
        raise argparse.ArgumentTypeError(f"{n} is no power of two")
    return n


def listed(one):
    """The type of an option that is one or several, separated by commas and all different."""

    def parse(text):
        values = [one(x) for x in text.split(",")]
        if len(set(values)) < len(values):
            raise argparse.ArgumentTypeError(f"'{text}' names one twice")
        return values

    return parse


def output_file(text):
    here = text if os.path.exists(text) else os.path.dirname(text) or "."
    if os.path.isdir(text) or not os.access(here, os.W_OK):
        raise argparse.ArgumentTypeError(f"'{text}' cannot be written: is its folder there?")
    return text


def key_value(text):
    key, equals, _ = text.partition("=")
    if not re.fullmatch(r"\w+\.\w+", key) or not equals:
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form group.key=value")
    if key in OPTION_OF:
        raise argparse.ArgumentTypeError(f"{key} is given by {OPTION_OF[key]}")
    return text


def parser(text, preset, batch, steps):
    p = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--store", required=True)
    p.add_argument("--preset", default=preset, help=f"of the model (default {preset})")
    p.add_argument("--batch", type=whole(1), default=batch, help=f"molecules of an update (default {batch})")
    p.add_argument("--lanes", type=whole(1), default=4, help="data.lanes; 1 needs 769 molecules, each further one 1024 (default 4)")
    p.add_argument("--steps", type=whole(1), default=steps, help=f"timed updates of a measurement (default {steps})")
    p.add_argument("--set", metavar="GROUP.KEY=VALUE", action="append", type=key_value, default=[],
                   help="another key of our configuration, such as train.recompute=pair; may be given again")  # fmt: skip
    p.add_argument("--json", metavar="FILE", type=output_file, help="write the record there too, with all measurements")
    return p


# ---- telling


def note(text):
    """What is under way: not part of the record."""
    print(text, file=sys.stderr, flush=True)


def counted(n, one, many=None):
    return f"1 {one}" if n == 1 else f"{n} {many or one + 's'}"


class Load:
    """What the machine has to do besides, from now on. Our own work is told apart from it, as a load average cannot."""

    def __init__(self):
        self.before, self.begun, self.others = os.getloadavg()[0], time.monotonic(), self.others_so_far()

    @staticmethod
    def others_so_far():
        """CPU seconds of this machine since its start, less those of this program and the commands that it ran."""
        with open("/proc/stat", encoding="ascii") as file:
            ticks = [int(x) for x in file.readline().split()[1:9]]
        usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        ours = sum(used.ru_utime + used.ru_stime for used in usage)
        return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK") - ours  # 3, 4: idle

    def text(self):
        cores = os.cpu_count()
        others = max(0.0, self.others_so_far() - self.others) / max(1e-9, time.monotonic() - self.begun)
        text = f"load {self.before:.1f} before, {os.getloadavg()[0]:.1f} after; "
        text += f"other programs took {others:.2f} of {counted(cores, 'core')}."
        if others > cores / 10 or self.before > cores / 2:
            text += "\n**The machine was busy: do not quote these times.**"
        return text


def cpu():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        first = file.read().split("\n\n")[0]
    facts = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in first.splitlines())}
    kernels = [k for k in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if k in facts.get("flags", "").split()]
    return (f"{facts.get('model name', platform.machine())} (family {facts.get('cpu family', '?')}, model {facts.get('model', '?')}; "
            f"{' '.join(kernels)}), {counted(os.cpu_count(), 'core')}")  # fmt: skip


def spread(values, digits):
    return [f"{x:.{digits}f}" for x in (min(values), statistics.median(values), max(values))]


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def heading(a, us, them, load):
    """Where, when and with what, of one result of ours and one of the peer, or None."""
    versions, hardware = f"Ours: {us['code_version']}, {us['backend']}", us["hardware"]
    versions += f", gcc {hardware['compiler']}, {hardware['openblas_kernels']} kernels of OpenBLAS, {hardware['mpi']}."
    if them:
        versions += f" Peer: torch {them['torch']}, {counted(them['threads'], 'thread')}."
    if a.set:
        versions += f"\nOurs with {', '.join(a.set)}."
    return (f"{datetime.date.today()}; {cpu()}; {hardware['system']}, {hardware['memory_bytes'] / 2**30:.0f} GiB; "
            f"{load.text()}\n{versions}\n\n    {shlex.join([os.path.relpath(sys.argv[0]), *sys.argv[1:]])}\n")  # fmt: skip


def write_record(a, text, measured):
    print(text)
    if a.json:
        record = {"command": shlex.join(sys.argv), "date": str(datetime.date.today()), "cpu": cpu(), "report": text, **measured}
        with open(a.json, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=1)
            file.write("\n")
