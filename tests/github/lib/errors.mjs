// Errors in GitHub's shapes. Its texts differ from graphql-js's, so the common rules are put into its words;
// clients should match on `type` and on `extensions.code`, never on a text.
import { GraphQLError, Kind } from 'graphql';

/** An error with a type, raised by a resolver: it becomes errors[].type. */
export class TypedError extends Error {
  constructor(type, message, extra = {}) {
    super(message);
    this.type = type;
    this.extra = extra;
  }
}

export const notFound = (message) => new TypedError('NOT_FOUND', message);

/** A field of the official schema that this stand-in has no data for: loud, so that nobody takes null for an answer. */
export class NotServed extends TypedError {
  constructor(parentType, fieldName) {
    super('NOT_IMPLEMENTED', `The stand-in has no data for ${parentType}.${fieldName}`);
  }
}

/** The path GitHub gives for a validation error: ["query", "user", "nam"]. */
function pathOf(error, document) {
  const target = error.nodes?.[0];
  if (!target) return undefined;
  let found;
  const search = (node, trail) => {
    if (found || !node || typeof node !== 'object') return;
    let here = trail;
    if (node.kind === Kind.OPERATION_DEFINITION) here = [node.name ? `${node.operation} ${node.name.value}` : node.operation];
    else if (node.kind === Kind.FRAGMENT_DEFINITION) here = [`fragment ${node.name.value}`];
    else if (node.kind === Kind.FIELD) here = [...trail, node.alias?.value ?? node.name.value];
    else if (node.kind === Kind.INLINE_FRAGMENT && node.typeCondition) here = [...trail, `... on ${node.typeCondition.name.value}`];
    else if (node.kind === Kind.ARGUMENT) here = [...trail, node.name.value];
    if (node === target) { found = here; return; }
    for (const [key, value] of Object.entries(node)) {
      if (key === 'loc') continue;
      if (Array.isArray(value)) value.forEach((child) => search(child, here));
      else if (value && typeof value === 'object') search(value, here);
    }
  };
  for (const definition of document.definitions) search(definition, []);
  return found;
}

const RULES = [
  [/^Cannot query field "(.+?)" on type "(.+?)"/, (m) => ['undefinedField', `Field '${m[1]}' doesn't exist on type '${m[2]}'`, { typeName: m[2], fieldName: m[1] }]],
  [/^Unknown argument "(.+?)" on field "(.+?)\.(.+?)"/, (m) => ['argumentNotAccepted', `Field '${m[3]}' doesn't accept argument '${m[1]}'`, { name: m[3], typeName: 'Field', argumentName: m[1] }]],
  [/^Field "(.+?)" argument "(.+?)" of type "(.+?)" is required/, (m) => ['missingRequiredArguments', `Field '${m[1]}' is missing required arguments: ${m[2]}`, { className: 'Field', name: m[1], arguments: m[2] }]],
  [/^Field "(.+?)" of type "(.+?)" must have a selection of subfields/, (m) => ['selectionMismatch', `Field must have selections (field '${m[1]}' returns ${m[2].replace(/[![\]]/g, '')} but has no selections. Did you mean '${m[1]} { ... }'?)`, { nodeName: `field '${m[1]}'`, typeName: m[2].replace(/[![\]]/g, '') }]],
  [/^Field "(.+?)" must not have a selection since type "(.+?)" has no subfields/, (m) => ['selectionMismatch', `Selections can't be made on scalars (field '${m[1]}' returns ${m[2].replace(/!/g, '')} but has selections)`, { nodeName: `field '${m[1]}'`, typeName: m[2].replace(/!/g, '') }]],
  [/^Variable "\$(.+?)" of type "(.+?)" used in position expecting type "(.+?)"/, (m) => ['variableMismatch', `Type mismatch on variable $${m[1]} and argument (${m[2]} / ${m[3]})`, { variableName: m[1], typeName: m[2], errorMessage: 'Type mismatch' }]],
  [/^Variable "\$(.+?)" is never used(?: in operation "(.+?)")?/, (m) => ['variableNotUsed', `Variable $${m[1]} is declared by ${m[2] ?? 'anonymous query'} but not used`, { variableName: m[1] }]],
  [/^Variable "\$(.+?)" is not defined(?: by operation "(.+?)")?/, (m) => ['variableNotDefined', `Variable $${m[1]} is used by ${m[2] ?? 'anonymous query'} but not declared`, { variableName: m[1] }]],
  [/^Unknown type "(.+?)"/, (m) => ['undefinedType', `No such type ${m[1]}, so it can't be a fragment condition or a variable's type`, { typeName: m[1] }]],
  [/^Fragment "(.+?)" is never used/, (m) => ['useAndDefineFragment', `Fragment ${m[1]} was defined, but not used`, { fragmentName: m[1] }]],
  [/^Unknown fragment "(.+?)"/, (m) => ['useAndDefineFragment', `Fragment ${m[1]} was used, but not defined`, { fragmentName: m[1] }]],
  [/^Value "(.+?)" does not exist in "(.+?)" enum/, (m) => ['argumentLiteralsIncompatible', `Argument has an invalid value (${m[1]}). Expected type '${m[2]}'.`, { typeName: 'Field' }]],
  [/^Fragment(?: "(.+?)")? cannot be spread here as objects of type "(.+?)" can never be of type "(.+?)"/, (m) => ['cannotSpreadFragment', `Fragment on ${m[3]} can't be spread inside ${m[2]}`, { typeName: m[3], fragmentName: m[1] ?? 'unknown', parentName: m[2] }]],
  [/cannot represent|^Expected value of type|GitObjectID|cannot be coerced/, (m) => ['argumentLiteralsIncompatible', m.input, { typeName: 'Field' }]],
];

/** Validation errors of graphql-js in GitHub's shape. */
export function validationErrors(errors, document) {
  return errors.map((error) => {
    for (const [pattern, make] of RULES) {
      const match = pattern.exec(error.message);
      if (!match) continue;
      const [code, message, extra] = make(match);
      return { path: pathOf(error, document), extensions: { code, ...extra }, locations: error.locations, message };
    }
    return { path: pathOf(error, document), extensions: { code: 'invalid' }, locations: error.locations, message: error.message };
  });
}

/** An error of the execution in GitHub's shape. */
export function executionError(error) {
  const cause = error.originalError;
  if (cause instanceof TypedError) {
    return { type: cause.type, path: error.path, ...cause.extra, locations: error.locations, message: error.message };
  }
  const variable = /^Variable "\$(.+?)"/.exec(error.message);
  if (variable && !error.path) {
    const definition = error.nodes?.[0];
    const type = definition?.type ? typeText(definition.type) : 'unknown';
    return {
      extensions: { value: null, problems: [{ path: [], explanation: error.message.replace(/^.*?; /, '') }] },
      locations: error.locations, message: `Variable $${variable[1]} of type ${type} was provided invalid value`,
    };
  }
  return { ...(error.path ? { path: error.path } : {}), locations: error.locations, message: error.message };
}

function typeText(node) {
  if (node.kind === Kind.NON_NULL_TYPE) return `${typeText(node.type)}!`;
  if (node.kind === Kind.LIST_TYPE) return `[${typeText(node.type)}]`;
  return node.name.value;
}

export { GraphQLError };
