"""What the kernels of kernels/cuda do in a step, as written: one entry a kernel or product, from their source.

An entry counts bytes that go to memory and bytes that only pass through the second-level cache. For operations that take their rows
in slabs (kernels/cuda/slab.h) both follow from the arrays that their kernels read and write, and a cache of CACHE bytes that keeps
what was used last; what else counts as cached is said to be in the comments of the kernels."""
import collections
import functools
import math

from workload import GAUSSIANS, SINGLE_PER_S, TERA, TOKENS

CACHE = 32e6  # of an H100's 50 MB, in two halves
SLAB_ELEMENTS, SLAB_LEAST = 16896 * 512, 4096  # TWOTRACK_SLAB's default, and the rows that a slab has at least
# What our kernels are taken to get: memory, second-level cache; cuBLASLt's products of large shapes; those with a side of 64,
# and our own kernels on tensor cores, whose tiles are small
MEMORY, CACHED, LARGE, SMALL = 2.7 * TERA, 5.5 * TERA, 600 * TERA, 150 * TERA
LAUNCH = 1.5e-6  # from the end of a kernel to the start of the next


class Cache:
    """What is read and written in pieces, of which the last used ones stay; those written go to memory when they leave."""

    def __init__(self):
        self.kept, self.used, self.memory = collections.OrderedDict(), 0.0, 0.0

    def touch(self, piece, size, write, last):
        if piece in self.kept:
            write |= self.kept.pop(piece)[1]
            self.used -= size
        else:
            self.memory += 0 if write else size
        if last:
            self.memory += size if write else 0
            return
        self.kept[piece] = size, write
        self.used += size
        while self.used > CACHE:
            _, (size, written) = self.kept.popitem(last=False)
            self.used -= size
            self.memory += size if written else 0


@functools.lru_cache(maxsize=None)
def slabbed(rows, slabs, kernels, pieces=16):
    """(bytes to memory, bytes moved) of each kernel, over all slabs. `kernels`: of each, what it reads and what it writes, as
    (array, bytes a row, whether for the last time). Arrays whose names begin with _ are scratch: the next slab has the same memory."""
    cache, result = Cache(), [[0.0, 0.0] for _ in kernels]
    for slab in range(slabs):
        for total, arrays in zip(result, kernels):
            before = cache.memory
            for piece in range(pieces):
                for write in (False, True):
                    for name, width, last in arrays[write]:
                        size = width * rows / slabs / pieces
                        cache.touch((name, None if name[0] == "_" else slab, piece), size, write, last)
                        total[1] += size
            total[0] += cache.memory - before
    result[-1][0] += sum(size for (name, *_), (size, written) in cache.kept.items() if written and name[0] != "_")
    return result


class Step:
    """Kernels of a step of model m on batch b, in order."""

    def __init__(self, m, b, slab=SLAB_ELEMENTS):
        self.m, self.b, self.slab = m, b, slab
        self.kernels = []  # (part, backward, bytes to memory, bytes through the cache, operations, seconds, launches)
        self.part, self.backward, self.times = "", False, 1

    def add(self, memory=0, cached=0, operations=0, rate=LARGE, launches=1):
        seconds = max(memory / MEMORY, (memory + cached) / CACHED, operations / rate) + launches * LAUNCH
        self.kernels.append((self.part, self.backward) + tuple(
            self.times * x for x in (memory, cached, operations, seconds, launches)))

    def add_slabs(self, rows, widest, widths, *kernels):
        """Kernels ("array array! > array", operations, bytes of weights' gradients, how many more at the end); `widths`: columns of the
        arrays; `widest`: what tt_slab_rows() is given. array!: with the hint that it is not used again soon."""
        slabs = math.ceil(rows / max(SLAB_LEAST, self.slab // widest // 128 * 128))
        arrays = tuple(tuple(tuple((name.rstrip("!"), 2 * widths[name.rstrip("!")], name[-1] == "!") for name in side.split())
                             for side in what.split(">")) for what, *_ in kernels)
        for (memory, moved), (_, operations, weights, once) in zip(slabbed(rows, slabs, arrays), kernels):
            self.add(memory + weights, max(0, moved - memory), operations, launches=slabs + once)

    # ---- operations of the table ----
    def linear(self, rows, i, o, single=False):
        size, rate = (4, SINGLE_PER_S) if single else (2, LARGE)
        self.add(size * rows * (i + o), 0, 2 * rows * i * o, rate)

    def linear_backward(self, rows, i, o, accumulate=False, single=False):
        size, rate = (4, SINGLE_PER_S) if single else (2, LARGE)
        self.add(size * rows * (o + i * (1 + accumulate)), 0, 2 * rows * i * o, rate)
        self.add(size * rows * (i + o) + 8 * i * o, 0, 2 * rows * i * o, rate)
        self.add(size * rows * o, launches=2)

    def norm_linear(self, rows, dim, outs):
        widths = {"x": dim, "_z": dim, **{f"y{k}": o for k, o in enumerate(outs)}}
        self.add_slabs(rows, dim, widths, ("x! > _z", 0, 0, 0), *((f"_z > y{k}", 2 * rows * dim * o, 0, 0) for k, o in enumerate(outs)))

    def norm_linear_backward(self, rows, dim, outs, biases=True):
        widths = {"x": dim, "dx": dim, "_z": dim, **{f"dy{k}": o for k, o in enumerate(outs)}}
        self.add_slabs(
            rows, dim, widths,
            *((f"dy{k} _z > _z" if k else f"dy{k} > _z", 2 * rows * dim * o, 0, 0) for k, o in enumerate(outs)),
            ("_z x! dx > dx! _z", 0, 0, 1),
            *((f"dy{k} _z > ", 2 * rows * dim * o, 8 * dim * o, 0) for k, o in enumerate(outs)),
            *([(" ".join(f"dy{k}!" for k in range(len(outs))) + " > ", 0, 0, 0)] if biases else []))

    def linear_residual(self, rows, i, o):
        self.add(2 * rows * (i + o), 0, 2 * rows * i * o)
        self.add(2 * rows * 2 * o, 2 * rows * o)

    def linear_residual_backward(self, rows, i, o):
        n = 2 * rows * o
        self.add(n, n, launches=2)
        self.add(2 * rows * i, n, 2 * rows * i * o)
        self.add(2 * rows * i + 8 * i * o, n, 2 * rows * i * o)

    def ffn(self, rows, dim, hidden):
        o, a = 2 * rows * dim * hidden, "_z" if dim == hidden else "_a"
        self.add_slabs(rows, max(dim, hidden), {"x": dim, "_z": dim, "h": hidden, "_a": hidden, "out": dim},
                       ("x > _z", 0, 0, 0), ("_z > h", o, 0, 0), (f"h! > {a}", 0, 0, 0), (f"{a} > out", o, 0, 0),
                       ("out x! > out!", 0, 0, 0))

    def ffn_backward(self, rows, dim, hidden):
        o, w = 2 * rows * dim * hidden, 8 * dim * hidden
        self.add_slabs(rows, max(dim, hidden), {"x": dim, "d": dim, "_z": dim, "h": hidden, "_a": hidden, "_da": hidden},
                       ("d > _z", 0, 0, 0), ("_z > _da", o, 0, 0), ("h! _da > _da _a", 0, 0, 0), ("_z _a > ", o, w, 0),
                       ("_da > _z", o, 0, 0), ("_z x! d > d! _z", 0, 0, 0), ("_da _z > ", o, w, 1))

    # ---- the parts of a step ----
    def attention_forward(self):
        m, T, R = self.m, self.b.T, self.b.R
        t, h = 2 * T * m.D, 2 * R * m.H
        self.norm_linear(T, m.D, [3 * m.D])
        self.linear(R, m.P, m.H)
        self.add(2 * t + 2 * h, 0, 2 * R * m.D, SINGLE_PER_S)
        self.add(2 * t + h, 0, 2 * R * m.D, SINGLE_PER_S)
        self.linear_residual(T, m.D, m.D)

    def attention_backward(self):
        m, T, R = self.m, self.b.T, self.b.R
        t, h = 2 * T * m.D, 2 * R * m.H
        self.linear_residual_backward(T, m.D, m.D)
        self.add(3 * t + 2 * h, 0, 4 * R * m.D, SINGLE_PER_S)
        self.add(4 * t + 3 * h, 0, 4 * R * m.D, SINGLE_PER_S, launches=2)
        self.linear_backward(R, m.P, m.H, accumulate=True)
        self.norm_linear_backward(T, m.D, [3 * m.D], biases=False)

    def outer_forward(self):
        m, T, R = self.m, self.b.T, self.b.R
        p, t, w = 2 * R * m.P, 2 * T * m.C * m.P, 2 * m.C * m.C * m.P
        slabs = math.ceil(T / 448)  # 28 MiB of T
        self.norm_linear(T, m.D, [2 * m.C])
        self.add(2 * w)
        self.add(0, t, 2 * T * m.C * m.C * m.P, launches=slabs)
        self.add(2 * p, t, 2 * R * m.C * m.P * 32 / 24.2, SMALL, launches=slabs)  # molecules of 24 rows take 32

    def outer_backward(self):
        m, T, R = self.m, self.b.T, self.b.R
        p, t, w = 2 * R * m.P, 2 * T * m.C * m.P, 2 * m.C * m.C * m.P
        slabs = math.ceil(T / 3584)  # 28 MiB of G or H
        rounds = m.P // 64 * slabs
        self.add(2 * w)
        for _ in range(2):  # G, H
            self.add(p, t, 2 * R * m.C * m.P * 32 / 24.2, SMALL, launches=rounds)
        for wide in (0, 4 * w * slabs, 0):  # da, dW, db
            self.add(wide, t, 2 * T * m.C * m.C * m.P, SMALL, launches=rounds)
        self.add(4 * T * m.P, launches=2)
        self.norm_linear_backward(T, m.D, [2 * m.C])

    def triangle_forward(self):
        m, R = self.m, self.b.R
        p, c = 2 * R * m.P, 2 * R * m.C
        self.norm_linear(R, m.P, [2 * m.C, 2 * m.C, m.P])
        self.add(5 * c, 0, 4 * self.b.cubes * m.C, SMALL)
        self.add(3 * p + c, 0, 2 * R * m.C * m.P, SMALL)

    def triangle_backward(self):
        m, R = self.m, self.b.R
        p, c, slabs = 2 * R * m.P, 2 * R * m.C, math.ceil(self.b.R / 16384)
        self.add(3 * p + c, p + 3 * c, 4 * R * m.C * m.P, SMALL, launches=slabs)
        self.add(8 * m.C * m.P, p + c, 2 * R * m.C * m.P, SMALL, launches=slabs)
        self.add(2 * c, 2 * c, launches=slabs + 3)
        self.add(9 * c, 4 * c, 8 * self.b.cubes * m.C, SMALL)
        self.norm_linear_backward(R, m.P, [2 * m.C, 2 * m.C, m.P])

    def embedding_forward(self):
        m, T, R, A, K = self.m, self.b.T, self.b.R, self.b.A, GAUSSIANS
        self.add(4 * T * m.D)
        self.add(4 * R * m.P)
        self.add(4 * A * K)
        self.linear(A, K, K, single=True)
        self.add(8 * A * K)
        self.linear(A, K, m.P, single=True)
        self.add(12 * A * m.P)
        self.add(6 * T * m.D)
        self.add(6 * R * m.P)

    def embedding_backward(self):
        m, T, R, A, K = self.m, self.b.T, self.b.R, self.b.A, GAUSSIANS
        self.add(4 * T * m.D)
        self.add(14 * T * m.D, launches=2)
        self.add(4 * T * m.D + 2 * 4 * 8 * 769 * m.D, launches=2)
        self.add(4 * R * m.P)
        self.add(14 * R * m.P, launches=2)
        self.add(4 * R * m.P + 2 * 4 * 32 * 577 * m.P, launches=2)
        self.add(8 * A * m.P)
        self.add(8 * A * K)
        self.linear_backward(A, K, m.P, single=True)
        self.add(12 * A * K)
        self.linear_backward(A, K, K, single=True)
        self.add(4 * A * K, launches=3)

    def heads_forward(self):
        m, T, R, k = self.m, self.b.T, self.b.R, self.b.masked
        t, h = 2 * T * m.D, 2 * R * m.H
        self.norm_linear(T, m.D, [3 * m.D])
        self.norm_linear(R, m.P, [m.H])
        self.add(2 * t + 2 * h)
        self.add(t + h)
        self.add(4 * k * m.D)
        self.norm_linear(k, m.D, [m.D])
        self.add(4 * k * m.D)
        self.linear(k, m.D, TOKENS)
        self.add(launches=2)

    def heads_backward(self):
        m, T, R, k = self.m, self.b.T, self.b.R, self.b.masked
        t, h = 2 * T * m.D, 2 * R * m.H
        self.add(t + 2 * R * m.P, launches=3)
        self.add(10 * k * m.D, launches=2)
        self.linear_backward(k, m.D, TOKENS)
        self.norm_linear_backward(k, m.D, [m.D])
        self.add(6 * k * m.D)
        self.add(2 * t + 2 * h, launches=2)
        self.add(4 * t + 3 * h, launches=2)
        self.norm_linear_backward(R, m.P, [m.H])
        self.norm_linear_backward(T, m.D, [3 * m.D], biases=False)


def kernels(m, b, slab=SLAB_ELEMENTS):
    """All kernels of a step."""
    s, layers = Step(m, b, slab), m.layers
    parts = [
        ("embedding", 1, s.embedding_forward, s.embedding_backward),
        ("attention", layers, s.attention_forward, s.attention_backward),
        ("atom FFN", layers, lambda: s.ffn(b.T, m.D, m.F), lambda: s.ffn_backward(b.T, m.D, m.F)),
        ("outer product", layers, s.outer_forward, s.outer_backward),
        ("triangle", layers, s.triangle_forward, s.triangle_backward),
        ("pair FFN", layers, lambda: s.ffn(b.R, m.P, m.P), lambda: s.ffn_backward(b.R, m.P, m.P)),
        ("heads", 1, s.heads_forward, s.heads_backward),
    ]
    for s.part, s.times, forward, backward in parts:
        s.backward = False
        forward()
        s.backward = True
        backward()
    weights = sum(m.weights().values())
    s.times, s.backward = 1, False
    s.part = "gradient sums"
    s.add(4 * weights)
    s.part = "optimizer"
    s.add(4 * weights)  # norm
    s.add((28 + 1 + 2) * weights)  # Adam, and the copy in bf16
    return s.kernels
