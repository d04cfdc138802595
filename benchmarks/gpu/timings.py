"""The steps of `check` that ask how fast a GPU is, one after the other; and the peer's, of the same molecules."""
import os
import subprocess
import sys
import threading

from machine import Failed, Skipped, Step, json_of
from workload import PEAK

PEER = os.path.join("benchmarks", "peer_torch.py")
# batch, updates that do not count and that do, least conformations/s wanted; pair rows at once and recomputation to try; micro-batches
# of similar length that the peer may choose from
SIZES = {
    "84M": {"batch": 256, "warmup": 3, "steps": 10, "goal": 3400, "sort": "2,4,8",
            "tries": [(262144, "none"), (65536, "none"), (65536, "pair")]},
    "1.1B": {"batch": 128, "warmup": 2, "steps": 4, "goal": 650, "sort": "4",
             "tries": [(98304, "none"), (32768, "none"), (32768, "pair")]},
}  # fmt: skip
LANES = 2
EMULATED = {"batch": 4, "warmup": 1, "steps": 1, "goal": 0, "sort": "2", "tries": [(32768, "none")], "lanes": 1}


def size_of(machine, size):
    """Its numbers, and the preset."""
    return (EMULATED, "cpu-tiny") if machine.emulated else ({**SIZES[size], "lanes": LANES}, size)


class MemoryWatch:
    """The most memory of the GPU that was in use, by all programs, as nvidia-smi tells it a few times a second."""

    def __init__(self, machine):
        self.machine, self.most, self.done = machine, 0, threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self):
        while not self.done.wait(0.25):
            try:
                said = subprocess.run(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"],
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=5).stdout  # fmt: skip
                self.most = max(self.most, int(said.split()[0]) * 2**20)
            except (OSError, ValueError, IndexError, subprocess.TimeoutExpired):
                continue

    def __enter__(self):
        if not self.machine.emulated:
            self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()


def out_of_memory(answer):
    return answer.code != 0 and "memory" in answer.out


def ours(size):
    def run(machine):
        s, preset = size_of(machine, size)
        config = os.path.join(machine.root, "configs", "84M.cfg")
        with MemoryWatch(machine) as memory:
            for pairs, recompute in s["tries"]:
                memory.most = 0
                keys = {"model.preset": preset, "train.device": "cuda", "train.precision": "bf16", "train.batch_size": s["batch"],
                        "train.micro_batches": 1, "train.max_pairs": pairs, "train.recompute": recompute, "data.lanes": s["lanes"],
                        "train.steps": 1000000}  # fmt: skip
                options = [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
                answer = machine.twotrack("bench", "step", config, "--store", machine.store, "--steps", s["steps"], "--warmup", s["warmup"],
                                          "--sgemm-seconds", 0, "--json", *options)  # fmt: skip
                if not out_of_memory(answer):
                    break
        r = json_of(machine.needed(answer, f"bench step, {size}"))
        facts = {**r, "gpu_memory_bytes": memory.most, "max_pairs": pairs, "recompute": recompute, "goal": s["goal"]}
        machine.made["ours " + size] = facts
        text = (f"{r['conformations_per_s']:.0f} conformations/s (goal {s['goal']}); executed {r['executed_flops_per_s'] / 1e12:.1f} TFLOP/s, "
                f"MFU {r['executed_flops_per_s'] / PEAK:.3f}; reference {r['reference_flops_per_s'] / 1e12:.1f} TFLOP/s, "
                f"{r['reference_flops_per_s'] / PEAK:.3f}; {memory.most / 2**30:.1f} GiB; {pairs} pair rows at once, recompute {recompute}")  # fmt: skip
        return text, facts

    return run


def peer_environment(machine):
    """Python has its own libraries, and compiles what it runs: where nothing is kept."""
    outside = machine.environment
    return {"LD_LIBRARY_PATH": outside.get("LD_LIBRARY_PATH", ""), "PATH": outside.get("PATH", "/usr/bin:/bin"), "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
            "TORCHINDUCTOR_CACHE_DIR": os.path.join(machine.work, "inductor"), "TRITON_CACHE_DIR": os.path.join(machine.work, "triton")}  # fmt: skip


def peer(size):
    def run(machine):
        mine = machine.made.get("ours " + size)
        if not mine:
            raise Skipped("ours was not timed")
        s, preset = size_of(machine, size)
        device = ["--device", "cpu"] if machine.emulated else ["--device", "cuda", "--compile"]
        command = [os.environ.get("PYTHON", sys.executable), os.path.join(machine.root, PEER), "time", *device, "--precision", "bf16",
                   "--interleave", "--sort", s["sort"], "--shape", preset, "--store", machine.store, "--batch", s["batch"],
                   "--lanes", s["lanes"], "--steps", s["steps"], "--warmup", s["warmup"]]  # fmt: skip
        answer = machine.run(*command, environment=peer_environment(machine), cwd=machine.root)
        if answer.code == 77:
            raise Skipped(answer.tail(1).removeprefix("skipped: "))
        theirs = json_of(machine.needed(answer, "the peer"))
        return beside(mine, theirs)

    return run


def beside(mine, theirs):
    if theirs["length_histogram"] != mine["length_histogram"]:
        raise Failed("the two sides did not meet the same molecules: their lengths differ")
    if theirs["parameters"] != mine["parameters"]:
        raise Failed(f"the two sides are not the same model: {mine['parameters']} parameters and {theirs['parameters']}")
    x = factors_of(mine, theirs)
    return (f"torch {theirs['torch']}, {theirs['graphs']} compiled graphs: {x['all']:.2f} = padding {x['padding']:.2f} x algorithm "
            f"{x['algorithm']:.2f} x kernels {x['kernels']:.2f} (goals 10, kernels 1.5); memory {x['memory']:.2f} x ours (goal 2)"), \
        {**theirs, "factors": x}  # fmt: skip


def factors_of(mine, theirs):
    """The ratio to the published way of computing, as the product of what padding, the algorithm and the kernels gain; and of memory."""
    plans = theirs["plans"]
    ms = {name: plan["ms_median"] for name, plan in plans.items()}  # some updates of compiled code compile again
    return {"padding": ms["upstream"] / ms["sorted"], "algorithm": ms["sorted"] / ms["sorted+factored"],
            "kernels": ms["sorted+factored"] / mine["ms_per_update"], "all": ms["upstream"] / mine["ms_per_update"],
            "memory": plans["upstream"].get("peak_device_bytes", 0) / max(1, mine["gpu_memory_bytes"])}  # fmt: skip


def each_operation(machine):
    more = ["--op", "cross_entropy"] if machine.emulated else []
    answer = machine.needed(machine.twotrack("bench", "ops", "--backend", "cuda-bf16", "--mode", "perf", "--json", *more), "bench ops")
    rows = json_of(answer)["operations"]
    return f"{len(rows)} timed: in results.json", rows


# By value: what is begun last is what may not fit
TIMINGS = [
    Step("time-84M", 60, ours("84M")),
    Step("time-1.1B", 90, ours("1.1B"), emulated=False),
    Step("peer-84M", 130, peer("84M")),
    Step("time-operations", 30, each_operation),
    Step("peer-1.1B", 150, peer("1.1B"), emulated=False),
]
