// Executes prepared documents over the store.
import { execute } from 'graphql';
import { costOf, MAX_NODES } from './cost.mjs';
import { executionError, notFound, NotServed, TypedError } from './errors.mjs';
import { readId, isoTime } from './ids.mjs';
import { Organization, Repository, User, visible } from './nodes.mjs';
import { makeObject, Ref } from './nodes-git.mjs';

/** What one request's resolvers share. */
class Context {
  constructor(store, viewer, budget, cost, fault) {
    Object.assign(this, { store, viewer, budget, cost });
    this.partial = fault?.partial ?? null;
    this.resourceLimits = fault?.resourceLimits ?? null;
  }

  ownerNode(user) { return user.type === 'User' ? new User(user, this) : new Organization(user, this); }

  repositoryNode(repo) {
    const type = this.partial?.[repo.name] ?? this.partial?.[`${repo.owner}/${repo.name}`];
    if (type) throw partialError(type);
    return new Repository(repo, this);
  }

  /** Within a connection a faulty item is null at its place, and the others stay. */
  listedNode(repo, index, length) {
    if (this.resourceLimits && index >= keptOf(this.resourceLimits, length)) return partialError('RESOURCE_LIMITS_EXCEEDED');
    try {
      return this.repositoryNode(repo);
    } catch (error) {
      return error;
    }
  }
}

function keptOf(limit, length) {
  return typeof limit === 'number' ? (limit < 1 ? Math.floor(length * limit) : limit) : Math.floor(length / 2);
}

function partialError(type) {
  const message = type === 'RESOURCE_LIMITS_EXCEEDED' ? 'Resource limits for this query exceeded.'
    : type === 'FORBIDDEN' ? 'Resource not accessible by personal access token'
      : type === 'NOT_FOUND' ? 'Could not resolve to a Repository with the given name.' : 'Something went wrong while executing your query.';
  return new TypedError(type, message);
}

async function nodeOf(id, ctx) {
  const read = readId(id);
  if (!read) return null;
  if (read.prefix === 'U' || read.prefix === 'O') {
    const user = ctx.store.usersById.get(read.databaseId);
    return user && user.nodeId === id ? ctx.ownerNode(user) : null;
  }
  const repo = ctx.store.byId.get(read.databaseId);
  if (!repo || !visible(repo, ctx.viewer)) return null;
  if (read.prefix === 'R') return ctx.repositoryNode(repo);
  if (read.prefix === 'REF') {
    const branch = String(read.name).replace(/^refs\/heads\//, '');
    return repo.heads.has(branch) ? new Ref(repo, branch, ctx) : null;
  }
  if (!read.name) return null;
  const type = await ctx.store.typeIn(repo, read.name);
  return type ? makeObject(repo, read.name, type, ctx) : null;
}

const ROOT = {
  viewer: (args, ctx) => ctx.ownerNode(ctx.viewer),
  user({ login }, ctx) {
    const user = ctx.store.owner(login);
    if (user?.type !== 'User') throw notFound(`Could not resolve to a User with the login of '${login}'.`);
    return ctx.ownerNode(user);
  },
  organization({ login }, ctx) {
    const user = ctx.store.owner(login);
    if (user?.type !== 'Organization') throw notFound(`Could not resolve to an Organization with the login of '${login}'.`);
    return ctx.ownerNode(user);
  },
  repositoryOwner({ login }, ctx) {
    const user = ctx.store.owner(login);
    return user ? ctx.ownerNode(user) : null;
  },
  repository({ owner, name, followRenames }, ctx) {
    const repo = ctx.store.repository(owner, name);
    if (!repo || !visible(repo, ctx.viewer) || (followRenames === false && ctx.store.wasRenamed(owner, name))) {
      throw notFound(`Could not resolve to a Repository with the name '${owner}/${name}'.`);
    }
    return ctx.repositoryNode(repo);
  },
  async node({ id }, ctx) {
    const found = await nodeOf(id, ctx);
    if (!found) throw notFound(`Could not resolve to a node with the global id of '${id}'`);
    return found;
  },
  nodes({ ids }, ctx) {
    if (ids.length > 100) throw new TypedError('ARGUMENT_LIMIT', 'You may not provide more than 100 node ids; you provided ' + ids.length + '.');
    return ids.map(async (id, index) => {
      if (ctx.resourceLimits && index >= keptOf(ctx.resourceLimits, ids.length)) throw partialError('RESOURCE_LIMITS_EXCEEDED');
      const found = await nodeOf(id, ctx);
      if (!found) throw notFound(`Could not resolve to a node with the global id of '${id}'`);
      return found;
    });
  },
  rateLimit: (args, ctx) => ({
    cost: ctx.cost.points, nodeCount: ctx.cost.nodes, limit: ctx.budget.limit, used: ctx.budget.used, remaining: ctx.budget.remaining, resetAt: isoTime(ctx.budget.reset * 1000),
  }),
  resource({ url }, ctx) {
    const [, owner, name] = new URL(url, 'https://github.com').pathname.split('/');
    const repo = name && ctx.store.repository(owner, name);
    if (repo && visible(repo, ctx.viewer)) return ctx.repositoryNode(repo);
    const user = !name && ctx.store.owner(owner);
    return user ? ctx.ownerNode(user) : null;
  },
};

function fieldResolver(source, args, ctx, info) {
  const key = info.path.key;
  if (ctx.partial) {
    const within = source?.repo?.name;
    const type = ctx.partial[key] ?? (within && ctx.partial[`${within}:${info.fieldName}`]);
    if (type && typeof key === 'string') throw partialError(type);
  }
  if (info.path.prev === undefined) {
    if (ctx.resourceLimits) {
      ctx.roots ??= info.operation.selectionSet.selections.filter((selection) => selection.name?.value !== 'rateLimit').map((selection) => selection.alias?.value ?? selection.name?.value);
      const index = ctx.roots.indexOf(key);
      if (ctx.roots.length > 1 && index >= keptOf(ctx.resourceLimits, ctx.roots.length)) throw partialError('RESOURCE_LIMITS_EXCEEDED');
    }
    const resolve = ROOT[info.fieldName];
    if (!resolve) throw new NotServed(info.parentType.name, info.fieldName);
    return resolve(args, ctx, info);
  }
  const value = source[info.fieldName];
  if (value === undefined) throw new NotServed(info.parentType.name, info.fieldName);
  return typeof value === 'function' ? value.call(source, args, ctx, info) : value;
}

/**
 * @param {{schema:object, store:object, viewer:object, fault:object|null, charge:(points:number)=>object}} env  `charge` takes the points and gives the budget
 * @param {{document:object, errors:object[]|null, operations:Map}} prepared
 * @returns {Promise<{body:object, points:number}>}
 */
export async function run(env, prepared, { variables, operationName }) {
  if (prepared.errors) return { body: { errors: prepared.errors }, points: 0 };
  const operation = operationName ? prepared.operations.get(operationName) : prepared.operations.values().next().value;
  if (!operationName && prepared.operations.size > 1) return { body: { errors: [{ message: 'An operation name is required' }] }, points: 0 };
  if (!operation) return { body: { errors: [{ message: operationName ? `No operation named "${operationName}"` : 'A query attribute must be specified and must be a string.' }] }, points: 0 };
  if (operation.operation !== 'query') return { body: { errors: [{ type: 'FORBIDDEN', message: 'The stand-in is read-only' }] }, points: 0 };
  const cost = costOf(env.schema, prepared.document, operation, variables ?? {});
  if (cost.nodes > MAX_NODES) {
    return { body: { errors: [{ type: 'MAX_NODE_LIMIT_EXCEEDED', message: `This query requests up to ${cost.nodes.toLocaleString('en-US')} possible nodes which exceeds the maximum limit of 500,000.` }] }, points: 0 };
  }
  const budget = env.charge(cost.points);
  const result = await execute({
    schema: env.schema, document: prepared.document, variableValues: variables, operationName,
    contextValue: new Context(env.store, env.viewer, budget, cost, env.fault), fieldResolver,
  });
  const body = {};
  if ('data' in result) body.data = result.data;
  if (result.errors) body.errors = result.errors.map(executionError);
  return { body, points: cost.points };
}
