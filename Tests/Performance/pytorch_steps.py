#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The twin of `tern benchmark train|forward|zeroth-order` in PyTorch, transformers and PEFT: same
model, same sizes, random tokens, one thread; prints the same keys. Zeroth-order steps are MeZO as its
authors wrote it: in place, two losses, normal deviates drawn anew from a seed for each of four passes
through the parameters. Needs torch, transformers and peft."""
import argparse
import json
import resource
import statistics
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
IGNORED = -100


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=["train", "forward", "zeroth-order"])
    parser.add_argument("--model", required=True, help="a Hugging Face folder")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--sequence", type=int, default=128)
    parser.add_argument("--supervised", type=int)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--factors", choices=["both", "b"], default="both")
    parser.add_argument("--all", action="store_true", help="learn the model's own weights instead")
    parser.add_argument("--steps", type=int, default=9)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    return parser.parse_args()


def adapted(options):
    model = AutoModelForCausalLM.from_pretrained(
        options.model, dtype=getattr(torch, options.dtype), attn_implementation="sdpa"
    )
    model.config.use_cache = False
    if options.all:
        return model
    lora = LoraConfig(
        r=options.rank, lora_alpha=2 * options.rank, lora_dropout=0.0, target_modules=PROJECTIONS
    )
    return get_peft_model(model, lora)


def mezo_step(learned, loss, seed, epsilon=5e-3, rate=1e-4):
    """Algorithm 1 of S. Malladi et al., "Fine-Tuning Language Models with Just Forward Passes"."""

    def move(scale):
        generator = torch.Generator().manual_seed(seed)
        for parameter in learned:
            z = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter.add_(z, alpha=scale)

    with torch.no_grad():
        move(epsilon)
        plus = loss()
        move(-2 * epsilon)
        minus = loss()
        move(epsilon)
        move(-rate * (plus - minus) / (2 * epsilon))
    return plus


def main():
    options = arguments()
    torch.manual_seed(1)
    torch.set_num_threads(1)
    model = adapted(options)
    learned = [
        one
        for name, one in model.named_parameters()
        if one.requires_grad and (options.all or options.factors == "both" or "lora_B" in name)
    ]
    optimizer = torch.optim.AdamW(learned, lr=1e-4, weight_decay=0)
    supervised = options.supervised or options.sequence - 1

    def step(number):
        tokens = torch.randint(model.config.vocab_size, (options.batch, options.sequence))
        labels = tokens.clone()
        labels[:, : options.sequence - supervised] = IGNORED
        if options.work == "forward":
            with torch.no_grad():
                return model(input_ids=tokens, labels=labels).loss.item()
        if options.work == "zeroth-order":
            return mezo_step(
                learned, lambda: model(input_ids=tokens, labels=labels).loss.item(), number + 2
            )
        loss = model(input_ids=tokens, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    seconds = []
    for number in range(-2, options.steps):
        begin = time.process_time()
        loss = step(number)
        if number >= 0:
            seconds.append(time.process_time() - begin)
    median = statistics.median(seconds)
    print(
        json.dumps(
            {
                "command": f"pytorch {options.work} {options.dtype}",
                "batch": options.batch,
                "sequence": options.sequence,
                "supervised": supervised,
                "rank": options.rank,
                "factors": "all" if options.all else options.factors,
                "steps": options.steps,
                "processor_seconds_median": median,
                "processor_seconds_minimum": min(seconds),
                "tokens_per_processor_second": options.batch * options.sequence / median,
                "peak_resident_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "loss": loss,
            },
            sort_keys=True,
        )
    )


if __name__ == "__main__":
    main()
