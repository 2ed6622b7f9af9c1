"""A deployment of this app on one machine, against an emulator that enforces its policies.

`rehearsal.emulator` runs in an environment of its own (`.venv-emulator`) and is started as a
process; everything else here runs in the app's environment and drives it.
"""
