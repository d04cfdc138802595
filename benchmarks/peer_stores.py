"""Other ways to keep molecules on a disk, each written and read as people do it from Python.

Every store here has the same methods: write(records) -> nothing; open(); get(i) -> one molecule, as arrays; size() -> bytes. A record
is what `molecules` yields. What is ours is not here: loader_peers.py runs the program.
"""
import json
import os
import pickle
import random

import h5py
import numpy as np

SYMBOLS = ("H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd "
           "Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac "
           "Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og *").split()  # fmt: skip
NUMBER_BITS, HYDROGENS_AT, HYDROGENS_BITS = 7, 18, 4  # of the fields of an atom's word (docs/formats.md)


def molecules(folder):
    """The training molecules of one of our stores, in its order; one conformation each, the first."""
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        shards = [s["file"] for s in json.load(file)["shards"] if s["split"] == "train"]
    for name in shards:
        with h5py.File(os.path.join(folder, name)) as file:
            counts = file["counts"][:].astype(np.int64)
            arrays = {k: file[k][:] for k in ("atom_features", "bond_atoms", "bond_features", "coordinates", "smiles")}
        atom = bond = xyz = text = 0
        for atoms, bonds, conformers, letters in counts.tolist():
            yield {
                "atoms": arrays["atom_features"][atom : atom + atoms],
                "bonds": arrays["bond_atoms"][bond : bond + bonds],
                "bond_features": arrays["bond_features"][bond : bond + bonds],
                "xyz": arrays["coordinates"][xyz : xyz + atoms],
                "smiles": arrays["smiles"][text : text + letters].tobytes(),
            }
            atom, bond, xyz, text = atom + atoms, bond + bonds, xyz + conformers * atoms, text + letters


# ---- HDF5, memory maps: one array for each field, the molecules' rows one after the other


FIELDS = ("atoms", "bonds", "bond_features", "xyz", "smiles")
TABLE_OF = {"atoms": 0, "xyz": 0, "bonds": 1, "bond_features": 1, "smiles": 2}  # which row table a field follows


def joined(records):
    """The fields' arrays and the tables of rows before each record: (3, records + 1)."""
    rows = np.zeros((3, len(records) + 1), np.int64)
    for k, r in enumerate(records):
        rows[:, k + 1] = len(r["atoms"]), len(r["bonds"]), len(r["smiles"])
    arrays = {f: np.concatenate([r[f] for r in records]) for f in FIELDS if f != "smiles"}
    arrays["smiles"] = np.frombuffer(b"".join(r["smiles"] for r in records), np.uint8)
    return arrays, np.cumsum(rows, axis=1)


class Hdf5Rows:
    """Struct of arrays; every molecule is a slice of each dataset. HDF5's chunks hold 256 molecules, its cache is large."""

    name, CHUNK = "HDF5, h5py, a molecule at a time", 256

    def __init__(self, folder):
        self.path = os.path.join(folder, "soa.h5")

    def write(self, records):
        arrays, rows = joined(records)
        with h5py.File(self.path, "w") as file:
            for field, array in arrays.items():
                chunk = max(1, min(len(array), self.CHUNK * len(array) // len(records)))
                file.create_dataset(field, data=array, chunks=(chunk, *array.shape[1:]))
            file.create_dataset("rows", data=rows)

    def open(self):
        self.file = h5py.File(self.path, "r", rdcc_nbytes=128 << 20, rdcc_nslots=1_000_003)
        self.rows = self.file["rows"][:].tolist()
        self.fields = [(self.file[f], self.rows[TABLE_OF[f]]) for f in FIELDS]

    def get(self, i):
        return [data[rows[i] : rows[i + 1]] for data, rows in self.fields]

    def size(self):
        return os.path.getsize(self.path)


class Hdf5Chunks(Hdf5Rows):
    """The same file; blocks of 256 molecules are read whole, and the last 8 of them are kept."""

    name, KEPT = "HDF5, h5py, 256 molecules at a time, 8 blocks kept", 8

    def write(self, records):
        pass  # Hdf5Rows did

    def open(self):
        super().open()
        self.kept = {}

    def get(self, i):
        number = i // self.CHUNK
        block = self.kept.pop(number, None)
        if block is None:
            first, end = number * self.CHUNK, min((number + 1) * self.CHUNK, len(self.rows[0]) - 1)
            block = [(data[rows[first] : rows[end]], rows, rows[first]) for data, rows in self.fields]
            while len(self.kept) >= self.KEPT:
                self.kept.pop(next(iter(self.kept)))
        self.kept[number] = block
        return [array[rows[i] - start : rows[i + 1] - start] for array, rows, start in block]


class Memmap:
    """Plain files mapped to memory: nothing is checked, nothing is decoded, the system does the reading."""

    name = "numpy.memmap"

    def __init__(self, folder):
        self.folder = os.path.join(folder, "memmap")

    def write(self, records):
        os.makedirs(self.folder, exist_ok=True)
        arrays, rows = joined(records)
        for field, array in {**arrays, "rows": rows}.items():
            np.save(os.path.join(self.folder, field + ".npy"), array)

    def open(self):
        self.rows = np.load(os.path.join(self.folder, "rows.npy")).tolist()
        load = lambda f: np.load(os.path.join(self.folder, f + ".npy"), mmap_mode="r")
        self.fields = [(load(f), self.rows[TABLE_OF[f]]) for f in FIELDS]

    def get(self, i):
        return [np.array(data[rows[i] : rows[i + 1]]) for data, rows in self.fields]  # copied, so the pages are read

    def size(self):
        return sum(os.path.getsize(os.path.join(self.folder, f)) for f in os.listdir(self.folder))


# ---- LMDB: one value a molecule, keys of 4 bytes in ascending order, as upstream writes them


class Lmdb:
    def __init__(self, folder):
        import lmdb  # the other stores do not need it

        self.lmdb, self.path = lmdb, os.path.join(folder, type(self).__name__ + ".lmdb")

    def write(self, records):
        env = self.lmdb.open(self.path, subdir=False, map_size=1 << 40, lock=False, meminit=False)
        for first in range(0, len(records), 10000):
            with env.begin(write=True) as txn:
                for k, record in enumerate(records[first : first + 10000], first):
                    txn.put(k.to_bytes(4, "big"), self.value(record))
        self.used = (env.info()["last_pgno"] + 1) * env.stat()["psize"]  # the file itself may be longer
        env.close()

    def open(self):
        self.env = self.lmdb.open(self.path, subdir=False, readonly=True, lock=False, readahead=False, meminit=False, max_readers=256)

    def size(self):
        return self.used


class LmdbUpstream(Lmdb):
    """Upstream's records: pickled SMILES, symbols and coordinates, hydrogens included. Their number is the molecule's own; their
    places, which no time or size depends on, are at random around their atoms."""

    name = "LMDB, pickle, with hydrogens (upstream)"

    def value(self, r):
        words = r["atoms"].astype(np.int64)
        symbols = [SYMBOLS[x] for x in (words & (1 << NUMBER_BITS) - 1).tolist()]
        owners = np.repeat(np.arange(len(words)), words >> HYDROGENS_AT & (1 << HYDROGENS_BITS) - 1)
        around = r["xyz"][owners] + np.frombuffer(random.randbytes(3 * len(owners)), np.int8).reshape(-1, 3).astype(np.float32) / 127
        return pickle.dumps({"smi": r["smiles"].decode(), "atoms": symbols + ["H"] * len(owners),
                             "coordinates": [np.concatenate([r["xyz"], around])]})  # fmt: skip

    def get(self, i):
        return pickle.loads(self.env.begin().get(i.to_bytes(4, "big")))


class LmdbHeavy(LmdbUpstream):
    """The same without hydrogens."""

    name = "LMDB, pickle, without hydrogens"

    def value(self, r):
        symbols = [SYMBOLS[x] for x in (r["atoms"] & (1 << NUMBER_BITS) - 1).tolist()]
        return pickle.dumps({"smi": r["smiles"].decode(), "atoms": symbols, "coordinates": [r["xyz"]]})


class LmdbPacked(Lmdb):
    """All that our records hold, as bytes one behind the other: no pickle."""

    name = "LMDB, packed arrays"

    def value(self, r):
        counts = np.array([len(r["atoms"]), len(r["bonds"])], np.uint16)
        return b"".join([counts.tobytes(), r["xyz"].tobytes(), r["atoms"].tobytes(), r["bonds"].tobytes(), r["bond_features"].tobytes(), r["smiles"]])

    def get(self, i):
        data = self.env.begin().get(i.to_bytes(4, "big"))
        atoms, bonds = np.frombuffer(data, np.uint16, 2).tolist()
        at, out = 4, []
        for dtype, count, columns in ((np.float32, atoms, 3), (np.uint32, atoms, 1), (np.uint16, bonds, 2), (np.uint8, bonds, 1)):
            out.append(np.frombuffer(data, dtype, count * columns, at).reshape(count, columns))
            at += out[-1].nbytes
        return out + [data[at:]]


ALL = (Hdf5Rows, Hdf5Chunks, Memmap, LmdbPacked, LmdbHeavy, LmdbUpstream)
