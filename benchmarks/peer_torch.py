#!/usr/bin/env python3
"""A PyTorch implementation of the same model and training step, to measure our program against.

  peer_torch.py parity FILE.h5...       compares it with files of reference vectors; exits 77 without torch or h5py
  peer_torch.py check --store DIR ...   whether time could begin, which takes the same options
  peer_torch.py time --store DIR ...    times training steps on a store's molecules; prints one JSON object
"""
import argparse
import json
import os
import resource
import sys
import time

try:
    import h5py
    import numpy as np
    import torch

    from peer_model import NO_DROPOUT, PRESETS, Model, Shape, Updater, losses, masked_atoms, update
    from peer_molecules import PAIRS, Store, features, micro_batches
except ImportError as missing:
    print(f"skipped: {missing}; {sys.executable} needs what benchmarks/requirements.txt lists (PYTHON names another one)")
    sys.exit(77)

# ---- parity: the tolerances of tests/model/parity.c

ZERO_GRADIENT = ("self_attn.linear_bias.bias", "movement_pred_head.linear_bias.bias", "movement_pred_head.pair_layer_norm.bias")
LEARNING_RATE = 1e-3  # of the reference updates


class Comparison:
    def __init__(self):
        self.count, self.missed, self.closest = 0, 0, (0.0, "")

    def record(self, name, got, want, tolerance):
        error = float(np.max(np.abs(np.asarray(got, np.float64) - want), initial=0))
        ratio = error / tolerance if tolerance else float(error > 0)
        self.count += 1
        if not ratio <= 1:  # NaN misses too
            self.missed += 1
            print(f"  MISS {name}: error {error:.3g}, tolerance {tolerance:.3g}")
        if ratio > self.closest[0]:
            self.closest = (ratio, name)


def tolerance_of(data):
    return max(10 * data.attrs["f32_max_abs_err"], 1e-5 * data.attrs["max_abs"])


def read_batch(file):
    names = [k for k in file["inputs"] if k not in ("attn_bias", "src_mask_cord")]
    arrays = {k: torch.from_numpy(file["inputs"][k][()]) for k in names}
    return {k: v if v.is_floating_point() else v.long() for k, v in arrays.items()}


def read_model(file, factored):
    a = file.attrs
    sizes = ("encoder_layers", "encoder_embed_dim", "encoder_attention_heads", "pair_embed_dim", "pair_hidden_dim", "encoder_ffn_embed_dim")
    model = Model(Shape(*(int(a[k]) for k in sizes)), NO_DROPOUT, factored)
    model.load_state_dict({k: torch.from_numpy(file["weights"][k][()]) for k in file["weights"]})
    return model


def compare_pass(file, model, batch, c):
    output = model(batch)
    terms = losses(output, batch)
    sum(terms).backward()
    real = batch["atom_mask"].numpy() != 0
    for name, got in zip(("logits", "movement", "pred_pos"), output):
        want, got = file["act64"][name], got.detach().numpy()
        keep = slice(None) if name == "logits" else real
        c.record(f"act64/{name}", got[keep], want[()][keep], tolerance_of(want))
    for name, got in zip(("loss", "masked_token_loss", "masked_coord_loss", "masked_dist_loss"), (sum(terms), *terms)):
        want = float(file["loss64"][name][()])
        c.record(f"loss64/{name}", float(got.detach()), want, 1e-5 * abs(want))
    for name, parameter in model.named_parameters():
        if name not in file["grad64"]:  # left out of a file that was made small
            continue
        want = file["grad64"][name]
        if name.endswith(ZERO_GRADIENT):
            c.record(f"grad64/{name}", parameter.grad.numpy(), 0.0, 1e-5)
        else:
            c.record(f"grad64/{name}", parameter.grad.numpy(), want[()], tolerance_of(want))


def compare_updates(file, model, batch, c):
    updater, loss = Updater(model, LEARNING_RATE), file["optim/loss"][()]
    steps = len(file["optim/grad_norm"])
    for k, want in enumerate(loss):
        updater.zero()
        total = sum(losses(model(batch), batch))
        c.record(f"optim/loss[{k}]", float(total.detach()), want, 1e-5 * want)
        if k < steps:
            total.backward()
            norm = float(file["optim/grad_norm"][k])
            c.record(f"optim/grad_norm[{k}]", float(updater.step()), norm, 1e-5 * norm)
    for name, parameter in model.named_parameters():
        want = file["optim/weights_after"][name][()]
        tolerance = 1e-5 * np.abs(want).max() + 0.02 * steps * LEARNING_RATE
        c.record(f"optim/weights_after/{name}", parameter.detach().numpy(), want, tolerance)


def compare_model(file, factored):
    c, batch = Comparison(), read_batch(file)
    compare_pass(file, read_model(file, factored), batch, c)
    if "optim" in file:
        compare_updates(file, read_model(file, factored), batch, c)
    return c


def compare_features(file):
    """A file of molecular graphs with the features that the model gets, which must come out exactly."""
    c, data, random = Comparison(), {k: file[k][()] for k in file}, np.random.default_rng(1)
    starts = {k: data[k].astype(int) for k in ("atom_ptr", "edge_ptr", "pair_ptr")}
    for m in range(len(starts["atom_ptr"]) - 1):
        atoms, edges, pairs = (slice(p[m], p[m + 1]) for p in starts.values())
        ends = data["edge_index"][edges].astype(int)
        once = ends[:, 0] < ends[:, 1]  # the file has both directions
        raw = data["node_attr"][atoms].astype(int)
        graph = {"raw": raw, "bonds": ends[once], "bond_features": data["edge_attr"][edges][once].astype(int),
                 "position": np.zeros((len(raw), 3), np.float32)}  # fmt: skip
        got = features(graph, random, drop_probability=0)
        for name in ("atom_feat", "degree", "edge_feat", "shortest_path", "pair_type"):
            want = data[name][pairs if name in PAIRS else atoms]
            c.record(f"{name} of molecule {m}", got[name].reshape(want.shape), want, 0)
    return c


def parity(arguments):
    missed = count = 0
    for path in arguments.files:
        with h5py.File(path) as file:
            if "atom_ptr" in file:
                results = {"features": compare_features(file)}
            else:
                results = {"outer product formed": compare_model(file, False), "factored": compare_model(file, True)}
        for kind, c in results.items():
            print(f"{path}, {kind}: {c.count} compared, {c.missed} outside tolerance; "
                  f"the closest: {c.closest[1] or 'equal'} at {c.closest[0]:.2f} of it")  # fmt: skip
            missed, count = missed + c.missed, count + c.count
    return int(missed > 0 or count == 0)


# ---- time


def parse_shape(text):
    if text in PRESETS:
        return PRESETS[text]
    sizes = text.split(",")
    if len(sizes) != 6 or not all(x.isdecimal() for x in sizes):
        raise argparse.ArgumentTypeError(f"the peer has no preset '{text}', only {', '.join(PRESETS)} (or layers,D,H,P,C,F)")
    return Shape(*map(int, sizes))


def numbers(text):
    if not all(x.isdecimal() and int(x) for x in text.split(",")):
        raise argparse.ArgumentTypeError(f"'{text}' is no number, or numbers separated by commas")
    return [int(x) for x in text.split(",")]


class Plan:
    """One way to do a step: what is timed is the update of micro-batches that lie ready in memory."""

    def __init__(self, name, parts, by_length, factored):
        self.name, self.parts, self.by_length, self.factored = name, parts, by_length, factored
        self.seconds, self.padded_pairs, self.micro_batches, self.peak = [], 0, 0, 0

    def step(self, model, updater, samples, device, timed):
        batches = device.take(micro_batches(samples, self.parts, self.by_length, device.max_pairs))
        model.factored = self.factored
        begun = time.perf_counter()
        loss = update(model, updater, batches)
        device.wait()
        self.peak = max(self.peak, device.peak())
        if timed:
            self.seconds.append(time.perf_counter() - begun)
            self.padded_pairs += sum(b["src_token"].shape[0] * (b["src_token"].shape[1] + 1) ** 2 for b in batches)
            self.micro_batches += len(batches)
        if loss != loss:
            sys.exit(f"{self.name}: the loss is not a number")

    def result(self):
        return {"ms_per_update": 1e3 * float(np.mean(self.seconds)), "ms_median": 1e3 * float(np.median(self.seconds)),
                "padded_pairs": self.padded_pairs, "micro_batches_per_update": self.micro_batches / len(self.seconds),
                "peak_device_bytes": self.peak}  # fmt: skip


def plans_of(a, sort):
    if not a.interleave:
        name = "+".join(["sorted"] * bool(sort) + ["factored"] * a.factored) or "upstream"
        return [Plan(name, sort or a.parts, bool(sort), a.factored)]
    parts = sort or a.parts
    return [Plan("upstream", a.parts, False, False), Plan("sorted", parts, True, False), Plan("sorted+factored", parts, True, True)]


# Numbers that autograd keeps of a padded pair: so many times P and H in each layer; while one layer's outer product is formed
# and differentiated, so many times C x C; in embedding and heads, so many times P. Fitted to peaks measured with several shapes.
PAIR_TRACK, ATTENTION, OUTER, EMBEDDING = 14, 4, 4, 16


def pairs_that_fit(shape, parameters, free, size=4):
    """Padded pairs of the micro-batch that is estimated to fill nine tenths of the free memory; `size`: bytes of the encoder's numbers."""
    numbers = shape.layers * (PAIR_TRACK * shape.pair + ATTENTION * shape.heads) + OUTER * shape.hidden**2
    states = 16 * parameters  # weights, gradients, two moments
    return max(1, int((0.9 * free - states) / (size * numbers + 4 * EMBEDDING * shape.pair)))


def kilobytes_of(path, name):
    with open(path, encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))


def available_bytes():
    return 1024 * kilobytes_of("/proc/meminfo", "MemAvailable")


def peak_bytes():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class Processor:
    def __init__(self, a):
        limit_memory()
        torch.set_num_threads(a.threads)
        self.type, self.name, self.size, self.max_pairs = "cpu", "cpu", 4, 0

    def free(self):
        return available_bytes()

    def take(self, batches):
        return batches

    def wait(self):
        pass

    def peak(self):
        return 0


class Gpu:
    def __init__(self, a):
        if not torch.cuda.is_available():
            print(f"skipped: this torch ({torch.__version__}) finds no GPU")
            sys.exit(77)
        torch.set_float32_matmul_precision("high")  # tf32 where the embedding is fp32
        self.type, self.name, self.max_pairs = "cuda", torch.cuda.get_device_name(), 0
        self.size = 2 if a.precision == "bf16" else 4

    def free(self):
        return torch.cuda.mem_get_info()[0]

    def take(self, batches):
        """Ready in the GPU's memory, whose peak counts from here on."""
        for batch in batches:
            masked_atoms(batch)
        taken = [{k: v.to("cuda") for k, v in batch.items()} for batch in batches]
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        return taken

    def wait(self):
        torch.cuda.synchronize()

    def peak(self):
        return torch.cuda.max_memory_allocated()


def limit_memory():
    """An allocation too many is to fail here, not to have the system end some other program."""
    limit = 1024 * kilobytes_of("/proc/self/status", "VmData") + available_bytes()
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def without_memory(error):
    return isinstance(error, RuntimeError) and ("allocate memory" in str(error) or "out of memory" in str(error))


def fitting(device, work):
    """work(), with half as many padded pairs at once as often as a GPU's memory is not enough."""
    while True:
        try:
            return work()
        except RuntimeError as error:
            if not without_memory(error):
                raise
            if device.type == "cpu" or device.max_pairs < 2:
                sys.exit(f"peer_torch: not enough memory for {device.max_pairs} padded pairs at once: give a smaller --max-pairs")
        device.max_pairs //= 2
        torch.cuda.empty_cache()


def fastest_sort(a, model, updater, samples, device):
    """Of the numbers of sorted micro-batches to choose from, the one whose second update is the fastest."""
    seconds = {}
    for sort in a.sort if len(a.sort) > 1 else []:
        plan = Plan("try", sort, True, a.factored or a.interleave)
        for timed in (False, True):
            plan.step(model, updater, samples, device, timed)
        seconds[sort] = plan.seconds[0]
    return min(seconds, key=seconds.get) if seconds else (a.sort or [0])[0]


def compiled_graphs():
    from torch._dynamo.utils import counters

    return counters["stats"].get("unique_graphs", 0)


def check(a):
    try:
        next(Store(a.store).samples(a.seed, a.lanes))
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"peer_torch: cannot read the store {a.store}: {error}")
    print("{}")
    return 0


def measure(a):
    device = Gpu(a) if a.device == "cuda" else Processor(a)
    torch.manual_seed(1)
    libraries = peak_bytes()
    with torch.device(device.type):
        model = Model(a.shape, half=a.precision == "bf16")
        model.initialise()
    parameters = sum(p.numel() for p in model.parameters())
    device.max_pairs = a.max_pairs or pairs_that_fit(a.shape, parameters, device.free(), device.size)
    updater = Updater(model, lr=1e-4)
    if a.compile:
        torch._dynamo.config.suppress_errors = True  # what cannot be compiled runs as it is; "graphs" tells how many were
        model.compile()
    random, stream = np.random.default_rng(1), Store(a.store).samples(a.seed, a.lanes)
    batches = [[features(next(stream), random) for _ in range(a.batch)] for _ in range(a.warmup + a.steps)]
    sort = fitting(device, lambda: fastest_sort(a, model, updater, batches[0], device))

    def run():
        plans = plans_of(a, sort)
        for k, samples in enumerate(batches):
            for plan in plans:
                plan.step(model, updater, samples, device, k >= a.warmup)
        return plans

    plans = fitting(device, run)
    atoms = np.array([len(s["src_token"]) for b in batches[a.warmup :] for s in b])
    result = {
        "torch": torch.__version__, "threads": a.threads, "device": device.name, "graphs": compiled_graphs() if a.compile else 0,
        "precision": a.precision, "steps": a.steps, "batch_size": a.batch, "max_pairs": device.max_pairs, "sort": sort,
        "atoms_total": int(atoms.sum()), "atoms_mean": float(atoms.mean()), "atoms_longest": int(atoms.max()),
        "length_bin_atoms": 8, "length_histogram": np.bincount(np.minimum(atoms // 8, 31), minlength=32).tolist(),
        "real_pairs": int(((atoms + 1) ** 2).sum()), "parameters": parameters,
        "libraries_memory_bytes": libraries, "peak_memory_bytes": peak_bytes(),
        "plans": {p.name: p.result() for p in plans},
    }  # fmt: skip
    print(json.dumps(result, indent=2))
    return 0


def main():
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(required=True)
    p = commands.add_parser("parity")
    p.add_argument("files", nargs="+")
    p.set_defaults(run=parity)
    for name, run in (("check", check), ("time", measure)):
        t = commands.add_parser(name)
        t.add_argument("--store", required=True)
        t.add_argument("--shape", type=parse_shape, default="cpu-small", help="a preset, or layers,D,H,P,C,F")
        t.add_argument("--batch", type=int, default=32)
        t.add_argument("--lanes", type=int, default=4, help="data.lanes of the run whose molecules these are")
        t.add_argument("--seed", type=int, default=1, help="its train.seed")
        t.add_argument("--steps", type=int, default=20)
        t.add_argument("--warmup", type=int, default=3)
        t.add_argument("--threads", type=int, default=os.cpu_count())
        t.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
        t.add_argument("--compile", action="store_true", help="by torch.compile: the layers, and what else takes time")
        t.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
        t.add_argument("--max-pairs", type=int, default=0, metavar="N",
                       help="padded pairs at once; larger micro-batches are halved (default: what memory is estimated to hold)")
        t.add_argument("--parts", type=int, default=1, help="micro-batches of the unsorted batch (default 1)")
        t.add_argument("--sort", type=numbers, default=[], metavar="PARTS,...",
                       help="micro-batches of similar length, this many; of several numbers the fastest")
        t.add_argument("--factored", action="store_true", help="the outer product reassociated")
        t.add_argument("--interleave", action="store_true", help="upstream's way, sorted, sorted and factored, in turn on each batch")
        t.set_defaults(run=run)
    arguments = top.parse_args()
    # numbers too small for full precision take the CPU many times longer; set before torch starts its threads, which inherit it
    torch.set_flush_denormal(True)
    return arguments.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
