#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes models/: tiny random models of each family, with what PyTorch says about them.

usage: make_models.py TEXT_FILE [OUT]      (torch 2.13, transformers 5.23, peft 0.21)

Every folder is a checkpoint as transformers writes it, an adapter as PEFT writes it, and
golden.safetensors / golden.json:
  input_ids, labels           two rows, the second padded on the right; -100 is not supervised
  logits, lora.logits         of the base, and with the adapter
  lora.grad.P                 gradient of the mean loss for the adapter's tensor P
  lora.adamw1.P lora.adamw3.P the adapter after one and three steps of AdamW
"""
import copy
import json
import pathlib
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (AutoModelForCausalLM, GPT2Config, LlamaConfig, MistralConfig,
                          OPTConfig, PreTrainedTokenizerFast, Qwen2Config, Qwen3Config)

PROJECTIONS = {
    "gpt2": ["c_attn", "c_proj", "c_fc"],
    "opt": ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"],
}
LLAMA_PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SETTINGS = dict(learning_rate=1e-2, weight_decay=0.01, rank=4, alpha=8)
ROWS = ["To be, or not to be: that is the question.",
        "Now is the winter of our discontent\nMade glorious summer."]


def rope(theta, **scaling):
    return dict(rope_type="default", rope_theta=theta) | scaling


def configurations():
    common = dict(vocab_size=512, bos_token_id=1, eos_token_id=2, pad_token_id=0, hidden_size=64,
                  intermediate_size=160, num_hidden_layers=3, num_attention_heads=4,
                  max_position_embeddings=256)
    grouped = common | dict(num_key_value_heads=2)
    llama3 = dict(rope_type="llama3", factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0,
                  original_max_position_embeddings=64)
    gpt2 = dict(vocab_size=512, bos_token_id=2, eos_token_id=2, pad_token_id=0, n_embd=64, n_layer=3,
                n_head=4, n_positions=96)
    opt = common | dict(bos_token_id=2, ffn_dim=160, max_position_embeddings=94)
    del opt["intermediate_size"]
    return {
        "llama-gqa-tied": LlamaConfig(**grouped, tie_word_embeddings=True, rms_norm_eps=1e-5,
                                      rope_parameters=rope(1e5)),
        "llama-mqa-untied": LlamaConfig(**common, num_key_value_heads=1, head_dim=32,
                                        tie_word_embeddings=False, rms_norm_eps=1e-6,
                                        attention_bias=True, mlp_bias=True,
                                        rope_parameters=rope(1e4)),
        "llama3-ropescaled": LlamaConfig(**grouped, tie_word_embeddings=True, rms_norm_eps=1e-5,
                                         rope_parameters=rope(5e5, **llama3)),
        "mistral-swa8": MistralConfig(**grouped, head_dim=16, tie_word_embeddings=False,
                                      sliding_window=8, rms_norm_eps=1e-5,
                                      rope_parameters=rope(1e4)),
        "qwen2": Qwen2Config(**grouped, tie_word_embeddings=True, rms_norm_eps=1e-6,
                             rope_parameters=rope(1e6)),
        "qwen3": Qwen3Config(**grouped, head_dim=32, tie_word_embeddings=True, rms_norm_eps=1e-6,
                             rope_parameters=rope(1e6)),
        "gpt2": GPT2Config(**gpt2),
        "gpt2-scaled": GPT2Config(**gpt2, n_inner=160, activation_function="gelu",
                                  scale_attn_weights=False, scale_attn_by_inverse_layer_idx=True,
                                  reorder_and_upcast_attn=True, tie_word_embeddings=False),
        "opt": OPTConfig(**opt),
    }


def train_tokenizer(text_file):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    text = pathlib.Path(text_file).read_text(encoding="utf-8")[:400_000]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator([text], trainers.BpeTrainer(
        vocab_size=512, special_tokens=["<pad>", "<s>", "</s>"], initial_alphabet=alphabet,
        show_progress=False))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>",
                                   eos_token="</s>", pad_token="<pad>")


def with_begin_token(tokenizer, token):
    """The same tokenizer, which puts a token before each text, as OPT's does."""
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.bos_token = token
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{token} $A", special_tokens=[(token, tokenizer.convert_tokens_to_ids(token))])
    return tokenizer


def rows_of(tokenizer):
    rows = [tokenizer(text)["input_ids"][:24] for text in ROWS]
    rows[1] = rows[1][:len(rows[0]) - 5]
    ids = torch.zeros(2, len(rows[0]), dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for index, row in enumerate(rows):
        ids[index, :len(row)] = torch.tensor(row)
        labels[index, :len(row)] = torch.tensor(row)
    labels[0, :3] = -100
    return ids, labels, (torch.arange(ids.shape[1]) < torch.tensor([[len(r)] for r in rows])).long()


def randomise(model, seed):
    """Weights of ordinary size, with norms and biases that are not one and zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            is_norm = ("norm" in name or ".ln_" in name) and name.endswith("weight")
            is_embedding = "embed" in name or ".wte" in name or ".wpe" in name
            if parameter.dim() == 1:
                parameter.copy_(1 + 0.2 * noise if is_norm else 0.1 * noise)
            else:
                size = 0.3 if is_embedding else 1.2 / parameter.shape[-1] ** 0.5
                parameter.copy_(noise * size)


def make(name, configuration, tokenizer, folder, seed):
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(
        configuration, dtype=torch.float32, attn_implementation="eager").eval()
    randomise(model, seed)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    ids, labels, mask = rows_of(tokenizer)
    batch = dict(input_ids=ids, attention_mask=mask, labels=labels)
    with torch.no_grad():
        base = model(**batch)
    golden = dict(input_ids=ids, labels=labels, logits=base.logits)

    adapted = get_peft_model(model, LoraConfig(
        r=SETTINGS["rank"], lora_alpha=SETTINGS["alpha"],
        target_modules=PROJECTIONS.get(configuration.model_type, LLAMA_PROJECTIONS),
        fan_in_fan_out=configuration.model_type == "gpt2", task_type="CAUSAL_LM")).eval()
    trainable = sorted((n.replace(".default", ""), p)
                       for n, p in adapted.named_parameters() if p.requires_grad)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for key, parameter in trainable:
            size = 0.1 if "lora_A" in key else 0.05
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * size)
    adapted.save_pretrained(folder / "adapter")

    optimizer = torch.optim.AdamW([p for _, p in trainable], lr=SETTINGS["learning_rate"],
                                  weight_decay=SETTINGS["weight_decay"])
    losses = []
    for step in range(1, 4):
        optimizer.zero_grad()
        output = adapted(**batch)
        output.loss.backward()
        losses.append(output.loss.item())
        if step == 1:
            golden["lora.logits"] = output.logits
            golden |= {f"lora.grad.{k}": p.grad for k, p in trainable}
        optimizer.step()
        if step != 2:
            golden |= {f"lora.adamw{step}.{k}": p.detach().clone()
                       for k, p in trainable}
    with torch.no_grad():
        losses.append(adapted(**batch).loss.item())
    golden = {k: v.detach().clone().contiguous() for k, v in golden.items()}
    save_file(golden, folder / "golden.safetensors", metadata=dict(format="pt"))
    summary = dict(name=name, loss=base.loss.item(), adamw_losses=losses, settings=SETTINGS)
    (folder / "golden.json").write_text(json.dumps(summary, indent=1) + "\n")
    for extra in ("generation_config.json", "adapter/README.md"):
        (folder / extra).unlink(missing_ok=True)


def main():
    out = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "models")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    tokenizer = train_tokenizer(sys.argv[1])
    for seed, (name, configuration) in enumerate(configurations().items()):
        own = with_begin_token(tokenizer, "</s>") if configuration.model_type == "opt" else tokenizer
        make(name, configuration, own, out / name, 100 * (seed + 1))
        print(name)


main()
