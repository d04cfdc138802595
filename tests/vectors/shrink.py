#!/usr/bin/env python3
"""Makes a reference file small enough for git: float64 arrays rounded to float32 (far below the tolerances), padded positions
zeroed (they are not compared), what the tests do not read left out, everything compressed.

usage: shrink.py IN.h5 OUT.h5 [LEFT-OUT-REGEX]
"""
import re
import sys

import h5py
import numpy as np

UNREAD = r"grad32/|loss32/|weights_final/|valid|inputs/attn_bias|inputs/src_mask_cord"


def without_padding(data, atoms, padded):
    """Zeroes the positions of a (B, S|n, ...) or (B, H, S|n, S|n) activation that belong to no molecule."""
    data = data.copy()
    for axis in range(1, data.ndim):
        first = {padded: 0, padded - 1: 1}.get(data.shape[axis])
        if first is None:
            continue
        for molecule, n in enumerate(atoms):
            data[(molecule,) + (slice(None),) * (axis - 1) + (slice(n + 1 - first, None),)] = 0
    return data


def main():
    source, target = sys.argv[1:3]
    left_out = re.compile(f"(?:{UNREAD}|{sys.argv[3]})" if len(sys.argv) > 3 else UNREAD)
    with h5py.File(source) as old, h5py.File(target, "w", libver="latest") as new:
        new.attrs.update(old.attrs)
        atoms = old.attrs.get("n_atoms")

        def copy(name, item):
            if not isinstance(item, h5py.Dataset) or left_out.match(name):
                return
            data = item[()]
            if name.startswith("act") and atoms is not None and data.ndim > 2:
                data = without_padding(data, atoms, old["inputs/src_token"].shape[1] + 1)
            if data.dtype == np.float64 and data.size > 1000:
                data = data.astype(np.float32)
            packed = dict(compression="gzip", compression_opts=9, shuffle=True) if data.ndim else {}
            new.create_dataset(name, data=data, **packed).attrs.update(item.attrs)

        old.visititems(copy)


main()
