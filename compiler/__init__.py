"""The ordered passes, the driver that runs and verifies them, and the files that they leave."""
