#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds to two of models/ a sparse adapter of PEFT's and what PyTorch computes with it.

usage: make_shira.py [MODELS]      (torch 2.13, transformers 5.23, peft 0.21)

shira/ is the adapter as PEFT saves it, at random places; loss in shira/golden.json is that of the
batch of golden.safetensors, in double precision, and `smallest` are the flat indices of the
r (inputs + outputs) weights of the first layer's q_proj that are smallest by magnitude, of equal ones
the first.
"""
import json
import pathlib
import sys

import torch
from peft import ShiraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

NAMES = ["llama-gqa-tied", "qwen3"]
RANK = 3
TARGETS = ["q_proj", "v_proj", "down_proj"]


def make(folder, seed):
    base = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float64, attn_implementation="eager").eval()
    weight = base.model.layers[0].self_attn.q_proj.weight.detach()
    order = torch.sort(weight.abs().flatten(), stable=True).indices
    smallest = sorted(order[:RANK * sum(weight.shape)].tolist())
    torch.manual_seed(seed)
    model = get_peft_model(base, ShiraConfig(
        r=RANK, target_modules=TARGETS, random_seed=seed, init_weights=False,
        task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "shira_weight" in name:
                # Saved as single precision, so that it is computed with what is saved.
                parameter.copy_((0.05 * parameter).float())
    golden = load_file(folder / "golden.safetensors")
    ids, labels = golden["input_ids"], golden["labels"]
    lengths = [int(row.nonzero().max()) + 1 for row in ids]
    mask = (torch.arange(ids.shape[1]) < torch.tensor([[length] for length in lengths])).long()
    with torch.no_grad():
        logits = model.double()(input_ids=ids, attention_mask=mask).logits
    loss = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100).item()
    model.float().save_pretrained(folder / "shira")
    (folder / "shira" / "README.md").unlink()
    summary = dict(loss=loss, smallest=smallest)
    (folder / "shira" / "golden.json").write_text(json.dumps(summary) + "\n")


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "models")
    torch.set_num_threads(1)
    for seed, name in enumerate(NAMES):
        make(out / name, seed + 1)
        print(name)


main()
