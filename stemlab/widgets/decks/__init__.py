"""The decks: console, turntable, close-up, crate, MIDI."""
