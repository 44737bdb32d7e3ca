// The way of a request: authentication, faults, limits, the answer, what goes over the wire, counters.
import crypto from 'node:crypto';
import http from 'node:http';
import { once } from 'node:events';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { Apps } from './apps.mjs';
import { summary } from './counters.mjs';
import { faultReply, wrongTypes } from './faults.mjs';
import { run } from './graphql.mjs';
import { limitHeaders, SECONDARY_MESSAGE, tokenHash } from './limits.mjs';
import { rest, RestError, restKind } from './rest.mjs';

const gzip = promisify(zlib.gzip);
const JSON_TYPE = 'application/json; charset=utf-8';
const MOST_BODY = 10_000_000;
const LIMIT_DOCS = 'https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api';

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const json = (status, value, headers = {}) => ({ status, headers: { 'content-type': JSON_TYPE, ...headers }, body: JSON.stringify(value) });

async function readBody(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MOST_BODY) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tokenOf(request) {
  const match = /^(bearer|token|basic) +(.+)$/i.exec(request.headers.authorization ?? '');
  if (!match) return null;
  if (match[1].toLowerCase() !== 'basic') return match[2].trim();
  const [user, password] = Buffer.from(match[2], 'base64').toString().split(':');
  return password || user || null;
}

/** Who a request without a token is; ::ffff:127.0.0.1 and 127.0.0.1 are one. */
const addressOf = (request) => (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '');

/** {path, query, prefix}: GitHub Enterprise Server's prefixes lead to the same. */
function routeOf(target) {
  const mark = target.indexOf('?');
  const raw = mark < 0 ? target : target.slice(0, mark);
  const query = new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1));
  let path;
  try { path = raw.split('/').map(decodeURIComponent).join('/'); } catch { path = raw; }
  if (path === '/api/graphql') return { path: '/graphql', query, prefix: '' };
  if (path === '/api/v3' || path.startsWith('/api/v3/')) return { path: path.slice(7) || '/', query, prefix: '/api/v3' };
  return { path, query, prefix: '' };
}

export class Service {
  /** @param {{store, schema, documents, limits, faults, counters, apps, latency:number, viewer:string}} parts */
  constructor(parts) {
    Object.assign(this, parts);
    this.viewer = this.store.owner(parts.viewer)?.id ?? null; // by id: the login may change
  }

  server(control) {
    const server = http.createServer({ keepAlive: true, noDelay: true, maxHeaderSize: 65_536 }, (request, response) => {
      const work = request.url.startsWith('/_control/') ? control(request, response) : this.handle(request, response);
      work.catch((error) => {
        if (error.code !== 'ECONNRESET' && error.code !== 'ERR_STREAM_PREMATURE_CLOSE' && error.message !== 'aborted') process.stderr.write(`${error.stack}\n`);
        if (!response.headersSent) {
          response.writeHead(500, { 'content-type': JSON_TYPE });
          response.end(JSON.stringify({ message: `The stand-in failed: ${error.message}` }));
        } else response.destroy();
      });
    });
    server.keepAliveTimeout = 60_000;
    server.headersTimeout = 65_000;
    server.requestTimeout = 0;
    return server;
  }

  /** {token, address, viewer, installation?, error? (of a token that isn't good)} */
  #who(request) {
    const token = tokenOf(request);
    const address = addressOf(request);
    if (!token) return { token, address, viewer: null };
    const app = this.apps.check(token);
    if (app) return { token, address, ...app, viewer: app.installation ? this.apps.userOf(app.installation) : null };
    const named = token.startsWith('as-') ? this.store.owner(token.slice(3)) : null;
    return { token, address, viewer: named ?? this.store.usersById.get(this.viewer) ?? null };
  }

  #graphqlRequest(body) {
    let given;
    try { given = JSON.parse(body.toString('utf8')); } catch { return { reply: json(400, { message: 'Problems parsing JSON', documentation_url: 'https://docs.github.com/graphql', status: '400' }) }; }
    if (!given || typeof given !== 'object' || Array.isArray(given)) return { reply: json(400, { message: 'Body should be a JSON object', documentation_url: 'https://docs.github.com/graphql', status: '400' }) };
    if (typeof given.query !== 'string') return { reply: json(200, { errors: [{ message: 'A query attribute must be specified and must be a string.' }] }) };
    const prepared = this.documents.prepare(given.query);
    const operationName = given.operationName || null;
    const operation = operationName ?? ([...prepared.operations.keys()][0] || null);
    return { prepared, operationName, operation, variables: given.variables ?? {} };
  }

  async handle(request, response) {
    const started = process.hrtime.bigint();
    const { counters, limits } = this;
    const inFlight = counters.enter();
    let left = false;
    response.on('close', () => {
      if (left) return;
      left = true;
      counters.leave();
      if (!response.writableFinished) counters.aborted += 1;
    });
    const body = await readBody(request);
    counters.bytesIn += body?.length ?? 0;
    const { path, query, prefix } = routeOf(request.url);
    const kind = path === '/graphql' ? 'graphql' : 'rest';
    const asked = kind === 'graphql' && request.method === 'POST' ? this.#graphqlRequest(body ?? Buffer.alloc(0)) : {};
    const route = kind === 'graphql' ? asked.prepared?.kind ?? 'graphqlInvalid' : restKind(path);
    const who = this.#who(request);
    const { token, viewer } = who;
    const budget = limits.budget(who, kind);
    const entry = {
      n: counters.start(kind, route), time: new Date().toISOString(), method: request.method, path: request.url, kind: route,
      ...(kind === 'graphql' ? { operation: asked.operation ?? null, variables: summary(asked.variables ?? {}) } : {}),
      status: 0, ms: 0, token: tokenHash(token), ...(request.headers.via ? { via: request.headers.via } : {}),
    };
    const picked = this.faults.pick({ kind, operation: asked.operation, path: request.url, route, body: body?.toString('latin1') });
    const action = picked?.action ?? null;
    if (picked) {
      counters.faults += 1;
      entry.fault = picked.index;
    }
    const done = (status, more = {}) => {
      Object.assign(entry, { status, ms: Math.round(Number(process.hrtime.bigint() - started) / 1e4) / 100 }, more);
      counters.finish(entry);
    };

    if (action?.drop === 'before') {
      done(0, { dropped: 'before' });
      request.socket.destroy();
      return;
    }
    const delay = this.latency + (action?.delayMs ?? 0);
    if (delay > 0) await sleep(delay);

    const env = { request, path, query, prefix, kind, who, token, viewer, budget, asked, action, entry, body, inFlight };
    let reply = (action && faultReply(action, { kind, budget, user: viewer })) ?? await this.#answer(env);
    if (action?.drop === 'after') {
      done(0, { dropped: 'after', would: reply.status });
      request.socket.destroy();
      return;
    }
    if (action?.wrongTypes && reply.body && reply.headers['content-type'] === JSON_TYPE) reply = { ...reply, body: JSON.stringify(wrongTypes(JSON.parse(reply.body.toString()))) };
    const sent = await this.#send(env, reply, response);
    done(reply.status, { bytes: sent, ...(entry.points ? {} : { points: 0 }) });
  }

  /** The real answer. */
  async #answer(env) {
    const { request, kind, token, viewer, budget, asked, inFlight } = env;
    const { limits, counters } = this;
    if (!request.headers['user-agent']) {
      return { status: 403, headers: { 'content-type': 'text/html; charset=utf-8' }, body: '\r\nRequest forbidden by administrative rules. Please make sure your request has a User-Agent header (https://docs.github.com/en/rest/overview/resources-in-the-rest-api#user-agent-required). Check https://developer.github.com for other possible causes.\r\n' };
    }
    const base = `${request.headers['x-forwarded-proto'] === 'https' ? 'https' : 'http'}://${request.headers.host ?? addressOf(request)}${env.prefix}`;
    if (kind === 'rest' && Apps.owns(env.path)) {
      try {
        const { status = 200, headers = {}, body } = this.apps.answer(request.method, env.path, token, base);
        return json(status, body, { ...headers, 'x-github-media-type': 'github.v3; format=json' });
      } catch (error) {
        if (!(error instanceof RestError)) throw error;
        return json(error.status, error.body);
      }
    }
    if (env.who.error) return json(env.who.error.status, env.who.error.body);
    if (token === 'bad-token') return json(401, { message: 'Bad credentials', documentation_url: 'https://docs.github.com/rest', status: '401' });
    if (kind === 'graphql' && !token) {
      return json(401, { message: 'This endpoint requires you to be authenticated.', documentation_url: 'https://docs.github.com/graphql/guides/forming-calls-with-graphql#authenticating-with-graphql', status: '401' });
    }
    const secondary = () => json(403, { documentation_url: LIMIT_DOCS, message: SECONDARY_MESSAGE, status: '403' }, limits.retryAfter === null ? {} : { 'retry-after': String(limits.retryAfter) });
    if (inFlight > limits.concurrent) return secondary();
    const name = env.who.installation ? `installation ID ${env.who.installation.id}` : viewer && token ? `user ID ${viewer.id}` : env.who.address;

    if (kind === 'graphql') {
      if (request.method !== 'POST') return json(404, { message: 'Not Found', documentation_url: 'https://docs.github.com/rest', status: '404' });
      if (env.body === null) return json(413, { message: 'Payload too large', status: '413' });
      if (asked.reply) return asked.reply;
      if (budget.remaining < 1) return json(200, { errors: [{ type: 'RATE_LIMITED', message: `API rate limit exceeded for ${name}.` }] });
      if (!limits.minuteAllows('graphql', 1)) return secondary();
      const charge = (points) => {
        budget.used += points;
        counters.points += points;
        env.entry.points = points;
        return budget;
      };
      const result = await run({ schema: this.schema, store: this.store, viewer, fault: env.action, charge }, asked.prepared, asked);
      return json(200, result.body, { 'x-github-media-type': 'github.v4; format=json' });
    }

    if (request.method !== 'GET' && request.method !== 'HEAD') return json(404, { message: 'Not Found', documentation_url: 'https://docs.github.com/rest', status: '404' });
    const free = env.path === '/rate_limit';
    if (!free) {
      if (budget.remaining < 1) {
        const hint = token ? '' : " (But here's the good news: Authenticated requests get a higher rate limit. Check out the documentation for more details.)";
        return json(403, { message: `API rate limit exceeded for ${name}.${hint}`, documentation_url: LIMIT_DOCS, status: '403' });
      }
      if (!limits.minuteAllows('rest', 1)) return secondary();
      budget.used += 1;
      counters.restCharged += 1;
    }
    const accept = request.headers.accept ?? '';
    let answer;
    try {
      answer = await rest({ store: this.store, viewer, integration: Boolean(env.who.installation), base, accept, limits, rateLimit: () => this.#rateLimit(env.who) }, env.path, env.query);
    } catch (error) {
      if (!(error instanceof RestError)) throw error;
      return json(error.status, error.body, { 'x-github-media-type': 'github.v3; format=json' });
    }
    const body = answer.raw ?? JSON.stringify(answer.body);
    const headers = {
      'content-type': answer.type ?? JSON_TYPE, 'x-github-media-type': answer.raw ? 'github.v3; param=raw' : 'github.v3; format=json',
      vary: 'Accept, Authorization, Cookie, X-GitHub-OTP, Accept-Encoding, Accept, X-Requested-With', ...(answer.headers ?? {}),
    };
    const status = answer.status ?? 200;
    if (status !== 200 || free) return { status, headers, body };
    headers.etag = `W/"${crypto.createHash('sha256').update(body).digest('hex')}"`;
    headers['cache-control'] = `${token ? 'private' : 'public'}, max-age=60, s-maxage=60`;
    const strip = (tag) => tag.trim().replace(/^W\//, '').replace(/-gzip"$/, '"');
    const match = request.headers['if-none-match'];
    if (match && match.split(',').some((tag) => tag.trim() === '*' || strip(tag) === strip(headers.etag))) {
      counters.notModified += 1;
      if (token) { // only an authorised 304 is free
        budget.used -= 1;
        counters.restCharged -= 1;
      }
      delete headers['content-type'];
      return { status: 304, headers, body: '' };
    }
    return { status, headers, body };
  }

  #rateLimit(who) {
    const { token } = who;
    const line = (resource) => {
      const { limit, used, remaining, reset } = this.limits.budget(who, resource);
      return { limit, used, remaining, reset, resource: resource === 'graphql' ? 'graphql' : 'core' };
    };
    const core = line('rest');
    const graphql = line('graphql');
    return { resources: { core, graphql, search: { limit: token ? 30 : 10, used: 0, remaining: token ? 30 : 10, reset: core.reset, resource: 'search' } }, rate: core };
  }

  /** Writes the answer; gives the number of body bytes. */
  async #send(env, reply, response) {
    const { request, budget, token, entry, action } = env;
    const headers = {
      server: 'github.com', ...reply.headers, ...(Apps.owns(env.path) ? {} : limitHeaders(budget)),
      'x-github-request-id': `${(0xc000 + (entry.n & 0x3fff)).toString(16).toUpperCase()}:${crypto.randomBytes(3).toString('hex').toUpperCase()}:${entry.n.toString(16).toUpperCase().padStart(7, '0')}`,
      'x-github-api-version-selected': '2022-11-28', 'access-control-allow-origin': '*', 'x-content-type-options': 'nosniff',
    };
    if (token && !env.who.installation && !env.who.error) headers['x-oauth-scopes'] = 'read:org, repo';
    for (const [name, value] of Object.entries(action?.headers ?? {})) {
      if (value === null) delete headers[name.toLowerCase()];
      else headers[name.toLowerCase()] = String(value);
    }
    const packs = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
    if (reply.body?.stream !== undefined) return this.#stream(reply, headers, response, action.stream.gzip && packs);

    let data = Buffer.isBuffer(reply.body) ? reply.body : Buffer.from(reply.body);
    if (packs && data.length > 700 && !headers['content-encoding']) {
      data = data.length > 100_000 ? await gzip(data, { level: 2 }) : zlib.gzipSync(data, { level: 2 });
      headers['content-encoding'] = 'gzip';
    }
    if (reply.status !== 304 && reply.status !== 204) headers['content-length'] = String(data.length);
    response.writeHead(reply.status, headers);
    if (request.method === 'HEAD' || reply.status === 304 || reply.status === 204) {
      response.end();
      return 0;
    }
    if (action?.truncateBody !== undefined && action.truncateBody < data.length) {
      const part = data.subarray(0, action.truncateBody);
      await new Promise((resolve) => { response.write(part, resolve); });
      this.counters.bytesOut += part.length;
      await sleep(20); // lets the bytes reach the other side before the reset
      request.socket.destroySoon();
      return part.length;
    }
    this.counters.bytesOut += data.length;
    response.end(data);
    return data.length;
  }

  /** A body of any length, made as it is read; with gzip, small on the wire and large when unpacked. */
  async #stream(reply, headers, response, pack) {
    if (pack) headers['content-encoding'] = 'gzip';
    response.writeHead(reply.status, headers);
    const sink = pack ? zlib.createGzip({ level: 9 }) : response;
    if (pack) sink.pipe(response);
    const chunk = Buffer.alloc(65_536, 'a');
    let left = reply.body.stream;
    let closed = false;
    const aborted = new Promise((resolve) => { response.on('close', () => { closed = true; resolve(); }); });
    const write = async (piece) => {
      this.counters.bytesOut += piece.length;
      if (!sink.write(piece)) await Promise.race([once(sink, 'drain'), aborted]);
    };
    await write(Buffer.from('{"data":"'));
    while (left > 0 && !closed) {
      const piece = left >= chunk.length ? chunk : chunk.subarray(0, left);
      left -= piece.length;
      await write(piece);
    }
    if (!closed) sink.end('"}');
    return reply.body.stream - left;
  }
}
