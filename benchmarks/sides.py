"""The two sides that the scripts here compare, how each is run, and what a record of a measurement has to say.

Ours is `mpirun -n RANKS build/twotrack bench step`, ranks of one thread; the peer is peer_torch.py. $PYTHON is the Python that has
torch and h5py (requirements.txt), $TWOTRACK the program (default: build/twotrack), $MPIRUN the launcher (default: mpirun).
"""
import argparse
import datetime
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_TOP_PAD_": "268435456"}
SETTINGS = {  # of the peer: environments
    "as installed": {},
    "memory kept": KEPT_MEMORY,
    "memory kept, huge pages": {**KEPT_MEMORY, "THP_MEM_ALLOC_ENABLE": "1"},
    "threads bound": {"OMP_PROC_BIND": "true"},
    "threads bound, memory kept": {**KEPT_MEMORY, "OMP_PROC_BIND": "true"},
}


# ---- running


def run(command, extra):
    # neither side is to be held to the kernels of an older CPU by what happens to be set
    env = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OMP_NUM_THREADS", "MKL_ENABLE_INSTRUCTIONS")}
    if os.geteuid() == 0:  # Open MPI refuses root unless told twice; in a container root is often the only user
        env.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    command = [str(x) for x in command]
    done = subprocess.run(command, env={**env, **extra}, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{os.path.basename(sys.argv[0])}: this command failed (status {done.returncode}): {shlex.join(command)}\n{done.stdout}")
    return json.loads(done.stdout)


def ours(a, ranks, leaves, steps, warmup, precision="fp32", preset=None):
    program = os.environ.get("TWOTRACK", os.path.join(HERE, "..", "build", "twotrack"))
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as config:
        config.write(f'model = {{ preset = "{preset or a.preset}"; }};\ndata = {{ store = ""; lanes = {a.lanes}; }};\n'
                     f"train = {{ steps = 1000000; batch_size = {a.batch}; micro_batches = {leaves}; }};\n")  # fmt: skip
        config.flush()
        command = shlex.split(os.environ.get("MPIRUN", "mpirun")) + ["-n", ranks, program, "bench", "step", config.name]
        command += ["--store", a.store, "--steps", steps, "--warmup", warmup, "--json"]
        if precision != "fp32":
            command += ["--set", f"train.precision={precision}"]
        result = run(command, {"OPENBLAS_NUM_THREADS": "1"})
    if result["precision"] != precision:
        sys.exit(f"twotrack computed in {result['precision']}, not in {precision}")
    return result


def peer(a, threads, setting, steps, warmup, *more):
    command = [os.environ.get("PYTHON", sys.executable), os.path.join(HERE, "peer_torch.py"), "time", "--store", a.store]
    command += ["--shape", a.preset, "--batch", a.batch, "--lanes", a.lanes, "--threads", threads]
    return run(command + ["--steps", steps, "--warmup", warmup, *more], SETTINGS[setting])


def check_same_molecules(us, them):
    atoms = round(us["atoms_per_s"] * us["ms_per_update"] * us["steps"] / 1e3)
    if us["length_histogram"] != them["length_histogram"] or atoms != them["atoms_total"]:
        sys.exit("the two sides did not meet the same molecules: their lengths differ")


def parser(text, preset, batch, steps):
    p = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--store", required=True)
    p.add_argument("--preset", default=preset, help=f"of the model (default {preset})")
    p.add_argument("--batch", type=int, default=batch, help=f"molecules of an update (default {batch})")
    p.add_argument("--lanes", type=int, default=4, help="data.lanes; 1 needs 769 molecules, each further one 1024 (default 4)")
    p.add_argument("--steps", type=int, default=steps, help=f"timed updates of a measurement (default {steps})")
    p.add_argument("--json", metavar="FILE", help="write the record there too, with all measurements")
    return p


# ---- telling


def note(text):
    """What is under way: not part of the record."""
    print(text, file=sys.stderr, flush=True)


def load():
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def cpu():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        first = file.read().split("\n\n")[0]
    facts = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in first.splitlines())}
    kernels = [k for k in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if k in facts.get("flags", "").split()]
    return (f"{facts.get('model name', platform.machine())} (family {facts.get('cpu family', '?')}, model {facts.get('model', '?')}; "
            f"{' '.join(kernels)}), {os.cpu_count()} cores")  # fmt: skip


def spread(values, digits):
    return [f"{x:.{digits}f}" for x in (min(values), statistics.median(values), max(values))]


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def heading(us, them, load_before):
    """Where, when and with what, of one result of ours and one of the peer, or None."""
    versions, hardware = f"Ours: {us['code_version']}, {us['backend']}", us["hardware"]
    versions += f", gcc {hardware['compiler']}, {hardware['openblas_kernels']} kernels of OpenBLAS, {hardware['mpi']}."
    if them:
        versions += f" Peer: torch {them['torch']}, {them['threads']} threads."
    return (f"{datetime.date.today()}; {cpu()}; {hardware['system']}, {hardware['memory_bytes'] / 2**30:.0f} GiB; load {load_before} "
            f"before, {load()} after.\n{versions}\n\n    {shlex.join([os.path.relpath(sys.argv[0]), *sys.argv[1:]])}\n")  # fmt: skip


def write_record(a, text, measured):
    print(text)
    if a.json:
        record = {"command": shlex.join(sys.argv), "date": str(datetime.date.today()), "cpu": cpu(), "report": text, **measured}
        with open(a.json, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=1)
            file.write("\n")
