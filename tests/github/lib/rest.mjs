// REST's routes. Each handler gives {status?, headers?, body (an object), raw? (bytes with a type)}.
import { affiliated, visible } from './nodes.mjs';
import { isBinary } from './nodes-git.mjs';
import { objectId } from './ids.mjs';
import * as shape from './rest-shapes.mjs';

const DOCS = 'https://docs.github.com/rest';

export class RestError extends Error {
  constructor(status, message, extra = {}) {
    super(message);
    this.status = status;
    this.body = { message, documentation_url: DOCS, ...extra, status: String(status) };
  }
}

const missing = () => new RestError(404, 'Not Found');

/** What only a person's token may ask. */
function ownOnly({ viewer, integration }) {
  if (!viewer) throw new RestError(401, 'Requires authentication');
  if (integration) throw new RestError(403, 'Resource not accessible by integration');
}

/** A page of a list, with GitHub's Link header. */
function page(items, query, base, pathname) {
  const size = Math.min(100, Math.max(1, Number.parseInt(query.get('per_page') ?? '30', 10) || 30));
  const number = Math.max(1, Number.parseInt(query.get('page') ?? '1', 10) || 1);
  const last = Math.max(1, Math.ceil(items.length / size));
  const address = (n) => {
    const next = new URLSearchParams(query);
    next.set('page', String(n));
    return `<${base}${pathname}?${next}>`;
  };
  const links = [];
  if (number > 1) links.push(`${address(Math.min(number - 1, last))}; rel="prev"`);
  if (number < last) links.push(`${address(number + 1)}; rel="next"`, `${address(last)}; rel="last"`);
  if (number > 1) links.push(`${address(1)}; rel="first"`);
  return { items: items.slice((number - 1) * size, number * size), headers: links.length ? { link: links.join(', ') } : {} };
}

const SORTS = { created: (repo) => repo.createdAt, updated: (repo) => repo.updatedAt, pushed: (repo) => repo.pushedAt ?? '', full_name: (repo) => `${repo.owner}/${repo.name}`.toLowerCase() };

function list(env, found, query, pathname, defaultSort) {
  const sort = SORTS[query.get('sort')] ? query.get('sort') : defaultSort;
  const direction = (query.get('direction') ?? (sort === 'full_name' ? 'asc' : 'desc')) === 'asc' ? 1 : -1;
  const value = SORTS[sort];
  const sorted = found.map((repo) => ({ repo, key: value(repo) }))
    .sort((a, b) => direction * (a.key < b.key ? -1 : a.key > b.key ? 1 : a.repo.id - b.repo.id)).map(({ repo }) => repo);
  const { items, headers } = page(sorted, query, env.base, pathname);
  return { headers, body: items.map((repo) => shape.repositoryShape(repo, env.store, env.base, env.viewer)) };
}

function userRepositories(env, login, query, pathname) {
  const user = env.store.owner(login);
  if (!user) throw missing();
  const type = query.get('type') ?? 'owner';
  const affiliations = type === 'all' ? ['OWNER', 'COLLABORATOR', 'ORGANIZATION_MEMBER'] : type === 'member' ? ['COLLABORATOR', 'ORGANIZATION_MEMBER'] : ['OWNER'];
  return list(env, affiliated(env.store, user, affiliations).filter((repo) => !repo.isPrivate && visible(repo, env.viewer)), query, pathname, 'full_name');
}

function organizationRepositories(env, login, query, pathname) {
  const user = env.store.owner(login);
  if (user?.type !== 'Organization') throw missing();
  const type = query.get('type') ?? 'all';
  const wanted = { all: () => true, public: (repo) => !repo.isPrivate, private: (repo) => repo.isPrivate, forks: (repo) => repo.isFork, sources: (repo) => !repo.isFork, member: () => false }[type] ?? (() => true);
  return list(env, env.store.repositoriesOf(login).filter((repo) => visible(repo, env.viewer) && wanted(repo)), query, pathname, 'created');
}

function ownRepositories(env, query, pathname) {
  ownOnly(env);
  const names = (query.get('affiliation') ?? 'owner,collaborator,organization_member').toUpperCase().split(',');
  let found = affiliated(env.store, env.viewer, names).filter((repo) => visible(repo, env.viewer));
  const visibility = query.get('visibility') ?? query.get('type');
  if (visibility === 'public' || visibility === 'private') found = found.filter((repo) => repo.isPrivate === (visibility === 'private'));
  return list(env, found, query, pathname, 'full_name');
}

async function treeAnswer(env, repo, sha, query) {
  const oid = await env.store.revision(repo, sha);
  if (!oid) throw missing();
  const commit = (await env.store.typeIn(repo, oid)) === 'commit' ? await env.store.commit(oid) : null;
  const treeOid = commit ? commit.tree : oid;
  if (!(await env.store.tree(treeOid))) throw missing();
  const recursive = query.has('recursive'); // any value at all means yes, even "0"
  const all = recursive ? await env.store.walk(treeOid) : (await env.store.tree(treeOid)).map((entry) => ({ ...entry, path: entry.name }));
  const { entries: most, bytes: room } = env.limits.tree;
  const kept = all.slice(0, most);
  const sizes = await Promise.all(kept.map((entry) => (entry.type === 'blob' ? env.store.size(entry.oid) : null)));
  const url = `${env.base}/repos/${repo.owner}/${repo.name}/git`;
  const tree = [];
  let used = 0;
  for (let at = 0; at < kept.length; at += 1) {
    const { path, mode, type, oid: entryOid } = kept[at];
    const item = { path, mode, type, sha: entryOid };
    if (type === 'blob') item.size = sizes[at];
    if (type !== 'commit') item.url = `${url}/${type}s/${entryOid}`;
    used += path.length + 150;
    if (used > room) break;
    tree.push(item);
  }
  return { body: { sha: treeOid, url: `${url}/trees/${treeOid}`, tree, truncated: tree.length < all.length } };
}

function wantsRaw(env) {
  return /application\/vnd\.github(\.v3)?\.raw/.test(env.accept);
}

async function blobAnswer(env, repo, sha) {
  if (!/^[0-9a-f]{40}$/.test(sha)) throw new RestError(422, 'The sha parameter must be exactly 40 characters and contain only [0-9a-f].');
  if ((await env.store.typeIn(repo, sha)) !== 'blob') throw missing();
  const data = await env.store.blob(sha);
  if (wantsRaw(env)) return { raw: data, type: 'application/vnd.github.raw; charset=utf-8' };
  return { body: { sha, node_id: objectId('B', repo.id, sha), size: data.length, url: `${env.base}/repos/${repo.owner}/${repo.name}/git/blobs/${sha}`, content: shape.base64Lines(data), encoding: 'base64' } };
}

async function fileAnswer(env, repo, ref, entry, file) {
  const data = await env.store.blob(entry.oid);
  if (wantsRaw(env)) return { raw: data, type: isBinary(data) ? 'application/vnd.github.raw' : 'application/vnd.github.raw; charset=utf-8' };
  const small = data.length <= 1_048_576;
  return { body: shape.contentShape(repo, ref, entry, file, data.length, env.base, { content: small ? shape.base64Lines(data) : '', encoding: small ? 'base64' : 'none' }) };
}

async function rootOf(env, repo, query) {
  const ref = query.get('ref') || repo.defaultBranch;
  const oid = await env.store.revision(repo, ref);
  if (!oid) throw repo.heads.size ? new RestError(404, `No commit found for the ref ${ref}`) : new RestError(404, 'This repository is empty.');
  const commit = await env.store.commit(oid);
  return { ref, tree: commit ? commit.tree : oid };
}

async function contentsAnswer(env, repo, file, query) {
  const { ref, tree } = await rootOf(env, repo, query);
  let entry = await env.store.at(tree, file);
  if (!entry) throw missing();
  if (entry.type === 'tree') {
    const prefix = file.replace(/\/+$/, '');
    const inside = await env.store.tree(entry.oid);
    return { body: await Promise.all(inside.map(async (one) => shape.contentShape(repo, ref, one, prefix ? `${prefix}/${one.name}` : one.name, one.type === 'blob' ? await env.store.size(one.oid) : 0, env.base))) };
  }
  if (entry.mode === '120000') { // a link to a file gives that file
    const target = (await env.store.blob(entry.oid)).toString();
    const resolved = new URL(target, `http://x/${file}`).pathname.slice(1);
    const aim = await env.store.at(tree, decodeURIComponent(resolved));
    if (aim?.type !== 'blob') return { body: { ...shape.contentShape(repo, ref, entry, file, target.length, env.base), target } };
    entry = { ...aim, name: entry.name };
  }
  return fileAnswer(env, repo, ref, entry, file);
}

const README_ORDER = [/^readme\.md$/i, /^readme\.markdown$/i, /^readme\.mdown$/i, /^readme\.(rst|adoc|asciidoc|org|textile|txt)$/i, /^readme$/i];

async function readmeAnswer(env, repo, query) {
  if (!repo.heads.size) throw missing();
  const { tree } = await rootOf(env, repo, query);
  for (const folder of ['.github', '', 'docs']) {
    const where = folder ? await env.store.at(tree, folder) : { type: 'tree', oid: tree };
    if (where?.type !== 'tree') continue;
    const inside = await env.store.tree(where.oid);
    for (const pattern of README_ORDER) {
      const found = inside.find(({ name, type }) => type === 'blob' && pattern.test(name));
      if (found) return contentsAnswer(env, repo, folder ? `${folder}/${found.name}` : found.name, query);
    }
  }
  throw missing();
}

async function commitAnswer(env, repo, ref, make) {
  if (!repo.heads.size) throw new RestError(409, 'Git Repository is empty.');
  const oid = await env.store.revision(repo, ref);
  const commit = oid && await env.store.commit(oid);
  if (!commit) throw new RestError(422, `No commit found for SHA: ${ref}`);
  if (/application\/vnd\.github(\.v3)?\.sha/.test(env.accept)) return { raw: Buffer.from(oid), type: 'application/vnd.github.sha; charset=utf-8' };
  return { body: make(repo, oid, commit, env.base) };
}

async function commitList(env, repo, query, pathname) {
  if (!repo.heads.size) throw new RestError(409, 'Git Repository is empty.');
  const found = [];
  for (let oid = await env.store.revision(repo, query.get('sha') || repo.defaultBranch); oid && found.length < 1000;) {
    const commit = await env.store.commit(oid);
    found.push([oid, commit]);
    oid = commit.parents[0];
  }
  const { items, headers } = page(found, query, env.base, pathname);
  return { headers, body: items.map(([oid, commit]) => shape.commitShape(repo, oid, commit, env.base)) };
}

async function branchAnswer(env, repo, name) {
  if (!repo.heads.has(name)) throw new RestError(404, 'Branch not found');
  const oid = repo.heads.get(name);
  const url = `${env.base}/repos/${repo.owner}/${repo.name}/branches/${name}`;
  return { body: { name, commit: shape.commitShape(repo, oid, await env.store.commit(oid), env.base), _links: { self: url, html: `https://github.com/${repo.owner}/${repo.name}/tree/${name}` }, protected: false, protection_url: `${url}/protection` } };
}

function refAnswer(env, repo, ref) {
  if (!repo.heads.size) throw new RestError(409, 'Git Repository is empty.');
  const oid = ref.startsWith('heads/') ? repo.heads.get(ref.slice(6)) : undefined;
  if (!oid) throw missing();
  const url = `${env.base}/repos/${repo.owner}/${repo.name}/git`;
  return { body: { ref: `refs/${ref}`, node_id: objectId('REF', repo.id, `refs/${ref}`), url: `${url}/refs/${ref}`, object: { sha: oid, type: 'commit', url: `${url}/commits/${oid}` } } };
}

/** What is below /repos/{owner}/{repo}: [kind, pattern, handler(env, repo, match, query, pathname)]. */
const BELOW = [
  ['repo', /^$/, (env, repo) => ({ body: shape.fullRepositoryShape(repo, env.store, env.base, env.viewer) })],
  ['languages', /^\/languages$/, (env, repo) => ({ body: Object.fromEntries(repo.languages) })],
  ['topics', /^\/topics$/, (env, repo) => ({ body: { names: repo.topics } })],
  ['trees', /^\/git\/trees\/(.+)$/, (env, repo, [, sha], query) => {
    if (!repo.heads.size) throw new RestError(409, 'Git Repository is empty.');
    return treeAnswer(env, repo, sha, query);
  }],
  ['blobs', /^\/git\/blobs\/([^/]+)$/, (env, repo, [, sha]) => {
    if (!repo.heads.size) throw new RestError(409, 'Git Repository is empty.');
    return blobAnswer(env, repo, sha);
  }],
  ['commits', /^\/git\/commits\/([0-9a-f]{40})$/, (env, repo, [, sha]) => commitAnswer(env, repo, sha, shape.gitCommitShape)],
  ['refs', /^\/git\/refs?\/(.+)$/, (env, repo, [, ref]) => refAnswer(env, repo, ref)],
  ['contents', /^\/contents(?:\/(.*))?$/, (env, repo, [, file = ''], query) => contentsAnswer(env, repo, file, query)],
  ['readme', /^\/readme$/, (env, repo, match, query) => readmeAnswer(env, repo, query)],
  ['branches', /^\/branches$/, async (env, repo, match, query, pathname) => {
    const { items, headers } = page([...repo.heads.keys()], query, env.base, pathname);
    return { headers, body: items.map((name) => ({ name, commit: { sha: repo.heads.get(name), url: `${env.base}/repos/${repo.owner}/${repo.name}/commits/${repo.heads.get(name)}` }, protected: false })) };
  }],
  ['branches', /^\/branches\/(.+)$/, (env, repo, [, name]) => branchAnswer(env, repo, name)],
  ['commits', /^\/commits$/, (env, repo, match, query, pathname) => commitList(env, repo, query, pathname)],
  ['commits', /^\/commits\/(.+)$/, (env, repo, [, ref]) => commitAnswer(env, repo, ref, shape.commitShape)],
];

function below(env, repo, rest, query, pathname) {
  if (!repo || !visible(repo, env.viewer)) throw missing();
  for (const [, pattern, handle] of BELOW) {
    const match = pattern.exec(rest);
    if (!match) continue;
    if (repo.blocked) {
      const reason = typeof repo.blocked === 'string' ? repo.blocked : 'dmca';
      throw new RestError(reason === 'dmca' ? 451 : 403, 'Repository access blocked', { block: { reason, created_at: repo.updatedAt, html_url: reason === 'dmca' ? 'https://github.com/github/dmca' : 'https://github.com/tos' } });
    }
    return handle(env, repo, match, query, pathname);
  }
  throw missing();
}

/** The kind of a route, for counters, the log and faults. */
export function restKind(pathname) {
  if (/^\/app(\/|$)|\/installation$/.test(pathname)) return 'app';
  if (/^\/(users|orgs)\/[^/]+\/repos$|^\/user\/repos$/.test(pathname)) return 'repos';
  if (/^\/(users|orgs)\/[^/]+$|^\/user$/.test(pathname)) return 'user';
  if (pathname === '/rate_limit') return 'rateLimit';
  const inside = /^\/repos\/[^/]+\/[^/]+(.*)$/.exec(pathname) ?? /^\/repositories\/\d+(.*)$/.exec(pathname);
  return (inside && BELOW.find(([, pattern]) => pattern.test(inside[1]))?.[0]) ?? 'restOther';
}

/**
 * Answers a GET.
 * @param {{store:object, viewer:object|null, integration:boolean, base:string, accept:string, limits:object, rateLimit:()=>object}} env
 */
export async function rest(env, pathname, query) {
  let match;
  if (pathname === '/') return { body: { current_user_url: `${env.base}/user`, repository_url: `${env.base}/repos/{owner}/{repo}`, user_url: `${env.base}/users/{user}` } };
  if (pathname === '/rate_limit') return { body: env.rateLimit() };
  if (pathname === '/meta') return { body: { verifiable_password_authentication: false } };
  if (pathname === '/user/repos') return ownRepositories(env, query, pathname);
  if (pathname === '/user') {
    ownOnly(env);
    return { body: shape.userShape(env.viewer, env.base, publicCount(env, env.viewer)) };
  }
  if ((match = /^\/users\/([^/]+)\/repos$/.exec(pathname))) return userRepositories(env, match[1], query, pathname);
  if ((match = /^\/orgs\/([^/]+)\/repos$/.exec(pathname))) return organizationRepositories(env, match[1], query, pathname);
  if ((match = /^\/users\/([^/]+)$/.exec(pathname))) {
    const user = env.store.owner(match[1]);
    if (!user) throw missing();
    return { body: shape.userShape(user, env.base, publicCount(env, user)) };
  }
  if ((match = /^\/orgs\/([^/]+)$/.exec(pathname))) {
    const user = env.store.owner(match[1]);
    if (user?.type !== 'Organization') throw missing();
    return { body: shape.organizationShape(user, env.base, publicCount(env, user)) };
  }
  if ((match = /^\/repositories\/(\d+)(.*)$/.exec(pathname))) return below(env, env.store.byId.get(Number(match[1])), match[2], query, pathname);
  if ((match = /^\/repos\/([^/]+)\/([^/]+)(.*)$/.exec(pathname))) {
    const repo = env.store.repository(match[1], match[2]);
    if (repo && visible(repo, env.viewer) && env.store.wasRenamed(match[1], match[2])) {
      const url = `${env.base}/repositories/${repo.id}${match[3]}${query.toString() ? `?${query}` : ''}`;
      return { status: 301, headers: { location: url }, body: { message: 'Moved Permanently', url, documentation_url: DOCS } };
    }
    return below(env, repo, match[3], query, pathname);
  }
  throw missing();
}

function publicCount(env, user) {
  return env.store.repositoriesOf(user.login).filter((repo) => !repo.isPrivate).length;
}
