import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import { test } from 'node:test';
import tls from 'node:tls';
import { startProgram } from './client.mjs';
import { LISTING } from './graphql.mjs';

const HEADERS = { 'user-agent': 'checks', authorization: 'bearer a-token' };

/** Starts one that ends with the test, however the test ends: a program left over would keep the whole run from ending. */
async function begin(t, name, args) {
  const program = await startProgram(name, args);
  t.after(() => { program.child.kill('SIGTERM'); });
  return program;
}

async function stop({ child, ended }) {
  child.kill('SIGTERM');
  assert.deepEqual(await ended, { code: 0, signal: null });
}

/** {status, headers, text} of a request by HTTP/1.1 over TLS; socket: one that is connected already. */
function get1(port, ca, target, more = {}) {
  return new Promise((resolve, reject) => {
    const request = https.request({ host: 'localhost', port, path: target, ca, headers: HEADERS, agent: more.createConnection ? undefined : false, ...more }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk)).on('error', reject).on('end', () => resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString() }));
    });
    request.on('error', reject);
    request.end();
  });
}

/** The same by a stream of an HTTP/2 session. */
function get2(session, target, { method = 'GET', body } = {}) {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': target, ':method': method, ...HEADERS });
    const chunks = [];
    let headers;
    stream.on('response', (found) => { headers = found; });
    stream.on('data', (chunk) => chunks.push(chunk)).on('error', reject).on('end', () => resolve({ status: headers?.[':status'], headers, text: Buffer.concat(chunks).toString() }));
    stream.end(body);
  });
}

/** Asks a proxy for a tunnel: {status, headers, socket}. */
function tunnel(port, authority, headers = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ port, host: '127.0.0.1', method: 'CONNECT', path: authority, headers, agent: false });
    request.on('connect', (response, socket) => resolve({ status: response.statusCode, headers: response.headers, socket }));
    request.on('error', reject);
    request.end();
  });
}

export function frontChecks(world) {
  test('https: HTTP/2 and HTTP/1.1 of a test CA lead to the stand-in', async (t) => {
    const { client } = world;
    await client.control('POST', 'reset');
    const caFile = path.join(world.dir, 'ca.pem');
    const portFile = path.join(world.dir, 'tls.port');
    const front = await begin(t, 'tls.mjs', ['--to', String(client.port), '--ca', caFile, '--port-file', portFile]);
    assert.equal(Number(fs.readFileSync(portFile, 'utf8')), front.port);
    const ca = fs.readFileSync(caFile);
    const session = http2.connect(`https://localhost:${front.port}`, { ca });
    t.after(() => session.destroy());
    const answers = await Promise.all(Array.from({ length: 20 }, () => get2(session, '/users/octocat/repos?per_page=50')));
    for (const { status, headers, text } of answers) {
      assert.deepEqual([status, JSON.parse(text).length], [200, 50]);
      assert.match(headers.link, new RegExp(`^<https://localhost:${front.port}/users/octocat/repos\\?per_page=50&page=2>`));
    }
    assert.equal(answers[0].headers['x-ratelimit-limit'], '5000');
    const listing = await get2(session, '/graphql', { method: 'POST', body: JSON.stringify({ query: LISTING, variables: { login: 'octocat' } }) });
    assert.equal(JSON.parse(listing.text).data.repositoryOwner.login, 'octocat');
    await client.control('POST', 'faults', [{ action: { drop: 'before' } }, { action: { truncateBody: 50 } }]);
    await assert.rejects(get2(session, '/users/octocat'));
    await assert.rejects(get2(session, '/users/octocat'));
    assert.equal((await get2(session, '/users/octocat')).status, 200);
    const one = await get1(front.port, ca, '/users/octocat');
    assert.deepEqual([one.status, JSON.parse(one.text).url], [200, `https://localhost:${front.port}/users/octocat`]);
    await client.control('POST', 'faults', [{ action: { drop: 'after' } }]);
    await assert.rejects(get1(front.port, ca, '/users/octocat'), { code: 'ECONNRESET' });
    const seen = new Set((await client.control('GET', 'log')).map(({ via }) => via));
    assert.deepEqual([...seen].sort(), ['1.1 tls', '2.0 tls']);
    await assert.rejects(get1(front.port, undefined, '/users/octocat'), /certificate/);
    session.close();
    await stop(front);
  });

  test('https: without HTTP/2, and for another name only', async (t) => {
    const caFile = path.join(world.dir, 'ca.pem');
    const front = await begin(t, 'tls.mjs', ['--to', String(world.client.port), '--ca', caFile, '--http1', '--host', 'github.example']);
    const ca = fs.readFileSync(caFile);
    const socket = tls.connect({ host: '127.0.0.1', port: front.port, ca, servername: 'github.example', ALPNProtocols: ['h2', 'http/1.1'] });
    await once(socket, 'secureConnect');
    assert.equal(socket.alpnProtocol, 'http/1.1');
    socket.destroy();
    await assert.rejects(get1(front.port, ca, '/users/octocat'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    await stop(front);
  });

  test('a proxy leads to the front under the name that was asked for, and writes down each one', async (t) => {
    const caFile = path.join(world.dir, 'ca.pem');
    const log = path.join(world.dir, 'proxy.log');
    const front = await begin(t, 'tls.mjs', ['--to', String(world.client.port), '--ca', caFile]);
    const proxy = await begin(t, 'proxy.mjs', ['--log', log, '--to', `api.github.com:443=${front.port}`, '--auth', 'me:secret']);
    const authorization = { 'proxy-authorization': `Basic ${Buffer.from('me:secret').toString('base64')}` };
    const refused = await tunnel(proxy.port, 'api.github.com:443');
    assert.deepEqual([refused.status, refused.headers['proxy-authenticate']], [407, 'Basic realm="stand-in"']);
    assert.equal((await tunnel(proxy.port, 'api.github.com:443', { 'proxy-authorization': `Basic ${Buffer.from('me:wrong').toString('base64')}` })).status, 407);
    const { status, socket } = await tunnel(proxy.port, 'api.github.com:443', authorization);
    assert.equal(status, 200);
    const ca = fs.readFileSync(caFile);
    const secure = tls.connect({ socket, ca, servername: 'api.github.com' });
    await once(secure, 'secureConnect');
    const answer = await get1(0, ca, '/users/octocat', { createConnection: () => secure, headers: { ...HEADERS, host: 'api.github.com', connection: 'close' } });
    assert.equal(JSON.parse(answer.text).url, 'https://api.github.com/users/octocat');
    assert.equal((await tunnel(proxy.port, 'example.com:443', authorization)).status, 403); // never out of this machine
    const closed = net.createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address();
    await new Promise((resolve) => { closed.close(resolve); });
    assert.equal((await tunnel(proxy.port, `127.0.0.1:${port}`, authorization)).status, 502);
    const text = fs.readFileSync(log, 'utf8');
    const lines = text.trim().split('\n').map((line) => JSON.parse(line));
    assert.deepEqual(lines.map(({ host, port: to, status: code, user }) => [host, to, code, user]), [
      ['api.github.com', 443, 407, null], ['api.github.com', 443, 407, 'me'], ['api.github.com', 443, 200, 'me'], ['example.com', 443, 403, 'me'], ['127.0.0.1', port, 502, 'me'],
    ]);
    assert.ok(!text.includes('secret') && !text.includes('wrong'));
    await stop(proxy);
    await stop(front);
  });

  test('front and proxy end with their standard input', async () => {
    for (const [name, args] of [['tls.mjs', ['--to', '1', '--ca', path.join(world.dir, 'ca.pem')]], ['proxy.mjs', []]]) {
      const program = await startProgram(name, [...args, '--exit-with-stdin'], 'pipe');
      program.child.stdin.end();
      assert.deepEqual(await program.ended, { code: 0, signal: null });
    }
  });
}
