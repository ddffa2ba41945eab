"""What happened: executions, integration errors, and the database they live in. Imports neither flows nor steps."""
