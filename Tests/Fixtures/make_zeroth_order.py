#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds to two of models/ what PyTorch says about a step of MeZO, in double precision.

usage: make_zeroth_order.py [MODELS]      (torch 2.13, transformers 5.23, peft 0.21)

zeroth-order.safetensors and zeroth-order.json, for the adapter and the batch of golden.safetensors:
  z.P             the direction, normal deviates, for the adapter's tensor P
  after.P         the tensor after one step along it
  loss_plus, loss_minus, projected_gradient    with the perturbation `epsilon`
  slope           the gradient times z: the exact derivative along z
"""
import json
import pathlib
import sys

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

NAMES = ["llama-gqa-tied", "qwen3"]
EPSILON, LEARNING_RATE = 1e-3, 1e-2


def make(folder, seed):
    base = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float64, attn_implementation="eager").eval()
    model = PeftModel.from_pretrained(base, folder / "adapter", is_trainable=True).double().eval()
    golden = load_file(folder / "golden.safetensors")
    ids, labels = golden["input_ids"], golden["labels"]
    lengths = [int(row.nonzero().max()) + 1 for row in ids]
    mask = (torch.arange(ids.shape[1]) < torch.tensor([[length] for length in lengths])).long()
    trainable = sorted((n.replace(".default", ""), p)
                       for n, p in model.named_parameters() if p.requires_grad)
    generator = torch.Generator().manual_seed(seed)
    z = {k: torch.randn(p.shape, generator=generator) for k, p in trainable}

    def loss():
        # Not the model's own, which is rounded to 32 bits.
        logits = model(input_ids=ids, attention_mask=mask).logits
        return torch.nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)

    def move(scale):
        with torch.no_grad():
            for key, parameter in trainable:
                parameter.add_(scale * z[key].double())

    loss().backward()
    slope = sum((p.grad * z[k]).sum().item() for k, p in trainable)
    move(EPSILON)
    plus = loss().item()
    move(-2 * EPSILON)
    minus = loss().item()
    move(EPSILON)
    gradient = (plus - minus) / (2 * EPSILON)
    move(-LEARNING_RATE * gradient)
    tensors = {f"z.{k}": v for k, v in z.items()}
    tensors |= {f"after.{k}": p.detach().float() for k, p in trainable}
    save_file(tensors, folder / "zeroth-order.safetensors", metadata=dict(format="pt"))
    summary = dict(epsilon=EPSILON, learning_rate=LEARNING_RATE, loss_plus=plus, loss_minus=minus,
                   projected_gradient=gradient, slope=slope)
    (folder / "zeroth-order.json").write_text(json.dumps(summary, indent=1) + "\n")


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "models")
    torch.set_num_threads(1)
    for seed, name in enumerate(NAMES):
        make(out / name, seed + 1)
        print(name)


main()
