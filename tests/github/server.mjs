#!/usr/bin/env node
// The stand-in for api.github.com. See README.md.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import v8 from 'node:v8';
import { Apps } from './lib/apps.mjs';
import { controller } from './lib/control.mjs';
import { Counters } from './lib/counters.mjs';
import { Faults } from './lib/faults.mjs';
import { Service } from './lib/http.mjs';
import { Limits } from './lib/limits.mjs';
import { endWith, listen, options, run } from './lib/program.mjs';
import { Documents, loadSchema } from './lib/schema.mjs';
import { Store } from './lib/store.mjs';

const USAGE = 'usage: server.mjs --world DIR [--port N] [--port-file FILE] [--latency MS] [--viewer LOGIN] [--exit-with-stdin]';

async function main() {
  v8.setFlagsFromString('--max-semi-space-size=4'); // MB; a small young generation keeps the process small
  const given = options(process.argv.slice(2), USAGE, {
    '--world': { kind: 'text', needed: true }, '--latency': { kind: 'number', value: 0 }, '--viewer': { kind: 'text', value: 'octocat' },
  });
  const hub = fs.mkdtempSync(path.join(os.tmpdir(), 'github-stand-in-'));
  process.on('exit', () => fs.rmSync(hub, { recursive: true, force: true }));
  const schema = loadSchema();
  const store = new Store(path.resolve(given.world), hub);
  const service = new Service({
    store, apps: new Apps(store), schema, documents: new Documents(schema), limits: new Limits(), faults: new Faults(), counters: new Counters(),
    latency: given.latency, startLatency: given.latency, viewer: given.viewer,
  });
  const server = service.server(controller(service));
  const ending = endWith(given, () => {
    server.close();
    server.closeAllConnections();
    return store.close();
  });
  store.git.ended.then(() => {
    if (ending()) return;
    process.stderr.write('git cat-file ended by itself\n');
    process.exit(1);
  });
  await listen(server, given);
}

run(main);
