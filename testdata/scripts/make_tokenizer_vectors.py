"""Writes testdata/tokenizers: small tokenizers in every form that checkpoints carry, fifty texts, and the ids that other implementations give.

Vocabularies are trained here on data/prompts/shared-v1.toml (CC0-1.0), so nobody's vocabulary is copied. Run from the root of the repository
with `pip install transformers==5.23.0 tokenizers==0.23.3 sentencepiece==0.2.3 gguf==0.19.0 torch==2.15.0 protobuf`.
"""

import io
import json
import shutil
import sys
import tomllib
from pathlib import Path

import gguf
import numpy as np
import sentencepiece
import tokenizers
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import BertTokenizer, GPT2Tokenizer, PreTrainedTokenizerFast

OUT = Path("testdata/tokenizers")
TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "  Two spaces before, and three   inside.",
    "A line\nand another\n\nand one after a blank line.\n",
    "\tTabs\tand trailing space ",
    "It's the miller's; they'll say we've won, I'd think.",
    "THE SAME IN CAPITALS, AND cAMELcASE TOO",
    "1234567890 and 3.14159, 1,000,000, 12:34, 2026-11-23",
    "naïve café, Ångström, façade, coöperate",
    "e\u0301 is not é, and n\u0303 is not ñ",
    "Der Müller fährt über die Brücke; daß es regnet, stört ihn nicht.",
    "Le garçon a mangé huit pommes, où est l'œuf ?",
    "El niño preguntó: ¿dónde está la biblioteca?",
    "A rua está vazia às três da manhã.",
    "Gli alberi più alti sono là, perché c'è luce.",
    "Het ijs smelt; de zee stijgt.",
    "Zażółć gęślą jaźń.",
    "Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "Быстрая лиса перепрыгнула через ленивую собаку.",
    "Швидка лисиця стрибає через пса.",
    "Η γρήγορη αλεπού πήδηξε πάνω από τον σκύλο.",
    "שועל חום מהיר קופץ מעל הכלב",
    "الثعلب البني السريع يقفز فوق الكلب الكسول.",
    "روباه قهوه‌ای سریع",
    "तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है।",
    "দ্রুত বাদামী শিয়াল",
    "สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัข",
    "Con cáo nâu nhanh nhẹn nhảy qua con chó lười.",
    "Hızlı kahverengi tilki tembel köpeğin üstünden atlar.",
    "敏捷的棕色狐狸跳过了懒狗。",
    "素早い茶色の狐がのろまな犬を飛び越える。カタカナも。",
    "빠른 갈색 여우가 게으른 개를 뛰어넘습니다.",
    "Mbweha wa kahawia anaruka juu ya mbwa.",
    "Rubah cokelat yang cepat melompati anjing malas.",
    "🦊 jumps 🐶, 👩‍👩‍👧 watch; ☃️ and 🇪🇺",
    "def add(a, b):\n    return a + b  # sum\n",
    "for (int i = 0; i < n; ++i) { x[i] *= 2; }",
    "SELECT name FROM users WHERE id = 42;",
    "<div class=\"box\"><b>bold</b></div>",
    "https://example.org/path?query=1&x=%20#top",
    "a@b.example, /usr/local/bin, C:\\Windows",
    "x² + y² = z², ½ ≤ π·r²; ∑ᵢ aᵢ → ∞",
    "“Quotes”, ‘single’, «guillemets», – dash — long… ellipsis",
    "non\u00a0breaking\u2009thin\u3000ideographic spaces",
    "zero\u200bwidth\u200djoiner\ufeffmark",
    "ﬁne ligature, ﬀ, №, ™, Ⅳ, fullwidth ＡＢＣ",
    "!!!???...---===***",
    "\u0007 control \u0001 signs",
    "word" * 12,
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 astral",
    "x",
]


def corpus():
    with open("data/prompts/shared-v1.toml", "rb") as file:
        return [prompt["text"] for prompt in tomllib.load(file)["prompt"]]


def write_gguf(path, architecture, kind, tokens, types, pairs):
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_tokenizer_model(kind)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    for add, value in pairs:
        getattr(writer, add)(value)
    writer.add_tensor("token_embd.weight", np.ones((1, 4), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def train_sentencepiece(texts, **options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for text in texts for line in text.split("\n") if line),
        model_writer=model, model_type="bpe", vocab_size=900, byte_fallback=True, character_coverage=0.98,
        normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True, num_threads=1, **options,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def kind_of(pieces, i):
    if pieces.is_unknown(i):
        return 2
    if pieces.is_control(i):
        return 3
    return 6 if pieces.is_byte(i) else 1


def from_gguf(path):
    return transformers.AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    texts, ids = corpus(), {}

    # SentencePiece with a space before every text, as Llama 2 has it: the ids are SentencePiece's own.
    pieces = train_sentencepiece(texts)
    tokens = [pieces.id_to_piece(i) for i in range(len(pieces))]
    types = [kind_of(pieces, i) for i in range(len(pieces))]
    pairs = [
        ("add_token_scores", [pieces.get_score(i) for i in range(len(pieces))]),
        ("add_bos_token_id", pieces.bos_id()), ("add_eos_token_id", pieces.eos_id()), ("add_unk_token_id", pieces.unk_id()),
        ("add_add_bos_token", True), ("add_add_space_prefix", True),
    ]
    write_gguf(OUT / "llama.gguf", "llama", "llama", tokens, types, pairs)
    ids["llama.gguf"] = [[pieces.bos_id()] + pieces.encode(text) for text in TEXTS]
    theirs = [from_gguf(OUT / "llama.gguf")(text)["input_ids"] for text in TEXTS]
    print("llama.gguf: transformers differs from SentencePiece on", [i for i, (a, b) in enumerate(zip(ids["llama.gguf"], theirs)) if a != b])

    # Gemma: no space before a text, runs of line feeds and spaces as pieces of their own, scores that do not order the merges.
    added = ["\n", "\n\n", "\u2581\u2581", "\u2581\u2581\u2581", "<b>", "</b>"]
    pieces = train_sentencepiece(texts, user_defined_symbols=",".join(added[2:]), add_dummy_prefix=False)
    tokens = [pieces.id_to_piece(i) for i in range(len(pieces))] + added[:2]
    types = [4 if token in added else kind_of(pieces, i) for i, token in enumerate(tokens[: len(pieces)])] + [4, 4]
    tokens = [" " * len(token) if token in added and token.strip("\u2581") == "" else token for token in tokens]
    pairs = [
        ("add_token_scores", [-1000.0 if types[i] in (2, 3, 4) else pieces.get_score(i) for i in range(len(tokens))]),
        ("add_bos_token_id", pieces.bos_id()), ("add_eos_token_id", pieces.eos_id()), ("add_unk_token_id", pieces.unk_id()),
        ("add_add_bos_token", True), ("add_add_space_prefix", False),
    ]
    write_gguf(OUT / "gemma3.gguf", "gemma3", "llama", tokens, types, pairs)
    tokenizer = from_gguf(OUT / "gemma3.gguf")
    ids["gemma3.gguf"] = [tokenizer(text)["input_ids"] for text in TEXTS]

    # Byte-level BPE, split as Llama 3, Qwen 2 and GPT-2 split; the same merges each time.
    byte_level = Tokenizer(models.BPE())
    byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    byte_level.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    byte_level.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=700, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False))
    model = json.loads(byte_level.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    merges = [" ".join(pair) for pair in model["merges"]]
    end = tokens.index("<|endoftext|>")
    # The file that stays is the last one; tests set its rule to the others.
    for rule in ["llama-bpe", "qwen2", "tekken", "gpt-4o", "gpt-2"]:
        pairs = [("add_tokenizer_pre", rule), ("add_token_merges", merges), ("add_bos_token_id", end), ("add_eos_token_id", end), ("add_add_bos_token", False)]
        write_gguf(OUT / "byte-level.gguf", "llama", "gpt2", tokens, [3 if i == end else 1 for i in range(len(tokens))], pairs)
        tokenizer = from_gguf(OUT / "byte-level.gguf")
        ids[f"byte-level.gguf, {rule}"] = [tokenizer(text)["input_ids"] for text in TEXTS]
    folder = OUT / "gpt2"
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    tokenizer = GPT2Tokenizer(vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]])
    ids["gpt2"] = [tokenizer(text)["input_ids"] for text in TEXTS]

    # WordPiece, lower-cased and not.
    for name, lower_case in [("bert", True), ("bert-cased", False)]:
        trained = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        trained.normalizer = normalizers.BertNormalizer(lowercase=lower_case)
        trained.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        trained.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=1400, special_tokens=special, show_progress=False))
        vocabulary = trained.get_vocab()
        tokens = sorted(vocabulary, key=vocabulary.get)
        folder = OUT / name
        folder.mkdir()
        (folder / "vocab.txt").write_text("".join(token + "\n" for token in tokens))
        (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": lower_case}))
        tokenizer = BertTokenizer(vocab=vocabulary, do_lower_case=lower_case)
        ids[name] = [tokenizer(text)["input_ids"] for text in TEXTS]
        if lower_case:
            # As llama.cpp's converter spells them: a word begins with a mark, and what continues one has none.
            spelled = [t if t in special else t[2:] if t.startswith("##") else "\u2581" + t for t in tokens]
            pairs = [("add_bos_token_id", 2), ("add_eos_token_id", 3), ("add_unk_token_id", 1)]
            write_gguf(OUT / "bert.gguf", "bert", "bert", spelled, [3 if t in special else 1 for t in tokens], pairs)
            ids["bert.gguf"] = ids[name]

    # A tokenizer.json is read by the library that wrote it.
    tokenizer = PreTrainedTokenizerFast(tokenizer_file="testdata/models/base/tokenizer.json")
    ids["tokenizer.json"] = [tokenizer(text)["input_ids"] for text in TEXTS]

    made_by = "testdata/scripts/make_tokenizer_vectors.py"
    versions = {m.__name__: m.__version__ for m in [transformers, tokenizers, sentencepiece]} | {"gguf": "0.19.0"}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(found, separators=(',', ':'))}" for name, found in ids.items())
    head = json.dumps({"made_by": made_by, "versions": versions, "texts": TEXTS}, ensure_ascii=True, indent=1)[:-2]
    (OUT / "vectors.json").write_text(f'{head},\n "ids": {{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    sys.exit(main())
