// What the programs here have in common: their options, a port written to a file when it listens, an orderly end.
import fs from 'node:fs';

/**
 * Reads a command line.
 * @param {string[]} argv
 * @param {string} usage what an error shows
 * @param {Record<string, {kind:'text'|'number'|'flag'|'list', value?:any, needed?:boolean}>} known by option, "--port-file"; found as portFile
 */
export function options(argv, usage, known) {
  const all = { '--port': { kind: 'number', value: 0 }, '--port-file': { kind: 'text' }, '--exit-with-stdin': { kind: 'flag', value: false }, ...known };
  const key = (option) => option.slice(2).replace(/-(.)/g, (_, letter) => letter.toUpperCase());
  const found = {};
  for (const [option, { kind, value }] of Object.entries(all)) found[key(option)] = value ?? (kind === 'list' ? [] : null);
  const listed = new Set();
  for (let at = 0; at < argv.length; at += 1) {
    const option = argv[at];
    const { kind } = all[option] ?? {};
    if (!kind) throw new Error(`unknown option ${option}\n${usage}`);
    if (kind === 'flag') { found[key(option)] = true; continue; }
    at += 1;
    if (argv[at] === undefined) throw new Error(usage);
    if (kind === 'list') {
      if (!listed.has(option)) found[key(option)] = []; // what is given replaces the default
      listed.add(option);
      found[key(option)].push(argv[at]);
    } else found[key(option)] = kind === 'number' ? Number(argv[at]) : argv[at];
    if (kind === 'number' && !(found[key(option)] >= 0)) throw new Error(`${option} takes a number\n${usage}`);
  }
  for (const [option, { needed }] of Object.entries(all)) if (needed && found[key(option)] === null) throw new Error(usage);
  if (!Number.isInteger(found.port) || found.port > 65_535) throw new Error(usage);
  return found;
}

/** Ends the process with status 0, after `close`, on SIGTERM, SIGINT and, if asked for, with standard input. Gives what tells whether it is ending. */
export function endWith({ exitWithStdin }, close) {
  let ending = false;
  const end = async () => {
    if (ending) return;
    ending = true;
    await close();
    process.exit(0);
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  if (exitWithStdin) {
    process.stdin.on('end', end).on('close', end).on('error', end);
    process.stdin.resume();
  }
  return () => ending;
}

/** Writes a file so that whoever sees it sees all of it. */
export function writeWhole(file, text) {
  fs.writeFileSync(`${file}.tmp`, text);
  fs.renameSync(`${file}.tmp`, file);
}

/** Listens on 127.0.0.1, and says where. */
export async function listen(server, { port, portFile }, scheme = 'http') {
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const { port: found } = server.address();
  if (portFile) writeWhole(portFile, `${found}\n`);
  process.stdout.write(`listening on ${scheme}://127.0.0.1:${found}\n`);
}

/** Runs main; an error is one line on standard error and status 1. */
export function run(main) {
  main().catch((error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  });
}
