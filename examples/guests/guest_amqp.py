#!/usr/bin/env python3
"""A guest over AMQP 0-9-1, with the standard library and pika 1 (Debian: python3-pika)."""
import contextlib
import json
import time

import pika
from pika.exceptions import AMQPError, ChannelClosedByBroker

import guest

parameters = pika.URLParameters(guest.BROKER_URL)
# pika answers the broker only while it is called. So the heartbeat of AMQP must be longer than the guest's pauses, whatever the
# conductor asks for.
parameters.heartbeat = max(600, int(2 * guest.HEARTBEAT_INTERVAL))
parameters.socket_timeout = parameters.stack_timeout = parameters.blocked_connection_timeout = 10
properties = pika.BasicProperties(delivery_mode=pika.spec.PERSISTENT_DELIVERY_MODE, content_type='application/json')
routing_key = f'conductor.{guest.INSTANCE_ID}'


class Session:
    """One connection and its channel. If a message fails, the guest drops both."""

    def __init__(self):
        self.connection = pika.BlockingConnection(parameters)
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.replies = self.declare_replies()

    def declare_replies(self):
        """Makes a queue for answers, on a channel of its own, because a refusal closes the channel. Without the queue the guest keeps its own pace."""
        try:
            self.answers = self.connection.channel()
            # The broker deletes it with the connection.
            return self.answers.queue_declare(f'replies.{guest.INSTANCE_ID}', exclusive=True).method.queue
        except ChannelClosedByBroker:
            return None

    def answer(self, seconds):
        deadline = time.monotonic() + seconds
        while True:
            _, _, body = self.answers.basic_get(self.replies, auto_ack=True)
            if body is not None:
                with contextlib.suppress(ValueError):
                    return json.loads(body)
            if time.monotonic() >= deadline:
                return None
            self.connection.sleep(0.05)

    def publish(self, body):
        """Returns when the broker has it. Without `mandatory` the broker confirms, and drops, a message without a bound queue."""
        self.channel.basic_publish('conductor', routing_key, body, properties, mandatory=True)

    def close(self):
        # `close` raises too if the connection is already closed.
        with contextlib.suppress(AMQPError, OSError):
            self.connection.close()


guest.run(Session, (AMQPError, OSError))
