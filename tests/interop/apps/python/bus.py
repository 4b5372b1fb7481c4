"""When the next bus comes, by text: PyPI's ciscotropo-webapi-python on the web server of the standard library.

    HOST=127.0.0.1 PORT=8000 MESSAGING_TOKEN=... TROPO=http://127.0.0.1:8089 python bus.py
"""

import os
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.etree import ElementTree

import python2

tropo = python2.load("tropo")

NUMBER = "+15555550100"


def begin(answer, body):
    """Someone texts us, or `launch` has begun a session."""
    session = tropo.Session(body)
    if hasattr(session, "parameters"):
        return message(answer, session.parameters["phone"], session.parameters["words"])
    word, _, rest = session.initialText.strip().partition(" ")
    match word.upper():
        case "LINES":
            answer.say(["7: Hafen – Tiergärten", "12: Münsterplatz – 大学"])
        case "SHARE":
            message(answer, rest, "%s rides with line 7 ❤" % session.fromaddress["id"])
            answer.say("Shared.")
        case "NEXT":
            # The text that began the session is the first answer, so the first question is only there to take it.
            answer.ask("[ANY]", say="What?", name="word")
            answer.ask("[4 DIGITS]", say="From which stop? Text its 4 digits.", name="stop", attempts=2, timeout=30)
            answer.ask("morning(early, 1), evening(late, 2)", say="Morning or evening?", name="time")
            answer.on("continue", next="/timetable")
            answer.on("incomplete", next="/lost")
            answer.on("hangup", next="/gone")
        case "ALARM":
            answer.say("You hear of us when line 7 comes.")
            answer.wait(60000, allowSignals=["comes", "late"])
            answer.on("comes", next="/alarm?comes")
            answer.on("late", next="/alarm?late")
        case "BYE":
            answer.say("Good bye!")
            answer.hangup()
            answer.say("Nobody hears this.")
        case "DELAYS":
            answer.say("One moment, please.")
            answer.on("continue", next="delays?line=7")
        case _:
            answer.say("Text LINES, NEXT, DELAYS, ALARM, SHARE and a phone, or BYE.")


def delays(answer, body):
    """The first document of a session is done, and this is the next."""
    result = tropo.Result(body)
    answer.say("Line 7 is on time (%s, document %d)." % (result._state, result._sequence))


def timetable(answer, body):
    """Everything was asked, and `actions` has an item for each question."""
    result = tropo.Result(body)
    _, stop, time = result._actions
    answered = (result.getValue(), stop["value"], time["value"], time["interpretation"])
    answer.say("Your '%s' from stop %s in the %s (%s): line 7." % answered)


def lost(answer, body):
    result = tropo.Result(body)
    last = result._actions[-1]
    answer.say("That is no %s (%s, attempt %d)." % (last["name"], last["disposition"], last["attempts"]))


def gone(answer, body):
    print("gone:", tropo.Result(body)._state)


def alarm(answer, body):
    """A signal interrupted the session."""
    answer.say("Line 7: %s" % tropo.Result(body)._actions["disposition"])


def message(answer, phone, words):
    answer.message(words, phone, channel="TEXT", network="SMS", _from=NUMBER)


def launch(phone, words):
    """Has Tropo begin a session, as the samples of the library do: it has no client of its own for that."""
    token = os.environ["MESSAGING_TOKEN"]
    query = urllib.parse.urlencode({"action": "create", "token": token, "phone": phone, "words": words})
    with urllib.request.urlopen(os.environ["TROPO"] + "/1.0/sessions?" + query) as reply:
        return "launched: " + ElementTree.parse(reply).findtext("success")


PAGES = {"/": begin, "/delays": delays, "/timetable": timetable, "/lost": lost, "/gone": gone, "/alarm": alarm}


class Application(BaseHTTPRequestHandler):
    """The web server."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = tropo.Tropo()
        PAGES[urllib.parse.urlsplit(self.path).path](answer, body)
        self.reply("application/json", answer.RenderJson())

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/late":
            phone = dict(urllib.parse.parse_qsl(url.query))["phone"]
            self.reply("text/plain", launch(phone, "Line 7 & 12 are 5 minutes late – désolé 🚌"))
        else:
            self.reply("text/plain", "ready")

    def reply(self, content_type, body):
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.end_headers()
        self.wfile.write(body.encode())


ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Application).serve_forever()
