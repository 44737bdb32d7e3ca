// Counters and the request log.

const KEEP = 50_000;

export class Counters {
  constructor() {
    this.reset();
  }

  reset() {
    this.since = new Date().toISOString();
    this.total = 0;
    this.graphql = 0;
    this.rest = 0;
    this.kinds = {};
    this.status = {};
    this.points = 0;
    this.restCharged = 0;
    this.bytesIn = 0;
    this.bytesOut = 0;
    this.notModified = 0;
    this.faults = 0;
    this.aborted = 0;
    this.inFlight ??= 0;
    this.maxConcurrent = this.inFlight;
    this.log = [];
  }

  start(kind, route) {
    this.total += 1;
    this[kind] += 1;
    this.kinds[route] = (this.kinds[route] ?? 0) + 1;
    return this.total;
  }

  enter() {
    this.inFlight += 1;
    this.maxConcurrent = Math.max(this.maxConcurrent, this.inFlight);
    return this.inFlight;
  }

  leave() {
    this.inFlight -= 1;
  }

  finish(entry) {
    this.status[entry.status] = (this.status[entry.status] ?? 0) + 1;
    this.log.push(entry);
    if (this.log.length > KEEP) this.log.splice(0, this.log.length - KEEP);
  }

  json() {
    const { log, inFlight, ...numbers } = this;
    return { ...numbers, logged: log.length };
  }
}

/** Variables as the log shows them: short, so that the log stays readable. */
export function summary(value, depth = 0) {
  if (typeof value === 'string') return value.length > 80 ? `${value.slice(0, 77)}…` : value;
  if (Array.isArray(value)) return depth > 2 ? `[${value.length}]` : value.slice(0, 5).map((one) => summary(one, depth + 1)).concat(value.length > 5 ? [`… ${value.length} in all`] : []);
  if (value && typeof value === 'object') {
    const entries = Object.entries(value);
    const shown = entries.slice(0, 40).map(([key, inner]) => [key, summary(inner, depth + 1)]);
    if (entries.length > 40) shown.push(['…', `${entries.length} in all`]);
    return Object.fromEntries(shown);
  }
  return value;
}
