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
import { Documents, loadSchema } from './lib/schema.mjs';
import { Store } from './lib/store.mjs';

const USAGE = 'usage: server.mjs --world DIR [--port N] [--port-file FILE] [--latency MS] [--viewer LOGIN] [--exit-with-stdin]';

function options(argv) {
  const found = { world: null, port: 0, portFile: null, latency: 0, viewer: 'octocat', exitWithStdin: false };
  for (let at = 0; at < argv.length; at += 1) {
    const value = () => {
      at += 1;
      if (argv[at] === undefined) throw new Error(USAGE);
      return argv[at];
    };
    switch (argv[at]) {
      case '--world': found.world = value(); break;
      case '--port': found.port = Number(value()); break;
      case '--port-file': found.portFile = value(); break;
      case '--latency': found.latency = Number(value()); break;
      case '--viewer': found.viewer = value(); break;
      case '--exit-with-stdin': found.exitWithStdin = true; break;
      default: throw new Error(`unknown option ${argv[at]}\n${USAGE}`);
    }
  }
  if (!found.world || !Number.isInteger(found.port) || !(found.latency >= 0)) throw new Error(USAGE);
  return found;
}

async function main() {
  v8.setFlagsFromString('--max-semi-space-size=4'); // MB; a small young generation keeps the process small
  const given = options(process.argv.slice(2));
  const hub = fs.mkdtempSync(path.join(os.tmpdir(), 'github-stand-in-'));
  process.on('exit', () => fs.rmSync(hub, { recursive: true, force: true }));
  const schema = loadSchema();
  const store = new Store(path.resolve(given.world), hub);
  const service = new Service({
    store, apps: new Apps(store), schema, documents: new Documents(schema), limits: new Limits(), faults: new Faults(), counters: new Counters(),
    latency: given.latency, startLatency: given.latency, viewer: given.viewer,
  });
  const server = service.server(controller(service));

  let ending = false;
  const end = async () => {
    if (ending) return;
    ending = true;
    server.close();
    server.closeAllConnections();
    await service.store.close();
    process.exit(0);
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  if (given.exitWithStdin) {
    process.stdin.on('end', end).on('close', end).on('error', end);
    process.stdin.resume();
  }
  service.store.git.ended.then(() => {
    if (ending) return;
    process.stderr.write('git cat-file ended by itself\n');
    process.exit(1);
  });

  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(given.port, '127.0.0.1', resolve);
  });
  const { port } = server.address();
  if (given.portFile) {
    fs.writeFileSync(`${given.portFile}.tmp`, `${port}\n`);
    fs.renameSync(`${given.portFile}.tmp`, given.portFile);
  }
  process.stdout.write(`listening on http://127.0.0.1:${port}\n`);
}

main().catch((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
