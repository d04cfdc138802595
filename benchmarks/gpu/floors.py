#!/usr/bin/env python3
"""The floor of each part of a training step on one H100 (docs/gpu.md).   floors.py [--written] [--molecules N]

A part's floor is what it must do if everything inside it stayed on the chip: read what it is given and write what it
hands on, once in the forward and once in the backward, and its matrix products at the rate of a good library."""
import argparse

from workload import BYTES_PER_S, MODELS, PARTS, PEAK, SINGLE_PER_S, TENSOR_PER_S, Batch, forward_operations
from written import SLAB_ELEMENTS, kernels

PAIR_PARTS = ["attention", "outer product", "triangle", "pair FFN"]


def floor_bytes(m, b):
    """Bytes by part. A pass: all token rows, or all pair rows, in bf16."""
    token, pair, L = 2 * b.T * m.D, 2 * b.R * m.P, m.layers
    passes = {  # (token, pair), forward + backward
        "embedding": (1 + 1, 1 + 1),  # writes the first rows; reads their gradient
        "attention": (L * (2 + 3), L * (1 + 3)),  # x -> x; the bias only reads the pairs, its gradient is added to theirs
        "atom FFN": (L * (2 + 3), 0),  # x -> x; x and dx -> dx
        "outer product": (L * (1 + 3), L * (2 + 1)),  # the residual's gradient stays as it is
        "triangle": (0, L * (2 + 3)),
        "pair FFN": (0, L * (2 + 3)),
        "heads": (1 + 2, 1 + 2),  # the gradients begin here: written, not read
    }
    weights = m.weights()  # forward and backward read 2 bytes; a gradient is read and written in fp32
    result = {part: token * t + pair * p + 12 * weights[part] for part, (t, p) in passes.items()}
    result["embedding"] += 2 * (b.R * 5 + b.T * 24)  # features: paths, bonds, atoms, places
    total = sum(weights.values())
    result["gradient sums"] = 4 * total  # cleared once; every further leaf adds 12
    result["optimizer"] = (4 + 29 + 2) * total  # norm; w, m, v read and written, g and decay read; the copy in bf16
    return result


def floor_seconds(m, b):
    """(bytes / rate, operations / rate) by part. The Gaussian part is in fp32, for which there are no tensor cores."""
    operations, moved = forward_operations(m, b), floor_bytes(m, b)
    rate = {part: SINGLE_PER_S if part == "embedding" else TENSOR_PER_S for part in PARTS}
    return {part: (moved[part] / BYTES_PER_S, 3 * operations[part] / rate[part]) for part in PARTS}


def table(m, b):
    operations, moved, seconds = forward_operations(m, b), floor_bytes(m, b), floor_seconds(m, b)
    print(f"{m.name}: {m.layers} layers, {b.molecules} molecules, {b.T:.0f} token rows, {b.R:.0f} pair rows")
    print(f"{'part':14} {'GB':>8} {'TFLOP':>8} {'ms bytes':>9} {'ms FLOPs':>9} {'floor ms':>9}")
    for part in PARTS:
        s = seconds[part]
        print(f"{part:14} {moved[part] / 1e9:8.2f} {3 * operations[part] / 1e12:8.3f} {s[0] * 1e3:9.2f} {s[1] * 1e3:9.2f}"
              f" {max(s) * 1e3:9.2f}")
    step = sum(max(s) for s in seconds.values())
    total = sum(operations.values()) * 3
    print(f"{'step':14} {sum(moved.values()) / 1e9:8.2f} {total / 1e12:8.3f} {'':9} {'':9} {step * 1e3:9.2f}"
          f"  {b.molecules / step:.0f} conformations/s, {total / step / 1e12:.0f} TFLOP/s")


def written_table(m, b, slab):
    """The floor beside what the kernels do as written (written.py)."""
    made, floors, floor_moved = kernels(m, b, slab), floor_seconds(m, b), floor_bytes(m, b)
    pair = 2 * b.R * m.P * m.layers
    print(f"{m.name}: {b.molecules} molecules, slabs of {slab // m.P} pair rows")
    print(f"{'':14} {'floor':>16} {'as written':>34} {'passes a layer':>16}")
    print(f"{'part':14} {'GB':>8} {'ms':>7} {'GB':>8} {'cached':>8} {'ms':>7} {'kernels':>8} {'forward':>8} {'backward':>8}")
    total = [0.0] * 6
    for part in PARTS:
        own = [k for k in made if k[0] == part]
        row = [floor_moved[part] / 1e9, max(floors[part]) * 1e3] + [sum(k[i] for k in own) for i in (2, 3, 5, 6)]
        row[2], row[3], row[4] = row[2] / 1e9, row[3] / 1e9, row[4] * 1e3
        total = [x + y for x, y in zip(total, row)]
        passes = [sum(k[2] for k in own if k[1] == backward) / pair for backward in (False, True)]
        shown = "".join(f" {x:8.1f}" for x in passes) if part in PAIR_PARTS else ""
        print(f"{part:14} {row[0]:8.2f} {row[1]:7.2f} {row[2]:8.2f} {row[3]:8.2f} {row[4]:7.2f} {row[5]:8.0f}{shown}")
    step = total[4] / 1e3
    operations = 3 * sum(forward_operations(m, b).values())
    print(f"{'step':14} {total[0]:8.2f} {total[1]:7.2f} {total[2]:8.2f} {total[3]:8.2f} {total[4]:7.2f} {total[5]:8.0f}"
          f"  {b.molecules / step:.0f} conformations/s, MFU {operations / step / PEAK:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--molecules", type=int, default=128, help="molecules a step (default 128)")
    parser.add_argument("--written", action="store_true", help="beside the floors, what the kernels do as written (written.py)")
    parser.add_argument("--slab", type=int, default=SLAB_ELEMENTS, help="elements of a slab's widest array (TWOTRACK_SLAB)")
    options = parser.parse_args()
    batch = Batch(options.molecules)
    for k, model in enumerate(MODELS):
        if k:
            print()
        if options.written:
            written_table(model, batch, options.slab)
        else:
            table(model, batch)


if __name__ == "__main__":
    main()
