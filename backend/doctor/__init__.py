"""`galaxyloop doctor`: every part that the loop needs, tried, with what to do where one fails."""
