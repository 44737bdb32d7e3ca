// Who owns what: which npm package becomes whose repository.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the stand-in itself (the one with package.json). */
export const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Needed to run, therefore no material. */
const TOOLS = new Set(['graphql', '@octokit/graphql-schema', 'linguist-languages']);

/** Packages with SKILLS-INDEX.md, ARCHITECTURE.md and .repo-context.json (see facts.mjs). */
export const DOCUMENTED = [
  'acorn', 'chalk', 'commander', 'dayjs', 'jose', 'ky', 'minisearch', 'nodemailer', 'papaparse', 'pngjs', 'uvu', 'ws',
];

export const ORG_PACKAGES = ['yaml', 'json5', 'validator', 'async', 'pako', 'ml-matrix', 'simple-statistics', 'geolib'];
export const MONA_PACKAGES = ['marked', 'mustache', 'prismjs', 'fuse.js', 'tinycolor2'];
export const ACME_PACKAGES = ['connect', 'cookie', 'debug'];
/** What each of the `--tenants` owns: small ones of octocat's, the first one with documents. */
export const TENANT_PACKAGES = ['chalk', 'lowdb', 'nanoid'];

export const NO_DOCS_PACKAGES = ['ms', 'mri', 'mitt'];

/**
 * octocat's repositories that have something peculiar. `base` is the package that gives the files,
 * `kind` says what is done with them (special.mjs).
 */
export const SPECIALS = [
  { name: 'empty-start', kind: 'empty', base: null },
  { name: 'binary-readme', kind: 'binary', base: 'image-size' },
  { name: 'huge-readme', kind: 'huge', base: 'axios' },
  { name: 'unicode-notes', kind: 'unicode', base: 'ini' },
  { name: 'archived-tool', kind: 'archived', base: 'minimist' },
  { name: 'forked-yaml', kind: 'fork', base: 'yaml' },
  { name: 'linked-readme', kind: 'link', base: 'p-limit' },
  { name: 'blank-readme', kind: 'blank', base: 'omggif' },
  { name: 'latin1-readme', kind: 'latin1', base: 'blurhash' },
  { name: 'nul-readme', kind: 'nul', base: 'kleur' },
  { name: 'broken-context', kind: 'broken', base: 'fraction.js' },
];

export const OCTOCAT_TOTAL = 60;

/** A repository's name on GitHub: ASCII letters, digits, dot, underscore, hyphen. */
export function repositoryName(packageName) {
  return packageName.replace(/^@/, '').replace(/[^A-Za-z0-9._-]/g, '-');
}

/** GitHub's rule for topics: lower case, digits and hyphens, at most 50 characters, at most 20 of them. */
export function topicsOf(keywords) {
  const topics = [];
  for (const word of keywords ?? []) {
    const topic = String(word).toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 50).replace(/-+$/, '');
    if (topic && !topics.includes(topic)) topics.push(topic);
  }
  return topics.slice(0, 20);
}

/** Every package that serves as material: names, folders and their package.json, sorted by name. */
export function material() {
  const own = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  const names = Object.keys(own.dependencies).filter((name) => !TOOLS.has(name)).sort();
  return names.map((name) => {
    const folder = path.join(ROOT, 'node_modules', name);
    const manifest = path.join(folder, 'package.json');
    if (!fs.existsSync(manifest)) {
      throw new Error(`${name} is not installed: run "npm ci --ignore-scripts" in tests/github first`);
    }
    return { name, folder, manifest: JSON.parse(fs.readFileSync(manifest, 'utf8')) };
  });
}

const MAX_FILES = 160;
const MAX_FILE = 1_000_000;

/**
 * A package's own files, in byte order of their paths: [{path, mode, data}]. Nested node_modules are left out,
 * and so is what no repository holds: files over 1 MB, large source maps, and everything past 160 files (the shallow ones stay).
 */
export function packageFiles({ folder, manifest }) {
  const found = [];
  const walk = (relative) => {
    for (const entry of fs.readdirSync(path.join(folder, relative), { withFileTypes: true })) {
      const here = relative ? `${relative}/${entry.name}` : entry.name;
      if (entry.name === 'node_modules' || entry.name === '.git') continue;
      if (entry.isDirectory()) walk(here);
      else if (entry.isFile()) found.push(here);
    }
  };
  walk('');
  const bin = typeof manifest.bin === 'string' ? [manifest.bin] : Object.values(manifest.bin ?? {});
  const executable = new Set(bin.map((file) => path.posix.normalize(file)));
  const depth = (file) => file.split('/').length;
  const kept = [];
  for (const file of found.sort((a, b) => depth(a) - depth(b) || (a < b ? -1 : 1))) {
    const size = fs.statSync(path.join(folder, file)).size;
    if (size > MAX_FILE || (file.endsWith('.map') && size > 100_000)) continue;
    kept.push(file);
    if (kept.length === MAX_FILES) break;
  }
  return kept.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))).map((file) => ({
    path: file,
    mode: executable.has(file) ? '100755' : '100644',
    data: fs.readFileSync(path.join(folder, file)),
  }));
}
