// Faults on order: which request gets which, and the answers that are wrong on purpose.
import { SECONDARY_MESSAGE } from './limits.mjs';

const DOCS = 'https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api';

export class FaultError extends Error {}

/** A small generator of numbers from 0 to 1, the same for the same seed. */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const ACTIONS = new Set(['status', 'headers', 'body', 'contentType', 'delayMs', 'drop', 'truncateBody', 'stream', 'nest', 'wrongTypes', 'html',
  'partial', 'resourceLimits', 'rateLimited', 'retryAfter', 'resetIn', 'errorType']);
const LIMITED = ['primary', 'secondary200', 'secondary403', 'secondary429'];

export class Faults {
  constructor() {
    this.rules = [];
  }

  /** Appends rules; an empty list clears all. */
  add(list) {
    if (!Array.isArray(list)) throw new FaultError('faults is an array of rules');
    if (list.length === 0) { this.rules = []; return; }
    const made = list.map((rule) => {
      const { match = {}, action } = rule;
      if (!action || typeof action !== 'object') throw new FaultError('a rule needs an action');
      for (const key of Object.keys(action)) if (!ACTIONS.has(key)) throw new FaultError(`unknown action ${key}`);
      for (const key of Object.keys(match)) if (!['kind', 'operation', 'path', 'nth', 'route', 'body'].includes(key)) throw new FaultError(`unknown condition ${key}`);
      if (action.rateLimited && !LIMITED.includes(action.rateLimited)) throw new FaultError(`rateLimited is one of ${LIMITED.join(', ')}`);
      if (action.drop && !['before', 'after'].includes(action.drop)) throw new FaultError('drop is "before" or "after"');
      return {
        match, action, path: match.path ? new RegExp(match.path) : null, body: match.body ? new RegExp(match.body) : null,
        seen: 0, hits: 0, times: rule.times ?? (rule.probability === undefined ? 1 : Infinity), probability: rule.probability, random: generator(rule.seed ?? 1),
      };
    });
    this.rules.push(...made);
  }

  /** The first rule that takes this request: {action, index} or null. Every rule counts what it matches. */
  pick({ kind, operation, path, route, body }) {
    let chosen = null;
    this.rules.forEach((rule, index) => {
      const { match } = rule;
      if (match.kind && match.kind !== 'any' && match.kind !== kind) return;
      if (match.operation !== undefined && match.operation !== operation) return;
      if (match.route !== undefined && match.route !== route) return;
      if (rule.path && !rule.path.test(path)) return;
      if (rule.body && !rule.body.test(body ?? '')) return;
      rule.seen += 1;
      if (chosen || rule.hits >= rule.times) return;
      if (match.nth !== undefined && rule.seen < match.nth) return;
      if (rule.probability !== undefined && rule.random() >= rule.probability) return;
      rule.hits += 1;
      chosen = { action: rule.action, index };
    });
    return chosen;
  }

  list() {
    return this.rules.map(({ match, action, seen, hits, times }) => ({ match, action, seen, hits, times: times === Infinity ? 'always' : times }));
  }
}

function unicorn(status) {
  return `<!DOCTYPE html>\n<html>\n  <head><title>Unicorn! &middot; GitHub</title></head>\n  <body>\n    <h1>${status}</h1>\n    <p><strong>This page is taking too long to load.</strong></p>\n    <p>Sorry about that. Please try refreshing and contact us if the problem persists.</p>\n  </body>\n</html>\n`;
}

/** The answer that an action puts in the place of the real one, or null: {status, headers, body} (body may be {stream: bytes}). */
export function faultReply(action, { kind, budget, user }) {
  const json = { 'content-type': 'application/json; charset=utf-8' };
  if (action.rateLimited === 'primary') {
    budget.used = budget.limit;
    if (action.resetIn !== undefined) budget.reset = Math.floor(Date.now() / 1000) + action.resetIn;
    const message = `API rate limit exceeded for user ID ${user?.id ?? 0}.`;
    if (kind === 'graphql') return { status: 200, headers: json, body: JSON.stringify({ errors: [{ type: action.errorType ?? 'RATE_LIMITED', message }] }) };
    return { status: 403, headers: json, body: JSON.stringify({ message, documentation_url: DOCS, status: '403' }) };
  }
  if (action.rateLimited) {
    const status = Number(action.rateLimited.slice(-3));
    const headers = { ...json };
    if (action.retryAfter !== null) headers['retry-after'] = String(action.retryAfter ?? 60);
    const plain = { documentation_url: 'https://docs.github.com/free-pro-team@latest/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits', message: SECONDARY_MESSAGE };
    const body = status === 200 && kind === 'graphql' ? { errors: [{ type: action.errorType ?? 'RATE_LIMITED', message: SECONDARY_MESSAGE }] } : plain;
    return { status, headers, body: JSON.stringify(body) };
  }
  if (action.stream) return { status: action.status ?? 200, headers: { ...json }, body: { stream: action.stream.bytes } };
  if (action.nest) {
    const depth = Math.floor(action.nest);
    return { status: action.status ?? 200, headers: json, body: `{"data":${'['.repeat(depth)}${']'.repeat(depth)}}` };
  }
  const gateway = action.status === 502 || action.status === 503 || action.status === 504;
  if (action.html || (gateway && action.body === undefined && kind === 'graphql')) {
    return { status: action.status ?? 502, headers: { 'content-type': action.contentType ?? 'text/html; charset=utf-8' }, body: unicorn(action.status ?? 502) };
  }
  if (action.body !== undefined || (action.status !== undefined && action.status !== 304)) {
    const body = action.body === undefined ? { message: `Status ${action.status}`, documentation_url: 'https://docs.github.com/rest', status: String(action.status) } : action.body;
    return {
      status: action.status ?? 200,
      headers: { 'content-type': action.contentType ?? 'application/json; charset=utf-8' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    };
  }
  if (action.status === 304) return { status: 304, headers: {}, body: '' };
  return null;
}

/** The same JSON with every leaf and list of another type. */
export function wrongTypes(value) {
  if (value === null) return 0;
  if (typeof value === 'string') return value.length;
  if (typeof value === 'number') return String(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) return { list: value.map(wrongTypes) };
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, wrongTypes(inner)]));
}
