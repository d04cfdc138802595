#!/usr/bin/env python3
"""Sampling by scaffold as its definition says, one molecule after the other, beside the program's race.

usage: race_peer.py RACE_TEST      (the program race_test, which prints what its races take in the mean)
"""
import math
import random
import subprocess
import sys


def draw(sizes, temperature, count, random_numbers):
    """How many molecules of each scaffold: draw a scaffold by softmax(P / T), take one, drop it when it is used up."""
    total = sum(sizes)
    top = max(sizes) / total / temperature
    weights = [math.exp(n / total / temperature - top) for n in sizes]
    left, taken = list(sizes), [0] * len(sizes)
    for _ in range(count):
        at = random_numbers.random() * sum(w for w, n in zip(weights, left) if n)
        last = None
        for k, (w, n) in enumerate(zip(weights, left)):
            if not n:
                continue
            last = k
            at -= w
            if at < 0:
                break
        left[last] -= 1
        taken[last] += 1
    return taken


def main():
    sizes = [60, 25, 25, 10, 5, 5, 3, 2, 2] + [1] * 13  # a few large scaffolds, many small ones
    runs, worst = 1200, 0.0
    random_numbers = random.Random(1)
    for temperature, count in ((0.1, 40), (0.1, 90), (0.05, 60), (10.0, 40)):
        command = [sys.argv[1], str(temperature), str(count), str(runs)] + [str(n) for n in sizes]
        theirs = [float(x) for x in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()]
        ours = [draw(sizes, temperature, count, random_numbers) for _ in range(runs)]
        for k in range(len(sizes)):
            mean = sum(t[k] for t in ours) / runs
            variance = sum((t[k] - mean) ** 2 for t in ours) / (runs - 1)
            z = (theirs[k] - mean) / math.sqrt(2 * variance / runs + 1e-9)
            worst = max(worst, abs(z))
            if abs(z) > 4.5:
                sys.exit(f"T {temperature}, {count} molecules, scaffold of {sizes[k]}: {theirs[k]}, not {mean} ({z:.1f})")
    print(f"largest deviation of a mean: {worst:.2f} of its standard error")


if __name__ == "__main__":
    main()
