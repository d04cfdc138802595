#!/usr/bin/env python3
"""Checks every digest of a checkpoint without the program, as docs/formats.md says how: python3 checkpoint_digests.py FILE"""
import sys

import h5py
import numpy as np


def u64(x):
    return np.uint64(x)


def digest(values):
    bits = np.ascontiguousarray(values, dtype="<f4").reshape(-1).view("<u4").astype(np.uint64)
    index = np.arange(bits.size, dtype=np.uint64)
    x = (index << u64(32) | bits) ^ u64(0x9E3779B97F4A7C15)
    y = (x ^ x >> u64(30)) * u64(0xBF58476D1CE4E5B9)
    z = (y ^ y >> u64(27)) * u64(0x94D049BB133111EB)
    u = z ^ z >> u64(31)
    v = (u ^ u >> u64(32)) * u64(0xD6E8FEB86659FD93)
    w = v ^ v >> u64(29)
    return "%016x%016x" % (int(u.sum(dtype=np.uint64)), int(w.sum(dtype=np.uint64)))


with h5py.File(sys.argv[1], "r") as f:
    tensors = {f"{section}/{name}": f[section][name] for section in f if section != "skipped" for name in f[section]}
    broken = [name for name, t in tensors.items() if digest(t[()]) != t.attrs["digest"].decode()]
for name in broken:
    print("broken:", name)
sys.exit(1 if broken or not tensors else 0)
