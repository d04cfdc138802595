"""What `check` found, as a Markdown record with the tables that go into benchmarks/results."""
import datetime
import os
import shlex
import sys

import sides
from floors import PAIR_PARTS, floor_seconds
from machine import CUT_SHORT, FAILED, PASSED
from workload import MODELS, PARTS, PEAK, Batch
from written import SLAB_ELEMENTS, kernels


def counts(done):
    """ "9 passed, 1 FAILED (parity-bf16), 2 skipped" """
    words = []
    for verdict in dict.fromkeys([PASSED, FAILED, CUT_SHORT] + [r["verdict"] for r in done]):
        names = [r["name"] for r in done if r["verdict"] == verdict]
        if names or verdict == PASSED:
            words.append(f"{len(names)} {verdict}" + (f" ({', '.join(names)})" if verdict in (FAILED, CUT_SHORT) else ""))
    return ", ".join(words)


def heading(facts):
    today = datetime.date.today()
    if "hardware" not in facts:
        return f"{today}; {facts.get('version', 'twotrack')}; no device.\n"
    h = facts["hardware"]
    if facts["emulated"]:
        device = "**an emulated GPU: nothing here was computed on one, and no time means anything**"
    else:
        device = (f"{h['gpu']} (sm_{h['gpu_capability'].replace('.', '')}, {h['gpu_multiprocessors']} multiprocessors, "
                  f"{h['gpu_memory_bytes'] / 2**30:.0f} GiB), driver {facts['driver'] or 'unknown'} (CUDA {h['cuda_driver']})")  # fmt: skip
    return (f"{today}; {device}; {sides.cpu()}; {h['system']}.\n{facts['version']}, CUDA runtime {h['cuda_runtime']}, gcc {h['compiler']}, "
            f"{h['mpi']}, HDF5 {h['hdf5']}, {h['openblas_kernels']} kernels of OpenBLAS.\n")  # fmt: skip


def steps_table(done):
    rows = [[r["name"], f"**{r['verdict']}**" if r["verdict"] == FAILED else r["verdict"], f"{r['seconds']:.0f}", r["text"].replace("|", "/")]
            for r in done]  # fmt: skip
    return sides.table(["step", "verdict", "s", ""], rows)


def ours_table(timed):
    columns = ["model", "batch", "conformations/s", "goal", "ms/update", "executed TFLOP/s", "MFU", "reference TFLOP/s", "of the peak", "GiB",
               "pair rows at once", "recompute"]  # fmt: skip
    rows = []
    for size, f in timed.items():
        rows.append([size, f["batch_size"], f"{f['conformations_per_s']:.0f}", f["goal"], f"{f['ms_per_update']:.1f}",
                     f"{f['executed_flops_per_s'] / 1e12:.1f}", f"{f['executed_flops_per_s'] / PEAK:.3f}",
                     f"{f['reference_flops_per_s'] / 1e12:.1f}", f"{f['reference_flops_per_s'] / PEAK:.3f}",
                     f"{f['gpu_memory_bytes'] / 2**30:.1f}", f["max_pairs"], f["recompute"]])  # fmt: skip
    return sides.table(columns, rows)


def parts_table(size, f):
    """Measured, where the host waits at the end of each part, beside the floor and what the kernels as written should take."""
    model, batch = next((m for m in MODELS if m.name == size), None), Batch(f["batch_size"])
    floors = floor_seconds(model, batch) if model else {}
    made = kernels(model, batch, SLAB_ELEMENTS) if model else []
    rows, total = [], sum(f["ms_per_update_by_part"].values())
    for part, ms in f["ms_per_update_by_part"].items():
        known = model and part in PARTS
        own = [k for k in made if k[0] == part]
        passes = sum(k[2] for k in own) / (2 * batch.R * model.P * model.layers) if known else 0
        rows.append([part, f"{ms:.2f}", f"{100 * ms / total:.1f} %", f"{1e3 * sum(k[5] for k in own):.2f}" if known else "",
                     f"{1e3 * max(floors[part]):.2f}" if known else "", f"{passes:.1f}" if known and part in PAIR_PARTS else ""])  # fmt: skip
    rows.append(["sum", f"{total:.2f}", "", "", "", ""])
    return sides.table([f"{size}, part", "ms/update", "share", "predicted", "floor", "passes a layer, by count"], rows)


def peer_table(size, f, mine):
    rows = []
    for name, plan in f["plans"].items():
        rows.append([f"peer, {name}", f"{plan['ms_median']:.1f}", f"{plan['padded_pairs'] / f['real_pairs']:.2f}",
                     f"{plan['micro_batches_per_update']:.0f}", f"{plan.get('peak_device_bytes', 0) / 2**30:.1f}"])  # fmt: skip
    rows.append(["ours", f"{mine['ms_per_update']:.1f}", "1.00", "", f"{mine['gpu_memory_bytes'] / 2**30:.1f}"])
    text = sides.table([f"{size}", "ms/update", "pairs, padded over real", "micro-batches", "GiB at most"], rows)
    x = f["factors"]
    return text + (f"\ntorch {f['torch']}, {f['graphs']} compiled graphs, {f['precision']}: **{x['all']:.2f} = padding {x['padding']:.2f} x algorithm "
                   f"{x['algorithm']:.2f} x kernels {x['kernels']:.2f}**; memory of the peer as upstream does it over ours {x['memory']:.2f}.\n")  # fmt: skip


def operations_table(rows):
    cells = [[r["op"], r["shape"], f"{1e6 * r['seconds_median']:.0f}", f"{r['flops'] / r['seconds_median'] / 1e12:.1f}" if r["flops"] else "",
              f"{r['bytes'] / r['seconds_median'] / 1e9:.0f}"] for r in rows]  # fmt: skip
    return sides.table(["operation, 84M, bf16", "shape", "us", "TFLOP/s", "GB/s"], cells)


def record(facts, done):
    by_name = {r["name"]: r["facts"] for r in done if r["verdict"] == PASSED and r["facts"]}
    timed = {name[5:]: f for name, f in by_name.items() if name in ("time-84M", "time-1.1B")}
    command = shlex.join([os.path.relpath(sys.argv[0]), *sys.argv[1:]])
    parts = [f"# Check on a GPU\n\n{heading(facts)}\n    {command}\n\n{counts(done)}.\n", steps_table(done)]
    if timed:
        parts += ["## Training steps\n\nbf16, whole updates with the optimizer and the reading of data; MFU: executed operations over 989 TFLOP/s; the "
                  "reference's count forms the outer product.\n", ours_table(timed)]  # fmt: skip
        parts += [parts_table(size, f) for size, f in timed.items()]
    peers = {name[5:]: f for name, f in by_name.items() if name.startswith("peer-")}
    if peers:
        parts += ["## Beside PyTorch\n"] + [peer_table(size, f, timed[size]) for size, f in peers.items()]
    if "time-operations" in by_name:
        parts += ["## Operations\n", operations_table(by_name["time-operations"])]
    return "\n".join(parts)
