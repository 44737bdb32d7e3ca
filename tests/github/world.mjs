#!/usr/bin/env node
// Builds the world: bare repositories from the installed npm packages, and world.json with what the listings say.
import fs from 'node:fs';
import path from 'node:path';
import os from 'node:os';
import { documents } from './lib/docs.mjs';
import { importRepository } from './lib/fastimport.mjs';
import { GitCat } from './lib/gitcat.mjs';
import { initBare, parseCommit } from './lib/gitobjects.mjs';
import { hashNumber, isoTime, nodeId } from './lib/ids.mjs';
import { languageBytes } from './lib/languages.mjs';
import * as plan from './lib/material.mjs';
import { special, SPECIAL_FACTS, stripDocuments } from './lib/special.mjs';

const DAY = 86_400_000;
const EPOCH = Date.UTC(2015, 0, 1);

const USERS = [
  { login: 'octocat', type: 'User', name: 'The Octocat', company: '@acme-labs', location: 'San Francisco', bio: 'Sixty repositories of every kind', organizations: ['acme-labs'] },
  { login: 'dev_acme', type: 'User', name: 'Dev of Acme', company: 'Acme', location: null, bio: null, organizations: [] },
  { login: 'Mona-Lisa', type: 'User', name: 'Mona Lisa', company: null, location: 'Firenze', bio: 'Sorride da più di 500 anni', organizations: ['acme-labs'] },
  { login: 'no-docs', type: 'User', name: null, company: null, location: null, bio: null, organizations: [] },
  { login: 'no-repos', type: 'User', name: null, company: null, location: null, bio: null, organizations: [] },
  { login: 'acme-labs', type: 'Organization', name: 'Acme Labs', company: null, location: 'Zürich', bio: 'Data, mathematics and formats', organizations: [] },
  { login: 'all-packages', type: 'User', name: 'All packages', company: null, location: null, bio: null, organizations: [] },
];

function options(argv) {
  const found = { out: null, copies: 0, tenants: 0 };
  for (let at = 0; at < argv.length; at += 1) {
    if (argv[at] === '--out') found.out = argv[at += 1];
    else if (argv[at] === '--copies') found.copies = Number(argv[at += 1]);
    else if (argv[at] === '--tenants') found.tenants = Number(argv[at += 1]);
    else throw new Error(`unknown option ${argv[at]}`);
  }
  const count = (number) => Number.isInteger(number) && number >= 0;
  if (!found.out || !count(found.copies) || !count(found.tenants)) throw new Error('usage: world.mjs --out DIR [--copies N] [--tenants N]');
  return found;
}

/** Every repository to be: {owner, name, pack, kind, documented, store}; those with one `store` share a bare repository. */
function repositories(packs) {
  const byName = new Map(packs.map((pack) => [pack.name, pack]));
  const taken = new Set([...plan.ORG_PACKAGES, ...plan.MONA_PACKAGES, ...plan.ACME_PACKAGES, ...plan.NO_DOCS_PACKAGES, ...plan.SPECIALS.map(({ base }) => base)]);
  const wanted = plan.OCTOCAT_TOTAL - plan.SPECIALS.length;
  const spare = packs.map(({ name }) => name).filter((name) => !taken.has(name) && !plan.DOCUMENTED.includes(name));
  const ordinary = [...plan.DOCUMENTED, ...spare].slice(0, wanted).sort();
  if (ordinary.length !== wanted) throw new Error(`only ${ordinary.length} packages for octocat's ${wanted} ordinary repositories`);
  const list = [];
  const add = (owner, packageName, extra = {}) => {
    const pack = byName.get(packageName) ?? null;
    if (packageName && !pack) throw new Error(`${packageName} is planned for but not installed`);
    const name = extra.name ?? plan.repositoryName(packageName);
    list.push({ owner, name, pack, kind: null, documented: false, store: plan.repositoryName(packageName ?? name), ...extra });
  };
  for (const name of plan.ORG_PACKAGES) add('acme-labs', name);
  for (const name of ordinary) {
    const documented = plan.DOCUMENTED.includes(name);
    add('octocat', name, documented ? { documented, store: `${plan.repositoryName(name)}+docs` } : {});
  }
  for (const { name, kind, base } of plan.SPECIALS) {
    add('octocat', base, { name, kind, ...(kind === 'fork' || kind === 'archived' ? {} : { store: `special-${name}` }) });
  }
  for (const name of plan.MONA_PACKAGES) add('Mona-Lisa', name);
  for (const name of plan.ACME_PACKAGES) add('dev_acme', name);
  for (const name of plan.NO_DOCS_PACKAGES) add('no-docs', name, { kind: 'stripped', store: `${plan.repositoryName(name)}-stripped` });
  for (const { name } of packs) add('all-packages', name);
  return list;
}

function filesOf({ pack, kind, documented, name }) {
  const files = pack ? plan.packageFiles(pack) : [];
  if (kind === 'stripped') return stripDocuments(files);
  if (kind) return special(kind, files);
  return documented ? [...files, ...documents(pack.name, pack.manifest, files)] : files;
}

function homepageOf(manifest) {
  if (typeof manifest.homepage === 'string') return manifest.homepage;
  return null;
}

/** The listing's facts of a repository; all of it depends on names and files alone. */
function entryOf(plan_, id, built) {
  const { owner, name, pack, kind } = plan_;
  const manifest = pack?.manifest ?? {};
  const key = `${owner}/${name}`;
  const created = EPOCH + hashNumber(`created ${key}`, 2900) * DAY + hashNumber(`second ${key}`, 86_400) * 1000;
  const pushed = created + 30 * DAY + hashNumber(`pushed ${key}`, 700) * DAY + hashNumber(`push second ${key}`, 86_400) * 1000;
  const updated = pushed + hashNumber(`updated ${key}`, 90) * DAY;
  const license = typeof manifest.license === 'string' ? manifest.license.replace(/[()]/g, '') : null;
  return {
    id, nodeId: nodeId('R', id), owner, name,
    gitDir: `repos/${plan_.store}.git`, head: built.head, defaultBranch: built.branch,
    description: manifest.description || null, homepageUrl: homepageOf(manifest), license,
    topics: plan.topicsOf(manifest.keywords), languages: built.languages,
    createdAt: isoTime(created), pushedAt: isoTime(pushed), updatedAt: isoTime(updated),
    stargazerCount: hashNumber(`stars ${key}`, 5000), forkCount: hashNumber(`forks ${key}`, 300), watcherCount: hashNumber(`watch ${key}`, 90),
    openIssueCount: hashNumber(`issues ${key}`, 40), diskUsage: Math.ceil(built.bytes / 1024),
    isArchived: false, isFork: false, isPrivate: false, isTemplate: false, isDisabled: false, blocked: false, parentId: null, collaborators: [],
    ...(kind ? SPECIAL_FACTS[kind] : {}),
  };
}

async function inParallel(items, width, work) {
  let next = 0;
  await Promise.all(Array.from({ length: width }, async () => {
    while (next < items.length) await work(items[next++]);
  }));
}

const plainUser = (login, name) => ({ login, type: 'User', name, company: null, location: null, bio: null, organizations: [] });

/** Builds everything under `out` and gives the content of world.json. */
export async function buildWorld(out, copies = 0, tenants = 0) {
  const marker = path.join(out, '.github-stand-in');
  if (!fs.existsSync(marker) && fs.existsSync(path.join(out, 'repos'))) throw new Error(`${out} holds "repos" that this program did not make`);
  fs.mkdirSync(out, { recursive: true });
  fs.writeFileSync(marker, '');
  for (const old of ['world.json', 'repos', 'hub.git']) fs.rmSync(path.join(out, old), { recursive: true, force: true });
  fs.mkdirSync(path.join(out, 'repos'), { recursive: true });
  const planned = repositories(plan.material());

  const stores = new Map();
  for (const one of planned) if (!stores.has(one.store)) stores.set(one.store, one);
  const built = new Map();
  await inParallel([...stores.values()], Math.min(4, os.cpus().length + 1), async (one) => {
    const files = filesOf(one);
    const branch = hashNumber(`branch ${one.store}`, 4) === 0 ? 'master' : 'main';
    const first = EPOCH / 1000 + hashNumber(`first ${one.store}`, 1000) * 86_400;
    const head = await importRepository(path.join(out, 'repos', `${one.store}.git`), files, {
      branch, firstTime: first, lastTime: first + 86_400 * (1 + hashNumber(`last ${one.store}`, 900)),
      author: { name: 'Ada Example', email: 'ada@example.com' },
      message: `Release ${one.pack?.manifest.version ?? '0.0.0'}`,
    });
    built.set(one.store, { head, branch, languages: files ? languageBytes(files) : [], bytes: (files ?? []).reduce((sum, { data }) => sum + data.length, 0) });
  });

  initBare(path.join(out, 'hub.git'));
  fs.writeFileSync(path.join(out, 'hub.git/objects/info/alternates'), [...stores.keys()].map((store) => `../../repos/${store}.git/objects\n`).join(''));
  const git = new GitCat(path.join(out, 'hub.git'));
  for (const one of built.values()) if (one.head) one.tree = parseCommit((await git.contents(one.head)).data).tree;
  await git.close();

  const repos = planned.map((one, index) => ({ ...entryOf(one, 1000 + index, built.get(one.store)), tree: built.get(one.store).tree ?? null }));
  const find = (owner, name) => repos.find((repo) => repo.owner === owner && repo.name === name);
  find('octocat', 'forked-yaml').parentId = find('acme-labs', 'yaml').id;
  find('acme-labs', 'geolib').collaborators.push('octocat');

  const users = USERS.map((user) => ({ ...user }));
  if (copies > 0) {
    users.push(plainUser('many', 'Many'));
    const sources = planned.map((one, index) => [one, repos[index]]).filter(([one]) => one.owner === 'octocat' && !one.kind);
    for (let n = 0; n < copies; n += 1) {
      const [one, source] = sources[n % sources.length];
      const name = `${source.name}-${String(n + 1).padStart(5, '0')}`;
      repos.push({ ...entryOf({ ...one, owner: 'many', name }, 100_000 + n, built.get(one.store)), tree: source.tree });
    }
  }
  for (let n = 1; n <= tenants; n += 1) {
    const login = `tenant-${String(n).padStart(4, '0')}`;
    users.push({ ...plainUser(login, `Tenant ${n}`), id: 100_000 + n });
    plan.TENANT_PACKAGES.forEach((name, at) => {
      const index = planned.findIndex((one) => one.owner === 'octocat' && one.name === name && !one.kind);
      const one = planned[index];
      repos.push({ ...entryOf({ ...one, owner: login }, 2_000_000 + 3 * n + at, built.get(one.store)), tree: repos[index].tree });
    });
  }
  users.forEach((user, index) => {
    user.id ??= 500 + index;
    user.nodeId = nodeId(user.type === 'User' ? 'U' : 'O', user.id);
    user.createdAt = isoTime(EPOCH + hashNumber(`user ${user.login}`, 300) * DAY);
    user.updatedAt = isoTime(EPOCH + (1000 + hashNumber(`user ${user.login}`, 300)) * DAY);
  });
  const world = { version: 1, users, repos };
  fs.writeFileSync(path.join(out, 'world.json.tmp'), JSON.stringify(world));
  fs.renameSync(path.join(out, 'world.json.tmp'), path.join(out, 'world.json'));
  return world;
}

if (process.argv[1] && import.meta.url === new URL(`file://${fs.realpathSync(process.argv[1])}`).href) {
  try {
    const { out, copies, tenants } = options(process.argv.slice(2));
    const start = Date.now();
    const world = await buildWorld(path.resolve(out), copies, tenants);
    process.stdout.write(`${world.repos.length} repositories of ${world.users.length} owners in ${Date.now() - start} ms\n`);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
