"""A small decoder-only transformer that reads characters."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrlib import _check


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, *, pre_norm: bool) -> None:
        super().__init__()
        self.heads, self.pre_norm = heads, pre_norm
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def attention(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        heads = self.query_key_value(x).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4).unbind(0)  # each (batch, heads, length, width / heads)
        scores = query @ key.transpose(-1, -2) / math.sqrt(width // self.heads)
        future = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -torch.inf).softmax(-1)
        return self.project((weights @ value).transpose(1, 2).reshape(batch, length, width))

    def feed_forward(self, x: Tensor) -> Tensor:
        return self.down(F.gelu(self.up(x), approximate="tanh"))

    def forward(self, x: Tensor) -> Tensor:
        if self.pre_norm:
            x = x + self.attention(self.norm_1(x))
            return x + self.feed_forward(self.norm_2(x))
        x = self.norm_1(x + self.attention(x))
        return self.norm_2(x + self.feed_forward(x))


class CharTransformer(nn.Module):
    """Tokens (batch, length) to logits (batch, length, vocabulary), causal, learned positions.

    ``pre_norm`` puts layer normalization before each block (Xiong et al. 2020, arXiv:2002.04745);
    without it, after each block, as in Vaswani et al. (2017), arXiv:1706.03762.
    """

    def __init__(
        self,
        *,
        vocabulary: int = 64,
        context: int = 32,
        width: int = 32,
        heads: int = 4,
        layers: int = 2,
        pre_norm: bool = True,
    ) -> None:
        super().__init__()
        for name, value in (("vocabulary", vocabulary), ("context", context), ("width", width), ("layers", layers)):
            _check.integer(name, value, at_least=1)
        if width % _check.integer("heads", heads, at_least=1):
            _check.fail("heads", f"a divisor of width = {width}", heads)
        self.token, self.position = nn.Embedding(vocabulary, width), nn.Parameter(0.02 * torch.randn(context, width))
        self.blocks = nn.Sequential(*[_Block(width, heads, pre_norm=pre_norm) for _ in range(layers)])
        self.norm = nn.LayerNorm(width) if pre_norm else nn.Identity()
        self.logits = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.token(tokens) + self.position[: tokens.shape[-1]]
        return self.logits(self.norm(self.blocks(x)))
