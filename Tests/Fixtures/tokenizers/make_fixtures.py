#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains small tokenizers set up like those of real models, and writes what transformers makes of
strings that are hard to get right.

    make_fixtures.py TEXT SMOLLM2_TOKENIZER_JSON SMOLLM2_GOLDEN_JSON

TEXT is any English text of some megabytes (the vocabularies follow from it; Shakespeare was used).
Made with tokenizers 0.23.3 and transformers 5.23.0. Writes into its own folder."""
import json, os, random, sys
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers,
                        pre_tokenizers, processors, trainers)
from transformers import PreTrainedTokenizerFast

HERE = os.path.dirname(os.path.abspath(__file__))
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")

STRINGS = [
    "", " ", "  ", "a", "Hello, world!", " leading", "trailing ", "trailing   ", "\n", "\r\n\r\n",
    "tabs\tand\t\tmore \t mixed", "line\nline\r\nline\n\n\n  indented\n\t\n  \n",
    "   three before, three after   ", "In 1984, 27 people paid $3,141.59 (1,000,000 and 12345678901234567890)",
    "I'm you're he'll we've she'd it's don't", "I'M YOU'RE HE'LL WE'VE SHE'D IT'S DON'T 'S'T",
    "o'clock 'tis '' ' s 'ſ kelvin's", "naïve café résumé Ångström Ünïcödé", "cafe\u0301 A\u030angstro\u0308m e\u0301\u0323 \u1e69 s\u0323\u0307",
    "\u0344 \u0958 \u2126 \u212a \uac00 \u1100\u1161\u11a8 \ufb01 \u00bd", "日本語のテキスト。漢字と カタカナ", "中文没有空格，标点符号！１２３", "한국어 텍스트 입니다",
    "مرحبا بالعالم ١٢٣", "שלום עולם \u202eRTL\u202c mixed", "Привет, мир! Ёлка", "हिन्दी में पाठ १२३", "ไทยไม่มีช่องว่าง",
    "emoji 👩‍👩‍👧‍👦 👍🏽 🇩🇪 ❤️ 🏳️‍🌈!", "zero\u200bwidth\u200djoin\ufeffbom", "nbsp\u00a0and\u2003em\u3000ideographic\u2028line\u0085next\u180emongol\u1680ogham",
    "\u0000nul\u0001\u001f\u007f\u0080\u009f controls \u001c\u001d", "a\u0300\u0301\u0302\u0303\u0304 zalgo Z\u0351\u036b", "x²+y³=½ ⅷ Ⅻ ① ㊿ 𝟘𝟙 ৴",
    "snake_case camelCase PascalCase SCREAMING_CASE kebab-case", "def f(x):\n    return x**2  # square\n\n\nprint(f(3))\n",
    "https://example.org/a?b=c&d=%20#frag user@host.example", "<html><body class=\"x\">&amp;</body></html>", "!!!???...---===+++***///\\\\\\|||",
    "{\"a\": [1, 2.5e-3, null], \"b\": \"\\u00e9\"}", "Ġ Ċ ĉ Ń ġ Ā", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 🂡 \U0010ffff \ue000 \ufffe",
    "<|im_start|>user\nhi<|im_end|>\n<|endoftext|>", "<|im_start|> <|im_end|>  <|im_start|><|im_start|", "<|IM_START|> <| im_start |> <||im_start|>",
    "<|begin_of_text|>text<|begin_of_text|>", "<tool_call>x</tool_call>  <tool_call> ", "mask <mask> a<mask>b <mask>, <mask>é \t<mask>\n ",
    "strip  <left>  <left> <left>x  <right>  <right>  y", "word ony many ony. ony_ Ony ony\u0301 ony1", "ab abc abcd abcde bcd", "CAFE\u0301 CAF\u00c9 cafe\u0301s",
]
REPEATS = [("a", 10000), ("e ", 150), (" ", 5000), ("\n", 999), ("7", 1000), ("é", 1500), ("👍", 100), ("the", 150), ("!", 3000), ("\u0301", 100)]

def train(normalizer, pre_tokenizer, text, special, size=600, initial=True):
    tokenizer = Tokenizer(models.BPE())
    if normalizer: tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet()) if initial else []
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(text, trainer)
    return tokenizer

def runs(ids):
    result = []
    for i in ids:
        if result and result[-1][0] == i: result[-1][1] += 1
        else: result.append([i, 1])
    return result

def cases(tokenizer):
    for text in STRINGS:
        ids = tokenizer(text)["input_ids"]
        case = dict(text=text, ids=ids, decoded=tokenizer.decode(ids), skipped=tokenizer.decode(ids, skip_special_tokens=True))
        plain = tokenizer(text, add_special_tokens=False)["input_ids"]
        if plain != ids: case["plain"] = plain
        for key in ("decoded", "skipped"):
            if case[key] == text: del case[key]
        yield case
    for text, count in REPEATS:
        yield dict(text=text, count=count, runs=runs(tokenizer(text * count)["input_ids"]))

def dump(name, value, **options):
    with open(os.path.join(HERE, name), "w") as file:
        json.dump(value, file, ensure_ascii=False, separators=(",", ":"), **options)
        file.write("\n")

def write(name, tokenizer, pairs=False, edit=None):
    description = json.loads(tokenizer.to_str())
    if not pairs: description["model"]["merges"] = [" ".join(m) for m in description["model"]["merges"]]
    if edit: edit(description)
    dump(name + ".tokenizer.json", description)
    fast = PreTrainedTokenizerFast(tokenizer_file=os.path.join(HERE, name + ".tokenizer.json"), clean_up_tokenization_spaces=False)
    assert fast.is_fast
    dump(name + ".cases.json", list(cases(fast)))
    generator = random.Random(1)
    ids = [[generator.randrange(len(fast)) for _ in range(40)] for _ in range(12)]
    return dict(tokenizer=name, ids=ids, texts=[fast.decode(i) for i in ids])

def reduced_smollm2(path, golden):
    """The real tokenizer, less the tokens that no text of the golden values holds."""
    texts = json.load(open(golden))["tokenizer"]
    full = json.load(open(path))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    spelled = " ".join(piece for c in texts for piece, _ in byte_level.pre_tokenize_str(c["text"]))
    model = full["model"]
    special = {t["content"] for t in full["added_tokens"]}
    model["vocab"] = {t: i for t, i in model["vocab"].items() if t in spelled or len(t) == 1 or t in special}
    model["merges"] = [m for m in model["merges"] if all(t in model["vocab"] for t in m.split(" ") + [m.replace(" ", "")])]
    dump("smollm2-reduced.tokenizer.json", full)
    fast = PreTrainedTokenizerFast(tokenizer_file=os.path.join(HERE, "smollm2-reduced.tokenizer.json"), clean_up_tokenization_spaces=False)
    real = PreTrainedTokenizerFast(tokenizer_file=path, clean_up_tokenization_spaces=False)
    result = []
    for case in texts:
        # The golden ids are AutoTokenizer's, which makes a GPT2Tokenizer of this file.
        result.append({k: case[k] for k in ("text", "ids", "decoded")})
        plain = fast(case["text"])["input_ids"]
        assert plain == real(case["text"])["input_ids"] and fast.decode(case["ids"]) == case["decoded"]
        if plain != case["ids"]: result[-1]["file"] = plain
    dump("smollm2-reduced.cases.json", result)
    assert sum("file" in case for case in result) == 1

def splits():
    """What each behaviour of Split makes of a text."""
    patterns = [(r"\s+", "regex"), (r"\p{L}+", "regex"), (r"x*", "regex"), (r"(?<=a)b|c(?=d)", "regex"), (r"[^\s\p{L}]", "regex"),
                ("--", "string"), (".", "string"), (r"(?i:s|xA)", "regex"), (LLAMA3, "regex"), (r"\d{2,3}", "regex")]
    texts = ["", "one  two three", "--a----b--", " xx axb. cd ", "1234567 89", "..a.b..", "ÀSSß日本 x", "a\n\n b"]
    result = []
    for pattern, kind in patterns:
        for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
            for invert in (False, True):
                split = pre_tokenizers.Split(Regex(pattern) if kind == "regex" else pattern, behavior, invert)
                pieces = [[p for p, _ in split.pre_tokenize_str(t)] for t in texts]
                result.append(dict(pattern=pattern, kind=kind, behavior=behavior.title().replace("_", ""), invert=invert, pieces=pieces))
    dump("splits.json", dict(texts=texts, splits=result))

def main(text_path, smollm2, golden):
    text = open(text_path, encoding="utf-8", errors="ignore").read()[:2_000_000].splitlines(keepends=True)
    text += ["naïve café résumé déjà vu日本語のテキスト👍🏽👍🏽\n"] * 200
    byte_level = lambda **o: pre_tokenizers.ByteLevel(**(dict(add_prefix_space=False) | o))
    sequence = lambda *p: pre_tokenizers.Sequence(list(p))
    split = lambda pattern: pre_tokenizers.Split(Regex(pattern), "isolated", False)
    decoded = []
    chat = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

    # SmolLM2; some bytes have no token, as there, and are left out of the ids.
    tokenizer = train(None, sequence(pre_tokenizers.Digits(individual_digits=True), byte_level()), text, chat, initial=False)
    decoded.append(write("smollm", tokenizer))

    tokenizer = train(None, byte_level(), text, ["<|endoftext|>"])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    def old_style(d):  # as the file of GPT-2 is
        del d["model"]["type"]
        d["model"].update(unk_token="", continuing_subword_prefix="", end_of_word_suffix="")
        d["model"]["merges"].insert(0, "#version: 0.2")
    decoded.append(write("gpt2", tokenizer, edit=old_style))

    tokenizer = train(None, sequence(split(LLAMA3), byte_level(use_regex=False)), text, [])
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>"])
    begin = tokenizer.token_to_id("<|begin_of_text|>")
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), processors.TemplateProcessing(
        single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|>:1 $B:1", special_tokens=[("<|begin_of_text|>", begin)])])
    def whole_words(d):
        d["model"]["ignore_merges"] = True
        # Without the last merges, their tokens are reached as whole pieces only.
        d["model"]["merges"] = d["model"]["merges"][:-60]
    decoded.append(write("llama3", tokenizer, pairs=True, edit=whole_words))

    tokenizer = train(normalizers.NFC(), sequence(split(QWEN2), byte_level(use_regex=False)), text, [])
    tokenizer.add_special_tokens(chat)
    tokenizer.add_tokens([AddedToken("<tool_call>", normalized=False), AddedToken("</tool_call>", normalized=False), AddedToken("CAFE\u0301", normalized=True)])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    decoded.append(write("qwen2", tokenizer, pairs=True))

    # Everything that an added token can ask for, and a space before every piece.
    tokenizer = train(normalizers.Sequence([normalizers.NFC()]), sequence(pre_tokenizers.Digits(individual_digits=False), byte_level(add_prefix_space=True)), text, [], size=500, initial=False)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True), AddedToken("<|im_start|>", rstrip=True)])
    tokenizer.add_tokens([AddedToken("<left>", lstrip=True, normalized=False), AddedToken("<right>", rstrip=True, normalized=False),
        AddedToken("ony", single_word=True), AddedToken("abc"), AddedToken("abcd", normalized=False), AddedToken("bcde"), AddedToken("  "),
        AddedToken("é", normalized=True), AddedToken("日本", single_word=True), AddedToken("<body class"), AddedToken("1234", single_word=True, lstrip=True, rstrip=True)])
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Fuse()])
    def with_unknown(d):
        d["model"].update(unk_token="!", fuse_unk=True)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <mask>", pair="$A $B", special_tokens=[("<mask>", tokenizer.token_to_id("<mask>"))])
    decoded.append(write("added", tokenizer, edit=with_unknown))

    dump("decoded.json", decoded)
    splits()
    reduced_smollm2(smollm2, golden)

main(*sys.argv[1:])
