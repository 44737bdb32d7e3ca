#!/usr/bin/python3
"""The same work as bench.c's, by PyTorch (Debian's python3-torch), with random weights.

    bench lengths | peer.py padded|unpadded EPOCHS        training
    peer.py encode TOKENS RUNS                            encoding, 32 texts at a time

padded: queries and documents of a batch are each padded to their longest, as sentence-transformers does. unpadded:
linear layers work on the real tokens one after another, attention text by text. Both print one line.
"""
import math
import os
import resource
import sys
import time

import torch
import torch.nn.functional as F

LAYERS, HIDDEN, HEADS, FFN, WORDS, POSITIONS = 6, 384, 12, 1536, 30522, 512
torch.manual_seed(1)
torch.set_num_threads(int(os.environ.get("THREADS", "2")))
now = time.process_time if os.environ.get("CPU_TIME") else time.perf_counter


def parameters():
    w = {}

    def add(name, *shape):
        w[name] = (torch.randn(*shape) * 0.03).requires_grad_()

    def norm(name):
        w[name + "w"] = torch.ones(HIDDEN, requires_grad=True)
        w[name + "b"] = torch.zeros(HIDDEN, requires_grad=True)

    add("words", WORDS, HIDDEN)
    add("positions", POSITIONS, HIDDEN)
    add("types", 2, HIDDEN)
    norm("n")
    for i in range(LAYERS):
        for name, out, inside in (("q", HIDDEN, HIDDEN), ("k", HIDDEN, HIDDEN), ("v", HIDDEN, HIDDEN),
                                  ("o", HIDDEN, HIDDEN), ("u", FFN, HIDDEN), ("d", HIDDEN, FFN)):
            add(f"{i}{name}w", out, inside)
            add(f"{i}{name}b", out)
        norm(f"{i}a")
        norm(f"{i}e")
    return w


W = parameters()


def linear(x, name):
    return F.linear(x, W[name + "w"], W[name + "b"])


def norm(x, name):
    return F.layer_norm(x, (HIDDEN,), W[name + "w"], W[name + "b"], 1e-12)


def attend(q, k, v, bias=None):
    scores = q @ k.transpose(-1, -2) / math.sqrt(HIDDEN // HEADS)
    return F.softmax(scores if bias is None else scores + bias, -1) @ v


def layers(x, attention):
    for i in range(LAYERS):
        x = norm(linear(attention(x, i), f"{i}o") + x, f"{i}a")
        x = norm(linear(F.gelu(linear(x, f"{i}u")), f"{i}d") + x, f"{i}e")
    return x


def encode_padded(texts):
    longest = max(map(len, texts))
    ids = torch.zeros(len(texts), longest, dtype=torch.long)
    mask = torch.zeros(len(texts), longest)
    for i, text in enumerate(texts):
        ids[i, : len(text)] = text
        mask[i, : len(text)] = 1
    bias = (1 - mask[:, None, None, :]) * -1e30 if mask.min() == 0 else None

    def attention(x, i):
        q, k, v = [linear(x, f"{i}{n}").view(len(texts), longest, HEADS, -1).transpose(1, 2) for n in "qkv"]
        return attend(q, k, v, bias).transpose(1, 2).reshape(len(texts), longest, HIDDEN)

    x = norm(W["words"][ids] + W["positions"][:longest] + W["types"][0], "n")
    x = layers(x, attention)
    return F.normalize((x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True), dim=1)


def encode_unpadded(texts):
    sizes = [len(t) for t in texts]
    places = torch.cat([torch.arange(n) for n in sizes])

    def attention(x, i):
        q, k, v = [linear(x, f"{i}{n}").view(-1, HEADS, HIDDEN // HEADS).transpose(0, 1).split(sizes, 1) for n in "qkv"]
        parts = [attend(a, b, c).transpose(0, 1).reshape(-1, HIDDEN) for a, b, c in zip(q, k, v)]
        return torch.cat(parts)

    x = norm(W["words"][torch.cat(texts)] + W["positions"][places] + W["types"][0], "n")
    x = layers(x, attention)
    return F.normalize(torch.stack([part.mean(0) for part in x.split(sizes)]), dim=1)


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024e-6


def train(kind, epochs):
    pairs = [tuple(map(int, line.split())) for line in sys.stdin]
    batches = []
    for first in range(0, len(pairs), 8):
        part = pairs[first : first + 8]
        batches.append([[torch.randint(5, WORDS, (p[side],)) for p in part] for side in (0, 1)])
    optimizer = torch.optim.AdamW(W.values(), lr=2e-5, eps=1e-6, weight_decay=0.01)
    tokens = sum(q + d for q, d in pairs)
    times = []
    for _ in range(epochs):
        start = now()
        for queries, documents in batches:
            if kind == "padded":
                a, b = encode_padded(queries), encode_padded(documents)
            else:
                a, b = encode_unpadded(queries + documents).split(len(queries))
            loss = F.cross_entropy(20 * a @ b.t(), torch.arange(len(queries)))
            optimizer.zero_grad(set_to_none=False)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(W.values(), 1.0)
            optimizer.step()
        times.append(now() - start)
    middle = sorted(times)[len(times) // 2]
    print(f"pytorch-{kind} s/epoch {middle:.3f} tokens/s {tokens / middle:.0f} tokens {tokens} MB {peak():.0f}")


def encode(tokens, runs):
    texts = [torch.randint(5, WORDS, (tokens,)) for _ in range(32)]
    times = []
    with torch.no_grad():
        for _ in range(runs):
            start = now()
            encode_padded(texts)
            times.append(now() - start)
    print(f"pytorch-encode-{tokens} texts/s {32 / sorted(times)[runs // 2]:.1f} MB {peak():.0f}")


if sys.argv[1] == "encode":
    encode(int(sys.argv[2]), int(sys.argv[3]))
else:
    train(sys.argv[1], int(sys.argv[2]))
