#!/usr/bin/env python3
"""The algorithm of the system before this one, written down plainly, as what tests/bench/sync/run.sh compares with.

One REST request after another over one session:

    the first page of the user's repositories (100); --every-page asks for the others too
    for each repository its languages, every time
    for each repository whose fingerprint isn't the one in the cache:
        four files at fixed paths, of which most answer 404
        every folder, one by one, for counting the types of files

    GITHUB_API_URL=… GITHUB_TOKEN=… original.py --user LOGIN --cache FOLDER --types TYPES.json [--every-page]

TYPES.json gives the kind of each extension, {".py": "programming", …}. The cache holds one JSON file for each
repository and one for all of them.
"""
import argparse
import base64
import datetime
import hashlib
import json
import os
import re
import sys

import requests

FILES = {"readme": "README.md", "skills_index": "SKILLS-INDEX.md", "architecture": "ARCHITECTURE.md", "repoContext": ".repo-context.json"}
KEPT = ["id", "name", "url", "description", "fork", "created_at", "updated_at", "pushed_at", "size", "language", "license",
        "allow_forking", "topics", "visibility"]
MARKS = ["id", "updated_at", "pushed_at", "size", "default_branch", "language"]


def digest(value):
    return hashlib.md5(json.dumps(value, sort_keys=True).encode()).hexdigest()


class GitHub:
    def __init__(self, url, token):
        self.url = url
        self.session = requests.Session()
        self.session.headers.update({"Authorization": f"token {token}", "Accept": "application/vnd.github.v3+json"})

    def get(self, path):
        """The answer's JSON, or None where there is nothing."""
        answer = self.session.get(path if path.startswith("http") else self.url + path, timeout=30)
        if answer.status_code == 404:
            return None, answer
        answer.raise_for_status()
        return answer.json(), answer

    def repositories(self, user, every_page):
        found, answer = self.get(f"/users/{user}/repos?per_page=100")
        while every_page and "next" in answer.links:
            page, answer = self.get(answer.links["next"]["url"])
            found += page
        return found

    def file(self, repository, path):
        found, _ = self.get(f"/repos/{repository}/contents/{path}")
        return base64.b64decode(found["content"]).decode("utf-8", "replace") if found and found.get("content") else ""

    def count(self, repository, folder, counts):
        """Adds the extensions of a folder and all below it to counts."""
        found, _ = self.get(f"/repos/{repository}/contents/{requests.utils.quote(folder)}")
        for entry in found or []:
            if entry["type"] == "dir":
                self.count(repository, entry["path"], counts)
            else:
                extension = os.path.splitext(entry["name"])[1].lower()
                if extension:
                    counts[extension] = counts.get(extension, 0) + 1


class Cache:
    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)

    def path(self, key):
        return os.path.join(self.folder, re.sub(r"[/ ]", "_", key) + ".json")

    def read(self, key):
        try:
            with open(self.path(key), encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return None

    def write(self, key, data, fingerprint):
        blob = {"data": data, "cached_at": datetime.datetime.now().isoformat(), "fingerprint": fingerprint}
        with open(self.path(key), "w", encoding="utf-8") as file:
            json.dump(blob, file, separators=(",", ":"))


def parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        return {}


def entry_of(github, full_name, listed, languages, fingerprint, types):
    texts = {key: github.file(full_name, path) for key, path in FILES.items()}
    counts = {}
    github.count(full_name, "", counts)
    kinds = {}
    for extension, number in counts.items():
        kind = types.get(extension, "nil")
        kinds.setdefault(kind, {})[extension] = number
    context = parsed(texts.pop("repoContext"))
    metadata = {key: listed.get(key) for key in KEPT}
    metadata["owner"] = {key: listed["owner"][key] for key in ("login", "url")}
    return {"name": listed["name"], "metadata": metadata, "repoContext": context, **texts, "file_types": counts, "categorized_types": kinds,
            "fingerprint": fingerprint, "languages": languages, "has_documentation": bool(context) and bool(texts["readme"])}


def sync(github, cache, user, types, every_page):
    bundle = []
    fetched = 0
    for listed in github.repositories(user, every_page):
        full_name = listed["full_name"]
        languages, _ = github.get(f"/repos/{full_name}/languages")
        fingerprint = digest({key: listed.get(key) for key in MARKS})
        key = f"repo_level_bundle_{user}_{listed['name']}"
        cached = cache.read(key)
        if cached and cached["fingerprint"] == fingerprint:
            entry = {**cached["data"], "languages": languages}
        else:
            entry = entry_of(github, full_name, listed, languages, fingerprint, types)
            cache.write(key, entry, fingerprint)
            fetched += 1
        bundle.append(entry)
    whole = digest(sorted(entry["fingerprint"] for entry in bundle))
    old = cache.read(f"repos_bundle_context_{user}")
    if not old or old["fingerprint"] != whole:
        cache.write(f"repos_bundle_context_{user}", bundle, whole)
    return len(bundle), fetched


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--user", required=True)
    parser.add_argument("--cache", required=True)
    parser.add_argument("--types", required=True)
    parser.add_argument("--every-page", action="store_true")
    given = parser.parse_args()
    with open(given.types, encoding="utf-8") as file:
        types = json.load(file)
    github = GitHub(os.environ["GITHUB_API_URL"], os.environ["GITHUB_TOKEN"])
    total, fetched = sync(github, Cache(given.cache), given.user, types, given.every_page)
    print(f"{total} repositories, {fetched} fetched", file=sys.stderr)


if __name__ == "__main__":
    main()
