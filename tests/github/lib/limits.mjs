// Rate limits: a budget for each token and resource, and the secondary limits.
import crypto from 'node:crypto';

const now = () => Math.floor(Date.now() / 1000);

export const SECONDARY_MESSAGE = 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again. If you reach out to GitHub Support for help, please include the request ID.';

/** A token's name in logs: the beginning of its hash, never the token. */
export function tokenHash(token) {
  return token ? crypto.createHash('sha256').update(token).digest('hex').slice(0, 12) : null;
}

export class Limits {
  constructor() {
    this.restore();
  }

  /** Back to GitHub's own numbers, with nothing used. */
  restore() {
    this.rules = [];
    this.budgets = new Map();
    this.concurrent = 100;
    this.perMinute = { graphql: null, rest: null };
    this.minute = { at: 0, graphql: 0, rest: 0 };
    this.retryAfter = 60;
    this.tree = { entries: 100_000, bytes: 7_000_000 };
  }

  #rulesFor(token) {
    return this.rules.filter(({ tokenPrefix, tokenHash: hash, anonymous }) => (
      (tokenPrefix === undefined || (token ?? '').startsWith(tokenPrefix)) && (hash === undefined || (tokenHash(token) ?? '').startsWith(hash))
      && (anonymous === undefined || anonymous === !token)
    ));
  }

  /**
   * The budget for "graphql" or "rest" of a token, of an installation whatever its token, or of an address without one: {limit, used, remaining, reset}.
   * @param {{token:string|null, address:string, installation?:{id:number}}} who
   */
  budget({ token, address, installation }, resource) {
    const whose = installation ? `installation ${installation.id}` : tokenHash(token) ?? `address ${address}`;
    const key = `${whose} ${resource}`;
    let budget = this.budgets.get(key);
    if (!budget) {
      const limit = token ? 5000 : resource === 'graphql' ? 0 : 60;
      budget = { limit, used: 0, window: 3600, reset: 0, token, resource };
      Object.defineProperty(budget, 'remaining', { get() { return Math.max(0, this.limit - this.used); } });
      this.budgets.set(key, budget);
      budget.reset = now() + budget.window;
      for (const rule of this.#rulesFor(token)) this.#apply(budget, rule[resource]);
    }
    if (now() >= budget.reset) {
      budget.used = 0;
      budget.reset = now() + budget.window;
    }
    return budget;
  }

  #apply(budget, setting) {
    if (!setting) return;
    if (setting.window !== undefined) { budget.window = setting.window; budget.reset = now() + setting.window; }
    if (setting.limit !== undefined) budget.limit = setting.limit;
    if (setting.remaining !== undefined) budget.used = budget.limit - setting.remaining;
    if (setting.reset !== undefined) budget.reset = setting.reset;
    if (setting.resetIn !== undefined) budget.reset = now() + setting.resetIn;
  }

  /** What POST /_control/limits does. */
  configure(setting) {
    if (setting.concurrent !== undefined) this.concurrent = setting.concurrent;
    if (setting.perMinute) Object.assign(this.perMinute, setting.perMinute);
    if (setting.retryAfter !== undefined) this.retryAfter = setting.retryAfter;
    if (setting.tree) Object.assign(this.tree, setting.tree);
    if (!setting.graphql && !setting.rest) return;
    this.rules.push(setting);
    for (const budget of this.budgets.values()) {
      if (this.#rulesFor(budget.token).includes(setting)) this.#apply(budget, setting[budget.resource]);
    }
  }

  /** Counts against the limit by the minute, where one is set; false means: too many. */
  minuteAllows(resource, points) {
    const at = Math.floor(now() / 60);
    if (this.minute.at !== at) this.minute = { at, graphql: 0, rest: 0 };
    this.minute[resource] += points;
    const limit = this.perMinute[resource];
    return limit === null || this.minute[resource] <= limit;
  }
}

/** The five headers every answer has. */
export function limitHeaders(budget) {
  return {
    'x-ratelimit-limit': String(budget.limit), 'x-ratelimit-remaining': String(budget.remaining), 'x-ratelimit-used': String(Math.min(budget.used, budget.limit)),
    'x-ratelimit-reset': String(budget.reset), 'x-ratelimit-resource': budget.resource === 'graphql' ? 'graphql' : 'core',
  };
}
