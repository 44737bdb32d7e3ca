// Prints linguist_table.h: for each file extension the type of the first language, in the order of the
// languages' names, that lists it. Data: GitHub Linguist, by the npm package linguist-languages (MIT).
//
//   node jobs/orchestrate/linguist.mjs tests/github/node_modules/linguist-languages > jobs/orchestrate/linguist_table.h
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = resolve(process.argv[2]);
const manifest = JSON.parse(readFileSync(join(folder, 'package.json')));
const entry = createRequire(import.meta.url).resolve(folder);
const module = await import(pathToFileURL(entry));
const languages = Object.values(module.default ?? module)
  .filter((l) => l && l.name && Array.isArray(l.extensions))
  .sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1));

const types = new Map();
for (const language of languages)
  for (const extension of language.extensions)
    if (!types.has(extension.toLowerCase())) types.set(extension.toLowerCase(), language.type ?? 'nil');

console.log(`/* Made by linguist.mjs from linguist-languages ${manifest.version}; sorted by the bytes of the extension. */\n/* clang-format off */`);
for (const extension of [...types.keys()].filter((e) => /^[\x21-\x7e]+$/.test(e)).sort())
  console.log(`{${JSON.stringify(extension)}, "${types.get(extension)}"},`);
