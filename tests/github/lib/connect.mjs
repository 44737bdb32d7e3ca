// GitHub's pagination: mandatory bounds, opaque cursors that hold a position in the order, not an offset.
import { TypedError } from './errors.mjs';
import { needsPage } from './cost.mjs';

const PREFIX = 'cursor:v2:';

const encode = (key) => Buffer.from(PREFIX + JSON.stringify(key)).toString('base64');

function decode(cursor) {
  const bytes = Buffer.from(String(cursor), 'base64').toString('utf8');
  try {
    const key = bytes.startsWith(PREFIX) ? JSON.parse(bytes.slice(PREFIX.length)) : null;
    if (Array.isArray(key)) return key;
  } catch { /* said below */ }
  throw new TypedError('INVALID_CURSOR_ARGUMENTS', `\`${cursor}\` does not appear to be a valid cursor.`);
}

/** Compares keys like [value, id]: numbers as numbers, texts by code unit. */
export function compareKeys(a, b) {
  for (let at = 0; at < a.length; at += 1) {
    if (a[at] < b[at]) return -1;
    if (a[at] > b[at]) return 1;
  }
  return 0;
}

function checkBounds({ first, last }, field) {
  for (const [name, value] of [['first', first], ['last', last]]) {
    if (value === null || value === undefined) continue;
    if (value < 0) throw new TypedError('INVALID_PAGINATION_BOUNDARIES', `\`${name}\` on the \`${field}\` connection cannot be less than zero.`);
    if (value > 100) throw new TypedError('EXCESSIVE_PAGINATION', `Requesting ${value} records on the \`${field}\` connection exceeds the \`${name}\` limit of 100 records.`);
  }
}

/**
 * A connection over all its items.
 * @param {any[]} items  @param {object} args  @param {object} info graphql-js's
 * @param {{key:(item:any)=>any[], node:(item:any)=>any, descending?:boolean, edge?:(item:any)=>object, extra?:object}} how
 */
export function connect(items, args, info, { key, node, descending = false, edge = () => ({}), extra = {} }) {
  const bounded = (args.first ?? null) !== null || (args.last ?? null) !== null;
  if (!bounded && info.fieldNodes.some((field) => needsPage(field.selectionSet, info.fragments))) {
    throw new TypedError('MISSING_PAGINATION_BOUNDARIES', `You must provide a \`first\` or \`last\` value to properly paginate the \`${info.fieldName}\` connection.`);
  }
  checkBounds(args, info.fieldName);
  const sign = descending ? -1 : 1;
  const sorted = items.map((item) => ({ item, key: key(item) })).sort((a, b) => sign * compareKeys(a.key, b.key));
  let from = 0;
  let to = sorted.length;
  if (args.after) {
    const after = decode(args.after);
    while (from < to && sign * compareKeys(sorted[from].key, after) <= 0) from += 1;
  }
  if (args.before) {
    const before = decode(args.before);
    while (to > from && sign * compareKeys(sorted[to - 1].key, before) >= 0) to -= 1;
  }
  if (typeof args.first === 'number') to = Math.min(to, from + args.first);
  if (typeof args.last === 'number') from = Math.max(from, to - args.last);
  const page = bounded ? sorted.slice(from, to) : [];
  return {
    totalCount: items.length,
    pageInfo: {
      startCursor: page.length ? encode(page[0].key) : null,
      endCursor: page.length ? encode(page.at(-1).key) : null,
      hasNextPage: bounded && to < sorted.length,
      hasPreviousPage: bounded && from > 0,
    },
    nodes: () => page.map(({ item }, index) => node(item, index, page.length)),
    edges: () => page.map(({ item, key: at }, index) => ({ cursor: encode(at), node: () => node(item, index, page.length), ...edge(item) })),
    ...extra,
  };
}

/** A connection of things the stand-in only has a number of: its pages are empty. */
export function counted(count, args, info) {
  return { ...connect([], args, info, { key: () => [0], node: (item) => item }), totalCount: count };
}
