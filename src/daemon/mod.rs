//! Wiring, life cycle, control socket, systemd.
