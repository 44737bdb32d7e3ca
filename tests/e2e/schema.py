#!/usr/bin/python3
"""Checks every document of a file: store against docs/CONTRACT.md and docs/schema/.

    schema.py STORE_DIR [--schemas DIR] [--self-test]

It links none of the programs' code: it walks the folder, names each object by its key, decompresses blobs with the zstd
command, and compares hashes, canonical form, chains and references with what the contract says. One line a problem, then
"validated N documents of K kinds"; the exit status is 1 when there was a problem.

--self-test also takes one document of every kind that was found, spoils it field by field (a field left out, of a wrong
type, one too many) and expects the schema to refuse each. Needs python3-jsonschema and zstd.
"""
import argparse
import copy
import hashlib
import json
import os
import re
import subprocess
import sys
import warnings
from collections import defaultdict

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import jsonschema

TOP = 2**63 - 1
MARKER_MAX = 65536
BLOB_MAX = 64 << 20
RULES = 1  # how orchestrate makes entries
JSON = "application/json"
BASE = "http://schema.invalid/"  # never fetched: every schema is handed over

LOGIN = r"(?=[^/]{1,39}/)[a-z0-9]+(?:-[a-z0-9]+)*(?:_[a-z0-9]+)?"
KEYS = {
    "store": re.compile(r"cloudfolio\.json"),
    "probe": re.compile(r"probe/[0-9a-f]{32}/[ab]"),
    "run": re.compile(rf"tenants/({LOGIN})/runs/(\d{{4}}-\d\d-\d\d)/(sync|orchestrate|train)-([0-9a-f]{{12}}-[0-9a-f]{{16}})\.json"),
    "marker": re.compile(rf"(tenants/(?:{LOGIN})|shared)/([a-z-]+)/v/([0-9a-f]{{16}})"),
    "blob": re.compile(rf"(tenants/(?:{LOGIN})|shared)/([a-z-]+)/b/([0-9a-f]{{16}})/([0-9a-f]{{64}})"),
}
DATASETS = {"config", "repos", "bundle", "request", "request-gpu", "checkpoint", "model", "base-models"}
ROOT_SCHEMAS = {"config": "config", "repos": "repos", "bundle": "bundle", "request": "request", "request-gpu": "request", "model": "model",
                "checkpoint": "checkpoint", "base-models": "base-models"}
FILE_SCHEMAS = {"config.json": "model-config", "chunks.json": "model-chunks", "evaluation.json": "model-evaluation",
                "training.json": "model-training", "params.json": "model-params"}


class Problem(Exception):
    pass


# --- canonical JSON ----------------------------------------------------------------------------------------------------


class Real(float):
    """A number with a fraction or an exponent, which remembers how it was written."""

    def __new__(cls, text):
        self = super().__new__(cls, text)
        self.text = text
        return self

    def __deepcopy__(self, memo):
        return self


ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def canonical_text(s):
    return '"' + re.sub(r'["\\\x00-\x1f]', lambda m: ESCAPES.get(m[0]) or "\\u%04X" % ord(m[0]), s) + '"'


def canonical_real(value):
    text = "%.17g" % value
    if "e" in text:
        digits, exponent = text.split("e")
        return f"{digits}e{int(exponent)}"
    return text if "." in text else text + ".0"


def canonical(value):
    if isinstance(value, dict):
        return "{" + ",".join(canonical_text(k) + ":" + canonical(value[k]) for k in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, str):
        return canonical_text(value)
    if isinstance(value, float):
        return canonical_real(value)
    return json.dumps(value)  # null, true, false, whole numbers


def unique(pairs):
    out = dict(pairs)
    if len(out) != len(pairs):
        raise Problem("a key occurs twice in one object")
    return out


def refuse_constant(name):
    raise Problem(f"{name} is not JSON")


def parse(data):
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=unique, parse_float=Real, parse_constant=refuse_constant)
    except ValueError as e:
        raise Problem(f"not JSON in UTF-8: {e}") from None


def parse_canonical(data):
    document = parse(data)
    want = canonical(document).encode("utf-8")
    if data != want:
        at = next((i for i, (a, b) in enumerate(zip(data, want)) if a != b), min(len(data), len(want)))
        raise Problem(f"not in canonical form from byte {at}: {data[at:at + 30]!r} instead of {want[at:at + 30]!r}")
    return document


# --- schemas -----------------------------------------------------------------------------------------------------------


class Schemas:
    def __init__(self, folder, report):
        self.documents = {}
        self.validators = {}
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), "rb") as f:
                self.documents[name] = json.load(f)
        store = {BASE + name: document for name, document in self.documents.items()}
        for name, document in self.documents.items():
            try:
                jsonschema.Draft202012Validator.check_schema(document)
            except jsonschema.SchemaError as e:
                report(name, f"not a valid schema: {e.message} at /{'/'.join(map(str, e.path))}")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                resolver = jsonschema.RefResolver(BASE + name, document, store)
            self.validators[name[:-5]] = jsonschema.Draft202012Validator(document, resolver=resolver)

    def problems(self, kind, document, most=5):
        for i, e in enumerate(self.validators[kind].iter_errors(document)):
            if i == most:
                yield "", "… and more"
                return
            best = jsonschema.exceptions.best_match([e])
            yield "/" + "/".join(map(str, best.absolute_path)), best.message[:300]

    def is_valid(self, kind, document):
        return self.validators[kind].is_valid(document)

    def resolve(self, name, schema):
        """Follows $ref; returns the file that the result stands in, and the result."""
        while "$ref" in schema:
            file, _, pointer = schema["$ref"].partition("#")
            name = file or name
            schema = self.documents[name]
            for part in filter(None, pointer.split("/")):
                schema = schema[part]
        return name, schema


# --- the store ---------------------------------------------------------------------------------------------------------


def frame_size(frame):
    """The content size that a zstd frame's header states (RFC 8878, 3.1.1)."""
    if frame[:4] != b"\x28\xb5\x2f\xfd":
        raise Problem("not a zstd frame")
    descriptor = frame[4]
    single = descriptor >> 5 & 1
    length = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    if not length:
        raise Problem("the zstd frame doesn't state its content's size")
    at = 5 + (0 if single else 1) + (0, 1, 2, 4)[descriptor & 3]
    return int.from_bytes(frame[at:at + length], "little") + (256 if length == 2 else 0)


class Store:
    def __init__(self, folder, schemas, report):
        self.folder = folder
        self.schemas = schemas
        self.report = report
        self.payloads = {}
        self.counts = defaultdict(int)
        self.samples = {}
        self.validated = set()
        self.keys = set()
        for path, _, files in os.walk(folder):
            for name in files:
                if not name.startswith("~"):  # what a writer that died left beside the key space
                    self.keys.add(os.path.relpath(os.path.join(path, name), folder))

    def read(self, key):
        with open(os.path.join(self.folder, key), "rb") as f:
            return f.read()

    def validate(self, kind, key, document, note=""):
        if (kind, key) in self.validated:
            return
        self.validated.add((kind, key))
        for place, message in self.schemas.problems(kind, document):
            self.report(key + note, f"{place or '/'}: {message}")
        self.counts[kind] += 1
        size = len(canonical(document))
        if kind not in self.samples or size > self.samples[kind][0]:  # the largest shows the most fields
            self.samples[kind] = (size, document)

    def payload(self, key):
        """A blob's bytes, checked against its name; None when they can't be had. Reported once."""
        if key in self.payloads:
            return self.payloads[key]
        self.payloads[key] = None
        try:
            frame = self.read(key)
            size = frame_size(frame)
            if size > BLOB_MAX:
                raise Problem(f"{size} bytes are more than a blob may have")
            done = subprocess.run(["zstd", "-d", "-q", "-c"], input=frame, capture_output=True)
            if done.returncode:
                raise Problem("zstd can't decompress it: " + done.stderr.decode(errors="replace").strip())
            if len(done.stdout) != size:
                raise Problem(f"the frame states {size} bytes and holds {len(done.stdout)}")
            digest = hashlib.sha256(done.stdout).hexdigest()
            if digest != key.rsplit("/", 1)[1]:
                raise Problem(f"its contents have the SHA-256 {digest}")
            self.payloads[key] = done.stdout
        except (Problem, OSError, IndexError) as e:
            self.report(key, str(e) or type(e).__name__)
        return self.payloads[key]

    def json_blob(self, key, kind, note=""):
        data = self.payload(key)
        if data is None:
            return None
        try:
            document = parse_canonical(data)
        except Problem as e:
            self.report(key + note, str(e))
            return None
        self.validate(kind, key, document, note)
        return document

    # --- keys

    def check(self):
        datasets = defaultdict(lambda: ({}, set()))
        if "cloudfolio.json" not in self.keys:
            self.report("cloudfolio.json", "is missing")
        for key in sorted(self.keys):
            kind, match = next(((k, m) for k, r in KEYS.items() if (m := r.fullmatch(key))), (None, None))
            if kind == "store":
                self.check_store_file(key)
            elif kind == "run":
                self.check_run(key, *match.groups())
            elif kind == "marker" and match[2] in DATASETS and 0 < TOP - int(match[3], 16) < TOP:
                datasets[match[1], match[2]][0][TOP - int(match[3], 16)] = key
            elif kind == "blob" and match[2] in DATASETS and int(match[3], 16) >= 1:
                datasets[match[1], match[2]][1].add(key)
            elif kind != "probe":
                self.report(key, "the contract knows no such key")
        for (owner, name), (markers, blobs) in sorted(datasets.items()):
            self.check_dataset(owner, name, markers, blobs)

    def check_store_file(self, key):
        try:
            self.validate("cloudfolio", key, parse_canonical(self.read(key)))
        except Problem as e:
            self.report(key, str(e))

    def check_run(self, key, tenant, day, job, run):
        try:
            record = parse_canonical(self.read(key))
        except Problem as e:
            self.report(key, str(e))
            return
        self.validate("run", key, record)
        stated = [record.get("tenant"), str(record.get("started"))[:10], record.get("job"), record.get("run")]
        if stated != [tenant, day, job, run]:
            self.report(key, f"it is the record of {stated}")

    # --- datasets

    def check_dataset(self, owner, name, keys, blobs):
        markers = {}
        for version, key in keys.items():
            marker = self.check_marker(owner, name, version, key)
            if marker:
                markers[version] = marker
        newest = max(keys, default=0)
        floor = markers[max(markers)][0]["floor"] if markers else newest
        for version in range(floor, newest + 1):
            if version and version not in keys:
                self.report(f"{owner}/{name}/v/{TOP - version:016x}", f"version {version} is missing; the floor is {floor}")
        for version in sorted(markers, reverse=True):
            marker, digest = markers[version]
            self.check_chain(keys, markers, version, digest)
            if version >= floor:
                self.check_version(owner, name, keys[version], marker)
        for key in sorted(blobs):
            self.payload(key)

    def check_marker(self, owner, name, version, key):
        try:
            data = self.read(key)
            if len(data) > MARKER_MAX:
                raise Problem(f"{len(data)} bytes; {MARKER_MAX} are the limit")
            marker = parse_canonical(data)
            self.validate("marker", key, marker)
            if marker["seal"] != hash_of({k: v for k, v in marker.items() if k != "seal"}):
                raise Problem("its seal is not that of the marker")
            tenant = owner.split("/")[1] if "/" in owner else None
            stated = (marker["tenant"], marker["dataset"], marker["version"])
            if stated != (tenant, name, version):
                raise Problem(f"it is the marker of {stated}")
            if (marker["parent"] or {"version": 0})["version"] != version - 1:
                raise Problem("its parent isn't the version before it")
            if marker["floor"] > version or marker["root"]["version"] > version:
                raise Problem("its floor or its root is of a later version")
            return marker, hashlib.sha256(data).hexdigest()
        except Problem as e:
            self.report(key, str(e))
        except (KeyError, TypeError) as e:
            self.report(key, f"can't be used: {e!r}")
        return None

    def check_chain(self, keys, markers, version, digest):
        child = markers.get(version + 1)
        if child and child[0]["parent"]["sha256"] != digest:
            self.report(keys[version + 1], f"/parent/sha256 is not that of {keys[version]}")
        if child and child[0]["floor"] < markers[version][0]["floor"]:
            self.report(keys[version + 1], "its floor is below its parent's")

    def check_version(self, owner, name, key, marker):
        def place(ref):
            return f"{owner}/{name}/b/{ref['version']:016x}/{ref['sha256']}"

        if name not in ROOT_SCHEMAS:
            self.report(key, f"nothing is known of the documents of {name}")
            return
        if not self.check_ref(place(marker["root"]), marker["root"], key, marker):
            return
        root_key = place(marker["root"])
        root = self.json_blob(root_key, ROOT_SCHEMAS[name])
        if not isinstance(root, dict) or not self.schemas.is_valid(ROOT_SCHEMAS[name], root):
            return
        hashes = [ref["sha256"] for ref in root["blobs"]]
        if hashes != sorted(set(hashes)):
            self.report(root_key, "/blobs is not sorted by hash, or names one twice")
        places = {}
        for ref in root["blobs"]:
            if self.check_ref(place(ref), ref, root_key, marker):
                places[ref["sha256"]] = ref
        named = getattr(self, "contents_of_" + function_name(name))(root)
        for digest, kind, media_type, where in named:
            ref = places.get(digest)
            if digest not in hashes:
                self.report(root_key, f"{where}: {digest} is not among the blobs")
            elif ref and ref["type"] != media_type:
                self.report(root_key, f"{where}: the blob's type is {ref['type']}, not {media_type}")
            elif ref and kind:
                self.json_blob(place(ref), kind)
            elif ref:
                self.counts["other file of a model"] += (("file", place(ref)) not in self.validated)
                self.validated.add(("file", place(ref)))
        for digest in sorted(set(hashes) - {n[0] for n in named}):
            self.report(root_key, f"/blobs lists {digest}, which nothing in the document names")
        request = getattr(self, "request_of_" + function_name(name))(root, owner, marker)
        if request and request != marker["request"]:
            self.report(key, f"/request is not {request}, as computed from what the version holds")
        self.check_fingerprints(name, root, root_key, {d: place(r) for d, r in places.items()})

    def check_ref(self, blob_key, ref, where, marker):
        if ref["version"] > marker["version"]:
            self.report(where, f"refers to {blob_key}, of a later version")
        if blob_key not in self.keys:
            self.report(blob_key, f"is missing; {where} refers to it")
            return False
        data = self.payload(blob_key)
        if data is not None and len(data) != ref["bytes"]:
            self.report(where, f"states {ref['bytes']} bytes for {blob_key}, which has {len(data)}")
        return data is not None

    # Each: (hash, schema or None, media type, place in the document) of every blob that the document names.

    def contents_of_config(self, root):
        return []

    def contents_of_request(self, root):
        return []

    def contents_of_repos(self, root):
        return [(r["content"], "content", JSON, f"/repositories/{i}/content")
                for i, r in enumerate(root["repositories"]) if r["content"]]

    def contents_of_bundle(self, root):
        return [(e["entry"], "entry", JSON, f"/entries/{i}/entry") for i, e in enumerate(root["entries"])]

    def contents_of_model(self, root):
        return [(f["sha256"], FILE_SCHEMAS.get(f["path"]), f["type"], f"/{part}/files/{i}")
                for part in ("current", "rejected") if root[part] for i, f in enumerate(root[part]["files"])]

    def contents_of_checkpoint(self, root):
        return [(f["sha256"], FILE_SCHEMAS.get(f["path"]), f["type"], f"/files/{i}") for i, f in enumerate(root["files"])]

    def contents_of_base_models(self, root):
        return [(f["sha256"], None, f["type"], f"/models/{name}/files/{i}")
                for name, model in root["models"].items() for i, f in enumerate(model["files"])]

    # What makes a run a repeat, computed anew; None where that can't be.

    def request_of_config(self, root, owner, marker):
        return hash_of({k: v for k, v in root.items() if k != "blobs"})

    def request_of_repos(self, root, owner, marker):
        rows = sorted([r["id"], r["fingerprint"], r["state"]] for r in root["repositories"])
        return hash_of({"login": root["login"], "repositories": rows})

    def request_of_bundle(self, root, owner, marker):
        read = marker["inputs"][0]
        key = f"{owner}/repos/v/{TOP - read['version']:016x}"
        if key not in self.keys:
            return None
        data = self.read(key)
        if hashlib.sha256(data).hexdigest() != read["sha256"]:
            return None
        return hash_of({"repos": parse(data)["root"]["sha256"], "rules": RULES})

    def request_of_request(self, root, owner, marker):
        return hash_of({"rules": RULES} | {k: root[k] for k in ("content_fingerprint", "params", "base_model", "finetune") if k in root})

    def request_of_model(self, root, owner, marker):
        return root["current" if root["gate"]["promoted"] else "rejected"]["request"]

    def request_of_checkpoint(self, root, owner, marker):
        return root["request"]

    def request_of_base_models(self, root, owner, marker):
        return hash_of({"models": {name: {f["path"]: f["sha256"] for f in model["files"]} for name, model in root["models"].items()}})

    def check_fingerprints(self, name, root, root_key, places):
        if ("fingerprints", root_key) in self.validated:
            return
        self.validated.add(("fingerprints", root_key))
        if name == "repos":
            for i, r in enumerate(root["repositories"]):
                if r["fingerprint"] and r["fingerprint"] != repository_fingerprint(r):
                    self.report(root_key, f"/repositories/{i}/fingerprint is not that of its fields")
        if name == "bundle":
            for i, e in enumerate(root["entries"]):
                data = self.payload(places[e["entry"]]) if e["entry"] in places else None
                if data and e["content_fingerprint"] != content_fingerprint(parse(data)):
                    self.report(root_key, f"/entries/{i}/content_fingerprint is not that of the entry")
            if root["content_fingerprint"] != hash_of([e["content_fingerprint"] for e in root["entries"]]):
                self.report(root_key, "/content_fingerprint is not that of the entries")


def function_name(dataset):
    return dataset.replace("-gpu", "").replace("-", "_")


def hash_of(value):
    return hashlib.sha256(canonical(value).encode("utf-8")).hexdigest()


def repository_fingerprint(r):
    m = r["metadata"]
    parts = {k: r[k] for k in ("commit", "tree", "name", "default_branch", "languages")}
    parts.update((k, m[k]) for k in ("description", "homepage", "topics", "fork", "archived", "visibility", "language"))
    return hash_of({**parts, "license": m["license"] and m["license"]["key"]})


def content_fingerprint(entry):
    texts = {k: entry[k] or None for k in ("readme", "skills_index", "architecture")}
    texts["repo_context"] = canonical(entry["repoContext"]) if entry["repoContext"] else None
    m = entry["metadata"]
    return hash_of({"name": entry["name"], "description": m["description"], "topics": m["topics"],
                    "languages": sorted(entry["languages"]), "documents": texts})


# --- the self-test -----------------------------------------------------------------------------------------------------


def shortened(value, keep=2):
    """A copy whose arrays and tables hold the longest few of each form: enough to meet every field."""
    if isinstance(value, dict):
        return {k: shortened(v, keep) for k, v in value.items()}
    if isinstance(value, list):
        return [shortened(v, keep) for v in sorted(value, key=lambda v: -len(canonical(v)))[:keep]]
    return value


def objects_of(schemas, name, schema, value, path=()):
    """Yields (path, properties, required, closed) for each object in value whose form a schema with "type" gives."""
    name, schema = schemas.resolve(name, schema)
    if isinstance(value, dict) and "properties" in schema and schema.get("type") == "object":
        yield path, schema["properties"], schema.get("required", []), schema.get("additionalProperties") is False
    parts = schema.get("allOf", []) + schema.get("anyOf", [])
    if "if" in schema:
        holds = jsonschema.Draft202012Validator(schema["if"]).is_valid(value)  # conditions hold no $ref
        parts = parts + [schema.get("then" if holds else "else", True)]
    for part in filter(lambda p: isinstance(p, dict), parts):
        yield from objects_of(schemas, name, part, value, path)
    if isinstance(value, dict):
        for key, sub in schema.get("properties", {}).items():
            if key in value and isinstance(sub, dict):
                yield from objects_of(schemas, name, sub, value[key], path + (key,))
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for i, item in enumerate(value):
            yield from objects_of(schemas, name, schema["items"], item, path + (i,))


def spoiled(document, path, change):
    out = copy.deepcopy(document)
    at = out
    for step in path:
        at = at[step]
    change(at)
    return out


def self_test(schemas, samples, report):
    count = 0
    for kind, (_, whole) in sorted(samples.items()):
        document = shortened(whole)
        if not schemas.is_valid(kind, document):
            document = whole
        seen = set()
        for path, properties, required, closed in objects_of(schemas, kind + ".json", schemas.documents[kind + ".json"], document):
            target = document
            for step in path:
                target = target[step]
            place = kind + ": /" + "/".join(map(str, path))
            trials = [("a field too many", lambda at: at.update(unexpected=1))] if ("", path) not in seen else []
            seen.add(("", path))
            if not closed:
                report(place, "the schema leaves this object open")
            for key in target:
                if key not in properties or (key, path) in seen:
                    continue
                seen.add((key, path))
                wrong = "wrong" if isinstance(target[key], dict) else {"wrong": 1}
                trials.append((f"{key} of a wrong type", lambda at, k=key, w=wrong: at.update({k: w})))
                if key in required:
                    trials.append((f"no {key}", lambda at, k=key: at.pop(k)))
            for what, change in trials:
                count += 1
                if schemas.is_valid(kind, spoiled(document, path, change)):
                    report(place, f"{what}: the schema accepts that")
    missing = sorted(set(schemas.validators) - set(samples) - {"common"})
    print(f"self-test: {count} spoiled documents of {len(samples)} kinds" + (f"; no document to spoil of: {', '.join(missing)}" if missing else ""))


def main():
    parser = argparse.ArgumentParser(description="Checks every document of a file: store against the contract.")
    parser.add_argument("store", metavar="STORE_DIR")
    parser.add_argument("--schemas", metavar="DIR", default=os.path.join(os.path.dirname(__file__), "../../docs/schema"))
    parser.add_argument("--self-test", action="store_true", help="also spoil documents and expect the schemas to refuse them")
    args = parser.parse_args()
    problems = []

    def report(place, message):
        problems.append(place)
        print(f"{place}: {message}")

    schemas = Schemas(args.schemas, report)
    store = Store(args.store, schemas, report)
    store.check()
    if args.self_test:
        self_test(schemas, store.samples, report)
    print(f"validated {sum(store.counts.values())} documents of {len(store.counts)} kinds"
          + (f", {len(problems)} problems" if problems else ""))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
