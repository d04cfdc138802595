"""The models, the batch and the machine that the tables of docs/gpu.md are about, and operations by part."""
import dataclasses

TERA = 1e12
# What a good kernel gets out of an H100 SXM (data sheet: 3.35 TB/s; 989 TFLOP/s in bf16; 67 in fp32 without tensor cores)
BYTES_PER_S, TENSOR_PER_S, SINGLE_PER_S = 3.0 * TERA, 800 * TERA, 50 * TERA
PEAK = 989 * TERA  # what MFU is a share of
GAUSSIANS, TOKENS = 128, 128
PARTS = ["embedding", "attention", "atom FFN", "outer product", "triangle", "pair FFN", "heads", "gradient sums", "optimizer"]


@dataclasses.dataclass(frozen=True)
class Model:
    name: str
    layers: int  # L
    D: int  # width of the atom track
    H: int  # heads
    F: int  # width of its feed-forward
    P: int = 512  # width of the pair track
    C: int = 64  # hidden width of the pair operations

    def weights(self):
        """Parameters by part; of the model's parts but for LayerNorms and biases, which are few."""
        D, H, F, P, C, L = self.D, self.H, self.F, self.P, self.C, self.layers
        return {
            "embedding": (128 + 512 + 128 + 1) * D + (512 + 64 + 1) * P + GAUSSIANS * (GAUSSIANS + P),
            "attention": L * (4 * D * D + H * P),
            "atom FFN": L * 2 * D * F,
            "outer product": L * (2 * C * D + P * C * C),
            "triangle": L * (4 * C * P + P * P + C * P),
            "pair FFN": L * 2 * P * P,
            "heads": 3 * D * D + H * P + D + D * D + TOKENS * D,
        }


MODELS = [Model("84M", 12, 768, 48, 768), Model("1.1B", 64, 1536, 96, 1536)]


@dataclasses.dataclass(frozen=True)
class Batch:
    """Sums over a batch of molecules with ZINC's lengths (atoms and the virtual node): E[L] 24.2, E[L^2] 605."""

    molecules: int = 128
    length: float = 24.2
    length2: float = 605.0

    @property
    def T(self):  # token rows
        return self.molecules * self.length

    @property
    def R(self):  # pair rows
        return self.molecules * self.length2

    @property
    def A(self):  # pairs of real atoms
        return self.molecules * (self.length2 - 2 * self.length + 1)

    @property
    def cubes(self):  # sum of L^3, of a distribution that is symmetric about its mean
        return self.molecules * self.length * (3 * self.length2 - 2 * self.length**2)

    @property
    def atoms(self):
        return self.molecules * (self.length - 1)

    @property
    def masked(self):
        return 0.15 * self.atoms


def forward_operations(m, b):
    """Operations of matrix products by part (src/model/flops.c: executed; the sum over the batch)."""
    D, H, F, P, C, L, K, T, R = m.D, m.H, m.F, m.P, m.C, m.layers, GAUSSIANS, b.T, b.R
    return {
        "embedding": 2 * b.A * (K * K + K * P),
        "attention": L * (8 * T * D * D + 4 * R * D + 2 * R * P * H),
        "atom FFN": L * 4 * T * D * F,
        "outer product": L * (4 * T * D * C + 2 * T * C * C * P + 2 * R * C * P),
        "triangle": L * (8 * R * P * C + 2 * R * P * P + 4 * b.cubes * C + 2 * R * C * P),
        "pair FFN": L * 4 * R * P * P,
        "heads": 6 * b.atoms * D * D + 2 * b.A * (P * H + D) + 2 * b.atoms * D + 2 * b.A * (H + 3)
        + 2 * b.masked * (D * D + TOKENS * D),
        "gradient sums": 0,
        "optimizer": 0,
    }
