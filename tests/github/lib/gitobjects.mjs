// Git's objects: reading trees and commits from their bytes, and writing loose objects.
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';

/** [{mode, name, oid, type}] in git's order. Names that are not UTF-8 come with replacement characters. */
export function parseTree(bytes) {
  const entries = [];
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const nul = bytes.indexOf(0, space);
    const mode = bytes.toString('latin1', at, space).padStart(6, '0');
    entries.push({
      mode,
      name: bytes.toString('utf8', space + 1, nul),
      oid: bytes.toString('hex', nul + 1, nul + 21),
      type: mode === '040000' ? 'tree' : mode === '160000' ? 'commit' : 'blob',
    });
    at = nul + 21;
  }
  return entries;
}

const PERSON = /^(.*) <(.*)> (\d+) ([+-]\d{4})$/;

/** {tree, parents, author, committer, message}; a person is {name, email, time (s)}. */
export function parseCommit(bytes) {
  const text = bytes.toString('utf8');
  const end = text.indexOf('\n\n');
  const commit = { tree: '', parents: [], author: null, committer: null, message: text.slice(end + 2) };
  for (const line of text.slice(0, end).split('\n')) {
    const space = line.indexOf(' ');
    const key = line.slice(0, space);
    const value = line.slice(space + 1);
    if (key === 'tree') commit.tree = value;
    else if (key === 'parent') commit.parents.push(value);
    else if (key === 'author' || key === 'committer') {
      const match = PERSON.exec(value);
      commit[key] = { name: match[1], email: match[2], time: Number(match[3]) };
    }
  }
  return commit;
}

/** Writes one loose object and gives its oid. */
export function writeObject(gitDir, type, data) {
  const store = Buffer.concat([Buffer.from(`${type} ${data.length}\0`), data]);
  const oid = crypto.createHash('sha1').update(store).digest('hex');
  const folder = path.join(gitDir, 'objects', oid.slice(0, 2));
  const target = path.join(folder, oid.slice(2));
  if (!fs.existsSync(target)) {
    fs.mkdirSync(folder, { recursive: true });
    const temporary = `${target}.tmp`;
    fs.writeFileSync(temporary, zlib.deflateSync(store, { level: 1 }));
    fs.renameSync(temporary, target);
  }
  return oid;
}

/** The bytes of a tree; git sorts a folder as if its name ended in a slash. */
export function encodeTree(entries) {
  const key = ({ name, type }) => Buffer.from(type === 'tree' ? `${name}/` : name);
  const sorted = [...entries].sort((a, b) => Buffer.compare(key(a), key(b)));
  return Buffer.concat(sorted.flatMap(({ mode, name, oid }) => [
    Buffer.from(`${mode.replace(/^0/, '')} ${name}\0`), Buffer.from(oid, 'hex'),
  ]));
}

export function encodeCommit({ tree, parents, name, email, time, message }) {
  const person = `${name} <${email}> ${time} +0000`;
  const lines = [`tree ${tree}`, ...parents.map((parent) => `parent ${parent}`), `author ${person}`, `committer ${person}`, '', message];
  return Buffer.from(lines.join('\n'));
}

/** A bare repository's skeleton, without starting git. */
export function initBare(gitDir, branch = 'main') {
  for (const folder of ['objects/info', 'objects/pack', 'refs/heads', 'refs/tags', 'info']) {
    fs.mkdirSync(path.join(gitDir, folder), { recursive: true });
  }
  fs.writeFileSync(path.join(gitDir, 'HEAD'), `ref: refs/heads/${branch}\n`);
  fs.writeFileSync(path.join(gitDir, 'config'), '[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n');
}

/** Surroundings for a git process that depend on nobody's configuration. */
export function gitEnvironment() {
  return {
    PATH: process.env.PATH, HOME: '/nonexistent', LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null', GIT_TERMINAL_PROMPT: '0', GIT_OPTIONAL_LOCKS: '0',
    // A world that somebody else owns (a container's bind mount, say) is still readable.
    GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*',
  };
}
