"""A block of GPT-2 (small): width 768, 12 heads, 64 tokens, causal; 7.1 M parameters."""

import torch

from torch2hw.benchmarks.models.gpt_block import TOKENS, Block

WIDTH, HEADS = 768, 12

torch.manual_seed(0)
model = Block(WIDTH, HEADS)
example_inputs = (torch.randn(1, TOKENS, WIDTH),)
