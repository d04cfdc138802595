#!/usr/bin/env python3
"""Makes the LMDB fixtures tests/vectors/unimol*.lmdb with LMDB's own library, in the two shapes that are published.

usage: make_unimol.py FRAMES.xyz OUT_V1.lmdb OUT_V2.lmdb     (needs numpy and the lmdb module)

FRAMES.xyz: frames with hydrogens, the atoms in the SMILES's order, the comment is the SMILES; frames of one SMILES
that follow each other are its conformers.

First shape (Uni-Mol): keys "0", "1", ...; after the conformers comes a flat drawing. Second one (Uni-Mol2): keys are
four bytes, conformers alone. Record k is pickled by protocol k % 6; the values are arrays of float32, in some records of
float64, in others lists of rows. The last record of the first shape has no hydrogens; some are compressed in the second.
"""
import os
import pickle
import sys
import zlib

import lmdb
import numpy as np


def read_frames(path):
    molecules = []
    lines = open(path).read().split("\n")
    at = 0
    while at < len(lines) and lines[at].strip():
        n = int(lines[at])
        rows = [line.split() for line in lines[at + 2 : at + 2 + n]]
        smiles, atoms = lines[at + 1], [r[0] for r in rows]
        xyz = np.array([[float(x) for x in r[1:4]] for r in rows], np.float32)
        if not molecules or molecules[-1][0] != smiles:
            molecules.append((smiles, atoms, []))
        molecules[-1][2].append(xyz)
        at += n + 2
    return molecules


def write(path, records):
    if os.path.exists(path):
        os.remove(path)
    env = lmdb.open(path, subdir=False, lock=False, map_size=1 << 24)
    with env.begin(write=True) as transaction:
        for key, value in records:
            transaction.put(key, value)
    env.close()
    if os.path.exists(path + "-lock"):
        os.remove(path + "-lock")


def first(molecules):
    for k, (smiles, atoms, conformers) in enumerate(molecules):
        drawing = conformers[0].copy()
        drawing[:, 2] = 0
        if k == len(molecules) - 1:
            heavy = [i for i, a in enumerate(atoms) if a != "H"]
            atoms, conformers, drawing = [atoms[i] for i in heavy], [c[heavy] for c in conformers], drawing[heavy]
        yield b"%d" % k, pickle.dumps({"atoms": atoms, "coordinates": conformers + [drawing], "smi": smiles}, k % 6)


def second(molecules):
    for k, (smiles, atoms, conformers) in enumerate(molecules):
        forms = [conformers, [c.astype(np.float64) for c in conformers], [c.tolist() for c in conformers], np.stack(conformers)]
        value = pickle.dumps({"smi": smiles, "atoms": np.array(atoms) if k == 4 else atoms, "coordinates": forms[k % 4], "id": k}, (k + 1) % 6)
        yield k.to_bytes(4, "big"), zlib.compress(value) if k == 5 else value


molecules = read_frames(sys.argv[1])
write(sys.argv[2], first(molecules))
write(sys.argv[3], second(molecules))
