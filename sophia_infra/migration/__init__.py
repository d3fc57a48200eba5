"""The migration's phases as steps: the commands a person would type, their gates, and a journal of them."""
