import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LISTING } from './graphql.mjs';

export function faultChecks(world) {
  const order = (...rules) => world.client.control('POST', 'faults', rules);
  const list = (options) => world.client.graphql(LISTING, { login: 'octocat' }, options);
  const tree = '/repos/octocat/ky/git/trees/HEAD?recursive=1';

  test('status, html, headers, body and delay, by kind, operation, path and turn', async () => {
    const { client } = world;
    await client.control('POST', 'reset');
    await order({ match: { kind: 'graphql', operation: 'Listing', nth: 2 }, action: { status: 502 } });
    assert.equal((await list()).status, 200);
    const unicorn = await list();
    assert.deepEqual([unicorn.status, /html/.test(unicorn.headers['content-type']), /^<!DOCTYPE html>/.test(unicorn.text)], [502, true, true]);
    assert.equal((await list()).status, 200);
    await order({ match: { kind: 'rest', path: '/git/trees/' }, times: 2, action: { status: 500, headers: { 'retry-after': '2', 'x-github-request-id': null } } });
    assert.equal((await client.get('/users/octocat')).status, 200);
    const failed = await client.get(tree);
    assert.deepEqual([failed.status, failed.headers['retry-after'], failed.headers['x-github-request-id']], [500, '2', undefined]);
    assert.deepEqual([(await client.get(tree)).status, (await client.get(tree)).status], [500, 200]);
    await order({ action: { html: true, status: 200 } }, { action: { body: '{"data":', contentType: 'application/json' } }, { action: { delayMs: 80 } });
    const html = await list();
    assert.deepEqual([html.status, html.text[0]], [200, '<']);
    assert.equal((await client.get(tree)).text, '{"data":');
    const started = Date.now();
    assert.equal((await list()).data.repositoryOwner.login, 'octocat');
    assert.ok(Date.now() - started >= 75);
    assert.equal((await client.control('GET', 'counters')).faults, 6);
    assert.ok((await client.control('GET', 'faults')).every(({ hits, times }) => hits === times));
  });

  test('chance repeats with the same seed', async () => {
    const { client } = world;
    const run = async () => {
      await client.control('POST', 'reset');
      await order({ match: { kind: 'rest' }, probability: 0.5, seed: 7, action: { status: 503 } });
      const seen = [];
      for (let n = 0; n < 20; n += 1) seen.push((await client.get('/users/octocat')).status);
      return seen;
    };
    const first = await run();
    assert.ok(first.includes(200) && first.includes(503));
    assert.deepEqual(await run(), first);
    await client.control('POST', 'reset');
  });

  test('connections that break: before, after, in the middle', async () => {
    const { client } = world;
    await client.control('POST', 'reset');
    await order({ action: { drop: 'before' } }, { action: { drop: 'after' } });
    await assert.rejects(list());
    assert.equal((await client.control('GET', 'counters')).points, 0);
    await assert.rejects(list());
    assert.equal((await client.control('GET', 'counters')).points, 1); // it was processed and paid for
    await order({ action: { truncateBody: 100 } });
    await assert.rejects(client.get(tree));
    assert.equal((await client.get(tree)).status, 200);
  });

  test('bodies that are hostile: endless, packed, deep, of wrong types', async () => {
    const { client } = world;
    await order({ action: { stream: { bytes: 10_000_000_000 } } });
    const endless = await client.get(tree, { most: 3_000_000 });
    assert.ok(endless.size > 3_000_000 && endless.size < 10_000_000);
    await order({ action: { stream: { bytes: 5_000_000, gzip: true } } });
    const packed = await client.get(tree, { headers: { 'accept-encoding': 'gzip' } });
    assert.ok(packed.size < 50_000 && packed.bytes.length > 5_000_000);
    await order({ action: { nest: 100_000 } });
    const deep = await client.get(tree);
    assert.ok(deep.text.startsWith('{"data":[[[[') && deep.text.length > 200_000);
    await order({ action: { wrongTypes: true } });
    const wrong = await list();
    assert.equal(typeof wrong.data.repositoryOwner.login, 'number');
    assert.equal(Array.isArray(wrong.data.repositoryOwner.repositories.nodes), false);
  });

  test('partial data: by alias, by repository, by field, and by the resource limit', async () => {
    const { client } = world;
    const two = '{ a: repository(owner: "octocat", name: "ky") { name isArchived } b: repository(owner: "octocat", name: "uvu") { name isArchived } }';
    await order({ action: { partial: { a: 'FORBIDDEN' } } }, { action: { partial: { uvu: 'INTERNAL' } } }, { action: { partial: { 'uvu:isArchived': 'FORBIDDEN' } } }, { action: { resourceLimits: true } });
    const first = await client.graphql(two);
    assert.deepEqual([first.data.a, first.data.b.name, first.errors[0].type, first.errors[0].path], [null, 'uvu', 'FORBIDDEN', ['a']]);
    const second = await client.graphql(two);
    assert.deepEqual([second.data.a.name, second.data.b, second.errors[0].type], ['ky', null, 'INTERNAL']);
    const third = await client.graphql(two); // a forbidden non-null field takes the whole repository with it
    assert.deepEqual([third.data.b, third.errors[0].path], [null, ['b', 'isArchived']]);
    const fourth = await client.graphql(two);
    assert.deepEqual([fourth.data.a.name, fourth.data.b, fourth.errors[0].type], ['ky', null, 'RESOURCE_LIMITS_EXCEEDED']);
    await order({ action: { partial: { ky: 'NOT_FOUND' } } }, { action: { resourceLimits: 0.2 } });
    const listed = await list();
    assert.equal(listed.data.repositoryOwner.repositories.nodes.filter((node) => node === null).length, listed.errors.length);
    const limited = await list();
    assert.equal(limited.data.repositoryOwner.repositories.nodes.filter(Boolean).length, 10);
    assert.equal(limited.errors.length, 40);
  });

  test('rate limits on order: primary and the three kinds of secondary', async () => {
    const { client } = world;
    await client.control('POST', 'reset');
    for (const [kind, status] of [['secondary200', 200], ['secondary403', 403], ['secondary429', 429]]) {
      await order({ action: { rateLimited: kind, retryAfter: 1 } });
      const answer = await list();
      assert.deepEqual([answer.status, answer.headers['retry-after'], 'data' in answer], [status, '1', false]);
      assert.ok(Number(answer.headers['x-ratelimit-remaining']) > 0);
      assert.match(answer.text, /secondary rate limit/);
    }
    await order({ action: { rateLimited: 'secondary403', retryAfter: null } });
    assert.equal((await list()).headers['retry-after'], undefined);
    await order({ action: { rateLimited: 'primary', resetIn: 1 } });
    const primary = await list();
    assert.deepEqual([primary.status, primary.errors[0].type, primary.headers['x-ratelimit-remaining']], [200, 'RATE_LIMITED', '0']);
    assert.equal((await list()).errors[0].type, 'RATE_LIMITED'); // until the reset
    await client.control('POST', 'reset');
    await order({ match: { kind: 'rest' }, action: { rateLimited: 'primary' } });
    assert.equal((await client.get(tree)).status, 403);
    await assert.rejects(order({ action: { nonsense: 1 } }), /nonsense/);
    await client.control('POST', 'reset');
  });
}
