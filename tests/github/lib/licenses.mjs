// Licences as GitHub names them; anything else is "other".
const KNOWN = [
  ['mit', 'MIT License', 'MIT'], ['apache-2.0', 'Apache License 2.0', 'Apache-2.0'], ['isc', 'ISC License', 'ISC'],
  ['bsd-2-clause', 'BSD 2-Clause "Simplified" License', 'BSD-2-Clause'], ['bsd-3-clause', 'BSD 3-Clause "New" or "Revised" License', 'BSD-3-Clause'],
  ['unlicense', 'The Unlicense', 'Unlicense'], ['zlib', 'zlib License', 'Zlib'], ['0bsd', 'BSD Zero Clause License', '0BSD'],
  ['mit-0', 'MIT No Attribution', 'MIT-0'], ['mpl-2.0', 'Mozilla Public License 2.0', 'MPL-2.0'], ['cc0-1.0', 'Creative Commons Zero v1.0 Universal', 'CC0-1.0'],
  ['gpl-3.0', 'GNU General Public License v3.0', 'GPL-3.0'], ['agpl-3.0', 'GNU Affero General Public License v3.0', 'AGPL-3.0'],
];

// GitHub's ids of licences are of the older form, by GraphQL as by REST.
const nodeId = (index) => Buffer.from(`07:License${index}`).toString('base64');

/** {key, name, spdxId, nodeId} or null for a repository without a licence. */
export function licenseOf(spdx) {
  if (!spdx) return null;
  const index = KNOWN.findIndex(([, , id]) => id.toLowerCase() === spdx.toLowerCase());
  if (index < 0) return { key: 'other', name: 'Other', spdxId: 'NOASSERTION', nodeId: nodeId(99) };
  const [key, name, spdxId] = KNOWN[index];
  return { key, name, spdxId, nodeId: nodeId(index) };
}
