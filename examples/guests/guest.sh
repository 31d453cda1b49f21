#!/bin/bash
# A guest with only bash, coreutils and a program that publishes: mosquitto_pub for a broker at mqtt:// or mqtts://
# (Debian: mosquitto-clients), amqp-publish for a broker at amqp:// or amqps:// (Debian: amqp-tools).
#
# Arguments: [INSTANCE_ID [BROKER_URL]]. The environment may set INSTANCE_ID and BROKER_URL instead. HEARTBEAT_INTERVAL is in whole
# seconds. BACKUP_ID names a backup to make. KEY_FILE has the line that `conductor keys create` prints: with it the guest signs. The list of processes shows the arguments of both programs. If others can see it,
# put credentials into ~/.config/mosquitto_pub, or into a file for amqp-publish's --authfile.
set -u

instance_id=${1:-${INSTANCE_ID:?}}
broker_url=${2:-${BROKER_URL:?}}
interval=${HEARTBEAT_INTERVAL:-30}
backup_id=${BACKUP_ID:-}

# Prints the hexadecimal HMAC-SHA256 of standard input (RFC 2104). openssl would show the key in the list of processes; printf is a
# part of bash.
hmac() { # the key in hexadecimal
  local inner='' outer='' at byte
  for ((at = 0; at < 64; at++)); do
    byte=$((16#${1:at * 2:2}0 >> 4))
    inner+=$(printf '\\x%02x' $((byte ^ 0x36))) outer+=$(printf '\\x%02x' $((byte ^ 0x5c)))
  done
  local digest
  digest=$({ printf "$inner"; cat; } | sha256sum)
  { printf "$outer"; printf "$(sed 's/../\\x&/g' <<< "${digest%% *}")"; } | sha256sum | cut -c 1-64
}

# Sets `body` to the body with its signature, as docs/protocol.md has it.
sign() {
  local sender key_id key rest
  read -r sender key_id key < "$KEY_FILE"
  key=$(tr _- /+ <<< "$key=" | base64 -d | od -An -v -tx1 | tr -d ' \n')
  rest="1 $key_id $sender ${EPOCHREALTIME/,/.} $instance_id-$last_sent"$'\n'$body
  body="hmac-sha256 $(printf %s "$rest" | hmac "$key")"$'\n'$rest
}

# Succeeds when the broker has the message. The timeout ends the wait for a silent broker.
publish() {
  case $broker_url in
    mqtt*)
      timeout 10 mosquitto_pub -L "${broker_url%/}/conductor/$instance_id" -q 1 -m "$1"
      ;;
    amqp*)
      # amqp-publish has no publisher confirms. It succeeds if the broker closes the channel in good order after the message. If
      # the broker crashes just then, the message is lost. The next report makes up for it.
      timeout 10 amqp-publish --url="$broker_url" --exchange=conductor --routing-key="conductor.$instance_id" \
        --persistent --content-type=application/json --body="$1"
      ;;
  esac
}

# The state of the service, as a word of docs/protocol.md. Put your own check here.
service_status() {
  echo running
}

# Sets `backup` to all that is known. If an older report arrives late, all of it is stale. Put your own check of a backup here. In
# this example each call is one step of progress.
looks=0
look_at_backup() {
  looks=$((looks + 1))
  case $looks in
    1) backup='"state":"BUILDING","backup_type":"full"' ;;
    2) backup='"state":"SAVING","backup_type":"full","size":0.2' ;;
    *) backup='"state":"COMPLETED","backup_type":"full","size":0.3,"checksum":"d41d8cd98f00b204e9800998ecf8427e"' ;;
  esac
}

# Sets `body`. `sent` grows even if the clock is set back. The conductor applies only a message that is newer than the last one. The
# function sets a variable and prints nothing, because the subshell of a $(...) would lose `last_sent` (microseconds).
last_sent=0
message() {
  local now=${EPOCHREALTIME//[!0-9]/}
  last_sent=$((now > last_sent ? now : last_sent + 1))
  local sent=${last_sent::-6}.${last_sent: -6}
  body='{"method":"'$1'","args":{"instance_id":"'$instance_id'","sent":'$sent','$2'}}'
  [[ -z ${KEY_FILE:-} ]] || sign
}

# Bash handles a signal only between commands and in `wait`. So the sleep runs in the background, and the trap kills it.
stopping='' sleeper=''
trap 'stopping=yes; [[ -z $sleeper ]] || kill $sleeper' TERM INT
pause() { # milliseconds
  sleep "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))" &
  sleeper=$!
  # The signal may have come before the sleep started.
  [[ -z $stopping ]] || kill $sleeper
  wait $sleeper
  sleeper=''
} 2>/dev/null

failed=0 reported=''
until [[ -n $stopping ]]; do
  # Each attempt makes a new heartbeat. So after an outage of the broker there is one heartbeat, the newest.
  message heartbeat '"payload":{"service_status":"'$(service_status)'"}'
  if publish "$body"; then
    failed=0
    if [[ -n $backup_id ]]; then
      look_at_backup
      message update_backup '"backup_id":"'$backup_id'",'$backup
      # If the broker does not get the report now, the next heartbeat tries again.
      [[ $backup == "$reported" ]] || { publish "$body" && reported=$backup; }
    fi
    # Jitter: guests that start together do not send together for long.
    pause $((interval * (900 + RANDOM % 201)))
  else
    failed=$((failed < 5 ? failed + 1 : 5))
    # The delay is random, so that a fleet does not overload a broker that has just come back.
    pause $((RANDOM % (1000 << failed)))
  fi
done
