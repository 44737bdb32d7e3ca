// What a query costs, by GitHub's rule: the requests needed to fill every connection, divided by 100,
// rounded, at least 1; and the nodes it could return, of which 500,000 are allowed.
import { getNamedType, Kind } from 'graphql';

export const MAX_NODES = 500_000;

/** Fields of a connection that need no page, hence no first or last. */
const PAGELESS = new Set(['totalCount', 'totalSize', 'totalDiskUsage', '__typename']);

/** Does this selection, fragments included, ask for a page at all? */
export function needsPage(selectionSet, fragments) {
  return (selectionSet?.selections ?? []).some((selection) => {
    if (selection.kind === Kind.FIELD) return !PAGELESS.has(selection.name.value);
    if (selection.kind === Kind.INLINE_FRAGMENT) return needsPage(selection.selectionSet, fragments);
    return needsPage(fragments[selection.name.value]?.selectionSet, fragments);
  });
}

function valueOf(node, variables) {
  if (!node) return undefined;
  if (node.kind === Kind.VARIABLE) return variables[node.name.value];
  if (node.kind === Kind.INT) return Number(node.value);
  if (node.kind === Kind.BOOLEAN) return node.value;
  return undefined;
}

function included(node, variables) {
  for (const directive of node.directives ?? []) {
    const condition = valueOf(directive.arguments?.[0]?.value, variables);
    if (directive.name.value === 'skip' && condition === true) return false;
    if (directive.name.value === 'include' && condition === false) return false;
  }
  return true;
}

/** {points, nodes, connections} of one operation with its variables. */
export function costOf(schema, document, operation, given = {}) {
  const fragments = {};
  for (const definition of document.definitions) if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments[definition.name.value] = definition;
  const variables = { ...given };
  for (const definition of operation.variableDefinitions ?? []) {
    const name = definition.variable.name.value;
    if (variables[name] === undefined && definition.defaultValue) variables[name] = valueOf(definition.defaultValue, {});
  }
  const total = { requests: 0, nodes: 0 };
  const walk = (selectionSet, type, times) => {
    for (const selection of selectionSet?.selections ?? []) {
      if (!included(selection, variables)) continue;
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        const fragment = fragments[selection.name.value];
        if (fragment) walk(fragment.selectionSet, schema.getType(fragment.typeCondition.name.value), times);
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        walk(selection.selectionSet, selection.typeCondition ? schema.getType(selection.typeCondition.name.value) : type, times);
      } else {
        const field = type?.getFields?.()[selection.name.value];
        if (!field) continue;
        const inner = getNamedType(field.type);
        let below = times;
        if (inner.name.endsWith('Connection') && field.args.some(({ name }) => name === 'first')) {
          const page = (name) => valueOf(selection.arguments?.find((argument) => argument.name.value === name)?.value, variables);
          const size = page('first') ?? page('last');
          total.requests += times;
          if (typeof size === 'number' && size > 0) {
            total.nodes += times * size;
            below = times * size;
          }
        }
        walk(selection.selectionSet, inner, below);
      }
    }
  };
  walk(operation.selectionSet, schema.getQueryType(), 1);
  return { points: Math.max(1, Math.round(total.requests / 100)), nodes: total.nodes, requests: total.requests };
}
