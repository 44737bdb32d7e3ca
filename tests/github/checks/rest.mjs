import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listAll } from './graphql.mjs';

export function restChecks(world) {
  test('a tree by its oid, its sizes, and 304 for nothing', async () => {
    const { client } = world;
    await client.control('POST', 'reset');
    const ky = (await listAll(client, 'octocat')).find(({ name }) => name === 'ky');
    const address = `/repos/octocat/ky/git/trees/${ky.defaultBranchRef.target.tree.oid}?recursive=1`;
    const first = await client.get(address);
    assert.equal(first.status, 200);
    const { tree, truncated, sha } = first.json();
    assert.equal(truncated, false);
    assert.equal(sha, ky.defaultBranchRef.target.tree.oid);
    const context = tree.find(({ path }) => path === '.repo-context.json');
    assert.deepEqual([context.mode, context.type], ['100644', 'blob']);
    const blob = (await client.get(`/repos/octocat/ky/git/blobs/${context.sha}`)).json();
    assert.equal(blob.size, context.size);
    const parsed = JSON.parse(Buffer.from(blob.content, 'base64').toString());
    assert.equal(parsed.project_identity.name, 'ky');
    assert.ok(parsed.skill_manifest.technical.length > 2 && parsed.tech_stack.primary.length && parsed.outcomes.deliverables.length);
    for (const name of ['SKILLS-INDEX.md', 'ARCHITECTURE.md']) assert.ok(tree.some(({ path, size }) => path === name && size > 700));
    const used = Number((await client.get('/rate_limit')).json().resources.core.used);
    const again = await client.get(address, { headers: { 'if-none-match': first.headers.etag } });
    assert.deepEqual([again.status, again.text], [304, '']);
    assert.equal(again.headers['x-ratelimit-used'], String(used));
    await client.get(address, { token: null });
    const anonymous = await client.get(address, { token: null, headers: { 'if-none-match': first.headers.etag } });
    assert.deepEqual([anonymous.status, anonymous.headers['x-ratelimit-limit'], anonymous.headers['x-ratelimit-remaining']], [304, '60', '58']);
    assert.equal((await client.control('GET', 'counters')).notModified, 2);
    assert.equal((await client.get(`/api/v3${address}`)).status, 200);
  });

  test('trees agree with what git itself says, and links and names come through', async () => {
    const { client } = world;
    const entries = async (name) => (await client.get(`/repos/octocat/${name}/git/trees/HEAD?recursive=1`)).json().tree;
    const link = (await entries('linked-readme')).find(({ path }) => path === 'README.md');
    assert.deepEqual([link.mode, link.size], ['120000', 13]);
    const paths = (await entries('unicode-notes')).map(({ path }) => path);
    for (const path of ['docs/für-Anfänger.md', 'заметки/привет.txt', '数据/说明.md', 'emoji-🎉.txt', 'quotes"and\\backslash.txt']) assert.ok(paths.includes(path), path);
    for (const path of paths.filter((one) => /\.(md|txt)$/.test(one))) {
      const answer = await client.get(`/repos/octocat/unicode-notes/contents/${path.split('/').map(encodeURIComponent).join('/')}`);
      assert.equal(answer.json().path, path);
    }
    const readme = (await client.get('/repos/octocat/linked-readme/readme')).json();
    assert.match(Buffer.from(readme.content, 'base64').toString(), /p-limit/);
    const huge = await client.get('/repos/octocat/huge-readme/contents/README.md', { headers: { accept: 'application/vnd.github.raw' } });
    assert.ok(huge.bytes.length > 600_000);
  });

  test('empty, unknown, blocked, truncated', async () => {
    const { client } = world;
    const empty = await client.get('/repos/octocat/empty-start/git/trees/main');
    assert.deepEqual([empty.status, empty.json().message], [409, 'Git Repository is empty.']);
    assert.equal((await client.get('/repos/octocat/nothing')).status, 404);
    assert.equal((await client.get('/repos/octocat/ky/git/trees/0000000000000000000000000000000000000001')).status, 404);
    await client.control('POST', 'metadata', { owner: 'octocat', repo: 'eta', set: { blocked: true } });
    const blocked = await client.get('/repos/octocat/eta/git/trees/HEAD');
    assert.deepEqual([blocked.status, blocked.json().block.reason], [451, 'dmca']);
    const partly = await client.graphql('{ a: repository(owner: "octocat", name: "eta") { name object(expression: "HEAD:README.md") { oid } } }');
    assert.deepEqual([partly.data, partly.errors[0].type], [{ a: { name: 'eta', object: null } }, 'FORBIDDEN']);
    await client.control('POST', 'metadata', { owner: 'octocat', repo: 'eta', set: { blocked: false } });
    await client.control('POST', 'limits', { tree: { entries: 7 } });
    const cut = (await client.get('/repos/octocat/ky/git/trees/HEAD?recursive=1')).json();
    assert.deepEqual([cut.tree.length, cut.truncated], [7, true]);
    await client.control('POST', 'reset');
  });

  test('listings in pages with Link, users, languages, branches, commits', async () => {
    const { client } = world;
    const first = await client.get('/users/octocat/repos?per_page=50');
    assert.equal(first.json().length, 50);
    const next = /<([^>]+)>; rel="next"/.exec(first.headers.link)[1];
    assert.match(next, new RegExp(`^http://127.0.0.1:${client.port}/users/octocat/repos\\?per_page=50&page=2$`));
    assert.equal((await client.get(new URL(next).pathname + new URL(next).search)).json().length, 10);
    const all = (await client.get('/users/octocat/repos?per_page=100')).json();
    assert.equal(all.length, 60);
    const byGraphql = new Map((await listAll(client, 'octocat')).map((repo) => [repo.databaseId, repo]));
    for (const repo of all) {
      const other = byGraphql.get(repo.id);
      assert.deepEqual([repo.node_id, repo.name, repo.size, repo.pushed_at, repo.updated_at, repo.language, repo.license?.spdx_id],
        [other.id, other.name, other.diskUsage, other.pushedAt, other.updatedAt, other.primaryLanguage?.name ?? null, other.licenseInfo?.spdxId]);
    }
    assert.equal((await client.get('/orgs/acme-labs/repos')).json().length, 8);
    assert.equal((await client.get('/user/repos?per_page=100')).json().length, 68);
    assert.equal((await client.get('/users/MONA-lisa')).json().login, 'Mona-Lisa');
    assert.equal((await client.get('/users/nobody')).status, 404);
    const languages = (await client.get('/repos/octocat/nan/languages')).json();
    assert.equal(Object.keys(languages)[0], 'C++');
    const fork = (await client.get('/repos/octocat/forked-yaml')).json();
    assert.equal(fork.parent.full_name, 'acme-labs/yaml');
    const branch = (await client.get(`/repos/octocat/ky/branches/${all.find(({ name }) => name === 'ky').default_branch}`)).json();
    const commit = (await client.get('/repos/octocat/ky/commits/HEAD')).json();
    assert.equal(commit.sha, branch.commit.sha);
    assert.equal((await client.get(`/repos/octocat/ky/git/commits/${commit.sha}`)).json().tree.sha, commit.commit.tree.sha);
    assert.equal((await client.get('/repos/octocat/ky/contents/')).json().find(({ name }) => name === 'readme.md').type, 'file');
    assert.equal((await client.get('/users/octocat/repos', { token: 'bad-token' })).status, 401);
  });
}
