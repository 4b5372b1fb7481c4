"""HELP says what can be texted."""

from rapidsms.contrib.handlers import KeywordHandler


class HelpHandler(KeywordHandler):
    keyword = "help"

    def help(self):
        self.respond("Text ECHO and some words, or TELL, phones and some words.")

    def handle(self, text):
        self.help()
