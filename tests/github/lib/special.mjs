// The peculiar repositories: each takes a package's files and changes what makes it peculiar.

const README = /^readme(\.[a-z]+)?$/i;
const DOCUMENT = /\.(md|markdown|mdx|rst|adoc)$|^readme/i;

const file = (path, data, mode = '100644') => ({ path, mode, data: Buffer.isBuffer(data) ? data : Buffer.from(data) });
const without = (files, test) => files.filter(({ path }) => !test(path));
const withReadme = (files, data, mode) => [...without(files, (path) => README.test(path)), file('README.md', data, mode)];
const readmeOf = (files) => files.find(({ path }) => README.test(path))?.data.toString() ?? '# Read me\n';

/** Strips every document, for the user "no-docs". */
export function stripDocuments(files) {
  return without(files, (path) => DOCUMENT.test(path.slice(path.lastIndexOf('/') + 1)));
}

// A small picture: the PNG signature and header, which hold NUL bytes.
function binary() {
  const bytes = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, 0x49, 0x48, 0x44, 0x52, 0, 0, 0, 1, 0, 0, 0, 1, 8, 6, 0, 0, 0];
  return Buffer.concat([Buffer.from(bytes), Buffer.from(Array.from({ length: 4000 }, (_, i) => (i * 7919) % 256))]);
}

function huge(files) {
  const parts = [readmeOf(files), '\n\n## Reference\n'];
  let length = parts.join('').length;
  for (let n = 1; length < 640_000; n += 1) {
    const part = `\n### Option ${n}\n\nOption ${n} sets how many times entry ${n % 97} is tried; its default is ${n % 11}. Values below zero are refused, `
      + `and values over ${1000 + n} are treated as no limit. See also option ${(n * 31) % 2000 + 1}.\n`;
    parts.push(part);
    length += part.length;
  }
  return parts.join('');
}

function unicode(files) {
  const readme = `# unicode-notes – Ærø, Žluťoučký kůň, Ελληνικά, Русский, 日本語, العربية, हिन्दी, 한국어

Notizen für Anfänger: „Größe“ und ‚Maß‘, naïve café, façade – em dash — and “quotes”.

## Заметки

Съешь ещё этих мягких французских булок, да выпей же чаю.

## メモ

いろはにほへと ちりぬるを。全角ＡＢＣと半角ｱｲｳ。

## Emoji

🎉 👩‍👩‍👧‍👦 🏳️‍🌈 🇪🇺 — and a character beyond the basic plane: 𝔘𝔫𝔦𝔠𝔬𝔡𝔢, 𠮷.

## Special cases

A byte order mark inside: \uFEFF, a no-break space:\u00A0!, decomposed é: e\u0301, a line separator:\u2028, a zero-width space:\u200B.
`;
  return [
    ...withReadme(files, readme),
    file('docs/für-Anfänger.md', '# Für Anfänger\n\nÜbung macht den Meister.\n'),
    file('заметки/привет.txt', 'Привет, мир!\n'),
    file('数据/说明.md', '# 说明\n\n这是一个测试。\n'),
    file('emoji-🎉.txt', '🎉\n'),
    file('cafe\u0301/decomposed.txt', 'The folder\'s name is in decomposed form.\n'),
    file('with space & sign/100% #1?.md', '# Characters that need escaping in an address\n'),
    file('quotes"and\\backslash.txt', 'A name that needs escaping in JSON.\n'),
  ];
}

/** Changes `files` as `kind` says; `null` means a repository without a commit. */
export function special(kind, files) {
  switch (kind) {
    case 'empty': return null;
    case 'binary': return withReadme(files, binary());
    case 'huge': return withReadme(files, huge(files));
    case 'unicode': return unicode(files);
    case 'link': return [...withReadme(files, 'docs/GUIDE.md', '120000'), file('docs/GUIDE.md', readmeOf(files))];
    case 'blank': return withReadme(files, '');
    case 'latin1': return withReadme(files, Buffer.concat([
      Buffer.from('# Caf'), Buffer.from([0xe9]), Buffer.from('\n\nWritten in Latin-1: Gr'), Buffer.from([0xf6, 0xdf]), Buffer.from('e, na'), Buffer.from([0xef]), Buffer.from('ve.\n'),
    ]));
    case 'nul': return withReadme(files, Buffer.alloc(64));
    case 'broken': return [...files, file('.repo-context.json', '{"project_identity": {"name": "broken-context", "description": "a comma too many",},\n  tech_stack: [\n')];
    default: return files; // archived, fork: the files are ordinary
  }
}

/** Facts of the listing that a kind changes. */
export const SPECIAL_FACTS = {
  empty: { description: 'Nothing here yet', topics: [] },
  binary: { description: 'A repository whose README.md is a picture' },
  huge: { description: 'A repository whose README.md is longer than the API gives at once' },
  unicode: { description: 'Notizen, заметки, メモ — «naïve» façade 🎉', homepageUrl: 'https://example.org/überblick?q=1&r=ä' },
  archived: { isArchived: true },
  fork: { isFork: true },
  link: { description: 'README.md is a symbolic link to docs/GUIDE.md' },
  blank: { description: 'README.md has no bytes at all' },
  latin1: { description: 'README.md is Latin-1, which is not valid UTF-8' },
  nul: { description: null, topics: [] },
  broken: { description: '.repo-context.json is not JSON' },
};
