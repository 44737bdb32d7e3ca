// One long-lived `git cat-file --batch-command` process; questions are pipelined, answers come in order.
import { spawn } from 'node:child_process';
import { gitEnvironment } from './gitobjects.mjs';

export class GitCat {
  constructor(gitDir) {
    this.waiting = [];
    this.next = 0;
    this.chunks = [];
    this.size = 0;
    this.need = null; // {type, size, bytes} while an object's content is on its way
    this.child = spawn('git', ['--git-dir', gitDir, 'cat-file', '--batch-command'], { env: gitEnvironment(), stdio: ['pipe', 'pipe', 'inherit'] });
    this.child.stdout.on('data', (chunk) => this.#take(chunk));
    this.child.stdin.on('error', () => {});
    this.ended = new Promise((resolve) => this.child.on('close', (code) => {
      const error = new Error(`git cat-file ended with ${code}`);
      for (const question of this.waiting.splice(0)) question.reject(error);
      this.dead = error;
      resolve();
    }));
  }

  /** {type, size, data} or null when there is no such object. */
  contents(oid) { return this.#ask('contents', oid); }

  /** {type, size} or null. */
  info(oid) { return this.#ask('info', oid); }

  #ask(command, oid) {
    if (this.dead) return Promise.reject(this.dead);
    if (!/^[0-9a-f]{40}$/.test(oid)) return Promise.resolve(null);
    return new Promise((resolve, reject) => {
      this.waiting.push({ command, resolve, reject });
      this.child.stdin.write(`${command} ${oid}\n`);
    });
  }

  #take(chunk) {
    this.chunks.push(chunk);
    this.size += chunk.length;
    if (this.need && this.size < this.need.size + 1) return; // a large object: join its pieces once
    let bytes = this.chunks.length === 1 ? this.chunks[0] : Buffer.concat(this.chunks);
    for (;;) {
      if (this.need) {
        if (bytes.length < this.need.size + 1) break;
        // A copy, because the chunk may be a part of a large shared buffer.
        this.#answer({ type: this.need.type, size: this.need.size, data: Buffer.from(bytes.subarray(0, this.need.size)) });
        bytes = bytes.subarray(this.need.size + 1);
        this.need = null;
        continue;
      }
      const end = bytes.indexOf(0x0a);
      if (end < 0) break;
      const [, type, size] = bytes.toString('latin1', 0, end).split(' ');
      bytes = bytes.subarray(end + 1);
      if (type === 'missing' || size === undefined) this.#answer(null);
      else if (this.waiting[this.next].command === 'info') this.#answer({ type, size: Number(size) });
      else this.need = { type, size: Number(size) };
    }
    this.chunks = bytes.length ? [bytes] : [];
    this.size = bytes.length;
  }

  #answer(value) {
    const question = this.waiting[this.next];
    this.next += 1;
    if (this.next > 1000 || this.next === this.waiting.length) {
      this.waiting.splice(0, this.next);
      this.next = 0;
    }
    question.resolve(value);
  }

  async close() {
    this.child.stdin.end();
    await this.ended;
  }
}
