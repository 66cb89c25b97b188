"""The version of Infinitas; the package's metadata takes it from here."""

VERSION = "0.1.0"
