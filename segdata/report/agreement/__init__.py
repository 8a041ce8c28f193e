"""What a report of agreement says, whatever it is written on: conclusions in words, and figures."""
