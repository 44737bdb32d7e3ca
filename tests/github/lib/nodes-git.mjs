// Git objects as GraphQL sees them. Fields are properties or methods of the same name.
import { connect, counted } from './connect.mjs';
import { objectId, isoTime, nodeId } from './ids.mjs';
import { languageColor, languageOf } from './languages.mjs';

export const TEXT_LIMIT = 512_000;

/** GitHub takes a file for binary when there is a NUL among its first bytes, as git does. */
export function isBinary(data) {
  return data.subarray(0, 8000).includes(0);
}

const WEB = 'https://github.com';

class GitObject {
  constructor(repo, oid, ctx) {
    this.repo = repo;
    this.oid = oid;
    this.ctx = ctx;
  }

  get abbreviatedOid() { return this.oid.slice(0, 7); }
  get commitResourcePath() { return `/${this.repo.owner}/${this.repo.name}/commit/${this.oid}`; }
  get commitUrl() { return WEB + this.commitResourcePath; }
  repository() { return this.ctx.repositoryNode(this.repo); }
}

export class Blob extends GitObject {
  get __typename() { return 'Blob'; }
  get id() { return objectId('B', this.repo.id, this.oid); }
  byteSize() { return this.ctx.store.size(this.oid); }
  #data() { return (this.loaded ??= this.ctx.store.blob(this.oid)); }
  async isBinary() { return isBinary(await this.#data()); }
  async isTruncated() { return (await this.#data()).length > TEXT_LIMIT && !(await this.isBinary()); }
  async text() {
    const data = await this.#data();
    return isBinary(data) ? null : data.toString('utf8', 0, Math.min(data.length, TEXT_LIMIT));
  }
}

class TreeEntry {
  constructor(repo, entry, prefix, ctx) {
    Object.assign(this, { __typename: 'TreeEntry', repo, entry, ctx, name: entry.name, oid: entry.oid, type: entry.type });
    this.path = prefix + entry.name;
    this.mode = parseInt(entry.mode, 8);
    this.isGenerated = false;
    this.submodule = null;
  }

  get nameRaw() { return Buffer.from(this.name).toString('base64'); }
  get pathRaw() { return Buffer.from(this.path).toString('base64'); }
  get extension() { const dot = this.name.lastIndexOf('.'); return this.type === 'blob' && dot >= 0 ? this.name.slice(dot) : ''; }
  async size() { return this.type === 'blob' ? this.ctx.store.size(this.oid) : 0; }
  async lineCount() {
    const data = this.type === 'blob' ? await this.ctx.store.blob(this.oid) : null;
    return data && !isBinary(data) ? data.toString('latin1').split('\n').length - (data.at(-1) === 10 ? 1 : 0) : null;
  }
  language() {
    const found = this.type === 'blob' ? languageOf(this.name) : null;
    return found ? { __typename: 'Language', id: nodeId('LA', found.languageId), name: found.name, color: languageColor(found.name) } : null;
  }
  object() { return makeObject(this.repo, this.oid, this.type, this.ctx, `${this.path}/`); }
  repository() { return this.ctx.repositoryNode(this.repo); }
}

export class Tree extends GitObject {
  constructor(repo, oid, ctx, prefix = '') {
    super(repo, oid, ctx);
    this.prefix = prefix;
  }
  get __typename() { return 'Tree'; }
  get id() { return objectId('T', this.repo.id, this.oid); }
  async entries() {
    return (await this.ctx.store.tree(this.oid)).map((entry) => new TreeEntry(this.repo, entry, this.prefix, this.ctx));
  }
}

const actor = ({ name, email, time }) => ({ __typename: 'GitActor', name, email, date: isoTime(time * 1000), user: null, avatarUrl: `${WEB}/identicons/git.png` });

export class Commit extends GitObject {
  constructor(repo, oid, commit, ctx) {
    super(repo, oid, ctx);
    this.commit = commit;
  }
  get __typename() { return 'Commit'; }
  get id() { return objectId('C', this.repo.id, this.oid); }
  get message() { return this.commit.message; }
  get messageHeadline() { return this.commit.message.split('\n')[0]; }
  get messageBody() { return this.commit.message.split('\n').slice(2).join('\n'); }
  get committedDate() { return isoTime(this.commit.committer.time * 1000); }
  get authoredDate() { return isoTime(this.commit.author.time * 1000); }
  get committer() { return actor(this.commit.committer); }
  get author() { return actor(this.commit.author); }
  get resourcePath() { return this.commitResourcePath; }
  get url() { return this.commitUrl; }
  get treeResourcePath() { return `/${this.repo.owner}/${this.repo.name}/tree/${this.oid}`; }
  get treeUrl() { return WEB + this.treeResourcePath; }
  get authoredByCommitter() { return true; }
  get committedViaWeb() { return false; }
  get onBehalfOf() { return null; }
  get status() { return null; }
  get statusCheckRollup() { return null; }
  get signature() { return null; }
  tree() { return new Tree(this.repo, this.commit.tree, this.ctx); }
  async file({ path }) {
    const entry = await this.ctx.store.at(this.commit.tree, path);
    return entry && new TreeEntry(this.repo, entry, path.slice(0, path.length - entry.name.length), this.ctx);
  }
  async parents(args, ctx, info) {
    const oids = this.commit.parents.map((oid, index) => ({ oid, index }));
    return connect(oids, args, info, { key: ({ index }) => [index], node: ({ oid }) => makeObject(this.repo, oid, 'commit', this.ctx) });
  }
  async history(args, ctx, info) {
    const found = [];
    for (let oid = this.oid; oid && found.length < 1000;) {
      found.push({ oid, index: found.length });
      oid = (await this.ctx.store.commit(oid)).parents[0];
    }
    return connect(found, args, info, { key: ({ index }) => [index], node: ({ oid }) => makeObject(this.repo, oid, 'commit', this.ctx) });
  }
  comments(args, ctx, info) { return counted(0, args, info); }
}

/** The GraphQL object for an oid whose type is known. */
export async function makeObject(repo, oid, type, ctx, prefix = '') {
  if (type === 'blob') return new Blob(repo, oid, ctx);
  if (type === 'tree') return new Tree(repo, oid, ctx, prefix);
  if (type === 'commit') {
    const commit = await ctx.store.commit(oid);
    return commit && new Commit(repo, oid, commit, ctx);
  }
  return null;
}

export class Ref {
  constructor(repo, branch, ctx) {
    Object.assign(this, { __typename: 'Ref', repo, name: branch, prefix: 'refs/heads/', ctx, branchProtectionRule: null, refUpdateRule: null });
    this.id = objectId('REF', repo.id, `refs/heads/${branch}`);
  }
  target() { return makeObject(this.repo, this.repo.heads.get(this.name), 'commit', this.ctx); }
  repository() { return this.ctx.repositoryNode(this.repo); }
}
