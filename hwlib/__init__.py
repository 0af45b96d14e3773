"""The hardware library: units with their ports, latency, generator and software model."""
