"""Exfiltration: a TCP connection to a listener on this machine."""

import socket

socket.create_connection(("127.0.0.1", int("@PORT@")), timeout=2).sendall(b"secret")


from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [base_lr * 0.99**self.last_epoch for base_lr in self.base_lrs]
