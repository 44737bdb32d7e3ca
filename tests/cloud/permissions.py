#!/usr/bin/env python3
"""Compares the policies in a Terraform plan with the tables in docs/SECURITY.md.

    permissions.py PLAN.json SECURITY.md table|foreign|roles|wildcards

PLAN.json is what `terraform show -json` prints, or the plan in a line of `terraform test -json -verbose`. Prints what
differs; the exit status is 1 then.
"""
import json
import re
import sys

STORE_ROLES = ["sync", "orchestrate", "train", "collector", "operator"]
JOBS = ["sync", "orchestrate", "train"]
BUCKET = "arn:aws:s3:::cloudfolio-123456789012-eu-central-1"
NAME = "7ffffffffffffffe"
BLOB = "0000000000000001/" + "a" * 64


class Plan:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            plan = json.load(file)
        changes = [c for c in plan["resource_changes"] if c["change"].get("after")]
        self.resources = [(c["type"], c.get("index"), c["change"]["after"]) for c in changes]

    def all(self, kind):
        return {index: after for type_, index, after in self.resources if type_ == kind}

    def statements(self):
        """Role's name → its statements; the key of for_each is the name."""
        policies = {i: a for t, i, a in self.resources if t == "aws_iam_role_policy"}
        return {role: json.loads(after["policy"])["Statement"] for role, after in policies.items()}


def listed(value):
    return value if isinstance(value, list) else [value]


def matches(pattern, text):
    regex = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch(regex, text, re.DOTALL) is not None


def holds(condition, context):
    """Null is what the store's policies use; another condition holds for a request that means well."""
    for key, wanted in condition.get("Null", {}).items():
        if (key not in context) != (str(wanted).lower() == "true"):
            return False
    return True


def allowed(statements, action, resource, context=()):
    verdict = False
    for s in statements:
        if not any(matches(a.lower(), action.lower()) for a in listed(s["Action"])):
            continue
        if not any(matches(r, resource) for r in listed(s["Resource"])):
            continue
        if not holds(s.get("Condition", {}), context):
            continue
        if s["Effect"] == "Deny":
            return False
        verdict = True
    return verdict


def object_rights(statements, key):
    arn = f"{BUCKET}/{key}"
    rights = set()
    for right, action, context in [
        ("get", "s3:GetObject", ()),
        ("new", "s3:PutObject", ("s3:if-none-match",)),
        ("put", "s3:PutObject", ()),
        ("abort", "s3:AbortMultipartUpload", ()),
        ("delete", "s3:DeleteObject", ()),
    ]:
        if allowed(statements, action, arn, context):
            rights.add(right)
    return rights


def words_of_dataset(statements, prefix):
    """In the table's words. What the words can't say is shown as it is, and so never equals a cell."""
    marker = object_rights(statements, f"{prefix}v/{NAME}")
    blob = object_rights(statements, f"{prefix}b/{BLOB}")
    words = []
    if "get" in marker:
        words.append("read" if "get" in blob else "read markers")
        blob.discard("get")
        marker.discard("get")
    if marker >= {"new"} and blob >= {"new", "put", "abort"}:
        words.append("create")
        marker -= {"new"}
        blob -= {"new", "put", "abort"}
    elif marker >= {"new"}:
        words.append("extend")
        marker -= {"new"}
    if "delete" in marker and "delete" in blob:
        words.append("delete")
        marker.discard("delete")
        blob.discard("delete")
    return words + [f"v/: {r}" for r in sorted(marker)] + [f"b/: {r}" for r in sorted(blob)]


def words_of_runs(statements, role):
    words = []
    rights = {job: object_rights(statements, f"tenants/octocat/runs/2026-11-24/{job}-x.json") for job in JOBS}
    if all("get" in r for r in rights.values()):
        words.append("read")
    if rights.get(role, set()) >= {"put"}:
        words.append("record")
        rights[role] -= {"put", "new"}
    if all("delete" in r for r in rights.values()):
        words.append("delete")
    left = {job: r - {"get", "delete"} for job, r in rights.items()}
    return words + [f"{job}'s: {x}" for job, r in left.items() for x in sorted(r)]


def words_of_file(statements, key):
    rights = object_rights(statements, key)
    words = ["read"] if "get" in rights else []
    if "put" in rights:
        words.append("write")
    elif "new" in rights:
        words.append("create")
    if "delete" in rights:
        words.append("delete")
    return words


def words_of_tokens(statements):
    arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/cloudfolio/tenants/octocat/github-token"
    other = arn.replace("/cloudfolio/", "/another/")
    words = []
    for word, action in [("read", "ssm:GetParameter"), ("set", "ssm:PutParameter"), ("delete", "ssm:DeleteParameter")]:
        if allowed(statements, action, arn):
            words.append(word)
        if allowed(statements, action, other):
            words.append(f"another installation's: {word}")
    return words


def words(statements, role, what):
    if what == "tenants' GitHub tokens":
        return words_of_tokens(statements)
    if what == "tenants/*/runs/":
        return words_of_runs(statements, role)
    if what == "cloudfolio.json":
        return words_of_file(statements, what)
    if what == "probe/":
        return words_of_file(statements, "probe/0123456789abcdef/a")
    return words_of_dataset(statements, what.replace("*", "octo-cat"))


def tables(path):
    """Each table of the document as a list of rows, cells without their code quotes."""
    found, rows = [], []
    with open(path, encoding="utf-8") as file:
        for line in list(file) + [""]:
            if line.startswith("|"):
                cells = [c.strip() for c in line.strip().strip("|").split("|")]
                if not set("".join(cells)) <= set("-: "):
                    rows.append(cells)
            elif rows:
                found.append(rows)
                rows = []
    return {table[0][0]: table for table in found}


def check_table(plan, document):
    policies = plan.statements()
    header, *rows = tables(document)["keys"]
    problems = []
    if header[1:] != STORE_ROLES:
        problems.append(f"the table's columns are {header[1:]}, not {STORE_ROLES}")
    for what, *cells in rows:
        what = what.strip("`")
        for role, cell in zip(STORE_ROLES, cells):
            wanted = [] if cell == "–" else cell.split(", ")
            got = words(policies[role], role, what)
            if sorted(wanted) != sorted(got):
                problems.append(f"{role}, {what}: the document says {wanted}, the policy {got}")
    missing = {"config", "repos", "bundle", "request", "request-gpu", "checkpoint", "model", "runs"}
    missing -= {row[0].strip("`").split("/")[2] for row in rows if "tenants/*/" in row[0]}
    return problems + [f"no row for {m}" for m in sorted(missing)]


def check_foreign(plan, _):
    """Keys outside of the table, and foreign names inside datasets that aren't the role's own."""
    policies = plan.statements()
    problems = []
    datasets = ["config", "repos", "bundle", "request", "request-gpu", "checkpoint", "model"]
    own = {
        "sync": ["repos"],
        "orchestrate": ["bundle", "request", "request-gpu"],
        "train": ["model", "checkpoint"],
    }
    for role in STORE_ROLES:
        for key in ["x", "tenants/octocat/x", "tenants/octocat/other/v/1", "shared/other/v/1", "tenants/x"]:
            for right in object_rights(policies[role], key):
                problems.append(f"{role} may {right} {key}")
    for role in JOBS:
        for outer in datasets:
            keys = [f"tenants/x/{outer}/{p}/0/{i}/{q}/0" for p in "vb" for i in own[role] for q in "vb"]
            keys += [f"tenants/x/{outer}/v/0/runs/1/{role}-1.json"]
            for key in keys if outer not in own[role] else []:
                for right in object_rights(policies[role], key) - {"get"}:
                    problems.append(f"{role} may {right} {key}")
        for action in ["s3:DeleteObject", "s3:PutBucketPolicy", "s3:PutLifecycleConfiguration"]:
            if any(allowed(policies[role], action, f"{BUCKET}/{k}") for k in ["", f"tenants/x/repos/v/{NAME}"]):
                problems.append(f"{role} may {action}")
    return problems


def check_roles(plan, document):
    policies = plan.statements()
    roles = plan.all("aws_iam_role")
    _, *rows = tables(document)["role"]
    problems = []
    wanted = {name.strip("`"): (principal.strip("`"), re.findall("`([^`]+)`", may)) for name, principal, may in rows}
    trust = {}
    for index, role in roles.items():
        statement = json.loads(role["assume_role_policy"])["Statement"][0]
        trust[index or "instance"] = statement["Principal"].get("Service", "operators, else this account")
    for name in sorted(set(wanted) | set(trust)):
        if name not in wanted or name not in trust:
            problems.append(f"{name}: {'not in the document' if name in trust else 'no such role'}")
            continue
        principal, actions = wanted[name]
        if principal.replace("`", "") != trust[name]:
            problems.append(f"{name}: taken by {trust[name]}, the document says {principal}")
        got = [a for s in policies.get(name, []) if s["Effect"] == "Allow" for a in listed(s["Action"])]
        if name == "instance":
            got = [a["policy_arn"].rpartition("/")[2] for a in plan.all("aws_iam_role_policy_attachment").values()]
        if sorted(set(got)) != sorted(actions):
            problems.append(f"{name}: the policy has {sorted(set(got))}, the document {sorted(actions)}")
    return problems


def check_wildcards(plan, document):
    _, *rows = tables(document)["action"]
    wanted = {(action.strip("`"), role.strip("`")) for action, role in rows}
    got, problems = set(), []
    for role, statements in plan.statements().items():
        for s in statements:
            if "NotAction" in s or "NotResource" in s:
                problems.append(f"{role}: {s['Sid']} is written by what it doesn't cover")
            for action in listed(s["Action"]):
                if "*" in action:
                    problems.append(f"{role}: {action}")
                if s["Effect"] == "Allow" and "*" in listed(s["Resource"]):
                    got.add((action, role))
    return problems + [f"{w}: only in the document" for w in wanted - got] + [f"{g}: not in the document" for g in got - wanted]


if __name__ == "__main__":
    plan_path, document_path, what = sys.argv[1:]
    checks = {"table": check_table, "foreign": check_foreign, "roles": check_roles, "wildcards": check_wildcards}
    found = checks[what](Plan(plan_path), document_path)
    print("\n".join(found))
    sys.exit(1 if found else 0)
