#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the sound inputs of the corpora: small files of every format that Tern reads.

The certificates are made by the program TERN, `.build/debug/tern` if that is not set. Inputs that
a fuzzer found are not touched; they are named after what they broke.
"""

import hashlib
import json
import os
import re
import struct
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NEXT = b"\n===== next file =====\n"


def put(decoder, name, data):
    folder = HERE / "Corpora" / decoder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def messages():
    """The golden bytes of the tests, alone and one after another, to be cut into pieces of 8."""
    text = (ROOT / "Tests/MessagesTests/Sample.swift").read_text()
    streams = {"worker-messages": b"", "coordinator-messages": b""}
    pattern = r'name: "(\w+)",\s*message: \.(\w+)\(.*?golden:\s*((?:\s*\+?\s*"[0-9a-f]*")+)'
    for name, side, golden in re.findall(pattern, text, re.S):
        data = bytes.fromhex("".join(re.findall(r'"([0-9a-f]*)"', golden)))
        decoder = {"newcomer": "worker", "authority": "coordinator"}.get(side, side) + "-messages"
        put(decoder, name, b"\x07" + data)
        # Those of an enrolment have a connection of their own.
        streams[decoder] += data if decoder.startswith(side) else b""
    for decoder, stream in streams.items():
        put(decoder, "all", b"\x3f" + stream)


def rice(symbols, b):
    """Gaps between non-zeros: unary quotient, b low bits, sign; bits lowest first."""
    bits, previous = [], -1
    for index, positive in symbols:
        gap = index - previous - 1
        previous = index
        bits += [1] * (gap >> b) + [0] + [gap >> i & 1 for i in range(b)] + [positive]
    bits += [0] * (-len(bits) % 8)
    return bytes(sum(bits[i + j] << j for j in range(8)) for i in range(0, len(bits), 8))


def updates():
    shapes = [("tensor0", [40]), ("tensor1", [3, 5]), ("tensor2", [1])]
    digest = layout_digest(shapes)
    counts = [40, 15, 1]

    def container(codec, sections):
        data = b"TRNU" + struct.pack("<BBH", 1, codec, len(sections)) + digest
        for i, (coding, b, nonzero, scale, contents) in enumerate(sections):
            data += struct.pack(
                "<HBBIIfI", i, coding, b, counts[i], nonzero, scale, len(contents))
            data += contents
        return data

    floats = [struct.pack(f"<{n}f", *[i / 8 - 1 for i in range(n)]) for n in counts]
    put("updates", "dense", container(0, [(0, 0, n, 1, f) for n, f in zip(counts, floats)]))
    golden = [(0, 1), (3, 0), (4, 1), (13, 0), (39, 1)]
    for b in (0, 2, 4):
        put("updates", f"ternary-{b}", container(1, [
            (1, b, 5, 0.5, rice(golden, b)), (1, 1, 2, 0.25, rice([(2, 1), (14, 0)], 1)),
            (1, 0, 0, 0, b"")]))
    put("updates", "ternary-sparse", container(1, [
        (1, 3, 2, 0.5, rice([(7, 1), (8, 0)], 3)), (1, 0, 0, 0, b""), (1, 0, 1, 2, rice([(0, 1)], 0))]))
    exact = struct.pack("<IIfIf", 2, 1, -3.0, 5, 2.0)
    drawn = [(4, 0, 4, 0.5, exact + rice([(0, 1), (9, 0)], 0)),
             (4, 1, 1, 0.5, struct.pack("<I", 0) + rice([(14, 0)], 1)),
             (4, 0, 0, 0.5, struct.pack("<I", 0))]
    put("updates", "stochastic", container(4, drawn))
    one = container(1, [(1, 0, 0, 0, b"")] * 3)
    two = container(1, [(1, 2, 5, 0.5, rice(golden, 2)), (1, 0, 0, 0, b""), (1, 0, 0, 0, b"")])
    put("updates", "sequence", b"TRNS" + struct.pack("<BBH", 1, 0, 2)
        + b"".join(struct.pack("<I", len(update)) + update for update in (one, two)))
    # Step 5 with queries 0 and 2, step 6 without any; then step 300, with a rate.
    walk = (struct.pack("<QI", 7, 2) + bytes([5, 0, 2, 0]) + struct.pack("<f", 0.5) + bytes([1])
            + struct.pack("<f", -2) + bytes([6, 0, 0]))
    rated = struct.pack("<QI", 7, 1) + bytes([0xAC, 2, 1, 1, 1]) + struct.pack("<ff", 1e-3, 0.1)
    for name, walks in (("walk", [walk]), ("walk-rate", [rated]), ("walks", [walk, rated])):
        put("updates", name,
            b"TRND" + struct.pack("<BBH", 1, 0, len(walks)) + digest + b"".join(walks))


def layout_digest(shapes):
    """As Sources/Tensors/ParameterLayout.swift defines it."""
    text = "".join(f"{name} {shape}\n" for name, shape in shapes)
    return hashlib.sha256(text.encode()).digest()


def safetensors(tensors, metadata=None):
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, kind, shape, contents in tensors:
        header[name] = {"dtype": kind, "shape": shape,
                        "data_offsets": [len(data), len(data) + len(contents)]}
        data += contents
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def numbers(count):
    return struct.pack(f"<{count}f", *[(i % 17 - 8) / 16 for i in range(count)])


WIDTH, WORDS = 8, 6
MODEL = [
    ("model.embed_tokens.weight", "token_embd.weight", [WORDS, WIDTH]),
    ("model.norm.weight", "output_norm.weight", [WIDTH]),
    ("model.layers.0.input_layernorm.weight", "blk.0.attn_norm.weight", [WIDTH]),
    ("model.layers.0.post_attention_layernorm.weight", "blk.0.ffn_norm.weight", [WIDTH]),
    ("model.layers.0.self_attn.q_proj.weight", "blk.0.attn_q.weight", [WIDTH, WIDTH]),
    ("model.layers.0.self_attn.k_proj.weight", "blk.0.attn_k.weight", [4, WIDTH]),
    ("model.layers.0.self_attn.v_proj.weight", "blk.0.attn_v.weight", [4, WIDTH]),
    ("model.layers.0.self_attn.o_proj.weight", "blk.0.attn_output.weight", [WIDTH, WIDTH]),
    ("model.layers.0.mlp.gate_proj.weight", "blk.0.ffn_gate.weight", [4, WIDTH]),
    ("model.layers.0.mlp.up_proj.weight", "blk.0.ffn_up.weight", [4, WIDTH]),
    ("model.layers.0.mlp.down_proj.weight", "blk.0.ffn_down.weight", [WIDTH, 4]),
]
CONFIG = {
    "model_type": "llama", "vocab_size": WORDS, "hidden_size": WIDTH, "intermediate_size": 4,
    "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
    "tie_word_embeddings": True, "rms_norm_eps": 1e-5,
}

# Where the tensors of other families are in each block, with their shapes, and what makes their
# configurations as small.
OTHERS = {
    "gpt2": (
        "transformer.h.0",
        {"n_embd": WIDTH, "n_inner": 4, "n_layer": 1, "n_head": 2, "n_positions": 5,
         "vocab_size": WORDS, "tie_word_embeddings": True},
        [("transformer.wte.weight", [WORDS, WIDTH]), ("transformer.wpe.weight", [5, WIDTH]),
         ("transformer.ln_f.weight", [WIDTH]), ("transformer.ln_f.bias", [WIDTH])],
        [("ln_1", [WIDTH]), ("ln_2", [WIDTH]), ("attn.c_attn", [WIDTH, 3 * WIDTH]),
         ("attn.c_proj", [WIDTH, WIDTH]), ("mlp.c_fc", [WIDTH, 4]), ("mlp.c_proj", [4, WIDTH])]),
    "opt": (
        "model.decoder.layers.0",
        {"hidden_size": WIDTH, "word_embed_proj_dim": WIDTH, "ffn_dim": 4, "num_hidden_layers": 1,
         "num_attention_heads": 2, "max_position_embeddings": 5, "vocab_size": WORDS},
        [("model.decoder.embed_tokens.weight", [WORDS, WIDTH]),
         ("model.decoder.embed_positions.weight", [7, WIDTH]),
         ("model.decoder.final_layer_norm.weight", [WIDTH]),
         ("model.decoder.final_layer_norm.bias", [WIDTH])],
        [("self_attn_layer_norm", [WIDTH]), ("final_layer_norm", [WIDTH]),
         ("self_attn.q_proj", [WIDTH, WIDTH]), ("self_attn.k_proj", [WIDTH, WIDTH]),
         ("self_attn.v_proj", [WIDTH, WIDTH]), ("self_attn.out_proj", [WIDTH, WIDTH]),
         ("fc1", [4, WIDTH]), ("fc2", [WIDTH, 4])]),
}


def size(shape):
    count = 1
    for extent in shape:
        count *= extent
    return count


def model_file():
    return safetensors([(name, "F32", shape, numbers(size(shape))) for name, _, shape in MODEL])


def other_model_file(model_type):
    block, _, tensors, parts = OTHERS[model_type]
    shapes = list(tensors)
    for name, shape in parts:
        outputs = shape[-1] if model_type == "gpt2" else shape[0]
        shapes += [(f"{block}.{name}.weight", shape), (f"{block}.{name}.bias", [outputs])]
    return safetensors([(name, "F32", shape, numbers(size(shape))) for name, shape in shapes])


def checkpoints():
    put("safetensors", "types", safetensors([
        ("a", "F32", [2, 2], numbers(4)), ("b", "F16", [3], b"\0\x3c\0\x40\0\xc0"),
        ("c", "BF16", [1, 2], b"\x80\x3f\0\xc0"), ("d", "I64", [1], b"\1" + bytes(7)),
        ("e", "U8", [0], b""), ("f", "F32", [], numbers(1))], {"format": "pt"}))
    model = model_file()
    put("checkpoint", "llama", json.dumps(CONFIG).encode() + NEXT + model)
    index = {"metadata": {"total_size": 1},
             "weight_map": {name: "model-00001-of-00001.safetensors" for name, _, _ in MODEL}}
    put("checkpoint", "shards",
        json.dumps(CONFIG).encode() + NEXT + model + NEXT + json.dumps(index).encode())
    for path in sorted((ROOT / "Tests/Fixtures/models").glob("*/config.json")):
        config = path.read_bytes()
        small = json.loads(config)
        family = small["model_type"]
        if family in OTHERS:
            small.update(OTHERS[family][1])
            file = other_model_file(family)
        else:
            small.update({key: CONFIG[key] for key in CONFIG if key != "model_type"})
            file = model
        put("checkpoint", path.parent.name, json.dumps(small).encode() + NEXT + file)


def adapters():
    base = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "k_proj"],
            "bias": "none", "base_model_name_or_path": "base", "use_dora": False}
    tensors = []
    for module, width in (("q_proj", 3), ("k_proj", 2)):
        prefix = f"base_model.model.model.layers.0.self_attn.{module}"
        tensors.append((f"{prefix}.lora_A.weight", "F32", [2, 4], numbers(8)))
        tensors.append((f"{prefix}.lora_B.weight", "F32", [width, 2], numbers(2 * width)))
    file = safetensors(tensors, {"format": "pt"})
    variants = {
        "plain": base,
        "patterns": base | {"r": 8, "rank_pattern": {"q_proj": 2, "layers.[0-9].*k_proj": 2},
                            "alpha_pattern": {"^.*q_proj": 1.5}, "use_rslora": True},
        "expression": base | {"target_modules": ".*\\.(q|k)_proj"},
        "all": base | {"target_modules": "all-linear", "init_lora_weights": "gaussian"},
    }
    slow = {"target_modules": "(([a-z0-9._]+)+)+[!?]", "rank_pattern": {"(([a-z0-9._]+)+)+[!?]": 2}}
    variants |= {f"slow-{key}": base | {key: value} for key, value in slow.items()}
    for name, config in variants.items():
        put("adapter", name, json.dumps(config).encode() + NEXT + file)


def tokenizers():
    folder = ROOT / "Tests/Fixtures/tokenizers"
    for path in sorted(folder.glob("*.tokenizer.json")):
        name = path.name.removesuffix(".tokenizer.json")
        tokenizer = json.loads(path.read_text())
        text = json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")).encode()
        put("tokenizer", name, text)
    small = json.loads((folder / "gpt2.tokenizer.json").read_text())
    configuration = {"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": True,
                     "bos_token": "<s>", "add_prefix_space": False}
    put("tokenizer", "configuration",
        json.dumps(small, separators=(",", ":")).encode() + NEXT + json.dumps(configuration).encode())


def gguf(values, tensors, alignment=32):
    def text(string):
        return struct.pack("<Q", len(string.encode())) + string.encode()

    def value(content):
        if isinstance(content, bool):
            return struct.pack("<IB", 7, content)
        if isinstance(content, int):
            return struct.pack("<II", 4, content)
        if isinstance(content, float):
            return struct.pack("<If", 6, content)
        if isinstance(content, str):
            return struct.pack("<I", 8) + text(content)
        kind = 8 if isinstance(content[0], str) else 5
        data = struct.pack("<IIQ", 9, kind, len(content))
        return data + b"".join(
            text(item) if kind == 8 else struct.pack("<i", item) for item in content)

    head = struct.pack("<IIQQ", 0x46554747, 3, len(tensors), len(values))
    for key, content in values.items():
        head += text(key) + value(content)
    data = b""
    for name, kind, shape, contents in tensors:
        head += text(name) + struct.pack("<I", len(shape))
        head += b"".join(struct.pack("<Q", extent) for extent in reversed(shape))
        head += struct.pack("<IQ", kind, len(data))
        data += contents + bytes(-len(contents) % alignment)
    return head + bytes(-len(head) % alignment) + data


def gguf_files():
    def values(architecture):
        keys = {
            "embedding_length": WIDTH, "block_count": 1, "attention.head_count": 2,
            "attention.head_count_kv": 1, "attention.key_length": 4, "feed_forward_length": 4,
            "context_length": 64, "attention.layer_norm_rms_epsilon": 1e-5,
        }
        return {"general.architecture": architecture} | {
            f"{architecture}.{key}": content for key, content in keys.items()}

    vocabulary = {
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": ["<s>", "a", "b", "ab", "Ġ", "c"],
        "tokenizer.ggml.token_type": [3, 1, 1, 1, 1, 1], "tokenizer.ggml.merges": ["a b"],
        "tokenizer.ggml.bos_token_id": 0, "tokenizer.ggml.eos_token_id": 0,
        "tokenizer.ggml.add_bos_token": True,
    }
    tensors = [(name, 0, shape, numbers(size(shape))) for _, name, shape in MODEL]
    put("gguf", "llama", gguf(values("llama") | vocabulary, tensors))
    put("gguf", "qwen2", gguf(values("qwen2") | vocabulary, tensors))
    # Types by blocks, in tensors that no model asks for: Q4_0, Q4_1, Q8_0, Q4_K, Q6_K, F16, BF16.
    blocks = [(2, 32, 18), (3, 32, 20), (8, 32, 34), (12, 256, 144), (14, 256, 210), (1, 1, 2),
              (30, 1, 2)]
    wide = {"llama.embedding_length": 256, "llama.attention.key_length": 128}
    typed = []
    for number, (kind, elements, byte_count) in enumerate(blocks):
        typed.append((f"t{number}", kind, [1, elements], bytes(i % 61 for i in range(byte_count))))
    put("gguf", "types", gguf(values("llama") | wide, tensors[1:2] + typed))
    quantised = []
    for _, name, shape in MODEL:
        shape = [32 if extent == WIDTH else extent for extent in shape]
        if len(shape) == 1 or shape[-1] % 32:
            quantised.append((name, 0, shape, numbers(size(shape))))
        else:
            block = struct.pack("<e", 0.5) + bytes(range(32))
            quantised.append((name, 8, shape, block * (size(shape) // 32)))
    medium = {"llama.embedding_length": 32, "llama.attention.key_length": 16}
    heads = [(n, k, [16, 32] if n in ("blk.0.attn_k.weight", "blk.0.attn_v.weight") else s, c)
             for n, k, s, c in quantised]
    heads = [(n, k, s, (struct.pack("<e", 0.5) + bytes(range(32))) * (size(s) // 32)
              if k == 8 else c) for n, k, s, c in heads]
    put("gguf", "quantised", gguf(values("llama") | medium | vocabulary, heads))


def texts():
    rows = [{"prompt": "2 + 2 =", "completion": " 4", "choices": [" 4", " 5"]},
            {"text": "née 日本 \U0001f642", "label": "x", "other": [1, None, {"a": 1.5e3}]}]
    put("data", "prompts", (json.dumps(rows[0]) + "\n\n" + json.dumps(rows[0]) + "\r\n").encode())
    put("data", "texts", (json.dumps(rows[1], ensure_ascii=False) + "\n").encode())
    put("run-file", "local", (ROOT / "cluster/local/run.yaml").read_bytes())
    readme = (ROOT / "README.md").read_text()
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", readme, re.S)):
        put("run-file", f"readme-{number}", block.encode())
    put("run-file", "aliases", b"run: &r topics\nmodel: *r\ntraining: {learning-rate: 1e-3}\n")


def memories():
    """Archives without the checksum at their end, which the decoder adds."""
    layout = layout_digest([("tensor0", [4]), ("tensor1", [2])]).hex()
    plan = hashlib.sha256(b"plan").hexdigest()

    def archive(header, *parts):
        head = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
        return b"TERNARCH" + b"".join(
            struct.pack("<Q", len(part)) + part for part in (head, *parts))

    vector = numbers(6)
    pending = {"baseVersion": 3, "exampleCount": 10, "loss": 0.5, "tokenCount": 7,
               "nanoseconds": 12}
    put("memory", "worker", archive({"plan": plan, "layout": layout}, vector))
    put("memory", "worker-pending",
        archive({"plan": plan, "layout": layout, "pending": pending}, vector, vector, b"TRNU"))


def certificates():
    """Only where there are none yet: keys are new each time."""
    if (HERE / "Corpora/certificates/authority").exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        program = os.environ.get("TERN", ROOT / ".build/debug/tern")
        subprocess.run([program, "certificates", "create", "localhost", "--folder", f"{folder}/c"],
                       check=True, capture_output=True)
        certificate = Path(f"{folder}/c/authority.pem").read_bytes()
        key = Path(f"{folder}/c/authority.key").read_bytes()
        put("certificates", "authority", certificate + NEXT + key)
        for name in ("authority", "coordinator"):
            der = subprocess.run(
                ["openssl", "x509", "-in", f"{folder}/c/{name}.pem", "-outform", "DER"],
                check=True, capture_output=True).stdout
            put("certificates", f"{name}-der", b"\0" + der)


if __name__ == "__main__":
    messages()
    updates()
    checkpoints()
    adapters()
    tokenizers()
    gguf_files()
    texts()
    memories()
    certificates()
