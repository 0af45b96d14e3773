"""What can be known about programs without changing them: banks, ports, costs, schedules, lifetimes."""
