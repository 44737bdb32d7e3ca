import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { buildWorld } from '../world.mjs';
import { Client, start } from './client.mjs';
import { listAll, LISTING } from './graphql.mjs';

/** A server of its own, since logins change. */
async function withServer(world, work) {
  const server = await start(world);
  const client = new Client(server.port);
  try {
    await work(client);
  } finally {
    client.close();
    server.child.kill('SIGTERM');
    await server.ended;
  }
}

export function moveChecks(world) {
  test('a user takes another login', () => withServer(world.dir, async (client) => {
    const before = await listAll(client, 'octocat');
    const user = (await client.get('/users/octocat')).json();
    await client.control('POST', 'rename-user', { from: 'OctoCat', to: 'Hubot' });
    const gone = await client.graphql('{ user(login: "octocat") { login } owner: repositoryOwner(login: "octocat") { login } }');
    assert.deepEqual([gone.data, gone.errors[0].type], [{ user: null, owner: null }, 'NOT_FOUND']);
    for (const address of ['/users/octocat', '/users/octocat/repos']) assert.equal((await client.get(address)).status, 404);
    const now = (await client.get('/users/hubot')).json();
    assert.deepEqual([now.id, now.node_id, now.login], [user.id, user.node_id, 'Hubot']);
    const after = await listAll(client, 'hubot');
    assert.deepEqual(after.map(({ databaseId }) => databaseId), before.map(({ databaseId }) => databaseId));
    const { id, databaseId } = before.find(({ name }) => name === 'ky');
    const moved = await client.get('/repos/octocat/ky/languages');
    assert.deepEqual([moved.status, moved.headers.location], [301, `http://127.0.0.1:${client.port}/repositories/${databaseId}/languages`]);
    assert.equal((await client.get(`/repositories/${databaseId}`)).json().full_name, 'Hubot/ky');
    const { data } = await client.graphql('query($id: ID!) { node(id: $id) { ... on Repository { nameWithOwner owner { login } } } repository(owner: "octocat", name: "ky") { nameWithOwner } viewer { login } }', { id });
    assert.deepEqual(data, { node: { nameWithOwner: 'Hubot/ky', owner: { login: 'Hubot' } }, repository: { nameWithOwner: 'Hubot/ky' }, viewer: { login: 'Hubot' } });
    assert.equal((await client.graphql('{ repository(owner: "octocat", name: "ky", followRenames: false) { name } }')).errors[0].type, 'NOT_FOUND');
    assert.equal((await client.get('/repos/acme-labs/geolib', { token: 'as-Hubot' })).json().permissions.push, true); // still collaborates
    // Somebody else takes the free login; a repository of that name ends the redirection.
    await client.control('POST', 'rename-user', { from: 'no-repos', to: 'octocat' });
    assert.notEqual((await client.get('/users/octocat')).json().id, user.id);
    assert.equal((await client.get('/repos/octocat/ky')).status, 301);
    await client.control('POST', 'create', { owner: 'octocat', repo: 'ky', files: { a: 'b' } });
    assert.notEqual((await client.get('/repos/octocat/ky')).json().id, databaseId);
    await assert.rejects(client.control('POST', 'rename-user', { from: 'hubot', to: 'OCTOCAT' }), /exists/);
    await client.control('POST', 'rename-user', { from: 'hubot', to: 'HUBOT' }); // only the case
    assert.equal((await client.get('/repos/hubot/ky')).json().full_name, 'HUBOT/ky');
  }));

  test('a repository goes to another owner', () => withServer(world.dir, async (client) => {
    const { id, node_id: nodeId, updated_at: updated } = (await client.get('/repos/dev_acme/cookie')).json();
    await client.control('POST', 'transfer', { owner: 'dev_acme', repo: 'cookie', to: 'Acme-Labs' });
    assert.equal((await listAll(client, 'dev_acme')).length, 2);
    assert.ok((await listAll(client, 'acme-labs')).some((repo) => repo.databaseId === id));
    assert.equal((await client.get('/repos/dev_acme/cookie')).headers.location, `http://127.0.0.1:${client.port}/repositories/${id}`);
    const { full_name: name, organization, updated_at: same } = (await client.get(`/repositories/${id}`)).json();
    assert.deepEqual([name, organization.login, same], ['acme-labs/cookie', 'acme-labs', updated]);
    assert.equal((await client.graphql('query($id: ID!) { node(id: $id) { ... on Repository { nameWithOwner } } }', { id: nodeId })).data.node.nameWithOwner, 'acme-labs/cookie');
    assert.equal((await client.get(`/repos/acme-labs/cookie/git/trees/HEAD`)).status, 200);
    await client.control('POST', 'transfer', { owner: 'acme-labs', repo: 'cookie', to: 'dev_acme' });
    assert.deepEqual([(await client.get('/repos/dev_acme/cookie')).status, (await client.get('/repos/acme-labs/cookie')).status], [200, 301]);
    await assert.rejects(client.control('POST', 'transfer', { owner: 'all-packages', repo: 'cookie', to: 'dev_acme' }), /exists/);
  }));

  test('5,000 repositories of one owner and 1,000 tenants: ids of their own, every page, little memory', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'github-world-'));
    try {
      const { repos, users } = await buildWorld(folder, 5000, 1000);
      const unique = (list) => new Set(list).size === list.length;
      assert.ok(unique(repos.map(({ id }) => id)) && unique(repos.map(({ nodeId }) => nodeId)) && unique(users.map(({ id }) => id)));
      const began = Date.now();
      await withServer(folder, async (client) => {
        const started = Date.now() - began;
        const tenant = await listAll(client, 'tenant-1000');
        assert.deepEqual(tenant.map(({ name }) => name).sort(), ['chalk', 'lowdb', 'nanoid']);
        assert.equal((await client.get('/repos/tenant-1000/chalk/contents/SKILLS-INDEX.md')).status, 200);
        const times = [];
        let after = null;
        do {
          const from = process.hrtime.bigint();
          const answer = await client.graphql(LISTING, { login: 'many', after });
          times.push(Number(process.hrtime.bigint() - from) / 1e6);
          const { nodes, pageInfo } = answer.data.repositoryOwner.repositories;
          assert.equal(nodes.length, 50);
          after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
        } while (after);
        const { memory } = await client.control('GET', 'health');
        const middle = times.sort((a, b) => a - b)[50];
        process.stdout.write(`# start ${started} ms, page of 50: ${middle.toFixed(1)} ms, memory ${Math.round(memory / 1e6)} MB\n`);
        assert.equal(times.length, 100);
        assert.ok(memory < 400e6, `${memory}`);
      });
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });
}
