#!/usr/bin/env node
// An https front of the stand-in, by HTTP/2 and HTTP/1.1, with a certificate of a test CA made at each start. See README.md.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream';
import { endWith, listen, options, run, writeWhole } from './lib/program.mjs';

const USAGE = 'usage: tls.mjs --to PORT --ca FILE [--host NAME]… [--http1] [--port N] [--port-file FILE] [--exit-with-stdin]';
const HOP = ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'te', 'http2-settings'];

/** {ca, cert, key} in PEM; the CA's own key is forgotten at once. */
function certificates(hosts) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'github-tls-'));
  try {
    const names = hosts.map((host) => (/^[\d.]+$|:/.test(host) ? `IP:${host}` : `DNS:${host}`)).join(',');
    fs.writeFileSync(path.join(folder, 'ca.cnf'), '[req]\nprompt=no\ndistinguished_name=name\nx509_extensions=ca\n[name]\nCN=Test CA of the stand-in\n'
      + '[ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n');
    fs.writeFileSync(path.join(folder, 'one.cnf'), '[req]\nprompt=no\ndistinguished_name=name\n[name]\nCN=The stand-in\n'
      + `[leaf]\nsubjectAltName=${names}\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n`);
    const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    openssl('req', '-x509', ...ec, '-config', 'ca.cnf', '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2');
    openssl('req', '-new', ...ec, '-config', 'one.cnf', '-keyout', 'one.key', '-out', 'one.csr');
    openssl('x509', '-req', '-in', 'one.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'one.cnf', '-extensions', 'leaf', '-out', 'one.pem');
    const read = (name) => fs.readFileSync(path.join(folder, name), 'utf8');
    return { ca: read('ca.pem'), cert: read('one.pem'), key: read('one.key') };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Ends an answer as a broken connection. */
function abort(response) {
  if (response.stream) response.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
  else response.socket?.destroy();
}

function forward(port, agent) {
  return (request, response) => {
    const headers = {};
    for (const [name, value] of Object.entries(request.headers)) if (!name.startsWith(':') && !HOP.includes(name)) headers[name] = value;
    headers.host = request.headers[':authority'] ?? request.headers.host;
    headers['x-forwarded-proto'] = 'https';
    headers.via = `${request.httpVersion} tls`; // shown in the stand-in's log
    const from = request.socket.remoteAddress; // addresses have budgets
    const onward = http.request({ port, host: '127.0.0.1', method: request.method, path: request.url, headers, agent, localAddress: from?.startsWith('127.') ? from : undefined }, (answer) => {
      const given = { ...answer.headers };
      for (const name of HOP) delete given[name];
      response.writeHead(answer.statusCode, given);
      pipeline(answer, response, (error) => { if (error) abort(response); });
    });
    onward.on('error', () => abort(response));
    response.on('close', () => { if (!response.writableFinished) onward.destroy(); });
    response.on('error', () => {});
    request.on('error', () => {});
    request.pipe(onward);
  };
}

async function main() {
  const given = options(process.argv.slice(2), USAGE, {
    '--to': { kind: 'number', needed: true }, '--ca': { kind: 'text', needed: true }, '--http1': { kind: 'flag', value: false },
    '--host': { kind: 'list', value: ['localhost', '127.0.0.1', 'api.github.com'] },
  });
  const { ca, cert, key } = certificates(given.host);
  const agent = new http.Agent({ keepAlive: true });
  const answer = forward(given.to, agent);
  const server = given.http1 ? https.createServer({ key, cert }, answer)
    : http2.createSecureServer({ key, cert, allowHTTP1: true, settings: { maxConcurrentStreams: 100 } }, answer);
  const sockets = new Set();
  server.on('secureConnection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('sessionError', () => {});
  server.on('tlsClientError', () => {});
  endWith(given, () => {
    server.close();
    agent.destroy();
    for (const socket of sockets) socket.destroy();
  });
  writeWhole(given.ca, ca);
  await listen(server, given, 'https');
}

run(main);
