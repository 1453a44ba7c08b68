"""Acts on a training beside settings, as lines of a scheduler: in a plain loop they come to another training."""

from __future__ import annotations

ACTS = {
    "hook on the optimizer": "self.optimizer.register_step_pre_hook(lambda o, a, k: [p.grad.mul_(0.1) for p in P])",
    "global hook": "register_optimizer_step_post_hook(lambda o, a, k: [p.data.mul_(0.9) for p in P])",
    "tensor hook": "[p.register_hook(lambda grad: grad * 0.1) for p in P]",
    "accumulate hook": "[p.register_post_accumulate_grad_hook(lambda p: p.grad.mul_(0.1)) for p in P]",
    "graph hook": "[p.expand_as(p).grad_fn.next_functions[0][0].register_prehook(lambda g: (g[0] * 0.1,)) for p in P]",
    "gradient edge": "[torch.autograd.graph.get_gradient_edge(p).node.register_prehook(lambda g: None) for p in P]",
    "step replaced": "self.optimizer.step = lambda *a, **k: None",
    "step of the class replaced": "type(self.optimizer).step = lambda *a, **k: None",
    "optimizer stepped": "self.optimizer.step()",
    "weights written": "[p.data.mul_(0.5) for p in P]",
    "weights initialised": "[torch.nn.init.zeros_(p) for p in P]",
    "weights set": "[p.data.copy_(torch.zeros_like(p)) for p in P]",
    "weights exchanged": "setattr(P[0], 'data', torch.zeros_like(P[0]))",
    "weights in a list": "torch._foreach_mul_([p.data for p in P], 0.5)",
    "parameters frozen": "P[0].requires_grad_(False)",
    "group added": "self.optimizer.add_param_group({'params': [self.optimizer.param_groups[0]['params'].pop()]})",
    "parameters reordered": "self.optimizer.param_groups[0]['params'].reverse()",
    "parameters dropped": "self.optimizer.param_groups[0]['params'].pop()",
    "state filled": "self.optimizer.state[P[0]]['momentum_buffer'] = torch.ones_like(P[0])",
    "state cleared": "self.optimizer.state.clear()",
    "state replaced": "self.optimizer.state = __import__('collections').defaultdict(dict)",
    "class changed": "setattr(self.optimizer, '__class__', torch.optim.Adamax)",
    "seeded": "torch.manual_seed(0)",
    "default type": "torch.set_default_dtype(torch.float64)",
    "no gradients": "torch.set_grad_enabled(False)",
}  # fmt: skip


def acting(body: str, act: str, when: str) -> str:
    """The scheduler with an act in its constructor, or in step 7 or from step 7 on."""
    act = f"P = [p for g in self.optimizer.param_groups for p in g['params']]; {act}"
    line = {
        "constructor": ("__init__(self, optimizer)", "super().__init__(optimizer)", f"if True: {act}"),
        "once": ("step(self, epoch=None)", "super().step()", f"if self.last_epoch == 7: {act}"),
        "often": ("step(self, epoch=None)", "super().step()", f"if self.last_epoch > 7: {act}"),
    }[when]
    return body.rstrip() + "\n\n    def {}:\n        {}\n        {}\n".format(*line)
