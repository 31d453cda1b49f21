#!/usr/bin/env python3
"""A guest over MQTT 3.1.1, with the standard library and paho-mqtt 1.6 (Debian: python3-paho-mqtt)."""
import json
import queue
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt

import guest

url = urlsplit(guest.BROKER_URL)
topic = f'conductor/{guest.INSTANCE_ID}'


class Session:
    """One client. If a message fails, the guest drops the client, because paho would send every old heartbeat later."""

    replies = f'replies/{guest.INSTANCE_ID}'

    def __init__(self):
        self.answers = queue.SimpleQueue()
        # News from paho's thread: the id of a message that the broker has, or an error.
        self.news = queue.SimpleQueue()
        # paho-mqtt 2 needs mqtt.CallbackAPIVersion.VERSION1 before the client id.
        self.client = mqtt.Client(client_id=guest.INSTANCE_ID)
        self.client.on_connect = self.connected
        self.client.on_message = lambda _client, _data, message: self.answers.put(message.payload)
        self.client.on_publish = lambda _client, _data, message_id: self.news.put(message_id)
        self.client.on_disconnect = lambda *_: self.news.put('the connection was closed')
        if url.scheme == 'mqtts':
            self.client.tls_set()
        if url.username:
            self.client.username_pw_set(unquote(url.username), unquote(url.password or ''))
        self.client.connect(url.hostname, url.port or (8883 if url.scheme == 'mqtts' else 1883), keepalive=20)
        self.client.loop_start()

    def connected(self, client, _data, _flags, code):
        if code:
            self.news.put(mqtt.connack_string(code))
        else:
            # Before the first call, so no answer is missed. A broker that refuses it sends no answers, and the guest keeps its own pace.
            client.subscribe(self.replies, qos=1)

    def publish(self, body):
        """Returns when the broker has acknowledged it. MQTT 3.1.1 does not tell whether anybody has subscribed."""
        message_id = self.client.publish(topic, body, qos=1).mid
        try:
            news = self.news.get(timeout=10)
        except queue.Empty:
            news = 'the broker does not answer'
        if news != message_id:
            raise ConnectionError(news)

    def answer(self, seconds):
        try:
            return json.loads(self.answers.get(timeout=seconds))
        except (queue.Empty, ValueError):
            return None

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


guest.run(Session, OSError)
