"""What is known now and what was: a snapshot with the source of every figure, history, and a page of both."""
