// Answers every request on the listening socket 3 with a description of the connection.
// usage: node server.js VERSION TICKETS CACHE CERT KEY, e.g. node server.js 1.3 on off cert.pem key.pem
'use strict';
const { constants } = require('node:crypto');
const fs = require('node:fs');
const tls = require('node:tls');

const [version, tickets, cache, cert, key] = process.argv.slice(2);
const server = tls.createServer({
  cert: fs.readFileSync(cert),
  key: fs.readFileSync(key),
  minVersion: `TLSv${version}`,
  maxVersion: `TLSv${version}`,
  secureOptions: tickets === 'off' ? constants.SSL_OP_NO_TICKET : 0,
}, (conn) => {
  conn.on('error', () => conn.destroy());
  conn.once('data', () => {
    const body = `isSessionReused=${conn.isSessionReused()} ${conn.getProtocol()}\n`;
    conn.end(`HTTP/1.0 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  });
});
if (cache === 'on') {
  const store = new Map();
  server.on('newSession', (id, data, done) => { store.set(id.toString('hex'), data); done(); });
  server.on('resumeSession', (id, done) => done(null, store.get(id.toString('hex')) ?? null));
}
server.listen({ fd: 3 });
