import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { test } from 'node:test';
import { LISTING } from './graphql.mjs';

const { publicKey, privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } });
const base64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const seconds = () => Math.floor(Date.now() / 1000);

/** A web token of app 4711, with other claims, another header or another key where given. */
function jwt(claims = {}, { header = {}, key = privateKey } = {}) {
  const signed = `${base64({ alg: 'RS256', typ: 'JWT', ...header })}.${base64({ iss: '4711', iat: seconds() - 60, exp: seconds() + 540, ...claims })}`;
  return `${signed}.${crypto.sign('RSA-SHA256', Buffer.from(signed), key).toString('base64url')}`;
}

export function tokenChecks(world) {
  test('without a token: 60 an hour by address, public data, no GraphQL; a 304 costs', async () => {
    const { client } = world;
    const nobody = { token: null };
    await client.control('POST', 'reset');
    const refused = await client.graphql(LISTING, { login: 'octocat' }, nobody);
    assert.deepEqual([refused.status, refused.headers['x-ratelimit-limit'], refused.headers['x-ratelimit-resource'], 'data' in refused], [401, '0', 'graphql', false]);
    const user = await client.get('/users/octocat', nobody);
    assert.deepEqual(['limit', 'remaining', 'used', 'resource'].map((name) => user.headers[`x-ratelimit-${name}`]), ['60', '59', '1', 'core']);
    const again = await client.get('/users/octocat', { ...nobody, headers: { 'if-none-match': user.headers.etag } });
    assert.deepEqual([again.status, again.headers['x-ratelimit-remaining']], [304, '58']);
    const rate = (await client.get('/rate_limit', nobody)).json();
    assert.deepEqual([rate.resources.core.remaining, rate.resources.graphql.limit], [58, 0]);
    const other = await client.get('/users/octocat', { ...nobody, localAddress: '127.0.0.2' });
    assert.equal(other.headers['x-ratelimit-remaining'], '59');
    await client.control('POST', 'metadata', { owner: 'octocat', repo: 'eta', set: { private: true } });
    assert.equal((await client.get('/repos/octocat/eta', nobody)).status, 404);
    assert.equal((await client.get('/repos/octocat/eta', { token: 'as-octocat' })).status, 200);
    const listed = (await client.get('/users/octocat/repos?per_page=100', nobody)).json();
    assert.ok(listed.length === 59 && listed.every(({ name, permissions }) => name !== 'eta' && permissions === undefined));
    await client.control('POST', 'metadata', { owner: 'octocat', repo: 'eta', set: { private: false } });
    assert.equal((await client.get('/user', { ...nobody, localAddress: '127.0.0.3' })).status, 401);
    await client.control('POST', 'limits', { rest: { remaining: 0 }, anonymous: true });
    const spent = await client.get('/users/octocat', nobody);
    assert.deepEqual([spent.status, spent.headers['x-ratelimit-remaining']], [403, '0']);
    assert.match(spent.json().message, /^API rate limit exceeded for 127\.0\.0\.1\. \(But here's the good news/);
    assert.equal((await client.get('/users/octocat')).status, 200);
    await client.control('POST', 'reset');
  });

  const app = (world_, installations = [{ id: 77, login: 'octocat' }, { id: 78, login: 'acme-labs', suspended: true }, { id: 79, login: 'dev_acme', tokenTtlSeconds: 0 }]) => (
    world_.client.control('POST', 'app', { appId: 4711, clientId: 'Iv1.0123', publicKey, installations }));

  test('an app finds its installations, and what is wrong with its web token is said', async () => {
    const { client } = world;
    await app(world);
    const ask = async (path, token = jwt(), method = 'GET') => {
      const answer = await client.request(method, path, { token });
      return [answer.status, answer.json().message ?? answer.json()];
    };
    const found = await client.get('/users/OCTOCAT/installation', { token: jwt() });
    const { id, account, app_id: appId, suspended_at: suspendedAt } = found.json();
    assert.deepEqual([found.status, id, account.login, appId, suspendedAt, found.headers['x-ratelimit-limit']], [200, 77, 'octocat', 4711, null, undefined]);
    assert.equal((await client.get('/repos/octocat/ky/installation', { token: jwt({ iss: 'Iv1.0123' }) })).json().id, 77);
    assert.ok((await client.get('/orgs/acme-labs/installation', { token: jwt({ iss: 4711 }) })).json().suspended_at);
    assert.equal((await client.get('/app', { token: jwt() })).json().id, 4711);
    assert.deepEqual(await ask('/users/Mona-Lisa/installation'), [404, 'Not Found']);
    assert.deepEqual(await ask('/users/nobody-at-all/installation'), [404, 'Not Found']);
    assert.deepEqual(await ask('/app/installations/99/access_tokens', jwt(), 'POST'), [404, 'Not Found']);
    assert.deepEqual(await ask('/app/installations/78/access_tokens', jwt(), 'POST'), [403, 'This installation has been suspended']);
    assert.deepEqual(await ask('/app', jwt({ iss: '12' })), [404, 'Integration not found']);
    const foreign = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const cut = jwt().slice(0, -8);
    for (const token of [null, 'a-token', `${cut}AAAAAAAA`, jwt({}, { key: foreign }), jwt({}, { header: { alg: 'none' } }), jwt({}, { header: { alg: 'HS256' } }), 'eyJ.eyJ.x']) {
      assert.deepEqual(await ask('/app', token), [401, 'A JSON web token could not be decoded']);
    }
    assert.match((await ask('/app', jwt({ exp: seconds() - 1 })))[1], /^'Expiration time' claim \('exp'\) must be/);
    assert.match((await ask('/app', jwt({ exp: seconds() + 700 })))[1], /too far in the future$/);
    assert.match((await ask('/app', jwt({ iat: seconds() + 120 })))[1], /^'Issued at' claim/);
    assert.equal((await ask('/app', jwt({ iat: seconds() + 30 })))[0], 200);
    assert.match((await ask('/app', jwt({ iss: undefined })))[1], /'issuer' claim/);
    assert.deepEqual(await ask('/users/octocat', jwt()), [401, 'Bad credentials']);
    await assert.rejects(client.control('POST', 'app', { appId: 1, publicKey: 'nonsense' }), /PEM/);
  });

  test("an installation's token: that login's, with the installation's budget, until it expires", async () => {
    const { client } = world;
    await client.control('POST', 'reset');
    await app(world);
    const issue = async (id) => (await client.request('POST', `/app/installations/${id}/access_tokens`, { token: jwt() }));
    const issued = await issue(77);
    const { token, expires_at: expiresAt, permissions, repository_selection: selection } = issued.json();
    assert.deepEqual([issued.status, permissions.metadata, selection], [201, 'read', 'all']);
    assert.match(token, /^ghs_[A-Za-z0-9]{36}$/);
    assert.ok(Math.abs(Date.parse(expiresAt) - Date.now() - 3_600_000) < 3000);
    const listing = await client.graphql(LISTING, { login: 'octocat' }, { token });
    assert.deepEqual([listing.status, listing.errors, listing.headers['x-ratelimit-limit'], listing.headers['x-ratelimit-used'], listing.headers['x-oauth-scopes']], [200, undefined, '5000', '1', undefined]);
    assert.equal((await client.get('/users/octocat', { token })).headers['x-ratelimit-used'], '1');
    const second = (await issue(77)).json().token;
    assert.notEqual(second, token);
    assert.equal((await client.get('/users/octocat', { token: second })).headers['x-ratelimit-used'], '2');
    assert.equal((await client.get('/users/octocat')).headers['x-ratelimit-used'], '1');
    assert.equal((await client.get('/user', { token })).status, 403);
    const expired = (await issue(79)).json().token;
    for (const bad of [expired, 'ghs_0123456789abcdefghijklmnopqrstuvwxyz']) {
      const answer = await client.get('/users/octocat', { token: bad });
      assert.deepEqual([answer.status, answer.json().message], [401, 'Bad credentials']);
      assert.equal((await client.graphql(LISTING, { login: 'octocat' }, { token: bad })).status, 401);
    }
    await app(world, [{ id: 77, login: 'octocat', suspended: true }]);
    assert.equal((await client.get('/users/octocat', { token })).status, 403);
    await app(world, []);
    assert.equal((await client.get('/users/octocat', { token })).status, 401);
    assert.equal((await client.control('GET', 'counters')).kinds.app, 3);
    assert.ok(!JSON.stringify(await client.control('GET', 'log')).includes(token));
  });
}
