"""Other libraries' names, answered by Rushlight."""
