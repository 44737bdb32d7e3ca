// Writes the installed packages as a corpus, one JSON object a line, to stdout:
// {"name", "description", "topics", "languages", "readme"}, sorted by name.
//
// A package is taken when it has a README of at least 500 characters and a description of at least four words.
// One package a source repository and at most eight an author, so that no family of near-identical packages
// decides the result.
import fs from 'node:fs';
import path from 'node:path';

const root = path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), 'node_modules');
const perAuthor = 8;
const perReadme = 200_000; // characters

const languages = {
  '.js': 'JavaScript', '.mjs': 'JavaScript', '.cjs': 'JavaScript', '.ts': 'TypeScript', '.css': 'CSS', '.html': 'HTML',
  '.c': 'C', '.h': 'C', '.cc': 'C++', '.cpp': 'C++', '.py': 'Python', '.sh': 'Shell', '.rs': 'Rust', '.vue': 'Vue',
  '.coffee': 'CoffeeScript', '.less': 'Less', '.scss': 'SCSS', '.styl': 'Stylus', '.pug': 'Pug', '.wasm': 'WebAssembly',
};

function folders() {
  return fs.readdirSync(root).filter((name) => !name.startsWith('.')).flatMap((name) =>
    name.startsWith('@') ? fs.readdirSync(path.join(root, name)).map((inner) => `${name}/${inner}`) : [name]);
}

function languagesOf(folder) {
  const found = new Set();
  for (const entry of fs.readdirSync(folder, { recursive: true })) {
    const name = String(entry);
    if (name.includes('node_modules') || name.endsWith('.d.ts')) continue;
    const language = languages[path.extname(name).toLowerCase()];
    if (language) found.add(language);
  }
  return [...found].sort();
}

function read(name) {
  const folder = path.join(root, name);
  let manifest;
  try {
    manifest = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
  } catch {
    return null;
  }
  const file = fs.readdirSync(folder).sort().find((entry) => /^readme(\.md|\.markdown)?$/i.test(entry));
  const description = typeof manifest.description === 'string' ? manifest.description.trim() : '';
  if (!file || description.split(/\s+/).length < 4) return null;
  const readme = fs.readFileSync(path.join(folder, file), 'utf8').slice(0, perReadme);
  if (readme.length < 500) return null;
  const { author, repository, keywords } = manifest;
  const url = String(typeof repository === 'string' ? repository : repository?.url ?? name);
  return {
    author: String(typeof author === 'string' ? author : author?.name ?? '').replace(/[<(].*/, '').trim().toLowerCase(),
    source: url.replace(/^.*github(\.com)?[:/]/, '').replace(/\.git$/, '').split('/').slice(0, 2).join('/').toLowerCase(),
    line: {
      name, description,
      topics: Array.isArray(keywords) ? keywords.filter((word) => typeof word === 'string').slice(0, 20) : [],
      languages: languagesOf(folder),
      readme: readme.toWellFormed(),
    },
  };
}

const authors = new Map();
const sources = new Set();
const descriptions = new Set();
for (const name of folders().sort()) {
  const item = read(name);
  if (!item || sources.has(item.source) || descriptions.has(item.line.description)) continue;
  const seen = authors.get(item.author) ?? 0;
  if (item.author && seen >= perAuthor) continue;
  authors.set(item.author, seen + 1);
  sources.add(item.source);
  descriptions.add(item.line.description);
  process.stdout.write(JSON.stringify(item.line) + '\n');
}
