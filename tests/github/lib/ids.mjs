// Global node ids in GitHub's present form: a prefix and a MessagePack array in base64url.
import crypto from 'node:crypto';

const HEAD_PLAIN = Buffer.from([0x92, 0x00, 0xce]);
const HEAD_WITH_OID = Buffer.from([0x93, 0x00, 0xce]);
const FORM = /^(U|O|R|C|T|B|REF|LA|MDU|RT)_([A-Za-z0-9_-]+)$/;

function u32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** `R_kgDO…`: the id of something that has a number. */
export function nodeId(prefix, databaseId) {
  return `${prefix}_${Buffer.concat([HEAD_PLAIN, u32(databaseId)]).toString('base64url')}`;
}

/** `B_kwDO…`: the id of a git object within a repository. */
export function objectId(prefix, repositoryId, name) {
  const text = Buffer.from(name);
  const length = text.length < 32 ? Buffer.from([0xa0 | text.length]) : Buffer.from([0xd9, text.length]);
  return `${prefix}_${Buffer.concat([HEAD_WITH_OID, u32(repositoryId), length, text]).toString('base64url')}`;
}

/** {prefix, databaseId, name?} or null. */
export function readId(id) {
  const match = FORM.exec(id);
  if (!match) return null;
  const bytes = Buffer.from(match[2], 'base64url');
  if (bytes.length < 7) return null;
  const found = { prefix: match[1], databaseId: bytes.readUInt32BE(3) };
  if (bytes[0] === 0x93 && bytes.length > 8) found.name = bytes.subarray(bytes[7] === 0xd9 ? 9 : 8).toString();
  return found;
}

/** A number that depends on the text alone: from 0 up to, not including, `below`. */
export function hashNumber(text, below) {
  return crypto.createHash('sha256').update(text).digest().readUInt32BE(0) % below;
}

/** Time in GitHub's form, without fractions of a second. */
export function isoTime(milliseconds) {
  return new Date(milliseconds).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
