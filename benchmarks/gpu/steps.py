"""The steps of `check` that ask whether what a GPU computes is correct."""
import json
import os
import re
import shutil

from machine import STOPPED, CutShort, Failed, Skipped, Step, json_of

CONFIG = """model = { preset = "cpu-tiny"; };
data = { lanes = 2; };
train = { batch_size = 16; micro_batches = 4; log_every = 1; checkpoint_every = 1000000; };
optimizer = { learning_rate = 0.001; warmup_steps = 1; };
validation = { every = 1000000; molecules = 16; };
"""
SEEDS = (1, 2, 3, 4)
FIRST, FIRST_SHARE = 20, 1e-5  # updates beside the CPU's, and how near they must be
MANY, LAST = 200, 50  # updates, and those whose mean loss is compared
# On the emulator, which takes a second for what a GPU does in a millisecond
EMULATED = {"FIRST": 2, "MANY": 3, "LAST": 2}
EMULATED_KEYS = ("data.lanes=1", "train.batch_size=4", "train.micro_batches=2", "validation.molecules=4")


def number(machine, name):
    return EMULATED[name] if machine.emulated else globals()[name]


# ---- operations and whole passes


def operation_fault(row):
    if "error" not in row:
        return f"{row['op']}: {row['message']}"
    bits = "" if row["deterministic"] else ", not the same bits twice"
    return f"{row['op']}: {row['message'] or row['worst']}, error {row['error']:.2g} of {row['limit']:.2g}{bits}"


def operations(backend):
    def run(machine):
        some = ["--op", "ffn_backward"] if machine.emulated else []  # all of them are tests of their own
        answer = machine.ended(machine.twotrack("bench", "ops", "--backend", backend, "--json", *some), "bench ops")
        rows = json_of(answer)["operations"]
        bad = [row for row in rows if not (row["ok"] and row.get("deterministic"))]
        if bad:
            raise Failed("; ".join(operation_fault(row) for row in bad))
        machine.needed(answer, "bench ops")
        near = max((r for r in rows if r["limit"] > 0), key=lambda r: r["error"] / r["limit"])
        return f"{len(rows)} agree with the reference; nearest to its limit: {near['op']}, {near['error']:.2g} of {near['limit']:.2g}", rows

    return run


def parity(precision):
    def run(machine):
        if not os.path.exists(machine.parity):
            raise Skipped(f"there is no {machine.parity}")
        # in bf16 not tiny.h5: its gradients of distances have one whose sign turns when activations are rounded
        names = ["small.h5"] if precision == "bf16" else ["tiny.h5"] if machine.emulated else ["tiny.h5", "tiny_init.h5", "small.h5"]
        files = [os.path.join(machine.root, "tests", "vectors", name) for name in names]
        more = ["--precision", "bf16"] if precision == "bf16" else []
        answer = machine.needed(machine.run(machine.parity, "--device", "cuda", *more, *files), "parity")
        return answer.tail(len(files))

    return run


# ---- training


def train(machine, device, precision, seed, updates, ranks=0, sets=()):
    """Losses and gradient norms of a run's updates, and the digest of its last checkpoint."""
    name = "-".join([device, precision, str(seed), str(updates), str(ranks), *sets]).replace("=", "_").replace(".", "_")
    return machine.once(name, lambda: train_now(machine, name, device, precision, seed, updates, ranks, sets))


def train_now(machine, name, device, precision, seed, updates, ranks, sets):
    config, out = os.path.join(machine.work, name + ".cfg"), os.path.join(machine.work, name)
    with open(config, "w", encoding="utf-8") as file:
        file.write(CONFIG)
    keys = [f"train.device={device}", f"train.precision={precision}", f"train.seed={seed}", f"train.steps={updates}",
            *(EMULATED_KEYS if machine.emulated else ()), *sets]  # fmt: skip
    options = [word for key in keys for word in ("--set", key)]
    answer = machine.twotrack("train", config, "--store", machine.store, "--out", out, *options, ranks=ranks)
    machine.needed(answer, f"training on {device} in {precision}" + (f", {ranks} ranks" if ranks else ""))
    with open(os.path.join(out, "run.jsonl"), encoding="utf-8") as file:
        rows = [row for row in map(json.loads, file) if row["type"] == "step"]
    if len(rows) != updates:
        raise Failed(f"{name}: {len(rows)} updates in the log, not {updates}")
    digest = machine.needed(machine.twotrack("checkpoint", "digest", out), "checkpoint digest").out.split()[0]
    return {"loss": [r["loss"] for r in rows], "grad_norm": [r["grad_norm"] for r in rows], "digest": digest}


def apart(a, b):
    """Largest relative difference of losses, and the update of it."""
    return max((abs(x - y) / abs(y), k + 1) for k, (x, y) in enumerate(zip(a["loss"], b["loss"])))


def first_updates(machine):
    many, first = number(machine, "MANY"), number(machine, "FIRST")
    cpu, gpu = machine.beside([lambda: train(machine, "cpu", "fp32", 1, many), lambda: train(machine, "cuda", "fp32", 1, many)])
    share, at = apart({"loss": gpu["loss"][:first]}, {"loss": cpu["loss"][:first]})
    if not share <= FIRST_SHARE:
        raise Failed(f"fp32: the loss of update {at} is {share:.2g} of it from the CPU's (limit {FIRST_SHARE:g})")
    return f"fp32: {first} losses within {share:.1g} of the CPU's (limit {FIRST_SHARE:g})"


def many_updates(machine):
    many, last = number(machine, "MANY"), number(machine, "LAST")
    seeds = SEEDS[:2] if machine.emulated else SEEDS
    cpu = machine.beside([lambda s=s: train(machine, "cpu", "fp32", s, many) for s in seeds])
    gpu = machine.beside([lambda p=p: train(machine, "cuda", p, seeds[0], many) for p in ("fp32", "bf16")])
    means = [sum(r["loss"][-last:]) / last for r in cpu]
    spread = max(means) - min(means)
    off = {p: sum(r["loss"][-last:]) / last - means[0] for p, r in zip(("fp32", "bf16"), gpu)}
    text = (f"mean of the last {last} of {many} losses {means[0]:.4f}; spread of {len(seeds)} seeds {spread:.4f}; "
            + ", ".join(f"{p} off by {d:+.5f}" for p, d in off.items()))  # fmt: skip
    if not all(abs(d) <= spread for d in off.values()):
        raise Failed(text)
    return text, {"cpu_means": means, "off": off}


def same_bits(machine):
    updates = number(machine, "FIRST")
    texts = []
    for precision in ("fp32", "bf16"):
        # the key changes nothing but the name of the second run
        one, two = machine.beside([lambda s=s: train(machine, "cuda", precision, 1, updates, sets=s) for s in ((), ("train.log_every=1",))])
        if one != two:
            raise Failed(f"{precision}: two runs of {updates} updates ended in {one['digest']} and {two['digest']}")
        texts.append(f"{precision} {one['digest'][:8]}")
    return f"two runs of {updates} updates each, the same losses and checkpoint: {', '.join(texts)}"


def ranks_of_data(machine):
    updates, share = number(machine, "FIRST"), ("parallel.share_gpu=true",)
    one = train(machine, "cuda", "fp32", 1, updates)
    two = train(machine, "cuda", "fp32", 1, updates, ranks=2, sets=share)
    if one != two:
        raise Failed(f"losses up to {apart(two, one)[0]:.2g} from those of one rank, which have the same leaves: the same bits are wanted")
    return f"{updates} updates, losses and checkpoint the same bits as of one rank"


def ranks_of_tensor(machine):
    updates = number(machine, "FIRST")
    share = ("parallel.share_gpu=true", "parallel.tensor=2")
    texts = []
    for precision, limit in (("fp32", 2e-5), ("bf16", 2e-2)):
        one = train(machine, "cuda", precision, 1, updates)
        two = train(machine, "cuda", precision, 1, updates, ranks=2, sets=share)
        off, at = apart(two, one)
        texts.append(f"{precision} within {off:.1g} (limit {limit:g}, update {at})")
        if not off <= limit:
            raise Failed(f"losses of a tensor group from those of one rank: {', '.join(texts)}")
    return f"{updates} updates, losses of one rank: {', '.join(texts)}"


# ---- the sanitizer


SUMMARIES = {"memcheck": r"ERROR SUMMARY: (\d+) error", "racecheck": r"RACECHECK SUMMARY: .*\((\d+) error"}


def sanitizer_verdict(tool, answer):
    """The line of a run that found nothing. A run that was stopped may have found something before."""
    said = [line.lstrip("= ").strip() for line in answer.out.splitlines() if line.startswith("=====")]
    found = [text for text in said if text and not re.match("COMPUTE-SANITIZER|.*SUMMARY:|Warning|Info", text)]
    if any("not supported" in text for text in found):
        raise Skipped(f"it does not work on this machine: {found[0]}")
    summary = next((re.search(SUMMARIES[tool], text) for text in said if re.search(SUMMARIES[tool], text)), None)
    if summary and int(summary[1]) or not summary and found:
        raise Failed(" | ".join(found[:6])[:600] or summary.string)
    if answer.code == STOPPED:
        raise CutShort(f"two updates took longer than {answer.seconds:.0f} s under it; nothing had been found until then")
    if not summary or answer.code:
        raise Failed(f"exit code {answer.code}: {answer.tail()}")
    return f"two updates in bf16: {summary.string}"


def sanitizer(tool):
    def run(machine):
        program = shutil.which("compute-sanitizer") or next(
            (p for p in ("/usr/local/cuda/bin/compute-sanitizer",) if os.path.exists(p)), None)  # fmt: skip
        if not program:
            raise Skipped("there is no compute-sanitizer")
        config = os.path.join(machine.work, tool + ".cfg")
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG)
        keys = ["train.device=cuda", "train.precision=bf16", "train.steps=2", "train.batch_size=4", "train.micro_batches=1",
                "validation.molecules=1"]  # fmt: skip
        # calls of the driver that fail on purpose are no errors; ours are all looked at
        more = ["--report-api-errors", "no"] if tool == "memcheck" else []
        options = [word for key in keys for word in ("--set", key)]
        return sanitizer_verdict(tool, machine.run(
            program, "--tool", tool, *more, "--error-exitcode", "99", "--print-limit", "20", machine.program, "train", config,
            "--store", machine.store, "--out", os.path.join(machine.work, tool), *options))  # fmt: skip

    return run


# The longest first: several run at once
STEPS = [
    Step("memcheck", 150, sanitizer("memcheck"), emulated=False),
    Step("racecheck", 150, sanitizer("racecheck"), emulated=False),
    Step("operations-fp32", 120, operations("cuda")),
    Step("operations-bf16", 120, operations("cuda-bf16")),
    Step("many-updates", 150, many_updates),
    Step("first-updates", 150, first_updates),
    Step("parity-fp32", 60, parity("fp32")),
    Step("parity-bf16", 60, parity("bf16"), emulated=False),  # takes long there, and is a test of its own
    Step("same-bits", 90, same_bits),
    Step("ranks-data-2", 90, ranks_of_data),
    Step("ranks-tensor-2", 90, ranks_of_tensor),
]
