// GitHub Apps: who has installed them, their web tokens (JWT), and the tokens of their installations.
import crypto from 'node:crypto';
import { isoTime, nodeId } from './ids.mjs';
import { ControlError } from './store.mjs';
import { ownerShape } from './rest-shapes.mjs';
import { RestError } from './rest.mjs';

const LEEWAY = 60; // seconds that the other side's clock may be ahead
const LONGEST = 600; // seconds from now that a web token may be good for
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const ROUTES = /^\/app$|^\/app\/installations\/(\d+)\/access_tokens$|^\/(?:users|orgs)\/([^/]+)\/installation$|^\/repos\/([^/]+)\/([^/]+)\/installation$/;

const undecodable = () => new RestError(401, 'A JSON web token could not be decoded');
const suspendedError = () => new RestError(403, 'This installation has been suspended');
const now = () => Math.floor(Date.now() / 1000);

function part(text) {
  if (!/^[A-Za-z0-9_-]+$/.test(text ?? '')) throw undecodable();
  let value;
  try { value = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')); } catch { throw undecodable(); }
  if (!value || typeof value !== 'object' || Array.isArray(value)) throw undecodable();
  return value;
}

const looksLikeJwt = (token) => /^[\w-]+\.[\w-]+\.[\w-]*$/.test(token ?? '') && token.startsWith('eyJ');

export class Apps {
  constructor(store) {
    this.store = store;
    this.apps = new Map(); // by id and by client id
    this.issued = new Map(); // token -> {installation's id, expires (ms)}
  }

  /** What POST /_control/app does. An app given again is replaced; tokens of installations it still has stay good. */
  configure({ appId, clientId, slug = 'stand-in-app', publicKey, installations = [] }) {
    if (!/^\d+$/.test(String(appId ?? ''))) throw new ControlError('app needs {appId}, a number');
    let key;
    try { key = crypto.createPublicKey(publicKey); } catch { throw new ControlError('publicKey is not the PEM of a public key'); }
    if (key.asymmetricKeyType !== 'rsa') throw new ControlError('publicKey is not an RSA key');
    const app = { appId: Number(appId), clientId: clientId ?? null, slug, key, installations: new Map() };
    for (const { id, login, tokenTtlSeconds = 3600, suspended = false } of installations) {
      const user = this.store.owner(login ?? '');
      if (!Number.isInteger(id) || id < 1 || !user) throw new ControlError(`an installation needs a number and a login that exists: ${id} ${login}`);
      app.installations.set(id, { id, userId: user.id, ttl: tokenTtlSeconds, suspendedAt: suspended ? isoTime(Date.now()) : null, app });
    }
    for (const [name, old] of this.apps) if (old.appId === app.appId) this.apps.delete(name);
    this.apps.set(String(app.appId), app);
    if (clientId) this.apps.set(clientId, app);
    return { appId: app.appId, installations: [...app.installations.keys()] };
  }

  /** Is this one of the routes that want a web token? */
  static owns(path) { return ROUTES.test(path); }

  /** null for a token that isn't an app's business; otherwise {installation} or {error}. */
  check(token) {
    if (looksLikeJwt(token)) return { error: new RestError(401, 'Bad credentials') };
    if (!token?.startsWith('ghs_')) return null;
    const issued = this.issued.get(token);
    const installation = issued && this.#installation(issued.id);
    if (!installation || Date.now() >= issued.expires) return { error: new RestError(401, 'Bad credentials') };
    return installation.suspendedAt ? { installation, error: suspendedError() } : { installation };
  }

  userOf(installation) { return this.store.usersById.get(installation.userId) ?? null; }

  #installation(id) {
    for (const app of this.apps.values()) if (app.installations.has(id)) return app.installations.get(id);
    return null;
  }

  /** The app that a web token speaks for. */
  #authenticate(token) {
    const pieces = (token ?? '').split('.');
    if (pieces.length !== 3) throw undecodable();
    const [head, body, signature] = pieces;
    if (part(head).alg !== 'RS256') throw undecodable();
    const { iss, iat, exp } = part(body);
    if (iss === undefined || iss === null) throw new RestError(401, "Missing 'issuer' claim ('iss') in assertion");
    const app = this.apps.get(String(iss));
    if (!app) throw new RestError(404, 'Integration not found');
    let good = false;
    try { good = crypto.verify('RSA-SHA256', Buffer.from(`${head}.${body}`), app.key, Buffer.from(signature, 'base64url')); } catch { /* not good */ }
    if (!good) throw undecodable();
    if (typeof exp !== 'number' || exp <= now()) throw new RestError(401, "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires");
    if (exp > now() + LONGEST) throw new RestError(401, "'Expiration time' claim ('exp') is too far in the future");
    if (!Number.isInteger(iat) || iat > now() + LEEWAY) throw new RestError(401, "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued");
    return app;
  }

  #shape(installation, base) {
    const { id, app, suspendedAt } = installation;
    const user = this.userOf(installation);
    return {
      id, client_id: app.clientId, account: ownerShape(user, base), repository_selection: 'all', access_tokens_url: `${base}/app/installations/${id}/access_tokens`,
      repositories_url: `${base}/installation/repositories`, html_url: `https://github.com/settings/installations/${id}`, app_id: app.appId, app_slug: app.slug,
      target_id: user.id, target_type: user.type, permissions: { contents: 'read', metadata: 'read' }, events: [], created_at: user.createdAt, updated_at: user.updatedAt,
      single_file_name: null, has_multiple_single_files: false, single_file_paths: [], suspended_by: null, suspended_at: suspendedAt,
    };
  }

  #find(app, match, base) {
    const [, , login, owner, name] = match;
    let user = login && this.store.owner(login);
    if (owner) {
      const repo = this.store.repository(owner, name);
      if (repo && this.store.wasRenamed(owner, name)) {
        const url = `${base}/repositories/${repo.id}/installation`;
        return { status: 301, headers: { location: url }, body: { message: 'Moved Permanently', url, documentation_url: 'https://docs.github.com/rest' } };
      }
      user = repo && this.store.owner(repo.owner);
    }
    for (const one of app.installations.values()) if (user && one.userId === user.id) return { body: this.#shape(one, base) };
    throw new RestError(404, 'Not Found');
  }

  #issue(app, id) {
    const installation = app.installations.get(id);
    if (!installation) throw new RestError(404, 'Not Found');
    if (installation.suspendedAt) throw suspendedError();
    const token = `ghs_${Array.from(crypto.randomBytes(36), (byte) => ALPHABET[byte % ALPHABET.length]).join('')}`;
    const expires = (now() + installation.ttl) * 1000;
    this.issued.set(token, { id, expires });
    return { status: 201, body: { token, expires_at: isoTime(expires), permissions: { contents: 'read', metadata: 'read' }, repository_selection: 'all' } };
  }

  /** Answers one of its routes, or throws a RestError. */
  answer(method, path, token, base) {
    const app = this.#authenticate(token);
    const match = ROUTES.exec(path);
    if (match[1]) {
      if (method !== 'POST') throw new RestError(404, 'Not Found');
      return this.#issue(app, Number(match[1]));
    }
    if (method !== 'GET' && method !== 'HEAD') throw new RestError(404, 'Not Found');
    if (path !== '/app') return this.#find(app, match, base);
    return {
      body: {
        id: app.appId, client_id: app.clientId, slug: app.slug, node_id: nodeId('A', app.appId), owner: null, name: 'Stand-in app', description: null, external_url: 'https://example.com',
        html_url: `https://github.com/apps/${app.slug}`, created_at: '2024-01-01T00:00:00Z', updated_at: '2024-01-01T00:00:00Z', permissions: { contents: 'read', metadata: 'read' }, events: [],
        installations_count: app.installations.size,
      },
    };
  }
}
