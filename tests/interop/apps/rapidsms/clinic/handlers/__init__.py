"""What the clinic answers to: RapidSMS looks through the modules here."""
