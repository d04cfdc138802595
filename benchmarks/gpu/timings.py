"""The steps of `check` that ask how fast a GPU is, one after the other; and the peer's, of the same molecules."""
import os
import subprocess
import sys
import threading

from machine import Failed, Skipped, Step, json_of

PEAK = 989e12  # FLOP/s of bf16 that the executed FLOPs are compared with: an H100's
PEER = os.path.join("benchmarks", "peer_torch.py")
SIZES = {  # batch, updates that do not count and that do, pair rows at once and recomputation to try, least conformations/s wanted
    "84M": {"batch": 256, "warmup": 3, "steps": 10, "tries": [(262144, "none"), (65536, "none"), (65536, "pair")], "goal": 3400},
    "1.1B": {"batch": 128, "warmup": 3, "steps": 5, "tries": [(131072, "pair"), (65536, "pair"), (32768, "pair")], "goal": 650},
}
EMULATED = {"batch": 4, "warmup": 1, "steps": 1, "tries": [(32768, "none")], "goal": 0}


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


def ours(size):
    def run(machine):
        s = EMULATED if machine.emulated else SIZES[size]
        with MemoryWatch(machine) as memory:
            for pairs, recompute in s["tries"]:
                keys = {"model.preset": "cpu-tiny" if machine.emulated else size, "train.device": "cuda", "train.precision": "bf16",
                        "train.batch_size": s["batch"], "train.micro_batches": 1, "train.max_pairs": pairs,
                        "train.recompute": recompute, "data.lanes": 2, "train.steps": 1000000}  # fmt: skip
                options = [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
                config = os.path.join(machine.root, "configs", "84M.cfg")
                answer = machine.twotrack("bench", "step", config, "--store", machine.store, "--steps", s["steps"], "--warmup", s["warmup"],
                                          "--sgemm-seconds", 0, "--json", *options)  # fmt: skip
                if answer.code != 0 and "memory" in answer.out and (pairs, recompute) != s["tries"][-1]:
                    continue
                break
        machine.needed(answer, f"bench step, {size}")
        r = json_of(answer)
        facts = {**r, "gpu_memory_bytes": memory.most, "max_pairs": pairs, "recompute": recompute}
        machine.made["ours " + size] = facts
        share = r["executed_flops_per_s"] / PEAK
        text = (f"{r['conformations_per_s']:.0f} conformations/s (goal {s['goal']}), executed {r['executed_flops_per_s'] / 1e12:.1f} TFLOP/s, "
                f"MFU {share:.3f}; reference {r['reference_flops_per_s'] / 1e12:.1f} TFLOP/s; {memory.most / 2**30:.1f} GiB; "
                f"{pairs} pair rows at once, recompute {recompute}")  # fmt: skip
        return text, facts

    return run


def peer(size):
    def run(machine):
        mine = machine.made.get("ours " + size)
        if not mine:
            raise Skipped("ours was not timed")
        s = SIZES[size]
        command = [os.environ.get("PYTHON", sys.executable), os.path.join(machine.root, PEER), "time", "--device", "cuda", "--precision", "bf16",
                   "--compile", "--interleave", "--sort", 8, "--shape", size, "--store", machine.store, "--batch", s["batch"], "--lanes", 2,
                   "--steps", s["steps"], "--warmup", s["warmup"]]  # fmt: skip
        with MemoryWatch(machine) as memory:
            # Python has its own libraries
            answer = machine.run(*command, environment={"LD_LIBRARY_PATH": machine.environment.get("LD_LIBRARY_PATH", ""),
                                                        "PATH": machine.environment.get("PATH", "")}, cwd=machine.root)  # fmt: skip
        if answer.code == 77:
            raise Skipped(answer.tail(1))
        machine.needed(answer, "the peer")
        theirs = json_of(answer)
        if theirs["length_histogram"] != mine["length_histogram"]:
            raise Failed("the two sides did not meet the same molecules: their lengths differ")
        factors, text = factors_of(mine, theirs)
        used = memory.most / max(1, mine["gpu_memory_bytes"])
        return f"{text}; memory {used:.1f} x ours", {**theirs, "gpu_memory_bytes": memory.most, "factors": factors}

    return run


def factors_of(mine, theirs):
    """The ratio to the published way of computing, as the product of what padding, the algorithm and the kernels gain."""
    ms = {name: plan["ms_per_update"] for name, plan in theirs["plans"].items()}
    factors = {"padding": ms["upstream"] / ms["sorted"], "algorithm": ms["sorted"] / ms["sorted+factored"],
               "kernels": ms["sorted+factored"] / mine["ms_per_update"], "all": ms["upstream"] / mine["ms_per_update"]}  # fmt: skip
    compiled = "compiled" if theirs.get("compiled") else "not compiled"
    return factors, (f"torch {theirs['torch']}, {compiled}: {factors['all']:.1f} x = padding {factors['padding']:.2f} x algorithm "
                     f"{factors['algorithm']:.2f} x kernels {factors['kernels']:.2f} (goals 10, kernels 1.5)")  # fmt: skip


def each_operation(machine):
    more = ["--op", "cross_entropy"] if machine.emulated else []
    answer = machine.needed(machine.twotrack("bench", "ops", "--backend", "cuda-bf16", "--mode", "perf", "--json", *more), "bench ops")
    rows = json_of(answer)["operations"]
    return f"{len(rows)} timed: in results.json", rows


TIMINGS = [
    Step("time-84M", 60, ours("84M")),
    Step("time-1.1B", 90, ours("1.1B"), emulated=False),
    Step("time-operations", 45, each_operation),
    Step("peer-84M", 120, peer("84M"), emulated=False),
    Step("peer-1.1B", 150, peer("1.1B"), emulated=False),
]
