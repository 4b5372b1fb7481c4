"""An application on the bus: takes the texts that the router offers it, and answers each with a message.

    AMQP_URL=amqp://guest:guest@localhost/ python application.py weather

The argument is the application's name in `[router.amqp.NAME]`; the router has declared the queue. It needs pika alone.
"""

import json
import os
import sys
import uuid
from datetime import datetime, timezone

import pika


def answer(text):
    """What a text is answered with. Put your own logic here."""
    return "You texted: " + text


def reply_to(offered, number=0):
    """The command to send the answer to a text, as a body.

    Its id is derived from the text's: when the same text comes again, after a crash, the same command is published
    again, and the person is texted once. The number tells several messages apart that answer one text.
    """
    command = {
        "id": str(uuid.uuid5(uuid.UUID(offered["id"]), f"message.send {number}")),
        "type": "message.send.v1",
        "backend": offered["backend"],
        "correlation_id": offered.get("correlation_id"),
        # The text itself: so the account knows what the message answers.
        "causation_id": offered.get("causation_id"),
        "time": datetime.now(timezone.utc).isoformat(),
        "data": {
            "to": offered["data"]["from"],
            "text": answer(offered["data"]["text"]),
            "network": offered["data"]["network"],
            "application": offered["data"]["application"],
        },
    }
    # A text need not have all of them.
    return {key: value for key, value in command.items() if value is not None}


def publish(channel, command):
    """Publishes a command, and returns once the broker has it."""
    channel.basic_publish(
        exchange="tropomq",
        routing_key=f"message.send.{command['backend']}",
        body=json.dumps(command),
        properties=pika.BasicProperties(
            message_id=command["id"],
            correlation_id=command.get("correlation_id"),
            type=command["type"],
            app_id=command["data"]["application"],
            content_type="application/json",
            delivery_mode=pika.DeliveryMode.Persistent,
            headers={"causation-id": command["causation_id"]} if "causation_id" in command else None,
        ),
    )


def on_text(channel, method, _properties, body):
    """Publishes the answer first, and acknowledges the text last."""
    try:
        command = reply_to(json.loads(body))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # It will never be readable. The broker puts it among the dead letters.
        print(f"cannot read a text: {type(error).__name__}", file=sys.stderr)
        channel.basic_reject(method.delivery_tag, requeue=False)
        return
    publish(channel, command)
    channel.basic_ack(method.delivery_tag)


def main():
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
    channel = connection.channel()
    # From now on `basic_publish` waits for the broker, and raises if it refuses.
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=20)
    channel.basic_consume(f"application.{sys.argv[1]}", on_text)
    print("ready", flush=True)
    # A lost connection ends it: let whatever runs it start it again. What it had in hand comes again.
    channel.start_consuming()


if __name__ == "__main__":
    main()
