"""What the kernels of kernels/cuda do in a step, as written: one entry a kernel or product, from their source.

An entry counts bytes of activations and weights that go to memory, and bytes of temporary arrays, which the slabs
(kernels/cuda/slab.h) are meant to keep in the second-level cache. Those that a slab has no room for are written back once: where
all its arrays together exceed CACHE, what is written of temporaries counts as memory, too."""
import math

from workload import GAUSSIANS, SINGLE_PER_S, TERA, TOKENS

CACHE = 40e6  # of an H100's 50 MB
SLAB_ELEMENTS = 16896 * 512  # TWOTRACK_SLAB's default
# What our kernels are taken to get: memory, second-level cache; cuBLASLt's products of large shapes; those with a side of 64,
# and our own kernels on tensor cores, whose tiles are small
MEMORY, CACHED, LARGE, SMALL = 2.7 * TERA, 5.5 * TERA, 600 * TERA, 150 * TERA
LAUNCH = 1.5e-6  # from the end of a kernel to the start of the next


class Step:
    """Kernels of a step of model m on batch b, in order."""

    def __init__(self, m, b, slab=SLAB_ELEMENTS):
        self.m, self.b, self.slab = m, b, slab
        self.kernels = []  # (part, backward, bytes to memory, bytes through the cache, operations, seconds, launches)
        self.part, self.backward, self.times = "", False, 1

    def slabs(self, rows, widest):
        return math.ceil(rows / max(128, self.slab // widest // 128 * 128))

    def add(self, memory=0, cached=0, operations=0, rate=LARGE, launches=1, spilled=0):
        memory += spilled
        seconds = max(memory / MEMORY, (memory + cached) / CACHED, operations / rate) + launches * LAUNCH
        self.kernels.append((self.part, self.backward) + tuple(
            self.times * x for x in (memory, cached, operations, seconds, launches)))

    # ---- operations of the table; `n` bytes of an array (rows, dim) of activations ----
    def live(self, rows, widest, arrays):
        """Whether what is written of temporaries of a slab with that many arrays goes to memory: 1 or 0."""
        return int(2 * arrays * min(rows, max(128, self.slab // widest)) * widest > CACHE)

    def linear(self, rows, i, o, single=False):
        size, rate = (4, SINGLE_PER_S) if single else (2, LARGE)
        self.add(size * rows * (i + o), 0, 2 * rows * i * o, rate)

    def linear_backward(self, rows, i, o, accumulate=False, single=False):
        size, rate = (4, SINGLE_PER_S) if single else (2, LARGE)
        self.add(size * rows * (o + i * (1 + accumulate)), 0, 2 * rows * i * o, rate)
        self.add(size * rows * (i + o) + 8 * i * o, 0, 2 * rows * i * o, rate)
        self.add(size * rows * o, launches=2)

    def norm_linear(self, rows, dim, outs):
        n, slabs = 2 * rows * dim, self.slabs(rows, dim)
        spill = n * self.live(rows, dim, 2 + sum(outs) / dim)
        self.add(n, n, launches=slabs, spilled=spill)
        for o in outs:
            self.add(2 * rows * o, n, 2 * rows * dim * o, launches=slabs)

    def norm_linear_backward(self, rows, dim, outs, biases=True):
        n, slabs = 2 * rows * dim, self.slabs(rows, dim)
        spill = n * self.live(rows, dim, 3 + sum(outs) / dim)
        for k, o in enumerate(outs):
            self.add(2 * rows * o, n * (1 + (k > 0)), 2 * rows * dim * o, launches=slabs, spilled=spill)
        if biases:
            self.add(0, 2 * rows * sum(outs), launches=slabs + 1)
        self.add(3 * n, 2 * n, launches=slabs + 1, spilled=spill)
        for o in outs:
            self.add(8 * dim * o, n + 2 * rows * o, 2 * rows * dim * o, launches=slabs)

    def linear_residual(self, rows, i, o):
        self.add(2 * rows * (i + o), 0, 2 * rows * i * o)
        self.add(2 * rows * 2 * o, 2 * rows * o)

    def linear_residual_backward(self, rows, i, o):
        n = 2 * rows * o
        self.add(n, n, launches=2)
        self.add(2 * rows * i, n, 2 * rows * i * o)
        self.add(2 * rows * i + 8 * i * o, n, 2 * rows * i * o)

    def ffn(self, rows, dim, hidden):
        n, h, slabs, o = 2 * rows * dim, 2 * rows * hidden, self.slabs(rows, max(dim, hidden)), 2 * rows * dim * hidden
        spill = self.live(rows, max(dim, hidden), 5)
        self.add(n, n, launches=slabs, spilled=spill * n)
        self.add(h, n, o, launches=slabs)
        self.add(0, 2 * h, launches=slabs, spilled=spill * h)
        self.add(0, h + n, o, launches=slabs, spilled=spill * n)
        self.add(n, 2 * n, launches=slabs, spilled=spill * n)  # x again, for the residual

    def ffn_backward(self, rows, dim, hidden):
        n, h, slabs, o = 2 * rows * dim, 2 * rows * hidden, self.slabs(rows, max(dim, hidden)), 2 * rows * dim * hidden
        spill = self.live(rows, max(dim, hidden), 6)
        self.add(n, n, launches=slabs, spilled=spill * n)
        self.add(0, n + h, o, launches=slabs, spilled=spill * h)
        self.add(h, 3 * h, launches=slabs, spilled=spill * 2 * h)
        self.add(8 * dim * hidden, n + h, o, launches=slabs)
        self.add(0, h + n, o, launches=slabs, spilled=spill * n)
        self.add(n + n, 3 * n, launches=slabs, spilled=spill * 2 * n)  # d again, for the residual's gradient
        self.add(8 * dim * hidden, n + h, o, launches=slabs + 1)

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
        slabs = math.ceil(T / 320)  # 20 MiB of T
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
