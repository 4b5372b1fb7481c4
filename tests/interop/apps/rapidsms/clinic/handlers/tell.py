"""TELL passes words on to other phones: `tell 15555550188,15555550199 The doctor is in`."""

from rapidsms.contrib.handlers import KeywordHandler
from rapidsms.router import lookup_connections, send


class TellHandler(KeywordHandler):
    keyword = "tell"

    def help(self):
        self.respond("To tell others, send: TELL <PHONE,PHONE> <WORDS>")

    def handle(self, text):
        phones, _, words = text.partition(" ")
        others = lookup_connections(self.msg.connections[0].backend, phones.split(","))
        send(words, others)
        self.respond("Told %d." % len(others))
