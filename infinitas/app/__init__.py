"""The app: what a program that uses Infinitas holds."""
