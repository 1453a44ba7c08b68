import torch

block = torch.ones(1 << 31)
