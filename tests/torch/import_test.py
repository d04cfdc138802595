#!/usr/bin/env python3
"""twotrack checkpoint import, on files made in the published format (published.py; torch is not needed).

import_test.py TWOTRACK PARITY MAKE_STORE RUN.cfg VECTORS.h5...     77: skipped, for want of h5py
"""
import json
import os
import pickle
import random
import subprocess
import sys
import tempfile
import types
import zipfile

try:
    import h5py
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import published
from published import Storage, Tensor, checkpoint, mixed, rounded, save

TWOTRACK, PARITY, MAKE_STORE, CONFIG, *VECTORS = map(os.path.abspath, sys.argv[1:])
MEANS = "se3_invariant_kernel.gaussian.mean"
failures = 0


def check(what, good, detail=""):
    global failures
    if not good:
        failures += 1
        print(f"FAIL: {what}: {detail}")


def run(*arguments):
    return subprocess.run(arguments, capture_output=True, text=True, timeout=float(os.environ.get("TT_TEST_PATIENCE", "120")))


def do_import(path, *options):
    """Weights of the file that comes out, and what the program says it found."""
    done = run(TWOTRACK, "checkpoint", "import", path, "--out", "out.h5", "--json", *options)
    if done.returncode != 0:
        raise AssertionError(f"{path} {options}: {done.stderr}")
    assert run(TWOTRACK, "checkpoint", "verify", "out.h5").returncode == 0
    with h5py.File("out.h5") as file:
        return {name: a[()] for name, a in file["weights"].items()}, json.loads(done.stdout)


def equal(what, got, want):
    differing = [n for n in want if n not in got or got[n].dtype != np.float32 or got[n].tobytes() != want[n].tobytes()]
    check(what, not differing and len(got) == len(want), f"differing: {differing[:3]}, {len(got)} and {len(want)} tensors")


def tensors(weights, kind="float32"):
    return {name: Tensor.of(a, kind) for name, a in weights.items()}


def upstream_numbers(vectors, weights):
    """The parity program compares our model, with these weights, with what upstream computed with its own."""
    with h5py.File("parity.h5", "w") as new, h5py.File(vectors) as old:
        new.attrs.update(old.attrs)
        for name in old:
            if name != "weights":
                old.copy(name, new)
        for name, a in weights.items():
            new[f"weights/{name}"] = a
    done = run(PARITY, "parity.h5")
    check(f"upstream's numbers in {vectors}", done.returncode == 0, done.stdout[-500:])


def formats(weights):
    """The same weights in every form that a checkpoint may have."""
    save("a.pt", checkpoint(tensors(weights)))
    got, said = do_import("a.pt")
    equal("float32", got, weights)
    check("report", (said["updates"], said["tensors"], said["left_out"], said["has_gaussian_mean"], said["gaussian_mean_off"])
          == (1234, len(weights) - 1, 0, True, 0), said)
    for kind in ("float16", "bfloat16"):
        save("a.pt", checkpoint(mixed(weights, kind)))
        got, said = do_import("a.pt")
        equal(kind, got, {n: a if n.startswith(published.KEPT) else rounded(a, kind) for n, a in weights.items()})
        check(kind, said["types"][kind] == len(weights) - 13 and said["types"]["float32"] == 13, said)
    save("a.pt", checkpoint(tensors(weights, "float64")), protocol=4)
    equal("float64, pickle protocol 4", do_import("a.pt")[0], weights)
    save("a.pt", checkpoint({f"module.{n}": t for n, t in tensors(weights).items()}))
    equal("prefix", do_import("a.pt")[0], weights)
    save("a.pt", tensors(weights))
    equal("a state dict alone", do_import("a.pt")[0], weights)
    limit, zipfile.ZIP64_LIMIT = zipfile.ZIP64_LIMIT, 1000
    save("a.pt", checkpoint(tensors(weights)))
    zipfile.ZIP64_LIMIT = limit
    check("a large archive", b"PK\6\7" in open("a.pt", "rb").read())
    equal("sizes and places as in an archive of more than 4 GB", do_import("a.pt")[0], weights)
    # every float16 there is: finite ones become the same numbers
    bits = np.arange(2**16, dtype=np.uint16).view(np.float16)
    table = np.resize(bits[np.isfinite(bits)], weights["atom_feature.atom_encoder.weight"].shape)
    save("a.pt", checkpoint({**tensors(weights), "atom_feature.atom_encoder.weight": Tensor.of(table, "float16")}))
    equal("all of float16", do_import("a.pt")[0], {**weights, "atom_feature.atom_encoder.weight": table.astype(np.float32)})


def average(weights):
    mean = {n: a * np.float32(0.5) for n, a in weights.items() if n != MEANS}
    save("a.pt", checkpoint(tensors(weights), tensors(mean)))
    got, said = do_import("a.pt")
    equal("beside an average", got, weights)
    check("the average is mentioned", said["has_ema"] and not said["ema"], said)
    equal("the average", do_import("a.pt", "--ema")[0], {**mean, MEANS: weights[MEANS]})


def heads(weights):
    without = {n: t for n, t in tensors(weights).items() if not n.startswith("lm_head.")}
    save("a.pt", checkpoint({**without, "classification_heads.x.dense.weight": Tensor.of(np.ones((3, 3))), "classification_heads.x.dense.bias": Tensor.of(np.ones(3))}))
    got, said = do_import("a.pt", "--new-heads")
    check("new heads", said["new_heads"] == "lm_head" and said["left_out"] == 2, said)
    equal("new heads, the rest", {n: got[n] for n in without}, {n: weights[n] for n in without})
    check("new heads, initial values", 0 < np.abs(got["lm_head.weight"]).max() <= got["lm_head.weight"].shape[1] ** -0.5
          and np.all(got["lm_head.layer_norm.weight"] == 1) and not got["lm_head.bias"].any())
    return without


def centres(weights):
    """Centres that half precision rounded are kept, and the shift is told."""
    for kind, most in (("float16", 0.0039), ("bfloat16", 0.0295)):
        means = rounded(weights[MEANS], kind)
        save("a.pt", checkpoint({**tensors(weights), MEANS: Tensor.of(means)}))
        got, said = do_import("a.pt")
        check(f"shift in {kind}", 0.8 * most < said["gaussian_mean_off"] <= most * 1.01, said)
        equal(f"centres in {kind}", got, {**weights, MEANS: means})
        text = run(TWOTRACK, "checkpoint", "import", "a.pt", "--out", "out.h5").stdout
        check(f"shift in {kind} is told", "%.4f" % said["gaussian_mean_off"] in text, text)


def claim(size, shape):
    """A tensor in a storage that is said to have so many elements, and has none."""
    storage = Storage("float32", np.zeros(0))
    storage.data = types.SimpleNamespace(size=size, tobytes=bytes)
    return Tensor(storage, 0, shape)


class Evil:
    """Unpickled by Python this would make a file."""

    def __reduce__(self):
        return os.system, ("touch executed",)


def refusals(weights, without_head):
    good = checkpoint(tensors(weights))
    some = "encoder.layers.0.ffn.linear_1.weight"

    def refuse(what, words, value=good, path="bad.pt", options=(), **how):
        if path == "bad.pt" and value is not None:
            save(path, value, **how)
        done = run(TWOTRACK, "checkpoint", "import", path, "--out", "never.h5", *options)
        check(what, done.returncode == 1 and all(w in done.stderr for w in words) and done.stderr.count("\n") == 1, done)
        check(what, not [f for f in os.listdir() if f.startswith("never")], "an output file was left")

    def without(*names):
        return checkpoint({n: t for n, t in tensors(weights).items() if n not in names})

    def other(name, value):
        return checkpoint({**tensors(weights), name: value})

    refuse("a call of os.system", ("posix.system", "refused"), {"model": Evil()})
    refuse("a call of eval", ("builtins.eval", "refused"), good, change_pickle=lambda p: pickle.dumps(eval, 4))
    check("nothing was executed", not os.path.exists("executed"))
    refuse("a missing head", ("no lm_head", "--new-heads"), checkpoint(without_head))
    refuse("a part of a head", ("no lm_head.bias",), without("lm_head.bias"))
    refuse("a missing tensor", (some,), without(some))
    refuse("a missing embedding", ("embed_tokens.weight",), without("embed_tokens.weight"))
    refuse("no weights", ("embed_tokens.weight",), {"model": {}})
    refuse("no dict", ("embed_tokens.weight",), [1, 2])
    refuse("no average", ("no moving average",), options=("--ema",))
    refuse("another shape", ("encoder.layers.1.ffn.linear_1.weight", "63 x 64", "64 x 64"), other("encoder.layers.1.ffn.linear_1.weight", Tensor.of(np.zeros((63, 64)))))
    refuse("an odd width", ("do not fit",), other("embed_tokens.weight", Tensor.of(np.zeros((128, 63)))))
    refuse("another model", ("another model", "encoder.extra"), other("encoder.extra", Tensor.of(np.zeros(1))))
    refuse("a number in place of a tensor", (some, "no tensor"), other(some, 3.5))
    refuse("a value that is not finite", (some, "finite"), other(some, Tensor.of(np.full((64, 64), np.nan))))
    refuse("integers", ("lm_head.bias", "floating"), other("lm_head.bias", Tensor.of(np.zeros(128), "int64")))
    refuse("other centres", (MEANS, "linspace"), other(MEANS, Tensor.of(np.linspace(0, 12, 128, dtype=np.float32))))
    args = checkpoint({})["args"]
    args.gaussian_std_width = 2.0
    refuse("another width of Gaussians", ("gaussian_std_width = 2",), {**good, "args": args})
    view = Tensor(Storage("float32", np.zeros(4096)), 1, (64, 64))
    refuse("a view past the end", (some, "inside its storage"), other(some, view))
    turned = Tensor.of(np.zeros((64, 64)))
    turned.steps = lambda: (1, 64)
    refuse("a transposed view", (some, "contiguous"), other(some, turned))
    wide = {n: claim(2**40, s) for n, s in {"embed_tokens.weight": (128, 8192), "edge_feature.edge_encoder.weight": (64, 8192),
            "encoder.layers.0.self_attn.linear_bias.weight": (64, 8192), "encoder.layers.0.pair_tri_mul.linear_ab_p.weight": (8192, 8192),
            "encoder.layers.0.ffn.linear_1.weight": (8192, 8192)}.items()}
    refuse("shapes that the file cannot hold", ("too few for the",), checkpoint(wide), options=("--new-heads",))
    refuse("missing values", ("data/5", "missing"), change_entries=lambda e: e.pop("archive/data/5"))
    refuse("too few values", ("fewer",), change_entries=lambda e: e.update({"archive/data/5": e["archive/data/5"][:-4]}))
    save("bad.pt", good)
    packed = {name: zipfile.ZipFile("bad.pt").read(name) for name in zipfile.ZipFile("bad.pt").namelist()}
    with zipfile.ZipFile("bad.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in packed.items():
            archive.writestr(name, content)
    refuse("a compressed archive", ("compressed", "zip -0"), None)
    refuse("big-endian", ("big-endian",), change_entries=lambda e: e.update({"archive/byteorder": b"big"}))
    refuse("no pickle", ("no data.pkl",), change_entries=lambda e: e.pop("archive/data.pkl"))
    refuse("an archive with a long name", ("too long",), change_entries=lambda e: [e.update({"a" * 600 + n[7:]: e.pop(n)}) for n in list(e)])
    refuse("a pickle cut short", ("too early",), change_pickle=lambda p: p[:-100])
    refuse("a code that nobody needs", ("does not know",), change_pickle=lambda p: b"\x82\x01" + p)
    refuse("a missing file", ("No such file",), path="absent.pt")
    refuse("a folder", ("not a file",), path=".")
    with open("bad.pt", "wb") as file:
        pickle.dump({"model": 1}, file)
    refuse("the format before 1.6", ("torch.save",), None)
    save("bad.pt", good)
    whole = open("bad.pt", "rb").read()
    for length in (0, 3, 100, len(whole) // 2, len(whole) - 1):
        open("bad.pt", "wb").write(whole[:length])
        refuse(f"{length} bytes", ("truncated" if length > 3 else "torch.save",), None)
    at = whole.index(np.float32(weights[some]).tobytes()) + 1000
    open("bad.pt", "wb").write(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    refuse("a damaged value", ("damaged", "CRC"), None)
    done = run(TWOTRACK, "checkpoint", "import", "bad.pt", "--out", "./bad.pt")
    check("a file onto itself", done.returncode == 2 and os.path.getsize("bad.pt") == len(whole), done)


def mutations():
    """Damaged pickles and archives are refused or read, never more."""
    width = {"embed_tokens.weight": (128, 4), "edge_feature.edge_encoder.weight": (64, 2)}
    value = checkpoint({n: Tensor.of(np.zeros(s)) for n, s in width.items()})
    random.seed(1)

    def spoil(data):
        data = bytearray(data)
        for _ in range(random.randint(1, 3)):
            at = random.randrange(len(data))
            kind = random.randrange(4)
            if kind == 0:
                data[at] = random.randrange(256)
            elif kind == 1:
                del data[at : at + random.randint(1, 8)]
            elif kind == 2:
                data[at:at] = data[at : at + random.randint(1, 30)]
            else:
                data[at] ^= 1 << random.randrange(8)
        return bytes(data)

    for k in range(int(os.environ.get("TT_TEST_MUTATIONS", "40"))):
        save("m.pt", value, change_pickle=spoil if k % 2 else None)
        if k % 2 == 0:
            spoilt = open("m.pt", "rb").read()
            keep = len(spoilt) - 700  # the directory, and a little before it
            open("m.pt", "wb").write(spoilt[:keep] + spoil(spoilt[keep:]))
        done = run(TWOTRACK, "checkpoint", "import", "m.pt", "--out", "m.h5")
        check(f"mutation {k}", done.returncode == 1 and done.stderr.count("\n") == 1, done)


def training(weights):
    """A run starts from the file and goes on from its own; with a learning rate of 0 it ends with the same weights. It computes with
    the file's centres, which show in the loss."""
    subprocess.run([MAKE_STORE, "store", "5000", "200"], check=True)
    losses = {}

    def train(out, *options):
        settings = ("train.checkpoint_every=2", "train.steps=4", "optimizer.learning_rate=0", "validation.every=4")
        done = run(TWOTRACK, "train", CONFIG, "--store", "store", "--out", out, *(a for s in settings for a in ("--set", s)), *options)
        check(f"training of {out}", done.returncode == 0, done.stderr)

    for kind in ("float32", "bfloat16"):
        start = {**weights, MEANS: rounded(weights[MEANS], kind)}
        save("a.pt", checkpoint(tensors(start)))
        do_import("a.pt")
        train(kind, "--init-from", "out.h5")
        for again in (False, True):
            if again:  # from the middle
                os.remove(f"{kind}/checkpoints/step-000000004.h5")
                train(kind, "--resume")
            with h5py.File(f"{kind}/checkpoints/step-000000004.h5") as file:
                equal(f"training without learning, {kind}", {n: a[()] for n, a in file["weights"].items()}, start)
            with open(f"{kind}/run.jsonl") as log:
                records = [json.loads(line) for line in log]
            loss = [r["loss"] for r in records if r["type"] == "valid"]
            check(f"validations of {kind}", len(loss) == 2 and loss[0] == loss[1] == losses.setdefault(kind, loss[0]), loss)
    check("rounded centres show in the loss", losses["float32"] != losses["bfloat16"], losses)


def main():
    every = {}
    for path in VECTORS:
        with h5py.File(path) as file:
            every[path] = {name: a[()] for name, a in file["weights"].items()}
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        for path, weights in every.items():
            save("a.pt", checkpoint(tensors(weights)))
            got, said = do_import("a.pt")
            equal(path, got, weights)
            check("preset", said["preset"] == ("cpu-tiny" if "tiny" in path else ""), said)
            upstream_numbers(path, got)
        weights = every[VECTORS[0]]
        formats(weights)
        average(weights)
        without_head = heads(weights)
        centres(weights)
        refusals(weights, without_head)
        mutations()
        training(weights)
    print("all passed" if failures == 0 else f"{failures} failed")
    return failures > 0


sys.exit(main())
