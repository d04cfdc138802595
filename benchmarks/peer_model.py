"""Uni-Mol2's pretraining model in PyTorch, written from its equations: the peer that our program is measured against.

It computes as the published implementation does: molecules padded to one length, the outer product formed and formed
again in the backward pass. With `factored` the outer product's two factors meet in another order and nothing is formed.
Parameters bear the published names, so that reference vectors load by name. With `half`, encoder and heads compute in bf16 and the
embedding in fp32, as published; parameters, gradients and the optimizer stay fp32 (torch's autocast).

Letters: B molecules, n padded atoms, S = n + 1 (position 0 is the virtual node), D atom width, P pair width, C hidden
pair width, H heads, F feed-forward width, L layers.
"""
import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

TOKENS, ATOM_INPUTS, DEGREES, EDGES, PATHS, PAIR_TYPES, KERNELS = 128, 512, 128, 64, 512, 512, 128
MEAN_STOP = 9.0
PI = 3.14159  # as published
GAUSSIAN_STD = 0.07086614519357681


@dataclass
class Shape:
    layers: int
    embed: int
    heads: int
    pair: int
    hidden: int
    ffn: int


PRESETS = {
    "cpu-tiny": Shape(2, 64, 4, 32, 16, 64),
    "cpu-small": Shape(4, 128, 8, 64, 16, 128),
    "cpu-base": Shape(6, 256, 16, 128, 32, 256),
    "42M": Shape(6, 768, 48, 512, 64, 768),
    "84M": Shape(12, 768, 48, 512, 64, 768),
    "1.1B": Shape(64, 1536, 96, 512, 64, 1536),
}


@dataclass
class Dropout:
    residual: float = 0.1
    attention: float = 0.1
    triangle: float = 0.25
    movement: float = 0.1


NO_DROPOUT = Dropout(0.0, 0.0, 0.0, 0.0)


def split_heads(x, heads):
    """(B, S, D) -> (B, H, S, D / H)"""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def scaled_scores(q, k, heads, bias):
    """Query-key products over the root of the head's width, plus bias (B, H, S, S)."""
    q, k = split_heads(q, heads), split_heads(k, heads)
    return q.mul(q.shape[-1] ** -0.5) @ k.transpose(-1, -2) + bias


class Attention(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.heads = s.heads
        self.linear_q = nn.Linear(s.embed, s.embed, bias=False)
        self.linear_k = nn.Linear(s.embed, s.embed, bias=False)
        self.linear_v = nn.Linear(s.embed, s.embed, bias=False)
        self.linear_o = nn.Linear(s.embed, s.embed)
        self.linear_bias = nn.Linear(s.pair, s.heads)

    def forward(self, y, pair, key_bias, drop):
        bias = self.linear_bias(pair).permute(0, 3, 1, 2) + key_bias
        scores = scaled_scores(self.linear_q(y), self.linear_k(y), self.heads, bias)
        weights = F.dropout(scores.softmax(-1), drop.attention)
        mixed = weights @ split_heads(self.linear_v(y), self.heads)
        return self.linear_o(mixed.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.linear_1 = nn.Linear(width, inner)
        self.linear_2 = nn.Linear(inner, width)

    def forward(self, y):
        return self.linear_2(F.gelu(self.linear_1(y)))


class OuterProduct(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.linear_in = nn.Linear(s.embed, 2 * s.hidden)
        self.linear_out = nn.Linear(s.hidden * s.hidden, s.pair)

    def formed(self, a, b):
        """Every a_i b_j^T, C x C numbers a pair, goes through linear_out."""
        outer = a[:, :, None, :, None] * b[:, None, :, None, :]
        return self.linear_out(outer.flatten(3))

    def reassociated(self, a, b):
        """W (a_i b_j^T) = (W a_i) b_j: W meets each a_i once, and C numbers a pair are left to sum."""
        hidden, pair = a.shape[-1], self.linear_out.out_features
        w = self.linear_out.weight.view(pair, hidden, hidden).transpose(0, 1).reshape(hidden, pair * hidden)
        t = (a @ w).unflatten(-1, (pair, hidden))  # (B, S, P, C)
        product = b[:, None] @ t.transpose(-1, -2)
        return product + self.linear_out.bias.to(product.dtype)  # or it would make bf16 fp32

    def forward(self, y, mask, scale, factored):
        """mask (B, S, 1) is already divided by sqrt(S); scale (B, S, S, 1) divides by the mask's product."""
        a, b = (self.linear_in(y) * mask).chunk(2, -1)
        if factored:
            out = self.reassociated(a, b)
        elif torch.is_grad_enabled():
            out = checkpoint(self.formed, a, b, use_reentrant=False, preserve_rng_state=False)
        else:
            out = self.formed(a, b)
        return out * scale


class Triangle(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.linear_ab_p = nn.Linear(s.pair, 2 * s.hidden)
        self.linear_ab_g = nn.Linear(s.pair, 2 * s.hidden)
        self.linear_g = nn.Linear(s.pair, s.pair)
        self.linear_z = nn.Linear(s.hidden, s.pair)
        self.layer_norm_out = nn.LayerNorm(s.hidden)

    def forward(self, z, mask):
        """mask (B, S, S, 1) is already divided by sqrt(S)."""
        ab = self.linear_ab_p(z) * mask * self.linear_ab_g(z).sigmoid()
        a, b = ab.permute(0, 3, 1, 2).contiguous().chunk(2, 1)  # (B, C, S, S)
        both = a @ b.transpose(-1, -2) + a.transpose(-1, -2) @ b  # outgoing and incoming edges
        t = self.layer_norm_out(both.permute(0, 2, 3, 1))
        return self.linear_g(z) * self.linear_z(t)  # no sigmoid on this gate: as published


class Layer(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.self_attn = Attention(s)
        self.self_attn_layer_norm = nn.LayerNorm(s.embed)
        self.ffn = FeedForward(s.embed, s.ffn // s.embed * s.embed)
        self.final_layer_norm = nn.LayerNorm(s.embed)
        self.x_layer_norm_opm = nn.LayerNorm(s.embed)
        self.opm = OuterProduct(s)
        self.pair_layer_norm_ffn = nn.LayerNorm(s.pair)
        self.pair_ffn = FeedForward(s.pair, s.pair)
        self.pair_layer_norm_trimul = nn.LayerNorm(s.pair)
        self.pair_tri_mul = Triangle(s)

    def forward(self, x, pair, masks, drop, factored):
        p = drop.residual
        x = x + F.dropout(self.self_attn(self.self_attn_layer_norm(x), pair, masks.key_bias, drop), p)
        x = x + F.dropout(self.ffn(self.final_layer_norm(x)), p)
        pair = pair + F.dropout(self.opm(self.x_layer_norm_opm(x), masks.row, masks.outer_scale, factored), p)
        update = self.pair_tri_mul(self.pair_layer_norm_trimul(pair), masks.pair)
        shared = F.dropout(update.new_ones(update.shape[0], 1, *update.shape[2:]), drop.triangle)
        pair = pair + update * shared  # one mask for all first partners
        pair = pair + F.dropout(self.pair_ffn(self.pair_layer_norm_ffn(pair)), p)
        return x, pair


@dataclass
class Masks:
    """Of one batch; S is its padded length. row (B, S, 1), pair and outer_scale (B, S, S, 1), key_bias (B, 1, 1, S)."""

    key_bias: torch.Tensor
    row: torch.Tensor
    pair: torch.Tensor
    outer_scale: torch.Tensor

    @staticmethod
    def of(atom_mask, dtype):
        m = F.pad(atom_mask, (1, 0), value=1).to(dtype)
        side = m.shape[1]
        both = m[:, :, None] * m[:, None, :]
        bias = torch.zeros_like(m).masked_fill(m == 0, -math.inf)[:, None, None, :]
        scale = 1 / (1e-3 + both / side)
        return Masks(bias, (m / side**0.5)[..., None], (both / side**0.5)[..., None], scale[..., None])


class AtomFeature(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.atom_encoder = nn.Embedding(ATOM_INPUTS, s.embed, padding_idx=0)
        self.degree_encoder = nn.Embedding(DEGREES, s.embed, padding_idx=0)
        self.vnode_encoder = nn.Embedding(1, s.embed)

    def forward(self, batch, tokens):
        node = self.atom_encoder(batch["atom_feat"]).sum(2) + self.degree_encoder(batch["degree"]) + tokens
        virtual = self.vnode_encoder.weight.expand(len(node), 1, -1)
        return torch.cat([virtual, node], 1)


class EdgeFeature(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.edge_encoder = nn.Embedding(EDGES, s.pair, padding_idx=0)
        self.shorest_path_encoder = nn.Embedding(PATHS, s.pair, padding_idx=0)
        self.vnode_virtual_distance = nn.Embedding(1, s.pair)

    def forward(self, batch, distances):
        """The graph's terms plus distances (B, n, n, P), framed by the virtual node's row and column."""
        edge = self.edge_encoder(batch["edge_feat"]).mean(3)
        inner = edge + self.shorest_path_encoder(batch["shortest_path"]) + distances
        virtual, (b, n, _, p) = self.vnode_virtual_distance.weight, inner.shape
        inner = torch.cat([virtual.expand(b, n, 1, p), inner], 2)
        return torch.cat([virtual.expand(b, 1, n + 1, p), inner], 1)


class Gaussian(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.linspace(0, MEAN_STOP, KERNELS))
        self.mul = nn.Embedding(PAIR_TYPES, 1, padding_idx=0)
        self.bias = nn.Embedding(PAIR_TYPES, 1, padding_idx=0)

    def forward(self, distance, pair_type):
        mul = self.mul(pair_type).abs().sum(-2)
        bias = self.bias(pair_type).sum(-2)
        z = (mul * distance[..., None] + bias - self.mean) / GAUSSIAN_STD
        return torch.exp(-0.5 * z * z) / ((2 * PI) ** 0.5 * GAUSSIAN_STD)


class TwoLayers(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.layer1 = nn.Linear(KERNELS, KERNELS)
        self.layer2 = nn.Linear(KERNELS, s.pair)

    def forward(self, y):
        return self.layer2(F.gelu(self.layer1(y)))


class Distances(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.gaussian = Gaussian()
        self.out_proj = TwoLayers(s)

    def forward(self, distance, pair_type):
        return self.out_proj(self.gaussian(distance, pair_type))


class Encoder(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.layer_norm = nn.LayerNorm(s.embed)
        self.pair_layer_norm = nn.LayerNorm(s.pair)
        self.layers = nn.ModuleList(Layer(s) for _ in range(s.layers))

    def forward(self, x, pair, masks, drop, factored):
        x, pair = self.layer_norm(x), self.pair_layer_norm(pair)
        for layer in self.layers:
            x, pair = layer(x, pair, masks, drop, factored)
        return x, pair


class TokenHead(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(TOKENS, s.embed).uniform_(-s.embed**-0.5, s.embed**-0.5))
        self.bias = nn.Parameter(torch.zeros(TOKENS))
        self.dense = nn.Linear(s.embed, s.embed)
        self.layer_norm = nn.LayerNorm(s.embed)

    def forward(self, x):
        return F.linear(F.gelu(self.dense(self.layer_norm(x))), self.weight, self.bias)


class MovementHead(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.heads = s.heads
        self.layer_norm = nn.LayerNorm(s.embed)
        self.q_proj = nn.Linear(s.embed, s.embed, bias=False)
        self.k_proj = nn.Linear(s.embed, s.embed, bias=False)
        self.v_proj = nn.Linear(s.embed, s.embed, bias=False)
        self.force_proj1 = nn.Linear(s.embed, 1, bias=False)
        self.linear_bias = nn.Linear(s.pair, s.heads)
        self.pair_layer_norm = nn.LayerNorm(s.pair)

    def forward(self, x, pair, key_bias, delta, drop):
        """delta (B, n, n, 3) from atom i to atom j -> movement (B, n, 3)"""
        y = self.layer_norm(x)
        bias = self.linear_bias(self.pair_layer_norm(pair)).permute(0, 3, 1, 2) + key_bias
        weights = F.dropout(scaled_scores(self.q_proj(y), self.k_proj(y), self.heads, bias).softmax(-1), drop.movement)
        directed = weights[:, :, None] * delta.permute(0, 3, 1, 2)[:, None]  # (B, H, 3, n, n)
        mixed = directed @ split_heads(self.v_proj(y), self.heads)[:, :, None]  # (B, H, 3, n, D / H)
        return self.force_proj1(mixed.permute(0, 3, 2, 1, 4).flatten(3)).squeeze(-1)


class Model(nn.Module):
    """forward(batch) -> logits of the masked atoms, movement (B, n, 3), predicted positions and distances."""

    def __init__(self, shape, dropout=None, factored=False, half=False):
        super().__init__()
        self.drop, self.factored, self.half = dropout or Dropout(), factored, half
        self.embed_tokens = nn.Embedding(TOKENS, shape.embed, padding_idx=0)
        self.atom_feature = AtomFeature(shape)
        self.edge_feature = EdgeFeature(shape)
        self.encoder = Encoder(shape)
        self.lm_head = TokenHead(shape)
        self.se3_invariant_kernel = Distances(shape)
        self.movement_pred_head = MovementHead(shape)

    def initialise(self):
        """Normal numbers of width 0.02 everywhere but in biases, LayerNorms and lm_head.weight (already drawn)."""
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
            if isinstance(module, nn.Embedding) and module.padding_idx is not None:
                module.weight.data[module.padding_idx] = 0

    def compile(self):
        """What takes the time, for shapes that change: one layer's code serves all layers."""
        for module in (*self.encoder.layers, self.se3_invariant_kernel, self.edge_feature):
            module.compile(dynamic=True)

    def forward(self, batch):
        x = self.atom_feature(batch, self.embed_tokens(batch["src_token"]))
        position = batch["src_pos"]
        delta = position[:, None, :] - position[:, :, None]
        distances = self.se3_invariant_kernel(delta.norm(dim=-1), batch["pair_type"])
        pair = self.edge_feature(batch, distances)
        dtype = torch.bfloat16 if self.half else x.dtype
        with torch.autocast(position.device.type, torch.bfloat16, enabled=self.half):
            masks = Masks.of(batch["atom_mask"], dtype)
            x, pair = self.encoder(x.to(dtype), pair.to(dtype), masks, self.drop, self.factored)
            atoms, atom_pairs = x[:, 1:], pair[:, 1:, 1:]
            movement = self.movement_pred_head(atoms, atom_pairs, masks.key_bias[..., 1:], delta, self.drop)
            logits = self.lm_head(atoms.flatten(0, 1)[masked_atoms(batch)])
        predicted = position + movement  # in the positions' own precision again
        distance = (predicted[:, None, :] - predicted[:, :, None]).norm(dim=-1)
        return logits.to(position.dtype), movement, predicted, distance


def masked_atoms(batch):
    """Their places among all padded atoms; found once, because a GPU has to be waited for to know how many there are."""
    if "masked" not in batch:
        batch["masked"] = batch["target_token"].flatten().nonzero().squeeze(1)
    return batch["masked"]


def losses(output, batch):
    """Mean cross-entropy of the masked atoms; L1 of positions and of distances, averaged in molecules, then over them."""
    logits, _, predicted, distance = output
    mask = batch["atom_mask"].to(predicted.dtype)
    atoms, target = mask.sum(1), batch["target_pos"]
    token = F.cross_entropy(logits, batch["target_token"].flatten()[masked_atoms(batch)])
    position = ((predicted - target).abs().sum(-1) * mask).sum(1) / (atoms + 1e-10)
    true = (target[:, None, :] - target[:, :, None]).norm(dim=-1)
    off = (distance - true).abs() * mask[:, :, None] * mask[:, None, :]
    return token, position.mean(), (off.sum((1, 2)) / (atoms * atoms + 1e-10)).mean()


class Updater:
    """Clipping and Adam. Parameters and gradients are moved into two flat arrays (with and without weight decay), so that
    an update is a few passes over memory and one fused kernel.

    Published Adam adds epsilon to the root of the uncorrected second moment; torch's adds it to the corrected one. They
    agree when torch's epsilon is divided by the correction, which `step` does.
    """

    def __init__(self, model, lr, betas=(0.9, 0.99), eps=1e-6, decay=1e-4, clip=1.0):
        self.eps, self.beta2, self.clip, self.steps, self.flat = eps, betas[1], clip, 0, []
        groups = []
        for decayed in (True, False):
            flat = self.gather([p for n, p in model.named_parameters() if decayed == (p.ndim > 1 and not n.endswith(".bias"))])
            self.flat.append(flat)
            groups.append({"params": [flat], "weight_decay": decay if decayed else 0.0})
        try:
            self.adam = torch.optim.AdamW(groups, lr=lr, betas=betas, eps=eps, fused=True)
        except (RuntimeError, TypeError):  # an older torch has none for this device
            self.adam = torch.optim.AdamW(groups, lr=lr, betas=betas, eps=eps)

    @staticmethod
    def gather(parameters):
        flat = nn.Parameter(torch.cat([p.detach().flatten() for p in parameters]))
        flat.grad, at = torch.zeros_like(flat), 0
        for p in parameters:
            p.data = flat.data[at : at + p.numel()].view(p.shape)
            p.grad = flat.grad[at : at + p.numel()].view(p.shape)
            at += p.numel()
        return flat

    def zero(self):
        for flat in self.flat:
            flat.grad.zero_()

    def step(self):
        """Returns the gradient's norm before clipping."""
        norm = torch.stack([flat.grad.norm() for flat in self.flat]).norm()
        factor = (self.clip / (norm + 1e-6)).clamp(max=1.0)
        for flat in self.flat:
            flat.grad.mul_(factor)
        self.steps += 1
        for group in self.adam.param_groups:
            group["eps"] = self.eps / math.sqrt(1 - self.beta2**self.steps)
        self.adam.step()
        return norm


def update(model, updater, micro_batches):
    """One training step; micro-batches weigh the same. Returns the mean loss."""
    updater.zero()
    total = 0.0
    for batch in micro_batches:
        loss = sum(losses(model(batch), batch)) / len(micro_batches)
        loss.backward()
        total = total + loss.detach()
    updater.step()
    return float(total)
