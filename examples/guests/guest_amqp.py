#!/usr/bin/env python3
"""A guest over AMQP 0-9-1, with the standard library and pika 1 (Debian: python3-pika)."""
import contextlib

import pika
from pika.exceptions import AMQPError

import guest

parameters = pika.URLParameters(guest.BROKER_URL)
# pika answers the broker only while it is called. So the heartbeat of AMQP must be longer than the guest's pauses.
parameters.heartbeat = max(20, int(2 * guest.HEARTBEAT_INTERVAL))
parameters.socket_timeout = parameters.stack_timeout = parameters.blocked_connection_timeout = 10
properties = pika.BasicProperties(delivery_mode=pika.spec.PERSISTENT_DELIVERY_MODE, content_type='application/json')
routing_key = f'conductor.{guest.INSTANCE_ID}'


class Session:
    """One connection and its channel. If a message fails, the guest drops both."""

    def __init__(self):
        self.connection = pika.BlockingConnection(parameters)
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()

    def publish(self, body):
        """Returns when the broker has it. Without `mandatory` the broker confirms, and drops, a message without a bound queue."""
        self.channel.basic_publish('conductor', routing_key, body, properties, mandatory=True)

    def close(self):
        # `close` raises too if the connection is already closed.
        with contextlib.suppress(AMQPError, OSError):
            self.connection.close()


guest.run(Session, (AMQPError, OSError))
