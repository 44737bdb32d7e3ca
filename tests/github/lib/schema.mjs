// GitHub's official schema, and queries prepared against it: parsed, validated and described once each.
import fs from 'node:fs';
import path from 'node:path';
import { buildASTSchema, GraphQLError, Kind, parse, specifiedRules, validate, visit } from 'graphql';
import { ROOT } from './material.mjs';
import { validationErrors } from './errors.mjs';

/** Parses the installed schema. Its package is read by path, because its exports hide the file. */
export function loadSchema() {
  const text = fs.readFileSync(path.join(ROOT, 'node_modules/@octokit/graphql-schema/schema.graphql'), 'utf8');
  const schema = buildASTSchema(parse(text, { noLocation: true }), { assumeValid: true, assumeValidSDL: true });
  forgetSyntax(schema);
  const oid = schema.getType('GitObjectID');
  const check = (value) => {
    if (typeof value !== 'string' || !/^[0-9a-f]{40}$/i.test(value)) throw new GraphQLError(`${JSON.stringify(value)} is not a GitObjectID`);
    return value.toLowerCase();
  };
  oid.parseValue = check;
  oid.parseLiteral = (node) => (node.kind === Kind.STRING ? check(node.value) : check(null));
  return schema;
}

/** The types keep the syntax tree they came from, which nothing here reads: half of the memory. */
function forgetSyntax(schema) {
  const forget = (thing) => { if (thing) { thing.astNode = undefined; if (thing.extensionASTNodes) thing.extensionASTNodes = []; } };
  forget(schema);
  schema.getDirectives().forEach((directive) => [directive, ...directive.args].forEach(forget));
  for (const type of Object.values(schema.getTypeMap())) {
    forget(type);
    type.getValues?.().forEach(forget);
    for (const field of Object.values(type.getFields?.() ?? {})) [field, ...(field.args ?? [])].forEach(forget);
  }
}

/** What kind of request a document is, for counters and the log: by what it asks for. */
function kindOf(document) {
  const fields = new Set();
  visit(document, { Field: (node) => { fields.add(node.name.value); } });
  if (fields.has('text')) return 'files';
  if (fields.has('repositories')) return 'listing';
  if (fields.has('entries')) return 'graphqlTrees';
  if (fields.has('rateLimit') && fields.size <= 7) return 'graphqlRateLimit';
  return 'graphqlOther';
}

/** Keeps prepared documents, since clients send the same few texts. */
export class Documents {
  constructor(schema, keep = 300) {
    this.schema = schema;
    this.keep = keep;
    this.known = new Map();
  }

  /** {document, errors, kind, operations: Map(name → definition)}; errors is null or GitHub-shaped. */
  prepare(query) {
    const found = this.known.get(query);
    if (found) return found;
    const prepared = this.#make(query);
    if (this.known.size >= this.keep) this.known.delete(this.known.keys().next().value);
    this.known.set(query, prepared);
    return prepared;
  }

  #make(query) {
    let document;
    try {
      document = parse(query);
    } catch (error) {
      const at = error.locations?.[0];
      return {
        document: null, kind: 'graphqlInvalid', operations: new Map(),
        errors: [{ message: `Parse error on ${error.message.replace(/^Syntax Error: /, '')}${at ? ` at [${at.line}, ${at.column}]` : ''}`, locations: error.locations }],
      };
    }
    const operations = new Map();
    for (const definition of document.definitions) {
      if (definition.kind === Kind.OPERATION_DEFINITION) operations.set(definition.name?.value ?? '', definition);
    }
    const found = validate(this.schema, document, specifiedRules);
    const errors = found.length ? validationErrors(found, document, this.schema) : null;
    return { document, errors, kind: errors ? 'graphqlInvalid' : kindOf(document), operations };
  }
}
