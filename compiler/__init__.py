"""The ordered passes, the driver that runs and answers for them, and what they leave."""
