#!/usr/bin/env python3
"""A call over MQTT 3.1.1, with the standard library and paho-mqtt 1.6. It prints the answer to `ping`.

    call_mqtt.py [INSTANCE_ID [BROKER_URL]]

The environment may set INSTANCE_ID, BROKER_URL, and CALL_TIMEOUT in seconds. The exit code is 1 if the answer is an error or does
not come.
"""
import json
import os
import queue
import sys
import time
import uuid
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt

from signing import signed

INSTANCE_ID = sys.argv[1] if len(sys.argv) > 1 else os.environ['INSTANCE_ID']
url = urlsplit(sys.argv[2] if len(sys.argv) > 2 else os.environ['BROKER_URL'])
CALL_TIMEOUT = float(os.environ.get('CALL_TIMEOUT', '10'))


class Caller:
    """Calls, one at a time. MQTT 3.1.1 has no properties, so the body has the reply address."""

    def __init__(self):
        self.replies_topic = f'replies/{INSTANCE_ID}'
        self.subscribed, self.answers = queue.SimpleQueue(), queue.SimpleQueue()
        # No client id, so the broker makes one. The instance's id would end the connection of its guest. paho-mqtt 2 needs
        # mqtt.CallbackAPIVersion.VERSION1 here.
        self.client = mqtt.Client()
        # In this callback, so that paho subscribes again after each reconnect.
        self.client.on_connect = lambda client, *_: client.subscribe(self.replies_topic, qos=1)
        self.client.on_subscribe = lambda *_: self.subscribed.put(True)
        self.client.on_message = lambda _client, _data, message: self.answers.put(json.loads(message.payload))
        if url.scheme == 'mqtts':
            self.client.tls_set()
        if url.username:
            self.client.username_pw_set(unquote(url.username), unquote(url.password or ''))
        self.client.connect(url.hostname, url.port or (8883 if url.scheme == 'mqtts' else 1883), keepalive=20)
        self.client.loop_start()
        # The broker drops an answer that comes before the subscription.
        self.subscribed.get(timeout=CALL_TIMEOUT)

    def call(self, method, **args):
        """Returns the result. Raises RuntimeError with the conductor's error, and queue.Empty after the timeout."""
        call_id = str(uuid.uuid4())
        body = {
            'method': method,
            'args': args,
            # A call that changes something needs a message id. If it comes twice, it acts once and has the same answer.
            'message_id': call_id,
            'reply_to': self.replies_topic,
            'correlation_id': call_id,
        }
        self.client.publish(f'conductor/{INSTANCE_ID}', signed(json.dumps(body).encode(), call_id), qos=1)
        deadline = time.monotonic() + CALL_TIMEOUT
        while True:
            answer = self.answers.get(timeout=max(0, deadline - time.monotonic()))
            # A late answer to an earlier call has another id.
            if answer.get('correlation_id') != call_id:
                continue
            if 'error' in answer:
                raise RuntimeError(f"{answer['error']['class']}: {answer['error']['message']}")
            return answer['result']

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


try:
    caller = Caller()
    print(json.dumps(caller.call('ping')))
    caller.close()
except queue.Empty:
    sys.exit(f'no answer within {CALL_TIMEOUT:g} s')
except (OSError, RuntimeError) as error:
    sys.exit(str(error))
