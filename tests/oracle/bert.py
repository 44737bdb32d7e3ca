#!/usr/bin/python3
"""Writes what PyTorch computes for two small BERT encoders, for tests/unit/transformer_oracle.c.

    tests/oracle/bert.py tests/fixtures/transformer

Needs python3-torch (Debian's 1.13 wrote the files that are committed; the tests don't need it). All is computed in
float64 and stored in float32. Each file <name>.safetensors has, for three steps of training without dropout:

    config              I32: layers, hidden, heads, ffn, vocabulary, positions, types, queries, candidates
    w0.<parameter>      the weights before
    s<n>.ids, s<n>.offsets    I32: the tokens of step n's texts, queries first; where each text begins, and the end
    s<n>.embeddings, s<n>.loss, s<n>.norm     before step n's update; the norm before clipping
    g0.<parameter>      the gradients of step 0, before clipping
    w3.<parameter>      the weights after three steps

Loss: cross entropy of 20 x cosine over all candidates. AdamW: betas .9 .999, eps 1e-6, decay .01 (biases and
LayerNorms: none), gradients clipped to norm 1, learning rates 1/3, 2/3 and 3/3 of 1e-3.
"""
import json
import math
import struct
import sys

import torch
import torch.nn.functional as F

torch.set_num_threads(1)


def parameters(c):
    torch.manual_seed(1)
    weights = {}

    def add(name, *shape, std=0.02, one=False):
        weights[name] = ((torch.ones(*shape) if one else torch.zeros(*shape)) + torch.randn(*shape) * std).double()

    def linear(name, out, inside):
        add(name + ".weight", out, inside, std=0.8 / math.sqrt(inside))
        add(name + ".bias", out)

    def norm(name):
        add(name + ".weight", c["hidden"], one=True)
        add(name + ".bias", c["hidden"])

    hidden = c["hidden"]
    add("embeddings.word_embeddings.weight", c["vocabulary"], hidden)
    add("embeddings.position_embeddings.weight", c["positions"], hidden)
    add("embeddings.token_type_embeddings.weight", c["types"], hidden)
    norm("embeddings.LayerNorm")
    for i in range(c["layers"]):
        p = f"encoder.layer.{i}."
        for name in ("query", "key", "value"):
            linear(p + "attention.self." + name, hidden, hidden)
        linear(p + "attention.output.dense", hidden, hidden)
        norm(p + "attention.output.LayerNorm")
        linear(p + "intermediate.dense", c["ffn"], hidden)
        linear(p + "output.dense", hidden, c["ffn"])
        norm(p + "output.LayerNorm")
    return {name: value.requires_grad_() for name, value in weights.items()}


def encode(c, w, ids):
    """One text, alone: nothing is padded."""
    hidden, heads = c["hidden"], c["heads"]

    def linear(x, name):
        return F.linear(x, w[name + ".weight"], w[name + ".bias"])

    def norm(x, name):
        return F.layer_norm(x, (hidden,), w[name + ".weight"], w[name + ".bias"], 1e-12)

    def split(x):
        return x.view(len(ids), heads, hidden // heads).transpose(0, 1)

    e = "embeddings."
    x = w[e + "word_embeddings.weight"][ids] + w[e + "position_embeddings.weight"][: len(ids)]
    x = norm(x + w[e + "token_type_embeddings.weight"][0], e + "LayerNorm")
    for i in range(c["layers"]):
        p = f"encoder.layer.{i}."
        q, k, v = [split(linear(x, p + "attention.self." + name)) for name in ("query", "key", "value")]
        shares = F.softmax(q @ k.transpose(1, 2) / math.sqrt(hidden // heads), -1)
        context = (shares @ v).transpose(0, 1).reshape(len(ids), hidden)
        x = norm(linear(context, p + "attention.output.dense") + x, p + "attention.output.LayerNorm")
        x = norm(linear(F.gelu(linear(x, p + "intermediate.dense")), p + "output.dense") + x, p + "output.LayerNorm")
    return F.normalize(x.mean(0), dim=0)


def texts(c, step):
    g = torch.Generator().manual_seed(100 + step)
    result = []
    for i in range(c["queries"] + c["candidates"]):
        low, high = c["query_tokens"] if i < c["queries"] else c["candidate_tokens"]
        n = int(torch.randint(low, high + 1, (1,), generator=g))
        result.append(torch.randint(0, c["vocabulary"], (n,), generator=g))
    return result


def run(c):
    w = parameters(c)
    result = {"w0." + name: value.detach().clone() for name, value in w.items()}
    keys = ("layers", "hidden", "heads", "ffn", "vocabulary", "positions", "types", "queries", "candidates")
    result["config"] = torch.tensor([c[k] for k in keys], dtype=torch.int32)
    still = [n for n in w if n.endswith(".bias") or "LayerNorm" in n]
    optimizer = torch.optim.AdamW(
        [
            {"params": [w[n] for n in w if n not in still], "weight_decay": 0.01},
            {"params": [w[n] for n in still], "weight_decay": 0},
        ],
        lr=1e-3,
        eps=1e-6,
        betas=(0.9, 0.999),
    )
    for step in range(3):
        batch = texts(c, step)
        embeddings = torch.stack([encode(c, w, ids) for ids in batch])
        scores = 20 * embeddings[: c["queries"]] @ embeddings[c["queries"] :].t()
        loss = F.cross_entropy(scores, torch.arange(c["queries"]))
        optimizer.zero_grad()
        loss.backward()
        offsets = [0]
        for ids in batch:
            offsets.append(offsets[-1] + len(ids))
        result[f"s{step}.ids"] = torch.cat(batch).int()
        result[f"s{step}.offsets"] = torch.tensor(offsets, dtype=torch.int32)
        result[f"s{step}.embeddings"] = embeddings.detach()
        result[f"s{step}.loss"] = loss.detach().reshape(1)
        if step == 0:
            result.update({"g0." + name: value.grad.clone() for name, value in w.items()})
        result[f"s{step}.norm"] = torch.nn.utils.clip_grad_norm_(list(w.values()), 1.0).reshape(1)
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * (step + 1) / 3
        optimizer.step()
    result.update({"w3." + name: value.detach().clone() for name, value in w.items()})
    return result


def save(tensors, path):
    header, blobs, at = {}, [], 0
    for name, value in tensors.items():
        whole = value.dtype == torch.int32
        blob = (value if whole else value.float()).contiguous().numpy().tobytes()
        shape = list(value.shape)
        header[name] = {"dtype": "I32" if whole else "F32", "shape": shape, "data_offsets": [at, at + len(blob)]}
        at += len(blob)
        blobs.append(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


MODELS = {
    "even": dict(layers=2, hidden=64, heads=4, ffn=128, vocabulary=300, positions=64, types=2, queries=4, candidates=4,
                 query_tokens=(4, 8), candidate_tokens=(10, 32)),
    "odd": dict(layers=3, hidden=35, heads=5, ffn=53, vocabulary=101, positions=67, types=1, queries=3, candidates=5,
                query_tokens=(1, 9), candidate_tokens=(13, 67)),
}

for model, config in MODELS.items():
    tensors = run(config)
    save(tensors, f"{sys.argv[1]}/{model}.safetensors")
    print(model, [float(tensors[f"s{s}.loss"]) for s in range(3)], [float(tensors[f"s{s}.norm"]) for s in range(3)])
