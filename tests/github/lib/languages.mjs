// Languages by bytes, as GitHub's listing shows them, with GitHub Linguist's own table.
import * as table from 'linguist-languages';

// Extensions that several languages claim: what they are in practice in such repositories.
const PREFERRED = {
  '.js': 'JavaScript', '.mjs': 'JavaScript', '.cjs': 'JavaScript', '.jsx': 'JavaScript', '.ts': 'TypeScript', '.mts': 'TypeScript',
  '.cts': 'TypeScript', '.md': 'Markdown', '.tsx': 'TSX', '.h': 'C++', '.c': 'C', '.cc': 'C++', '.cpp': 'C++', '.css': 'CSS', '.html': 'HTML',
  '.sh': 'Shell', '.py': 'Python', '.sol': 'Solidity', '.php': 'PHP', '.pl': 'Perl', '.rs': 'Rust', '.go': 'Go', '.m': 'Objective-C',
  '.r': 'R', '.sql': 'SQL', '.lua': 'Lua', '.cs': 'C#', '.scss': 'SCSS', '.less': 'Less',
};

const byName = new Map();
const byExtension = new Map();
const byFilename = new Map();
for (const language of Object.values(table)) {
  if (!language || typeof language !== 'object' || !language.name) continue;
  byName.set(language.name, language);
  for (const extension of language.extensions ?? []) if (!byExtension.has(extension)) byExtension.set(extension, language);
  for (const filename of language.filenames ?? []) if (!byFilename.has(filename)) byFilename.set(filename, language);
}
for (const [extension, name] of Object.entries(PREFERRED)) if (byName.has(name)) byExtension.set(extension, byName.get(name));

const VENDORED = /(^|\/)(vendor|third_party|node_modules)\/|\.min\.(js|css)$|\.map$|(^|\/)package-lock\.json$/;

/** The Linguist entry of a path, or undefined. */
export function languageOf(file) {
  const base = file.slice(file.lastIndexOf('/') + 1);
  if (byFilename.has(base)) return byFilename.get(base);
  const dot = base.lastIndexOf('.');
  return dot < 0 ? undefined : byExtension.get(base.slice(dot).toLowerCase());
}

/** [[name, bytes]] by size, largest first; only programming and markup languages count. */
export function languageBytes(files) {
  const bytes = new Map();
  for (const { path, data, mode } of files) {
    if (mode === '120000' || VENDORED.test(path) || data.length === 0) continue;
    const language = languageOf(path);
    if (!language || (language.type !== 'programming' && language.type !== 'markup')) continue;
    const name = language.group && byName.has(language.group) ? language.group : language.name;
    bytes.set(name, (bytes.get(name) ?? 0) + data.length);
  }
  return [...bytes].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

export function languageColor(name) {
  return byName.get(name)?.color ?? null;
}

export function languageId(name) {
  return byName.get(name)?.languageId ?? 0;
}
