"""Files in the format of the published code's checkpoints, made without torch.

torch.save writes a zip archive: data.pkl, a pickle in which every storage is a persistent id, and the storages' bytes as
data/0, data/1, ... The pickle names functions of torch; modules of these names with nothing in them serve to write it.
"""
import argparse
import collections
import io
import pickle
import sys
import types
import zipfile

import numpy as np

# what a run in half precision keeps in float32
KEPT = ("atom_feature.", "edge_feature.", "se3_invariant_kernel.")


def stand_in(module, name, value):
    """Gives pickle something to find under module.name."""
    value.__module__, value.__name__, value.__qualname__ = module, name, name
    setattr(sys.modules.setdefault(module, types.ModuleType(module)), name, value)
    return value


def storage_class(name):
    return stand_in("torch", name, type(name, (), {}))


STORAGE = {"float32": storage_class("FloatStorage"), "float16": storage_class("HalfStorage"), "bfloat16": storage_class("BFloat16Storage"),
           "float64": storage_class("DoubleStorage"), "int64": storage_class("LongStorage")}  # fmt: skip
rebuild_tensor = stand_in("torch._utils", "_rebuild_tensor_v2", lambda *arguments: None)


def to_bfloat16(a):
    """Bits of the nearest bfloat16 (ties to even), as uint16."""
    bits = np.ascontiguousarray(a, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


class Storage:
    def __init__(self, kind, data):
        self.kind, self.data = kind, np.ascontiguousarray(data).ravel()


class Tensor:
    """Pickles as a tensor of torch's does: a view of a storage, which several may share."""

    def __init__(self, storage, offset, shape):
        self.storage, self.offset, self.shape = storage, offset, tuple(shape)

    @classmethod
    def of(cls, a, kind="float32"):
        data = to_bfloat16(a) if kind == "bfloat16" else np.asarray(a, kind)
        return cls(Storage(kind, data), 0, np.shape(a))

    def steps(self):
        steps = [1]
        for side in self.shape[:0:-1]:
            steps.insert(0, steps[0] * side)
        return tuple(steps) if self.shape else ()

    def __reduce__(self):
        return rebuild_tensor, (self.storage, self.offset, self.shape, self.steps(), False, collections.OrderedDict())


class Pickler(pickle.Pickler):
    def __init__(self, file, protocol):
        super().__init__(file, protocol)
        self.storages = []

    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        if value not in self.storages:
            self.storages.append(value)
        return "storage", STORAGE[value.kind], str(self.storages.index(value)), "cpu", value.data.size


def save(path, value, protocol=2, change_pickle=None, change_entries=None):
    """torch.save(value, path). change_pickle(bytes) -> bytes and change_entries(dict) spoil the file, with right checksums."""
    out = io.BytesIO()
    pickler = Pickler(out, protocol)
    pickler.dump(value)
    data = out.getvalue()
    entries = {"archive/data.pkl": change_pickle(data) if change_pickle else data, "archive/version": b"3\n"}
    entries.update({f"archive/data/{k}": s.data.tobytes() for k, s in enumerate(pickler.storages)})
    if change_entries:
        change_entries(entries)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def checkpoint(state, average=None, **more):
    """The dict that the published trainer saves, around a state dict of Tensors."""
    state = collections.OrderedDict(state)
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    value = {"args": argparse.Namespace(arch="unimol2", activation_fn="gelu", gaussian_std_width=1.0, lr=[1e-4], seed=1, no_save=False, user_dir=None),
             "model": state, "loss": None,
             "optimizer_history": [{"optimizer_name": "FP16Optimizer", "lr_scheduler_state": {"best": None}, "num_updates": 1234}],
             "task_state": {}, "extra_state": {"train_iterator": {"epoch": 2}, "val_loss": 0.25, "seen": {1, 2}, "large": 2**100},
             "last_optimizer_state": {"state": {0: {"step": 1234, "exp_avg": Tensor.of(np.zeros(8))}}, "param_groups": [{"params": [0]}]}}  # fmt: skip
    if average:
        value["ema"] = {"params": collections.OrderedDict(average), "decay": 0.999}
    return {**value, **more}


def mixed(weights, kind):
    """Tensors as a run in half precision stores them: views of one storage, and some in float32."""
    halves = {name: a for name, a in weights.items() if not name.startswith(KEPT)}
    padded = [np.pad(np.ravel(a), (0, np.size(a) % 2)) for a in halves.values()]
    flat = np.concatenate(padded)
    storage = Storage(kind, to_bfloat16(flat) if kind == "bfloat16" else flat.astype(kind))
    starts = np.cumsum([0] + [a.size for a in padded])
    views = {name: Tensor(storage, int(at), a.shape) for (name, a), at in zip(halves.items(), starts)}
    return {name: views.get(name) or Tensor.of(a) for name, a in weights.items()}


def rounded(a, kind):
    """What is left of fp32 values in another type, in fp32 again."""
    if kind == "bfloat16":
        return (to_bfloat16(a).astype(np.uint32) << 16).view(np.float32).reshape(np.shape(a))
    return np.asarray(a, kind).astype(np.float32)
