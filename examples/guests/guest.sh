#!/bin/bash
# A guest with nothing but bash, coreutils and what publishes: mosquitto_pub for a broker at mqtt:// or mqtts://
# (Debian: mosquitto-clients), amqp-publish for one at amqp:// or amqps:// (Debian: amqp-tools).
#
# Arguments: [INSTANCE_ID [BROKER_URL]], or the environment's INSTANCE_ID and BROKER_URL. HEARTBEAT_INTERVAL is in whole
# seconds. BACKUP_ID names a backup to make. Both programs show their arguments in the list of processes: if others can
# see it, put credentials into ~/.config/mosquitto_pub, or into a file for amqp-publish's --authfile.
set -u

instance_id=${1:-${INSTANCE_ID:?}}
broker_url=${2:-${BROKER_URL:?}}
interval=${HEARTBEAT_INTERVAL:-30}
backup_id=${BACKUP_ID:-}

# Succeeds once the broker has the message. A broker that says nothing would keep us for ever, hence the timeout.
publish() {
  case $broker_url in
    mqtt*)
      timeout 10 mosquitto_pub -L "${broker_url%/}/conductor/$instance_id" -q 1 -m "$1"
      ;;
    amqp*)
      # It knows no publisher confirms. It succeeds if the broker has closed the channel in good order behind the
      # message; for what is lost if the broker crashes just then, the next report makes up.
      timeout 10 amqp-publish --url="$broker_url" --exchange=conductor --routing-key="conductor.$instance_id" \
        --persistent --content-type=application/json --body="$1"
      ;;
  esac
}

# How the service does that this guest looks after, in a word of docs/protocol.md. Your own check goes here.
service_status() {
  echo running
}

# Sets `backup` to all that is known, each time: an older report that arrives late is stale as a whole. Look at your own
# backup here; this one gets on with each look.
looks=0
look_at_backup() {
  looks=$((looks + 1))
  case $looks in
    1) backup='"state":"BUILDING","backup_type":"full"' ;;
    2) backup='"state":"SAVING","backup_type":"full","size":0.2' ;;
    *) backup='"state":"COMPLETED","backup_type":"full","size":0.3,"checksum":"d41d8cd98f00b204e9800998ecf8427e"' ;;
  esac
}

# Sets `body`. `sent`, here in microseconds, grows even if the clock is set back: the conductor takes nothing that is
# not newer than what it has. Not printed for a $(...), because a subshell would forget the last one.
last_sent=0
message() {
  local now=${EPOCHREALTIME//[!0-9]/}
  last_sent=$((now > last_sent ? now : last_sent + 1))
  local sent=${last_sent::-6}.${last_sent: -6}
  body='{"method":"'$1'","args":{"instance_id":"'$instance_id'","sent":'$sent','$2'}}'
}

# Bash takes a signal only between commands, and while it waits: so the sleep is waited for, and the signal ends it.
stopping='' sleeper=''
trap 'stopping=yes; [[ -z $sleeper ]] || kill $sleeper' TERM INT
pause() { # milliseconds
  sleep "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))" &
  sleeper=$!
  # The signal may have come before there was anything for it to end.
  [[ -z $stopping ]] || kill $sleeper
  wait $sleeper
  sleeper=''
} 2>/dev/null

failed=0 reported=''
until [[ -n $stopping ]]; do
  # Made anew for each attempt: however long the broker is away, there is one heartbeat, the newest.
  message heartbeat '"payload":{"service_status":"'$(service_status)'"}'
  if publish "$body"; then
    failed=0
    if [[ -n $backup_id ]]; then
      look_at_backup
      message update_backup '"backup_id":"'$backup_id'",'$backup
      # What the broker does not get now is still news at the next heartbeat.
      [[ $backup == "$reported" ]] || { publish "$body" && reported=$backup; }
    fi
    # Guests that were started together do not stay together.
    pause $((interval * (900 + RANDOM % 201)))
  else
    failed=$((failed < 5 ? failed + 1 : 5))
    # Spread over the whole delay, so that a fleet does not fall upon a broker that has just come back.
    pause $((RANDOM % (1000 << failed)))
  fi
done
