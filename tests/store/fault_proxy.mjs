// A reverse proxy for the S3 protocol that fails on order or at random; tests/store/README.md describes its control
// calls. Requests go on as they came, Host included, so signatures stay valid. Needs Node 18 or later, nothing else.
import http from 'node:http';
import fs from 'node:fs';

const DEFAULTS = { silenceMs: 30_000, dripMs: 400, retryAfter: 1 };
const MOST_SILENCE_MS = 60_000;
const MOST_LISTS = 20_000;
const LOG_LINES = 5_000;

const ERRORS = {
  500: [500, 'InternalError', 'We encountered an internal error. Please try again.'],
  503: [503, 'SlowDown', 'Please reduce your request rate.'],
  '503-retry-after': [503, 'SlowDown', 'Please reduce your request rate.'],
  'expired-token': [403, 'ExpiredToken', 'The provided token has expired.'],
  409: [409, 'ConditionalRequestConflict', 'The conditional request cannot succeed due to a conflicting operation.'],
  missing: [404, 'NoSuchKey', 'The specified key does not exist.'],
};
const FAULTS = [...Object.keys(ERRORS), 'reset-before', 'reset-after', 'truncate', 'flip', 'silence', 'silence-after',
  'drip', 'error-200', 'stale-list'];
const KINDS = ['get', 'head', 'list', 'put', 'put-new', 'copy', 'delete', 'multipart'];

// What happens at random unless the order names other faults: everything that a strongly consistent service and a bad
// network may do. Silence is short here.
const ALWAYS = ['500', '503', 'expired-token', 'reset-before', 'reset-after', 'silence', 'silence-after'];
const RANDOM = {
  get: [...ALWAYS, 'truncate', 'drip'],
  head: ALWAYS,
  list: [...ALWAYS, 'truncate', 'drip'],
  put: ALWAYS,
  'put-new': [...ALWAYS, '409'],
  copy: ALWAYS,
  delete: ALWAYS,
  multipart: ALWAYS,
};

// --- the state ------------------------------------------------------------------------------------------------------

let rules = [];
let random = null;
let counters = fresh();
let log = [];
let credentials = null;
const lists = new Map(); // a LIST's address → the last two different answers
// What was answered ExpiredToken at random and hasn't come through since: fresh credentials aren't refused again.
const expired = new Set();

function fresh() {
  return { requests: 0, kinds: {}, faults: 0, byFault: {}, byKind: {}, credentials: 0 };
}

function add(table, name) {
  table[name] = (table[name] ?? 0) + 1;
}

// mulberry32
function generator(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// --- what a request is, and what befalls it --------------------------------------------------------------------------

function describe(req) {
  const url = new URL(req.url, 'http://localhost');
  const query = url.searchParams;
  const key = decodeURIComponent(url.pathname);
  const method = req.method;
  let kind = 'get';
  if (query.has('uploads') || query.has('uploadId')) kind = 'multipart';
  else if (query.has('list-type')) kind = 'list';
  else if (method === 'HEAD') kind = 'head';
  else if (method === 'DELETE' || query.has('delete')) kind = 'delete';
  else if (method === 'PUT' && req.headers['x-amz-copy-source']) kind = 'copy';
  else if (method === 'PUT') kind = req.headers['if-none-match'] ? 'put-new' : 'put';
  // A LIST is matched by the prefix that it asks for.
  return { method, kind, key: kind === 'list' ? `${key}${query.get('prefix') ?? ''}` : key, query: url.search };
}

function fits(rule, what) {
  const m = rule.match;
  return (!m.kind || m.kind.includes(what.kind)) && (!m.method || m.method === what.method) &&
    (!m.key || m.key.test(what.key)) && (!m.query || m.query.test(what.query));
}

function choose(what) {
  const fitting = rules.filter((rule) => fits(rule, what));
  for (const rule of fitting) rule.matched++;
  for (const rule of fitting) {
    if (rule.matched < rule.nth || rule.hit >= rule.times) continue;
    if (rule.fault === 'stale-list' && !stale(what)) continue;
    rule.hit++;
    return rule;
  }
  if (random && random.kinds.includes(what.kind) && (!random.key || random.key.test(what.key)) &&
      random.next() < (random.rates[what.kind] ?? random.rate)) {
    const among = random.faults ? random.faults.filter((f) => suits(f, what.kind)) : RANDOM[what.kind];
    const fault = among[Math.floor(random.next() * among.length)];
    const address = `${what.method} ${what.key}${what.query}`;
    if (!fault || (fault === 'stale-list' && !stale(what)) || (fault === 'expired-token' && expired.has(address))) return null;
    if (fault === 'expired-token') expired.add(address);
    return { ...random.options, fault };
  }
  return null;
}

function suits(fault, kind) {
  if (['truncate', 'drip'].includes(fault)) return kind === 'get' || kind === 'list';
  if (['flip', 'missing'].includes(fault)) return kind === 'get';
  if (fault === 'stale-list') return kind === 'list';
  if (fault === '409') return kind === 'put-new';
  if (fault === 'error-200') return kind === 'copy' || kind === 'multipart';
  return true;
}

// The answer to the same LIST that was given before the present one.
function stale(what) {
  return lists.get(what.key + what.query)?.before;
}

// --- answers ---------------------------------------------------------------------------------------------------------

function errorBody(code, message, key) {
  return Buffer.from(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message>` +
    `<Key>${key.replace(/[<>&]/g, '')}</Key><RequestId>proxy-${counters.requests}</RequestId></Error>`);
}

function answerError(res, what, rule) {
  const [status, code, message] = ERRORS[rule.fault];
  const body = errorBody(code, message, what.key);
  const headers = { 'content-type': 'application/xml', 'content-length': body.length, date: new Date().toUTCString(),
    'x-amz-request-id': `proxy-${counters.requests}` };
  if (rule.fault === '503-retry-after') headers['retry-after'] = String(rule.retryAfter ?? DEFAULTS.retryAfter);
  res.writeHead(status, headers);
  res.end(what.method === 'HEAD' ? undefined : body);
}

function reset(req) {
  if (req.socket.resetAndDestroy) req.socket.resetAndDestroy();
  else req.socket.destroy();
}

function later(ms, action) {
  const timer = setTimeout(action, Math.min(ms, MOST_SILENCE_MS));
  timer.unref();
  return timer;
}

const HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'upgrade']);

function copyHeaders(raw) {
  const out = [];
  for (let i = 0; i < raw.length; i += 2) {
    if (!HOP.has(raw[i].toLowerCase())) out.push([raw[i], raw[i + 1]]);
  }
  return out;
}

// Sends the request on and calls back with the whole answer. A connection of its own: a kept one would wait for
// delayed acknowledgements, since a server may send headers and body apart.
function forward(req, body, back) {
  const headers = {};
  for (const [name, value] of copyHeaders(req.rawHeaders)) {
    if (name.toLowerCase() !== 'transfer-encoding') headers[name] = value;
  }
  const out = http.request({ host: target.hostname, port: target.port, method: req.method, path: req.url, headers,
    agent: false }, (answer) => {
    const chunks = [];
    answer.on('data', (chunk) => chunks.push(chunk));
    answer.on('end', () => back(null, answer, Buffer.concat(chunks)));
    answer.on('error', back);
  });
  out.on('error', back);
  out.end(body);
}

function writeHead(res, answer, length) {
  const headers = {};
  for (const [name, value] of copyHeaders(answer.rawHeaders)) {
    const lower = name.toLowerCase();
    if (lower !== 'transfer-encoding' && lower !== 'content-length') headers[name] = value;
  }
  if (answer.statusCode !== 204 && answer.statusCode !== 304) headers['Content-Length'] = length;
  res.writeHead(answer.statusCode, headers);
}

function deliver(req, res, answer, body) {
  const head = req.method === 'HEAD';
  writeHead(res, answer, head ? answer.headers['content-length'] ?? 0 : body.length);
  res.end(head ? undefined : body);
}

// In ten pieces over ms milliseconds.
function drip(res, answer, body, ms) {
  writeHead(res, answer, body.length);
  const step = Math.max(1, Math.ceil(body.length / 10));
  let at = 0;
  const next = () => {
    if (res.destroyed) return;
    res.write(body.subarray(at, at + step));
    at += step;
    if (at < body.length) later(ms / 10, next);
    else res.end();
  };
  next();
}

function remember(what, answer, body) {
  if (what.kind !== 'list' || answer.statusCode !== 200) return;
  const address = what.key + what.query;
  const known = lists.get(address);
  if (lists.size >= MOST_LISTS) lists.clear();
  if (!known) lists.set(address, { last: { answer, body } });
  else if (!known.last.body.equals(body)) lists.set(address, { before: known.last, last: { answer, body } });
}

// What the answer becomes on its way back.
function damage(req, res, what, rule, answer, body) {
  const good = answer.statusCode >= 200 && answer.statusCode < 300 && body.length > 0;
  switch (rule.fault) {
    case 'reset-after':
      reset(req);
      return;
    case 'silence-after':
      later(rule.silenceMs ?? DEFAULTS.silenceMs, () => reset(req));
      return;
    case 'truncate':
      writeHead(res, answer, body.length);
      res.write(body.subarray(0, Math.floor(body.length * (rule.fraction ?? 0.5))), () => later(5, () => req.socket.destroy()));
      return;
    case 'flip':
      if (good) {
        const at = Math.floor(body.length * (rule.at ?? dice()));
        body = Buffer.from(body);
        body[Math.min(at, body.length - 1)] ^= 1 << (rule.bit ?? Math.floor(dice() * 8));
      }
      break;
    case 'drip':
      drip(res, answer, body, rule.dripMs ?? DEFAULTS.dripMs);
      return;
    case 'error-200': {
      body = errorBody('InternalError', 'We encountered an internal error. Please try again.', what.key);
      res.writeHead(200, { 'content-type': 'application/xml', 'content-length': body.length });
      res.end(body);
      return;
    }
  }
  deliver(req, res, answer, body);
}

function serve(req, res, body) {
  const what = describe(req);
  counters.requests++;
  add(counters.kinds, what.kind);
  const rule = choose(what);
  const entry = { n: counters.requests, method: what.method, kind: what.kind, key: what.key, query: what.query,
    fault: rule?.fault ?? null };
  log.push(entry);
  if (log.length > LOG_LINES) log = log.slice(-LOG_LINES / 2);
  if (rule) {
    counters.faults++;
    add(counters.byFault, rule.fault);
    add(counters.byKind, what.kind);
  }
  // Before the request reaches the server.
  if (rule && ERRORS[rule.fault]) return answerError(res, what, rule);
  if (rule?.fault === 'reset-before') return reset(req);
  if (rule?.fault === 'silence') return void later(rule.silenceMs ?? DEFAULTS.silenceMs, () => reset(req));
  if (rule?.fault === 'error-200' && !rule.applied) return damage(req, res, what, rule, { statusCode: 200 }, Buffer.alloc(0));
  if (rule?.fault === 'stale-list') {
    const { answer, body: old } = stale(what);
    return deliver(req, res, answer, old);
  }
  forward(req, body, (error, answer, text) => {
    entry.status = error ? 0 : answer.statusCode;
    if (error) return reset(req);
    remember(what, answer, text);
    if (!rule) expired.delete(`${what.method} ${what.key}${what.query}`);
    if (rule) damage(req, res, what, rule, answer, text);
    else deliver(req, res, answer, text);
  });
}

// --- control ---------------------------------------------------------------------------------------------------------

class Refused extends Error {}

function list(value, known, name) {
  const items = value === undefined ? undefined : [].concat(value).map(String);
  for (const item of items ?? []) {
    if (!known.includes(item)) throw new Refused(`${name}: "${item}" is none of ${known.join(', ')}`);
  }
  return items;
}

function pattern(text) {
  return text === undefined ? undefined : new RegExp(text);
}

function readRule(order) {
  const { match = {}, times = 1, fault, ...options } = order;
  const [name] = list(fault, FAULTS, 'fault') ?? [];
  if (!name) throw new Refused('a rule needs a fault');
  return { order, fault: name, ...options, times: times ?? Infinity, nth: match.nth ?? 1, matched: 0, hit: 0,
    match: { method: match.method, kind: list(match.kind, KINDS, 'kind'), key: pattern(match.key), query: pattern(match.query) } };
}

function readRandom(order) {
  const { seed = 1, rate = 0, rates = {}, kinds, faults, key, ...options } = order;
  list(Object.keys(rates), KINDS, 'rates');
  return { order, rate, rates, kinds: list(kinds, KINDS, 'kinds') ?? KINDS, faults: list(faults, FAULTS, 'faults'),
    key: pattern(key), options: { silenceMs: 200, dripMs: 100, retryAfter: 1, ...options }, next: generator(seed) };
}

const CALLS = {
  'POST faults': (orders) => {
    if (!Array.isArray(orders)) throw new Refused('faults: an array of rules');
    if (!orders.length) rules = [];
    rules.push(...orders.map(readRule));
    return { rules: rules.length };
  },
  'GET faults': () => rules.map((r) => ({ ...r.order, matched: r.matched, hit: r.hit })),
  'POST random': (order) => {
    random = order.rate || Object.keys(order.rates ?? {}).length ? readRandom(order) : null;
    return { random: random !== null };
  },
  'GET counters': () => counters,
  'GET log': () => log,
  'POST reset': () => {
    rules = [];
    random = null;
    counters = fresh();
    log = [];
    lists.clear();
    expired.clear();
    return {};
  },
  'POST credentials': (document) => {
    credentials = document;
    return {};
  },
  'GET credentials': () => {
    if (!credentials) throw new Refused('no credentials were given');
    counters.credentials++;
    return credentials;
  },
};

function control(req, res, body) {
  const name = `${req.method} ${req.url.slice('/_control/'.length)}`;
  let status = 200;
  let answer;
  try {
    if (!CALLS[name]) throw new Refused(`there is no ${name}`);
    answer = CALLS[name](body.length ? JSON.parse(body) : {});
  } catch (error) {
    status = 400;
    answer = { error: error.message };
  }
  res.writeHead(status, { 'content-type': 'application/json' });
  res.end(`${JSON.stringify(answer)}\n`);
}

// --- the program -----------------------------------------------------------------------------------------------------

function option(name, otherwise) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
}

if (!option('target')) {
  console.error('usage: node fault_proxy.mjs --target http://HOST:PORT [--port N] [--port-file FILE] [--seed N] [--rate P]');
  process.exit(64);
}
const target = new URL(option('target'));
const seed = Number(option('seed', 1));
const dice = generator(seed + 1);
if (Number(option('rate', 0))) random = readRandom({ seed, rate: Number(option('rate')) });

const server = http.createServer((req, res) => {
  const chunks = [];
  req.on('data', (chunk) => chunks.push(chunk));
  req.on('error', () => {});
  res.on('error', () => {});
  req.on('end', () => {
    const body = Buffer.concat(chunks);
    if (req.url.startsWith('/_control/')) control(req, res, body);
    else serve(req, res, body);
  });
});
server.keepAliveTimeout = 60_000;
server.requestTimeout = 0;
server.listen(Number(option('port', 0)), '127.0.0.1', () => {
  const { port } = server.address();
  const file = option('port-file');
  if (file) {
    fs.writeFileSync(`${file}.new`, String(port));
    fs.renameSync(`${file}.new`, file);
  }
  console.log(`listening on http://127.0.0.1:${port}`);
});
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
