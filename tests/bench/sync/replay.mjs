#!/usr/bin/env node
// Answers of the stand-in for GitHub, recorded for one tenant and given to any number of them, quicker than the stand-in makes them.
//
//   replay.mjs --record FILE --from PORT     passes requests on to the stand-in at PORT; writes FILE when it ends
//   replay.mjs --answers FILE [--latency MS]
//
// Both take --port, --port-file and --exit-with-stdin. A request is known by its method, path and body, with "tenant-…" wherever it
// stands in the place of any other. An answer that was not recorded is 501. Ids are the same for all tenants; limits are never near.
// Control, as the stand-in's: GET /_control/counters and unknown, POST /_control/reset, limits and latency.
import fs from 'node:fs';
import http from 'node:http';
import zlib from 'node:zlib';
import { endWith, listen, options, run, writeWhole } from '../../github/lib/program.mjs';

const USAGE = 'usage: replay.mjs (--record FILE --from PORT | --answers FILE [--latency MS]) [--port N] [--port-file FILE] [--exit-with-stdin]';
const LOGIN = /tenant-\d+/g;
const ANY = '{login}'; // in keys and answers
const BASE = '{base}';
const KEPT = ['content-type', 'etag', 'link', 'location', 'x-github-media-type', 'x-github-api-version-selected', 'cache-control'];

function bodyOf(stream, done) {
  const chunks = [];
  stream.on('data', (chunk) => chunks.push(chunk)).on('end', () => done(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
}

const keyOf = (request, body) => `${request.method} ${request.url} ${body}`.replace(LOGIN, ANY);

/** Passes on, and remembers. Conditions are left out, so that every answer is a whole one. */
function recorder({ from, record }) {
  const answers = {};
  const agent = new http.Agent({ keepAlive: true });
  const server = http.createServer((request, response) => bodyOf(request, (body) => {
    const headers = { ...request.headers };
    for (const name of ['accept-encoding', 'if-none-match', 'connection', 'transfer-encoding']) delete headers[name];
    const onward = http.request({ port: from, host: '127.0.0.1', method: request.method, path: request.url, headers, agent }, (answer) => bodyOf(answer, (data) => {
      const base = `http://${request.headers.host}`;
      const plain = (text) => text.replaceAll(base, BASE).replace(LOGIN, ANY);
      const kept = {};
      for (const name of KEPT) if (answer.headers[name] !== undefined) kept[name] = plain(answer.headers[name]);
      answers[keyOf(request, body.toString())] = { status: answer.statusCode, headers: kept, body: plain(data.toString()) };
      const given = { ...answer.headers };
      delete given.connection;
      response.writeHead(answer.statusCode, given);
      response.end(data);
    }));
    onward.on('error', () => response.destroy());
    onward.end(body);
  }));
  return { server, close: () => { agent.destroy(); writeWhole(record, JSON.stringify(answers)); } };
}

/** A text with places for a login and an address, cut up once. */
function template(text) {
  const pieces = text.split(/(\{login\}|\{base\})/);
  return (login, base) => {
    let made = '';
    for (const piece of pieces) made += piece === ANY ? login : piece === BASE ? base : piece;
    return made;
  };
}

function prepared({ status, headers, body }) {
  let points = 0;
  if (body.startsWith('{"data"')) points = JSON.parse(body).data?.rateLimit?.cost ?? 1;
  return { status, headers: Object.entries(headers).map(([name, value]) => [name, template(value)]), etag: headers.etag ?? null, body: template(body), points, packed: new Map() };
}

/** Answers from what was recorded. */
function player({ answers: file, latency }) {
  const answers = new Map(Object.entries(JSON.parse(fs.readFileSync(file, 'utf8'))).map(([key, answer]) => [key, prepared(answer)]));
  const state = { latency, counters: null, unknown: [] };
  const reset = () => {
    state.counters = { total: 0, points: 0, bytesOut: 0, notModified: 0, inFlight: state.counters?.inFlight ?? 0, maxConcurrent: 0 };
    state.unknown = [];
    state.latency = latency;
  };
  reset();
  const limitHeaders = (resource) => ({
    'x-ratelimit-limit': '1000000', 'x-ratelimit-remaining': '999000', 'x-ratelimit-used': '1000', 'x-ratelimit-reset': String(Math.floor(Date.now() / 1000) + 3000), 'x-ratelimit-resource': resource,
  });

  function control(request, response, body) {
    const name = request.url.slice('/_control/'.length);
    let value = {};
    if (name === 'counters') value = { ...state.counters, unknown: state.unknown.length };
    else if (name === 'unknown') value = state.unknown;
    else if (name === 'reset') reset();
    else if (name === 'latency') state.latency = JSON.parse(body).ms;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
  }

  function answer(request, response, body) {
    const { counters } = state;
    const key = keyOf(request, body);
    const known = answers.get(key);
    const headers = { ...limitHeaders(request.url.endsWith('/graphql') ? 'graphql' : 'core'), 'x-github-request-id': `0:${counters.total.toString(16)}` };
    if (!known) {
      state.unknown.push(key.slice(0, 2000));
      response.writeHead(501, headers);
      response.end('not recorded\n');
      return;
    }
    counters.points += known.points;
    const login = /tenant-\d+/.exec(request.url)?.[0] ?? /tenant-\d+/.exec(body)?.[0] ?? 'tenant-0001';
    const base = `http://${request.headers.host}`;
    for (const [name, value] of known.headers) headers[name] = value(login, base);
    if (known.etag && request.headers['if-none-match']?.replace(/^W\//, '') === known.etag.replace(/^W\//, '')) {
      counters.notModified += 1;
      delete headers['content-type'];
      response.writeHead(304, headers);
      response.end();
      return;
    }
    const packs = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
    let data = packs ? known.packed.get(login) : undefined; // of the second time on, so that it is the client that is measured
    if (!data) {
      data = Buffer.from(known.body(login, base));
      if (packs && data.length > 700) {
        data = zlib.gzipSync(data, { level: 1 });
        if (data.length < 20_000) known.packed.set(login, data);
      }
    }
    if (data[0] === 0x1f) headers['content-encoding'] = 'gzip'; // no text begins so
    headers['content-length'] = data.length;
    counters.bytesOut += data.length;
    response.writeHead(known.status, headers);
    response.end(data);
  }

  const server = http.createServer({ keepAlive: true, noDelay: true }, (request, response) => bodyOf(request, (bytes) => {
    const body = bytes.toString();
    if (request.url.startsWith('/_control/')) return control(request, response, body);
    const { counters } = state;
    counters.total += 1;
    counters.inFlight += 1;
    counters.maxConcurrent = Math.max(counters.maxConcurrent, counters.inFlight);
    response.on('close', () => { counters.inFlight -= 1; });
    if (state.latency > 0) setTimeout(answer, state.latency, request, response, body);
    else answer(request, response, body);
    return undefined;
  }));
  server.keepAliveTimeout = 60_000;
  server.headersTimeout = 65_000;
  return { server, close: () => {} };
}

async function main() {
  const given = options(process.argv.slice(2), USAGE, {
    '--record': { kind: 'text' }, '--from': { kind: 'number' }, '--answers': { kind: 'text' }, '--latency': { kind: 'number', value: 0 },
  });
  if (given.record ? !given.from || given.answers : !given.answers) throw new Error(USAGE);
  const { server, close } = given.record ? recorder(given) : player(given);
  endWith(given, () => {
    server.close();
    close();
    server.closeAllConnections();
  });
  await listen(server, given);
}

run(main);
