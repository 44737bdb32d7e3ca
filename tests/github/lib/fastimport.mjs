// A bare repository from a list of files, by one `git fast-import` process.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { gitEnvironment, initBare } from './gitobjects.mjs';

const quote = (name) => `"${name.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`;

/** Two commits: one with the top level's small files, one with everything. */
function* stream(files, { branch, author, firstTime, lastTime, message }) {
  let mark = 0;
  const marks = new Map();
  for (const file of files) {
    mark += 1;
    marks.set(file, mark);
    yield Buffer.from(`blob\nmark :${mark}\ndata ${file.data.length}\n`);
    yield file.data;
    yield Buffer.from('\n');
  }
  const start = files.filter(({ path: name }) => !name.includes('/') && /^(package\.json|licen[cs]e.*)$/i.test(name));
  const commits = [];
  if (start.length > 0) commits.push([firstTime, 'Start the project', start]);
  commits.push([lastTime, message, files]);
  let previous = 0;
  for (const [time, text, content] of commits) {
    mark += 1;
    const person = `${author.name} <${author.email}> ${time} +0000`;
    const lines = [`commit refs/heads/${branch}`, `mark :${mark}`, `author ${person}`, `committer ${person}`, `data ${Buffer.byteLength(text)}`, text];
    if (previous) lines.push(`from :${previous}`);
    lines.push('deleteall', ...content.map((file) => `M ${file.mode} :${marks.get(file)} ${quote(file.path)}`), '', '');
    yield Buffer.from(lines.join('\n'));
    previous = mark;
  }
  yield Buffer.from('done\n');
}

/** Makes the repository and gives its head commit's oid; `files` null makes one without a commit. */
export async function importRepository(gitDir, files, options) {
  initBare(gitDir, options.branch);
  if (files === null) return null;
  const child = spawn('git', [
    '--git-dir', gitDir, '-c', 'fastimport.unpackLimit=1', '-c', 'core.compression=1', '-c', 'core.fsync=none',
    'fast-import', '--quiet', '--done', '--depth=0', '--date-format=raw',
  ], { env: gitEnvironment(), stdio: ['pipe', 'ignore', 'pipe'] });
  let problem = '';
  child.stderr.on('data', (text) => { problem += text; });
  child.stdin.on('error', () => {});
  const ended = new Promise((resolve) => child.on('close', resolve));
  child.stdin.end(Buffer.concat([...stream(files, options)]));
  const code = await ended;
  if (code !== 0) throw new Error(`git fast-import for ${gitDir} ended with ${code}: ${problem}`);
  return fs.readFileSync(path.join(gitDir, 'refs/heads', options.branch), 'latin1').trim();
}
