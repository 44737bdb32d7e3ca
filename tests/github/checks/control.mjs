import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { listAll, LISTING } from './graphql.mjs';
import { start } from './client.mjs';

export function controlChecks(world) {
  test('after a change only that repository differs', async () => {
    const { client } = world;
    const before = new Map((await listAll(client, 'octocat')).map((repo) => [repo.name, repo]));
    const made = await client.control('POST', 'change', { owner: 'octocat', repo: 'ky', files: { 'readme.md': '# Changed\n', 'notes/ä/new.txt': 'new', 'distribution/index.js': null, link: { symlink: 'readme.md' } } });
    const after = await listAll(client, 'octocat');
    assert.equal(after[0].name, 'ky'); // the latest push comes first
    for (const repo of after) {
      const old = before.get(repo.name);
      if (repo.name !== 'ky') assert.deepEqual(repo, old);
      else {
        assert.equal(repo.defaultBranchRef.target.tree.oid, made.tree);
        assert.notEqual(repo.defaultBranchRef.target.tree.oid, old.defaultBranchRef.target.tree.oid);
        assert.ok(repo.pushedAt > old.pushedAt && repo.updatedAt > old.updatedAt);
      }
    }
    const { tree } = (await client.get(`/repos/octocat/ky/git/trees/${made.tree}?recursive=1`)).json();
    assert.ok(tree.some(({ path }) => path === 'notes/ä/new.txt'));
    assert.ok(!tree.some(({ path }) => path === 'distribution/index.js'));
    assert.equal(tree.find(({ path }) => path === 'link').mode, '120000');
    const old = before.get('ky').defaultBranchRef.target;
    assert.equal((await client.get(`/repos/octocat/ky/git/trees/${old.tree.oid}`)).status, 200);
    const back = await client.control('POST', 'rewind', { owner: 'octocat', repo: 'ky', to: old.oid });
    assert.equal(back.tree, old.tree.oid);
    assert.equal((await client.get(`/repos/octocat/ky/git/trees/${made.tree}`)).status, 200); // still readable by its oid
  });

  test('an empty repository gets its first commit; a new one appears; one is renamed, hidden, removed', async () => {
    const { client } = world;
    await client.control('POST', 'change', { owner: 'octocat', repo: 'empty-start', files: { 'README.md': '# Started\n' } });
    assert.equal((await client.get('/repos/octocat/empty-start/readme')).status, 200);
    const made = await client.control('POST', 'create', { owner: 'dev_acme', repo: 'fresh', files: { 'README.md': '# Fresh\n', 'a.py': 'print(1)\n' } });
    const listed = (await listAll(client, 'dev_acme')).find(({ name }) => name === 'fresh');
    assert.deepEqual([listed.databaseId, listed.primaryLanguage.name, listed.defaultBranchRef.target.tree.oid], [made.id, 'Python', made.tree]);
    await client.control('POST', 'metadata', { owner: 'dev_acme', repo: 'fresh', set: { name: 'Stale', topics: ['Machine Learning', 'C++'], description: 'ein Text', stargazerCount: 7, defaultBranch: 'trunk' } });
    const moved = await client.get('/repos/dev_acme/fresh');
    assert.deepEqual([moved.status, moved.headers.location], [301, `http://127.0.0.1:${client.port}/repositories/${made.id}`]);
    const repo = (await client.get(`/repositories/${made.id}`)).json();
    assert.deepEqual([repo.name, repo.topics, repo.default_branch, repo.stargazers_count], ['Stale', ['machine-learning', 'c'], 'trunk', 7]);
    const { data } = await client.graphql('{ repository(owner: "dev_acme", name: "fresh") { name defaultBranchRef { name } } }');
    assert.deepEqual(data.repository, { name: 'Stale', defaultBranchRef: { name: 'trunk' } });
    await client.control('POST', 'metadata', { owner: 'dev_acme', repo: 'Stale', set: { private: true } });
    assert.equal((await listAll(client, 'dev_acme')).length, 3);
    assert.equal((await client.get('/repos/dev_acme/stale', { token: 'as-dev_acme' })).status, 200);
    await client.control('POST', 'metadata', { owner: 'dev_acme', repo: 'Stale', set: { deleted: true } });
    assert.equal((await client.get('/repos/dev_acme/stale', { token: 'as-dev_acme' })).status, 404);
    await assert.rejects(client.control('POST', 'metadata', { owner: 'dev_acme', repo: 'connect', set: { nonsense: 1 } }), /nonsense/);
  });

  test('limits: exhausted budgets, by token, that come back', async () => {
    const { client } = world;
    await client.control('POST', 'reset');
    await client.control('POST', 'limits', { graphql: { remaining: 1, resetIn: 1 }, rest: { remaining: 0, resetIn: 1 }, tokenPrefix: 'poor' });
    assert.equal((await client.graphql(LISTING, { login: 'octocat' }, { token: 'poor-1' })).errors, undefined);
    const limited = await client.graphql(LISTING, { login: 'octocat' }, { token: 'poor-1' });
    assert.deepEqual([limited.status, limited.errors[0].type, limited.headers['x-ratelimit-remaining'], 'data' in limited], [200, 'RATE_LIMITED', '0', false]);
    const refused = await client.get('/users/octocat', { token: 'poor-1' });
    assert.deepEqual([refused.status, refused.headers['x-ratelimit-remaining']], [403, '0']);
    assert.equal((await client.get('/rate_limit', { token: 'poor-1' })).json().resources.core.remaining, 0);
    assert.equal((await client.get('/users/octocat')).status, 200);
    await new Promise((resolve) => { setTimeout(resolve, Math.max(0, Number(limited.headers['x-ratelimit-reset']) * 1000 - Date.now()) + 20); });
    assert.equal((await client.graphql(LISTING, { login: 'octocat' }, { token: 'poor-1' })).errors, undefined);
    await client.control('POST', 'limits', { perMinute: { rest: 0 }, retryAfter: 3 });
    const second = await client.get('/users/octocat');
    assert.deepEqual([second.status, second.headers['retry-after'], Number(second.headers['x-ratelimit-remaining']) > 0], [403, '3', true]);
    await client.control('POST', 'reset');
  });

  test('at most so many at once, and latency', async () => {
    const { client } = world;
    await client.control('POST', 'limits', { concurrent: 4 });
    await client.control('POST', 'latency', { ms: 60 });
    const started = Date.now();
    const answers = await Promise.all(Array.from({ length: 8 }, () => client.get('/users/octocat')));
    assert.ok(Date.now() - started >= 55);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 200, 200, 200, 403, 403, 403, 403]);
    assert.equal((await client.control('GET', 'counters')).maxConcurrent, 8);
    await client.control('POST', 'reset');
  });

  test('the world stays as it was, and git agrees with the server', async () => {
    const { client } = world;
    const { gitDir } = world.content.repos.find(({ owner, name }) => owner === 'octocat' && name === 'ky');
    const listed = execFileSync('git', ['--git-dir', `${world.dir}/${gitDir}`, '-c', 'core.quotePath=false', 'ls-tree', '-r', '-t', '-l', 'HEAD'], { encoding: 'utf8' });
    const lines = listed.trim().split('\n').map((line) => /^(\d+) (\w+) (\w+) +([-\d]+)\t(.*)$/.exec(line).slice(1));
    const head = execFileSync('git', ['--git-dir', `${world.dir}/${gitDir}`, 'rev-parse', 'HEAD^{tree}'], { encoding: 'utf8' }).trim();
    const { tree } = (await client.get(`/repos/octocat/ky/git/trees/${head}?recursive=true`)).json();
    assert.deepEqual(tree.map(({ mode, type, sha, size, path }) => [mode, type, sha, size === undefined ? '-' : String(size), path]), lines);
  });

  test('the server ends by SIGTERM, and with its standard input', async () => {
    const one = await start(world.dir);
    one.child.kill('SIGTERM');
    assert.deepEqual(await one.ended, { code: 0, signal: null });
    const two = await start(world.dir, ['--exit-with-stdin'], 'pipe');
    two.child.stdin.end();
    assert.deepEqual(await two.ended, { code: 0, signal: null });
  });
}
