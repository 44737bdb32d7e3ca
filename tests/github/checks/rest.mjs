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

  test('types of what a listing by REST is made of', async () => {
    const { client } = world;
    const is = {
      number: (value) => Number.isInteger(value), text: (value) => typeof value === 'string', flag: (value) => typeof value === 'boolean',
      time: (value) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value), maybeText: (value) => value === null || typeof value === 'string',
      texts: (value) => Array.isArray(value) && value.every((one) => typeof one === 'string'),
      license: (value) => value === null || (['key', 'name', 'spdx_id', 'node_id'].every((key) => typeof value[key] === 'string') && (value.key === 'other') === (value.url === null)),
    };
    const types = {
      id: is.number, node_id: is.text, name: is.text, full_name: is.text, private: is.flag, html_url: is.text, url: is.text, description: is.maybeText, homepage: is.maybeText, fork: is.flag,
      created_at: is.time, updated_at: is.time, pushed_at: is.time, size: is.number, stargazers_count: is.number, watchers_count: is.number, forks_count: is.number, open_issues_count: is.number,
      language: is.maybeText, license: is.license, topics: is.texts, visibility: (value) => value === 'public', default_branch: is.text, archived: is.flag, disabled: is.flag,
      allow_forking: (value) => value === true, is_template: is.flag, mirror_url: (value) => value === null, has_issues: is.flag,
    };
    await client.control('POST', 'metadata', { owner: 'octocat', repo: 'eta', set: { blocked: 'tos', updatedAt: '2024-02-29T01:02:03Z' } });
    for (const options of [{}, { token: null }]) {
      const listed = (await client.get('/users/octocat/repos?per_page=1000&type=owner', options)).json();
      assert.equal(listed.length, 60); // a page has 100 at most
      for (const repo of listed) {
        for (const [field, right] of Object.entries(types)) assert.ok(right(repo[field]), `${repo.name} ${field} ${JSON.stringify(repo[field])}`);
        assert.deepEqual([repo.owner.login, repo.owner.type, repo.owner.id], ['octocat', 'User', 500]);
      }
      assert.equal(listed.find(({ name }) => name === 'eta').disabled, true);
    }
    await client.control('POST', 'metadata', { owner: 'octocat', repo: 'eta', set: { blocked: false } });
    const order = async (query) => (await client.get(`/users/octocat/repos?per_page=100&${query}`)).json();
    const sorted = (list, sign = 1) => list.every((value, at) => at === 0 || (list[at - 1] < value ? 1 : -1) === sign || list[at - 1] === value);
    assert.ok(sorted((await order('')).map(({ full_name: name }) => name.toLowerCase())));
    assert.ok(sorted((await order('sort=full_name&direction=desc')).map(({ full_name: name }) => name.toLowerCase()), -1));
    assert.ok(sorted((await order('sort=created')).map(({ created_at: time }) => time), -1));
    assert.ok(sorted((await order('sort=created&direction=asc')).map(({ created_at: time }) => time)));
    const last = await client.get('/users/octocat/repos?per_page=25&page=3&sort=created');
    assert.deepEqual([last.json().length, /rel="next"/.test(last.headers.link), /page=2[^>]*>; rel="prev"/.test(last.headers.link), /[?&]page=1[^>]*>; rel="first"/.test(last.headers.link)], [10, false, true, true]);
    assert.deepEqual((await client.get('/users/octocat/repos?per_page=100&page=9')).json(), []);
    const user = (await client.get('/users/octocat')).json();
    for (const [field, right] of Object.entries({ id: is.number, node_id: is.text, login: is.text, name: is.maybeText, company: is.maybeText, location: is.maybeText, bio: is.maybeText, public_repos: is.number, created_at: is.time })) assert.ok(right(user[field]), field);
    assert.deepEqual([user.type, user.public_repos, (await client.get('/users/acme-labs')).json().type], ['User', 60, 'Organization']);
    const languages = (await client.get('/repos/octocat/nan/languages')).json();
    const sizes = Object.values(languages);
    assert.ok(sizes.every(is.number) && sorted(sizes, -1));
    assert.deepEqual((await client.get('/repos/octocat/empty-start/languages')).json(), {});
  });

  test('a tree walked folder by folder is the recursive one; blobs come in lines of 60', async () => {
    const { client } = world;
    const { default_branch: branch } = (await client.get('/repos/octocat/hono')).json();
    const { name, commit } = (await client.get(`/repos/octocat/hono/branches/${branch}`)).json();
    const root = commit.commit.tree.sha;
    assert.deepEqual([name, /^[0-9a-f]{40}$/.test(root), /^[0-9a-f]{40}$/.test(commit.sha)], [branch, true, true]);
    const none = await client.get('/repos/octocat/hono/branches/nothing-here');
    assert.deepEqual([none.status, none.json().message], [404, 'Branch not found']);
    const walk = async (sha, prefix) => {
      const { tree, truncated } = (await client.get(`/repos/octocat/hono/git/trees/${sha}`)).json();
      assert.equal(truncated, false);
      const found = [];
      for (const entry of tree) {
        assert.ok(!entry.path.includes('/'));
        found.push([prefix + entry.path, entry.mode, entry.type, entry.sha, entry.size]);
        if (entry.type === 'tree') found.push(...await walk(entry.sha, `${prefix}${entry.path}/`));
      }
      return found;
    };
    const whole = (await client.get(`/repos/octocat/hono/git/trees/${root}?recursive=1`)).json();
    assert.deepEqual(await walk(root, ''), whole.tree.map(({ path, mode, type, sha, size }) => [path, mode, type, sha, size]));
    for (const { sha, size } of whole.tree.filter(({ type }) => type === 'blob').slice(0, 12)) {
      const blob = (await client.get(`/repos/octocat/hono/git/blobs/${sha}`)).json();
      const lines = blob.content.split('\n');
      assert.deepEqual([blob.sha, blob.size, blob.encoding, lines.pop()], [sha, size, 'base64', '']);
      assert.ok(lines.every((line, at) => (at < lines.length - 1 ? line.length === 60 : line.length <= 60 && line.length > 0)));
      assert.equal(Buffer.from(blob.content, 'base64').length, size);
    }
    const { sha } = (await client.get('/repos/octocat/blank-readme/contents/README.md')).json();
    assert.equal((await client.get(`/repos/octocat/blank-readme/git/blobs/${sha}`)).json().content, '');
  });
}
