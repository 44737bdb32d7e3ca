// /_control/…: what tests tell the stand-in and ask of it. Never counted, never delayed, never faulty.
import { FaultError } from './faults.mjs';
import { ControlError } from './store.mjs';

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  if (text.trim() === '') return {};
  try { return JSON.parse(text); } catch { throw new ControlError('the body is not JSON'); }
}

/** The handler for control requests of a service. */
export function controller(service) {
  const { store, limits, faults, counters } = service;

  const describe = (repo) => {
    const { heads, past, gitDir, head, tree, ...facts } = repo;
    return { ...facts, head: store.headOf(repo), branches: Object.fromEntries(heads) };
  };
  const one = async (repo) => {
    const head = store.headOf(repo);
    return { ...describe(repo), tree: head ? (await store.commit(head)).tree : null };
  };

  const routes = {
    'GET counters': () => counters.json(),
    'GET log': (body, query) => {
      const after = Number(query.get('after') ?? 0);
      return counters.log.filter(({ n }) => n > after);
    },
    'GET faults': () => faults.list(),
    'GET world': () => ({ users: [...store.users.values()], repos: [...store.byId.values()].map(describe) }),
    'GET repo': (body, query) => {
      const repo = store.repository(query.get('owner') ?? '', query.get('repo') ?? '');
      if (!repo) throw new ControlError('no such repository');
      return one(repo);
    },
    'GET health': () => ({ ok: true, memory: process.memoryUsage().rss }),
    'POST reset': () => {
      counters.reset();
      faults.add([]);
      limits.restore();
      service.latency = service.startLatency;
      return {};
    },
    'POST faults': (body) => { faults.add(body); return { rules: faults.rules.length }; },
    'POST change': (body) => store.change(body),
    'POST metadata': (body) => store.metadata(body),
    'POST create': (body) => store.create(body),
    'POST rename-user': (body) => store.renameUser(body),
    'POST transfer': (body) => store.transfer(body),
    'POST rewind': (body) => store.reset(body),
    'POST app': (body) => service.apps.configure(body),
    'POST limits': (body) => { limits.configure(body); return {}; },
    'POST latency': ({ ms }) => {
      if (!(ms >= 0)) throw new ControlError('latency needs {ms}');
      service.latency = ms;
      return {};
    },
  };

  let queue = Promise.resolve();
  return async (request, response) => {
    const [path, search = ''] = request.url.split('?');
    const reply = (status, value) => {
      const text = JSON.stringify(value);
      response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
      response.end(text);
    };
    const body = await bodyOf(request).catch((error) => error);
    const route = routes[`${request.method} ${path.slice('/_control/'.length)}`];
    if (!route) return reply(404, { error: `no control call ${request.method} ${path}` });
    if (body instanceof Error) return reply(400, { error: body.message });
    // One at a time, so that two changes of one repository follow each other.
    queue = queue.then(async () => {
      try {
        reply(200, await route(body, new URLSearchParams(search)));
      } catch (error) {
        const ours = error instanceof ControlError || error instanceof FaultError;
        reply(ours ? 400 : 500, { error: ours ? error.message : error.stack });
      }
    });
    return queue;
  };
}
