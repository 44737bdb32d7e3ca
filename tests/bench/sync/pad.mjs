#!/usr/bin/env node
// Gives a user's repositories more folders, until there are N a repository on average (the smallest ones first), since
// packages have fewer than repositories do. Prints the name of one that has exactly N.
//   pad.mjs --world DIR --port PORT --user LOGIN --folders N
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

const given = Object.fromEntries(process.argv.slice(2).map((text, at, all) => [text.replace(/^--/, ''), all[at + 1]]).filter((_, at) => at % 2 === 0));
const agent = new http.Agent({ keepAlive: true });

function change(body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ port: given.port, host: '127.0.0.1', method: 'POST', path: '/_control/change', agent }, (response) => {
      response.resume().on('end', () => (response.statusCode === 200 ? resolve() : reject(new Error(`change of ${body.repo}: ${response.statusCode}`))));
    });
    request.on('error', reject);
    request.end(JSON.stringify(body));
  });
}

const known = new Map();
function foldersOf(gitDir) {
  if (!known.has(gitDir)) {
    const listed = execFileSync('git', ['--git-dir', path.join(given.world, gitDir), 'ls-tree', '-rdt', 'HEAD'], { encoding: 'utf8' });
    known.set(gitDir, 1 + listed.split('\n').filter(Boolean).length); // and the root
  }
  return known.get(gitDir);
}

const { repos } = JSON.parse(fs.readFileSync(path.join(given.world, 'world.json'), 'utf8'));
const mine = repos.filter(({ owner }) => owner === given.user).map(({ name, gitDir, pushedAt }) => ({ name, pushedAt, folders: foldersOf(gitDir), more: 0 }));
const wanted = Number(given.folders);
const exact = mine.find(({ folders }) => folders <= wanted);
if (!exact) throw new Error(`every repository has more than ${wanted} folders`);
exact.more = wanted - exact.folders;
let missing = wanted * mine.length - mine.reduce((sum, { folders, more }) => sum + folders + more, 0);
for (let level = 1; missing > 0; level += 1) {
  for (const repo of mine) {
    if (missing === 0 || repo.folders + repo.more >= level) continue;
    repo.more += 1;
    missing -= 1;
  }
}
for (const { name, more, pushedAt } of mine) {
  if (more === 0) continue;
  const files = {};
  for (let n = 1; n <= more; n += 1) files[`part-${String(n).padStart(2, '0')}/index.js`] = `// Part ${n}\nexport const part = ${n};\n`;
  const at = new Date(Date.parse(pushedAt) + 86_400_000).toISOString();
  await change({ owner: given.user, repo: name, files, at });
}
agent.destroy();
process.stdout.write(`${exact.name}\n`);
