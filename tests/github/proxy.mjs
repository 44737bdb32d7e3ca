#!/usr/bin/env node
// A proxy for HTTP CONNECT that leads to this machine only and writes down what it was asked for. See README.md.
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { endWith, listen, options, run } from './lib/program.mjs';

const USAGE = 'usage: proxy.mjs [--log FILE] [--auth USER:PASSWORD] [--to HOST:PORT=PORT]… [--port N] [--port-file FILE] [--exit-with-stdin]';

/** [host, port] of "host:port", with or without brackets; port 0 when there is none. */
function target(text) {
  const match = /^\[?([^\]]*?)\]?:(\d+)$/.exec(text ?? '');
  return match ? [match[1].toLowerCase(), Number(match[2])] : [String(text ?? ''), 0];
}

const isHere = (host) => host === 'localhost' || host === '::1' || (net.isIPv4(host) && host.startsWith('127.'));

/** {status, user}: 407 unless the request has the user and password, where they are wanted. */
function admission(request, auth) {
  const [scheme, value] = (request.headers['proxy-authorization'] ?? '').split(' ');
  const pair = scheme.toLowerCase() === 'basic' ? Buffer.from(value ?? '', 'base64').toString() : null;
  const user = pair === null ? null : pair.split(':')[0];
  return { status: auth && pair !== auth ? 407 : 200, user };
}

async function main() {
  const given = options(process.argv.slice(2), USAGE, { '--log': { kind: 'text' }, '--auth': { kind: 'text' }, '--to': { kind: 'list' } });
  const leads = new Map(given.to.map((one) => {
    const match = /^(.+:\d+)=(\d+)$/.exec(one);
    if (!match) throw new Error(`--to takes HOST:PORT=PORT, not ${one}\n${USAGE}`);
    return [match[1].toLowerCase(), Number(match[2])];
  }));
  // Written before the answer, so that who has the answer finds the line.
  const note = (line) => { if (given.log) fs.appendFileSync(given.log, `${JSON.stringify({ time: new Date().toISOString(), ...line })}\n`); };
  if (given.log) fs.writeFileSync(given.log, '');
  const sockets = new Set();
  const keep = (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
    return socket;
  };

  const server = http.createServer((request, response) => {
    let url = null;
    try { url = new URL(request.url); } catch { /* not asked as a proxy */ }
    note({ method: request.method, host: url?.hostname ?? null, port: url ? Number(url.port || 80) : null, status: 405 });
    response.writeHead(405, { allow: 'CONNECT', 'content-type': 'text/plain' });
    response.end('Only CONNECT is served here.\n');
  });
  server.on('connect', (request, client, head) => {
    keep(client);
    const [host, port] = target(request.url);
    const { status, user } = admission(request, given.auth);
    const refuse = (code, text, headers = '') => {
      note({ method: 'CONNECT', host, port, status: code, user });
      client.end(`HTTP/1.1 ${code} ${text}\r\n${headers}content-length: 0\r\nconnection: close\r\n\r\n`);
    };
    if (status !== 200) return refuse(407, 'Proxy Authentication Required', 'proxy-authenticate: Basic realm="stand-in"\r\n');
    const port_ = leads.get(`${host}:${port}`) ?? (isHere(host) ? port : 0);
    if (!port_) return refuse(403, 'Forbidden');
    let open = false;
    const onward = keep(net.connect({ port: port_, host: '127.0.0.1', noDelay: true }, () => {
      open = true;
      note({ method: 'CONNECT', host, port, status: 200, user });
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      if (head.length) onward.write(head);
      client.pipe(onward).pipe(client);
    }));
    onward.on('error', () => { if (!open) refuse(502, 'Bad Gateway'); });
    onward.on('close', () => { if (open) client.destroySoon(); });
    client.on('close', () => onward.destroy());
    return undefined;
  });
  endWith(given, () => {
    server.close();
    for (const socket of sockets) socket.destroy();
    server.closeAllConnections();
  });
  await listen(server, given);
}

run(main);
