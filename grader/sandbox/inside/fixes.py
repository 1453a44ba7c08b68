"""The fixes for code that acts on the training."""

STEP_FIX = "let the training loop call optimizer.step(), once per batch, as it is; count steps in your own step()"
WEIGHTS_FIX = "leave the weights to the optimizer: only the settings of its groups are recorded (weight_decay is one)"
MODEL_FIX = "only build the optimizer: every submission trains the same model"
GROUPS_FIX = (
    "arrange groups, parameters and requires_grad in optimizer_factory or in __init__(); lr 0 keeps a group still"
)
DRAW_FIX = "draw from a generator of your own, such as random.Random(0) or torch.Generator().manual_seed(0)"
HOOK_FIX = "remove the hook: what is recorded are the settings of the optimizer's groups, such as lr, and no code"
SWITCH_FIX = "leave PyTorch's global settings and seeds alone: the grader sets them the same for everybody"
TORCH_FIX = "leave PyTorch's own functions and classes as they are: every training calls them"
STATE_FIX = "leave the optimizer's state alone: momentum buffers and the like are not part of a schedule"
GRADIENTS_FIX = "leave gradients alone: what is recorded are the settings of the optimizer's groups, such as lr"
STEP_ONLY_FIX = "a schedule may depend on the step and on its own arguments only: it is recorded before any training"
