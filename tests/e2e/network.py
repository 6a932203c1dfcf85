"""The network of a company: TLS in front of a service, a proxy that is the only one to resolve its names, a captive
portal."""
import base64
import concurrent.futures
import contextlib
import ctypes
import fcntl
import socket
import ssl
import struct
import threading

CLONE_NEWNET, SIOCSIFFLAGS, IFF_UP = 0x40000000, 0x8914, 1  # from Linux's headers


def listen(handle):
    """Handles each connection in a thread. Returns the port."""
    server = socket.create_server(("127.0.0.1", 0))

    def one(connection):
        with contextlib.suppress(OSError), connection:
            handle(connection)

    def accept():
        while True:
            connection, _ = server.accept()
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return server.getsockname()[1]


def pump(a, b):
    """Copies bytes in both directions until one side ends."""

    def way(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for side in (source, target):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    back = threading.Thread(target=way, args=(b, a), daemon=True)
    back.start()
    way(a, b)
    back.join()


def read_request(connection):
    """Reads the whole request. Closing with unread bytes would reset the connection, and the answer could be lost."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536) or b"\r\n\r\n"
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length and (more := connection.recv(65536)):
        body += more


class Tls:
    """TLS in front of a port, or a TLS server that always sends `answer`."""

    def __init__(self, certificate, target=None, answer=None, versions=None, sends_close_notify=True):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if versions:
            context.minimum_version, context.maximum_version = versions
        self.context, self.target, self.answer, self.sends_close_notify = context, target, answer, sends_close_notify
        self.spoken = []  # the TLS version of each connection
        self.port = listen(self.handle)

    def handle(self, connection):
        with self.context.wrap_socket(connection, server_side=True) as inner:
            self.spoken.append(inner.version())
            if self.answer is not None:
                read_request(inner)
                inner.sendall(self.answer)
                if self.sends_close_notify:
                    inner.unwrap()
                return
            with socket.create_connection(("127.0.0.1", self.target)) as service:
                pump(inner, service)


class Proxy:
    """A CONNECT proxy that resolves the names of the company. Nothing else resolves them."""

    def __init__(self, names, password=None, answer=None):
        self.names, self.password, self.answer = names, password, answer
        self.asked = []
        self.port = listen(self.handle)
        self.url = f"http://127.0.0.1:{self.port}"

    def handle(self, connection):
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(4096)
            if not data:
                return
            head += data
        lines = head.decode().split("\r\n")
        method, target, _ = lines[0].split(" ")
        self.asked.append(f"{method} {target}")
        if self.answer is not None:
            connection.sendall(self.answer)
            return
        headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines[1:] if ":" in line}
        if self.password:
            expected = "Basic " + base64.b64encode(self.password.encode()).decode()
            if headers.get("proxy-authorization") != expected:
                connection.sendall(
                    b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"company\"\r\n"
                    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
                )
                return
        port = self.names.get(target)
        if method != "CONNECT" or port is None:
            connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", port)) as service:
            pump(connection, service)


def own_network(work):
    """Runs `work` in a thread with a network of its own: a loopback interface and nothing else. The threads and programs
    that `work` starts are in that network too, so that no other program of this machine holds a port that they need.
    Returns false, and runs nothing, if this user may not have one."""

    def inside():
        if not hasattr(socket, "AF_NETLINK") or ctypes.CDLL(None).unshare(CLONE_NEWNET):
            return False
        with socket.socket() as probe:
            fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))
        work()
        return True

    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(inside).result()
