// Makes COUNT connections to 127.0.0.1:PORT, each with the newest earlier session.
// usage: node client.js PORT CAFILE COUNT [VERSION [PAUSE]], e.g. node client.js 443 ca.pem 3 TLSv1.2 25
// The pause, in milliseconds, is after each connection.
'use strict';
const fs = require('node:fs');
const tls = require('node:tls');

const [port, cafile, count, version, pause] = process.argv.slice(2);
let session;

function connect(left) {
  if (left === 0) return;
  const conn = tls.connect({
    host: '127.0.0.1',
    port: Number(port),
    servername: 'localhost',
    ca: fs.readFileSync(cafile),
    session,
    ...(version && { minVersion: version, maxVersion: version }),
  }, () => {
    console.log(`isSessionReused=${conn.isSessionReused()} ${conn.getProtocol()}`);
    // In TLS 1.2 there is no event when a ticket replaces another.
    if (conn.getProtocol() === 'TLSv1.2') session = conn.getSession();
    conn.write('GET / HTTP/1.0\r\n\r\n');
  });
  conn.setTimeout(20000, () => conn.destroy(new Error('timeout')));
  conn.on('session', (s) => { session = s; });
  conn.on('error', (err) => { throw err; });
  conn.on('close', () => setTimeout(connect, Number(pause ?? 0), left - 1));
  conn.resume();
}

connect(Number(count));
