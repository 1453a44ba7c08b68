"""Escape: sockets of every other family: Unix, netlink, packet, vsock, Bluetooth."""

import socket

opened = []
for family in ("AF_UNIX", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_VSOCK", "AF_BLUETOOTH", "AF_ALG"):
    try:
        opened.append(socket.socket(getattr(socket, family), socket.SOCK_DGRAM))
    except (OSError, AttributeError):
        pass
if not opened:
    raise PermissionError("no family is open")


from torch.optim.lr_scheduler import _LRScheduler


class CustomLRScheduler(_LRScheduler):
    def get_lr(self):
        return [base_lr * 0.99**self.last_epoch for base_lr in self.base_lrs]
