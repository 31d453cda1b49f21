#!/usr/bin/env python3
"""Checks signed messages against vectors.json, with the standard library. docs/protocol.md, "Signed messages", has the form."""
import base64
import hashlib
import hmac
import json
import pathlib
import sys


def sign(key, key_id, sender, sent, message_id, body):
    signed = f'1 {key_id} {sender} {sent} {message_id}\n'.encode() + body
    return b'hmac-sha256 ' + hmac.new(key, signed, hashlib.sha256).hexdigest().encode() + b'\n' + signed


def is_signed(key, message):
    first, _, signed = message.partition(b'\n')
    expected = b'hmac-sha256 ' + hmac.new(key, signed, hashlib.sha256).hexdigest().encode()
    return hmac.compare_digest(first, expected)


vectors = json.loads(pathlib.Path(__file__).with_name('vectors.json').read_text())
key_of = lambda vector: base64.urlsafe_b64decode(vector['key'] + '=')
wrong = [
    vector['name']
    for vector in vectors['valid']
    if sign(key_of(vector), vector['keyId'], vector['sender'], vector['sent'], vector['messageId'], vector['body'].encode())
    != vector['message'].encode() or not is_signed(key_of(vector), vector['message'].encode())
] + [vector['name'] for vector in vectors['invalid'] if is_signed(key_of(vector), vector['message'].encode())]
print(f"{len(vectors['valid'])} valid and {len(vectors['invalid'])} invalid messages, {len(wrong)} not as expected")
sys.exit(', '.join(wrong) or 0)
