// A server that knows nothing: answers each request like an S3 server without the key, and prints when it came, in µs of
// the machine's monotonic clock, which containers share. To measure how long a job takes until it asks the store.
//
//   node first_request.mjs PORT-FILE [KEY CERTIFICATE]     https with a key, on a free port of 127.0.0.1
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';

const [portFile, key, certificate] = process.argv.slice(2);
const answer = (request, response) => {
    console.log(String(process.hrtime.bigint() / 1000n));
    response.writeHead(404, { 'content-type': 'application/xml' });
    response.end('<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>not here</Message></Error>');
};
const server = key
    ? https.createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, answer)
    : http.createServer(answer);
server.listen(0, '127.0.0.1', () => writeFileSync(portFile, `${server.address().port}\n`));
