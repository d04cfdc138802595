"""The training molecules of a store, in the order in which `twotrack` meets them, as padded batches.

docs/formats.md ("Store") is the whole contract: the shards' arrays are read with h5py, the order is computed again here.
Masks, noise and dropped features come from numpy and have the program's distributions, not its numbers: no time depends
on them, but for the number of masked atoms.
"""
import json
import os

import h5py
import numpy as np
import torch

CHUNK, WORD = 256, (1 << 64) - 1
MASK_TOKEN, UNREACHABLE, DROPPED_PATH, MAX_HOPS = 127, 510, 511, 508


# ---- order


def mix(x):
    x = (x + 0x9E3779B97F4A7C15) & WORD
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & WORD
    x = (x ^ x >> 27) * 0x94D049BB133111EB & WORD
    return x ^ x >> 31


def key_of(a, b, c):
    return mix(mix(mix(a) ^ b) ^ c)


def philox_word(key, c0, c1):
    """First word of Philox4x32-10 at counter (c0, c1, 0, 0)."""
    c2 = c3 = 0
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = p1 >> 32 ^ c1 ^ k0, p1 & 0xFFFFFFFF, p0 >> 32 ^ c3 ^ k1, p0 & 0xFFFFFFFF
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0


def permute(key, n, i):
    bits = (n - 1).bit_length()
    low_bits = (bits + 1) // 2
    low_mask, high_mask = (1 << low_bits) - 1, (1 << (bits - low_bits)) - 1
    while True:
        low, high = i & low_mask, i >> low_bits
        for number in range(8):
            if number % 2 == 0:
                high ^= philox_word(key, low, number) & high_mask
            else:
                low ^= philox_word(key, high, number) & low_mask
        i = high << low_bits | low
        if i < n:
            return i


def lane_records(seed, chunks, lanes, lane):
    """Endless records of one lane; chunks is the list of the split's chunks, each a list of records."""
    for position in range(lane, 1 << 62, lanes):
        epoch, at = divmod(position, len(chunks))
        number = permute(key_of(seed, 1, epoch), len(chunks), at)
        slots, key = chunks[number], key_of(key_of(seed, 2, epoch), number, 0)
        for slot in range(len(slots)):
            yield slots[permute(key, len(slots), slot)]


# ---- records

ATOM_BITS = (0, 7, 10, 14, 18, 22, 25, 28, 29, 30)  # field k: from bit k on, up to bit k + 1
BOND_BITS = (0, 3, 6, 7)


def unpacked(words, bits):
    """Feature indices (rows, fields) from a shard's bit fields."""
    words = words.astype(np.int64)
    return np.stack([words >> low & (1 << high - low) - 1 for low, high in zip(bits, bits[1:])], axis=1)


def record_starts(file):
    """Rows of atoms, bonds and coordinates before each record of a shard, and all of them: (records + 1, 3)."""
    atoms, bonds, conformers, _ = file["counts"][:].astype(np.int64).T
    rows = np.stack([atoms, bonds, conformers * atoms], axis=1)
    return np.concatenate([np.zeros((1, 3), np.int64), np.cumsum(rows, axis=0)])


class Store:
    def __init__(self, folder, split="train"):
        with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
            entries = [s for s in json.load(file)["shards"] if s["split"] == split]
        self.files = [h5py.File(os.path.join(folder, s["file"])) for s in entries]
        self.starts = [record_starts(f) for f in self.files]
        whole, tails = [], []
        for number, entry in enumerate(entries):
            records, cut = entry["records"], entry["records"] // CHUNK * CHUNK
            whole += [[(number, k) for k in range(c, c + CHUNK)] for c in range(0, cut, CHUNK)]
            tails += [(number, k) for k in range(cut, records)]
        self.chunks = whole + [tails[k : k + CHUNK] for k in range(0, len(tails), CHUNK)]

    def samples(self, train_seed, lanes):
        """Endless molecules in the order of a run with these two settings."""
        seed = mix((mix(train_seed) + 2) & WORD)
        streams = [lane_records(seed, self.chunks, lanes, lane) for lane in range(lanes)]
        while True:
            for stream in streams:
                yield self.molecule(*next(stream))

    def molecule(self, shard, k):
        f = self.files[shard]
        rows = [slice(int(first), int(end)) for first, end in zip(*self.starts[shard][k : k + 2])]
        atoms, bonds, first = rows[0], rows[1], rows[2].start
        count = atoms.stop - atoms.start
        return {
            "raw": unpacked(f["atom_features"][atoms], ATOM_BITS),
            "bonds": f["bond_atoms"][bonds].astype(np.int64),
            "bond_features": unpacked(f["bond_features"][bonds], BOND_BITS),
            "position": f["coordinates"][first : first + count].astype(np.float32),  # its first conformer
        }


# ---- features


def shortest_paths(count, bonds):
    """Hops + 1 for all pairs, by breadth-first search from all atoms at once."""
    joined = np.zeros((count, count), bool)
    joined[bonds[:, 0], bonds[:, 1]] = joined[bonds[:, 1], bonds[:, 0]] = True
    path = np.full((count, count), UNREACHABLE, np.int64)
    front = np.eye(count, dtype=bool)
    for hops in range(MAX_HOPS + 1):
        path[front] = hops + 1
        front = (front.astype(np.float32) @ joined > 0) & (path == UNREACHABLE)
        if not front.any():
            break
    return path


def rigidly_aligned(noised, target):
    """noised, moved and turned so that it lies nearest to target (Kabsch)."""
    a, b = noised - noised.mean(0), target - target.mean(0)
    u, _, vt = np.linalg.svd(a.T @ b)
    if np.linalg.det(u) * np.linalg.det(vt) < 0:
        u[:, -1] *= -1
    return (a @ u @ vt + target.mean(0)).astype(np.float32)


def features(molecule, random, mask_probability=0.15, noise=0.2, drop_probability=0.5):
    raw, bonds, bond = molecule["raw"], molecule["bonds"], molecule["bond_features"]
    count = len(raw)
    token = raw[:, 0] + 1  # the table's index of an element is its number - 1
    atom = raw[:, 1:] + 3 + 16 * np.arange(8)
    degree = np.bincount(bonds.ravel(), minlength=count) + 2
    edge = np.full((count, count, 3), 2)
    edge[bonds[:, 0], bonds[:, 1]] = edge[bonds[:, 1], bonds[:, 0]] = bond + (4, 20, 36)
    path = shortest_paths(count, bonds)
    chirality = atom[:, 0].copy()
    if random.random() < drop_probability:
        atom[:], degree[:], edge[:], path[:], chirality[:] = 1, 1, 1, DROPPED_PATH, 1
    kind = np.stack(np.broadcast_arrays(chirality[:, None] + 1, chirality[None] + 129), -1)
    masked = random.choice(count, int(mask_probability * count + random.random()), replace=False)
    target = np.zeros_like(token)
    target[masked], token[masked] = token[masked], MASK_TOKEN
    position = molecule["position"] - molecule["position"].mean(0)
    noised = position + noise * random.standard_normal((count, 3)).astype(np.float32)
    return {
        "src_token": token, "target_token": target, "atom_feat": atom, "degree": degree, "edge_feat": edge,
        "shortest_path": path, "pair_type": kind, "atom_mask": np.ones(count, np.int64),
        "src_pos": rigidly_aligned(noised, position), "target_pos": position,
    }  # fmt: skip


PAIRS = ("edge_feat", "shortest_path", "pair_type")


def padded_length(samples):
    """Padded atoms n and the virtual node: a multiple of 4."""
    return (max(len(s["src_token"]) for s in samples) + 4) // 4 * 4


def collate(samples):
    """Pads to n atoms; padding is 0."""
    n, batch = padded_length(samples) - 1, {}
    for name, first in samples[0].items():
        square = 2 if name in PAIRS else 1
        out = np.zeros((len(samples),) + (n,) * square + first.shape[square:], first.dtype)
        for k, s in enumerate(samples):
            out[(k,) + (slice(len(s["src_token"])),) * square] = s[name]
        batch[name] = torch.from_numpy(out)
    return batch


def halved(part, max_pairs):
    """The part, or its halves, quarters, ... as far as it is needed for no part to hold more padded pairs; a molecule stays whole."""
    if len(part) == 1 or len(part) * padded_length(part) ** 2 <= max_pairs:
        return [part]
    middle = len(part) // 2
    return halved(part[:middle], max_pairs) + halved(part[middle:], max_pairs)


def micro_batches(samples, count, by_length, max_pairs):
    """The batch in `count` parts of as many molecules each, of similar lengths if asked; parts that memory cannot hold are
    halved. A part in which no atom is masked has no token loss: one of its atoms is masked here."""
    if by_length:
        samples = sorted(samples, key=lambda s: len(s["src_token"]))
    parts = [samples[len(samples) * k // count : len(samples) * (k + 1) // count] for k in range(count)]
    batches = [collate(piece) for part in parts for piece in halved(part, max_pairs)]
    for batch in batches:
        if not batch["target_token"].any():
            batch["target_token"][0, 0], batch["src_token"][0, 0] = batch["src_token"][0, 0].clone(), MASK_TOKEN
    return batches
