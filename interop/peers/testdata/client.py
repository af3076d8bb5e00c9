"""Makes COUNT connections to 127.0.0.1:PORT, each with the session of the previous one.

usage: client.py PORT CAFILE COUNT [VERSION [PAUSE]], e.g. client.py 443 ca.pem 3 TLSv1.2 25
The pause, in milliseconds, is after each connection.
"""

import socket
import ssl
import sys
import time

port, cafile, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
context = ssl.create_default_context(cafile=cafile)
if len(sys.argv) > 4:
    context.minimum_version = context.maximum_version = {
        "TLSv1.2": ssl.TLSVersion.TLSv1_2,
        "TLSv1.3": ssl.TLSVersion.TLSv1_3,
    }[sys.argv[4]]
session = None
for _ in range(count):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # Finished and the request go one by one
        with context.wrap_socket(raw, server_hostname="localhost", session=session) as conn:
            conn.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while conn.recv(4096):
                pass
            print(f"session_reused={conn.session_reused} {conn.version()}")
            session = conn.session  # after the read: TLS 1.3 tickets arrive with data
    if len(sys.argv) > 5:
        time.sleep(int(sys.argv[5]) / 1000)
