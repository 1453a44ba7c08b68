"""Memory: a tensor of 8 GiB."""

import torch

block = torch.ones(1 << 31)
