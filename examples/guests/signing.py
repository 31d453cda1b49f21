"""Signs the messages of the guests here, if the environment has KEY_FILE: a file with the line that `conductor keys create` prints.

docs/protocol.md, "Signed messages", has the form. examples/signed-messages has test vectors.
"""
import base64
import hashlib
import hmac
import os
import time
import uuid

KEY_FILE = os.environ.get('KEY_FILE')


def signed(body, message_id=None):
    """The body with its signature. Without a key, the body as it is."""
    if not KEY_FILE:
        return body
    # Read each time, so that a rotated key needs no restart.
    with open(KEY_FILE, encoding='utf-8') as file:
        sender, key_id, key = file.readline().split()
    line = f'1 {key_id} {sender} {time.time():.6f} {message_id or uuid.uuid4()}\n'.encode()
    signature = hmac.new(base64.urlsafe_b64decode(key + '='), line + body, hashlib.sha256).hexdigest()
    return f'hmac-sha256 {signature}\n'.encode() + line + body
