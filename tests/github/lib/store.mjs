// The world in memory, and the only place that changes it. The world's folder is never written:
// new objects go to the server's own hub repository, and heads are kept per repository here.
import fs from 'node:fs';
import path from 'node:path';
import { GitCat } from './gitcat.mjs';
import { encodeCommit, encodeTree, initBare, parseCommit, parseTree, writeObject } from './gitobjects.mjs';
import { isoTime, nodeId } from './ids.mjs';
import { languageBytes } from './languages.mjs';
import { topicsOf } from './material.mjs';

const lower = (text) => String(text).toLowerCase();
const HEX = /^[0-9a-f]{4,40}$/;

export class ControlError extends Error {}

export class Store {
  #collaborated = null; // repositories that have collaborators, once somebody asks

  /** @param {string} worldDir what world.mjs made  @param {string} hub a folder for this server's own repository */
  constructor(worldDir, hub) {
    const world = JSON.parse(fs.readFileSync(path.join(worldDir, 'world.json'), 'utf8'));
    if (world.version !== 1) throw new Error('this world.json is of another version: build the world again');
    this.hub = hub;
    initBare(hub);
    const folders = new Set(world.repos.map(({ gitDir }) => path.resolve(worldDir, gitDir, 'objects')));
    fs.writeFileSync(path.join(hub, 'objects/info/alternates'), [...folders].map((folder) => `${folder}\n`).join(''));
    this.git = new GitCat(hub);
    this.users = new Map(world.users.map((user) => [lower(user.login), user]));
    this.usersById = new Map(world.users.map((user) => [user.id, user]));
    this.byId = new Map();
    this.byOwner = new Map(world.users.map((user) => [lower(user.login), []]));
    this.byName = new Map();
    this.renames = new Map();
    this.trees = new Map();
    this.sizes = new Map();
    this.commits = new Map();
    this.reach = new Map();
    for (const repo of world.repos) this.#add(repo);
  }

  #add(repo) {
    repo.heads = new Map(repo.head ? [[repo.defaultBranch, repo.head]] : []);
    repo.past = [];
    this.byId.set(repo.id, repo);
    this.byOwner.get(lower(repo.owner)).push(repo);
    this.byName.set(lower(`${repo.owner}/${repo.name}`), repo);
  }

  owner(login) { return this.users.get(lower(login)); }

  /** A repository by its present or former name; `deleted` ones are gone. */
  repository(owner, name) {
    const key = lower(`${owner}/${name}`);
    const repo = this.byName.get(key) ?? this.byId.get(this.renames.get(key));
    return repo && !repo.deleted ? repo : undefined;
  }

  wasRenamed(owner, name) { return !this.byName.has(lower(`${owner}/${name}`)); }

  repositoriesOf(login) { return (this.byOwner.get(lower(login)) ?? []).filter((repo) => !repo.deleted); }

  /** Of all repositories, those that `login` collaborates on. */
  collaborationsOf(login) {
    this.#collaborated ??= [...this.byId.values()].filter(({ collaborators }) => collaborators.length > 0);
    return this.#collaborated.filter((repo) => !repo.deleted && repo.collaborators.includes(login));
  }

  headOf(repo) { return repo.heads.get(repo.defaultBranch) ?? null; }

  // ---- git ----

  async tree(oid) {
    const known = this.trees.get(oid);
    if (known) return known;
    const found = await this.git.contents(oid);
    if (found?.type !== 'tree') return null;
    const entries = parseTree(found.data);
    if (this.trees.size >= 5000) this.trees.delete(this.trees.keys().next().value);
    this.trees.set(oid, entries);
    return entries;
  }

  async commit(oid) {
    if (this.commits.has(oid)) return this.commits.get(oid);
    const found = await this.git.contents(oid);
    if (found?.type !== 'commit') return null;
    const commit = parseCommit(found.data);
    this.commits.set(oid, commit);
    return commit;
  }

  async blob(oid) {
    const found = await this.git.contents(oid);
    return found?.type === 'blob' ? found.data : null;
  }

  async size(oid) {
    if (this.sizes.has(oid)) return this.sizes.get(oid);
    const found = await this.git.info(oid);
    if (this.sizes.size > 200_000) this.sizes.clear();
    if (found) this.sizes.set(oid, found.size);
    return found?.size ?? null;
  }

  /** Every entry below a tree in git's order, a folder before what it holds: [{path, mode, type, oid}]. */
  async walk(oid, prefix = '', into = []) {
    const entries = await this.tree(oid);
    if (!entries) return into;
    for (const entry of entries) {
      const here = prefix + entry.name;
      into.push({ path: here, mode: entry.mode, type: entry.type, oid: entry.oid });
      if (entry.type === 'tree') await this.walk(entry.oid, `${here}/`, into);
    }
    return into;
  }

  /** What is at a path below a tree: {mode, type, oid, name} or null; '' is the tree itself. */
  async at(treeOid, file) {
    let entry = { mode: '040000', type: 'tree', oid: treeOid, name: '' };
    for (const part of file.split('/').filter((piece) => piece !== '' && piece !== '.')) {
      if (entry.type !== 'tree') return null;
      entry = (await this.tree(entry.oid))?.find(({ name }) => name === part) ?? null;
      if (!entry) return null;
    }
    return entry;
  }

  async #reachable(commitOid) {
    const known = this.reach.get(commitOid);
    if (known) return known;
    const found = new Map();
    this.reach.set(commitOid, (async () => {
      for (let queue = [commitOid]; queue.length;) {
        const oid = queue.pop();
        if (found.has(oid)) continue;
        found.set(oid, 'commit');
        const commit = await this.commit(oid);
        found.set(commit.tree, 'tree');
        for (const entry of await this.walk(commit.tree)) found.set(entry.oid, entry.type);
        queue = queue.concat(commit.parents);
      }
      return found;
    })());
    return this.reach.get(commitOid);
  }

  /** The type of an object if this repository (or, for a fork, its parent) has it; otherwise null. */
  async typeIn(repo, oid) {
    for (const one of [repo, this.byId.get(repo.parentId)]) {
      for (const head of one ? new Set([...one.heads.values(), ...one.past]) : []) {
        const type = (await this.#reachable(head)).get(oid);
        if (type) return type;
      }
    }
    return null;
  }

  /** The full oid for a revision: a branch, HEAD, an oid or its beginning, with ^, ~n and ^{tree}; or null. */
  async revision(repo, text) {
    const match = /^(.*?)((?:\^\{\w+\}|\^\d?|~\d*)*)$/s.exec(text);
    const [, base, steps] = match;
    const branch = base.replace(/^refs\/heads\/|^heads\//, '');
    let oid = null;
    if (base === 'HEAD' || base === '') oid = base ? this.headOf(repo) : null;
    else if (repo.heads.has(branch)) oid = repo.heads.get(branch);
    else if (/^[0-9a-f]{40}$/.test(base)) oid = (await this.typeIn(repo, base)) ? base : null;
    else if (HEX.test(base)) {
      for (const head of repo.heads.values()) {
        oid ??= [...(await this.#reachable(head)).keys()].find((candidate) => candidate.startsWith(base)) ?? null;
      }
    }
    for (const step of steps.match(/\^\{\w+\}|\^\d?|~\d*/g) ?? []) {
      if (!oid) return null;
      const commit = await this.commit(oid);
      if (step === '^{tree}') oid = commit ? commit.tree : oid;
      else if (step.startsWith('^{')) continue;
      else for (let n = step[0] === '~' ? Number(step.slice(1) || 1) : 1; n > 0 && oid; n -= 1) oid = (await this.commit(oid))?.parents[0] ?? null;
    }
    return oid;
  }

  /** `rev` or `rev:path` as GraphQL's object(expression:) takes it: {oid, type, path} or null. */
  async expression(repo, text) {
    const colon = text.indexOf(':');
    const oid = await this.revision(repo, colon < 0 ? text : text.slice(0, colon));
    if (!oid) return null;
    const type = await this.typeIn(repo, oid);
    if (colon < 0) return { oid, type, path: '' };
    const treeOid = type === 'commit' ? (await this.commit(oid)).tree : oid;
    const file = text.slice(colon + 1);
    const entry = await this.at(treeOid, file);
    return entry && { oid: entry.oid, type: entry.type, path: file };
  }

  // ---- changes, asked for by /_control ----

  #need(owner, name) {
    const repo = this.repository(owner, name);
    if (!repo) throw new ControlError(`no repository ${owner}/${name}`);
    return repo;
  }

  #moment(repo, at) {
    if (at !== undefined) return Math.floor(Date.parse(at) / 1000);
    const floor = Math.floor(Math.max(Date.parse(repo.pushedAt) || 0, Date.parse(repo.updatedAt) || 0) / 1000) + 1;
    return Math.max(Math.floor(Date.now() / 1000), floor);
  }

  async #write(treeOid, changes) {
    const entries = treeOid ? [...await this.tree(treeOid)] : [];
    const below = new Map();
    for (const [file, value] of changes) {
      const slash = file.indexOf('/');
      const name = slash < 0 ? file : file.slice(0, slash);
      if (name === '' || name === '.' || name === '..' || name === '.git') throw new ControlError(`not a path: ${file}`);
      const index = entries.findIndex((entry) => entry.name === name);
      if (slash >= 0) {
        if (!below.has(name)) below.set(name, []);
        below.get(name).push([file.slice(slash + 1), value]);
        continue;
      }
      const old = index >= 0 ? entries.splice(index, 1)[0] : null;
      if (value === null) continue;
      let mode = old && old.type === 'blob' ? old.mode : '100644';
      let data;
      if (typeof value === 'string') data = Buffer.from(value);
      else if (typeof value.base64 === 'string') data = Buffer.from(value.base64, 'base64');
      else if (typeof value.symlink === 'string') { data = Buffer.from(value.symlink); mode = '120000'; }
      else if (typeof value.text === 'string') data = Buffer.from(value.text);
      else throw new ControlError(`${file}: give a text, null, {base64}, {symlink} or {text, mode}`);
      entries.push({ name, type: 'blob', mode: value.mode ?? mode, oid: writeObject(this.hub, 'blob', data) });
    }
    for (const [name, inner] of below) {
      const index = entries.findIndex((entry) => entry.name === name);
      const old = index >= 0 ? entries.splice(index, 1)[0] : null;
      const oid = await this.#write(old?.type === 'tree' ? old.oid : null, inner);
      if (oid) entries.push({ name, type: 'tree', mode: '040000', oid });
    }
    if (entries.length === 0) return null;
    return writeObject(this.hub, 'tree', encodeTree(entries));
  }

  /** A real commit on the default branch (or `branch`). */
  async change({ owner, repo: name, files, message = 'Change', branch, at }) {
    const repo = this.#need(owner, name);
    const target = branch ?? repo.defaultBranch;
    const head = repo.heads.get(target) ?? null;
    const base = head ?? this.headOf(repo);
    const before = base ? (await this.commit(base)).tree : null;
    const tree = await this.#write(before, Object.entries(files ?? {})) ?? writeObject(this.hub, 'tree', Buffer.alloc(0));
    const time = this.#moment(repo, at);
    const oid = writeObject(this.hub, 'commit', encodeCommit({ tree, parents: base ? [base] : [], name: 'Ada Example', email: 'ada@example.com', time, message }));
    repo.heads.set(target, oid);
    this.#ref(repo, target, oid);
    repo.pushedAt = isoTime(time * 1000);
    repo.updatedAt = repo.pushedAt;
    if (target === repo.defaultBranch) {
      const list = await this.walk(tree);
      const sized = await Promise.all(list.filter(({ type }) => type === 'blob').map(async (entry) => ({ ...entry, data: { length: await this.size(entry.oid) } })));
      repo.languages = languageBytes(sized);
      repo.diskUsage = Math.ceil(sized.reduce((sum, { data }) => sum + data.length, 0) / 1024);
    }
    return { commit: oid, tree, pushedAt: repo.pushedAt };
  }

  #ref(repo, branch, oid) {
    const file = path.join(this.hub, 'refs/heads', String(repo.id), branch);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, `${oid}\n`);
  }

  /** Sets what a listing says, renames, hides, blocks or removes. */
  metadata({ owner, repo: name, set }) {
    const repo = this.#need(owner, name);
    const alias = { private: 'isPrivate', archived: 'isArchived', fork: 'isFork', disabled: 'isDisabled', stars: 'stargazerCount', homepage: 'homepageUrl' };
    const allowed = new Set(['description', 'homepageUrl', 'license', 'languages', 'createdAt', 'pushedAt', 'updatedAt', 'stargazerCount', 'forkCount',
      'watcherCount', 'openIssueCount', 'diskUsage', 'isArchived', 'isFork', 'isPrivate', 'isTemplate', 'isDisabled', 'blocked', 'deleted', 'collaborators', 'parentId']);
    for (const [given, value] of Object.entries(set ?? {})) {
      const field = alias[given] ?? given;
      if (field === 'name') this.#rename(repo, value);
      else if (field === 'topics') repo.topics = topicsOf(value);
      else if (field === 'defaultBranch') this.#switch(repo, value);
      else if (allowed.has(field)) repo[field] = value;
      else throw new ControlError(`metadata has no field ${given}`);
    }
    this.#collaborated = null;
    if (!set?.updatedAt) repo.updatedAt = isoTime(this.#moment(repo) * 1000);
    return { id: repo.id, owner: repo.owner, name: repo.name, updatedAt: repo.updatedAt };
  }

  #rename(repo, name) {
    if (!/^[A-Za-z0-9._-]{1,100}$/.test(name)) throw new ControlError(`not a repository's name: ${name}`);
    const key = lower(`${repo.owner}/${name}`);
    if (this.byName.has(key) && this.byName.get(key) !== repo) throw new ControlError(`${repo.owner}/${name} exists`);
    this.#address(repo, repo.owner, name);
  }

  /** A login changes; the repositories' former addresses lead on, the former login's leads nowhere. */
  renameUser({ from, to }) {
    const user = this.owner(from ?? '');
    if (!user) throw new ControlError(`no user ${from}`);
    if (!/^[A-Za-z0-9_-]{1,39}$/.test(to ?? '')) throw new ControlError(`not a login: ${to}`);
    if (this.owner(to) && this.owner(to) !== user) throw new ControlError(`${to} exists`);
    const old = user.login;
    const repos = this.byOwner.get(lower(old));
    this.users.delete(lower(old));
    this.byOwner.delete(lower(old));
    user.login = to;
    this.users.set(lower(to), user);
    this.byOwner.set(lower(to), repos);
    const renamed = (login) => (login === old ? to : login);
    for (const one of this.usersById.values()) one.organizations = one.organizations.map(renamed);
    for (const repo of this.byId.values()) repo.collaborators = repo.collaborators.map(renamed);
    this.#collaborated = null;
    for (const repo of repos) this.#address(repo, to, repo.name);
    return { id: user.id, login: user.login };
  }

  /** A repository goes to another owner, with its id; its former address leads on. */
  transfer({ owner, repo: name, to }) {
    const repo = this.#need(owner, name);
    const user = this.owner(to ?? '');
    if (!user) throw new ControlError(`no user ${to}`);
    const there = this.byName.get(lower(`${user.login}/${repo.name}`));
    if (there && there !== repo) throw new ControlError(`${user.login}/${repo.name} exists`);
    const list = this.byOwner.get(lower(repo.owner));
    list.splice(list.indexOf(repo), 1);
    this.byOwner.get(lower(user.login)).push(repo);
    this.#address(repo, user.login, repo.name);
    return { id: repo.id, owner: repo.owner, name: repo.name };
  }

  /** Gives a repository another owner or name, and keeps what led to it. */
  #address(repo, owner, name) {
    const old = lower(`${repo.owner}/${repo.name}`);
    const key = lower(`${owner}/${name}`);
    this.byName.delete(old);
    if (old !== key) this.renames.set(old, repo.id);
    this.renames.delete(key);
    Object.assign(repo, { owner, name });
    this.byName.set(key, repo);
  }

  #switch(repo, branch) {
    const head = this.headOf(repo);
    if (!repo.heads.has(branch) && head) { // as GitHub renames a branch
      repo.heads.delete(repo.defaultBranch);
      repo.heads.set(branch, head);
    }
    repo.defaultBranch = branch;
  }

  async create({ owner, repo: name, files, set, at }) {
    const user = this.owner(owner);
    if (!user) throw new ControlError(`no user ${owner}`);
    if (this.repository(owner, name) && !this.wasRenamed(owner, name)) throw new ControlError(`${owner}/${name} exists`);
    if (!/^[A-Za-z0-9._-]{1,100}$/.test(name ?? '')) throw new ControlError(`not a repository's name: ${name}`);
    const id = Math.max(500_000, ...this.byId.keys()) + 1;
    const now = at ?? isoTime(Date.now());
    const repo = {
      id, nodeId: nodeId('R', id), owner: user.login, name, gitDir: null, head: null, tree: null, defaultBranch: 'main', description: null, homepageUrl: null,
      license: null, topics: [], languages: [], createdAt: now, pushedAt: now, updatedAt: now, stargazerCount: 0, forkCount: 0, watcherCount: 0, openIssueCount: 0,
      diskUsage: 0, isArchived: false, isFork: false, isPrivate: false, isTemplate: false, isDisabled: false, blocked: false, parentId: null, collaborators: [],
    };
    this.renames.delete(lower(`${owner}/${name}`));
    this.#add(repo);
    const made = files && Object.keys(files).length ? await this.change({ owner, repo: name, files, message: 'Start the project', at }) : {};
    if (set) this.metadata({ owner, repo: name, set });
    return { id, ...made };
  }

  /** A branch moves to another commit (a force push); what was there stays readable by its oid, as on GitHub. */
  async reset({ owner, repo: name, to }) {
    const repo = this.#need(owner, name);
    const oid = await this.revision(repo, to);
    if (!oid) throw new ControlError(`no revision ${to}`);
    repo.past.push(this.headOf(repo));
    repo.heads.set(repo.defaultBranch, oid);
    repo.pushedAt = isoTime(this.#moment(repo) * 1000);
    repo.updatedAt = repo.pushedAt;
    return { commit: oid, tree: (await this.commit(oid)).tree };
  }

  close() { return this.git.close(); }
}
