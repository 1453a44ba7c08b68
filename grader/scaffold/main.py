"""Trains the public model on CIFAR-10 with your scheduler, or with the default one. Do not edit.

    python main.py              your CustomLRScheduler
    python main.py --default    a constant learning rate, for comparison

Downloads CIFAR-10 (170 MB) into ./data the first time. `--data FOLDER` names another place.
Accuracy is measured as the grader measures it: without the random transforms.
"""

import argparse

import torch
from config import CONFIG
from model import Net
from scheduler import CustomLRScheduler
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import CIFAR10
from torchvision.transforms import CenterCrop, Compose, Resize

# Transforms that draw at random without saying so in their name.
RANDOM = {
    "AugMix", "AutoAugment", "ColorJitter", "CutMix", "ElasticTransform", "GaussianBlur", "GaussianNoise", "JPEG",
    "MixUp", "RandAugment", "ScaleJitter", "TrivialAugmentWide",
}  # fmt: skip


def for_evaluation(transforms):
    """The transforms without the random ones; random crops become a crop or a resize to the same size."""
    kept = []
    for transform in getattr(transforms, "transforms", transforms):
        name = type(transform).__name__
        if name == "Compose":
            kept += for_evaluation(transform).transforms
        elif name == "RandomCrop":
            kept.append(CenterCrop(transform.size))
        elif name == "RandomResizedCrop":
            kept.append(Resize(transform.size))
        elif not name.startswith("Random") and name not in RANDOM:
            kept.append(transform)
    return Compose(kept)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--default", action="store_true", help="train with a constant learning rate")
    parser.add_argument("--data", default="data", help="folder of CIFAR-10")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    transforms = CONFIG.transforms
    if isinstance(transforms, (list, tuple)):
        transforms = Compose(transforms)
    train = CIFAR10(arguments.data, train=True, download=True, transform=transforms)
    test = CIFAR10(arguments.data, train=False, download=True, transform=for_evaluation(transforms))
    train_batches = DataLoader(train, CONFIG.batch_size, shuffle=True)
    test_batches = DataLoader(test, 1000)

    model = Net().to(device)
    optimizer = CONFIG.optimizer_factory(model)
    scheduler = None if arguments.default else CustomLRScheduler(optimizer, **CONFIG.lrs_kwargs)
    for epoch in range(1, CONFIG.num_epochs + 1):
        model.train()
        total = 0.0
        for images, labels in train_batches:
            images, labels = images.to(device), labels.to(device)
            loss = nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
            total += loss.item() * len(labels)
        model.eval()
        with torch.no_grad():
            right = sum((model(x.to(device)).argmax(1) == y.to(device)).sum().item() for x, y in test_batches)
        lr = optimizer.param_groups[0]["lr"]
        print(f"epoch {epoch}: loss {total / len(train):.4f}, accuracy {right / len(test):.4f}, learning rate {lr:.6g}")


if __name__ == "__main__":
    main()
