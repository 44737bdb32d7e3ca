#!/usr/bin/python3
"""Writes a small sentence-transformer's folder with random weights, in the form of Hugging Face's hub, byte by byte.

    model_folder.py DIR [--seed N] [--scale X] [--prefix bert.] [--dtype F32|F16|BF16] [--fault FAULT]

The vocabulary has the form of a real one: special tokens, unused ones, letters, words and "##" pieces. A fault spoils one
thing; --list-faults names them, each with what an importer must say. Only Python's own library is needed.
"""
import argparse
import json
import os
import random
import struct
import sys

LAYERS, HIDDEN, HEADS, FFN, POSITIONS, TOKENS = 2, 32, 4, 64, 64, 48

QUERY = "encoder.layer.1.attention.self.query.weight"
FAULTS = {
    "no-config": "config.json is missing",
    "no-weights": "model.safetensors is missing",
    "no-vocabulary": "vocab.txt is missing",
    "config-not-json": "config.json: not JSON",
    "roberta": 'config.json: \\"model_type\\" is \\"roberta\\"',
    "relu": 'config.json: \\"hidden_act\\" is \\"relu\\"',
    "relative": 'config.json: \\"position_embedding_type\\" is \\"relative_key\\"',
    "odd-heads": 'config.json: \\"hidden_size\\" (32) is not a multiple',
    "missing-size": 'config.json: \\"intermediate_size\\" is missing',
    "cased": 'tokenizer_config.json: \\"do_lower_case\\" must be true',
    "cls-pooling": '1_Pooling/config.json: \\"pooling_mode_cls_token\\" is set',
    "dense": 'modules.json: module 2 is a \\"Dense\\"',
    "long": "sentence_bert_config.json: a text's tokens",
    "missing-tensor": f'model.safetensors: tensor \\"{QUERY}\\" is missing',
    "extra-tensor": 'model.safetensors: tensor \\"encoder.layer.2.output.dense.bias\\" is not one',
    "shape": f'model.safetensors: tensor \\"{QUERY}\\" has the shape [31, 32]; config.json makes it [32, 32]',
    "dtype": f'model.safetensors: tensor \\"{QUERY}\\" is of the type I64',
    "nan": f'model.safetensors: tensor \\"{QUERY}\\" holds a value',
    "infinity": f'model.safetensors: tensor \\"{QUERY}\\" holds a value',
    "overlap": 'model.safetensors: tensor \\"',
    "outside": f'model.safetensors: tensor \\"{QUERY}\\" lies outside the file',
    "cut": "lies outside the file",
    "header": "model.safetensors: the header is longer",
    "duplicate-token": "vocab.txt: line 108 repeats",
    "empty-line": "vocab.txt: line 108 is empty",
    "crlf": "vocab.txt: line 1 ends with CR LF",
    "not-utf8": "vocab.txt: line 108 is not UTF-8",
    "no-unknown": "vocab.txt: the token [UNK] is missing",
    "many-tokens": "vocab.txt: it has",
}


def vocabulary():
    letters = [chr(c) for c in range(33, 127) if not chr(c).isupper()]
    words = ["the", "of", "and", "to", "in", "parse", "date", "image", "token", "server", "http", "client", "test", "build"]
    pieces = ["##es", "##ing", "##ed", "##er", "##ly"] + ["##" + c for c in letters]
    unused = [f"[unused{i}]" for i in range(99)]
    return ["[PAD]"] + unused + ["[UNK]", "[CLS]", "[SEP]", "[MASK]"] + letters + words + pieces


def shapes(count):
    yield "embeddings.word_embeddings.weight", [count, HIDDEN]
    yield "embeddings.position_embeddings.weight", [POSITIONS, HIDDEN]
    yield "embeddings.token_type_embeddings.weight", [2, HIDDEN]
    yield from norm("embeddings.LayerNorm")
    for i in range(LAYERS):
        p = f"encoder.layer.{i}."
        for name in ("query", "key", "value"):
            yield from linear(p + "attention.self." + name, HIDDEN, HIDDEN)
        yield from linear(p + "attention.output.dense", HIDDEN, HIDDEN)
        yield from norm(p + "attention.output.LayerNorm")
        yield from linear(p + "intermediate.dense", FFN, HIDDEN)
        yield from linear(p + "output.dense", HIDDEN, FFN)
        yield from norm(p + "output.LayerNorm")
    yield from linear("pooler.dense", HIDDEN, HIDDEN)


def linear(name, rows, columns):
    yield name + ".weight", [rows, columns]
    yield name + ".bias", [rows]


def norm(name):
    yield name + ".weight", [HIDDEN]
    yield name + ".bias", [HIDDEN]


def pack(values, dtype):
    if dtype == "F32":
        return struct.pack(f"<{len(values)}f", *values)
    if dtype == "F16":
        return struct.pack(f"<{len(values)}e", *values)
    if dtype == "I64":
        return struct.pack(f"<{len(values)}q", *(int(v) for v in values))
    return b"".join(struct.pack("<f", v)[2:] for v in values)  # BF16


def tensors(rng, args, count):
    for name, shape in shapes(count):
        dtype = args.dtype
        if name == QUERY and args.fault == "missing-tensor":
            continue
        if name == QUERY and args.fault == "shape":
            shape = [shape[0] - 1, shape[1]]
        size = shape[0] * (shape[1] if len(shape) > 1 else 1)
        values = [args.scale * (rng.gauss(0, 0.05) + ("LayerNorm.weight" in name)) for _ in range(size)]
        if name == QUERY and args.fault in ("nan", "infinity"):
            values[7] = float(args.fault)
        if name == QUERY and args.fault == "dtype":
            dtype = "I64"
        yield args.prefix + name, dtype, shape, pack(values, dtype)
    if args.fault == "extra-tensor":
        yield "encoder.layer.2.output.dense.bias", "F32", [1], pack([0.0], "F32")


def safetensors(rng, args, count):
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for name, dtype, shape, data in tensors(rng, args, count):
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    if args.fault in ("overlap", "outside"):
        offsets = header[QUERY]["data_offsets"]
        by = 4 if args.fault == "overlap" else len(body)
        header[QUERY]["data_offsets"] = [offset + by for offset in offsets]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    length = len(text) + (1 << 40 if args.fault == "header" else 0)
    data = struct.pack("<Q", length) + text + body
    return data[:-4] if args.fault == "cut" else data


def spoil_vocabulary(tokens, fault):
    if fault == "duplicate-token":
        tokens[107] = tokens[106]
    if fault == "empty-line":
        tokens[107] = ""
    if fault == "no-unknown":
        tokens[tokens.index("[UNK]")] = "[unk]"
    if fault == "many-tokens":
        tokens.append("more")
    text = ("\r\n" if fault == "crlf" else "\n").join(tokens + [""]).encode()
    return text.replace(b"\n" + tokens[107].encode() + b"\n", b"\n\xff\xfe\n", 1) if fault == "not-utf8" else text


def documents(fault, count):
    config = {
        "architectures": ["BertModel"], "model_type": "roberta" if fault == "roberta" else "bert",
        "hidden_act": "relu" if fault == "relu" else "gelu", "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
        "position_embedding_type": "relative_key" if fault == "relative" else "absolute",
        "num_attention_heads": 5 if fault == "odd-heads" else HEADS, "intermediate_size": FFN, "vocab_size": count,
        "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
        "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "pad_token_id": 0,
    }
    if fault == "missing-size":
        del config["intermediate_size"]
    third = "Dense" if fault == "dense" else "Normalize"
    types = ["", "1_Pooling", "2_" + third]
    modules = [{"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + name}
               for i, (path, name) in enumerate(zip(types, ["Transformer", "Pooling", third]))]
    pooling = {"word_embedding_dimension": HIDDEN, "pooling_mode_cls_token": fault == "cls-pooling",
               "pooling_mode_mean_tokens": fault != "cls-pooling", "pooling_mode_max_tokens": False}
    return {
        "config.json": config,
        "tokenizer_config.json": {"do_lower_case": fault != "cased", "model_max_length": 10**30, "strip_accents": None,
                                  "tokenizer_class": "BertTokenizer", "unk_token": "[UNK]"},
        "sentence_bert_config.json": {"max_seq_length": POSITIONS + 1 if fault == "long" else TOKENS, "do_lower_case": False},
        "modules.json": modules,
        "1_Pooling/config.json": pooling,
    }


def main():
    parser = argparse.ArgumentParser(description="Writes a small sentence-transformer's folder.")
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1, help="of all weights; 1e30 overflows")
    parser.add_argument("--prefix", default="")
    parser.add_argument("--dtype", choices=["F32", "F16", "BF16"], default="F32")
    parser.add_argument("--fault", choices=sorted(FAULTS))
    parser.add_argument("--list-faults", action="store_true")
    args = parser.parse_args()
    if args.list_faults:
        for fault, says in FAULTS.items():
            print(f"{fault}\t{says}")
        return
    tokens = vocabulary()
    count = len(tokens)
    files = {path: json.dumps(document, indent=2).encode() for path, document in documents(args.fault, count).items()}
    if args.fault == "config-not-json":
        files["config.json"] = files["config.json"][:-1]
    files["model.safetensors"] = safetensors(random.Random(args.seed), args, count)
    files["vocab.txt"] = spoil_vocabulary(tokens, args.fault)
    left_out = {"no-config": "config.json", "no-weights": "model.safetensors", "no-vocabulary": "vocab.txt"}
    files.pop(left_out.get(args.fault), None)
    for path, data in files.items():
        full = os.path.join(args.folder, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as f:
            f.write(data)


if __name__ == "__main__":
    sys.exit(main())
