"""Run logs for the tests of what is made of them, and what docs/formats.md says is made of a log."""
import json
import os
import random
import struct

CONFIG = """model = {{
  preset = "";
  layers = {layers};
  embed_dim = 32;
  heads = 2;
  pair_dim = 16;
  pair_hidden = 8;
  ffn_dim = 32;
}};
data = {{
  lanes = 4;
}};
train = {{
  seed = {seed};
  steps = 1000;
  batch_size = 16;
  micro_batches = 2;
}};
optimizer = {{
  learning_rate = {rate};
  schedule = "constant";
  warmup_steps = 50;
}};
validation = {{
  molecules = 512;
}};
"""
LOSSES = ("loss", "loss_token", "loss_position", "loss_distance")
# tag: type of record, field
TAGS = {
    **{f"{name}/train": ("step", name) for name in LOSSES},
    **{f"{name}/valid": ("valid", name) for name in LOSSES},
    **{f"standard_error/{name}": ("valid", f"{name}_se") for name in LOSSES},
    "optimizer/lr": ("step", "lr"),
    "optimizer/grad_norm": ("step", "grad_norm"),
    **{f"work/{name}": ("step", name) for name in ("samples", "atoms", "pairs", "flops_executed", "flops_reference")},
    "speed/samples_per_s": ("step", "samples_per_s"),
    "speed/data_s": ("step", "data_s"),
}


def make_log(folder, seed, steps=40, lacks=(), started=1_790_000_000):
    """A run folder whose log has what logs have: several kinds of records, nulls, whole numbers, a torn last line."""
    draw = random.Random(seed)
    layers, rate = draw.randint(1, 6), draw.choice((0.001, 0.002, 0.0005))
    log = [{"type": "run", "schema_version": 1, "config": CONFIG.format(layers=layers, seed=seed, rate=rate), "parameters":
            {"total": 40_000 * seed, "without_embeddings": 30_000 * seed, "tensors": 72}, "store_digest": "9dfae213796fde15fd0e8058cedcefa3",
            "store_train_records": 4584, "started_unix": started}]  # fmt: skip

    def losses(suffixes):
        return {name + s: draw.lognormvariate(0, 1) for name in LOSSES for s in suffixes}

    for step in range(0, 10 * steps + 1, 10):
        samples = 16 * step
        if step:
            log.append({"type": "step", "step": step, "samples": samples, **losses([""]), "lr": rate * draw.random(),
                        "grad_norm": draw.lognormvariate(0, 2), "atoms": samples * 17, "pairs": samples * 400 + (1 << 25),
                        "flops_executed": samples * 3.4e9, "flops_reference": samples * 3.5e9,
                        "samples_per_s": draw.uniform(50, 300), "data_s": draw.random()})  # fmt: skip
        if step % 50 == 0:
            log.append({"type": "valid", "step": step, "samples": samples, **losses(("", "_se")), "count": 285, "masked": 663})
        if step == 100:
            log.append({"type": "save", "step": step, "writer": "direct", "bytes": 123})
            log.append({"type": "resume", "step": step, "ranks": 2})
    steps_of = [r for r in log if r["type"] == "step"]
    steps_of[3]["loss"] = steps_of[3]["grad_norm"] = None  # not finite
    steps_of[4]["grad_norm"], steps_of[5]["grad_norm"], steps_of[6]["grad_norm"] = 1e39, -1e300, 1e-46  # no floats
    steps_of[7]["samples_per_s"] = None
    steps_of[8]["loss"] = 3  # a whole number
    for record in log:
        for name in lacks:
            kind, _, field = name.rpartition(":")  # "valid:loss": of these records only
            if kind in ("", record["type"]):
                record.pop(field, None)
    os.makedirs(folder)
    with open(os.path.join(folder, "run.jsonl"), "w") as file:
        file.write("".join(json.dumps(r) + "\n" for r in log) + '{"type":"step","st')
    return log


def to_float(value):
    """The four bytes of a 32-bit float."""
    if value is None:
        return b"NaN "
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return struct.pack("<f", float("inf") if value > 0 else float("-inf"))


def expected(log):
    """[(time, step, {tag: float bytes})] of a log: NaN for null, no curve for a field that no record has."""
    now, seen, pace = log[0]["started_unix"], 0, 0.0
    present = {tag for tag, (kind, name) in TAGS.items() if any(r["type"] == kind and r.get(name) is not None for r in log)}
    events = []
    for r in log:
        if r["type"] not in ("step", "valid"):
            continue
        if r.get("samples_per_s"):
            pace = 1 / r["samples_per_s"]
        now += (r["samples"] - seen) * pace
        seen = r["samples"]
        tags = {t for t, (kind, _) in TAGS.items() if kind == r["type"]} & (present | {"loss/train", "loss/valid"})
        events.append((now, r["step"], {t: to_float(r.get(TAGS[t][1])) for t in tags}))
    return events
