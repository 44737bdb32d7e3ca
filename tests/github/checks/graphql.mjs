import assert from 'node:assert/strict';
import { test } from 'node:test';

export const LISTING = `query Listing($login: String!, $after: String, $first: Int = 50) {
  rateLimit { cost limit remaining used resetAt nodeCount }
  repositoryOwner(login: $login) {
    __typename login id
    repositories(first: $first, after: $after, ownerAffiliations: [OWNER], orderBy: {field: PUSHED_AT, direction: DESC}) {
      totalCount pageInfo { hasNextPage endCursor }
      nodes {
        id databaseId name nameWithOwner description url pushedAt updatedAt createdAt diskUsage isArchived isFork isPrivate isEmpty visibility
        stargazerCount forkCount licenseInfo { spdxId key name } primaryLanguage { name }
        languages(first: 20, orderBy: {field: SIZE, direction: DESC}) { edges { size node { name } } totalSize }
        repositoryTopics(first: 20) { nodes { topic { name } } }
        defaultBranchRef { name target { oid ... on Commit { committedDate tree { oid } } } }
      }
    }
  }
}`;

/** Every repository of an owner: two requests for sixty. */
export async function listAll(client, login) {
  const found = [];
  let after = null;
  do {
    const answer = await client.graphql(LISTING, { login, after });
    assert.equal(answer.errors, undefined);
    const { nodes, pageInfo } = answer.data.repositoryOwner.repositories;
    found.push(...nodes);
    after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
  } while (after);
  return found;
}

const oneField = (fields) => `query($login: String!) { user(login: $login) { ${fields} } }`;

export function graphqlChecks(world) {
  test('octocat has 60 repositories in two pages, one point each', async () => {
    const { client } = world;
    await client.control('POST', 'reset');
    const first = await client.graphql(LISTING, { login: 'OctoCat', after: null });
    assert.equal(first.status, 200);
    assert.equal(first.errors, undefined);
    const { data } = first;
    assert.equal(data.repositoryOwner.login, 'octocat');
    assert.equal(data.repositoryOwner.repositories.totalCount, 60);
    assert.equal(data.repositoryOwner.repositories.nodes.length, 50);
    assert.deepEqual([data.rateLimit.cost, data.rateLimit.used, data.rateLimit.remaining, data.rateLimit.limit], [1, 1, 4999, 5000]);
    assert.equal(data.rateLimit.nodeCount, 50 + 50 * 20 * 2);
    assert.equal(first.headers['x-ratelimit-remaining'], '4999');
    assert.equal(first.headers['x-ratelimit-resource'], 'graphql');
    assert.match(first.headers['x-github-request-id'], /^[0-9A-F]+:/);
    const second = await client.graphql(LISTING, { login: 'octocat', after: data.repositoryOwner.repositories.pageInfo.endCursor });
    assert.equal(second.data.repositoryOwner.repositories.nodes.length, 10);
    assert.equal(second.data.repositoryOwner.repositories.pageInfo.hasNextPage, false);
    const all = [...data.repositoryOwner.repositories.nodes, ...second.data.repositoryOwner.repositories.nodes];
    assert.equal(new Set(all.map(({ id }) => id)).size, 60);
    assert.deepEqual(all.map(({ pushedAt }) => pushedAt), all.map(({ pushedAt }) => pushedAt).sort().reverse());
    for (const { name, repositoryTopics } of all) {
      assert.match(name, /^[A-Za-z0-9._-]+$/);
      for (const { topic } of repositoryTopics.nodes) assert.match(topic.name, /^[a-z0-9][a-z0-9-]{0,49}$/);
    }
    const counters = await client.control('GET', 'counters');
    assert.deepEqual([counters.total, counters.graphql, counters.rest, counters.points, counters.kinds], [2, 2, 0, 2, { listing: 2 }]);
  });

  test('the special repositories are in the listing as they should be', async () => {
    const repos = new Map((await listAll(world.client, 'octocat')).map((repo) => [repo.name, repo]));
    assert.equal(repos.get('empty-start').defaultBranchRef, null);
    assert.equal(repos.get('empty-start').isEmpty, true);
    assert.equal(repos.get('archived-tool').isArchived, true);
    assert.equal(repos.get('forked-yaml').isFork, true);
    assert.match(repos.get('unicode-notes').description, /заметки/);
    assert.equal(repos.get('nan').primaryLanguage.name, 'C++');
    assert.equal(repos.get('ky').licenseInfo.spdxId, 'MIT');
  });

  test('affiliations, privacy, forks and orders', async () => {
    const { client } = world;
    const count = async (args) => (await client.graphql(oneField(`repositories(first: 1${args}) { totalCount nodes { name } }`), { login: 'octocat' })).data.user.repositories;
    assert.equal((await count('')).totalCount, 61); // the default counts collaborations too
    assert.equal((await count(', ownerAffiliations: [OWNER]')).totalCount, 60);
    assert.equal((await count(', ownerAffiliations: [OWNER], isFork: false')).totalCount, 59);
    assert.equal((await count(', ownerAffiliations: [OWNER], isArchived: true')).totalCount, 1);
    assert.equal((await count(', ownerAffiliations: [OWNER], privacy: PRIVATE')).totalCount, 0);
    assert.equal((await count(', ownerAffiliations: [OWNER], orderBy: {field: NAME, direction: ASC}')).nodes[0].name, 'acorn');
    const sizes = {};
    for (const login of ['dev_acme', 'mona-lisa', 'no-docs', 'no-repos', 'ACME-labs', 'all-packages']) sizes[login] = (await listAll(client, login)).length;
    assert.deepEqual({ ...sizes, 'all-packages': sizes['all-packages'] >= 60 }, { dev_acme: 3, 'mona-lisa': 5, 'no-docs': 3, 'no-repos': 0, 'ACME-labs': 8, 'all-packages': true });
  });

  test('what is not there', async () => {
    const { client } = world;
    const user = await client.graphql(oneField('login'), { login: 'nobody' });
    assert.equal(user.status, 200);
    assert.equal(user.data.user, null);
    assert.equal(user.errors[0].type, 'NOT_FOUND');
    assert.deepEqual(user.errors[0].path, ['user']);
    const organization = await client.graphql(oneField('login'), { login: 'acme-labs' });
    assert.equal(organization.errors[0].type, 'NOT_FOUND');
    const owner = await client.graphql('{ repositoryOwner(login: "nobody") { login } }');
    assert.deepEqual([owner.data, owner.errors], [{ repositoryOwner: null }, undefined]);
    const repo = await client.graphql('{ a: repository(owner: "octocat", name: "nothing") { id } b: repository(owner: "octocat", name: "ky") { name } }');
    assert.deepEqual(repo.data, { a: null, b: { name: 'ky' } });
    assert.deepEqual(repo.errors[0].path, ['a']);
    const node = await client.graphql('{ node(id: "R_kgDOAAAAAQ") { id } }');
    assert.equal(node.errors[0].type, 'NOT_FOUND');
  });

  test('pagination rules', async () => {
    const { client } = world;
    const type = async (args, inner = 'nodes { name }') => (await client.graphql(oneField(`repositories${args} { ${inner} }`), { login: 'octocat' })).errors?.[0].type;
    assert.equal(await type(''), 'MISSING_PAGINATION_BOUNDARIES');
    assert.equal(await type('', 'totalCount'), undefined);
    assert.equal(await type('(first: 101)'), 'EXCESSIVE_PAGINATION');
    assert.equal(await type('(first: -1)'), 'INVALID_PAGINATION_BOUNDARIES');
    assert.equal(await type('(first: 5, after: "nonsense")'), 'INVALID_CURSOR_ARGUMENTS');
    const nodes = await client.graphql(oneField('repositories(first: 100) { nodes { languages(first: 100) { nodes { name } } repositoryTopics(first: 100) { nodes { topic { name relatedTopics { name } } } } forks(first: 100) { nodes { forks(first: 100) { totalCount } } } } }'), { login: 'octocat' });
    assert.equal(nodes.errors[0].type, 'MAX_NODE_LIMIT_EXCEEDED');
  });

  test('the official schema catches mistakes, with HTTP 200 and without data', async () => {
    const { client } = world;
    const code = async (query, variables) => {
      const answer = await client.graphql(query, variables);
      assert.equal(answer.status, 200);
      assert.equal('data' in answer, false);
      return answer.errors[0];
    };
    const misspelt = await code('{ viewer { logn } }');
    assert.deepEqual(misspelt.extensions, { code: 'undefinedField', typeName: 'User', fieldName: 'logn' });
    assert.deepEqual(misspelt.path, ['query', 'viewer', 'logn']);
    assert.equal((await code('{ viewer { repositories(frist: 3) { totalCount } } }')).extensions.code, 'argumentNotAccepted');
    assert.equal((await code('{ user { login } }')).extensions.code, 'missingRequiredArguments');
    assert.equal((await code('{ viewer }')).extensions.code, 'selectionMismatch');
    assert.equal((await code('{ viewer { repositories(first: 1, orderBy: {field: PUSHED, direction: ASC}) { totalCount } } }')).extensions.code, 'argumentLiteralsIncompatible');
    assert.equal((await code('query($l: Int!) { user(login: $l) { login } }', { l: 1 })).extensions.code, 'variableMismatch');
    assert.match((await code('query Q($l: String!) { user(login: $l) { login } }', {})).message, /^Variable \$l of type String! was provided invalid value/);
    assert.match((await code('{ viewer { login }')).message, /^Parse error/);
    assert.equal((await client.request('POST', '/graphql', { body: '{' })).status, 400);
  });

  test('files by aliases: text, missing, binary, cut, link, blank, invalid', async () => {
    const { client } = world;
    await client.control('POST', 'reset');
    const names = ['ky', 'binary-readme', 'huge-readme', 'linked-readme', 'blank-readme', 'latin1-readme', 'nul-readme', 'unicode-notes'];
    const query = `query Files(${names.map((_, n) => `$e${n}: String!`).join(', ')}) {
      ${names.map((name, n) => `r${n}: repository(owner: "octocat", name: "${name}") { object(expression: $e${n}) { __typename ... on Blob { text isBinary isTruncated byteSize oid } } missing: object(expression: "HEAD:nothing.md") { oid } }`).join('\n')} }`;
    const answer = await client.graphql(query, Object.fromEntries(names.map((name, n) => [`e${n}`, name === 'ky' ? 'HEAD:readme.md' : 'HEAD:README.md'])));
    assert.equal(answer.errors, undefined);
    const blobs = Object.fromEntries(names.map((name, n) => [name, answer.data[`r${n}`].object]));
    for (let n = 0; n < names.length; n += 1) assert.equal(answer.data[`r${n}`].missing, null);
    assert.match(blobs.ky.text, /ky/i);
    assert.equal(Buffer.byteLength(blobs.ky.text), blobs.ky.byteSize);
    assert.deepEqual([blobs['binary-readme'].text, blobs['binary-readme'].isBinary], [null, true]);
    assert.deepEqual([blobs['nul-readme'].text, blobs['nul-readme'].isBinary], [null, true]);
    assert.ok(blobs['huge-readme'].byteSize > 600_000);
    assert.equal(Buffer.byteLength(blobs['huge-readme'].text), 512_000);
    assert.equal(blobs['huge-readme'].isTruncated, true);
    assert.equal(blobs['linked-readme'].text, 'docs/GUIDE.md');
    assert.deepEqual([blobs['blank-readme'].text, blobs['blank-readme'].byteSize], ['', 0]);
    assert.match(blobs['latin1-readme'].text, /^# Caf\uFFFD/);
    assert.match(blobs['unicode-notes'].text, /日本語.*한국어/);
    const counters = await client.control('GET', 'counters');
    assert.deepEqual([counters.points, counters.kinds.files], [1, 1]);
    const [entry] = await client.control('GET', 'log');
    assert.equal(entry.operation, 'Files');
    assert.equal(entry.variables.e1, 'HEAD:README.md');
    assert.match(entry.token, /^[0-9a-f]{12}$/);
    assert.ok(!JSON.stringify(entry).includes('a-token'));
  });

  test('objects by oid, entries, node and nodes', async () => {
    const { client } = world;
    const { data } = await client.graphql('{ repository(owner: "octocat", name: "uvu") { id object(expression: "HEAD:") { __typename oid id ... on Tree { entries { name mode type size object { __typename ... on Blob { byteSize id } } } } } defaultBranchRef { target { ... on Commit { oid history(first: 5) { totalCount nodes { messageHeadline } } } } } } }');
    const { entries, oid, id } = data.repository.object;
    const readme = entries.find(({ name }) => /^readme/i.test(name));
    assert.equal(readme.mode, 0o100644);
    assert.equal(readme.size, readme.object.byteSize);
    assert.equal(data.repository.defaultBranchRef.target.history.totalCount, 2);
    const again = await client.graphql('query($ids: [ID!]!, $t: GitObjectID!) { nodes(ids: $ids) { __typename id } repository(owner: "octocat", name: "uvu") { object(oid: $t) { oid } } other: repository(owner: "octocat", name: "ky") { object(oid: $t) { oid } } }', { ids: [data.repository.id, readme.object.id, id, 'R_kgDO'], t: oid });
    assert.deepEqual(again.data.nodes.map((node) => node?.__typename), ['Repository', 'Blob', 'Tree', undefined]);
    assert.equal(again.errors.length, 1);
    assert.equal(again.data.repository.object.oid, oid);
    assert.equal(again.data.other.object, null); // an oid of another repository
    assert.equal((await client.graphql('{ repository(owner: "octocat", name: "uvu") { object(oid: "HEAD") { oid } } }')).errors[0].extensions.code, 'argumentLiteralsIncompatible');
    assert.equal((await client.graphql('{ repository(owner: "octocat", name: "uvu") { packages(first: 1) { totalCount } } }')).errors[0].type, 'NOT_IMPLEMENTED');
  });

  test('who asks: no token, a bad one, no User-Agent, viewers', async () => {
    const { client } = world;
    assert.equal((await client.graphql('{ viewer { login } }', {}, { token: null })).status, 401);
    const bad = await client.graphql('{ viewer { login } }', {}, { token: 'bad-token' });
    assert.deepEqual([bad.status, bad.message], [401, 'Bad credentials']);
    assert.equal((await client.graphql('{ viewer { login } }', {}, { headers: { 'user-agent': undefined } })).status, 403);
    assert.equal((await client.graphql('{ viewer { login } }')).data.viewer.login, 'octocat');
    assert.equal((await client.graphql('{ viewer { login } }', {}, { token: 'as-dev_acme' })).data.viewer.login, 'dev_acme');
    const enterprise = await client.request('POST', '/api/graphql', { body: '{"query":"{ viewer { login } }"}' });
    assert.equal(enterprise.json().data.viewer.login, 'octocat');
    const packed = await client.graphql(LISTING, { login: 'octocat' }, { headers: { 'accept-encoding': 'gzip' } });
    assert.equal(packed.headers['content-encoding'], 'gzip');
    assert.ok(packed.size * 2 < packed.bytes.length);
  });
}
