// Starts a stand-in for the tests and talks to it over plain HTTP.
import { spawn } from 'node:child_process';
import http from 'node:http';
import path from 'node:path';
import { once } from 'node:events';
import zlib from 'node:zlib';
import { ROOT } from '../lib/material.mjs';

export class Client {
  constructor(port, token = 'a-token') {
    this.port = port;
    this.token = token;
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 200 });
  }

  /** {status, headers, text, json()} */
  request(method, target, { headers = {}, body, token = this.token, most = Infinity, localAddress } = {}) {
    const sent = { 'user-agent': 'checks', ...(token ? { authorization: `bearer ${token}` } : {}), ...headers };
    for (const name of Object.keys(sent)) if (sent[name] === undefined) delete sent[name];
    return new Promise((resolve, reject) => {
      const request = http.request({ port: this.port, host: '127.0.0.1', method, path: target, headers: sent, agent: this.agent, localAddress }, (response) => {
        const chunks = [];
        let size = 0;
        response.on('data', (chunk) => {
          chunks.push(chunk);
          size += chunk.length;
          if (size > most) {
            response.destroy();
            resolve({ status: response.statusCode, size });
          }
        });
        response.on('error', reject);
        response.on('end', () => {
          const raw = Buffer.concat(chunks);
          const data = response.headers['content-encoding'] === 'gzip' ? zlib.gunzipSync(raw) : raw;
          resolve({ status: response.statusCode, headers: response.headers, bytes: data, text: data.toString(), size, json: () => JSON.parse(data.toString()) });
        });
      });
      request.on('error', reject);
      request.end(body);
    });
  }

  get(target, options) { return this.request('GET', target, options); }

  async graphql(query, variables = {}, options = {}) {
    const answer = await this.request('POST', '/graphql', { ...options, body: JSON.stringify({ query, variables, operationName: options.operationName }), headers: { 'content-type': 'application/json', ...options.headers } });
    return { ...(/json/.test(answer.headers?.['content-type'] ?? '') ? answer.json() : {}), ...answer };
  }

  async control(method, name, body) {
    const answer = await this.request(method, `/_control/${name}`, { body: body === undefined ? undefined : JSON.stringify(body) });
    if (answer.status !== 200) throw new Error(`control ${name}: ${answer.text}`);
    return answer.json();
  }

  close() { this.agent.destroy(); }
}

/** Starts server.mjs on a world; {port, child, ended}. */
export const start = (world, extra = [], stdin = 'ignore') => startProgram('server.mjs', ['--world', world, ...extra], stdin);

/** Starts one of the programs here; the same. */
export async function startProgram(name, args, stdin = 'ignore') {
  const child = spawn(process.execPath, [path.join(ROOT, name), ...args], { stdio: [stdin, 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
  let text = '';
  for await (const chunk of child.stdout) {
    text += chunk;
    if (text.includes('\n')) break;
  }
  const port = Number(/:(\d+)\n/.exec(text)?.[1]);
  if (!port) throw new Error(`the server said: ${text}`);
  return { port, child, ended };
}
