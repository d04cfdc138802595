#!/usr/bin/env python3
"""Our checkpoints in PyTorch, by the lines of docs/weights.md, and PyTorch's files in our program.

pytorch_test.py TWOTRACK PARITY MAKE_STORE RUN.cfg VECTORS.h5 docs/weights.md     77: skipped, for want of torch or h5py

A short run's weights go into the PyTorch peer (benchmarks/peer_model.py, strict names). It computes outputs, losses and every gradient
in float64, and the parity program compares our model, which has the same weights, with them. Then torch.save writes these weights,
in several types, and what twotrack imports must be what torch itself makes of them in float32.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

try:
    import h5py
    import torch
except ImportError as missing:
    print(f"skipped: {missing} ({sys.executable}; PYTHON names another one)")
    sys.exit(77)

TWOTRACK, PARITY, MAKE_STORE, CONFIG, VECTORS, DOCUMENT = map(os.path.abspath, sys.argv[1:])
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../benchmarks"))

from peer_model import NO_DROPOUT, PRESETS, Model, losses  # noqa: E402

F32_ERROR = 1e-6  # of one number in fp32, as a share of the largest: the parity program allows ten times that
MEANS = "se3_invariant_kernel.gaussian.mean"


def trained_weights():
    """A short run's checkpoint, which is not an initial state."""
    subprocess.run([MAKE_STORE, "store", "5000", "200"], check=True)
    settings = ("train.steps=8", "train.checkpoint_every=8", "optimizer.learning_rate=0.01")
    subprocess.run([TWOTRACK, "train", CONFIG, "--store", "store", "--out", "run", *(a for s in settings for a in ("--set", s))],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    os.rename("run/checkpoints/step-000000008.h5", "step-000001000.h5")


def load_as_documented(model):
    """Runs the first Python example of the document, which loads step-000001000.h5 into `model`."""
    with open(DOCUMENT) as file:
        lines = re.search(r"```python\n(.*?)```", file.read(), re.S)[1]
    names = {"model": model}
    exec(compile(lines, DOCUMENT, "exec"), names)
    assert 'preset = "cpu-tiny"' in names["config"], names["config"]
    return names["state"]


def read_batch():
    with h5py.File(VECTORS) as file:
        arrays = {k: torch.from_numpy(a[()]) for k, a in file["inputs"].items() if k not in ("attn_bias", "src_mask_cord")}
    return {k: v.double() if v.is_floating_point() else v.long() for k, v in arrays.items()}


def write_expected(path, model, state):
    """A file of reference vectors: the inputs of VECTORS, these weights, and what the peer computes in float64."""
    model, batch = model.double(), read_batch()
    output = model(batch)
    terms = losses(output, batch)
    sum(terms).backward()
    with h5py.File(VECTORS) as old, h5py.File(path, "w") as new:
        new.attrs.update(old.attrs)
        old.copy("inputs", new)

        def put(name, value):
            data = new.create_dataset(name, data=value.detach().numpy())
            largest = float(value.detach().abs().max())
            data.attrs.update({"max_abs": largest, "f32_max_abs_err": F32_ERROR * largest})

        for name, value in state.items():
            new[f"weights/{name}"] = value.numpy()
        for name, value in zip(("logits", "movement", "pred_pos"), output):
            put(f"act64/{name}", value)
        for name, value in zip(("loss", "masked_token_loss", "masked_coord_loss", "masked_dist_loss"), (sum(terms), *terms)):
            put(f"loss64/{name}", value)
        for name, parameter in model.named_parameters():
            put(f"grad64/{name}", parameter.grad)


def compare(path):
    done = subprocess.run([PARITY, path], capture_output=True, text=True)
    print(done.stdout.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout


def import_from_torch(state):
    """Files of torch.save's own, whole and in the mixtures that half-precision runs leave."""
    for kind in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        kept = ("atom_feature.", "edge_feature.", "se3_invariant_kernel.")
        mixed = {n: t if n.startswith(kept) else t.to(kind) for n, t in state.items()}
        torch.save({"args": argparse.Namespace(arch="unimol2", device=torch.device("cpu"), dtype=kind), "model": mixed,
                    "extra_state": {"loss": torch.tensor(1.5)}}, "checkpoint.pt")  # fmt: skip
        subprocess.run([TWOTRACK, "checkpoint", "import", "checkpoint.pt", "--out", "imported.h5"], check=True, stdout=subprocess.DEVNULL)
        with h5py.File("imported.h5") as file:
            assert set(file["weights"]) == set(mixed)
            for name, tensor in file["weights"].items():
                assert torch.equal(torch.from_numpy(tensor[()]), mixed[name].float()), (kind, name)
        print(f"{kind}: {len(mixed)} tensors the same")


def main():
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        trained_weights()
        model = Model(PRESETS["cpu-tiny"], NO_DROPOUT)
        state = load_as_documented(model)
        write_expected("expected.h5", model, state)
        compare("expected.h5")
        import_from_torch(state)


main()
