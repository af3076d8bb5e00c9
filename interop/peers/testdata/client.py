"""Three connections to 127.0.0.1:PORT, each with the session of the one before.

usage: client.py PORT CAFILE
"""

import socket
import ssl
import sys

port, cafile = int(sys.argv[1]), sys.argv[2]
context = ssl.create_default_context(cafile=cafile)
session = None
for _ in range(3):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        with context.wrap_socket(raw, server_hostname="localhost", session=session) as conn:
            conn.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while conn.recv(4096):
                pass
            print(f"session_reused={conn.session_reused} {conn.version()}")
            session = conn.session  # after the read: TLS 1.3 tickets arrive with data
