"""What runs inside the demonstration's pods: an HTTP server, and a client of it."""

import http.client
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REQUESTS_PER_CONNECTION = 50


class _Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # header and body in one segment: two would wait for each other (Nagle)

    def do_GET(self) -> None:
        """Answer every path alike."""
        body = b"hello\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name of the library
        """Say nothing."""


def serve(address: str, ports: list[int]) -> None:
    """Serve for ever; print a line when all ports listen."""
    servers = [ThreadingHTTPServer((address, port), _Page) for port in ports]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    print("listening", flush=True)


def send(address: str, count: int, ports: list[int]) -> None:
    """Send `count` requests to each port; print how many of the first one's were answered well."""
    answered = dict.fromkeys(ports, 0)
    for begin in range(0, count, REQUESTS_PER_CONNECTION):
        for port in ports:
            connection = http.client.HTTPConnection(address, port, timeout=10)
            for number in range(begin, min(begin + REQUESTS_PER_CONNECTION, count)):
                connection.request("GET", f"/demo/{number}")
                response = connection.getresponse()
                response.read()
                answered[port] += response.status == http.HTTPStatus.OK
            connection.close()
    print(answered[ports[0]])


if __name__ == "__main__":
    verb, address, *rest = sys.argv[1:]
    numbers = [int(each) for each in rest]
    if verb == "serve":
        serve(address, numbers)
    else:
        send(address, numbers[0], numbers[1:])
