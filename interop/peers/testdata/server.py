"""Answers every request on the listening socket 3 with a description of the connection.

usage: server.py VERSION TICKETS CERT KEY, e.g. server.py 1.3 on cert.pem key.pem
"""

import socket
import ssl
import sys

version, tickets, cert, key = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
context.minimum_version = context.maximum_version = {
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}[version]
if tickets == "off":
    context.options |= ssl.OP_NO_TICKET
listener = socket.socket(fileno=3)
while True:
    raw, _ = listener.accept()
    raw.settimeout(20)
    with context.wrap_socket(raw, server_side=True) as conn:
        conn.recv(4096)
        body = f"session_reused={conn.session_reused} {conn.version()}\n"
        conn.sendall(f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        try:
            conn.unwrap()
        except OSError:
            pass  # the client was faster
