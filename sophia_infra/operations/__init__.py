"""What is done with a running stack: status, doctor."""
