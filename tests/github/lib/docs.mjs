// The three documents of a documented repository, from hand-written facts (facts.mjs) and from the package itself.
import { FACTS } from './facts.mjs';
import { languageBytes } from './languages.mjs';

const list = (items) => items.map((item) => `- ${item}`).join('\n');
const and = (items) => (items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`);
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const sentence = (text) => { const trimmed = text.trim(); return /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`; };

function folders(files) {
  const count = new Map();
  for (const { path } of files) {
    const folder = path.includes('/') ? path.slice(0, path.indexOf('/')) : '.';
    count.set(folder, (count.get(folder) ?? 0) + 1);
  }
  return [...count].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

function entryPoints(manifest) {
  const points = [];
  if (manifest.main) points.push(`\`${manifest.main}\` for CommonJS`);
  if (manifest.module) points.push(`\`${manifest.module}\` for bundlers`);
  const bin = typeof manifest.bin === 'string' ? { [manifest.name]: manifest.bin } : manifest.bin ?? {};
  for (const [command, file] of Object.entries(bin)) points.push(`the command \`${command}\` in \`${file}\``);
  if (manifest.exports && points.length === 0) points.push('the `exports` map of `package.json`');
  return points.length ? points : ['`index.js`'];
}

export function skillsIndex(name, manifest, files) {
  const facts = FACTS[name];
  const languages = languageBytes(files).slice(0, 3).map(([language]) => language);
  const evidence = facts.technical.map((skill, index) => {
    const [folder, count] = folders(files)[index % Math.min(3, folders(files).length)];
    return `| ${capital(skill)} | ${folder === '.' ? 'top level' : `\`${folder}/\``} | ${count} |`;
  });
  return `# Skills index: ${name}

${sentence(manifest.description ?? name)} This page lists what one can learn from the repository and what its author shows by it.

## Technical skills

${list(facts.technical.map(capital))}

Written mainly in ${and(languages)}.

## Domain knowledge

${list(facts.domain.map(capital))}

## Where it shows

| Skill | Place | Files |
|---|---|---|
${evidence.join('\n')}

## Skills acquired

${list(facts.acquired.map(capital))}

## Deliverables

${list(facts.deliverables.map(capital))}
`;
}

export function architecture(name, manifest, files) {
  const facts = FACTS[name];
  const dependencies = Object.keys(manifest.dependencies ?? {});
  const rows = folders(files).slice(0, 8).map(([folder, count]) => `| ${folder === '.' ? '(top level)' : `\`${folder}/\``} | ${count} |`);
  return `# Architecture of ${name}

## Purpose

${sentence(manifest.description ?? name)} It belongs to the field of ${and(facts.domain)}.

## How data flows

${facts.flow}

## Layout

| Folder | Files |
|---|---|
${rows.join('\n')}

The way in is ${and(entryPoints(manifest))}.

## Dependencies

${dependencies.length ? `At run time it needs ${and(dependencies.map((d) => `\`${d}\``))}.` : 'It needs no other package at run time.'} The stack is ${and([...facts.primary, ...facts.secondary])}.

## Decisions

${list(facts.decisions)}
`;
}

export function repoContext(name, manifest) {
  const facts = FACTS[name];
  return `${JSON.stringify({
    schema_version: '1.0',
    project_identity: { name, description: manifest.description ?? '', type: facts.type, scope: facts.domain[0] },
    tech_stack: { primary: facts.primary, secondary: facts.secondary, key_libraries: Object.keys(manifest.dependencies ?? {}) },
    skill_manifest: { technical: facts.technical, domain: facts.domain },
    outcomes: { deliverables: facts.deliverables, skills_acquired: facts.acquired },
  }, null, 2)}\n`;
}

/** The three files of a documented repository. */
export function documents(name, manifest, files) {
  const text = (path, content) => ({ path, mode: '100644', data: Buffer.from(content) });
  return [
    text('.repo-context.json', repoContext(name, manifest)),
    text('ARCHITECTURE.md', architecture(name, manifest, files)),
    text('SKILLS-INDEX.md', skillsIndex(name, manifest, files)),
  ];
}
