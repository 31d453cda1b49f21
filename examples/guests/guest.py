"""A guest in Python without its broker protocol. guest_mqtt.py, guest_amqp.py and guest_nats.py add a Session and run this.

Arguments: [INSTANCE_ID [BROKER_URL]]. The environment may set INSTANCE_ID and BROKER_URL instead, which keeps a password out of the
list of processes. HEARTBEAT_INTERVAL is in seconds; it counts until the conductor has said how often to report. BACKUP_ID names a backup to make. KEY_FILE is for brokers where guests sign (signing.py).
"""
import json
import os
import queue
import random
import signal
import sys
import threading
import time
import uuid

from signing import signed

INSTANCE_ID = sys.argv[1] if len(sys.argv) > 1 else os.environ['INSTANCE_ID']
BROKER_URL = sys.argv[2] if len(sys.argv) > 2 else os.environ['BROKER_URL']
HEARTBEAT_INTERVAL = float(os.environ.get('HEARTBEAT_INTERVAL', '30'))
BACKUP_ID = os.environ.get('BACKUP_ID')

# Heartbeats after which the conductor is asked anew how often to report: the fleet may have grown.
ASK_EVERY = 20
# Seconds to wait for its answer.
PATIENCE = 3

STOP = object()
# Events that wake the main thread. A signal handler may put into a SimpleQueue at any moment.
events = queue.SimpleQueue()
last_sent = 0.0


def service_status():
    """The state of the service, as a word of docs/protocol.md. Put your own check here."""
    return 'running'


def make_backup(backup_id):
    """Put your own backup here. It has a thread of its own. It reports its progress and never waits for the broker."""
    # Each report has all that is known. If an older report arrives late, all of it is stale.
    known = {'state': 'BUILDING', 'backup_type': 'full'}
    events.put((backup_id, dict(known)))
    for size in (0.1, 0.2, 0.3):
        time.sleep(0.5)
        known.update(state='SAVING', size=size)
        events.put((backup_id, dict(known)))
    known.update(state='COMPLETED', checksum='d41d8cd98f00b204e9800998ecf8427e')
    events.put((backup_id, dict(known)))


def message(method, **args):
    """`sent` grows even if the clock is set back. The conductor applies only a message that is newer than the last one."""
    global last_sent
    last_sent = max(time.time(), last_sent + 1e-6)
    body = json.dumps({'method': method, 'args': {'instance_id': INSTANCE_ID, 'sent': last_sent, **args}})
    return signed(body.encode())


def ask_pace(session):
    """Asks the conductor how often to report. Returns the seconds between two heartbeats, and until the next one; None without an answer."""
    if session.replies is None:
        return None
    call_id = str(uuid.uuid4())
    # The reply address stands in the body, where it is signed too.
    address = {'reply_to': session.replies, 'correlation_id': call_id, 'message_id': call_id}
    body = json.dumps({'method': 'heartbeat_interval', 'args': {}, **address}).encode()
    session.publish(signed(body, call_id))
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        answer = session.answer(deadline - time.monotonic())
        # A late answer to an earlier call has another id.
        if answer is None or answer.get('correlation_id') != call_id:
            continue
        pace = answer.get('result') or {}
        interval, pause = (pace.get(name) for name in ('interval', 'next'))
        is_pace = all(isinstance(value, (int, float)) and 0.001 <= value <= 86400 for value in (interval, pause))
        return (interval, pause) if is_pace else None
    return None


def run(connect, failures):
    """Runs until SIGTERM.

    `connect()` returns a session with `publish(body)`, `answer(seconds)`, `replies` and `close()`. `publish` returns when the broker has the
    message. `answer` returns the next answer to a call, or None after this time. `replies` is the address for answers; None if there is
    none. While the broker is away or refuses, `connect` and `publish` raise one of the classes `failures`.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: events.put(STOP))
    if BACKUP_ID:
        threading.Thread(target=make_backup, args=[BACKUP_ID], daemon=True).start()
    session, failed, heartbeat_due = None, 0, time.monotonic()
    interval, beats, ask_at = HEARTBEAT_INTERVAL, 0, 1
    unreported = {}
    while True:
        try:
            session = session or connect()
            if time.monotonic() >= heartbeat_due:
                # Each attempt makes a new heartbeat. So after an outage of the broker there is one heartbeat, the newest.
                session.publish(message('heartbeat', payload={'service_status': service_status()}))
                # Guests that start together do not send together: the first pause is up to twice as long. Later ones have jitter.
                pause = interval * (random.uniform(1, 2) if beats == 0 else random.uniform(0.9, 1.1))
                heartbeat_due = time.monotonic() + pause
                beats += 1
                if beats >= ask_at:
                    pace = ask_pace(session)
                    ask_at = beats + ASK_EVERY
                    if pace:
                        interval, heartbeat_due = pace[0], time.monotonic() + pace[1]
            for backup_id in list(unreported):
                session.publish(message('update_backup', backup_id=backup_id, **unreported[backup_id]))
                del unreported[backup_id]
            failed, wake_at = 0, heartbeat_due
        except failures as error:
            print(f'not sent: {error!r}', file=sys.stderr, flush=True)
            if session:
                session.close()
            session, failed = None, failed + 1
            # The delay is random, so that a fleet does not overload a broker that has just come back.
            wake_at = time.monotonic() + random.uniform(0, min(60, 2 ** min(failed, 6)))
        while True:
            try:
                event = events.get(timeout=max(0, wake_at - time.monotonic()))
            except queue.Empty:
                break
            if event is STOP:
                if session:
                    session.close()
                return
            backup_id, known = event
            unreported[backup_id] = known
            if not failed:
                break
