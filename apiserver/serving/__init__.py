"""The shell of a process that serves HTTPS; knows no domain."""
