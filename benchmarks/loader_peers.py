#!/usr/bin/env python3
"""How fast molecules come from our store and from others: the same molecules, one core, in one run.

usage: loader_peers.py --store DIR [--count N] [--folder DIR] [--seconds S] [--rounds N] [--large DIR] [--json FILE]

The molecules of --store are repeated with moved atoms (benchmarks/enlarge) until there are --count, and written in each way that
peer_stores.py knows. All is read with the page cache warm, ours and the others in turn. --large: a store of ours to be measured
besides. The report is Markdown on standard output; docs/benchmarks.md explains its figures. Needs h5py, numpy and lmdb.
"""
import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import sides

ENLARGE = os.environ.get("ENLARGE", os.path.join(os.path.dirname(sides.PROGRAM), "benchmarks", "enlarge"))


def enlarged(store, folder, count, shards=0):
    """Makes the store; what `enlarge` says of it."""
    done = subprocess.run([ENLARGE, store, folder, str(count), str(shards)], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sides.fail(f"{ENLARGE} failed (ENLARGE names the program)")
    return json.loads(done.stdout)


def ours(store, seconds, *more):
    return sides.run([sides.PROGRAM, "bench", "loader", "--store", store, "--seconds", seconds, "--json", *more], {})


def rate_of(get, order, seconds):
    """Molecules a second, in this order, from its beginning again when it ends."""
    begun, done = time.perf_counter(), 0
    while True:
        for k in range(0, len(order), 500):
            for i in order[k : k + 500]:
                get(i)
            done += len(order[k : k + 500])
            if time.perf_counter() - begun > seconds:
                return done / (time.perf_counter() - begun)


def prepared(folder, scratch):
    """All other stores, written and open: each with its molecules a second while it was made and its bytes a molecule."""
    import peer_stores

    records, stores = list(peer_stores.molecules(folder)), []
    for kind in peer_stores.ALL:
        sides.note(f"writing {kind.name}")
        store, begun = kind(scratch), time.perf_counter()
        store.write(records)
        os.sync()
        seconds = time.perf_counter() - begun
        store.open()
        for i in range(0, len(records), 97):  # what the first reads take is not to be measured
            store.get(i)
        stores.append({"name": kind.name, "store": store, "bytes": store.size() / len(records), "sequential": [], "shuffled": [],
                       "write": None if kind is peer_stores.Hdf5Chunks else len(records) / seconds})  # fmt: skip
    return stores, len(records)


def number(x):
    return "" if x is None else f"{x:,.0f}".replace(",", " ")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--store", required=True, help="a small store of ours, without hydrogens")
    p.add_argument("--count", type=sides.whole(100000), default=200000, help="molecules (default 200000)")
    p.add_argument("--folder", help="where to write the stores (default: a temporary folder; they are removed in the end)")
    p.add_argument("--seconds", type=float, default=3, help="of each measurement (default 3)")
    p.add_argument("--rounds", type=sides.whole(1), default=3, help="measurements of each store, in turn (default 3)")
    p.add_argument("--large", help="another store of ours, measured besides")
    p.add_argument("--json", metavar="FILE", type=sides.output_file, help="write the record there too, with all measurements")
    a = p.parse_args()
    try:
        import h5py  # noqa: F401
        import lmdb  # noqa: F401
    except ImportError as error:
        sides.fail(f"{error}: the peers need h5py, numpy and lmdb (Debian: python3-h5py, python3-lmdb; or pip install -r benchmarks/requirements.txt)")
    sides.check_ours(1)
    load = sides.Load()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # all that is started from here, too
    scratch = tempfile.mkdtemp(prefix="twotrack-stores-", dir=a.folder)
    try:
        folder = os.path.join(scratch, "twotrack")
        sides.note("writing ours")
        made, mine = enlarged(a.store, folder, a.count), []
        others, count = prepared(folder, scratch)
        order = list(range(count))
        shuffled = random.Random(1).sample(order, count)
        for k in range(a.rounds):
            mine.append(ours(folder, a.seconds))
            sides.note(f"round {k + 1}: ours: {mine[-1]['shuffled']['molecules_per_s']:.0f}/s, batches {mine[-1]['batches']['molecules_per_s']:.0f}/s")
            for other in others:
                other["sequential"].append(rate_of(other["store"].get, order, a.seconds))
                other["shuffled"].append(rate_of(other["store"].get, shuffled, a.seconds))
                sides.note(f"round {k + 1}: {other['name']}: {other['sequential'][-1]:.0f}/s, shuffled {other['shuffled'][-1]:.0f}/s")
        large = ours(a.large, a.seconds) if a.large else None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)

    median = lambda name: statistics.median(r[name]["molecules_per_s"] for r in mine)
    size = mine[0]["bytes_per_conformation"]
    rows = [
        ["**ours**: chunks, verified, decoded", number(median("sequential")), number(median("shuffled")), number(a.count / made["seconds_writing"]), f"{size:.0f}", "1.00"],
        ["**ours**: finished batches", "", number(median("batches")), "", "", ""],
    ]
    for other in others:
        del other["store"]
        rows.append([other["name"], number(statistics.median(other["sequential"])), number(statistics.median(other["shuffled"])),
                     number(other["write"]), f"{other['bytes']:.0f}", f"{other['bytes'] / size:.2f}"])  # fmt: skip
    upstream = others[-1]
    least = lambda name: min(r[name]["molecules_per_s"] for r in mine)
    text = "\n".join([
        f"{sides.datetime.date.today()}; {sides.cpu()}; one core for all; {load.text()}\nOurs: {mine[0]['code_version']}.\n\n    "
        f"{sides.shlex.join([os.path.relpath(sys.argv[0]), *sys.argv[1:]])}\n",
        f"{number(mine[0]['molecules'])} molecules of {mine[0]['atoms'] / mine[0]['molecules']:.1f} atoms; page cache warm; medians of "
        f"{sides.counted(a.rounds, 'round')} of {a.seconds:g} s.\n",
        sides.table(["store", "sequential molecules/s", "shuffled molecules/s", "write molecules/s", "bytes a conformation", "size, ours = 1"], rows),
        f"Ours against upstream's, shuffled: {median('shuffled') / statistics.median(upstream['shuffled']):.1f} times the molecules a second, "
        f"{size / upstream['bytes']:.3f} of the bytes (asked: at most 0.5).",
        f"The slowest round: chunks shuffled {number(least('shuffled'))}/s (asked: 300 000), finished batches {number(least('batches'))}/s "
        "(asked: 60 000).",
    ])  # fmt: skip
    if large:
        first = large["shuffled"]["first_pass"]["molecules_per_s"]
        text += (f"\n\nA store of {number(large['molecules'])} molecules in {number(large['shards'])} shards, {large['bytes'] / 1e9:.2f} GB, opened in "
                 f"{1e3 * large['open_seconds']:.0f} ms: chunks shuffled {number(large['shuffled']['molecules_per_s'])}/s (first pass {number(first)}/s), "
                 f"finished batches {number(large['batches']['molecules_per_s'])}/s, peak memory {large['peak_memory_bytes'] / 1e6:.0f} MB.")  # fmt: skip
    sides.write_record(a, text, {"ours": mine, "peers": others, "large": large, "made": made})


if __name__ == "__main__":
    sys.exit(main())
