#!/bin/bash
# A guest with only bash, coreutils and programs for the broker: mosquitto_pub and mosquitto_rr for mqtt:// or mqtts://
# (Debian: mosquitto-clients), amqp-publish and its sisters for amqp:// or amqps:// (Debian: amqp-tools).
#
# Arguments: [INSTANCE_ID [BROKER_URL]]. The environment may set INSTANCE_ID and BROKER_URL instead. HEARTBEAT_INTERVAL is in whole
# seconds; it counts until the conductor has said how often to report. BACKUP_ID names a backup to make. KEY_FILE has the line that
# `conductor keys create` prints: with it the guest signs. The list of processes shows the arguments of these programs. If others can see it, put credentials into ~/.config/mosquitto_pub, or into a file for amqp-publish's --authfile.
set -u

instance_id=${1:-${INSTANCE_ID:?}}
broker_url=${2:-${BROKER_URL:?}}
interval=$((${HEARTBEAT_INTERVAL:-30} * 1000)) # milliseconds
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

# Prints the answer to a call, if one comes within ten seconds. On a busy machine the programs take seconds to start. A broker that
# allows no place for the answer sends none.
call() {
  case $broker_url in
    mqtt*)
      timeout 15 mosquitto_rr -L "${broker_url%/}/conductor/$instance_id" -e "$replies" -q 1 -W 10 -m "$1"
      ;;
    amqp*)
      timeout 10 amqp-declare-queue --url="$broker_url" --queue="$replies" > /dev/null &&
        publish "$1" &&
        timeout 10 amqp-consume --url="$broker_url" --queue="$replies" --no-ack --count=1 cat
      timeout 10 amqp-delete-queue --url="$broker_url" --queue="$replies" > /dev/null
      ;;
  esac
} 2> /dev/null
case $broker_url in
  mqtt*) replies=replies/$instance_id ;;
  *) replies=replies.$instance_id ;;
esac

# Sets `interval` and `next`, milliseconds, to what the conductor answers. Fails without an answer.
ask_pace() {
  stamp
  local id=$instance_id-$last_sent answer
  # The reply address stands in the body, where it is signed too.
  body='{"method":"heartbeat_interval","args":{},"reply_to":"'$replies'","correlation_id":"'$id'","message_id":"'$id'"}'
  [[ -z ${KEY_FILE:-} ]] || sign
  answer=$(call "$body")
  # A late answer to an earlier call has another id.
  [[ $answer == *'"correlation_id":"'$id'"'* ]] || return
  local told_interval told_next
  told_interval=$(milliseconds interval "$answer") && told_next=$(milliseconds next "$answer") || return
  interval=$told_interval next=$told_next
}

# Prints a time of an answer in milliseconds. Fails if the answer has none, or none that a guest can follow.
milliseconds() { # its name, the answer
  [[ $2 =~ \"$1\":([0-9]{1,5})(\.([0-9]+))?[,}] ]] || return
  local fraction=${BASH_REMATCH[3]}000
  local time=$((BASH_REMATCH[1] * 1000 + 10#${fraction::3}))
  ((time > 0)) && echo $time
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

# Sets `last_sent`, in microseconds. It grows even if the clock is set back. The conductor applies only a message that is newer than
# the last one.
last_sent=0
stamp() {
  local now=${EPOCHREALTIME//[!0-9]/}
  last_sent=$((now > last_sent ? now : last_sent + 1))
}

# Sets `body`. The function prints nothing, because the subshell of a $(...) would lose `last_sent`.
message() {
  stamp
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

# The conductor is asked anew after 20 heartbeats: the fleet may have grown.
failed=0 reported='' beats=0 ask_at=1
until [[ -n $stopping ]]; do
  # Each attempt makes a new heartbeat. So after an outage of the broker there is one heartbeat, the newest.
  message heartbeat '"payload":{"service_status":"'$(service_status)'"}'
  if publish "$body"; then
    failed=0 beats=$((beats + 1))
    # Guests that start together do not send together: the first pause is up to twice as long. Later ones have jitter.
    next=$((interval * (beats == 1 ? 1000 + RANDOM % 1001 : 900 + RANDOM % 201) / 1000))
    if ((beats >= ask_at)); then
      ask_pace
      ask_at=$((beats + 20))
    fi
    if [[ -n $backup_id ]]; then
      look_at_backup
      message update_backup '"backup_id":"'$backup_id'",'$backup
      # If the broker does not get the report now, the next heartbeat tries again.
      [[ $backup == "$reported" ]] || { publish "$body" && reported=$backup; }
    fi
    pause $next
  else
    failed=$((failed < 5 ? failed + 1 : 5))
    # The delay is random, so that a fleet does not overload a broker that has just come back.
    pause $((RANDOM % (1000 << failed)))
  fi
done
