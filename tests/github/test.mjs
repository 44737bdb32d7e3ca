// Tests of the stand-in itself: node --test tests/github/
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Client, start } from './checks/client.mjs';
import { controlChecks } from './checks/control.mjs';
import { faultChecks } from './checks/faults.mjs';
import { frontChecks } from './checks/fronts.mjs';
import { graphqlChecks } from './checks/graphql.mjs';
import { moveChecks } from './checks/moves.mjs';
import { restChecks } from './checks/rest.mjs';
import { tokenChecks } from './checks/tokens.mjs';
import { buildWorld } from './world.mjs';

/** Filled before the first test. */
const world = { dir: null, content: null, client: null };
let server;

before(async () => {
  world.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'github-world-'));
  world.content = await buildWorld(world.dir, 130);
  const portFile = path.join(world.dir, 'port');
  server = await start(world.dir, ['--port-file', portFile]);
  assert.equal(Number(fs.readFileSync(portFile, 'utf8')), server.port);
  world.client = new Client(server.port);
});

after(async () => {
  world.client?.close();
  server?.child.kill('SIGTERM');
  await server?.ended;
  fs.rmSync(world.dir, { recursive: true, force: true });
});

test('the world is the same each time it is built', async () => {
  const other = fs.mkdtempSync(path.join(os.tmpdir(), 'github-world-'));
  try {
    const again = await buildWorld(other, 130);
    assert.deepEqual(again, world.content);
  } finally {
    fs.rmSync(other, { recursive: true, force: true });
  }
  assert.equal(world.content.repos.filter(({ owner }) => owner === 'many').length, 130);
});

graphqlChecks(world);
restChecks(world);
tokenChecks(world);
faultChecks(world);
frontChecks(world);
controlChecks(world);
moveChecks(world);

test('a listing takes well under 100 ms and a tree well under 20 ms; memory stays below 150 MB or so', async () => {
  const { client } = world;
  const middle = async (work) => {
    const times = [];
    for (let n = 0; n < 15; n += 1) {
      const started = process.hrtime.bigint();
      await work();
      times.push(Number(process.hrtime.bigint() - started) / 1e6);
    }
    return times.sort((a, b) => a - b)[7];
  };
  const { LISTING } = await import('./checks/graphql.mjs');
  const listing = await middle(() => client.graphql(LISTING, { login: 'octocat' }));
  const tree = await middle(() => client.get('/repos/octocat/hono/git/trees/HEAD?recursive=1'));
  const { memory } = await client.control('GET', 'health');
  process.stdout.write(`# listing ${listing.toFixed(1)} ms, tree ${tree.toFixed(1)} ms, memory ${Math.round(memory / 1e6)} MB\n`);
  assert.ok(listing < 100 && tree < 40, `${listing} ${tree}`);
});
