"""What people look at: a live view in the terminal, and one page that can be sent around."""
