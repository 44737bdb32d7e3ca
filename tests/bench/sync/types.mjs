// Prints {".py": "programming", …}: each extension's kind by the first language that lists it, from Linguist's table.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import path from 'node:path';

const require = createRequire(path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../../github/package.json'));
const table = await import(pathToFileURL(require.resolve('linguist-languages')).href);
const kinds = {};
for (const { extensions = [], type } of Object.values(table).filter((one) => one?.name).sort((a, b) => (a.name < b.name ? -1 : 1))) {
  for (const extension of extensions) kinds[extension.toLowerCase()] ??= type;
}
process.stdout.write(`${JSON.stringify(kinds)}\n`);
