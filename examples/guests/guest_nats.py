#!/usr/bin/env python3
"""A guest over NATS JetStream, with the standard library only. Debian 12 has no NATS client for Python."""
import contextlib
import json
import socket
import ssl
import time
import uuid
from urllib.parse import unquote, urlsplit

import guest

url = urlsplit(guest.BROKER_URL)
subject = f'conductor.{guest.INSTANCE_ID}'


class Session:
    """One connection, with the part of the NATS client protocol that publishing to a stream needs."""

    def __init__(self):
        self.inbox = f'_INBOX.{uuid.uuid4().hex}'
        self.replies = f'{self.inbox}.answers'
        self.answers = []
        self.socket = socket.create_connection((url.hostname, url.port or 4222), timeout=10)
        self.input = self.socket.makefile('rb')
        _, information = self.line().split(' ', 1)
        if url.scheme == 'tls' or json.loads(information).get('tls_required'):
            self.socket = ssl.create_default_context().wrap_socket(self.socket, server_hostname=url.hostname)
            self.input = self.socket.makefile('rb')
        options = {'name': guest.INSTANCE_ID, 'verbose': False, 'headers': True, 'no_responders': True}
        if url.password is not None:
            options.update({'user': unquote(url.username), 'pass': unquote(url.password)})
        elif url.username is not None:
            options['auth_token'] = unquote(url.username)
        self.send(f'CONNECT {json.dumps(options)}', f'SUB {self.inbox} 1', f'SUB {self.replies} 2')

    def publish(self, body):
        """Returns when the stream has stored it. The stream confirms this at the reply subject (a PubAck)."""
        # A stream keeps one message of each id. Here each attempt has a new id, so the id only helps to find a message.
        headers = f'NATS/1.0\r\nNats-Msg-Id: {uuid.uuid4()}\r\n\r\n'
        sizes = f'{len(headers)} {len(headers) + len(body)}'
        self.send(f'HPUB {subject} {self.inbox} {sizes}', headers + body.decode())
        acknowledgement = json.loads(self.receive())
        if 'error' in acknowledgement:
            raise ConnectionError(acknowledgement['error']['description'])

    def receive(self):
        """Returns the next acknowledgement, and keeps the answers before it."""
        while True:
            acknowledgement = self.read()
            if acknowledgement is not None:
                return acknowledgement

    def answer(self, seconds):
        deadline = time.monotonic() + seconds
        while not self.answers:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                self.input.peek(1)
            except TimeoutError:
                # The file reads no more after a timeout. Nothing is lost with it, because it was empty.
                self.input = self.socket.makefile('rb')
                return None
            finally:
                self.socket.settimeout(10)
            self.read()
        return self.answers.pop(0)

    def read(self):
        """Reads one operation. Returns the payload of an acknowledgement. It also answers the server's pings, which come every two minutes."""
        operation, *words = self.line().split()
        if operation in ('MSG', 'HMSG'):
            payload = self.input.read(int(words[-1]) + 2)
            if words[1] == '2':
                with contextlib.suppress(ValueError):
                    self.answers.append(json.loads(payload[int(words[-2]) if operation == 'HMSG' else 0:]))
                return None
            if operation == 'HMSG':
                # The only acknowledgement with headers is the server's status 503: no responders.
                raise ConnectionError(f'no stream keeps {subject} yet')
            return payload
        if operation == '-ERR':
            raise ConnectionError(' '.join(words))
        if operation == 'PING':
            self.send('PONG')
        return None

    def line(self):
        line = self.input.readline()
        if not line.endswith(b'\r\n'):
            raise ConnectionError('the server has closed the connection')
        return line.decode()

    def send(self, *lines):
        self.socket.sendall(''.join(f'{line}\r\n' for line in lines).encode())

    def close(self):
        self.input.close()
        self.socket.close()


guest.run(Session, OSError)
